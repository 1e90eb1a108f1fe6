//! Work in this process that nobody waits for, on one thread that gives way to all others.

use std::panic::AssertUnwindSafe;
use std::sync::mpsc;

use tokio::sync::oneshot;

use crate::engine::pace;

type Job = Box<dyn FnOnce() + Send>;

/// The work broke off, which the log has more of.
#[derive(Debug, thiserror::Error)]
#[error("it broke off")]
pub(super) struct Broken;

/// The thread. It ends with this.
pub(super) struct Aside {
    /// None where no thread could be had.
    jobs: Option<mpsc::Sender<Job>>,
}

impl Aside {
    pub(super) fn start() -> Aside {
        let (jobs, queue) = mpsc::channel::<Job>();
        let runtime = tokio::runtime::Handle::try_current().ok();
        let work = move || {
            // What is done here may have something be done later.
            let _inside = runtime.as_ref().map(tokio::runtime::Handle::enter);
            give_way();
            while let Ok(job) = queue.recv() {
                job();
            }
        };
        match std::thread::Builder::new().name("aside".to_owned()).spawn(work) {
            Ok(_) => Aside { jobs: Some(jobs) },
            Err(error) => {
                tracing::warn!(%error, "there is no thread for what nobody waits for");
                Aside { jobs: None }
            }
        }
    }

    /// Does `work` when all that was asked for before is done.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Broken> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Nobody is told of what panics, and the thread goes on.
            if let Ok(done) = std::panic::catch_unwind(AssertUnwindSafe(work)) {
                let _ = tell.send(done);
            }
        });
        match &self.jobs {
            Some(jobs) => jobs.send(job).map_err(|_| Broken)?,
            None => drop(tokio::task::spawn_blocking(job)),
        }
        told.await.map_err(|_| Broken)
    }
}

/// Linux has a priority for each thread; elsewhere it is the whole process's, which answers commits too.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = pace::lower(None) {
        tracing::warn!(%error, "the thread for what nobody waits for has the usual priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_breaks_off_is_told_and_the_next_is_done() {
        let aside = Aside::start();
        assert!(aside.run(|| -> u32 { panic!("as it should") }).await.is_err());
        let later = aside.run(|| tokio::spawn(async { 7 })).await.unwrap();
        assert_eq!(later.await.unwrap(), 7);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn its_thread_has_a_low_priority_and_no_other_has() {
        let own = || rustix::process::getpriority_process(None).unwrap();
        let before = own();
        assert!(Aside::start().run(own).await.unwrap() >= 10);
        assert_eq!(own(), before);
    }
}
