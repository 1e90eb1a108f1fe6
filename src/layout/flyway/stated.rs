//! What a repository's files state of Flyway: `flyway.toml`, `flyway.conf`, Spring's, Quarkus' and Micronaut's application
//! files, and the `flyway` of a Gradle or Maven build.
//!
//! A value that comes from elsewhere (`${DB_SCHEMA}`) is none, unless a default stands with it. Application files are read
//! line by line and not as YAML, which they are only after the build has put values into them.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::Event;
use regex::Regex;

use super::settings::DEFAULTS;

/// What one file states of one way to run Flyway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::layout) struct Stated {
    /// Where it looks for migrations.
    pub(in crate::layout) locations: Vec<String>,
    /// The settings that are not at their defaults.
    pub(in crate::layout) settings: BTreeMap<String, String>,
    /// The values of placeholders.
    pub(in crate::layout) vars: BTreeMap<String, String>,
}

impl Stated {
    fn is_empty(&self) -> bool {
        self.locations.is_empty() && self.settings.is_empty() && self.vars.is_empty()
    }

    /// Takes the value of `key`, which stands below `flyway`.
    fn take(&mut self, key: &str, values: Vec<String>) {
        if let Some(name) = key.strip_prefix("placeholders.") {
            if let Some(value) = values.first().and_then(|value| resolved(value)) {
                self.vars.insert(name.trim_matches(['"', '\'']).to_owned(), value);
            }
            return;
        }
        let key = camel(key);
        // A key without a value is not stated.
        if values.is_empty() {
            return;
        }
        if key == "locations" {
            self.locations = values;
            return;
        }
        let Some((name, default)) = DEFAULTS.iter().find(|(name, _)| *name == key) else { return };
        // What opens a placeholder looks like one.
        let value = match *name {
            "placeholderPrefix" | "placeholderSuffix" => Some(values.join(",")),
            _ => values.iter().map(|value| resolved(value)).collect::<Option<Vec<_>>>().map(|all| all.join(",")),
        };
        let Some(value) = value else { return };
        let is_public = matches!(*name, "schemas" | "defaultSchema") && value == "public";
        if value != *default && !is_public {
            self.settings.insert((*name).to_owned(), value);
        } else {
            self.settings.remove(*name);
        }
    }
}

/// Whether files of this name may state something of Flyway.
pub(in crate::layout) fn is_config(path: &str) -> bool {
    rank(path) < RANKS.len() && !path.contains("src/test/")
}

/// Files that state something, the strongest first.
const RANKS: &[&str] = &[
    "flyway.toml",
    "flyway.conf",
    "application.properties",
    "application.yml",
    "application.yaml",
    "build.gradle",
    "build.gradle.kts",
    "pom.xml",
];

/// Which of two files' values wins: the lower rank's.
pub(in crate::layout) fn rank(path: &str) -> usize {
    let name = path.rsplit('/').next().unwrap_or(path);
    RANKS.iter().position(|known| *known == name).unwrap_or(RANKS.len())
}

/// What a file states, once for each way to run Flyway that it has.
pub(in crate::layout) fn stated(path: &str, text: &str) -> Vec<Stated> {
    if !text.contains("flyway") {
        return Vec::new();
    }
    let all = match path.rsplit('.').next().unwrap_or_default() {
        "toml" => vec![of_toml(text)],
        "conf" | "properties" => vec![of_properties(text)],
        "yml" | "yaml" => vec![of_yaml(text)],
        "gradle" | "kts" => vec![of_gradle(text)],
        "xml" => of_maven(text),
        _ => Vec::new(),
    };
    all.into_iter().filter(|stated| !stated.is_empty()).collect()
}

/// `sql-migration-prefix` as `sqlMigrationPrefix`.
fn camel(key: &str) -> String {
    let mut parts = key.split('-');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

/// A value with the defaults of what comes from elsewhere; none where there is no default.
fn resolved(value: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, behind) = after.split_once('}')?;
        let (_, default) = inside.split_once(':')?;
        out.push_str(before);
        out.push_str(default.strip_prefix('-').unwrap_or(default));
        rest = behind;
    }
    out.push_str(rest);
    let from_build = out.len() > 2 && out.starts_with('@') && out.ends_with('@');
    (!from_build).then_some(out)
}

/// The key below `flyway`, of the parts of a key.
fn below_flyway<'k>(parts: &[&'k str]) -> Option<Vec<&'k str>> {
    let at = parts.iter().position(|part| *part == "flyway")?;
    match &parts[at + 1..] {
        [] => None,
        ["datasources", _, rest @ ..] if !rest.is_empty() => Some(rest.to_vec()),
        rest => Some(rest.to_vec()),
    }
}

/// The parts of a list that stands in one line.
fn many(value: &str) -> Vec<String> {
    let value = value.trim().trim_start_matches('[').trim_end_matches(']');
    let one = |part: &str| part.trim().trim_matches(['"', '\'']).to_owned();
    value.split(',').map(one).filter(|part| !part.is_empty()).collect()
}

/// The values of a key: those of a list where it takes one.
fn values(key: &str, value: &str) -> Vec<String> {
    match camel(key).as_str() {
        "locations" | "schemas" | "sqlMigrationSuffixes" => many(value),
        _ => vec![value.trim().trim_matches(['"', '\'']).to_owned()],
    }
}

fn of_toml(text: &str) -> Stated {
    let mut stated = Stated::default();
    let table = text.parse::<toml::Table>().ok();
    let Some(flyway) = table.as_ref().and_then(|table| table.get("flyway")?.as_table()) else { return stated };
    let word = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Boolean(is) => Some(is.to_string()),
        _ => None,
    };
    for (key, value) in flyway {
        match value {
            toml::Value::Table(inside) if key == "placeholders" => {
                for (name, value) in inside {
                    stated.take(&format!("placeholders.{name}"), word(value).into_iter().collect());
                }
            }
            toml::Value::Array(items) => stated.take(key, items.iter().filter_map(word).collect()),
            value => word(value).into_iter().for_each(|value| stated.take(key, values(key, &value))),
        }
    }
    stated
}

fn of_properties(text: &str) -> Stated {
    let mut stated = Stated::default();
    let joined = text.replace("\\\r\n", "").replace("\\\n", "");
    for line in joined.lines().filter(|line| !line.trim_start().starts_with(['#', '!'])) {
        let Some((key, value)) = line.split_once('=').or_else(|| line.split_once(':')) else { continue };
        let parts: Vec<&str> = key.trim().split('.').collect();
        if let Some(key) = below_flyway(&parts).map(|parts| parts.join(".")) {
            stated.take(&key, values(&key, value));
        }
    }
    stated
}

/// One document's keys, each with its values.
type Flat = Vec<(Vec<String>, Vec<String>)>;

fn of_yaml(text: &str) -> Stated {
    let mut stated = Stated::default();
    for document in text.split("\n---") {
        let flat = flatten(document);
        // A profile's document is not everybody's.
        let of_profile = |(path, values): &(Vec<String>, Vec<String>)| {
            let is_named = path.last().is_some_and(|last| last == "on-profile") || path.join(".") == "spring.profiles";
            is_named && !values.is_empty()
        };
        if flat.iter().any(of_profile) {
            continue;
        }
        for (path, found) in flat {
            let parts: Vec<&str> = path.iter().map(String::as_str).collect();
            if let Some(key) = below_flyway(&parts).map(|parts| parts.join(".")) {
                stated.take(&key, found.iter().flat_map(|value| values(&key, value)).collect());
            }
        }
    }
    stated
}

/// The keys of nested mappings, as far as they are written in lines.
fn flatten(document: &str) -> Flat {
    let mut flat: Flat = Vec::new();
    let mut above: Vec<(usize, Vec<String>)> = Vec::new();
    for line in document.lines() {
        let key = line.trim();
        if key.is_empty() || key.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if let Some(item) = key.strip_prefix("- ") {
            if let Some((_, values)) = flat.last_mut() {
                values.push(scalar(item).to_owned());
            }
            continue;
        }
        let Some((name, value)) = key.split_once(": ").or_else(|| Some((key.strip_suffix(':')?, ""))) else { continue };
        above.retain(|(outer, _)| *outer < indent);
        let mut path = above.last().map(|(_, path)| path.clone()).unwrap_or_default();
        let name = name.trim();
        let quoted = name.trim_matches(['"', '\'']);
        // Of a quoted name the dots are its own.
        if quoted.len() < name.len() {
            path.push(quoted.to_owned());
        } else {
            path.extend(name.split('.').map(str::to_owned));
        }
        above.push((indent, path.clone()));
        let value = scalar(value);
        match value.strip_prefix('{').and_then(|inside| inside.strip_suffix('}')) {
            Some(inside) => {
                for (name, value) in inside.split(',').filter_map(|pair| pair.split_once(':')) {
                    let name = name.trim().trim_matches(['"', '\'']).to_owned();
                    let path = path.iter().cloned().chain([name]).collect();
                    flat.push((path, vec![scalar(value).to_owned()]));
                }
            }
            None if value.is_empty() => flat.push((path, Vec::new())),
            None => flat.push((path, vec![value.to_owned()])),
        }
    }
    flat
}

/// A value without its quotes, or without what is said behind it. `""` is two quotes, and no list's beginning.
fn scalar(value: &str) -> &str {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some((inside, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return if inside.is_empty() { &value[..2] } else { inside };
        }
    }
    value.split(" #").next().unwrap_or(value).trim_end()
}

fn of_gradle(text: &str) -> Stated {
    let mut stated = Stated::default();
    for block in blocks(text) {
        for (name, _) in DEFAULTS.iter().chain(&[("locations", ""), ("placeholders", "")]) {
            let Some(value) = assigned(block, name) else { continue };
            if *name == "placeholders" {
                for (key, value) in pairs(value) {
                    stated.take(&format!("placeholders.{key}"), vec![value]);
                }
                continue;
            }
            let literals = literals(value);
            let bare = value.trim().trim_end_matches(')');
            match literals.is_empty() {
                false if values(name, "a,b").len() > 1 => stated.take(name, literals),
                false => stated.take(name, literals.into_iter().take(1).collect()),
                true if matches!(bare, "true" | "false") => stated.take(name, vec![bare.to_owned()]),
                true => {}
            }
        }
    }
    stated
}

/// What stands between the braces of each `flyway { … }`.
fn blocks(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("flyway") {
        let rest = &text[at + "flyway".len()..];
        let Some(inside) = rest.trim_start().strip_prefix('{') else { continue };
        let mut depth = 1usize;
        let end = inside.find(|c| {
            depth = match c {
                '{' => depth + 1,
                '}' => depth - 1,
                _ => depth,
            };
            depth == 0
        });
        found.push(&inside[..end.unwrap_or(inside.len())]);
    }
    found
}

/// What a block assigns to a name: the rest of the line, or all of a list.
fn assigned<'t>(block: &'t str, name: &str) -> Option<&'t str> {
    let starts = block.match_indices(name).map(|(at, _)| at);
    let own = |at: &usize| {
        let before = block[..*at].trim_end_matches([' ', '\t']);
        before.is_empty() || before.ends_with(['\n', ';', '{'])
    };
    let rest = &block[starts.into_iter().find(own)? + name.len()..];
    let rest = rest.strip_prefix(".set").unwrap_or(rest);
    // The name of another setting that begins alike.
    if rest.starts_with(|c: char| c.is_alphanumeric()) {
        return None;
    }
    let value = rest.trim_start_matches([' ', '\t', '=', '(']);
    let open = value.find(['[', '(']).filter(|at| !value[..*at].contains(['\n', '"', '\'']));
    let end = match open {
        Some(at) => value[at..].find([']', ')']).map_or(value.len(), |end| at + end + 1),
        None => value.find('\n').unwrap_or(value.len()),
    };
    Some(&value[..end])
}

/// The texts in quotes.
fn literals(value: &str) -> Vec<String> {
    let Ok(quoted) = Regex::new(r#""([^"\n]*)"|'([^'\n]*)'"#) else { return Vec::new() };
    let text = |found: regex::Captures<'_>| found.get(1).or(found.get(2)).map(|text| text.as_str().to_owned());
    quoted.captures_iter(value).filter_map(text).collect()
}

/// `'a': 'b'`, `a: 'b'` and `"a" to "b"`.
fn pairs(value: &str) -> Vec<(String, String)> {
    let pattern = r#"["']?([\w.-]+)["']?\s*(?::|\bto\b)\s*(?:"([^"\n]*)"|'([^'\n]*)')"#;
    let Ok(pair) = Regex::new(pattern) else { return Vec::new() };
    let both = |found: regex::Captures<'_>| {
        let value = found.get(2).or(found.get(3))?;
        Some((found.get(1)?.as_str().to_owned(), value.as_str().to_owned()))
    };
    pair.captures_iter(value).filter_map(both).collect()
}

/// An element of a `pom.xml`.
#[derive(Default)]
struct Node {
    name: String,
    text: String,
    inside: Vec<Node>,
}

impl Node {
    fn get(&self, name: &str) -> Option<&Node> {
        self.inside.iter().find(|node| node.name == name)
    }

    fn all<'n>(&'n self, name: &str, found: &mut Vec<&'n Node>) {
        for node in &self.inside {
            if node.name == name {
                found.push(node);
            }
            node.all(name, found);
        }
    }
}

/// Builds of more elements inside of each other are none that anybody writes.
const DEPTH: usize = 64;

fn parse(text: &str) -> Node {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Node::default()];
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) if open.len() < DEPTH => {
                let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
                open.push(Node { name, ..Node::default() });
            }
            Ok(Event::Text(text)) => {
                let text = String::from_utf8_lossy(&text);
                open.last_mut().into_iter().for_each(|node| node.text.push_str(text.trim()));
            }
            Ok(Event::End(_)) => {
                close(&mut open);
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    open.pop().unwrap_or_default()
}

/// Puts the innermost element into the one around it; the outermost stays.
fn close(open: &mut Vec<Node>) {
    let Some(node) = open.pop() else { return };
    match open.last_mut() {
        Some(around) => around.inside.push(node),
        None => open.push(node),
    }
}

fn of_maven(text: &str) -> Vec<Stated> {
    let top = parse(text);
    let properties: BTreeMap<&str, &str> = top
        .get("project")
        .and_then(|project| project.get("properties"))
        .map(|all| all.inside.iter().map(|node| (node.name.as_str(), node.text.as_str())).collect())
        .unwrap_or_default();
    let filled = |text: &str| {
        let mut text = text.to_owned();
        for (name, value) in &properties {
            text = text.replace(&format!("${{{name}}}"), value);
        }
        text
    };
    let mut base = Stated::default();
    for (name, value) in &properties {
        if let Some(key) = name.strip_prefix("flyway.") {
            base.take(key, values(key, &filled(value)));
        }
    }
    let read = |stated: &mut Stated, configuration: &Node| {
        for node in &configuration.inside {
            if node.name == "placeholders" {
                for inside in &node.inside {
                    stated.take(&format!("placeholders.{}", inside.name), vec![filled(&inside.text)]);
                }
            } else if node.inside.is_empty() {
                stated.take(&node.name, values(&node.name, &filled(&node.text)));
            } else {
                stated.take(&node.name, node.inside.iter().map(|item| filled(&item.text)).collect());
            }
        }
    };
    let mut plugins = Vec::new();
    top.all("plugin", &mut plugins);
    let is_flyway = |plugin: &&&Node| plugin.get("artifactId").is_some_and(|id| id.text == "flyway-maven-plugin");
    let mut found = Vec::new();
    for plugin in plugins.iter().filter(is_flyway) {
        let mut own = base.clone();
        plugin.get("configuration").into_iter().for_each(|configuration| read(&mut own, configuration));
        let executions = plugin.get("executions").map(|all| all.inside.as_slice()).unwrap_or_default();
        let before = found.len();
        for configuration in executions.iter().filter_map(|execution| execution.get("configuration")) {
            let mut stated = own.clone();
            read(&mut stated, configuration);
            found.push(stated);
        }
        if found.len() == before {
            found.push(own);
        }
    }
    if found.is_empty() {
        found.push(base);
    }
    found
}
