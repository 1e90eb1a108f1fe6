//! JUnit's XML: a suite for each set, a test case for each migration, and one for what concerns none of them.

use quick_xml::escape::escape;

use super::{clean, reasons, summary};
use crate::verdict::{Finding, Outcome, Report, Severity, Verdict};

/// All sets.
pub(super) fn render(report: &Report) -> String {
    let suites: Vec<Suite> = report.verdicts.iter().map(suite).collect();
    let tests: usize = suites.iter().map(|s| s.tests).sum();
    let failures: usize = suites.iter().map(|s| s.failures).sum();
    let errors: usize = suites.iter().map(|s| s.errors).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let time = seconds(report.elapsed_ms);
    out.push_str(&format!(
        "<testsuites name=\"migd\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{time}\">\n"
    ));
    for suite in suites {
        out.push_str(&suite.xml);
    }
    out.push_str("</testsuites>\n");
    out
}

struct Suite {
    xml: String,
    tests: usize,
    failures: usize,
    errors: usize,
}

fn suite(verdict: &Verdict) -> Suite {
    let name = if verdict.set.is_empty() { "repository" } else { &verdict.set };
    let mut cases = String::new();
    let (mut tests, mut failed) = (0, 0);
    // JUnit tells a test that failed from one that could not be run.
    let element = if verdict.outcome == Outcome::Error { "error" } else { "failure" };
    let mut case = |name: &str, ms: f64, findings: &[&Finding]| {
        tests += 1;
        let errors: Vec<&&Finding> = findings.iter().filter(|f| f.severity == Severity::Error).collect();
        failed += usize::from(!errors.is_empty());
        let set = attribute(if verdict.set.is_empty() { "repository" } else { &verdict.set });
        cases.push_str(&format!(
            "    <testcase name=\"{}\" classname=\"{set}\" time=\"{}\">\n",
            attribute(name),
            seconds(ms)
        ));
        if let Some(first) = errors.first() {
            let all: Vec<String> = errors.iter().map(|f| in_full(f)).collect();
            cases.push_str(&format!(
                "      <{element} type=\"{}\" message=\"{}\">{}</{element}>\n",
                attribute(&first.code),
                attribute(&first.message),
                text(&all.join("\n\n"))
            ));
        }
        let rest: Vec<String> = findings.iter().filter(|f| f.severity != Severity::Error).map(|f| in_full(f)).collect();
        if !rest.is_empty() {
            cases.push_str(&format!("      <system-out>{}</system-out>\n", text(&rest.join("\n\n"))));
        }
        cases.push_str("    </testcase>\n");
    };

    let mut left: Vec<&Finding> = verdict.findings.iter().filter(|f| f.suppressed_by.is_none()).collect();
    for migration in &verdict.migrations {
        // A down stands beside its up: what is said of either belongs to the migration.
        let own = |path: &str| migration.down_path.as_deref() == Some(path) || same(path, &migration.path);
        let (mine, others) = left.iter().partition(|f| f.path.as_deref().is_some_and(own));
        left = others;
        let ms = [migration.up_ms, migration.down_ms].into_iter().flatten().sum();
        case(&summary::label(migration), ms, &mine);
    }
    if !left.is_empty() || verdict.migrations.is_empty() {
        case("migration set", 0.0, &left);
    }
    let (failures, errors) = if verdict.outcome == Outcome::Error { (0, failed) } else { (failed, 0) };
    let head = format!(
        "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\" time=\"{}\">\n",
        attribute(name),
        seconds(verdict.elapsed_ms)
    );
    Suite { xml: head + &cases + "  </testsuite>\n", tests, failures, errors }
}

/// Whether two files are of one migration: `0042_a.up.sql` and `0042_a.down.sql`, or `0042_a/up.sql` and `0042_a/down.sql`.
fn same(path: &str, up: &str) -> bool {
    path == up || up.rfind("up.sql").is_some_and(|at| path == format!("{}down.sql", &up[..at]))
}

fn in_full(finding: &Finding) -> String {
    let mut lines = vec![format!("{}[{}]: {}", finding.severity.as_str(), finding.code, finding.message)];
    if let Some(path) = &finding.path {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        lines.push(format!("{path}{line}"));
    }
    lines.extend(reasons(finding));
    lines.join("\n")
}

/// Jenkins' schema allows three digits.
fn seconds(ms: f64) -> String {
    format!("{:.3}", ms / 1000.0)
}

/// XML has no way to write most control characters, escaped or not: they are shown instead.
fn text(text: &str) -> String {
    escape(without_noncharacters(&clean::block(text, true))).into_owned()
}

fn attribute(text: &str) -> String {
    escape(without_noncharacters(&clean::line(text, true))).into_owned()
}

fn without_noncharacters(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
