//! Placeholders that some program fills in before a file is SQL: `{{ .Schema }}`, `${schema}`, `<%= schema %>`, `{schema}`,
//! `:SCHEMA`, and psql's `:'name'` and `:"name"`.
//!
//! Flyway and goose have placeholders of their own. In every other layout they belong to the program around the runner, and
//! `[migrations.vars]` gives their values by what stands between the marks.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::{File, Layout, Tree};
use crate::sql::lexer::{Lexer, TokenKind};
use crate::verdict::{Finding, Severity};

/// What opens a placeholder, and what closes it. None of the openers is SQL.
const MARKS: &[(&str, &str)] = &[("{{", "}}"), ("${", "}"), ("<%=", "%>"), BRACES];
/// Those of Rust's and Python's formats. Between them stands a name.
const BRACES: (&str, &str) = ("{", "}");

/// The first placeholder outside of strings and comments, in a quoted name, or for a schema in a search path.
pub(super) fn placeholder(text: &str) -> Option<Range<usize>> {
    if !MARKS.iter().any(|(open, _)| text.contains(open)) && !text.contains(":") {
        return None;
    }
    let mut before = None;
    let mut path = Path::Elsewhere;
    // How many parentheses and brackets are open, and whether the last token was a word outside of them.
    let (mut depth, mut follows_word) = (0, false);
    for token in Lexer::new(text, 0).filter(|token| !token.kind.is_comment()) {
        let rest = &text[token.start..];
        let own = &text[token.start..token.end];
        path = path.on(token.kind, own);
        if (token.kind == TokenKind::Quoted || (path == Path::Schema && token.kind == TokenKind::Literal))
            && let Some(at) = within(own)
        {
            return Some(token.start + at.start..token.start + at.end);
        }
        let marked = MARKS.iter().find(|(open, _)| rest.starts_with(open));
        let is_mark = matches!(token.kind, TokenKind::Other(_)) || rest.starts_with("${");
        if let Some((open, close)) = marked.filter(|_| is_mark) {
            // Over more than a line, it is something else.
            let line = rest.lines().next().unwrap_or(rest);
            let end = line.find(close).map_or(open.len(), |at| at + close.len());
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
            if *open == BRACES.0 && (end < 3 || !line[1..end - 1].chars().all(is_name)) {
                continue;
            }
            return Some(token.start..token.start + end);
        }
        if token.kind == TokenKind::Other(b':') && matches!(before, None | Some(b'(' | b',' | b' ' | b'=')) {
            let name = rest[1..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
            if name.len() > 1 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') {
                return Some(token.start..token.start + 1 + name.len());
            }
            // Behind a key of JSON_OBJECT a string may follow a colon, and in an array's bounds a name.
            let is_value = before != Some(b' ') || follows_word;
            if let Some(name) = quoted(&rest[1..]).filter(|_| is_value) {
                return Some(token.start..token.start + 1 + name.len() + 2);
            }
        }
        follows_word = token.kind == TokenKind::Word && depth == 0;
        match token.kind {
            TokenKind::Open | TokenKind::Other(b'[') => depth += 1,
            TokenKind::Close | TokenKind::Other(b']') => depth -= 1,
            TokenKind::Semicolon => depth = 0,
            _ => {}
        }
        before = match token.kind {
            TokenKind::Other(byte) => Some(byte),
            // An array's bounds: `a[1:N]`.
            TokenKind::Number | TokenKind::Close => Some(b'1'),
            _ => Some(b' '),
        };
    }
    None
}

/// Where a token stands to `SET search_path = a, b`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Path {
    Elsewhere,
    Named,
    Before,
    Schema,
}

impl Path {
    fn on(self, kind: TokenKind, text: &str) -> Path {
        match (self, kind) {
            (_, TokenKind::Word) if text.eq_ignore_ascii_case("search_path") => Path::Named,
            (Path::Named, TokenKind::Other(b'=')) => Path::Before,
            (Path::Named, TokenKind::Word) if text.eq_ignore_ascii_case("to") => Path::Before,
            (Path::Schema, TokenKind::Other(b',')) => Path::Before,
            (Path::Before, TokenKind::Word | TokenKind::Quoted | TokenKind::Literal) => Path::Schema,
            _ => Path::Elsewhere,
        }
    }
}

/// The first placeholder between quotes that is closed there. A name in single braces is one where it is all that there is.
fn within(quoted: &str) -> Option<Range<usize>> {
    MARKS.iter().find_map(|(open, close)| {
        let at = quoted.find(open)?;
        let end = at + open.len() + quoted[at + open.len()..].find(close)? + close.len();
        let whole = at == 1 && end + 1 == quoted.len();
        (*open != BRACES.0 || whole).then_some(at..end)
    })
}

/// The name in quotes that `text` begins with.
fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let name = text[1..].split(quote).next()?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_name && text[1 + name.len()..].starts_with(quote)).then_some(name)
}

/// What is said of a placeholder without a value.
pub(super) fn unfilled(placeholder: &str) -> Finding {
    unnamed(placeholder, name(placeholder).0)
}

/// The same, of one whose name stands between other marks.
pub(super) fn unnamed(placeholder: &str, name: &str) -> Finding {
    let message = format!("no value for the placeholder {placeholder}: this file is a template");
    Finding::new("config.placeholder", Severity::Error, message)
        .help(format!("give it in the set's section of migd.toml: `vars = {{ {} = \"…\" }}`", key(name)))
}

/// A name as a key in TOML.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match name {
        name if !name.is_empty() && name.chars().all(bare) => name.to_owned(),
        name if name.contains('\'') => toml::Value::String(name.to_owned()).to_string(),
        name => format!("'{name}'"),
    }
}

/// What stands between a placeholder's marks, and whether there are any.
fn name(placeholder: &str) -> (&str, bool) {
    let between = |(open, close): &(&str, &str)| placeholder.strip_prefix(open)?.strip_suffix(close);
    match MARKS.iter().find_map(between) {
        Some(inside) => (inside.trim().trim_start_matches('.').trim(), true),
        None => (placeholder.trim_start_matches(':').trim_matches(['\'', '"']), false),
    }
}

/// The files with the values of `vars` in the place of placeholders; none where there is nothing to do.
pub(super) fn fill(layout: &dyn Layout, tree: &Tree, vars: &BTreeMap<String, String>) -> Option<Tree> {
    if vars.is_empty() || matches!(layout.name(), "flyway" | "goose") {
        return None;
    }
    let mut filled = tree.clone();
    for file in filled.files.values_mut().filter(|file| !file.is_link) {
        let Some(text) = file.bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()) else { continue };
        let bytes: Arc<[u8]> = Arc::from(with_values(text, vars).into_bytes());
        *file = File { size: bytes.len() as u64, bytes: Some(bytes), ..file.clone() };
    }
    Some(filled)
}

fn with_values(text: &str, vars: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '$', '<', ':']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with(':')
            && !out.ends_with(':')
            && let Some(name) = quoted(&rest[1..])
            && let Some(value) = vars.get(name)
        {
            // psql puts it into the quotes that it is asked for in.
            let quote = &rest[1..2];
            out.push_str(&format!("{quote}{}{quote}", value.replace(quote, &quote.repeat(2))));
            rest = &rest[1 + name.len() + 2..];
            continue;
        }
        let marked = MARKS.iter().find(|(open, _)| rest.starts_with(open));
        let end = match marked {
            Some((_, close)) => rest.find(close).map(|end| end + close.len()),
            None if rest.starts_with(':') && !out.ends_with(':') => {
                let name = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len() - 1);
                (name > 0).then_some(1 + name)
            }
            None => None,
        };
        let value = end.and_then(|end| Some((end, vars.get(name(&rest[..end]).0)?)));
        let taken = match value {
            Some((end, value)) => {
                out.push_str(value);
                end
            }
            None => {
                out.push_str(&rest[..1]);
                1
            }
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Option<&str> {
        placeholder(text).map(|at| &text[at])
    }

    #[test]
    fn placeholders_are_found_outside_of_strings_and_comments() {
        assert_eq!(first("CREATE SCHEMA {{ .Schema }};"), Some("{{ .Schema }}"));
        assert_eq!(
            first("CREATE TABLE {{ index .Options \"Namespace\" }}.a ()"),
            Some("{{ index .Options \"Namespace\" }}")
        );
        assert_eq!(first("CREATE TABLE ${schema}.a ()"), Some("${schema}"));
        assert_eq!(first("CREATE TABLE <%= schema %>.a ()"), Some("<%= schema %>"));
        assert_eq!(first("CREATE TABLE {schema}.a ()"), Some("{schema}"));
        assert_eq!(first("CREATE TABLE :SCHEMA.a ()"), Some(":SCHEMA"));
        assert_eq!(first("CREATE ROLE :\"role\""), Some(":\"role\""));
        assert_eq!(first("INSERT INTO t VALUES (1, :'name')"), Some(":'name'"));
    }

    #[test]
    fn no_name_and_no_schema_of_a_search_path_has_a_placeholder() {
        assert_eq!(first("SELECT 1 FROM \"{{.Schema}}\".a"), Some("{{.Schema}}"));
        assert_eq!(first("CREATE TABLE \"app_${env}\" ()"), Some("${env}"));
        assert_eq!(first("CREATE TABLE \"{schema}\".a ()"), Some("{schema}"));
        assert_eq!(first("SET search_path = public, '{{.Schema}}';"), Some("{{.Schema}}"));
        assert_eq!(first("SET search_path TO '{{.Schema}}';"), Some("{{.Schema}}"));
        assert_eq!(first("SET search_path = a; SELECT '{{.Name}}'"), None);
        let function = "CREATE FUNCTION f() RETURNS text SET search_path = '' AS $$ SELECT '{{.Name}}' $$";
        assert_eq!(first(function), None);
        assert_eq!(first("SELECT 1 AS \"a {b} c\""), None);
    }

    #[test]
    fn what_is_sql_is_no_placeholder() {
        for text in [
            "SELECT '{{1,2},{3,4}}'::int[]",
            "-- {{ not yet }}\nSELECT 1",
            "SELECT $1, $a$ ${x} $a$",
            "SELECT a::TEXT, b[1:N], a <% b",
            "SELECT '${x}' || \"a{{b\"",
            "SELECT '{name}'::text[], '{\"a\": 1}'::jsonb",
            "SELECT { a mistake }",
            "SELECT JSON_OBJECT('a':'b', k :'c'), a[lo:\"hi\"], x::\"char\"",
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN x := 1; END $$",
        ] {
            assert_eq!(first(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_stands_for_every_placeholder_of_its_name() {
        let vars = BTreeMap::from([("Schema".to_owned(), "shop".to_owned()), ("a b".to_owned(), "c".to_owned())]);
        let text = "{{ .Schema }}.x {{Schema}} ${Schema} <%= a b %> {Schema} :Schema ::Schema ${other} {{ '{' }} {}";
        assert_eq!(with_values(text, &vars), "shop.x shop shop c shop shop ::Schema ${other} {{ '{' }} {}");
    }

    #[test]
    fn psqls_quotes_stay_around_a_value() {
        let vars = BTreeMap::from([("who".to_owned(), "O'Neil".to_owned())]);
        assert_eq!(
            with_values("SELECT :'who', :\"who\", x::\"who\"", &vars),
            "SELECT 'O''Neil', \"O'Neil\", x::\"who\""
        );
    }

    #[test]
    fn the_key_is_one_that_toml_takes() {
        assert!(unfilled("{{ .Schema }}").help.unwrap().contains("vars = { Schema ="));
        assert!(unfilled("{{ index .O \"N\" }}").help.unwrap().contains("vars = { 'index .O \"N\"' ="));
    }
}
