//! Clones that are made ahead: how many wait, and whose.

use std::sync::Arc;
use std::time::{Duration, Instant};

use blake3::Hash;
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
