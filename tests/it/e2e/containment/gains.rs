//! Ways to a superuser's rights: traps that migd's own administrator would step into, and statements that are run for a
//! migration with more rights than it has. Each trap writes a file when it is sprung by a superuser; none may.

use super::ground::grounds;

/// Takes the server, if whoever runs it may run programs.
const TRAP: &str = "CREATE FUNCTION public.take() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    COPY (SELECT 1) TO PROGRAM 'cat >taken'; RETURN true; EXCEPTION WHEN insufficient_privilege THEN RETURN false; END $$;\n";

/// Functions that fit better than the server's own wherever names are looked up.
fn shadows(schema: &str) -> String {
    let shadow = |name: &str, arguments: &str, result: &str, value: &str| {
        format!(
            "CREATE FUNCTION {schema}.{name}({arguments}) RETURNS {result} LANGUAGE plpgsql AS
             $$ BEGIN PERFORM public.take(); RETURN {value}; END $$;\n"
        )
    };
    [
        shadow("to_jsonb", "pg_catalog.pg_auth_members", "jsonb", "'{}'::jsonb"),
        shadow("to_jsonb", "pg_catalog.pg_authid", "jsonb", "'{}'::jsonb"),
        shadow("to_jsonb", "pg_catalog.pg_db_role_setting", "jsonb", "'{}'::jsonb"),
        shadow("quote_ident", "name", "text", "pg_catalog.quote_ident($1::text)"),
        shadow("format_type", "oid, int4", "text", "pg_catalog.format_type($1, $2)"),
        shadow("pg_get_userbyid", "regrole", "name", "pg_catalog.pg_get_userbyid($1)"),
        shadow("pg_backend_pid", "VARIADIC int4[]", "int4", "0"),
        shadow("md5", "name", "text", "''"),
        format!(
            "CREATE FUNCTION {schema}.same(name, name) RETURNS boolean LANGUAGE plpgsql AS
             $$ BEGIN PERFORM public.take(); RETURN $1::text = $2::text; END $$;
             CREATE OPERATOR {schema}.= (LEFTARG = name, RIGHTARG = name, FUNCTION = {schema}.same);\n"
        ),
    ]
    .concat()
}

/// What is in the chain before a migration that changes rows and can be undone, which looks at everything.
fn traps() -> Vec<(&'static str, String)> {
    let first = "INSERT INTO users (id) VALUES (1);\n";
    let cast = "CREATE FUNCTION as_text(users) RETURNS text LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.take(); RETURN 'x'; END $$;\nCREATE CAST (users AS text) WITH FUNCTION as_text(users);\n";
    let constant = "CREATE FUNCTION fold(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.take(); RETURN 1; END $$;\nCREATE INDEX ON users ((id + fold(1)));
        CREATE INDEX ON users (id) WHERE id > fold(2);\n";
    let guarded = "CREATE POLICY p ON users USING (take() IS NOT NULL);
        ALTER TABLE users ENABLE ROW LEVEL SECURITY;\nALTER TABLE users FORCE ROW LEVEL SECURITY;\n";
    let expressions = "ALTER TABLE users ADD CHECK (take() IS NOT NULL);\nALTER TABLE users ALTER email SET DEFAULT take()::text;
        CREATE VIEW v AS SELECT take() AS taken;\nCREATE MATERIALIZED VIEW m AS SELECT take() AS taken;
        CREATE DOMAIN d AS text CHECK (take() IS NOT NULL);\nCREATE TABLE t (d d DEFAULT 'x');\nINSERT INTO t DEFAULT VALUES;
        CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM take(); RETURN NEW; END $$;
        CREATE TRIGGER fire BEFORE INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION fire();
        CREATE RULE r AS ON INSERT TO t DO ALSO SELECT take();
        CREATE FUNCTION lent() RETURNS boolean SECURITY DEFINER LANGUAGE sql AS 'SELECT take()';
        CREATE STATISTICS s ON (lower(email)), id FROM users;\n";
    let events =
        "CREATE FUNCTION fire() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.take(); END $$;
        CREATE EVENT TRIGGER a ON ddl_command_start EXECUTE FUNCTION fire();
        CREATE EVENT TRIGGER b ON ddl_command_end EXECUTE FUNCTION fire();
        CREATE EVENT TRIGGER c ON sql_drop EXECUTE FUNCTION fire();\n";
    vec![
        ("names in public", shadows("public")),
        ("names in the administrator's schema", format!("CREATE SCHEMA migd_admin;\n{}", shadows("migd_admin"))),
        ("a cast of a table's rows", format!("{first}{cast}")),
        ("an index's expression", format!("{first}{constant}")),
        ("a policy", format!("{first}{guarded}")),
        ("checks, defaults, views, triggers, rules", format!("{first}{expressions}")),
        ("event triggers", events.to_owned()),
    ]
}

#[test]
fn no_trap_in_a_chain_is_sprung_by_the_administrator() {
    for ground in grounds() {
        for (name, trap) in traps() {
            let repo = ground.repository();
            repo.migration(2, "trap", format!("{TRAP}{trap}"), "SELECT 1;\n");
            let report = repo.check(&["--staged"]);
            assert_ne!(report["outcome"], "error", "{}, {name}: {report}", ground.engine);
            let applies = report["findings"]
                .as_array()
                .unwrap()
                .iter()
                .all(|f| !f["code"].as_str().unwrap().starts_with("apply."));
            assert!(applies, "{}, {name}: {report}", ground.engine);
            repo.commit(&["--no-verify"]).ok();
            let up = "INSERT INTO users (id) VALUES (7);\nCREATE EXTENSION pgstattuple;\nCREATE PUBLICATION p FOR ALL TABLES;\n";
            let down = "DROP PUBLICATION p;\nDROP EXTENSION pgstattuple;\nDELETE FROM users WHERE id = 7;\n";
            repo.migration(3, "look", up, down);
            let report = repo.check(&["--staged"]);
            assert_ne!(report["outcome"], "error", "{}, {name}: {report}", ground.engine);
            assert!(!ground.is_taken(), "{}: {name}", ground.engine);
        }
        ground.repository().next_good_one_passes();
    }
}

#[test]
fn what_runs_in_another_session_meanwhile_does_not_get_the_rights_that_are_lent() {
    // Whoever reads the rows of a clone that is made ahead is kept busy, and tries all the while. A session notices that it
    // has other rights when it locks what it has not locked before.
    let trap = TRAP.replace("BEGIN", "BEGIN PERFORM FROM pg_catalog.pg_amop LIMIT 0;");
    let slow = "INSERT INTO users (id) VALUES (1);\nCREATE FUNCTION as_text(users) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
        LOOP PERFORM public.take(); EXIT WHEN clock_timestamp() > now() + interval '1 second'; PERFORM pg_sleep(0.002); END LOOP;
        RETURN 'x'; END $$;\nCREATE CAST (users AS text) WITH FUNCTION as_text(users);\n";
    for ground in grounds() {
        let repo = ground.repository();
        repo.migration(2, "trap", format!("{trap}{slow}"), "SELECT 1;\n");
        repo.commit(&["--no-verify"]).ok();
        for version in 3..6 {
            let up = format!("-- {version}\nCREATE EXTENSION pgstattuple;\n");
            // Nothing here makes the judgement itself read the rows.
            repo.migration(version, "look", up, "SELECT 1;\n");
            let report = repo.check(&["--staged"]);
            assert_ne!(report["outcome"], "error", "{}: {report}", ground.engine);
            repo.git(&["reset", "--quiet", "--hard"]);
        }
        assert!(!ground.is_taken(), "{}", ground.engine);
    }
}

#[test]
fn a_login_trigger_does_not_greet_the_administrator() {
    for ground in grounds().into_iter().filter(|ground| ground.has_login_triggers()) {
        let repo = ground.repository();
        let up =
            "CREATE FUNCTION fire() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.take(); END $$;
            CREATE EVENT TRIGGER l ON login EXECUTE FUNCTION fire();\nALTER EVENT TRIGGER l ENABLE ALWAYS;\n";
        repo.migration(
            2,
            "trap",
            format!("{TRAP}{up}"),
            "DROP EVENT TRIGGER l;\nDROP FUNCTION fire;\nDROP FUNCTION take;\n",
        );
        repo.check(&["--staged"]);
        repo.commit(&["--no-verify"]).ok();
        repo.migration(3, "next", "SELECT 1;\n", "SELECT 1;\n");
        assert_ne!(repo.check(&["--staged"])["outcome"], "error");
        assert!(!ground.is_taken(), "{}", ground.engine);
    }
}

#[test]
fn a_login_trigger_that_refuses_everybody_is_named() {
    for ground in grounds().into_iter().filter(|ground| ground.has_login_triggers()) {
        let repo = ground.repository();
        let up = "CREATE FUNCTION close() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'closed'; END $$;
            CREATE EVENT TRIGGER l ON login EXECUTE FUNCTION close();\n";
        repo.migration(2, "closed", up, "DROP EVENT TRIGGER l;\nDROP FUNCTION close;\n");
        repo.commit(&["--no-verify"]).ok();
        repo.migration(3, "next", "SELECT 1;\n", "SELECT 1;\n");
        repo.migd(&["check"]).says("closed (P0001)").says("a login trigger of the chain refuses every session");
    }
}

#[test]
fn a_lent_right_is_for_one_statement_as_the_server_reads_it() {
    let hidden = "SET standard_conforming_strings = off;
        COMMENT ON EXTENSION plpgsql IS 'x\\' , '; COPY (SELECT 1) TO PROGRAM $c$cat >taken$c$ --';\n";
    let after = "BEGIN;\nCREATE EXTENSION pgstattuple;\nCOPY (SELECT 1) TO PROGRAM 'cat >taken';\nCOMMIT;\n";
    for ground in grounds() {
        for up in [hidden, after] {
            let repo = ground.repository();
            repo.migration(2, "it", up, "SELECT 1;\n");
            repo.migd(&["check"]).says("migd: migrations:");
            assert!(!ground.is_taken(), "{}: {up}", ground.engine);
        }
    }
}

#[test]
fn an_extensions_script_does_not_run_a_migrations_functions() {
    // Found in `public` before the extension's own where the arguments fit better.
    let planted = format!(
        "{TRAP}{}CREATE FUNCTION public.format(text, name) RETURNS text LANGUAGE plpgsql AS
         $$ BEGIN PERFORM public.take(); RETURN ''; END $$;\n",
        shadows("public")
    );
    let extensions =
        ["earthdistance CASCADE", "pgstattuple", "amcheck", "xml2", "pg_stat_statements", "intagg", "bloom"];
    for ground in grounds() {
        for extension in extensions {
            let repo = ground.repository();
            repo.migration(2, "it", format!("{planted}CREATE EXTENSION {extension};\n"), "SELECT 1;\n");
            repo.migd(&["check"]).says("migd: migrations:");
            assert!(!ground.is_taken(), "{}: {extension}", ground.engine);
        }
    }
}
