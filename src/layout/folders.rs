//! What the names of folders and the words of files say: whether they may be PostgreSQL migrations at all.

use super::Tree;

/// Folders that hold other people's files.
const VENDORED: &[&str] = &[
    "node_modules",
    "vendor",
    "target",
    ".git",
    "third_party",
    "dist",
    "site-packages",
    ".venv",
    "venv",
    "testdata",
    "fixtures",
    "__fixtures__",
    "__tests__",
];

/// Whether a folder of this name holds other people's files, in which no set is looked for.
pub fn is_vendored(name: &str) -> bool {
    VENDORED.contains(&name)
}

/// Databases that are not PostgreSQL, as a folder is named or as one word among others in its name: `migrations_sqlite`,
/// `jdbc-h2`.
const OTHER_DATABASES: &[&str] = &[
    "mysql",
    "mariadb",
    "sqlite",
    "sqlite3",
    "clickhouse",
    "mssql",
    "sqlserver",
    "cassandra",
    "mongodb",
    "duckdb",
    "h2",
    "hsqldb",
    "libsql",
    "tidb",
    "redshift",
    "databricks",
    "scylla",
    "scylladb",
    "starrocks",
    "dynamodb",
];

/// Those that count as a whole name only.
const OTHER_DATABASES_WHOLE: &[&str] = &["cockroach", "cockroachdb", "crdb", "bigquery", "hsql"];

/// Names of databases that are other words too: a second package for the database, a source of prices, a town.
const ALSO_WORDS: &[&str] = &["oracle", "spanner", "snowflake", "d1", "derby", "db2", "turso"];

/// How sure a folder's name is that what is in it is for another database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elsewhere {
    No,
    /// The name means other things too: what lies beside it tells.
    Perhaps,
    Yes,
}

/// Whether a folder's name says that what is in it is for another database.
pub(super) fn other_database(name: &str) -> Elsewhere {
    let name = name.to_ascii_lowercase();
    let other = || words(&name).any(|word| OTHER_DATABASES.contains(&word));
    match name.as_str() {
        name if OTHER_DATABASES_WHOLE.contains(&name) || (other() && !is_postgres(name)) => Elsewhere::Yes,
        name if ALSO_WORDS.contains(&name) => Elsewhere::Perhaps,
        _ => Elsewhere::No,
    }
}

/// The same where folders for several databases lie beside each other.
pub fn is_of_other_database(name: &str) -> bool {
    other_database(name) != Elsewhere::No
}

/// Whether a folder's name speaks of PostgreSQL.
pub(super) fn is_postgres(name: &str) -> bool {
    words(&name.to_ascii_lowercase()).any(|word| word.starts_with("postgres") || matches!(word, "pg" | "psql"))
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(['-', '_', '.', ' '])
}

/// Folders whose numbered files prepare or check something, and are run by no runner of migrations.
const CHECKING: &[&str] = &["test", "tests", "testing", "e2e", "seed", "seeds", "fixture", "queries"];

/// Folders that show something.
const SHOWING: &[&str] = &["demo", "demos", "example", "examples", "sample", "samples", "benchmark", "benchmarks"];

/// Whether a folder is for checking: by the name of any folder above it, or by a word in its own or the one around it.
pub(super) fn is_checking(folder: &str) -> bool {
    let folder = folder.to_ascii_lowercase();
    let word = |part: &str| words(part).any(|word| matches!(word, "test" | "tests" | "e2e"));
    folder.split('/').any(|part| CHECKING.contains(&part)) || folder.rsplit('/').take(2).any(word)
}

/// What a set is for that lies in a folder of such a name, where another set is the real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aside {
    Test,
    Example,
}

/// Words of folders in which tests keep what they need.
const TESTING: &[&str] = &[
    "test",
    "tests",
    "testing",
    "testutil",
    "testutils",
    "testhelpers",
    "e2e",
    "stub",
    "stubs",
    "mock",
    "mocks",
    "fixture",
];

/// What the words in the names of a set's folders say it is for.
pub(super) fn aside(folder: &str) -> Option<Aside> {
    let folder = folder.to_ascii_lowercase();
    let any = |list: &[&str]| folder.split('/').flat_map(words).any(|word| list.contains(&word));
    // Gradle's `src/integrationTest/resources`.
    let mut sources = folder.split('/').skip_while(|part| *part != "src").skip(1);
    let of_tests = sources.next().is_some_and(|source| source.ends_with("test") || source.ends_with("tests"));
    match () {
        () if of_tests || any(TESTING) => Some(Aside::Test),
        () if any(SHOWING) => Some(Aside::Example),
        () => None,
    }
}

/// Where databases are tried out: what such a place has, production has not.
pub(super) const TRIALS: &[&str] =
    &["dev", "develop", "development", "test", "testing", "local", "staging", "qa", "demo", "seed"];

/// `src/dev/resources/db/migration` is put on the class path of developers beside `src/main/resources/db/migration`: the name
/// of the source set, and the folder that all have.
pub(super) fn beside_main(folder: &str) -> Option<(&str, String)> {
    let (around, rest) = folder.split_once("src/").filter(|(around, _)| around.is_empty() || around.ends_with('/'))?;
    let (source, below) = rest.split_once("/resources/")?;
    TRIALS
        .contains(&source.to_ascii_lowercase().as_str())
        .then(|| (source, format!("{around}src/main/resources/{below}")))
}

/// Whether a folder of this name holds what files of migrations are made from.
pub(super) fn is_draft(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "template" | "templates" | "draft" | "drafts" | "source" | "sources")
}

/// Whether a folder of this name holds what has had its day: `migrations-archived`, `legacy`.
pub(super) fn is_past(name: &str) -> bool {
    let past = ["archive", "archived", "deprecated", "disabled", "legacy", "obsolete", "old", "unused"];
    words(&name.to_ascii_lowercase()).any(|word| past.contains(&word))
}

/// Folders that say nothing of what is in them but its kind: `migrate/postgres/files`.
fn is_mute(name: &str) -> bool {
    matches!(name, "files" | "scripts" | "sql") || is_postgres(name)
}

/// Whether the folder's name, or that of the folder around it, promises migrations.
pub(super) fn is_named(folder: &str, tree: &Tree) -> bool {
    let folder = folder.to_ascii_lowercase();
    let last = folder.rsplit('/').next().unwrap_or_default();
    let speaking = folder.rsplit('/').skip_while(|part| is_mute(part)).take(if is_mute(last) { 1 } else { 2 });
    if last.contains("migrat") || { speaking }.any(|part| part.contains("migrat")) {
        return true;
    }
    // `db/001_init.sql`, `db/002_users.sql`: every file has a number. What is shown is shown in an order, too.
    let shown = folder.split('/').any(|part| SHOWING.contains(&part));
    let numbered = |name: &str| name.starts_with(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'v', 'V']);
    let own = || tree.files.keys().filter(|f| f.ends_with(".sql") && !f.contains('/'));
    matches!(last, "db" | "database" | "sql" | "upgrades" | "changesets" | "patches")
        && !shown
        && own().all(|f| numbered(f))
        && own().count() > 1
}

/// What no PostgreSQL migration says, in lower case.
const OTHER_WORDS: &[&str] = &[
    "autoincrement",
    "auto_increment",
    "engine=innodb",
    "engine = innodb",
    "mergetree",
    "strftime(",
    "strftime (",
    " blob,",
    " blob not null",
    " datetime,",
    " datetime not null",
    " varchar2(",
    " nvarchar(",
];

/// The word of another database that a file has.
pub(super) fn foreign_word(bytes: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(64 << 10)]).to_ascii_lowercase();
    // What is said about another database is no word of it.
    let said = |line: &str| {
        let words: Vec<&str> = line.split("--").next().unwrap_or(line).split_whitespace().collect();
        format!(" {}\n", words.join(" "))
    };
    let text: String = text.lines().map(said).collect();
    // MySQL's way of altering a column, which PostgreSQL does not know.
    let altered = |line: &str| line.trim_start().starts_with("alter table") && line.contains(" modify ");
    let word = OTHER_WORDS.iter().find(|word| text.contains(**word)).copied();
    word.or_else(|| text.lines().any(altered).then_some("alter table … modify"))
}
