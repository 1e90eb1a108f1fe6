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
    assert_eq!(codes_of(up, "ALTER TABLE t OWNER TO pg_monitor;\nDROP TABLE t;\n"), ["apply.permission"]);
}
