//! The client's side of the daemon's life: find it, start it, replace one of another build, stop it.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::wire::{Breaker, Client, ClientError, Endpoint, Envelope, Reply, Request, endpoint};

/// How long a new daemon may take to listen, and an old one to leave.
const PATIENCE: Duration = Duration::from_secs(15);
/// How much is read of what a daemon says that ends at once, in bytes.
const WORDS: u64 = 4096;
/// How often is looked.
const LOOK: Duration = Duration::from_millis(2);

/// Why there is no daemon to talk to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be started.
    #[error("the daemon cannot be started: {0}")]
    Start(io::Error),
    /// It did not listen in time, or ended at once.
    #[error("the daemon did not start listening; its log is {0}")]
    Silent(String),
    /// It ended at once, for this reason.
    #[error("the daemon cannot be started: {0}")]
    Ended(String),
    /// The one of another build does not leave.
    #[error("the daemon that runs{} does not stop", process(*.0))]
    Stays(Option<u32>),
    /// The connection.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Whoever asked has lost interest.
    #[error("the request was abandoned")]
    Abandoned,
}

impl Error {
    /// The finding code that names it.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Start(_) | Error::Silent(_) | Error::Ended(_) => "daemon.start",
            Error::Stays(_) => "daemon.stays",
            Error::Client(error) => error.code(),
            Error::Abandoned => "daemon.lost",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Error::Start(_) => "is `migd` installed whole? `migd doctor` looks at everything it needs".to_owned(),
            Error::Ended(_) => "mend what it names; `migd doctor` looks at everything it needs".to_owned(),
            Error::Silent(_) => "`migd logs` shows why; `migd doctor` looks at everything it needs".to_owned(),
            Error::Stays(pid) => end(*pid),
            Error::Client(error) => error.help().to_owned(),
            Error::Abandoned => "try again".to_owned(),
        }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// What to do about a daemon that does not do what it is asked to.
fn end(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("end it: `kill -9 {pid}`; what it leaves, the next one takes over"),
        None => "end the process `migd daemon`; what it leaves, the next one takes over".to_owned(),
    }
}

/// Lets a request be abandoned while another thread waits for its replies.
#[derive(Debug, Default)]
pub struct Abandon {
    state: Mutex<Abandoned>,
}

#[derive(Debug, Default)]
struct Abandoned {
    is: bool,
    breaker: Option<Breaker>,
}

impl Abandon {
    /// Nobody wants the replies any more.
    pub fn abandon(&self) {
        let mut state = self.lock();
        state.is = true;
        if let Some(breaker) = state.breaker.take() {
            breaker.break_off();
        }
    }

    /// Whether nobody wants the replies any more.
    pub fn is_abandoned(&self) -> bool {
        self.lock().is
    }

    /// The conversation that is to end then. Whether it may begin.
    fn take(&self, client: &Client) -> bool {
        let mut state = self.lock();
        state.breaker = client.breaker().ok();
        !state.is
    }

    fn lock(&self) -> MutexGuard<'_, Abandoned> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends `request` to a daemon of this build, started or replaced if need be, and gives every reply to `on_reply`.
/// The exit status that the daemon named.
pub fn ask(endpoint: &Endpoint, request: &Request, on_reply: impl FnMut(Reply)) -> Result<u8, Error> {
    ask_within(PATIENCE, endpoint, request, on_reply)
}

/// [`ask`], with less patience for a daemon that does not come or does not go.
pub fn ask_within(
    patience: Duration,
    endpoint: &Endpoint,
    request: &Request,
    on_reply: impl FnMut(Reply),
) -> Result<u8, Error> {
    converse_until_done(patience, None, endpoint, request, on_reply)
}

/// [`ask`], until `abandon` says that nobody wants the replies any more.
pub fn ask_unless(
    abandon: &Abandon,
    endpoint: &Endpoint,
    request: &Request,
    on_reply: impl FnMut(Reply),
) -> Result<u8, Error> {
    match converse_until_done(PATIENCE, Some(abandon), endpoint, request, on_reply) {
        Err(_) if abandon.is_abandoned() => Err(Error::Abandoned),
        other => other,
    }
}

fn converse_until_done(
    patience: Duration,
    abandon: Option<&Abandon>,
    endpoint: &Endpoint,
    request: &Request,
    mut on_reply: impl FnMut(Reply),
) -> Result<u8, Error> {
    let patience = patience.min(PATIENCE);
    let program = endpoint::program().map_err(Error::Start)?;
    let envelope = Envelope { build: endpoint::build_of(&program), request: request.clone() };
    let deadline = Instant::now() + patience;
    loop {
        if abandon.is_some_and(Abandon::is_abandoned) {
            return Err(Error::Abandoned);
        }
        ensure_within(patience, endpoint)?;
        match converse(endpoint, &envelope, abandon, &mut on_reply) {
            Ok(Answer::Done(exit)) => return Ok(exit),
            Ok(Answer::OtherBuild) => {
                stop_within(patience, endpoint)?;
            }
            Ok(Answer::Busy) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            Ok(Answer::Busy) => {
                return Err(Error::Client(ClientError::Late { waited: patience, block: true }));
            }
            // It left between the two: try with another.
            Err(ClientError::Absent(_)) if Instant::now() < deadline => {}
            Err(ClientError::Broken(_)) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(error.into()),
        }
    }
}

enum Answer {
    Done(u8),
    OtherBuild,
    Busy,
}

fn converse(
    endpoint: &Endpoint,
    envelope: &Envelope,
    abandon: Option<&Abandon>,
    on_reply: &mut impl FnMut(Reply),
) -> Result<Answer, ClientError> {
    let mut client = Client::send(&endpoint.socket(), envelope)?;
    if abandon.is_some_and(|abandon| !abandon.take(&client)) {
        return Err(ClientError::Broken(std::io::ErrorKind::Interrupted.into()));
    }
    loop {
        match client.reply()? {
            Reply::Done { exit } => return Ok(Answer::Done(exit)),
            Reply::Mismatch { .. } => return Ok(Answer::OtherBuild),
            Reply::Busy => return Ok(Answer::Busy),
            other => on_reply(other),
        }
    }
}

/// How the daemon is.
#[derive(Debug)]
pub enum Health {
    /// None runs.
    Absent,
    /// It answers.
    Well(Vec<Reply>),
    /// One has the lock and does not answer: its process, and what to do.
    Silent(Option<u32>, String),
}

/// How the daemon is, of whatever build.
pub fn health(endpoint: &Endpoint) -> Health {
    if let Some(replies) = ask_running(endpoint, Request::Status) {
        return Health::Well(replies);
    }
    match is_locked(endpoint) {
        true => {
            let pid = holder(endpoint);
            Health::Silent(pid, end(pid))
        }
        false => Health::Absent,
    }
}

/// The process that has the lock, as it wrote down itself.
fn holder(endpoint: &Endpoint) -> Option<u32> {
    std::fs::read_to_string(endpoint.lock()).ok()?.trim().parse().ok()
}

/// Asks the daemon that runs, of whatever build; none when none runs, or none answers.
pub fn ask_running(endpoint: &Endpoint, request: Request) -> Option<Vec<Reply>> {
    let mut replies = Vec::new();
    let envelope = Envelope { build: String::new(), request };
    let answer = converse(endpoint, &envelope, None, &mut |reply| replies.push(reply)).ok()?;
    matches!(answer, Answer::Done(_)).then_some(replies)
}

/// Starts a daemon if none listens. Whether one was started.
pub fn ensure(endpoint: &Endpoint) -> Result<bool, Error> {
    ensure_within(PATIENCE, endpoint)
}

/// Whether somebody listens on the socket, in a folder where only this user can have put it.
fn listens(place: &Endpoint) -> bool {
    let socket = place.socket();
    endpoint::own_socket(&socket).is_ok() && UnixStream::connect(socket).is_ok()
}

fn ensure_within(patience: Duration, endpoint: &Endpoint) -> Result<bool, Error> {
    if listens(endpoint) {
        return Ok(false);
    }
    endpoint.prepare().map_err(Error::Start)?;
    let program = endpoint::program().map_err(Error::Start)?;
    let spawn = || {
        let mut command = Command::new(&program);
        command.arg("daemon").current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // For glibc: threads that share their heaps give back more of what a judgement took.
        command.env("MALLOC_ARENA_MAX", "1");
        command.spawn().map_err(Error::Start)
    };
    let mut child = spawn()?;
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if listens(endpoint) {
            // Whoever asks for long must not keep the dead daemon as its child.
            let _ = std::thread::Builder::new().name("daemon's end".to_owned()).spawn(move || child.wait());
            return Ok(true);
        }
        match child.try_wait() {
            // It lost the race for the lock: the winner will listen, or was an old one that is just leaving.
            Ok(Some(status)) if status.success() => {
                std::thread::sleep(LOOK * 10);
                child = spawn()?;
            }
            Ok(Some(_)) => return Err(ended(child, endpoint)),
            _ => std::thread::sleep(LOOK),
        }
    }
    Err(Error::Silent(endpoint.log().display().to_string()))
}

/// Why a daemon that is no more ended at once, in its own words.
fn ended(child: Child, endpoint: &Endpoint) -> Error {
    let mut said = Vec::new();
    let _ = child.stderr.map(|words| words.take(WORDS).read_to_end(&mut said));
    let said = String::from_utf8_lossy(&said);
    match said.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => Error::Ended(line.strip_prefix("migd: error: ").unwrap_or(line).to_owned()),
        None => Error::Silent(endpoint.log().display().to_string()),
    }
}

/// Stops the daemon that runs, and waits until it has let go of its lock. Whether one ran.
pub fn stop(endpoint: &Endpoint) -> Result<bool, Error> {
    stop_within(PATIENCE, endpoint)
}

fn stop_within(patience: Duration, endpoint: &Endpoint) -> Result<bool, Error> {
    if ask_running(endpoint, Request::Stop).is_none() && !is_locked(endpoint) {
        return Ok(false);
    }
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if !is_locked(endpoint) {
            return Ok(true);
        }
        std::thread::sleep(LOOK * 5);
    }
    Err(Error::Stays(holder(endpoint)))
}

fn is_locked(endpoint: &Endpoint) -> bool {
    let Ok(file) = std::fs::File::open(endpoint.lock()) else { return false };
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err()
}
