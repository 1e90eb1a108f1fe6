//! Flyway, refinery, Prisma, Drizzle, Supabase.

use super::*;

#[test]
fn flyway_orders_dotted_versions_and_runs_repeatables_last() {
    let chain = plan(
        "flyway",
        &[
            ("V1_10__ten.sql", "SELECT 1"),
            ("V1.2__two_words.sql", "SELECT 1"),
            ("old/V1__one.sql", "SELECT 1"),
            ("U1.2__undo.sql", "SELECT 2"),
            ("U9__lost.sql", "SELECT 2"),
            ("R__b_view.sql", "SELECT 1"),
            ("R__a_view.sql", "SELECT 1"),
            ("V2__java.java", "class V2__java {}"),
            ("V3_missing_underscore.sql", "SELECT 1"),
            ("afterMigrate.sql", "SELECT 1"),
        ],
    );
    assert_eq!(order(&chain), ["1 one", "1.2 two_words", "1.10 ten", "2 java", "R__a_view a_view", "R__b_view b_view"]);
    assert!(chain.migrations[1].down.is_some());
    assert_eq!(chain.migrations[3].foreign.as_deref(), Some("migrations/V2__java.java"));
    let repeatable: Vec<_> = chain.migrations.iter().map(|m| m.repeatable).collect();
    assert_eq!(repeatable, [false, false, false, false, true, true]);
    let expected = [
        "history.naming migrations/V3_missing_underscore.sql",
        "history.unknown-file migrations/afterMigrate.sql",
        "history.down-without-up migrations/U9__lost.sql",
    ];
    assert_eq!(findings(&chain), expected);
    assert_eq!(chain.unknown, ["V3_missing_underscore.sql", "afterMigrate.sql"]);
}

#[test]
fn flyway_runs_a_version_without_a_description() {
    let files = [("V1__a.sql", "SELECT 1"), ("V1.2.0.1.sql", "SELECT 1"), ("Views.sql", "SELECT 1"), ("V9.java", "")];
    let chain = plan("flyway", &files);
    assert_eq!(order(&chain), ["1 a", "1.2.0.1 "]);
    assert_eq!(findings(&chain), ["history.naming migrations/Views.sql"], "which has no version");
}

#[test]
fn flyway_takes_one_point_zero_for_one_and_starts_at_the_baseline() {
    let chain = plan("flyway", &[("V1__a.sql", "SELECT 1"), ("V1.0__b.sql", "SELECT 1")]);
    assert_eq!(chain.findings[0].code, "history.duplicate-version");

    let files =
        [("V1__a.sql", "SELECT 1"), ("V2__b.sql", "SELECT 1"), ("B2__base.sql", "SELECT 1"), ("V3__c.sql", "SELECT 1")];
    let chain = plan("flyway", &files);
    assert_eq!(order(&chain), ["2 base", "3 c"]);
    assert_eq!(chain.unknown, ["V1__a.sql", "V2__b.sql"]);
}

#[test]
fn flyway_leaves_out_the_transaction_where_it_must() {
    let chain = plan(
        "flyway",
        &[
            ("V1__a.sql", "SET lock_timeout = '1s'; CREATE INDEX CONCURRENTLY i ON t (a);"),
            ("V2__b.sql", "ALTER TABLE t ADD b int;\nCREATE INDEX CONCURRENTLY i ON t (a);"),
            ("V3__c.sql", "SELECT 1; SELECT 2"),
            ("V3__c.sql.conf", "executeInTransaction=false\n"),
            ("V4__d.sql", "SELECT 1; SELECT 2"),
        ],
    );
    use Mode::*;
    let modes: Vec<_> = chain.migrations.iter().map(|m| m.up.mode).collect();
    assert_eq!(modes, [PerStatement, PerStatement, PerStatement, Wrapped]);
    assert_eq!(findings(&chain), ["apply.format migrations/V2__b.sql"]);
    assert_eq!(chain.findings[0].line, Some(2));
}

#[test]
fn flyway_replaces_placeholders_and_drops_the_byte_order_mark() {
    let files = tree(&[("V1__a.sql", "\u{feff}GRANT SELECT ON t TO ${role};\n-- ${nobody}\n")]);
    let vars = BTreeMap::from([("role".to_owned(), "app".to_owned())]);
    let chain = by_name("flyway").unwrap().plan_with("m", &files, &given(&vars));
    assert_eq!(findings(&chain), ["config.placeholder m/V1__a.sql"]);
    assert_eq!((chain.findings[0].line, chain.findings[0].column), (Some(2), Some(4)));
    let vars = BTreeMap::from([("role".to_owned(), "app".to_owned()), ("nobody".to_owned(), "x".to_owned())]);
    let chain = by_name("flyway").unwrap().plan_with("m", &files, &given(&vars));
    assert_eq!(&*chain.migrations[0].up.text, "GRANT SELECT ON t TO app;\n-- x\n");
}

#[test]
fn flyway_fills_its_own_placeholders() {
    let own = "-- ${flyway:filename}\nCREATE TABLE ${flyway:defaultSchema}.t (a int);\n";
    let chain =
        plan("flyway", &[("sub/V1__a.sql", own), ("V2__b.sql", "ALTER DATABASE ${flyway:database} SET a.b = 'c';")]);
    assert_eq!(&*chain.migrations[0].up.text, "-- V1__a.sql\nCREATE TABLE public.t (a int);\n");
    assert_eq!(findings(&chain), ["config.placeholder migrations/V2__b.sql"], "each database has another name");
}

#[test]
fn flyway_records_its_checksum() {
    let chain = plan("flyway", &[("V1_1__two_words.sql", "SELECT 1;\r\nSELECT 2;\n"), ("R__v.sql", "SELECT 1")]);
    let layout = by_name("flyway").unwrap();
    let book = layout.bookkeeping(&chain.migrations[0]);
    // CRC-32 of `SELECT 1;SELECT 2;`, signed.
    assert!(
        book.applied[0].contains("'1.1', 'two words', 'SQL', 'V1_1__two_words.sql', -1665099012,"),
        "{}",
        book.applied[0]
    );
    assert!(layout.bookkeeping(&chain.migrations[1]).applied[0].contains("NULL, 'v', 'SQL'"));
}

#[test]
fn refinery_orders_by_integer_in_all_folders() {
    let chain = plan(
        "refinery",
        &[
            ("V10__ten.sql", "SELECT 1"),
            ("sub/V9__nine.sql", "SELECT 1"),
            ("U11__late.sql", "SELECT 1"),
            ("V12__code.rs", "pub fn migration() {}"),
            ("V9__again.sql", "SELECT 1"),
            ("V1.5__dotted.sql", "SELECT 1"),
            ("mod.rs", ""),
        ],
    );
    assert_eq!(order(&chain), ["9 again", "10 ten", "11 late", "12 code"]);
    assert_eq!(chain.migrations[3].foreign.as_deref(), Some("migrations/V12__code.rs"));
    assert_eq!(
        findings(&chain),
        ["history.naming migrations/V1.5__dotted.sql", "history.duplicate-version migrations/sub/V9__nine.sql"]
    );
    assert_eq!(chain.unknown, ["V1.5__dotted.sql", "mod.rs"]);
}

#[test]
fn refinery_records_its_checksum() {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let chain = plan("refinery", &[("V3__a_b.sql", "SELECT 1")]);
    // refinery's older versions used the standard library's hasher, and newer ones agree with it.
    let mut hasher = DefaultHasher::new();
    "a_b".hash(&mut hasher);
    3i32.hash(&mut hasher);
    "SELECT 1".hash(&mut hasher);
    let book = by_name("refinery").unwrap().bookkeeping(&chain.migrations[0]);
    assert_eq!(book.applied[0], APART);
    assert!(book.applied[1].ends_with(&format!("'{}')", hasher.finish())), "{}", book.applied[1]);
}

#[test]
fn prisma_orders_by_folder_and_records_the_checksum() {
    let chain = plan(
        "prisma",
        &[
            ("20240102000000_b/migration.sql", "SELECT 1"),
            ("20240101000000_a_c/migration.sql", "SELECT 1"),
            ("20240103000000_d/notes.md", ""),
            ("migration_lock.toml", "provider = \"postgresql\""),
        ],
    );
    let expected = ["20240101000000_a_c a_c", "20240102000000_b b", "20240103000000_d d"];
    assert_eq!(order(&chain), expected);
    assert_eq!(findings(&chain), ["history.naming migrations/20240103000000_d/migration.sql"]);
    assert!(chain.migrations[2].foreign.is_some());
    assert_eq!(chain.migrations[0].up.mode, Mode::Simple);
    let book = by_name("prisma").unwrap().bookkeeping(&chain.migrations[0]);
    // sha256 of `SELECT 1`, as `sha256sum` prints it.
    assert!(
        book.applied[0].contains(
            "'e004ebd5b5532a4b85984a62f8ad48a81aa3460c1ca07701f386135d72cdecf5', now(), '20240101000000_a_c', 1)"
        ),
        "{}",
        book.applied[0]
    );
}

#[test]
fn prisma_sets_of_other_databases_are_not_recognised() {
    let lock =
        |provider: &'static str| tree(&[("20240101000000_a/migration.sql", ""), ("migration_lock.toml", provider)]);
    assert_eq!(recognise(&lock("provider = \"postgresql\"")).map(|l| l.name()), Some("prisma"));
    assert!(recognise(&lock("provider = \"sqlite\"")).is_none());
}

#[test]
fn drizzle_follows_its_journal() {
    let journal = r#"{"version":"7","dialect":"postgresql","entries":[
        {"idx":0,"version":"7","when":20,"tag":"0001_b","breakpoints":true},
        {"idx":1,"version":"7","when":10,"tag":"0000_a","breakpoints":true},
        {"idx":2,"version":"7","when":30,"tag":"0003_gone","breakpoints":true}]}"#;
    let chain = plan(
        "drizzle",
        &[
            ("meta/_journal.json", journal),
            ("meta/0000_snapshot.json", "{}"),
            ("0000_a.sql", "SELECT 1;\r\n--> statement-breakpoint\r\nSELECT ';'; SELECT 3;--> statement-breakpoint\n"),
            ("0001_b.sql", "SELECT 1;"),
            ("0002_stray.sql", "SELECT 1;"),
        ],
    );
    assert_eq!(order(&chain), ["0001_b b", "0000_a a", "0003_gone gone"]);
    let up = &chain.migrations[1].up;
    let pieces: Vec<_> = up.pieces.as_ref().unwrap().iter().map(|p| &up.text[p.clone()]).collect();
    assert_eq!(pieces, ["SELECT 1;", "SELECT ';'; SELECT 3;"]);
    let expected = [
        "history.naming migrations/0002_stray.sql",
        "history.out-of-order migrations/0000_a.sql",
        "history.naming migrations/0003_gone.sql",
    ];
    assert_eq!(findings(&chain), expected);
    assert!(chain.migrations[2].foreign.is_some());
    let book = by_name("drizzle").unwrap().bookkeeping(&chain.migrations[1]);
    assert!(book.applied[0].ends_with("', 10)"), "{}", book.applied[0]);
    assert_eq!(findings(&plan("drizzle", &[("meta/_journal.json", "{"), ("0000_a.sql", "")])).len(), 2);
}

#[test]
fn drizzle_takes_folders_with_snapshots() {
    let files = [("20240101_a/migration.sql", "SELECT 1"), ("20240101_a/snapshot.json", "{}")];
    assert_eq!(recognise(&tree(&files)).map(|l| l.name()), Some("drizzle"));
    assert_eq!(order(&plan("drizzle", &files)), ["20240101_a a"]);
}

#[test]
fn drizzle_runs_a_folder_without_a_snapshot() {
    let files = [
        ("20240101000000_a/migration.sql", "SELECT 1"),
        ("20240101000000_a/snapshot.json", "{\"dialect\":\"postgres\"}"),
        ("20240102000000_by_hand/migration.sql", "SELECT 2"),
    ];
    assert_eq!(recognise(&tree(&files)).map(|l| l.name()), Some("drizzle"));
    let chain = plan("drizzle", &files);
    assert_eq!(order(&chain), ["20240101000000_a a", "20240102000000_by_hand by_hand"]);
    let book = by_name("drizzle").unwrap().bookkeeping(&chain.migrations[1]);
    assert!(book.setup[1].contains("name text"), "{}", book.setup[1]);
    assert!(book.applied[0].ends_with("'20240102000000_by_hand')"), "{}", book.applied[0]);
}

#[test]
fn supabase_orders_by_file_name() {
    let chain = plan(
        "supabase",
        &[
            ("20210101000000_init.sql", "SELECT 0"),
            ("20240102000000_b.sql", "SELECT 'x'; SELECT 2"),
            ("20240102000000_c.sql", "SELECT 3"),
            ("20240103000000-d.sql", "SELECT 4"),
        ],
    );
    assert_eq!(order(&chain), ["20240102000000 b"]);
    let expected = [
        "history.naming migrations/20210101000000_init.sql",
        "history.duplicate-version migrations/20240102000000_c.sql",
        "history.naming migrations/20240103000000-d.sql",
    ];
    assert_eq!(findings(&chain), expected);
    let book = by_name("supabase").unwrap().bookkeeping(&chain.migrations[0]);
    assert!(book.applied[0].ends_with("VALUES ('20240102000000', 'b', ARRAY['SELECT ''x''', 'SELECT 2']::text[])"));
}
