//! Migrations that harm: each is stopped within its limits and named, and the next good one is judged as ever.

use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::processes::{children, processes, runs};
use crate::support::realm::eventually;
use crate::support::sandbox::Sandbox;

/// The second migration of a repository with these limits, committed: refused with `code` at `line`, in good time; and
/// the next good one passes.
#[track_caller]
fn refused(limits: &str, up: &str, down: &str, code: &str, line: u32) {
    let repo = Sandbox::rough();
    repo.configure(&format!("[hook]\nbudget = \"10s\"\n[limits]\n{limits}"));
    repo.migration(2, "it", up, down);
    let before = repo.head();
    let file = if line == 0 { "2_it.down.sql:1:1".to_owned() } else { format!("2_it.up.sql:{line}:1") };
    let ran = repo.commit(&[]).status(1).says(&format!("error[{code}]")).says(&file);
    assert!(ran.took.as_secs() < BUDGET + 2, "{ran}");
    assert_eq!(repo.head(), before);
    repo.next_good_one_passes();
}

/// Seconds that a commit may wait here: four times what a user's may, for a build without optimisations on a busy machine.
const BUDGET: u64 = 40;

/// Judged as the hook judges, with whatever verdict, in good time; not committed; and the next good one passes.
#[track_caller]
fn judged(up: &str, down: &str) -> String {
    let repo = Sandbox::rough();
    repo.configure(&format!("[hook]\nbudget = \"{BUDGET}s\"\n"));
    repo.migration(2, "it", up, down);
    let ran = repo.migd(&["hook", "pre-commit"]).says("migd: migrations:");
    assert!(ran.took.as_secs() < 12, "{ran}");
    repo.next_good_one_passes();
    ran.err
}

const NONE: &str = "";
const DONE: &str = "SELECT 1;\n";

#[test]
fn dropping_its_own_database_is_refused() {
    let drop = "SELECT 1;\nDO $$ BEGIN EXECUTE format('DROP DATABASE %I', current_database()); END $$;\n";
    refused(NONE, drop, DONE, "apply.error", 2);
}

#[test]
fn dropping_the_databases_of_others_is_refused() {
    let up = "SELECT 1;\nDROP DATABASE postgres;\n";
    let said = judged(up, DONE);
    assert!(said.contains("2_it.up.sql:2:1"), "{said}");
    let said = judged("DROP DATABASE template1;\n", DONE);
    assert!(said.contains("error[apply"), "{said}");
}

#[test]
fn what_never_ends_is_stopped() {
    refused("statement = \"1s\"\n", "SELECT 1;\nSELECT pg_sleep(1000);\n", DONE, "apply.timeout", 2);
}

#[test]
fn a_down_that_never_ends_is_stopped() {
    refused("statement = \"1s\"\n", DONE, "SELECT pg_sleep(1000);\n", "revert.fails", 0);
}

#[test]
fn a_loop_is_stopped() {
    refused("statement = \"1s\"\n", "DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$;\n", DONE, "apply.timeout", 1);
}

#[test]
fn what_ignores_its_cancellation_is_stopped() {
    let up = "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;\n";
    refused("statement = \"1s\"\n", up, DONE, "apply.timeout", 1);
}

#[test]
fn what_switches_its_time_limit_off_is_stopped() {
    refused("statement = \"1s\"\n", "SET statement_timeout = 0;\nSELECT pg_sleep(1000);\n", DONE, "apply.timeout", 2);
}

#[test]
fn waiting_for_a_lock_of_its_own_making_is_stopped() {
    // The advisory lock is the other sessions' as well, and none of them has it: this only looks dangerous.
    judged("SELECT pg_advisory_lock(1);\n", "SELECT pg_advisory_unlock_all();\n");
}

#[test]
fn filling_the_disk_is_stopped() {
    let up = "CREATE TABLE big (x text);\n\
              DO $$ BEGIN LOOP INSERT INTO big VALUES (repeat(md5(random()::text), 50)); END LOOP; END $$;\n";
    refused("database_bytes = 60000000\nstatement = \"9s\"\n", up, "DROP TABLE big;\n", "apply.disk", 2);
}

#[test]
fn filling_the_disk_with_temporary_files_is_stopped() {
    refused("statement = \"9s\"\n", "SELECT count(*) FROM generate_series(1, 1000000000);\n", DONE, "apply.disk", 1);
}

#[test]
fn many_small_steps_do_not_get_past_the_limit_of_the_disk() {
    let step = "INSERT INTO big SELECT repeat(md5(i::text), 100) FROM generate_series(1, 2000) i;\n";
    let up = format!("CREATE TABLE big (x text);\nALTER TABLE big ALTER x SET STORAGE EXTERNAL;\n{}", step.repeat(20));
    let repo = Sandbox::rough();
    repo.configure("[limits]\ndatabase_bytes = 40000000\n");
    repo.migration(2, "it", &up, "DROP TABLE big;\n");
    repo.commit(&[]).status(1).says("error[apply.disk]");
    repo.next_good_one_passes();
}

#[test]
fn an_open_transaction_is_found_and_left_behind() {
    let said = judged("BEGIN;\nALTER TABLE users ADD COLUMN age integer;\n", "ALTER TABLE users DROP COLUMN age;\n");
    assert!(said.contains("error[apply.transaction-left-open]"), "{said}");
}

#[test]
fn killing_its_own_session_is_refused() {
    refused(NONE, "SELECT 1;\nSELECT pg_terminate_backend(pg_backend_pid());\n", DONE, "apply.connection-lost", 2);
}

#[test]
fn a_down_that_kills_its_own_session_is_refused() {
    refused(NONE, DONE, "SELECT pg_terminate_backend(pg_backend_pid());\n", "revert.fails", 0);
}

#[test]
fn killing_every_other_session_harms_nobody() {
    let up = "DO $$ DECLARE other integer; BEGIN\n\
              FOR other IN SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' LOOP\n\
              BEGIN PERFORM pg_terminate_backend(other); EXCEPTION WHEN insufficient_privilege THEN NULL; END;\n\
              END LOOP; END $$;\n";
    judged(up, DONE);
}

#[test]
fn a_session_that_somebody_else_ends_is_no_fault_of_the_migrations() {
    let repo = Sandbox::alone();
    repo.configure(&format!("[hook]\nbudget = \"{BUDGET}s\"\n"));
    repo.next_good_one_passes();
    let (_, server) = processes(&repo).unwrap();
    repo.migration(901, "slow", "SELECT pg_sleep(2);\n", DONE);
    thread::scope(|scope| {
        let committed = scope.spawn(|| repo.commit(&[]));
        let mut ended = None;
        eventually("the migration is judged", || {
            ended = children(server).into_iter().find(|backend| runs(*backend));
            ended.is_some()
        });
        kill(Pid::from_raw(ended.unwrap() as i32), Signal::SIGTERM).unwrap();
        committed.join().unwrap().ok();
    });
}

#[test]
fn what_is_left_running_when_somebody_else_comes_does_not_reach_their_judgement() {
    let repo = Sandbox::alone();
    let of = |folder: &str, layout: &str| {
        format!(
            "[daemon]\nclones = 0\n[hook]\nbudget = \"{BUDGET}s\"\n\
             [[migrations]]\npath = \"{folder}\"\nlayout = \"{layout}\"\n"
        )
    };
    repo.configure(&of("steps", "goose"));
    let up = "DO $$ BEGIN FOR i IN 1..100 LOOP PERFORM pg_sleep(0.01);
        ALTER ROLE CURRENT_USER SET default_transaction_read_only = on; COMMIT; END LOOP; END $$;\n";
    let up = format!("-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\n{up}-- +goose StatementEnd\n");
    repo.write("steps/00001_it.sql", format!("{up}-- +goose Down\nSELECT 1;\n"));
    let other = Sandbox::within(repo.realm());
    other.configure(&of("migrations", "golang-migrate"));
    for one in [&repo, &other] {
        one.git(&["commit", "--quiet", "--no-verify", "--message", "configure", "migd.toml"]);
    }
    other.migration(1000, "first", "SELECT 1;\n", "SELECT 1;\n");
    other.migd(&["check"]).ok();
    other.git(&["reset", "--quiet", "--hard"]);
    // The template behind it is made afterwards, in the background, until the next judgement is wanted.
    repo.git(&["add", "steps"]);
    repo.migd(&["check"]).ok();
    for version in 2..9 {
        other.migration(version, "good", "CREATE TABLE good (id bigint);\n", "DROP TABLE good;\n");
        other.migd(&["check"]).ok();
        other.git(&["reset", "--quiet", "--hard"]);
    }
}

#[test]
fn a_million_notices_are_survived() {
    let up = "DO $$ BEGIN FOR i IN 1..1000000 LOOP RAISE NOTICE 'notice % %', i, repeat('x', 100); END LOOP; END $$;\n";
    judged(up, DONE);
}

#[test]
fn huge_results_are_survived() {
    judged("SELECT repeat('x', 1000) FROM generate_series(1, 300000);\n", DONE);
}

#[test]
fn one_huge_value_is_survived() {
    judged("SELECT repeat('x', 200000000);\n", DONE);
}

#[test]
fn running_a_program_is_refused() {
    let proof = std::env::temp_dir().join(format!("migd-e2e-{}", std::process::id()));
    let up = format!("COPY users TO PROGRAM 'touch {}';\n", proof.display());
    refused(NONE, &up, DONE, "apply.permission", 1);
    assert!(!proof.exists());
}

#[test]
fn reading_files_is_refused() {
    refused(NONE, "SELECT pg_read_file('/etc/passwd');\n", DONE, "apply.permission", 1);
    refused(NONE, "CREATE TABLE p (l text);\nCOPY p FROM '/etc/passwd';\n", DONE, "apply.permission", 2);
}

#[test]
fn changing_the_servers_settings_is_refused() {
    let said = judged("ALTER SYSTEM SET shared_buffers = '1kB';\n", DONE);
    assert!(said.contains("error[apply.permission]"), "{said}");
}

#[test]
fn becoming_a_superuser_is_refused() {
    let said = judged("CREATE ROLE boss SUPERUSER LOGIN;\n", DONE);
    assert!(said.contains("error[apply.permission]"), "{said}");
}

#[test]
fn harming_the_role_that_migrations_run_as_is_undone() {
    let role = |what: &str| format!("DO $$ BEGIN EXECUTE format('ALTER ROLE %I {what}', session_user); END $$;\n");
    judged(&role("SET statement_timeout = 1"), DONE);
    judged(&role("CONNECTION LIMIT 0"), DONE);
    judged(&role("NOLOGIN"), DONE);
    judged(&role("SET search_path = nowhere"), DONE);
    judged(&role("SET default_transaction_read_only = on"), DONE);
}

#[test]
fn settings_that_a_migration_gives_its_role_do_not_reach_the_search_for_its_rows() {
    let repo = Sandbox::rough();
    let up = "ALTER TABLE users ALTER email SET NOT NULL;\nALTER ROLE CURRENT_USER SET default_transaction_read_only = on;\n";
    repo.migration(2, "it", up, "ALTER TABLE users ALTER email DROP NOT NULL;\n");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "it"]);
    repo.migd(&["check", "--all"]).status(1).says("data.not-null");
}

#[test]
fn harming_the_database_that_it_runs_in_ends_with_it() {
    let database =
        |what: &str| format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {what}', current_database()); END $$;\n");
    judged(&database("SET default_transaction_read_only = on"), DONE);
    judged(&database("CONNECTION LIMIT 0"), DONE);
    judged(&database("SET search_path = nowhere"), DONE);
}

#[test]
fn dropping_everything_is_the_migrations_own_affair() {
    judged("DROP OWNED BY CURRENT_USER CASCADE;\n", DONE);
    judged("DROP SCHEMA public CASCADE;\n", "CREATE SCHEMA public;\n");
}

#[test]
fn a_recursion_without_end_is_an_error() {
    let up = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM f(); END $$;\nSELECT f();\n";
    refused(NONE, up, DONE, "apply.error", 2);
}

#[test]
fn a_view_that_is_never_done_does_not_stop_the_reading_of_the_catalog() {
    let up = "CREATE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN true; END $$;\n\
              CREATE VIEW v AS SELECT slow();\nALTER TABLE users ADD COLUMN b boolean;\nALTER TABLE users ALTER b SET DEFAULT slow();\n";
    judged(up, "ALTER TABLE users DROP COLUMN b;\nDROP VIEW v;\nDROP FUNCTION slow();\n");
}
