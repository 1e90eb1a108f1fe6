//! Flyway: `V1.2__name.sql`, `U1.2__name.sql`, `R__name.sql`, `B1.2__name.sql`, in any folder below.
//!
//! Versions compare number by number. A new database starts at the highest baseline. Repeatable ones run last, by name,
//! and again whenever they change. A file runs in one transaction, or in none where a statement or its `.sql.conf` asks for
//! that; mixing both kinds is refused unless `mixed` is set. Java steps end what can be judged. Prefixes, placeholders and schemas
//! are those of the set's `settings`, else Flyway's own.

mod settings;
mod stated;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::draft::{Draft, literal};
use super::folders::is_of_other_database;
use super::{Bookkeeping, Chain, Conduct, Given, Heed, Late, Layout, Migration, Mode, Reach, Source, Tree, fill};
use crate::sql::{Kind, LineIndex, split};
use crate::verdict::{Finding, Severity};

#[cfg(test)]
pub(super) use settings::DEFAULTS;
pub(super) use settings::Settings;
pub(super) use stated::{Stated, is_config, rank, stated};

/// See the module.
pub(super) struct Flyway;

impl Layout for Flyway {
    fn name(&self) -> &'static str {
        "flyway"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        let settings = Settings::of(&BTreeMap::new());
        let ours = |file: &&String| file.ends_with(".sql") && !is_elsewhere(file);
        let parsed = tree.files.keys().filter(ours).filter_map(|f| parse(f, &settings));
        // Names without a description are many runners'.
        let parsed: Vec<_> = parsed.filter(|parsed| !parsed.name.is_empty()).collect();
        // Rust steps are refinery's.
        if tree.files.keys().any(|f| f.rsplit('/').next().is_some_and(|f| f.starts_with('V') && f.ends_with(".rs"))) {
            return 0;
        }
        let versioned = parsed.iter().any(|p| p.kind == 'V' || p.kind == 'B');
        let own =
            parsed.iter().any(|p| p.kind == 'R' || p.kind == 'B' || p.numbers.len() > 2 || p.version.contains('_'));
        match (versioned, own) {
            (true, true) => 90,
            (true, false) => 75,
            _ => 0,
        }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        self.plan_with(root, tree, &Given::default())
    }

    fn plan_with(&self, root: &str, tree: &Tree, given: &Given) -> Chain {
        let settings = Settings::of(&given.settings);
        let mut draft = Draft::new(root, tree, self.name()).strips_bom().fills().loads_copy();
        let mut sides: BTreeMap<char, Side<'_>> = BTreeMap::new();
        for file in tree.files.keys() {
            if is_elsewhere(file) {
                draft.unknown(file);
                continue;
            }
            let Some(parsed) = parse(file, &settings) else {
                let of_a_file = file.strip_suffix(".conf").is_some_and(|f| tree.files.contains_key(f));
                let name = file.rsplit('/').next().unwrap_or(file);
                let looks = settings.named(name).is_some_and(|(kind, _)| kind != 'B');
                draft.unknown(file);
                if is_callback(file) {
                    let message = "flyway runs this file around its migrations, and migd does not";
                    let finding = Finding::new("history.unknown-file", Severity::Note, message);
                    draft.find(finding.help("what the migrations need of it belongs in the set's `setup_sql`"), file);
                }
                if looks && !of_a_file && !is_callback(file) {
                    let message = format!("flyway ignores this file: it is not named {}", settings.pattern());
                    draft.find(Finding::new("history.naming", Severity::Warning, message), file);
                }
                continue;
            };
            let side = sides.entry(parsed.kind).or_default();
            let key = (parsed.numbers.clone(), if parsed.kind == 'R' { parsed.name } else { "" });
            match side.get(&key) {
                Some((first, _)) => draft.duplicate(parsed.label(), first, file),
                None => {
                    side.insert(key, (file, parsed));
                }
            }
        }
        let mut take = |kind| sides.remove(&kind).unwrap_or_default();
        let (mut versioned, mut undos, repeatable) = (take('V'), take('U'), take('R'));
        if let Some((key, baseline)) = take('B').pop_last() {
            for (_, (file, _)) in versioned.range(..=key.clone()) {
                draft.unknown(file);
            }
            versioned.retain(|k, _| *k > key);
            versioned.insert(key, baseline);
        }
        for (key, (file, parsed)) in versioned {
            let up = sql(&mut draft, file, tree, &settings, &given.vars);
            let undo = undos.remove(&key).map(|(file, _)| sql(&mut draft, file, tree, &settings, &given.vars));
            let unread = matches!(undo, Some(None));
            draft.push(file, parsed.version.replace('_', "."), parsed.name, up, undo.flatten());
            if unread {
                draft.down_is_unread();
            }
        }
        for (file, _) in undos.into_values() {
            draft.down_without_up(file);
        }
        for (file, parsed) in repeatable.into_values() {
            let up = sql(&mut draft, file, tree, &settings, &given.vars);
            draft.push(file, format!("R__{}", parsed.name), parsed.name, up, None);
            if let Some(last) = draft.last() {
                last.repeatable = true;
            }
        }
        draft.finish()
    }

    fn bookkeeping(&self, migration: &Migration) -> Bookkeeping {
        let version = if migration.repeatable { "NULL".to_owned() } else { literal(&migration.version) };
        let description = literal(&migration.name.replace('_', " "));
        let script = |source: &Source| literal(source.path.rsplit('/').next().unwrap_or(&source.path));
        let row = |kind: &str, source: &Source| {
            format!(
                "INSERT INTO \"flyway_schema_history\" (\"installed_rank\", \"version\", \"description\", \"type\", \
                 \"script\", \"checksum\", \"installed_by\", \"execution_time\", \"success\") \
                 SELECT coalesce(max(\"installed_rank\"), 0) + 1, {version}, {description}, '{kind}', {}, {}, \
                 current_user, 0, true FROM \"flyway_schema_history\"",
                script(source),
                checksum(&source.text),
            )
        };
        Bookkeeping {
            setup: SETUP.iter().map(|&s| s.to_owned()).collect(),
            applied: vec![row("SQL", &migration.up)],
            // An undo is recorded, not erased.
            reverted: migration.down.iter().map(|down| row("UNDO_SQL", down)).collect(),
        }
    }

    /// Before each migration `restoreOriginalState` sets the role, and `changeCurrentSchemaTo` puts the schema of the history
    /// before the `search_path` that the connection began with, unless that begins with it (`currentSchema` in the URL).
    fn reach(&self, setting: &str) -> Reach {
        match setting {
            "role" => Reach::Stays,
            "search_path" => Reach::Unsure,
            _ => Reach::Reaches,
        }
    }

    fn outside(&self) -> &'static str {
        "put it in a file of its own, and where Flyway does not see by itself that it wants none, \
         `executeInTransaction=false` into `FILE.sql.conf` beside it"
    }

    /// `migrate` validates first: a late one is `Detected resolved migration not applied to database` (with `outOfOrder` it
    /// runs), and checksum, description and presence of every recorded one must be as they were.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Refuses, edited: Heed::Refuses, deleted: Heed::Refuses, renamed: Heed::Refuses }
    }

    fn is_same_to_checksum(&self, one: &Source, other: &Source) -> bool {
        checksum(&one.text) == checksum(&other.text)
    }

    fn is_step_elsewhere(&self, path: &str) -> bool {
        let settings = Settings::of(&BTreeMap::new());
        !path.ends_with(".sql") && parse(path, &settings).is_some_and(|step| step.kind == 'V' || step.kind == 'R')
    }

    fn setup(&self, settings: &BTreeMap<String, String>) -> Option<String> {
        Settings::of(settings).setup()
    }

    /// Undo is not part of every edition, and most sets have none.
    fn expects_down(&self, _: &Migration) -> bool {
        false
    }

    fn traces(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("flyway.toml", ""),
            ("flyway.conf", ""),
            ("pom.xml", "flyway"),
            ("build.gradle", "flyway"),
            ("build.gradle.kts", "flyway"),
        ]
    }

    fn homes(&self) -> &'static [&'static str] {
        &["db/migration"]
    }

    fn is_deep(&self) -> bool {
        true
    }
}

const SETUP: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS \"flyway_schema_history\" (
    \"installed_rank\" INT NOT NULL CONSTRAINT \"flyway_schema_history_pk\" PRIMARY KEY,
    \"version\" VARCHAR(50),
    \"description\" VARCHAR(200) NOT NULL,
    \"type\" VARCHAR(20) NOT NULL,
    \"script\" VARCHAR(1000) NOT NULL,
    \"checksum\" INTEGER,
    \"installed_by\" VARCHAR(100) NOT NULL,
    \"installed_on\" TIMESTAMP NOT NULL DEFAULT now(),
    \"execution_time\" INTEGER NOT NULL,
    \"success\" BOOLEAN NOT NULL
)",
    "CREATE INDEX IF NOT EXISTS \"flyway_schema_history_s_idx\" ON \"flyway_schema_history\" (\"success\")",
];

/// Flyway's: CRC-32 over the lines without their ends, as a signed number.
fn checksum(text: &str) -> i32 {
    let mut hasher = crc32fast::Hasher::new();
    for line in text.lines() {
        hasher.update(line.trim_end_matches('\r').as_bytes());
    }
    i32::from_ne_bytes(hasher.finalize().to_ne_bytes())
}

/// The files of one kind by version, or by name where they have none.
type Side<'a> = BTreeMap<(Vec<u64>, &'a str), (&'a str, Parsed<'a>)>;

#[derive(Debug)]
struct Parsed<'a> {
    /// `V`, `U`, `B` or `R`.
    kind: char,
    version: &'a str,
    /// The version's parts without zeros at the end, so that 1.0 is 1.
    numbers: Vec<u64>,
    name: &'a str,
}

impl<'a> Parsed<'a> {
    fn label(&self) -> &'a str {
        if self.kind == 'R' { self.name } else { self.version }
    }
}

/// Whether a file is another database's: `{vendor}` in a location means one folder for each.
fn is_elsewhere(file: &str) -> bool {
    file.rsplit_once('/').is_some_and(|(folders, _)| folders.split('/').any(is_of_other_database))
}

/// What Java steps are written in.
const JAVA: &[&str] = &["java", "kt", "groovy", "scala"];

/// Whether Flyway runs this file around its migrations: `beforeMigrate.sql`, `afterEachMigrate__grants.sql`.
fn is_callback(file: &str) -> bool {
    let stem = file.rsplit('/').next().unwrap_or(file).strip_suffix(".sql").unwrap_or_default();
    let event = stem.split("__").next().unwrap_or(stem);
    ["before", "after"].iter().any(|when| {
        event.strip_prefix(when).is_some_and(|what| {
            [
                "Migrate",
                "EachMigrate",
                "EachMigrateStatement",
                "Versioned",
                "Repeatables",
                "Connect",
                "Undo",
                "EachUndo",
            ]
            .contains(&what)
        })
    })
}

/// `V1_2.3__name.sql` or `.java`, of the file's own name. Classes have Flyway's own prefixes, whatever the settings are.
fn parse<'a>(path: &'a str, settings: &Settings) -> Option<Parsed<'a>> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let class = file.rsplit_once('.').filter(|(_, extension)| JAVA.contains(extension));
    let (kind, (version, name)) = match class {
        // A class like `V1.java` is more likely something else.
        Some((stem, _)) => {
            let kind = stem.chars().next().filter(|c| "VUBR".contains(*c))?;
            (kind, stem[1..].split_once("__")?)
        }
        // A versioned file needs no description.
        None => {
            let (kind, rest) = settings.named(file)?;
            let bare = (kind != 'R').then_some((rest, ""));
            (kind, rest.split_once(settings.separator.as_str()).or(bare)?)
        }
    };
    if kind == 'R' {
        return version.is_empty().then_some(Parsed { kind, version, numbers: Vec::new(), name });
    }
    let parts: Option<Vec<u64>> = version.split(['.', '_']).map(|p| p.parse().ok()).collect();
    let mut numbers = parts?;
    while numbers.last() == Some(&0) && numbers.len() > 1 {
        numbers.pop();
    }
    Some(Parsed { kind, version, numbers, name })
}

/// The versions that files have, whatever runs them.
pub(super) fn versions<'p>(files: impl Iterator<Item = &'p str>) -> BTreeSet<Vec<u64>> {
    let settings = Settings::of(&BTreeMap::new());
    files.filter_map(|f| parse(f, &settings)).filter(|file| file.kind == 'V').map(|file| file.numbers).collect()
}

/// Whether no version is there twice, so that these may be one set.
pub(super) fn is_one<'p>(files: impl Iterator<Item = &'p str>) -> bool {
    let settings = Settings::of(&BTreeMap::new());
    let ours = |path: &&str| !is_elsewhere(path);
    let mut seen = BTreeSet::new();
    let versioned = files.filter(ours).filter_map(|f| parse(f, &settings)).filter(|file| file.kind == 'V');
    versioned.map(|file| file.numbers).all(|numbers| seen.insert(numbers))
}

/// Whether some of these files are versioned ones.
pub(super) fn has_versions<'p>(mut files: impl Iterator<Item = &'p str>, settings: &Settings) -> bool {
    files.any(|file| parse(file, settings).is_some_and(|file| file.kind == 'V'))
}

/// The file with its placeholders replaced, and the transaction that Flyway would use.
fn sql(
    draft: &mut Draft<'_>,
    file: &str,
    tree: &Tree,
    settings: &Settings,
    vars: &BTreeMap<String, String>,
) -> Option<Source> {
    if JAVA.contains(&file.rsplit('.').next().unwrap_or_default()) {
        return None;
    }
    let text = draft.text(file)?;
    let own = tree.files.get(&format!("{file}.conf")).and_then(|f| f.bytes.as_deref()).map(String::from_utf8_lossy);
    let is_off = |name: &str| {
        own.as_deref().is_some_and(|text| {
            text.lines()
                .filter_map(|l| l.split_once('='))
                .any(|(key, value)| key.trim() == name && value.trim().eq_ignore_ascii_case("false"))
        })
    };
    let replaces = settings.replaces && !is_off("placeholderReplacement");
    let text = if replaces { substitute(draft, file, text, settings, vars)? } else { text };
    let script = split(&text);
    let bare = |kind: Kind| matches!(kind, Kind::NoTransaction | Kind::Database);
    let transaction_of_its_own = script.statements.iter().find(|s| bare(s.kind));
    let mixed = script.statements.iter().any(|s| !bare(s.kind) && s.kind != Kind::Set);
    let asked = is_off("executeInTransaction");
    if let Some(statement) = transaction_of_its_own.filter(|_| mixed && !asked && !settings.mixed) {
        let lines = LineIndex::new(&text);
        let span = lines.span(statement.range.clone());
        let message =
            "flyway refuses a file that mixes this statement, which runs in no transaction, with others that do";
        let finding = Finding::new("apply.format", Severity::Error, message).at(span, lines.lines(span));
        draft.find(finding.help("give it a file of its own"), file);
    }
    let mode = if asked || transaction_of_its_own.is_some() { Mode::PerStatement } else { Mode::Wrapped };
    let body = 0..text.len();
    Some(Source { path: draft.path(file), text, body, mode, pieces: None, inserts: None })
}

/// The placeholders that Flyway fills itself, as far as they are the same in every database.
fn of_flyway(name: &str, file: &str, settings: &Settings) -> Option<String> {
    match name.strip_prefix("flyway")?.strip_prefix(settings.colon.as_str())? {
        "defaultSchema" => Some(settings.schema().to_owned()),
        "table" => Some(settings.table.clone()),
        "filename" => Some(file.rsplit('/').next().unwrap_or(file).to_owned()),
        _ => None,
    }
}

/// Replaces `${name}`, or as the settings write it, everywhere, comments included, whether its letters are large or small. A
/// name without a value is an error.
fn substitute(
    draft: &mut Draft<'_>,
    file: &str,
    text: Arc<str>,
    settings: &Settings,
    vars: &BTreeMap<String, String>,
) -> Option<Arc<str>> {
    let (open, close) = (settings.open.as_str(), settings.close.as_str());
    if open.is_empty() || close.is_empty() || !text.contains(open) {
        return Some(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some((before, after)) = rest.split_once(open) {
        out.push_str(before);
        let Some((name, behind)) = after.split_once(close) else {
            out.push_str(open);
            rest = after;
            break;
        };
        let given =
            vars.get(name).or_else(|| vars.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v));
        match given.cloned().or_else(|| of_flyway(name, file, settings)) {
            Some(value) => out.push_str(&value),
            None => {
                let at = text.len() - after.len() - open.len();
                let lines = LineIndex::new(&text);
                let end = at + open.len() + name.len() + close.len();
                let span = lines.span(at..end);
                let finding = fill::unnamed(&text[at..end], name).at(span, lines.lines(span));
                draft.find(finding, file);
                return None;
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    Some(Arc::from(out))
}
