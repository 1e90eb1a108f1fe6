//! Files that are not what a migration should be: each is judged with a clear finding, at its line.

use std::fs;

use serde_json::Value;

use crate::support::sandbox::{GOOD, GOOD_DOWN, Sandbox};

/// The findings about a second migration with this up, as `migd check --format json` gives them.
fn findings(up: impl AsRef<[u8]>, down: impl AsRef<[u8]>) -> Vec<Value> {
    let repo = Sandbox::new();
    repo.migration(2, "it", up, down);
    findings_of(&repo)
}

fn findings_of(repo: &Sandbox) -> Vec<Value> {
    let mut report = repo.check(&[]);
    assert_eq!(report["schema"], 1, "{report}");
    serde_json::from_value(report["findings"].take()).unwrap()
}

/// There is this finding and no other, at this line.
#[track_caller]
fn is_only(findings: &[Value], code: &str, line: u64) {
    let [finding] = findings else { panic!("one finding was expected: {findings:#?}") };
    assert_eq!(finding["code"], code, "{finding:#}");
    assert_eq!(finding["line"], line, "{finding:#}");
    assert!(finding["path"].as_str().is_some_and(|path| path.contains("/2_it.")), "{finding:#}");
}

#[track_caller]
fn is_none(findings: &[Value]) {
    assert!(findings.is_empty(), "no finding was expected: {findings:#?}");
}

#[test]
fn an_empty_file_is_said_to_be_empty() {
    let found = findings("", "");
    assert!(found.iter().any(|f| f["code"] == "apply.empty" && f["path"] == "migrations/2_it.up.sql"), "{found:#?}");
}

#[test]
fn a_file_of_comments_is_said_to_be_empty() {
    let found = findings("-- nothing\n/* yet */ ;\n", GOOD_DOWN);
    assert!(found.iter().any(|f| f["code"] == "apply.empty" && f["path"] == "migrations/2_it.up.sql"), "{found:#?}");
}

#[test]
fn a_byte_order_mark_is_said_where_the_runner_sends_it() {
    let found = findings(format!("\u{feff}{GOOD}"), GOOD_DOWN);
    assert_eq!(found[0]["code"], "apply.encoding", "{found:#?}");
    assert!(found[0]["message"].as_str().unwrap().contains("byte order mark"), "{found:#?}");
}

/// A set with a step in Go between two of SQL, which is replaced by `db/steps/2.sql`.
fn with_a_step_in_go() -> Sandbox {
    let repo = Sandbox::empty(Sandbox::new().realm());
    repo.write(
        "db/00001_users.sql",
        "-- +goose Up\nCREATE TABLE users (id bigint PRIMARY KEY);\n-- +goose Down\nDROP TABLE users;\n",
    );
    repo.write("db/00002_fill.go", "package db\n");
    repo.configure("[[migrations]]\npath = \"db\"\nlayout = \"goose\"\nreplace = { \"00002\" = \"steps/2.sql\" }\n");
    repo.git(&["add", "-A"]);
    repo
}

#[test]
fn a_step_in_go_is_judged_as_the_sql_that_stands_in_for_it() {
    let repo = with_a_step_in_go();
    repo.write("steps/2.sql", "-- up\nALTER TABLE users ADD n int;\n-- down\nALTER TABLE users DROP nn;\n");
    repo.git(&["add", "steps"]);
    // What is staged counts, not what lies on disk.
    repo.write("steps/2.sql", "SELECT nonsense;\n");
    let found = findings_of(&repo);
    assert_eq!((found[0]["code"].as_str(), found[0]["path"].as_str()), (Some("revert.fails"), Some("steps/2.sql")));

    repo.git(&["commit", "--quiet", "--no-verify", "--message", "all"]);
    repo.write("steps/2.sql", "-- up\nALTER TABLE nobody ADD n int;\n");
    repo.git(&["add", "steps"]);
    repo.commit(&["--message", "a worse one"]).status(1).says("steps/2.sql:2:1");
}

#[test]
fn a_step_in_go_that_nothing_stands_in_for_names_the_key() {
    let repo = with_a_step_in_go();
    let found = findings_of(&repo);
    let found: Vec<_> = found.iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert_eq!(found, ["apply.not-sql", "config.replacement"]);
}

#[test]
fn line_ends_of_windows_are_line_ends() {
    is_none(&findings(
        "ALTER TABLE users\r\n  ADD COLUMN age integer;\r\n",
        "ALTER TABLE users\r\nDROP COLUMN age;\r\n",
    ));
    is_only(&findings("SELECT 1;\r\n\r\nSELECT nothing;\r\n", "SELECT 1;\r\n"), "apply.error", 3);
}

#[test]
fn invalid_utf_8_is_said_and_not_run() {
    let found = findings(b"INSERT INTO users (id, email)\nVALUES (1, 'M\xfcller');\n".as_slice(), "SELECT 1;\n");
    let found: Vec<_> = found.into_iter().filter(|f| f["code"] == "apply.encoding").collect();
    is_only(&found, "apply.encoding", 2);
}

#[test]
fn a_nul_byte_is_said() {
    is_only(&findings("SELECT 1;\nSELECT '\0';\n", "SELECT 1;\n"), "apply.not-sql", 2);
}

#[test]
fn fifty_megabytes_are_refused_by_their_size_alone() {
    let repo = Sandbox::new();
    // A build without optimisations, on a machine that does other things.
    repo.configure("[hook]\nbudget = \"40s\"\n");
    let line = "-- 64 bytes of comment, again and again, until it is far too much\n";
    repo.migration(2, "it", line.repeat(50 * 1024 * 1024 / line.len() + 1), GOOD_DOWN);
    let ran = repo.commit(&[]).failed().says("config.file-too-large").says("migrations/2_it.up.sql");
    assert!(ran.took.as_secs() < 42, "{ran}");
    repo.next_good_one_passes();
}

#[test]
fn a_limit_that_is_lowered_holds_for_what_was_read_before() {
    let repo = Sandbox::new();
    repo.migration(2, "it", GOOD, GOOD_DOWN);
    repo.migd(&["check"]).ok();
    repo.configure("[limits]\nfile_bytes = 10\n");
    repo.migd(&["check"]).status(1).says("config.file-too-large").says("migrations/2_it.up.sql");
    repo.configure("[limits]\nfile_bytes = 10000\n");
    repo.migd(&["check"]).ok();
}

#[test]
fn fifteen_megabytes_of_rows_are_judged_within_the_budget() {
    let repo = Sandbox::new();
    repo.configure("[hook]\nbudget = \"40s\"\n");
    let mut up = String::from("INSERT INTO users (id, email) VALUES (0, '');\n");
    for id in 1..16 {
        up.push_str(&format!("INSERT INTO users (id, email) VALUES ({id}, '{}');\n", "x".repeat(1000 * 1000)));
    }
    repo.migration(2, "it", up, "DELETE FROM users;\n");
    let ran = repo.commit(&[]).ok().says("migd: migrations:");
    assert!(ran.took.as_secs() < 42, "it took {:?}", ran.took);
}

#[test]
fn commands_of_psql_are_named() {
    let found = findings("SELECT 1;\n\\connect other\nSELECT 2;\n", "SELECT 1;\n");
    is_only(&found, "apply.meta-command", 2);
    assert!(found[0]["message"].as_str().unwrap().contains("\\connect"), "{found:#?}");
}

/// A set that psql runs, which sends the rows behind a COPY.
fn of_psql(file: &str, text: &str) -> Sandbox {
    let repo = Sandbox::new();
    repo.configure("[[migrations]]\npath = \"db\"\nlayout = \"plain\"\n");
    repo.write("db/1_users.sql", "CREATE TABLE users (id bigint PRIMARY KEY, email text);\n");
    repo.git(&["add", "."]);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "users"]);
    repo.write(file, text);
    repo.git(&["add", "."]);
    repo
}

#[test]
fn copy_data_in_the_file_is_loaded() {
    let up = "COPY users (id, email) FROM stdin;\n1\ta@example.org\n2\t\\N\n\\.\nALTER TABLE users ADD COLUMN age integer;\n";
    let report = of_psql("db/2_it.sql", up).check(&[]);
    assert_eq!(report["outcome"], "pass", "{report:#}");
    assert_eq!(report["migrations"][0]["rows_changed"]["users"]["inserted"], 2, "{report:#}");
    // golang-migrate sends the file as it is.
    let found = findings(up, "DELETE FROM users;\nALTER TABLE users DROP COLUMN age;\n");
    is_only(&found, "apply.format", 1);
}

#[test]
fn bad_copy_data_is_shown_at_its_statement() {
    let found = findings_of(&of_psql("db/2_it.sql", "SELECT 1;\nCOPY users (id) FROM stdin;\n1\nthree\n\\.\n"));
    is_only(&found, "apply.error", 2);
    assert_eq!(found[0]["sqlstate"], "22P02");
    assert!(found[0]["detail"].as_str().unwrap().contains("line 2"), "{found:#?}");
}

#[test]
fn copy_data_without_an_end_is_unterminated() {
    is_only(&findings("SELECT 1;\nCOPY users (id) FROM stdin;\n1\n", "SELECT 1;\n"), "apply.unterminated", 2);
}

#[test]
fn copy_from_stdin_without_data_does_not_hang() {
    let repo = Sandbox::new();
    repo.migration(2, "it", "DO $$ BEGIN EXECUTE 'COPY users FROM STDIN'; END $$;\n", "SELECT 1;\n");
    is_only(&findings_of(&repo), "apply.error", 1);
    repo.next_good_one_passes();
}

#[test]
fn copy_to_stdout_is_said_to_reach_nobody() {
    let repo = Sandbox::new();
    repo.migration(2, "it", "INSERT INTO users VALUES (1);\nCOPY users TO STDOUT;\n", "DELETE FROM users;\n");
    let found = findings_of(&repo);
    is_only(&found, "apply.error", 2);
    assert!(found[0]["message"].as_str().unwrap().contains("sends rows to the client"), "{found:#?}");
    repo.next_good_one_passes();
}

#[test]
fn dollar_quotes_and_nested_comments_are_no_statement_ends() {
    let up = "/* one; /* two; */ three; */\n\
              CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $body$\n\
              BEGIN -- ';\n  RETURN $$;$$ || 'it''s; ' || E'\\';' || \"current_user\"(); END $body$;\n\
              SELECT nothing;\n";
    is_only(&findings(up, "DROP FUNCTION f();\n"), "apply.error", 5);
}

#[test]
fn a_quote_that_is_never_closed_is_shown_where_it_opens() {
    is_only(&findings("SELECT 1;\nSELECT $x$ and so on;\n", "SELECT 1;\n"), "apply.unterminated", 2);
}

#[test]
fn conflict_markers_are_no_sql() {
    let found = findings("SELECT 1;\n<<<<<<< HEAD\nSELECT 2;\n=======\nSELECT 3;\n>>>>>>> side\n", "SELECT 1;\n");
    is_only(&found, "apply.not-sql", 2);
}

#[test]
fn a_file_that_the_runner_passes_over_is_said_when_it_looks_like_a_migration() {
    let repo = Sandbox::new();
    repo.write("migrations/README.md", "# What these are\n");
    repo.write("migrations/3-late.sql", "SELECT 1;\n");
    repo.migration(2, "it", GOOD, GOOD_DOWN);
    let found = findings_of(&repo);
    let about: Vec<_> = found.iter().map(|f| (f["code"].as_str().unwrap(), f["path"].as_str().unwrap())).collect();
    assert_eq!(about, [("history.naming", "migrations/3-late.sql")], "a text for people is none of the runner's");
}

#[test]
fn a_transaction_left_open_is_said() {
    let repo = Sandbox::new();
    repo.migration(2, "it", "BEGIN;\nALTER TABLE users ADD COLUMN age integer;\n", GOOD_DOWN);
    let found = findings_of(&repo);
    assert!(found.iter().any(|f| f["code"] == "apply.transaction-left-open"), "{found:#?}");
    repo.next_good_one_passes();
}

#[test]
fn a_transaction_that_is_closed_by_a_file_that_silences_warnings_is_not_left_open() {
    let silent = "SET client_min_messages = error;\nBEGIN;\nALTER TABLE users ADD COLUMN age integer;\n";
    let repo = Sandbox::new();
    repo.migration(2, "it", format!("{silent}COMMIT;\n"), GOOD_DOWN);
    is_none(&findings_of(&repo));
    repo.migration(2, "it", silent, GOOD_DOWN);
    let found = findings_of(&repo);
    assert!(found.iter().any(|f| f["code"] == "apply.transaction-left-open"), "{found:#?}");
}

#[test]
fn a_file_that_the_runner_passed_over_before_is_said_no_more_until_it_changes() {
    let repo = Sandbox::new();
    repo.write("migrations/3-late.sql", "SELECT 1;\n");
    repo.migration(2, "it", GOOD, GOOD_DOWN);
    repo.git(&["add", "."]);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "two"]);
    repo.migration(4, "more", "ALTER TABLE users ADD COLUMN more integer;\n", "ALTER TABLE users DROP COLUMN more;\n");
    is_none(&findings_of(&repo));
    repo.write("migrations/3-late.sql", "SELECT 2;\n");
    repo.git(&["add", "."]);
    let found = findings_of(&repo);
    let about: Vec<_> = found.iter().map(|f| (f["code"].as_str().unwrap(), f["path"].as_str().unwrap())).collect();
    assert_eq!(about, [("history.naming", "migrations/3-late.sql")]);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "four"]);
    assert!(repo.check(&["--all"])["findings"].to_string().contains("3-late.sql"));
}

#[test]
fn what_was_committed_before_is_not_held_against_the_next_commit() {
    let repo = Sandbox::new();
    repo.migration(2, "nothing", "-- nothing yet\n", "");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "nothing yet"]);
    repo.migration(3, "age", GOOD, GOOD_DOWN);
    is_none(&findings_of(&repo));
    let all = repo.check(&["--all"]);
    assert!(all["findings"].to_string().contains("apply.empty"), "{all}");
}

#[test]
fn a_migration_that_is_a_link_is_judged_by_what_it_leads_to() {
    let repo = Sandbox::new();
    repo.write("shared/2_it.up.sql", "ALTER TABLE nowhere ADD COLUMN x int;\n");
    repo.write("shared/2_it.down.sql", "SELECT 1;\n");
    repo.write("migd.toml", "[[migrations]]\npath = \"migrations\"\n");
    for name in ["2_it.up.sql", "2_it.down.sql"] {
        std::os::unix::fs::symlink(format!("../shared/{name}"), repo.path().join("migrations").join(name)).unwrap();
    }
    repo.git(&["add", "."]);
    let found = findings_of(&repo);
    assert!(found.iter().any(|f| f["code"] == "apply.error" && f["path"] == "migrations/2_it.up.sql"), "{found:#?}");
}

#[test]
fn a_migration_that_is_a_link_out_of_the_repository_is_said() {
    let repo = Sandbox::new();
    std::os::unix::fs::symlink("/srv/2_it.up.sql", repo.path().join("migrations/2_it.up.sql")).unwrap();
    repo.git(&["add", "."]);
    let found = findings_of(&repo);
    let link = found.iter().find(|f| f["code"] == "config.link").unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(link["path"], "migrations/2_it.up.sql");
    assert!(link["message"].as_str().unwrap().contains("/srv/2_it.up.sql"), "{link:#}");
}

#[test]
fn a_set_that_is_a_link_out_of_the_repository_cannot_be_judged() {
    let repo = Sandbox::new();
    repo.git(&["rm", "-rq", "migrations"]);
    std::fs::remove_dir_all(repo.path().join("migrations")).ok();
    repo.write("migd.toml", "[[migrations]]\npath = \"migrations\"\nlayout = \"sqlx\"\n");
    std::os::unix::fs::symlink("/srv", repo.path().join("migrations")).unwrap();
    repo.git(&["add", "."]);
    let found = findings_of(&repo);
    assert_eq!(found[0]["code"], "config.link", "{found:#?}");
}

#[test]
fn a_supabase_set_finds_what_every_project_has() {
    let repo = Sandbox::empty(Sandbox::new().realm());
    repo.write("supabase/config.toml", "project_id = \"shop\"\n");
    repo.write(
        "supabase/migrations/20240101000000_profiles.sql",
        "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA extensions;\n\
         CREATE EXTENSION IF NOT EXISTS pg_net WITH SCHEMA extensions;\n\
         CREATE EXTENSION \"pg_cron\" WITH SCHEMA pg_catalog;\n\
         SELECT cron.schedule('nightly', '0 0 * * *', $$SELECT net.http_post('https://shop.example')$$);\n\
         CREATE TABLE profiles (id uuid PRIMARY KEY REFERENCES auth.users (id), name citext, x uuid DEFAULT uuid_generate_v4());\n\
         ALTER TABLE profiles ENABLE ROW LEVEL SECURITY;\n\
         CREATE POLICY own ON profiles FOR ALL TO authenticated USING (auth.uid() = id);\n\
         INSERT INTO storage.buckets (id, name) VALUES ('avatars', 'avatars');\n\
         CREATE POLICY avatars ON storage.objects FOR SELECT TO anon USING (bucket_id = 'avatars');\n\
         ALTER PUBLICATION supabase_realtime ADD TABLE profiles;\n\
         GRANT ALL ON profiles TO service_role;\n",
    );
    repo.git(&["add", "-A"]);
    let found = findings_of(&repo);
    assert!(found.iter().all(|finding| finding["severity"] != "error"), "{found:#?}");
}

#[test]
fn an_audit_of_a_supabase_set_goes_on_with_the_databases_settings() {
    let repo = Sandbox::empty(Sandbox::new().realm());
    repo.write("migd.toml", "[[migrations]]\npath = \"supabase/migrations\"\nlayout = \"supabase\"\n");
    for n in 1..=3 {
        let table = format!("CREATE TABLE t{n} (id uuid PRIMARY KEY DEFAULT uuid_generate_v4());\n");
        repo.write(&format!("supabase/migrations/2024010100000{n}_t.sql"), table);
    }
    repo.git(&["add", "-A"]);
    let report = repo.check(&["--all"]);
    assert_eq!(report["migrations"].as_array().map(Vec::len), Some(3), "{report:#}");
    assert_eq!(report["outcome"], "pass", "{report:#}");
}

#[test]
fn a_chain_is_built_with_the_settings_that_the_setup_gives_the_database() {
    let repo = Sandbox::empty(Sandbox::new().realm());
    repo.write("migd.toml", "[[migrations]]\npath = \"migrations\"\nlayout = \"sqlx\"\nsetup_sql = [\"before.sql\"]\n");
    repo.write(
        "before.sql",
        "CREATE SCHEMA shop;\nDO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path TO shop', current_database()); END $$;\n",
    );
    repo.write("migrations/1_a.sql", "CREATE TABLE orders (id int PRIMARY KEY);\n");
    repo.write("migrations/2_b.sql", "ALTER TABLE shop.orders ADD n int;\n");
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "the chain"]);
    repo.write("migrations/3_c.sql", "COMMENT ON COLUMN shop.orders.n IS 'a number';\n");
    repo.git(&["add", "-A"]);
    is_none(&findings_of(&repo));
}

#[test]
fn another_runners_set_in_a_supabase_project_finds_it_too() {
    let repo = Sandbox::empty(Sandbox::new().realm());
    repo.write(
        "db/supabase/migrations/meta/_journal.json",
        r#"{"dialect": "postgresql", "entries": [{"tag": "0000_a", "when": 1}]}"#,
    );
    repo.write(
        "db/supabase/migrations/0000_a.sql",
        "CREATE TABLE a (id uuid PRIMARY KEY REFERENCES auth.users (id));\n",
    );
    repo.git(&["add", "-A"]);
    let found = findings_of(&repo);
    assert!(found.iter().all(|finding| finding["severity"] != "error"), "{found:#?}");
}

#[test]
fn a_template_is_filled_in_with_the_sets_values() {
    let repo = Sandbox::new();
    repo.migration(2, "it", "ALTER TABLE {{ .Table }} ADD n int;", "ALTER TABLE {{ .Table }} DROP n;");
    let found = findings_of(&repo);
    assert_eq!(found[0]["code"], "config.placeholder", "{found:#?}");
    assert!(found.iter().all(|finding| finding["code"] != "apply.error"), "{found:#?}");
    repo.configure("[[migrations]]\npath = \"migrations\"\nlayout = \"sqlx\"\nvars = { Table = \"users\" }\n");
    repo.git(&["add", "-A"]);
    is_none(&findings_of(&repo));
}

#[test]
fn a_supabase_projects_own_roles_are_there_before_its_first_migration() {
    for stated in ["", "[[migrations]]\npath = \"supabase/migrations\"\nlayout = \"supabase\"\n"] {
        let repo = Sandbox::empty(Sandbox::new().realm());
        if !stated.is_empty() {
            repo.write("migd.toml", stated);
        }
        repo.write("supabase/config.toml", "project_id = \"shop\"\n");
        repo.write("supabase/roles.sql", "CREATE ROLE reporter;\nALTER ROLE reporter SET statement_timeout = '5s';\n");
        repo.write("supabase/seed.sql", "INSERT INTO nowhere VALUES (1);\n");
        let policy = "CREATE TABLE a (id int PRIMARY KEY);\nGRANT SELECT ON a TO reporter;\n";
        repo.write("supabase/migrations/20240101000000_a.sql", policy);
        repo.git(&["add", "-A"]);
        let found = findings_of(&repo);
        assert!(found.iter().all(|finding| finding["severity"] != "error"), "{found:#?}");
        repo.write("supabase/roles.sql", "CREATE ROLE other;\n");
        repo.git(&["add", "-A"]);
        let found = findings_of(&repo);
        assert!(found.iter().any(|finding| finding["code"] == "apply.error"), "{found:#?}");
    }
}

#[test]
fn flyways_schemas_and_placeholders_are_read_where_the_repository_states_them() {
    let repo = Sandbox::empty(Sandbox::new().realm());
    let resources = "app/src/main/resources";
    repo.write(
        &format!("{resources}/application.yml"),
        "spring:\n  flyway:\n    schemas: shop\n    placeholder-prefix: '#['\n    placeholder-suffix: ']'\n    \
         placeholders:\n      role: ${ROLE:reporter}\n",
    );
    repo.write(
        &format!("{resources}/db/migration/V1__a.sql"),
        "CREATE ROLE #[role];\nCREATE TABLE orders (id int PRIMARY KEY);\nGRANT SELECT ON shop.orders TO #[role];\n\
         COMMENT ON TABLE shop.flyway_schema_history IS 'the runner has put it here';\n",
    );
    repo.git(&["add", "-A"]);
    is_none(&findings_of(&repo));
    let told = repo.migd(&["init", "--no-start"]);
    assert_eq!(told.status, Some(0));
    let written = std::fs::read_to_string(repo.path().join("migd.toml")).unwrap();
    assert!(written.contains("vars = { role = \"reporter\" }\n"), "{written}");
    assert!(written.contains("schemas = \"shop\""), "{written}");
    repo.git(&["add", "-A"]);
    is_none(&findings_of(&repo));
}

#[test]
fn how_to_come_by_an_extension_that_the_server_lacks_is_said() {
    let repo = Sandbox::new();
    repo.migration(2, "it", "CREATE EXTENSION never_heard;", "DROP EXTENSION never_heard;");
    let found = findings_of(&repo);
    assert_eq!((&found[0]["code"], &found[0]["sqlstate"]), (&"apply.error".into(), &"0A000".into()), "{found:#?}");
    assert!(found[0]["help"].as_str().unwrap().contains("`stands in for never_heard`"), "{found:#?}");
    repo.write("before.sql", "CREATE SCHEMA n;\nCOMMENT ON SCHEMA n IS 'stands in for never_heard';\n");
    repo.configure("[[migrations]]\npath = \"migrations\"\nlayout = \"sqlx\"\nsetup_sql = [\"before.sql\"]\n");
    repo.git(&["add", "-A"]);
    let found = findings_of(&repo);
    assert!(found.iter().all(|finding| finding["code"] != "apply.error"), "{found:#?}");
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let repo = Sandbox::new();
    let path = repo.path().join("migd.toml");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    repo.migd(&["check", "--worktree"]).status(2).says("cannot read migd.toml: it is not a file");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    repo.migd(&["check", "--worktree"]).status(2).says("cannot read migd.toml: it is not a file");
}

#[test]
fn a_file_that_cannot_be_read_is_not_left_out_of_the_chain() {
    let repo = Sandbox::new();
    repo.write("migrations/2_huge.up.sql", "");
    let file = fs::File::options().write(true).open(repo.path().join("migrations/2_huge.up.sql")).unwrap();
    file.set_len(1 << 40).unwrap();
    repo.migd(&["check", "--worktree"]).status(2).says("migrations/2_huge.up.sql cannot be read: it has more than");
}
