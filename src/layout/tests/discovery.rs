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
        ("hooks/libsql_backend/migrations/V1__a.sql", ""),
        ("wide/migrations/1_a.sql", "CREATE TABLE t (\n\ta    BLOB   NOT NULL\n)"),
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
fn what_is_sent_to_other_databases_does_not_speak_against_files_for_several() {
    let files = [
        ("sql/migrations/20150101000001000000_a.cockroach.up.sql", "CREATE TABLE a (b INT)"),
        ("sql/migrations/20150101000001000000_a.mysql.up.sql", "CREATE TABLE a (b INT AUTO_INCREMENT)"),
        ("sql/migrations/20150101000001000000_a.postgres.up.sql", "CREATE TABLE a (b int)"),
        ("sql/migrations/20150101000001000000_a.sqlite.up.sql", "CREATE TABLE a (b INTEGER AUTOINCREMENT)"),
        ("sql/migrations/20150101000001000000_a.up.sql", "CREATE TABLE a (b DATETIME, c BLOB)"),
        ("sql/migrations/20150101000002000000_b.sqlite.up.sql", "ALTER TABLE a ADD d BLOB"),
        ("sql/migrations/20150101000002000000_b.up.sql", "ALTER TABLE a ADD d bytea"),
        ("sql/src/20150101000001000000_a/20150101000001000000_a.mysql.up.sql", ""),
        ("sql/src/20150101000001000000_a/20150101000001000000_a.postgres.up.sql", ""),
        ("popx/stub/migrations/20150101000001_z.mysql.up.sql", ""),
        ("popx/stub/migrations/20150101000001_z.postgres.up.sql", ""),
    ];
    assert_eq!(found(&files), ["sql/migrations (plain)"]);
    let told =
        ["popx/stub/migrations: a test has it", "sql/src/20150101000001000000_a: sql/migrations has all of its files"];
    assert_eq!(passed(&files), told);
}

#[test]
fn a_runner_of_another_language_is_none_of_the_repositorys() {
    let mixed = [
        ("go.mod", "github.com/lib/pq"),
        ("migrations/201701261850_a.up.sql", "SELECT 1"),
        ("migrations/201701281131_b.sql", "SELECT 1"),
        ("migrations/201701281132_c.sql", "SELECT 1"),
    ];
    assert_eq!(told(&mixed), ("plain", None));
    assert_eq!(told(&mixed[1..]), ("sqlx", None), "nothing speaks against it");
    let versions = [("Cargo.toml", "tokio-postgres = \"0.7\""), ("migrations/V1__a.sql", "SELECT 1")];
    assert_eq!(told(&versions), ("refinery", Some("flyway")));
    assert_eq!(told(&[("package.json", "{}"), versions[1]]), ("flyway", None));
}

#[test]
fn a_comment_about_another_database_says_nothing() {
    let files = [
        ("Cargo.toml", "sqlx = { features = [\"postgres\"] }"),
        ("migrations/1_a.sql", "CREATE TABLE a (\n    id int -- MySQL's AUTO_INCREMENT would do, and a BLOB,\n)"),
    ];
    assert_eq!(found(&files), ["migrations (sqlx)"]);
    assert_eq!(found(&[files[0], ("migrations/1_a.sql", "CREATE TABLE a (id int AUTO_INCREMENT)")]), [""; 0]);
}

#[test]
fn two_sets_that_number_their_files_alike_are_two() {
    let files = [
        ("a/migrations/001_first.up.sql", ""),
        ("a/migrations/002_second.up.sql", ""),
        ("b/migrations/001_first.up.sql", ""),
    ];
    assert_eq!(found(&files).len(), 2);
}

#[test]
fn what_lies_beside_a_set_and_is_none_is_told() {
    let prisma = [
        ("app/prisma/migrations/migration_lock.toml", "provider = \"postgresql\""),
        ("app/prisma/migrations/20240101000000_a/migration.sql", "SELECT 1"),
        ("app/prisma/manual-data-migrations/20240101_a.sql", "SELECT 1"),
        ("examples/shop/prisma/migrations/migration_lock.toml", "provider = \"postgresql\""),
        ("examples/shop/prisma/migrations/20240101000000_a/migration.sql", "SELECT 1"),
    ];
    assert_eq!(found(&prisma), ["app/prisma/migrations (prisma)"]);
    let expected = [
        "app/prisma/manual-data-migrations: nothing tells what runs it, and prisma's set lies beside it",
        "examples/shop/prisma/migrations: an example has it",
    ];
    assert_eq!(passed(&prisma), expected);
    assert_eq!(found(&prisma[3..]), ["examples/shop/prisma/migrations (prisma)"], "there is no other");

    let flyway = [
        ("server/src/main/resources/db/migration/V1__a.sql", "SELECT 1"),
        ("server/src/dev/resources/db/migration/V1_1__b.sql", "SELECT 1"),
        ("server/src/integrationTest/resources/db/other/V1_1__b.sql", "SELECT 1"),
    ];
    assert_eq!(found(&flyway), ["server/src/main/resources/db/migration (flyway)"]);
    let main = "server/src/main/resources/db/migration";
    let expected = format!("server/src/dev/resources/db/migration: only databases of `dev` have it, beside {main}");
    let test = "server/src/integrationTest/resources/db/other: a test has it".to_owned();
    assert_eq!(passed(&flyway), [expected, test]);

    let diesel = [("db/migrations/2024-01-01_a/up.sql", ""), ("auth/tests/sql/10-basic/up.sql", "")];
    assert_eq!(found(&diesel), ["db/migrations (diesel)"]);
    assert_eq!(passed(&diesel), ["auth/tests/sql: a test has it"]);

    let past =
        [("supabase/migrations/20240101000000_a.sql", ""), ("supabase/migrations-archived/20230101000000_a.sql", "")];
    assert_eq!(found(&past), ["supabase/migrations (supabase)"]);
    let why = "by its name, its time is over, and supabase/migrations lies beside it";
    assert_eq!(passed(&past), [format!("supabase/migrations-archived: {why}")]);
    assert_eq!(found(&[("db/legacy/migrations/1_a.up.sql", "")]).len(), 1, "there is no other");

    let drafts = [
        ("sql/migrations/sql/20240101000000_a.up.sql", "SELECT 1"),
        ("sql/migrations/templates/20240101_a.up.sql", "SELECT 1"),
    ];
    assert_eq!(found(&drafts).len(), 1);
    assert_eq!(
        passed(&drafts),
        ["sql/migrations/templates: by its name, others are made from it, as sql/migrations/sql"]
    );

    let graphile =
        [("db/migrations/committed/000001.sql", "--! Previous: -\n"), ("db/migrations/current/1-current.sql", "")];
    assert_eq!(found(&graphile), ["db/migrations/committed (plain)"]);
    assert_eq!(passed(&graphile).len(), 1, "its draft is no set");
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

/// What looks like a set and is passed over: `folder: why`.
fn passed(files: &[(&str, &str)]) -> Vec<String> {
    let paths: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    let read = |path: &str| files.iter().find(|(p, _)| *p == path).map(|(_, text)| text.as_bytes().to_vec());
    survey(&paths, &read).1.into_iter().map(|passed| format!("{}: {}", passed.path, passed.why)).collect()
}

#[test]
fn a_name_that_means_other_things_than_a_database_excludes_only_beside_another_database() {
    let alone = [
        ("internal/db2/schema/migrations/1_a.sql", "-- +migrate Up\nSELECT 1;"),
        ("price/oracle/migrations/0001_a.up.sql", "SELECT 1"),
    ];
    assert_eq!(
        found(&alone),
        ["internal/db2/schema/migrations (sql-migrate)", "price/oracle/migrations (golang-migrate)"]
    );
    let beside = [
        ("migrations/db2/0001_a.up.sql", "SELECT 1"),
        ("migrations/oracle/0001_a.up.sql", "SELECT 1"),
        ("migrations/postgresql/0001_a.up.sql", "SELECT 1"),
    ];
    assert_eq!(found(&beside), ["migrations/postgresql (golang-migrate)"]);
}

#[test]
fn what_tests_and_demonstrations_have_is_no_set_and_tests_that_look_like_one_are_told() {
    let files = [
        ("Cargo.toml", "sqlx = { features = [\"postgres\"] }"),
        ("crates/sync/test_other_migrations/20240101000000_a.sql", "SELECT 1"),
        ("apps/sdk-test/auth_migrations/2026-01-01.sql", "SELECT 1"),
        ("crates/latest/migrations/20240101000000_a.sql", "SELECT 1"),
        ("demos/sql/00-a.sql", "CREATE TABLE t (a int)"),
        ("demos/sql/01-b.sql", "CREATE TABLE u (a int)"),
        ("ext/sql/00_a.sql", "SELECT 1"),
        ("ext/sql/01_b.sql", "SELECT 1"),
        ("ext/expected/00_a.out", ""),
    ];
    assert_eq!(found(&files), ["crates/latest/migrations (sqlx)"]);
    let told = ["apps/sdk-test/auth_migrations: a test has it", "crates/sync/test_other_migrations: a test has it"];
    assert_eq!(passed(&files), told);
}

#[test]
fn another_databases_words_in_a_set_that_runs_on_postgresql_too_are_told() {
    let both = "github.com/golang-migrate/migrate/v4\ngithub.com/jackc/pgx/v5\nmodernc.org/sqlite";
    let files = |module| {
        [("go.mod", module), ("migrations/000001_a.up.sql", "CREATE TABLE t (a BLOB NOT NULL);")]
            .map(|(path, text): (&str, &str)| (path, text))
    };
    assert_eq!(found(&files(both)), [""; 0]);
    assert_eq!(passed(&files(both)), ["migrations: it says BLOB NOT NULL, which is another database's"]);
    assert_eq!(passed(&files("github.com/golang-migrate/migrate/v4\nmodernc.org/sqlite")), [""; 0]);
}

#[test]
fn where_supabase_puts_its_sets_the_platform_is_supabase() {
    let files = [("playground/supabase/migrations/20240101000000_a.sql", "SELECT 1")];
    assert_eq!(told(&files), ("supabase", None));

    let drizzle = [
        ("app/supabase/migrations/meta/_journal.json", "{\"dialect\":\"postgresql\",\"entries\":[]}"),
        ("app/supabase/migrations/0000_a.sql", "SELECT 1;"),
    ];
    let platform = |files: &[(&str, &str)]| sets(files)[0].platform.map(|layout| layout.name());
    assert_eq!(told(&drizzle).0, "drizzle");
    assert_eq!(platform(&drizzle), Some("supabase"), "it lies in Supabase's folder");

    let elsewhere = |sql| {
        [
            ("supabase/config.toml", "project_id = \"x\""),
            ("prisma/migrations/migration_lock.toml", "provider = \"postgresql\""),
            ("prisma/migrations/20240101000000_a/migration.sql", sql),
        ]
    };
    assert_eq!(platform(&elsewhere("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES auth.users (id)")), Some("supabase"));
    assert_eq!(platform(&elsewhere("SELECT 1")), None, "nothing in it needs Supabase's tables");
}

#[test]
fn flyways_locations_in_a_program_are_one_set_without_those_for_trials() {
    let resources = "apps/a/src/main/resources/db";
    let file = |name: &str| format!("{resources}/{name}");
    let (main, prod, dev) = (file("migration/V1__a.sql"), file("prod/V2__b.sql"), file("dev/V3__c.sql"));
    let program = "import org.flywaydb.core.Flyway\nval all = mutableListOf(\"db/migration\")\n\
                   all.add(\"db/prod\")\nall.add(\"db/dev\")";
    let kotlin = "libs/database/src/main/kotlin/DataSourceBuilder.kt";
    let files = [(main.as_str(), ""), (prod.as_str(), ""), (dev.as_str(), ""), (kotlin, program)];
    let all = sets(&files);
    let [set] = &all[..] else { panic!("{all:?}") };
    assert_eq!((set.path.as_str(), &set.locations[..]), (&file("migration")[..], &[file("prod")][..]));
    assert_eq!(passed(&files).len(), 1, "the one for trials is told");

    assert_eq!(found(&files[..2]).len(), 2, "without a program that names them, nothing says that they are one");
    let why = format!("{dev}: by its name, only databases for trials have it beside {}", file("migration"));
    assert_eq!(passed(&files[..3]), [why.replace("/V3__c.sql", "")]);
    let same = file("prod/V1__b.sql");
    let twice = [(main.as_str(), ""), (same.as_str(), ""), (kotlin, program)];
    assert_eq!(found(&twice).len(), 2, "one version twice is no chain");
}

#[test]
fn a_folder_for_each_migration_is_plain_where_nothing_is_written_in_rust() {
    let files = [
        ("go.mod", "module shop"),
        ("storage/migrations/0-init-schema/up.sql", "SELECT 1"),
        ("storage/migrations/0-init-schema/notes.yaml", ""),
        ("storage/migrations/1-users/up.sql", "SELECT 1"),
        ("hasura/migrations/default/1700000000000_users/up.sql", "SELECT 1"),
        ("hasura/migrations/default/1700000000000_users/down.sql", "SELECT 1"),
    ];
    assert_eq!(found(&files), ["hasura/migrations/default (plain)", "storage/migrations (plain)"]);
    let rust = [("Cargo.toml", "diesel = \"2\""), ("migrations/1_users/up.sql", "SELECT 1")];
    assert_eq!(found(&rust), ["migrations (diesel)"]);
}

#[test]
fn folders_that_say_their_kind_alone_are_named_by_the_one_around_them() {
    let files = [
        ("go.mod", "module shop"),
        ("shared/migrate/postgres/files/001_a.sql", "SELECT 1"),
        ("shared/migrate/sqlite/files/001_a.sql", "SELECT 1"),
        ("shared/stream/redshift-migrations/001_a.sql", "SELECT 1"),
        ("shared/reports/sql/files/001_a.sql", "SELECT 1"),
    ];
    assert_eq!(found(&files), ["shared/migrate/postgres/files (plain)"]);
}

#[test]
fn a_folder_with_atlas_sums_is_no_set_of_sqlxs() {
    let files = [
        ("Cargo.toml", "sqlx = { features = [\"postgres\"] }"),
        ("migrations/20240101000000_a.sql", "SELECT 1"),
        ("migrations/atlas.sum", "h1:"),
    ];
    assert_eq!(found(&files), ["migrations (atlas)"]);

    let goose = [
        ("db/atlas.hcl", "env \"local\" { migration { dir = \"file://goose?format=goose\" } }"),
        ("db/goose/atlas.sum", "h1:"),
        ("db/goose/20240101000000_init.sql", "-- +goose Up\nCREATE TABLE t ();\n-- +goose Down\nDROP TABLE t;"),
    ];
    assert_eq!(found(&goose), ["db/goose (goose)"], "both directions would be run as one");
}

#[test]
fn a_home_that_has_other_databases_files_alone_is_no_set() {
    let files = [
        ("pom.xml", "flyway"),
        ("src/main/resources/shop/db/migration/h2/V1__a.sql", "SELECT 1"),
        ("core/src/main/resources/shop/db/migration/h2/V1__a.sql", "SELECT 1"),
        ("core/src/main/resources/shop/db/migration/postgresql/V1__h2_is_gone.sql", "SELECT 1"),
    ];
    assert_eq!(found(&files), ["core/src/main/resources/shop/db/migration (flyway)"]);
}

#[test]
fn cockroachs_folder_beside_psqls_is_no_set() {
    let up = "-- +goose Up\nCREATE TABLE a (b int);\n";
    let files = [("storage/crdb/migrations/1_a.sql", up), ("storage/psql/migrations/1_a.sql", up)];
    assert_eq!(found(&files), ["storage/psql/migrations (goose)"]);
}
