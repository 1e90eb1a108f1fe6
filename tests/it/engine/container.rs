//! The container engine, wherever a container engine answers, with the test image of `tests/image`.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use migd::config::{Engine as Config, EngineKind};
use migd::engine::{self, ErrorKind, Role};

use super::{Scratch, connect, database, owner_is_confined, value};

/// The configuration with the test image, built once; none, loudly, where no Docker answers.
fn config() -> Option<Config> {
    static IMAGE: OnceLock<Option<String>> = OnceLock::new();
    let image = IMAGE.get_or_init(|| {
        if !Command::new("docker").arg("version").output().is_ok_and(|output| output.status.success()) {
            return None;
        }
        let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/image/build.sh")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    });
    if image.is_none() {
        println!("NOT RUN: Docker does not answer, so the container engine is not tested");
    }
    Some(Config { kind: EngineKind::Container, image: image.clone()?, ..Config::default() })
}

/// One line of `docker inspect`.
fn inspect(scratch: &Scratch, format: &str) -> String {
    let name = format!("migd-{}", scratch.place.owner);
    let output = Command::new("docker").args(["inspect", "-f", format, &name]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn containers(scratch: &Scratch) -> usize {
    let filter = format!("label=migd.owner={}", scratch.place.owner);
    let output = Command::new("docker").args(["ps", "-aq", "--filter", &filter]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().count()
}

fn docker(arguments: &[&str]) {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn starts_serves_and_leaves_nothing() {
    let Some(config) = config() else { return };
    let scratch = Scratch::new();
    let engine = scratch.start(&config).await;
    let info = engine.info().clone();
    assert_eq!(info.kind, "container");
    assert!(info.tmpfs && !info.superuser && !info.shared && !info.adopted);
    assert!(engine.alive().await);
    let name = database(&*engine, "one").await;
    let owner = connect(&*engine, &name, Role::Owner).await;
    assert_eq!(value(&owner, "SHOW fsync").await, "off");
    assert_eq!(value(&owner, "SHOW server_encoding").await, "UTF8");

    let limits = inspect(&scratch, "{{.HostConfig.CapDrop}} {{.HostConfig.PidsLimit}} {{.HostConfig.SecurityOpt}}");
    assert!(limits.starts_with("[ALL] 256 [no-new-privileges"), "{limits}");
    assert_eq!(inspect(&scratch, "{{.HostConfig.PublishAllPorts}}"), "false");
    drop(owner);
    engine.stop().await;
    assert!(!engine.alive().await);
    assert_eq!(containers(&scratch), 0);
    let left: Vec<_> = std::fs::read_dir(&scratch.place.runtime).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "{left:?}");
}

#[tokio::test]
async fn on_the_same_kernel_the_container_has_no_network() {
    let Some(config) = config() else { return };
    let scratch = Scratch::new();
    let engine = scratch.start(&config).await;
    if engine.info().pid.is_some() {
        assert_eq!(inspect(&scratch, "{{.HostConfig.NetworkMode}}"), "none");
        assert_eq!(inspect(&scratch, "{{len .HostConfig.PortBindings}}"), "0");
    } else {
        println!("NOT RUN: the container engine is on another kernel, or maps users");
    }
    engine.stop().await;
}

#[tokio::test]
async fn elsewhere_the_port_is_on_this_machine_alone_and_asks_for_a_password() {
    let Some(config) = config() else { return };
    let mut scratch = Scratch::new();
    // A runtime folder whose path is too long for a socket sends the engine the other way.
    scratch.place.runtime = scratch.place.runtime.join("r".repeat(100));
    let engine = scratch.start(&config).await;
    assert_eq!(inspect(&scratch, "{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}}{{end}}{{end}}"), "127.0.0.1");
    for role in [Role::Admin, Role::Owner] {
        let mut stranger = engine.config("postgres", role);
        assert!(super::try_connect(&stranger).await.is_ok());
        stranger.password("guess");
        assert!(super::try_connect(&stranger).await.is_err());
    }

    // A migration that changes the owner's password harms itself alone.
    let owner = connect(&*engine, "postgres", Role::Owner).await;
    owner.batch_execute("ALTER ROLE postgres PASSWORD 'mine'; ALTER ROLE postgres SET work_mem = '1MB'").await.unwrap();
    assert!(super::try_connect(&engine.config("postgres", Role::Owner)).await.is_err());
    let admin = connect(&*engine, "postgres", Role::Admin).await;
    admin.batch_execute(&engine.owner_sql().unwrap()).await.unwrap();
    assert_eq!(value(&connect(&*engine, "postgres", Role::Owner).await, "SHOW work_mem").await, "4MB");
    engine.stop().await;
}

#[tokio::test]
async fn the_owner_is_a_database_owner_and_no_more() {
    let Some(config) = config() else { return };
    let scratch = Scratch::new();
    let engine = scratch.start(&config).await;
    owner_is_confined(&*engine).await;
    engine.stop().await;
}

#[tokio::test]
async fn full_rights_are_an_explicit_setting() {
    let Some(mut config) = config() else { return };
    config.superuser = true;
    let scratch = Scratch::new();
    let engine = scratch.start(&config).await;
    assert!(engine.info().superuser);
    let owner = connect(&*engine, "postgres", Role::Owner).await;
    owner.batch_execute("CREATE EXTENSION IF NOT EXISTS file_fdw; CREATE ROLE boss SUPERUSER").await.unwrap();
    engine.stop().await;
}

#[tokio::test]
async fn a_container_whose_daemon_vanished_is_taken_over() {
    let Some(config) = config() else { return };
    let scratch = Scratch::new();
    let first = scratch.start(&config).await;
    let name = database(&*first, "kept").await;
    drop(first);
    let second = scratch.start(&config).await;
    assert!(second.info().adopted);
    assert_eq!(value(&connect(&*second, &name, Role::Owner).await, "SELECT current_database()").await, name);
    second.stop().await;
    assert_eq!(containers(&scratch), 0);
}

#[tokio::test]
async fn a_container_that_is_configured_otherwise_dead_or_unknown_is_replaced() {
    let Some(config) = config() else { return };
    let scratch = Scratch::new();
    let name = format!("migd-{}", scratch.place.owner);
    drop(scratch.start(&config).await);

    let mut other = config.clone();
    other.settings = [("max_connections".to_owned(), "33".to_owned())].into();
    let second = scratch.start(&other).await;
    assert!(!second.info().adopted);
    assert_eq!(value(&connect(&*second, "postgres", Role::Owner).await, "SHOW max_connections").await, "33");

    docker(&["kill", &name]);
    assert!(!second.alive().await);
    drop(second);
    let third = scratch.start(&other).await;
    assert!(!third.info().adopted);
    drop(third);

    // Without its passwords nobody can use it.
    std::fs::remove_file(scratch.place.runtime.join(format!("container-{}.json", scratch.place.owner))).unwrap();
    let fourth = scratch.start(&other).await;
    assert!(!fourth.info().adopted);
    assert_eq!(containers(&scratch), 1);
    fourth.stop().await;
    assert_eq!(containers(&scratch), 0);
}

#[tokio::test]
async fn two_owners_live_side_by_side() {
    let Some(config) = config() else { return };
    let (one, two) = (Scratch::new(), Scratch::new());
    let (first, second) = tokio::join!(one.start(&config), two.start(&config));
    first.stop().await;
    assert!(second.alive().await, "stopping one leaves the other");
    drop(second);
    let third = one.start(&config).await;
    assert_eq!(containers(&two), 1, "a vanished daemon's container is left to its owner");
    third.stop().await;
    two.start(&config).await.stop().await;
    assert_eq!((containers(&one), containers(&two)), (0, 0));
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let Some(config) = config() else { return };
    let scratch = Scratch::new();
    let image = |name: &str| Config { image: name.to_owned(), ..config.clone() };
    let mut nonsense = config.clone();
    nonsense.settings = [("no_such_setting".to_owned(), "1".to_owned())].into();
    for (config, kind, said) in [
        (image("127.0.0.1:9/nobody/nothing:1"), ErrorKind::Image, "127.0.0.1:9/nobody/nothing:1"),
        (nonsense, ErrorKind::Start, "no_such_setting"),
    ] {
        let error = scratch.try_start(&config).await.err().unwrap();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(!error.help().is_empty());
    }
    assert_eq!(containers(&scratch), 0);
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_said() {
    let mut scratch = Scratch::new();
    scratch.place.env.docker_host = Some("unix:///nonexistent.sock".to_owned());
    let config = Config { kind: EngineKind::Container, ..Config::default() };
    let error = scratch.try_start(&config).await.err().unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, "engine.not-found"));
    let lines: HashMap<_, _> =
        engine::probe(&config, &scratch.place).await.into_iter().map(|line| (line.what.clone(), line)).collect();
    assert!(!lines["container engine"].ok && lines["container engine"].remedy.is_some());
}
