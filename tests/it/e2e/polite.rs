//! What the daemon does while nobody waits for it: at a low priority, on one core, and not while a commit is made.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::processes::{busy, children, nice, processes, runs};
use crate::support::realm::{Realm, eventually, run};
use crate::support::sandbox::Sandbox;
use crate::support::watching::Watching;

/// The file whose verdict the background is after.
const LAST: &str = "migrations/9_last.up.sql";

/// A repository whose chain ends with a migration of so many statements, and a reader; no server runs yet.
fn with_a_chain_of(statement: &str, count: usize) -> (Sandbox, Watching) {
    let realm: Arc<Realm> = Realm::new().watching();
    let repo = Sandbox::within(&realm);
    // One by one and in the background, they take longer than one statement may.
    repo.configure("[limits]\nstatement = \"60s\"\n");
    repo.migration(2, "seen", "CREATE TABLE seen (at timestamptz);\n", "");
    repo.migration(3, "long", format!("{statement};\n").repeat(count), "");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "a long chain"]);
    let mut reader = Watching::new(&repo);
    reader.nothing();
    (repo, reader)
}

/// Waits until the chain is being built in the background. The daemon, its server, and the server's process that builds.
#[track_caller]
fn building(repo: &Sandbox) -> (u64, u64, u64) {
    let mut found = None;
    eventually("the chain is built at a low priority", || {
        found = processes(repo).and_then(|(daemon, server)| {
            Some((daemon, server, children(server).into_iter().find(|child| nice(*child) >= Some(10))?))
        });
        found.is_some()
    });
    found.unwrap()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn the_background_has_a_low_priority_and_one_core() {
    let (repo, _reader) = with_a_chain_of("SELECT count(*) FROM generate_series(1, 50000)", 300);
    repo.write(LAST, "SELECT 1;\n");
    let (daemon, server, builder) = building(&repo);
    let group = fs::read_to_string(format!("/proc/{builder}/autogroup")).unwrap_or_default();
    assert!(group.is_empty() || group.ends_with(" nice 10\n"), "its session has it too: {group}");
    for thread in fs::read_dir(format!("/proc/{daemon}/task")).unwrap().flatten() {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap();
        let number = thread.file_name().to_str().unwrap().parse().unwrap();
        assert_eq!(name == "aside\n", nice(number) >= Some(10), "only that thread gives way: {name}");
    }
    let others = || children(server).iter().filter(|child| **child != builder).map(|child| busy(*child)).sum::<u64>();
    let all = || busy(daemon) + busy(server) + busy(builder) + others();
    let (began, before) = (Instant::now(), all());
    thread::sleep(Duration::from_millis(600));
    let (took, cores) = (began.elapsed().as_millis() as f64, (all() - before) as f64);
    assert!(busy(builder) > 0 && children(server).contains(&builder), "the chain was built all the while");
    assert!(cores <= took * 1.1, "{cores} ms of work in {took} ms");
}

#[test]
fn nothing_of_a_chain_is_built_while_a_commit_is_made() {
    let (repo, mut reader) = with_a_chain_of("INSERT INTO seen SELECT clock_timestamp() FROM pg_sleep(0.005)", 600);
    repo.write(LAST, "SELECT 1;\n");
    building(&repo);
    let mut quiet = Vec::new();
    for _ in 0..15 {
        let asked = now();
        let mut hook = repo.command(repo.realm().migd().with_file_name("migd-hook"));
        hook.arg("pre-commit");
        run(hook, "").ok();
        // From the answer on, for as long as git is given after the question: for 60 ms.
        quiet.push((now(), asked + 0.055));
        thread::sleep(Duration::from_millis(100));
    }
    repo.write("readme", "");
    repo.git(&["add", "readme"]);
    repo.commit(&[]).ok();
    let last = now();
    // Where the machine was too busy to answer in good time, there is nothing to see.
    quiet.retain(|(from, to)| to - from > 0.02);
    assert!(!quiet.is_empty(), "no question was answered within 35 ms");
    quiet.push((last, last + 3600.0));
    let values: Vec<String> = quiet.iter().map(|(from, to)| format!("({from}, {to})")).collect();
    let seen = "SELECT count(*) FROM seen WHERE at > to_timestamp(a) AND at < to_timestamp(b)";
    let counts = format!("SELECT ({seen}) AS n FROM (VALUES {}) v (a, b) ORDER BY a", values.join(", "));
    repo.write(
        LAST,
        format!("DO $$ BEGIN RAISE 'seen % of it', (SELECT string_agg(n::text, ' ') FROM ({counts}) q); END $$;\n"),
    );
    let said = reader.outcome("fail")["findings"][0]["message"].clone();
    let said = said.as_str().unwrap_or_default();
    let counts = said.strip_prefix("seen ").and_then(|rest| rest.strip_suffix(" of it"));
    let mut counts: Vec<u32> = counts.unwrap_or(said).split(' ').map(|count| count.parse().unwrap()).collect();
    assert!(counts.pop().unwrap() > 0, "the chain was not built to its end before: {said}");
    // One statement may have been under way.
    assert!(counts.iter().all(|count| *count <= 1), "statements ran while commits were made: {said}");
}

#[test]
fn a_chain_that_a_commit_waits_for_is_built_at_the_usual_priority() {
    let (repo, mut reader) = with_a_chain_of("SELECT pg_sleep(0.002)", 300);
    for number in 4..8 {
        repo.migration(number, "more", "SELECT pg_sleep(0.5);\n", "");
    }
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "and more"]);
    repo.write(LAST, "SELECT 1;\n");
    let (_, server, builder) = building(&repo);
    let repo = &repo;
    thread::scope(|scope| {
        let commit = scope.spawn(|| {
            repo.git(&["add", LAST]);
            // Another content than the one that is being judged, so that it does not wait for that one's verdict.
            repo.write("migrations/8_other.up.sql", "SELECT 2;\n");
            repo.git(&["add", "migrations"]);
            repo.commit(&[]).ok().says("migd: migrations: warn");
        });
        eventually("its place is taken by one that does not give way", || {
            let usual = |child: &u64| runs(*child) && nice(*child) < Some(10);
            assert!(!commit.is_finished(), "the chain was built before");
            children(server).iter().any(usual) && !children(server).contains(&builder)
        });
        commit.join().unwrap();
    });
    reader.until("nothing", |event: &Value| event["event"] == "nothing" && event["tree"] == "worktree");
}

#[test]
fn what_is_made_ahead_does_not_come_between_the_steps_of_an_audit() {
    let repo = Sandbox::new();
    repo.configure("[rows]\nenabled = false\n");
    for number in 2..14 {
        repo.migration(number, "slow", "SELECT pg_sleep(0.25);\n", "SELECT 1;\n");
    }
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "a slow chain"]);
    repo.migration(14, "last", "SELECT 1;\n", "SELECT 1;\n");
    repo.git(&["add", "migrations"]);
    repo.migd(&["check"]).ok();
    // The verdict stays, and the databases go.
    repo.migd(&["stop"]).ok();
    let audit = thread::scope(|scope| {
        let audit = scope.spawn(|| repo.check(&["--all"]));
        eventually("a server runs", || processes(&repo).is_some_and(|(_, server)| !children(server).is_empty()));
        thread::sleep(Duration::from_secs(1));
        repo.migd(&["check"]).ok().says("(cached)");
        audit.join().unwrap()
    });
    // To make the next commit's databases ready, all of the chain must be built: three seconds.
    let waits = audit["timings"].as_array().unwrap().iter().filter(|timing| timing["step"] == "wait");
    let longest = waits.map(|wait| wait["ms"].as_f64().unwrap()).fold(0.0, f64::max);
    assert!(longest < 2500.0, "it waited {longest} ms for its turn");
}
