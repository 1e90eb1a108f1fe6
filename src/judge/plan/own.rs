//! What a set's own files are said to be wrong in, as far as it is about what is judged.

use std::collections::BTreeSet;

use crate::layout::Chain;
use crate::verdict::{Change, Finding, Mode, Severity};

/// The finding about a template without values.
const TEMPLATE: &str = "config.placeholder";

/// What is wrong with the files of this change. What was committed before is said when everything is judged, and refuses
/// no commit that does not touch it; of a file that is no migration too, unless the runner stops at it. `is_old` says
/// whether a file is as it was in the `old` chain.
pub(super) fn own_findings(
    chain: &Chain,
    changes: &[Change],
    [base, old]: [&Chain; 2],
    is_old: &dyn Fn(&str) -> bool,
    mode: Mode,
) -> Vec<Finding> {
    if chain.findings.is_empty() {
        return Vec::new();
    }
    let before: BTreeSet<&str> = chain
        .migrations
        .iter()
        .zip(changes)
        .filter(|(_, change)| mode != Mode::All && **change == Change::Unchanged)
        .flat_map(|(migration, _)| std::iter::once(&migration.up).chain(&migration.down).map(|s| s.path.as_str()))
        .collect();
    let said = |finding: &Finding| {
        let same =
            |old: &Finding| old.path == finding.path && old.code == finding.code && old.message == finding.message;
        mode != Mode::All && finding.severity < Severity::Error && old.findings.iter().any(same)
    };
    let own = |finding: &&Finding| {
        finding.path.as_deref().is_none_or(|path| !(before.contains(path) || said(finding) && is_old(path)))
    };
    // Names that production has cannot be padded any more.
    let in_base = |path: &str| base.migrations.iter().any(|migration| migration.up.path == path);
    let graded = |finding: &Finding| match finding.path.as_deref() {
        Some(path) if finding.code == "history.lexical-order" && in_base(path) => {
            let help =
                "leave the names as they are, production may have them; pad the numbers of new ones to one width";
            Finding { severity: Severity::Note, ..finding.clone() }.help(help)
        }
        _ => finding.clone(),
    };
    // Of a set of templates the first says it all: the chain ends there.
    let mut templates = chain.findings.iter().filter(own).filter(|finding| finding.code == TEMPLATE).skip(1).count();
    let first = chain.findings.iter().filter(own).find(|finding| finding.code == TEMPLATE && templates > 0);
    let once = |finding: &&Finding| finding.code != TEMPLATE || first.is_none_or(|first| std::ptr::eq(first, *finding));
    let counted = |finding: Finding| match finding.code == TEMPLATE && templates > 0 {
        true => finding.detail(format!("{} more places in the set are like it", std::mem::take(&mut templates))),
        false => finding,
    };
    chain.findings.iter().filter(own).filter(once).map(graded).map(counted).collect()
}
