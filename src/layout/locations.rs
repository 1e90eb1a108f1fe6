//! Where Flyway is told to look: `locations` of `flyway.toml`, `flyway.conf`, and of Spring's and its kin's application files.
//!
//! A set of Flyway's may lie in several folders. `classpath:` means the folder of that name among a module's resources, the
//! configuration's own module first; `{vendor}` is PostgreSQL's folder.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::{Found, by_name};

/// Where a build puts what is on the class path.
const RESOURCES: &str = "src/main/resources";

/// Adds what the configuration files among `paths` name to the sets that were found.
pub(super) fn apply(found: &mut Vec<Found>, paths: &BTreeSet<&str>, read: &dyn Fn(&str) -> Option<Vec<u8>>) {
    let mut known: BTreeSet<Vec<String>> = BTreeSet::new();
    for &config in paths.iter().filter(|path| is_config(path)) {
        let Some(text) = read(config).and_then(|bytes| String::from_utf8(bytes).ok()) else { continue };
        let mut folders: Vec<String> = Vec::new();
        for location in stated(config, &text) {
            folders.extend(resolve(config, &location, paths).filter(|folder| !folders.contains(folder)));
        }
        if !folders.is_empty() {
            known.insert(folders);
        }
    }
    // What several services have in common is one database's, once.
    for folders in known {
        let Some(flyway) = by_name("flyway") else { return };
        let inside =
            |path: &str, folder: &str| path == folder || path.strip_prefix(folder).is_some_and(|r| r.starts_with('/'));
        let taken = |set: &Found| folders.iter().any(|folder| inside(&set.path, folder) || inside(folder, &set.path));
        if found.iter().any(|set| taken(set) && set.layout.name() != "flyway") {
            continue;
        }
        let whole = |set: &Found| folders.iter().all(|folder| inside(folder, &set.path));
        if found.iter().any(whole) {
            continue;
        }
        found.retain(|set| !taken(set));
        let mut folders = folders.into_iter();
        let path = folders.next().unwrap_or_default();
        found.push(Found { path, layout: flyway, rival: None, locations: folders.collect() });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
}

fn is_config(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let names = ["flyway.toml", "flyway.conf", "application.properties", "application.yml", "application.yaml"];
    names.contains(&name) && !path.contains("src/test/")
}

/// The locations that a configuration file names.
fn stated(config: &str, text: &str) -> Vec<String> {
    let many = |value: &str| -> Vec<String> {
        let value = value.trim().trim_start_matches('[').trim_end_matches(']');
        let one = |part: &str| part.trim().trim_matches(['"', '\'']).to_owned();
        value.split(',').map(one).filter(|part| !part.is_empty()).collect()
    };
    if config.ends_with(".toml") {
        let table = text.parse::<toml::Table>().ok();
        let list = table.as_ref().and_then(|t| t.get("flyway")?.get("locations")?.as_array());
        return list.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect();
    }
    if config.ends_with(".conf") || config.ends_with(".properties") {
        let pairs = text.lines().filter(|line| !line.trim_start().starts_with('#')).filter_map(|l| l.split_once('='));
        let own = |key: &str| {
            matches!(key.trim(), "flyway.locations" | "spring.flyway.locations" | "quarkus.flyway.locations")
        };
        return pairs.filter(|(key, _)| own(key)).flat_map(|(_, value)| many(value)).collect();
    }
    // `locations` below `flyway`, in one line or in a list.
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines =
        text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')).peekable();
    let mut flyway = None;
    while let Some(line) = lines.next() {
        let key = line.trim();
        if key == "flyway:" {
            flyway = Some(indent(line));
        } else if flyway.is_some_and(|outer| indent(line) <= outer) {
            flyway = None;
        }
        let dotted = key.strip_prefix("spring.flyway.locations:").or_else(|| key.strip_prefix("flyway.locations:"));
        let Some(value) = dotted.or_else(|| key.strip_prefix("locations:").filter(|_| flyway.is_some())) else {
            continue;
        };
        let mut found = many(value);
        while value.trim().is_empty() && lines.peek().is_some_and(|line| line.trim_start().starts_with("- ")) {
            found.extend(lines.next().into_iter().flat_map(|line| many(line.trim_start().trim_start_matches("- "))));
        }
        return found;
    }
    Vec::new()
}

/// The folder that a location means, if there is SQL in it.
fn resolve(config: &str, location: &str, paths: &BTreeSet<&str>) -> Option<String> {
    let vendor = location.replace("{vendor}", "postgresql");
    let (kind, path) = vendor.split_once(':').unwrap_or(("classpath", &vendor));
    let path = path.trim_start_matches("./").trim_matches('/');
    if path.is_empty() || path.contains(['*', '$', '{', '?']) {
        return None;
    }
    let own = config.rsplit_once('/').map_or("", |(folder, _)| folder);
    let module = own.strip_suffix(RESOURCES).unwrap_or(own).trim_end_matches('/');
    let join = |folder: &str, path: &str| if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") };
    let has_sql = |folder: &String| {
        let prefix = format!("{folder}/");
        let below = paths.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        below.take_while(|p| p.starts_with(&prefix)).any(|p| p.ends_with(".sql"))
    };
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
