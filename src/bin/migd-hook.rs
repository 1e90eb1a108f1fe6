//! The git hook's program: asks the daemon over its socket and prints what it is sent.
//!
//! Small on purpose: no async runtime, no database driver, no git library. Whatever is not the plain case (no daemon,
//! another build, a broken connection) is handed to the `migd` beside it.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use migd::wire::{self, CheckRequest, Client, ClientError, Envelope, Place, Reply, Request, Terminal};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next().unwrap_or_default();
    match command.to_str() {
        Some("pre-commit") => pre_commit(),
        Some("warm") => warm(),
        Some("--version") => {
            say(&mut io::stdout(), concat!("migd-hook ", env!("CARGO_PKG_VERSION"), "\n"));
            ExitCode::SUCCESS
        }
        _ => {
            say(&mut io::stderr(), "usage: migd-hook pre-commit | warm | --version\n");
            ExitCode::from(2)
        }
    }
}

/// Asks for the verdict on the staged tree.
fn pre_commit() -> ExitCode {
    if wire::env::is_off() {
        say(&mut io::stderr(), "migd: off for this commit (MIGD=0), nothing was judged\n");
        return ExitCode::SUCCESS;
    }
    let terminal = Terminal::of(&io::stderr());
    ask(|place| Request::Check(CheckRequest::of_hook(place, terminal))).unwrap_or_else(hand_over)
}

/// Tells the daemon that the repository has changed; starts none and never fails.
fn warm() -> ExitCode {
    if !wire::env::is_off() {
        let _ = ask(Request::Warm);
    }
    ExitCode::SUCCESS
}

/// Sends one request and prints the replies. None when the full program has to take over.
fn ask(request: impl FnOnce(Place) -> Request) -> Option<ExitCode> {
    let envelope = Envelope {
        build: wire::endpoint::build_of(&wire::endpoint::program().ok()?),
        request: request(Place::here().ok()?),
    };
    let mut client = Client::send(&wire::endpoint::socket_of_user(), &envelope).ok()?;
    loop {
        match client.reply() {
            Ok(Reply::Done { exit }) => return Some(ExitCode::from(exit)),
            Ok(Reply::Text { text }) => say(&mut io::stderr(), &text),
            Ok(Reply::Progress { text }) => say(&mut io::stderr(), &format!("migd: {text}\n")),
            Ok(Reply::Mismatch { .. } | Reply::Busy | Reply::Refused { .. }) => return None,
            Ok(_) => {}
            Err(ClientError::Late { waited, block }) => {
                let kind = if block { "error" } else { "warning" };
                // Tenths, because what formats a float would be 20 kB of this program.
                let tenths = waited.as_millis() / 100;
                let error = ClientError::Late { waited, block };
                let text = format!(
                    "migd: {kind}: the daemon gave no answer within {}.{} s [{}]\nmigd: help: {}\nmigd: help: to commit \
                     without a verdict: `MIGD=0 git commit` or `git commit --no-verify`\n",
                    tenths / 10,
                    tenths % 10,
                    error.code(),
                    error.help(),
                );
                say(&mut io::stderr(), &text);
                return Some(ExitCode::from(if block { 3 } else { 0 }));
            }
            Err(_) => return None,
        }
    }
}

/// Becomes `migd hook pre-commit`, which starts the daemon, or replaces it, when there is something to judge.
fn hand_over() -> ExitCode {
    let error = match wire::endpoint::program() {
        Ok(program) => Command::new(program).args(["hook", "pre-commit"]).exec(),
        Err(error) => error,
    };
    let text = format!(
        "migd: error: the migd beside migd-hook cannot be run: {error} [daemon.start]\nmigd: help: install it again\n\
         migd: help: to commit without a verdict: `MIGD=0 git commit` or `git commit --no-verify`\n"
    );
    say(&mut io::stderr(), &text);
    ExitCode::from(3)
}

/// Writes, and does not mind when nobody reads.
fn say(stream: &mut impl Write, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}
