//! A `migd watch --format jsonl` that runs beside a test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::sandbox::Sandbox;

/// How long an event may take; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(40);

/// A reader.
pub struct Watching {
    child: Child,
    events: Receiver<Value>,
    /// Everything that came, in order.
    pub seen: Vec<Value>,
}

impl Watching {
    /// Attached in the folder of `repo`.
    pub fn new(repo: &Sandbox) -> Watching {
        Watching::of(repo.command(repo.realm().migd()))
    }

    pub fn of(mut command: Command) -> Watching {
        command.args(["watch", "--format", "jsonl"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, events) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if tell.send(event).is_err() {
                    break;
                }
            }
        });
        Watching { child, events, seen: Vec::new() }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next event that is `wanted`; others are passed over.
    #[track_caller]
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else { panic!("no {what} came: {}", self.told()) };
            self.seen.push(event.clone());
            if wanted(&event) {
                return event;
            }
        }
    }

    /// What has come, an event a line, each as far as a reader wants to know it.
    pub fn told(&self) -> String {
        let short = |event: &Value| event.to_string().chars().take(400).collect::<String>();
        self.seen.iter().map(|event| format!("\n{}", short(event))).collect()
    }

    /// The next verdict.
    #[track_caller]
    pub fn verdict(&mut self) -> Value {
        self.until("verdict", |event| event["event"] == "verdict")["verdict"].clone()
    }

    /// The next verdict with this outcome.
    #[track_caller]
    pub fn outcome(&mut self, outcome: &str) -> Value {
        let wanted = |event: &Value| event["event"] == "verdict" && event["verdict"]["outcome"] == outcome;
        self.until(outcome, wanted)["verdict"].clone()
    }

    /// There is nothing to judge now.
    #[track_caller]
    pub fn nothing(&mut self) {
        self.until("nothing", |event| event["event"] == "nothing" && event["tree"] == "worktree");
    }

    /// Whatever comes within `time`.
    pub fn within(&mut self, time: Duration) -> Vec<Value> {
        let deadline = Instant::now() + time;
        let mut came = Vec::new();
        while let Ok(event) = self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push(event.clone());
            came.push(event);
        }
        came
    }

    /// Waits for its end. Its exit status.
    pub fn end(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
