//! No verdict can be had: `hook.unavailable` decides about the commit, and the way around is named.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::sandbox::{GOOD, GOOD_DOWN, Sandbox};

/// A repository with a migration to judge, and an engine that cannot be had.
fn without_engine(unavailable: &str) -> Sandbox {
    let repo = Sandbox::new();
    repo.configure(&format!(
        "[engine]\nkind = \"url\"\nurl = \"postgres://nobody@127.0.0.1:1/none\"\n[hook]\nunavailable = \"{unavailable}\"\n"
    ));
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo
}

#[test]
fn block_refuses_the_commit_and_names_the_way_around() {
    let repo = without_engine("block");
    let before = repo.head();
    let ran = repo.commit(&[]).failed();
    ran.says("error[engine.connect]").says("127.0.0.1").says("MIGD=0").says("--no-verify");
    assert_eq!(repo.head(), before);
}

#[test]
fn warn_lets_the_commit_through_and_says_so() {
    let repo = without_engine("warn");
    repo.commit(&[]).ok().says("127.0.0.1").says("warning: committing without a verdict");
}

#[test]
fn a_local_engine_without_programs_says_where_it_looked_and_what_to_do() {
    let repo = Sandbox::new();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    for (unavailable, commits) in [("block", false), ("warn", true)] {
        let mut command = repo.command("git");
        command.env("MIGD_BIN_DIR", "/nonexistent").env("MIGD_HOOK_UNAVAILABLE", unavailable);
        command.args(["commit", "--quiet", "--message", "age"]);
        let ran = crate::support::realm::run(command, "").says("error[engine.not-found]").says("/nonexistent");
        assert_eq!(ran.status == Some(0), commits, "{ran}");
    }
}

#[test]
fn a_repository_may_not_name_programs_to_run() {
    let repo = Sandbox::new();
    repo.configure("[engine]\nkind = \"local\"\nbin_dir = \"/tmp\"\n");
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo.commit(&[]).failed().says("error[config.invalid]").says("migd.toml:3:1").says("MIGD_BIN_DIR");
}

#[test]
fn the_hook_itself_ends_with_3() {
    without_engine("block").migd(&["hook", "pre-commit"]).status(3);
}

#[test]
fn a_check_ends_with_3_whatever_the_hook_does() {
    let repo = without_engine("warn");
    let ran = repo.migd(&["check", "--format", "json"]).status(3);
    let report = ran.json();
    assert_eq!(report["outcome"], "error");
    assert_eq!(report["findings"][0]["code"], "engine.connect");
}

#[test]
fn a_budget_that_is_over_is_said() {
    let repo = Sandbox::rough();
    repo.configure("[hook]\nbudget = \"1s\"\n[limits]\nstatement = \"30s\"\n");
    repo.migration(2, "slow", "SELECT pg_sleep(20);\n", "");
    let ran = repo.commit(&[]).failed();
    assert!(ran.took.as_secs() < 15, "{ran}");
    let ran = ran.says("engine.timeout").says("hook.budget").says("--no-verify");
    // How long was waited, too.
    ran.does_not_say("| 0.0 ms");
    repo.git(&["rm", "--quiet", "--cached", "migd.toml"]);
    repo.next_good_one_passes();
}

#[test]
fn a_configuration_that_cannot_be_read_is_shown_with_its_place() {
    let repo = Sandbox::new();
    repo.configure("[hook]\nbudgt = \"1s\"\n");
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo.commit(&[]).failed().says("config.invalid").says("budgt").says("migd.toml:2:1");
}

#[test]
fn a_user_without_a_daemon_folder_is_told_what_to_set() {
    let repo = Sandbox::alone();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    let mut command = repo.command("git");
    command.env("MIGD_RUNTIME_DIR", "/proc/nowhere").args(["commit", "--quiet", "--message", "x"]);
    let ran = crate::support::realm::run(command, "").failed();
    ran.says("migd: error").says("migd doctor").says("--no-verify");
}

#[test]
fn a_daemon_that_does_not_answer_keeps_no_commit_that_need_not_be_judged() {
    let repo = Sandbox::alone();
    repo.migd(&["start"]).ok();
    let pid = repo.migd(&["status", "--json"]).ok().json()["pid"].as_i64().expect("a daemon runs");
    let pid = Pid::from_raw(pid.try_into().unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    repo.write("README.md", "no migration\n");
    repo.git(&["add", "README.md"]);
    let untouched = repo.commit(&[]);
    repo.configure("[hook]\nunavailable = \"warn\"\n");
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    let lenient = repo.commit(&[]);
    repo.configure("[hook]\nunavailable = \"block\"\n");
    repo.migration(3, "more", "ALTER TABLE users ADD COLUMN more integer;\n", "ALTER TABLE users DROP COLUMN more;\n");
    let blocked = repo.commit(&[]);
    kill(pid, Signal::SIGCONT).unwrap();
    untouched.ok().does_not_say("migd");
    lenient.ok().says("daemon gave no answer").says("committing without a verdict");
    blocked.status(1).says("[daemon.silent]").says("--no-verify");
}

#[test]
fn a_daemon_that_cannot_start_says_why() {
    let repo = Sandbox::alone();
    let there = [
        ("state/daemon.log", "cannot open the log: Is a directory"),
        ("run/daemon.sock", "cannot remove the stale socket"),
    ];
    for (path, why) in there {
        let path = repo.realm().folder().join(path);
        fs::create_dir(&path).unwrap();
        repo.migd(&["start"]).status(3).says(why).says("[daemon.start]");
        fs::remove_dir(&path).unwrap();
    }
    repo.migd(&["start"]).ok();
}

#[test]
fn a_configuration_of_the_user_that_cannot_be_read_is_not_passed_over() {
    let repo = Sandbox::alone();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    let path = repo.realm().folder().join("home/.config/migd/config.toml");
    let text = fs::read(&path).unwrap();
    fs::write(&path, [&text, b"# caf\xe9\n" as &[u8]].concat()).unwrap();
    repo.commit(&[]).failed().says("cannot read").says("config.toml");
    fs::write(&path, text).unwrap();
    repo.commit(&[]).ok().says("migd: migrations: pass");
}
