//! Clones that are made ahead: how many wait, and whose.

use std::sync::Arc;
use std::time::{Duration, Instant};

use blake3::Hash;
use migd::catalog;
use migd::config::{self, EngineKind};
use migd::pool::Pool;

use crate::engine::Scratch;

/// Waits until as many clones as that are ready, and no other number.
async fn comes_to(pool: &Pool, wanted: usize) {
    let until = Instant::now() + Duration::from_secs(30);
    while pool.figures().ready != wanted && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(pool.figures().ready, wanted);
}

async fn template(pool: &Arc<Pool>, name: &str) -> Hash {
    let prefix = blake3::hash(name.as_bytes());
    let held = pool.open(None).await.unwrap().unwrap();
    pool.seal(held, prefix).await.unwrap();
    prefix
}

#[tokio::test(flavor = "multi_thread")]
async fn one_template_keeps_all_of_its_clones_and_two_others_one_each() {
    let scratch = Scratch::new();
    let config = config::Engine { kind: EngineKind::Local, ..Default::default() };
    let pool = Pool::new(scratch.start(&config).await, 3);
    let (first, after) = (template(&pool, "first").await, template(&pool, "after").await);
    let (other, next) = (template(&pool, "other").await, template(&pool, "next").await);

    pool.refill_later(first);
    comes_to(&pool, 3).await;
    pool.spare_later(after);
    comes_to(&pool, 3 + 1).await;
    pool.refill_later(other);
    comes_to(&pool, 3 + 1 + 1).await;
    // The first has none any more.
    pool.refill_later(next);
    comes_to(&pool, 3 + 1 + 1).await;
    pool.engine().stop().await;
}

/// A pool on a server that is started from what was put away, if anything was.
async fn pool(scratch: &Scratch, build: &str) -> Arc<Pool> {
    let config = config::Engine { kind: EngineKind::Local, ..Default::default() };
    let engine = scratch.start(&config).await;
    let contents = engine.contents();
    let pool = Pool::new(engine, 1);
    if let Some(contents) = contents {
        pool.restore(&contents, build).await.unwrap();
    }
    pool
}

async fn put_away(pool: &Pool) {
    let luggage = pool.keep("build").await;
    pool.engine().put_away(luggage).await;
}

/// A template with a table of a role's own, and the role.
async fn owned(pool: &Arc<Pool>) -> Hash {
    let prefix = blake3::hash(b"owned");
    let held = pool.open(None).await.unwrap().unwrap();
    let made = "CREATE ROLE writer; CREATE TABLE t (a int PRIMARY KEY); GRANT SELECT ON t TO writer";
    held.runner.client().batch_execute(made).await.unwrap();
    pool.seal(held, prefix).await.unwrap();
    prefix
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_outlives_its_server_with_its_rows_its_roles_and_its_snapshot() {
    let scratch = Scratch::fresh();
    let first = pool(&scratch, "build").await;
    let (other, prefix) = (template(&first, "other").await, owned(&first).await);
    first.refill_later(prefix);
    comes_to(&first, 1).await;
    let before = first.snapshot(&prefix).unwrap();
    // More than are kept.
    let (third, fourth) = (template(&first, "third").await, template(&first, "fourth").await);
    let fifth = template(&first, "fifth").await;
    let held = first.lease(&prefix).await.unwrap().unwrap();
    held.runner.client().batch_execute("CREATE ROLE forgotten; GRANT SELECT ON t TO forgotten").await.unwrap();
    put_away(&first).await;

    let second = pool(&scratch, "build").await;
    assert!(second.has(&prefix) && [third, fourth, fifth].iter().all(|other| second.has(other)));
    assert!(!second.has(&other), "it was used longest ago");
    assert!(second.snapshot(&prefix).unwrap().same(&before));
    // The first is the clone that was kept with it, the second is made anew.
    for _ in 0..2 {
        let held = second.lease(&prefix).await.unwrap().unwrap();
        let client = held.runner.client();
        let granted =
            "SELECT has_table_privilege('writer', 't', 'SELECT') AND NOT has_table_privilege('writer', 't', 'DELETE')";
        assert!(client.query_one(granted, &[]).await.unwrap().get::<_, bool>(0));
        let now = held.reader.since(held.observer.client(), &held.before).await.unwrap();
        assert!(now.same(&before), "nothing has changed since it was read");
        client.batch_execute("ALTER TABLE t ADD b int").await.unwrap();
        let now = held.reader.since(held.observer.client(), &held.before).await.unwrap();
        let differences = catalog::compare(&held.before, &now);
        assert_eq!(differences.len(), 1, "{differences:?}");
    }
    let held = second.open(None).await.unwrap().unwrap();
    let roles = "SELECT count(*) FROM pg_roles WHERE rolname IN ('writer', 'forgotten')";
    let count = held.observer.client().query_one(roles, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count, 0, "before any migration there is no such role");
    let known = "SELECT count(*) FROM pg_authid WHERE rolname !~ '^pg_'";
    let count = held.observer.client().query_one(known, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count, 3, "the administrator, the owner, and the writer out of sight");
    drop(held);
    second.engine().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_of_another_build_are_swept_away_with_their_roles() {
    let scratch = Scratch::fresh();
    let first = pool(&scratch, "build").await;
    let prefix = owned(&first).await;
    put_away(&first).await;

    let second = pool(&scratch, "another build").await;
    assert!(!second.has(&prefix));
    let held = second.open(None).await.unwrap().unwrap();
    let left = "SELECT (SELECT count(*) FROM pg_authid WHERE rolname ~ 'writer|hidden'),
                       (SELECT count(*) FROM pg_database WHERE datname ~ '^migd_')";
    let row = held.observer.client().query_one(left, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, 1), "its own database is the only one");
    drop(held);
    second.engine().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_away_that_was_put_away_already() {
    let scratch = Scratch::fresh();
    let first = pool(&scratch, "build").await;
    assert!(first.keep("build").await.is_none(), "there is no template yet");
    let prefix = owned(&first).await;
    put_away(&first).await;
    let second = pool(&scratch, "build").await;
    drop(second.lease(&prefix).await.unwrap().unwrap());
    assert!(second.keep("build").await.is_none());
    template(&second, "next").await;
    assert!(second.keep("build").await.is_some());
    second.engine().stop().await;
}
