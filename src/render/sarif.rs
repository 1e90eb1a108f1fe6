//! SARIF 2.1.0: what code hosts and editors read as the results of static analysis.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{gitlab, reasons};
use crate::check::{Code, code};
use crate::verdict::{Finding, Outcome, Report, Severity};

/// What stays as it is in the path of a URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One run with all findings, those that were accepted marked so.
pub(super) fn render(report: &Report) -> String {
    let mut codes: Vec<&str> = report.verdicts.iter().flat_map(|v| &v.findings).map(|f| f.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    let results: Vec<Value> =
        report.verdicts.iter().flat_map(|v| v.findings.iter().map(|finding| result(&v.set, finding, &codes))).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "migd",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": codes.iter().map(|name| rule(name)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": report.outcome != Outcome::Error }],
            "results": results,
        }],
    });
    super::json::ended(serde_json::to_string_pretty(&log))
}

fn rule(name: &str) -> Value {
    match code(name) {
        Some(Code { name, severity, summary, explain }) => json!({
            "id": name,
            "shortDescription": { "text": summary },
            "help": { "text": explain, "markdown": explain },
            "defaultConfiguration": { "level": level(*severity) },
        }),
        None => json!({ "id": name }),
    }
}

fn level(severity: Severity) -> &'static str {
    severity.as_str()
}

fn result(set: &str, finding: &Finding, codes: &[&str]) -> Value {
    let mut text = vec![finding.message.clone()];
    text.extend(reasons(finding));
    let mut out = json!({
        "ruleId": finding.code,
        "ruleIndex": codes.binary_search(&finding.code.as_str()).ok(),
        "level": level(finding.severity),
        "message": { "text": text.join("\n") },
        "partialFingerprints": { "migd/v1": gitlab::fingerprint(set, finding) },
    });
    // GitHub takes no report in which a result has no place.
    let path = gitlab::path(set, finding);
    let mut place = json!({ "artifactLocation": { "uri": utf8_percent_encode(path, PATH).to_string() } });
    if let Some(line) = finding.line.filter(|_| finding.path.is_some()) {
        place["region"] = region(finding, line.max(1));
    }
    out["locations"] = json!([{ "physicalLocation": place }]);
    if let Some(by) = &finding.suppressed_by {
        out["suppressions"] = json!([{ "kind": "inSource", "justification": by }]);
    }
    out
}

fn region(finding: &Finding, line: u32) -> Value {
    let mut region = Map::new();
    region.insert("startLine".to_owned(), json!(line));
    region.insert("endLine".to_owned(), json!(finding.end_line.unwrap_or(line).max(line)));
    if let Some(column) = finding.column {
        region.insert("startColumn".to_owned(), json!(column.max(1)));
        region.insert("endColumn".to_owned(), json!(finding.end_column.unwrap_or(column).max(1)));
    }
    if let Some(source) = &finding.source {
        region.insert("snippet".to_owned(), json!({ "text": source }));
    }
    Value::Object(region)
}
