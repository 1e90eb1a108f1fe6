//! From the layers to one configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::{Table, Value};

use super::layer::{self, Layer};
use super::{Config, Error, validate};
use crate::wire::env::meant;

/// The repository's file, at the top of its work tree.
pub const FILE: &str = "migd.toml";

/// The keys that environment variables override: those of `wire::env::OVERRIDES`.
const VARIABLES: &[(&str, &str, &str)] = &[
    ("MIGD_ENGINE", "engine", "kind"),
    ("MIGD_ENGINE_URL", "engine", "url"),
    ("MIGD_POSTGRES", "engine", "postgres"),
    ("MIGD_IMAGE", "engine", "image"),
    ("MIGD_BIN_DIR", "engine", "bin_dir"),
    ("MIGD_HOOK_BUDGET", "hook", "budget"),
    ("MIGD_HOOK_UNAVAILABLE", "hook", "unavailable"),
    ("MIGD_ROWS_BUDGET", "rows", "budget"),
    ("MIGD_ROWS_BUDGET", "rows", "patience"),
];

/// Every layer that sets something, the strongest last.
pub(super) struct Layers<'t> {
    files: Vec<Layer<'t>>,
    /// The variables that are set, and the keys that they override.
    variables: Vec<(&'static str, [&'static str; 2])>,
    /// The user's own file.
    pub(super) user: &'t str,
}

impl Config {
    /// The configuration that holds: default, then the user's file, then the repository's, then the environment, each
    /// key from the last that states it. `overrides` may hold other variables too.
    pub fn load(
        user: Option<&str>,
        repository: Option<&str>,
        overrides: &BTreeMap<String, String>,
    ) -> Result<Config, Error> {
        let user_name = user_file(overrides).display().to_string();
        let mut layers = Layers { files: Vec::new(), variables: Vec::new(), user: &user_name };
        let mut merged = Table::new();
        for (origin, text) in [(user_name.as_str(), user), (FILE, repository)] {
            let Some(text) = text else { continue };
            let layer = Layer::read(origin, text)?;
            merge(&mut merged, layer.values()?);
            layers.files.push(layer);
        }
        for &(variable, section, key) in VARIABLES {
            let Some(value) = overrides.get(variable).filter(|value| !value.is_empty()) else { continue };
            let inside = Table::from_iter([(key.to_owned(), Value::String(value.clone()))]);
            let table = Table::from_iter([(section.to_owned(), Value::Table(inside))]);
            layer::check_value(variable, &format!("{section}.{key}"), table.clone())?;
            merge(&mut merged, table);
            layers.variables.push((variable, [section, key]));
        }
        let config = Config::deserialize(merged).map_err(|error| Error::new(FILE, error.message(), ""))?;
        validate::validate(config, &layers)
    }

    /// `config/default.toml`: every key at its default, with its comment.
    pub fn default_text() -> &'static str {
        include_str!("../../config/default.toml")
    }

    /// The codes and families under `[checks]`. Whether a code exists is known to the registry of checks alone.
    pub fn check_keys(&self) -> impl Iterator<Item = &str> {
        self.checks.keys().map(String::as_str)
    }
}

/// The user's own file, in the platform's configuration folder: that of whoever has `env`, who need not be who started
/// this process.
pub fn user_file(env: &BTreeMap<String, String>) -> PathBuf {
    let absolute = |name: &str| env.get(name).map(|path| PathBuf::from(meant(path))).filter(|path| path.is_absolute());
    let below = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
    let stated = absolute("XDG_CONFIG_HOME").filter(|_| !cfg!(target_os = "macos"));
    let folder = stated.or_else(|| absolute("HOME").map(|home| home.join(below))).map(|folder| folder.join("migd"));
    let own = || directories::ProjectDirs::from("", "", "migd").map(|dirs| dirs.config_dir().to_path_buf());
    folder.or_else(own).unwrap_or_else(|| PathBuf::from("/etc/migd")).join("config.toml")
}

impl Layers<'_> {
    /// An error at the value of a key, where it was stated last.
    pub(super) fn error(&self, path: &[&str], message: impl Into<String>, help: impl Into<String>) -> Error {
        if let Some((variable, _)) = self.variables.iter().find(|(_, key)| key == path) {
            return Error::new(variable, message, help);
        }
        match self.last(path) {
            Some(layer) => layer.error_at(path, message, help),
            None => Error::new(FILE, message, help),
        }
    }

    /// An error at a key itself, where it was stated last.
    pub(super) fn error_at_key(&self, path: &[&str], message: impl Into<String>, help: impl Into<String>) -> Error {
        match self.last(path) {
            Some(layer) => layer.error_at_key(path, message, help),
            None => Error::new(FILE, message, help),
        }
    }

    /// The files, the strongest last.
    pub(super) fn files(&self) -> impl Iterator<Item = &Layer<'_>> {
        self.files.iter()
    }

    /// The last file that has the path, or else the most of it.
    fn last(&self, path: &[&str]) -> Option<&Layer<'_>> {
        (1..=path.len()).rev().find_map(|end| self.files.iter().rev().find(|layer| layer.has(&path[..end])))
    }
}

/// Puts `over` over `under`, table by table; anything else, lists too, replaces what was there.
fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}
