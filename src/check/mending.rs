//! What helps against a failure over rows, in words: where no way out was run that makes the migration pass.

use std::sync::LazyLock;

use regex::Regex;

use super::slips;
use crate::sql::lexer::{Lexer, TokenKind};
use crate::trace::ServerError;

/// The recipe for a class of failures.
pub(super) fn help(
    code: &str,
    error: &ServerError,
    (table, column): (Option<&str>, Option<&str>),
    statement: &str,
) -> String {
    let table = table.unwrap_or("the table");
    let what = error.constraint.as_deref().unwrap_or("it");
    // Of a function or a block, the statement in it.
    let inner = error.context.as_deref().and_then(|context| context.strip_prefix("SQL statement \""));
    let own = inner.unwrap_or(statement);
    let verb = verb(own);
    let begins = |word: &str| verb.as_deref() == Some(word);
    match code {
        // What is refused is the statement, not the constraint: NOT VALID would let nothing pass.
        "data.foreign-key" if error.message.starts_with("update or delete on ") && begins("update") => format!(
            "rows of {table} refer to the key that is changed: change them with it, by a {what} that is made anew with ON \
             UPDATE CASCADE, or with that constraint dropped before and added again behind"
        ),
        "data.foreign-key" if error.message.starts_with("update or delete on ") => {
            format!("rows of {table} refer to what is deleted: first delete them, or give them another parent")
        }
        "data.foreign-key" if begins("insert") => format!(
            "leave out the rows of which {what} finds no parent (`WHERE EXISTS (SELECT FROM …)`, or an inner join), or \
             insert their parents first"
        ),
        "data.foreign-key" if begins("update") => format!(
            "give {table} only keys that have a parent (`WHERE EXISTS (SELECT FROM …)`), or insert the parents first"
        ),
        "data.foreign-key" if begins("alter") && column.is_some_and(|column| adds(statement, Some(column))) => {
            format!(
                "every row that is there gets the new column's default, and what {what} refers to has no such row: insert it \
                 before, or add the column without a default and without NOT NULL, fill it, and add {what} then"
            )
        }
        "data.foreign-key" => format!(
            "first delete the rows of {table} without a parent, or set their key to NULL; or add {what} as NOT VALID, \
             clean up, and VALIDATE it in a later migration"
        ),
        "data.unique" if begins("insert") => {
            format!("insert only what is not in {table} yet (ON CONFLICT DO NOTHING), and one row of each (DISTINCT ON)")
        },
        "data.unique" if begins("update") => {
            format!("say what becomes of rows of {table} that get the same key: delete or merge all but one of them first")
        }
        "data.unique" => format!("first delete or merge the duplicates in {table}, keeping one row of each"),
        "data.not-null" if begins("alter") && adds(statement, error.column.as_deref()) => {
            "rows that are there have no value for a new column: add it with a DEFAULT, or without NOT NULL, fill it, and \
             SET NOT NULL then"
                .to_owned()
        }
        "data.not-null" if begins("insert") || begins("update") => {
            "leave out the rows that have NULL there (WHERE … IS NOT NULL), or give them a value (coalesce)".to_owned()
        }
        "data.not-null" => "first fill the NULLs (UPDATE … SET … WHERE … IS NULL), or delete those rows".to_owned(),
        // A new row is held to what is NOT VALID too.
        "data.check" if begins("insert") || begins("update") => {
            format!("leave out the rows that break {what}, or give them values that it allows (CASE, nullif(…, ''))")
        }
        "data.check" => format!("first mend the rows that break {what}; or add it as NOT VALID and VALIDATE it later"),
        "data.exclusion" => format!("first resolve the rows of {table} that exclude each other"),
        "data.cast" if error.message.starts_with("range lower bound must be") => {
            "first mend the rows whose range would end before it begins, or begin it with the least of the two".to_owned()
        }
        // `jsonb_build_object(NULL, …)`, `string_to_array(…)[…]` and the like: no conversion, but a value that a function refuses.
        "data.cast" if matches!(error.sqlstate.as_str(), "22004" | "22023") => {
            "leave out the rows whose values the function refuses (WHERE … IS NOT NULL), or give it others for them \
             (coalesce)"
                .to_owned()
        }
        "data.cast" => {
            "convert what can be converted and say what becomes of the rest: nullif(…, ''), CASE, a pattern".to_owned()
        }
        "data.too-long" => "first shorten what is too long, or leave the type wide enough for what is there".to_owned(),
        "data.out-of-range" => "first mend the values that do not fit, or choose a type that takes them".to_owned(),
        "data.seed-conflict" if is_renaming(statement) => {
            "say what becomes of both rows where the new key is there already (`AND NOT EXISTS (…)`, or merge them)"
                .to_owned()
        }
        "data.seed-conflict" => {
            "add ON CONFLICT DO NOTHING (or DO UPDATE), or insert only what is not there".to_owned()
        }
        "data.cardinality" => "say which row is meant: ORDER BY … LIMIT 1, an aggregate, or a join on a key".to_owned(),
        "data.raises" => "mend the rows that are refused before the statement that meets them".to_owned(),
        "data.fails" if matches!(error.sqlstate.as_str(), "42P06" | "42P07" | "42701" | "42710") => {
            "make nothing twice for rows of one name (SELECT DISTINCT, IF NOT EXISTS)".to_owned()
        }
        "data.fails" if error.sqlstate.starts_with("42") => {
            "name what is there: the block or function comes to this only with a row".to_owned()
        }
        _ => slips::advice(error, statement).unwrap_or_else(|| {
            "split the migration, so that rows and schema are not changed in one transaction".to_owned()
        }),
    }
}

/// The word that says what a statement does, in lower case: of one that begins with WITH, what stands behind its queries.
fn verb(statement: &str) -> Option<String> {
    let mut depth = 0usize;
    let mut words = Lexer::new(statement, 0).filter_map(|token| {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word if depth == 0 => return Some(statement[token.start..token.end].to_ascii_lowercase()),
            _ => {}
        }
        None
    });
    let first = words.next()?;
    let changes = |word: &String| matches!(word.as_str(), "insert" | "update" | "delete" | "merge" | "select");
    if first == "with" { words.find(changes) } else { Some(first) }
}

/// Whether an ALTER TABLE adds `column`.
fn adds(statement: &str, column: Option<&str>) -> bool {
    let Some(column) = column else { return false };
    let pattern =
        format!(r#"(?i)\badd\s+(?:column\s+)?(?:if\s+not\s+exists\s+)?"?{}(?:[\s"]|$)"#, regex::escape(column));
    Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(statement))
}

/// An UPDATE that gives one known row another fixed key: `SET name = 'b' WHERE name = 'a'`.
pub(super) fn is_renaming(statement: &str) -> bool {
    static RENAMING: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let column = r#"("?\w+"?)\s*=\s*'[^']*'"#;
        Regex::new(&format!(r#"(?is)^\s*update\s+[\w."]+\s+set\s+{column}\s+where\s+{column}\s*;?\s*$"#)).ok()
    });
    let found = RENAMING.as_ref().and_then(|pattern| pattern.captures(statement));
    found.is_some_and(|found| found[1].eq_ignore_ascii_case(&found[2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_depends_on_what_the_statement_does() {
        let said = |code: &str, sqlstate: &str, column: &str, statement: &str| {
            let (sqlstate, column) = (sqlstate.to_owned(), Some(column.to_owned()));
            help(code, &ServerError { sqlstate, column, ..ServerError::default() }, (Some("t"), None), statement)
        };
        let of_null = |statement: &str| said("data.not-null", "23502", "owner", statement);
        assert!(of_null("ALTER TABLE t ADD COLUMN \"owner\" int NOT NULL").contains("with a DEFAULT"));
        assert!(of_null("ALTER TABLE t ADD owners int, ALTER owner SET NOT NULL").contains("fill the NULLs"));
        assert!(of_null("-- from old\nINSERT INTO t SELECT owner FROM old").contains("coalesce"));
        let of_range = ServerError { message: "range lower bound must be less".to_owned(), ..ServerError::default() };
        assert!(help("data.cast", &of_range, (Some("t"), None), "ALTER TABLE t …").contains("end before it begins"));
        let of_check = |statement: &str| said("data.check", "23514", "owner", statement);
        assert!(of_check("ALTER TABLE t ADD CHECK (owner > 0)").contains("NOT VALID"));
        let copied = of_check("WITH old AS (UPDATE o SET x = 1 RETURNING x) INSERT INTO t SELECT x FROM old");
        assert!(copied.contains("leave out") && !copied.contains("NOT VALID"), "{copied}");
        let of_block = |sqlstate: &str| said("data.fails", sqlstate, "owner", "DO $$ … $$");
        assert!(of_block("42P07").contains("DISTINCT"));
        assert!(of_block("42703").contains("name what is there"));
        assert!(of_block("55006").contains("split the migration"));
        let of_key = |statement: &str| said("data.unique", "23505", "owner", statement);
        assert!(of_key("INSERT INTO t SELECT owner FROM old").contains("ON CONFLICT"));
        assert!(of_key("UPDATE t SET owner = lower(owner)").contains("get the same key"));
        assert!(of_key("CREATE UNIQUE INDEX ON t (owner)").contains("the duplicates in t"));

        let of_foreign = |statement: &str, message: &str| {
            let error =
                ServerError { sqlstate: "23503".to_owned(), message: message.to_owned(), ..ServerError::default() };
            help("data.foreign-key", &error, (Some("t"), Some("owner")), statement)
        };
        let (lacks, has) = ("insert or update on table \"t\" violates", "update or delete on table \"p\" violates");
        assert!(of_foreign("ALTER TABLE t ADD FOREIGN KEY (owner) REFERENCES p", lacks).contains("NOT VALID"));
        let added = of_foreign("ALTER TABLE t ADD COLUMN owner int NOT NULL REFERENCES p DEFAULT 7", lacks);
        assert!(added.contains("the new column's default") && !added.contains("delete"), "{added}");
        let insert = of_foreign("INSERT INTO t SELECT owner FROM old", lacks);
        assert!(insert.contains("leave out the rows") && !insert.contains("NOT VALID"), "{insert}");
        assert!(of_foreign("UPDATE t SET owner = 1", lacks).contains("only keys that have a parent"));
        assert!(of_foreign("UPDATE p SET id = id + 1000", has).contains("ON UPDATE CASCADE"));
        assert!(of_foreign("DELETE FROM p", has).contains("refer to what is deleted"));
    }
}
