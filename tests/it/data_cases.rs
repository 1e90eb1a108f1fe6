//! The labelled cases of `tests/data-cases`: what breaks is refused with the rows that show it, what is safe passes.
//!
//! A case is a folder: `before.sql`, `up.sql` and `label` (`breaking CODE`, `safe`, `lossy CODE`).

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blake3::Hash;
use migd::check::{self, Subject};
use migd::engine::{Engine, Role};
use migd::layout::{Migration, Mode, Source};
use migd::pool::{Held, Pool};
use migd::rows::{self, Found, Schema};
use migd::trace::apply::Bench;
use migd::trace::{self, Cause, Limits, Run};
use migd::verdict::{Change, Finding, RecipePlace, Severity};

use crate::engine::{Scratch, connect};

/// How long one search may take: these cases are about what is found.
const BUDGET: Duration = Duration::from_secs(4);

fn source(text: &str, mode: Mode) -> Source {
    let body = Range { start: 0, end: text.len() };
    Source { path: "up.sql".into(), text: Arc::from(text), body, mode, pieces: None }
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
            elevate: true,
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
            bookkeeping: &[],
            limits,
            before: &schema,
            after: &after,
            production: &schema,
            budget: BUDGET,
        };
        let found = rows::search(&job).await.unwrap();
        let schemas = (schema.clone(), after.clone());
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
        };
        let subject = Subject {
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
            let range = breaking.failure.range.clone().unwrap();
            let sql: String = recipe.sql.iter().map(|sql| format!("{sql};\n")).collect();
            let mended = match recipe.place {
                RecipePlace::Before => format!("{}{sql}{}", &up[..range.start], &up[range.start..]),
                RecipePlace::Instead => format!("{}{sql}{}", &up[..range.start], &up[range.end..]),
            };
            let (held, _client) = self.pasted(before, &rows.setup).await;
            let run = self.run(&held, &mended).await;
            assert!(run.ok(), "with the recipe it still fails: {:?}\n{mended}", run.failure);
        }
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_is_judged_as_its_label_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data-cases");
    let mut names: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let judge = Judge::new().await;
    let (mut breaking, mut caught, mut safe, mut wrong) = (0, 0, 0, Vec::new());
    let mut times = Vec::new();
    for folder in names.iter().filter(|path| path.join("label").exists()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (before, up) = (vec![read(&folder.join("before.sql"))], read(&folder.join("up.sql")));
        let label = read(&folder.join("label"));
        let (label, code) = label.trim().split_once(' ').unwrap_or((label.trim(), ""));
        let judged = judge.judge(&before, &up).await;
        times.push(judged.elapsed);
        let found = data(&judged.findings);
        match label {
            "safe" => {
                safe += 1;
                if !found.is_empty() {
                    wrong.push(format!("{name}: safe, and refused{}", said(&judged.findings)));
                }
            }
            _ => {
                breaking += 1;
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
        "{} cases: {caught} of {breaking} caught, {} of {safe} safe ones refused; median {:?}, p99 {:?}",
        breaking + safe,
        wrong.iter().filter(|line| line.contains("and refused")).count(),
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    judge.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_three_incidents_are_refused_and_their_repaired_forms_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(root.join("migrations")).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".up.sql"));
    files.sort();
    let judge = Judge::new().await;
    let incidents = [
        ("1-system-actor", "20251012140000", "data.foreign-key", "audit_log"),
        ("2-duplicate-translations", "20251018093000", "data.unique", "message_translations"),
        ("3-orphaned-translations", "20250901094500", "data.foreign-key", "message_translations"),
    ];
    for (name, version, code, table) in incidents {
        let at = files.iter().position(|path| path.to_string_lossy().contains(version)).unwrap();
        let before: Vec<String> = files[..at].iter().map(|path| read(path)).collect();
        let original = root.join("examples/incidents").join(name).join("original");
        let original = read(&original.join(files[at].file_name().unwrap()));
        let judged = judge.judge(&before, &original).await;
        println!("{name}: {} tried, {:?}{}", judged.found.tried, judged.elapsed, said(&judged.findings));
        let finding = judged.findings.iter().find(|finding| finding.code == code).expect(name);
        assert_eq!(finding.table.as_deref(), Some(table), "{name}");
        judge.paste(&before, &original, &judged, finding).await;
        let judged = judge.judge(&before, &read(&files[at])).await;
        assert!(data(&judged.findings).is_empty(), "{name} repaired{}", said(&judged.findings));
    }
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
