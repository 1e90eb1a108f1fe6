//! What a schema owes to the moment at which it was made: views that froze `'now'`, partitions that are named after a date.
//!
//! Such a thing differs in digits alone, and between two builds of the same chain too. Both are asked for: digits also
//! tell `varchar(20)` from `varchar(30)`.

use std::collections::{BTreeMap, HashSet};

use super::object::Object;
use super::snapshot::Snapshot;

/// Whether the two differ somewhere in nothing but digits, so that a second build of `before` would tell more.
pub fn may_be_of_the_moment(before: &Snapshot, after: &Snapshot) -> bool {
    let (was, is) = (keyed(before), keyed(after));
    let changed = was.iter().any(|(key, old)| {
        let values = |new: &&Object| old.values.iter().zip(&new.values).any(|(a, b)| a != b && alike(a, b));
        is.get(key).is_some_and(|new| !std::ptr::eq(*old, *new) && values(new))
    });
    changed || {
        let gone: HashSet<String> = was.keys().filter(|key| !is.contains_key(*key)).map(|key| blurred(key)).collect();
        !gone.is_empty() && is.keys().any(|key| !was.contains_key(key) && gone.contains(&blurred(key)))
    }
}

/// Another build of the schema before, at another moment.
pub(super) struct Twin<'a>(BTreeMap<String, &'a Object>);

impl<'a> Twin<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        Twin(keyed(snapshot))
    }

    /// Whether the attribute number `at` of `old` is another in every build, and `now` is what a build may make of it.
    pub(super) fn explains(&self, old: &Object, at: usize, now: Option<&str>) -> bool {
        let (Some(was), Some(now)) = (old.values.get(at).and_then(|v| v.as_deref()), now) else { return false };
        let other = self.0.get(&old.key()).and_then(|twin| twin.values.get(at)?.as_deref());
        other.is_some_and(|other| other != was && blurred(other) == blurred(was)) && blurred(now) == blurred(was)
    }

    /// The keys of what is missing under one name and added under another because every build names it anew.
    pub(super) fn renamed(
        &self,
        missing: &BTreeMap<&str, &Object>,
        added: &BTreeMap<&str, &Object>,
    ) -> HashSet<String> {
        let mut keys = HashSet::new();
        let builds: HashSet<String> = self.0.keys().map(|key| blurred(key)).collect();
        for (gone, old) in missing.iter().filter(|(key, _)| !self.0.contains_key(**key)) {
            let name = blurred(gone);
            let same = |new: &Object| old.values.iter().zip(&new.values).all(|(a, b)| a == b || alike(a, b));
            let new = added.iter().find(|(key, new)| blurred(key) == name && !keys.contains(**key) && same(new));
            if let Some((new, _)) = new.filter(|_| builds.contains(&name)) {
                keys.extend([(*gone).to_owned(), (*new).to_owned()]);
            }
        }
        keys
    }
}

fn keyed(snapshot: &Snapshot) -> BTreeMap<String, &Object> {
    snapshot.0.units.values().flat_map(|entry| entry.objects.iter()).map(|object| (object.key(), object)).collect()
}

fn alike<T: AsRef<str>>(a: &Option<T>, b: &Option<T>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if blurred(a.as_ref()) == blurred(b.as_ref()))
}

/// A text in which every number is the same.
fn blurred(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii_digit() {
            true if out.ends_with('0') => {}
            true => out.push('0'),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::blurred;

    #[test]
    fn moments_look_the_same_and_other_texts_do_not() {
        let (a, b) = ("'2026-11-21 04:10:42.70'::timestamp", "'2027-01-02 11:00:09.123456'::timestamp");
        assert_eq!(blurred(a), blurred(b));
        assert_eq!(blurred("p_2026_09"), blurred("p_2026_10"));
        assert_ne!(blurred("p_2026"), blurred("q_2026"));
        assert_ne!(blurred("'2026-11-21'::date"), blurred("'2026-11-21'::timestamp"));
    }
}
