//! The editor: what it can do, and what it is told.

use std::io::{self, Write};

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::position::Encoding;
use super::transport;

/// The editor at the other end.
pub(super) struct Client<W> {
    output: W,
    requests: i32,
    /// What it said of itself.
    pub(super) can: Abilities,
}

/// What an editor can do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Abilities {
    /// What its columns count.
    pub(super) encoding: Encoding,
    /// Whether it opens a document when it is asked to.
    pub(super) show_documents: bool,
    /// Whether it tells of files that change on disk.
    pub(super) watch_files: bool,
    /// Whether it shows that something takes time.
    pub(super) show_progress: bool,
    /// Its process.
    process: Option<rustix::process::Pid>,
}

impl<W: Write> Client<W> {
    /// One that has said nothing yet.
    pub(super) fn new(output: W) -> Client<W> {
        let can = Abilities {
            encoding: Encoding::Utf16,
            show_documents: false,
            watch_files: false,
            show_progress: false,
            process: None,
        };
        Client { output, requests: 0, can }
    }

    /// Reads what the client says of itself in the parameters of `initialize`. By hand: some write an empty object as an
    /// array, and none of this is worth a refusal.
    pub(super) fn introduced(&mut self, params: &Value) {
        let can = |what: &str| {
            let said = params.pointer(&format!("/capabilities/{what}")).and_then(Value::as_bool);
            said == Some(true)
        };
        let offered = params.pointer("/capabilities/general/positionEncodings").and_then(Value::as_array);
        let offered = offered.into_iter().flatten().filter_map(Value::as_str);
        let process = params.get("processId").and_then(Value::as_i64).and_then(|pid| i32::try_from(pid).ok());
        self.can = Abilities {
            encoding: Encoding::agreed(offered),
            show_documents: can("window/showDocument/support"),
            watch_files: can("workspace/didChangeWatchedFiles/dynamicRegistration"),
            show_progress: can("window/workDoneProgress"),
            process: process.filter(|pid| *pid > 0).and_then(rustix::process::Pid::from_raw),
        };
    }

    /// Whether its process has ended without saying so.
    pub(super) fn is_gone(&self) -> bool {
        let gone = |pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
        self.can.process.is_some_and(gone)
    }

    /// Answers a request.
    pub(super) fn respond(&mut self, id: RequestId, result: &impl Serialize) -> io::Result<()> {
        let result = serde_json::to_value(result)?;
        self.send(Response { id, response_result: Ok(result) }.into())
    }

    /// Answers a request with an error.
    pub(super) fn refuse(&mut self, id: RequestId, code: ErrorCode, message: &str) -> io::Result<()> {
        self.send(Response::new_err(id, code as i32, message.to_owned()).into())
    }

    /// Answers what was no message.
    pub(super) fn answer_malformed(&mut self, answer: &Value) -> io::Result<()> {
        transport::write(&mut self.output, answer)
    }

    /// Tells it something.
    pub(super) fn notify(&mut self, method: &str, params: impl Serialize) -> io::Result<()> {
        let params = serde_json::to_value(params)?;
        self.send(Notification { method: method.to_owned(), params }.into())
    }

    /// Asks it for something. Its answer is of no interest.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> io::Result<()> {
        self.requests += 1;
        self.send(Request { id: self.requests.into(), method: method.to_owned(), params }.into())
    }

    /// Tells it of something that a person who looks for a fault wants to know.
    pub(super) fn log(&mut self, text: &str) -> io::Result<()> {
        self.notify("window/logMessage", json!({ "type": 2, "message": format!("migd: {text}") }))
    }

    fn send(&mut self, message: Message) -> io::Result<()> {
        transport::write(&mut self.output, &transport::marked(message)?)
    }
}
