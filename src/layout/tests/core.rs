//! sqlx, golang-migrate, Diesel, plain.

use super::*;
use crate::verdict::Severity;

#[test]
fn sqlx_orders_by_integer_and_wraps() {
    let chain = plan(
        "sqlx",
        &[
            ("10_ten.sql", "SELECT 10"),
            ("9_nine_more.up.sql", "SELECT 9"),
            ("9_nine_more.down.sql", "-- no-transaction\nSELECT -9"),
            ("0011_index.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a)"),
            ("README.md", ""),
            ("sub/12_x.sql", "SELECT 12"),
        ],
    );
    assert_eq!(order(&chain), ["9 nine_more", "10 ten", "11 index"]);
    assert_eq!(findings(&chain), [""; 0]);
    assert_eq!(chain.unknown, ["README.md", "sub/12_x.sql"]);
    let modes: Vec<_> = chain.migrations.iter().map(|m| m.up.mode).collect();
    assert_eq!(modes, [Mode::Wrapped, Mode::Wrapped, Mode::Simple]);
    let down = chain.migrations[0].down.as_ref().unwrap();
    assert_eq!((down.path.as_str(), down.mode), ("migrations/9_nine_more.down.sql", Mode::Simple));
    assert!(chain.migrations[1].down.is_none());
}

#[test]
fn sqlx_records_what_it_would() {
    let chain = plan("sqlx", &[("0001_it_s_'x'.sql", "SELECT 1")]);
    let book = by_name("sqlx").unwrap().bookkeeping(&chain.migrations[0]);
    // sha384 of `SELECT 1`, as `sha384sum` prints it.
    let sum = "a87be5ea59a50f1537b8361d62582b67f0f8665b89a1afa8f5f5ccc3ec84e9b8c62649fb92c16783942166f392ecc20e";
    assert!(book.setup[0].contains("_sqlx_migrations") && book.setup[0].contains("checksum BYTEA NOT NULL"));
    assert!(book.applied[0].contains("VALUES (1, 'it s ''x''', TRUE, '\\x"), "{}", book.applied[0]);
    assert!(book.applied[0].contains(sum), "{}", book.applied[0]);
    assert_eq!(book.reverted, ["DELETE FROM _sqlx_migrations WHERE version = 1"]);
}

#[test]
fn sqlx_refuses_a_word_for_a_version() {
    let chain = plan("sqlx", &[("1_a.sql", "SELECT 1"), ("seed_data.sql", "SELECT 1"), ("schema.sql", "SELECT 1")]);
    assert_eq!(findings(&chain), ["history.naming migrations/seed_data.sql"]);
    assert_eq!(chain.unknown, ["schema.sql", "seed_data.sql"]);
}

#[test]
fn two_files_of_one_version_are_a_finding() {
    let chain = plan("sqlx", &[("01_a.sql", "SELECT 1"), ("1_b.sql", "SELECT 2"), ("3_c.down.sql", "SELECT 3")]);
    assert_eq!(order(&chain), ["1 a"]);
    let expected = ["history.duplicate-version migrations/1_b.sql", "history.down-without-up migrations/3_c.down.sql"];
    assert_eq!(findings(&chain), expected);
    assert!(chain.findings[0].message.contains("migrations/01_a.sql"));
}

#[test]
fn golang_migrate_takes_any_extension_and_ignores_other_names() {
    let chain = plan(
        "golang-migrate",
        &[
            ("000002_b.up.sql", "SELECT 2"),
            ("000002_b.down.sql", "SELECT -2"),
            ("1_a.up.down.up.pgsql", "SELECT 1"),
            ("3_c.sql", "SELECT 3"),
            ("readme.up.md", ""),
        ],
    );
    assert_eq!(order(&chain), ["1 a.up.down", "2 b"]);
    assert_eq!(findings(&chain), ["history.naming migrations/3_c.sql"]);
    assert_eq!(chain.unknown, ["3_c.sql", "readme.up.md"]);
    assert!(chain.migrations.iter().all(|m| m.up.mode == Mode::Simple));
}

#[test]
fn golang_migrate_keeps_one_row() {
    let chain = plan("golang-migrate", &[("1_a.up.sql", "SELECT 1"), ("2_b.up.sql", "SELECT 2")]);
    let layout = by_name("golang-migrate").unwrap();
    let [first, second] = [&chain.migrations[0], &chain.migrations[1]].map(|m| layout.bookkeeping(m));
    assert_eq!(first.applied.len(), 2);
    assert!(first.applied[0].starts_with("TRUNCATE") && first.applied[1].ends_with("VALUES (1, false)"));
    assert_eq!(second.reverted, first.applied);
    assert_eq!(first.reverted.len(), 1);
}

#[test]
fn diesel_orders_by_version_text_without_dashes() {
    let chain = plan(
        "diesel",
        &[
            ("00000000000000_diesel_initial_setup/up.sql", "SELECT 0"),
            ("00000000000000_diesel_initial_setup/down.sql", "SELECT 0"),
            ("2019-05-21-120000_b_c/up.sql", "SELECT 2"),
            ("20190521110000_a/up.sql", "SELECT 1"),
            ("20190521110000_a/notes.md", ""),
            ("2019-05-21-130000_c/up.sql", "CREATE INDEX CONCURRENTLY i ON t (a)"),
            ("2019-05-21-130000_c/metadata.toml", "run_in_transaction = false"),
            ("2019-05-21-140000_d/up.sql", "SELECT 3"),
            ("2019-05-21-140000_d/metadata.toml", "# the key is missing"),
            ("2019-05-21-150000_e/up.sql", "SELECT 3"),
            ("2019-05-21-150000_e/metadata.toml", "run_in_transaction ="),
            (".hidden/x.sql", ""),
            ("README.md", ""),
        ],
    );
    let expected = [
        "00000000000000 diesel_initial_setup",
        "20190521110000 a",
        "20190521120000 b_c",
        "20190521130000 c",
        "20190521140000 d",
        "20190521150000 e",
    ];
    assert_eq!(order(&chain), expected);
    use Mode::*;
    let modes: Vec<_> = chain.migrations.iter().map(|m| m.up.mode).collect();
    assert_eq!(modes, [Wrapped, Wrapped, Wrapped, Simple, Simple, Wrapped]);
    assert_eq!(findings(&chain), ["apply.format migrations/2019-05-21-150000_e/metadata.toml"]);
    assert_eq!(chain.unknown, [".hidden/x.sql", "README.md", "20190521110000_a/notes.md"]);
    assert!(chain.migrations[0].down.is_some() && chain.migrations[1].down.is_none());
}

#[test]
fn diesel_refuses_folders_without_up_and_files_without_statements() {
    let chain = plan(
        "diesel",
        &[
            ("1_a/up.sql", "-- Your SQL goes here\n"),
            ("1_a/down.sql", ""),
            ("2_b/down.sql", "SELECT 1"),
            ("3-0_c/up.sql", "SELECT 1"),
            ("30_d/up.sql", "SELECT 2"),
        ],
    );
    assert_eq!(order(&chain), ["1 a", "30 c"]);
    let expected = [
        "history.naming migrations/2_b/down.sql",
        "history.down-without-up migrations/2_b/down.sql",
        "history.duplicate-version migrations/30_d/up.sql",
        "apply.empty migrations/1_a/down.sql",
        "apply.empty migrations/1_a/up.sql",
    ];
    assert_eq!(findings(&chain), expected);
    assert!(chain.findings.iter().skip(3).all(|f| f.severity == Severity::Error));
}

#[test]
fn plain_orders_by_number_where_all_have_one() {
    let files = [("10_b.sql", "SELECT 10"), ("9_a.sql", "SELECT 9"), ("V11__c.sql", "SELECT 11")];
    let chain = plan("plain", &files);
    assert_eq!(order(&chain), ["9 a", "10 b", "V11 c"]);
    assert_eq!(findings(&chain), ["history.lexical-order migrations/10_b.sql"]);

    let chain = plan("plain", &[("init.sql", "SELECT 1"), ("10_b.sql", "SELECT 10"), ("9_a.sql", "SELECT 9")]);
    assert_eq!(order(&chain), ["10 b", "9 a", "init init"]);

    let dated = [("2024-05-10-x.sql", "SELECT 2"), ("2024-05-09-2fa.sql", "SELECT 1")];
    assert_eq!(order(&plan("plain", &dated)), ["2024-05-09 2fa", "2024-05-10 x"]);

    let timed = [("20240510T120000Z.sql", "SELECT 2"), ("20240510T093000Z_a.sql", "SELECT 1"), ("20240511Tea.sql", "")];
    let chain = plan("plain", &timed);
    assert_eq!(order(&chain), ["20240510T093000Z a", "20240510T120000Z ", "20240511 Tea"]);
    assert_eq!(findings(&chain), ["apply.empty migrations/20240511Tea.sql"], "a time belongs to the number");

    let chain = plan("plain", &[("001_a.sql", "SELECT 1"), ("1_b.sql", "SELECT 1")]);
    assert_eq!(findings(&chain), ["history.duplicate-version migrations/1_b.sql"]);
}

#[test]
fn plain_goes_through_numbered_folders_where_it_has_no_numbered_file_of_its_own() {
    let files = [("10/01_c.sql", "SELECT 3"), ("2/01_b.sql", "SELECT 2"), ("2/01_b.down.sql", ""), ("0/07_a.sql", "")];
    let chain = plan("plain", &files);
    assert_eq!(order(&chain), ["0/07 a", "2/01 b", "10/01 c"]);
    assert_eq!(findings(&chain), ["apply.empty migrations/0/07_a.sql"]);
    assert!(chain.migrations[1].down.is_some());

    let flat = plan("plain", &[("1_a.sql", "SELECT 1"), ("2/01_b.sql", "SELECT 2")]);
    assert_eq!((order(&flat), flat.unknown), (vec!["1 a".to_owned()], vec!["2/01_b.sql".to_owned()]));
}

#[test]
fn plain_pairs_ups_with_downs() {
    let chain = plan(
        "plain",
        &[
            ("1_a.up.sql", "SELECT 1"),
            ("1_a.down.sql", "SELECT -1"),
            ("2_b.sql", "SELECT 2"),
            ("2_b_down.sql", "SELECT -2"),
            ("3_scale_down.sql", "SELECT 3"),
            ("4_d.down.sql", "SELECT 4"),
            ("notes.txt", ""),
        ],
    );
    assert_eq!(order(&chain), ["1 a", "2 b", "3 scale_down"]);
    let downs: Vec<_> = chain.migrations.iter().map(|m| m.down.as_ref().map(body)).collect();
    assert_eq!(downs, [Some("SELECT -1"), Some("SELECT -2"), None]);
    assert_eq!(findings(&chain), ["history.down-without-up migrations/4_d.down.sql"]);
    assert_eq!(chain.unknown, ["notes.txt"]);
    assert!(chain.migrations.iter().all(|m| m.up.mode == Mode::Wrapped));
}

#[test]
fn plain_cuts_a_file_at_its_markers() {
    let both = "-- Up Migration\nSELECT '\n-- down\n';\n--- DOWN ---\nSELECT 2;\n";
    let chain = plan(
        "plain",
        &[("1_a.sql", both), ("2_b.sql", "SELECT 1;\n-- down\nSELECT 2;"), ("3_c.sql", "-- up\nSELECT 3")],
    );
    let bodies: Vec<_> =
        chain.migrations.iter().map(|m| (body(&m.up).trim(), m.down.as_ref().map(|d| body(d).trim()))).collect();
    let expected =
        [("SELECT '\n-- down\n';", Some("SELECT 2;")), ("SELECT 1;", Some("SELECT 2;")), ("-- up\nSELECT 3", None)];
    assert_eq!(bodies, expected);
}

#[test]
fn plain_cuts_terns_files_at_terns_line() {
    let chain = plan(
        "plain",
        &[
            ("001_a.sql", "SELECT 1;\n\n---- create above / drop below ----\n\nSELECT -1;\n"),
            ("002_b.sql", "SELECT 2;\n---- create above / drop below ----\n"),
            ("003_c.sql", "VACUUM;\n---- tern: disable-tx ----\n---- create above / drop below ----\nSELECT -3;"),
            ("004_d.sql", "---- tern: disable-tx ----\nVACUUM;"),
        ],
    );
    let downs: Vec<_> = chain.migrations.iter().map(|m| m.down.as_ref().map(|down| body(down).trim())).collect();
    assert_eq!(body(&chain.migrations[0].up).trim(), "SELECT 1;");
    assert_eq!(downs, [Some("SELECT -1;"), None, Some("SELECT -3;"), None]);
    let modes: Vec<_> = chain.migrations.iter().map(|m| m.up.mode).collect();
    assert_eq!(modes, [Mode::Wrapped, Mode::Wrapped, Mode::PerStatement, Mode::PerStatement]);
    assert_eq!(chain.migrations[2].down.as_ref().unwrap().mode, Mode::Wrapped);
}

#[test]
fn files_named_for_a_transaction_are_go_pgs() {
    let files = [
        ("20240101000000_a.tx.up.sql", "SELECT 1; SELECT 2"),
        ("20240101000000_a.tx.down.sql", "SELECT 1"),
        ("20240102000000_b.up.sql", "CREATE INDEX CONCURRENTLY i ON t (a)"),
    ];
    assert_eq!(recognise(&tree(&files)).map(Layout::name), Some("plain"));
    let chain = plan("plain", &files);
    assert_eq!(order(&chain), ["20240101000000 a", "20240102000000 b"]);
    let modes: Vec<_> = chain.migrations.iter().map(|m| m.up.mode).collect();
    assert_eq!(modes, [Mode::Wrapped, Mode::Simple]);
}

#[test]
fn plain_can_leave_out_the_transaction() {
    let chain = plan("plain", &[("1_a.sql", "-- no-transaction\nVACUUM;")]);
    assert_eq!(chain.migrations[0].up.mode, Mode::PerStatement);
}

#[test]
fn plain_takes_each_folder_for_a_migration_where_it_has_an_up() {
    let files = [
        ("10-ten/up.sql", "SELECT 10"),
        ("10-ten/down.sql", "SELECT -10"),
        ("2-two/up.sql", "SELECT 2"),
        ("2-two/notes.yaml", ""),
        ("2-two/up_test.sql", "SELECT 3"),
        ("11-eleven/up.go", ""),
        ("11-eleven/down.go", ""),
    ];
    let chain = plan("plain", &files);
    assert_eq!(order(&chain), ["2 two", "10 ten", "11 eleven"]);
    assert_eq!(chain.migrations[1].down.as_ref().map(body), Some("SELECT -10"));
    assert_eq!(chain.migrations[2].foreign.as_deref(), Some("migrations/11-eleven/up.go"));
    assert_eq!(&chain.unknown[2..], ["2-two/notes.yaml", "2-two/up_test.sql"]);
    assert_eq!(findings(&chain), [""; 0]);
}

#[test]
fn of_files_for_several_databases_postgresqls_run() {
    let chain = plan(
        "plain",
        &[
            ("20200101000000_a.mysql.up.sql", "m"),
            ("20200101000000_a.postgres.up.sql", "SELECT 1"),
            ("20200101000000_a.postgres.down.sql", "SELECT 2"),
            ("20200101000000_a.up.sql", "general"),
            ("20200102000000_b.up.sql", "SELECT 3"),
            ("20210817181232000001_c.cockroach.up.sql", "c"),
            ("20210817181232000001_c.up.sql", "SELECT 4"),
        ],
    );
    let ups: Vec<_> = chain.migrations.iter().map(|m| (&m.version[..], &m.up.text[..])).collect();
    let expected =
        [("20200101000000", "SELECT 1"), ("20200102000000", "SELECT 3"), ("20210817181232000001", "SELECT 4")];
    assert_eq!(ups, expected);
    assert_eq!(chain.migrations[0].down.as_ref().map(|down| &down.text[..]), Some("SELECT 2"));
    assert_eq!(findings(&chain), [""; 0]);
}

#[test]
fn a_file_for_postgresql_wins_over_the_general_one_of_its_version_whatever_their_names() {
    let chain = plan(
        "plain",
        &[
            ("20200101000000_a.postgres.up.sql", "SELECT 1"),
            ("20200101000000_general.up.sql", "x"),
            ("20200101000000_general.down.sql", "SELECT 2"),
            ("20200102000000_b.up.sql", "SELECT 3"),
            ("20200102000000_b.crdb.down.sql", "x"),
            ("20200102000000_c.down.sql", "x"),
            ("20200102000000_b.pg.down.sql", "SELECT 4"),
        ],
    );
    let both = |m: &Arc<Migration>| (m.up.text.to_string(), m.down.as_ref().map(|down| down.text.to_string()));
    let expected = [("SELECT 1", Some("SELECT 2")), ("SELECT 3", Some("SELECT 4"))];
    let expected = expected.map(|(up, down)| (up.to_owned(), down.map(str::to_owned)));
    assert_eq!(chain.migrations.iter().map(both).collect::<Vec<_>>(), expected);
    assert_eq!(findings(&chain), [""; 0]);
}

#[test]
fn without_a_runner_two_of_one_number_are_a_warning_and_run_by_name() {
    let chain = plan("plain", &[("0001_a.sql", "SELECT 1"), ("0001_b.sql", "SELECT 2")]);
    let versions: Vec<_> = chain.migrations.iter().map(|m| &m.version[..]).collect();
    assert_eq!(versions, ["0001", "0001_b"]);
    assert_eq!(chain.findings[0].code, "history.duplicate-version");
    assert_eq!(chain.findings[0].severity, Severity::Warning);
}

#[test]
fn a_template_without_values_is_one_finding_and_no_step() {
    for layout in ["golang-migrate", "sqlx", "plain"] {
        let files = tree(&[("1_a.up.sql", "CREATE SCHEMA {{ .Schema }};\nCREATE TABLE {{ .Schema }}.t ();")]);
        let layout = by_name(layout).unwrap();
        let chain = plan_replaced(layout, "m", &files, &Given::default(), &[]);
        assert_eq!(findings(&chain), ["config.placeholder m/1_a.up.sql"]);
        assert!(chain.findings[0].message.contains("{{ .Schema }}"), "{}", chain.findings[0].message);
        assert_eq!((chain.findings[0].line, chain.findings[0].column), (Some(1), Some(15)));
        assert!(chain.migrations[0].foreign.is_some());
        let vars = BTreeMap::from([("Schema".to_owned(), "shop".to_owned())]);
        let chain = plan_replaced(layout, "m", &files, &given(&vars), &[]);
        assert_eq!(&chain.migrations[0].up.text[..], "CREATE SCHEMA shop;\nCREATE TABLE shop.t ();");
        assert_eq!(findings(&chain), [""; 0]);
    }
}

#[test]
fn programs_in_pairs_are_one_step_and_the_up_is_the_step() {
    let files =
        [("1_a.up.sql", "SELECT 1"), ("2_b.up.go", ""), ("2_b.down.go", ""), ("3_c.up.go", ""), ("3_c.down.sql", "x")];
    let chain = plan("plain", &files);
    let steps: Vec<_> = chain.migrations.iter().map(|m| (&m.version[..], m.foreign.as_deref())).collect();
    let expected = [("1", None), ("2", Some("migrations/2_b.up.go")), ("3", Some("migrations/3_c.up.go"))];
    assert_eq!(steps, expected);
    assert_eq!(findings(&chain), [""; 0]);
}

#[test]
fn pops_autocommit_is_no_transaction() {
    let chain = plan("plain", &[("1_a.postgres.autocommit.up.sql", "CREATE INDEX CONCURRENTLY i ON t (a)")]);
    assert_eq!(chain.migrations[0].up.mode, Mode::Simple);
}

#[test]
fn rows_behind_a_copy_are_rows_to_psql_and_flyway_alone() {
    let copy = "CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n\\.\n";
    for (layout, file, up, down) in [
        ("golang-migrate", "1_a.up.sql", "", ""),
        ("sqlx", "1_a.sql", "", ""),
        ("goose", "1_a.sql", "-- +goose Up\n-- +goose StatementBegin\n", "-- +goose StatementEnd\n-- +goose Down\n"),
        ("dbmate", "1_a.sql", "-- migrate:up\n", "-- migrate:down\n"),
        (
            "sql-migrate",
            "1_a.sql",
            "-- +migrate Up\n-- +migrate StatementBegin\n",
            "-- +migrate StatementEnd\n-- +migrate Down\n",
        ),
        ("refinery", "V1__a.sql", "", ""),
        ("prisma", "1_a/migration.sql", "", ""),
        ("supabase", "1_a.sql", "", ""),
    ] {
        let chain = plan(layout, &[(file, &format!("{up}{copy}{down}"))]);
        let told = chain.findings.iter().find(|finding| finding.message.contains("COPY"));
        let told = told.unwrap_or_else(|| panic!("{layout}: {:?}", chain.findings));
        let line = u32::try_from(up.lines().count()).unwrap() + 2;
        assert_eq!((told.code.as_str(), told.line), ("apply.format", Some(line)), "{layout}");
        let sends_none = "CREATE TABLE stdin (copy int); -- COPY t FROM stdin;\nCOPY t TO stdout;\n";
        let chain = plan(layout, &[(file, &format!("{up}{sends_none}{down}"))]);
        assert!(!chain.findings.iter().any(|finding| finding.message.contains("COPY")), "{layout}");
    }
    for (layout, file) in [("flyway", "V1__a.sql"), ("plain", "1_a.sql")] {
        assert_eq!(findings(&plan(layout, &[(file, copy)])), [""; 0], "{layout}");
    }
}
