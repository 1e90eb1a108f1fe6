//! Rows that the schema before accepts and that make up fail: `data.*`; and what rows lose when it succeeds: `loss.*`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::apply::failure;
use super::mending::{help, is_renaming};
use super::{Check, Subject, at};
use crate::layout::Source;
use crate::rows::schema::Table;
use crate::rows::{Breaking, Loss, Lost};
use crate::sql::lexer::{Lexer, TokenKind};
use crate::trace::{Cause, ServerError};
use crate::verdict::{Amendment, Counterexample, Finding, Recipe, RecipePlace, Severity};

/// What the search for rows found.
pub(super) struct Data;

impl Check for Data {
    fn migration(&self, subject: &Subject<'_>) -> Vec<Finding> {
        let source = &subject.migration.up;
        let Some(rows) = subject.rows else {
            // The schemas are read for the search alone.
            let message = "no rows were tried: there was no time for running the migration over them again and again";
            let help = "`migd check` has more time than a commit";
            let finding = || at(source, None, "data.unsearched", message.to_owned()).help(help);
            return subject.schemas.is_some().then(finding).into_iter().collect();
        };
        let mut findings: Vec<Finding> =
            rows.breaking.iter().filter_map(|rows| breaking(source, rows, subject)).collect();
        findings.extend(rows.losses.iter().filter_map(|lost| loss(subject, lost)));
        findings.extend(rows.unpopulated.iter().map(|(table, why)| {
            let message = format!("no row could be made up for {table}");
            let mut finding = at(source, None, "data.unpopulated", message);
            finding.table = Some(table.clone());
            finding.detail(format!("the server refuses what was tried: {why}"))
        }));
        findings
    }
}

fn breaking(source: &Source, rows: &Breaking, subject: &Subject<'_>) -> Option<Finding> {
    let Cause::Server(error) = &rows.failure.cause else { return None };
    let statement = rows.failure.range.clone().and_then(|range| source.text.get(range)).unwrap_or_default();
    let code = code(error, rows.known && (is_seed(statement) || is_renaming(statement)));
    let mut finding = failure(source, &rows.failure);
    finding.code = code.to_owned();
    finding.severity = super::default_severity(code);
    finding.message = format!("with rows that the schema before accepts: {}", error.message);
    // A block that raises by itself is there to stop the migration: whoever wrote it knows.
    let own = |context: &str| context.starts_with("PL/pgSQL function inline_code_block");
    if code == "data.raises" && error.context.as_deref().is_some_and(own) {
        finding.severity = Severity::Warning;
    }
    if code == "data.not-null" && misses_a_seed(statement, &rows.setup) {
        finding.severity = Severity::Warning;
    }
    // The other row is the chain's own, found by its name: production would have to have that very name by chance.
    if code == "data.cardinality" && finds_a_seed(statement, &rows.setup) {
        finding.severity = Severity::Warning;
    }
    finding.table = finding.table.or_else(|| named_relation(&error.message));
    finding.columns = columns(error, subject);
    if let (true, Some((table, column))) = (finding.columns.is_empty() && finding.table.is_none(), &rows.about) {
        (finding.table, finding.columns) = (Some(table.clone()), vec![column.clone()]);
    }
    let target = match (&finding.table, finding.columns.as_slice(), &error.constraint) {
        (Some(table), [column], _) => format!("{table}.{column}"),
        (_, _, Some(constraint)) => constraint.clone(),
        (Some(table), ..) => table.clone(),
        _ => String::new(),
    };
    let assumed = match target.as_str() {
        "" => format!("`-- migd: allow {code} -- why`"),
        target => format!("`-- migd: assume {code}({target}) -- why`"),
    };
    finding.help = Some(match tried(&rows.recipes) {
        Some(tried) => format!("{tried}\nif production has no such rows: {assumed}"),
        None => format!(
            "{}; if production has no such rows: {assumed}",
            help(code, error, (finding.table.as_deref(), finding.columns.first().map(String::as_str)), statement)
        ),
    });
    let setup = rows.setup.iter().map(|statement| format!("{statement};")).collect();
    let recipes = rows.recipes.clone();
    finding.counterexample = Some(Counterexample { setup, fails_with: error.message.clone(), recipes });
    finding.query.clone_from(&rows.query);
    Some(finding)
}

/// The ways out that were run over the rows, in words; none where there is none.
fn tried(recipes: &[Recipe]) -> Option<String> {
    let one = |(n, recipe): (usize, &Recipe)| {
        let place = match recipe.place {
            RecipePlace::Before => "before the statement",
            RecipePlace::Instead => "in its place",
        };
        let listed = |all: &[String]| -> String {
            all.iter().map(|sql| format!("\n  {};", sql.trim().replace('\n', "\n  "))).collect()
        };
        let further = |also: &Amendment| {
            let place = match also.place {
                RecipePlace::Before => "before",
                RecipePlace::Instead => "in the place of",
            };
            let statement = also.statement.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("\n  -- and {place} `{statement}`:{}", listed(&also.sql))
        };
        let sql = listed(&recipe.sql) + &recipe.also.iter().map(further).collect::<String>();
        let later: String = recipe.later.iter().map(|sql| format!("\n  {sql};")).collect();
        let later = if later.is_empty() { later } else { format!("\n  -- and in a later migration:{later}") };
        let or = if n == 0 { "tried over these rows, the migration passes with this" } else { "\nor, tried too, this" };
        format!("{or} {place} ({}):{sql}{later}", recipe.how)
    };
    (!recipes.is_empty()).then(|| recipes.iter().enumerate().map(one).collect())
}

/// What ordinary rows lose, at the statement that names it.
fn loss(subject: &Subject<'_>, loss: &Loss) -> Option<Finding> {
    let source = match loss.what {
        Lost::NotReverted => subject.migration.down.as_ref()?,
        _ => &subject.migration.up,
    };
    let table = &loss.table;
    let target = match &loss.column {
        Some(column) => format!("{table}.{column}"),
        None => table.clone(),
    };
    let change = loss.example.as_ref().map(|(old, new)| format!("{old} becomes {new}")).unwrap_or_default();
    let (code, words, message, help): (_, &[&str], _, _) = match loss.what {
        Lost::Rows(gone, of) => (
            "loss.rows-deleted",
            &["delete", "truncate"],
            format!("ordinary rows of {table} are deleted: {gone} of {of} that were tried"),
            "delete only what has to go",
        ),
        Lost::Column => (
            "loss.column-dropped",
            &["drop"],
            format!("column {target} goes with the values in it"),
            "copy what is still wanted first",
        ),
        Lost::Turned => (
            "loss.column-dropped",
            &["drop"],
            format!("column {target} goes, and the migration makes other values of its own first: {change}"),
            "keep it until nobody needs the old values",
        ),
        Lost::Read(tried) => (
            "loss.column-dropped",
            &["drop"],
            match tried {
                true => format!("column {target} goes with values that the migration reads and does not keep all of"),
                false => format!("column {target} goes with the values in it, which the migration reads first"),
            },
            "look whether what it puts elsewhere is all that is wanted",
        ),
        Lost::Table => (
            "loss.table-dropped",
            &["drop"],
            format!("table {table} goes with the rows in it"),
            "copy what is still wanted first",
        ),
        Lost::Values => (
            "loss.value-changed",
            &["type", "update", "delete"],
            format!("values of {target} are changed: {change}"),
            "leave the type wide enough, or keep the old values in a column of their own",
        ),
        Lost::Collapsed => (
            "loss.value-changed",
            &["update", "merge", "insert"],
            format!("different values of {target} all become one: {change}"),
            "if only some rows are meant, say which (WHERE)",
        ),
        Lost::Precision => (
            "loss.precision",
            &["type"],
            format!("values of {target} are rounded: {change}"),
            "leave the type as precise as the values are, or keep the old ones in a column of their own",
        ),
        Lost::NotReverted => (
            "revert.rows-lost",
            &[],
            match &loss.column {
                Some(_) => format!("up and then down do not bring the values of {target} back: {change}"),
                None => format!("up and then down do not bring the rows of {table} back"),
            },
            "put them back in down",
        ),
    };
    let range = match loss.what {
        Lost::NotReverted => None,
        _ => place(subject, table, loss.column.as_deref(), words),
    };
    let moved =
        matches!(loss.what, Lost::Rows(..)) && range.as_ref().is_some_and(|at| is_read_before(subject, table, at));
    let message = if moved { format!("{message}, which the migration reads first") } else { message };
    let statement = range.clone().and_then(|range| source.text.get(range)).unwrap_or_default();
    let kind = if loss.what == Lost::NotReverted { "allow" } else { "assume" };
    let target = if loss.what == Lost::NotReverted { String::new() } else { format!("({target})") };
    let help = format!("{help}; if nobody misses it: `-- migd: {kind} {code}{target} -- why`");
    let whole = matches!(loss.what, Lost::Rows(gone, of) if gone == of) && is_unconditional(statement);
    let mut finding = at(source, range, code, message).help(help);
    let deliberate = is_deliberate(statement, loss.column.as_deref().unwrap_or_default());
    match loss.what {
        Lost::Values | Lost::Precision if deliberate => finding.severity = Severity::Note,
        Lost::Collapsed | Lost::Turned => finding.severity = Severity::Note,
        Lost::Read(_) => finding.severity = Severity::Warning,
        // What is put elsewhere first is looked at, and not forgotten.
        Lost::Rows(..) if moved => finding.severity = Severity::Warning,
        _ if whole => finding.severity = Severity::Error,
        _ => {}
    }
    finding.table = Some(table.clone());
    finding.columns = loss.column.iter().cloned().collect();
    finding.query.clone_from(&loss.query);
    Some(finding)
}

/// The statement that names the table and the column, and says one of `words`: where it drops, changes or deletes.
fn place(subject: &Subject<'_>, table: &str, column: Option<&str>, words: &[&str]) -> Option<std::ops::Range<usize>> {
    let source = &subject.migration.up;
    let bare = |name: &str| name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_lowercase();
    let (table, column) = (bare(table), column.map(str::to_lowercase));
    let ranges = || subject.up.iter().flat_map(|up| &up.statements).map(|statement| statement.range.clone());
    let says = |range: &std::ops::Range<usize>, table: Option<&str>| {
        let text = source.text.get(range.clone()).unwrap_or_default().to_lowercase();
        let all: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').collect();
        let has = |word: &str| all.contains(&word);
        words.iter().any(|word| has(word)) && column.as_deref().is_none_or(has) && table.is_none_or(has)
    };
    ranges().find(|range| says(range, Some(&table))).or_else(|| ranges().find(|range| says(range, None)))
}

/// Whether an INSERT before `at` reads from the table.
fn is_read_before(subject: &Subject<'_>, table: &str, at: &std::ops::Range<usize>) -> bool {
    let text = &subject.migration.up.text;
    let bare = table.rsplit('.').next().unwrap_or(table).trim_matches('"').to_lowercase();
    let before = subject.up.iter().flat_map(|up| &up.statements).filter(|statement| statement.range.end <= at.start);
    before.filter_map(|statement| text.get(statement.range.clone())).any(|statement| {
        let mut words = statement.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').map(str::to_lowercase);
        let (mut puts, mut from) = (false, false);
        words.any(|word| {
            puts |= word == "insert";
            from |= puts && matches!(word.as_str(), "from" | "join");
            from && word == bare
        })
    })
}

/// Whoever writes a function or a CASE into a conversion, or puts another value in its place, knows that values change: only
/// what a cast does by itself is silent.
fn is_deliberate(statement: &str, column: &str) -> bool {
    static CALL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"([a-z_][a-z0-9_.]*) ?\(").ok());
    // What stands before parentheses in a cast.
    const CASTS: [&str; 14] = [
        "varchar",
        "char",
        "character",
        "varying",
        "bpchar",
        "numeric",
        "decimal",
        "float",
        "bit",
        "timestamp",
        "timestamptz",
        "time",
        "interval",
        "cast",
    ];
    let text = statement.to_ascii_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((_, value)) = text.split_once(" using ") else { return false };
    let calls = CALL.as_ref().is_some_and(|call| call.captures_iter(value).any(|found| !CASTS.contains(&&found[1])));
    calls || value.contains("case ") || !value.contains(&column.to_lowercase())
}

/// A statement that empties a table.
fn is_unconditional(statement: &str) -> bool {
    let text = statement.trim_start().to_ascii_lowercase();
    text.starts_with("truncate") || (text.starts_with("delete") && !text.contains("where") && !text.contains("using"))
}

/// An INSERT of fixed rows: of values, of what is looked up by a fixed text or number, or of a SELECT that reads no table but in
/// its conditions.
fn is_seed(statement: &str) -> bool {
    let mut depth = 0usize;
    let mut words = Vec::new();
    // Each SELECT in parentheses that reads: how deep it is, whether it has come to its WHERE, and to something fixed there.
    let mut open: Vec<(usize, bool, bool)> = Vec::new();
    let mut reads = false;
    for token in Lexer::new(statement, 0) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => {
                depth = depth.saturating_sub(1);
                while let Some((_, _, fixed)) = open.pop_if(|(own, ..)| *own > depth) {
                    reads |= !fixed;
                }
            }
            TokenKind::Literal | TokenKind::Number => {
                open.iter_mut().for_each(|(_, conditions, fixed)| *fixed |= *conditions);
            }
            TokenKind::Word => {
                let word = statement[token.start..token.end].to_ascii_lowercase();
                match word.as_str() {
                    "from" if depth > 0 && words.iter().any(|(own, word)| *own == depth && word == "select") => {
                        open.push((depth, false, false));
                    }
                    "where" => open.last_mut().into_iter().for_each(|(_, conditions, _)| *conditions = true),
                    // The condition has ended: what comes is a number of rows.
                    "limit" | "order" | "offset" => {
                        open.last_mut().into_iter().for_each(|(_, conditions, _)| *conditions = false);
                    }
                    _ => {}
                }
                words.push((depth, word));
            }
            _ => {}
        }
    }
    let outside = |word: &str| words.iter().any(|(depth, own)| *depth == 0 && own == word);
    let reads = if outside("select") { outside("from") } else { reads };
    words.first().is_some_and(|(_, first)| first == "insert") && !reads
}

/// Whether a statement looks for a row by a text that one made-up row has, and no table has two of them: the second row that
/// it finds is one that the chain inserts.
fn finds_a_seed(statement: &str, setup: &[String]) -> bool {
    static SEVERAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?i)\b(unnest|generate_\w+|\w+_elements(_text)?|\w+_each(_text)?|\w+_to_table|regexp_matches)\s*\(",
        )
        .ok()
    });
    let mut tables = BTreeSet::new();
    let once = setup.iter().all(|row| row.split_whitespace().nth(2).is_none_or(|table| tables.insert(table)));
    if !once || SEVERAL.as_ref().is_none_or(|several| several.is_match(statement)) {
        return false;
    }
    let texts = |sql: &str| -> BTreeSet<String> {
        let literals = Lexer::new(sql, 0).filter(|token| token.kind == TokenKind::Literal);
        literals.map(|token| sql[token.start..token.end].to_owned()).filter(|text| text.len() > 2).collect()
    };
    let looked = texts(statement);
    setup.iter().any(|row| !texts(row).is_disjoint(&looked))
}

/// Whether fixed rows look by its name for a row that the chain inserts, and production would have to have renamed that.
fn misses_a_seed(statement: &str, setup: &[String]) -> bool {
    is_seed(statement) && setup.iter().all(|row| row.starts_with("UPDATE "))
}

/// The columns that are concerned: the constraint's, or the one that the server names.
fn columns(error: &ServerError, subject: &Subject<'_>) -> Vec<String> {
    if let Some(column) = &error.column {
        return vec![column.clone()];
    }
    let (Some(name), Some((before, after))) = (&error.constraint, subject.schemas) else { return Vec::new() };
    let named = |table: &Table| {
        let foreign = table.foreign.iter().filter(|key| key.name == *name).map(|key| key.columns.clone());
        let checks = table.checks.iter().chain(&table.exclusions);
        let checks = checks.filter(|check| check.name == *name).map(|check| check.columns.clone());
        let unique = table.unique.iter().filter(|key| key.name == *name).map(|key| key.columns.clone());
        let numbers = foreign.chain(checks).chain(unique).next()?;
        Some(numbers.iter().filter_map(|number| table.columns.get(number)).map(|column| column.bare.clone()).collect())
    };
    after.tables.iter().chain(&before.tables).find_map(named).unwrap_or_default()
}

/// Some messages name the table or column in their words alone.
fn named_relation(message: &str) -> Option<String> {
    let rest = message.split("relation \"").nth(1).or_else(|| message.split("table \"").nth(1))?;
    rest.split('"').next().map(str::to_owned)
}

/// The code, by what the server says.
fn code(error: &ServerError, seed: bool) -> &'static str {
    match error.sqlstate.as_str() {
        "23503" => "data.foreign-key",
        "23505" if seed => "data.seed-conflict",
        "23505" => "data.unique",
        "23502" => "data.not-null",
        "23514" | "44000" => "data.check",
        "23P01" => "data.exclusion",
        "22001" => "data.too-long",
        "22003" | "22008" | "22012" | "22015" => "data.out-of-range",
        "21000" => "data.cardinality",
        // Class 42 has what is no `tsquery`.
        state if state.starts_with("22") || state == "42601" => "data.cast",
        state if state.starts_with("P0") => "data.raises",
        _ => "data.fails",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_told_by_its_words_and_not_by_its_texts() {
        assert!(is_seed("-- one\nINSERT INTO plugins (name) VALUES ('select to use')"));
        assert!(is_seed(
            "INSERT INTO plugins (name) SELECT 'a' WHERE NOT EXISTS (SELECT FROM plugins WHERE name = 'a')"
        ));
        assert!(!is_seed("INSERT INTO plugins (name) SELECT name FROM old"));
        assert!(!is_seed("INSERT INTO plugins (name) VALUES ((SELECT name FROM old LIMIT 1))"));
        assert!(!is_seed("UPDATE plugins SET name = 'insert'"));

        let link = "INSERT INTO links VALUES ((SELECT id FROM a WHERE name = 'x'), (SELECT id FROM b WHERE b.kind = 7 LIMIT 1))";
        assert!(is_seed(link), "each is one row's, found by a name");
        assert!(!is_seed(&link.replace("'x'", "a.title")));
        assert!(is_seed(
            "INSERT INTO t VALUES ('x', (SELECT coalesce((SELECT n FROM t WHERE name = 'y' LIMIT 1), 0)))"
        ));
        assert!(!is_seed("INSERT INTO links VALUES ((SELECT id FROM a WHERE old ORDER BY id LIMIT 1), 1)"));
    }

    #[test]
    fn a_seed_that_is_not_found_again_had_another_name_given_to_it() {
        let looked = "INSERT INTO releases VALUES ((SELECT id FROM packages WHERE name = 'shop'), '1.0')";
        let renamed = "UPDATE packages SET name = NULL WHERE id = 1".to_owned();
        assert!(misses_a_seed(looked, std::slice::from_ref(&renamed)));
        assert!(!misses_a_seed(looked, &["INSERT INTO packages (id) VALUES (1001)".to_owned(), renamed.clone()]));
        assert!(!misses_a_seed("INSERT INTO releases SELECT id, '1.0' FROM packages", &[renamed]));
    }

    #[test]
    fn one_made_up_row_of_the_name_that_is_looked_for_stands_beside_a_seed() {
        let looked = "INSERT INTO stages VALUES ((SELECT id FROM plugins WHERE name = 'Cosign'), 'build')";
        let row = |table: &str, name: &str| format!("INSERT INTO {table} (id, name) VALUES (1001, '{name}')");
        assert!(finds_a_seed(looked, &[row("owners", "ann"), row("plugins", "Cosign")]));
        assert!(!finds_a_seed(looked, &[row("plugins", "ann")]), "found by something else");
        assert!(!finds_a_seed(looked, &[row("plugins", "Cosign"), row("plugins", "Cosign")]), "they need no seed");
        let several = "UPDATE plugins SET tag = (SELECT unnest(tags)) WHERE name = 'Cosign'";
        assert!(!finds_a_seed(several, &[row("plugins", "Cosign")]), "one row gives several values");
    }
}
