//! The git hook's program: asks the daemon over its socket and prints what it is sent.
//!
//! Small on purpose: no async runtime, no database driver, no git library. Whatever is not the plain case (no daemon,
//! another build, a broken connection) is handed to the `migd` beside it. A copy of this program may itself be a
//! repository's hook ([`wire::copy`]): it is called as git calls hooks, and knows where the program is installed.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use migd::wire::copy::Original;
use migd::wire::{self, CheckRequest, Client, ClientError, Copied, Envelope, Place, Reply, Request, Terminal};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let command = arguments.next().unwrap_or_default();
    match command.to_str() {
        Some("pre-commit") => installed(pre_commit),
        Some("warm") => installed(warm),
        Some("--version") => version(),
        _ => match Copied::running() {
            Some(copy) => hook(&copy, Path::new(&name)),
            None => {
                say(&mut io::stderr(), "usage: migd-hook pre-commit | warm | --version\n");
                ExitCode::from(2)
            }
        },
    }
}

/// Says what this is: `migd hook install` asks a copy before it makes it a hook.
fn version() -> ExitCode {
    let kind: &[u8] = if cfg!(target_feature = "crt-static") { b" (static)" } else { b" (dynamic)" };
    let mut text = [concat!("migd-hook ", env!("CARGO_PKG_VERSION")).as_bytes(), kind].concat();
    if let Some(copy) = Copied::running() {
        text.extend_from_slice(b", a copy of ");
        text.extend_from_slice(copy.program().as_os_str().as_encoded_bytes());
    }
    text.push(b'\n');
    let _ = io::stdout().write_all(&text);
    ExitCode::SUCCESS
}

/// Runs `command` with the `migd` beside this program.
fn installed(command: impl FnOnce(&Path) -> ExitCode) -> ExitCode {
    match wire::endpoint::program() {
        Ok(migd) => command(&migd),
        Err(error) => cannot_hand_over(&error),
    }
}

/// This copy is the hook, called by `name`. It judges only as long as the program that it was copied from is installed.
fn hook(copy: &Copied, name: &Path) -> ExitCode {
    let migd = copy.program().with_file_name("migd");
    match copy.original() {
        Original::Same => pre_commit(&migd),
        // Which also puts a copy of the new program in the place of this one.
        Original::Replaced => hand_over(&migd, &[]),
        Original::Gone => {
            let _ = Command::new("migd-hook").arg("pre-commit").exec();
            // As bytes, because what formats a path would make this program larger.
            let text: [&[u8]; 5] = [
                b"migd: warning: ",
                copy.program().as_os_str().as_encoded_bytes(),
                b" is gone, nothing was judged: install migd again, or run 'migd hook uninstall', or delete ",
                name.as_os_str().as_encoded_bytes(),
                b"\n",
            ];
            let _ = io::stderr().write_all(&text.concat());
            ExitCode::SUCCESS
        }
    }
}

/// Asks for the verdict on the staged tree.
fn pre_commit(migd: &Path) -> ExitCode {
    if wire::env::is_off() {
        say(&mut io::stderr(), "migd: off for this commit (MIGD=0), nothing was judged\n");
        return ExitCode::SUCCESS;
    }
    let terminal = Terminal::of(&io::stderr());
    ask(migd, |place| Request::Check(CheckRequest::of_hook(place, terminal)))
        .unwrap_or_else(|with| hand_over(migd, with))
}

/// Tells the daemon that the repository has changed; starts none and never fails.
fn warm(migd: &Path) -> ExitCode {
    if !wire::env::is_off() {
        let _ = ask(migd, Request::Warm);
    }
    ExitCode::SUCCESS
}

/// Sends one request and prints the replies. When the full program, `migd`, has to take over, what it is to be told.
fn ask(migd: &Path, request: impl FnOnce(Place) -> Request) -> Result<ExitCode, &'static [&'static str]> {
    const PLAIN: &[&str] = &[];
    let place = Place::here().map_err(|_| PLAIN)?;
    let envelope = Envelope { build: wire::endpoint::build_of(migd), request: request(place) };
    let mut client = Client::send(&wire::endpoint::socket_of_user(), &envelope).map_err(|_| PLAIN)?;
    let mut accepted = false;
    loop {
        match client.reply() {
            Ok(Reply::Done { exit }) => return Ok(ExitCode::from(exit)),
            Ok(Reply::Text { text }) => say(&mut io::stderr(), &text),
            Ok(Reply::Progress { text }) => say(&mut io::stderr(), &format!("migd: {text}\n")),
            Ok(Reply::Mismatch { .. } | Reply::Busy | Reply::Refused { .. }) => return Err(PLAIN),
            Ok(other) => accepted |= matches!(other, Reply::Accepted { .. }),
            // Whether the commit touches a set, and what it may do without a verdict, nobody has said yet.
            Err(ClientError::Late { .. }) if !accepted => return Err(&["--unanswered"]),
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
                return Ok(ExitCode::from(if block { 3 } else { 0 }));
            }
            Err(_) => return Err(PLAIN),
        }
    }
}

/// Becomes `migd hook pre-commit`, which starts the daemon, or replaces it, when there is something to judge.
fn hand_over(migd: &Path, with: &[&str]) -> ExitCode {
    cannot_hand_over(&Command::new(migd).args(["hook", "pre-commit"]).args(with).exec())
}

fn cannot_hand_over(error: &io::Error) -> ExitCode {
    let text = format!(
        "migd: error: the migd beside migd-hook cannot be run: {error} [daemon.start]\nmigd: help: install it again\n\
         migd: help: to commit without a verdict: `MIGD=0 git commit` or `git commit --no-verify`\n"
    );
    say(&mut io::stderr(), &text);
    ExitCode::from(3)
}

/// Writes, and does not mind when nobody reads.
fn say(stream: &mut impl Write, text: &str) {
    let _ = wire::terminal::write(stream, text);
}
