//! The search: rows are put in and the migration is run over them inside a transaction that is rolled back; what fails
//! is made smaller, and confirmed on a fresh clone by the run that a judgement makes.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Instant;

use regex::Regex;
use tokio_postgres::SimpleQueryMessage;

use super::aim::{Aim, Aims};
use super::baseline::{Refusal, Row, Site, Wish};
use super::schema::Schema;
use super::{Breaking, Error, Found, Job, Loss};
use crate::pool::Held;
use crate::sql::{self, Kind};
use crate::trace::apply::Bench;
use crate::trace::{self, Cause, Failure};

/// How many different failures of one migration are said.
const SAID: usize = 4;
/// How many runs making one set of rows smaller may take.
const SMALLER: usize = 80;
/// How many sets of rows are tried where each needs a clone of its own.
const ON_CLONES: usize = 6;
/// Rows of a seed that are looked at, for each table.
const SEEDS: usize = 12;

/// What tells failures apart: the server's code and the constraint, column or words.
type Sign = (String, String);

/// Searches for rows that make the migration of `job` fail.
pub async fn search(job: &Job<'_>) -> Result<Found, Error> {
    let started = Instant::now();
    let Some(held) = job.pool.lease(job.prefix).await? else { return Err(Error::Template) };
    let mut search = Search {
        job,
        held: &held,
        script: script(job),
        deadline: started + job.budget,
        found: Found::default(),
        signs: BTreeSet::new(),
    };
    let seeds = search.dry_run().await;
    let aims = Aims::new(job.before, job.after, &job.source.text[job.source.body.clone()]);
    let touched = aims.touched();
    search.populate(&touched).await?;
    search.losses(&touched).await;
    let mut all = seeds;
    all.splice(0..0, aims.all());
    search.found.complete = true;
    for (at, aim) in all.into_iter().enumerate() {
        if search.found.breaking.len() >= SAID || (search.script.is_none() && at >= ON_CLONES) {
            break;
        }
        if Instant::now() >= search.deadline || held.runner.is_closed() {
            search.found.complete = false;
            break;
        }
        search.attempt(&aim).await?;
    }
    let _ = held.runner.client().batch_execute("ROLLBACK").await;
    Ok(search.found)
}

struct Search<'a> {
    job: &'a Job<'a>,
    held: &'a Held,
    /// The migration as one text that can be rolled back; none where there is no such.
    script: Option<String>,
    deadline: Instant,
    found: Found,
    signs: BTreeSet<Sign>,
}

/// The statements of a migration without those that end a transaction or refuse to be in one.
fn script(job: &Job<'_>) -> Option<String> {
    static CONCURRENTLY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)\bconcurrently\b").ok());
    let source = job.source;
    let whole = std::slice::from_ref(&source.body);
    let mut script = String::new();
    for piece in source.pieces.as_deref().unwrap_or(whole) {
        for statement in sql::split_range(&source.text, piece.clone()).statements {
            let text = &source.text[statement.range.clone()];
            match statement.kind {
                Kind::Begin | Kind::Commit => continue,
                Kind::Rollback | Kind::CopyIn | Kind::Database => return None,
                Kind::NoTransaction => {
                    let pattern = CONCURRENTLY.as_ref()?;
                    if pattern.is_match(text) {
                        script.push_str(&pattern.replace_all(text, ""));
                    }
                }
                _ if trace::elevate::is_reserved(text) => return None,
                _ => script.push_str(text),
            }
            script.push_str("\n;\n");
        }
    }
    Some(script)
}

impl Search<'_> {
    async fn begin(&self) -> bool {
        let sql = "ROLLBACK; BEGIN; SET LOCAL statement_timeout = 2000; SET LOCAL client_min_messages = error";
        self.held.runner.client().batch_execute(sql).await.is_ok()
    }

    /// Without rows the script must pass; what it inserts by itself says what rows would be in its way.
    async fn dry_run(&mut self) -> Vec<Aim> {
        let Some(script) = self.script.clone() else { return Vec::new() };
        let client = self.held.runner.client();
        if !self.begin().await || client.batch_execute(&script).await.is_err() {
            self.script = None;
            return Vec::new();
        }
        let seeds = self.seeds().await.unwrap_or_default();
        if client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await.is_err() {
            self.script = None;
        }
        seeds
    }

    /// For each row that the migration inserts into a table of before: one with the same key.
    async fn seeds(&self) -> Result<Vec<Aim>, tokio_postgres::Error> {
        let client = self.held.runner.client();
        let sql = "SELECT relid FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins > 0 ORDER BY relid";
        let mut aims = Vec::new();
        for row in client.query(sql, &[]).await? {
            let oid: u32 = row.get(0);
            let (Some(at), Some(after)) = (self.job.before.find(oid), self.job.after.get(oid)) else { continue };
            let table = &self.job.before.tables[at];
            for key in &table.unique {
                let columns: Option<Vec<_>> = key
                    .columns
                    .iter()
                    .map(|number| Some((*number, table.columns.get(number)?, after.columns.get(number)?)))
                    .collect();
                let Some(columns) = columns.filter(|columns| !columns.is_empty()) else { continue };
                let picks: Vec<String> = columns
                    .iter()
                    .map(|(_, _, new)| format!("pg_catalog.quote_nullable({}::text)", new.name))
                    .collect();
                let sql = format!(
                    "SELECT {} FROM {} WHERE xmin::text::bigint >= pg_catalog.txid_current() % 4294967296 LIMIT {SEEDS}",
                    picks.join(", "),
                    after.name
                );
                for message in client.simple_query(&sql).await? {
                    let SimpleQueryMessage::Row(found) = message else { continue };
                    let set = columns
                        .iter()
                        .enumerate()
                        .map(|(n, (number, _, _))| (*number, found.get(n).unwrap_or("NULL").to_owned()));
                    let mut aim = Aim::from(vec![Wish { table: at, set: set.collect(), ..Wish::default() }]);
                    for (_, old, _) in columns.iter().filter(|(_, old, _)| old.sequence) {
                        let (table, column) = (table.name.replace('\'', "''"), old.bare.replace('\'', "''"));
                        aim.extra.push(format!("SELECT setval(pg_get_serial_sequence('{table}', '{column}'), 5000)"));
                    }
                    aims.push(aim);
                }
            }
        }
        Ok(aims)
    }

    /// Which of the tables take rows at all.
    async fn populate(&mut self, touched: &[usize]) -> Result<(), Error> {
        for at in touched {
            if !self.begin().await {
                break;
            }
            let mut site = Site::new(&self.held.runner, self.job.before, self.job.production);
            if !site.is_old(*at) {
                continue;
            }
            if let Err(Refusal::Refused(table, why)) = site.put(&Wish { table: *at, ..Wish::default() }).await {
                let named = self.job.before.tables[*at].name.clone();
                let why = if table == named { why } else { format!("{table}: {why}") };
                self.found.unpopulated.push((named, why));
            }
        }
        Ok(())
    }

    /// What the migration takes from rows that nothing is wrong with.
    async fn losses(&mut self, touched: &[usize]) {
        let (Some(script), job) = (self.script.clone(), self.job) else { return };
        if !self.begin().await {
            return;
        }
        let client = self.held.runner.client();
        // Ordinary rows have the parents that new keys ask for.
        let ordinary = job.before.with_keys_of(job.after);
        let mut site = Site::new(&self.held.runner, &ordinary, job.production);
        for at in touched {
            let _ = site.put(&Wish { table: *at, ..Wish::default() }).await;
        }
        let tables: BTreeSet<usize> = site.rows.iter().map(|row| row.table).collect();
        let count = async |name: &str| -> Option<u64> {
            let row = client.query_one(&format!("SELECT count(*) FROM {name}"), &[]).await.ok()?;
            u64::try_from(row.get::<_, i64>(0)).ok()
        };
        let mut counts = Vec::new();
        for at in &tables {
            counts.push((*at, count(&job.before.tables[*at].name).await.unwrap_or(0)));
        }
        if client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await.is_err()
            || client.batch_execute(&script).await.is_err()
        {
            return;
        }
        let filled = "SELECT relid FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins > 0";
        let filled = client.query(filled, &[]).await.unwrap_or_default();
        // Rows that go elsewhere first are not lost.
        let moved = filled.iter().any(|row| job.before.get(row.get(0)).is_none());
        let changes: String = sql::split(&job.source.text[job.source.body.clone()])
            .statements
            .iter()
            .filter(|statement| statement.kind == Kind::Data)
            .map(|statement| job.source.text[job.source.body.clone()][statement.range.clone()].to_lowercase() + "\n")
            .collect();
        for (at, was) in counts {
            let table = &job.before.tables[at];
            let Some(after) = job.after.get(table.oid) else {
                if !moved && !changes.contains(&table.bare.to_lowercase()) {
                    self.found.losses.push(Loss::Table(table.name.clone()));
                }
                continue;
            };
            for (number, column) in &table.columns {
                let gone = !after.columns.contains_key(number) && !column.generated;
                let full = site
                    .rows
                    .iter()
                    .any(|row| row.table == at && row.values.get(number).is_some_and(|value| value != "NULL"));
                if gone && full && !changes.contains(&column.bare.to_lowercase()) {
                    self.found.losses.push(Loss::Column(table.name.clone(), column.bare.clone()));
                }
            }
            if let Some(is) = count(&after.name).await
                && is < was
                && !moved
            {
                self.found.losses.push(Loss::Rows(table.name.clone(), was - is, was));
            }
        }
    }

    async fn attempt(&mut self, aim: &Aim) -> Result<(), Error> {
        if aim.wishes.is_empty() || !self.begin().await {
            return Ok(());
        }
        let mut site = Site::new(&self.held.runner, self.job.before, self.job.production);
        // In a set of many tables, those that refuse are left out; in an aimed one every row counts.
        let many = aim.wishes.iter().any(|wish| wish.table != aim.wishes[0].table);
        for wish in &aim.wishes {
            match site.put(wish).await {
                Ok(_) => {}
                Err(Refusal::Lost) => return Ok(()),
                Err(Refusal::There) => {}
                Err(Refusal::Refused(..)) if many => {}
                Err(Refusal::Refused(..)) => return Ok(()),
            }
        }
        let rows = site.rows;
        if rows.is_empty() {
            return Ok(());
        }
        let client = self.held.runner.client();
        let settled = format!("{}SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED", joined(&aim.extra));
        if client.batch_execute(&settled).await.is_err() {
            return Ok(());
        }
        self.found.tried += 1;
        let Some(script) = self.script.clone() else { return self.on_clone(&rows, &aim.extra).await };
        let Some(sign) = self.over_rows(&script).await else { return Ok(()) };
        if self.signs.contains(&sign) {
            return Ok(());
        }
        let rows = self.smaller(rows, &aim.extra, &script, &sign).await;
        self.confirm(&rows, &aim.extra).await?;
        self.signs.insert(sign);
        Ok(())
    }

    /// Runs the script where the rows are; how it fails.
    async fn over_rows(&self, script: &str) -> Option<Sign> {
        let client = self.held.runner.client();
        let outcome = match client.batch_execute(script).await {
            Ok(()) => client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await,
            Err(error) => Err(error),
        };
        let error = outcome.err()?;
        let error = error.as_db_error()?;
        let sqlstate = error.code().code();
        let what = error
            .constraint()
            .or(error.column())
            .map_or_else(|| error.message().chars().filter(|c| c.is_alphabetic()).take(30).collect(), str::to_owned);
        counts(sqlstate).then(|| (sqlstate.to_owned(), what))
    }

    async fn replay(&self, rows: &[Row], extra: &[String], script: &str) -> Option<Sign> {
        if !self.begin().await {
            return None;
        }
        let sql = format!(
            "{}{}SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED",
            joined(&statements(rows, self.job.before)),
            joined(extra)
        );
        self.held.runner.client().batch_execute(&sql).await.ok()?;
        self.over_rows(script).await
    }

    /// Fewer rows, then fewer values, that fail in the same way.
    async fn smaller(&self, rows: Vec<Row>, extra: &[String], script: &str, sign: &Sign) -> Vec<Row> {
        let mut left = SMALLER;
        let rows = self.fewer(rows, extra, script, sign, &mut left).await;
        let rows = self.sparser(rows, extra, script, sign, &mut left).await;
        // A parent whose children no longer point to it can go as well.
        self.fewer(rows, extra, script, sign, &mut left).await
    }

    async fn fewer(
        &self,
        mut rows: Vec<Row>,
        extra: &[String],
        script: &str,
        sign: &Sign,
        left: &mut usize,
    ) -> Vec<Row> {
        let mut at = rows.len();
        while at > 0 && *left > 0 && rows.len() > 1 {
            at -= 1;
            *left -= 1;
            let mut fewer = rows.clone();
            fewer.remove(at);
            if self.replay(&fewer, extra, script).await.as_ref() == Some(sign) {
                rows = fewer;
            }
        }
        rows
    }

    async fn sparser(
        &self,
        mut rows: Vec<Row>,
        extra: &[String],
        script: &str,
        sign: &Sign,
        left: &mut usize,
    ) -> Vec<Row> {
        for at in 0..rows.len() {
            let table = &self.job.before.tables[rows[at].table];
            let numbers: Vec<i16> = rows[at].values.keys().copied().collect();
            for number in numbers {
                let column = table.columns.get(&number);
                let by_itself =
                    column.is_some_and(|column| !column.sequence && (column.default.is_some() || !column.not_null));
                if *left == 0 || !by_itself {
                    continue;
                }
                *left -= 1;
                let mut fewer = rows.clone();
                fewer[at].values.remove(&number);
                if self.replay(&fewer, extra, script).await.as_ref() == Some(sign) {
                    rows = fewer;
                }
            }
        }
        rows
    }

    /// Runs the migration as its runner would, over committed rows, in a database of its own.
    async fn confirm(&mut self, rows: &[Row], extra: &[String]) -> Result<(), Error> {
        let job = self.job;
        let Some(fresh) = job.pool.lease(job.prefix).await? else { return Err(Error::Template) };
        let mut setup = statements(rows, job.before);
        setup.extend(extra.iter().cloned());
        let accepted = fresh.runner.client().batch_execute(&format!("BEGIN; {}COMMIT", joined(&setup))).await;
        if accepted.is_err() || fresh.runner.client().batch_execute("DISCARD ALL").await.is_err() {
            return Ok(());
        }
        let bench = Bench { runner: &fresh.runner, observer: &fresh.observer, limits: &job.limits };
        let run = trace::run(bench, job.source, job.bookkeeping).await?;
        let Some(failure) = run.failure else { return Ok(()) };
        let Cause::Server(error) = &failure.cause else { return Ok(()) };
        if !counts(&error.sqlstate) || self.is_said(&failure) {
            return Ok(());
        }
        let known = error.constraint.as_ref().is_some_and(|name| {
            job.before.tables.iter().any(|table| {
                table.unique.iter().any(|key| key.name == *name) || table.checks.iter().any(|check| check.name == *name)
            })
        });
        self.found.breaking.push(Breaking { setup, failure, known });
        Ok(())
    }

    fn is_said(&self, failure: &Failure) -> bool {
        let sign = |failure: &Failure| match &failure.cause {
            Cause::Server(error) => (failure.range.clone(), error.sqlstate.clone(), error.constraint.clone()),
            _ => (failure.range.clone(), String::new(), None),
        };
        self.found.breaking.iter().any(|said| sign(&said.failure) == sign(failure))
    }

    /// Without a script: every try is a run of its own.
    async fn on_clone(&mut self, rows: &[Row], extra: &[String]) -> Result<(), Error> {
        self.confirm(rows, extra).await
    }
}

/// Whether an error of this kind can be the rows' doing.
fn counts(sqlstate: &str) -> bool {
    matches!(sqlstate.get(..2), Some("22" | "23" | "21" | "P0" | "55" | "44" | "09" | "2B")) && sqlstate != "55P03"
}

fn statements(rows: &[Row], schema: &Schema) -> Vec<String> {
    rows.iter().map(|row| row.insert(schema)).collect()
}

fn joined(statements: &[String]) -> String {
    statements.iter().map(|statement| format!("{statement}; ")).collect()
}
