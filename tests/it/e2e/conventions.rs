//! What is particular to one runner's files, and to what stands around them: through the real server.

use serde_json::Value;

use crate::support::sandbox::Sandbox;

/// A repository with these files, all staged.
fn staged(files: &[(&str, &str)]) -> Sandbox {
    let repo = Sandbox::empty(Sandbox::new().realm());
    files.iter().for_each(|(path, text)| repo.write(path, text));
    repo.git(&["add", "-A"]);
    repo
}

fn findings(repo: &Sandbox) -> Vec<Value> {
    serde_json::from_value(repo.check(&[])["findings"].take()).unwrap()
}

fn codes(repo: &Sandbox) -> Vec<String> {
    findings(repo).iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn postgrators_undo_is_judged_as_the_down_of_its_do() {
    let repo = staged(&[
        ("sql/001.do.create-orders.sql", "CREATE TABLE orders (id bigint PRIMARY KEY);\n"),
        ("sql/001.undo.create-orders.sql", "DROP TABLE orders;\n"),
        ("sql/002.do.sql", "CREATE INDEX CONCURRENTLY orders_id ON orders (id);\n"),
        ("sql/002.undo.drop-the-index.sql", "DROP INDEX orders_id;\n"),
    ]);
    let report = repo.check(&["--all"]);
    assert_eq!(report["outcome"], "pass", "{report:#}");
    let reversible: Vec<&Value> =
        report["migrations"].as_array().unwrap().iter().map(|migration| &migration["reversible"]).collect();
    assert_eq!(reversible, ["yes", "yes"]);
    repo.write("sql/002.undo.drop-the-index.sql", "SELECT 1;\n");
    repo.git(&["add", "-A"]);
    assert_eq!(codes(&repo), ["revert.schema-mismatch"]);
}

#[test]
fn what_tern_puts_into_a_file_runs_and_places_are_the_files_own() {
    let repo = staged(&[
        (
            "migrations/001_users.sql",
            "CREATE TABLE users (id bigint PRIMARY KEY);\n---- create above / drop below ----\nDROP TABLE users;\n",
        ),
        ("migrations/shared/v1.sql", "CREATE VIEW v1 AS\n  SELECT id FROM users;\n"),
        (
            "migrations/002_view.sql",
            "{{ template \"shared/v1.sql\" . }}\nALTER TABLE users ADD n int;\n\
             ---- create above / drop below ----\nDROP VIEW v1;\nALTER TABLE users DROP m;\n",
        ),
    ]);
    let found = findings(&repo);
    assert_eq!((&found[0]["code"], &found[0]["line"]), (&"revert.fails".into(), &5.into()), "{found:#?}");
    repo.write("migrations/shared/v1.sql", "CREATE VIEW v1 AS\n  SELECT id FROM nowhere;\n");
    repo.git(&["add", "-A"]);
    let found = findings(&repo);
    assert_eq!((&found[0]["code"], &found[0]["line"]), (&"apply.error".into(), &1.into()), "{found:#?}");
    assert!(found[0]["message"].as_str().unwrap().ends_with("(line 2 of shared/v1.sql)"), "{found:#?}");
}

#[test]
fn an_atlas_migration_that_is_staged_without_its_hash_is_refused() {
    // What `atlas migrate hash` writes for these two files.
    let sum = "h1:CqABLfOWHxL3OCoibX3NUHbgED6u5EO+uH7keNymQKY=\n\
        1_users.sql h1:U0uypfABsYw0AWpOUeILqtaE7XmiTYT5efEyNB9MRlY=\n\
        2_orders.sql h1:27lj+f4wqoU6wtq9aFNSoAZXKDDmeBoMe+Q4MT+OU5g=\n";
    let repo = staged(&[
        ("migrations/1_users.sql", "CREATE TABLE users (id int);\n"),
        ("migrations/2_orders.sql", "CREATE TABLE orders (id int);\n"),
        ("migrations/atlas.sum", sum),
    ]);
    repo.commit(&[]).ok();
    repo.write("migrations/3_shops.sql", "CREATE TABLE shops (id int);\n");
    repo.git(&["add", "-A"]);
    let found = findings(&repo);
    assert_eq!((&found[0]["code"], &found[0]["path"]), (&"history.integrity".into(), &"migrations/atlas.sum".into()));
    assert!(found[0]["message"].as_str().unwrap().ends_with("3_shops.sql is not in it"), "{found:#?}");
    repo.commit(&[]).failed().says("atlas migrate hash");
}

#[test]
fn what_psql_keeps_to_itself_is_no_mistake_in_files_for_psql() {
    let preamble = "\\set ON_ERROR_STOP on\n\\timing\n\\echo 'it''s on its way'\n";
    let repo = staged(&[
        ("migrations/001_a.sql", &format!("{preamble}CREATE TABLE a (id bigint PRIMARY KEY);\n")),
        ("migrations/002_b.sql", &format!("{preamble}CREATE TABLE b (id bigint PRIMARY KEY);\n\\dt+\n")),
    ]);
    assert_eq!(codes(&repo), [""; 0]);
    repo.write("migrations/002_b.sql", format!("{preamble}SELECT 'DROP TABLE a' \\gexec\n"));
    repo.git(&["add", "-A"]);
    let found = findings(&repo);
    assert_eq!((&found[0]["code"], &found[0]["line"]), (&"apply.meta-command".into(), &4.into()), "{found:#?}");
    assert!(found[0]["help"].as_str().unwrap().contains("EXECUTE"), "{found:#?}");
}

#[test]
fn a_command_of_psql_in_one_file_alone_is_noted() {
    let repo = staged(&[
        ("migrations/001_a.sql", "CREATE TABLE a (id bigint PRIMARY KEY);\n"),
        ("migrations/002_b.sql", "\\timing\nCREATE TABLE b (id bigint PRIMARY KEY);\n"),
    ]);
    let found = findings(&repo);
    assert_eq!(
        (&found[0]["code"], &found[0]["severity"]),
        (&"apply.meta-command".into(), &"note".into()),
        "{found:#?}"
    );
    assert_eq!((&found[0]["path"], &found[0]["line"]), (&"migrations/002_b.sql".into(), &1.into()), "{found:#?}");
}

#[test]
fn an_extension_that_something_stands_in_for_can_be_described_and_dropped() {
    let repo = staged(&[
        ("go.mod", "require github.com/golang-migrate/migrate/v4 v4.18.0\n"),
        (
            "migd.toml",
            "[[migrations]]\npath = \"migrations\"\nlayout = \"golang-migrate\"\nsetup_sql = [\"before.sql\"]\n",
        ),
        (
            "before.sql",
            "CREATE SCHEMA jobs;\nCOMMENT ON SCHEMA jobs IS 'stands in for never_heard';\n\
             CREATE TABLE jobs.all (name text PRIMARY KEY);\n",
        ),
        (
            "migrations/1_jobs.up.sql",
            "CREATE EXTENSION never_heard;\nCOMMENT ON EXTENSION never_heard IS 'jobs';\n\
             ALTER EXTENSION never_heard UPDATE;\nINSERT INTO jobs.all VALUES ('nightly');\n",
        ),
        ("migrations/1_jobs.down.sql", "DROP EXTENSION never_heard;\n"),
    ]);
    assert_eq!(codes(&repo), [""; 0]);
}

#[test]
fn what_is_missing_and_another_schema_has_is_said_with_that_schema() {
    let repo = staged(&[
        ("migd.toml", "[[migrations]]\npath = \"migrations\"\nlayout = \"golang-migrate\"\n"),
        (
            "migrations/1_shop.up.sql",
            "CREATE SCHEMA shop;\nCREATE TABLE shop.orders (id bigint PRIMARY KEY);\nCREATE TYPE shop.state AS ENUM ('new');\n\
             CREATE FUNCTION shop.total(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';\n",
        ),
        ("migrations/1_shop.down.sql", "DROP SCHEMA shop CASCADE;\n"),
    ]);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "the chain"]);
    for up in ["ALTER TABLE orders ADD n int;", "CREATE TABLE t (s state);", "SELECT total(1);"] {
        repo.migration(2, "it", up, "SELECT 1;");
        let found = findings(&repo);
        assert_eq!(found[0]["code"], "apply.error", "{found:#?}");
        assert!(found[0]["help"].as_str().unwrap().contains("the schema shop has one of that name"), "{found:#?}");
    }
    // The way out that is named.
    repo.configure(
        "[[migrations]]\npath = \"migrations\"\nlayout = \"golang-migrate\"\nsetup_sql = [\"before.sql\"]\n",
    );
    repo.write("before.sql", "ALTER ROLE CURRENT_USER SET search_path = shop, public;\n");
    repo.git(&["add", "-A"]);
    assert!(!codes(&repo).contains(&"apply.error".to_owned()));
}

#[test]
fn a_constraint_that_a_table_does_not_have_is_said_with_the_one_that_may_be_meant() {
    let repo = staged(&[
        ("migd.toml", "[[migrations]]\npath = \"migrations\"\nlayout = \"golang-migrate\"\n"),
        (
            "migrations/1_orders.up.sql",
            "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint CONSTRAINT buyer REFERENCES orders);\n",
        ),
        ("migrations/1_orders.down.sql", "DROP TABLE orders;\n"),
    ]);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "the chain"]);
    let meant = "the table has buyer (FOREIGN KEY (user_id) REFERENCES public.orders(id)): is that the one?";
    let drop = "ALTER TABLE orders DROP CONSTRAINT fk_orders_user_id;\n";
    let rename = "ALTER TABLE orders RENAME CONSTRAINT orders_user_id_fkey TO a;\n";
    for (up, down, code) in [
        (drop, "SELECT 1;\n", "apply.error"),
        (rename, "SELECT 1;\n", "apply.error"),
        ("ALTER TABLE orders ADD n int;\n", drop, "revert.fails"),
    ] {
        repo.migration(2, "it", up, down);
        let found = findings(&repo);
        assert_eq!((&found[0]["code"], &found[0]["help"]), (&code.into(), &meant.into()), "{found:#?}");
    }
}

#[test]
fn a_down_that_goose_refuses_is_not_said_to_be_missing() {
    let repo = staged(&[(
        "db/00001_users.sql",
        "-- +goose Up\nCREATE TABLE users (id bigint PRIMARY KEY);\n-- +goose Down\nDROP TABLE users\n",
    )]);
    let found = findings(&repo);
    let [only] = found.as_slice() else { panic!("one finding was expected: {found:#?}") };
    assert_eq!((&only["code"], &only["line"]), (&"apply.format".into(), &4.into()), "{only:#}");
    assert!(only["message"].as_str().unwrap().starts_with("`goose down` stops at this file"), "{only:#}");
}

#[test]
fn a_down_that_cannot_be_read_is_not_said_to_be_missing() {
    let repo = Sandbox::new();
    repo.migration(2, "it", "ALTER TABLE users ADD n int;\n", b"-- caf\xe9\nALTER TABLE users DROP n;\n");
    assert_eq!(codes(&repo), ["apply.encoding"]);
}
