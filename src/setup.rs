//! Setting a repository up: find its migration sets, write its `migd.toml`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::check::codes;
use crate::config::{Config, Set};
use crate::judge::plan::{self, CONFIG_FILE};
use crate::judge::{Error, Kept, Query};
use crate::layout::{self, Passed};
use crate::repo::{Location, Repo};
use crate::wire::file;
use crate::wire::{Place, Selection};

/// Writes `migd.toml` into the repository at `place`, unless there is one. What was found and done, line by line.
pub fn configure(place: &Place) -> Result<Vec<String>, Error> {
    let repo = Repo::open(&Location { cwd: place.cwd.clone(), git_env: place.env.clone() })?;
    // The files as they lie there: nothing need be staged yet.
    let config = plan::configuration(&repo, false, &place.env)?;
    let Some(root) = repo.root().map(Path::to_path_buf) else {
        return Err(crate::repo::Error::Bare(repo.git_dir().to_owned()).into());
    };
    let sets = plan::sets(&repo, &config)?;
    let others = of_other_databases(&repo)?;
    let passed = if config.migrations.is_empty() { passed_over(&repo)? } else { Vec::new() };
    if sets.is_empty() {
        if let Some(first) = passed.first() {
            return Err(Error::doubtful_set(&first.path, first.layout, &first.why));
        }
        if let Some(first) = others.first() {
            return Err(Error::other_database(first));
        }
        let paths = repo.paths()?;
        let read = |path: &str| repo.work_file(path).ok();
        return Err(match layout::programs(&paths, &read).first() {
            Some(programs) => Error::no_sets_but_programs(programs),
            None => Error::no_sets_but(&fullest(&paths)),
        });
    }
    for set in &sets {
        if !root.join(&set.path).is_dir() {
            return Err(Error::no_such_folder(&set.path));
        }
    }
    let mut lines = found(&repo, &config)?;
    lines.extend(others);
    for doubtful in passed.iter().take(TOLD) {
        lines.push(format!("{}: passed over, {}", doubtful.path, doubtful.why));
    }
    if passed.len() > TOLD {
        lines.push(format!("{} more folders were passed over: see {CONFIG_FILE}", passed.len() - TOLD));
    }
    let of_a_set = |folder: &str| sets.iter().any(|set| folder == set.path || plan::is_inside(folder, &set.path));
    let read = |path: &str| repo.work_file(path).ok();
    let programs = layout::programs(&repo.paths()?, &read).into_iter().filter(|programs| !of_a_set(&programs.folder));
    lines.extend(programs.take(TOLD).map(|programs| programs.what()));
    let path = root.join(CONFIG_FILE);
    // A link that leads nowhere is there too.
    if path.symlink_metadata().is_ok() {
        lines.extend(unknown_checks(&config));
        lines.push(format!("{CONFIG_FILE} is there already: kept"));
        return Ok(lines);
    }
    // It was not there a moment ago.
    match file::create(&path, text(&sets, &passed).as_bytes(), file::PUBLIC) {
        Ok(true) => {}
        Ok(false) => return Err(Error::unwritable(CONFIG_FILE, &std::io::ErrorKind::AlreadyExists.into())),
        Err(error) => return Err(Error::unwritable(CONFIG_FILE, &error)),
    }
    lines.push(format!("wrote {CONFIG_FILE}: commit it with the rest"));
    Ok(lines)
}

/// So many folders that were passed over are named, for each reason.
const TOLD: usize = 6;

/// The three folders with most SQL files of their own, two at least.
fn fullest(paths: &[String]) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for path in paths.iter().filter(|path| path.ends_with(".sql")) {
        let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        if !folder.split('/').any(|name| layout::is_vendored(name) || layout::is_of_other_database(name)) {
            *counts.entry(folder).or_default() += 1;
        }
    }
    let mut all: Vec<(String, usize)> =
        counts.into_iter().filter(|(_, count)| *count > 1).map(|(folder, count)| (folder.to_owned(), count)).collect();
    all.sort_by_key(|(_, count)| Reverse(*count));
    all.truncate(3);
    all
}

/// What looks like a set and is not taken for one.
fn passed_over(repo: &Repo) -> Result<Vec<Passed>, Error> {
    let read = |path: &str| repo.work_file(path).ok();
    Ok(layout::survey(&repo.paths()?, &read).1)
}

/// Sets whose own files say that they are for another database, in words.
fn of_other_databases(repo: &Repo) -> Result<Vec<String>, Error> {
    let lock = |path: &String| path.rsplit('/').next() == Some("migration_lock.toml");
    let told = |path: String| {
        let bytes = repo.work_file(&path).ok()?;
        let table = String::from_utf8_lossy(&bytes).parse::<toml::Table>().ok()?;
        let provider = table.get("provider")?.as_str()?;
        let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let ours = provider.contains("postgres") || provider.contains("cockroach");
        (!ours).then(|| format!("{folder}: passed over, its migration_lock.toml says that it is for {provider}"))
    };
    let vendored = |path: &String| path.split('/').any(|part| part == "node_modules");
    Ok(repo.paths()?.into_iter().filter(lock).filter(|path| !vendored(path)).filter_map(told).collect())
}

/// Each set with its layout and how many migrations it has.
fn found(repo: &Repo, config: &Config) -> Result<Vec<String>, Error> {
    let query = Query { selection: &Selection::Worktree, sets: &[], touched_only: false };
    let plan = plan::plan(repo, config.clone(), &Kept::default(), &query)?;
    let describe = |set: &plan::SetPlan| {
        let migrations = match set.chain.migrations.len() {
            1 => "1 migration".to_owned(),
            count => format!("{count} migrations"),
        };
        format!("found {} ({}, {migrations})", set.name, set.layout.name())
    };
    let mut lines: Vec<String> = plan.sets.iter().map(describe).collect();
    let paths = repo.paths()?;
    let mut steps: BTreeSet<String> = BTreeSet::new();
    for set in &plan.sets {
        let doubts = set.findings.iter().filter(|finding| finding.code == "config.layout");
        lines.extend(doubts.map(|finding| format!("{}: change `layout` in migd.toml if it is", finding.message)));
        lines.extend(templates(set));
        lines.extend(not_sql(set));
        if set.setup.iter().any(|source| source.path == "builtin:supabase") && set.layout.name() != "supabase" {
            lines.push(format!(
                "{}: in a Supabase project, whose roles, schemas and tables are made before it",
                set.name
            ));
        }
        // Of several sets of one runner, nobody knows whose they are.
        lines.extend(elsewhere(set, &paths).filter(|told| steps.insert(told.clone())));
    }
    Ok(lines)
}

/// The placeholders of a set that have no values, each once.
fn templates(set: &plan::SetPlan) -> Option<String> {
    let open = set.chain.findings.iter().filter(|finding| finding.code == "config.placeholder");
    let mut files: Vec<&str> = open.clone().filter_map(|finding| finding.path.as_deref()).collect();
    let first = open.clone().next()?;
    files.dedup();
    let (many, help) = (files.len(), first.help.as_deref().unwrap_or_default());
    let files = if many == 1 { "1 file is a template".to_owned() } else { format!("{many} files are templates") };
    // The placeholder itself may have colons.
    let what = first.message.rsplit_once(": ").map_or(first.message.as_str(), |(what, _)| what);
    Some(format!("{}: {files} ({what}): {help}", set.name))
}

/// The steps of a set that are not SQL.
fn not_sql(set: &plan::SetPlan) -> Option<String> {
    let unread = |path: &&str| set.chain.findings.iter().any(|finding| finding.path.as_deref() == Some(*path));
    let programs = set.chain.migrations.iter().filter_map(|migration| migration.foreign.as_deref());
    let programs: Vec<&str> = programs.filter(|path| !unread(path)).collect();
    let first = programs.first()?;
    let more = match programs.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Some(format!("{}: {first}{more} cannot be run by migd: `replace` in migd.toml can name SQL to stand in", set.name))
}

/// Steps of the set's runner that lie somewhere else, and are no SQL: nothing in the set tells of them.
fn elsewhere(set: &plan::SetPlan, paths: &[String]) -> Option<String> {
    let inside = |path: &str| plan::is_inside(path, &set.root);
    let test = |path: &str| path.split('/').any(|part| part == "test" || part == "tests");
    let steps = || paths.iter().filter(|path| !inside(path) && !test(path) && set.layout.is_step_elsewhere(path));
    let first = steps().next()?;
    let names: Vec<String> = steps()
        .map(|path| path.rsplit('/').next().unwrap_or(path))
        .map(|name| format!("{name:?} = \"…sql\""))
        .take(3)
        .collect();
    Some(format!(
        "{first} looks like one of {} steps of {} in another language, which migd does not run: \
         `replace = {{ {} }}` in the set's section of migd.toml names SQL to stand in",
        steps().count(),
        set.layout.name(),
        names.join(", ")
    ))
}

/// Keys under `[checks]` that no finding has: a check that is not turned off, or not on.
fn unknown_checks(config: &Config) -> Vec<String> {
    let unknown = |key: &&str| key.contains('.') && codes::code(key).is_none();
    let describe = |key: &str| match codes::suggest(key) {
        Some(meant) => format!("{CONFIG_FILE}: no finding is called `{key}`: did you mean `{}`?", meant.name),
        None => format!("{CONFIG_FILE}: no finding is called `{key}`"),
    };
    config.check_keys().filter(unknown).map(describe).collect()
}

/// A `migd.toml` with these sets, those that were passed over as comments, and every other key as a comment, at its default.
fn text(sets: &[Set], passed: &[Passed]) -> String {
    let (keys, _) = Config::default_text().split_once("\n# The migration sets").unwrap_or((Config::default_text(), ""));
    let mut text = String::from(
        "# Findings: `migd explain`. Keys: https://github.com/migd/migd/blob/main/config/schema.json\n\
         # How migd judges this repository's migrations. What is commented out is at its default.\n\
         #:schema https://raw.githubusercontent.com/migd/migd/main/config/schema.json\n",
    );
    for set in sets {
        text.push_str(&format!(
            "\n[[migrations]]\npath = {}\n",
            quoted(if set.path.is_empty() { "." } else { &set.path })
        ));
        if let Some(layout) = &set.layout {
            text.push_str(&format!("layout = {}\n", quoted(layout)));
        }
        if !set.locations.is_empty() {
            let folders: Vec<String> = set.locations.iter().map(|folder| quoted(folder)).collect();
            text.push_str(&format!("locations = [{}]\n", folders.join(", ")));
        }
        if !set.setup_sql.is_empty() {
            let files: Vec<String> = set.setup_sql.iter().map(|path| quoted(&path.to_string_lossy())).collect();
            text.push_str(&format!("setup_sql = [{}]\n", files.join(", ")));
        }
        for (key, table) in [("vars", &set.vars), ("settings", &set.settings)] {
            if !table.is_empty() {
                let table: toml::Table =
                    table.iter().map(|(name, value)| (name.clone(), toml::Value::String(value.clone()))).collect();
                text.push_str(&format!("{key} = {}\n", toml::Value::Table(table)));
            }
        }
        if let Some(name) = &set.name {
            text.push_str(&format!("name = {}\n", quoted(name)));
        }
    }
    text.push_str(
        "# SQL files that make what production has before the first migration: roles, extensions, other schemas.\n\
         # setup_sql = [\"db/before.sql\"]\n# The values of the runner's placeholders.\n# vars = { schema = \"shop\" }\n",
    );
    for Passed { path, layout, why } in passed {
        let (path, layout) = (quoted(path), quoted(layout));
        text.push_str(&format!("\n# Passed over: {why}.\n# [[migrations]]\n# path = {path}\n# layout = {layout}\n"));
    }
    for line in keys.lines().skip_while(|line| !line.starts_with('[')) {
        let commented = line.starts_with('#') || line.is_empty();
        text.push_str(&if line.starts_with('[') {
            format!("\n# {line}")
        } else if commented {
            line.to_owned()
        } else {
            format!("# {line}")
        });
        if !line.is_empty() {
            text.push('\n');
        }
    }
    text
}

/// `value` as TOML writes it.
fn quoted(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_the_default_with_the_sets() {
        let pair = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let set = Set {
            path: "db/migrations".into(),
            layout: Some("flyway".into()),
            vars: pair("a name", "it's \"quoted\""),
            settings: pair("placeholderPrefix", "#["),
            ..Set::default()
        };
        let written = text(std::slice::from_ref(&set), &[]);
        let config = Config::load(None, Some(&written), &Default::default()).unwrap();
        assert_eq!(config, Config { migrations: vec![set], ..Config::default() });
    }

    #[test]
    fn every_code_has_a_family_that_the_configuration_knows() {
        for code in codes::CODES {
            assert!(crate::config::FAMILIES.contains(&code.family()), "{}", code.name);
        }
    }

    #[test]
    fn every_commented_key_can_be_turned_on() {
        let passed = Passed { path: "tests/m".into(), layout: "sqlx", why: "a test has it".into() };
        let written = text(&[Set { path: "m".into(), ..Set::default() }], &[passed]);
        let key =
            |line: &str| line.strip_prefix("# ").filter(|l| l.contains(" = ") || l.starts_with('[')).map(str::to_owned);
        let lines: Vec<String> = written.lines().map(|line| key(line).unwrap_or(line.to_owned())).collect();
        let all = lines.join("\n").replace("url = \"\"", "url = \"postgres://localhost/postgres\"");
        assert!(Config::load(None, Some(&all), &Default::default()).is_ok(), "{all}");
    }
}
