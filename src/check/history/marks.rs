//! Statements that a comment keeps for development: `history.dev-only`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::check::at;
use crate::layout::Migration;
use crate::sql::{DEV_ONLY, Statement, split_range};
use crate::verdict::Finding;

/// At the start of a comment's line in any case, elsewhere in capitals: "a test only runs …" is prose.
static MARK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let place = "(?:development|testing|local|test|dev)";
    let only = format!(r"{place}(?:\s*(?:/|,|&|and|or)\s*{place})*[\s-]only\b");
    let never = r"(?:do\s+not|don'?t|never)\s+(?:run|apply|execute|deploy|use)\b(?:\s+(?:this|it))?\s+(?:in|on)\s+prod(?:uction)?\b";
    let capitals = |pattern: &str| {
        let raised = pattern.replace(r"\s", "\u{1}").replace(r"\b", "\u{2}").to_uppercase();
        raised.replace('\u{1}', r"\s").replace('\u{2}', r"\b")
    };
    let (only_capitals, never_capitals) = (capitals(&only), capitals(never));
    Regex::new(&format!(r"(?m)^[\s\-/*#!=\[(]*(?i:{only}|{never})|\b(?:{only_capitals}|{never_capitals})")).ok()
});

pub(super) fn dev_only(migration: &Migration) -> Vec<Finding> {
    let up = &migration.up;
    let script = split_range(&up.text, up.body.clone());
    let mut findings = Vec::new();
    for block in blocks(&up.text, &script.comments) {
        let Some(said) = mark(&up.text[block.clone()]) else { continue };
        let under = under(&up.text, up.body.start, &block, &script.statements);
        let Some(first) = under.first() else { continue };
        let more = match under.len() - 1 {
            0 => String::new(),
            1 => " and the statement after it are".to_owned(),
            more => format!(" and the {more} statements after it are"),
        };
        let are = if more.is_empty() { " is" } else { more.as_str() };
        let statement = shortened(&up.text[first.range.clone()]);
        let message = format!("`{statement}`{are} marked as not for production, and would run there");
        findings.push(
            at(up, Some(first.range.clone()), "history.dev-only", message)
                .detail(format!("the comment says \"{said}\", and no runner reads comments"))
                .help(
                    "move it to a file outside of the set that only development runs, or, where production may run it, \
                     write `-- migd: allow history.dev-only -- why`",
                ),
        );
    }
    findings
}

/// Comments with nothing but one line's end between them, as one.
fn blocks(text: &str, comments: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    for comment in comments {
        match blocks.last_mut() {
            Some(last) if is_close(&text[last.end..comment.start]) => last.end = comment.end,
            _ => blocks.push(comment.clone()),
        }
    }
    blocks
}

/// Blank, and without an empty line.
fn is_close(between: &str) -> bool {
    between.trim().is_empty() && between.matches('\n').count() <= 1
}

/// The line of a comment that marks what is under it.
fn mark(comment: &str) -> Option<String> {
    let line = comment.lines().find(|line| {
        let bare = line.trim_start_matches(['-', '/', '*', ' ', '\t']);
        let directive = bare.get(..4).filter(|word| word.eq_ignore_ascii_case("migd")).and_then(|_| bare.get(4..));
        match directive.and_then(|rest| rest.trim_start().strip_prefix(':')) {
            Some(rest) => rest.split_whitespace().next() == Some(DEV_ONLY),
            None => MARK.as_ref().is_some_and(|mark| mark.is_match(line)),
        }
    })?;
    Some(shortened(line.trim_matches(|c: char| c.is_whitespace() || "-/*".contains(c))))
}

/// The statements that a comment is about: the one on whose line it ends or in which it stands, those that follow without
/// an empty line, or all of them where it heads the file.
fn under<'s>(text: &str, start: usize, block: &Range<usize>, statements: &'s [Statement]) -> Vec<&'s Statement> {
    let beside = statements.iter().find(|s| {
        let inside = s.range.contains(&block.start);
        let line = s.range.end <= block.start && !text[s.range.end..block.start].contains('\n');
        inside || line
    });
    if let Some(beside) = beside {
        return vec![beside];
    }
    let after: Vec<&Statement> = statements.iter().filter(|s| s.range.start >= block.end).collect();
    let Some(first) = after.first() else { return Vec::new() };
    let close = is_close(&text[block.end..first.range.start]);
    let heads = !statements.iter().any(|s| s.range.start >= start && s.range.end <= block.start);
    if heads && !close {
        return after;
    }
    let mut end = first.range.end;
    let mut found = vec![*first];
    for next in after.iter().skip(1) {
        let between = text[end..next.range.start].trim_start_matches([';', ' ', '\t', '\r']);
        if between.contains("\n\n") || between.contains("\n\r\n") || between.contains("--") || !close {
            break;
        }
        end = next.range.end;
        found.push(next);
    }
    found
}

/// On one line, and not long.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(70) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line,
    }
}
