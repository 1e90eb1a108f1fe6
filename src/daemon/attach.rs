//! One reader of what is judged while one edits: the state of the moment, then every change, until either side leaves.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::broadcast::error::RecvError;

use super::Daemon;
use super::session::{send, write};
use crate::wire::message::{CheckRequest, Place, Reply};
use crate::wire::{Selection, frame};

/// How often a reader that hears nothing is told that the daemon is there.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Said to whoever reads of a repository that is watched no longer.
const GONE: &str = "error: this repository is watched no longer: it is gone, or watching was turned off\n";

/// Serves a reader. The exit status is the last thing it is told; 0 when the daemon leaves.
pub(super) async fn watch(daemon: &Arc<Daemon>, stream: &mut UnixStream, place: Place) -> io::Result<u8> {
    let prepared = match daemon.service.prepare(&CheckRequest::new(place, Selection::Worktree)).await {
        Ok(prepared) => prepared,
        Err(error) => {
            let exit = if error.is_usage() { 2 } else { 3 };
            let text = format!("error: {error} [{}]\nhelp: {}\n", error.code(), error.help());
            send(stream, &Reply::Text { text }).await?;
            return Ok(exit);
        }
    };
    if let Err((message, help)) = prepared.may_be_watched() {
        send(stream, &Reply::Text { text: format!("error: {message}\nhelp: {help}\n") }).await?;
        return Ok(2);
    }
    let Some(live) = daemon.service.live() else { return Ok(3) };
    let repo = prepared.repo();
    let busy = "error: too many readers are attached\nhelp: end one of the other `migd watch`\n";
    let Some((mut present, mut changes)) = live.board.read(repo) else {
        send(stream, &Reply::Text { text: busy.to_owned() }).await?;
        return Ok(3);
    };
    let budget_ms = (HEARTBEAT * 2).as_millis() as u64;
    let alive = Reply::Accepted { budget_ms, block: false };
    send(stream, &alive).await?;
    loop {
        for json in present.drain(..) {
            if !tell(daemon, stream, &Reply::Event { json }).await? {
                return Ok(0);
            }
        }
        let mut byte = [0];
        let reply = tokio::select! {
            change = changes.recv() => match change {
                Ok(told) if told.repo != repo => continue,
                Ok(told) => match &told.json {
                    Some(json) => Reply::Event { json: json.clone() },
                    None => {
                        send(stream, &Reply::Text { text: GONE.to_owned() }).await?;
                        return Ok(3);
                    }
                },
                // The reader was too slow, and gets the state as it is now.
                Err(RecvError::Lagged(_)) => {
                    drop(changes);
                    let Some(anew) = live.board.read(repo) else {
                        send(stream, &Reply::Text { text: busy.to_owned() }).await?;
                        return Ok(3);
                    };
                    (present, changes) = anew;
                    continue;
                }
                Err(RecvError::Closed) => return Ok(0),
            },
            // A reader says nothing more: it has left.
            _ = stream.read(&mut byte) => return Err(io::ErrorKind::ConnectionAborted.into()),
            () = live.board.closing.cancelled() => return Ok(0),
            () = tokio::time::sleep(HEARTBEAT) => alive.clone(),
        };
        if !tell(daemon, stream, &reply).await? {
            return Ok(0);
        }
    }
}

/// Waits for a reader that does not read, for as long as the daemon stays. Whether it does.
async fn tell(daemon: &Arc<Daemon>, stream: &mut UnixStream, reply: &Reply) -> io::Result<bool> {
    let Some(live) = daemon.service.live() else { return Ok(false) };
    let bytes = frame::encode(reply)?;
    tokio::select! {
        written = write(stream, &bytes) => written.map(|()| true),
        () = live.board.closing.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}
