//! Text for people, as compilers write it: what, where, the source with the place marked, why, and the way out.
//!
//! The drawing is annotate-snippets'. Its decoration stays ASCII, ` --> path:line:column`, in any terminal: that is what
//! editors and terminals turn into links.

use annotate_snippets::renderer::{DEFAULT_LINE_NUM_STYLE, DecorStyle};
use annotate_snippets::{AnnotationKind, Group, Level, Message, Renderer, Snippet};
use anstyle::{AnsiColor, Style};

use super::summary::{self, paint};
use super::table;
use super::{SEVERITIES, Terminal, audit, clean, counted, outcome_of_rows, snippet, standing, with_semicolon, wrap};
use crate::verdict::{Counterexample, Finding, Mode, Outcome, Report, Severity, Verdict};

/// Findings that are shown of one set; the rest is counted.
const SHOWN: usize = 50;
/// Findings of an audit that are each shown in full; of more, one of each code is, and places of the others.
const AUDITED: usize = 12;
/// Places that are listed of one code.
const PLACES: usize = 10;
/// Migrations that are named of those of which the same is said.
const NAMED: usize = 60;
/// Characters that are shown of one message.
const TITLE: usize = 600;
/// Lines that are shown of one reason; the rest is counted.
const REASON_LINES: usize = 16;
/// Rows that are shown of one counterexample.
const ROWS: usize = 12;

/// Every finding in full, then a line for each set. A set that passes is its line alone.
pub(super) fn render(report: &Report, terminal: &Terminal) -> String {
    let mut out = String::new();
    for verdict in report.verdicts.iter().filter(|verdict| verdict.outcome != Outcome::Pass) {
        findings(verdict, terminal, &mut out);
    }
    for verdict in &report.verdicts {
        assumptions(verdict, terminal, &mut out);
    }
    for verdict in report.verdicts.iter().filter(|verdict| verdict.mode == Mode::All) {
        let table = table::text(verdict, terminal);
        if report.verdicts.len() > 1 && !table.is_empty() {
            out.push_str(&format!("{}\n", clean::line(&verdict.set, terminal.unicode)));
        }
        out.push_str(&table);
    }
    for verdict in &report.verdicts {
        let line = summary::line(verdict, terminal);
        // What passes is one line, however wide.
        let is_whole = terminal.width == 0 || verdict.outcome == Outcome::Pass;
        out.push_str(&if is_whole { line } else { wrap::parts(&line, terminal.dot(), terminal.columns()) });
        out.push('\n');
    }
    if report.verdicts.is_empty() {
        out.push_str(&summary::nothing(report, terminal));
        out.push('\n');
    }
    match report.outcome {
        Outcome::Pass => {}
        Outcome::Warn | Outcome::Fail => explain(report, terminal, &mut out),
        Outcome::Error => {
            explain(report, terminal, &mut out);
            if report.mode == Mode::Staged {
                out.push_str(AROUND);
            }
        }
    }
    out
}

/// What to say when a commit waits for a verdict that cannot be had.
const AROUND: &str = "\
migd could not judge, so nothing is known about this migration. To commit without a verdict:
  MIGD=0 git commit ...       without migd, once
  git commit --no-verify      without any hook, once
";

fn findings(verdict: &Verdict, terminal: &Terminal, out: &mut String) {
    let (accepted, standing): (Vec<&Finding>, Vec<&Finding>) =
        verdict.findings.iter().partition(|f| f.suppressed_by.is_some());
    let assumed = |finding: &&&Finding| {
        let by = finding.suppressed_by.as_deref().unwrap_or_default();
        verdict.assumptions.iter().any(|own| by.strip_prefix(&own.path) == Some(&format!(":{}", own.line)))
    };
    if verdict.mode == Mode::All && standing.len() > AUDITED {
        by_code(verdict, &standing, terminal, out);
    } else {
        for finding in standing.iter().take(SHOWN) {
            out.push_str(&one(finding, terminal));
            out.push_str("\n\n");
        }
    }
    if standing.len() > SHOWN && verdict.mode != Mode::All {
        let more = standing.len() - SHOWN;
        out.push_str(&format!("{more} more findings: migd check --format json shows all of them\n\n"));
    }
    let accepted: Vec<&&Finding> = accepted.iter().filter(|finding| !assumed(finding)).collect();
    for finding in &accepted {
        out.push_str(&suppressed(finding, terminal));
        out.push('\n');
    }
    if !accepted.is_empty() {
        out.push('\n');
    }
}

/// For each code the first finding in full, the other migrations of which it says the same, and the places of the others, a
/// line each.
fn by_code(verdict: &Verdict, standing: &[&Finding], terminal: &Terminal, out: &mut String) {
    let mut codes: Vec<(Severity, &str)> = Vec::new();
    for finding in standing {
        let code = (finding.severity, finding.code.as_str());
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    for (severity, code) in codes {
        let all: Vec<&Finding> =
            standing.iter().copied().filter(|f| f.severity == severity && f.code == code).collect();
        let groups = audit::alike(&all, verdict);
        let Some((first, others)) = groups.split_first() else { continue };
        out.extend(first.first().map(|finding| one(finding, terminal) + "\n"));
        out.push_str(&likewise(&first[1..], verdict, terminal));
        let more: usize = others.iter().map(Vec::len).sum();
        if more > 0 {
            let code = clean::line(code, terminal.unicode);
            out.push_str(&format!("{} of {code}:\n", counted(more, "more finding")));
        }
        for group in others.iter().take(PLACES) {
            out.extend(group.first().map(|finding| place(finding, terminal)));
            out.push_str(&likewise(&group[1..], verdict, terminal));
        }
        let more: usize = others.iter().skip(PLACES).map(Vec::len).sum();
        if more > 0 {
            out.push_str(&format!("  {} {more} more: migd check --all --format json shows all\n", terminal.ellipsis()));
        }
        out.push('\n');
    }
}

/// The migrations of which the same is said: `the same of 57 more: 0002_users, 0003_orders, …`
fn likewise(findings: &[&Finding], verdict: &Verdict, terminal: &Terminal) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut names = audit::names(findings, verdict);
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let rest = if more > 0 { format!(" and {more} more (migd check --all --format json)") } else { String::new() };
    let text = format!("the same of {} more: {}{rest}", findings.len(), names.join(", "));
    let options = textwrap::Options::new(terminal.columns()).subsequent_indent("    ").break_words(false);
    let options = options.word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(&clean::line(&text, terminal.unicode), options.initial_indent("  ")) + "\n"
}

/// `  migrations/0042.up.sql:3  orders_user_fk`: where, and as much of what as there is room for.
fn place(finding: &Finding, terminal: &Terminal) -> String {
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let path = format!("{}{line}", finding.path.as_deref().unwrap_or("-"));
    let path = clean::line(&path, terminal.unicode);
    let column = match finding.columns.as_slice() {
        [column] => format!(".{column}"),
        _ => String::new(),
    };
    let about = match (&finding.constraint, &finding.table) {
        (Some(constraint), _) => constraint.clone(),
        (None, Some(table)) => format!("{table}{column}"),
        (None, None) => finding
            .detail
            .as_deref()
            .and_then(|detail| detail.lines().next())
            .map_or_else(|| finding.message.clone(), str::to_owned),
    };
    let room = terminal.columns().saturating_sub(path.chars().count() + 4);
    let about = clean::line(&about, terminal.unicode);
    // A path is never cut: terminals and editors open it.
    let about = if room < 8 { String::new() } else { format!("  {}", table::cut(&about, room, terminal)) };
    format!("  {path}{about}\n")
}

/// `assumed[data.unique(users.email)]: deduplicated by hand, by migrations/0042.up.sql:1`, and the query that counts what
/// would break it, to be copied.
fn assumptions(verdict: &Verdict, terminal: &Terminal, out: &mut String) {
    for own in &verdict.assumptions {
        let word = paint("assumed", AnsiColor::BrightGreen.on_default().bold(), terminal);
        let target = own.target.as_ref().map(|target| format!("({target})")).unwrap_or_default();
        let until = own.until.as_ref().map(|day| format!(" until {day}")).unwrap_or_default();
        let what = clean::line(&format!("{}{target}", own.code), terminal.unicode);
        let why = format!("{}{until}, by {}:{}", own.reason, own.path, own.line);
        out.push_str(&format!("{word}[{what}]: {}\n", clean::line(&why, terminal.unicode)));
        if let Some(query) = &own.query {
            out.push_str(&format!("  to count what would break it: {};\n", clean::block(query, terminal.unicode)));
        }
    }
    if !verdict.assumptions.is_empty() {
        out.push('\n');
    }
}

/// Where the worst finding is explained, as one line.
fn explain(report: &Report, terminal: &Terminal, out: &mut String) {
    let worst = SEVERITIES.into_iter().find_map(|severity| standing(report).find(|(_, f)| f.severity == severity));
    if let Some((_, finding)) = worst {
        let command = format!("migd explain {}", clean::line(&finding.code, terminal.unicode));
        out.push_str(&format!("for more about this: {}\n", paint(&command, Style::new().bold(), terminal)));
    }
}

/// `accepted[data.unique]: migrations/0042.up.sql:3, by migrations/0042.up.sql:1`
fn suppressed(finding: &Finding, terminal: &Terminal) -> String {
    let word = paint("accepted", AnsiColor::BrightGreen.on_default().bold(), terminal);
    let code = clean::line(&finding.code, terminal.unicode);
    let what = match (&finding.path, finding.line) {
        (Some(path), Some(line)) => format!("{path}:{line}"),
        (Some(path), None) => path.clone(),
        (None, _) => finding.message.clone(),
    };
    let by = finding.suppressed_by.as_deref().unwrap_or_default();
    format!("{word}[{code}]: {}", clean::line(&format!("{what}, by {by}"), terminal.unicode))
}

/// One finding, without a line feed at its end.
fn one(finding: &Finding, terminal: &Terminal) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let code = clean::line(&finding.code, terminal.unicode);
    let mut title = title(finding, terminal);
    let mut rest = String::new();
    if terminal.width > 0 {
        // `error[code]: `, and then the message: further lines of it are not the library's to draw.
        let taken = finding.severity.as_str().len() + code.len() + 4;
        let mut lines = wrap::title(&title, taken, terminal.columns()).into_iter();
        title = lines.next().unwrap_or_default();
        lines.for_each(|line| rest.push_str(&format!("\n{}", paint(&line, Style::new().bold(), terminal))));
    }
    let title = level.primary_title(title).id(code);
    let excerpt = snippet::excerpt(finding, terminal);
    let indent = excerpt.as_ref().map_or(0, |excerpt| excerpt.last_line().to_string().len());
    let mut group = Group::with_title(title);
    if let Some(excerpt) = excerpt {
        let mark = AnnotationKind::Primary.span(excerpt.mark);
        group = group.element(Snippet::source(excerpt.text).line_start(excerpt.first_line).annotation(mark));
    }
    let drawn = renderer(terminal).render(&[group.elements(notes(finding, indent, terminal))]);
    // The library would count the column in the lines it is given, which are cut and have no tabs.
    let (title, body) = drawn.split_once('\n').map_or((drawn.as_str(), None), |(title, body)| (title, Some(body)));
    let origin = origin(finding, indent.max(1), terminal).map(|origin| format!("\n{origin}")).unwrap_or_default();
    let body = body.map(|body| format!("\n{body}")).unwrap_or_default();
    format!("{title}{rest}{origin}{body}")
}

/// The message, in one line, not longer than a screen can take.
fn title(finding: &Finding, terminal: &Terminal) -> String {
    let mut message = clean::line(&finding.message, terminal.unicode);
    if let Some((end, _)) = message.char_indices().nth(TITLE) {
        message.truncate(end);
        message.push_str(terminal.ellipsis());
    }
    message
}

/// ` --> path:line:column`
fn origin(finding: &Finding, indent: usize, terminal: &Terminal) -> Option<String> {
    let path = clean::line(finding.path.as_deref()?, terminal.unicode);
    let place = match (finding.line, finding.column) {
        (Some(line), Some(column)) => format!(":{line}:{column}"),
        (Some(line), None) => format!(":{line}"),
        (None, _) => String::new(),
    };
    let arrow = paint("-->", DEFAULT_LINE_NUM_STYLE, terminal);
    Some(format!("{}{arrow} {path}{place}", " ".repeat(indent)))
}

fn renderer(terminal: &Terminal) -> Renderer {
    let renderer = if terminal.color { Renderer::styled() } else { Renderer::plain() };
    // Lines are cut before, to the same width: the slack keeps the library from cutting again.
    renderer.hyperlink(false).decor_style(DecorStyle::Ascii).term_width(terminal.columns() + 16)
}

/// The lines behind `= `: SQLSTATE, detail, rows, help. `indent` is the width of the line numbers.
fn notes(finding: &Finding, indent: usize, terminal: &Terminal) -> Vec<Message<'static>> {
    let mut out = Vec::new();
    let room = |label: &str| {
        // "  = label: "
        let taken = indent + 3 + label.len() + 2;
        terminal.columns().saturating_sub(taken).max(16)
    };
    let mut note = |label: &'static str, text: String| out.push(Level::NOTE.with_name(label).message(text));
    if let Some(sqlstate) = &finding.sqlstate {
        note("sqlstate", clean::line(sqlstate, terminal.unicode));
    }
    if let Some(detail) = finding.detail.as_deref().filter(|detail| !detail.trim().is_empty()) {
        note("detail", wrapped(&clean::block(detail, terminal.unicode), room("detail"), terminal));
    }
    if let Some(example) = &finding.counterexample {
        note("rows", rows(example, outcome_of_rows(finding), room("rows"), terminal));
    }
    if let Some(help) = finding.help.as_deref().filter(|help| !help.trim().is_empty()) {
        note("help", wrapped(&clean::block(help, terminal.unicode), room("help"), terminal));
    }
    out
}

/// The rows as statements that can be copied, then what the server says.
fn rows(example: &Counterexample, outcome: &str, room: usize, terminal: &Terminal) -> String {
    let mut lines = vec![wrapped(&format!("the schema before accepts these, and {outcome}:"), room, terminal)];
    let row = |row: &String| {
        let row = clean::block(&with_semicolon(row), terminal.unicode);
        if terminal.width == 0 { row } else { wrap::sql(&row, room) }
    };
    lines.extend(example.setup.iter().take(ROWS).map(row));
    if example.setup.len() > ROWS {
        lines.push(format!("-- and {} more", example.setup.len() - ROWS));
    }
    lines.push(wrapped(&clean::block(&example.fails_with, terminal.unicode), room, terminal));
    lines.join("\n")
}

/// Cleaned text, wrapped at words, not longer than a screen can take.
fn wrapped(text: &str, width: usize, terminal: &Terminal) -> String {
    let options = textwrap::Options::new(width).break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation);
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n').take(REASON_LINES + 1) {
        let indent: String = line.chars().take_while(|c| *c == ' ').take(width / 2).collect();
        // What is indented is a statement: a text in it must stay whole.
        if indent.len() > 1 && line.contains('\'') {
            let room = width.saturating_sub(indent.len());
            lines.extend(wrap::sql(line.trim_start(), room).split('\n').map(|piece| format!("{indent}{piece}")));
            continue;
        }
        let options = options.clone().subsequent_indent(&indent);
        lines.extend(wrap::words(line, options));
    }
    let all = text.split('\n').count();
    if all > REASON_LINES + 1 || lines.len() > 2 * REASON_LINES {
        lines.truncate(REASON_LINES);
        lines.push(format!("{} migd check --format json shows all of it", terminal.ellipsis()));
    }
    lines.join("\n")
}
