//! Commands of the program psql in files that it runs. Those that change nothing in a database are left out, with blanks in
//! their place; the others are told when the file is run.

use std::ops::Range;
use std::sync::Arc;

use super::Chain;
use crate::sql::{LineIndex, ProblemKind, is_blank, split};
use crate::verdict::{Finding, Severity};

/// Commands that only show something, or say how it is shown. Those that begin with `d` describe what is there.
const QUIET: &[&str] = &[
    "a",
    "C",
    "H",
    "T",
    "conninfo",
    "copyright",
    "echo",
    "errverbose",
    "f",
    "h",
    "help",
    "html",
    "l",
    "list",
    "o",
    "out",
    "p",
    "print",
    "pset",
    "qecho",
    // `pg_dump` writes these two around what it dumps.
    "restrict",
    "unrestrict",
    "s",
    "sf",
    "sv",
    "t",
    "timing",
    "warn",
    "x",
    "z",
    "?",
];

/// A chain whose files have no commands of psql's but those that do something.
pub(super) fn leave_out(mut chain: Chain) -> Chain {
    let mut commanded: Vec<(String, Arc<str>, Range<usize>)> = Vec::new();
    for migration in &mut chain.migrations {
        let sources = [Some(&migration.up), migration.down.as_ref()].into_iter().flatten();
        if !sources.clone().any(|source| source.text.contains('\\')) {
            continue;
        }
        for source in sources {
            let first = commands(&source.text).into_iter().next();
            let known = |path: &String| commanded.iter().any(|(other, ..)| other == path);
            if let Some(range) = first.filter(|_| !known(&source.path)) {
                commanded.push((source.path.clone(), Arc::clone(&source.text), range));
            }
        }
        let migration = Arc::make_mut(migration);
        for source in [Some(&mut migration.up), migration.down.as_mut()].into_iter().flatten() {
            if let Some(text) = without(&source.text) {
                source.text = text;
            }
        }
    }
    // Where one file alone has any, nothing says that psql runs the others.
    if let [(path, text, first)] = commanded.as_slice()
        && chain.migrations.len() > 1
        && is_quiet(text, first)
    {
        let lines = LineIndex::new(text);
        let span = lines.span(first.clone());
        let message = "this is a command of psql, and no other file of the set has any: it is left out here";
        let finding = Finding::new("apply.meta-command", Severity::Note, message).in_file(path);
        let help = "if something else than psql runs the set, remove the line: the server does not know it";
        chain.findings.push(finding.at(span, lines.lines(span)).help(help));
    }
    chain
}

/// The places of the commands in `text`, each with the rest of its line.
fn commands(text: &str) -> Vec<Range<usize>> {
    if !text.contains('\\') {
        return Vec::new();
    }
    let problems = split(text).problems.into_iter();
    problems
        .filter(|problem| matches!(problem.kind, ProblemKind::MetaCommand(_)))
        .map(|problem| problem.range)
        .collect()
}

/// `text` with blanks where commands stand that change nothing; none where there are no such commands.
fn without(text: &Arc<str>) -> Option<Arc<str>> {
    let quiet: Vec<Range<usize>> = commands(text).into_iter().filter(|range| is_quiet(text, range)).collect();
    if quiet.is_empty() {
        return None;
    }
    let mut bytes = text.as_bytes().to_vec();
    quiet.into_iter().for_each(|range| bytes[range].fill(b' '));
    String::from_utf8(bytes).ok().map(Arc::from)
}

/// Whether what stands at `range` in `text` changes nothing in a database, and nothing in what is sent behind it.
fn is_quiet(text: &str, range: &Range<usize>) -> bool {
    parts(&text[range.clone()]).is_some_and(|parts| parts.iter().all(|part| is_quiet_command(text, range.end, part)))
}

fn is_quiet_command(text: &str, end: usize, command: &str) -> bool {
    let (word, arguments) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let on = |value: Option<&&str>| {
        value.is_none_or(|value| matches!(value.to_ascii_lowercase().as_str(), "on" | "true" | "1" | "yes"))
    };
    match word {
        "set" | "unset" => match arguments.as_slice() {
            [] => true,
            ["AUTOCOMMIT", ..] => word == "set" && on(arguments.get(1)),
            // A variable of the file's own counts where something is made of it.
            [name, ..] => ![":", ":'", ":\"", ":{?"].iter().any(|mark| mentions(text, &format!("{mark}{name}"))),
        },
        "encoding" => arguments.first().is_none_or(|name| matches!(*name, "UTF8" | "utf8" | "UTF-8" | "utf-8")),
        // Nothing is left that would not be sent.
        "q" | "quit" => is_blank(&text[end..]),
        // `\do` and the like; `\dr` would be none that psql knows.
        word => QUIET.contains(&word.trim_end_matches('+')) || is_description(word),
    }
}

/// `\d`, `\dt`, `\dfnp+`, `\des`.
fn is_description(word: &str) -> bool {
    let rest = word.trim_end_matches(['+', 'S', 'x']);
    word.starts_with('d') && rest.len() <= 5 && rest.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn mentions(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| !text[at + name.len()..].starts_with(is_part))
}

/// The commands of one line; none where SQL follows behind `\\`, or a backquote runs a program.
fn parts(line: &str) -> Option<Vec<&str>> {
    let (mut parts, mut quoted, mut start) = (Vec::new(), false, 1);
    let bytes = line.as_bytes();
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            b'`' if !quoted => return None,
            b'\'' => quoted = !quoted,
            b'\\' if !quoted => {
                parts.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&line[start..]);
    // Between two backslashes, or behind the last, stands nothing.
    (!parts.iter().any(|part| part.is_empty())).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str) -> String {
        without(&Arc::from(text)).map_or_else(|| text.to_owned(), |text| text.to_string())
    }

    #[test]
    fn what_psql_keeps_to_itself_is_left_out_and_places_stay() {
        for command in [
            "\\timing",
            "\\timing on",
            "\\echo 'é \\n it is' :x",
            "\\set ON_ERROR_STOP on",
            "\\set AUTOCOMMIT on",
            "\\set unused 1",
            "\\unset ECHO",
            "\\pset pager off \\x",
            "\\dt+ public.*",
            "\\encoding UTF8",
            "\\restrict 3fZ",
        ] {
            let text = format!("{command}\nSELECT 1;\n");
            let out = left(&text);
            assert_eq!((out.len(), out.trim()), (text.len(), "SELECT 1;"), "{command}");
            assert!(split(&out).problems.is_empty(), "{command}");
        }
        assert_eq!(left("SELECT 1;\n\\q\n").trim(), "SELECT 1;");
    }

    #[test]
    fn what_does_something_stays() {
        for text in [
            "\\connect other\nSELECT 1;",
            "\\i other.sql",
            "\\copy t from 'x'",
            "\\set AUTOCOMMIT off\nSELECT 1;",
            "\\set schema shop\nCREATE SCHEMA :schema;",
            "\\set name 'x'\nSELECT :'name';",
            "\\set who `whoami`",
            "SELECT 'DROP TABLE t' \\gexec",
            "\\if true\nSELECT 1;\n\\endif",
            "\\! rm x",
            "\\q\nSELECT 1;",
            "\\echo a \\\\ SELECT 1;",
            "\\encoding LATIN1",
        ] {
            assert_eq!(left(text), text);
        }
    }

    #[test]
    fn a_backslash_in_a_string_is_none_of_psqls() {
        let text = "SELECT E'a\\n', $$ \\timing $$; -- \\timing\n";
        assert_eq!(left(text), text);
    }
}
