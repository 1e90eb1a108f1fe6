//! What becomes of the values of a column that goes: whether what the migration writes has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use tokio_postgres::SimpleQueryMessage;

use super::lost::{Losses, Rows, key};
use super::schema::{Column, Table};
use crate::sql::{self, Kind};

/// What became of a column's values.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// All that were tried are found where the migration puts them.
    Kept,
    /// Other values are made of them, each another one: one of them, before and after.
    Turned(String, String),
    /// A statement reads them. Whether ordinary rows showed that they are nowhere afterwards.
    Read(bool),
    /// Nothing looks at them.
    Gone,
}

/// The words of each statement that may read a column, and whether it changes rows.
#[derive(Debug, Default)]
pub(super) struct Readers(Vec<(BTreeSet<String>, bool)>);

impl Readers {
    pub(super) fn of(body: &str) -> Readers {
        let statements = sql::split(body).statements;
        let one = |statement: &sql::Statement| {
            let text = &body[statement.range.clone()];
            let changes = || statement.kind == Kind::Data || is_called(text, body, &statements);
            let words: Vec<String> = text
                .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
                .filter(|word| !word.is_empty())
                .map(str::to_lowercase)
                .collect();
            let first = words.first()?.clone();
            // What is made of a column, and keeps no value of it.
            let made = words.iter().skip(1).find(|word| *word != "unique");
            let is_aside = made.is_some_and(|made| matches!(made.as_str(), "index" | "policy" | "trigger"));
            let words: BTreeSet<String> = words.into_iter().collect();
            let is_reader = match first.as_str() {
                "drop" | "comment" => false,
                "create" if is_aside => false,
                // Only a conversion reads another column.
                "alter" => words.contains("using"),
                _ => true,
            };
            is_reader.then(|| (words, first == "do" || changes()))
        };
        Readers(statements.iter().filter_map(one).collect())
    }

    /// Whether a statement that changes rows has this word.
    pub(super) fn change(&self, name: &str) -> bool {
        self.0.iter().any(|(words, changes)| *changes && words.contains(&name.to_lowercase()))
    }

    /// Whether there is any.
    pub(super) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether one statement has all of these.
    fn have(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(words, _)| names.iter().all(|name| words.contains(&name.to_lowercase())))
    }
}

/// Whether a statement makes a function or procedure that another statement of the migration calls.
fn is_called(text: &str, body: &str, statements: &[sql::Statement]) -> bool {
    static MADE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)^create\s+(?:or\s+replace\s+)?(?:function|procedure)\s+([^\s(]+\s*\()").ok());
    let name = MADE.as_ref().and_then(|made| made.captures(text)).map(|found| found[1].to_lowercase());
    let calls = |statement: &sql::Statement| {
        let text = body[statement.range.clone()].to_lowercase();
        let is_call = ["select ", "call ", "do "].iter().any(|word| text.starts_with(word));
        is_call && name.as_ref().is_some_and(|name| text.contains(name))
    };
    name.is_some() && statements.iter().any(calls)
}

/// What this transaction has written.
const OURS: &str = "xmin::text::int8 >= (pg_catalog.txid_current() & 4294967295)";

/// The texts of a column after up, by the key of each row.
type Texts = BTreeMap<String, Option<String>>;

impl Losses<'_> {
    /// What became of the values that `rows` of `table` had in `column`, which is gone.
    pub(super) async fn fate(&self, table: &Table, number: i16, rows: Option<&Rows>, after: &Table) -> Fate {
        let Some(column) = table.columns.get(&number) else { return Fate::Gone };
        if !self.readers.have(&[&column.bare]) {
            return Fate::Gone;
        }
        let unkept = |tried| match self.readers.have(&[&column.bare, &table.bare]) {
            true => Fate::Read(tried),
            false => Fate::Gone,
        };
        let Some(rows) = rows else { return unkept(false) };
        let old: BTreeMap<&String, &String> =
            rows.iter().filter_map(|(key, row)| Some((key, row.get(&number)?.own.as_ref()?))).collect();
        let written = self.written(table, column, rows, after).await;
        if are_kept(&old, &written) {
            return Fate::Kept;
        }
        if self.is_elsewhere(table, column, &old.values().copied().collect()).await {
            return Fate::Kept;
        }
        match written.iter().find_map(|texts| turned(&old, texts)) {
            Some((old, new)) => Fate::Turned(old, new),
            None => unkept(true),
        }
    }

    /// The columns of the table itself that are new or have other values, and that a statement names with the one that goes.
    async fn written(&self, table: &Table, gone: &Column, rows: &Rows, after: &Table) -> Vec<Texts> {
        let Some(key) = key(table, after) else { return Vec::new() };
        let named = after.columns.iter().filter(|(_, column)| self.readers.have(&[&gone.bare, &column.bare]));
        let columns: Vec<(&i16, &Column)> = named.collect();
        let picks: String = columns.iter().map(|(_, column)| format!(", {}::text", column.name)).collect();
        let now = self.texts(&format!("SELECT {key}{picks} FROM {} LIMIT 1000", after.name)).await;
        let mut written: Vec<Texts> = Vec::new();
        for (at, (number, _)) in columns.iter().enumerate() {
            let texts: Texts =
                now.iter().filter_map(|row| Some((row.first()?.clone()?, row.get(at + 1)?.clone()))).collect();
            let before = |key: &String| Some(&rows.get(key)?.get(*number)?.own);
            let is_new = !table.columns.contains_key(*number);
            if is_new || texts.iter().any(|(key, text)| before(key).is_some_and(|before| before != text)) {
                written.push(texts);
            }
        }
        written
    }

    /// Whether one column of another table has all of these values, in rows that the migration has written.
    async fn is_elsewhere(&self, table: &Table, gone: &Column, values: &BTreeSet<&String>) -> bool {
        let others = self.job.after.tables.iter().filter(|other| other.oid != table.oid && !other.columns.is_empty());
        for other in others.filter(|other| !values.is_empty() && self.readers.have(&[&gone.bare, &other.bare])) {
            let picks: Vec<String> = other.columns.values().map(|column| format!("{}::text", column.name)).collect();
            let sql = format!(
                "SELECT {} FROM {} WHERE {OURS} AND cmin::text::int8 > {} LIMIT 1000",
                picks.join(", "),
                other.name,
                self.placed_until
            );
            let rows = self.texts(&sql).await;
            let has = |at: usize, value: &String| {
                rows.iter().any(|row| row.get(at).and_then(Option::as_ref).is_some_and(|text| holds(text, value)))
            };
            if (0..picks.len()).any(|at| values.iter().all(|value| has(at, value))) {
                return true;
            }
        }
        false
    }

    /// The number of the command that has put in the last of the rows of these tables.
    pub(super) async fn last_command(&self, tables: impl Iterator<Item = &Table>) -> i64 {
        let mut last = 0;
        for table in tables {
            let sql = format!("SELECT max(cmin::text::int8) FROM {} WHERE {OURS}", table.name);
            let rows = self.texts(&sql).await;
            let found = rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok());
            last = last.max(found.unwrap_or(0));
        }
        last
    }

    /// The rows of a query as texts; none where it fails.
    async fn texts(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let client = self.session.client();
        let Ok(messages) = client.simple_query(&format!("SAVEPOINT migd_read; {sql}")).await else {
            let _ = client.batch_execute("ROLLBACK TO SAVEPOINT migd_read").await;
            return Vec::new();
        };
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        });
        rows.collect()
    }
}

/// Whether each row that is still there has its value in one of the columns: one row's may have gone into another column than
/// the next one's.
fn are_kept(old: &BTreeMap<&String, &String>, written: &[Texts]) -> bool {
    let there = |key: &String| written.iter().any(|texts| texts.contains_key(key));
    let kept = |key: &String, old: &str| {
        written.iter().filter_map(|texts| texts.get(key)?.as_ref()).any(|now| holds(now, old))
    };
    let mut left = old.iter().filter(|(key, _)| there(key)).peekable();
    left.peek().is_some() && left.all(|(key, old)| kept(key, old))
}

/// A value and what became of it, where each value has become another one.
fn turned(old: &BTreeMap<&String, &String>, texts: &Texts) -> Option<(String, String)> {
    let pairs: BTreeSet<(&String, &String)> =
        old.iter().filter_map(|(key, old)| Some((*old, texts.get(*key)?.as_ref()?))).collect();
    let all: BTreeSet<_> = old.values().collect();
    let olds: BTreeSet<_> = pairs.iter().map(|(old, _)| old).collect();
    let news: BTreeSet<_> = pairs.iter().map(|(_, new)| new).collect();
    let is_each = olds.len() > 1 && olds.len() == all.len() && news.len() == pairs.len();
    pairs.first().filter(|_| is_each).map(|(old, new)| ((*old).clone(), (*new).clone()))
}

/// Whether a text is a value, or JSON or an array that has it.
fn holds(text: &str, value: &str) -> bool {
    text == value || (text.starts_with(['{', '[']) && text.contains(&format!("\"{value}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_drops_or_describes_a_column_does_not_read_it() {
        let readers = Readers::of(
            "COMMENT ON COLUMN users.nick IS 'x'; ALTER TABLE users DROP COLUMN nick; UPDATE users SET name = 'x';",
        );
        assert!(!readers.have(&["nick"]) && readers.have(&["NAME", "users"]));
        let readers = Readers::of("ALTER TABLE users ALTER age TYPE int USING nick::int");
        assert!(readers.have(&["nick", "age"]) && !readers.change("nick"));
    }

    #[test]
    fn a_value_is_found_in_json_and_not_in_a_longer_text() {
        assert!(holds("ab", "ab") && holds("{\"nick\": \"ab\"}", "ab"));
        assert!(!holds("abc", "ab") && !holds("{\"nick\": \"abc\"}", "ab"));
    }

    #[test]
    fn an_index_reads_no_values_that_it_keeps() {
        let read = |up: &str| Readers::of(up).have(&["kind", "orders"]);
        assert!(!read("ALTER TABLE orders DROP kind, ADD kind text; CREATE UNIQUE INDEX ON orders (kind);"));
        assert!(!read("CREATE POLICY p ON orders USING (kind = 'a'); DROP POLICY p ON orders;"));
        assert!(read("CREATE TABLE index AS SELECT kind FROM orders"));
        assert!(read("INSERT INTO unique_kinds SELECT kind FROM orders"));
    }
}
