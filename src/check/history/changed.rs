//! Migrations of the base that are edited, renamed or gone.

use super::View;
use crate::check::{at, default_severity};
use crate::layout::{Heed, Migration, Source};
use crate::sql::{is_blank, same_statements};
use crate::verdict::{Finding, Severity};

/// What was found, and what only has another version: it is no new migration.
pub(super) struct Changed<'a> {
    pub(super) findings: Vec<Finding>,
    pub(super) renamed: Vec<&'a str>,
}

pub(super) fn changed<'a>(view: &View<'a>) -> Changed<'a> {
    let mut found = Changed { findings: Vec::new(), renamed: Vec::new() };
    // A text that could not be read cannot be compared, and one that runs whenever it changes may change.
    let comparable = |m: &Migration| m.foreign.is_none() && !m.replaced && !m.repeatable;
    for old in view.history.base[view.shared..].iter().filter(|old| !old.repeatable) {
        match view.now.get(old.version.as_str()) {
            Some((_, new)) if comparable(old) && comparable(new) => {
                let edited = edited(view, old, new);
                let untouched = edited.is_none();
                found.findings.extend(edited);
                found.findings.extend(edited_down(view, old, new).filter(|_| untouched));
                if old.name != new.name {
                    found.findings.push(renamed(view, old, new));
                }
            }
            Some(_) => {}
            None if is_passed_over(view, old) => {}
            None => match view.history.chain.iter().find(|new| view.is_new(new) && is_copy(old, new)) {
                Some(new) => {
                    found.renamed.push(&new.version);
                    if !view.history.layout.carries_over(old, new) {
                        found.findings.push(renumbered(view, old, new));
                    }
                }
                None => found.findings.push(deleted(view, old)),
            },
        }
    }
    found
}

/// The file is there, and the runner has a reason to start behind it (a baseline).
fn is_passed_over(view: &View<'_>, old: &Migration) -> bool {
    let root = view.history.root.trim_end_matches('/');
    let relative = match root {
        "" | "." => Some(old.up.path.as_str()),
        root => old.up.path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')),
    };
    relative.is_some_and(|path| view.history.unknown.iter().any(|unknown| unknown == path))
}

fn body(migration: &Migration) -> &str {
    &migration.up.text[migration.up.body.clone()]
}

/// Whether `new` does just what `old` did.
fn is_copy(old: &Migration, new: &Migration) -> bool {
    body(old) == body(new) && !is_blank(body(old)) && new.foreign.is_none()
}

fn edited(view: &View<'_>, old: &Migration, new: &Migration) -> Option<Finding> {
    let layout = view.history.layout;
    let heed = layout.conduct().edited;
    let same = match heed {
        Heed::Ignores => body(old) == body(new) && old.up.mode == new.up.mode,
        Heed::Refuses | Heed::Warns => layout.is_same_to_checksum(&old.up, &new.up),
    };
    if same {
        return None;
    }
    let runner = view.runner();
    let cosmetic = old.up.mode == new.up.mode && same_statements(body(old), body(new));
    let message = match cosmetic {
        true => format!(
            "comments or whitespace of migration {} are edited, and production may already have it",
            new.version
        ),
        false => format!("migration {} is edited, and production may already have it", new.version),
    };
    let consequence = match (heed, cosmetic) {
        (Heed::Refuses, _) => {
            format!("a database that has run it has another checksum, and {runner} refuses to run there at all")
        }
        (Heed::Warns, true) => {
            format!("a database that has run it has another checksum, of which {runner} warns each time")
        }
        (Heed::Warns, false) => {
            format!("{runner} warns of the other checksum, and a database that has run it does not run it again")
        }
        (Heed::Ignores, true) => format!("{runner} keeps no checksum: no database notices"),
        (Heed::Ignores, false) => {
            "a database that has run it does not run it again: only new ones get the change".to_owned()
        }
    };
    let mut finding = at(&new.up, None, "history.edited", message).detail(format!("{}; {consequence}", view.origin()));
    if cosmetic {
        finding.severity = match heed {
            Heed::Refuses => finding.severity,
            Heed::Warns => Severity::Warning,
            Heed::Ignores => Severity::Note,
        };
    }
    Some(match finding.severity {
        Severity::Note => finding.help("nothing has to be done"),
        _ => finding.help(format!("{}, and write a new migration for the change", restore(view, &old.up.path))),
    })
}

/// No runner compares downs: the next revert runs the text that is there then.
fn edited_down(view: &View<'_>, old: &Migration, new: &Migration) -> Option<Finding> {
    let text = |source: &Source| source.text[source.body.clone()].to_owned();
    let version = &new.version;
    let runner = view.runner();
    let (place, message, consequence) = match (&old.down, &new.down) {
        (Some(was), Some(is)) if was.mode != is.mode || !same_statements(&text(was), &text(is)) => (
            is,
            format!("the down of migration {version} is edited, and production may already have the migration"),
            format!(
                "{runner} compares no downs: the next revert runs the new text, on databases that ran the old up too"
            ),
        ),
        (Some(_), None) if view.history.layout.has_downs() && !new.down_unread => (
            &new.up,
            format!("the down of migration {version} is gone, and production may already have the migration"),
            format!("{runner} compares no downs: the migration cannot be reverted any more"),
        ),
        _ => return None,
    };
    let mut finding = at(place, None, "history.edited", message).detail(format!("{}; {consequence}", view.origin()));
    finding.severity = Severity::Note;
    Some(finding.help("nothing has to be done: the down is judged as it is now"))
}

/// The same version with another name.
fn renamed(view: &View<'_>, old: &Migration, new: &Migration) -> Finding {
    let message = format!("migration {} is called {:?} now, and was {:?}", new.version, new.name, old.name);
    let runner = view.runner();
    let mut finding = at(&new.up, None, "history.renamed", message);
    let consequence = match view.history.layout.conduct().renamed {
        Heed::Refuses => {
            format!("a database that has run it has the old name, and {runner} refuses to run there at all")
        }
        Heed::Warns => {
            finding.severity = Severity::Warning;
            format!("{runner} warns of it on a database that has run it")
        }
        Heed::Ignores => {
            finding.severity = Severity::Note;
            format!("{runner} goes by the version alone: no database notices")
        }
    };
    let detail = format!("{}; {consequence}", view.origin());
    match finding.severity {
        Severity::Note => finding.detail(detail).help("nothing has to be done"),
        _ => finding.detail(detail).help(format!("give the file its old name: {}", old.up.path)),
    }
}

/// The same content with another version.
fn renumbered(view: &View<'_>, old: &Migration, new: &Migration) -> Finding {
    let message = format!("migration {} has become {}, and production may already have it", old.version, new.version);
    let again = match view.history.layout.conduct().deleted {
        Heed::Refuses => format!("{} refuses to run on a database that has {}", view.runner(), old.version),
        Heed::Warns | Heed::Ignores => {
            format!("to a database that has {} it is a new migration, and runs a second time", old.version)
        }
    };
    at(&new.up, None, "history.renamed", message)
        .detail(format!("{}; {again}", view.origin()))
        .help(format!("give the file its old name: {}", old.up.path))
}

fn deleted(view: &View<'_>, old: &Migration) -> Finding {
    let code = "history.deleted";
    let message = format!("migration {} is gone, and production may already have it", old.version);
    let runner = view.runner();
    let consequence = match view.history.layout.conduct().deleted {
        Heed::Refuses => format!("{runner} refuses to run on a database that has it"),
        Heed::Warns => format!("{runner} warns of it, and new databases get another schema than production"),
        Heed::Ignores => "new databases get another schema than production".to_owned(),
    };
    Finding::new(code, default_severity(code), message)
        .in_file(&old.up.path)
        .detail(format!("{}; {consequence}", view.origin()))
        .help(format!("{}; undo what it does in a new migration", restore(view, &old.up.path)))
}

fn restore(view: &View<'_>, path: &str) -> String {
    let rev = view.history.base_rev.trim_start_matches("commit ");
    format!("restore the file (`git restore --source={rev} --staged --worktree -- {path}`)")
}
