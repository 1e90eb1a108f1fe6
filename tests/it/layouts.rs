//! The layouts against what the runners themselves left behind: `tests/layouts/<runner>/<case>` holds files as the runner's
//! own command made them, and `expected.txt` what its run and its revert left in a database (`record.sh` writes it).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use migd::engine::beside::Beside;
use migd::engine::session::Session;
use migd::layout::{Chain, File, Layout, Source, Tree, by_name};
use migd::sql::{LineIndex, ProblemKind};
use migd::trace::apply::Bench;
use migd::trace::{Cause, Limits, run};

use crate::support::cluster::cluster;

const STATE: &str = include_str!("../layouts/state.sql");

#[tokio::test]
async fn sqlx_leaves_what_its_own_command_left() {
    compare("sqlx", "_sqlx_migrations", 4).await;
}

#[tokio::test]
async fn diesel_leaves_what_its_own_command_left() {
    compare("diesel", "__diesel_schema_migrations", 6).await;
}

#[tokio::test]
async fn refinery_leaves_what_its_own_command_left() {
    compare("refinery", "refinery_schema_history", 3).await;
}

#[tokio::test]
async fn dbmate_leaves_what_its_own_command_left() {
    compare("dbmate", "schema_migrations", 12).await;
}

#[tokio::test]
async fn sql_migrate_leaves_what_its_own_command_left() {
    compare("sql-migrate", "gorp_migrations", 10).await;
}

async fn compare(runner: &str, book: &str, cases: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts").join(runner);
    let found = folders(&folder);
    assert_eq!(found.len(), cases, "{found:?}");
    for case in found {
        let mut expected = fs::read_to_string(case.join("expected.txt")).unwrap();
        if runner == "refinery" {
            // Its command has `int4` here and a feature of its library `int8`: migd's table holds the versions of both.
            expected = expected.replace("column: version integer", "column: version bigint");
        }
        let layout = by_name(runner).unwrap();
        let chain = layout.plan("migrations", &tree(&case.join("migrations")));
        let told = tell(layout, &chain, book, expected.contains("== revert")).await;
        assert_eq!(told, expected, "{}", case.display());
    }
}

/// Runs all of the chain, then reverts the last that was recorded, and tells what is there after each.
async fn tell(layout: &dyn Layout, chain: &Chain, book: &str, reverts: bool) -> String {
    let (client, database) = cluster().database().await;
    for statement in layout.bookkeeping(&chain.migrations[0]).setup {
        client.batch_execute(&statement).await.unwrap();
    }
    let mut told = "== up\n".to_owned();
    let mut last = None;
    for migration in &chain.migrations {
        let why = direction(layout, chain, &database, &migration.up, &layout.bookkeeping(migration).applied).await;
        if let Some(why) = why {
            writeln!(told, "{why}").unwrap();
            // It stops, with the migration done and recorded.
            last = if ends_the_transaction(chain, &migration.up) { Some(migration) } else { last };
            break;
        }
        last = Some(migration);
    }
    state(&client, book, &mut told).await;
    if reverts && let Some(last) = last {
        told += "== revert\n";
        let books = layout.bookkeeping(last).reverted;
        let why = match &last.down {
            Some(down) => direction(layout, chain, &database, down, &books).await,
            None => Some("fails in the runner".to_owned()),
        };
        if let Some(why) = why {
            writeln!(told, "{why}").unwrap();
        }
        state(&client, book, &mut told).await;
    }
    told
}

/// Runs one direction as the plan has it; why it failed, if it did.
async fn direction(
    layout: &dyn Layout,
    chain: &Chain,
    database: &str,
    source: &Source,
    books: &[String],
) -> Option<String> {
    let stopped = Some("fails in the runner".to_owned());
    // diesel is the one that stops at a file without a statement.
    if told(chain, "apply.format", source) || (layout.name() == "diesel" && told(chain, "apply.empty", source)) {
        return stopped;
    }
    let why = apply(database, source, books).await;
    if ends_the_transaction(chain, source) { stopped } else { why }
}

/// Whether the plan says that the runner stops after this file, because it has ended the runner's own transaction.
fn ends_the_transaction(chain: &Chain, source: &Source) -> bool {
    told(chain, "apply.own-transaction", source)
}

fn told(chain: &Chain, code: &str, source: &Source) -> bool {
    let lines = LineIndex::new(&source.text);
    let (first, last) = (lines.position(source.body.start).0, lines.position(source.body.end).0);
    // A runner that cannot read a file runs neither direction; other findings are about one of them.
    let here = |line: Option<u32>| code == "apply.format" || line.is_none_or(|line| (first..=last).contains(&line));
    chain.findings.iter().any(|f| f.code == code && f.path.as_deref() == Some(&source.path) && here(f.line))
}

/// Runs one direction in a session of its own; why it failed, if it did.
async fn apply(database: &str, source: &Source, books: &[String]) -> Option<String> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(cluster().socket()).user("admin").dbname(database);
    let (runner, observer) = (Session::open(&config).await.unwrap(), Session::open(&config).await.unwrap());
    let limits = Limits {
        statement: Duration::from_secs(60),
        database_bytes: u64::MAX,
        deadline: Instant::now() + Duration::from_secs(120),
        halt: Default::default(),
        elevate: migd::trace::elevate::Lend::Nothing,
        pace: None,
        beside: Beside::default(),
    };
    let bench = Bench { runner: &runner, observer: &observer, limits: &limits };
    let failure = run(bench, source, books).await.unwrap().failure;
    runner.close().await;
    observer.close().await;
    failure.map(|failure| match failure.cause {
        Cause::Server(error) => {
            let own = "the runner's own table cannot be written afterwards: ";
            format!("fails: {}", error.message.strip_prefix(own).unwrap_or(&error.message))
        }
        Cause::NotSql(ProblemKind::Unterminated(quote)) => {
            format!("fails: unterminated dollar-quoted string at or near \"{quote}")
        }
        other => format!("fails: {other:?}"),
    })
}

async fn state(client: &tokio_postgres::Client, book: &str, told: &mut String) {
    let script = STATE.replace(":'book'", &format!("'{book}'")).replace(":book", book);
    for message in client.simple_query(&script).await.unwrap() {
        if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
            writeln!(told, "{}", row.get(0).unwrap()).unwrap();
        }
    }
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

fn tree(root: &Path) -> Tree {
    let mut tree = Tree::default();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let id = blake3::hash(&bytes).to_hex().to_string();
            tree.files
                .insert(name, File { id, size: bytes.len() as u64, bytes: Some(Arc::from(bytes)), is_link: false });
        }
    }
    tree
}
