//! Where Flyway is told to look: `locations` of the files that `flyway::stated` reads, and what else they state of its sets.
//!
//! A set of Flyway's may lie in several folders. `classpath:` means the folder of that name among a module's resources, the
//! configuration's own module first; `{vendor}` is PostgreSQL's folder.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::flyway::{self, Settings, Stated};
use super::folders::TRIALS;
use super::{Found, Given, Passed, by_name};

/// Where a build puts what is on the class path.
const RESOURCES: &str = "src/main/resources";

/// What several files state of one list of folders, or of the folders near them.
struct Way {
    /// The strongest file that states it.
    file: String,
    folders: Vec<String>,
    given: Given,
}

/// Adds what the configuration files among `paths` name to the sets that were found, and what they state of them. Sets beside
/// those that are named, and that are a guess or there for trials, are passed over.
pub(super) fn apply(
    found: &mut Vec<Found>,
    paths: &BTreeSet<&str>,
    read: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Vec<Passed> {
    let Some(layout) = by_name("flyway") else { return Vec::new() };
    let mut ways = ways(paths, read);
    let (named, near): (Vec<Way>, Vec<Way>) = ways.drain(..).partition(|way| !way.folders.is_empty());
    // What several services have in common is one database's, once.
    for way in &named {
        let overlaps = |set: &Found, folder: &str| covers(&set.path, folder) || covers(folder, &set.path);
        let taken = |set: &Found| way.folders.iter().any(|folder| overlaps(set, folder));
        let settings = Settings::of(&way.given.settings);
        let versioned = flyway::has_versions(inside(paths, &way.folders), &settings);
        if !versioned || found.iter().any(|set| taken(set) && set.layout.name() != "flyway" && !set.is_guess) {
            continue;
        }
        let whole =
            |set: &&mut Found| set.layout.name() == "flyway" && way.folders.iter().all(|f| covers(&set.path, f));
        if let Some(set) = found.iter_mut().find(whole) {
            // Another way names the rest of it.
            let others = named.iter().filter(|other| other.folders.iter().all(|folder| covers(&set.path, folder)));
            let apart =
                |other: &Way| !other.folders.iter().any(|a| way.folders.iter().any(|b| covers(a, b) || covers(b, a)));
            let is_parted = others.filter(|other| apart(other)).count() > 0;
            if !is_parted {
                merge(&mut set.given, &way.given);
                continue;
            }
        }
        found.retain(|set| !taken(set));
        let (path, locations) = (way.folders[0].clone(), way.folders[1..].to_vec());
        found.push(Found { locations, given: way.given.clone(), ..Found::of(path, layout) });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let sets = found.iter().filter(|set| set.layout.name() == "flyway").count();
    for way in &near {
        let module = module(&way.file);
        // The nearest module's, or the only ones.
        let own = |set: &&mut Found| set.layout.name() == "flyway" && (sets == 1 || covers(module, &set.path));
        found.iter_mut().filter(own).for_each(|set| merge(&mut set.given, &way.given));
    }
    beside(found, &named)
}

/// Sets in the same folder as one that a file names, which are not named: no other way to run Flyway is known.
fn beside(found: &mut Vec<Found>, named: &[Way]) -> Vec<Passed> {
    let parent = |path: &str| path.rsplit_once('/').map(|(parent, _)| parent.to_owned());
    let is_named =
        |set: &Found| named.iter().any(|way| way.folders.iter().any(|f| covers(&set.path, f) || covers(f, &set.path)));
    let why = |set: &Found| {
        let trial = set.path.rsplit('/').next().is_some_and(|name| TRIALS.contains(&name.to_lowercase().as_str()));
        if is_named(set) || !(set.is_guess || (trial && set.layout.name() == "flyway")) {
            return None;
        }
        let neighbour =
            |way: &&Way| way.folders.iter().any(|folder| parent(folder).is_some_and(|p| Some(p) == parent(&set.path)));
        named.iter().find(neighbour).map(|way| format!("{} names the folders beside it, and not this one", way.file))
    };
    let passed: Vec<Passed> = found
        .iter()
        .filter_map(|set| Some(Passed { path: set.path.clone(), layout: "flyway", why: why(set)? }))
        .collect();
    found.retain(|set| !passed.iter().any(|passed| passed.path == set.path));
    passed
}

/// Takes what `given` lacks from `other`.
fn merge(given: &mut Given, other: &Given) {
    for (own, theirs) in [(&mut given.vars, &other.vars), (&mut given.settings, &other.settings)] {
        for (name, value) in theirs {
            own.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// Each way to run Flyway that the repository's files state, the strongest files first.
fn ways(paths: &BTreeSet<&str>, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Vec<Way> {
    let mut configs: Vec<&str> = paths.iter().copied().filter(|path| flyway::is_config(path)).take(CONFIGS).collect();
    configs.sort_by_key(|path| flyway::rank(path));
    let mut ways: Vec<Way> = Vec::new();
    for config in configs {
        let Some(text) = read(config).and_then(|bytes| String::from_utf8(bytes).ok()) else { continue };
        for Stated { locations, settings, vars } in flyway::stated(config, &text) {
            let mut folders: Vec<String> = Vec::new();
            for location in &locations {
                folders.extend(resolve(config, location, paths).filter(|folder| !folders.contains(folder)));
            }
            // Files that are named otherwise than Flyway's own way are found nowhere unless it is said where they are.
            if locations.is_empty() && NAMING.iter().any(|name| settings.contains_key(*name)) {
                let home = [module(config), RESOURCES, "db/migration"];
                let home = home.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
                folders.extend(Some(home).filter(|home| has_sql(home, paths)));
            }
            let given = Given { vars, settings };
            let near = |way: &&mut Way| !folders.is_empty() && way.folders == folders;
            match ways.iter_mut().find(near) {
                Some(way) => merge(&mut way.given, &given),
                None => ways.push(Way { file: config.to_owned(), folders, given }),
            }
        }
    }
    ways
}

/// The settings that decide which files are migrations.
const NAMING: &[&str] = &["sqlMigrationPrefix", "sqlMigrationSeparator", "sqlMigrationSuffixes"];

/// So many configuration files and builds are read at most.
const CONFIGS: usize = 2000;

/// Whether `path` is `folder` or lies in it.
fn covers(folder: &str, path: &str) -> bool {
    folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The files in these folders and below.
fn inside<'p>(paths: &'p BTreeSet<&str>, folders: &[String]) -> impl Iterator<Item = &'p str> {
    let prefixes: Vec<String> = folders.iter().map(|folder| format!("{folder}/")).collect();
    paths.iter().copied().filter(move |path| prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())))
}

/// The folder of the module that a file configures.
fn module(config: &str) -> &str {
    let own = config.rsplit_once('/').map_or("", |(folder, _)| folder);
    own.strip_suffix(RESOURCES).unwrap_or(own).trim_end_matches('/')
}

/// So many programs are read at most.
const PROGRAMS: usize = 400;

/// Joins the sets beside a `migration` folder to it where a program names both to Flyway (`locations("db/migration",
/// "db/prod")`) and no version is in both. Those for trials are passed over.
pub(super) fn told_in_programs(
    found: &mut Vec<Found>,
    paths: &BTreeSet<&str>,
    read: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Vec<Passed> {
    let parted = |path: &str| path.rsplit_once('/').map(|(parent, name)| (parent.to_owned(), name.to_owned()));
    let flyway = |set: &&Found| set.layout.name() == "flyway" && set.locations.is_empty();
    let main = |set: &&Found| flyway(set) && parted(&set.path).is_some_and(|(_, name)| name.starts_with("migration"));
    let of = |path: &str| {
        let prefix = format!("{path}/");
        let below = paths.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        flyway::versions(below.copied().take_while(|p| p.starts_with(&prefix)))
    };
    let (mut passed, mut texts) = (Vec::new(), None);
    let mains: Vec<String> = found.iter().filter(main).map(|set| set.path.clone()).collect();
    for main in mains {
        let Some((parent, own)) = parted(&main) else { continue };
        let beside = |set: &&Found| set.path != main && parted(&set.path).is_some_and(|(other, _)| other == parent);
        let beside: Vec<String> = found.iter().filter(flyway).filter(beside).map(|set| set.path.clone()).collect();
        if beside.is_empty() {
            continue;
        }
        let texts = texts.get_or_insert_with(|| programs(paths, read));
        // As the class path has them: `db/prod`.
        let resource = |name: &str| match main.split_once(&format!("{RESOURCES}/")) {
            Some((_, below)) => below.strip_suffix(&own).map(|folder| format!("{folder}{name}")),
            None => None,
        };
        let mut versions = of(&main);
        for path in beside {
            let Some((_, name)) = parted(&path) else { continue };
            let (Some(one), Some(other)) = (resource(&own), resource(&name)) else { continue };
            let told = texts.iter().any(|text| names(text, &one) && names(text, &other));
            let theirs = of(&path);
            if !told || !versions.is_disjoint(&theirs) {
                continue;
            }
            if TRIALS.contains(&name.to_lowercase().as_str()) {
                let why = format!("the program adds it to {own} where databases are tried out");
                passed.push(Passed { path: path.clone(), layout: "flyway", why });
            } else {
                versions.extend(theirs);
                let set = found.iter_mut().find(|set| set.path == main);
                set.into_iter().for_each(|set| set.locations.push(path.clone()));
            }
            found.retain(|set| set.path != path);
        }
    }
    passed
}

/// The programs that speak of Flyway, by their files' names and their texts.
fn programs(paths: &BTreeSet<&str>, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Vec<String> {
    let likely = |path: &&&str| {
        let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
        let kind = [".kt", ".java", ".groovy", ".scala", ".kts", ".gradle"].iter().any(|end| name.ends_with(end));
        let word =
            ["flyway", "database", "datasource", "migrat", "build.gradle"].iter().any(|word| name.contains(word));
        kind && word && !path.contains("src/test/")
    };
    let texts = paths.iter().filter(likely).take(PROGRAMS).filter_map(|path| String::from_utf8(read(path)?).ok());
    texts.filter(|text| text.to_lowercase().contains("flyway")).collect()
}

/// Whether a program has a location as a string.
fn names(program: &str, location: &str) -> bool {
    ["\"", "\"/", "\"classpath:", "\"classpath:/"].iter().any(|open| program.contains(&format!("{open}{location}\"")))
}

/// Whether there is SQL in a folder or below.
fn has_sql(folder: &str, paths: &BTreeSet<&str>) -> bool {
    let prefix = format!("{folder}/");
    let below = paths.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
    below.take_while(|p| p.starts_with(&prefix)).any(|p| p.ends_with(".sql"))
}

/// The folder that a location means, if there is SQL in it.
fn resolve(config: &str, location: &str, paths: &BTreeSet<&str>) -> Option<String> {
    let vendor = location.replace("{vendor}", "postgresql");
    let (kind, path) = vendor.split_once(':').unwrap_or(("classpath", &vendor));
    let path = path.trim_start_matches("./").trim_matches('/');
    if path.is_empty() || path.contains(['*', '$', '{', '?']) {
        return None;
    }
    let module = module(config);
    let join = |folder: &str, path: &str| if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") };
    let has_sql = |folder: &String| has_sql(folder, paths);
    if kind == "filesystem" {
        return [join(module, path), path.to_owned()].into_iter().find(has_sql);
    }
    let resource = join(RESOURCES, path);
    let mut near = [join(module, &resource), join(module, path)].into_iter();
    near.find(has_sql).or_else(|| {
        // Of another module that this one depends on.
        let end = format!("{resource}/");
        let at = |p: &&str| {
            p.find(&end).filter(|at| *at == 0 || p[..*at].ends_with('/')).map(|at| p[..at + resource.len()].to_owned())
        };
        paths.iter().filter(|p| p.ends_with(".sql")).find_map(at)
    })
}
