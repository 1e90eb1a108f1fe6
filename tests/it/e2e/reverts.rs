//! Reverts as real chains have them: what looks like a difference and is none, and what is one.

use crate::support::sandbox::Sandbox;

/// How `migd check --all` finds the third migration's revert, after one that makes `view`.
#[track_caller]
fn third(view: &str, up: &str, down: &str) -> String {
    let repo = Sandbox::new();
    repo.migration(2, "view", view, "DROP VIEW recent;\n");
    repo.migration(3, "it", up, down);
    let report = repo.check(&["--all"]);
    let found = report["migrations"].as_array().into_iter().flatten().find(|migration| migration["version"] == "3");
    found.unwrap_or_else(|| panic!("{report:#}"))["reversible"].as_str().unwrap().to_owned()
}

const FROZEN: &str = "CREATE VIEW recent AS SELECT id FROM users WHERE 'now'::timestamp > '2020-01-01';\n";

#[test]
fn a_view_that_froze_the_moment_is_brought_back() {
    assert_eq!(third(FROZEN, "DROP VIEW recent;\n", FROZEN), "yes");
}

#[test]
fn a_view_that_froze_the_moment_and_is_another_is_a_mismatch() {
    let other = FROZEN.replace("SELECT id", "SELECT id + 1 AS id");
    assert_eq!(third(FROZEN, "DROP VIEW recent;\n", &other), "mismatch");
}

#[test]
fn digits_that_the_file_says_are_no_moment() {
    let other = FROZEN.replace("2020-01-01", "2021-01-01");
    let fixed = |view: &str| view.replace("'now'::timestamp", "TIMESTAMP '2025-05-05'");
    assert_eq!(third(&fixed(FROZEN), "DROP VIEW recent;\n", &fixed(&other)), "mismatch");
}

#[test]
fn a_set_in_which_nothing_has_a_down_misses_none() {
    let repo = Sandbox::empty(Sandbox::new().realm());
    repo.write("migd.toml", "[[migrations]]\npath = \"db\"\nlayout = \"flyway\"\n");
    repo.write("db/V1__users.sql", "CREATE TABLE users (id bigint PRIMARY KEY);\n");
    repo.git(&["add", "-A"]);
    let codes = |report: serde_json::Value| report["findings"].to_string();
    assert!(!codes(repo.check(&[])).contains("revert.missing"));

    repo.write("db/V2__name.sql", "ALTER TABLE users ADD name text;\n");
    repo.write("db/U2__name.sql", "ALTER TABLE users DROP name;\n");
    repo.git(&["add", "-A"]);
    assert!(codes(repo.check(&[])).contains("revert.missing"));
}

#[test]
fn an_audit_judges_each_migration_at_the_state_that_production_had() {
    let repo = Sandbox::new();
    repo.migration(2, "steps", "CREATE TABLE steps (n int, id serial);\n", "DROP TABLE steps;\n");
    // Past what a template is kept at, and with numbers that a second up would have used up.
    for n in 3..=70 {
        let up = format!(
            "DO $$ BEGIN IF (SELECT count(*) <> {before} OR max(id) <> {before} FROM steps) THEN \
             RAISE 'not what production has'; END IF; END $$;\nINSERT INTO steps (n) VALUES ({n});\n\
             CREATE VIEW step_{n} AS SELECT 1 AS one;\n",
            before = n - 3
        );
        repo.migration(n, "step", &up, format!("DROP VIEW step_{n};\nDELETE FROM steps WHERE n = {n};\n"));
    }
    let report = repo.check(&["--all"]);
    let judged = report["migrations"].as_array().unwrap();
    assert_eq!(judged.len(), 70, "{}", report["findings"]);
    assert!(judged.iter().all(|one| one["reversible"] == "yes" && one["repeatable"] == true), "{report:#}");
    assert_eq!(judged[1]["objects"]["kinds"], serde_json::json!({ "table": 1, "column": 2, "default": 1 }));
}

#[test]
fn an_audit_judges_beside_roles_that_its_migrations_make() {
    let repo = Sandbox::new();
    repo.migration(2, "role", "CREATE ROLE reader;\n", "DROP ROLE reader;\n");
    repo.migration(3, "grant", "GRANT SELECT ON users TO reader;\n", "REVOKE SELECT ON users FROM reader;\n");
    let report = repo.check(&["--all"]);
    let reverts: Vec<&str> =
        report["migrations"].as_array().into_iter().flatten().map(|one| one["reversible"].as_str().unwrap()).collect();
    assert_eq!(reverts, ["yes"; 3], "{report:#}");
}

/// What is said of a down that has to bring the column `email` of `users` back.
fn brought_back_by(down: &str) -> serde_json::Value {
    let repo = Sandbox::new();
    repo.migration(2, "email", "ALTER TABLE users DROP COLUMN email;\n", down);
    let report = repo.check(&[]);
    let all = report["findings"].as_array().unwrap();
    all.iter().find(|finding| finding["code"] == "revert.fails").cloned().unwrap_or_default()
}

#[test]
fn a_down_that_fails_over_rows_is_told_with_the_rows() {
    let told = brought_back_by("ALTER TABLE users ADD COLUMN email text NOT NULL;\n");
    assert_eq!((&told["severity"], &told["sqlstate"], &told["line"]), (&"error".into(), &"23502".into(), &1.into()));
    assert!(told["counterexample"]["setup"][0].as_str().unwrap().starts_with("INSERT INTO users "), "{told:#}");
}

#[test]
fn of_the_rows_that_a_down_fails_over_the_fewest_are_shown() {
    let repo = Sandbox::new();
    let orders = "CREATE TABLE orders (id int PRIMARY KEY, user_id bigint REFERENCES users, note text NOT NULL);\n\
                  CREATE TABLE lines (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders, text text);\n";
    repo.migration(2, "orders", orders, "DROP TABLE lines;\nDROP TABLE orders;\n");
    repo.git(&["commit", "--quiet", "--no-verify", "-m", "orders"]);
    let up = "ALTER TABLE orders DROP COLUMN note;\nALTER TABLE lines ADD COLUMN n int;\n";
    let down = "ALTER TABLE lines DROP COLUMN n;\nALTER TABLE orders ADD COLUMN note text NOT NULL;\n";
    repo.migration(3, "it", up, down);
    let report = repo.check(&[]);
    let all = report["findings"].as_array().unwrap();
    let told = all.iter().find(|finding| finding["code"] == "revert.fails").unwrap_or_else(|| panic!("{report:#}"));
    let rows = told["counterexample"]["setup"].as_array().unwrap();
    let tables: Vec<_> = rows.iter().filter_map(|row| row.as_str()?.split(' ').nth(2)).collect();
    assert_eq!(tables, ["users", "orders"], "no second user, and no lines: {told:#}");
}

#[test]
fn a_down_that_fills_the_rows_is_not_told() {
    let down =
        "ALTER TABLE users ADD COLUMN email text NOT NULL DEFAULT '';\nALTER TABLE users ALTER email DROP DEFAULT;\n";
    assert!(brought_back_by(down).is_null());
}

#[test]
fn the_rows_of_a_table_that_down_leaves_behind_are_said_with_the_table() {
    let repo = Sandbox::new();
    repo.migration(2, "it", "CREATE TABLE kinds (id int);\nINSERT INTO kinds VALUES (1);\n", "SELECT 1;\n");
    let report = repo.check(&[]);
    let findings = report["findings"].as_array().unwrap();
    let codes: Vec<_> = findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["revert.schema-mismatch"], "{report:#}");
}

#[test]
fn rows_that_down_does_not_bring_back_are_told_table_by_table_wherever_it_is() {
    let repo = Sandbox::new();
    let made = "CREATE SCHEMA app;\nCREATE TABLE jobs (id int, v text);\nCREATE TABLE app.\"Odd ones\" (v text);\n\
                CREATE TABLE app.calm (id int);\nCREATE TABLE bare (id int);\n\
                INSERT INTO jobs VALUES (1, 'a'), (2, E'b\\nc');\nINSERT INTO app.\"Odd ones\" VALUES ('x');\n\
                INSERT INTO app.calm VALUES (1);\n";
    repo.migration(2, "made", made, "DROP TABLE jobs, app.\"Odd ones\", app.calm, bare;\nDROP SCHEMA app;\n");
    repo.git(&["commit", "--quiet", "--no-verify", "-m", "made"]);
    let up = "DELETE FROM jobs WHERE id = 1;\nUPDATE app.\"Odd ones\" SET v = 'y';\n";
    repo.migration(3, "it", up, "INSERT INTO bare VALUES (1);\n");
    let report = repo.check(&[]);
    let findings = report["findings"].as_array().into_iter().flatten();
    let told: Vec<_> = findings.filter(|finding| finding["code"] == "revert.rows-lost").collect();
    let [finding] = told.as_slice() else { panic!("{report:#}") };
    assert_eq!(
        finding["detail"].as_str().unwrap(),
        "table app.\"Odd ones\": other values in its 1 row\ntable bare: 0 rows before, 1 after\n\
         table jobs: 2 rows before, 1 after"
    );
}

/// The findings of the second migration, as the verdict has them.
#[track_caller]
fn second(up: &str, down: &str) -> Vec<serde_json::Value> {
    let repo = Sandbox::new();
    repo.migration(2, "it", up, down);
    let report = repo.check(&[]);
    report["findings"].as_array().unwrap_or_else(|| panic!("{report:#}")).clone()
}

#[test]
fn a_default_that_is_the_same_constant_is_only_written_differently() {
    let cosmetic = |first: &str, again: &str| {
        let (up, down) = (
            "ALTER TABLE users ALTER tags DROP DEFAULT;\n",
            format!("ALTER TABLE users ALTER tags SET DEFAULT {again};\n"),
        );
        let repo = Sandbox::new();
        repo.migration(
            2,
            "tags",
            format!("ALTER TABLE users ADD tags text[] DEFAULT {first};\n"),
            "ALTER TABLE users DROP tags;\n",
        );
        repo.git(&["commit", "-q", "--no-verify", "-m", "tags"]);
        repo.migration(3, "it", up, &down);
        let report = repo.check(&[]);
        let found = report["findings"].as_array().into_iter().flatten();
        let codes = found.map(|finding| finding["code"].as_str().unwrap_or_default().to_owned());
        codes.filter(|code| code.starts_with("revert.")).collect::<Vec<_>>()
    };
    assert_eq!(cosmetic("'{}'", "ARRAY[]::text[]"), ["revert.cosmetic"]);
    assert_eq!(cosmetic("'{a,b}'", "ARRAY['a', lower('B')]"), ["revert.cosmetic"], "its functions depend on nothing");
    assert_eq!(cosmetic("'{}'", "ARRAY['a']"), ["revert.schema-mismatch"], "another value");
    assert_eq!(
        cosmetic("ARRAY[now()::text]", "ARRAY[CURRENT_TIMESTAMP::text]"),
        ["revert.schema-mismatch"],
        "no constant"
    );
}

#[test]
fn the_way_out_of_a_down_that_fails_is_about_the_down() {
    let help = |up: &str, down: &str| {
        let found = second(up, down);
        let failed =
            found.iter().find(|finding| finding["code"] == "revert.fails").unwrap_or_else(|| panic!("{found:#?}"));
        failed["help"].as_str().unwrap_or_default().to_owned()
    };
    let twice = "ALTER TABLE users DROP age;\nDROP INDEX users_age;\n";
    let missing = help("ALTER TABLE users ADD age int;\nCREATE INDEX users_age ON users (age);\n", twice);
    assert!(missing.contains("in the reverse order") && !missing.contains("setup_sql"), "{missing}");
    let needed = help("CREATE TABLE t (a int);\nCREATE VIEW v AS SELECT a FROM t;\n", "DROP TABLE t;\nDROP VIEW v;\n");
    assert!(needed.starts_with("drop what depends on it first"), "{needed}");
}

#[test]
fn a_down_for_a_newer_server_is_said_to_be_one() {
    let repo = Sandbox::new();
    repo.migration(2, "it", "CREATE TABLE t (a int NOT NULL);\n", "SELECT uuidv7();\nDROP TABLE t;\n");
    let report = repo.check(&["--staged"]);
    let server = report["postgres"].as_str().unwrap();
    if server.split('.').next().unwrap().parse::<u32>().unwrap() >= 18 {
        println!("NOT RUN: PostgreSQL {server} has all that is known to be newer");
        return;
    }
    let found = &report["findings"][0];
    assert_eq!(found["code"], "revert.fails", "{report:#}");
    assert!(found["help"].as_str().unwrap().starts_with("uuidv7() came with PostgreSQL 18"), "{found:#}");
}

#[test]
fn a_comment_that_down_does_not_bring_back_is_a_note_unless_tools_act_upon_it() {
    let cases = [
        ("COMMENT ON COLUMN users.email IS 'where to write to';\n", "note"),
        ("COMMENT ON TABLE users IS 'see @support';\n", "note"),
        ("COMMENT ON TABLE users IS E'@omit create,update\\nPeople';\n", "warning"),
        ("COMMENT ON TABLE users IS 'People @graphql({\"name\": \"Person\"})';\n", "warning"),
    ];
    for (up, severity) in cases {
        let told = second(up, "SELECT 1;\n");
        let [finding] = told.as_slice() else { panic!("{up}: {told:#?}") };
        assert_eq!((&finding["code"], &finding["severity"]), (&"revert.cosmetic".into(), &severity.into()), "{up}");
        assert!(finding["detail"].as_str().unwrap().contains("comment "), "{finding:#}");
    }
}

/// Whether a down is missed of the last migration, where those before it have one (`d`) or none (`.`).
fn is_missed_after(set: &str) -> bool {
    let repo = Sandbox::new();
    for (n, kind) in (2..).zip(set.chars()) {
        repo.write(&format!("migrations/{n}_t.up.sql"), format!("CREATE TABLE t{n} (id int);\n"));
        if kind == 'd' {
            repo.write(&format!("migrations/{n}_t.down.sql"), format!("DROP TABLE t{n};\n"));
        }
    }
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-qnm", "many"]);
    repo.write("migrations/90_it.up.sql", "CREATE TABLE it (id int);\n");
    repo.git(&["add", "-A"]);
    let report = repo.check(&[]);
    let found = report["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == "revert.missing");
    assert_eq!(report["migrations"][0]["reversible"], if found { "missing" } else { "no" }, "{report:#}");
    found
}

#[test]
fn a_down_is_missed_where_downs_are_the_habit() {
    assert!(is_missed_after("dddd.ddd"));
    assert!(is_missed_after(".............dddddd"));
    assert!(!is_missed_after("....d........"));
    assert!(!is_missed_after("ddddddd......."));
    // One that has a down is judged by it, whatever the others have.
    let repo = Sandbox::new();
    for n in 2..9 {
        repo.write(&format!("migrations/{n}_t.up.sql"), format!("CREATE TABLE t{n} (id int);\n"));
    }
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-qnm", "many"]);
    repo.migration(9, "it", "CREATE TABLE it (id int);\n", "DROP TABLE other;\n");
    repo.migd(&["check"]).failed().says("error[revert.fails]");
}

#[test]
fn rights_on_the_database_that_down_leaves_are_told() {
    let repo = Sandbox::new();
    repo.migration(2, "reader", "CREATE ROLE db_reader;\n", "DROP ROLE db_reader;\n");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "a role"]);
    let up = "GRANT CONNECT, TEMPORARY ON DATABASE shop TO db_reader;\nALTER DATABASE shop SET timezone = 'UTC';\n";
    repo.migration(3, "it", up, "SELECT 1;\n");
    let detail = |report: serde_json::Value| {
        let found = report["findings"].as_array().unwrap().clone();
        let found = found.iter().find(|finding| finding["code"] == "revert.schema-mismatch").cloned();
        found.map(|finding| finding["detail"].as_str().unwrap().to_owned())
    };
    let told = detail(repo.check(&[])).unwrap();
    for left in ["right CONNECT for db_reader", "right TEMPORARY for db_reader", "setting TimeZone=UTC"] {
        assert!(told.contains(&format!("the database's {left}: left behind after down")), "{told}");
    }
    let down = "ALTER DATABASE shop RESET timezone;\nREVOKE ALL ON DATABASE shop FROM db_reader;\n";
    repo.migration(3, "it", up, down);
    assert_eq!(detail(repo.check(&[])), None);
}

#[test]
fn an_up_that_takes_too_long_the_second_time_alone_is_a_note() {
    let repo = Sandbox::new();
    repo.configure("[limits]\nstatement = \"2s\"\n[rows]\nenabled = false\n[[migrations]]\npath = \"migrations\"\n");
    repo.migration(2, "turns", "CREATE SEQUENCE turns;\n", "DROP SEQUENCE turns;\n");
    repo.commit(&["--no-verify"]);
    // What is slow for a while is not seen in the schema.
    let up = "CREATE TABLE slow (id int);\nSELECT pg_sleep(8 * (nextval('turns') - 1));\n";
    repo.migration(3, "slow", up, "DROP TABLE slow;\n");
    repo.git(&["add", "-A"]);
    let report = repo.check(&[]);
    assert_eq!(report["outcome"], "pass", "{report:#}");
    let note = report["findings"].as_array().into_iter().flatten().find(|finding| finding["code"] == "revert.reapply");
    let note = note.unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!(note["severity"], "note");
    assert!(note["message"].as_str().unwrap().starts_with("up was not seen to its end after down"), "{note:#}");
}
