//! The local engine: a private cluster that starts fast, is nobody else's, and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use migd::config::{Engine as Config, EngineKind};
use migd::engine::{self, ErrorKind, Role};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Scratch, connect, database, owner_is_confined, value};

fn config() -> Config {
    Config { kind: EngineKind::Local, ..Config::default() }
}

fn pid(engine: &dyn engine::Engine) -> Pid {
    Pid::from_raw(engine.info().pid.unwrap().try_into().unwrap())
}

fn gone(pid: Pid) -> bool {
    kill(pid, None).is_err()
}

/// The seed, once it is there: it is written beside the judging.
async fn kept(scratch: &Scratch) -> PathBuf {
    loop {
        let entries = std::fs::read_dir(scratch.place.state.join("seeds")).into_iter().flatten().flatten();
        let mut seeds = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
        match seeds.next() {
            Some(seed) => return seed.path(),
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test]
async fn starts_serves_and_leaves_nothing() {
    let scratch = Scratch::new();
    let engine = scratch.start(&config()).await;
    let info = engine.info().clone();
    assert_eq!(info.kind, "local");
    assert!(info.version.starts_with(&info.major.to_string()), "{}", info.version);
    assert!(!info.superuser && !info.shared && !info.adopted);
    assert!(engine.alive().await);

    let name = database(&*engine, "one").await;
    let owner = connect(&*engine, &name, Role::Owner).await;
    assert_eq!(value(&owner, "SHOW listen_addresses").await, "");
    assert_eq!(value(&owner, "SHOW fsync").await, "off");
    assert_eq!(value(&owner, "SHOW server_encoding").await, "UTF8");
    assert_eq!(value(&owner, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user").await, "f");
    drop(owner);

    let server = pid(&*engine);
    engine.stop().await;
    assert!(gone(server));
    assert!(!engine.alive().await);
    assert_eq!(scratch.folders(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn the_second_start_copies_what_the_first_initialised() {
    let scratch = Scratch::fresh();
    let first = scratch.start(&config()).await;
    let seed = kept(&scratch).await;
    let made = seed.metadata().unwrap().modified().unwrap();
    first.stop().await;
    scratch.start(&config()).await.stop().await;
    assert_eq!(seed.metadata().unwrap().modified().unwrap(), made, "used, not made again");
}

#[tokio::test]
async fn a_seed_that_came_to_harm_is_made_anew() {
    let scratch = Scratch::fresh();
    let first = scratch.start(&config()).await;
    let seed = kept(&scratch).await;
    first.stop().await;
    let whole = std::fs::read(&seed).unwrap();
    // Cut short, and with one bit flipped: the server would start from that and answer by it.
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for harm in [&whole[..whole.len() / 2], &flipped] {
        std::fs::write(&seed, harm).unwrap();
        let engine = scratch.start(&config()).await;
        assert!(engine.alive().await);
        while std::fs::read(&seed).is_ok_and(|seed| seed == harm) || !seed.is_file() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        engine.stop().await;
    }
}

#[tokio::test]
async fn the_owner_is_a_database_owner_and_no_more() {
    let scratch = Scratch::new();
    let engine = scratch.start(&config()).await;
    owner_is_confined(&*engine).await;
    engine.stop().await;
}

#[tokio::test]
async fn a_server_whose_daemon_vanished_is_taken_over() {
    let scratch = Scratch::new();
    let first = scratch.start(&config()).await;
    let (server, name) = (pid(&*first), database(&*first, "kept").await);
    drop(first);

    let second = scratch.start(&config()).await;
    assert!(second.info().adopted);
    assert_eq!(pid(&*second), server);
    assert_eq!(value(&connect(&*second, &name, Role::Owner).await, "SELECT current_database()").await, name);
    second.stop().await;
    assert!(gone(server));
    assert!(scratch.folders().is_empty());
}

#[tokio::test]
async fn a_left_server_that_is_configured_otherwise_is_replaced() {
    let scratch = Scratch::new();
    let first = scratch.start(&config()).await;
    let server = pid(&*first);
    drop(first);

    let mut other = config();
    other.settings.insert("max_connections".to_owned(), "33".to_owned());
    let second = scratch.start(&other).await;
    assert!(!second.info().adopted);
    assert!(gone(server), "the old one is stopped");
    assert_eq!(value(&connect(&*second, "postgres", Role::Owner).await, "SHOW max_connections").await, "33");
    second.stop().await;
}

#[tokio::test]
async fn a_killed_server_is_noticed_and_replaced() {
    let scratch = Scratch::new();
    let first = scratch.start(&config()).await;
    kill(pid(&*first), Signal::SIGKILL).unwrap();
    while first.alive().await {
        tokio::task::yield_now().await;
    }
    drop(first);
    let second = scratch.start(&config()).await;
    assert!(!second.info().adopted && second.alive().await);
    second.stop().await;
    assert!(scratch.folders().is_empty());
}

#[tokio::test]
async fn a_server_without_a_record_is_found_by_its_own() {
    let scratch = Scratch::new();
    let first = scratch.start(&config()).await;
    let server = pid(&*first);
    drop(first);
    std::fs::remove_file(scratch.folders()[0].join("server.json")).unwrap();
    let second = scratch.start(&config()).await;
    assert!(!second.info().adopted && gone(server));
    second.stop().await;
}

#[tokio::test]
async fn a_record_that_names_a_stranger_harms_nobody() {
    let scratch = Scratch::new();
    let first = scratch.start(&config()).await;
    first.stop().await;
    // A folder from before a crash, whose process numbers are somebody else's by now.
    let mut stranger = Command::new("sleep").arg("30").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let folder = PathBuf::from("/dev/shm").join(format!("migd-{}", scratch.place.owner));
    std::fs::create_dir_all(folder.join("data")).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(folder.join("data/postmaster.pid"), format!("{}\n", stranger.id())).unwrap();

    let engine = scratch.start(&config()).await;
    assert!(stranger.try_wait().unwrap().is_none(), "it runs on");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    engine.stop().await;
}

#[tokio::test]
async fn two_owners_live_side_by_side() {
    let (one, two) = (Scratch::new(), Scratch::new());
    let config = config();
    let (first, second) = tokio::join!(one.start(&config), two.start(&config));
    assert_ne!(pid(&*first), pid(&*second));
    first.stop().await;
    assert!(second.alive().await, "stopping one leaves the other");
    second.stop().await;
}

#[tokio::test]
async fn one_process_at_a_time_has_an_engine_and_runs_without_a_daemon_have_their_own() {
    let scratch = Scratch::new();
    let daemon = scratch.start(&config()).await;
    let refused = scratch.try_start(&config()).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Busy);

    let quiet: engine::Progress = Arc::new(|_: &str| {});
    let one = engine::start_once(&config(), &scratch.place, &quiet).await.unwrap();
    let two = engine::start_once(&config(), &scratch.place, &quiet).await.unwrap();
    assert_ne!(pid(&*one), pid(&*two));
    assert_ne!(pid(&*one), pid(&*daemon));
    for engine in [one, two, daemon] {
        engine.stop().await;
    }
}

#[tokio::test]
async fn what_a_folder_of_somebody_else_holds_is_not_touched() {
    if !nix::unistd::Uid::effective().is_root() {
        println!("NOT RUN: making a folder for another user takes root");
        return;
    }
    let scratch = Scratch::new();
    let squat = PathBuf::from("/dev/shm").join(format!("migd-{}", scratch.place.owner));
    std::fs::create_dir(&squat).unwrap();
    std::fs::write(squat.join("theirs"), "x").unwrap();
    std::os::unix::fs::chown(&squat, Some(65534), Some(65534)).unwrap();

    let engine = scratch.start(&config()).await;
    assert!(!engine.info().tmpfs, "the data goes where the folder is ours");
    engine.stop().await;
    assert_eq!(std::fs::read_to_string(squat.join("theirs")).unwrap(), "x");
    std::fs::remove_dir_all(&squat).unwrap();
}

#[tokio::test]
async fn a_folder_that_others_can_write_is_not_trusted() {
    let scratch = Scratch::new();
    let open = PathBuf::from("/dev/shm").join(format!("migd-{}", scratch.place.owner));
    if std::fs::create_dir(&open).is_err() {
        println!("NOT RUN: there is no /dev/shm");
        return;
    }
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    let engine = scratch.start(&config()).await;
    assert!(!engine.info().tmpfs, "the data is on disk instead");
    let name = database(&*engine, "one").await;
    assert_eq!(value(&connect(&*engine, &name, Role::Owner).await, "SELECT 1").await, "1");
    engine.stop().await;
    assert_eq!(scratch.folders(), std::slice::from_ref(&open));
    std::fs::remove_dir(&open).unwrap();
}

/// Where the next test tells [`a_daemon_that_waits_to_be_killed`] its place.
fn note() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("daemon-to-kill")
}

#[tokio::test]
#[ignore = "a part of a_killed_daemons_server_is_taken_over, in a process of its own"]
async fn a_daemon_that_waits_to_be_killed() {
    let Ok(note) = std::fs::read_to_string(note()) else { return };
    let mut lines = note.lines();
    let mut scratch = Scratch::new();
    scratch.place.owner = lines.next().unwrap().to_owned();
    scratch.place.runtime = lines.next().unwrap().into();
    let engine = scratch.start(&config()).await;
    println!("\nserves {}", pid(&*engine));
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_daemons_server_is_taken_over() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(note(), format!("{}\n{}\n", scratch.place.owner, scratch.place.runtime.display())).unwrap();
    let mut daemon = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "engine::local::a_daemon_that_waits_to_be_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(daemon.stdout.take().unwrap()).lines().map(Result::unwrap);
    let server: i32 = said.find_map(|line| line.strip_prefix("serves ")?.parse().ok()).unwrap();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    std::fs::remove_file(note()).unwrap();

    let engine = scratch.start(&config()).await;
    assert!(engine.info().adopted);
    assert_eq!(pid(&*engine).as_raw(), server);
    engine.stop().await;
    // Its entry may linger until init has taken leave of it.
    assert!(!engine.alive().await && scratch.folders().is_empty());
}

#[tokio::test]
async fn a_server_at_rest_is_small() {
    let scratch = Scratch::new();
    let engine = scratch.start(&config()).await;
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    let server = pid(&*engine).to_string();
    let of_the_server = |folder: &std::path::Path| {
        let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
        let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.to_owned();
        (parent == server || folder.ends_with(&server)).then_some(())
    };
    let share = |folder: PathBuf| {
        of_the_server(&folder)?;
        let rollup = std::fs::read_to_string(folder.join("smaps_rollup")).ok()?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let kib: u64 = processes.flatten().filter_map(|entry| share(entry.path())).sum();
    println!("the server at rest: {:.1} MB", kib as f64 / 1024.0);
    assert!(kib > 0 && kib < 60 << 10, "{kib} KiB, beside 40 MB of data");
    engine.stop().await;
}

#[tokio::test]
async fn only_the_servers_user_can_look_into_the_folder() {
    let scratch = Scratch::new();
    let engine = scratch.start(&config()).await;
    let folder = scratch.folders().remove(0);
    for part in ["data", "s"] {
        assert_eq!(folder.join(part).metadata().unwrap().mode() & 0o777, 0o700, "{part}");
    }
    for file in ["server.json", "pg_hba.conf", "pg_ident.conf", "server.log"] {
        assert_eq!(folder.join(file).metadata().unwrap().mode() & 0o777, 0o600, "{file}");
    }
    let server = std::fs::metadata(format!("/proc/{}", pid(&*engine)));
    if let Ok(server) = server {
        assert_ne!(server.uid(), 0, "never as root");
    }
    engine.stop().await;
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let scratch = Scratch::new();
    let mut superuser = config();
    superuser.superuser = true;
    let mut nowhere = config();
    nowhere.bin_dir = "/nonexistent".to_owned();
    let mut hostile = config();
    hostile.settings.insert("archive_command".to_owned(), "touch /tmp/migd-test".to_owned());
    let mut nonsense = config();
    nonsense.settings.insert("no_such_setting".to_owned(), "1".to_owned());
    for (config, kind, word) in [
        (superuser, ErrorKind::Superuser, "container"),
        (nowhere, ErrorKind::NotFound, "engine.bin_dir"),
        (hostile, ErrorKind::Settings, "engine.settings"),
        (nonsense, ErrorKind::Start, "engine.settings"),
    ] {
        let error = scratch.try_start(&config).await.err().unwrap();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.help().contains(word), "{}", error.help());
    }
    assert!(scratch.folders().is_empty());
}

#[tokio::test]
async fn another_major_version_than_asked_for_is_said() {
    let scratch = Scratch::new();
    let mut config = config();
    config.postgres = "9".to_owned();
    let engine = scratch.start(&config).await;
    assert!(engine.info().mismatch.as_deref().unwrap().contains("engine.postgres asks for 9"));
    engine.stop().await;
}

#[tokio::test]
async fn the_doctor_names_what_is_there() {
    let scratch = Scratch::new();
    let lines = engine::probe(&config(), &scratch.place).await;
    assert!(lines.iter().all(|line| line.ok), "{lines:?}");
    let mut nowhere = config();
    nowhere.bin_dir = "/nonexistent".to_owned();
    let lines = engine::probe(&nowhere, &scratch.place).await;
    assert!(lines.iter().any(|line| !line.ok && line.remedy.is_some()), "{lines:?}");
}
