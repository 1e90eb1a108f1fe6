//! Files that are not what a migration should be: each is judged with a clear finding, at its line.

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
    assert!(finding["path"].as_str().is_some_and(|path| path.starts_with("migrations/2_it.")), "{finding:#}");
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
    let line = "-- 64 bytes of comment, again and again, until it is far too much\n";
    repo.migration(2, "it", line.repeat(50 * 1024 * 1024 / line.len() + 1), GOOD_DOWN);
    let ran = repo.commit(&[]).failed().says("config.file-too-large").says("migrations/2_it.up.sql");
    assert!(ran.took.as_secs() < 10, "{ran}");
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
    let mut up = String::from("INSERT INTO users (id, email) VALUES (0, '');\n");
    for id in 1..16 {
        up.push_str(&format!("INSERT INTO users (id, email) VALUES ({id}, '{}');\n", "x".repeat(1000 * 1000)));
    }
    repo.migration(2, "it", up, "DELETE FROM users;\n");
    let ran = repo.commit(&[]).ok().says("migd: migrations:");
    assert!(ran.took.as_secs() < 10, "it took {:?}", ran.took);
}

#[test]
fn commands_of_psql_are_named() {
    let found = findings("SELECT 1;\n\\connect other\nSELECT 2;\n", "SELECT 1;\n");
    is_only(&found, "apply.meta-command", 2);
    assert!(found[0]["message"].as_str().unwrap().contains("\\connect"), "{found:#?}");
}

#[test]
fn copy_data_in_the_file_is_loaded() {
    let up = "COPY users (id, email) FROM stdin;\n1\ta@example.org\n2\t\\N\n\\.\nALTER TABLE users ADD COLUMN age integer;\n";
    let down = "DELETE FROM users;\nALTER TABLE users DROP COLUMN age;\n";
    let repo = Sandbox::new();
    repo.migration(2, "it", up, down);
    let report = repo.check(&[]);
    assert_eq!(report["outcome"], "pass", "{report:#}");
    assert_eq!(report["migrations"][0]["rows_changed"]["users"]["inserted"], 2, "{report:#}");
}

#[test]
fn bad_copy_data_is_shown_at_its_statement() {
    let found = findings("SELECT 1;\nCOPY users (id) FROM stdin;\n1\nthree\n\\.\n", "SELECT 1;\n");
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
