//! The choice between the engines.

use migd::config::{Engine as Config, EngineKind};
use migd::engine::{self, ErrorKind};

use super::Scratch;

#[tokio::test]
async fn without_a_container_engine_the_installed_server_is_used() {
    let mut scratch = Scratch::new();
    scratch.place.env.docker_host = Some("unix:///nonexistent.sock".to_owned());
    let engine = scratch.start(&Config::default()).await;
    assert_eq!(engine.info().kind, "local");
    engine.stop().await;
    let lines = engine::probe(&Config::default(), &scratch.place).await;
    assert!(lines.iter().any(|line| !line.ok) && lines.iter().all(|line| line.ok || line.optional), "{lines:?}");
}

#[tokio::test]
async fn an_image_that_is_not_here_is_not_waited_for_when_the_installed_server_will_do() {
    let scratch = Scratch::new();
    let config = Config { image: "127.0.0.1:9/nobody/nothing:1".to_owned(), ..Config::default() };
    let engine = scratch.start(&config).await;
    assert_eq!(engine.info().kind, "local");
    engine.stop().await;
}

#[tokio::test]
async fn an_image_of_the_right_version_is_tried_before_a_server_of_the_wrong_one() {
    let scratch = Scratch::new();
    let image = "127.0.0.1:9/nobody/nothing:1".to_owned();
    let config = Config { image, postgres: "9".to_owned(), ..Config::default() };
    let engine = scratch.start(&config).await;
    assert_eq!(engine.info().kind, "local");
    assert!(engine.info().mismatch.is_some(), "and said when it cannot be had");
    engine.stop().await;
}

#[tokio::test]
async fn a_machine_with_nothing_is_told_both_ways_out() {
    let mut scratch = Scratch::new();
    scratch.place.env.docker_host = Some("unix:///nonexistent.sock".to_owned());
    let config = Config { bin_dir: "/nonexistent".to_owned(), ..Config::default() };
    let error = scratch.try_start(&config).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.help().contains("Docker") && error.help().contains("engine.bin_dir"), "{}", error.help());
}

#[tokio::test]
async fn full_rights_are_never_had_outside_a_container() {
    let mut scratch = Scratch::new();
    scratch.place.env.docker_host = Some("unix:///nonexistent.sock".to_owned());
    let config = Config { superuser: true, ..Config::default() };
    assert_eq!(scratch.try_start(&config).await.err().unwrap().kind(), ErrorKind::NotFound);
    for kind in [EngineKind::Local, EngineKind::Url] {
        let config = Config { kind, superuser: true, ..Config::default() };
        assert_eq!(scratch.try_start(&config).await.err().unwrap().kind(), ErrorKind::Superuser);
    }
}

#[tokio::test]
async fn who_changes_the_engine_after_a_crash_has_nothing_left_of_the_old_one() {
    let scratch = Scratch::new();
    drop(scratch.start(&Config { kind: EngineKind::Local, ..Config::default() }).await);
    assert_eq!(scratch.folders().len(), 1);
    let url = Config { kind: EngineKind::Url, url: "postgres://nobody@127.0.0.1:9/x".to_owned(), ..Config::default() };
    assert_eq!(scratch.try_start(&url).await.err().unwrap().kind(), ErrorKind::Connect);
    assert!(scratch.folders().is_empty());
}
