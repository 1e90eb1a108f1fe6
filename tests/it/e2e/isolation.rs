//! What one judgement leaves behind, the next does not see: rows, settings, roles.

use crate::support::realm::Realm;
use crate::support::sandbox::{GOOD, GOOD_DOWN, Sandbox};

/// A second migration that does `up`, judged, and thrown away; then another, which must pass.
#[track_caller]
fn after(up: &str, down: &str, next: &str) {
    let repo = Sandbox::new();
    repo.migration(2, "first", up, down);
    // Whatever it comes to: a down that undoes nothing is refused, and leaves most behind.
    repo.migd(&["check"]).says("migd: migrations:").does_not_say("error[apply");
    repo.git(&["reset", "--quiet", "--hard"]);
    repo.migration(2, "next", next, "SELECT 1;\n");
    repo.commit(&[]).ok().says("migd: migrations:").does_not_say("error[");
}

/// SQL that fails unless `condition` holds.
fn assert_sql(condition: &str) -> String {
    format!("DO $$ BEGIN IF NOT ({condition}) THEN RAISE EXCEPTION 'something was left behind'; END IF; END $$;\n")
}

#[test]
fn rows_stay_in_their_judgement() {
    let next = assert_sql("NOT EXISTS (SELECT FROM users)");
    let next = format!("-- migd: allow data.raises -- about the rows of the judgement before\n{next}");
    after("INSERT INTO users VALUES (1);\n", "DELETE FROM users;\n", &next);
}

#[test]
fn session_settings_stay_in_their_file() {
    let next = assert_sql("current_setting('search_path') NOT LIKE '%elsewhere%'");
    after("SET search_path TO elsewhere, public;\nSET ROLE NONE;\n", "SELECT 1;\n", &next);
}

#[test]
fn a_setting_of_one_migration_is_not_the_next_ones_in_the_same_commit() {
    let repo = Sandbox::new();
    repo.migration(2, "set", "SET my.marker = 'left';\n", "SELECT 1;\n");
    repo.migration(3, "look", assert_sql("coalesce(current_setting('my.marker', true), '') = ''"), "SELECT 1;\n");
    repo.commit(&[]).says("migd: migrations:").does_not_say("error[");
}

#[test]
fn settings_of_a_role_stay_in_their_judgement() {
    let up = "DO $$ BEGIN EXECUTE format('ALTER ROLE %I SET work_mem = ''7MB''', current_user); END $$;\n";
    let down = "DO $$ BEGIN EXECUTE format('ALTER ROLE %I RESET work_mem', current_user); END $$;\n";
    let next = assert_sql(
        "NOT EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = 0 AND setconfig::text LIKE '%7MB%')",
    );
    // Once with a down that undoes it, and once without.
    after(up, down, &next);
    after(up, "SELECT 1;\n", &next);
}

#[test]
fn settings_of_the_database_stay_in_their_judgement() {
    let up = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''7MB''', current_database()); END $$;\n";
    let next = assert_sql("current_setting('work_mem') <> '7MB'");
    after(up, "SELECT 1;\n", &next);
}

#[test]
fn settings_of_the_database_reach_the_migrations_after_it() {
    let repo = Sandbox::new();
    let set = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''7MB''', current_database()); END $$;\n";
    repo.migration(2, "set", set, set.replace("SET work_mem = ''7MB''", "RESET work_mem"));
    repo.commit(&[]).says("migd: migrations:").does_not_say("error[");
    repo.migration(3, "look", assert_sql("current_setting('work_mem') = '7MB'"), "SELECT 1;\n");
    repo.commit(&[]).says("migd: migrations:").does_not_say("error[");
}

#[test]
fn roles_stay_in_their_judgement() {
    let next = assert_sql("NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'left_behind')");
    after("CREATE ROLE left_behind LOGIN;\n", "DROP ROLE left_behind;\n", &next);
    after("CREATE ROLE left_behind LOGIN;\nGRANT SELECT ON users TO left_behind;\n", "SELECT 1;\n", &next);
}

#[test]
fn a_role_of_the_chain_is_there_for_the_migrations_after_it() {
    let repo = Sandbox::new();
    repo.migration(2, "role", "CREATE ROLE reader;\n", "DROP ROLE reader;\n");
    repo.commit(&[]).ok();
    repo.migration(3, "grant", "GRANT SELECT ON users TO reader;\n", "REVOKE SELECT ON users FROM reader;\n");
    repo.commit(&[]).ok().says("migd: migrations: pass");
}

#[test]
fn two_repositories_that_create_the_same_role_are_judged_in_turn() {
    let realm = Realm::shared();
    let role = "CREATE ROLE app LOGIN;\nCREATE TABLE orders (id bigint PRIMARY KEY);\nGRANT SELECT ON orders TO app;\n";
    let undo = "DROP TABLE orders;\nDROP ROLE app;\n";
    let repos = [Sandbox::within(&realm), Sandbox::within(&realm)];
    for repo in &repos {
        repo.migration(2, "app", role, undo);
        repo.commit(&[]).ok().says("migd: migrations: pass");
    }
    for version in 3..6 {
        for repo in &repos {
            let grant = format!("CREATE TABLE t{version} (id integer);\nGRANT SELECT ON t{version} TO app;\n");
            repo.migration(version, "more", grant, format!("DROP TABLE t{version};\n"));
            repo.commit(&[]).ok().says("migd: migrations: pass");
        }
    }
}

#[test]
fn a_verdict_given_before_says_so_and_is_the_same() {
    let repo = Sandbox::new();
    repo.migration(2, "age", format!("-- nobody else's\n{GOOD}"), GOOD_DOWN);
    let first = repo.check(&[]);
    let second = repo.check(&[]);
    assert_eq!((&first["cached"], &second["cached"]), (&false.into(), &true.into()));
    assert_eq!(first["outcome"], second["outcome"]);
    assert_eq!(first["findings"], second["findings"]);
}
