//! The labelled cases of `tests/data-cases`: what breaks is refused with the rows that show it, what is safe passes.
//!
//! A case is a folder: `before.sql`, `up.sql` and `label` (`breaking CODE`, `safe`, `lossy CODE`), and `since` where only
//! newer servers have what it is about.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use blake3::Hash;
use migd::check::{self, Subject};
use migd::engine::beside::Beside;
use migd::engine::{Engine, Role};
use migd::layout::{Migration, Mode, Source};
use migd::pool::{Held, Pool};
use migd::rows::{self, Found, Schema};
use migd::trace::apply::Bench;
use migd::trace::{self, Cause, Limits, Run};
use migd::verdict::{Change, Finding, Recipe, RecipePlace, Severity};

use crate::engine::{Scratch, connect};

/// How long one search may take: these cases are about what is found.
const BUDGET: Duration = Duration::from_secs(4);

fn source(text: &str, mode: Mode) -> Source {
    let body = Range { start: 0, end: text.len() };
    Source { path: "up.sql".into(), text: Arc::from(text), body, mode, pieces: None, inserts: None }
}

/// A server with a pool, and what is judged on it.
struct Judge {
    engine: Arc<dyn Engine>,
    pool: Arc<Pool>,
    _scratch: Scratch,
}

struct Judged {
    found: Found,
    findings: Vec<Finding>,
    elapsed: Duration,
}

impl Judge {
    async fn new() -> Judge {
        let scratch = Scratch::new();
        let config = migd::config::Engine { kind: migd::config::EngineKind::Local, ..Default::default() };
        let engine = scratch.start(&config).await;
        let pool = Pool::new(Arc::clone(&engine), 0);
        Judge { engine, pool, _scratch: scratch }
    }

    fn limits(&self) -> Limits {
        Limits {
            statement: Duration::from_secs(10),
            database_bytes: 1 << 30,
            deadline: Instant::now() + Duration::from_secs(120),
            halt: Default::default(),
            elevate: migd::trace::elevate::Lend::Harmless,
            pace: None,
            beside: Beside::default(),
        }
    }

    /// Makes `before` a template.
    async fn template(&self, before: &[String]) -> Hash {
        let mut hasher = blake3::Hasher::new();
        before.iter().for_each(|text| {
            hasher.update(text.as_bytes());
        });
        let prefix = hasher.finalize();
        if !self.pool.has(&prefix) {
            let held = self.pool.open(None).await.unwrap().unwrap();
            for text in before {
                let limits = self.limits();
                let bench = Bench { runner: &held.runner, observer: &held.observer, limits: &limits };
                let run = trace::run(bench, &source(text, Mode::Simple), &[]).await.unwrap();
                assert!(run.ok(), "{:?}\n{text}", run.failure);
                held.runner.client().batch_execute("DISCARD ALL").await.unwrap();
            }
            self.pool.seal(held, prefix).await.unwrap();
        }
        prefix
    }

    async fn judge(&self, before: &[String], up: &str) -> Judged {
        let prefix = self.template(before).await;
        let started = Instant::now();
        let mode = if up.contains("-- no-transaction") { Mode::PerStatement } else { Mode::Wrapped };
        let up = source(up, mode);
        let held = self.pool.lease(&prefix).await.unwrap().unwrap();
        let schema = Schema::read(held.observer.client()).await.unwrap();
        let limits = self.limits();
        let bench = Bench { runner: &held.runner, observer: &held.observer, limits: &limits };
        let run = trace::run(bench, &up, &[]).await.unwrap();
        assert!(run.ok(), "an empty database refuses it: {:?}", run.failure);
        let after = Schema::read(held.observer.client()).await.unwrap();
        let job = rows::Job {
            pool: &self.pool,
            prefix: &prefix,
            source: &up,
            down: None,
            ran: (&run.statements, &[]),
            bookkeeping: &[],
            reverted: &[],
            limits,
            before: &schema,
            after: &after,
            production: &schema,
            budget: BUDGET,
            deep: true,
        };
        let found = rows::search(&job).await.unwrap();
        let schemas = (Arc::new(schema.clone()), after.clone());
        let hash = blake3::hash(b"case");
        let migration = Migration {
            version: "1".into(),
            name: "case".into(),
            up,
            down: None,
            hash,
            up_hash: hash,
            previous: None,
            foreign: None,
            repeatable: false,
            stamp: None,
            replaced: false,
            down_unread: false,
        };
        let subject = Subject {
            layout: migd::layout::LAYOUTS[0],
            left: &[],
            migration: &migration,
            change: Change::Added,
            has_downs: false,
            up: Some(&run),
            effect: &[],
            down: None,
            after_down: &[],
            again: None,
            after_again: &[],
            rows_after_down: &[],
            rows: Some(&found),
            schemas: Some(&schemas),
        };
        let findings = check::CHECKS.iter().flat_map(|check| check.migration(&subject)).collect();
        Judged { found, findings, elapsed: started.elapsed() }
    }

    /// A database after `before` with `rows` pasted into it by a client of its own.
    async fn pasted(&self, before: &[String], rows: &[String]) -> (Held, tokio_postgres::Client) {
        let prefix = self.template(before).await;
        let held = self.pool.lease(&prefix).await.unwrap().unwrap();
        let client = connect(&*self.engine, &held.database, Role::Owner).await;
        client.batch_execute(&rows.join("\n")).await.unwrap();
        (held, client)
    }

    async fn run(&self, held: &Held, up: &str) -> Run {
        let limits = self.limits();
        let mode = if up.contains("-- no-transaction") { Mode::PerStatement } else { Mode::Wrapped };
        let bench = Bench { runner: &held.runner, observer: &held.observer, limits: &limits };
        trace::run(bench, &source(up, mode), &[]).await.unwrap()
    }

    /// Pastes the rows of a finding after `before`: the migration fails as it says, its query counts them, and with each of
    /// its recipes the migration passes.
    async fn paste(&self, before: &[String], up: &str, judged: &Judged, finding: &Finding) {
        let rows = finding.counterexample.as_ref().unwrap();
        let (held, client) = self.pasted(before, &rows.setup).await;
        if let Some(query) = &finding.query {
            assert!(count(&client, query).await > 0, "{query} finds nothing among {:?}", rows.setup);
            let (_held, clean) = self.pasted(before, &[]).await;
            assert_eq!(count(&clean, query).await, 0, "{query}");
        }
        drop(client);
        let failure = self.run(&held, up).await.failure;
        let Some(Cause::Server(error)) = failure.map(|failure| failure.cause) else {
            panic!("the pasted rows break nothing: {:?}", rows.setup)
        };
        assert_eq!(error.message, rows.fails_with);
        let same = |breaking: &&rows::Breaking| breaking.setup.iter().zip(&rows.setup).all(|(a, b)| b.starts_with(a));
        let breaking = judged.found.breaking.iter().find(same).unwrap();
        for recipe in &rows.recipes {
            let mended = followed(up, breaking.failure.range.clone().unwrap(), recipe);
            let (held, _client) = self.pasted(before, &rows.setup).await;
            let run = self.run(&held, &mended).await;
            assert!(run.ok(), "with the recipe it still fails: {:?}\n{mended}", run.failure);
        }
    }
}

/// `up` with a recipe for the statement at `range`.
fn followed(up: &str, range: Range<usize>, recipe: &Recipe) -> String {
    let placed = |place: RecipePlace, sql: &[String], statement: &str| {
        let sql: String = sql.iter().map(|sql| format!("{sql};\n")).collect();
        match place {
            RecipePlace::Before => format!("{sql}{statement}"),
            RecipePlace::Instead => sql,
        }
    };
    let mut rest = up[range.end..].to_owned();
    for also in &recipe.also {
        assert!(rest.contains(&also.statement), "{rest} has no {}", also.statement);
        rest = rest.replacen(&also.statement, &placed(also.place, &also.sql, &also.statement), 1);
    }
    format!("{}{}{rest}", &up[..range.start], placed(recipe.place, &recipe.sql, &up[range]))
}

async fn count(client: &tokio_postgres::Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn data(findings: &[Finding]) -> Vec<&Finding> {
    let mut found: Vec<&Finding> =
        findings.iter().filter(|f| matches!(f.code.split('.').next(), Some("data" | "loss"))).collect();
    found.retain(|finding| finding.severity > Severity::Note);
    found
}

fn said(findings: &[Finding]) -> String {
    let one = |f: &Finding| {
        let rows = f.counterexample.as_ref().map(|rows| rows.setup.join("\n      ")).unwrap_or_default();
        let detail = f.detail.as_deref().unwrap_or_default();
        let help = f.help.as_deref().unwrap_or_default();
        format!("\n    {} {:?}: {} ({detail})\n      {rows}\n    {help}\n    {:?}", f.code, f.line, f.message, f.query)
    };
    findings.iter().map(one).collect()
}

/// One labelled case.
struct Case {
    name: String,
    label: Label,
    before: Vec<String>,
    up: String,
    /// Rows written by hand, that show what the label says without migd.
    rows: Option<String>,
}

enum Label {
    /// Some rows make it fail: the code that is expected.
    Breaking(String),
    /// It takes something from rows: the code that is expected.
    Lossy(String),
    Safe,
}

impl Case {
    /// All that this server can run, in order of name.
    fn all(judge: &Judge) -> Vec<Case> {
        let major = judge.engine.info().major;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = std::fs::read_dir(root.join("tests/data-cases")).unwrap().map(|entry| entry.unwrap().path());
        let mut folders: Vec<_> = folders.filter(|folder| folder.join("label").exists()).collect();
        folders.sort();
        let has = |folder: &PathBuf| {
            let since = std::fs::read_to_string(folder.join("since")).map_or(0, |text| text.trim().parse().unwrap());
            if since > major {
                println!("NOT RUN: {}, for it takes PostgreSQL {since} and this is {major}", folder.display());
            }
            since <= major
        };
        folders.iter().filter(|folder| has(folder)).map(|folder| Case::read(root, folder)).collect()
    }

    fn read(root: &Path, folder: &Path) -> Case {
        let label = read(&folder.join("label"));
        let label = match label.trim().split_once(' ') {
            Some(("breaking", code)) => Label::Breaking(code.to_owned()),
            Some(("lossy", code)) => Label::Lossy(code.to_owned()),
            None if label.trim() == "safe" => Label::Safe,
            _ => panic!("{}: {label}", folder.display()),
        };
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (before, up, rows) = match std::fs::read_to_string(folder.join("paths")) {
            Ok(paths) => Case::elsewhere(root, &paths),
            Err(_) => (
                vec![read(&folder.join("before.sql"))],
                read(&folder.join("up.sql")),
                std::fs::read_to_string(folder.join("rows.sql")).ok(),
            ),
        };
        Case { name, label, before, up, rows }
    }

    /// `before: FOLDER until VERSION`, `up: FILE`, `rows: FILE`.
    fn elsewhere(root: &Path, paths: &str) -> (Vec<String>, String, Option<String>) {
        let value = |key: &str| paths.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim();
        let (folder, version) = value("before:").split_once(" until ").unwrap();
        let mut files: Vec<_> =
            std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.ends_with(".up.sql") && *name < *version
        });
        files.sort();
        let before = files.iter().map(|path| read(path)).collect();
        (before, read(&root.join(value("up:"))), Some(read(&root.join(value("rows:")))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_is_judged_as_its_label_says() {
    let judge = Judge::new().await;
    let (mut expected, mut caught, mut safe, mut refused, mut wrong) = (0, 0, 0, 0, Vec::new());
    let mut times = Vec::new();
    for Case { name, label, before, up, .. } in Case::all(&judge) {
        let judged = judge.judge(&before, &up).await;
        times.push(judged.elapsed);
        let found = data(&judged.findings);
        match label {
            Label::Safe => {
                safe += 1;
                if !found.is_empty() {
                    refused += 1;
                    wrong.push(format!("{name}: safe, and refused{}", said(&judged.findings)));
                }
            }
            Label::Breaking(code) | Label::Lossy(code) => {
                expected += 1;
                if found.iter().any(|finding| finding.code == code) {
                    caught += 1;
                } else {
                    let tried = judged.found.tried;
                    wrong.push(format!("{name}: {code} is missed, {tried} tried{}", said(&judged.findings)));
                }
            }
        }
        println!("{name}: {} tried, {:?}{}", judged.found.tried, judged.elapsed, said(&judged.findings));
        for finding in found.iter().filter(|finding| finding.counterexample.is_some()) {
            judge.paste(&before, &up, &judged, finding).await;
        }
    }
    times.sort();
    println!(
        "{} cases: recall {caught} of {expected}, {refused} of {safe} safe ones refused; median {:?}, p99 {:?}",
        expected + safe,
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    judge.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_label_is_what_a_plain_client_meets_with_rows_written_by_hand() {
    let judge = Judge::new().await;
    let mut wrong = Vec::new();
    for Case { name, label, before, up, rows } in Case::all(&judge) {
        let Some(rows) = rows else { continue };
        let (_held, client) = judge.pasted(&before, &[rows]).await;
        let outcome = client.batch_execute(&format!("BEGIN; {up}\n; COMMIT")).await;
        match (label, outcome) {
            (Label::Breaking(_), Ok(())) => wrong.push(format!("{name}: the rows break nothing")),
            (Label::Safe | Label::Lossy(_), Err(error)) => wrong.push(format!("{name}: {error:?}")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    judge.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_the_explanations_are_as_they_say() {
    let judge = Judge::new().await;
    for code in check::CODES.iter().filter(|code| matches!(code.family(), "data" | "loss" | "design")) {
        for example in code.examples() {
            let judged = judge.judge(&[example.setup], &example.up).await;
            let found = judged.findings.iter().any(|finding| finding.code == code.name);
            assert_eq!(found, !example.good, "{}{}", code.name, said(&judged.findings));
        }
    }
    judge.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_whose_only_row_the_chain_inserts_is_populated() {
    let judge = Judge::new().await;
    let table = "CREATE TABLE settings (id integer PRIMARY KEY CHECK (id = 1))";
    let up = "ALTER TABLE settings ADD COLUMN name text NOT NULL DEFAULT ''";
    let empty = judge.judge(&[table.to_owned()], up).await;
    assert_eq!(empty.found.unpopulated, []);
    let full = judge.judge(&[format!("{table}; INSERT INTO settings VALUES (1)")], up).await;
    assert_eq!(full.found.unpopulated, []);
    let never = judge.judge(&[table.replace("id = 1", "id = 1 AND id = 2")], up).await;
    assert_eq!(never.found.unpopulated.len(), 1, "{:?}", never.found.unpopulated);
    judge.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_whose_json_has_to_be_a_list_is_populated() {
    let judge = Judge::new().await;
    let table = "CREATE TABLE rules (name text NOT NULL, parts jsonb NOT NULL,
                     count int GENERATED ALWAYS AS (jsonb_array_length(parts)) STORED)";
    let up = "ALTER TABLE rules ADD UNIQUE (name)";
    let judged = judge.judge(&[table.to_owned()], up).await;
    assert_eq!(judged.found.unpopulated, []);
    assert!(judged.findings.iter().any(|finding| finding.code == "data.unique"), "{}", said(&judged.findings));
    judge.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fills_a_key_is_another_value_in_each_row() {
    let judge = Judge::new().await;
    let before =
        ["CREATE TABLE shops (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, town int, code uuid)".to_owned()];
    let rows = ["INSERT INTO shops (town) VALUES (1), (1)".to_owned()];
    for up in [
        "ALTER TABLE shops ADD COLUMN slug text NOT NULL;\nCREATE UNIQUE INDEX ON shops (slug);",
        "ALTER TABLE shops ADD COLUMN slug text NOT NULL, ADD UNIQUE (town, slug);",
        "ALTER TABLE shops ALTER COLUMN code SET NOT NULL;\nALTER TABLE shops ADD UNIQUE (code);",
    ] {
        let judged = judge.judge(&before, up).await;
        let finding = judged.findings.iter().find(|finding| finding.code == "data.not-null").unwrap();
        let recipes = &finding.counterexample.as_ref().unwrap().recipes;
        assert!(!recipes.is_empty(), "{up}");
        let range = judged.found.breaking[0].failure.range.clone().unwrap();
        // Those that fill, not those that delete or wait.
        for recipe in recipes.iter().filter(|recipe| recipe.sql.iter().any(|sql| sql.starts_with("UPDATE"))) {
            let (held, _client) = judge.pasted(&before, &rows).await;
            let mended = followed(up, range.clone(), recipe);
            let run = judge.run(&held, &mended).await;
            assert!(run.ok(), "with two rows it still fails: {:?}\n{mended}", run.failure);
        }
        assert!(recipes.iter().all(|recipe| !recipe.sql.iter().any(|sql| sql.contains("DEFAULT"))), "{recipes:?}");
    }
    judge.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_column_of_one_statement_gets_a_default() {
    let judge = Judge::new().await;
    let before = ["CREATE TABLE shops (id bigint PRIMARY KEY)".to_owned()];
    let rows = ["INSERT INTO shops VALUES (1), (2)".to_owned()];
    let up = "ALTER TABLE shops ADD COLUMN \"town\" text NOT NULL, ADD COLUMN size numeric(10, 2) NOT NULL";
    let judged = judge.judge(&before, up).await;
    let finding = judged.findings.iter().find(|finding| finding.code == "data.not-null").unwrap();
    let recipes = &finding.counterexample.as_ref().unwrap().recipes;
    let [recipe] = recipes.as_slice() else { panic!("{recipes:?}") };
    let range = judged.found.breaking[0].failure.range.clone().unwrap();
    let (held, _client) = judge.pasted(&before, &rows).await;
    let mended = format!("{};\n{};", followed(up, range, recipe), recipe.later.join(";\n"));
    let run = judge.run(&held, &mended).await;
    assert!(run.ok(), "{:?}\n{mended}", run.failure);
    // One value for all rows passes over a single row, and over no more.
    let judged = judge.judge(&before, &format!("{up}, ADD COLUMN slug text NOT NULL UNIQUE")).await;
    let finding = judged.findings.iter().find(|finding| finding.code == "data.not-null").unwrap();
    assert!(finding.counterexample.as_ref().unwrap().recipes.is_empty(), "{}", said(&judged.findings));
    judge.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exclusion_constraint_with_a_condition_or_an_expression_has_a_way_out() {
    let judge = Judge::new().await;
    let before =
        ["CREATE TABLE stays (id int PRIMARY KEY, during int4range, since date, till date, ok boolean)".to_owned()];
    for exclusion in [
        "USING gist (during WITH &&) WHERE (NOT ok)",
        "USING gist (during WITH &&) WHERE (ok) DEFERRABLE",
        "USING gist (daterange(since, till, '[]') WITH &&)",
        "USING gist (daterange(since, till, '[]') WITH &&) WHERE (ok AND since < '2030-01-01')",
    ] {
        let up = format!("ALTER TABLE stays ADD EXCLUDE {exclusion}");
        let judged = judge.judge(&before, &up).await;
        let finding = judged.findings.iter().find(|finding| finding.code == "data.exclusion").unwrap();
        assert!(!finding.counterexample.as_ref().unwrap().recipes.is_empty(), "{}", said(&judged.findings));
        assert!(finding.query.is_some(), "{up}");
        judge.paste(&before, &up, &judged, finding).await;
    }
    judge.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_each_fail_have_one_way_out_together() {
    let judge = Judge::new().await;
    let before = ["CREATE TABLE shops (id bigint PRIMARY KEY, name text, opened date)".to_owned()];
    for up in [
        "ALTER TABLE shops ADD COLUMN town text NOT NULL;\nALTER TABLE shops ADD COLUMN size int NOT NULL;",
        "ALTER TABLE shops ALTER name SET NOT NULL;\nSELECT 1;\nALTER TABLE shops ADD COLUMN size int NOT NULL;\n\
         ALTER TABLE shops ALTER opened SET NOT NULL;",
    ] {
        let judged = judge.judge(&before, up).await;
        let finding = judged.findings.iter().find(|finding| finding.code == "data.not-null").unwrap();
        let recipes = &finding.counterexample.as_ref().unwrap().recipes;
        let [recipe] = recipes.as_slice() else { panic!("{recipes:?}") };
        assert!(!recipe.also.is_empty(), "{recipe:?}");
        for sql in recipe.also.iter().flat_map(|also| &also.sql) {
            assert!(finding.help.as_ref().unwrap().contains(sql), "{}", said(&judged.findings));
        }
        judge.paste(&before, up, &judged, finding).await;
    }
    judge.engine.stop().await;
}
