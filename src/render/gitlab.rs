//! GitLab's code quality report: an array of issues, each with a fingerprint that outlives moved lines.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{reasons, standing};
use crate::verdict::{Finding, Report, Severity};

/// All findings that stand.
pub(super) fn render(report: &Report) -> String {
    let mut seen = HashMap::new();
    let issues: Vec<Value> = standing(report)
        .map(|(set, finding)| {
            let hash = fingerprint(set, finding);
            // GitLab drops all but one of the issues with the same fingerprint.
            let repeated: &mut u32 = seen.entry(hash.clone()).or_default();
            *repeated += 1;
            let hash = if *repeated > 1 { format!("{hash}-{repeated}") } else { hash };
            issue(set, finding, &hash)
        })
        .collect();
    super::json::ended(serde_json::to_string_pretty(&issues))
}

fn issue(set: &str, finding: &Finding, fingerprint: &str) -> Value {
    let severity = match finding.severity {
        Severity::Error => "critical",
        Severity::Warning => "minor",
        Severity::Note => "info",
    };
    let mut description = vec![finding.message.clone()];
    description.extend(reasons(finding));
    let begin = finding.line.unwrap_or(1).max(1);
    let end = finding.end_line.unwrap_or(begin).max(begin);
    json!({
        "check_name": finding.code,
        "description": description.join("\n"),
        "fingerprint": fingerprint,
        "severity": severity,
        "location": { "path": path(set, finding), "lines": { "begin": begin, "end": end } },
    })
}

/// GitLab wants a path: the set's folder stands in for what has none, and the configuration for the repository.
pub(super) fn path<'a>(set: &'a str, finding: &'a Finding) -> &'a str {
    match &finding.path {
        Some(path) => path,
        None if set.is_empty() => "migd.toml",
        None => set,
    }
}

/// What stays the same while lines move: no place but the file.
pub(super) fn fingerprint(set: &str, finding: &Finding) -> String {
    let table = finding.table.as_deref().unwrap_or_default();
    let constraint = finding.constraint.as_deref().unwrap_or_default();
    let parts = [&finding.code, path(set, finding), table, constraint, &finding.message];
    blake3::hash(parts.join("\0").as_bytes()).to_hex().as_str()[..32].to_owned()
}
