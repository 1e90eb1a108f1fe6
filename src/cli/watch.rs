//! `migd watch`: the verdicts on what is saved and staged, as they come.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::screen::{Foot, Screen, write};
use super::{Failure, note, runtime};
use crate::daemon::live::event::{Event, Subject};
use crate::daemon::spawn;
use crate::render::{self, Format};
use crate::verdict::{Mode, Outcome, Report, Verdict};
use crate::wire::{Endpoint, Place, Reply, Request, Terminal};

/// How often is looked whether there is a daemon again.
const LOOK: Duration = Duration::from_millis(500);
/// How often what moves on the screen does.
const TICK: Duration = Duration::from_millis(120);

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
    let view = Arc::new(Mutex::new(View::new(args, &place)));
    leave_at_ctrl_c(&view)?;
    let mut attached = false;
    loop {
        let mut said = String::new();
        let asked = spawn::ask(endpoint, &Request::Watch(place.clone()), |reply| match reply {
            Reply::Accepted { .. } => {
                attached = true;
                lock(&view).attached();
            }
            Reply::Event { json } => lock(&view).take(&json),
            // The last thing that a daemon says to a reader that it does not serve.
            Reply::Text { text } => said.push_str(&text),
            _ => {}
        });
        match asked {
            Ok(0) => lock(&view).rest("the daemon has stopped; waiting until there is one again"),
            Ok(exit) => {
                lock(&view).leave();
                note(said.trim_end());
                return Ok(exit);
            }
            Err(error) if attached => lock(&view).rest(&format!("{error}; waiting until there is a daemon again")),
            Err(error) => {
                lock(&view).leave();
                return Err(error.into());
            }
        }
        // Whoever stopped it had a reason: it is not started again for us.
        while UnixStream::connect(endpoint.socket()).is_err() {
            std::thread::sleep(LOOK);
        }
    }
}

fn lock(view: &Mutex<View>) -> MutexGuard<'_, View> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ctrl-C, and a terminal that is closed, are how this command ends. On a terminal, what is judged shows for how long, and a
/// window of another size is drawn anew.
fn leave_at_ctrl_c(view: &Arc<Mutex<View>>) -> Result<(), Failure> {
    let runtime = runtime()?;
    let view = Arc::clone(view);
    let failed = |error: io::Error| Failure::broken(format!("cannot handle signals: {error}"), "");
    let _inside = runtime.enter();
    let mut resized = signal(SignalKind::window_change()).map_err(failed)?;
    let mut ended = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
        .map(|kind| signal(kind).map_err(failed))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    drop(_inside);
    std::thread::spawn(move || {
        runtime.block_on(async {
            let [interrupt, terminate, hangup] = &mut ended[..] else { return };
            loop {
                tokio::select! {
                    _ = interrupt.recv() => break,
                    _ = terminate.recv() => break,
                    _ = hangup.recv() => break,
                    _ = resized.recv() => lock(&view).redraw(),
                    () = tokio::time::sleep(TICK) => lock(&view).tick(),
                }
            }
        });
        lock(&view).leave();
        std::process::exit(0);
    });
    Ok(())
}

/// What is known, and how it is shown.
struct View {
    style: Style,
    bell: bool,
    terminal: Terminal,
    /// Where one is.
    place: String,
    /// None: nothing to judge.
    known: BTreeMap<Subject, Option<Verdict>>,
    /// What is being judged.
    running: Option<(Subject, Instant, String)>,
    /// On a terminal only.
    screen: Option<Screen>,
    attached: bool,
}

impl View {
    fn new(args: &Args, place: &Place) -> View {
        let terminal = Terminal::of(&io::stdout());
        let place = format!("watching {}", place.cwd.display());
        let live = terminal.interactive && args.format == Style::Text;
        let screen = live.then(|| Screen::new(&place));
        let (known, running, attached) = (BTreeMap::new(), None, false);
        View { style: args.format, bell: args.bell, terminal, place, known, running, screen, attached }
    }

    /// A daemon tells, from now on.
    fn attached(&mut self) {
        if !std::mem::replace(&mut self.attached, true)
            && let Some(screen) = &mut self.screen
        {
            screen.foot(Foot::Rest(self.place.clone()));
            self.redraw();
        }
    }

    fn take(&mut self, json: &str) {
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
            Event::Started { subject, migrations, elapsed_ms } => {
                let elapsed = Duration::from_secs_f64(elapsed_ms.max(0.0) / 1000.0);
                let since = Instant::now().checked_sub(elapsed).unwrap_or_else(Instant::now);
                self.busy(subject, since, migrations.join(", "));
            }
            Event::Step { subject, migration, step, .. } => {
                if let Some((running, since, _)) = self.running.take_if(|(running, ..)| *running == subject) {
                    self.busy(running, since, format!("{migration}: {step}"));
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
        if self.screen.is_some() {
            return self.redraw();
        }
        let text = self.known.get(changed).map(|state| self.text(changed, state.as_ref()));
        write(&text.unwrap_or_default());
    }

    /// Draws the state of all sets, as wide as the window is now.
    fn redraw(&mut self) {
        self.terminal = Terminal::of(&io::stdout());
        // The index is shown below the work tree, and only where it has something of its own.
        let mut all: Vec<_> = self.known.iter().collect();
        all.retain(|(subject, state)| state.is_some() || subject.tree != Mode::Staged);
        all.sort_by_key(|(subject, _)| (subject.tree == Mode::Staged, &subject.set));
        let text = all.into_iter().map(|(subject, state)| self.text(subject, state.as_ref())).collect();
        if let Some(screen) = &mut self.screen {
            screen.show(text);
        }
    }

    fn text(&self, subject: &Subject, state: Option<&Verdict>) -> String {
        let staged = if subject.tree == Mode::Staged { "\nas it is staged:\n" } else { "" };
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

    fn busy(&mut self, subject: Subject, since: Instant, what: String) {
        let tree = if subject.tree == Mode::Staged { " (staged)" } else { "" };
        let text = format!("{}{tree}: {what}", subject.set);
        self.running = Some((subject, since, what));
        if let Some(screen) = &mut self.screen {
            screen.foot(Foot::Busy { what: text, since });
        }
    }

    fn done(&mut self, subject: &Subject) {
        if self.running.as_ref().is_some_and(|(running, ..)| running == subject) {
            self.running = None;
            if let Some(screen) = &mut self.screen {
                screen.foot(Foot::Rest(self.place.clone()));
            }
        }
    }

    /// Nothing is being judged, for this reason.
    fn rest(&mut self, why: &str) {
        (self.running, self.attached) = (None, false);
        match &mut self.screen {
            Some(screen) => {
                // The next daemon tells everything.
                self.known.clear();
                screen.foot(Foot::Rest(why.to_owned()));
            }
            None => note(why),
        }
    }

    fn tick(&mut self) {
        if let Some(screen) = &mut self.screen {
            screen.tick();
        }
    }

    /// Leaves the terminal to whoever comes next.
    fn leave(&mut self) {
        if self.screen.take().is_some() {
            write("\r\x1b[K");
        }
    }
}
