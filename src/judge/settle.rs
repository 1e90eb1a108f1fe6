//! From what the checks say to what the verdict says: configured severities, accepted findings, order, outcome.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::SetPlan;
use crate::check::{self, code};
use crate::config::Config;
use crate::layout::Source;
use crate::sql::{self, Action, Day, Directive};
use crate::verdict::{Assumption, Finding, Outcome, Severity};

/// The findings as the verdict lists them: errors first, then by place.
pub(super) fn findings(found: Vec<Finding>, set: &SetPlan, config: &Config, ran: &[usize]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = found.into_iter().filter_map(|finding| weighed(finding, config)).collect();
    let mut extra = Vec::new();
    for at in ran {
        let up = &set.chain.migrations[*at].up;
        accept(up, &mut findings, &mut extra);
    }
    findings.extend(extra.into_iter().filter_map(|finding| weighed(finding, config)));
    // What ends a chain is known from its files and met again while it is run.
    let mut seen: Vec<Finding> = Vec::new();
    findings.retain(|finding| {
        !seen.contains(finding) && {
            seen.push(finding.clone());
            true
        }
    });
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (f.suppressed_by.is_some(), std::cmp::Reverse(f.severity));
        let place = |f: &Finding| (f.path.clone(), f.line, f.column);
        key(a).cmp(&key(b)).then_with(|| place(a).cmp(&place(b)))
    });
    findings
}

/// What the judged migrations assume of production, with the query that counts what would break it.
pub(super) fn assumptions(findings: &[Finding], set: &SetPlan, ran: &[usize]) -> Vec<Assumption> {
    let mut all = Vec::new();
    for at in ran {
        let up = &set.chain.migrations[*at].up;
        let index = sql::LineIndex::new(&up.text);
        for directive in sql::directives(&up.text).directives.into_iter().filter(|d| d.action == Action::Assume) {
            let line = up.line(index.span(directive.range.clone()));
            let place = Some(format!("{}:{line}", up.path));
            let mut accepted = findings.iter().filter(|finding| finding.suppressed_by == place);
            let Some(first) = accepted.next() else { continue };
            all.push(Assumption {
                code: directive.code,
                target: directive.target,
                reason: directive.reason,
                until: directive.until.map(|day| day.to_string()),
                path: up.path.clone(),
                line,
                query: first.query.clone().or_else(|| accepted.find_map(|finding| finding.query.clone())),
            });
        }
    }
    all
}

/// The worst of what is not accepted.
pub(super) fn outcome(findings: &[Finding]) -> Outcome {
    let open = findings.iter().filter(|finding| finding.suppressed_by.is_none());
    match open.map(|finding| finding.severity).max() {
        Some(Severity::Error) => Outcome::Fail,
        Some(Severity::Warning) => Outcome::Warn,
        Some(Severity::Note) | None => Outcome::Pass,
    }
}

/// Today, for expiries.
pub(super) fn today() -> Option<Day> {
    Day::of(SystemTime::now())
}

/// The severity that the configuration wants: the code's own entry before its family's.
fn weighed(mut finding: Finding, config: &Config) -> Option<Finding> {
    let family = finding.code.split('.').next().unwrap_or_default();
    if let Some(level) = config.checks.get(&finding.code).or_else(|| config.checks.get(family)) {
        finding.severity = level.severity()?;
    }
    Some(finding)
}

/// Marks the findings that the directives of one file accept, and says what is wrong with the directives.
fn accept(up: &Source, findings: &mut [Finding], extra: &mut Vec<Finding>) {
    let path = up.path.as_str();
    let directives = sql::directives(&up.text);
    let index = sql::LineIndex::new(&up.text);
    let mut say = |code: &str, range: &std::ops::Range<usize>, message: String, help: &str| {
        extra.push(check::at(up, Some(range.clone()), code, message).help(help));
    };
    for malformed in &directives.problems {
        let help = "write `-- migd: allow CODE -- reason`, or `-- migd: assume CODE(table.column) -- reason`";
        say("suppress.malformed", &malformed.range, malformed.kind.to_string(), help);
    }
    for directive in &directives.directives {
        if code(&directive.code).is_none() {
            let message = format!("there is no finding called `{}`", directive.code);
            say("suppress.unknown", &directive.range, message, "see `migd explain` for all codes");
            continue;
        }
        if let (Some(until), Some(today)) = (directive.until, today())
            && until < today
        {
            let message = format!("the acceptance of `{}` ended on {until}", directive.code);
            say("suppress.expired", &directive.range, message, "mend what it accepted, or give it a new date");
            continue;
        }
        let place = format!("{path}:{}", up.line(index.span(directive.range.clone())));
        let mut used = BTreeSet::new();
        for (at, finding) in findings.iter_mut().enumerate() {
            if matches(directive, path, finding) {
                finding.suppressed_by = Some(place.clone());
                used.insert(at);
            }
        }
        if used.is_empty() {
            let message = format!("nothing here is a `{}`", directive.code);
            say("suppress.unused", &directive.range, message, "remove the line");
        }
    }
}

/// Whether `directive`, in the file at `path`, accepts `finding`.
fn matches(directive: &Directive, path: &str, finding: &Finding) -> bool {
    // A revert is found in the down file, and accepted beside the up that it belongs to.
    let revert = finding.code.starts_with("revert.");
    let here = finding.path.as_deref() == Some(path) || revert;
    let target = match &directive.target {
        None => directive.action == Action::Allow,
        Some(target) => is_target(target, finding),
    };
    here && finding.code == directive.code && target
}

/// Whether `target`, as in `users`, `users.email` or the name of a constraint, is what `finding` is about.
fn is_target(target: &str, finding: &Finding) -> bool {
    if finding.constraint.as_deref() == Some(target) || finding.table.as_deref() == Some(target) {
        return true;
    }
    let Some((table, column)) = target.rsplit_once('.') else { return false };
    // A finding that names its columns is accepted for these; one that does not, by its table.
    let columns: Vec<&str> = finding.columns.iter().map(String::as_str).collect();
    finding.table.as_deref() == Some(table)
        && (columns.is_empty() || columns == column.split(',').map(str::trim).collect::<Vec<_>>())
}
