//! Whether somebody waits: what nobody waits for is done as that allows. One for a process.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How long git takes for what is left of a commit when its hook has been answered, and a little more.
const HUSH: Duration = Duration::from_millis(60);
/// The priority of what nobody waits for, as `nice` has it.
const LOW: i32 = 10;

/// How what nobody waits for goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// At a low priority, and one thing at a time: nothing is on its way when somebody comes.
    Aside,
    /// As fast as it can: somebody waits for a verdict, and what is still being done needs to be done for it.
    Hurry,
}

/// Who waits, and until when git is given the machine.
#[derive(Debug)]
pub struct Pace {
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    waiting: usize,
    quiet_until: Instant,
}

/// Gives a process a low priority, unless it has a lower one; none: this thread, on Linux, and this process elsewhere.
pub(crate) fn lower(process: Option<rustix::process::Pid>) -> std::io::Result<()> {
    if rustix::process::getpriority_process(process)? < LOW {
        rustix::process::setpriority_process(process, LOW)?;
    }
    Ok(())
}

/// [`lower`] for a process with a session of its own. Where Linux shares the machine out by session, the session's
/// priority is what counts.
pub(crate) fn lower_session(process: rustix::process::Pid) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    let _ = std::fs::write(format!("/proc/{}/autogroup", process.as_raw_nonzero()), LOW.to_string());
    lower(Some(process))
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { state: watch::channel(State { waiting: 0, quiet_until: Instant::now() }).0 }
    }
}

impl Pace {
    /// A commit is being made: what nobody waits for rests until git has had the time to end it.
    pub fn hush(&self) {
        self.state.send_modify(|state| state.quiet_until = Instant::now() + HUSH);
    }

    /// How long that still is; none when no commit is being made.
    pub fn hush_left(&self) -> Option<Duration> {
        let until = self.state.borrow().quiet_until;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// One more waits for a verdict, until [`Pace::served`].
    pub fn awaited(&self) {
        self.state.send_modify(|state| state.waiting += 1);
    }

    /// One has a verdict, or has given up.
    pub fn served(&self) {
        self.state.send_modify(|state| state.waiting = state.waiting.saturating_sub(1));
    }

    /// Whether somebody waits for a verdict.
    pub fn is_awaited(&self) -> bool {
        self.state.borrow().waiting > 0
    }

    /// Waits until nobody waits for a verdict.
    pub async fn quiet(&self) {
        let _ = self.state.subscribe().wait_for(|state| state.waiting == 0).await;
    }

    /// Asked before each step of what nobody waits for: rests while a commit is being made, and says how to go on.
    pub async fn step(&self) -> Manner {
        let mut changes = self.state.subscribe();
        loop {
            let State { waiting, quiet_until } = *changes.borrow_and_update();
            let left = quiet_until.saturating_duration_since(Instant::now());
            match waiting {
                1.. => return Manner::Hurry,
                0 if left.is_zero() => return Manner::Aside,
                // Until the time is over, somebody waits, or another commit is made.
                0 => drop(tokio::time::timeout(left, changes.changed()).await),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn while_a_commit_is_made_nothing_goes_on_until_somebody_waits_for_it() {
        let pace = Pace::default();
        assert_eq!(pace.step().await, Manner::Aside);
        pace.hush();
        let began = Instant::now();
        assert_eq!(pace.step().await, Manner::Aside);
        assert!(began.elapsed() >= HUSH - Duration::from_millis(1) && pace.hush_left().is_none());
        pace.hush();
        pace.awaited();
        assert_eq!(pace.step().await, Manner::Hurry);
        assert!(pace.hush_left().is_some() && pace.is_awaited(), "it did not rest");
        pace.served();
        assert!(!pace.is_awaited());
        pace.quiet().await;
    }

    #[tokio::test]
    async fn what_rests_is_told_when_somebody_waits() {
        let pace = std::sync::Arc::new(Pace::default());
        pace.hush();
        let resting = tokio::spawn({
            let pace = std::sync::Arc::clone(&pace);
            async move { pace.step().await }
        });
        tokio::task::yield_now().await;
        pace.awaited();
        assert_eq!(resting.await.unwrap(), Manner::Hurry);
    }
}
