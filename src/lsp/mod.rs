//! `migd lsp`: verdicts as diagnostics, in any editor that speaks the Language Server Protocol.
//!
//! This process judges nothing. It keeps what the editor has open and asks the daemon about the work tree with unsaved
//! buffers laid over it, a moment after the last change, one question at a time for each repository. Everything that
//! happens comes to one thread as an `Event`; a reader waits for the client, one `asker` a repository for the daemon.

mod actions;
mod asker;
mod client;
mod diagnostics;
mod documents;
mod explain;
mod position;
mod rewrite;
mod server;
#[cfg(test)]
mod tests;
mod transport;
mod uri;

use std::io::{self, BufReader, BufWriter};
use std::sync::mpsc;

use crate::wire::Endpoint;
use server::{Event, Server};

/// Serves the editor at standard input and output until it says goodbye or goes away. The exit status.
pub fn run(endpoint: &Endpoint) -> io::Result<u8> {
    let (tell, events) = mpsc::channel();
    let reader = tell.clone();
    std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
        let mut input = BufReader::new(io::stdin());
        loop {
            let incoming = transport::read(&mut input);
            let end = matches!(incoming, transport::Incoming::End);
            if reader.send(Event::Client(incoming)).is_err() || end {
                return;
            }
        }
    })?;
    Server::new(endpoint.clone(), tell, BufWriter::new(io::stdout())).serve(&events)
}
