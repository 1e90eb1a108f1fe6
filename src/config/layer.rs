//! One layer's text: its table, where its keys stand, and what is wrong with it in the words of the configuration.

use std::ops::Range;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::{Config, Error};

/// One file of the configuration, read and found to be well formed.
pub(super) struct Layer<'t> {
    /// How the file is called in messages.
    pub(super) origin: &'t str,
    text: &'t str,
    table: DeTable<'t>,
}

/// Where a key and its value stand.
type Found = (Range<usize>, Range<usize>);

impl<'t> Layer<'t> {
    /// Reads a file. Windows' editors put a byte order mark before it.
    pub(super) fn read(origin: &'t str, text: &'t str) -> Result<Layer<'t>, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let table = DeTable::parse(text).map_err(|error| {
            let message = error.message().lines().map(str::trim).collect::<Vec<_>>().join(", ");
            let help = "text values stand in quotes, sections in brackets: `[hook]`, `budget = \"10s\"`";
            let error_at = error.span().unwrap_or(0..0);
            Error::new(origin, format!("this is no TOML: {message}"), help).at(text, error_at)
        })?;
        let layer = Layer { origin, text, table: table.into_inner() };
        layer.nested_checks()?;
        match toml::from_str::<Config>(text) {
            Ok(_) => Ok(layer),
            Err(error) => Err(layer.explain(&error)),
        }
    }

    /// The layer's values.
    pub(super) fn values(&self) -> Result<toml::Table, Error> {
        self.text.parse().map_err(|error: toml::de::Error| self.explain(&error))
    }

    /// Whether the key at `path` is set here.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.find(path).is_some()
    }

    /// An error at the value of the key at `path`, or at the last part of the path that is there.
    pub(super) fn error_at(&self, path: &[&str], message: impl Into<String>, help: impl Into<String>) -> Error {
        let error = Error::new(self.origin, message, help);
        let found = (1..=path.len()).rev().find_map(|end| self.find(&path[..end]));
        match found {
            Some((_, value)) => error.at(self.text, value),
            None => error,
        }
    }

    /// An error at the key itself at `path`.
    pub(super) fn error_at_key(&self, path: &[&str], message: impl Into<String>, help: impl Into<String>) -> Error {
        let error = Error::new(self.origin, message, help);
        match self.find(path) {
            Some((key, _)) => error.at(self.text, key),
            None => error,
        }
    }

    fn find(&self, path: &[&str]) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        let (key, value) = self.table.iter().find(|(key, _)| key.get_ref().as_ref() == *first)?;
        find(rest, (key.span(), value.span()), value.get_ref())
    }

    /// `revert.missing = "off"` without quotes makes a table of tables, and an error that says nothing of quotes.
    fn nested_checks(&self) -> Result<(), Error> {
        let Some((_, checks)) = self.table.iter().find(|(key, _)| key.get_ref().as_ref() == "checks") else {
            return Ok(());
        };
        let DeValue::Table(checks) = checks.get_ref() else { return Ok(()) };
        for (family, value) in checks {
            if let DeValue::Table(inside) = value.get_ref() {
                let family = family.get_ref().as_ref();
                let name = inside.iter().next().map_or("name", |(name, _)| name.get_ref().as_ref());
                let message = format!("`checks.{family}.{name}` is not quoted");
                let help = format!("write the code in quotes, under [checks]: `\"{family}.{name}\" = \"off\"`");
                return Err(self.error_at_key(&["checks", family], message, help));
            }
        }
        Ok(())
    }

    /// The error of the deserialiser in the words of the configuration.
    fn explain(&self, error: &toml::de::Error) -> Error {
        let span = error.span().unwrap_or(0..0);
        let mut path = Vec::new();
        path_to(&self.table, &span, &mut path);
        let (message, help) = explain(error.message(), &path.join("."));
        Error::new(self.origin, message, help).at(self.text, span)
    }
}

/// A value from the environment, as it would stand in a file.
pub(super) fn check_value(origin: &str, key: &str, table: toml::Table) -> Result<(), Error> {
    match Config::deserialize(table) {
        Ok(_) => Ok(()),
        Err(error) => {
            let (message, help) = explain(error.message(), key);
            Err(Error::new(origin, message, help))
        }
    }
}

/// What is wrong with the value of `key`, and what to do about it, from serde's sentence.
fn explain(said: &str, key: &str) -> (String, String) {
    let said = said.trim().lines().collect::<Vec<_>>().join(", ");
    let quoted: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    let (first, known) = quoted.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
    let list = || known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    if said.starts_with("unknown field") {
        // The place is the key's own or its table's: which, depends on how the table is written.
        let key = match key.rsplit_once('.') {
            _ if key.is_empty() => first.to_owned(),
            _ if key == first => key.to_owned(),
            Some((_, last)) if last == first => key.to_owned(),
            _ => format!("{key}.{first}"),
        };
        let help = match (nearest(first, known.iter().copied()), known.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, false) => format!("the keys here are: {}", list()),
            (None, true) => "remove it".to_owned(),
        };
        return (format!("unknown key `{key}`"), help);
    }
    if said.starts_with("unknown variant") {
        let help = match nearest(first, known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"? Possible are: {}", list()),
            None => format!("possible are: {}", list()),
        };
        return (format!("`{key}` cannot be \"{first}\""), help);
    }
    if said.starts_with("missing field") {
        return (format!("`{key}` lacks the key `{first}`"), format!("add `{first} = …`"));
    }
    let (problem, expected) = said.split_once(", expected ").unwrap_or((&said, ""));
    let value = problem.split_once(": ").map_or(problem, |(_, value)| value);
    let expected = match expected {
        "a duration" => "a number with its unit in quotes, such as \"10s\", \"250ms\" or \"2h 30m\"",
        "a string" => "text in quotes, such as \"17\"",
        "u64" | "usize" => "a whole number from 0 on, without quotes",
        "a boolean" => "`true` or `false`, without quotes",
        "a sequence" if key == "migrations" => "one or more sections `[[migrations]]`, in double brackets",
        "a sequence" => "a list, such as [\"a\", \"b\"]",
        "a map" => "a section, such as `[hook]`",
        other if other.starts_with("struct ") => "a section with keys of its own, such as `[hook]`",
        other => other,
    };
    match expected {
        "" => (format!("`{key}`: {said}"), "`migd explain config.invalid` shows how it should look".to_owned()),
        _ => (format!("`{key}` cannot be {value}"), format!("it must be {expected}")),
    }
}

/// The word that was probably meant.
pub(super) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let lower = word.to_ascii_lowercase().replace(['-', ' '], "_");
    known
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.replace('-', "_")), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn find(path: &[&str], here: Found, value: &DeValue<'_>) -> Option<Found> {
    let Some((first, rest)) = path.split_first() else { return Some(here) };
    match value {
        DeValue::Table(table) => {
            let (key, value) = table.iter().find(|(key, _)| key.get_ref().as_ref() == *first)?;
            find(rest, (key.span(), value.span()), value.get_ref())
        }
        DeValue::Array(array) => {
            let value = array.get(first.parse::<usize>().ok()?)?;
            find(rest, (value.span(), value.span()), value.get_ref())
        }
        _ => None,
    }
}

/// The keys that lead to what `span` covers.
fn path_to(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) {
    for (key, value) in table {
        if covers(&key.span(), span) || holds(value.get_ref(), &value.span(), span) {
            path.push(key.get_ref().to_string());
            into(value.get_ref(), span, path);
            return;
        }
    }
}

fn into(value: &DeValue<'_>, span: &Range<usize>, path: &mut Vec<String>) {
    match value {
        DeValue::Table(table) => path_to(table, span, path),
        DeValue::Array(array) => {
            for element in array {
                if holds(element.get_ref(), &element.span(), span) {
                    into(element.get_ref(), span, path);
                    return;
                }
            }
        }
        _ => {}
    }
}

/// A table's own span is its header only: what it holds counts too.
fn holds(value: &DeValue<'_>, own: &Range<usize>, span: &Range<usize>) -> bool {
    covers(own, span)
        || match value {
            DeValue::Table(table) => table
                .iter()
                .any(|(key, value)| covers(&key.span(), span) || holds(value.get_ref(), &value.span(), span)),
            DeValue::Array(array) => array.iter().any(|value| holds(value.get_ref(), &value.span(), span)),
            _ => false,
        }
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
