//! The daemon's and the server's life: they start by themselves, are replaced, killed, idle, and the next commit is
//! judged right without anybody's help.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::realm::{Realm, eventually, is_running, run};
use crate::support::sandbox::{BROKEN, GOOD, GOOD_DOWN, Sandbox};

const BORN: &str = "ALTER TABLE users ADD COLUMN born date;\n";
const PASS: &str = "migd: migrations: pass";

fn status(repo: &Sandbox) -> serde_json::Value {
    repo.migd(&["status", "--json"]).ok().json()
}

fn daemon(repo: &Sandbox) -> u32 {
    status(repo)["pid"].as_u64().expect("a daemon runs").try_into().unwrap()
}

fn server(repo: &Sandbox) -> u32 {
    status(repo)["engines"][0]["pid"].as_u64().expect("a server runs").try_into().unwrap()
}

/// The server's processes.
fn children(server: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// What a process of the server says of itself.
fn title(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// The server's processes that serve connections.
fn backends(server: u32) -> Vec<u32> {
    children(server).into_iter().filter(|pid| title(*pid).contains("[local]")).collect()
}

fn kill_now(pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

/// A repository whose daemon and server run.
fn warm() -> Sandbox {
    let repo = Sandbox::alone();
    repo.migration(2, "born", BORN, "ALTER TABLE users DROP COLUMN born;\n");
    repo.commit(&[]).ok().says(PASS);
    repo
}

/// A broken migration is refused and a good one passes.
#[track_caller]
fn judges(repo: &Sandbox) {
    repo.migration(500, "age", BROKEN, GOOD_DOWN);
    repo.commit(&[]).status(1).says("relation \"persons\" does not exist");
    repo.next_good_one_passes();
}

/// A migration that is busy for a while in its judgement, committed on a thread.
fn slow_commit(repo: &Sandbox) -> thread::JoinHandle<crate::support::realm::Ran> {
    let up = "SELECT pg_sleep(1.5);\nALTER TABLE users ADD COLUMN slow integer;\n";
    repo.migration(3, "slow", up, "ALTER TABLE users DROP COLUMN slow;\n");
    let here = repo.at("");
    let thread = thread::spawn(move || here.commit(&[]));
    let server = server(repo);
    let busy = |pid: &u32| title(*pid).contains("SELECT");
    eventually("the migration is being judged", || backends(server).iter().any(busy));
    thread
}

#[test]
fn a_commit_starts_daemon_and_server_and_stop_leaves_nothing() {
    let repo = Sandbox::alone();
    let realm = Arc::clone(repo.realm());
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo.commit(&[]).ok().says(PASS);
    assert!(!realm.processes().is_empty() && !realm.data_folders().is_empty());
    repo.migd(&["stop"]).ok();
    eventually("nothing is left", || realm.is_empty());
    assert!(!realm.runtime().join("daemon.sock").exists());
    repo.migd(&["stop"]).ok().says("no daemon is running");
}

#[test]
fn hooks_that_race_start_one_daemon() {
    let realm = Realm::new();
    let repos: Vec<Sandbox> = (0..4).map(|_| Sandbox::within(&realm)).collect();
    thread::scope(|scope| {
        for (number, repo) in repos.iter().enumerate() {
            let (up, expected) = if number % 2 == 0 { (GOOD, 0) } else { (BROKEN, 1) };
            repo.migration(2, "age", up, GOOD_DOWN);
            scope.spawn(move || repo.commit(&[]).status(expected).says("migd: migrations:"));
        }
    });
    let listening = realm.log().matches("listening").count();
    assert_eq!(listening, 1, "{}", realm.log());
}

#[test]
fn a_killed_daemon_is_replaced_and_its_server_taken_over_or_ended() {
    let repo = warm();
    let (daemon, server) = (daemon(&repo), server(&repo));
    kill_now(daemon);
    eventually("it is gone", || !is_running(daemon));
    judges(&repo);
    let now = self::server(&repo);
    assert!(now == server || !is_running(server), "two servers run");
}

#[test]
fn a_daemon_killed_while_it_judges_is_replaced_before_the_commit_ends() {
    let repo = warm();
    let daemon = daemon(&repo);
    let commit = slow_commit(&repo);
    kill_now(daemon);
    commit.join().unwrap().ok().says(PASS);
    judges(&repo);
}

#[test]
fn a_killed_server_is_replaced() {
    let repo = warm();
    let server = server(&repo);
    kill_now(server);
    judges(&repo);
    eventually("no process of the old server is left", || !is_running(server));
}

#[test]
fn a_server_killed_while_it_judges_is_replaced_before_the_commit_ends() {
    let repo = warm();
    let server = server(&repo);
    let commit = slow_commit(&repo);
    kill_now(server);
    commit.join().unwrap().ok().says(PASS);
    judges(&repo);
}

#[test]
fn a_server_that_lost_one_process_recovers() {
    let repo = warm();
    kill_now(backends(server(&repo))[0]);
    judges(&repo);
}

#[test]
fn a_server_that_lost_one_process_has_all_of_its_templates_rows() {
    let repo = Sandbox::alone();
    // The last that a chain writes is its runner's own row. No clone is made of it: that would have the server write it down.
    repo.configure(
        "[daemon]\nclones = 0\n[rows]\nenabled = false\n[watch]\nenabled = false\n\
         [[migrations]]\npath = \"migrations\"\nlayout = \"golang-migrate\"\n",
    );
    repo.migration(2, "born", BORN, "ALTER TABLE users DROP COLUMN born;\n");
    repo.commit(&[]).ok().says(PASS);
    eventually("the template after the commit is made", || status(&repo)["engines"][0]["pool"]["templates"] == 2);
    let server = server(&repo);
    let writer = || children(server).into_iter().find(|pid| title(*pid).contains("walwriter"));
    let (before, lost) = (writer(), backends(server)[0]);
    kill_now(lost);
    eventually("it has started again", || writer().is_some_and(|pid| Some(pid) != before));
    repo.next_good_one_passes();
    assert_eq!(self::server(&repo), server, "its templates are looked at");
}

#[test]
fn a_server_that_lost_one_process_while_it_judges_recovers_before_the_commit_ends() {
    let repo = warm();
    let server = server(&repo);
    let commit = slow_commit(&repo);
    kill_now(backends(server)[0]);
    commit.join().unwrap().ok().says(PASS);
    judges(&repo);
}

#[test]
fn a_migration_whose_process_crashes_every_time_is_refused_with_its_place() {
    let repo = warm();
    let up = "SELECT 1;\nSELECT pg_sleep(3);\nALTER TABLE users ADD COLUMN slow integer;\n";
    repo.migration(3, "slow", up, "ALTER TABLE users DROP COLUMN slow;\n");
    let here = repo.at("");
    let commit = thread::spawn(move || here.commit(&[]));
    // As a function with a bug would: wherever the statement runs, its process ends by a signal.
    // The migration's own session, not the administrator's that reads the catalog.
    let busy = |pid: &u32| title(*pid).starts_with("postgres: postgres ") && title(*pid).contains("SELECT");
    while !commit.is_finished() {
        for pid in repo.realm().processes().into_iter().filter(busy) {
            let _ = kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL);
        }
        thread::sleep(std::time::Duration::from_millis(200));
    }
    let ran = commit.join().unwrap().status(1);
    ran.says("error[apply.crashes]").says("3_slow.up.sql:2:1").says("3 times out of 3");
    judges(&repo);
}

#[test]
fn a_daemon_that_nobody_finds_any_more_leaves() {
    let repo = warm();
    let old = daemon(&repo);
    fs::remove_dir_all(repo.realm().runtime()).unwrap();
    judges(&repo);
    eventually("the one whose folder was deleted has ended", || !is_running(old));
    fs::remove_dir_all(repo.realm().runtime()).unwrap();
    eventually("without another in its place it takes its server with it", || repo.realm().is_empty());
}

#[test]
fn a_server_whose_data_was_cleared_away_is_replaced() {
    let repo = warm();
    // The server writes meanwhile: one pass may not be enough.
    eventually("the data is gone", || {
        repo.realm().data_folders().iter().all(|folder| fs::remove_dir_all(folder).is_ok())
    });
    judges(&repo);
}

#[test]
fn what_a_reboot_leaves_in_the_runtime_folder_does_not_matter() {
    let repo = Sandbox::alone();
    let runtime = repo.realm().runtime();
    // A socket that nobody listens on, and locks that nobody holds.
    drop(std::os::unix::net::UnixListener::bind(runtime.join("daemon.sock")).unwrap());
    fs::write(runtime.join("daemon.lock"), "").unwrap();
    judges(&repo);
}

#[test]
fn what_a_reboot_leaves_of_a_server_is_swept_away() {
    let repo = warm();
    let (daemon, server) = (daemon(&repo), server(&repo));
    let stale: Vec<PathBuf> = repo.realm().data_folders();
    kill_now(daemon);
    kill_now(server);
    eventually("both are gone", || !is_running(daemon) && !is_running(server));
    judges(&repo);
    assert_eq!(repo.realm().data_folders(), stale, "the folder is used again, and there is no second");
}

#[test]
fn without_work_the_server_ends_first_and_then_the_daemon() {
    let repo = Sandbox::alone();
    repo.configure("[daemon]\nengine_idle = \"2s\"\nidle = \"3s\"\n");
    repo.migration(2, "born", BORN, "ALTER TABLE users DROP COLUMN born;\n");
    repo.commit(&[]).ok().says(PASS);
    let (daemon, server) = (daemon(&repo), server(&repo));
    eventually("the server has ended", || !is_running(server));
    assert!(is_running(daemon), "the daemon outlives its server");
    eventually("the daemon has ended", || !is_running(daemon));
    eventually("nothing is left", || repo.realm().is_empty());
    judges(&repo);
}

#[test]
fn a_daemon_whose_server_has_ended_starts_another() {
    let repo = Sandbox::alone();
    repo.configure("[daemon]\nengine_idle = \"2s\"\n");
    repo.migration(2, "born", BORN, "ALTER TABLE users DROP COLUMN born;\n");
    repo.commit(&[]).ok().says(PASS);
    let (daemon, server) = (daemon(&repo), server(&repo));
    eventually("the server has ended", || !is_running(server));
    judges(&repo);
    assert_eq!(self::daemon(&repo), daemon);
}

#[test]
fn a_server_at_work_is_not_idle() {
    let repo = Sandbox::alone();
    repo.configure("[daemon]\nengine_idle = \"100ms\"\nidle = \"100ms\"\n");
    let up = "SELECT pg_sleep(1);\nALTER TABLE users ADD COLUMN slow integer;\n";
    repo.migration(2, "slow", up, "ALTER TABLE users DROP COLUMN slow;\n");
    repo.commit(&[]).ok().says(PASS);
    assert_eq!(repo.realm().log().matches("engine started").count(), 1, "{}", repo.realm().log());
}

#[test]
fn a_daemon_of_another_build_is_replaced() {
    let repo = warm();
    let old = daemon(&repo);
    // The same programs, installed anew: another folder, another time.
    let folder = repo.realm().folder().join("new");
    fs::create_dir(&folder).unwrap();
    for program in ["migd", "migd-hook"] {
        fs::copy(repo.realm().migd().with_file_name(program), folder.join(program)).unwrap();
    }
    let time = std::time::SystemTime::now();
    fs::File::options().append(true).open(folder.join("migd")).unwrap().set_modified(time).unwrap();
    let mut command = repo.command(folder.join("migd"));
    command.args(["hook", "install"]);
    run(command, "").ok();
    repo.migration(3, "age", BROKEN, GOOD_DOWN);
    repo.commit(&[]).status(1).says("relation \"persons\" does not exist");
    let new = daemon(&repo);
    assert!(new != old && !is_running(old), "the old one is replaced");
    let program = fs::read_link(format!("/proc/{new}/exe")).unwrap();
    assert_eq!(program, folder.join("migd").canonicalize().unwrap());
    repo.next_good_one_passes();
    assert_eq!(daemon(&repo), new);
}

#[test]
fn start_and_restart_do_what_they_say() {
    let repo = Sandbox::alone();
    repo.migd(&["status"]).ok().says("no daemon is running");
    repo.migd(&["start"]).ok().says("the daemon is started");
    let first = daemon(&repo);
    repo.migd(&["start"]).ok().says("already running");
    repo.migd(&["restart"]).ok();
    assert_ne!(daemon(&repo), first);
    judges(&repo);
}

#[test]
fn without_a_daemon_the_verdict_is_the_same_and_nothing_is_left() {
    let repo = Sandbox::alone();
    repo.migration(2, "age", GOOD, "ALTER TABLE users DROP COLUMN email;\n");
    let mut alone = repo.migd(&["check", "--no-daemon", "--format", "json"]).status(1).json();
    eventually("nothing is left", || repo.realm().is_empty());
    assert!(!repo.realm().runtime().join("daemon.sock").exists());
    let forget = || fs::remove_dir_all(repo.realm().state().join("verdicts")).unwrap();
    forget();
    let mut asked = repo.migd(&["check", "--format", "json"]).status(1).json();
    for verdict in [&mut alone, &mut asked] {
        forget_durations(verdict);
    }
    assert_eq!(alone, asked);
    // Beside a daemon that runs, too.
    forget();
    let mut beside = repo.migd(&["check", "--no-daemon", "--format", "json"]).status(1).json();
    forget_durations(&mut beside);
    assert_eq!(beside, asked);
    assert_eq!(status(&repo)["running"], true);
}

fn forget_durations(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.retain(|name, _| name != "ms" && !name.ends_with("_ms"));
            fields.values_mut().for_each(forget_durations);
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(forget_durations),
        _ => {}
    }
}

#[test]
fn twenty_commits_at_once_in_five_worktrees_each_get_their_own_verdict() {
    let repo = Sandbox::new();
    for number in 0..5 {
        repo.git(&["worktree", "add", "--quiet", &format!("tree{number}")]);
    }
    thread::scope(|scope| {
        for number in 0..5 {
            let tree = repo.at(format!("tree{number}"));
            scope.spawn(move || {
                for version in (10..18).step_by(2) {
                    let column = format!("c{number}_{version}");
                    let broken = format!("ALTER TABLE persons_{column} ADD COLUMN x integer;\n");
                    tree.migration(version, "it", broken, "");
                    tree.commit(&[]).status(1).says(&format!("relation \"persons_{column}\" does not exist"));
                    let up = format!("ALTER TABLE users ADD COLUMN {column} integer;\n");
                    tree.migration(version, "it", up, format!("ALTER TABLE users DROP COLUMN {column};\n"));
                    tree.commit(&[]).ok().says(PASS);
                }
            });
        }
    });
}

#[test]
fn a_ctrl_c_during_a_check_without_a_daemon_leaves_no_server() {
    let repo = Sandbox::alone();
    repo.configure("[limits]\nstatement = \"100s\"\n");
    repo.migration(2, "slow", "SELECT pg_sleep(90);\n", "");
    let mut command = repo.command(repo.realm().migd());
    command.args(["check", "--no-daemon"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    eventually("a server runs", || !repo.realm().data_folders().is_empty());
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert!(!child.wait().unwrap().success());
    eventually("nothing is left", || repo.realm().is_empty());
}

#[test]
fn a_ctrl_c_while_scenarios_wait_for_a_server_leaves_none() {
    let repo = Sandbox::alone();
    repo.write("migrations/scenarios/one.slt", "migrate latest\n\nstatement ok\nSELECT 1\n");
    for pause in [0, 20, 50, 100, 200] {
        let mut command = repo.command(repo.realm().migd());
        command.args(["scenario", "run", "--no-daemon"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        eventually("a server is being started", || !repo.realm().data_folders().is_empty());
        thread::sleep(Duration::from_millis(pause));
        kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        child.wait().unwrap();
        eventually(&format!("nothing is left, {pause} ms later"), || repo.realm().is_empty());
    }
}

#[test]
fn a_server_is_put_away_however_often_somebody_comes_meanwhile() {
    let repo = Sandbox::alone();
    repo.configure("[daemon]\nengine_idle = \"1s\"\n");
    repo.migration(2, "born", BORN, "ALTER TABLE users DROP COLUMN born;\n");
    repo.commit(&[]).ok().says(PASS);
    let server = server(&repo);
    let socket = repo.realm().runtime().join("daemon.sock");
    // Each has the daemon turn from what it was at.
    eventually("the server has ended", || {
        for _ in 0..10 {
            drop(UnixStream::connect(&socket));
            thread::sleep(Duration::from_millis(1));
        }
        !is_running(server)
    });
    eventually("it is put away, and nothing is left where it ran", || {
        let kept = fs::read_dir(repo.realm().state().join("kept")).into_iter().flatten().flatten();
        kept.into_iter().any(|kept| kept.path().join("about.json").is_file()) && repo.realm().data_folders().is_empty()
    });
    judges(&repo);
}
