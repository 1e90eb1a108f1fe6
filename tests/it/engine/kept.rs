//! A cluster that is put away when it is stopped: the next start has what was in it, or starts as if it had never been.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use migd::config::{Engine as Config, EngineKind};
use migd::engine::{Engine, Luggage, Role};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Scratch, connect, database, value};

fn config() -> Config {
    Config { kind: EngineKind::Local, ..Config::default() }
}

/// Where the cluster of this owner is put away.
fn path(scratch: &Scratch) -> PathBuf {
    scratch.place.state.join("kept").join(&scratch.place.owner)
}

/// A place with a cluster put away that has one table in one database; and the database's name.
async fn put_away() -> (Scratch, String) {
    let scratch = Scratch::fresh();
    let engine = scratch.start(&config()).await;
    assert_eq!(engine.contents(), None, "nothing was put away before");
    let name = database(&*engine, "one").await;
    let owner = connect(&*engine, &name, Role::Owner).await;
    owner.batch_execute("CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 1000)").await.unwrap();
    let databases = owner.query("SELECT oid FROM pg_database", &[]).await.unwrap();
    let databases = databases.iter().map(|row| row.get(0)).collect();
    drop(owner);
    engine.put_away(Some(Luggage { contents: b"one table".to_vec(), databases })).await;
    assert_eq!(scratch.folders(), Vec::<PathBuf>::new(), "nothing is left where it ran");
    (scratch, name)
}

async fn rows(engine: &Arc<dyn Engine>, name: &str) -> String {
    let owner = connect(&**engine, name, Role::Owner).await;
    value(&owner, "SELECT count(*)::text FROM t").await
}

#[tokio::test]
async fn the_next_start_has_what_was_put_away() {
    let (scratch, name) = put_away().await;
    for _ in 0..2 {
        let engine = scratch.start(&config()).await;
        assert_eq!(engine.contents().as_deref(), Some(&b"one table"[..]));
        assert_eq!(engine.contents(), None, "it is given once");
        assert_eq!(rows(&engine, &name).await, "1000");
        engine.put_away(None).await;
        assert!(path(&scratch).exists(), "what was put away before stays");
    }
}

#[tokio::test]
async fn what_is_changed_after_the_start_is_not_in_what_was_put_away() {
    let (scratch, name) = put_away().await;
    let engine = scratch.start(&config()).await;
    let owner = connect(&*engine, &name, Role::Owner).await;
    owner.batch_execute("DELETE FROM t").await.unwrap();
    drop(owner);
    engine.put_away(None).await;
    let engine = scratch.start(&config()).await;
    assert_eq!(rows(&engine, &name).await, "1000");
    engine.stop().await;
}

#[tokio::test]
async fn a_server_that_is_given_up_takes_what_it_was_started_from_with_it() {
    let (scratch, _) = put_away().await;
    scratch.start(&config()).await.stop().await;
    assert!(!path(&scratch).exists());
    let engine = scratch.start(&config()).await;
    assert_eq!(engine.contents(), None);
    engine.stop().await;
}

#[tokio::test]
async fn a_cluster_of_another_configuration_is_not_used() {
    let (scratch, _) = put_away().await;
    let settings = [("work_mem".to_owned(), "8MB".to_owned())].into();
    let engine = scratch.start(&Config { settings, ..config() }).await;
    assert_eq!(engine.contents(), None);
    engine.put_away(None).await;
}

#[tokio::test]
async fn a_cluster_that_came_to_harm_is_forgotten_and_the_server_starts() {
    for harm in ["cluster", "about.json", "contents"] {
        let (scratch, _) = put_away().await;
        fs::remove_file(path(&scratch).join(harm)).unwrap();
        let engine = scratch.start(&config()).await;
        assert_eq!(engine.contents(), None, "{harm}");
        let owner = connect(&*engine, "postgres", Role::Admin).await;
        assert_eq!(value(&owner, "SELECT 'here'").await, "here");
        drop(owner);
        engine.stop().await;
    }
}

#[tokio::test]
async fn a_cluster_that_is_cut_short_is_forgotten_too() {
    let (scratch, _) = put_away().await;
    let cluster = fs::OpenOptions::new().write(true).open(path(&scratch).join("cluster")).unwrap();
    cluster.set_len(cluster.metadata().unwrap().len() / 2).unwrap();
    let engine = scratch.start(&config()).await;
    assert_eq!(engine.contents(), None);
    assert!(!path(&scratch).exists());
    engine.stop().await;
}

#[tokio::test]
async fn a_bit_that_flipped_in_what_was_put_away_is_noticed() {
    for (harm, part) in [("cluster", 2), ("cluster", 3), ("contents", 2), ("about.json", 2), ("about.json", 10)] {
        let (scratch, name) = put_away().await;
        let file = path(&scratch).join(harm);
        let mut bytes = fs::read(&file).unwrap();
        let at = bytes.len() / part;
        bytes[at] ^= 1;
        fs::write(&file, bytes).unwrap();
        let engine = scratch.start(&config()).await;
        assert_eq!(engine.contents(), None, "{harm}");
        let owner = connect(&*engine, "postgres", Role::Admin).await;
        let left = format!("SELECT count(*)::text FROM pg_database WHERE datname = '{name}'");
        assert_eq!(value(&owner, &left).await, "0", "{harm}");
        drop(owner);
        engine.stop().await;
    }
}

#[tokio::test]
async fn what_was_put_away_before_the_clock_was_set_back_goes_first() {
    let (scratch, _) = put_away().await;
    let parent = path(&scratch).parent().unwrap().to_owned();
    let later = std::time::SystemTime::now() + Duration::from_secs(365 * 24 * 3600);
    for name in ["one", "two", "three"] {
        fs::create_dir(parent.join(name)).unwrap();
        fs::File::open(parent.join(name)).unwrap().set_modified(later).unwrap();
    }
    let engine = scratch.start(&config()).await;
    let owner = connect(&*engine, "postgres", Role::Admin).await;
    let databases = owner.query("SELECT oid FROM pg_database", &[]).await.unwrap();
    let databases = databases.iter().map(|row| row.get(0)).collect();
    drop(owner);
    engine.put_away(Some(Luggage { contents: b"newer".to_vec(), databases })).await;
    assert_eq!(fs::read(path(&scratch).join("contents")).unwrap(), b"newer");
}

#[tokio::test]
async fn a_cluster_of_which_the_system_may_have_lost_a_part_is_not_used() {
    let (scratch, _) = put_away().await;
    let about = path(&scratch).join("about.json");
    let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&about).unwrap()).unwrap();
    text["boot"] = "another run of the system".into();
    fs::write(&about, text.to_string()).unwrap();
    let engine = scratch.start(&config()).await;
    assert_eq!(engine.contents(), None);
    engine.stop().await;
}

#[tokio::test]
async fn a_server_that_was_not_stopped_in_order_is_not_put_away() {
    let scratch = Scratch::fresh();
    let engine = scratch.start(&config()).await;
    let server = Pid::from_raw(engine.info().pid.unwrap().try_into().unwrap());
    kill(server, Signal::SIGKILL).unwrap();
    while engine.alive().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    engine.put_away(Some(Luggage { contents: b"torn".to_vec(), databases: Vec::new() })).await;
    assert!(!path(&scratch).exists());
    assert_eq!(scratch.folders(), Vec::<PathBuf>::new());
}
