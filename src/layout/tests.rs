//! The registry, prefix hashes and discovery; each layout's own tests stand below `tests/`.

#![allow(clippy::unwrap_used)]

mod core;
mod discovery;
mod flyway;
mod marked;
mod named;
mod others;
mod replace;

use super::*;

/// A tree of these files.
pub(super) fn tree(files: &[(&str, &str)]) -> Tree {
    bytes(&files.iter().map(|(path, text)| (*path, text.as_bytes())).collect::<Vec<_>>())
}

/// A tree of these files' bytes.
pub(super) fn bytes(files: &[(&str, &[u8])]) -> Tree {
    let file = |content: &[u8]| File {
        is_link: false,
        id: blake3::hash(content).to_hex().to_string(),
        bytes: Some(Arc::from(content)),
        size: content.len() as u64,
    };
    Tree { files: files.iter().map(|(path, content)| ((*path).to_owned(), file(content))).collect() }
}

/// The chain that a layout makes of these files, in the folder `migrations`.
pub(super) fn plan(layout: &str, files: &[(&str, &str)]) -> Chain {
    by_name(layout).unwrap().plan("migrations", &tree(files))
}

/// A configuration that gives these values to placeholders.
pub(super) fn given(vars: &BTreeMap<String, String>) -> Given {
    Given { vars: vars.clone(), ..Given::default() }
}

/// `version name`, in order.
pub(super) fn order(chain: &Chain) -> Vec<String> {
    chain.migrations.iter().map(|m| format!("{} {}", m.version, m.name)).collect()
}

/// `code path`, in order.
pub(super) fn findings(chain: &Chain) -> Vec<String> {
    chain.findings.iter().map(|f| format!("{} {}", f.code, f.path.as_deref().unwrap_or("-"))).collect()
}

pub(super) fn body(source: &Source) -> &str {
    &source.text[source.body.clone()]
}

#[test]
fn what_a_runner_wants_for_no_transaction_is_what_it_reads() {
    for (layout, marker, path, text) in [
        ("sqlx", "-- no-transaction", "1_a.sql", "-- no-transaction\nVACUUM;"),
        ("plain", "-- no-transaction", "1_a.sql", "-- no-transaction\nVACUUM;"),
        ("goose", "-- +goose NO TRANSACTION", "1_a.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nVACUUM;"),
        ("sql-migrate", "notransaction", "1_a.sql", "-- +migrate Up notransaction\nVACUUM;"),
        ("dbmate", "transaction:false", "1_a.sql", "-- migrate:up transaction:false\nVACUUM;"),
        ("golang-migrate", "of its own", "1_a.up.sql", "VACUUM;"),
        ("atlas", "-- atlas:txmode none", "1_a.sql", "-- atlas:txmode none\n\nVACUUM;"),
        ("flyway", "of its own", "V1__a.sql", "VACUUM;"),
        ("supabase", "VACUUM", "1_a.sql", "CREATE TABLE t (a int);\nCREATE INDEX CONCURRENTLY i ON t (a);"),
    ] {
        let said = by_name(layout).unwrap().outside();
        assert!(said.contains(marker), "{layout}: {said}");
        assert!(
            matches!(plan(layout, &[(path, text)]).migrations[0].up.mode, Mode::Simple | Mode::PerStatement),
            "{layout}"
        );
    }
}

#[test]
fn supabase_sends_by_itself_what_its_command_line_knows_and_nothing_else() {
    for (text, mode) in [
        ("DROP INDEX CONCURRENTLY i;", Mode::PerStatement),
        ("VACUUM;", Mode::PerStatement),
        ("CREATE INDEX i ON t (a);", Mode::Wrapped),
        ("ALTER TABLE t DETACH PARTITION u CONCURRENTLY;", Mode::Wrapped),
        ("-- VACUUM;\nSELECT 'VACUUM';", Mode::Wrapped),
    ] {
        assert_eq!(plan("supabase", &[("1_a.sql", text)]).migrations[0].up.mode, mode, "{text}");
    }
}

#[test]
fn names_are_unique_and_lead_back_to_their_layout() {
    for layout in LAYOUTS {
        assert_eq!(by_name(layout.name()).map(|l| l.name()), Some(layout.name()));
    }
    let names: std::collections::BTreeSet<_> = LAYOUTS.iter().map(|l| l.name()).collect();
    assert_eq!(names.len(), LAYOUTS.len());
    assert!(by_name("alembic").is_none());
}

#[test]
fn no_layout_wants_an_empty_tree_or_loses_a_file() {
    let strange = [
        ("README.md", "x"),
        ("a.sql", "SELECT 1"),
        ("_.sql", ""),
        (".sql", ""),
        ("é.up.sql", ""),
        ("1_é.up.sql", ";"),
        ("V1__.sql", ""),
        ("x/up.sql", ""),
        ("99999999999999999999999_x.up.sql", ""),
        ("1_.sql", ""),
        ("-1_x.sql", ""),
        ("meta/_journal.json", "{"),
        ("x/y/z/migration.sql", ""),
        ("00001_x.go", "package x"),
        ("R__.sql", ""),
    ];
    for layout in LAYOUTS {
        assert_eq!(layout.recognise(&Tree::default()), 0, "{}", layout.name());
        assert!(layout.plan("", &Tree::default()).migrations.is_empty());
        let chain = layout.plan("", &tree(&strange));
        for migration in &chain.migrations {
            layout.bookkeeping(migration);
        }
        let accounted = |file: &str| {
            let named = |path: &str| path == file;
            chain.unknown.iter().any(|u| named(u))
                || chain.findings.iter().filter_map(|f| f.path.as_deref()).any(named)
                || chain.migrations.iter().any(|m| named(&m.up.path) || m.down.as_ref().is_some_and(|d| named(&d.path)))
        };
        for (file, _) in strange {
            assert!(accounted(file), "{} says nothing of {file}", layout.name());
        }
    }
}

#[test]
fn a_prefix_hash_depends_on_every_up_before_it() {
    let files = [("1_a.up.sql", "SELECT 1"), ("1_a.down.sql", "SELECT 0"), ("2_b.up.sql", "SELECT 2")];
    let seed = blake3::hash(b"17");
    let hashes = |files: &[(&str, &str)]| prefix_hashes(&seed, &plan("sqlx", files).migrations);
    let before = hashes(&files);
    assert_eq!(before.len(), 3);
    assert_eq!(before[0], seed);

    let mut changed = files;
    changed[2].1 = "SELECT 3";
    let after = hashes(&changed);
    assert_eq!(after[..2], before[..2]);
    assert_ne!(after[2], before[2]);

    let mut changed = files;
    changed[0].1 = "-- no-transaction\nSELECT 1";
    let after = hashes(&changed);
    assert_ne!(after[1], before[1]);
    assert_ne!(after[2], before[2]);

    let mut changed = files;
    changed[1].1 = "SELECT 9";
    assert_eq!(hashes(&changed), before);
    let (old, new) = (plan("sqlx", &files), plan("sqlx", &changed));
    assert_ne!(old.migrations[0].hash, new.migrations[0].hash);
    assert_ne!(prefix_hashes(&blake3::hash(b"16"), &old.migrations)[2], before[2]);
}

#[test]
fn bad_bytes_are_findings() {
    let tree = bytes(&[
        ("1_a.sql", b"SELECT 1;\nSELECT '\xff';"),
        ("2_b.sql", b"\xff\xfeS\0E\0"),
        ("3_c.sql", "\u{feff}SELECT 1".as_bytes()),
        ("4_d.sql", b"-- nothing\n"),
    ]);
    let mut tree = tree;
    tree.files.insert("5_e.sql".to_owned(), File { id: "x".to_owned(), bytes: None, size: 123_456, is_link: false });
    let chain = by_name("sqlx").unwrap().plan("db", &tree);
    assert_eq!(
        findings(&chain),
        [
            "apply.encoding db/1_a.sql",
            "apply.encoding db/2_b.sql",
            "apply.encoding db/3_c.sql",
            "apply.empty db/4_d.sql",
            "config.file-too-large db/5_e.sql",
        ]
    );
    let first = &chain.findings[0];
    assert_eq!((first.line, first.column, first.end_column), (Some(2), Some(9), Some(10)));
    assert!(
        chain.findings[4].message.contains("123456 bytes") && chain.findings[4].message.contains("limits.file_bytes")
    );
    // What cannot be read ends the chain; what only starts with a mark does not.
    let ends: Vec<_> = chain.migrations.iter().map(|m| m.foreign.is_some()).collect();
    assert_eq!(ends, [true, true, false, false, true]);
    assert_eq!(&*chain.migrations[2].up.text, "SELECT 1");
}
