//! Rights that are lent for one statement, where the judgement is given up in the middle of it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use migd::config::{self, EngineKind};
use migd::engine::Role;
use migd::engine::session::Session;
use migd::layout::{Mode, Source};
use migd::pool::Pool;
use migd::trace::apply::Bench;
use migd::trace::elevate::Lend;
use migd::trace::{self, Limits};

use crate::engine::Scratch;

const SUPERUSERS: &str = "SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname = 'postgres'";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_runs_as_the_owner_until_they_are_taken_back() {
    let scratch = Scratch::new();
    let config = config::Engine { kind: EngineKind::Local, ..Default::default() };
    let pool = Pool::new(scratch.start(&config).await, 0);
    let held = pool.open(None).await.unwrap().unwrap();
    let limits = Limits {
        statement: Duration::from_secs(60),
        database_bytes: 1 << 30,
        deadline: Instant::now() + Duration::from_secs(120),
        halt: Default::default(),
        elevate: Lend::Harmless,
        pace: None,
        beside: pool.beside().clone(),
    };
    // The statement that gets the rights waits for this.
    let lock = "BEGIN; LOCK TABLE pg_catalog.pg_publication IN ACCESS EXCLUSIVE MODE";
    let admin = pool.engine().config(&held.database, Role::Admin);
    let other = Session::open(&admin).await.unwrap();
    other.client().batch_execute(lock).await.unwrap();
    let text = "CREATE PUBLICATION p FOR ALL TABLES";
    let body = Range { start: 0, end: text.len() };
    let source =
        Source { path: "up.sql".into(), text: Arc::from(text), body, mode: Mode::Simple, pieces: None, inserts: None };
    let bench = Bench { runner: &held.runner, observer: &held.observer, limits: &limits };
    let superusers = async || other.client().query_one(SUPERUSERS, &[]).await.unwrap().get::<_, i64>(0);
    let lent = async {
        while superusers().await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // Whoever loses the race is dropped where it is.
    tokio::select! {
        ended = trace::run(bench, &source, &[]) => panic!("it did not wait: {ended:?}"),
        () = lent => {}
    }
    assert!(pool.beside().owners.try_read().is_err(), "somebody may run as the owner meanwhile");
    other.client().batch_execute("ROLLBACK").await.unwrap();
    drop(held);
    drop(pool.open(None).await.unwrap());
    assert_eq!(superusers().await, 0);
    assert!(pool.beside().owners.try_read().is_ok(), "nobody may run as the owner any more");
    other.close().await;
    pool.engine().stop().await;
}
