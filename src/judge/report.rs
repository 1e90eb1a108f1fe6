//! What is reported of one migration that was judged, and of an audit that was cut short.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::run::Judged;
use crate::catalog::{self, Difference};
use crate::check::{self, Subject};
use crate::layout::Migration;
use crate::trace::{Cause, Run};
use crate::verdict::{Finding, MigrationReport, ObjectCounts, Reversible};

pub(super) fn report(subject: &Subject<'_>, kinds: &BTreeMap<String, usize>) -> MigrationReport {
    let migration = subject.migration;
    let time = |run: Option<&Run>| run.map(|run| (run.ms * 1000.0).round() / 1000.0);
    MigrationReport {
        version: migration.version.clone(),
        name: migration.name.clone(),
        previous: migration.previous.clone(),
        path: migration.up.path.clone(),
        down_path: migration.down.as_ref().map(|down| down.path.clone()).filter(|path| *path != migration.up.path),
        change: subject.change,
        up_ms: time(subject.up),
        down_ms: time(subject.down),
        transactional: subject.up.is_some_and(|up| up.transactional),
        statements: subject.up.map_or(0, |up| up.statements.len()),
        reversible: reversible(subject),
        repeatable: subject
            .again
            .filter(|again| !again.failure.as_ref().is_some_and(|why| matches!(why.cause, Cause::Timeout(_))))
            .map(|again| again.ok() && behaves(subject.after_again)),
        rows_tried: subject.rows.map(|rows| rows.tried),
        rows_left_out: subject.rows.map(|rows| rows.left_out).filter(|sets| *sets > 0),
        objects: ObjectCounts { kinds: kinds.clone(), ..objects(subject.effect) },
        rows_changed: subject.up.map(|up| up.rows.clone()).unwrap_or_default(),
    }
}

/// What up did to the schema.
fn objects(effect: &[Difference]) -> ObjectCounts {
    let count = |wanted| effect.iter().filter(|difference| difference.change == wanted).count();
    let created = effect.iter().filter(|difference| difference.change == catalog::Change::Added);
    ObjectCounts {
        created: created.take(ObjectCounts::NAMED).map(|difference| difference.object.clone()).collect(),
        created_count: count(catalog::Change::Added),
        changed_count: count(catalog::Change::Changed),
        dropped_count: count(catalog::Change::Missing),
        ..ObjectCounts::default()
    }
}

/// Whether nothing differs that changes behaviour.
fn behaves(differences: &[Difference]) -> bool {
    differences.iter().all(|difference| difference.grade != catalog::Grade::Behaviour)
}

fn reversible(subject: &Subject<'_>) -> Reversible {
    match (subject.up, subject.down) {
        _ if !subject.has_downs => Reversible::No,
        (Some(up), _) if !up.ok() => Reversible::No,
        _ if subject.migration.down.is_none() => Reversible::Missing,
        (_, Some(down)) if !down.ok() => Reversible::Fails,
        (_, Some(_)) if !behaves(subject.after_down) => Reversible::Mismatch,
        (_, Some(_)) => Reversible::Yes,
        (_, None) => Reversible::No,
    }
}

/// The time for a whole history was over; what is known by then is worth more than nothing.
pub(super) fn unfinished(judged: &Judged, chain: &[Arc<Migration>]) -> Finding {
    let code = "engine.timeout";
    let at = judged.ran.last().map_or(0, |last| (last + 1).min(chain.len() - 1));
    let message =
        format!("the time was over: {at} of {} migrations are judged, up to the one before this", chain.len());
    let help = "raise `limits.judgement` in migd.toml, or set `enabled = false` under [rows] for a faster audit";
    Finding::new(code, check::default_severity(code), message).in_file(&chain[at].up.path).help(help)
}
