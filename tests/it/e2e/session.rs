//! What a migration leaves in its session, which its runner keeps for the next one.

use serde_json::Value;

use crate::support::sandbox::Sandbox;

const SHOP: &str = "CREATE SCHEMA shop;\nCREATE TABLE shop.users (id bigint);\n";

/// A repository with a schema `shop`, in which the staged migrations 3, 4, … are `ups`.
fn staged(ups: &[(&str, &str)]) -> Sandbox {
    let repo = Sandbox::new();
    repo.migration(2, "shop", SHOP, "DROP SCHEMA shop CASCADE;\n");
    repo.git(&["commit", "-qnm", "shop"]);
    for (version, (up, down)) in (3..).zip(ups) {
        repo.migration(version, "it", up, down);
    }
    repo
}

/// The findings about sessions, as severity and message.
fn leaks(report: &Value) -> Vec<(String, String)> {
    let all = report["findings"].as_array().into_iter().flatten();
    let own = all.filter(|finding| finding["code"] == "apply.session-leak");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    own.map(|finding| (text(&finding["severity"]), text(&finding["message"]))).collect()
}

const PATH: (&str, &str) =
    ("CREATE TABLE one (id int);\nSET search_path = shop, public;\n", "DROP TABLE public.one;\n");

#[test]
fn a_setting_that_outlives_its_migration_is_told_with_its_place_and_value() {
    let report = staged(&[PATH]).check(&[]);
    let message = "search_path stays set for the migrations that run after this one";
    assert_eq!(leaks(&report), [("warning".to_owned(), message.to_owned())], "{report:#}");
    let finding = &report["findings"][0];
    assert_eq!(finding["line"], 2);
    assert!(finding["detail"].as_str().unwrap().starts_with("search_path = shop, public, set in line 2\n"));
}

#[test]
fn the_next_migration_that_makes_another_schema_is_an_error() {
    let report = staged(&[PATH, ("CREATE TABLE two (id int);\n", "DROP TABLE two;\n")]).check(&[]);
    let message = "makes another schema in the session that migration 3 leaves";
    assert_eq!(leaks(&report)[0], ("error".to_owned(), message.to_owned()), "{report:#}");
    assert!(report["findings"][0]["detail"].as_str().unwrap().contains("shop.two"), "{report:#}");
}

#[test]
fn the_next_migration_that_fails_is_an_error_at_its_statement() {
    let next = (
        "SELECT 1;\nALTER TABLE users ADD CHECK (email <> '');\n",
        "ALTER TABLE users DROP CONSTRAINT users_email_check;\n",
    );
    let report = staged(&[PATH, next]).check(&[]);
    let (severity, message) = &leaks(&report)[0];
    assert_eq!(severity, "error", "{report:#}");
    assert!(message.starts_with("fails in the session that migration 3 leaves: "), "{message}");
    assert_eq!(report["findings"][0]["line"], 2);
}

#[test]
fn a_setting_reaches_past_a_migration_that_it_does_not_touch() {
    let qualified = ("CREATE TABLE public.two (id int);\n", "DROP TABLE public.two;\n");
    let report = staged(&[PATH, qualified, ("CREATE TABLE three (id int);\n", "DROP TABLE three;\n")]).check(&[]);
    let errors: Vec<_> = leaks(&report).into_iter().filter(|(severity, _)| severity == "error").collect();
    let message = "makes another schema in the session that migration 3 leaves";
    assert_eq!(errors, [("error".to_owned(), message.to_owned())], "{report:#}");
    assert!(report["findings"][0]["path"].as_str().unwrap().contains("5_it"), "{report:#}");
}

#[test]
fn what_ends_with_its_transaction_or_is_put_back_is_not_told() {
    for up in [
        "SET LOCAL search_path = shop, public;\nSELECT set_config('lock_timeout', '5s', true);\n",
        "SET search_path = shop;\nSET lock_timeout = '5s';\nRESET search_path;\nRESET lock_timeout;\n",
        "SET statement_timeout = 0;\nSET client_min_messages = warning;\n",
    ] {
        let report =
            staged(&[(&format!("{up}CREATE TABLE public.one (id int);\n"), "DROP TABLE public.one;\n")]).check(&[]);
        assert_eq!(leaks(&report), [], "{up}");
    }
}

#[test]
fn a_path_that_leads_where_a_new_sessions_does_is_not_told() {
    for (up, told) in [
        ("SET search_path TO public;\n", 0),
        ("SET SCHEMA 'public';\n", 0),
        ("SELECT set_config('search_path', '\"public\"', false);\n", 0),
        ("SET search_path = shop;\nSET search_path = public;\n", 0),
        ("SET ROLE postgres;\n", 0),
        ("SET search_path TO public, shop;\n", 1),
        // A later migration may make it.
        ("SET search_path TO later, public;\n", 1),
        // Tables would be made there.
        ("SET search_path TO pg_catalog, public;\n", 1),
        ("CREATE SCHEMA postgres;\nSET search_path TO public;\n", 1),
    ] {
        let down = "DROP TABLE public.one;\nDROP SCHEMA IF EXISTS postgres;\n";
        let report = staged(&[(&format!("CREATE TABLE public.one (id int);\n{up}"), down)]).check(&[]);
        assert_eq!(leaks(&report).len(), told, "{up}: {report:#}");
    }
}

#[test]
fn a_role_that_is_set_reaches_the_next_migration() {
    let role = (
        "CREATE ROLE clerk;\nGRANT clerk TO CURRENT_USER;\nGRANT ALL ON SCHEMA public TO clerk;\n\
                 GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk;\nSET ROLE clerk;\n",
        "RESET ROLE;\nDROP OWNED BY clerk;\nDROP ROLE clerk;\n",
    );
    let report = staged(&[role, ("CREATE TABLE two (id int);\n", "DROP TABLE two;\n")]).check(&[]);
    let told = leaks(&report);
    assert!(told.iter().any(|(_, message)| message.starts_with("role stays set")), "{report:#}");
    assert!(told.iter().any(|(severity, _)| severity == "error"), "{report:#}");
}

#[test]
fn flyway_sets_the_search_path_anew_unless_its_connection_does() {
    let told = |first: &str| {
        let repo = Sandbox::empty(Sandbox::new().realm());
        repo.write("migd.toml", "[[migrations]]\npath = \"db/migration\"\nlayout = \"flyway\"\n");
        repo.write("db/migration/V1__one.sql", format!("CREATE SCHEMA shop;\n{first}"));
        repo.write("db/migration/V2__two.sql", "CREATE TABLE two (id int DEFAULT length('a\\\\b'));\n");
        repo.git(&["add", "."]);
        let report = repo.check(&[]);
        leaks(&report).into_iter().map(|(severity, _)| severity).collect::<Vec<_>>()
    };
    assert_eq!(told("SET search_path = shop, public;\n"), ["warning", "note"]);
    assert_eq!(told("SET lock_timeout = '9s';\nSET search_path = shop, public;\n"), ["warning", "warning"]);
    let strings = "SET standard_conforming_strings = off;\n";
    assert_eq!(told(strings), ["error", "warning"], "which nothing puts back");
}

#[test]
fn supabase_puts_settings_back_itself() {
    let repo = Sandbox::empty(Sandbox::new().realm());
    repo.write("migd.toml", "[[migrations]]\npath = \"supabase/migrations\"\nlayout = \"supabase\"\n");
    repo.write("supabase/migrations/20250101000000_one.sql", "CREATE SCHEMA shop;\nSET search_path = shop;\n");
    repo.git(&["add", "."]);
    assert_eq!(leaks(&repo.check(&[])), []);
}

#[test]
fn what_drizzle_runs_in_one_transaction_is_run_in_one() {
    let repo = Sandbox::empty(&crate::support::realm::Realm::shared());
    let journal = |count: usize| {
        let entry =
            |at: usize| format!(r#"{{"idx":{at},"version":"7","when":170{at},"tag":"000{at}_it","breakpoints":true}}"#);
        let entries: Vec<String> = (0..count).map(entry).collect();
        format!(r#"{{"version":"7","dialect":"postgresql","entries":[{}]}}"#, entries.join(","))
    };
    let stage = |ups: &[&str]| {
        for (at, up) in ups.iter().enumerate() {
            repo.write(&format!("drizzle/000{at}_it.sql"), up);
        }
        repo.write("drizzle/meta/_journal.json", journal(ups.len()));
        repo.git(&["add", "."]);
    };
    let moods =
        "CREATE TYPE mood AS ENUM ('sad');\n--> statement-breakpoint\nCREATE TABLE users (id int, mood mood);\n";
    let (adds, uses) = (
        "ALTER TYPE mood ADD VALUE 'happy';\n",
        "SELECT 1;\n--> statement-breakpoint\nALTER TABLE users ALTER mood SET DEFAULT 'happy';\n",
    );
    stage(&[moods]);
    repo.git(&["commit", "-qnm", "moods"]);
    stage(&[moods, adds, uses]);
    let report = repo.check(&[]);
    let found = &report["findings"][0];
    assert_eq!(
        (&found["code"], &found["sqlstate"], &found["line"]),
        (&"apply.error".into(), &"55P04".into(), &3.into()),
        "{report:#}"
    );
    assert_eq!(found["path"], "drizzle/0002_it.sql");
    assert!(found["message"].as_str().unwrap().starts_with("fails in one transaction with 0001_it: "), "{found:#}");

    repo.git(&["rm", "--quiet", "-f", "drizzle/0002_it.sql"]);
    stage(&[moods, adds]);
    repo.git(&["commit", "-qnm", "happy"]);
    stage(&[moods, adds, uses]);
    assert_eq!(repo.check(&[])["outcome"], "pass", "the value is there before");
}
