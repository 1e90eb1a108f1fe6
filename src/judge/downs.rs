//! Whether a set's team writes downs, where a migration has none.

use std::sync::Arc;

use crate::layout::Migration;

/// How many of its neighbours are asked: what a team did long ago is not what it does.
const NEIGHBOURS: usize = 10;

/// Whether at least half of those nearest to the migration at `at` have a down. Those that are not `known` do not count
/// where others are; repeatable ones have none to write, and none is missed of them.
pub(super) fn are_usual(chain: &[Arc<Migration>], at: usize, known: impl Fn(usize) -> bool) -> bool {
    if chain[at].repeatable {
        return false;
    }
    let mut others: Vec<usize> = (0..chain.len()).filter(|other| *other != at && !chain[*other].repeatable).collect();
    if others.iter().any(|other| known(*other)) {
        others.retain(|other| known(*other));
    }
    // Of two that are equally near the earlier one.
    others.sort_by_key(|other| (other.abs_diff(at), *other));
    others.truncate(NEIGHBOURS);
    let with = others.iter().filter(|other| chain[**other].down.is_some()).count();
    with > 0 && 2 * with >= others.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Mode, Source};

    /// A chain with a down at each `d`, none at `.`, and repeatable migrations at `r`.
    fn chain(text: &str) -> Vec<Arc<Migration>> {
        let source = || Source {
            path: String::new(),
            text: "".into(),
            body: 0..0,
            mode: Mode::Simple,
            pieces: None,
            inserts: None,
        };
        let hash = blake3::hash(b"");
        let one = |kind: char| Migration {
            version: String::new(),
            name: String::new(),
            up: source(),
            down: (kind == 'd').then(source),
            hash,
            up_hash: hash,
            previous: None,
            foreign: None,
            repeatable: kind == 'r',
            stamp: None,
            replaced: false,
            down_unread: false,
        };
        text.chars().map(|kind| Arc::new(one(kind))).collect()
    }

    #[test]
    fn a_down_is_missed_where_those_around_it_have_one() {
        let at_end = |text: &str| are_usual(&chain(text), text.len() - 1, |_| true);
        assert!(at_end("dddddddddd."));
        assert!(at_end(".d."));
        assert!(at_end("......d.d.d.d.d."), "every second one");
        assert!(!at_end(".........d."), "one of ten");
        assert!(!at_end("dddddddddddddddddddd......."), "it was given up");
        assert!(at_end(".............dddddd."), "it was begun");
        assert!(!at_end("..........."));
        assert!(!at_end("."));
        assert!(at_end("ddrrrrrrrrrr."));
        assert!(!at_end("ddddr"));
        assert!(are_usual(&chain(".ddd"), 0, |_| true), "the first of an audit");
    }

    #[test]
    fn what_is_new_does_not_count_where_something_is_known() {
        let new = |text: &str, from: usize| are_usual(&chain(text), text.len() - 1, |other| other < from);
        assert!(new("dddd.......", 4), "seven at once, none with a down");
        assert!(!new("....ddd.", 4));
        assert!(new("ddd.", 0), "all of it is new");
    }
}
