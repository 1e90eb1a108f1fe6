//! What is said over the wire. JSON, one object a frame; fields are added, never renamed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Terminal;

/// What a client sends, once a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The client's build: the daemon refuses another one than its own with [`Reply::Mismatch`].
    pub build: String,
    /// What is asked for.
    pub request: Request,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Request {
    /// Judge; answered with progress, then a report or its text.
    Check(CheckRequest),
    /// What the daemon is doing; answered with [`Reply::Status`]. Any build may ask.
    Status,
    /// Start the engine and make the newest template of the repository's sets, without waiting for either.
    Warm(Place),
    /// Start the engine and make the templates of every set as it lies on disk, and wait for both; answered with progress,
    /// then text.
    Ready(Place),
    /// What is judged while one edits, from now on; answered with [`Reply::Event`], as long as both sides stay.
    Watch(Place),
    /// Finish what is being judged, stop the servers and leave. Any build may ask.
    Stop,
}

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The client's working folder.
    #[serde(with = "path")]
    pub cwd: PathBuf,
    /// Its `GIT_*` variables and the `MIGD_*` that override the configuration, as [`super::env::told`] writes them.
    pub env: BTreeMap<String, String>,
}

/// Paths that may be no UTF-8.
mod path {
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::wire::env;

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&env::told(path.as_os_str().to_owned()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        String::deserialize(deserializer).map(|text| env::meant(&text).into())
    }
}

impl Place {
    /// This process's own.
    pub fn here() -> std::io::Result<Place> {
        Ok(Place { cwd: std::env::current_dir()?, env: super::env::sent() })
    }
}

/// A judgement to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckRequest {
    /// Where.
    pub place: Place,
    /// Which tree, compared with what.
    pub selection: Selection,
    /// Only the sets of these names; empty: all.
    pub sets: Vec<String>,
    /// What the answer looks like.
    pub wanted: Wanted,
    /// Whether this is a git hook: `hook.budget` holds, and a tree that changes no set is answered with nothing.
    pub hook: bool,
    /// What an editor holds and has not saved, by absolute path: stands for the work tree's file of that name, or for
    /// one that is not there yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overlays: BTreeMap<PathBuf, String>,
    /// Only the scenarios, of these files; of none: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenarios: Option<Vec<String>>,
}

impl CheckRequest {
    /// All sets of the tree that `selection` names, as a report, for nobody's commit.
    pub fn new(place: Place, selection: Selection) -> CheckRequest {
        let (sets, overlays) = Default::default();
        CheckRequest { place, selection, sets, wanted: Wanted::Report, hook: false, overlays, scenarios: None }
    }

    /// What is staged, as text for `terminal`, for a commit.
    pub fn of_hook(place: Place, terminal: Terminal) -> CheckRequest {
        let wanted = Wanted::Text(terminal);
        CheckRequest { wanted, hook: true, ..CheckRequest::new(place, Selection::Staged) }
    }
}

/// Which tree is judged, compared with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// The index, compared with HEAD.
    Staged,
    /// The files on disk, compared with HEAD.
    Worktree,
    /// Every migration of the index.
    All,
    /// The index, compared with this revision.
    Base(String),
}

/// What the answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// The report's JSON, for a client that renders it.
    Report,
    /// Text for this terminal.
    Text(Terminal),
}

/// What the daemon answers, any number of times, the last one [`Reply::Done`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", try_from = "Fields")]
pub enum Reply {
    /// The request was understood. The client waits this long for the rest before it gives up, in milliseconds.
    Accepted {
        /// Milliseconds.
        budget_ms: u64,
        /// Whether a commit is refused when no verdict can be had in time.
        block: bool,
    },
    /// What takes time, for a person, in one line.
    Progress {
        /// The line.
        text: String,
    },
    /// The report's JSON.
    Report {
        /// A `Report`, serialised.
        json: String,
    },
    /// Rendered text, for standard error in a hook.
    Text {
        /// With its line ends.
        text: String,
    },
    /// Something happened in the repository that is watched.
    Event {
        /// The event, as `migd watch --format jsonl` prints it.
        json: String,
    },
    /// What the daemon is doing.
    Status {
        /// A `Status`, serialised.
        json: String,
    },
    /// The client is of another build than the daemon.
    Mismatch {
        /// The daemon's build.
        build: String,
    },
    /// Too many requests are waiting.
    Busy,
    /// This was no request that can be read, or it did not come in time. The connection ends.
    Refused {
        /// What is wrong with it.
        why: String,
    },
    /// The end.
    Done {
        /// The exit status that the client should end with.
        exit: u8,
    },
}

/// A reply's fields as they come. Read flat, they take 25 kB less of the hook's program than an enum that is told apart by one
/// of its fields.
#[derive(Deserialize)]
struct Fields {
    kind: String,
    budget_ms: Option<u64>,
    block: Option<bool>,
    text: Option<String>,
    json: Option<String>,
    build: Option<String>,
    why: Option<String>,
    exit: Option<u8>,
}

impl TryFrom<Fields> for Reply {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Reply, &'static str> {
        let Fields { kind, budget_ms, block, text, json, build, why, exit } = fields;
        let reply = match kind.as_str() {
            "accepted" => budget_ms.zip(block).map(|(budget_ms, block)| Reply::Accepted { budget_ms, block }),
            "progress" => text.map(|text| Reply::Progress { text }),
            "report" => json.map(|json| Reply::Report { json }),
            "text" => text.map(|text| Reply::Text { text }),
            "event" => json.map(|json| Reply::Event { json }),
            "status" => json.map(|json| Reply::Status { json }),
            "mismatch" => build.map(|build| Reply::Mismatch { build }),
            "busy" => Some(Reply::Busy),
            "refused" => why.map(|why| Reply::Refused { why }),
            "done" => exit.map(|exit| Reply::Done { exit }),
            _ => return Err("a reply of an unknown kind"),
        };
        reply.ok_or("a reply without one of its fields")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_is_read_as_it_was_written() {
        let text = || "t".to_owned();
        let replies = [
            Reply::Accepted { budget_ms: 7, block: true },
            Reply::Progress { text: text() },
            Reply::Report { json: text() },
            Reply::Text { text: text() },
            Reply::Event { json: text() },
            Reply::Status { json: text() },
            Reply::Mismatch { build: text() },
            Reply::Busy,
            Reply::Refused { why: text() },
            Reply::Done { exit: 3 },
        ];
        for reply in replies {
            let written = serde_json::to_string(&reply).unwrap();
            assert_eq!(serde_json::from_str::<Reply>(&written).unwrap(), reply, "{written}");
        }
    }

    #[test]
    fn a_reply_of_a_later_version_is_read_and_one_that_lacks_something_is_not() {
        assert_eq!(
            serde_json::from_str::<Reply>(r#"{"kind":"done","exit":1,"more":{"a":[1]}}"#).unwrap(),
            Reply::Done { exit: 1 }
        );
        assert!(serde_json::from_str::<Reply>(r#"{"kind":"done"}"#).is_err());
        assert!(serde_json::from_str::<Reply>(r#"{"kind":"dance"}"#).is_err());
    }
}
