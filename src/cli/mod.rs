//! The command line: one file per command, `failure` for how commands fail.

mod check;
pub mod docs;
mod doctor;
pub mod explain;
mod failure;
mod hook;
mod init;
mod lifecycle;
mod logs;
mod progress;
mod reference;
mod scenario;
mod screen;
mod status;
mod watch;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use failure::Failure;

use crate::lsp;
use crate::wire::{Endpoint, Terminal, terminal};

/// Judges PostgreSQL migrations at commit time, on a real, warm server.
#[derive(Debug, Parser)]
#[command(name = "migd", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find the migration sets, write migd.toml, install the git hook, bring PostgreSQL up
    Init(init::Args),
    /// Judge the staged migrations and print the verdict
    Check(check::Args),
    /// Show what is judged while you edit
    Watch(watch::Args),
    /// Show the daemon, its servers and the last verdicts
    Status(status::Args),
    /// Start the daemon (it also starts itself)
    Start,
    /// Stop the daemon and its servers
    Stop,
    /// Stop the daemon and start it again
    Restart,
    /// Install, remove or run the git hook
    Hook(hook::Args),
    /// Run scenarios by hand, or write one to go on with
    Scenario(scenario::Args),
    /// Explain a finding: what it means, an example, what to do
    Explain {
        /// A code such as `revert.missing`, or a family such as `revert`; all when left out
        code: Option<String>,
    },
    /// Check every precondition and name the remedy of what is missing
    Doctor,
    /// Print the daemon's log
    Logs(logs::Args),
    /// Serve an editor: verdicts as diagnostics, unsaved buffers included
    Lsp,
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Run the daemon in the foreground
    #[command(hide = true)]
    Daemon,
    /// Write the generated documentation
    #[command(hide = true)]
    Docs {
        /// The folder, usually `docs`
        dir: PathBuf,
    },
}

/// Runs the command line `arguments`, program name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors and go to standard output; clap knows which is which.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match run(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print(&Terminal::of(&io::stderr()));
            ExitCode::from(failure.exit)
        }
    }
}

fn run(command: Command) -> Result<u8, Failure> {
    let endpoint = Endpoint::of_user();
    match command {
        Command::Init(args) => init::run(&args, &endpoint),
        Command::Check(args) => check::run(&args, &endpoint),
        Command::Watch(args) => watch::run(&args, &endpoint),
        Command::Status(args) => status::run(&args, &endpoint),
        Command::Start => lifecycle::start(&endpoint),
        Command::Stop => lifecycle::stop(&endpoint),
        Command::Restart => lifecycle::restart(&endpoint),
        Command::Scenario(args) => scenario::run(&args, &endpoint),
        Command::Hook(args) => hook::run(&args, &endpoint),
        Command::Explain { code } => {
            let text = explain::explain(code.as_deref(), &Terminal::of(&io::stdout()));
            print(&text.map_err(|error| Failure::usage(error.to_string(), error.hint()))?)?;
            Ok(0)
        }
        Command::Doctor => doctor::run(&endpoint),
        Command::Logs(args) => logs::run(&args, &endpoint),
        Command::Lsp => lsp::run(&endpoint).map_err(|error| {
            Failure::broken(format!("the editor cannot be reached: {error}"), "start it from an editor")
        }),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "migd", &mut script);
            print(&String::from_utf8_lossy(&script))?;
            Ok(0)
        }
        Command::Man => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
            rendered.map_err(|error| Failure::broken(format!("cannot write the manual page: {error}"), ""))?;
            print(&String::from_utf8_lossy(&page))?;
            Ok(0)
        }
        Command::Daemon => lifecycle::daemon(endpoint),
        Command::Docs { dir } => {
            let written = docs::write(&dir).and_then(|pages| {
                std::fs::write(dir.join("cli.md"), reference::page())?;
                Ok(pages + 1)
            });
            let written = written.map_err(|error| Failure::broken(format!("cannot write the pages: {error}"), ""))?;
            print(&format!("{written} pages written\n"))?;
            Ok(0)
        }
    }
}

/// The command line, for the generated documentation.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Writes to standard output. A reader that has gone away is no error; a disk that is full is one, because an exit status with half
/// a report says something else than the whole.
fn print(text: &str) -> Result<(), Failure> {
    match terminal::write(&mut io::stdout().lock(), text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::broken(format!("cannot write to standard output: {error}"), "see where it leads"))
        }
        _ => Ok(()),
    }
}

/// Writes one line to standard error.
fn note(text: &str) {
    let _ = terminal::write(&mut io::stderr(), &format!("migd: {text}\n"));
}

/// A runtime for what needs one in this process.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::broken(format!("cannot start the runtime: {error}"), ""))
}
