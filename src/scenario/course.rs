//! What a scenario's `migrate` records come to on a chain: which migrations run, in which direction, in which order.

use std::sync::Arc;

use super::{Act, Go, Problem, Record, Scenario, Step};
use crate::layout::Migration;

/// One migration that is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// Its position in the chain.
    pub at: usize,
    /// Whether up is run; else down.
    pub up: bool,
}

/// What the `migrate` records of a scenario come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// How many migrations have run before anything else does.
    pub start: usize,
    /// For each step of the scenario, the migrations that it runs; those before `start` are not among them.
    pub legs: Vec<Vec<Leg>>,
    /// The most migrations that have run at any time.
    pub furthest: usize,
}

/// Follows `scenario` along `chain`.
pub fn course(scenario: &Scenario, chain: &[Arc<Migration>]) -> Result<Course, Problem> {
    let mut course = Course { start: 0, legs: Vec::new(), furthest: 0 };
    let mut at = 0;
    // Until something happens in the database, it need not be walked to where it goes.
    let mut begun = false;
    for step in &scenario.steps {
        let mut legs = Vec::new();
        match &step.act {
            Act::Migrate(go) => {
                let to = target(go, at, step, chain)?;
                if begun {
                    legs.extend((at..to).map(|at| Leg { at, up: true }));
                    legs.extend((to..at).rev().map(|at| Leg { at, up: false }));
                } else {
                    course.start = to;
                }
                begun = true;
                at = to;
                course.furthest = course.furthest.max(at);
            }
            Act::Record(record) => {
                begun |= matches!(**record, Record::Statement { .. } | Record::Query { .. });
            }
        }
        course.legs.push(legs);
    }
    Ok(course)
}

/// How many migrations have run after `go`, where `at` had before.
fn target(go: &Go, at: usize, step: &Step, chain: &[Arc<Migration>]) -> Result<usize, Problem> {
    let problem = |message: String, help: String| Problem { lines: step.lines.clone(), message, help };
    let newest = || chain.last().map_or("none".to_owned(), |last| last.version.clone());
    match go {
        Go::Latest => Ok(chain.len()),
        Go::Up if at < chain.len() => Ok(at + 1),
        Go::Up => {
            let message = "there is no further migration to apply".to_owned();
            Err(problem(message, format!("the newest is {}", newest())))
        }
        Go::Down(count) => at.checked_sub(*count).ok_or_else(|| {
            let message = format!("{count} migrations cannot be reverted where {at} are applied");
            problem(message, "`migrate to VERSION` says where the scenario is".to_owned())
        }),
        Go::To(version) => position(version, chain).map(|at| at + 1).ok_or_else(|| {
            let near = chain.iter().map(|m| (strsim::jaro_winkler(&m.version, version), &m.version));
            let help = match near.filter(|(score, _)| *score >= 0.8).max_by(|a, b| a.0.total_cmp(&b.0)) {
                Some((_, near)) => format!("did you mean {near}?"),
                None => format!("the newest migration is {}", newest()),
            };
            problem(format!("the chain has no migration {version}"), help)
        }),
    }
}

/// The place in the chain of the one migration that `version` means: as the runner records it, or as its file is named.
pub fn position(version: &str, chain: &[Arc<Migration>]) -> Option<usize> {
    let only = |is: &dyn Fn(&Migration) -> bool| {
        let mut found = chain.iter().enumerate().filter(|(_, migration)| is(migration)).map(|(at, _)| at);
        found.next().filter(|_| found.next().is_none())
    };
    let plain = |version: &str| version.replace('-', "").trim_start_matches('0').to_owned();
    only(&|migration| migration.version == version)
        .or_else(|| only(&|migration| plain(&migration.version) == plain(version)))
        .or_else(|| only(&|migration| is_named(migration, version)))
}

/// Whether the migration's file, or its folder, has this name, with or without what comes behind the version.
fn is_named(migration: &Migration, name: &str) -> bool {
    let mut parts = migration.up.path.rsplit('/');
    let own = match (parts.next(), parts.next()) {
        (Some("up.sql" | "migration.sql"), Some(folder)) => folder,
        (Some(file), _) => file,
        (None, _) => return false,
    };
    own.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-', '.']))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::layout::{self, Tree};
    use crate::scenario::parse;

    fn chain(names: &[&str]) -> Vec<Arc<Migration>> {
        let file = |name: &&str| {
            let bytes: std::sync::Arc<[u8]> = b"SELECT 1;".as_slice().into();
            ((*name).to_owned(), layout::File { id: (*name).to_owned(), size: 9, bytes: Some(bytes), is_link: false })
        };
        let tree = Tree { files: names.iter().map(file).collect::<BTreeMap<_, _>>() };
        layout::by_name("sqlx").unwrap().plan("migrations", &tree).migrations
    }

    fn three() -> Vec<Arc<Migration>> {
        chain(&["0001_a.sql", "0002_b.sql", "0003_c.sql"])
    }

    fn walked(text: &str) -> Course {
        course(&parse(text).unwrap(), &three()).unwrap()
    }

    fn wrong(text: &str) -> Problem {
        course(&parse(text).unwrap(), &three()).unwrap_err()
    }

    const SELECT: &str = "\n\nstatement ok\nSELECT 1\n\n";

    #[test]
    fn a_scenario_begins_where_it_first_migrates_to() {
        let course = walked(&format!("migrate to 2{SELECT}migrate up\n"));
        assert_eq!((course.start, course.furthest), (2, 3));
        assert_eq!(course.legs, [vec![], vec![], vec![Leg { at: 2, up: true }]]);
    }

    #[test]
    fn without_a_migration_it_begins_with_nothing() {
        let course = walked(&format!("{SELECT}migrate latest\n"));
        assert_eq!(course.start, 0);
        assert_eq!(course.legs[1].len(), 3);
    }

    #[test]
    fn going_back_runs_the_downs_newest_first() {
        let course = walked(&format!("migrate latest{SELECT}migrate to 1\n"));
        assert_eq!(course.legs[2], [Leg { at: 2, up: false }, Leg { at: 1, up: false }]);
    }

    #[test]
    fn only_the_first_record_is_skipped() {
        let course = walked("hash-threshold 8\nmigrate to 3\nmigrate down 2\n");
        assert_eq!((course.start, course.legs[2].len()), (3, 2));
    }

    #[test]
    fn a_version_is_meant_with_and_without_its_zeros_and_its_name() {
        for name in ["2", "0002", "0002_b", "0002_b.sql"] {
            assert_eq!(position(name, &three()), Some(1), "{name}");
        }
        assert_eq!(position("0002_c", &three()), None);
    }

    #[test]
    fn what_the_chain_does_not_have_is_said_with_what_it_has() {
        let problem = wrong("\nmigrate to 0004\n");
        assert_eq!(problem.message, "the chain has no migration 0004");
        assert_eq!(*problem.lines.start(), 2);
        assert!(wrong("migrate latest\nmigrate up\n").message.contains("no further migration"));
        assert!(wrong("migrate to 1\nmigrate down 2\n").message.contains("2 migrations cannot be reverted where 1"));
    }
}
