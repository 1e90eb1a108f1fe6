//! Atlas' folders, and postgrator's names in `plain`.

use super::*;
use crate::verdict::Severity;

const USERS: (&str, &str) = ("1_users.sql", "CREATE TABLE users (id int);\n");
const ORDERS: (&str, &str) = ("2_orders.sql", "CREATE TABLE orders (id int);\n");
/// What Atlas writes for these two: SHA-256 over names and contents, file after file.
const SUM: &str = "h1:CqABLfOWHxL3OCoibX3NUHbgED6u5EO+uH7keNymQKY=\n\
    1_users.sql h1:U0uypfABsYw0AWpOUeILqtaE7XmiTYT5efEyNB9MRlY=\n\
    2_orders.sql h1:27lj+f4wqoU6wtq9aFNSoAZXKDDmeBoMe+Q4MT+OU5g=\n";

/// The message and the line about atlas.sum.
fn integrity(files: &[(&str, &str)]) -> Option<(String, Option<u32>)> {
    let chain = plan("atlas", files);
    let found = chain.findings.into_iter().find(|finding| finding.code == "history.integrity")?;
    assert_eq!(found.path.as_deref(), Some("migrations/atlas.sum"));
    Some((found.message, found.line))
}

#[test]
fn a_folder_with_atlas_sum_is_atlas_unless_its_names_are_another_runners() {
    let name = |files: &[(&str, &str)]| recognise(&tree(files)).map(|layout| layout.name());
    assert_eq!(name(&[USERS, ("atlas.sum", SUM)]), Some("atlas"));
    assert_eq!(
        name(&[("1_a.up.sql", "SELECT 1"), ("1_a.down.sql", "SELECT 1"), ("atlas.sum", "")]),
        Some("golang-migrate")
    );
    assert_eq!(name(&[("1_a.sql", "-- +goose Up\nSELECT 1;"), ("atlas.sum", "")]), Some("goose"));
    assert_eq!(name(&[("V1__a.sql", "SELECT 1"), ("atlas.sum", "")]), Some("flyway"));
}

#[test]
fn atlas_orders_by_whole_names_and_takes_what_stands_before_the_first_line() {
    let chain =
        plan("atlas", &[("10_b.sql", "SELECT 1"), ("9.sql", "SELECT 2"), ("10_c.sql", "SELECT 3"), ("x/1_d.sql", "")]);
    assert_eq!(order(&chain), ["10 b", "9 "]);
    assert!(findings(&chain).contains(&"history.duplicate-version migrations/10_c.sql".to_owned()));
}

#[test]
fn atlas_sum_that_fits_says_nothing() {
    assert_eq!(integrity(&[USERS, ORDERS, ("atlas.sum", SUM)]), None);
}

#[test]
fn atlas_sum_that_does_not_fit_is_told_with_the_file_and_the_line() {
    let told = |files: &[(&str, &str)]| integrity(files).unwrap();
    let (message, line) = told(&[USERS, ("2_orders.sql", "SELECT 1"), ("atlas.sum", SUM)]);
    assert!(message.ends_with("2_orders.sql has another content") && line == Some(3), "{message} {line:?}");
    let (message, line) = told(&[USERS, ORDERS, ("3_new.sql", "SELECT 1"), ("atlas.sum", SUM)]);
    assert!(message.ends_with("3_new.sql is not in it") && line.is_none(), "{message} {line:?}");
    let (message, line) = told(&[ORDERS, ("atlas.sum", SUM)]);
    assert!(message.ends_with("it has 1_users.sql, which is not there") && line == Some(2), "{message} {line:?}");
    let (message, line) = told(&[USERS, ORDERS, ("atlas.sum", &SUM.replace("h1:Cq", "h1:Xq"))]);
    assert!(message.ends_with("its first line does not fit the others") && line == Some(1), "{message} {line:?}");
    assert!(told(&[USERS]).0.starts_with("there is no atlas.sum"));
}

#[test]
fn atlas_directives_decide_transactions_statements_and_what_is_run() {
    let chain = plan(
        "atlas",
        &[
            ("1_a.sql", "-- atlas:txmode none\n\nCREATE INDEX CONCURRENTLY i ON t (a);\n"),
            ("2_b.sql", "-- atlas:txmode none\nSELECT 1;\n"),
            ("3_c.sql", "-- atlas:delimiter \\n\\n\\n\n\nSELECT 1;\nSELECT 2\n\n\nSELECT 3\n"),
            (
                "4_d.sql",
                "-- atlas:txtar\n\n-- checks.sql --\nSELECT false;\n\n-- migration.sql --\nSELECT 4;\n\n-- down.sql --\nSELECT 5;\n",
            ),
            ("5_e.sql", "-- atlas:checkpoint\n\nCREATE TABLE all_of_it ();\n"),
        ],
    );
    let modes: Vec<_> = chain.migrations.iter().map(|m| m.up.mode).collect();
    // What stands right before a statement belongs to that.
    assert_eq!(modes, [Mode::PerStatement, Mode::Wrapped, Mode::Wrapped, Mode::Wrapped]);
    let pieces = chain.migrations[2].up.pieces.as_ref().unwrap();
    let text = |range: &Range<usize>| &chain.migrations[2].up.text[range.clone()];
    assert_eq!(pieces.iter().map(text).collect::<Vec<_>>(), ["SELECT 1;\nSELECT 2", "SELECT 3"]);
    assert_eq!(body(&chain.migrations[3].up).trim(), "SELECT 4;");
    let checkpoint = chain.findings.iter().find(|finding| finding.code == "history.unknown-file").unwrap();
    assert_eq!((checkpoint.severity, checkpoint.path.as_deref()), (Severity::Note, Some("migrations/5_e.sql")));
}

#[test]
fn postgrators_files_are_pairs_of_a_version_and_late_ones_are_skipped() {
    let files = [
        ("001.do.sql", "SELECT 1"),
        ("001.undo.sql", "SELECT 2"),
        ("2.do.add-users.sql", "SELECT 3"),
        ("2.undo.add-users-again.sql", "SELECT 4"),
        ("10.do.create.sql", "SELECT 5"),
        ("11.do.js", ""),
        ("11.undo.js", ""),
        ("seed.sql", "SELECT 6"),
    ];
    assert_eq!(recognise(&tree(&files)).map(|layout| layout.name()), Some("plain"));
    let chain = plan("plain", &files);
    assert_eq!(order(&chain), ["001 ", "2 add-users", "10 create", "11 "]);
    let downs: Vec<_> = chain.migrations.iter().map(|m| m.down.as_ref().map(body)).collect();
    assert_eq!(downs, [Some("SELECT 2"), Some("SELECT 4"), None, None]);
    assert!(chain.migrations[..3].iter().all(|m| m.up.mode == Mode::Simple));
    assert_eq!(chain.migrations[3].foreign.as_deref(), Some("migrations/11.do.js"));
    assert_eq!(by_name("plain").unwrap().late(&chain.migrations[0]), Late::Skips);
    assert!(chain.unknown.contains(&"seed.sql".to_owned()));
}

#[test]
fn a_name_that_begins_with_do_is_no_postgrators() {
    let chain = plan("plain", &[("001.done.sql", "SELECT 1"), ("002.do.a.sql", "SELECT 2")]);
    assert_eq!(chain.migrations.len(), 2);
    assert!(chain.migrations.iter().all(|m| m.up.mode == Mode::Wrapped && m.down.is_none()));
}
