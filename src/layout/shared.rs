//! Files that tern puts into others: `{{ template "shared/v1.sql" . }}`. What is put in moves the lines behind it: the places
//! of findings are those in the migration's own file.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::{Chain, Migration, Tree};
use crate::sql::LineIndex;
use crate::verdict::Span;

/// A text that was put into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    /// Where the file asks for it.
    asked: Span,
    /// The lines that ask for it.
    line: String,
    /// The file that it is from, relative to the set.
    file: String,
    /// The first line that has something of it, in the text with everything put in.
    first: u32,
    /// How many more lines that text has for it than the file itself.
    more: u32,
}

/// Where something is in the file itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Own<'a> {
    /// At this place.
    At(Span),
    /// In a text that was put in here: where the file asks for it, those lines, and the text's own file and line.
    Within(Span, &'a str, &'a str, u32),
}

/// What was put into each file.
pub(super) type Inserts = BTreeMap<String, Arc<[Insert]>>;

/// So many levels of files in files are followed, and so much is put in.
const DEEP: usize = 8;
const LONG: usize = 16 << 20;

/// The set's files with what they ask for put in, and where; none where no file asks for any.
pub(super) fn put_in(tree: &Tree) -> Option<(Tree, Inserts)> {
    let mut all = Inserts::new();
    let mut filled: Option<Tree> = None;
    for (path, file) in tree.files.iter().filter(|(path, file)| !path.contains('/') && !file.is_link) {
        let Some(text) = file.bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()) else { continue };
        let Some((text, inserts)) = with_inserts(tree, text) else { continue };
        let filled = filled.get_or_insert_with(|| tree.clone());
        let bytes: Arc<[u8]> = Arc::from(text.into_bytes());
        let file = super::File { size: bytes.len() as u64, bytes: Some(bytes), ..file.clone() };
        filled.files.insert(path.clone(), file);
        all.insert(path.clone(), inserts.into());
    }
    filled.map(|filled| (filled, all))
}

/// Says of each source what was put into it, and of each finding where it is in the file itself.
pub(super) fn note(chain: &mut Chain, inserts: &Inserts, path: impl Fn(&str) -> String) {
    for (file, inserts) in inserts {
        let path = path(file);
        for migration in chain.migrations.iter_mut().filter(|m| has(m, &path)) {
            let migration = Arc::make_mut(migration);
            let sources = [Some(&mut migration.up), migration.down.as_mut()].into_iter().flatten();
            sources.filter(|source| source.path == path).for_each(|source| source.inserts = Some(Arc::clone(inserts)));
        }
        for finding in chain.findings.iter_mut().filter(|finding| finding.path.as_ref() == Some(&path)) {
            let (Some(line), Some(column)) = (finding.line, finding.column) else { continue };
            let (end_line, end_column) = (finding.end_line.unwrap_or(line), finding.end_column.unwrap_or(column));
            *finding = match own(inserts, Span { line, column, end_line, end_column }) {
                Own::At(span) => {
                    let source = finding.source.clone().unwrap_or_default();
                    finding.clone().at(span, &source)
                }
                Own::Within(span, text, file, line) => {
                    let message = format!("{} (line {line} of {file})", finding.message);
                    crate::verdict::Finding { message, ..finding.clone() }.at(span, text)
                }
            };
        }
    }
}

fn has(migration: &Migration, path: &str) -> bool {
    migration.up.path == path || migration.down.as_ref().is_some_and(|down| down.path == path)
}

/// Where a place in the text with everything put in is in the file itself.
pub(super) fn own(inserts: &[Insert], span: Span) -> Own<'_> {
    let mut shift = 0;
    let mut found = span;
    for insert in inserts {
        if span.line >= insert.first && span.line <= insert.first + insert.more {
            return Own::Within(insert.asked, &insert.line, &insert.file, span.line - insert.first + 1);
        }
        if span.line > insert.first {
            shift += insert.more;
        }
    }
    found.line -= shift;
    found.end_line = found.end_line.saturating_sub(shift).max(found.line);
    Own::At(found)
}

fn with_inserts(tree: &Tree, text: &str) -> Option<(String, Vec<Insert>)> {
    let lines = LineIndex::new(text);
    let (mut out, mut inserts, mut from) = (String::new(), Vec::new(), 0);
    for found in asked()?.captures_iter(text) {
        let (Some(whole), Some(name)) = (found.get(0), found.get(1)) else { continue };
        let Some(put) = content(tree, name.as_str(), DEEP) else { continue };
        out.push_str(&text[from..whole.start()]);
        let count = |text: &str| u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX);
        let asked = lines.span(whole.range());
        inserts.push(Insert {
            asked,
            line: lines.lines(asked).to_owned(),
            file: name.as_str().to_owned(),
            first: count(&out) + 1,
            more: count(&put).saturating_sub(count(whole.as_str())),
        });
        out.push_str(&put);
        from = whole.end();
        if out.len() > LONG {
            return None;
        }
    }
    out.push_str(&text[from..]);
    (!inserts.is_empty()).then_some((out, inserts))
}

/// A file in a folder of the set, with what it asks for itself.
fn content(tree: &Tree, name: &str, deep: usize) -> Option<String> {
    let file = tree.files.get(name).filter(|file| name.contains('/') && !file.is_link)?;
    let text = std::str::from_utf8(file.bytes.as_deref()?).ok()?;
    let (mut out, mut from) = (String::new(), 0);
    for found in asked()?.captures_iter(text) {
        let (whole, inner) = (found.get(0)?, found.get(1)?);
        out.push_str(&text[from..whole.start()]);
        out.push_str(&content(tree, inner.as_str(), deep.checked_sub(1)?)?);
        from = whole.end();
        if out.len() > LONG {
            return None;
        }
    }
    out.push_str(&text[from..]);
    Some(out)
}

/// With the migration's own data, or none: what is given other data is a template that migd does not know.
fn asked() -> Option<&'static Regex> {
    static ASKED: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"\{\{-?\s*template\s+"([^"\n]+)"(?:\s+\.)?\s*-?\}\}"#).ok());
    ASKED.as_ref()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{body, findings, plan};
    use super::*;

    fn span(line: u32) -> Span {
        Span { line, column: 1, end_line: line, end_column: 2 }
    }

    #[test]
    fn what_a_file_asks_for_is_put_in_and_places_are_its_own() {
        let chain = plan(
            "plain",
            &[
                (
                    "001_a.sql",
                    "SELECT 1;\n{{ template \"shared/v.sql\" . }}\nSELECT 4;\n---- create above / drop below ----\n{{template \"shared/d.sql\"}}",
                ),
                ("shared/v.sql", "SELECT 2;\n{{ template \"shared/w.sql\" . }}\n"),
                ("shared/w.sql", "SELECT 3;"),
                ("shared/d.sql", "SELECT -1;"),
            ],
        );
        assert_eq!(findings(&chain), [""; 0]);
        let [migration] = chain.migrations.as_slice() else { panic!("{:?}", chain.migrations) };
        assert_eq!(body(&migration.up), "SELECT 1;\nSELECT 2;\nSELECT 3;\n\nSELECT 4;\n");
        assert_eq!(body(migration.down.as_ref().unwrap()).trim(), "SELECT -1;");
        let inserts = migration.up.inserts.as_ref().unwrap();
        assert_eq!(own(inserts, span(1)), Own::At(span(1)));
        let Own::Within(asked, text, file, line) = own(inserts, span(3)) else { panic!() };
        assert_eq!((asked.line, text, file, line), (2, "{{ template \"shared/v.sql\" . }}", "shared/v.sql", 2));
        assert_eq!(own(inserts, span(5)), Own::At(span(3)));
    }

    #[test]
    fn a_template_with_other_data_or_that_is_not_there_is_one_without_a_value() {
        for asked in ["{{ template \"shared/x.sql\" . }}", "{{ template \"shared/v.sql\" (dict \"a\" \"b\") }}"] {
            let chain = plan("plain", &[("001_a.sql", asked), ("shared/v.sql", "SELECT 1")]);
            assert_eq!(findings(&chain), ["config.placeholder migrations/001_a.sql"]);
        }
    }

    #[test]
    fn files_that_ask_for_each_other_end() {
        let chain = plan(
            "plain",
            &[("001_a.sql", "{{ template \"s/a.sql\" . }}"), ("s/a.sql", "{{ template \"s/a.sql\" . }}")],
        );
        assert_eq!(findings(&chain), ["config.placeholder migrations/001_a.sql"]);
    }
}
