//! What a migration leaves in its session for those that its runner runs after it: `apply.session-leak`.

use super::{Check, Subject, apply, at};
use crate::catalog::{Difference, Grade};
use crate::layout::{Layout, Migration, Reach};
use crate::trace::Run;
use crate::trace::settings::{Setting, set_by};
use crate::verdict::{Finding, Severity};

const CODE: &str = "apply.session-leak";

/// How many differences are listed.
const LISTED: usize = 6;

/// The settings that decide most about the statements that follow, first.
const FIRST: [&str; 10] = [
    "search_path",
    "role",
    "session_replication_role",
    "row_security",
    "standard_conforming_strings",
    "client_encoding",
    "check_function_bodies",
    "default_tablespace",
    "statement_timeout",
    "lock_timeout",
];

/// Settings that outlive their migration.
pub(super) struct Session;

impl Check for Session {
    fn migration(&self, subject: &Subject<'_>) -> Vec<Finding> {
        let (up, layout) = (&subject.migration.up, subject.layout);
        // What stands in for a step that is not SQL has no session in production.
        if subject.migration.replaced {
            return Vec::new();
        }
        let left = reaching(layout, subject.left);
        let Some(first) = left.first() else { return Vec::new() };
        let names: Vec<&str> = left.iter().map(|own| own.name.as_str()).collect();
        let stay = if names.len() == 1 { "stays" } else { "stay" };
        let message = format!("{} {stay} set for the migrations that run after this one", listed(&names));
        let place = |own: &&Setting| match set_by(up, &own.name) {
            Some(range) => format!(", set in line {}", up.line(crate::sql::LineIndex::new(&up.text).span(range))),
            None => String::new(),
        };
        let lines = left.iter().map(|own| format!("{}{}", shown(own), place(own)));
        let sure = left.iter().any(|own| layout.reach(&own.name) == Reach::Reaches);
        let runner = match (layout.name(), sure) {
            ("plain", _) => "many runners keep one session for all pending migrations".to_owned(),
            ("diesel", false) => "diesel keeps one session for all pending migrations, and puts search_path back only in versions after 2.3".to_owned(),
            ("flyway", false) => "flyway sets search_path anew before each migration, unless its connection's own begins with the schema of its history (`currentSchema` in the URL)".to_owned(),
            ("drizzle", _) => "drizzle runs all pending migrations in one transaction".to_owned(),
            (name, _) => format!("{name} keeps one session for all pending migrations"),
        };
        let detail: Vec<String> = lines.chain([runner]).collect();
        let help = match layout.name() {
            "drizzle" => format!("end the file with `RESET {}`; SET LOCAL reaches the next one too", first.name),
            _ => format!(
                "write `SET LOCAL {name} = …` where the file is one transaction (`set_config(…, true)` is the same), or end it \
                 with `RESET {name}`",
                name = first.name
            ),
        };
        let mut finding = at(up, set_by(up, &first.name), CODE, message).detail(detail.join("\n")).help(help);
        if !sure {
            finding.severity = Severity::Note;
        }
        vec![finding]
    }
}

/// Those of `left` that may reach the next migration, the most important first.
pub(crate) fn reaching<'s>(layout: &dyn Layout, left: &'s [Setting]) -> Vec<&'s Setting> {
    let mut reaching: Vec<&Setting> = left.iter().filter(|own| layout.reach(&own.name) != Reach::Stays).collect();
    let rank = |own: &&Setting| FIRST.iter().position(|name| *name == own.name).unwrap_or(FIRST.len());
    reaching.sort_by_key(|own| (rank(own), own.name.clone()));
    reaching
}

/// What became of `migration` when it ran in the session that `before` had left, where alone it passes: it fails, or what
/// it makes `differs`.
pub(crate) fn carried(
    layout: &dyn Layout,
    migration: &Migration,
    before: &str,
    left: &[Setting],
    run: &Run,
    differs: &[Difference],
) -> Option<Finding> {
    let left = reaching(layout, left);
    let behaves: Vec<&Difference> = differs.iter().filter(|one| one.grade == Grade::Behaviour).collect();
    let (mut finding, detail) = match &run.failure {
        Some(why) => {
            let mut finding = apply::failure(&migration.up, why);
            finding.message = format!("fails in the session that migration {before} leaves: {}", finding.message);
            let detail = finding.detail.take();
            (finding, detail)
        }
        None if behaves.is_empty() => return None,
        None => {
            let message = format!("makes another schema in the session that migration {before} leaves");
            let mut lines: Vec<String> = behaves.iter().take(LISTED).map(|one| one.words.clone()).collect();
            if behaves.len() > LISTED {
                lines.push(format!("and {} more", behaves.len() - LISTED));
            }
            (at(&migration.up, None, CODE, message), Some(lines.join("\n")))
        }
    };
    finding.code = CODE.to_owned();
    // One that the runner may put back may be the only one that matters.
    let sure = left.iter().all(|own| layout.reach(&own.name) == Reach::Reaches);
    finding.severity = if sure { Severity::Error } else { Severity::Warning };
    let settings: Vec<String> = left.iter().map(|own| shown(own)).collect();
    let said = format!("in a session of its own it passes; there it has {}", settings.join(", "));
    finding.detail = Some(detail.into_iter().chain([said]).collect::<Vec<_>>().join("\n"));
    finding.help = Some(format!(
        "end migration {before} with `RESET {}`, or write `SET LOCAL` there, so that both do the same whether they are \
         deployed together or one by one",
        left.first().map_or("ALL", |own| own.name.as_str())
    ));
    Some(finding)
}

fn shown(own: &Setting) -> String {
    let value = if own.value.is_empty() { "''" } else { &own.value };
    format!("{} = {value}", own.name)
}

fn listed(names: &[&str]) -> String {
    match names {
        [only] => (*only).to_owned(),
        [one, other] => format!("{one} and {other}"),
        [one, other, rest @ ..] => format!("{one}, {other} and {} more", rest.len()),
        [] => String::new(),
    }
}
