//! `migd init`'s first half: what is found in a repository, and the `migd.toml` that is written.

use std::collections::BTreeMap;

use migd::config::{Config, Set};
use migd::judge::Error;
use migd::setup::configure;
use migd::wire::Place;

use crate::support::git::Sandbox;

const SQL: &str = "CREATE TABLE t (id bigint);\n";

/// A repository without a commit, with these files lying there.
fn repository(files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::unborn(&[]);
    for (path, text) in files {
        sandbox.write(path, text);
    }
    sandbox
}

fn configured(sandbox: &Sandbox, folder: &str) -> Result<Vec<String>, Error> {
    let location = sandbox.location(folder);
    configure(&Place { cwd: location.cwd, env: location.git_env })
}

/// The sets of the `migd.toml` that lies there, read as migd would, as `path layout`.
fn written(sandbox: &Sandbox) -> Vec<String> {
    let config = Config::load(None, Some(&sandbox.read("migd.toml")), &BTreeMap::new()).unwrap();
    assert_eq!(Config { migrations: Vec::new(), ..config.clone() }, Config::default());
    let shown = |set: Set| format!("{} {}", set.path, set.layout.unwrap_or_default());
    config.migrations.into_iter().map(shown).collect()
}

fn is_there(sandbox: &Sandbox) -> bool {
    sandbox.top().join("migd.toml").exists()
}

const GOLANG: [(&str, &str); 3] = [
    ("go.mod", "module shop\nrequire github.com/golang-migrate/migrate/v4 v4.17.0\n"),
    ("migrations/000001_users.up.sql", SQL),
    ("migrations/000001_users.down.sql", "DROP TABLE t;\n"),
];

#[test]
fn one_set_is_found_and_written_down() {
    let sandbox = repository(&GOLANG);
    let lines = configured(&sandbox, "repo").unwrap();
    assert_eq!(lines[0], "found migrations (golang-migrate, 1 migration)");
    assert!(lines[1].starts_with("wrote migd.toml"), "{lines:?}");
    assert_eq!(lines.len(), 2);
    assert_eq!(written(&sandbox), ["migrations golang-migrate"]);
    let text = sandbox.read("migd.toml");
    let first = text.lines().next().unwrap();
    assert!(first.contains("migd explain") && first.contains("schema.json"), "{first}");
    // Nothing is left over from writing.
    let left: Vec<_> = std::fs::read_dir(sandbox.top()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn a_second_time_changes_nothing() {
    let sandbox = repository(&GOLANG);
    configured(&sandbox, "repo").unwrap();
    let text = sandbox.read("migd.toml");
    let lines = configured(&sandbox, "repo").unwrap();
    assert_eq!(lines, ["found migrations (golang-migrate, 1 migration)", "migd.toml is there already: kept"]);
    assert_eq!(sandbox.read("migd.toml"), text);
}

#[test]
fn from_a_folder_below_the_file_is_written_at_the_top() {
    let sandbox = repository(&GOLANG);
    configured(&sandbox, "repo/migrations").unwrap();
    assert_eq!(written(&sandbox), ["migrations golang-migrate"]);
    assert!(!sandbox.top().join("migrations/migd.toml").exists());
}

#[test]
fn every_set_of_a_monorepo_is_found() {
    let sandbox = repository(&[
        ("services/a/go.mod", "module a\nrequire github.com/golang-migrate/migrate/v4 v4.17.0\n"),
        ("services/a/migrations/1_one.up.sql", SQL),
        ("services/a/migrations/1_one.down.sql", "DROP TABLE t;\n"),
        ("services/a/migrations/2_two.up.sql", "ALTER TABLE t ADD c int;\n"),
        ("services/a/migrations/2_two.down.sql", "ALTER TABLE t DROP c;\n"),
        ("services/b/Cargo.toml", "[dependencies]\nsqlx = { version = \"0.8\", features = [\"postgres\"] }\n"),
        ("services/b/migrations/20250101000000_one.sql", SQL),
    ]);
    let lines = configured(&sandbox, "repo").unwrap();
    assert_eq!(lines[0], "found services/a/migrations (golang-migrate, 2 migrations)");
    assert_eq!(lines[1], "found services/b/migrations (sqlx, 1 migration)");
    assert_eq!(written(&sandbox), ["services/a/migrations golang-migrate", "services/b/migrations sqlx"]);
}

#[test]
fn a_set_at_the_repositorys_top_is_found() {
    let sandbox = repository(&[
        ("20250101000000_one.up.sql", SQL),
        ("20250101000000_one.down.sql", "DROP TABLE t;\n"),
        ("20250102000000_two.up.sql", "ALTER TABLE t ADD c int;\n"),
        ("20250102000000_two.down.sql", "ALTER TABLE t DROP c;\n"),
    ]);
    let lines = configured(&sandbox, "repo").unwrap();
    assert_eq!(lines[0], "found . (sqlx, 2 migrations)");
    assert!(sandbox.read("migd.toml").contains("\npath = \".\"\n"), "{}", sandbox.read("migd.toml"));
    assert_eq!(written(&sandbox), [" sqlx"]);
    assert_eq!(configured(&sandbox, "repo").unwrap()[0], "found . (sqlx, 2 migrations)");
}

#[test]
fn without_a_set_nothing_is_written() {
    let sandbox = repository(&[("src/main.go", "package main\n")]);
    let error = configured(&sandbox, "repo").unwrap_err();
    assert_eq!(error.code(), "config.no-sets");
    assert!(error.help().contains("[[migrations]]"), "{}", error.help());
    assert!(!is_there(&sandbox));
}

#[test]
fn without_a_set_the_folders_that_have_most_sql_are_named() {
    let sandbox = repository(&[
        ("schema/step-1.sql", SQL),
        ("schema/step-2.sql", SQL),
        ("queries/one.sql", SQL),
        ("schema/mysql/step-1.sql", SQL),
        ("schema/mysql/step-2.sql", SQL),
    ]);
    let help = configured(&sandbox, "repo").unwrap_err().help();
    assert!(help.ends_with("; most SQL files are in schema (2)"), "{help}");
}

#[test]
fn migrations_that_are_programs_are_named() {
    let sandbox = repository(&[("alembic.ini", "[alembic]\n"), ("alembic/versions/3f2_users.py", "def upgrade():\n")]);
    let error = configured(&sandbox, "repo").unwrap_err();
    assert!(error.to_string().contains("alembic/versions has a file of Alembic's (Python)"), "{error}");
    assert!(error.help().contains("`alembic upgrade head --sql`"), "{}", error.help());
    let sandbox = repository(&[("migrations/1_a.sql", SQL), ("db/migrate/20240101000000_a.rb", "class A\n")]);
    let lines = configured(&sandbox, "repo").unwrap();
    let told = "db/migrate has a file of Active Record's (Ruby), which migd does not run";
    assert!(lines.iter().any(|line| line == told), "{lines:#?}");
}

#[test]
fn steps_that_may_be_any_sets_are_told_once() {
    let sandbox = repository(&[
        ("one/db/migration/V1__a.sql", SQL),
        ("two/db/migration/V1__b.sql", "CREATE TABLE u ();\n"),
        ("src/main/java/shop/V2__C.java", "class V2__C {}\n"),
    ]);
    let lines = configured(&sandbox, "repo").unwrap();
    let told: Vec<&String> = lines.iter().filter(|line| line.contains("V2__C.java")).collect();
    assert_eq!(told.len(), 1, "{lines:?}");
    assert!(told[0].contains("one of 1 steps of flyway in another language"), "{}", told[0]);
}

#[test]
fn a_file_that_is_there_is_kept_and_decides() {
    let sandbox = repository(&[("sql/1_one.up.sql", SQL), ("sql/1_one.down.sql", "DROP TABLE t;\n")]);
    let text = "[[migrations]]\npath = \"./sql/\"\nlayout = \"golang-migrate\"\nname = \"shop\"\n";
    sandbox.write("migd.toml", text);
    let lines = configured(&sandbox, "repo").unwrap();
    assert_eq!(lines, ["found shop (golang-migrate, 1 migration)", "migd.toml is there already: kept"]);
    assert_eq!(sandbox.read("migd.toml"), text);
}

#[test]
fn a_stated_folder_that_is_missing_is_named() {
    let sandbox = repository(&GOLANG);
    sandbox.write("migd.toml", "[[migrations]]\npath = \"db/migrations\"\nlayout = \"sqlx\"\n");
    let error = configured(&sandbox, "repo").unwrap_err();
    assert!(error.to_string().contains("db/migrations"), "{error}");
    assert!(error.is_usage());
}

#[test]
fn what_is_wrong_with_a_file_that_is_there_is_said() {
    let sandbox = repository(&GOLANG);
    sandbox.write("migd.toml", "[hook]\nbudgt = \"1s\"\n");
    let error = configured(&sandbox, "repo").unwrap_err();
    assert_eq!(error.to_string(), "migd.toml:2:1: unknown key `hook.budgt`");
    assert_eq!(error.help(), "did you mean `budget`?");
    sandbox.write("migd.toml", "[[migrations]]\npath = \"migrations\"\nlayout = \"golang_migrate\"\n");
    assert_eq!(configured(&sandbox, "repo").unwrap_err().code(), "config.layout");
}

#[test]
fn a_misspelt_code_is_pointed_out() {
    let sandbox = repository(&GOLANG);
    sandbox.write("migd.toml", "[checks]\n\"revert.mising\" = \"off\"\nhistory = \"note\"\n");
    let lines = configured(&sandbox, "repo").unwrap();
    assert_eq!(lines[1], "migd.toml: no finding is called `revert.mising`: did you mean `revert.missing`?");
    assert_eq!(lines.len(), 3, "{lines:?}");
}

#[test]
fn a_link_that_leads_nowhere_is_kept_too() {
    let sandbox = repository(&GOLANG);
    std::os::unix::fs::symlink("elsewhere.toml", sandbox.top().join("migd.toml")).unwrap();
    let lines = configured(&sandbox, "repo").unwrap();
    assert_eq!(lines[1], "migd.toml is there already: kept");
    assert!(!sandbox.top().join("elsewhere.toml").exists());
}

#[test]
fn outside_a_work_tree_nothing_is_done() {
    let sandbox = Sandbox::empty();
    assert_eq!(configured(&sandbox, "").unwrap_err().code(), "config.not-a-repository");
    sandbox.git_in("", &["init", "-q", "--bare", "bare"]);
    assert_eq!(configured(&sandbox, "bare").unwrap_err().code(), "config.bare");
}
