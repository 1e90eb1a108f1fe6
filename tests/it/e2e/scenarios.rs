//! The user's own cases: what a commit does with them, and what becomes of those that reach further than they may.

use std::time::Duration;

use crate::support::sandbox::{GOOD, GOOD_DOWN, Sandbox};

/// Fills what the column before it says.
const UP: &str = "ALTER TABLE users ADD COLUMN name text;\nUPDATE users SET name = split_part(email, '@', 1);\n";
const DOWN: &str = "ALTER TABLE users DROP COLUMN name;\n";
/// What must become of two users.
const NAMES: &str = "\
# names come from addresses
migrate to 1

statement ok
INSERT INTO users (id, email) VALUES (1, 'ann@example.com'), (2, NULL)

migrate up

query IT rowsort
SELECT id, name FROM users
----
1 ann
2 NULL
";

fn with_scenario(text: &str) -> Sandbox {
    let repo = Sandbox::new();
    add(&repo, "names", text);
    repo
}

fn add(repo: &Sandbox, name: &str, text: &str) {
    repo.write(&format!("migrations/scenarios/{name}.slt"), text);
    repo.git(&["add", "migrations"]);
}

#[test]
fn a_migration_that_does_what_its_scenario_says_passes() {
    let repo = with_scenario(NAMES);
    repo.migration(2, "names", UP, DOWN);
    repo.commit(&[]).ok().says("migd: migrations: pass");
}

#[test]
fn a_commit_is_refused_with_the_place_and_what_was_expected() {
    let repo = with_scenario(NAMES);
    repo.migration(2, "names", "ALTER TABLE users ADD COLUMN name text;\n", DOWN);
    let ran = repo.commit(&[]).status(1);
    ran.says("error[scenario.fails]: the query returns other rows")
        .says("migrations/scenarios/names.slt:9:1")
        .says("detail: expected:\n               1 ann\n")
        .says("             actual:\n               1 NULL\n");
}

#[test]
fn the_json_has_the_place_and_every_scenario() {
    let repo = with_scenario(NAMES);
    repo.migration(2, "names", "ALTER TABLE users ADD COLUMN name text;\n", DOWN);
    let verdict = repo.check(&[]);
    let finding = &verdict["findings"][0];
    assert_eq!(finding["code"], "scenario.fails");
    assert_eq!(finding["path"], "migrations/scenarios/names.slt");
    assert_eq!((finding["line"].as_u64(), finding["end_line"].as_u64()), (Some(9), Some(13)));
    assert_eq!(verdict["scenarios"][0]["path"], "migrations/scenarios/names.slt");
    assert_eq!(verdict["scenarios"][0]["passed"], false);
}

#[test]
fn a_commit_of_a_scenario_alone_runs_it_against_the_chain() {
    let repo = Sandbox::new();
    repo.migration(2, "names", UP, DOWN);
    repo.commit(&[]).ok();
    add(&repo, "names", &NAMES.replace("1 ann", "1 bob"));
    repo.commit(&[]).status(1).says("error[scenario.fails]");
    add(&repo, "names", NAMES);
    repo.commit(&[]).ok().says("migd: migrations: pass");
}

#[test]
fn what_is_staged_counts_and_not_what_lies_on_disk() {
    let repo = with_scenario(NAMES);
    repo.migration(2, "names", UP, DOWN);
    repo.write("migrations/scenarios/names.slt", NAMES.replace("1 ann", "1 bob"));
    repo.commit(&[]).ok();
}

#[test]
fn a_migration_that_fails_over_the_rows_is_shown_with_both_places() {
    let repo = with_scenario(NAMES);
    repo.configure("[rows]\nenabled = false\n");
    repo.migration(2, "names", "ALTER TABLE users ALTER COLUMN email SET NOT NULL;\n", "SELECT 1;\n");
    repo.commit(&[])
        .status(1)
        .says("error[scenario.migration-fails]: migration 2 over the rows of a scenario")
        .says("migrations/2_names.up.sql:1:1")
        .says("sqlstate: 23502")
        .says("in the scenario migrations/scenarios/names.slt:7: migrate up");
}

#[test]
fn a_program_is_never_run() {
    let repo = Sandbox::new();
    let witness = repo.path().join("ran");
    for record in ["system ok", "system ok retry 2 backoff 1s", "system error"] {
        add(&repo, "hostile", &format!("migrate latest\n\n{record}\ntouch {}\n", witness.display()));
        repo.commit(&[])
            .status(1)
            .says("error[scenario.invalid]: `system` runs a program")
            .says("migrations/scenarios/hostile.slt:3:1");
    }
    assert!(!witness.exists());
}

#[test]
fn a_statement_that_never_ends_is_stopped_and_no_error_that_is_expected() {
    let repo = Sandbox::rough();
    repo.configure("[limits]\nstatement = \"500ms\"\n");
    let endless = "DO $$ BEGIN LOOP NULL; END LOOP; END $$";
    add(&repo, "endless", &format!("migrate latest\n\nstatement error\n{endless}\n"));
    let ran = repo.commit(&[]).status(1);
    assert!(ran.took < Duration::from_secs(30), "{ran}");
    ran.says("error[scenario.timeout]: the statement was stopped after 500 ms").says("endless.slt:3:1");
    repo.next_good_one_passes();
}

#[test]
fn many_short_statements_together_are_stopped_too() {
    let repo = Sandbox::rough();
    repo.configure("[limits]\nscenario = \"1s\"\n");
    let retry = "statement ok retry 1000000 backoff 1ms\nSELECT 1/0\n";
    add(&repo, "patient", &format!("migrate latest\n\n{retry}"));
    add(&repo, "sleeping", "migrate latest\n\nsleep 1h\n");
    repo.commit(&[])
        .status(1)
        .says("error[scenario.timeout]: the scenario was stopped after 1 s")
        .says("patient.slt:3:1")
        .says("sleeping.slt:3:1");
}

#[test]
fn an_answer_without_end_is_cut() {
    let repo = Sandbox::rough();
    add(
        &repo,
        "long",
        "migrate latest\n\nquery T\nSELECT repeat('x', 1000) FROM generate_series(1, 1000000)\n----\nx\n",
    );
    repo.commit(&[]).status(1).says("error[scenario.fails]").says("the answer is longer than 4 MB");
    repo.next_good_one_passes();
}

#[test]
fn a_scenario_over_a_chain_that_does_not_apply_says_so() {
    let repo = Sandbox::new();
    repo.migration(2, "broken", "ALTER TABLE persons ADD COLUMN age integer;\n", "SELECT 1;\n");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "broken"]);
    add(&repo, "names", "migrate latest\n\nquery I\nSELECT count(*) FROM users\n----\n0\n");
    repo.commit(&[])
        .status(1)
        .says("error[apply.chain]")
        .says("warning[scenario.not-run]: a scenario was not run: the chain does not apply");
}

#[test]
fn a_version_that_is_not_there_is_said_with_its_line() {
    let repo = with_scenario("migrate latest\n\nmigrate to 7\n");
    repo.migration(2, "good", GOOD, GOOD_DOWN);
    repo.commit(&[])
        .status(1)
        .says("error[scenario.invalid]: the chain has no migration 7")
        .says("migrations/scenarios/names.slt:3:1");
}

#[test]
fn everything_that_sqllogictest_knows_means_what_it_means_there() {
    let text = "\
migrate to 1

statement count 3
INSERT INTO users (id, email) VALUES (1, 'b'), (2, 'a'), (3, '')

query T rowsort mails
SELECT email FROM users
----
(empty)
a
b

query IT valuesort
SELECT id, email FROM users WHERE id < 3
----
1
2
a
b

query I nosort
SELECT id FROM users ORDER BY id DESC
----
3
2
1

query I
SELECT id FROM users WHERE false
----

statement error duplicate key value .* \"users_pkey\"
INSERT INTO users (id) VALUES (1)

statement error (23505)
INSERT INTO users (id) VALUES (1)

query error division by zero
SELECT 1/0

skipif postgres
statement ok
this is not for us

onlyif sqlite
statement ok
nor is this

connection other
statement ok
BEGIN

connection other
statement ok
DELETE FROM users

query I
SELECT count(*) FROM users
----
3

connection other
statement ok
ROLLBACK

hash-threshold 2

query I
SELECT id FROM users ORDER BY id
----
3 values hashing to 2b6260a92ef0e1a0e84af6b74ea9ab42

halt

statement ok
whatever follows
";
    let md5 = "SELECT md5(string_agg(id || E'\\n', '' ORDER BY id)) FROM users";
    let asked =
        format!("migrate to 1\n\nstatement ok\nINSERT INTO users VALUES (1), (2), (3)\n\nquery T\n{md5}\n----\n?\n");
    let repo = with_scenario(&asked);
    let ran = repo.commit(&[]).status(1);
    let hash = ran.err.lines().skip_while(|line| !line.contains("actual:")).nth(1).unwrap().trim().to_owned();
    let repo = with_scenario(&text.replace("2b6260a92ef0e1a0e84af6b74ea9ab42", &hash));
    repo.commit(&[]).ok();
}

#[test]
fn the_same_label_means_the_same_rows() {
    let query = |n: u32| format!("query I rowsort one\nSELECT {n}\n----\n{n}\n\n");
    let repo = with_scenario(&format!("migrate latest\n\n{}{}", query(1), query(2)));
    repo.commit(&[]).status(1).says("the query returns other rows than that of line 3, which has the same label `one`");
}

#[test]
fn downs_are_run_as_well() {
    let text = "\
migrate to 2

statement ok
INSERT INTO users (id, email, name) VALUES (1, 'ann@example.com', 'Ann')

migrate down

query IT
SELECT * FROM users
----
1 ann@example.com

migrate latest

query T
SELECT name FROM users
----
ann
";
    let repo = with_scenario(text);
    repo.migration(2, "names", UP, DOWN);
    repo.commit(&[]).ok();
    repo.migration(
        2,
        "names",
        UP,
        "DROP TABLE users CASCADE;\nCREATE TABLE users (id bigint PRIMARY KEY, email text);\n",
    );
    repo.git(&["reset", "--quiet", "--soft", "HEAD~1"]);
    repo.commit(&[]).status(1).says("error[scenario.fails]").says("names.slt:8:1");
}

#[test]
fn a_set_without_downs_says_that_there_is_none() {
    let repo = with_scenario("migrate latest\n\nmigrate down\n");
    repo.commit(&[]).ok();
    repo.write("migrations/2_more.sql", GOOD);
    repo.git(&["add", "migrations"]);
    repo.commit(&[]).status(1).says("the down of migration 2 cannot be run: it has no down");
}

#[test]
fn scenarios_can_be_turned_off_and_lie_elsewhere() {
    let repo = Sandbox::new();
    repo.configure("[[migrations]]\npath = \"migrations\"\nscenarios = \"cases\"\n");
    repo.write("cases/deep/fails.slt", "migrate latest\n\nstatement ok\nSELECT 1/0\n");
    repo.git(&["add", "cases"]);
    repo.commit(&[]).status(1).says("cases/deep/fails.slt:3:1");
    repo.configure("[checks]\nscenario = \"off\"\n[[migrations]]\npath = \"migrations\"\nscenarios = \"cases\"\n");
    repo.commit(&[]).ok();
}

/// Paths and texts.
type Files = &'static [(&'static str, &'static str)];

/// One migration in each layout, and where its scenarios are looked for.
const LAYOUTS: &[(&str, Files, &str)] = &[
    ("sqlx", &[("m/1_a.sql", TABLE)], "m/scenarios"),
    ("golang-migrate", &[("m/1_a.up.sql", TABLE), ("m/1_a.down.sql", "DROP TABLE t;")], "m/scenarios"),
    ("diesel", &[("m/1_a/up.sql", TABLE), ("m/1_a/down.sql", "DROP TABLE t;")], "m-scenarios"),
    (
        "dbmate",
        &[("m/1_a.sql", "-- migrate:up\nCREATE TABLE t (id int);\n-- migrate:down\nDROP TABLE t;\n")],
        "m/scenarios",
    ),
    ("goose", &[("m/1_a.sql", "-- +goose Up\nCREATE TABLE t (id int);\n")], "m/scenarios"),
    ("sql-migrate", &[("m/1_a.sql", "-- +migrate Up\nCREATE TABLE t (id int);\n")], "m/scenarios"),
    ("flyway", &[("m/V1__a.sql", TABLE)], "m/scenarios"),
    ("refinery", &[("m/V1__a.sql", TABLE)], "m/scenarios"),
    ("drizzle", &[("m/0000_a.sql", TABLE), ("m/meta/_journal.json", JOURNAL)], "m/scenarios"),
    ("prisma", &[("m/1_a/migration.sql", TABLE)], "m-scenarios"),
    ("atlas", &[("m/20240101000000_a.sql", TABLE), ("m/atlas.sum", SUM)], "m/scenarios"),
    ("supabase", &[("m/20240101000000_a.sql", TABLE)], "m/scenarios"),
    ("plain", &[("m/1_a.sql", TABLE)], "m/scenarios"),
];
const TABLE: &str = "CREATE TABLE t (id int);\n";
const SUM: &str = "h1:KZl+54wAnOCZI7epaflblG8JDNL7RY7mo3RTs/FOjSI=\
                   \n20240101000000_a.sql h1:yXBjVFdGdruEe4WvMq5/IDeqxLU6DwzGds0T713kBwY=\n";
const JOURNAL: &str = r#"{"version":"7","dialect":"postgresql","entries":[
    {"idx":0,"version":"7","when":1700000000000,"tag":"0000_a","breakpoints":true}]}"#;

#[test]
fn no_layout_takes_a_scenario_for_a_migration() {
    assert_eq!(LAYOUTS.len(), migd::layout::LAYOUTS.len());
    for (layout, files, folder) in LAYOUTS {
        let repo = Sandbox::empty(&crate::support::realm::Realm::shared());
        repo.configure(&format!("[rows]\nenabled = false\n[[migrations]]\npath = \"m\"\nlayout = \"{layout}\"\n"));
        files.iter().for_each(|(path, text)| repo.write(path, text));
        let scenario = "migrate latest\n\nquery I\nSELECT count(*) FROM t\n----\n0\n";
        repo.write(&format!("{folder}/1_case.slt"), scenario);
        repo.git(&["add", "."]);
        let verdict = repo.check(&[]);
        let codes: Vec<&str> =
            verdict["findings"].as_array().unwrap().iter().filter_map(|f| f["code"].as_str()).collect();
        assert!(codes.iter().all(|code| *code == "revert.missing"), "{layout}: {codes:?}");
        assert_eq!(verdict["migrations"].as_array().unwrap().len(), 1, "{layout}: {verdict}");
        assert_eq!(verdict["scenarios"][0]["passed"], true, "{layout}: {verdict}");
    }
}

#[test]
fn a_runner_that_takes_every_folder_for_a_migration_is_said_to() {
    let repo = Sandbox::empty(&crate::support::realm::Realm::shared());
    repo.configure("[[migrations]]\npath = \"m\"\nlayout = \"diesel\"\n");
    repo.write("m/1_a/up.sql", TABLE);
    repo.write("m/scenarios/1_case.slt", "migrate latest\n");
    repo.git(&["add", "."]);
    repo.commit(&[]).status(1).says("diesel refuses the set: the folder scenarios has no up.sql");
}

#[test]
fn scenarios_are_run_by_hand_as_they_lie_on_disk() {
    let repo = Sandbox::new();
    repo.write("migrations/scenarios/holds.slt", "migrate latest\n\nquery I\nSELECT count(*) FROM users\n----\n0\n");
    repo.write("migrations/scenarios/fails.slt", "migrate latest\n\nstatement ok\nSELECT 1/0\n");
    let ran = repo.migd(&["scenario", "run"]).status(1);
    ran.says("failed   migrations/scenarios/fails.slt  ")
        .says("passed   migrations/scenarios/holds.slt  ")
        .says("error[scenario.fails]: the statement fails: division by zero")
        .says("fails.slt:3:1");
    repo.migd(&["scenario", "run", "migrations/scenarios/holds.slt"]).ok().does_not_say("fails.slt");
    repo.at("migrations").migd(&["scenario", "run", "--no-daemon", "scenarios/holds.slt"]).ok().says("passed ");
    repo.migd(&["scenario", "run", "migrations/1_users.up.sql"]).status(2).says("is no scenario");
    repo.migd(&["scenario", "run", "migrations/scenarios/absent.slt"]).status(2).says("is no scenario");
    repo.migd(&["scenario", "run", "--set", "shop"]).status(2).says("no migration set called `shop`");
}

#[test]
fn a_skeleton_has_rows_and_holds_as_it_is_written() {
    let repo = Sandbox::new();
    repo.migration(2, "names", UP, DOWN);
    repo.migd(&["scenario", "new", "2"]).ok().says("wrote migrations/scenarios/2_names.slt");
    let text = std::fs::read_to_string(repo.path().join("migrations/scenarios/2_names.slt")).unwrap();
    for part in [
        "migrate to 1\n",
        "INSERT INTO users (id, email) VALUES (",
        "migrate to 2\n",
        "SELECT id, email, name FROM users\n",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    repo.migd(&["scenario", "run"]).ok();
    repo.migd(&["scenario", "new", "2"]).status(2).says("is there already");
    repo.migd(&["scenario", "new", "7"]).status(2).says("there is no migration 7");
}

#[test]
fn the_rows_of_a_finding_are_saved_as_a_scenario_that_guards_the_repair() {
    let repo = Sandbox::new();
    let unique = "CREATE UNIQUE INDEX users_email ON users (email);\n";
    repo.migration(2, "unique", unique, "DROP INDEX users_email;\n");
    repo.migd(&["check", "--save-scenario"]).status(1).says("saved migrations/scenarios/2_unique_users.slt");
    repo.migd(&["check", "--save-scenario"]).status(1);
    let saved = std::fs::read_dir(repo.path().join("migrations/scenarios")).unwrap().count();
    assert_eq!(saved, 1, "what is there already is not written again");
    repo.migd(&["scenario", "run"]).status(1).says("error[scenario.migration-fails]").says("2_unique.up.sql:1:1");
    let repaired = "DELETE FROM users AS a USING users AS b WHERE a.email = b.email AND a.id > b.id;\n";
    repo.migration(2, "unique", format!("{repaired}{unique}"), "DROP INDEX users_email;\n");
    repo.migd(&["scenario", "run"]).ok().says("passed ");
    repo.write("migrations/scenarios/2_unique_users.slt", "# mine\n");
    repo.migration(2, "unique", unique, "DROP INDEX users_email;\n");
    repo.migd(&["check", "--save-scenario"]).status(1).says("saved migrations/scenarios/2_unique_users-2.slt");
    assert_eq!(
        std::fs::read_to_string(repo.path().join("migrations/scenarios/2_unique_users.slt")).unwrap(),
        "# mine\n"
    );
}
