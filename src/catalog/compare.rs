//! How two snapshots differ: what is missing, added or changed, graded, in words.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::moment::Twin;
use super::object::{Field, Object, Style};
use super::shape;
use super::snapshot::Snapshot;
use super::words;

/// One difference between two states of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How much it matters.
    pub grade: Grade,
    /// What differs, as in `index users_email_key`.
    pub object: String,
    /// How.
    pub change: Change,
    /// The whole of it in words, as in `column users.email: NOT NULL is gone`.
    pub words: String,
    /// The default before and after, where it is one that differs: two expressions may have the same value.
    pub defaults: Option<(String, String)>,
}

impl Difference {
    /// Makes of another default one that is only written differently.
    pub fn same_default(&mut self) {
        self.grade = Grade::Cosmetic;
        self.words = format!("{}: default is only written differently", self.object);
    }
}

/// How much a difference matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Statements may behave in another way.
    Behaviour,
    /// A comment that programs beside the server act upon: what a tool makes of the schema may be another.
    Annotation,
    /// Comments, names that were generated, the order of columns, the shape of an expression, how values are stored.
    Cosmetic,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It was there before.
    Missing,
    /// It was not there before.
    Added,
    /// It is there, but not as it was.
    Changed,
}

/// How `after` differs from `before`, what matters first. What came or went with its parent (the columns of a table) is
/// not told apart from it.
pub fn compare(before: &Snapshot, after: &Snapshot) -> Vec<Difference> {
    differences(before, after, None)
}

/// The same, but for what `twin`, another build of the schema before, has in another way too: what depends on the moment.
pub fn compare_builds(before: &Snapshot, after: &Snapshot, twin: &Snapshot) -> Vec<Difference> {
    differences(before, after, Some(&Twin::new(twin)))
}

fn differences(before: &Snapshot, after: &Snapshot, twin: Option<&Twin<'_>>) -> Vec<Difference> {
    if Arc::ptr_eq(&before.0, &after.0) {
        return Vec::new();
    }
    let (was, is) = (only_in(before, after), only_in(after, before));
    let mut missing: BTreeMap<&str, &Object> = absent(&was, &is);
    let mut added: BTreeMap<&str, &Object> = absent(&is, &was);
    if let Some(twin) = twin {
        let of_the_moment = twin.renamed(&missing, &added);
        missing.retain(|key, _| !of_the_moment.contains(*key));
        added.retain(|key, _| !of_the_moment.contains(*key));
    }
    let mut renames = generated_names(&missing, &added);
    if before.related(after) {
        given_names(before, after, &missing, &added, &mut renames);
    }

    let defined_anew = |(key, old): &(&String, &&Object)| {
        &*old.kind == "constraint" && is.get(*key).is_some_and(|new| old.values.first() != new.values.first())
    };
    let told: HashSet<&str> = was.iter().filter(defined_anew).map(|(key, _)| key.as_str()).collect();

    let told = Told { renames: &renames, constraints: told, twin };
    let mut found = Vec::new();
    for (key, old) in &was {
        if let Some(new) = is.get(key) {
            attributes(old, new, &told, &mut found);
        }
    }
    for (grade, old, new) in &renames.pairs {
        let name = match &*old.kind {
            "column" => new.name.rsplit('.').next().unwrap_or(&new.name).to_owned(),
            kind => words::bare(kind, &new.name),
        };
        let words = format!("{}: is named {name}", old.label());
        found.push(Difference { grade: *grade, object: old.label(), change: Change::Changed, words, defaults: None });
        attributes(old, new, &told, &mut found);
    }
    for (objects, change, word) in [(&missing, Change::Missing, "missing"), (&added, Change::Added, "added")] {
        for (key, object) in objects {
            let with_parent = object.parents().any(|p| objects.contains_key(p));
            if with_parent || renames.keys.contains(*key) {
                continue;
            }
            if object.is_remark() {
                let bare = object.bare();
                let (old, new) = if change == Change::Missing { (*object, &bare) } else { (&bare, *object) };
                attributes(old, new, &told, &mut found);
                continue;
            }
            let words = format!("{}: {word}", object.label());
            found.push(Difference { grade: Grade::Behaviour, object: object.label(), change, words, defaults: None });
        }
    }
    found.sort_by(|a, b| (a.grade, rank(&a.object), &a.object).cmp(&(b.grade, rank(&b.object), &b.object)));
    found
}

/// Large things first.
fn rank(label: &str) -> usize {
    const KINDS: &[&str] =
        &["schema ", "extension ", "table ", "column ", "constraint ", "index ", "view ", "trigger "];
    KINDS.iter().position(|k| label.starts_with(k)).unwrap_or(KINDS.len())
}

/// The objects of units that the other snapshot does not have just so, by key.
fn only_in<'a>(this: &'a Snapshot, other: &Snapshot) -> BTreeMap<String, &'a Object> {
    let same = |unit, objects: &Arc<[Object]>| {
        other.0.units.get(unit).is_some_and(|e| Arc::ptr_eq(&e.objects, objects) || e.objects == *objects)
    };
    let differ = this.0.units.iter().filter(|(unit, entry)| !same(unit, &entry.objects));
    differ.flat_map(|(_, entry)| entry.objects.iter()).map(|o| (o.key(), o)).collect()
}

fn absent<'a, 'b>(
    from: &'b BTreeMap<String, &'a Object>,
    than: &BTreeMap<String, &'a Object>,
) -> BTreeMap<&'b str, &'a Object> {
    from.iter().filter(|(key, _)| !than.contains_key(*key)).map(|(key, o)| (key.as_str(), *o)).collect()
}

/// What only has another name.
#[derive(Default)]
struct Renames<'a> {
    pairs: Vec<(Grade, &'a Object, &'a Object)>,
    /// The keys of both sides.
    keys: HashSet<String>,
    /// The names before by the names after.
    names: HashMap<&'a str, &'a str>,
}

impl<'a> Renames<'a> {
    fn add(&mut self, grade: Grade, old: &'a Object, new: &'a Object) {
        self.names.insert(&new.name, &old.name);
        self.keys.extend([old.key(), new.key()]);
        self.pairs.push((grade, old, new));
    }
}

/// Constraints, indexes and sequences that are missing under one name and added under another, and the same otherwise.
fn generated_names<'a>(missing: &BTreeMap<&str, &'a Object>, added: &BTreeMap<&str, &'a Object>) -> Renames<'a> {
    let mut renames = Renames::default();
    let mut free: Vec<&Object> = added.values().copied().filter(|o| generated(o)).collect();
    for old in missing.values().filter(|o| generated(o)) {
        // What went with its parent came with another one, if at all.
        let stays = |o: &Object, all: &BTreeMap<&str, &Object>| {
            o.parents().all(|p| p.starts_with("constraint ") || !all.contains_key(p))
        };
        let alike = |new: &&Object| {
            old.kind == new.kind
                && scope(old) == scope(new)
                && stays(old, missing)
                && stays(new, added)
                && old.fields.iter().zip(&old.values).zip(&new.values).all(|((f, a), b)| {
                    let within = f.name == "partition of" || f.cosmetic;
                    within || equal(f, a.as_deref(), b.as_deref()) || f.style == Style::Sql && same_shape(a, b)
                })
        };
        if let Some(at) = free.iter().position(alike) {
            renames.add(Grade::Cosmetic, old, free.swap_remove(at));
        }
    }
    // A constraint's index bears its name: one of them is enough to say.
    let constraints: HashSet<String> =
        renames.pairs.iter().filter(|(_, old, _)| &*old.kind == "constraint").map(|(_, old, _)| old.key()).collect();
    renames.pairs.retain(|(_, old, _)| !old.parents().any(|p| constraints.contains(p)));
    renames
}

/// What has another name under its old oid.
fn given_names<'a>(
    before: &'a Snapshot,
    after: &'a Snapshot,
    missing: &BTreeMap<&str, &'a Object>,
    added: &BTreeMap<&str, &'a Object>,
    renames: &mut Renames<'a>,
) {
    let known = |all: &BTreeMap<&str, &Object>, o: &Object, renames: &Renames<'_>| {
        let key = o.key();
        // What is renamed with its parent is not told apart from it.
        let parent = o.parents().any(|p| all.contains_key(p));
        all.contains_key(key.as_str()) && !renames.keys.contains(&key) && !parent
    };
    let changed = before.0.units.iter().filter_map(|(unit, old)| {
        let new = after.0.units.get(unit).filter(|new| !Arc::ptr_eq(&new.objects, &old.objects));
        new.map(|new| (unit, old, new))
    });
    let mut units: Vec<_> = changed.collect();
    units.sort_by_key(|(unit, ..)| **unit);
    for (_, old, new) in units {
        for old in old.objects.iter().filter(|o| known(missing, o, renames)).collect::<Vec<_>>() {
            let same = |o: &&Object| o.slot == old.slot && o.kind == old.kind;
            if let Some(new) = new.objects.iter().find(same).filter(|o| known(added, o, renames)) {
                renames.add(Grade::Behaviour, old, new);
            }
        }
    }
}

fn generated(object: &Object) -> bool {
    matches!(&*object.kind, "constraint" | "index")
        || &*object.kind == "sequence" && object.parents().any(|p| p.starts_with("column "))
}

/// Where its name is one among others.
fn scope(object: &Object) -> &str {
    match &*object.kind {
        "constraint" => object.name.rsplit_once(" on ").map_or("", |(_, table)| table),
        "sequence" => object.parent.as_deref().unwrap_or_default(),
        _ => "",
    }
}

/// What is known when attributes are compared.
struct Told<'a> {
    renames: &'a Renames<'a>,
    /// The keys of constraints that are defined anew.
    constraints: HashSet<&'a str>,
    twin: Option<&'a Twin<'a>>,
}

/// Adds how two objects differ.
fn attributes(old: &Object, new: &Object, told: &Told<'_>, found: &mut Vec<Difference>) {
    let renames = told.renames;
    // An index that a constraint made is as the constraint says.
    let of_told = old.parent == new.parent && old.parents().any(|p| told.constraints.contains(p));
    for (at, ((field, a), b)) in old.fields.iter().zip(&old.values).zip(&new.values).enumerate() {
        let (a, b) = (a.as_deref(), b.as_deref());
        if equal(field, a, b) || of_told && field.name == "definition" {
            continue;
        }
        if told.twin.is_some_and(|twin| twin.explains(old, at, b)) {
            continue;
        }
        let b_named = b.map(|b| named_as_before(b, renames));
        if !renames.names.is_empty() && equal(field, a, b_named.as_deref()) {
            continue;
        }
        let shape = match (field.style, a, b_named.as_deref()) {
            (Style::Sql, Some(a), Some(b)) => {
                // The order of a view's columns has words of its own.
                if old.kind.ends_with("view") && shape::same_items(a, b) {
                    continue;
                }
                shape::normal(a) == shape::normal(b)
            }
            (Style::Body, Some(a), Some(b)) => sql(old) && shape::same_code(a, b),
            _ => false,
        };
        let grade = match field.name.as_str() {
            "comment" if [a, b].into_iter().flatten().any(words::is_annotation) => Grade::Annotation,
            "comment" => Grade::Cosmetic,
            _ if field.cosmetic || shape => Grade::Cosmetic,
            _ => Grade::Behaviour,
        };
        let object = old.label();
        let said = if shape { vec![words::shape(field)] } else { words::change(field, a, b) };
        let defaults = a.zip(b).filter(|_| field.name == "default" && grade == Grade::Behaviour);
        let defaults = defaults.map(|(a, b)| (a.to_owned(), b.to_owned()));
        found.extend(said.into_iter().map(|said| Difference {
            grade,
            change: Change::Changed,
            defaults: defaults.clone(),
            words: format!("{object}: {said}"),
            object: object.clone(),
        }));
    }
}

fn equal(field: &Field, a: Option<&str>, b: Option<&str>) -> bool {
    if a == b {
        return true;
    }
    let sorted = |t: Option<&str>| {
        let mut lines: Vec<String> = t.unwrap_or_default().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    match field.style {
        Style::Set => sorted(a) == sorted(b),
        Style::Order => words::moved(a, b).is_empty(),
        Style::Value | Style::Flag | Style::Sql | Style::Body => false,
    }
}

/// Whether an object's body is in a language whose line breaks mean nothing.
fn sql(object: &Object) -> bool {
    object.attributes().any(|(name, value)| name == "language" && matches!(value, "sql" | "plpgsql"))
}

fn same_shape<T: AsRef<str>>(a: &Option<T>, b: &Option<T>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if shape::normal(a.as_ref()) == shape::normal(b.as_ref()))
}

/// A text with the names that objects had before.
fn named_as_before(text: &str, renames: &Renames<'_>) -> String {
    let mut text = text.to_owned();
    for (after, before) in &renames.names {
        let mut at = 0;
        while let Some(found) = text[at..].find(after).map(|f| at + f) {
            let (end, word) = (found + after.len(), |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '"'));
            at = if text[..found].ends_with(word) || text[end..].starts_with(word) {
                end
            } else {
                text.replace_range(found..end, before);
                found + before.len()
            };
        }
    }
    text
}
