//! What no type can say: values that make no sense, alone or together.

use std::path::Path;
use std::time::Duration;

use super::layer::nearest;
use super::load::{FILE, Layers};
use super::{Config, EngineKind, Error};

/// Flyway's settings that decide what its files mean.
pub const FLYWAY_SETTINGS: &[&str] = &[
    "baselineMigrationPrefix",
    "createSchemas",
    "defaultSchema",
    "mixed",
    "placeholderPrefix",
    "placeholderReplacement",
    "placeholderSeparator",
    "placeholderSuffix",
    "repeatableSqlMigrationPrefix",
    "schemas",
    "sqlMigrationPrefix",
    "sqlMigrationSeparator",
    "sqlMigrationSuffixes",
    "table",
    "undoSqlMigrationPrefix",
];

/// The families of finding codes.
pub const FAMILIES: &[&str] = &[
    "apply", "compat", "config", "contract", "daemon", "data", "design", "engine", "history", "lint", "lock", "loss",
    "query", "revert", "scenario", "suppress",
];

/// Settings of the server that migd makes itself: another value, and it does not find its server or somebody else does.
const OWN_SETTINGS: &[&str] = &[
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "include",
    "include_dir",
    "include_if_exists",
    "listen_addresses",
    "log_destination",
    "log_directory",
    "log_filename",
    "logging_collector",
    "port",
    "ssl",
    "unix_socket_directories",
    "unix_socket_group",
    "unix_socket_permissions",
];

/// Checks `config`, and brings its paths to one form.
pub(super) fn validate(mut config: Config, layers: &Layers<'_>) -> Result<Config, Error> {
    engine(&config, layers)?;
    let durations = [
        (["hook", "budget"], config.hook.budget),
        (["limits", "statement"], config.limits.statement),
        (["limits", "judgement"], config.limits.judgement),
        (["limits", "scenario"], config.limits.scenario),
    ];
    for (path, value) in durations {
        if value == Duration::ZERO {
            let message = format!("`{}` is no time at all", path.join("."));
            return Err(layers.error(&path, message, "it must be longer than 0, such as \"10s\""));
        }
    }
    for (path, value) in [
        (["limits", "file_bytes"], config.limits.file_bytes),
        (["limits", "database_bytes"], config.limits.database_bytes),
    ] {
        if value == 0 {
            let message = format!("`{}` lets nothing through", path.join("."));
            return Err(layers.error(&path, message, "it must be more than 0, in bytes"));
        }
    }
    if let Err(error) = regex::Regex::new(&config.history.naming) {
        let said = error.to_string();
        let said = said.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let message = format!("`history.naming` is no regular expression: {said}");
        return Err(layers.error(&["history", "naming"], message, "write it as in '^\\d{4}_[a-z_]+\\.sql$'"));
    }
    for key in config.check_keys() {
        check_key(key, layers)?;
    }
    migrations(&mut config, layers)?;
    Ok(config)
}

/// Refuses what a repository may not decide: a pulled commit must not name a program to be run on this machine.
fn stranger(layers: &Layers<'_>) -> Result<(), Error> {
    let path = ["engine", "bin_dir"];
    let names = |table: toml::Table| {
        let value = table.get("engine").and_then(|engine| engine.get("bin_dir"));
        value.and_then(toml::Value::as_str).is_some_and(|value| !value.is_empty())
    };
    match layers.files().find(|layer| layer.origin == FILE && layer.values().is_ok_and(names)) {
        Some(repository) => {
            let message = "`engine.bin_dir` names programs to run, which a repository may not";
            let help = format!("put it into your own {}, or set MIGD_BIN_DIR", layers.user);
            Err(repository.error_at_key(&path, message, help))
        }
        None => Ok(()),
    }
}

fn engine(config: &Config, layers: &Layers<'_>) -> Result<(), Error> {
    stranger(layers)?;
    let engine = &config.engine;
    let kind = match engine.kind {
        EngineKind::Auto | EngineKind::Container => None,
        EngineKind::Local => Some("local"),
        EngineKind::Url => Some("url"),
    };
    if let (true, Some(kind)) = (engine.superuser, kind) {
        let message = format!("`engine.superuser` needs a container, and `engine.kind` is \"{kind}\"");
        let help = "set `engine.kind = \"container\"`, or remove `engine.superuser`";
        return Err(layers.error(&["engine", "superuser"], message, help));
    }
    if engine.kind == EngineKind::Url && engine.url.is_empty() {
        let help = "add `url = \"postgres://user@host/database\"` under [engine], or set MIGD_ENGINE_URL";
        let message = "`engine.kind` is \"url\", and `engine.url` is not set";
        return Err(layers.error(&["engine", "kind"], message, help));
    }
    let major = engine.postgres.as_str();
    if !major.is_empty() && major.parse::<u16>().is_err() {
        let message = format!("`engine.postgres` cannot be \"{major}\"");
        return Err(layers.error(&["engine", "postgres"], message, "it must be a major version, such as \"17\""));
    }
    for (name, value) in &engine.settings {
        let path = ["engine", "settings", name.as_str()];
        let word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'.';
        if name.is_empty() || !name.bytes().all(word) {
            let message = format!("`{name}` is no name of a server's setting");
            return Err(layers.error_at_key(&path, message, "names are written as in `pg_settings`: `work_mem`"));
        }
        if OWN_SETTINGS.contains(&name.as_str()) {
            let message = format!("`engine.settings.{name}` is migd's own to set");
            return Err(layers.error_at_key(
                &path,
                message,
                "remove it: migd decides where its server lives and listens",
            ));
        }
        if value.chars().any(char::is_control) {
            let message = format!("`engine.settings.{name}` has a control character");
            return Err(layers.error(&path, message, "write the value on one line"));
        }
    }
    Ok(())
}

/// A family, or `family.name`. Whether the name is one of a check is known above this layer.
fn check_key(key: &str, layers: &Layers<'_>) -> Result<(), Error> {
    let path = ["checks", key];
    let (family, name) = key.split_once('.').map_or((key, None), |(family, name)| (family, Some(name)));
    let words = |word: &str| {
        !word.is_empty()
            && word.split('-').all(|part| !part.is_empty())
            && word.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
    };
    if !words(family) || name.is_some_and(|name| !words(name)) {
        let message = format!("`checks.\"{key}\"` is no code");
        let help = "a code is `family.name` in lower case, such as \"revert.missing\"; `migd explain` lists them";
        return Err(layers.error_at_key(&path, message, help));
    }
    if !FAMILIES.contains(&family) {
        let message = format!("there is no family of findings called `{family}`");
        let help = match nearest(family, FAMILIES.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the families are: {}", FAMILIES.join(", ")),
        };
        return Err(layers.error_at_key(&path, message, help));
    }
    Ok(())
}

fn migrations(config: &mut Config, layers: &Layers<'_>) -> Result<(), Error> {
    for at in 0..config.migrations.len() {
        let index = at.to_string();
        let here = |key| ["migrations", index.as_str(), key];
        let (earlier, rest) = config.migrations.split_at_mut(at);
        let Some(set) = rest.first_mut() else { break };
        set.path = normalised(&set.path).map_err(|(message, help)| {
            layers.error(&here("path"), format!("the path \"{}\" {message}", set.path), help)
        })?;
        let setup = set.setup_sql.iter_mut().map(|file| ("setup_sql", "setup file", file));
        let replace = set.replace.values_mut().map(|file| ("replace", "replacement", file));
        for (key, what, file) in setup.chain(replace) {
            let stated = file.to_string_lossy().into_owned();
            let path = normalised(&stated).and_then(|path| match path.as_str() {
                "" => Err(("names no file", "name a file of SQL")),
                _ => Ok(path),
            });
            let path = path.map_err(|(message, help)| {
                layers.error(&here(key), format!("the {what} \"{stated}\" {message}"), help)
            })?;
            *file = path.into();
        }
        for stated in &mut set.locations {
            let path = normalised(stated).map_err(|(message, help)| {
                layers.error(&here("locations"), format!("the location \"{stated}\" {message}"), help)
            })?;
            *stated = path;
        }
        if !set.locations.is_empty() && set.layout.as_deref() != Some("flyway") {
            let help = "state `layout = \"flyway\"`, or a set of its own for each folder";
            return Err(layers.error(&here("locations"), "only flyway's sets have further locations", help));
        }
        if !set.settings.is_empty() && set.layout.as_deref() != Some("flyway") {
            let help = "state `layout = \"flyway\"`, or remove them";
            return Err(layers.error(&here("settings"), "only flyway's sets have settings of the runner's own", help));
        }
        if let Some(unknown) = set.settings.keys().find(|name| !FLYWAY_SETTINGS.contains(&name.as_str())) {
            let message = format!("flyway has no setting \"{unknown}\" that migd reads");
            let help = format!("those that it reads are: {}", FLYWAY_SETTINGS.join(", "));
            return Err(layers.error(&here("settings"), message, help));
        }
        if let Some(stated) = &set.scenarios {
            let path = normalised(stated).and_then(|path| match path.as_str() {
                "" => Err(("names no folder", "name a folder for files that end in .slt")),
                _ => Ok(path),
            });
            let path = path.map_err(|(message, help)| {
                layers.error(&here("scenarios"), format!("the folder of scenarios \"{stated}\" {message}"), help)
            })?;
            set.scenarios = Some(path);
        }
        if set.name.as_deref().is_some_and(|name| name.trim().is_empty()) {
            return Err(layers.error(&here("name"), "the set's name is empty", "name it, or remove the key"));
        }
        if earlier.iter().any(|other| other.path == set.path) {
            let message = format!("the folder \"{}\" is stated twice", shown(&set.path));
            return Err(layers.error(&here("path"), message, "remove one of the two [[migrations]]"));
        }
        let name = set.name.as_deref().unwrap_or(shown(&set.path));
        if earlier.iter().any(|other| other.name.as_deref().unwrap_or(shown(&other.path)) == name) {
            let key = if set.name.is_some() { "name" } else { "path" };
            let message = format!("two sets are called \"{name}\"");
            return Err(layers.error(&here(key), message, "give each set a `name` of its own"));
        }
    }
    Ok(())
}

/// How the set's folder is called where it has no name.
fn shown(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

/// `./db/` as `db`, `.` as nothing; what leads out of the repository is an error.
fn normalised(path: &str) -> Result<String, (&'static str, &'static str)> {
    if path.contains('\\') {
        return Err(("has a backslash", "write `/` between folders, on Windows too"));
    }
    if Path::new(path).is_absolute() || path.starts_with('~') {
        return Err(("is not relative", "paths are relative to the repository's top, such as \"db/migrations\""));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(("leads upwards", "paths are relative to the repository's top, without `..`"));
    }
    Ok(parts.join("/"))
}
