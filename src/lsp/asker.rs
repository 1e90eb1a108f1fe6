//! Asks the daemon about one repository, on a thread of its own: a moment after the last change, one request at a time, and
//! always about what is newest.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::documents::Texts;
use crate::daemon::spawn::{self, Abandon};
use crate::verdict::Report;
use crate::wire::{CheckRequest, Endpoint, Place, Reply, Request, Selection};

/// How long nothing must have changed before the daemon is asked.
const PAUSE: Duration = Duration::from_millis(50);
/// How long changes may follow each other before it is asked nevertheless.
const PATIENCE: Duration = Duration::from_millis(500);

/// What came of a question.
#[derive(Debug)]
pub(super) enum Answer {
    /// What takes time, in one line.
    Progress(String),
    /// The verdicts.
    Report(Box<Report>),
    /// There is no answer, for this reason.
    Failed(String),
}

/// Asks about one repository. The thread ends when this is dropped.
pub(super) struct Asker {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wanted: Option<Wanted>,
    closed: bool,
    flight: Option<Arc<Abandon>>,
}

struct Wanted {
    number: u64,
    texts: Texts,
    /// When something changed first, and last.
    since: Instant,
    last: Instant,
}

impl Asker {
    /// Asks about the repository at `root`. `answer` is called on the asker's thread, with the number of the question.
    pub(super) fn start(
        endpoint: &Endpoint,
        root: PathBuf,
        answer: impl Fn(u64, Answer) + Send + 'static,
    ) -> std::io::Result<Asker> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let (own, endpoint) = (Arc::clone(&shared), endpoint.clone());
        std::thread::Builder::new().name("asker".to_owned()).spawn(move || {
            while let Some((number, texts, abandon)) = own.next() {
                let told = |reply: Answer| answer(number, reply);
                match ask(&endpoint, &root, texts.unsaved(), &abandon, &told) {
                    Ok(report) => told(Answer::Report(Box::new(report))),
                    Err(Unanswered::Abandoned) => {}
                    Err(Unanswered::Failed(why)) => told(Answer::Failed(why)),
                }
                own.lock().flight = None;
            }
        })?;
        Ok(Asker { shared })
    }

    /// Asks what there is to say of these texts. An earlier question that has no answer yet is dropped.
    pub(super) fn ask(&self, number: u64, texts: Texts) {
        let now = Instant::now();
        let mut state = self.shared.lock();
        let since = state.wanted.as_ref().map_or(now, |wanted| wanted.since);
        state.wanted = Some(Wanted { number, texts, since, last: now });
        if let Some(flight) = &state.flight {
            flight.abandon();
        }
        self.shared.changed.notify_one();
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        if let Some(flight) = &state.flight {
            flight.abandon();
        }
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next question, when it is time to ask it; none when there will be no more.
    fn next(&self) -> Option<(u64, Texts, Arc<Abandon>)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let Some(due) = state.wanted.as_ref().map(|wanted| (wanted.last + PAUSE).min(wanted.since + PATIENCE))
            else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let Some(wanted) = state.wanted.take() else { continue };
            let abandon = Arc::new(Abandon::default());
            state.flight = Some(Arc::clone(&abandon));
            return Some((wanted.number, wanted.texts, abandon));
        }
    }
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Nobody wants it any more.
    Abandoned,
    /// This.
    Failed(String),
}

/// Asks the daemon about the work tree at `root` with `overlays` in place of what is saved. Starts a daemon if none runs.
pub(super) fn ask(
    endpoint: &Endpoint,
    root: &std::path::Path,
    overlays: BTreeMap<PathBuf, String>,
    abandon: &Abandon,
    told: &dyn Fn(Answer),
) -> Result<Report, Unanswered> {
    let env = crate::wire::env::sent();
    // Those that name a repository, which is the document's and not the editor's.
    let env = env.into_iter().filter(|(name, _)| !name.starts_with("GIT_")).collect();
    let request =
        CheckRequest { overlays, ..CheckRequest::new(Place { cwd: root.to_owned(), env }, Selection::Worktree) };
    let mut report = None;
    let asked = spawn::ask_unless(abandon, endpoint, &Request::Check(request), |reply| match reply {
        Reply::Progress { text } => told(Answer::Progress(text)),
        Reply::Report { json } => report = serde_json::from_str(&json).ok(),
        _ => {}
    });
    match (asked, report) {
        (Err(spawn::Error::Abandoned), _) => Err(Unanswered::Abandoned),
        (Err(error), _) => Err(Unanswered::Failed(error.to_string())),
        (Ok(_), Some(report)) => Ok(report),
        (Ok(_), None) => Err(Unanswered::Failed("the daemon's answer cannot be read".to_owned())),
    }
}
