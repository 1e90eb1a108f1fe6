//! What rows a database has: a count and a digest for each table that is not empty.
//!
//! Before anything is generated, a chain's database holds only the rows that its migrations insert: few enough to read
//! them all.
//!
//! Reading a table may run functions of the migration's own: a cast of the row's type, what an index's expression is
//! folded to. So it is done with the rights of the migration's role, never with an administrator's.

use std::collections::BTreeMap;

use tokio_postgres::{Client, SimpleQueryMessage};

/// How many rows of one table are read; a table with more is told by their number alone.
const MAX_ROWS: i64 = 100_000;

/// A table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// How many; -1 where the role of migrations may not read them.
    pub count: i64,
    /// Equal where the rows are, whatever their order.
    pub digest: String,
}

/// The rows of every table that is not empty, by its name as PostgreSQL would write it.
pub type Digest = BTreeMap<String, Rows>;

/// Reads them.
pub async fn read(client: &Client) -> Result<Digest, tokio_postgres::Error> {
    let tables = "SELECT c.oid::regclass::text, pg_catalog.has_table_privilege(c.oid, 'SELECT')
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND c.relpersistence <> 't'
          AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
          AND pg_catalog.pg_relation_size(c.oid) > 0
        ORDER BY 1";
    let mut found = BTreeMap::new();
    // Simple queries: what is asked once is answered in one round trip.
    for message in client.simple_query(tables).await? {
        let SimpleQueryMessage::Row(row) = message else { continue };
        let Some(table) = row.get(0) else { continue };
        if row.get(1) != Some("t") {
            found.insert(table.to_owned(), Rows { count: -1, digest: String::new() });
            continue;
        }
        let sql = format!(
            "SELECT count(*), coalesce(pg_catalog.md5(pg_catalog.string_agg(line, E'\\n' ORDER BY line)), '')
             FROM (SELECT t::text AS line FROM {table} t LIMIT {MAX_ROWS}) AS lines"
        );
        for message in client.simple_query(&sql).await? {
            let SimpleQueryMessage::Row(row) = message else { continue };
            let count = row.get(0).and_then(|count| count.parse().ok()).unwrap_or(0);
            let rows = Rows { count, digest: row.get(1).unwrap_or_default().to_owned() };
            if rows.count > 0 {
                found.insert(table.to_owned(), rows);
            }
        }
    }
    Ok(found)
}

/// What is different about the rows of the tables that both databases have, in words.
pub fn differences(before: &Digest, after: &Digest) -> Vec<String> {
    let empty = Rows { count: 0, digest: String::new() };
    let tables: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    tables
        .into_iter()
        .filter_map(|table| {
            let (old, new) = (before.get(table).unwrap_or(&empty), after.get(table).unwrap_or(&empty));
            match (old.count, new.count) {
                _ if old == new => None,
                (-1, _) | (_, -1) => None,
                (old, new) if old == new => Some(format!("table {table}: other values in its {}", rows(old))),
                (old, new) => Some(format!("table {table}: {} before, {new} after", rows(old))),
            }
        })
        .collect()
}

fn rows(count: i64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_lost_rows_and_one_with_other_values_are_told_apart() {
        let rows = |count, digest: &str| Rows { count, digest: digest.to_owned() };
        let before = BTreeMap::from([("jobs".to_owned(), rows(6, "a")), ("plans".to_owned(), rows(1, "b"))]);
        let after = BTreeMap::from([("plans".to_owned(), rows(1, "c"))]);
        assert_eq!(
            differences(&before, &after),
            ["table jobs: 6 rows before, 0 after", "table plans: other values in its 1 row"]
        );
        assert!(differences(&before, &before).is_empty());
        let unreadable = BTreeMap::from([("jobs".to_owned(), rows(-1, "")), ("plans".to_owned(), rows(1, "b"))]);
        assert!(differences(&before, &unreadable).is_empty(), "what nobody may read is not said to be gone");
    }
}
