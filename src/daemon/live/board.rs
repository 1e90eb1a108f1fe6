//! The present state of every watched set, and who is told when it changes.
//!
//! Whoever attaches gets the state of the moment and then every change. A reader that is slower than the changes loses some
//! of them, gets the state anew, and holds nobody up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use blake3::Hash;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::event::{Event, Subject};
use crate::verdict::{Outcome, Timing, Verdict};

/// How many changes wait for a reader before it loses some.
const WAITING: usize = 128;
/// How many readers there are at most: the other connections are for commits.
const READERS: usize = 16;

/// The state, and its readers.
pub(crate) struct Board {
    lines: Mutex<BTreeMap<Subject, Line>>,
    changes: broadcast::Sender<Arc<Told>>,
    /// The daemon is leaving.
    pub(crate) closing: CancellationToken,
}

/// One change.
pub(crate) struct Told {
    /// The repository.
    pub(crate) repo: String,
    /// The event, as JSON; none: it is watched no longer.
    pub(crate) json: Option<String>,
}

/// What is known of one set in one tree.
struct Line {
    /// Of its content.
    print: Option<Hash>,
    state: State,
}

enum State {
    Nothing,
    Judging { started: Instant, migrations: Vec<String>, step: Option<(String, String)> },
    Judged(Arc<Verdict>),
}

impl Board {
    pub(super) fn new() -> Board {
        Board { lines: Mutex::default(), changes: broadcast::channel(WAITING).0, closing: CancellationToken::new() }
    }

    /// A reader, with the state of `repo` as the events that lead to it; none when there are enough. It is told every change
    /// from now on, of every repository.
    pub(crate) fn read(&self, repo: &str) -> Option<(Vec<String>, broadcast::Receiver<Arc<Told>>)> {
        let lines = self.lines();
        if self.readers() >= READERS {
            return None;
        }
        let own = lines.iter().filter(|(subject, _)| subject.repo == repo);
        let present = own.flat_map(|(subject, line)| events(subject, &line.state)).filter_map(|event| json(&event));
        Some((present.collect(), self.changes.subscribe()))
    }

    /// How many readers there are.
    pub(crate) fn readers(&self) -> usize {
        self.changes.receiver_count()
    }

    /// What there is something to judge of, with its outcome; none while it is being judged.
    pub(super) fn states(&self) -> Vec<(Subject, Option<Outcome>)> {
        let lines = self.lines();
        let known = lines.iter().filter_map(|(subject, line)| match &line.state {
            State::Nothing => None,
            State::Judging { .. } => Some((subject.clone(), None)),
            State::Judged(verdict) => Some((subject.clone(), Some(verdict.outcome))),
        });
        known.collect()
    }

    /// Whether the state is a verdict on this content, or why there is none.
    pub(super) fn has(&self, subject: &Subject, print: &Hash) -> bool {
        let lines = self.lines();
        let line = lines.get(subject).filter(|line| line.print.as_ref() == Some(print));
        line.is_some_and(|line| matches!(line.state, State::Judged(_)))
    }

    pub(super) fn nothing(&self, subject: &Subject) {
        let mut lines = self.lines();
        let before = lines.insert(subject.clone(), Line { print: None, state: State::Nothing });
        if !matches!(before, Some(Line { state: State::Nothing, .. })) {
            self.tell(&Event::Nothing { subject: subject.clone() });
        }
    }

    pub(super) fn started(&self, subject: &Subject, print: Hash, migrations: Vec<String>) {
        let mut lines = self.lines();
        let state = State::Judging { started: Instant::now(), migrations, step: None };
        events(subject, &state).iter().for_each(|event| self.tell(event));
        lines.insert(subject.clone(), Line { print: Some(print), state });
    }

    pub(super) fn step(&self, subject: &Subject, version: &str, at: &str) {
        let mut lines = self.lines();
        if let Some(Line { state: State::Judging { started, step, .. }, .. }) = lines.get_mut(subject) {
            *step = Some((version.to_owned(), at.to_owned()));
            let event = Event::Step {
                subject: subject.clone(),
                migration: version.to_owned(),
                step: at.to_owned(),
                elapsed_ms: ms(*started),
            };
            self.tell(&event);
        }
    }

    pub(super) fn judged(&self, subject: &Subject, print: Hash, verdict: Verdict) {
        let mut lines = self.lines();
        if let Some(Line { print: Some(before), state: State::Judged(known) }) = lines.get(subject)
            && *before == print
            && same(known, &verdict)
        {
            return;
        }
        let state = State::Judged(Arc::new(verdict));
        events(subject, &state).iter().for_each(|event| self.tell(event));
        lines.insert(subject.clone(), Line { print: Some(print), state });
    }

    /// Forgets what is not among `subjects` of `repo`; says so of those that had a state.
    pub(super) fn retain(&self, repo: &str, subjects: &[Subject]) {
        let mut lines = self.lines();
        lines.retain(|subject, line| {
            let keep = subject.repo != repo || subjects.contains(subject);
            if !keep && !matches!(line.state, State::Nothing) {
                self.tell(&Event::Nothing { subject: subject.clone() });
            }
            keep
        });
    }

    fn tell(&self, event: &Event) {
        if self.changes.receiver_count() > 0
            && let Some(json) = json(event)
        {
            let repo = event.subject().repo.clone();
            let _ = self.changes.send(Arc::new(Told { repo, json: Some(json) }));
        }
    }

    /// Forgets `repo`, and says so to those who read of it.
    pub(super) fn forget(&self, repo: &str) {
        self.retain(repo, &[]);
        let _ = self.changes.send(Arc::new(Told { repo: repo.to_owned(), json: None }));
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<Subject, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events that lead to `state`.
fn events(subject: &Subject, state: &State) -> Vec<Event> {
    let subject = || subject.clone();
    match state {
        State::Nothing => vec![Event::Nothing { subject: subject() }],
        State::Judging { started, migrations, step } => {
            let elapsed_ms = ms(*started);
            let mut all = vec![Event::Started { subject: subject(), migrations: migrations.clone(), elapsed_ms }];
            all.extend(step.iter().map(|(migration, step)| Event::Step {
                subject: subject(),
                migration: migration.clone(),
                step: step.clone(),
                elapsed_ms,
            }));
            all
        }
        State::Judged(verdict) => {
            let findings = verdict.findings.iter().filter(|finding| finding.suppressed_by.is_none());
            let finding = |finding: &crate::verdict::Finding| Event::Finding {
                subject: subject(),
                finding: Box::new(finding.clone()),
            };
            let mut all: Vec<Event> = findings.map(finding).collect();
            all.push(Event::Verdict { subject: subject(), verdict: Box::new((**verdict).clone()) });
            all
        }
    }
}

/// Whether two verdicts say the same, whenever and however soon they were had.
fn same(one: &Verdict, other: &Verdict) -> bool {
    let bare = |verdict: &Verdict| Verdict {
        cached: false,
        elapsed_ms: 0.0,
        timings: Vec::<Timing>::new(),
        migrations: Vec::new(),
        ..verdict.clone()
    };
    bare(one) == bare(other)
}

fn json(event: &Event) -> Option<String> {
    serde_json::to_string(event).ok()
}

fn ms(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e6).round() / 1000.0
}
