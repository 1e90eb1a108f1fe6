//! Steps that are not SQL, and what stands in for them.

use super::*;

/// The chain of `layout` with this SQL in the place of `step`; none: the file is not there.
fn replaced(layout: &str, files: &[(&str, &str)], step: &str, sql: Option<&str>) -> Chain {
    let file = sql.and_then(|sql| tree(&[("steps/it.sql", sql)]).files.remove("steps/it.sql"));
    let replacement = Replacement { step: step.to_owned(), path: "steps/it.sql".to_owned(), file };
    plan_replaced(by_name(layout).unwrap(), "migrations", &tree(files), &Given::default(), &[replacement])
}

/// The versions of steps that cannot be run.
fn foreign(chain: &Chain) -> Vec<&str> {
    chain.migrations.iter().filter(|m| m.foreign.is_some()).map(|m| m.version.as_str()).collect()
}

/// Paths with texts.
type Files = &'static [(&'static str, &'static str)];

const GOOSE: Files = &[
    ("00001_a.sql", "-- +goose Up\nSELECT 1;\n"),
    ("00002_b.go", "package migrations"),
    ("00003_c.sql", "-- +goose Up\nSELECT 3;\n"),
];

#[test]
fn every_layout_in_which_programs_can_stand_notices_them() {
    const SQL: &str = "SELECT 1;";
    let cases: &[(&str, Files, &str)] = &[
        ("goose", GOOSE, "2"),
        ("flyway", &[("V1__a.sql", SQL), ("V2__B.java", ""), ("V3__c.kt", "")], "2 3"),
        ("refinery", &[("V1__a.sql", SQL), ("V2__b.rs", "")], "2"),
        ("golang-migrate", &[("1_a.up.sql", SQL), ("2_b.up.go", "package x"), ("2_b.down.go", "")], "2"),
        ("prisma", &[("1_a/migration.sql", SQL), ("2_b/migration.ts", "")], "2_b"),
        (
            "plain",
            &[
                ("1_a.sql", SQL),
                ("2_b.py", ""),
                ("3_c.ts", ""),
                ("10_d.sql", SQL),
                ("10_d.sh", ""),
                ("11_x_test.go", ""),
            ],
            "2 3",
        ),
    ];
    for (layout, files, expected) in cases {
        assert_eq!(foreign(&plan(layout, files)).join(" "), *expected, "{layout}");
    }
}

#[test]
fn a_step_is_replaced_by_version_or_by_file() {
    for step in ["2", "00002", "00002_b.go"] {
        let chain = replaced("goose", GOOSE, step, Some("-- up\nSELECT 2;\n-- down\nSELECT -2;\n"));
        assert_eq!((foreign(&chain), findings(&chain)), (vec![], vec![]), "{step}");
        let step = &chain.migrations[1];
        assert_eq!((step.version.as_str(), step.replaced, step.up.path.as_str()), ("2", true, "steps/it.sql"));
        assert_eq!((body(&step.up).trim(), body(step.down.as_ref().unwrap()).trim()), ("SELECT 2;", "SELECT -2;"));
    }
}

#[test]
fn what_stands_in_decides_the_hash() {
    let hash = |sql| replaced("goose", GOOSE, "2", Some(sql)).migrations[1].up_hash;
    assert_ne!(hash("SELECT 2;"), hash("SELECT 3;"));
}

#[test]
fn a_step_outside_of_the_set_takes_its_place_in_the_order() {
    let files = [("V1__a.sql", "SELECT 1;"), ("V2__c.sql", "SELECT 2;")];
    let chain = replaced("flyway", &files, "V1_5__Between.java", Some("SELECT 15;"));
    assert_eq!(order(&chain), ["1 a", "1.5 Between", "2 c"]);
    assert_eq!(foreign(&chain), [""; 0]);
}

#[test]
fn a_replacement_that_fits_nothing_is_said() {
    let said = |step, sql| findings(&replaced("goose", GOOSE, step, sql));
    assert_eq!(said("7", Some("SELECT 7;")), ["config.replacement migd.toml"]);
    assert_eq!(said("3", Some("SELECT 3;")), ["config.replacement migd.toml"]);
    let chain = replaced("goose", GOOSE, "2", None);
    assert_eq!((findings(&chain), foreign(&chain)), (vec!["config.replacement migd.toml".to_owned()], vec!["2"]));
}

#[test]
fn callbacks_are_named() {
    let chain =
        plan("flyway", &[("V1__a.sql", "SELECT 1;"), ("afterMigrate__grants.sql", ""), ("after_hours.sql", "")]);
    assert_eq!(findings(&chain), ["history.unknown-file migrations/afterMigrate__grants.sql"]);
}
