//! Whether down brings the schema back, and up can then be applied again: `revert.*`.

use super::apply::{failure, left_open, outside};
use super::{Check, Subject, at, newer, slips};
use crate::catalog::{Change, Difference, Grade};
use crate::layout::Source;
use crate::trace::{Cause, Failure};
use crate::verdict::{Counterexample, Finding, Severity};

/// How many differences a finding lists; the rest is counted.
const LISTED: usize = 12;

/// Up, down, up.
pub(super) struct Revert;

impl Check for Revert {
    fn migration(&self, subject: &Subject<'_>) -> Vec<Finding> {
        if !subject.up.is_some_and(|up| up.ok() && !up.left_open) || !subject.has_downs {
            return Vec::new();
        }
        let Some(down) = &subject.migration.down else {
            // What is wrong with it is said already.
            if subject.migration.down_unread {
                return Vec::new();
            }
            let message = format!("migration {} has no down", subject.migration.version);
            let help = "write one, or set `\"revert.missing\" = \"off\"` under [checks] in migd.toml";
            return vec![at(&subject.migration.up, None, "revert.missing", message).help(help)];
        };
        let Some(run) = subject.down else { return Vec::new() };
        let mut findings = Vec::new();
        if let Some(why) = &run.failure {
            let mut finding = failure(down, why);
            // What migd's role may not is no fault of the down.
            if finding.code != "apply.permission" {
                finding.code = "revert.fails".to_owned();
            }
            finding.message = format!("down fails: {}", finding.message);
            if let Some(help) = undoing(why).filter(|_| !is_explained(down, why)) {
                finding.help = Some(help.to_owned());
            }
            if let Cause::Server(error) = &why.cause {
                finding.help = slips::index(error, &subject.migration.up.text).or(finding.help);
            }
            outside(&mut finding, subject);
            findings.push(finding);
            return findings;
        }
        findings.extend(left_open(down, run));
        if let Some(stuck) = subject.rows.and_then(|rows| rows.stuck.as_ref()) {
            let mut finding = failure(down, &stuck.failure);
            finding.code = "revert.fails".to_owned();
            let fails_with = std::mem::take(&mut finding.message);
            finding.message = format!("down fails over rows that up leaves alone: {fails_with}");
            finding.help = Some(
                "let down mend or fill such rows first, or say that it is not meant to run over rows: \
                 `-- migd: allow revert.fails -- why`"
                    .to_owned(),
            );
            let setup = stuck.setup.iter().map(|statement| format!("{statement};")).collect();
            finding.counterexample = Some(Counterexample { setup, fails_with, recipes: Vec::new() });
            findings.push(finding);
        }
        let of_grade = |grade| -> Vec<&Difference> {
            subject.after_down.iter().filter(|difference| difference.grade == grade).collect()
        };
        let [behaviour, annotations, cosmetic] = [Grade::Behaviour, Grade::Annotation, Grade::Cosmetic].map(of_grade);
        let mut lost = list(&behaviour, "after down");
        let again = again(subject);
        // An up that fails over what down left behind has one cause, and is one finding.
        if !behaviour.is_empty() {
            lost.extend(again.iter().map(|finding| finding.message.clone()));
        }
        if run.statements.is_empty() && !behaviour.is_empty() {
            let finding = at(down, None, "revert.no-op", "down does nothing, and up changed the schema".to_owned());
            findings.push(finding.detail(lost.join("\n")).help("write the statements that undo up"));
        } else if !behaviour.is_empty() {
            let finding = at(down, None, "revert.schema-mismatch", "down leaves another schema".to_owned());
            let help = "make down undo exactly what up does; if that is impossible, let it raise an exception";
            findings.push(finding.detail(lost.join("\n")).help(help));
        }
        if !annotations.is_empty() {
            let message = "down leaves another comment, one that tools act upon".to_owned();
            let mut finding = at(down, None, "revert.cosmetic", message);
            finding.severity = Severity::Warning;
            let help = "write the COMMENT ON that was there before into down";
            findings.push(finding.detail(list(&annotations, "after down").join("\n")).help(help));
        }
        if !cosmetic.is_empty() {
            let message = "down brings the schema back in another shape".to_owned();
            findings.push(at(down, None, "revert.cosmetic", message).detail(list(&cosmetic, "after down").join("\n")));
        }
        if behaviour.is_empty() {
            findings.extend(again);
        }
        // The rows of a table that is left behind are said with it.
        let stays = |line: &&String| {
            let of = |object: &String| line.strip_prefix(object.as_str()).is_some_and(|rest| rest.starts_with(':'));
            subject.after_down.iter().any(|difference| difference.change == Change::Added && of(&difference.object))
        };
        let rows: Vec<&str> = subject.rows_after_down.iter().filter(|line| !stays(line)).map(String::as_str).collect();
        if !rows.is_empty() {
            let message = "down leaves other rows than the chain had inserted before".to_owned();
            let help = "bring them back in down, or accept it: `-- migd: allow revert.rows-lost -- why`";
            let detail = rows.join("\n");
            findings.push(at(down, None, "revert.rows-lost", message).detail(detail).help(help));
        }
        findings
    }
}

/// What up does the second time.
fn again(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(again) = subject.again else { return Vec::new() };
    let up = &subject.migration.up;
    if let Some(why) = &again.failure {
        let mut finding = failure(up, why);
        finding.code = "revert.reapply".to_owned();
        // The same statement over the same schema ended the first time: it is this machine that was slower.
        if matches!(why.cause, Cause::Timeout(_)) && subject.after_down.is_empty() {
            finding.severity = Severity::Note;
            finding.message = format!("up was not seen to its end after down: {}", finding.message);
            finding.detail = Some("it ended the first time, over the same schema: the machine is busy".to_owned());
            return vec![finding.help("judge it again, or raise `limits.statement` in migd.toml")];
        }
        finding.message = format!("up cannot be applied again after down: {}", finding.message);
        if let Some(help) = doing_again(why) {
            finding.help = Some(help.to_owned());
        }
        outside(&mut finding, subject);
        return vec![finding];
    }
    // What down left behind is said already; only what is new is said here.
    let new: Vec<_> = subject
        .after_again
        .iter()
        .filter(|difference| difference.grade == Grade::Behaviour)
        .filter(|difference| !subject.after_down.iter().any(|before| before.object == difference.object))
        .collect();
    if new.is_empty() {
        return Vec::new();
    }
    let message = "up, applied again after down, makes another schema".to_owned();
    vec![at(up, None, "revert.reapply", message).detail(list(&new, "after up, down, up").join("\n"))]
}

/// What a server's refusal is about, where it is that something is there or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// What is named is not there.
    Missing,
    /// What is made is there already.
    There,
    /// What is dropped is needed by something else.
    Needed,
}

fn presence(failure: &Failure) -> Option<Presence> {
    let Cause::Server(error) = &failure.cause else { return None };
    match error.sqlstate.as_str() {
        "42P01" | "42703" | "42704" | "42883" | "3F000" => Some(Presence::Missing),
        "42P06" | "42P07" | "42701" | "42710" | "42723" => Some(Presence::There),
        "2BP01" => Some(Presence::Needed),
        _ => None,
    }
}

/// Whether it fails for what only newer servers have, or for a slip: that is said already.
fn is_explained(source: &Source, failure: &Failure) -> bool {
    let Cause::Server(error) = &failure.cause else { return false };
    let statement = failure.range.clone().and_then(|range| source.text.get(range)).unwrap_or_default();
    !error.meant.is_empty() || newer::advice(error, statement).or_else(|| slips::advice(error, statement)).is_some()
}

/// The way out for a down that the server refuses. What helps an up (`setup_sql`, CASCADE) does not help here: up has just
/// run, so that everything is there that down can rely on.
fn undoing(failure: &Failure) -> Option<&'static str> {
    presence(failure).map(|presence| match presence {
        Presence::Missing => {
            "it is not there at this point: let down undo only what up does, in the reverse order (what belongs to a table or \
             column that was dropped is gone with it)"
        }
        Presence::There => "up has not taken it away: let down make only what up drops, once",
        Presence::Needed => {
            "drop what depends on it first, if up made that too: down undoes up in the reverse order. CASCADE would \
             take along whatever else depends on it, and leave another schema"
        }
    })
}

/// The way out for an up that is refused after its down.
fn doing_again(failure: &Failure) -> Option<&'static str> {
    match presence(failure)? {
        Presence::Missing => Some("down has taken away what up does not make: let down undo only what up does"),
        Presence::There => Some("down has left it behind: let down drop it too"),
        Presence::Needed => None,
    }
}

/// The differences in words, one a line.
fn list(differences: &[&Difference], when: &str) -> Vec<String> {
    let words = |difference: &&Difference| match difference.change {
        Change::Missing => format!("{}: missing {when}", difference.object),
        Change::Added => format!("{}: left behind {when}", difference.object),
        Change::Changed => format!("{} {when}", difference.words),
    };
    let mut lines: Vec<String> = differences.iter().take(LISTED).map(words).collect();
    if differences.len() > LISTED {
        lines.push(format!("and {} more", differences.len() - LISTED));
    }
    lines
}
