//! What `migd watch --format jsonl` prints: one event a line.

use serde::{Deserialize, Serialize};

use crate::verdict::{Finding, Mode, Verdict};

/// One set in one tree of one repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// The repository's work tree.
    pub repo: String,
    /// The set's name; empty where the repository itself is concerned.
    pub set: String,
    /// The files as they are (`worktree`), or as they are staged where that is something else (`staged`).
    pub tree: Mode,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// There is nothing to judge: the set is as HEAD has it, or what is staged is what the work tree has.
    Nothing {
        /// What it is about.
        #[serde(flatten)]
        subject: Subject,
    },
    /// A judgement has begun.
    Started {
        /// What it is about.
        #[serde(flatten)]
        subject: Subject,
        /// The versions that are judged.
        migrations: Vec<String>,
        /// How long ago, in milliseconds.
        elapsed_ms: f64,
    },
    /// It has come to this step.
    Step {
        /// What it is about.
        #[serde(flatten)]
        subject: Subject,
        /// The version.
        migration: String,
        /// As in a verdict's timings.
        step: String,
        /// Since the judgement began, in milliseconds.
        elapsed_ms: f64,
    },
    /// Something was found. The verdict has it too.
    Finding {
        /// What it is about.
        #[serde(flatten)]
        subject: Subject,
        /// The finding.
        finding: Box<Finding>,
    },
    /// The judgement is over.
    Verdict {
        /// What it is about.
        #[serde(flatten)]
        subject: Subject,
        /// As `migd check --format json` prints it.
        verdict: Box<Verdict>,
    },
}

impl Event {
    /// What it is about.
    pub fn subject(&self) -> &Subject {
        match self {
            Event::Nothing { subject }
            | Event::Started { subject, .. }
            | Event::Step { subject, .. }
            | Event::Finding { subject, .. }
            | Event::Verdict { subject, .. } => subject,
        }
    }
}
