//! What rows a database has: a count and a digest for each table that is not empty.
//!
//! Before anything is generated, a chain's database holds only the rows that its migrations insert: few enough to read
//! them all.
//!
//! Reading a table may run functions of the migration's own: a cast of the row's type, what an index's expression is
//! folded to. So it is done with the rights of the migration's role, never with an administrator's.

use std::collections::BTreeMap;

use tokio_postgres::{Row, SimpleQueryMessage, Statement};

use crate::engine::session::Session;

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

/// The rows of every table that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// By the table's name as PostgreSQL would write it.
    rows: BTreeMap<String, Rows>,
    /// The tables that were read for it.
    tables: Vec<Listed>,
}

/// What was read while another session was busy; none where it took too long.
pub type Ahead = Result<Option<Digest>, tokio_postgres::Error>;

/// Says which tables have rows: through an administrator's session, which no `DISCARD ALL` makes forget its plan.
#[derive(Debug)]
pub struct Lister(Statement);

/// A table whose file is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    /// As the reader of a finding knows it.
    name: String,
    /// As it can be found whatever the `search_path`.
    qualified: String,
    readable: bool,
}

impl Lister {
    /// Plans the statement, and uses it once, so that what it reads is at hand.
    pub async fn prepare(observer: &Session, runner: &Session) -> Result<Lister, tokio_postgres::Error> {
        // Only a superuser may ask for a file's size. It is had without opening the table, which for each of hundreds
        // would have to be made up from the catalog first.
        let size = match observer.is_superuser() {
            true => "(pg_catalog.pg_stat_file(pg_catalog.pg_relation_filepath(c.oid), true)).size",
            false => "pg_catalog.pg_relation_size(c.oid)",
        };
        let sql = format!(
            "SELECT CASE n.nspname WHEN 'public' THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.' END
                    || pg_catalog.quote_ident(c.relname),
                 pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
                 pg_catalog.has_table_privilege($1::pg_catalog.name, c.oid, 'SELECT')
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.oid >= 16384 AND c.relkind = 'r' AND c.relpersistence <> 't' AND {size} > 0
               AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
             ORDER BY 1"
        );
        let lister = Lister(observer.client().prepare(&sql).await?);
        lister.list(observer, runner).await?;
        Ok(lister)
    }

    async fn list(&self, observer: &Session, runner: &Session) -> Result<Vec<Listed>, tokio_postgres::Error> {
        let rows = observer.client().query(&self.0, &[&runner.user()]).await?;
        let listed =
            |row: &Row| Ok(Listed { name: row.try_get(0)?, qualified: row.try_get(1)?, readable: row.try_get(2)? });
        rows.iter().map(listed).collect()
    }

    /// Does all that [`read`](Self::read) does but for reading rows: what the first reading in a session waits for is at
    /// hand afterwards.
    pub async fn rehearse(&self, observer: &Session, runner: &Session) -> Result<(), tokio_postgres::Error> {
        rows_of(self.list(observer, runner).await?, 0, runner).await.map(drop)
    }

    /// Reads the rows of all tables; none when that takes too long.
    pub async fn read(&self, observer: &Session, runner: &Session) -> Result<Option<Digest>, tokio_postgres::Error> {
        rows_of(self.list(observer, runner).await?, MAX_ROWS, runner).await
    }

    /// The same, where `ahead` is what [`Digest::again`] gave: enough if no other table has rows by now. What took too long
    /// would again.
    pub async fn read_after(
        &self,
        observer: &Session,
        runner: &Session,
        ahead: Ahead,
    ) -> Result<Option<Digest>, tokio_postgres::Error> {
        let tables = self.list(observer, runner).await?;
        match ahead {
            Ok(None) => Ok(None),
            Ok(Some(ahead)) if ahead.tables == tables => Ok(Some(ahead)),
            // Tables have come or gone since.
            _ => rows_of(tables, MAX_ROWS, runner).await,
        }
    }
}

impl Digest {
    /// Reads the rows of the tables that this was read from, through the migrations' own session alone.
    pub async fn again(&self, runner: &Session) -> Ahead {
        rows_of(self.tables.clone(), MAX_ROWS, runner).await
    }
}

async fn rows_of(tables: Vec<Listed>, most: i64, runner: &Session) -> Result<Option<Digest>, tokio_postgres::Error> {
    let (open, shut): (Vec<&Listed>, Vec<&Listed>) = tables.iter().partition(|table| table.readable);
    let unknown = |table: &Listed| (table.name.clone(), Rows { count: -1, digest: String::new() });
    let mut found: BTreeMap<String, Rows> = shut.into_iter().map(unknown).collect();
    let one = |Listed { qualified, .. }: &&Listed| {
        format!(
            "SELECT count(*), coalesce(pg_catalog.md5(pg_catalog.string_agg(line, E'\\n' ORDER BY line)), '')
             FROM (SELECT t::text AS line FROM {qualified} t LIMIT {most}) AS lines;"
        )
    };
    if !open.is_empty() {
        // All of them in one simple query: one round trip, whatever their number. Each gives one row.
        let sql: String = open.iter().map(one).collect();
        let Some(messages) = runner.look(runner.client().simple_query(&sql)).await? else { return Ok(None) };
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        for (table, row) in open.into_iter().zip(rows) {
            let count = row.get(0).and_then(|count| count.parse().ok()).unwrap_or(0);
            if count > 0 {
                found.insert(table.name.clone(), Rows { count, digest: row.get(1).unwrap_or_default().to_owned() });
            }
        }
    }
    Ok(Some(Digest { rows: found, tables }))
}

/// What is different about the rows of the tables that both databases have, in words.
pub fn differences(before: &Digest, after: &Digest) -> Vec<String> {
    let empty = Rows { count: 0, digest: String::new() };
    let (before, after) = (&before.rows, &after.rows);
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
        let digest = |rows: &[(&str, i64, &str)]| Digest {
            rows: rows
                .iter()
                .map(|(table, count, digest)| {
                    ((*table).to_owned(), Rows { count: *count, digest: (*digest).to_owned() })
                })
                .collect(),
            tables: Vec::new(),
        };
        let before = digest(&[("jobs", 6, "a"), ("plans", 1, "b")]);
        let after = digest(&[("plans", 1, "c")]);
        assert_eq!(
            differences(&before, &after),
            ["table jobs: 6 rows before, 0 after", "table plans: other values in its 1 row"]
        );
        assert!(differences(&before, &before).is_empty());
        let unreadable = digest(&[("jobs", -1, ""), ("plans", 1, "b")]);
        assert!(differences(&before, &unreadable).is_empty(), "what nobody may read is not said to be gone");
    }
}
