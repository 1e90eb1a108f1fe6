//! Other texts for a migration that something is wrong with: the line that accepts a finding, and the ways out that the
//! finding itself knows.

use std::ops::Range;

use crate::check;
use crate::sql::{self, Statement};
use crate::verdict::{Finding, Recipe, RecipePlace};

/// One change of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rewrite {
    /// What it does, for a person.
    pub(super) title: String,
    /// The bytes that are replaced.
    pub(super) range: Range<usize>,
    /// What replaces them.
    pub(super) text: String,
}

impl Rewrite {
    /// `text` as it is afterwards.
    pub(super) fn applied(&self, text: &str) -> String {
        format!("{}{}{}", &text[..self.range.start], self.text, &text[self.range.end..])
    }
}

/// The line that accepts `finding`, for the up that it is about. Its reason is left out: without one the line is refused,
/// at its own place, until the author has written it.
pub(super) fn acceptance(finding: &Finding, up: &str, byte: Option<usize>) -> Option<Rewrite> {
    let directive = directive(finding)?;
    let at = above(up, byte);
    let breaks = if at > 0 && !up[..at].ends_with('\n') { "\n" } else { "" };
    let title = format!("Accept it: -- migd: {directive} (write the reason behind it)");
    let rewrite = Rewrite { title, range: at..at, text: format!("{breaks}-- migd: {directive} -- \n") };
    // Where a comment is none, it would accept nothing.
    let read = sql::directives(&rewrite.applied(up));
    let before = sql::directives(up);
    (read.problems.len() == before.problems.len() + 1).then_some(rewrite)
}

/// The directive, without its reason. None for what cannot be accepted: the migration does not run, or there is no verdict.
fn directive(finding: &Finding) -> Option<String> {
    let family = finding.code.split('.').next().unwrap_or_default();
    if matches!(family, "apply" | "config" | "engine" | "suppress") {
        return None;
    }
    // The finding knows what exactly is to be assumed.
    let told = finding.help.as_deref().and_then(|help| help.split("`-- migd: ").nth(1)?.split(" -- why`").next());
    Some(told.map_or_else(|| format!("allow {}", finding.code), str::to_owned))
}

/// What is to be done about a directive that something is wrong with.
pub(super) fn directive_mended(finding: &Finding, text: &str, byte: usize) -> Vec<Rewrite> {
    let start = line_start(text, byte);
    let end = text[start..].find('\n').map_or(text.len(), |end| start + end + 1);
    let line = &text[start..end];
    let mut found = Vec::new();
    if finding.code == "suppress.unknown"
        && let Some(wrong) = sql::directives(line).directives.first().map(|directive| directive.code.clone())
        && let (Some(at), Some(meant)) = (line.find(&wrong), check::codes::suggest(&wrong))
    {
        let range = start + at..start + at + wrong.len();
        found.push(Rewrite { title: format!("Write `{}`", meant.name), range, text: meant.name.to_owned() });
    }
    let own = line.trim_start().starts_with("--");
    if own && matches!(&*finding.code, "suppress.unused" | "suppress.expired" | "suppress.unknown") {
        found.push(Rewrite { title: "Remove the line".to_owned(), range: start..end, text: String::new() });
    }
    found
}

/// Ways out of `finding`, at `byte` of `text`. They were run over the rows that it shows; what else comes of them is for a
/// judgement to say.
pub(super) fn candidates(finding: &Finding, text: &str, byte: usize) -> Vec<Rewrite> {
    let script = sql::split(text);
    let statement = script.statements.iter().find(|s| s.range.start <= byte && byte <= s.range.end);
    let (Some(statement), Some(rows)) = (statement, &finding.counterexample) else { return Vec::new() };
    rows.recipes.iter().map(|recipe| prescribed(recipe, text, statement)).collect()
}

fn prescribed(recipe: &Recipe, text: &str, statement: &Statement) -> Rewrite {
    let later: String =
        recipe.later.iter().map(|sql| format!("-- in a later migration: {}\n", one_line(sql))).collect();
    let mut how = recipe.how.chars();
    let title: String = how.next().map(|first| first.to_uppercase().chain(how).collect()).unwrap_or_default();
    let first = change(recipe.place, &recipe.sql, &later, text, &statement.range);
    // Behind it, each of the others once.
    let script = sql::split(text);
    let mut rest = script.statements.iter().filter(|own| own.range.start > statement.range.start);
    let mut others: Vec<Rewrite> = recipe
        .also
        .iter()
        .filter_map(|also| {
            let found = rest.find(|own| text[own.range.clone()] == also.statement)?;
            Some(change(also.place, &also.sql, "", text, &found.range))
        })
        .collect();
    others.insert(0, first);
    // One change over all of them.
    let range = others[0].range.start..others.last().map_or(0, |last| last.range.end);
    let (mut out, mut done) = (String::new(), range.start);
    for other in others {
        out.push_str(&text[done..other.range.start]);
        out.push_str(&other.text);
        done = other.range.end;
    }
    Rewrite { title, range, text: out }
}

/// What puts `sql` in its place by the statement at `range`.
fn change(place: RecipePlace, sql: &[String], later: &str, text: &str, range: &Range<usize>) -> Rewrite {
    let sql = sql.iter().map(|sql| sql.trim()).collect::<Vec<_>>().join(";\n");
    let title = String::new();
    match place {
        RecipePlace::Before => {
            let at = above(text, Some(range.start));
            Rewrite { title, range: at..at, text: format!("{later}{sql};\n") }
        }
        // The semicolon behind the statement stays.
        RecipePlace::Instead => Rewrite { title, range: range.clone(), text: format!("{later}{sql}") },
    }
}

fn one_line(sql: &str) -> String {
    format!("{};", sql.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Where a line can be put above the statement at `byte`, or above the first one: never inside of a statement, of its data
/// or of a comment.
fn above(text: &str, byte: Option<usize>) -> usize {
    let script = sql::split(text);
    let Some(byte) = byte.or_else(|| script.statements.first().map(|first| first.range.start)) else {
        return text.len();
    };
    let whole = |s: &Statement| s.range.start..s.copy_data.as_ref().map_or(s.range.end, |data| data.end);
    let taken: Vec<Range<usize>> = script.statements.iter().map(whole).chain(script.comments.iter().cloned()).collect();
    let mut at = line_start(text, byte.min(text.len()));
    while let Some(range) = taken.iter().find(|range| range.start < at && at < range.end) {
        at = line_start(text, range.start);
    }
    at
}

fn line_start(text: &str, byte: usize) -> usize {
    text[..byte].rfind('\n').map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Amendment, Counterexample, Severity};

    fn unique() -> Finding {
        let help = "merge them; if production has no such rows: `-- migd: assume data.unique(users.nick) -- why`";
        Finding::new("data.unique", Severity::Error, "two rows are equal").help(help)
    }

    fn accepted(finding: &Finding, text: &str, at: &str) -> String {
        acceptance(finding, text, text.find(at)).unwrap().applied(text)
    }

    #[test]
    fn the_line_that_accepts_a_finding_lacks_its_reason_only() {
        let text = "-- no-transaction\nCREATE UNIQUE INDEX a ON users (nick);\n";
        let text = accepted(&unique(), text, "CREATE");
        assert_eq!(text.lines().nth(1), Some("-- migd: assume data.unique(users.nick) -- "));
        assert_eq!(sql::directives(&text).problems[0].kind, sql::MalformedKind::MissingReason);
        let mended = text.replace("-- \n", "-- merged by hand\n");
        assert_eq!(sql::directives(&mended).directives[0].code, "data.unique");
    }

    #[test]
    fn it_stands_above_the_statement_and_in_none() {
        let text = "SELECT 1; DO $$\nBEGIN\n  RAISE 'x';\nEND $$;\n";
        assert!(accepted(&unique(), text, "RAISE").starts_with("-- migd: assume"));
        let text = "/* a\n b */ SELECT 2;\nSELECT 3";
        assert!(accepted(&unique(), text, "SELECT 2").starts_with("-- migd: assume"));
        assert_eq!(accepted(&unique(), text, "SELECT 3").lines().nth(2).unwrap().get(..8), Some("-- migd:"));
    }

    #[test]
    fn a_finding_about_the_whole_file_is_accepted_above_its_first_statement() {
        let missing = Finding::new("revert.missing", Severity::Warning, "there is no down");
        let rewrite = acceptance(&missing, "-- +goose Up\nSELECT 1;", None).unwrap();
        assert_eq!(
            rewrite.applied("-- +goose Up\nSELECT 1;"),
            "-- +goose Up\n-- migd: allow revert.missing -- \nSELECT 1;"
        );
        let rewrite = acceptance(&missing, "-- nothing", None).unwrap();
        assert_eq!(rewrite.applied("-- nothing"), "-- nothing\n-- migd: allow revert.missing -- \n");
    }

    #[test]
    fn what_does_not_run_cannot_be_accepted() {
        for code in ["apply.error", "engine.timeout", "config.invalid", "suppress.unused"] {
            assert_eq!(acceptance(&Finding::new(code, Severity::Error, "x"), "SELECT 1;", None), None, "{code}");
        }
    }

    #[test]
    fn a_way_out_stands_above_the_statement_or_in_its_place() {
        let text = "ALTER TABLE a\n    ADD FOREIGN KEY (b) REFERENCES c (id);\nSELECT 1;\n";
        let mut finding = Finding::new("data.foreign-key", Severity::Error, "x");
        let recipe = |how: &str, place, sql: &str, later: &[&str]| Recipe {
            how: how.to_owned(),
            place,
            sql: vec![sql.to_owned()],
            also: Vec::new(),
            later: later.iter().map(|sql| (*sql).to_owned()).collect(),
        };
        finding.counterexample = Some(Counterexample {
            setup: Vec::new(),
            fails_with: String::new(),
            recipes: vec![
                recipe("delete those rows", RecipePlace::Before, "DELETE FROM a", &[]),
                recipe(
                    "add it unchecked",
                    RecipePlace::Instead,
                    "ALTER TABLE a ADD k NOT VALID",
                    &["ALTER TABLE a\nVALIDATE k"],
                ),
            ],
        });
        let found = candidates(&finding, text, 20);
        assert_eq!(found[0].title, "Delete those rows");
        assert_eq!(found[0].applied(text), format!("DELETE FROM a;\n{text}"));
        assert_eq!(
            found[1].applied(text),
            "-- in a later migration: ALTER TABLE a VALIDATE k;\nALTER TABLE a ADD k NOT VALID;\nSELECT 1;\n"
        );
    }

    #[test]
    fn a_directive_that_accepts_nothing_can_be_removed() {
        let text = "-- migd: allow data.uniqe -- because\nSELECT 1;\n";
        let unknown = Finding::new("suppress.unknown", Severity::Error, "x");
        let found = directive_mended(&unknown, text, 0);
        assert_eq!(found[0].applied(text), text.replace("uniqe", "unique"));
        assert_eq!(found[1].applied(text), "SELECT 1;\n");
    }

    #[test]
    fn a_way_out_changes_each_statement_that_it_speaks_of() {
        let up =
            "ALTER TABLE a ADD b int NOT NULL;\nSELECT 1;\nUPDATE a SET c = 1;\nALTER TABLE a ADD c int NOT NULL;\n";
        let also = |statement: &str, place, sql: &str| Amendment {
            statement: statement.to_owned(),
            place,
            sql: vec![sql.to_owned()],
        };
        let recipe = Recipe {
            how: "add it with a default".to_owned(),
            place: RecipePlace::Instead,
            sql: vec!["B".to_owned()],
            later: Vec::new(),
            also: vec![
                also("UPDATE a SET c = 1", RecipePlace::Before, "U"),
                also("ALTER TABLE a ADD c int NOT NULL", RecipePlace::Instead, "C"),
            ],
        };
        let script = sql::split(up);
        let rewrite = prescribed(&recipe, up, &script.statements[0]);
        assert_eq!(rewrite.applied(up), "B;\nSELECT 1;\nU;\nUPDATE a SET c = 1;\nC;\n");
    }
}
