//! One connection: a request, its replies, the end.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::service::{self, Reported};
use super::status::{Status, memory_of};
use super::{Admitted, Daemon, attach};
use crate::config::Unavailable;
use crate::engine::Progress;
use crate::judge::plan;
use crate::render::{self, Format};
use crate::verdict::Report;
use crate::wire::message::{CheckRequest, Envelope, Place, Reply, Request, Wanted};
use crate::wire::{Selection, env, frame};

/// How long a client may take to say what it wants.
const REQUEST: Duration = Duration::from_secs(5);
/// How long a client may take to read a reply.
const REPLY: Duration = Duration::from_secs(10);

/// Serves `stream` on a task of its own.
pub(super) fn start(daemon: &Arc<Daemon>, mut stream: UnixStream) {
    let uid = rustix::process::getuid().as_raw();
    if !stream.peer_cred().is_ok_and(|peer| peer.uid() == uid || peer.uid() == 0) {
        tracing::warn!("a connection of another user was refused");
        return;
    }
    let daemon = Arc::clone(daemon);
    let admitted = daemon.admit();
    tokio::spawn(async move {
        let outcome = match &admitted {
            Some(admitted) => serve(admitted, &daemon, &mut stream).await,
            None => send(&mut stream, &Reply::Busy).await,
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "a client went away");
        }
    });
}

async fn serve(_place: &Admitted, daemon: &Arc<Daemon>, stream: &mut UnixStream) -> io::Result<()> {
    let refused = |why: String| Reply::Refused { why };
    let envelope = match tokio::time::timeout(REQUEST, receive(stream)).await {
        Ok(Ok(envelope)) => envelope,
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            return send(stream, &refused(error.to_string())).await;
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => {
            let why = format!("no whole request came within {} s", REQUEST.as_secs());
            return send(stream, &refused(why)).await;
        }
    };
    let any_build = matches!(envelope.request, Request::Status | Request::Stop);
    if envelope.build != daemon.build && !any_build {
        return send(stream, &Reply::Mismatch { build: daemon.build.clone() }).await;
    }
    let exit = match envelope.request {
        Request::Check(request) => check(daemon, stream, &request).await?,
        Request::Status => {
            let json = serde_json::to_string(&status(daemon)).map_err(io::Error::other)?;
            send(stream, &Reply::Status { json }).await?;
            0
        }
        Request::Warm(place) => {
            let service = Arc::clone(&daemon.service);
            let Some(warming) = daemon.admit_warming() else { return send(stream, &Reply::Busy).await };
            tokio::spawn(async move {
                let _warming = warming;
                if let Err(error) = service.warm(place, Selection::Staged, None).await {
                    tracing::info!(%error, "not warmed up");
                }
            });
            0
        }
        Request::Ready(place) => ready(daemon, stream, place).await?,
        Request::Watch(place) => attach::watch(daemon, stream, place).await?,
        Request::Stop => {
            daemon.ask_to_stop();
            0
        }
    };
    send(stream, &Reply::Done { exit }).await
}

/// Judges and answers. The exit status is the last thing the client is told.
async fn check(daemon: &Arc<Daemon>, stream: &mut UnixStream, request: &CheckRequest) -> io::Result<u8> {
    let started = Instant::now();
    let prepared = match daemon.service.prepare(request).await {
        Ok(prepared) => prepared,
        Err(error) => {
            let report =
                service::failed(&error, &request.place.cwd.to_string_lossy(), plan::mode(&request.selection), started);
            report.verdicts.iter().for_each(|verdict| daemon.service.gave(verdict));
            // Without the repository's configuration, the user's own still says what an unjudged commit may do.
            let lenient = request.hook && unavailable(request) == Unavailable::Warn;
            answer(stream, request, &report, lenient).await?;
            return Ok(service::exit(&report, lenient));
        }
    };
    if request.hook && prepared.is_untouched() {
        return Ok(0);
    }
    let budget_ms = prepared.budget.as_millis() as u64;
    send(stream, &Reply::Accepted { budget_ms, block: prepared.block }).await?;
    let (progress, mut told) = channel();
    let mut work = std::pin::pin!(daemon.service.check(request, &prepared, progress));
    let reported = loop {
        tokio::select! {
            reported = &mut work => break reported,
            // Whoever types on, presses Ctrl-C or is killed takes the question back.
            () = gone(stream) => return Err(io::ErrorKind::ConnectionAborted.into()),
            Some(text) = told.recv() => send(stream, &Reply::Progress { text }).await?,
        }
    };
    match reported {
        Reported::Untouched => Ok(0),
        Reported::Report { report, exit } => {
            answer(stream, request, &report, !prepared.block && request.hook).await?;
            Ok(exit)
        }
    }
}

/// Ends when the client lets go of its end.
async fn gone(stream: &UnixStream) {
    let mut rest = [0; 256];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut rest) {
            Ok(0) => return,
            // There is nothing to say behind a request.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// Brings everything up that the first judgement needs, and says what there is.
async fn ready(daemon: &Arc<Daemon>, stream: &mut UnixStream, place: Place) -> io::Result<u8> {
    let budget_ms = service::PREPARE.as_millis() as u64;
    send(stream, &Reply::Accepted { budget_ms, block: true }).await?;
    let (progress, mut told) = channel();
    let mut work = std::pin::pin!(daemon.service.warm(place, Selection::Worktree, Some(progress)));
    let warmed = loop {
        tokio::select! {
            warmed = &mut work => break warmed,
            Some(text) = told.recv() => send(stream, &Reply::Progress { text }).await?,
        }
    };
    let (text, exit) = match warmed {
        Ok(lines) => (lines.iter().map(|line| format!("{line}\n")).collect(), 0),
        Err(error) => (format!("error: {error} [{}]\nhelp: {}\n", error.code(), error.help()), 3),
    };
    send(stream, &Reply::Text { text }).await?;
    Ok(exit)
}

/// Progress that a connection can forward.
fn channel() -> (Progress, mpsc::UnboundedReceiver<String>) {
    let (tell, told) = mpsc::unbounded_channel::<String>();
    let progress: Progress = Arc::new(move |text| {
        let _ = tell.send(text.to_owned());
    });
    (progress, told)
}

async fn answer(stream: &mut UnixStream, request: &CheckRequest, report: &Report, lenient: bool) -> io::Result<()> {
    let reply = match request.wanted {
        Wanted::Report => Reply::Report { json: serde_json::to_string(report).map_err(io::Error::other)? },
        Wanted::Text(terminal) => {
            let mut text = render::render(report, Format::Text, &terminal);
            if lenient && report.outcome == crate::verdict::Outcome::Error {
                text.push_str("migd: warning: committing without a verdict (`hook.unavailable = \"warn\"`)\n");
            }
            Reply::Text { text }
        }
    };
    send(stream, &reply).await
}

fn unavailable(request: &CheckRequest) -> Unavailable {
    let user = std::fs::read_to_string(crate::config::user_file(&request.place.env)).ok();
    let config = crate::config::Config::load(user.as_deref(), None, &request.place.env);
    config.map(|config| config.hook.unavailable).unwrap_or(Unavailable::Block)
}

fn status(daemon: &Daemon) -> Status {
    Status {
        running: true,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: daemon.started.elapsed().as_secs(),
        memory_bytes: memory_of(std::process::id()),
        socket: daemon.endpoint.socket().to_string_lossy().into_owned(),
        log: daemon.endpoint.log().to_string_lossy().into_owned(),
        engines: daemon.service.engines(),
        cache: daemon.service.engines_in_use().verdicts().figures(),
        verdicts: daemon.service.given(),
        watched: daemon.service.live().map(|live| live.watched()).unwrap_or_default(),
        environment: env::surroundings(),
    }
}

async fn receive(stream: &mut UnixStream) -> io::Result<Envelope> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let mut payload = vec![0; frame::length(header, frame::MAX_REQUEST)?];
    stream.read_exact(&mut payload).await?;
    frame::decode(&payload)
}

pub(super) async fn send(stream: &mut UnixStream, reply: &Reply) -> io::Result<()> {
    let bytes = frame::encode(reply)?;
    tokio::time::timeout(REPLY, write(stream, &bytes)).await.map_err(|_| io::ErrorKind::TimedOut)?
}

/// Writes a whole frame, however long the client takes.
pub(super) async fn write(stream: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await
}
