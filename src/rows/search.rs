//! The search: rows are put in and the migration is run over them inside a transaction that is rolled back; what fails
//! is made smaller, and confirmed on a fresh clone by the run that a judgement makes.

use std::collections::BTreeSet;
use std::time::Instant;

use tokio_postgres::SimpleQueryMessage;

use super::aim::{Aim, Aims};
use super::baseline::{Refusal, Site, Wish};
use super::remedy::Remedy;
use super::row::{Row, deferral, runnable};
use super::schema::Schema;
use super::script::Script;
use super::smaller::Smaller;
use super::{Breaking, Error, Found, Job, Stuck, lost, mend, script};
use crate::pool::Held;
use crate::trace::apply::Bench;
use crate::trace::{self, Cause, Failure, ServerError};

/// How many different failures of one migration are said.
const SAID: usize = 4;
/// How many sets of rows are tried where each needs a clone of its own.
const ON_CLONES: usize = 6;
/// How many sets are tried whatever the budget, so that a busy machine does not let pass what a quiet one refuses.
const AT_LEAST: usize = 24;
/// How many budgets these may take.
const OVERTIME: u32 = 6;
/// Rows of a seed that are looked at, for each table.
const SEEDS: usize = 12;

/// What tells failures apart: the server's code and the constraint, column or words.
pub(super) type Sign = (String, String);

/// Searches for rows that make the migration of `job` fail.
pub async fn search(job: &Job<'_>) -> Result<Found, Error> {
    let started = Instant::now();
    let Some(held) = job.pool.lease(job.prefix).await? else { return Err(Error::Template) };
    let there = script::extensions(job.source, job.ran.0, held.runner.client()).await;
    let mut search = Search {
        job,
        held: &held,
        script: Script::of(job.source, job.ran.0, &held.database, &there),
        opens: mend::may_open(&job.source.text),
        deadline: started + job.budget,
        found: Found::default(),
        signs: BTreeSet::new(),
    };
    let seeds = search.dry_run().await;
    let aims = Aims::new(job.before, job.after, &job.source.text[job.source.body.clone()]);
    let touched = aims.touched();
    search.populate(&touched).await?;
    if let Some(script) = &search.script {
        let (losses, stuck) = lost::losses(job, &held, script, &touched).await;
        search.found.losses = losses;
        if let Some(rows) = stuck {
            let fewest = search.fewest(rows.clone()).await;
            search.found.stuck = search.stuck(&fewest).await?;
            if search.found.stuck.is_none() && fewest != rows {
                search.found.stuck = search.stuck(&rows).await?;
            }
        }
    }
    let mut all = seeds;
    all.splice(0..0, aims.all());
    if job.deep {
        all.extend(aims.deeper());
    }
    // Where there is anything to be tried, there is more than a commit can wait for.
    search.found.complete = job.deep || touched.is_empty();
    let (count, overtime) = (all.len(), started + job.budget * OVERTIME);
    for (at, aim) in all.into_iter().enumerate() {
        if search.found.breaking.len() >= SAID {
            break;
        }
        if search.script.is_none() && at >= ON_CLONES {
            search.found.left_out = count - at;
            break;
        }
        let until = if at < AT_LEAST { overtime } else { search.deadline };
        if Instant::now() >= until || held.runner.is_closed() {
            search.found.complete = false;
            search.found.left_out = count - at;
            break;
        }
        search.attempt(&aim).await?;
    }
    let _ = held.runner.client().batch_execute("ROLLBACK").await;
    Ok(search.found)
}

pub(super) struct Search<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) held: &'a Held,
    /// The migration as one text that can be rolled back; none where there is no such.
    pub(super) script: Option<Script>,
    /// Whether rows may get partitions that are made up.
    opens: bool,
    deadline: Instant,
    found: Found,
    signs: BTreeSet<Sign>,
}

impl Search<'_> {
    async fn begin(&self) -> bool {
        // `currval` is the session's, and is not rolled back.
        let sql = "ROLLBACK; DISCARD SEQUENCES; BEGIN; SET LOCAL statement_timeout = 2000; SET LOCAL client_min_messages = error";
        self.held.runner.client().batch_execute(sql).await.is_ok()
    }

    /// Without rows the script must pass; what it inserts by itself says what rows would be in its way.
    async fn dry_run(&mut self) -> Vec<Aim> {
        let Some(script) = self.script.as_ref().map(Script::text) else { return Vec::new() };
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
            let mut site = Site::new(&self.held.runner, self.job.before, self.job.production).opening(self.opens);
            if !site.is_old(*at) {
                continue;
            }
            let mut put = site.put(&Wish { table: *at, ..Wish::default() }).await;
            if put.is_ok() && site.rows.iter().any(|row| row.early) {
                put = site.settle(*at).await.map(|()| 0);
            }
            if let Err(Refusal::Refused(table, why)) = put {
                let named = self.job.before.tables[*at].name.clone();
                // The chain's own row may be the only one that it takes: the migration meets that.
                let sql = format!("SELECT EXISTS (SELECT FROM {named})");
                let client = self.held.runner.client();
                if client.query_one(&sql, &[]).await.is_ok_and(|row| row.get(0)) {
                    continue;
                }
                let why = if table == named { why } else { format!("{table}: {why}") };
                self.found.unpopulated.push((named, why));
            }
        }
        Ok(())
    }

    async fn attempt(&mut self, aim: &Aim) -> Result<(), Error> {
        if aim.wishes.is_empty() || !self.begin().await {
            return Ok(());
        }
        let mut site = Site::new(&self.held.runner, self.job.before, self.job.production).opening(self.opens);
        // In a set of many tables, those that refuse are left out; in an aimed one every row counts.
        let many = aim.wishes.iter().any(|wish| wish.table != aim.wishes[0].table);
        for wish in &aim.wishes {
            let Err(refusal) = site.put(wish).await else { continue };
            // The table may have a row already, and take no other.
            let changed = match refusal {
                Refusal::Lost => Err(Refusal::Lost),
                _ => site.change(wish).await,
            };
            match (changed, refusal) {
                (Ok(()), _) => {}
                (Err(Refusal::Lost), _) | (_, Refusal::Lost) => return Ok(()),
                (_, Refusal::There) => {}
                (_, Refusal::Refused(..)) if many => {}
                (_, Refusal::Refused(..)) => return Ok(()),
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
        let Some(script) = self.script.as_ref().map(Script::text) else {
            return self.on_clone(&rows, &aim.extra).await;
        };
        let Some(sign) = self.over_rows(&script).await else { return Ok(()) };
        if self.signs.contains(&sign) {
            return Ok(());
        }
        let smaller = Smaller { search: self, script: &script, extra: &aim.extra, sign: &sign };
        let rows = smaller.plainest(rows).await;
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
        let what = error
            .constraint()
            .or(error.column())
            .map_or_else(|| error.message().chars().filter(|c| c.is_alphabetic()).take(30).collect(), str::to_owned);
        let error = ServerError::from(error);
        counts(&error).then_some((error.sqlstate, what))
    }

    pub(super) async fn replay(&self, rows: &[Row], extra: &[String], script: &str) -> Option<Sign> {
        if self.place(rows, extra).await { self.over_rows(script).await } else { None }
    }

    /// Puts the rows in, in a new transaction; whether they are accepted.
    pub(super) async fn place(&self, rows: &[Row], extra: &[String]) -> bool {
        if !self.begin().await {
            return false;
        }
        let sql = format!(
            "{}{}{}SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED",
            deferred(rows),
            joined(&statements(rows, self.job.before)),
            joined(extra)
        );
        self.held.runner.client().batch_execute(&sql).await.is_ok()
    }

    /// `query`, if it counts something over these rows.
    async fn counting(&self, query: Option<String>, rows: &[Row], extra: &[String]) -> Option<String> {
        let query = query?;
        if !self.place(rows, extra).await {
            return None;
        }
        let count: i64 = self.held.runner.client().query_one(&query, &[]).await.ok()?.try_get(0).ok()?;
        (count > 0).then_some(query)
    }

    /// Whether what refuses is there before the migration, so that rows before can never be in its way by themselves.
    fn is_known(&self, error: &ServerError) -> bool {
        let tables = &self.job.before.tables;
        let oid = |table: &super::schema::Table, name: &str| {
            let holds = table.checks.iter().chain(&table.exclusions).filter(|own| own.validated && own.name == name);
            let foreign = table.foreign.iter().filter(|key| key.validated && key.name == name);
            let unique = table.unique.iter().filter(|key| key.name == name);
            holds.map(|own| own.oid).chain(foreign.map(|key| key.oid)).chain(unique.map(|key| key.oid)).next()
        };
        let constraint = error.constraint.as_ref().is_some_and(|name| {
            tables.iter().any(|table| {
                let after = self.job.after.get(table.oid).and_then(|after| oid(after, name));
                // One that is made anew under the same name is another.
                oid(table, name).is_some_and(|own| after.is_none_or(|after| after == own))
            })
        });
        let column = error.column.as_ref().is_some_and(|name| {
            let called = |said: &String| tables.iter().find(|table| table.is_called(said));
            let table = error.table.as_ref().and_then(called);
            table.and_then(|table| table.column(name)).is_some_and(|column| column.not_null)
        });
        constraint || column
    }

    /// Counts the rows that have the key of a seeding INSERT, as one of `rows` has.
    fn seeded(&self, error: &ServerError, rows: &[Row]) -> Option<String> {
        let name = error.constraint.as_ref()?;
        rows.iter().find_map(|row| {
            let table = &self.job.before.tables[row.table];
            let key = table.unique.iter().find(|key| key.name == *name && !key.expression)?;
            let pair = |number: &i16| Some(format!("{} = {}", table.columns.get(number)?.name, row.value(*number)?));
            let pairs: Vec<String> = key.columns.iter().map(pair).collect::<Option<_>>()?;
            Some(format!("SELECT count(*) FROM {} WHERE {}", table.name, pairs.join(" AND ")))
        })
    }

    /// Runs the migration as its runner would, over committed rows, in a database of its own.
    async fn confirm(&mut self, rows: &[Row], extra: &[String]) -> Result<(), Error> {
        let job = self.job;
        let Some(fresh) = job.pool.lease(job.prefix).await? else { return Err(Error::Template) };
        let mut setup = statements(rows, job.before);
        setup.extend(extra.iter().cloned());
        if !committed(&fresh, rows, &setup).await || fresh.runner.client().batch_execute("DISCARD ALL").await.is_err() {
            return Ok(());
        }
        let bench = Bench { runner: &fresh.runner, observer: &fresh.observer, limits: &job.limits };
        let run = trace::run(bench, job.source, job.bookkeeping).await?;
        let Some(failure) = run.failure else { return Ok(()) };
        let Cause::Server(error) = &failure.cause else { return Ok(()) };
        if !counts(error) || self.is_said(&failure) {
            return Ok(());
        }
        drop(fresh);
        let known = self.is_known(error);
        let statement = failure.range.clone().and_then(|range| job.source.text.get(range)).unwrap_or_default();
        let remedy = Remedy { before: job.before, after: job.after, error, statement };
        let query = if known { self.seeded(error, rows) } else { remedy.query() };
        let query = self.counting(query, rows, extra).await;
        let recipes = self.recipes(&remedy, &failure, rows, extra).await;
        let about = remedy.about();
        let setup = runnable(rows, setup);
        self.found.breaking.push(Breaking { setup, failure, known, about, query, recipes });
        Ok(())
    }

    /// Runs up and then down as their runner would, over committed rows, in a database of its own: what fails for them.
    async fn stuck(&self, rows: &[Row]) -> Result<Option<Stuck>, Error> {
        let (job, Some(down)) = (self.job, self.job.down) else { return Ok(None) };
        let setup = statements(rows, job.before);
        let Some(fresh) = job.pool.lease(job.prefix).await? else { return Err(Error::Template) };
        let client = fresh.runner.client();
        let bench = Bench { runner: &fresh.runner, observer: &fresh.observer, limits: &job.limits };
        if !committed(&fresh, rows, &setup).await
            || client.batch_execute("DISCARD ALL").await.is_err()
            || !trace::run(bench, job.source, job.bookkeeping).await?.ok()
            || client.batch_execute("DISCARD ALL").await.is_err()
        {
            return Ok(None);
        }
        let failure = trace::run(bench, down, job.reverted).await?.failure;
        let of_rows = |failure: &Failure| matches!(&failure.cause, Cause::Server(error) if counts(error));
        Ok(failure.filter(of_rows).map(|failure| Stuck { setup: runnable(rows, setup), failure }))
    }

    /// Those of `rows`, over which down fails, that are needed for it.
    async fn fewest(&self, rows: Vec<Row>) -> Vec<Row> {
        let down =
            self.job.down.and_then(|down| Script::of(down, self.job.ran.1, &self.held.database, &BTreeSet::new()));
        let (Some(up), Some(down)) = (&self.script, down) else { return rows };
        let both = format!("{}{}", up.text(), down.text());
        match self.replay(&rows, &[], &both).await {
            Some(sign) => Smaller { search: self, script: &both, extra: &[], sign: &sign }.fewest(rows).await,
            None => rows,
        }
    }

    fn is_said(&self, failure: &Failure) -> bool {
        // A conversion that fails, fails in many ways: one of them says it.
        let state = |error: &ServerError| match error.sqlstate.get(..2) {
            Some("22") => "22".to_owned(),
            _ => error.sqlstate.clone(),
        };
        let sign = |failure: &Failure| match &failure.cause {
            Cause::Server(error) => (failure.range.clone(), state(error), error.constraint.clone()),
            _ => (failure.range.clone(), String::new(), None),
        };
        self.found.breaking.iter().any(|said| sign(&said.failure) == sign(failure))
    }

    /// Without a script: every try is a run of its own.
    async fn on_clone(&mut self, rows: &[Row], extra: &[String]) -> Result<(), Error> {
        self.confirm(rows, extra).await
    }
}

/// Whether an error can be the rows' doing.
pub(super) fn counts(error: &ServerError) -> bool {
    let sqlstate = error.sqlstate.as_str();
    // A statement that is made of rows, for each of them: what one has made is in the next one's way.
    let twice = matches!(sqlstate, "42P06" | "42P07" | "42701" | "42710");
    // What is no text search of the user's has the code of what is no SQL.
    let search = sqlstate == "42601" && error.message.starts_with("syntax error in ts");
    let of_rows = matches!(sqlstate.get(..2), Some("22" | "23" | "21" | "P0" | "55" | "44" | "09" | "2B"));
    // What a block or a trigger asks for only once it has a row, and what is not there.
    let late = matches!(sqlstate, "42702" | "42703" | "42804" | "42846" | "42883");
    let context = error.context.as_deref().unwrap_or_default();
    let made = context.contains(" at EXECUTE");
    of_rows && sqlstate != "55P03" || search || twice && made || late && !made && context.contains("PL/pgSQL function ")
}

/// Commits `setup`, which puts `rows` in; whether they are accepted.
async fn committed(held: &Held, rows: &[Row], setup: &[String]) -> bool {
    let sql = format!("BEGIN; {}{}COMMIT", deferred(rows), joined(setup));
    held.runner.client().batch_execute(&sql).await.is_ok()
}

fn deferred(rows: &[Row]) -> String {
    deferral(rows).map(|sql| format!("{sql}; ")).unwrap_or_default()
}

fn statements(rows: &[Row], schema: &Schema) -> Vec<String> {
    let all = rows.iter().flat_map(|row| row.statements(schema));
    all.filter(|statement| !statement.is_empty()).collect()
}

fn joined(statements: &[String]) -> String {
    statements.iter().map(|statement| format!("{statement}; ")).collect()
}
