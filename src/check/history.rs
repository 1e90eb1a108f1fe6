//! What happened to migrations that production may already have, and where new ones stand among them: `history.*`.

mod changed;
mod marks;
mod names;
mod order;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use super::{Check, History, Subject};
use crate::layout::Migration;
use crate::verdict::{Finding, Severity};

/// Edited, renamed, deleted; out of order; badly named; marked as not for production.
pub(super) struct Order;

impl Check for Order {
    fn migration(&self, subject: &Subject<'_>) -> Vec<Finding> {
        marks::dev_only(subject.migration)
    }

    fn history(&self, history: &History<'_>) -> Vec<Finding> {
        let view = View::new(history);
        let changed = changed::changed(&view);
        let mut findings = changed.findings;
        findings.extend(order::late(&view, &changed.renamed));
        findings.extend(order::numbers(&view));
        findings.extend(order::gaps(&view));
        findings.extend(names::names(&view));
        if history.upstream.is_none() {
            // HEAD stands for production only because there is nothing better to go by; an amended commit, for one,
            // replaces what nobody else has seen.
            findings.iter_mut().for_each(|finding| finding.severity = finding.severity.min(Severity::Warning));
        }
        findings
    }
}

/// A history with its migrations by version.
struct View<'a> {
    history: &'a History<'a>,
    /// How many migrations at the start are kept once for both: the very same.
    shared: usize,
    now: HashMap<&'a str, (usize, &'a Migration)>,
    base: HashMap<&'a str, &'a Migration>,
}

impl<'a> View<'a> {
    fn new(history: &'a History<'a>) -> View<'a> {
        View {
            history,
            shared: history.chain.iter().zip(history.base).take_while(|(now, old)| Arc::ptr_eq(now, old)).count(),
            now: history.chain.iter().enumerate().map(|(at, m)| (m.version.as_str(), (at, &**m))).collect(),
            base: history.base.iter().map(|m| (m.version.as_str(), &**m)).collect(),
        }
    }

    /// Whether production cannot have this version yet.
    fn is_new(&self, migration: &Migration) -> bool {
        !self.base.contains_key(migration.version.as_str()) && !self.history.merged.contains(&migration.version)
    }

    /// What the runner is called.
    fn runner(&self) -> &'static str {
        match self.history.layout.name() {
            "plain" => "whatever runs these files",
            name => name,
        }
    }

    /// Why production may have what the base has.
    fn origin(&self) -> String {
        let rev = self.history.base_rev;
        match self.history.upstream {
            None => format!("it is part of {rev}"),
            Some("@{upstream}") => format!("it is part of {rev}, which the upstream branch has"),
            Some(name) => {
                let name = name.trim_start_matches("refs/remotes/").trim_start_matches("refs/heads/");
                format!("it is part of {rev}, which {name} has")
            }
        }
    }
}
