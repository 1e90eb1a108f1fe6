//! HTML: one page that stands alone, with neither scripts nor anything from elsewhere.

use quick_xml::escape::escape;

use super::{SEVERITIES, audit, clean, counted, duration, outcome_of_rows, summary, table, with_semicolon};
use crate::verdict::{Finding, Mode, Report, Verdict};

/// Findings of an audit that are not folded.
const AUDITED: usize = 12;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
pre{background:#f6f8fa;padding:.6rem .8rem;overflow:auto}code,pre{font:13px/1.45 ui-monospace,monospace}
table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.2rem .8rem;border-bottom:1px solid #d0d7de}
.n{text-align:right;white-space:nowrap}summary{cursor:pointer;padding:.2rem 0}
article{border-left:4px solid #8c959f;padding:.1rem 1rem;margin:1rem 0}
.error,.fail{border-color:#cf222e;color:#cf222e}.warning,.warn{border-color:#9a6700;color:#9a6700}.pass{color:#1a7f37}
article>*{color:#1b1f24}@media(prefers-color-scheme:dark){body,article>*{color:#e6edf3;background:#0d1117}pre{background:#161b22}}";

/// A section for each set.
pub(super) fn render(report: &Report) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>migd: {0}</title>\n<style>\n{STYLE}\n</style>\n\
         </head>\n<body>\n<h1>migd: <span class=\"{0}\">{0}</span></h1>\n<p>{1} · {2} · {3}</p>\n",
        report.outcome.as_str(),
        inline(&report.repo),
        report.mode.as_str(),
        duration(report.elapsed_ms),
    );
    if report.verdicts.is_empty() {
        out.push_str("<p>No migration to judge.</p>\n");
    }
    for verdict in &report.verdicts {
        section(verdict, &mut out);
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn section(verdict: &Verdict, out: &mut String) {
    let outcome = verdict.outcome.as_str();
    out.push_str(&format!("<section>\n<h2>{} <span class=\"{outcome}\">{outcome}</span></h2>\n", inline(&verdict.set)));
    let mut facts: Vec<String> = SEVERITIES
        .into_iter()
        .filter(|severity| verdict.count(*severity) > 0)
        .map(|severity| counted(verdict.count(severity), severity.as_str()))
        .collect();
    facts.push(duration(verdict.elapsed_ms));
    facts.extend(summary::server(verdict).map(|server| inline(&server)));
    out.push_str(&format!("<p>{}</p>\n", facts.join(" · ")));
    if !verdict.migrations.is_empty() {
        let facts = if verdict.mode == Mode::All { audit::facts(verdict) } else { Vec::new() };
        if !facts.is_empty() {
            out.push_str("<table>\n");
            for (name, text) in facts {
                out.push_str(&format!("<tr><th>{name}</th><td>{}</td></tr>\n", inline(&text)));
            }
            out.push_str("</table>\n");
        }
        let heads = ["migration", "up", "down", "created, changed, dropped", "reversible", "repeatable", "found"];
        let heads: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
        out.push_str(&format!("<table>\n<tr>{heads}</tr>\n"));
        let time = |ms: Option<f64>| ms.map(duration).unwrap_or_default();
        for migration in &verdict.migrations {
            out.push_str(&format!(
                "<tr><td><code>{}</code></td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td>\
                 <td>{}</td><td>{}</td></tr>\n",
                inline(&summary::label(migration)),
                time(migration.up_ms),
                time(migration.down_ms),
                inline(&table::in_words(migration)),
                summary::reversible(migration.reversible),
                table::repeatable(migration),
                audit::found(migration, verdict),
            ));
        }
        out.push_str("</table>\n");
    }
    if verdict.mode == Mode::All && verdict.findings.len() > AUDITED {
        by_code(verdict, out);
    } else {
        verdict.findings.iter().for_each(|finding| one(finding, out));
    }
    out.push_str("</section>\n");
}

/// Folded, a section for each code; what was accepted at the end.
fn by_code(verdict: &Verdict, out: &mut String) {
    for (severity, code, n) in audit::codes(verdict) {
        let (word, count) = (severity.as_str(), counted(n, severity.as_str()));
        out.push_str(&format!(
            "<details>\n<summary><span class=\"{word}\">{count}</span> <code>{}</code></summary>\n",
            inline(code)
        ));
        let own = |f: &&Finding| f.suppressed_by.is_none() && f.severity == severity && f.code == code;
        let own: Vec<&Finding> = verdict.findings.iter().filter(own).collect();
        for group in audit::alike(&own, verdict) {
            group.iter().take(1).for_each(|finding| one(finding, out));
            let names: Vec<String> = audit::names(&group[1..], verdict);
            let names: Vec<String> = names.iter().map(|name| format!("<code>{}</code>", inline(name))).collect();
            if !names.is_empty() {
                out.push_str(&format!("<p>The same of {} more: {}</p>\n", names.len(), names.join(", ")));
            }
        }
        out.push_str("</details>\n");
    }
    verdict.findings.iter().filter(|f| f.suppressed_by.is_some()).for_each(|finding| one(finding, out));
}

fn one(finding: &Finding, out: &mut String) {
    if let Some(by) = &finding.suppressed_by {
        let (code, by) = (inline(&finding.code), inline(by));
        out.push_str(&format!("<p>accepted: <code>{code}</code>, by <code>{by}</code></p>\n"));
        return;
    }
    let severity = finding.severity.as_str();
    let (code, message) = (inline(&finding.code), inline(&finding.message));
    out.push_str(&format!("<article class=\"{severity}\">\n<h3>{severity}: {message} <code>{code}</code></h3>\n"));
    if let Some(path) = &finding.path {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        out.push_str(&format!("<p><code>{}{line}</code></p>\n", inline(path)));
    }
    if let Some(source) = &finding.source {
        out.push_str(&preformatted(source));
    }
    if let Some(sqlstate) = &finding.sqlstate {
        out.push_str(&format!("<p>SQLSTATE <code>{}</code></p>\n", inline(sqlstate)));
    }
    if let Some(detail) = &finding.detail {
        out.push_str(&preformatted(detail));
    }
    if let Some(example) = &finding.counterexample {
        let rows: Vec<String> = example.setup.iter().map(|row| with_semicolon(row)).collect();
        out.push_str(&format!("<p>The schema before accepts these rows, and {}:</p>\n", outcome_of_rows(finding)));
        out.push_str(&preformatted(&rows.join("\n")));
        out.push_str(&preformatted(&example.fails_with));
    }
    if let Some(help) = &finding.help {
        // Statements have lines of their own.
        match help.contains('\n') {
            true => out.push_str(&preformatted(help)),
            false => out.push_str(&format!("<p>{}</p>\n", inline(help))),
        }
    }
    out.push_str("</article>\n");
}

fn inline(text: &str) -> String {
    escape(clean::line(text, true)).into_owned()
}

fn preformatted(text: &str) -> String {
    format!("<pre>{}</pre>\n", escape(clean::block(text, true)))
}
