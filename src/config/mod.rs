//! The configuration: default < user < repository < environment < flags.
//!
//! Every key stands in `config/default.toml` with its comment; `config/schema.json` is generated from these types.

mod error;
mod layer;
mod load;
mod schema;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::verdict::Severity;

pub use error::Error;
pub use load::{FILE, user_file};
pub use schema::schema;
pub use validate::{FAMILIES, FLYWAY_SETTINGS};

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "migd.toml")]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where PostgreSQL comes from.
    pub engine: Engine,
    /// What the git hook does.
    pub hook: Hook,
    /// What one judgement may use.
    pub limits: Limits,
    /// The search for rows that break a migration.
    pub rows: Rows,
    /// The daemon.
    pub daemon: Daemon,
    /// Judging while one edits.
    pub watch: Watch,
    /// What production may already have.
    pub history: History,
    /// The severity of findings, by code or by family (`"revert.missing" = "off"`, `"history" = "note"`).
    pub checks: BTreeMap<String, Level>,
    /// The migration sets. Empty: they are searched for.
    pub migrations: Vec<Set>,
}

/// Where PostgreSQL comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// Which engine.
    pub kind: EngineKind,
    /// The major version that production runs, as in `"17"`; empty: any.
    pub postgres: String,
    /// The image of the container engine.
    pub image: String,
    /// The folder with `initdb` and `postgres` of the local engine; empty: searched for.
    pub bin_dir: String,
    /// The server of the url engine.
    pub url: String,
    /// Lets migrations run as a superuser. Only in a container.
    pub superuser: bool,
    /// Further settings of the server, as in `postgresql.conf` (container and local).
    pub settings: BTreeMap<String, String>,
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// A container where an engine answers and the image can be had, else local.
    Auto,
    /// A container.
    Container,
    /// A private cluster from installed binaries.
    Local,
    /// Databases of migd's own on a server that exists.
    Url,
}

/// What the git hook does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hook {
    /// How long a commit may wait for its verdict.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub budget: Duration,
    /// What happens to the commit when no verdict can be had.
    pub unavailable: Unavailable,
}

/// What happens to the commit when no verdict can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unavailable {
    /// It is refused.
    Block,
    /// It is let through, with a warning.
    Warn,
}

/// What one judgement may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How long one statement may run.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub statement: Duration,
    /// How long one whole judgement may run when nobody's commit waits for it (`migd check`).
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub judgement: Duration,
    /// How long one scenario may run.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub scenario: Duration,
    /// The largest migration file, in bytes.
    pub file_bytes: u64,
    /// How much a database may grow while it is judged, in bytes.
    pub database_bytes: u64,
}

/// The search for rows that break a migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rows {
    /// Whether rows are searched for.
    pub enabled: bool,
    /// How long the search may take for each migration when a commit waits.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub budget: Duration,
    /// How long it may take when no commit waits (`migd check`, where `--budget` gives another time).
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub patience: Duration,
}

/// The daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Daemon {
    /// How long PostgreSQL is kept warm without a request.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub engine_idle: Duration,
    /// How long the daemon stays without a request.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub idle: Duration,
    /// How many clones are kept ready for each set's newest template.
    pub clones: usize,
}

/// Judging while one edits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Watch {
    /// Whether the daemon watches the sets, and judges what is saved and staged before it is committed.
    pub enabled: bool,
    /// How long the files must be left alone before they are looked at; a third of it where they were left alone before.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub debounce: Duration,
}

/// What production may already have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// The upstream branch; empty: the current branch's upstream, else `origin/HEAD`, `origin/main`, `origin/master`.
    pub upstream: String,
    /// A regular expression that the names of new migrations must match (the file's, or its folder's); empty: anything.
    pub naming: String,
    /// Whether the numbers of new migrations may leave some out.
    pub gaps: bool,
}

/// A finding's severity, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not reported.
    Off,
    /// Worth knowing.
    Note,
    /// Worth changing.
    Warning,
    /// The commit is refused.
    Error,
}

impl Level {
    /// The severity, none for `off`.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Level::Off => None,
            Level::Note => Some(Severity::Note),
            Level::Warning => Some(Severity::Warning),
            Level::Error => Some(Severity::Error),
        }
    }
}

/// A migration set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The folder, relative to the repository.
    pub path: String,
    /// The layout's name; none: recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub layout: Option<String>,
    /// Further folders of the same set, relative to the repository: Flyway's other locations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<String>,
    /// The set's name; none: the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub name: Option<String>,
    /// SQL files, relative to the repository, that make what production has before the first migration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup_sql: Vec<PathBuf>,
    /// SQL files, relative to the repository, in the place of steps that are not SQL: by version, or by the step's file name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replace: BTreeMap<String, PathBuf>,
    /// The folder of the set's scenarios, relative to the repository; none: `scenarios` in the set's folder, or beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub scenarios: Option<String>,
    /// The runner's placeholders.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// The runner's own settings that are not at their defaults, by the runner's names (Flyway's `sqlMigrationPrefix`,
    /// `placeholderPrefix`, `schemas`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Why the layout may be another one, where nobody stated it.
    #[serde(skip)]
    pub doubt: Option<String>,
}

impl Default for Engine {
    fn default() -> Self {
        Engine {
            kind: EngineKind::Auto,
            postgres: String::new(),
            image: "postgres:17-alpine".to_owned(),
            bin_dir: String::new(),
            url: String::new(),
            superuser: false,
            settings: BTreeMap::new(),
        }
    }
}

impl Default for Hook {
    fn default() -> Self {
        Hook { budget: Duration::from_secs(10), unavailable: Unavailable::Block }
    }
}

impl Default for History {
    fn default() -> Self {
        History { upstream: String::new(), naming: String::new(), gaps: true }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            statement: Duration::from_secs(5),
            judgement: Duration::from_secs(600),
            scenario: Duration::from_secs(10),
            file_bytes: 16 << 20,
            database_bytes: 1 << 30,
        }
    }
}

impl Default for Rows {
    fn default() -> Self {
        Rows { enabled: true, budget: Duration::from_millis(250), patience: Duration::from_secs(2) }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Watch { enabled: true, debounce: Duration::from_millis(15) }
    }
}

impl Default for Daemon {
    fn default() -> Self {
        Daemon { engine_idle: Duration::from_secs(2 * 3600), idle: Duration::from_secs(8 * 3600), clones: 2 }
    }
}
