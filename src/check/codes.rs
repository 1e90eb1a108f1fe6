//! The registry of finding codes: for each its default severity, what it says in a line, and its explanation.
//!
//! A code is one line in [`CODES`] and one file, `codes/<code>.md`, from which `migd explain` and `docs/checks/` are
//! made. The SQL in an explanation is run: ` ```sql setup` is the schema before, ` ```sql bad` a migration that is
//! reported and ` ```sql good` its repaired form; lines `-- up` and `-- down` tell their two directions apart.

use crate::verdict::Severity::{self, Error, Note, Warning};

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `family.name`.
    pub name: &'static str,
    /// How much a finding weighs unless configured.
    pub severity: Severity,
    /// What it says, in one line.
    pub summary: &'static str,
    /// What it means, why it matters, an example and what to do, in Markdown.
    pub explain: &'static str,
}

/// A migration in an explanation, to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Whether it is the repaired form; else it is reported.
    pub good: bool,
    /// The schema before, and its rows.
    pub setup: String,
    /// The change.
    pub up: String,
    /// Its reverse, where the example has one.
    pub down: Option<String>,
}

impl Code {
    /// The explanation's migrations, in order. Those of `history.*` and `config.*` are about files, and are not among them.
    pub fn examples(&self) -> Vec<Example> {
        let mut blocks: Vec<(&str, String)> = Vec::new();
        let mut open = false;
        for line in self.explain.lines() {
            match line.strip_prefix("```") {
                Some(info) => {
                    open = !open;
                    if open {
                        blocks.push((info, String::new()));
                    }
                }
                None if open => {
                    if let Some((_, text)) = blocks.last_mut() {
                        text.push_str(line);
                        text.push('\n');
                    }
                }
                None => {}
            }
        }
        let setup: String =
            blocks.iter().filter(|(info, _)| *info == "sql setup").map(|(_, text)| text.as_str()).collect();
        let migrations = blocks.iter().filter(|(info, _)| matches!(*info, "sql bad" | "sql good"));
        migrations.map(|(info, text)| Example::new(*info == "sql good", &setup, text)).collect()
    }

    /// The part before the dot.
    pub fn family(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(family, _)| family)
    }
}

impl Example {
    fn new(good: bool, setup: &str, text: &str) -> Example {
        let (up, down) = match text.split_once("-- down\n") {
            Some((up, down)) => (up, Some(down.to_owned())),
            None => (text, None),
        };
        let up = up.replacen("-- up\n", "", 1);
        Example { good, setup: setup.to_owned(), up, down }
    }
}

macro_rules! codes {
    ($($name:literal $severity:ident $summary:literal,)*) => {
        &[$(Code {
            name: $name,
            severity: $severity,
            summary: $summary,
            explain: include_str!(concat!("codes/", $name, ".md")),
        },)*]
    };
}

/// Every code that a finding may have, in order of name.
pub static CODES: &[Code] = codes! {
    "apply.chain" Error "an earlier migration, which this commit does not touch, does not apply on a fresh database",
    "apply.connection-lost" Error "the connection ended while the migration ran",
    "apply.crashes" Error "the migration crashes the server's process, every time at the same statement",
    "apply.database" Note "a statement names a database, which is taken for the one that is migrated",
    "apply.disk" Error "the migration wrote more than it may, or the disk is full",
    "apply.empty" Warning "the migration has no statement",
    "apply.encoding" Error "the file is not UTF-8",
    "apply.error" Error "a statement of the migration fails on a fresh database",
    "apply.format" Error "the runner cannot read the file's own markers",
    "apply.membership" Note "a statement needs a superuser, or a member of a role",
    "apply.meta-command" Error "the file has commands of the program psql",
    "apply.not-sql" Error "the file is no SQL",
    "apply.own-transaction" Error "the file ends the transaction in which its runner runs it, and the runner stops",
    "apply.permission" Error "the migration needs a right that a database's owner does not have",
    "apply.session-leak" Warning "a setting outlives its migration, in the session that the runner keeps for the next one",
    "apply.timeout" Error "a statement ran too long and was cancelled",
    "apply.transaction-left-open" Error "the migration opens a transaction and does not end it",
    "apply.unterminated" Error "a string, quoted name, comment or COPY data never ends",
    "config.bare" Error "the repository is bare, nothing can be staged in it",
    "config.conflicted-index" Error "the index has unmerged entries",
    "config.file-too-large" Error "a file of the set is larger than the limit",
    "config.invalid" Error "the configuration cannot be used",
    "config.layout" Error "the set follows no known layout",
    "config.link" Error "a file or folder of the set is a link that leads out of the repository",
    "config.no-sets" Error "the repository has no migration set",
    "config.not-a-repository" Error "this is no git repository",
    "config.placeholder" Error "a placeholder of the migration has no value",
    "config.replacement" Error "a step that is not SQL cannot be replaced as configured",
    "config.unreadable-index" Error "the index cannot be read",
    "daemon.lost" Error "the connection to the daemon broke",
    "daemon.request" Error "the daemon cannot read what it was asked",
    "daemon.silent" Error "the daemon gave no answer in time",
    "daemon.start" Error "the daemon cannot be started",
    "daemon.stays" Error "the daemon that runs does not stop",
    "data.cardinality" Error "a subquery finds several rows where one is wanted",
    "data.cast" Error "rows have values that cannot be converted",
    "data.check" Error "rows break a CHECK constraint",
    "data.exclusion" Error "rows break an exclusion constraint",
    "data.fails" Error "the migration fails as soon as there are rows",
    "data.foreign-key" Error "rows point to parents that are not there",
    "data.not-null" Error "rows have NULL where it is to be refused",
    "data.out-of-range" Error "rows have numbers or times that do not fit",
    "data.raises" Error "the migration, or a trigger, refuses rows with an exception",
    "data.seed-conflict" Warning "rows have the keys that the migration inserts",
    "data.too-long" Error "rows have texts that do not fit",
    "data.unique" Error "rows collide under a unique key",
    "data.unpopulated" Note "no row could be made up for a table",
    "data.unsearched" Note "there was no time to try rows",
    "design.exclusive-arc" Note "an exclusive arc has no unique indexes",
    "design.foreign-key-without-index" Note "a foreign key has no index",
    "engine.busy" Error "another process has the server",
    "engine.connect" Error "the server does not accept the connection",
    "engine.folder" Error "the folder for the server cannot be used",
    "engine.image" Error "the container image cannot be had",
    "engine.lost" Error "the server was gone in the middle of a judgement",
    "engine.not-found" Error "there is no PostgreSQL to judge with",
    "engine.role" Error "the role may not make databases",
    "engine.settings" Error "a setting of the server cannot be used",
    "engine.start" Error "PostgreSQL does not start",
    "engine.superuser" Error "migrations would run as a superuser outside a container",
    "engine.timeout" Error "there was no verdict in time",
    "engine.tls" Error "the server wants an encrypted connection",
    "engine.version" Warning "the server has another major version than production",
    "history.conflict" Error "this branch's migrations and upstream's do not go together in either order",
    "history.deleted" Error "a migration that production may have is gone",
    "history.dev-only" Warning "a statement that a comment keeps for development would run in production",
    "history.down-without-up" Warning "a down has no up",
    "history.duplicate-version" Error "two migrations have the same version",
    "history.edited" Error "a migration that production may have has other content",
    "history.gap" Warning "a new migration's number leaves one out",
    "history.integrity" Error "Atlas's integrity file does not fit the migrations",
    "history.lexical-order" Warning "by name the migrations have another order than by number",
    "history.naming" Error "a file has a name that the runner or the repository does not expect",
    "history.out-of-order" Warning "a new migration has a lower version than one that production may have",
    "history.renamed" Error "a migration that production may have has another version or name",
    "history.unknown-file" Warning "a file in the set's folder belongs to no migration",
    "loss.column-dropped" Error "a column goes with the values in it",
    "loss.precision" Warning "numbers are rounded, or times lose their hours",
    "loss.rows-deleted" Warning "ordinary rows are deleted",
    "loss.table-dropped" Error "a table goes with the rows in it",
    "loss.value-changed" Warning "values are cut, or become other ones",
    "revert.cosmetic" Note "down brings the schema back but for what changes no behaviour",
    "revert.fails" Error "down does not run",
    "revert.missing" Warning "the migration has no down",
    "revert.no-op" Error "down does nothing",
    "revert.reapply" Error "up cannot be applied again after down",
    "revert.rows-lost" Warning "down does not bring back the rows that there were before up",
    "revert.schema-mismatch" Error "down leaves another schema than there was before up",
    "scenario.fails" Error "something is not as a scenario says",
    "scenario.invalid" Error "a scenario cannot be read, or names what the chain does not have",
    "scenario.migration-fails" Error "a migration fails over the rows of a scenario",
    "scenario.not-run" Warning "scenarios were not run",
    "scenario.timeout" Error "a scenario, or a statement in it, ran too long and was stopped",
    "suppress.expired" Error "a finding was accepted until a day that has passed",
    "suppress.malformed" Error "a migd directive cannot be read",
    "suppress.unknown" Error "a directive names a code or an object that does not exist",
    "suppress.unused" Warning "a directive accepts a finding that is not there",
};

/// The code of that name.
pub fn code(name: &str) -> Option<&'static Code> {
    CODES.binary_search_by_key(&name, |code| code.name).ok().and_then(|at| CODES.get(at))
}

/// The code that somebody who wrote `name` most likely meant; none when nothing is near.
pub fn suggest(name: &str) -> Option<&'static Code> {
    let name = name.trim().to_lowercase().replace(['_', ' '], "-");
    // The name without its family, or with another one, is meant more often than it is misspelt.
    let tail = name.split_once('.').map_or(name.as_str(), |(_, tail)| tail);
    let same: Vec<&Code> =
        CODES.iter().filter(|code| code.name.split_once('.').is_some_and(|(_, t)| t == tail)).collect();
    if let [one] = same.as_slice() {
        return Some(one);
    }
    let near = CODES.iter().map(|code| (strsim::jaro_winkler(code.name, &name), code));
    near.filter(|(score, _)| *score >= 0.85).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(CODES.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn names_are_a_family_and_a_kebab_case_word() {
        let form = regex::Regex::new(r"^[a-z]+\.[a-z]+(-[a-z]+)*$").unwrap();
        for code in CODES {
            assert!(form.is_match(code.name), "{}", code.name);
        }
    }

    #[test]
    fn every_code_says_what_why_and_the_way_out() {
        for code in CODES {
            let sections: Vec<&str> = code.explain.lines().filter_map(|line| line.strip_prefix("## ")).collect();
            assert_eq!(sections, ["What it means", "Why it matters", "Example", "What to do"], "{}", code.name);
            for section in code.explain.split("## ").skip(1) {
                assert!(section.lines().skip(1).any(|line| !line.trim().is_empty()), "{}: {section}", code.name);
            }
            assert!(!code.summary.is_empty() && !code.summary.ends_with('.'), "{}", code.name);
        }
    }

    #[test]
    fn every_explanation_is_registered() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/check/codes");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
            .collect();
        files.sort();
        assert_eq!(files, CODES.iter().map(|code| code.name).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_bad_has_a_repaired_form_and_fences_are_closed() {
        for code in CODES {
            let fences: Vec<&str> = code.explain.lines().filter(|line| line.starts_with("```")).collect();
            for pair in fences.chunks(2) {
                assert!(pair.len() == 2 && pair[0] != "```" && pair[1] == "```", "{}: {pair:?}", code.name);
            }
            if fences.contains(&"```sql bad") {
                assert!(fences.contains(&"```sql good"), "{}", code.name);
            }
        }
    }

    #[test]
    fn examples_have_their_directions_apart() {
        let examples = code("revert.no-op").unwrap().examples();
        let [bad, good] = examples.as_slice() else { panic!("{examples:?}") };
        assert!(!bad.good && good.good);
        assert_eq!(bad.up, "CREATE TABLE coupons (code text PRIMARY KEY);\n");
        assert_eq!(good.down.as_deref(), Some("DROP TABLE coupons;\n"));
        let examples = code("apply.error").unwrap().examples();
        assert_eq!(examples[0].setup, "CREATE TABLE users (id bigint PRIMARY KEY);\n");
        assert_eq!(examples[0].down, None);
    }

    #[test]
    fn whatever_a_migration_may_do_wrong_has_an_example_of_it() {
        // What is about a file's bytes and markers, or about a server with a bug, no SQL shows.
        let without = ["apply.crashes", "apply.encoding", "apply.format", "apply.own-transaction"];
        for code in CODES.iter().filter(|code| matches!(code.family(), "apply" | "revert" | "suppress")) {
            let bad = code.examples().iter().any(|example| !example.good);
            assert!(bad || without.contains(&code.name), "{}", code.name);
        }
    }

    #[test]
    fn a_name_that_is_nearly_right_finds_its_code() {
        let suggested = |name| suggest(name).map(|code| code.name);
        assert_eq!(suggested("revert.mising"), Some("revert.missing"));
        assert_eq!(suggested("missing"), Some("revert.missing"));
        assert_eq!(suggested("Revert.Schema_Mismatch"), Some("revert.schema-mismatch"));
        assert_eq!(suggested("apply.eror"), Some("apply.error"));
        assert_eq!(suggested("coffee"), None);
    }

    #[test]
    fn a_code_is_found_by_its_name_alone() {
        assert_eq!(code("revert.missing").map(|code| code.family()), Some("revert"));
        assert_eq!(code("revert"), None);
    }
}
