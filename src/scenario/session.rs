//! A scenario's own sessions: they run as the role of migrations, within the bounds of migrations, and hand rows over as the
//! text that psql would show.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};
use tokio_postgres::SimpleQueryMessage;

use crate::engine::Role;
use crate::engine::session::Session;
use crate::pool::{Held, Pool};
use crate::sql;
use crate::trace::apply::{self, Bench, Ended, Limits};
use crate::trace::{ServerError, supervised};

/// How many sessions one scenario may open.
const SESSIONS: usize = 8;
/// How many bytes of rows one record may be answered with.
const ANSWER: usize = 4 << 20;

/// What all sessions of one scenario share.
pub(super) struct Site<'a> {
    /// The databases.
    pub(super) pool: &'a Pool,
    /// The scenario's.
    pub(super) held: &'a Held,
    /// The bounds of one statement, and the end of the scenario.
    pub(super) limits: &'a Limits,
    /// What ends the scenario, whatever the record expects.
    stop: Mutex<Option<Stop>>,
    sessions: AtomicUsize,
}

/// What ends a scenario, whatever the record expects.
#[derive(Debug)]
pub(super) enum Stop {
    /// A statement ran longer than it may.
    Timeout,
    /// The database grew beyond its bound.
    Disk,
    /// The judgement cannot go on.
    Broken(apply::Error),
}

impl<'a> Site<'a> {
    pub(super) fn new(pool: &'a Pool, held: &'a Held, limits: &'a Limits) -> Site<'a> {
        Site { pool, held, limits, stop: Mutex::default(), sessions: AtomicUsize::new(0) }
    }

    /// What has ended the scenario since the last call.
    pub(super) fn take_stop(&self) -> Option<Stop> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Opens one more session.
    pub(super) async fn connect(&'a self) -> Result<Connection<'a>, Refused> {
        if self.sessions.fetch_add(1, Ordering::Relaxed) >= SESSIONS {
            return Err(Refused::Own(format!("a scenario may open {SESSIONS} connections")));
        }
        let config = self.pool.engine().config(&self.held.database, Role::Owner);
        let session = Session::open(&config).await;
        let session = session.map_err(|error| Refused::Own(error.to_string()))?;
        Ok(Connection { site: self, session, looked: Instant::now() })
    }
}

/// One session.
pub(super) struct Connection<'a> {
    site: &'a Site<'a>,
    session: Session,
    looked: Instant,
}

/// Why a statement has no answer. What the file expects of an error is compared with how this reads.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The server refused it.
    #[error("{}", worded(.0))]
    Server(Box<ServerError>),
    /// The session ended.
    #[error("the connection ended: {0}")]
    Ended(String),
    /// It was not sent, or not to its end.
    #[error("{0}")]
    Own(String),
}

/// As psql shows it.
fn worded(error: &ServerError) -> String {
    let detail = error.detail.iter().map(|detail| format!("\nDETAIL: {detail}"));
    let hint = error.hint.iter().map(|hint| format!("\nHINT: {hint}"));
    format!("ERROR: {}{}", error.message, detail.chain(hint).collect::<String>())
}

/// What a statement is answered with.
enum Answer {
    Rows(usize, Vec<Vec<String>>),
    Done(u64),
    TooLong,
}

#[async_trait::async_trait]
impl AsyncDB for Connection<'_> {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, text: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let copies = |statement: &sql::Statement| statement.kind == sql::Kind::CopyIn;
        if sql::split(text).statements.iter().any(copies) || is_copy(text) {
            return Err(Refused::Own("COPY … FROM STDIN has no data in a scenario: use INSERT".to_owned()));
        }
        let bench = Bench { runner: &self.session, observer: &self.site.held.observer, limits: self.site.limits };
        let stop = match supervised(bench, &mut self.looked, answer(&self.session, text)).await {
            Ok(Answer::Rows(columns, rows)) => {
                return Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows });
            }
            Ok(Answer::Done(count)) => return Ok(DBOutput::StatementComplete(count)),
            Ok(Answer::TooLong) => {
                self.session.cancel().await;
                return Err(Refused::Own(format!("the answer is longer than {} MB", ANSWER >> 20)));
            }
            Err(Ended::Server(error)) => return Err(Refused::Server(error)),
            Err(Ended::Connection(said)) => return Err(Refused::Ended(said)),
            Err(Ended::Timeout) => Stop::Timeout,
            Err(Ended::Disk) => Stop::Disk,
            Err(Ended::Broken(error)) => Stop::Broken(error),
        };
        *self.site.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
        Err(Refused::Own("the statement was stopped".to_owned()))
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "postgres"
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn error_sql_state(error: &Refused) -> Option<String> {
        match error {
            Refused::Server(error) => Some(error.sqlstate.clone()),
            Refused::Ended(_) | Refused::Own(_) => None,
        }
    }
}

/// Whether the server would wait for data that never comes.
fn is_copy(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    words.first().is_some_and(|word| word == "copy")
        && words.windows(2).any(|pair| pair[0] == "from" && pair[1].starts_with("stdin"))
}

/// Sends `text` as one simple query and keeps the rows that it is answered with.
async fn answer(session: &Session, text: &str) -> Result<Answer, tokio_postgres::Error> {
    let mut stream = pin!(session.client().simple_query_raw(text).await?);
    let (mut columns, mut rows, mut done, mut bytes) = (None, Vec::new(), 0, 0);
    while let Some(message) = stream.next().await {
        match message? {
            SimpleQueryMessage::RowDescription(described) => columns = Some(described.len()),
            SimpleQueryMessage::Row(row) => {
                let values: Vec<String> = (0..row.len()).map(|at| shown(row.get(at))).collect();
                bytes += values.iter().map(|value| value.len() + 24).sum::<usize>();
                if bytes > ANSWER {
                    return Ok(Answer::TooLong);
                }
                rows.push(values);
            }
            SimpleQueryMessage::CommandComplete(count) => done = count,
            _ => {}
        }
    }
    Ok(match columns {
        Some(columns) => Answer::Rows(columns, rows),
        None => Answer::Done(done),
    })
}

/// A value as sqllogictest writes it.
fn shown(value: Option<&str>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => text.to_owned(),
    }
}
