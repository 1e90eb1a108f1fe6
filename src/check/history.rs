//! What happened to migrations that production may already have: `history.*`.

use std::collections::HashMap;

use super::{Check, History, at, default_severity};
use crate::layout::Migration;
use crate::verdict::{Finding, Severity};

/// Edited, deleted, or put before what production already has.
pub(super) struct Order;

impl Check for Order {
    fn history(&self, history: &History<'_>) -> Vec<Finding> {
        let now: HashMap<&str, (usize, &Migration)> =
            history.chain.iter().enumerate().map(|(at, m)| (m.version.as_str(), (at, m))).collect();
        let base: HashMap<&str, &Migration> = history.base.iter().map(|m| (m.version.as_str(), m)).collect();
        let mut findings = Vec::new();
        for old in history.base {
            match now.get(old.version.as_str()) {
                None => findings.push(deleted(history, old)),
                Some((_, new)) if new.up.text[new.up.body.clone()] != old.up.text[old.up.body.clone()] => {
                    findings.push(edited(history, new));
                }
                Some(_) => {}
            }
        }
        let newest = history
            .base
            .iter()
            .filter_map(|old| Some((now.get(old.version.as_str())?.0, old)))
            .max_by_key(|(at, _)| *at);
        if let Some((newest, last)) = newest {
            let early = history.chain[..newest].iter().filter(|new| !base.contains_key(new.version.as_str()));
            findings.extend(early.map(|new| out_of_order(new, last)));
        }
        if history.upstream.is_none() {
            // HEAD stands for production only because there is nothing better to go by; an amended commit, for one,
            // replaces what nobody else has seen.
            findings.iter_mut().for_each(|finding| finding.severity = finding.severity.min(Severity::Warning));
        }
        findings
    }
}

fn edited(history: &History<'_>, new: &Migration) -> Finding {
    let message = format!("migration {} is changed, and production may already have it", new.version);
    at(&new.up, None, "history.edited", message)
        .detail(format!("it is part of {}, and a database that has run it does not run it again", history.base_rev))
        .help("restore the file and write a new migration")
}

fn deleted(history: &History<'_>, old: &Migration) -> Finding {
    let code = "history.deleted";
    let message = format!("migration {} is gone, and production may already have it", old.version);
    Finding::new(code, default_severity(code), message)
        .in_file(&old.up.path)
        .detail(format!("it is part of {}", history.base_rev))
        .help("restore the file; undo what it does in a new migration")
}

fn out_of_order(new: &Migration, last: &Migration) -> Finding {
    let message = format!("migration {} comes before {}, which production may already have", new.version, last.version);
    at(&new.up, None, "history.out-of-order", message)
        .detail("a fresh database runs it in another order than production")
        .help(format!("give it a version after {}", last.version))
}
