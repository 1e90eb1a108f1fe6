//! The commands: what they print, where, and with which exit status.

use std::collections::BTreeSet;
use std::fs;

use crate::support::realm::{Realm, run};
use crate::support::sandbox::{BROKEN, GOOD, GOOD_DOWN, Sandbox};

/// A good migration is committed, a broken one is staged, and the work tree has it mended.
fn three_states() -> Sandbox {
    let repo = Sandbox::new();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "age"]);
    repo.migration(3, "next", BROKEN, "");
    repo.write("migrations/3_next.up.sql", "ALTER TABLE users ADD COLUMN born date;\n");
    repo.write("migrations/3_next.down.sql", "ALTER TABLE users DROP COLUMN born;\n");
    repo
}

/// The versions that a verdict is about.
fn judged(report: &serde_json::Value) -> Vec<&str> {
    let migrations = report["migrations"].as_array().into_iter().flatten();
    migrations.map(|migration| migration["version"].as_str().unwrap()).collect()
}

#[test]
fn staged_is_what_is_checked_by_itself() {
    let repo = three_states();
    for selection in [&[][..], &["--staged"]] {
        let report = repo.check(selection);
        assert_eq!(
            (judged(&report), &report["mode"], &report["outcome"]),
            (vec!["3"], &"staged".into(), &"fail".into())
        );
    }
}

#[test]
fn worktree_checks_the_files_on_disk() {
    let report = three_states().check(&["--worktree"]);
    assert_eq!((judged(&report), &report["mode"], &report["outcome"]), (vec!["3"], &"worktree".into(), &"pass".into()));
}

#[test]
fn all_checks_every_migration_of_the_index() {
    let repo = three_states();
    repo.git(&["add", "migrations"]);
    let report = repo.check(&["--all"]);
    assert_eq!((judged(&report), &report["mode"]), (vec!["1", "2", "3"], &"all".into()));
    assert_eq!(report["outcome"], "pass", "{report:#}");
}

#[test]
fn base_checks_what_differs_from_a_revision() {
    let repo = three_states();
    repo.git(&["add", "migrations"]);
    let report = repo.check(&["--base", "HEAD~1"]);
    assert_eq!((judged(&report), &report["outcome"]), (vec!["2", "3"], &"pass".into()));
}

#[test]
fn the_exit_status_is_that_of_the_verdict() {
    let repo = three_states();
    repo.migd(&["check", "--worktree"]).status(0);
    repo.migd(&["check"]).status(1);
    repo.migd(&["check", "--base", "nothing-of-this-name"]).status(2).says("nothing-of-this-name");
    repo.migd(&["check", "--set", "nothing-of-this-name"]).status(2).says("the sets are: migrations");
    repo.migd(&["check", "--worktree", "--all"]).status(2);
    repo.migd(&["check", "--format", "prose"]).status(2).says("json");
    repo.migd(&["no-such-command"]).status(2);
    let mut command = repo.command(repo.realm().migd());
    command.arg("check").env("MIGD_BIN_DIR", "/nonexistent");
    run(command, "").status(3).says("engine.not-found");
}

#[test]
fn warnings_alone_end_with_0() {
    let repo = Sandbox::new();
    repo.write("migrations/2_age.up.sql", GOOD);
    repo.git(&["add", "migrations"]);
    repo.migd(&["check"]).status(0).says("warning[revert.missing]").says("migd: migrations: warn");
}

#[test]
fn nothing_staged_is_a_pass() {
    let report = Sandbox::new().migd(&["check", "--format", "json"]).status(0).json();
    assert_eq!(report["outcome"], "pass");
}

#[test]
fn json_is_one_object_on_standard_output_and_nothing_else() {
    // A realm of its own: starting the first server gives notes to print.
    let repo = Sandbox::within(&Realm::pristine());
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    let ran = repo.migd(&["check", "--format", "json"]).ok();
    assert_eq!(ran.json()["outcome"], "pass");
    assert!(ran.out.starts_with("{\n") && ran.out.ends_with("}\n"), "{ran}");
    assert!(ran.err.lines().all(|line| line.starts_with("migd: ")), "{ran}");
    assert!(ran.err.contains("initialising a PostgreSQL"), "{ran}");
}

#[test]
fn the_verdict_has_the_fields_that_are_promised() {
    let report = three_states().check(&[]);
    let fields: BTreeSet<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let promised = [
        "schema",
        "outcome",
        "repo",
        "set",
        "mode",
        "cached",
        "elapsed_ms",
        "postgres",
        "engine",
        "base",
        "migrations",
        "findings",
        "timings",
    ];
    assert!(promised.iter().all(|field| fields.contains(field)), "{fields:?}");
    let finding = &report["findings"][0];
    assert_eq!((&finding["code"], &finding["severity"]), (&"apply.error".into(), &"error".into()));
    assert_eq!((&finding["path"], &finding["line"]), (&"migrations/3_next.up.sql".into(), &1.into()));
    assert_eq!(finding["sqlstate"], "42P01");
}

#[test]
fn json_of_an_error_is_one_object_too() {
    let ran = Sandbox::plain(&Realm::shared()).migd(&["check", "--format", "json"]).status(2);
    assert_eq!(ran.json()["outcome"], "error");
    assert_eq!(ran.json()["findings"][0]["code"], "config.not-a-repository");
}

#[test]
fn json_without_a_daemon_is_one_object_that_says_why() {
    let repo = Sandbox::new();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    for format in ["json", "jsonl"] {
        let mut command = repo.command(repo.realm().migd());
        command.env("MIGD_RUNTIME_DIR", "/proc/nowhere").args(["check", "--format", format]);
        let report = run(command, "").status(3).json();
        assert_eq!((&report["outcome"], &report["mode"]), (&"error".into(), &"staged".into()), "{report}");
        assert_eq!(report["findings"][0]["code"], "daemon.start", "{report}");
    }
    let outside = Sandbox::plain(&Realm::shared());
    let report = outside.check(&["--no-daemon"]);
    assert_eq!(report["findings"][0]["code"], "config.not-a-repository", "as with a daemon: {report}");
}

#[test]
fn a_report_that_cannot_be_written_is_no_report_that_passes() {
    let repo = Sandbox::new();
    for arguments in [&["check"] as &[&str], &["check", "--format", "sarif"], &["completions", "bash"]] {
        let mut command = repo.command(repo.realm().migd());
        command.args(arguments);
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let child = command.stdout(full).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(said.contains("cannot write to standard output: No space left"), "{said}");
    }
}

#[test]
fn output_goes_to_the_file_that_is_named() {
    let repo = three_states();
    let ran = repo.migd(&["check", "--format", "json", "--output", "verdict.json"]).status(1);
    assert_eq!(ran.out, "");
    let written = fs::read_to_string(repo.path().join("verdict.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap()["outcome"], "fail");
    repo.migd(&["check", "--output", "no/such/folder/verdict"]).status(2).says("--output");
}

#[test]
fn every_format_is_written() {
    let repo = three_states();
    for (format, mark) in [
        ("text", "error[apply.error]"),
        ("jsonl", "{\"schema\":1"),
        ("github", "::error "),
        ("gitlab", "\"check_name\""),
        ("sarif", "\"2.1.0\""),
        ("junit", "<testsuites"),
        ("markdown", "apply.error"),
        ("html", "<!doctype html>"),
    ] {
        let ran = repo.migd(&["check", "--format", format]).status(1);
        assert!(ran.out.to_lowercase().contains(&mark.to_lowercase()), "{format}: {ran}");
        assert!(ran.out.contains("persons"), "{format}: {ran}");
    }
}

#[test]
fn from_a_subfolder_the_whole_set_is_checked() {
    let repo = three_states();
    let report = repo.at("migrations").check(&[]);
    assert_eq!(judged(&report), ["3"]);
}

#[test]
fn status_tells_daemon_server_and_verdicts() {
    let repo = three_states();
    repo.check(&[]);
    let words = repo.migd(&["status"]).ok();
    words.says("daemon ").says("PostgreSQL ").says("databases ").says("migrations: ").says("log ");
    let status = repo.migd(&["status", "--json"]).ok().json();
    assert_eq!(status["running"], true);
    assert_eq!(status["engines"][0]["kind"], "local");
    assert!(status["engines"][0]["pool"]["templates"].as_u64().is_some_and(|number| number > 0), "{status:#}");
    assert!(status["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{status:#}");
    assert!(!status["engines"][0]["recent"].as_array().unwrap().is_empty(), "{status:#}");
}

#[test]
fn status_without_a_daemon_starts_none() {
    let repo = Sandbox::alone();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    let words = "migrations (golang-migrate, 2 migrations) | base 1 (HEAD) | head 2 | 1 pending";
    repo.migd(&["status"]).ok().says("no daemon is running").says(words);
    let status = repo.migd(&["status", "--json"]).ok().json();
    assert_eq!(status["running"], false);
    let set = &status["repository"]["sets"][0];
    assert_eq!((&set["base"]["version"], &set["head"]), (&"1".into(), &"2".into()), "{set:#}");
    assert_eq!((&set["pending"], &set["needed"]), (&serde_json::json!(["2"]), &true.into()), "{set:#}");
    assert_eq!(repo.realm().processes(), [0; 0]);
}

#[test]
fn status_has_a_line_for_each_set_below_the_other() {
    let repo = Sandbox::alone();
    repo.write("db/1_users.up.sql", "CREATE TABLE users (id bigint PRIMARY KEY);\n");
    repo.configure("[[migrations]]\npath = \"migrations\"\n[[migrations]]\npath = \"db\"\n");
    let said = repo.migd(&["status"]).ok();
    said.says("\nsets        migrations (").says("\n            db (golang-migrate, 1 migration) | ");
}

#[test]
fn explain_knows_every_code_and_names_the_nearest() {
    let repo = Sandbox::plain(&Realm::shared());
    repo.migd(&["explain", "revert.missing"]).ok().says("What it means").says("What to do");
    repo.migd(&["explain", "revert"]).ok().says("revert.missing").says("revert.fails");
    repo.migd(&["explain"]).ok().says("apply.error").says("history.edited");
    repo.migd(&["explain", "revert.mising"]).status(2).says("revert.missing");
}

#[test]
fn doctor_names_what_is_there() {
    let repo = Sandbox::new();
    let ran = repo.migd(&["doctor"]).ok();
    let ran =
        ran.says("git").says("migration sets").says("migrations").says("git hook").says("PostgreSQL server programs");
    ran.does_not_say("not installed");
}

#[test]
fn doctor_names_what_is_missing_with_its_remedy() {
    let repo = Sandbox::plain(&Realm::shared());
    repo.git(&["init", "--quiet"]);
    repo.write("migrations/1_users.up.sql", "CREATE TABLE users (id integer);\n");
    repo.git(&["add", "migrations"]);
    let mut command = repo.command(repo.realm().migd());
    command.arg("doctor").env("MIGD_BIN_DIR", "/nonexistent");
    run(command, "").status(3).says("/nonexistent").says("migd hook install");
}

#[test]
fn logs_print_what_the_daemon_wrote() {
    let repo = Sandbox::alone();
    repo.migd(&["logs"]).ok().says("there is no log yet");
    repo.migd(&["start"]).ok();
    repo.migd(&["logs"]).ok().says("listening");
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    let repo = Sandbox::plain(&Realm::shared());
    for (shell, mark) in [("bash", "complete -F"), ("zsh", "#compdef migd"), ("fish", "complete -c migd")] {
        repo.migd(&["completions", shell]).ok().says(mark);
    }
    repo.migd(&["man"]).ok().says(".TH migd 1");
    repo.migd(&["--help"]).ok().says("check").says("doctor").does_not_say("docs");
    repo.migd(&["--version"]).ok().says(env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let repo = three_states();
    let mut command = repo.command("sh");
    let script = "\"$0\" check --all --format json | head -c 1; \"$0\" explain | head -n 1";
    command.args(["-c", script]).arg(repo.realm().migd());
    run(command, "").ok().does_not_say("panicked");
}

#[test]
fn hooks_are_taken_away_again() {
    let repo = Sandbox::new();
    repo.migd(&["hook", "uninstall"]).ok();
    repo.migration(2, "broken", BROKEN, "");
    repo.commit(&[]).ok().does_not_say("migd");
}

#[test]
fn init_sets_everything_up_and_the_first_commit_finds_it_warm() {
    let repo = Sandbox::plain(&Realm::new());
    repo.git(&["init", "--quiet"]);
    repo.migration(1, "users", "CREATE TABLE users (id bigint PRIMARY KEY);\n", "DROP TABLE users;\n");
    repo.git(&["commit", "--quiet", "--message", "users"]);
    repo.migd(&["init"]).ok().says("migd.toml").says("PostgreSQL");
    assert!(repo.path().join("migd.toml").is_file());
    let before = repo.migd(&["status", "--json"]).ok().json();
    assert_eq!(before["engines"].as_array().unwrap().len(), 1, "{before:#}");
    repo.migration(2, "age", BROKEN, GOOD_DOWN);
    repo.commit(&[]).status(1).says("persons");
    repo.next_good_one_passes();
    // Once more: nothing is written over.
    repo.write("migd.toml", "# mine\n");
    repo.migd(&["init"]).ok();
    assert_eq!(fs::read_to_string(repo.path().join("migd.toml")).unwrap(), "# mine\n");
}

#[test]
fn an_audit_that_runs_out_of_time_says_what_it_knows() {
    let repo = Sandbox::new();
    repo.configure("[limits]\njudgement = \"3s\"\n[[migrations]]\npath = \"migrations\"\n");
    for version in 2..=4 {
        repo.migration(version, "slow", "SELECT pg_sleep(1.1);\n", "SELECT pg_sleep(1.1);\n");
    }
    let report = repo.check(&["--all"]);
    assert!(report["findings"].to_string().contains("engine.timeout"), "{report:#}");
    assert_eq!(report["migrations"][0]["version"], "1", "{report:#}");
}
