//! A session: one connection, its driver task, its notices, and the means to cancel what it runs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, NoTls, SimpleQueryMessage};

/// How many notices of one session are kept; a migration may raise millions.
const MAX_NOTICES: usize = 200;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How often a session that is ended is looked for.
const AGAIN: Duration = Duration::from_millis(5);

/// How long [`Session::look`] may take.
const LOOK_TIME: Duration = Duration::from_secs(5);
/// How it begins.
const LOOK: &str = "BEGIN READ ONLY; SET LOCAL search_path = \"$user\", public; SET LOCAL statement_timeout = '5s'";

/// Why a session could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The server refused, or was not there.
    #[error("cannot connect to PostgreSQL: {}", describe(.0))]
    Connect(#[from] tokio_postgres::Error),
    /// It did not answer.
    #[error("PostgreSQL did not accept a connection within {} s", CONNECT.as_secs())]
    Timeout,
}

impl SessionError {
    /// Where in the database's own code a session was refused: in what a login trigger (from 17 on) calls.
    pub fn refused_in(&self) -> Option<&str> {
        let Self::Connect(error) = self else { return None };
        error.as_db_error()?.where_()?.lines().next()
    }
}

/// What the server says, without the C source lines of the driver's own display.
pub fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => {
            let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
            format!("{error}{source}")
        }
    }
}

/// A notice that the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The five-character code.
    pub sqlstate: String,
    /// The text.
    pub message: String,
}

/// One connection to a database.
pub struct Session {
    client: Client,
    cancel: CancelToken,
    notices: Arc<Mutex<VecDeque<Notice>>>,
    driver: JoinHandle<()>,
    pid: i32,
    user: String,
    superuser: bool,
    server_version: String,
    running: AtomicBool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Session {
    /// Connects.
    pub async fn open(config: &Config) -> Result<Session, SessionError> {
        let connect = tokio::time::timeout(CONNECT, config.connect(NoTls));
        let (client, mut connection) = connect.await.map_err(|_| SessionError::Timeout)??;
        let superuser = connection.parameter("is_superuser") == Some("on");
        // As in `17.5 (Debian 17.5-1)`.
        let version = connection.parameter("server_version").and_then(|version| version.split(' ').next());
        let server_version = version.unwrap_or_default().to_owned();
        let notices = Arc::new(Mutex::new(VecDeque::new()));
        let sink = Arc::clone(&notices);
        let driver = tokio::spawn(async move {
            // An error ends the connection; whoever waits for an answer is told by the client.
            while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notice(notice) = message {
                    let mut kept = sink.lock().unwrap_or_else(PoisonError::into_inner);
                    if kept.len() < MAX_NOTICES {
                        let sqlstate = notice.code().code().to_owned();
                        kept.push_back(Notice { sqlstate, message: notice.message().to_owned() });
                    }
                }
            }
        });
        let cancel = client.cancel_token();
        let user = config.get_user().unwrap_or_default().to_owned();
        let mut session = Session {
            client,
            cancel,
            notices,
            driver,
            pid: 0,
            user,
            superuser,
            server_version,
            running: AtomicBool::new(false),
        };
        // A simple query is one round trip, a prepared one two.
        for message in session.client.simple_query("SELECT pg_catalog.pg_backend_pid()").await? {
            if let SimpleQueryMessage::Row(row) = message {
                session.pid = row.get(0).and_then(|pid| pid.parse().ok()).unwrap_or(0);
            }
        }
        Ok(session)
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The server's process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The role that it was opened as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether it had all rights when it was opened, as the server said.
    pub fn is_superuser(&self) -> bool {
        self.superuser
    }

    /// The server's version, as in `17.5`.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Asks the server to cancel what this session runs; at once, over a second connection.
    pub async fn cancel(&self) {
        // A refused cancel shows itself: the statement goes on, and its session is terminated next.
        let _ = tokio::time::timeout(CONNECT, self.cancel.cancel_query(NoTls)).await;
    }

    /// Ends the session of the server's process `pid`, and waits until it has left. False when it does not within `patience`.
    pub async fn end(&self, pid: i32, patience: Duration) -> Result<bool, tokio_postgres::Error> {
        let sql = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
                   WHERE pid OPERATOR(pg_catalog.=) $1";
        let began = Instant::now();
        while !self.client.query(sql, &[&pid]).await?.is_empty() {
            if began.elapsed() >= patience {
                return Ok(false);
            }
            tokio::time::sleep(AGAIN).await;
        }
        Ok(true)
    }

    /// Runs queries of migd's own with this session's rights, in a transaction of their own that changes nothing and
    /// sees names as a new session does; none when that takes too long. What reads a migration's tables may run the
    /// migration's functions (casts, expressions of indexes), and must not do so with an administrator's rights.
    pub async fn look<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<Option<T>, tokio_postgres::Error> {
        // Sent at once, in this order.
        let both = futures_util::future::join(self.client.batch_execute(LOOK), work);
        let looked = tokio::time::timeout(LOOK_TIME, both).await;
        if looked.is_err() {
            self.cancel().await;
        }
        let closed = tokio::time::timeout(LOOK_TIME, self.client.batch_execute("ROLLBACK")).await;
        let Ok((opened, found)) = looked else { return Ok(None) };
        opened?;
        let found = found?;
        closed.unwrap_or(Ok(()))?;
        Ok(Some(found))
    }

    /// Notes that something runs here from now on that may change what the whole server shares, or that it has ended. Whoever
    /// is dropped in between leaves it running.
    pub fn set_running(&self, running: bool) {
        self.running.store(running, Ordering::Relaxed);
    }

    /// Whether such a thing has not been seen to end.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// The notices since the last call.
    pub fn take_notices(&self) -> Vec<Notice> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    /// Says goodbye and waits, for at most a second, until the server has let go of the database.
    pub async fn close(self) {
        let Session { client, mut driver, .. } = self;
        drop(client);
        if tokio::time::timeout(Duration::from_secs(1), &mut driver).await.is_err() {
            driver.abort();
        }
    }
}
