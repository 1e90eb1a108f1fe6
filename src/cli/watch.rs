//! `migd watch`: the verdicts on what is saved and staged, as they come.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::{Failure, note, runtime};
use crate::daemon::live::event::{Event, Subject};
use crate::daemon::spawn;
use crate::render::{self, Format};
use crate::verdict::{Mode, Outcome, Report, Verdict};
use crate::wire::{Endpoint, Place, Reply, Request, Terminal};

/// How often is looked whether there is a daemon again.
const LOOK: Duration = Duration::from_millis(500);

/// The options of `migd watch`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How it is written: for people, or one event a line
    #[arg(long, value_enum, default_value_t)]
    format: Style,
    /// Ring the terminal's bell when an outcome changes
    #[arg(long)]
    bell: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Style {
    /// Findings with their source lines; on a terminal, the present state and what is being judged
    #[default]
    Text,
    /// One event a line: nothing, started, step, finding, verdict
    Jsonl,
}

pub(super) fn run(args: &Args, endpoint: &Endpoint) -> Result<u8, Failure> {
    let place = Place::here()
        .map_err(|error| Failure::usage(format!("the current folder cannot be read: {error}"), "change to another"))?;
    leave_at_ctrl_c()?;
    let mut screen = Screen::new(args);
    loop {
        let asked = spawn::ask(endpoint, &Request::Watch(place.clone()), |reply| match reply {
            Reply::Event { json } => screen.take(&json),
            Reply::Text { text } => note(text.trim_end()),
            _ => {}
        });
        screen.rest();
        match asked {
            Ok(0) => note("the daemon has stopped; waiting until there is one again"),
            Ok(exit) => return Ok(exit),
            Err(error) if screen.attached => note(&format!("{error}; waiting until there is a daemon again")),
            Err(error) => return Err(error.into()),
        }
        // Whoever stopped it had a reason: it is not started again for us.
        while UnixStream::connect(endpoint.socket()).is_err() {
            std::thread::sleep(LOOK);
        }
    }
}

/// Ctrl-C, and a terminal that is closed, are how this command ends.
fn leave_at_ctrl_c() -> Result<(), Failure> {
    let runtime = runtime()?;
    let interactive = Terminal::of(&io::stderr()).interactive;
    std::thread::spawn(move || {
        let _ = runtime.block_on(tokio::signal::ctrl_c());
        if interactive {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
        std::process::exit(0);
    });
    Ok(())
}

/// What is on the screen.
struct Screen {
    style: Style,
    bell: bool,
    terminal: Terminal,
    /// Something was received.
    attached: bool,
    /// None: nothing to judge.
    known: BTreeMap<Subject, Option<Verdict>>,
    bar: Option<(Subject, indicatif::ProgressBar)>,
}

impl Screen {
    fn new(args: &Args) -> Screen {
        let terminal = Terminal::of(&io::stdout());
        let known = BTreeMap::new();
        Screen { style: args.format, bell: args.bell, terminal, attached: false, known, bar: None }
    }

    fn take(&mut self, json: &str) {
        self.attached = true;
        if self.style == Style::Jsonl {
            return write(&format!("{json}\n"));
        }
        // One of a daemon that is newer is none of ours.
        let Ok(event) = serde_json::from_str::<Event>(json) else { return };
        match event {
            Event::Nothing { subject } => {
                self.done(&subject);
                let before = self.known.insert(subject.clone(), None);
                if !matches!(before, Some(None)) {
                    self.show(&subject);
                }
            }
            Event::Started { subject, migrations, elapsed_ms } => self.started(subject, &migrations, elapsed_ms),
            Event::Step { subject, migration, step, .. } => {
                if let Some((_, bar)) = self.bar.as_ref().filter(|(running, _)| *running == subject) {
                    bar.set_message(render::line(&format!("{}: {migration}: {step}", subject.set), true));
                }
            }
            Event::Finding { .. } => {}
            Event::Verdict { subject, verdict } => {
                self.done(&subject);
                let outcome = verdict.outcome;
                let before = self.known.insert(subject.clone(), Some(*verdict));
                let changed = before.is_none_or(|before| before.map(|verdict| verdict.outcome) != Some(outcome));
                self.show(&subject);
                if self.bell && changed {
                    write("\x07");
                }
            }
        }
    }

    /// Shows the state of one set; on a terminal, of all.
    fn show(&mut self, changed: &Subject) {
        if !self.terminal.interactive {
            let text = self.known.get(changed).map(|state| self.text(changed, state.as_ref()));
            return write(&text.unwrap_or_default());
        }
        let mut text = String::from("\x1b[H\x1b[2J");
        // The index is shown below the work tree, and only where it has something of its own.
        let mut all: Vec<_> = self.known.iter().collect();
        all.retain(|(subject, state)| state.is_some() || subject.tree != Mode::Staged);
        all.sort_by_key(|(subject, _)| (subject.tree == Mode::Staged, &subject.set));
        for (subject, state) in all {
            text.push_str(&self.text(subject, state.as_ref()));
        }
        match &self.bar {
            Some((_, bar)) => bar.suspend(|| write(&text)),
            None => write(&text),
        }
    }

    fn text(&self, subject: &Subject, state: Option<&Verdict>) -> String {
        let staged = if subject.tree == Mode::Staged { "as it is staged:\n" } else { "" };
        match state {
            None if subject.tree == Mode::Staged || subject.set.is_empty() => String::new(),
            None => format!("migd: {}: nothing to judge\n", render::line(&subject.set, self.terminal.unicode)),
            Some(verdict) => {
                // Said to who commits, and nobody commits here.
                let mode = if verdict.outcome == Outcome::Error { Mode::Worktree } else { verdict.mode };
                let report = Report::new(&*verdict.repo, mode, verdict.elapsed_ms, vec![verdict.clone()]);
                format!("{staged}{}", render::render(&report, Format::Text, &self.terminal))
            }
        }
    }

    fn started(&mut self, subject: Subject, migrations: &[String], elapsed_ms: f64) {
        self.rest();
        if !self.terminal.interactive {
            return;
        }
        let bar = indicatif::ProgressBar::new_spinner();
        if let Ok(style) = indicatif::ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(render::line(&format!("{}: {}", subject.set, migrations.join(", ")), true));
        let bar = bar.with_elapsed(Duration::from_secs_f64(elapsed_ms.max(0.0) / 1000.0));
        bar.enable_steady_tick(Duration::from_millis(100));
        self.bar = Some((subject, bar));
    }

    fn done(&mut self, subject: &Subject) {
        if self.bar.as_ref().is_some_and(|(running, _)| running == subject) {
            self.rest();
        }
    }

    /// Nothing is being judged.
    fn rest(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Writes to standard output at once; ends well when nobody reads it any more.
fn write(text: &str) {
    let mut out = io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}
