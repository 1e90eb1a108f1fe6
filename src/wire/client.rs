//! The blocking client: one connection, one request, replies until the last. Every wait has a bound.

use std::io::{self, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::message::{Envelope, Reply};
use super::{endpoint, frame};

/// How long the daemon may take to say that it has understood.
pub const ACCEPT: Duration = Duration::from_secs(5);
/// How much longer than its own budget the daemon may take before the client gives up on it.
const GRACE: Duration = Duration::from_secs(2);

/// Why no answer was had.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens.
    Absent(io::Error),
    /// The connection broke before the last reply.
    Broken(io::Error),
    /// The request has this many bytes, more than a daemon reads.
    TooLarge(usize),
    /// The daemon cannot read the request, for this reason.
    Refused(String),
    /// The budget that the daemon named, or that for understanding, ran out.
    Late {
        /// How long was waited.
        waited: Duration,
        /// Whether a commit is to be refused then.
        block: bool,
    },
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClientError::Absent(error) => write!(f, "no daemon answers: {error}"),
            ClientError::TooLarge(bytes) => {
                write!(f, "the request is too large: {bytes} bytes, at most {} are read", frame::MAX_REQUEST)
            }
            ClientError::Refused(why) => write!(f, "the daemon cannot read the request: {why}"),
            ClientError::Broken(error) => write!(f, "the connection to the daemon broke: {error}"),
            ClientError::Late { waited, .. } => {
                write!(f, "the daemon gave no answer within {:.1} s", waited.as_secs_f64())
            }
        }
    }
}

impl std::error::Error for ClientError {}

impl ClientError {
    /// The finding code that names it.
    pub fn code(&self) -> &'static str {
        match self {
            ClientError::Absent(_) | ClientError::Broken(_) => "daemon.lost",
            ClientError::TooLarge(_) | ClientError::Refused(_) => "daemon.request",
            ClientError::Late { .. } => "daemon.silent",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            ClientError::Absent(_) | ClientError::Broken(_) => "try again; if it stays, `migd restart`",
            ClientError::TooLarge(_) => {
                "save what the editor holds, and unset what git does not need (`env | grep ^GIT_`)"
            }
            ClientError::Refused(_) => "`migd restart`; migd and migd-hook are of one installation",
            ClientError::Late { .. } => "`migd doctor` says whether the daemon answers, `migd logs` what it is doing",
        }
    }
}

/// A connection that has sent its request.
#[derive(Debug)]
pub struct Client {
    /// Most answers come as one piece.
    stream: BufReader<UnixStream>,
    started: Instant,
    deadline: Instant,
    block: bool,
}

/// Ends a conversation, from whatever thread.
#[derive(Debug)]
pub struct Breaker(UnixStream);

impl Breaker {
    /// Lets go of the connection: whoever waits for a reply is told that it broke.
    pub fn break_off(&self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Client {
    /// Connects to `socket` and sends `envelope`.
    pub fn send(socket: &Path, envelope: &Envelope) -> Result<Client, ClientError> {
        let bytes = frame::encode(envelope).map_err(ClientError::Broken)?;
        if bytes.len() - frame::HEADER > frame::MAX_REQUEST as usize {
            return Err(ClientError::TooLarge(bytes.len() - frame::HEADER));
        }
        // Another user's daemon would be told what is here, and believed.
        endpoint::own_socket(socket).map_err(ClientError::Absent)?;
        let mut stream = UnixStream::connect(socket).map_err(ClientError::Absent)?;
        let started = Instant::now();
        stream.set_write_timeout(Some(ACCEPT)).map_err(ClientError::Broken)?;
        stream.write_all(&bytes).map_err(ClientError::Broken)?;
        Ok(Client { stream: BufReader::with_capacity(1024, stream), started, deadline: started + ACCEPT, block: true })
    }

    /// What ends this conversation before its last reply.
    pub fn breaker(&self) -> io::Result<Breaker> {
        self.stream.get_ref().try_clone().map(Breaker)
    }

    /// The next reply. [`Reply::Accepted`] moves the deadline and is returned like any other.
    pub fn reply(&mut self) -> Result<Reply, ClientError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.late());
        }
        self.stream.get_ref().set_read_timeout(Some(left)).map_err(ClientError::Broken)?;
        let reply = frame::read(&mut self.stream, frame::MAX_REPLY).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.late(),
            _ => ClientError::Broken(error),
        })?;
        if let Reply::Refused { why } = reply {
            return Err(ClientError::Refused(why));
        }
        if let Reply::Accepted { budget_ms, block } = reply {
            self.deadline = Instant::now() + Duration::from_millis(budget_ms) + GRACE;
            self.block = block;
        }
        Ok(reply)
    }

    fn late(&self) -> ClientError {
        ClientError::Late { waited: self.started.elapsed(), block: self.block }
    }
}
