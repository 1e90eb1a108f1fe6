//! What is said of a history, for each runner: chains are planned from files as the runner would, nothing is run.

use std::sync::Arc;

use super::Order;
use crate::check::{Check, History};
use crate::layout::{Chain, File, Layout, Tree, by_name};
use crate::verdict::{Finding, Severity};

/// A set of one runner, as it is in the base and as it is staged.
struct Case {
    layout: &'static dyn Layout,
    base: Chain,
    now: Chain,
    upstream: Option<&'static str>,
    merged: Vec<String>,
    naming: &'static str,
    gaps: bool,
}

type Files<'a> = &'a [(&'a str, &'a str)];

fn chain(layout: &dyn Layout, files: Files<'_>) -> Chain {
    let mut tree = Tree::default();
    for (path, text) in files {
        let bytes: Arc<[u8]> = text.as_bytes().into();
        let size = text.len() as u64;
        tree.files
            .insert((*path).to_owned(), File { id: (*text).to_owned(), bytes: Some(bytes), size, is_link: false });
    }
    layout.plan("db", &tree)
}

fn case(layout: &str, base: Files<'_>, now: Files<'_>) -> Case {
    let layout = by_name(layout).unwrap();
    Case {
        layout,
        base: chain(layout, base),
        now: chain(layout, now),
        upstream: Some("refs/remotes/origin/main"),
        merged: Vec::new(),
        naming: "",
        gaps: true,
    }
}

impl Case {
    fn findings(&self) -> Vec<Finding> {
        Order.history(&History {
            chain: &self.now.migrations,
            base: &self.base.migrations,
            root: "db",
            base_rev: "commit 0123456789ab",
            upstream: self.upstream,
            layout: self.layout,
            unknown: &self.now.unknown,
            merged: &self.merged,
            naming: self.naming,
            gaps: self.gaps,
        })
    }

    /// Severity, code and file of each.
    fn said(&self) -> Vec<String> {
        let say = |f: &Finding| format!("{} {} {}", f.severity.as_str(), f.code, f.path.as_deref().unwrap_or("-"));
        self.findings().iter().map(say).collect()
    }

    #[track_caller]
    fn only(&self) -> Finding {
        let mut findings = self.findings();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    }
}

const A: &str = "CREATE TABLE a (id bigint);\n";
const B: &str = "CREATE TABLE b (id bigint);\n";
const C: &str = "CREATE TABLE c (id bigint);\n";

/// Where each runner is with 1 and 3, and 2 is new.
fn late(layout: &str, files: [&'static str; 3]) -> Finding {
    let text = |sql: &str| match layout {
        "goose" => format!("-- +goose Up\n{sql}-- +goose Down\n"),
        "dbmate" => format!("-- migrate:up\n{sql}-- migrate:down\n"),
        "sql-migrate" => format!("-- +migrate Up\n{sql}-- +migrate Down\n"),
        _ => sql.to_owned(),
    };
    let (a, b, c) = (text(A), text(B), text(C));
    let base = [(files[0], a.as_str()), (files[2], c.as_str())];
    case(layout, &base, &[base[0], (files[1], &b), base[1]]).only()
}

#[test]
fn a_late_migration_is_an_error_where_the_runner_would_skip_it_and_a_warning_elsewhere() {
    let cases: &[(&str, [&str; 3], Severity, &str)] = &[
        ("golang-migrate", ["1_a.up.sql", "2_b.up.sql", "3_c.up.sql"], Severity::Error, "would never run it there"),
        ("sqlx", ["1_a.sql", "2_b.sql", "3_c.sql"], Severity::Warning, "sqlx would run it after 3 there"),
        ("diesel", ["1_a/up.sql", "2_b/up.sql", "3_c/up.sql"], Severity::Warning, "would run it after 3"),
        ("dbmate", ["1_a.sql", "2_b.sql", "3_c.sql"], Severity::Warning, "would run it after 3"),
        ("goose", ["1_a.sql", "2_b.sql", "3_c.sql"], Severity::Warning, "goose would refuse to run there"),
        ("sql-migrate", ["1_a.sql", "2_b.sql", "3_c.sql"], Severity::Warning, "would run it after"),
        ("flyway", ["V1__a.sql", "V2__b.sql", "V3__c.sql"], Severity::Warning, "flyway would refuse"),
        ("refinery", ["V1__a.sql", "V2__b.sql", "V3__c.sql"], Severity::Warning, "refinery would refuse"),
        (
            "prisma",
            ["1_a/migration.sql", "2_b/migration.sql", "3_c/migration.sql"],
            Severity::Warning,
            "would run it after",
        ),
        ("atlas", ["1_a.sql", "2_b.sql", "3_c.sql"], Severity::Warning, "atlas would refuse"),
        ("supabase", ["1_a.sql", "2_b.sql", "3_c.sql"], Severity::Warning, "supabase would refuse"),
        ("plain", ["1_a.sql", "2_b.sql", "3_c.sql"], Severity::Warning, "production may already have"),
    ];
    for (layout, files, severity, words) in cases {
        let found = late(layout, *files);
        assert_eq!((found.code.as_str(), found.severity), ("history.out-of-order", *severity), "{layout}");
        assert!(found.message.contains(words), "{layout}: {}", found.message);
        assert_eq!(found.path.as_deref(), Some(format!("db/{}", files[1]).as_str()));
        assert!(found.help.is_some() && found.detail.is_some(), "{layout}");
    }
}

#[test]
fn drizzle_goes_by_the_times_of_its_journal() {
    let journal = |entries: &[(&str, u64)]| {
        let entry = |(tag, when): &(&str, u64)| format!("{{\"idx\":0,\"tag\":\"{tag}\",\"when\":{when}}}");
        let entries: Vec<String> = entries.iter().map(entry).collect();
        format!("{{\"dialect\":\"postgresql\",\"entries\":[{}]}}", entries.join(","))
    };
    let (old, skipped) = (journal(&[("0000_a", 20)]), journal(&[("0000_a", 20), ("0001_b", 10)]));
    let base = [("0000_a.sql", A), ("meta/_journal.json", old.as_str())];
    let now = |journal| [("0000_a.sql", A), ("0001_b.sql", B), ("meta/_journal.json", journal)];
    let found = case("drizzle", &base, &now(&skipped)).only();
    assert_eq!((found.code.as_str(), found.severity), ("history.out-of-order", Severity::Error));
    assert!(found.help.unwrap().contains("later time"));
    let runs = journal(&[("0000_a", 20), ("0001_b", 30)]);
    assert!(case("drizzle", &base, &now(&runs)).findings().is_empty());
}

#[test]
fn drizzle_runs_a_late_folder() {
    let (first, late, last) = ("20240101000000_a", "20240102000000_b", "20240103000000_c");
    let file = |folder: &str| format!("{folder}/migration.sql");
    let (first, late, last) = (file(first), file(late), file(last));
    let base = [(first.as_str(), A), (last.as_str(), B)];
    let now = [(first.as_str(), A), (late.as_str(), B), (last.as_str(), B)];
    let found = case("drizzle", &base, &now).only();
    assert_eq!((found.code.as_str(), found.severity), ("history.out-of-order", Severity::Warning));
    assert!(found.message.contains("drizzle would run it after"), "{}", found.message);
}

#[test]
fn what_comes_last_in_every_case_is_not_late_and_does_not_make_others_late() {
    let base = [("V1__a.sql", A), ("R__view.sql", B)];
    assert!(case("flyway", &base, &[base[0], base[1], ("V2__c.sql", C)]).findings().is_empty());
    // A repeatable one may change: that is what it is for.
    assert!(case("flyway", &base, &[base[0], ("R__view.sql", C)]).findings().is_empty());
    let base = [("V1__a.sql", A), ("V3__c.sql", C)];
    assert!(case("refinery", &base, &[base[0], ("U2__b.sql", B), base[1]]).findings().is_empty());
}

#[test]
fn a_merge_without_upstream_brings_no_new_versions() {
    let mut case = case("sqlx", &[("1_a.sql", A), ("3_c.sql", C)], &[("1_a.sql", A), ("2_b.sql", B), ("3_c.sql", C)]);
    case.upstream = None;
    case.merged = vec!["2".to_owned()];
    assert!(case.findings().is_empty());
}

#[test]
fn an_edited_migration_is_an_error_with_what_the_runner_does() {
    let found = case("sqlx", &[("1_a.sql", A)], &[("1_a.sql", B)]).only();
    assert_eq!((found.code.as_str(), found.severity), ("history.edited", Severity::Error));
    let detail = found.detail.unwrap();
    assert!(
        detail.contains("which origin/main has") && detail.contains("sqlx refuses to run there at all"),
        "{detail}"
    );
    assert!(found.help.unwrap().contains("git restore --source=0123456789ab --staged --worktree -- db/1_a.sql"));

    let found = case("golang-migrate", &[("1_a.up.sql", A)], &[("1_a.up.sql", B)]).only();
    assert_eq!(found.severity, Severity::Error);
    assert!(found.detail.unwrap().contains("only new ones get the change"));

    let folder = "1_a/migration.sql";
    let found = case("prisma", &[(folder, A)], &[(folder, B)]).only();
    assert!(found.detail.unwrap().contains("prisma warns of the other checksum"));
}

#[test]
fn an_edited_comment_weighs_as_much_as_the_runner_minds_it() {
    let commented = format!("-- tables\n{}", A.replace(' ', "  "));
    let weight = |layout: &str, file: &str| case(layout, &[(file, A)], &[(file, &commented)]).only().severity;
    assert_eq!(weight("sqlx", "1_a.sql"), Severity::Error);
    assert_eq!(weight("flyway", "V1__a.sql"), Severity::Error);
    assert_eq!(weight("prisma", "1_a/migration.sql"), Severity::Warning);
    assert_eq!(weight("golang-migrate", "1_a.up.sql"), Severity::Note);
    assert_eq!(weight("diesel", "1_a/up.sql"), Severity::Note);
    // Other line ends are the same lines to Flyway's checksum.
    assert!(case("flyway", &[("V1__a.sql", A)], &[("V1__a.sql", &A.replace('\n', "\r\n"))]).findings().is_empty());
    // A comment that the runner reads is none.
    let (with, without) = ("-- no-transaction\nVACUUM;\n", "VACUUM;\n");
    assert_eq!(case("plain", &[("1_a.sql", with)], &[("1_a.sql", without)]).only().severity, Severity::Error);
    // Neither is what a string holds.
    let (one, two) = ("SELECT '-- a';\n", "SELECT '-- b';\n");
    assert_eq!(case("plain", &[("1_a.sql", one)], &[("1_a.sql", two)]).only().severity, Severity::Error);
}

#[test]
fn a_deleted_migration_is_said_with_the_file_that_it_had() {
    let found = case("goose", &[("1_a.sql", "-- +goose Up\nSELECT 1;\n")], &[]).only();
    assert_eq!((found.code.as_str(), found.severity), ("history.deleted", Severity::Error));
    assert_eq!(found.path.as_deref(), Some("db/1_a.sql"));
    let found = case("sqlx", &[("1_a.sql", A)], &[]).only();
    assert!(found.detail.unwrap().contains("sqlx refuses to run on a database that has it"));
}

#[test]
fn a_baseline_takes_the_place_of_what_is_before_it() {
    let base = [("V1__a.sql", A), ("V2__b.sql", B)];
    assert!(
        case("flyway", &base, &[base[0], base[1], ("B2__all.sql", "SELECT 1;\n")])
            .said()
            .iter()
            .all(|said| { !said.contains("history.deleted") })
    );
}

#[test]
fn another_version_of_the_same_content_is_a_renamed_migration() {
    let base = [("1_a.sql", A), ("2_b.sql", B), ("4_c.sql", C)];
    let said = case("sqlx", &base, &[base[0], ("3_b.sql", B), base[2]]).said();
    assert_eq!(said, ["error history.renamed db/3_b.sql"]);
    let found = case("golang-migrate", &[("1_a.up.sql", A)], &[("2_a.up.sql", A)]).only();
    assert!(found.detail.unwrap().contains("runs a second time"));
}

#[test]
fn another_name_of_the_same_version_is_an_error_where_the_runner_compares_names() {
    let weight = |layout: &str, old: &str, new: &str| {
        let found = case(layout, &[(old, A)], &[(new, A)]).only();
        assert_eq!(found.code, "history.renamed", "{layout}");
        found.severity
    };
    assert_eq!(weight("flyway", "V1__a.sql", "V1__b.sql"), Severity::Error);
    assert_eq!(weight("refinery", "V1__a.sql", "V1__b.sql"), Severity::Error);
    assert_eq!(weight("sqlx", "1_a.sql", "1_b.sql"), Severity::Note);
    // Prisma's version is the whole name.
    assert_eq!(weight("prisma", "1_a/migration.sql", "1_b/migration.sql"), Severity::Error);
}

#[test]
fn what_the_base_does_not_have_may_be_edited_renamed_and_deleted() {
    let base = [("1_a.sql", A)];
    for now in [&[base[0], ("2_b.sql", C)], &[base[0], ("5_other.sql", B)]] {
        assert!(case("sqlx", &base, now).findings().is_empty());
    }
}

#[test]
fn without_an_upstream_nothing_is_more_than_a_warning() {
    let mut case =
        case("golang-migrate", &[("1_a.up.sql", A), ("3_c.up.sql", C)], &[("1_a.up.sql", B), ("2_b.up.sql", B)]);
    case.upstream = None;
    let findings = case.findings();
    assert!(findings.len() >= 2 && findings.iter().all(|f| f.severity == Severity::Warning), "{findings:#?}");
}

#[test]
fn an_order_of_names_that_is_not_that_of_the_numbers_is_said_once() {
    let old = [
        ("10_b.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n"),
        ("11_c.sql", "-- migrate:up\nSELECT 2;\n-- migrate:down\n"),
    ];
    let new = ("9_a.sql", "-- migrate:up\nSELECT 3;\n-- migrate:down\n");
    let found = case("dbmate", &old, &[old[0], old[1], new]).only();
    assert_eq!((found.code.as_str(), found.severity), ("history.lexical-order", Severity::Warning));
    assert_eq!(found.path.as_deref(), Some("db/9_a.sql"));
    assert!(found.message.contains("by number 9 comes before 11, and dbmate runs it after"), "{}", found.message);
    // What production has cannot be helped.
    let all = [old[0], old[1], new];
    assert_eq!(case("dbmate", &all, &all).only().severity, Severity::Note);
    // Days and times are in order by name.
    let times = [("20231231120000_a.sql", A), ("20240101_b.sql", B)];
    assert!(case("supabase", &times[..1], &times).findings().is_empty());
    // sqlx orders by number, whatever the width.
    let files = [("9_a.sql", A), ("10_b.sql", B)];
    assert!(case("sqlx", &files[..1], &files).findings().is_empty());
}

#[test]
fn a_journal_that_lists_0030_before_0027_is_out_of_the_order_of_numbers() {
    let journal = "{\"dialect\":\"pg\",\"entries\":[{\"tag\":\"0030_a\",\"when\":1},{\"tag\":\"0027_b\",\"when\":2}]}";
    let files = [("0030_a.sql", A), ("0027_b.sql", B), ("meta/_journal.json", journal)];
    let found = case("drizzle", &[], &files).only();
    assert_eq!(found.code, "history.lexical-order");
    assert!(found.message.starts_with("by number 0027_b comes before 0030_a"), "{}", found.message);
}

#[test]
fn gaps_are_said_where_they_are_forbidden() {
    let files = [("1_a.sql", A), ("3_c.sql", C)];
    let mut case = case("sqlx", &files[..1], &files);
    assert!(case.findings().is_empty());
    case.gaps = false;
    let found = case.only();
    assert_eq!((found.code.as_str(), found.severity), ("history.gap", Severity::Warning));
    assert!(found.message.contains("no migration has the version 2"));
    let times = [("20240101000000_a.sql", A), ("20240301000000_c.sql", C)];
    case.base = chain(case.layout, &times[..1]);
    case.now = chain(case.layout, &times);
    assert!(case.findings().is_empty(), "times have gaps");
}

#[test]
fn new_names_follow_the_rule_of_the_repository() {
    let files = [("1_OLD.sql", A), ("2_Bad.sql", B), ("3_good.sql", C)];
    let mut case = case("sqlx", &files[..1], &files);
    case.naming = r"^\d+_[a-z_]+\.sql$";
    let found = case.only();
    assert_eq!((found.code.as_str(), found.path.as_deref()), ("history.naming", Some("db/2_Bad.sql")));
    assert!(found.detail.unwrap().contains(case.naming));
    let folders = [("1_ok/up.sql", A), ("2_Bad/up.sql", B)];
    case.layout = by_name("diesel").unwrap();
    case.base = Chain::default();
    case.now = chain(case.layout, &folders);
    case.naming = r"^\d+_[a-z_]+$";
    assert!(case.only().message.contains("\"2_Bad\""));
}

/// The statements that are marked, as the findings name them.
fn marked(text: &str) -> Vec<String> {
    let chain = chain(by_name("plain").unwrap(), &[("1_a.sql", text)]);
    super::marks::dev_only(&chain.migrations[0]).into_iter().map(|found| found.message).collect()
}

#[test]
fn a_marked_statement_is_named() {
    let text = "CREATE TABLE t (id int);\n\n-- DEV/TEST ONLY: Remove orphans.\n-- Production cleanup is elsewhere.\n\
                DELETE FROM user_identity_map\nWHERE id = 1;\n\nSELECT 1;\n";
    let said = marked(text);
    assert_eq!(
        said,
        ["`DELETE FROM user_identity_map WHERE id = 1` is marked as not for production, and would run there"]
    );
    let chain = chain(by_name("plain").unwrap(), &[("1_a.sql", text)]);
    let found = super::marks::dev_only(&chain.migrations[0]).remove(0);
    assert_eq!((found.code.as_str(), found.line, found.severity), ("history.dev-only", Some(5), Severity::Warning));
    assert!(found.detail.unwrap().contains("DEV/TEST ONLY: Remove orphans."));
}

#[test]
fn marks_are_told_from_prose() {
    for mark in [
        "-- DEV ONLY",
        "-- test only: seed",
        "/* DO NOT RUN IN PRODUCTION */",
        "-- Never run this in production.",
        "-- dev-only",
        "-- rows for the demo (DEV ONLY)",
        "-- migd: dev-only",
        "-- Development and testing only",
    ] {
        assert_eq!(marked(&format!("{mark}\nSELECT 1;\n")).len(), 1, "{mark}");
    }
    for prose in ["-- the latest only", "-- this test only covers one row", "-- LATEST ONLY", "-- runs in production"] {
        assert_eq!(marked(&format!("{prose}\nSELECT 1;\n")), [""; 0], "{prose}");
    }
    assert_eq!(marked("SELECT 'DEV ONLY';\n"), [""; 0], "a string is no comment");
}

#[test]
fn a_mark_covers_what_is_under_it() {
    let count = |text: &str| marked(text).into_iter().next().unwrap_or_default();
    assert!(
        count("-- DEV ONLY\n\nSELECT 1;\nSELECT 2;\n\nSELECT 3;\n").contains("and the 2 statements after it"),
        "heads the file"
    );
    assert!(
        count("SELECT 0;\n-- DEV ONLY\nSELECT 1;\nSELECT 2;\n\nSELECT 3;\n")
            .contains("`SELECT 1` and the statement after it")
    );
    assert!(count("SELECT 1; -- DEV ONLY\nSELECT 2;\n").starts_with("`SELECT 1` is"), "beside a statement");
    assert!(count("SELECT 1;\n-- DEV ONLY\n").is_empty(), "nothing is under it");
}

#[test]
fn an_edited_down_of_the_base_is_a_note() {
    let up = ("1_a.up.sql", "CREATE TABLE a (id int);");
    for layout in ["sqlx", "golang-migrate"] {
        let down = |text: &'static str| ("1_a.down.sql", text);
        let edited = case(layout, &[up, down("DROP TABLE a;")], &[up, down("DROP TABLE a CASCADE;")]).only();
        assert_eq!((edited.code.as_ref(), edited.severity), ("history.edited", Severity::Note), "{layout}");
        assert_eq!(edited.path.as_deref(), Some("db/1_a.down.sql"), "{layout}");
        let gone = case(layout, &[up, down("DROP TABLE a;")], &[up]).only();
        assert!(gone.message.contains("gone"), "{layout}: {}", gone.message);
        assert!(
            case(layout, &[up, down("DROP TABLE a;")], &[up, down("-- all of it\nDROP TABLE a;")])
                .findings()
                .is_empty()
        );
        assert!(case(layout, &[up], &[up, down("DROP TABLE a;")]).findings().is_empty());
    }
}

#[test]
fn a_journals_versions_are_carried_over_into_drizzles_folders() {
    let journal = r#"{"dialect": "postgresql", "entries": [{"tag": "0000_a", "when": 1700000000000}]}"#;
    let base = [("meta/_journal.json", journal), ("0000_a.sql", "CREATE TABLE a (b int);")];
    let folder = |text| [("20231114221320_a/migration.sql", text)];
    assert_eq!(case("drizzle", &base, &folder("CREATE TABLE a (b int);")).said(), [""; 0]);
    let other = case("drizzle", &base, &folder("CREATE TABLE a (b text);")).said();
    assert!(other.iter().any(|said| said.contains("history.deleted")), "{other:?}");
}
