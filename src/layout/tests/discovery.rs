//! Which folders of a repository are sets, and of which layout.

use super::*;

/// `folder (layout)` of every set.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let paths: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    let read = |path: &str| files.iter().find(|(p, _)| *p == path).map(|(_, text)| text.as_bytes().to_vec());
    discover(&paths, &read).iter().map(|f| format!("{f:?}")).collect()
}

#[test]
fn a_monorepo_gives_all_its_sets() {
    let files = [
        ("Cargo.toml", "[workspace]"),
        ("services/api/Cargo.toml", "sqlx = { features = [\"postgres\"] }"),
        ("services/api/migrations/1_a.sql", "SELECT 1"),
        ("services/api/migrations/2_b.sql", "SELECT 1"),
        ("services/auth/go.mod", "github.com/golang-migrate/migrate/v4"),
        ("services/auth/db/migrations/1_a.up.sql", "SELECT 1"),
        ("services/auth/db/migrations/1_a.down.sql", "SELECT 1"),
        ("services/web/diesel.toml", ""),
        ("services/web/migrations/.keep", ""),
        ("services/web/migrations/2020-01-01-000000_a/up.sql", "SELECT 1"),
        ("services/web/migrations/2020-01-01-000000_a/down.sql", "SELECT 1"),
        ("tools/db/migrate/001_a.sql", "SELECT 1"),
        ("tools/db/migrate/old/002_a.sql", "SELECT 1"),
        ("src/main.rs", ""),
    ];
    let expected = [
        "services/api/migrations (sqlx)",
        "services/auth/db/migrations (golang-migrate)",
        "services/web/migrations (diesel)",
        "tools/db/migrate (plain)",
    ];
    assert_eq!(found(&files), expected);
}

#[test]
fn other_peoples_and_other_databases_files_are_no_sets() {
    let files = [
        ("node_modules/x/migrations/1_a.up.sql", ""),
        ("vendor/x/migrations/1_a.up.sql", ""),
        ("target/x/migrations/1_a.up.sql", ""),
        ("pkg/testdata/migrations/1_a.up.sql", ""),
        ("migrations/mysql/1_a.up.sql", ""),
        ("migrations/postgres/1_a.up.sql", ""),
        ("lite/migrations/1_a.up.sql", "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)"),
        ("desktop/Cargo.toml", "sqlx = { features = [\"sqlite\"] }"),
        ("desktop/migrations/1_a.up.sql", ""),
    ];
    assert_eq!(found(&files), ["migrations/postgres (golang-migrate)"]);
}

#[test]
fn a_folder_named_for_another_database_in_one_of_its_words_is_no_set() {
    let files = [
        ("app/migrations_postgres/2024-01-01-000000_a/up.sql", ""),
        ("app/migrations_sqlite/2024-01-01-000000_a/up.sql", ""),
        ("jdbc-h2/migrations/V1__a.sql", ""),
        ("mysql-to-postgres/migrations/V1__a.sql", ""),
        ("client/migrations/1_a.sql", "CREATE TABLE t (at TEXT DEFAULT (strftime('%s')))"),
    ];
    assert_eq!(found(&files), ["app/migrations_postgres (diesel)", "mysql-to-postgres/migrations (flyway)"]);
}

#[test]
fn tests_and_seeds_are_no_sets_unless_a_runner_has_marked_them() {
    let files = [
        ("supabase/tests/database/01_a.sql", ""),
        ("supabase/tests/database/02_b.sql", ""),
        ("db/seeds/migrations/01_a.sql", ""),
        ("tests/e2e/migrations/01_a.sql", "-- +goose Up"),
    ];
    assert_eq!(found(&files), ["tests/e2e/migrations (goose)"]);
}

#[test]
fn folders_of_releases_are_one_set() {
    let files = [
        ("db/migrations/0/01_a.up.sql", ""),
        ("db/migrations/1/01_b.up.sql", ""),
        ("db/migrations/2/01_c.up.sql", ""),
        ("svc/migrations/1/01_a.up.sql", ""),
        ("svc/migrations/2/01_b.up.sql", ""),
    ];
    let expected = ["db/migrations (plain)", "svc/migrations/1 (golang-migrate)", "svc/migrations/2 (golang-migrate)"];
    assert_eq!(found(&files), expected);
}

#[test]
fn folders_of_queries_are_no_sets() {
    let files = [
        ("queries/1_users.sql", "SELECT 1"),
        ("queries/2_orders.sql", "SELECT 1"),
        ("reports/2024-01-01.sql", "SELECT 1"),
        ("migrations/helpers.sql", "SELECT 1"),
        ("schema.sql", "SELECT 1"),
        ("db/001_a.sql", "SELECT 1"),
        ("db/structure.sql", "SELECT 1"),
    ];
    assert_eq!(found(&files), [""; 0]);
}

#[test]
fn what_lies_around_tells_twins_apart() {
    let twins = |manifest: (&'static str, &'static str)| {
        found(&[
            manifest,
            ("db/migrations/20240101000000_a.up.sql", ""),
            ("db/migrations/20240101000000_a.down.sql", ""),
        ])
    };
    assert_eq!(twins(("Cargo.toml", "sqlx = \"0.8\"")), ["db/migrations (sqlx)"]);
    assert_eq!(twins(("go.mod", "github.com/golang-migrate/migrate/v4")), ["db/migrations (golang-migrate)"]);
    let simple = [("migrations/1_a.sql", ""), ("crates/db/Cargo.toml", "sqlx = { workspace = true }")];
    assert_eq!(found(&simple), ["migrations (sqlx)"]);
    assert_eq!(found(&simple[..1]), ["migrations (plain)"]);
}

#[test]
fn a_stated_folder_needs_no_name() {
    let paths = ["queries/1_a.sql", "queries/2_b.sql", "src/x.rs"].map(str::to_owned);
    let read = |_: &str| Some(b"SELECT 1".to_vec());
    assert_eq!(recognise_at("queries/", &paths, &read).map(|found| found.layout.name()), Some("plain"));
    assert!(recognise_at("src", &paths, &read).is_none());
}

#[test]
fn every_layout_is_found_by_its_marks() {
    let files = [
        ("a/migrations/1_a.sql", "-- +goose Up\nSELECT 1;"),
        ("b/migrations/1_a.sql", "-- +migrate Up\nSELECT 1;"),
        ("c/db/migrations/1_a.sql", "-- migrate:up\n-- migrate:down\n"),
        ("d/pom.xml", "<artifactId>flyway-core</artifactId>"),
        ("d/src/main/resources/db/migration/y2024/V1__a.sql", "SELECT 1;"),
        ("d/src/main/resources/db/migration/V2__a.sql", "SELECT 1;"),
        ("e/Cargo.toml", "refinery = { features = [\"postgres\"] }"),
        ("e/migrations/V1__a.sql", "SELECT 1;"),
        ("f/prisma/schema.prisma", ""),
        ("f/prisma/migrations/migration_lock.toml", "provider = \"postgresql\""),
        ("f/prisma/migrations/20240101000000_a/migration.sql", "SELECT 1;"),
        ("g/drizzle/meta/_journal.json", "{\"dialect\":\"postgresql\",\"entries\":[]}"),
        ("g/drizzle/0000_a.sql", "SELECT 1;"),
        ("h/supabase/config.toml", "project_id = \"x\""),
        ("h/supabase/migrations/20240101000000_a.sql", "SELECT 1;"),
        ("i/drizzle/meta/_journal.json", "{\"dialect\":\"sqlite\",\"entries\":[]}"),
        ("i/drizzle/0000_a.sql", "SELECT 1;"),
        ("j/drizzle/20240101000000_a/migration.sql", "SELECT 1;"),
        ("j/drizzle/20240101000000_a/snapshot.json", "{\"dialect\":\"postgres\"}"),
        ("k/drizzle/20240101000000_a/migration.sql", "SELECT 1;"),
        ("k/drizzle/20240101000000_a/snapshot.json", "{\"dialect\":\"mysql\"}"),
    ];
    let expected = [
        "a/migrations (goose)",
        "b/migrations (sql-migrate)",
        "c/db/migrations (dbmate)",
        "d/src/main/resources/db/migration (flyway)",
        "e/migrations (refinery)",
        "f/prisma/migrations (prisma)",
        "g/drizzle (drizzle)",
        "h/supabase/migrations (supabase)",
        "j/drizzle (drizzle)",
    ];
    assert_eq!(found(&files), expected);
}

/// The sets as they were found, with what is doubtful about them.
fn sets(files: &[(&str, &str)]) -> Vec<Found> {
    let paths: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    let read = |path: &str| files.iter().find(|(p, _)| *p == path).map(|(_, text)| text.as_bytes().to_vec());
    discover(&paths, &read)
}

/// `layout` of the only set, and the runner that it may be instead.
fn told(files: &[(&str, &str)]) -> (&'static str, Option<&'static str>) {
    let [set] = &sets(files)[..] else { panic!("{:?}", sets(files)) };
    (set.layout.name(), set.rival.map(|rival| rival.name()))
}

#[test]
fn sqlx_and_golang_migrate_are_told_apart_by_what_they_leave_behind() {
    let pair = [("m/migrations/20240101000000_a.up.sql", "SELECT 1"), ("m/migrations/20240101000000_a.down.sql", "")];
    let with = |more: &[(&'static str, &'static str)]| told(&[&pair[..], more].concat());
    assert_eq!(with(&[]), ("sqlx", Some("golang-migrate")), "nothing tells");
    assert_eq!(with(&[("m/.sqlx/query-1.json", "{\"db_name\": \"PostgreSQL\"}")]), ("sqlx", None));
    assert_eq!(with(&[("m/sqlx-data.json", "{\"db\": \"PostgreSQL\"}")]), ("sqlx", None));
    assert_eq!(with(&[("go.mod", "github.com/golang-migrate/migrate/v4 v4.17.0")]), ("golang-migrate", None));
    let concurrently = [("m/migrations/20240101000001_b.up.sql", "CREATE INDEX CONCURRENTLY i ON t (a)")];
    assert_eq!(with(&concurrently).0, "golang-migrate", "sqlx would fail on it");
    let seconds = [("migrations/1510262030_a.up.sql", "SELECT 1"), ("migrations/1510262030_a.down.sql", "")];
    assert_eq!(told(&seconds).0, "golang-migrate");
}

#[test]
fn two_ups_of_one_number_are_of_a_runner_that_goes_by_names() {
    let files = [
        ("migrations/0001_a.up.sql", "SELECT 1"),
        ("migrations/0001_b.up.sql", "SELECT 1"),
        ("migrations/0002_c.up.sql", "SELECT 1"),
    ];
    assert_eq!(told(&files), ("plain", None));
    let module = [("go.mod", "github.com/golang-migrate/migrate/v4")];
    let stated = [&files[..], &module].concat();
    assert_eq!(told(&stated).0, "golang-migrate", "it refuses the folder, and that is to be said");
    let more = [("migrations/0001_d.up.sql", ""), ("migrations/0002_e.up.sql", "")];
    assert_eq!(told(&[&stated[..], &more].concat()), ("plain", None), "so many are on purpose");
}

#[test]
fn files_for_several_databases_are_no_runners_that_knows_one() {
    let files = [
        ("migrations/20200101000000_a.mysql.up.sql", "SELECT 1"),
        ("migrations/20200101000000_a.postgres.up.sql", "SELECT 1"),
    ];
    assert_eq!(told(&files), ("plain", None));
}

#[test]
fn a_folder_called_sql_with_numbered_files_alone_is_a_set() {
    assert_eq!(found(&[("sql/000001.sql", "SELECT 1"), ("sql/000002.sql", "SELECT 1")]), ["sql (plain)"]);
    assert_eq!(found(&[("sql/000001.sql", "SELECT 1"), ("sql/report.sql", "SELECT 1")]), [""; 0]);
}

#[test]
fn what_altering_a_column_in_mysql_looks_like_is_no_set() {
    let files = [
        ("db/migration/V1__a.sql", "CREATE TABLE t (a int)"),
        ("db/migration/V2__b.sql", "alter table t modify a text"),
    ];
    assert_eq!(found(&files), [""; 0]);
}

#[test]
fn flyways_locations_are_one_set() {
    let sql = [
        ("lib/src/main/resources/db/migration/V1__a.sql", ""),
        ("lib/src/main/resources/db/specific/postgresql/V2__b.sql", ""),
        ("lib/src/main/resources/db/specific/h2/V2__b.sql", ""),
        ("lib/src/test/resources/db/more/V3__c.sql", ""),
    ];
    let spring = "spring:\n  flyway:\n    enabled: true\n    locations: classpath:/db/migration, classpath:/db/specific/{vendor}\n";
    let list = "spring:\n  flyway:\n    locations:\n      - classpath:db/migration\n      - 'classpath:db/specific/{vendor}'\n  x: 1\n";
    let properties = "a=b\nspring.flyway.locations=classpath:db/migration,classpath:db/specific/{vendor}\n";
    let toml = "[flyway]\nlocations = [\"filesystem:src/main/resources/db/migration\", \
                \"filesystem:src/main/resources/db/specific/postgresql\"]\n";
    for (name, text) in [
        ("app/src/main/resources/application.yml", spring),
        ("lib/src/main/resources/application.yaml", list),
        ("lib/src/main/resources/application.properties", properties),
        ("lib/flyway.toml", toml),
    ] {
        let found = sets(&[&sql[..], &[(name, text)]].concat());
        let [set] = &found[..] else { panic!("{name}: {found:?}") };
        assert_eq!(set.path, "lib/src/main/resources/db/migration", "{name}");
        assert_eq!(set.locations, ["lib/src/main/resources/db/specific/postgresql"], "{name}");
    }
}

#[test]
fn flyways_folders_for_other_databases_are_passed_over() {
    let chain = plan("flyway", &[("H2/V1__a.sql", "x"), ("POSTGRESQL/V1__a.sql", "y"), ("MYSQL/V2__b.sql", "z")]);
    assert_eq!(
        chain.migrations.iter().map(|m| &m.up.path[..]).collect::<Vec<_>>(),
        ["migrations/POSTGRESQL/V1__a.sql"]
    );
    assert_eq!(findings(&chain), [""; 0]);
}
