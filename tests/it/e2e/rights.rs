//! Migrations run under a role that is no superuser. What is let through for an administrator's sake opens nothing else.

use crate::support::sandbox::Sandbox;

/// The codes that are found in a second migration of these statements.
#[track_caller]
fn codes(up: &str) -> Vec<String> {
    codes_of(up, "")
}

#[track_caller]
fn codes_of(up: &str, down: &str) -> Vec<String> {
    let repo = Sandbox::new();
    repo.migration(2, "it", up, down);
    let report = repo.check(&["--staged"]);
    let findings = report["findings"].as_array().into_iter().flatten();
    let codes = findings.filter_map(|finding| finding["code"].as_str()).filter(|code| code.starts_with("apply."));
    codes.map(str::to_owned).collect()
}

const NONE: &[&str] = &[];

#[test]
fn an_administrators_statement_is_let_through_within_a_transaction_too() {
    assert_eq!(codes("BEGIN;\nSET LOCAL session_replication_role = replica;\nSELECT 1;\nCOMMIT;\n"), NONE);
    assert_eq!(codes("BEGIN;\nCREATE PUBLICATION p FOR ALL TABLES;\nCOMMIT;\n"), NONE);
}

#[test]
fn its_rights_are_gone_with_the_next_statement_of_the_same_transaction() {
    let read = "BEGIN;\nCREATE PUBLICATION p FOR ALL TABLES;\nSELECT pg_read_file('PG_VERSION');\nCOMMIT;\n";
    assert_eq!(codes(read), ["apply.permission"]);
}

#[test]
fn an_event_trigger_does_not_run_with_an_administrators_rights() {
    let up = "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_read_file('PG_VERSION'); RAISE 'got it'; EXCEPTION WHEN insufficient_privilege THEN END $$;
        CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION f();
        CREATE PUBLICATION p FOR ALL TABLES;\n";
    assert_eq!(codes(up), NONE);
    let always = up.replace("CREATE PUBLICATION", "ALTER EVENT TRIGGER t ENABLE ALWAYS; CREATE PUBLICATION");
    assert_eq!(codes(&always), ["apply.permission"]);
}

#[test]
fn a_down_that_migds_role_may_not_run_is_not_said_to_fail() {
    let up = "CREATE TABLE t (id bigint);\n";
    assert_eq!(codes_of(up, "SELECT pg_read_file('PG_VERSION');\nDROP TABLE t;\n"), ["apply.permission"]);
}

/// What is said about a second migration of these statements, codes with messages and help; and nothing keeps it from
/// being applied, reverted and applied again.
#[track_caller]
fn passes(up: &str, down: &str) -> Vec<(String, String)> {
    let repo = Sandbox::new();
    repo.migration(2, "it", up, down);
    let report = repo.check(&["--staged"]);
    assert_eq!(report["outcome"], "pass", "{up}: {report}");
    let said = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().into_iter().flatten();
    let told = findings.map(|f| (said(&f["code"]), format!("{}\n{}", said(&f["message"]), said(&f["help"]))));
    told.filter(|(code, _)| code.starts_with("apply.")).collect()
}

/// Statements that a superuser may run at once, and the role that has made `app` only as a member of it; with their reverse.
const HANDED_OVER: &[(&str, &str)] = &[
    ("ALTER TABLE users OWNER TO pg_monitor;", "ALTER TABLE users OWNER TO CURRENT_USER;"),
    (
        "CREATE SCHEMA s;\nGRANT ALL ON SCHEMA s TO app;\nSET SESSION AUTHORIZATION app;\nCREATE TABLE s.t (id int);
         RESET SESSION AUTHORIZATION;
         DO $$ BEGIN IF (SELECT relowner FROM pg_class WHERE oid = 's.t'::regclass) <> 'app'::regrole THEN RAISE 'not its own';
         END IF; IF current_user = 'app' THEN RAISE 'still app'; END IF; END $$;",
        "DROP TABLE s.t;\nDROP SCHEMA s;",
    ),
    (
        "CREATE SCHEMA s;\nGRANT ALL ON SCHEMA s TO app;\nBEGIN;\nSET LOCAL session_authorization = 'app';
         CREATE TABLE s.t (id int);\nCOMMIT;",
        "DROP TABLE s.t;\nDROP SCHEMA s;",
    ),
    ("ALTER TABLE users OWNER TO app;", "ALTER TABLE users OWNER TO CURRENT_USER;"),
    ("BEGIN;\nALTER TABLE users OWNER TO app;\nCOMMIT;", "ALTER TABLE users OWNER TO CURRENT_USER;"),
    ("CREATE VIEW v AS SELECT 1 AS a;\nALTER VIEW v OWNER TO app;", "DROP VIEW v;"),
    ("CREATE SEQUENCE s;\nALTER SEQUENCE s OWNER TO app;", "DROP SEQUENCE s;"),
    ("CREATE TYPE s AS ENUM ('a');\nALTER TYPE s OWNER TO app;", "DROP TYPE s;"),
    (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';\nALTER FUNCTION f() OWNER TO app;",
        "DROP FUNCTION f;",
    ),
    ("CREATE SCHEMA s;\nALTER SCHEMA s OWNER TO app;", "DROP SCHEMA s;"),
    ("CREATE SCHEMA s AUTHORIZATION app;", "DROP OWNED BY app;"),
    ("CREATE SCHEMA s;\nGRANT USAGE ON SCHEMA s TO app;\nDROP OWNED BY app;", "DROP SCHEMA s;"),
    ("CREATE SCHEMA s AUTHORIZATION app;\nREASSIGN OWNED BY app TO CURRENT_USER;", "DROP SCHEMA s;"),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO PUBLIC;",
        "ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE SELECT ON TABLES FROM PUBLIC;",
    ),
    (
        "CREATE SCHEMA s;\nGRANT ALL ON SCHEMA s TO app;\nSET ROLE app;\nCREATE TABLE s.t (id int);\nRESET ROLE;",
        "DROP TABLE s.t;\nDROP SCHEMA s;",
    ),
    (
        "CREATE FUNCTION give(name) RETURNS void LANGUAGE plpgsql AS
         $$ BEGIN EXECUTE format('ALTER TABLE users OWNER TO %I', $1); END $$;\nSELECT give('app');",
        "ALTER TABLE users OWNER TO CURRENT_USER;\nDROP FUNCTION give;",
    ),
];

#[test]
fn what_is_handed_to_a_role_of_the_chain_is_judged_as_by_its_member() {
    for (up, down) in HANDED_OVER {
        let told = passes(&format!("CREATE ROLE app;\n{up}\n"), &format!("{down}\nDROP ROLE app;\n"));
        let codes: Vec<&str> = told.iter().map(|(code, _)| code.as_str()).collect();
        assert!(!codes.is_empty() && codes.iter().all(|code| *code == "apply.membership"), "{up}: {told:?}");
    }
}

#[test]
fn a_block_may_make_a_role_and_hand_something_to_it() {
    for make in [
        "CREATE ROLE app LOGIN PASSWORD 'x';",
        "IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') THEN EXECUTE 'CREATE ROLE app LOGIN'; END IF;",
    ] {
        let up = format!("DO $$ BEGIN {make} ALTER TABLE users OWNER TO app; END $$;\n");
        let told = passes(&up, "ALTER TABLE users OWNER TO CURRENT_USER;\nDROP ROLE app;\n");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].1.contains("behind where it makes \"app\""), "{told:?}");
    }
}

#[test]
fn what_a_member_needs_is_said_as_it_was_run() {
    let (make, give) = ("CREATE ROLE app;\n", "ALTER TABLE users OWNER TO app;\n");
    let down = "ALTER TABLE users OWNER TO CURRENT_USER;\nDROP ROLE app;\n";
    let told = passes(&format!("{make}{give}"), down);
    let (before, after) = told[0].1.split_once("\nand this after it:").expect("two parts");
    let statements =
        |part: &str| -> String { part.split_inclusive('\n').filter(|line| line.starts_with("  ")).collect() };
    let (before, after) = (statements(before), statements(after));
    assert_eq!(before, "  GRANT app TO CURRENT_USER;\n  GRANT CREATE ON SCHEMA public TO app;");
    assert_eq!(passes(&format!("{make}{before}\n{give}{after}\n"), down), []);
}

#[test]
fn a_role_stays_handed_to_for_the_migrations_after_it_and_for_rows() {
    let repo = Sandbox::new();
    repo.migration(
        2,
        "give",
        "CREATE ROLE app;\nALTER TABLE users OWNER TO app;\n",
        "ALTER TABLE users OWNER TO CURRENT_USER;\nDROP ROLE app;\n",
    );
    repo.commit(&[]).ok();
    repo.migration(3, "unique", "CREATE UNIQUE INDEX one ON users (email);\n", "DROP INDEX one;\n");
    repo.commit(&[]).failed().says("error[data.unique]").does_not_say("apply.");
}

#[test]
fn rows_are_found_where_the_migration_itself_hands_the_table_over() {
    let repo = Sandbox::new();
    let up = "CREATE ROLE app;\nALTER TABLE users OWNER TO app;\nALTER TABLE users ALTER email SET NOT NULL;\n";
    repo.migration(2, "it", up, "ALTER TABLE users ALTER email DROP NOT NULL;\nDROP OWNED BY app;\nDROP ROLE app;\n");
    repo.migd(&["check"]).failed().says("error[data.not-null]").says("tried over these rows, the migration passes");
}

#[test]
fn an_owner_that_down_does_not_give_back_is_said() {
    let repo = Sandbox::new();
    repo.migration(2, "it", "CREATE ROLE app;\nALTER TABLE users OWNER TO app;\n", "SELECT 1;\n");
    repo.migd(&["check"]).failed().says("table users: owner was postgres, is app after down");
}

#[test]
fn what_a_superuser_could_not_do_in_a_roles_name_is_refused_as_before() {
    let make = "CREATE ROLE app;\n";
    assert_eq!(
        codes(&format!("{make}SET ROLE app;\nCREATE TABLE t (id int);\n")),
        ["apply.permission", "apply.membership"]
    );
    assert_eq!(
        codes(&format!("{make}SET SESSION AUTHORIZATION app;\nCREATE TABLE t (id int);\n")),
        ["apply.permission", "apply.membership"]
    );
    // A member's session has another user of its own than a superuser's that became the role.
    for more in ["SELECT session_user;", "SET ROLE app;", "RESET ROLE;"] {
        assert_eq!(codes(&format!("{make}SET SESSION AUTHORIZATION app;\n{more}\n")), ["apply.permission"], "{more}");
    }
    let lent = "CREATE FUNCTION f() RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE t (id int); END $$;
        ALTER FUNCTION f() OWNER TO app;\nSELECT f();\n";
    assert_eq!(codes(&format!("{make}{lent}")), ["apply.permission", "apply.membership"]);
}

#[test]
fn a_role_of_another_repository_is_not_there() {
    let other = Sandbox::new();
    other.migration(
        2,
        "role",
        "CREATE ROLE theirs;\nALTER TABLE users OWNER TO theirs;\n",
        "ALTER TABLE users OWNER TO CURRENT_USER;\nDROP ROLE theirs;\n",
    );
    other.commit(&[]).ok();
    assert_eq!(codes("ALTER TABLE users OWNER TO theirs;\n"), ["apply.error"]);
    // Nor by the name that it has meanwhile, or by what this role is a member of.
    let look =
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_auth_members WHERE member = 'postgres'::regrole AND roleid >= 16384)
        THEN RAISE EXCEPTION 'still a member'; END IF; END $$;\n";
    assert_eq!(codes(look), NONE);
}

#[test]
fn a_migrations_own_database_may_have_its_name() {
    let told = passes(
        "CREATE ROLE app;\nGRANT CONNECT ON DATABASE shop TO app;\nALTER DATABASE shop SET timezone = 'UTC';
         ALTER ROLE app IN DATABASE shop SET search_path = x;\nALTER DATABASE postgres SET work_mem = '7MB';
         DO $$ BEGIN EXECUTE 'REVOKE CONNECT ON DATABASE \"shop\" FROM PUBLIC'; END $$;\n",
        "ALTER DATABASE shop RESET timezone;\nALTER DATABASE shop RESET work_mem;\n\
         GRANT CONNECT ON DATABASE shop TO PUBLIC;\nDROP OWNED BY app;\nDROP ROLE app;\n",
    );
    let about: Vec<&str> =
        told.iter().filter(|(code, _)| code == "apply.database").map(|(_, text)| text.as_str()).collect();
    assert_eq!(about.len(), 2, "up's and down's: {told:?}");
    assert!(about.iter().any(|text| text.contains("\"postgres\", \"shop\"")), "{told:?}");
}

#[test]
fn a_role_of_an_earlier_migration_can_be_dropped() {
    let repo = Sandbox::new();
    let grant = "CREATE ROLE app;\nGRANT SELECT ON users TO app;\nGRANT CONNECT ON DATABASE shop TO app;\n";
    repo.migration(2, "role", grant, "DROP OWNED BY app;\nDROP ROLE app;\n");
    repo.commit(&[]).ok();
    // In databases beside this one it is granted what it is granted here.
    let back = grant;
    for up in [
        "REVOKE ALL ON users FROM app;\nREVOKE ALL ON DATABASE shop FROM app;\nDROP ROLE app;\n",
        "BEGIN;\nREVOKE ALL ON users FROM app;\nREVOKE ALL ON DATABASE shop FROM app;\nDROP ROLE app;\nCOMMIT;\n",
        "DO $$ BEGIN DROP OWNED BY app; DROP ROLE app; END $$;\n",
    ] {
        repo.migration(3, "drop", up, back);
        let ran = repo.migd(&["check"]);
        ran.ok().says("migd: migrations: pass");
    }
    repo.migration(3, "drop", "DROP ROLE app;\n", back);
    repo.migd(&["check"])
        .failed()
        .says("cannot be dropped because some objects depend on it")
        .says("privileges for table users")
        .does_not_say("in database migd_");
    // And it is still there for those that begin where it is.
    repo.migration(3, "drop", "GRANT INSERT ON users TO app;\n", "REVOKE INSERT ON users FROM app;\n");
    repo.commit(&[]).ok();
}

#[test]
fn what_an_earlier_migration_granted_on_the_database_is_granted_on_the_one_that_is_judged() {
    let repo = Sandbox::new();
    let grant = "CREATE ROLE \"the app\";\nCREATE ROLE reader;\nREVOKE ALL ON DATABASE shop FROM PUBLIC;
        GRANT CONNECT, TEMPORARY ON DATABASE shop TO \"the app\" WITH GRANT OPTION;\nGRANT CREATE ON DATABASE shop TO reader;\n";
    let back = "GRANT CONNECT, TEMPORARY ON DATABASE shop TO PUBLIC;\nDROP OWNED BY \"the app\", reader;
        DROP ROLE \"the app\";\nDROP ROLE reader;\n";
    repo.migration(2, "role", grant, back);
    repo.commit(&[]).ok();
    let dropped = |up: &str| {
        repo.migration(3, "drop", up, "SELECT 1;\n");
        repo.migd(&["check"])
    };
    for up in ["DROP ROLE \"the app\";\n", "BEGIN;\nDROP ROLE \"the app\";\nCOMMIT;\n"] {
        let ran = dropped(up).failed().says("cannot be dropped because some objects depend on it");
        ran.says("privileges for the database that is migrated").does_not_say("database migd_");
    }
    dropped("DROP OWNED BY reader;\nDROP ROLE reader;\n").does_not_say("error[apply.");
    // What that took from the databases that wait, too, is granted again.
    dropped("DROP ROLE  reader;\n").failed().says("privileges for the database that is migrated");
    let rights = "SELECT string_agg(format('%s %s %s', coalesce(rolname, 'PUBLIC'), privilege_type, is_grantable), ', '
            ORDER BY rolname, privilege_type)
        FROM pg_database, aclexplode(datacl) LEFT JOIN pg_roles r ON r.oid = grantee
        WHERE datname = current_database() AND grantee <> datdba";
    let expected = "reader CREATE f, the app CONNECT t, the app TEMPORARY t";
    let look = format!(
        "DO $$ BEGIN IF ({rights}) <> '{expected}' THEN RAISE EXCEPTION 'granted is: %', ({rights}); END IF;
             IF has_database_privilege('public', current_database(), 'CONNECT') THEN RAISE 'everybody'; END IF; END $$;
         SET ROLE \"the app\";\nGRANT CONNECT ON DATABASE shop TO reader;\nRESET ROLE;\n"
    );
    let back = "SET ROLE \"the app\";\nREVOKE CONNECT ON DATABASE shop FROM reader;\nRESET ROLE;\n";
    repo.migration(3, "drop", &look, back);
    repo.commit(&[]).does_not_say("error[");
    // A migration on, with what this one granted in the other role's name.
    let look = format!(
        "DO $$ BEGIN IF ({rights}) <> 'reader CONNECT f, {expected}' THEN RAISE EXCEPTION 'granted is: %', ({rights});
             END IF; END $$;\n"
    );
    repo.migration(4, "look", &look, "SELECT 1;\n");
    repo.commit(&[]).does_not_say("error[");
}

#[test]
fn a_role_that_only_production_has_is_made_as_the_finding_says() {
    for up in [
        "GRANT SELECT ON users TO readonly;",
        "ALTER TABLE users OWNER TO readonly;",
        "ALTER DEFAULT PRIVILEGES FOR ROLE readonly GRANT SELECT ON TABLES TO PUBLIC;",
        "SET ROLE readonly;\nRESET ROLE;",
        "CREATE SCHEMA s AUTHORIZATION readonly;",
        "CREATE POLICY p ON users TO readonly USING (true);",
        "REASSIGN OWNED BY readonly TO CURRENT_USER;",
        "DROP OWNED BY readonly;",
        "CREATE ROLE app IN ROLE readonly;",
        "DO $$ BEGIN EXECUTE 'GRANT SELECT ON users TO readonly'; END $$;",
    ] {
        let repo = Sandbox::new();
        repo.configure("[[migrations]]\npath = \"migrations\"\nlayout = \"golang-migrate\"\n");
        repo.migration(2, "it", up, "");
        let report = repo.check(&["--staged"]);
        let help = report["findings"][0]["help"].as_str().unwrap_or_else(|| panic!("{up}: {report}")).to_owned();
        let quoted: Vec<&str> = help.split('`').skip(1).step_by(2).collect();
        let [make, setup] = quoted.as_slice() else { panic!("{up}: {help}") };
        repo.write("db/before.sql", make);
        repo.configure(&format!("[[migrations]]\npath = \"migrations\"\nlayout = \"golang-migrate\"\n{setup}\n"));
        repo.git(&["add", "db"]);
        repo.migd(&["check"]).does_not_say("error[apply.");
    }
}
