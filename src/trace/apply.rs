//! Runs one direction of a migration the way its runner would, statement by statement, within bounds.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{join, join_all};
use futures_util::{SinkExt, StreamExt};
use tokio_postgres::{SimpleQueryMessage, SimpleQueryStream};
use tokio_util::sync::CancellationToken;

use super::elevate::{self, Lend};
use super::rights::alone;
use super::{Cause, Executed, Failure, Run, ServerError, extensions, lend, missing};
use crate::engine::beside::Beside;
use crate::engine::pace::Pace;
use crate::engine::session::{Session, describe};
use crate::layout::{APART, Mode, Source};
use crate::sql::{self, Kind, Problem, Statement};
use crate::verdict::RowCounts;

/// How often a statement that takes its time is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long a cancelled statement may take to end before its session is terminated, and that before migd gives up.
const CANCEL: Duration = Duration::from_secs(1);

/// What a run may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long one statement may run.
    pub statement: Duration,
    /// How much the database may grow to, in bytes.
    pub database_bytes: u64,
    /// When the verdict must be there.
    pub deadline: Instant,
    /// Ends the run as if the deadline had come.
    pub halt: CancellationToken,
    /// Whether statements that PostgreSQL keeps for superusers and that reach nothing outside the database may be run
    /// with those rights ([`elevate`]), and which.
    pub elevate: Lend,
    /// Set where nobody waits for the run: asked before each statement whether it may go on.
    pub pace: Option<Arc<Pace>>,
    /// What goes on in other databases of the server meanwhile.
    pub beside: Beside,
}

/// Where a migration runs.
#[derive(Debug, Clone, Copy)]
pub struct Bench<'a> {
    /// The migration's own session, as the owner role.
    pub runner: &'a Session,
    /// The administrator's session on the same database.
    pub observer: &'a Session,
    /// The bounds.
    pub limits: &'a Limits,
}

/// Why a run could not be observed to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The time for the whole judgement is over.
    #[error("the time for this judgement ran out")]
    Deadline,
    /// The server went away under the administrator too, or a statement could not be stopped.
    #[error("the server was lost: {0}")]
    Lost(String),
    /// The same, while the statement at these bytes ran.
    #[error("the server was lost: {0}")]
    LostAt(String, std::ops::Range<usize>),
}

/// Runs `source`, then `bookkeeping`, as the runner would. What the migration does wrong is in [`Run::failure`].
pub async fn run(bench: Bench<'_>, source: &Source, bookkeeping: &[String]) -> Result<Run, Error> {
    let started = Instant::now();
    let (batches, problem) = batches(source);
    let statements: Vec<&Statement> = batches.iter().flatten().collect();
    let mut run = Run { transactional: is_transactional(source.mode, &statements), ..Run::default() };
    if let Some(problem) = problem {
        run.failure = Some(Failure { range: Some(problem.range.clone()), cause: Cause::NotSql(problem.kind.clone()) });
        return Ok(run);
    }
    let mut steps = Steps { bench, source, run: &mut run, in_transaction: false, unsent: None, looked: started };
    bench.runner.set_running(true);
    let outcome = steps.all(&batches, bookkeeping).await;
    run.ms = started.elapsed().as_secs_f64() * 1000.0;
    match outcome {
        Ok(()) => {}
        Err(Stop::Failed(mut failure)) => {
            if let Cause::Server(error) = &mut failure.cause {
                error.elsewhere = missing::elsewhere(bench.observer, error).await;
                error.meant = missing::meant(bench.observer, error).await;
            }
            run.failure = Some(failure);
            if !bench.runner.is_closed() {
                let _ = execute(bench.runner, "ROLLBACK").await;
            }
        }
        Err(Stop::Broken(error)) => return Err(error),
    }
    bench.runner.set_running(false);
    Ok(run)
}

/// The statements as the runner sends them: those of one batch travel in one simple query. And the first thing that is
/// no SQL.
pub(super) fn batches(source: &Source) -> (Vec<Vec<Statement>>, Option<Problem>) {
    let whole = std::slice::from_ref(&source.body);
    let mut scripts: Vec<_> = source
        .pieces
        .as_deref()
        .unwrap_or(whole)
        .iter()
        .map(|piece| sql::split_range(&source.text, piece.clone()))
        .collect();
    let problem = scripts.iter_mut().find_map(|script| script.problems.drain(..).next());
    let statements = scripts.into_iter().map(|script| script.statements);
    let batches = match (source.mode, &source.pieces) {
        (Mode::PerStatement, None) => statements.flatten().map(|statement| vec![statement]).collect(),
        _ => statements.collect(),
    };
    (batches, problem)
}

/// Whether all of the file is one transaction: an outer rollback undoes it.
fn is_transactional(mode: Mode, statements: &[&Statement]) -> bool {
    let own = statements.iter().any(|s| matches!(s.kind, Kind::Begin | Kind::Commit | Kind::Rollback));
    match mode {
        Mode::Wrapped => !own,
        Mode::WrappedEach => false,
        Mode::Simple => !own && !matches!(statements, [only] if only.kind == Kind::NoTransaction),
        Mode::PerStatement => {
            matches!(statements, [first, .., last] if first.kind == Kind::Begin && last.kind == Kind::Commit)
                && statements.iter().filter(|s| matches!(s.kind, Kind::Commit | Kind::Rollback)).count() == 1
        }
    }
}

pub(super) enum Stop {
    /// The migration's fault.
    Failed(Failure),
    /// Not the migration's fault.
    Broken(Error),
}

pub(super) struct Steps<'a> {
    pub(super) bench: Bench<'a>,
    pub(super) source: &'a Source,
    run: &'a mut Run,
    pub(super) in_transaction: bool,
    /// What goes to the server together with the next statement.
    unsent: Option<&'static str>,
    /// When the database's size was last looked at: many quick statements fill a disk as well as a slow one.
    looked: Instant,
}

impl Steps<'_> {
    async fn all(&mut self, batches: &[Vec<Statement>], bookkeeping: &[String]) -> Result<(), Stop> {
        // What travels in one transaction: all of it, each piece, or what the server makes of it.
        let wrapped = matches!(self.source.mode, Mode::Wrapped | Mode::WrappedEach);
        let transactions = match self.source.mode {
            Mode::WrappedEach => batches.chunks(1).collect(),
            _ => vec![batches],
        };
        let (apart, bookkeeping) = match bookkeeping {
            [first, rest @ ..] if first == APART => (true, rest),
            all => (false, all),
        };
        for (at, transaction) in transactions.iter().enumerate() {
            if wrapped {
                self.begin();
            }
            for batch in *transaction {
                self.batch(batch, wrapped).await?;
            }
            let last = at + 1 == transactions.len();
            if wrapped {
                self.count_rows(transaction.iter().flatten()).await;
                if apart || !last {
                    self.commit().await?;
                }
            } else {
                self.left_open().await?;
            }
            if last && wrapped && !apart {
                self.record_and_commit(bookkeeping).await?;
            } else if last {
                self.record(bookkeeping).await?;
            }
        }
        Ok(())
    }

    /// The statements of one simple query.
    async fn batch(&mut self, batch: &[Statement], wrapped: bool) -> Result<(), Stop> {
        // Several statements in one simple query share a transaction that ends with the query, or with a COMMIT in it.
        let implicit = !wrapped && batch.len() > 1;
        let mut began = false;
        for statement in batch {
            if implicit && !self.in_transaction && statement.kind != Kind::Begin {
                self.begin();
            }
            self.one(statement).await?;
            match statement.kind {
                Kind::Begin => (self.in_transaction, began) = (true, true),
                Kind::Commit | Kind::Rollback => (self.in_transaction, began) = (false, false),
                _ => {}
            }
        }
        // An explicit BEGIN turns the implicit transaction into one that outlives the query.
        if implicit && self.in_transaction && !began {
            self.count_rows(batch.iter()).await;
            self.commit().await?;
        }
        Ok(())
    }

    /// One statement of the file.
    async fn one(&mut self, statement: &Statement) -> Result<(), Stop> {
        let text = &self.source.text[statement.range.clone()];
        if let Some(pace) = &self.bench.limits.pace {
            pace.step().await;
        }
        let reserved = elevate::reserved(text, self.bench.limits.elevate);
        let may_need = lend::may_need(text, statement.kind);
        let extension = elevate::made(text).map(|name| (name, false)).or_else(|| elevate::named(text));
        let _alone = match may_need && lend::looks_elsewhere(text) {
            true => Some(alone(&self.bench.limits.beside.databases, self.bench.limits).await?),
            false => None,
        };
        let safe = reserved.is_some() || may_need || extension.is_some();
        if safe && self.in_transaction {
            self.own("SAVEPOINT migd_rights").await?;
        }
        let started = Instant::now();
        let mut outcome = match &statement.copy_data {
            Some(data) => {
                if let Some(before) = self.unsent.take() {
                    self.own(before).await?;
                }
                let data = Bytes::copy_from_slice(self.source.text[data.clone()].as_bytes());
                self.supervised(copy_in(self.bench.runner, text, data)).await
            }
            None => self.send(text).await,
        };
        let mut elevated = false;
        if let (Some(reserved), Some("42501")) = (&reserved, refused(&outcome).map(|error| error.sqlstate.as_str())) {
            if self.in_transaction {
                self.own("ROLLBACK TO SAVEPOINT migd_rights").await?;
            }
            if let Some(second) = self.with_rights(text, reserved).await? {
                (outcome, elevated) = (second, true);
            }
        }
        if let (Some((extension, drops)), Err(Ended::Server(error))) = (&extension, &outcome)
            && matches!(error.sqlstate.as_str(), "0A000" | "42501" | "42704" | "58P01")
            && let Some(tables) = extensions::stand_in(self.bench.observer, extension)
                .await
                .map_err(|error| Stop::Broken(Error::Lost(describe(&error))))?
        {
            if self.in_transaction {
                self.own("ROLLBACK TO SAVEPOINT migd_rights").await?;
            }
            outcome = Ok(0);
            // With the extension its rows would go.
            if *drops && !tables.is_empty() {
                let emptied = self.send(&format!("TRUNCATE {} RESTART IDENTITY", tables.join(", "))).await;
                if emptied.is_err() && self.in_transaction {
                    self.own("ROLLBACK TO SAVEPOINT migd_rights").await?;
                }
            }
        }
        let mut loan = None;
        if let (true, Some(refusal)) = (may_need, refused(&outcome).cloned())
            && let Some((second, lent)) = self.again(text, &refusal).await?
        {
            loan = second.is_ok().then_some(lent);
            outcome = second;
        }
        if safe && self.in_transaction && outcome.is_ok() {
            self.own("RELEASE SAVEPOINT migd_rights").await?;
        }
        let ms = started.elapsed().as_secs_f64() * 1000.0;
        let rows = *outcome.as_ref().unwrap_or(&0);
        self.run.statements.push(Executed { range: statement.range.clone(), ms, rows, elevated, loan });
        outcome.map(|_| ()).map_err(|ended| self.stop(ended, Some(statement.range.clone())))
    }

    /// Opens a transaction, with the next statement.
    fn begin(&mut self) {
        self.unsent = Some("BEGIN");
        self.in_transaction = true;
    }

    /// Sends a statement, and what goes with it.
    async fn send(&mut self, text: &str) -> Result<u64, Ended> {
        let runner = self.bench.runner;
        match self.unsent.take() {
            // Both at once, in this order.
            Some(before) => {
                let both = async {
                    let (before, rows) = join(execute(runner, before), execute(runner, text)).await;
                    before.and(rows)
                };
                self.supervised(both).await
            }
            None => self.supervised(execute(runner, text)).await,
        }
    }

    /// A statement of migd's own, in the migration's session.
    pub(super) async fn own(&mut self, text: &str) -> Result<(), Stop> {
        match self.send(text).await {
            Ok(_) => Ok(()),
            Err(ended) => Err(self.stop(ended, None)),
        }
    }

    /// The closing COMMIT: deferred constraints speak here, for no statement in particular.
    async fn commit(&mut self) -> Result<(), Stop> {
        self.in_transaction = false;
        match self.send("COMMIT").await {
            Ok(_) => Ok(()),
            Err(ended) => Err(self.stop_at_commit(ended)),
        }
    }

    fn stop_at_commit(&self, ended: Ended) -> Stop {
        self.stop(ended, self.run.statements.last().map(|statement| statement.range.clone()))
    }

    /// Finds out whether the file left a transaction open, by ending it: the server warns when there is none. The driver
    /// hands a notice over before the end of the statement that it belongs to.
    async fn left_open(&mut self) -> Result<(), Stop> {
        if self.source.text.to_ascii_lowercase().contains("client_min_messages") {
            // The file may have silenced warnings. A transaction that has failed refuses this, and then none is missed.
            let _ = self.supervised(execute(self.bench.runner, "SET client_min_messages = notice")).await;
        }
        self.bench.runner.take_notices();
        self.own("ROLLBACK").await?;
        let warned = self.bench.runner.take_notices().iter().any(|notice| notice.sqlstate == "25P01");
        self.run.left_open |= !warned;
        Ok(())
    }

    /// What the runner writes about itself, statement by statement.
    async fn record(&mut self, statements: &[String]) -> Result<(), Stop> {
        for statement in statements {
            self.send(statement).await.map_err(|ended| self.stop_at_record(ended))?;
        }
        Ok(())
    }

    /// The same within the migration's transaction, and its end, all sent at once: where a statement fails, the server
    /// refuses those behind it and takes the transaction back.
    async fn record_and_commit(&mut self, statements: &[String]) -> Result<(), Stop> {
        let runner = self.bench.runner;
        let before = self.unsent.take().into_iter();
        let texts = before.chain(statements.iter().map(String::as_str)).chain(["COMMIT"]);
        let sent = join_all(texts.map(|text| execute(runner, text)));
        self.in_transaction = false;
        let mut answers =
            self.supervised(async { Ok(sent.await) }).await.map_err(|ended| self.stop_at_commit(ended))?;
        let committed = answers.pop();
        for answer in answers {
            answer.map_err(|error| self.stop_at_record(ended(&error, runner)))?;
        }
        committed.map_or(Ok(()), |answer| answer.map(drop).map_err(|error| self.stop_at_commit(ended(&error, runner))))
    }

    fn stop_at_record(&self, ended: Ended) -> Stop {
        match ended {
            Ended::Server(mut error) => {
                error.message = format!("the runner's own table cannot be written afterwards: {}", error.message);
                error.position = None;
                self.stop(Ended::Server(error), None)
            }
            ended => self.stop(ended, None),
        }
    }

    /// Adds what this transaction has changed, where `statements` change rows at all.
    async fn count_rows(&mut self, mut statements: impl Iterator<Item = &Statement>) {
        if self.in_transaction && statements.any(|s| matches!(s.kind, Kind::Data | Kind::CopyIn)) {
            for (table, counts) in self.rows().await {
                let sum = self.run.rows.entry(table).or_default();
                sum.inserted += counts.inserted;
                sum.updated += counts.updated;
                sum.deleted += counts.deleted;
            }
        }
    }

    /// Rows changed so far in this transaction, by table.
    async fn rows(&self) -> BTreeMap<String, RowCounts> {
        let sql = "SELECT CASE schemaname WHEN 'public' THEN relname ELSE schemaname || '.' || relname END::text,
                          n_tup_ins, n_tup_upd, n_tup_del
                   FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0";
        let rows = self.bench.runner.client().query(sql, &[]).await.unwrap_or_default();
        let count = |row: &tokio_postgres::Row, at| u64::try_from(row.get::<_, i64>(at)).unwrap_or(0);
        rows.iter()
            .map(|row| {
                let counts = RowCounts { inserted: count(row, 1), updated: count(row, 2), deleted: count(row, 3) };
                (row.get(0), counts)
            })
            .collect()
    }

    fn stop(&self, ended: Ended, range: Option<std::ops::Range<usize>>) -> Stop {
        let cause = match ended {
            Ended::Server(error) => Cause::Server(error),
            Ended::Timeout => Cause::Timeout(self.bench.limits.statement.as_millis() as u64),
            Ended::Disk => Cause::Disk(self.bench.limits.database_bytes),
            Ended::Connection(message) => Cause::ConnectionLost(message),
            Ended::Broken(Error::Lost(said)) => {
                return Stop::Broken(range.map_or(Error::Lost(said.clone()), |range| Error::LostAt(said, range)));
            }
            Ended::Broken(error) => return Stop::Broken(error),
        };
        Stop::Failed(Failure { range, cause })
    }

    pub(super) async fn supervised<T>(
        &mut self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Ended> {
        supervised(self.bench, &mut self.looked, work).await
    }
}

/// Waits for `work` within the limits; cancels the statement, then terminates the session, when it exceeds them.
///
/// `looked`: when the database's size was last looked at.
pub async fn supervised<T>(
    bench: Bench<'_>,
    looked: &mut Instant,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Ended> {
    let Bench { runner, observer, limits } = bench;
    let started = Instant::now();
    let mut work = pin!(work);
    let excess = loop {
        let look = TICK.saturating_sub(looked.elapsed());
        let left = limits.deadline.saturating_duration_since(Instant::now()).min(look);
        let looked_at = tokio::time::timeout(left.max(Duration::from_millis(1)), &mut work);
        let waited = tokio::select! {
            biased;
            waited = looked_at => waited,
            () = limits.halt.cancelled() => break Ended::Broken(Error::Deadline),
        };
        match waited {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => return Err(ended(&error, runner)),
            Err(_) if Instant::now() >= limits.deadline => break Ended::Broken(Error::Deadline),
            Err(_) if started.elapsed() >= limits.statement => break Ended::Timeout,
            Err(_) => {
                let size = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())";
                let size: i64 = match observer.client().query_one(size, &[]).await {
                    Ok(row) => row.get(0),
                    Err(error) => return Err(Ended::Broken(Error::Lost(describe(&error)))),
                };
                *looked = Instant::now();
                if size.max(0) as u64 > limits.database_bytes {
                    break Ended::Disk;
                }
            }
        }
    };
    runner.cancel().await;
    if tokio::time::timeout(CANCEL, &mut work).await.is_err() {
        let _ = observer.client().query("SELECT pg_catalog.pg_terminate_backend($1)", &[&runner.pid()]).await;
        if tokio::time::timeout(CANCEL * 2, &mut work).await.is_err() {
            return Err(Ended::Broken(Error::Lost("a statement could not be stopped".to_owned())));
        }
    }
    Err(excess)
}

/// How a statement ended other than well.
#[derive(Debug)]
pub enum Ended {
    /// The server refused it.
    Server(Box<ServerError>),
    /// It ran longer than a statement may.
    Timeout,
    /// The database grew beyond its bound.
    Disk,
    /// The session ended.
    Connection(String),
    /// It is not the statement's fault.
    Broken(Error),
}

fn ended(error: &tokio_postgres::Error, runner: &Session) -> Ended {
    match error.as_db_error() {
        // Class 57P: the session was terminated, or the server is shutting down or crashed.
        Some(db) if db.code().code().starts_with("57P") => Ended::Connection(db.message().to_owned()),
        Some(db) => {
            let server = runner.server_version().to_owned();
            Ended::Server(Box::new(ServerError { server, ..ServerError::from(db) }))
        }
        None if runner.is_closed() || error.is_closed() => Ended::Connection(describe(error)),
        // The one thing that a server answers a simple query with and that the driver does not expect.
        None => Ended::Server(Box::new(ServerError {
            sqlstate: "08P01".to_owned(),
            message: "COPY … TO STDOUT sends rows to the client, and no migration runner reads them".to_owned(),
            ..ServerError::default()
        })),
    }
}

/// The server's refusal, where the statement may pass when it is run again.
fn refused(outcome: &Result<u64, Ended>) -> Option<&ServerError> {
    match outcome {
        Err(Ended::Server(error)) if lend::may_mend(&error.sqlstate) => Some(error),
        _ => None,
    }
}

/// Sends one statement as a simple query and counts what its command tag counts. Rows are dropped as they come.
pub(super) async fn execute(session: &Session, text: &str) -> Result<u64, tokio_postgres::Error> {
    drain(session.client().simple_query_raw(text).await?).await
}

/// Waits for the end of an answer and counts what its command tag counts.
pub(super) async fn drain(answer: SimpleQueryStream) -> Result<u64, tokio_postgres::Error> {
    let mut stream = pin!(answer);
    let mut rows = 0;
    while let Some(message) = stream.next().await {
        if let SimpleQueryMessage::CommandComplete(count) = message? {
            rows = count;
        }
    }
    Ok(rows)
}

/// Sends what must be one statement and no more: the server itself refuses several, whatever it takes for a string.
pub(super) async fn execute_one(session: &Session, text: &str) -> Result<u64, tokio_postgres::Error> {
    let statement = session.client().prepare(text).await?;
    session.client().execute(&statement, &[]).await
}

/// Sends a `COPY … FROM STDIN` and its data.
async fn copy_in(session: &Session, text: &str, data: Bytes) -> Result<u64, tokio_postgres::Error> {
    let mut sink = pin!(session.client().copy_in::<_, Bytes>(text).await?);
    sink.send(data).await?;
    sink.finish().await
}
