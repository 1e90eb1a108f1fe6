//! Where new migrations stand: behind what production may have, in order of their numbers, without gaps.

use std::sync::Arc;

use super::View;
use crate::check::at;
use crate::layout::{Late, Migration};
use crate::verdict::{Finding, Severity};

/// From so many digits on a number is a time, and times have gaps.
const TIMESTAMP_DIGITS: usize = 8;

/// New migrations that come before one of the base; `renamed` are spoken of elsewhere.
pub(super) fn late(view: &View<'_>, renamed: &[&str]) -> Vec<Finding> {
    let history = view.history;
    let known = |new: &Migration| view.base.get(new.version.as_str()).filter(|old| !old.repeatable);
    let newest = history.chain.iter().enumerate().rev().find_map(|(at, new)| Some((at, *known(new)?)));
    let Some((newest, last)) = newest else { return Vec::new() };
    // Where the runner goes by a time, that decides, not the place.
    let versioned = history.base.iter().filter(|old| !old.repeatable);
    let stamp = versioned.filter_map(|old| Some((old.stamp?, &**old))).max_by_key(|(stamp, _)| *stamp);
    let before = history.chain.iter().enumerate().skip(view.shared).filter_map(|(at, new)| match (new.stamp, stamp) {
        (Some(own), Some((latest, last))) => (own <= latest).then_some((new, last)),
        _ => (at < newest).then_some((new, last)),
    });
    let is_new = |new: &Migration| {
        view.is_new(new) && !renamed.contains(&new.version.as_str()) && !history.layout.may_run_late(new)
    };
    before.filter(|(new, _)| is_new(new)).map(|(new, last)| out_of_order(view, new, last)).collect()
}

fn out_of_order(view: &View<'_>, new: &Migration, last: &Migration) -> Finding {
    let (runner, late) = (view.runner(), view.history.layout.late(new));
    let (version, after) = (&new.version, &last.version);
    let (would, why) = match late {
        Late::Skips => (
            format!(": {runner} would never run it there, without a word"),
            format!(
                "{runner} only looks behind the newest version that a database has; a new database gets it, production does not"
            ),
        ),
        Late::Refuses => (
            format!(": {runner} would refuse to run there"),
            format!("{runner} stops at a version that is not recorded and comes before one that is"),
        ),
        Late::Runs => (
            format!(": {runner} would run it after {after} there"),
            format!("a new database runs it before {after}: the same files in two orders may make two schemas"),
        ),
        Late::Unknown => (
            String::new(),
            "a new database runs it in another order than production, if production runs it at all".to_owned(),
        ),
    };
    let message = format!("migration {version} comes before {after}, which production may already have{would}");
    let mut finding = at(&new.up, None, "history.out-of-order", message);
    if late == Late::Skips {
        finding.severity = Severity::Error;
    }
    let way = match new.stamp {
        Some(_) => {
            format!("give it a later time than {after} has, where the runner keeps its times, and a later place")
        }
        None => format!("give it a version after {after}"),
    };
    finding.detail(format!("{after} is in {}; {why}", view.history.base_rev)).help(way)
}

/// The leading number of a version's or file's name.
fn number(version: &str) -> Option<(u128, usize)> {
    let digits = version.trim_start_matches(['v', 'V']);
    let digits = &digits[..digits.bytes().take_while(u8::is_ascii_digit).count()];
    Some((digits.parse().ok()?, digits.len()))
}

/// The runner's order is another than that of the numbers. Said once: what is new is more to the point than what is old.
pub(super) fn numbers(view: &View<'_>) -> Option<Finding> {
    let pairs = || view.history.chain.windows(2).filter(|pair| pair.iter().all(|m| !m.repeatable));
    let wrong = |pair: &&[Arc<Migration>]| match (number(&pair[0].version), number(&pair[1].version)) {
        // A day and a time of day (20240101 and 20231231120000) compare as text.
        (Some((_, one)), Some((_, two))) if one != two && one.min(two) >= TIMESTAMP_DIGITS => false,
        (Some((first, _)), Some((second, _))) => first > second,
        _ => false,
    };
    let fresh = |pair: &&[Arc<Migration>]| pair.iter().any(|m| view.is_new(m));
    let all = pairs().filter(wrong).count();
    let pair = pairs().filter(wrong).find(fresh).or_else(|| pairs().find(wrong))?;
    let (first, second) = (&pair[0], &pair[1]);
    let message =
        format!("by number {} comes before {}, and {} runs it after", second.version, first.version, view.runner());
    let (told, open) = if view.is_new(first) && !view.is_new(second) { (first, second) } else { (second, first) };
    let mut finding = at(&told.up, None, "history.lexical-order", message);
    let more = if all > 1 { format!("; {} more pairs are like this", all - 1) } else { String::new() };
    let detail =
        format!("the order is that of the names, where \"10\" comes before \"9\", or of the runner's list{more}");
    let help = if fresh(&pair) {
        format!(
            "give {} the place that its number says: pad it with zeros to the width of {}",
            told.version, open.version
        )
    } else {
        // Nothing can be done about what has run: whoever reads the folder should know.
        finding.severity = Severity::Note;
        "leave the names as they are, production may have them; pad the numbers of new ones to one width".to_owned()
    };
    Some(finding.detail(detail).help(help))
}

/// New numbers that leave some out, where `history.gaps` forbids it.
pub(super) fn gaps(view: &View<'_>) -> Vec<Finding> {
    if view.history.gaps {
        return Vec::new();
    }
    let whole = |m: &Migration| {
        let (value, digits) = number(&m.version)?;
        (m.version.len() == digits && digits < TIMESTAMP_DIGITS).then_some(value)
    };
    let pairs = view.history.chain.windows(2).filter(|pair| view.is_new(&pair[1]));
    let gaps = pairs.filter_map(|pair| {
        let (before, after) = (whole(&pair[0])?, whole(&pair[1])?);
        (after > before + 1).then(|| gap(view, &pair[0], &pair[1], before + 1))
    });
    gaps.collect()
}

fn gap(view: &View<'_>, before: &Migration, after: &Migration, expected: u128) -> Finding {
    let message = format!("no migration has the version {expected}: {} follows {}", after.version, before.version);
    let why = format!("whatever takes the number later comes before {}, which databases then have", after.version);
    let late = match view.history.layout.late(after) {
        Late::Skips => ", and is skipped there",
        Late::Refuses => ", and is refused there",
        Late::Runs | Late::Unknown => "",
    };
    at(&after.up, None, "history.gap", message)
        .detail(format!("{why}{late}"))
        .help(format!("call it {expected}, or set `gaps = true` under [history] in migd.toml"))
}
