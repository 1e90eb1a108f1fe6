//! One statement each, refused by name or stopped at its bound; and the next migration is judged as ever.

use super::ground::{Ground, grounds};
use crate::support::sandbox::Sandbox;

/// What is refused, and under which code.
const REFUSED: &[(&str, &str)] = &[
    // Programs.
    ("COPY (SELECT 1) TO PROGRAM 'cat >taken';", "apply.permission"),
    ("COPY users (email) FROM PROGRAM 'id';", "apply.permission"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc.so.6', 'getpid';", "apply.permission"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'pg_backend_pid';", "apply.permission"),
    ("LOAD '/tmp/evil.so';", "apply.permission"),
    ("CREATE EXTENSION plpython3u;", "apply."),
    ("CREATE EXTENSION plperlu;", "apply."),
    // Files.
    ("COPY users (email) FROM '/etc/passwd';", "apply.permission"),
    ("COPY users TO '/tmp/users';", "apply.permission"),
    ("SELECT pg_read_file('/etc/passwd');", "apply.permission"),
    ("SELECT pg_read_binary_file('PG_VERSION');", "apply.permission"),
    ("SELECT pg_ls_dir('.');", "apply.permission"),
    ("SELECT pg_stat_file('PG_VERSION');", "apply.permission"),
    ("SELECT lo_import('/etc/passwd');", "apply.permission"),
    ("SELECT lo_export(lo_from_bytea(0, 'x'), '/tmp/x');", "apply.permission"),
    ("CREATE EXTENSION adminpack;", "apply."),
    ("CREATE EXTENSION file_fdw;\nCREATE SERVER s FOREIGN DATA WRAPPER file_fdw;", "apply.permission"),
    ("CREATE TABLESPACE t LOCATION '/tmp';", "apply.permission"),
    // The network, and other databases by way of it.
    ("CREATE EXTENSION dblink;", "apply.permission"),
    ("CREATE EXTENSION \"dblink\" CASCADE;", "apply.permission"),
    ("CREATE EXTENSION U&\"\\0064blink\";", "apply.permission"),
    ("CREATE EXTENSION postgres_fdw;\nCREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw;", "apply.permission"),
    ("CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p;", "apply.permission"),
    ("CREATE EXTENSION pg_walinspect;", "apply."),
    // Rights.
    ("SET ROLE migd_admin;", "apply.permission"),
    ("SET SESSION AUTHORIZATION migd_admin;", "apply.permission"),
    ("GRANT migd_admin TO CURRENT_USER;", "apply.permission"),
    ("GRANT pg_execute_server_program TO CURRENT_USER;", "apply."),
    ("GRANT pg_read_server_files TO CURRENT_USER;", "apply."),
    ("ALTER ROLE postgres SUPERUSER;", "apply.permission"),
    ("ALTER ROLE postgres REPLICATION;", "apply.permission"),
    ("CREATE ROLE boss SUPERUSER;", "apply.permission"),
    ("ALTER ROLE migd_admin PASSWORD 'mine';", "apply.permission"),
    ("ALTER ROLE migd_admin SET search_path = evil;", "apply.permission"),
    ("UPDATE pg_catalog.pg_authid SET rolsuper = true;", "apply.permission"),
    ("SET allow_system_table_mods = on;", "apply.permission"),
    // The server, for others.
    ("ALTER SYSTEM SET shared_buffers = '1kB';", "apply.permission"),
    ("ALTER ROLE ALL SET work_mem = '1kB';", "apply.permission"),
    ("ALTER DATABASE template1 SET work_mem = '1MB';", "apply.permission"),
    ("DROP DATABASE template1;", "apply.permission"),
    ("SELECT 1;\nDROP DATABASE postgres;", "apply."),
    ("SELECT pg_reload_conf();", "apply.permission"),
    ("SELECT pg_rotate_logfile();", "apply.permission"),
    ("SELECT pg_promote();", "apply.permission"),
    ("SELECT pg_switch_wal();", "apply.permission"),
    ("SET temp_file_limit = -1;", "apply.permission"),
    ("SET log_min_messages = debug5;", "apply.permission"),
    ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'migd_admin';", "apply.permission"),
    ("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'migd_admin';", "apply.permission"),
    // Bounds: whichever comes first.
    ("DO $$ BEGIN LOOP END LOOP; END $$;", "apply.timeout"),
    ("SELECT pg_sleep(1000);", "apply.timeout"),
    ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n FROM r) SELECT count(*) FROM r;", "apply."),
    ("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM f(); END $$;\nSELECT f();", "apply.error"),
    ("CREATE TABLE big AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 10000000);", "apply."),
    ("CREATE TEMP TABLE big AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 10000000);", "apply."),
    ("SELECT count(*) FROM (SELECT x FROM generate_series(1, 100000000) x ORDER BY x::text OFFSET 0) s;", "apply."),
    ("SELECT array_agg(repeat('x' || n, 200000000)) FROM generate_series(1, 40) n;", "apply."),
    ("BEGIN;\nPREPARE TRANSACTION 'left';", "apply."),
];

/// The codes of what keeps `up` from being applied.
#[track_caller]
fn codes(ground: &Ground, repo: &Sandbox, up: &str) -> Vec<String> {
    repo.migration(2, "it", up, "SELECT 1;\n");
    let report = repo.check(&["--staged"]);
    assert_ne!(report["outcome"], "error", "{} {up}: {report}", ground.engine);
    let findings = report["findings"].as_array().into_iter().flatten();
    findings.filter_map(|f| f["code"].as_str()).filter(|code| code.starts_with("apply.")).map(str::to_owned).collect()
}

#[test]
fn what_would_reach_outside_its_own_database_is_refused_by_name() {
    for ground in grounds() {
        let repo = ground.repository();
        for (up, code) in REFUSED {
            let found = codes(ground, &repo, up);
            assert!(found.iter().any(|found| found.starts_with(code)), "{}: {up}: {found:?}", ground.engine);
            assert!(
                !found.iter().any(|found| found.starts_with("apply.connection")),
                "{}: {up}: {found:?}",
                ground.engine
            );
        }
        assert!(!ground.is_taken(), "{}", ground.engine);
        ground.repository().next_good_one_passes();
    }
}

#[test]
fn a_database_that_is_named_is_the_judged_one() {
    for ground in grounds() {
        for up in ["ALTER DATABASE postgres SET work_mem = '7MB';\n", "COMMENT ON DATABASE postgres IS 'taken';\n"] {
            assert_eq!(codes(ground, &ground.repository(), up), ["apply.database"], "{}: {up}", ground.engine);
        }
        let set =
            "SELECT 'set' FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
                   WHERE d.datname = 'postgres'";
        let said = "SELECT 'said' FROM pg_catalog.pg_shdescription WHERE description = 'taken'
                    AND objoid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = 'postgres')";
        for changed in [set, said] {
            assert_eq!(ground.asked(changed), [""; 0], "{}", ground.engine);
        }
    }
}

#[test]
fn other_databases_are_not_a_migrations_to_change() {
    let up = "DO $$ DECLARE d name; n integer := 0; BEGIN
        FOR d IN SELECT datname FROM pg_database WHERE datname <> current_database() LOOP
            n := n + 1;
            BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''1MB''', d); RAISE EXCEPTION 'reached %', d;
            EXCEPTION WHEN insufficient_privilege THEN NULL; END;
            BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 0', d); RAISE EXCEPTION 'reached %', d;
            EXCEPTION WHEN insufficient_privilege THEN NULL; END;
        END LOOP;
        IF n < 5 THEN RAISE EXCEPTION 'there are only % others', n; END IF; END $$;\n";
    for ground in grounds() {
        let ground = ground.apart();
        // Templates and waiting clones of another repository.
        // Without the search for rows, which goes on in clones that the migration owns as well.
        let other = ground.repository();
        other.configure("[rows]\nenabled = false\n");
        other.git(&["commit", "--quiet", "--no-verify", "--message", "rows"]);
        other.next_good_one_passes();
        let repo = ground.repository();
        repo.configure("[rows]\nenabled = false\n");
        repo.migration(2, "first", "ALTER TABLE users ADD COLUMN a integer;\n", "ALTER TABLE users DROP COLUMN a;\n");
        repo.commit(&[]).ok();
        // What has been judged is still being thrown away.
        let own =
            "SELECT datname::text FROM pg_catalog.pg_database WHERE pg_catalog.pg_get_userbyid(datdba) = 'postgres'";
        crate::support::realm::eventually("nothing is judged", || ground.asked(own).is_empty());
        repo.migration(3, "it", up, "SELECT 1;\n");
        repo.migd(&["check"]).does_not_say("reached").does_not_say("there are only").ok();
        repo.next_good_one_passes();
    }
}

#[test]
fn what_a_session_leaves_behind_ends_with_it() {
    for ground in grounds() {
        let repo = ground.repository();
        let up = "SELECT pg_advisory_lock(1);\nLISTEN x;\nCREATE TEMP TABLE t (a int);\n\
            DECLARE c CURSOR WITH HOLD FOR SELECT 1;\nPREPARE p AS SELECT 1;\nSET work_mem = '1MB';\n";
        repo.migration(2, "it", up, "SELECT pg_advisory_lock(2);\n");
        repo.commit(&["--no-verify"]).ok();
        repo.migration(
            3,
            "more",
            "SELECT 1 / (count(*) = 0)::int FROM pg_locks WHERE locktype = 'advisory';\n",
            "SELECT 1;\n",
        );
        repo.commit(&[]).does_not_say("division");
        repo.next_good_one_passes();
    }
}

#[test]
fn databases_that_a_migration_makes_do_not_stay() {
    for ground in grounds() {
        let repo = ground.repository();
        // Before 16 a role that makes roles can give itself this right.
        let allow = "ALTER ROLE postgres CREATEDB;\n";
        ground.repository().next_good_one_passes();
        if ground.major() >= 16 {
            assert_eq!(codes(ground, &repo, allow), ["apply.permission"]);
            continue;
        }
        repo.migration(2, "it", allow, "ALTER ROLE postgres NOCREATEDB;\n");
        repo.commit(&["--no-verify"]).ok();
        repo.migration(3, "junk", "CREATE DATABASE junk IS_TEMPLATE true;\n", "SELECT 1;\n");
        repo.migd(&["check"]).says("migd: migrations:");
        repo.next_good_one_passes();
        let there = || ground.asked("SELECT datname::text FROM pg_catalog.pg_database").contains(&"junk".to_owned());
        crate::support::realm::eventually("it is gone", || !there());
    }
}

#[test]
fn roles_that_look_like_migds_own_hinder_nobody() {
    for ground in grounds() {
        let repo = ground.repository();
        let up = "CREATE ROLE a;\nDO $$ DECLARE n bigint := (SELECT oid FROM pg_roles WHERE rolname = 'a'); BEGIN
            FOR i IN n - 5 .. n + 200 LOOP EXECUTE format('CREATE ROLE migd_hidden_%s', i); END LOOP; END $$;\n";
        repo.migration(2, "it", up, "SELECT 1;\n");
        repo.migd(&["check"]).says("migd: migrations:").does_not_say("engine.");
        ground.repository().next_good_one_passes();
        let left = || ground.asked("SELECT rolname::text FROM pg_catalog.pg_authid WHERE rolname ~ '^migd_hidden'");
        crate::support::realm::eventually("they are gone", || left().len() < 20);
    }
}

#[test]
fn what_migrations_need_of_an_administrator_works_or_names_the_way() {
    for ground in grounds() {
        for up in [
            "CREATE ROLE app LOGIN;\nGRANT SELECT ON users TO app;\n",
            "CREATE EXTENSION citext;\nCREATE EXTENSION pgstattuple;\n",
            "CREATE EXTENSION earthdistance CASCADE;\n",
            "CREATE EXTENSION file_fdw;\n",
            "CREATE PUBLICATION p FOR ALL TABLES;\n",
            "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;\n\
             CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION f();\n",
            "COMMENT ON EXTENSION plpgsql IS 'it''s';\n",
            "SET session_replication_role = replica;\nRESET session_replication_role;\n",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;\n",
        ] {
            assert_eq!(codes(ground, &ground.repository(), up), [""; 0], "{}: {up}", ground.engine);
        }
    }
}

#[test]
fn what_an_owner_gives_itself_is_of_its_own_chain_and_ends_with_it() {
    let theirs =
        "SELECT r.rolname::text FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
        WHERE m.member = 'postgres'::regrole AND r.oid >= 16384";
    let reach = "DO $$ DECLARE r name; BEGIN
        FOR r IN SELECT rolname FROM pg_roles WHERE rolname <> current_user AND oid >= 16384 AND pg_has_role(oid, 'USAGE') LOOP
            RAISE EXCEPTION 'reached %', r; END LOOP; END $$;\n";
    for ground in grounds() {
        let repo = ground.repository();
        repo.migration(
            2,
            "it",
            "CREATE ROLE app;\nALTER TABLE users OWNER TO app;\n",
            "ALTER TABLE users OWNER TO postgres;\nDROP ROLE app;\n",
        );
        repo.commit(&[]).ok().says("apply.membership");
        assert_eq!(codes(ground, &ground.repository(), reach), [""; 0], "{}", ground.engine);
        assert_eq!(
            codes(ground, &ground.repository(), "ALTER TABLE users OWNER TO app;\n"),
            ["apply.error"],
            "{}",
            ground.engine
        );
        // Neither the administrator, whom a name would lead to.
        for up in ["ALTER TABLE users OWNER TO migd_admin;\n", "DROP OWNED BY migd_admin;\n", "SET ROLE migd_admin;\n"]
        {
            assert_eq!(codes(ground, &ground.repository(), up), ["apply.permission"], "{}: {up}", ground.engine);
        }
        ground.repository().next_good_one_passes();
        assert_eq!(ground.asked(theirs), [""; 0], "{}", ground.engine);
    }
}

#[test]
fn what_is_only_let_through_in_a_container_says_so() {
    let class =
        "CREATE OPERATOR CLASS c FOR TYPE int4 USING btree AS OPERATOR 1 <, FUNCTION 1 btint4cmp(int4, int4);\n";
    let late = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';\nCREATE EXTENSION earthdistance CASCADE;\n";
    for ground in grounds() {
        for up in [class, late] {
            let repo = ground.repository();
            repo.migration(2, "it", up, "SELECT 1;\n");
            let ran = repo.migd(&["check"]);
            match ground.engine {
                "local" => drop(ran.says("error[apply.permission]").says("in a container")),
                _ => drop(ran.does_not_say("apply.permission")),
            }
        }
    }
}
