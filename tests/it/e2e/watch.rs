//! While one edits: what is saved and staged is judged before anybody asks, and the commit finds it.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::realm::{Realm, eventually, run};
use crate::support::sandbox::{BROKEN, GOOD, GOOD_DOWN, Sandbox};
use crate::support::watching::Watching;

const UP: &str = "migrations/2_age.up.sql";
const DOWN: &str = "migrations/2_age.down.sql";
/// What makes a migration of one test another than that of all others.
const SALT: &str = "-- watched\n";

/// A repository of its own realm with a reader, and nothing to judge yet.
fn watched() -> (Sandbox, Watching) {
    let repo = Sandbox::within(&Realm::new().watching());
    let mut reader = Watching::new(&repo);
    reader.nothing();
    (repo, reader)
}

/// Saves both files of a migration that is not staged.
fn save(repo: &Sandbox, up: &str) {
    repo.write(DOWN, GOOD_DOWN);
    repo.write(UP, up);
}

#[test]
fn a_save_is_judged_and_the_commit_finds_its_verdict() {
    let (repo, mut reader) = watched();
    save(&repo, BROKEN);
    let verdict = reader.outcome("fail");
    assert_eq!(verdict["findings"][0]["message"], "relation \"persons\" does not exist");
    assert_eq!(verdict["mode"], "worktree");
    let kinds: Vec<&Value> = reader.seen.iter().map(|event| &event["event"]).collect();
    for kind in ["started", "step", "finding", "verdict"] {
        assert!(kinds.iter().any(|seen| *seen == kind), "{kind}: {kinds:?}");
    }
    save(&repo, GOOD);
    reader.outcome("pass");
    repo.git(&["add", "migrations"]);
    repo.commit(&[]).ok().says("migd: migrations: pass").says("(cached)");
    reader.nothing();
}

#[test]
fn going_back_to_what_was_there_needs_no_judgement() {
    let (repo, mut reader) = watched();
    save(&repo, BROKEN);
    reader.outcome("fail");
    save(&repo, GOOD);
    reader.outcome("pass");
    save(&repo, BROKEN);
    assert_eq!(reader.outcome("fail")["cached"], true);
}

#[test]
fn what_is_staged_is_judged_too_where_it_is_something_else() {
    let (repo, mut reader) = watched();
    save(&repo, BROKEN);
    reader.outcome("fail");
    repo.git(&["add", "migrations"]);
    repo.write(UP, GOOD);
    let staged = |event: &Value| event["event"] == "verdict" && event["tree"] == "staged";
    assert_eq!(reader.until("staged verdict", staged)["verdict"]["outcome"], "fail");
    repo.commit(&[]).failed().says("(cached)");
}

#[test]
fn an_atomic_save_is_a_save() {
    let (repo, mut reader) = watched();
    save(&repo, BROKEN);
    reader.outcome("fail");
    repo.write("migrations/.2_age.up.sql.tmp", GOOD);
    fs::rename(repo.path().join("migrations/.2_age.up.sql.tmp"), repo.path().join(UP)).unwrap();
    reader.outcome("pass");
}

#[test]
fn two_hundred_saves_in_a_second_end_in_the_verdict_on_the_last() {
    let (repo, mut reader) = watched();
    for number in 0..200 {
        save(&repo, &format!("ALTER TABLE users ADD COLUMN c{number} integer;\n"));
        thread::sleep(Duration::from_millis(5));
    }
    let last = "ALTER TABLE persons ADD COLUMN last integer;\n";
    save(&repo, last);
    // One of the others may be read while it is written, half or empty.
    let on_the_last = |event: &Value| event["verdict"]["findings"][0]["source"] == last.trim_end();
    assert_eq!(reader.until("the verdict on the last", on_the_last)["verdict"]["outcome"], "fail");
    let more = reader.within(Duration::from_secs(2));
    assert!(more.iter().all(|event| event["event"] != "verdict"), "{more:#?}");
    let begun = reader.seen.iter().filter(|event| event["event"] == "started").count();
    assert!(begun < 100, "{begun} judgements were begun");
}

#[test]
fn saves_while_the_chain_is_built_do_not_begin_it_anew() {
    let realm = Realm::new().watching();
    let repo = Sandbox::within(&realm);
    for number in 2..32 {
        repo.migration(number, "slow", "SELECT pg_sleep(0.1);\n", "");
    }
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "a slow chain"]);
    // Nothing is warm, and the chain alone takes three seconds.
    let mut reader = Watching::new(&repo);
    reader.nothing();
    let started = Instant::now();
    let built = |event: &Value| event["event"] == "step" && event["step"] == "lease";
    for number in 0.. {
        repo.write("migrations/40_last.up.sql", format!("ALTER TABLE users ADD COLUMN c{number} integer;\n"));
        let came = reader.within(Duration::from_millis(300));
        if came.iter().any(built) {
            // It may have come as far as its verdict meanwhile.
            if !came.iter().any(|event| event["event"] == "verdict") {
                reader.verdict();
            }
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "no save found its chain: {}", reader.told());
    }
}

#[test]
fn all_readers_are_told_and_one_that_comes_later_sees_the_present() {
    let (repo, mut first) = watched();
    let mut second = Watching::new(&repo);
    second.nothing();
    save(&repo, BROKEN);
    let verdict = first.outcome("fail");
    assert_eq!(second.outcome("fail")["findings"], verdict["findings"]);
    let mut third = Watching::new(&repo);
    assert_eq!(third.verdict()["findings"], verdict["findings"]);
}

#[test]
fn a_reader_that_does_not_read_holds_nobody_up_and_ends_with_the_newest_state() {
    let (repo, mut reader) = watched();
    let slow = Watching::new(&repo);
    let pause = |signal| kill(Pid::from_raw(slow.pid().try_into().unwrap()), signal).unwrap();
    pause(Signal::SIGSTOP);
    // Each verdict is some hundred kilobytes: far more than a socket takes.
    let long = |number: u32| format!("SELECT '{}' AS c{number} FROM persons;\n", "x".repeat(200_000));
    for number in 0..20 {
        save(&repo, &long(number));
        let wanted =
            |event: &Value| event["event"] == "verdict" && event.to_string().contains(&format!("AS c{number} FROM"));
        reader.until("verdict", wanted);
    }
    repo.git(&["add", "migrations"]);
    repo.commit(&[]).failed().says("(cached)");
    pause(Signal::SIGCONT);
    let mut slow = slow;
    slow.until("newest verdict", |event| event["event"] == "verdict" && event.to_string().contains("AS c19 FROM"));
}

#[test]
fn a_commit_does_not_wait_for_the_background() {
    let (repo, mut reader) = watched();
    repo.configure("[limits]\nstatement = \"60s\"\n");
    save(&repo, "SELECT pg_sleep(50);\n");
    reader.until("step", |event| event["event"] == "step" && event["step"] == "up");
    // Another work tree, another content.
    repo.git(&["worktree", "add", "--quiet", "../linked"]);
    let linked = repo.at("../linked");
    linked.migration(2, "age", BROKEN, GOOD_DOWN);
    let started = Instant::now();
    linked.commit(&[]).failed().says("relation \"persons\" does not exist");
    assert!(started.elapsed() < Duration::from_secs(20), "it waited for the background: {:?}", started.elapsed());
    reader.until("new start", |event| event["event"] == "started");
}

#[test]
fn a_commit_of_what_is_being_judged_waits_for_that_verdict() {
    let (repo, mut reader) = watched();
    let up = format!("{SALT}SELECT pg_sleep(1.5);\n{BROKEN}");
    save(&repo, &up);
    reader.until("step", |event| event["event"] == "step" && event["step"] == "up");
    repo.git(&["add", "migrations"]);
    repo.commit(&[]).failed().says("relation \"persons\" does not exist").says("(cached)");
}

#[test]
fn a_repository_that_disappears_is_forgotten() {
    let realm = Realm::new().watching();
    let repo = Sandbox::within(&realm);
    let stays = Sandbox::within(&realm);
    repo.migd(&["start"]).ok();
    stays.migd(&["start"]).ok();
    let watched = || stays.migd(&["status", "--json"]).ok().json()["watched"].as_array().map(Vec::len);
    eventually("both are watched", || watched() == Some(2));
    let mut reader = Watching::new(&repo);
    reader.nothing();
    fs::remove_dir_all(repo.path()).unwrap();
    eventually("one is forgotten", || watched() == Some(1));
    assert_eq!(reader.end(), Some(3), "its reader is told, and ends");
}

#[test]
fn a_reader_outlives_the_daemon_and_ends_well() {
    let (repo, mut reader) = watched();
    repo.migd(&["stop"]).ok();
    save(&repo, BROKEN);
    repo.migd(&["start"]).ok();
    reader.outcome("fail");
    kill(Pid::from_raw(reader.pid().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(reader.end(), Some(0));
}

#[test]
fn where_watching_is_off_nothing_is_judged_before_a_commit() {
    let repo = Sandbox::within(&Realm::new().watching());
    repo.configure("[watch]\nenabled = false\n");
    repo.migd(&["watch"]).status(2).says("nothing is watched here");
    save(&repo, BROKEN);
    repo.git(&["add", "migrations"]);
    repo.commit(&[]).failed().does_not_say("cached");
    assert_eq!(repo.migd(&["status", "--json"]).ok().json()["watched"], Value::Array(Vec::new()));
}

#[test]
fn piped_text_is_the_findings_and_a_line_without_control_characters() {
    let (repo, mut reader) = watched();
    save(&repo, BROKEN);
    reader.outcome("fail");
    let mut command = repo.command("timeout");
    command.args(["--signal=INT", "3"]).arg(repo.realm().migd()).arg("watch");
    let ran =
        run(command, "").says("error[apply.error]: relation \"persons\" does not exist").says("migd: migrations: fail");
    assert!(!ran.out.contains(['\x1b', '\r', '\x07']), "{ran}");
}
