//! goose, sql-migrate, dbmate: layouts that cut a file by markers of their own.

use super::*;

fn pieces(source: &Source) -> Vec<&str> {
    source.pieces.as_ref().unwrap().iter().map(|p| &source.text[p.clone()]).collect()
}

#[test]
fn goose_cuts_by_lines_and_blocks() {
    let text = "-- +goose Up\n-- a comment\nCREATE TABLE a (\n  b int -- ;\n); -- c\n\
        -- +goose StatementBegin\nCREATE FUNCTION f() RETURNS int AS $$\nBEGIN\n  RETURN 1;\nEND;\n$$ LANGUAGE plpgsql;\n\
        -- +goose StatementEnd\nSELECT 1; SELECT 2;\n\n-- +goose Down\nDROP FUNCTION f();\r\nDROP TABLE a;\n";
    let chain = plan("goose", &[("00002_a_b.sql", text), ("1_first.sql", "-- +goose Up\nSELECT 1;")]);
    assert_eq!(order(&chain), ["1 first", "2 a_b"]);
    assert_eq!(findings(&chain), [""; 0]);
    let migration = &chain.migrations[1];
    let up = pieces(&migration.up);
    assert_eq!(up.len(), 3);
    assert_eq!(up[0], "CREATE TABLE a (\n  b int -- ;\n); -- c");
    assert!(up[1].starts_with("CREATE FUNCTION") && up[1].ends_with("$$ LANGUAGE plpgsql;"));
    assert_eq!(up[2], "SELECT 1; SELECT 2;");
    assert_eq!(pieces(migration.down.as_ref().unwrap()), ["DROP FUNCTION f();", "DROP TABLE a;"]);
    assert_eq!(migration.up.mode, Mode::Wrapped);
    assert!(chain.migrations[0].down.is_none());
}

#[test]
fn goose_without_a_transaction_sends_the_pieces_bare() {
    let text = "-- +goose NO TRANSACTION\n-- +goose up\nCREATE INDEX CONCURRENTLY i ON t (a);\n-- +goose down\n";
    let chain = plan("goose", &[("1_a.sql", text)]);
    assert_eq!(chain.migrations[0].up.mode, Mode::PerStatement);
    let down = chain.migrations[0].down.as_ref().unwrap();
    assert_eq!((down.mode, pieces(down).len()), (Mode::PerStatement, 0));
}

#[test]
fn goose_refuses_what_it_cannot_read() {
    for (text, line) in [
        ("SELECT 1;\n", 1),
        ("-- no marker\n", 1),
        ("-- +goose Up\nSELECT 1\n", 2),
        ("-- +goose Up\nSELECT 1\n-- +goose Down\nSELECT 2;\n", 3),
        ("-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n", 4),
        ("-- +goose Up\n-- +goose Sideways\n", 2),
        ("-- +goose Up\n  -- +goose Down\n", 2),
        ("-- +goose Up\nSELECT 1;\n-- +goose Up\n", 3),
        ("-- +goose Down\n", 1),
    ] {
        let chain = plan("goose", &[("1_a.sql", text)]);
        assert_eq!(findings(&chain), ["apply.format migrations/1_a.sql"], "{text}");
        assert_eq!(chain.findings[0].line, Some(line), "{text}");
        assert_eq!(chain.migrations[0].foreign.as_deref(), Some("migrations/1_a.sql"));
    }
}

#[test]
fn a_down_that_goose_refuses_is_there_and_the_up_runs() {
    let text = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2\n";
    let chain = plan("goose", &[("1_a.sql", text)]);
    assert_eq!(findings(&chain), ["apply.format migrations/1_a.sql"]);
    assert_eq!(chain.findings[0].line, Some(4));
    let migration = &chain.migrations[0];
    assert!(migration.foreign.is_none() && migration.down.is_none() && migration.down_unread);
}

#[test]
fn goose_names_its_go_steps_and_refuses_words_for_versions() {
    let chain = plan(
        "goose",
        &[
            ("1_a.sql", "-- +goose Up\nSELECT 1;"),
            ("00002_b.go", "package migrations"),
            ("2_b_test.go", "package migrations"),
            ("2_c.sql", "-- +goose Up\nSELECT 1;"),
            ("main.go", "package main"),
            ("seed.sql", "SELECT 1"),
            ("0_zero.sql", "-- +goose Up\nSELECT 1;"),
        ],
    );
    assert_eq!(order(&chain), ["1 a", "2 b"]);
    assert_eq!(chain.migrations[1].foreign.as_deref(), Some("migrations/00002_b.go"));
    let expected = [
        "history.naming migrations/0_zero.sql",
        "history.duplicate-version migrations/2_c.sql",
        "history.naming migrations/seed.sql",
    ];
    assert_eq!(findings(&chain), expected);
    assert_eq!(chain.unknown, ["0_zero.sql", "2_b_test.go", "main.go", "seed.sql"]);
}

#[test]
fn goose_substitutes_where_it_is_told_to() {
    let text = "-- +goose Up\nSELECT '$A';\n-- +goose ENVSUB ON\n\
        SELECT '$A ${A} ${B:-b} ${B-c} $C $$x \\$y $(z)';\n-- +goose ENVSUB OFF\nSELECT $$d$$;\n";
    let vars = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
    let chain = by_name("goose").unwrap().plan_with("m", &tree(&[("1_a.sql", text)]), &given(&vars));
    assert_eq!(pieces(&chain.migrations[0].up), ["SELECT '$A';", "SELECT '1 1 b c  $x $y $(z)';", "SELECT $$d$$;"]);
    assert_eq!(findings(&chain), ["config.placeholder m/1_a.sql"]);
    assert!(chain.findings[0].message.contains('C'));

    let bad = "-- +goose Up\n-- +goose ENVSUB ON\nSELECT $1;\n";
    assert_eq!(findings(&plan("goose", &[("1_a.sql", bad)])), ["apply.format migrations/1_a.sql"]);
}

#[test]
fn goose_records_versions_from_zero() {
    let chain = plan("goose", &[("007_a.sql", "-- +goose Up\nSELECT 1;")]);
    let book = by_name("goose").unwrap().bookkeeping(&chain.migrations[0]);
    assert!(book.setup[1].contains("SELECT 0, true"));
    assert!(book.applied[0].ends_with("VALUES (7, true)"));
}

#[test]
fn sql_migrate_orders_numbers_before_names() {
    let one = "-- +migrate Up\nSELECT 1;";
    let chain =
        plan("sql-migrate", &[("b.sql", one), ("10_x.sql", one), ("9-y.sql", one), ("a.txt", ""), ("d/1.sql", one)]);
    assert_eq!(order(&chain), ["9-y.sql y", "10_x.sql x", "b.sql b"]);
    assert_eq!(chain.unknown, ["a.txt", "d/1.sql"]);
    let book = by_name("sql-migrate").unwrap().bookkeeping(&chain.migrations[0]);
    assert!(book.applied[0].contains("'9-y.sql'"));
}

#[test]
fn sql_migrate_cuts_by_lines_and_blocks() {
    let text = "ignored\n-- +migrate Up notransaction\n-- why\nSELECT 1;\nSELECT\n 2 ;\n-- +migrate StatementBegin\n\
        DO $$ BEGIN\n NULL;\nEND $$;\n-- +migrate StatementEnd\n\n-- +migrate Down\nSELECT 3;\n-- nothing\n";
    let chain = plan("sql-migrate", &[("1.sql", text)]);
    let migration = &chain.migrations[0];
    assert_eq!(pieces(&migration.up), ["SELECT 1;", "SELECT\n 2 ;", "DO $$ BEGIN\n NULL;\nEND $$;"]);
    let down = migration.down.as_ref().unwrap();
    assert_eq!(pieces(down), ["SELECT 3;"]);
    assert_eq!((migration.up.mode, down.mode), (Mode::PerStatement, Mode::Wrapped));
    assert_eq!(findings(&chain), [""; 0]);
}

#[test]
fn sql_migrate_takes_a_comment_between_empty_lines_for_no_statement() {
    let text =
        "-- +migrate Up\nSELECT 1;\n\n-- later more\n\n-- +migrate Down\n\n-- back\n\nSELECT 2;\n\n-- the end\n\n";
    let chain = plan("sql-migrate", &[("1.sql", text)]);
    assert_eq!(findings(&chain), [""; 0]);
    let migration = &chain.migrations[0];
    assert_eq!(pieces(&migration.up), ["SELECT 1;"]);
    assert_eq!(pieces(migration.down.as_ref().unwrap()), ["SELECT 2;"]);
}

#[test]
fn sql_migrate_refuses_what_it_cannot_read() {
    for (text, line) in [
        ("SELECT 1;\n", 1),
        ("-- +migrate Up\nSELECT 1\n-- +migrate Down\n", 2),
        ("-- +migrate Up\nSELECT 1;\nSELECT 2", 3),
        ("-- +migrate Up\n-- +migrate StatementBegin\nSELECT 1;", 3),
    ] {
        let chain = plan("sql-migrate", &[("1.sql", text)]);
        assert_eq!(findings(&chain), ["apply.format migrations/1.sql"], "{text}");
        assert_eq!(chain.findings[0].line, Some(line), "{text}");
    }
}

#[test]
fn dbmate_sends_each_section_whole() {
    let text = "-- why\n\n-- migrate:up transaction:false foo:bar\nSELECT 1;\nSELECT 2;\n--migrate:down\nSELECT 3;\n";
    let chain =
        plan("dbmate", &[("20240101_a.sql", text), ("9_b.sql", "-- migrate:up\n\n-- migrate:down\n"), ("x.sql", "")]);
    assert_eq!(order(&chain), ["20240101 a", "9 b"]);
    let first = &chain.migrations[0];
    assert!(body(&first.up).starts_with("-- migrate:up") && body(&first.up).ends_with("SELECT 2;\n"));
    assert_eq!(first.down.as_ref().map(body), Some("--migrate:down\nSELECT 3;\n"));
    assert_eq!((first.up.mode, first.down.as_ref().map(|d| d.mode)), (Mode::Simple, Some(Mode::Wrapped)));
    assert_eq!(findings(&chain), ["apply.empty migrations/9_b.sql"]);
    let book = by_name("dbmate").unwrap().bookkeeping(first);
    assert_eq!(book.applied, ["insert into public.schema_migrations (version) values ('20240101')"]);
}

#[test]
fn dbmate_sends_several_pairs_in_order_and_reverts_from_the_last() {
    let text =
        "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n-- migrate:up\nSELECT 3;\n-- migrate:down\nSELECT 4;\n";
    let chain = plan("dbmate", &[("1_a.sql", text)]);
    let migration = &chain.migrations[0];
    let down = migration.down.as_ref().unwrap();
    assert_eq!(pieces(&migration.up), ["-- migrate:up\nSELECT 1;", "-- migrate:up\nSELECT 3;"]);
    assert_eq!(pieces(down), ["-- migrate:down\nSELECT 4;", "-- migrate:down\nSELECT 2;"]);
    assert_eq!((migration.up.mode, down.mode), (Mode::WrappedEach, Mode::WrappedEach));
    let bare = plan("dbmate", &[("1_a.sql", &text.replacen("up", "up transaction:false", 1))]);
    assert_eq!(bare.migrations[0].up.mode, Mode::PerStatement);
}

#[test]
fn dbmate_refuses_what_it_cannot_read() {
    for text in [
        "SELECT 1;",
        "-- migrate:up\nSELECT 1;",
        "-- migrate:down\n-- migrate:up\n",
        "SELECT 1;\n-- migrate:up\n-- migrate:down\n",
        "-- migrate:up\n-- migrate:up\n-- migrate:down\n",
        "-- migrate:up\n-- migrate:down\n-- migrate:down\n",
    ] {
        let chain = plan("dbmate", &[("1_a.sql", text)]);
        assert_eq!(findings(&chain), ["apply.format migrations/1_a.sql"], "{text}");
        assert!(chain.migrations[0].foreign.is_some());
    }
}
