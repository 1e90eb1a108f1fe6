//! Sets that are none because of what lies beside them: what tests, examples and developers' own databases have, files that
//! wait to be put into a set, and numbered files that nobody is known to run.
//!
//! A repository that has nothing else has meant these. So a set is passed over only where another one stays, and is told.

use std::collections::{BTreeMap, BTreeSet};

use super::folders::{self, Aside};
use super::{Found, Passed};

/// Takes sets that are none out of `found`. `files` gives the names of a set's own SQL files.
pub(super) fn pass_over<'p>(found: &mut Vec<Found>, files: &dyn Fn(&str) -> BTreeSet<&'p str>) -> Vec<Passed> {
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for set in found.iter() {
        if let Some(why) = by_name(set, found) {
            told.insert(set.path.clone(), why);
        }
    }
    let real = |told: &BTreeMap<String, String>| -> Vec<&Found> {
        found.iter().filter(|set| !told.contains_key(&set.path)).collect()
    };
    if real(&told).is_empty() {
        return Vec::new();
    }
    let copies: Vec<(String, String)> = {
        let sets: Vec<(&Found, BTreeSet<&str>)> =
            real(&told).into_iter().map(|set| (set, files(&set.path))).filter(|(_, names)| !names.is_empty()).collect();
        let whole = |(set, own): &(&Found, BTreeSet<&str>)| {
            let all = |(other, names): &&(&Found, BTreeSet<&str>)| {
                other.layout.name() == set.layout.name()
                    && names.len() > own.len()
                    && own.is_subset(names)
                    && own.iter().all(|name| is_dated(name))
            };
            sets.iter().find(all).map(|(other, _)| (set.path.clone(), format!("{} has all of its files", other.path)))
        };
        sets.iter().filter(|(set, _)| set.is_guess).filter_map(whole).collect()
    };
    told.extend(copies);
    let passed = |set: &Found| {
        let why = told.get(&set.path)?.clone();
        Some(Passed { path: set.path.clone(), layout: set.layout.name(), why })
    };
    let passed: Vec<Passed> = found.iter().filter_map(passed).collect();
    found.retain(|set| !told.contains_key(&set.path));
    passed
}

/// Whether a file's number is a time: another file of that name is no coincidence.
fn is_dated(name: &str) -> bool {
    name.bytes().take_while(u8::is_ascii_digit).count() >= 12
}

/// Why a set is none, by its folder's name and the sets beside it.
fn by_name(set: &Found, found: &[Found]) -> Option<String> {
    let parent = |path: &str| path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
    match folders::aside(&set.path) {
        Some(Aside::Test) => return Some("a test has it".to_owned()),
        Some(Aside::Example) => return Some("an example has it".to_owned()),
        None => {}
    }
    if let Some((source, main)) = folders::beside_main(&set.path)
        && found.iter().any(|other| other.path == main)
    {
        return Some(format!("only databases of `{source}` have it, beside {main}"));
    }
    let last = set.path.rsplit('/').next().unwrap_or_default();
    let beside = || found.iter().filter(|other| other.path != set.path && parent(&other.path) == parent(&set.path));
    let is_flyways = |set: &Found| set.layout.name() == "flyway";
    if is_flyways(set)
        && folders::TRIALS.contains(&last.to_lowercase().as_str())
        && let Some(main) = beside().find(|other| is_flyways(other) && other.path.ends_with("/migration"))
    {
        return Some(format!("by its name, only databases for trials have it beside {}", main.path));
    }
    if last == "current"
        && let Some(committed) = beside().find(|other| other.path.ends_with("/committed"))
    {
        return Some(format!("graphile-migrate's draft is in it, and becomes a file of {}", committed.path));
    }
    if folders::is_draft(last)
        && let Some(other) = beside().next()
    {
        return Some(format!("by its name, others are made from it, as {}", other.path));
    }
    let now = |other: &&Found| {
        (set.is_guess || other.layout.name() == set.layout.name())
            && !folders::is_past(other.path.rsplit('/').next().unwrap_or_default())
    };
    if folders::is_past(last)
        && let Some(now) = beside().find(now)
    {
        return Some(format!("by its name, its time is over, and {} lies beside it", now.path));
    }
    let runner = beside().find(|other| other.layout.name() != set.layout.name() && !other.is_guess)?;
    (set.is_guess && set.layout.name() == "plain")
        .then(|| format!("nothing tells what runs it, and {}'s set lies beside it", runner.layout.name()))
}
