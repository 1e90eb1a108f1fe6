//! `migd explain [CODE]`: what a finding means, an example that runs, and what to do.

use anstyle::{AnsiColor, Style};

use crate::check::codes::{CODES, Code, code, suggest};
use crate::render::{Terminal, line};
use crate::verdict::Severity;

/// Text is not made wider than this, however wide the terminal is.
const MEASURE: usize = 96;

/// There is no such code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no finding code `{name}`")]
pub struct UnknownCode {
    /// What was asked for, safe to print.
    pub name: String,
    /// The code that was most likely meant.
    pub suggestion: Option<&'static str>,
}

impl UnknownCode {
    /// What to do now.
    pub fn hint(&self) -> String {
        match self.suggestion {
            Some(name) => format!("did you mean `{name}`? `migd explain` lists all codes"),
            None => "`migd explain` lists all codes".to_owned(),
        }
    }
}

/// The explanation of one code; a list of the codes of one family, where `name` is a family; without a name, of all.
pub fn explain(name: Option<&str>, terminal: &Terminal) -> Result<String, UnknownCode> {
    let Some(name) = name else {
        return Ok(list(|_| true, terminal));
    };
    if let Some(code) = code(name) {
        return Ok(one(code, terminal));
    }
    let family = name.strip_suffix(".*").unwrap_or(name);
    if CODES.iter().any(|code| code.family() == family) {
        return Ok(list(|code| code.family() == family, terminal));
    }
    Err(UnknownCode { name: line(name, terminal.unicode), suggestion: suggest(name).map(|code| code.name) })
}

/// What each family is about.
pub(super) fn family(name: &str) -> &'static str {
    match name {
        "apply" => "the chain, or a staged migration, does not apply on a fresh database",
        "config" => "the configuration or the repository cannot be used",
        "daemon" => "the daemon that judges cannot be had",
        "data" => "rows that the schema before accepts make the migration fail",
        "design" => "a constraint or an index is missing",
        "engine" => "there is no server to judge with",
        "history" => "what a migration's place among the others gives away",
        "loss" => "rows or values are gone afterwards",
        "revert" => "down does not take back what up did",
        "scenario" => "something is not as the user's own cases say",
        "suppress" => "what was accepted in a migration file",
        _ => "",
    }
}

fn list(wanted: impl Fn(&Code) -> bool, terminal: &Terminal) -> String {
    let codes: Vec<&Code> = CODES.iter().filter(|code| wanted(code)).collect();
    let longest = codes.iter().map(|code| code.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for group in codes.chunk_by(|a, b| a.family() == b.family()) {
        let Some(first) = group.first() else { continue };
        if !out.is_empty() {
            out.push('\n');
        }
        let head = bold(first.family(), terminal);
        out.push_str(&format!("{head}: {}\n", family(first.family())));
        for code in group {
            let severity = severity(code.severity, terminal);
            let pad = " ".repeat("warning".len() - code.severity.as_str().len() + 2);
            let start = format!("  {:longest$}  {severity}{pad}", code.name);
            let indent = 2 + longest + 2 + "warning".len() + 2;
            out.push_str(&start);
            out.push_str(&hanging(code.summary, indent, terminal));
            out.push('\n');
        }
    }
    out
}

/// `text`, wrapped behind `indent` columns that are taken already; below, where there is no room beside.
fn hanging(text: &str, indent: usize, terminal: &Terminal) -> String {
    let columns = terminal.columns();
    if columns < indent + 24 {
        let lines = textwrap::wrap(text, columns - 4);
        return lines.iter().map(|line| format!("\n    {line}")).collect();
    }
    textwrap::wrap(text, columns - indent).join(&format!("\n{}", " ".repeat(indent)))
}

fn one(code: &Code, terminal: &Terminal) -> String {
    let severity = severity(code.severity, terminal);
    let mut out = format!("{severity}[{}]: {}\n", bold(code.name, terminal), code.summary);
    markdown(code.explain, terminal, &mut out);
    out
}

/// The Markdown of our own explanations (headings, paragraphs, fenced blocks) as a terminal shows it best.
fn markdown(text: &str, terminal: &Terminal, out: &mut String) {
    let width = terminal.columns().min(MEASURE);
    let mut paragraph = String::new();
    let (mut fenced, mut heading_before) = (false, false);
    for line in text.lines().chain([""]) {
        if let Some(info) = line.strip_prefix("```") {
            fenced = !fenced;
            if fenced && !heading_before {
                out.push('\n');
            }
            heading_before = false;
            if let Some(caption) = caption(info).filter(|_| fenced) {
                out.push_str(&format!("    {caption}\n"));
            }
        } else if fenced {
            let indented = if line.is_empty() { String::new() } else { format!("    {line}") };
            out.push_str(&indented);
            out.push('\n');
        } else if let Some(heading) = line.strip_prefix("## ") {
            out.push_str(&format!("\n{}\n", bold(heading, terminal)));
            heading_before = true;
        } else if line.is_empty() {
            if !paragraph.is_empty() {
                // No blank line between a heading and its text.
                if !heading_before {
                    out.push('\n');
                }
                heading_before = false;
                out.push_str(&textwrap::fill(&paragraph, width));
                out.push('\n');
                paragraph.clear();
            }
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line);
        }
    }
}

/// What the words of a fence say.
fn caption(info: &str) -> Option<&'static str> {
    match info {
        "sql setup" => Some("-- the schema before"),
        "sql bad" => Some("-- reported"),
        "sql good" => Some("-- repaired"),
        _ => None,
    }
}

fn severity(severity: Severity, terminal: &Terminal) -> String {
    let color = match severity {
        Severity::Error => AnsiColor::BrightRed,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Note => AnsiColor::BrightGreen,
    };
    styled(severity.as_str(), color.on_default().bold(), terminal)
}

fn bold(text: &str, terminal: &Terminal) -> String {
    styled(text, Style::new().bold(), terminal)
}

fn styled(text: &str, style: Style, terminal: &Terminal) -> String {
    if terminal.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Terminal = Terminal { width: 80, ..Terminal::PLAIN };

    #[test]
    fn a_code_is_explained_in_four_sections() {
        insta::assert_snapshot!(explain(Some("revert.no-op"), &PLAIN).unwrap());
    }

    #[test]
    fn without_a_code_all_are_listed_by_family() {
        let all = explain(None, &PLAIN).unwrap();
        for code in CODES {
            assert!(all.contains(&format!("  {} ", code.name)), "{}", code.name);
        }
        assert!(all.starts_with("apply: the chain"));
    }

    #[test]
    fn a_family_lists_its_codes() {
        insta::assert_snapshot!(explain(Some("suppress"), &Terminal { width: 72, ..PLAIN }).unwrap(), @"
        suppress: what was accepted in a migration file
          suppress.expired    error    a finding was accepted until a day that
                                       has passed
          suppress.malformed  error    a migd directive cannot be read
          suppress.unknown    error    a directive names a code or an object
                                       that does not exist
          suppress.unused     warning  a directive accepts a finding that is not
                                       there
        ");
        assert_eq!(explain(Some("suppress.*"), &PLAIN), explain(Some("suppress"), &PLAIN));
    }

    #[test]
    fn every_family_says_what_it_is_about() {
        for code in CODES {
            assert!(!family(code.family()).is_empty(), "{}", code.family());
        }
    }

    #[test]
    fn text_keeps_to_the_terminal_but_for_code() {
        let narrow = Terminal { width: 40, ..PLAIN };
        for code in CODES {
            for line in one(code, &narrow).lines().skip(1).filter(|line| !line.starts_with("    ")) {
                assert!(line.chars().count() <= 40 || !line.contains(' '), "{}: {line}", code.name);
            }
        }
        for line in explain(None, &narrow).unwrap().lines().filter(|line| line.starts_with("    ")) {
            assert!(line.chars().count() <= 40, "{line}");
        }
    }

    #[test]
    fn an_unknown_code_is_an_error_that_names_the_nearest() {
        let error = explain(Some("revert.mising"), &PLAIN).unwrap_err();
        assert_eq!(error.to_string(), "there is no finding code `revert.mising`");
        assert_eq!(error.hint(), "did you mean `revert.missing`? `migd explain` lists all codes");
        assert_eq!(explain(Some("\u{1b}[31m"), &PLAIN).unwrap_err().name, "^[[31m");
    }

    #[test]
    fn colours_are_used_only_where_there_are_any() {
        assert!(!explain(Some("apply.error"), &PLAIN).unwrap().contains('\u{1b}'));
        assert!(explain(Some("apply.error"), &Terminal { color: true, ..PLAIN }).unwrap().contains('\u{1b}'));
    }
}
