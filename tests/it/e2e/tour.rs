//! The scenarios of the tour's own set: each holds, and each fails where it should when the migration that it guards is broken.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::realm::Realm;
use crate::support::sandbox::Sandbox;

/// One way to break a migration.
struct Mutation {
    /// The scenario that guards it.
    scenario: &'static str,
    /// How the migration's file begins and ends.
    file: (&'static str, &'static str),
    /// What is there.
    from: &'static str,
    /// What it becomes.
    to: &'static str,
    /// The line of the scenario that then fails.
    line: u32,
}

const fn broken(
    scenario: &'static str,
    line: u32,
    file: (&'static str, &'static str),
    from: &'static str,
    to: &'static str,
) -> Mutation {
    Mutation { scenario, file, from, to, line }
}

const UP: &str = ".up.sql";
const DOWN: &str = ".down.sql";
const USERS: (&str, &str) = ("20250703081500", UP);
const TELEGRAM_USERS: (&str, &str) = ("20250703082000", UP);
const MANAGED_CHATS: (&str, &str) = ("20250704091000", UP);
const MESSAGES: (&str, &str) = ("20250707100000", UP);
const TRANSLATIONS: (&str, &str) = ("20250714093000", UP);
const JOBS: (&str, &str) = ("20250811121500", UP);
const JOBS_DOWN: (&str, &str) = ("20250811121500", DOWN);
const KEYS: (&str, &str) = ("20250901094500", UP);
const ACTORS: (&str, &str) = ("20251012140000", UP);
const ACTORS_DOWN: (&str, &str) = ("20251012140000", DOWN);
const UNIQUE: (&str, &str) = ("20251018093000", UP);
const SKIP_REASON: (&str, &str) = ("20251025101500", UP);

const MUTATIONS: &[Mutation] = &[
    // The incident: whoever is no user is copied as well.
    broken(
        "system_actors",
        14,
        ACTORS,
        "\n    AND EXISTS (SELECT FROM users WHERE users.id = audit_log.actor_user_id)",
        "",
    ),
    broken(
        "system_actors",
        16,
        ACTORS,
        "SET actor_system_identifier = actor_user_id",
        "SET actor_system_identifier = 'system'",
    ),
    broken("system_actors", 24, ACTORS, "REFERENCES users (id) ON DELETE SET NULL", "REFERENCES users (id)"),
    // The incident: the duplicates stay.
    broken("duplicate_translations", 20, UNIQUE, "WHERE older.message_id = newer.message_id", "WHERE false"),
    broken(
        "duplicate_translations",
        23,
        UNIQUE,
        "(older.translated_at, older.id) < (newer",
        "(older.translated_at, older.id) > (newer",
    ),
    broken(
        "duplicate_translations",
        32,
        UNIQUE,
        "UNIQUE INDEX ux_message_translations_message_id",
        "INDEX ux_message_translations_message_id",
    ),
    // Trusted before administrator.
    broken(
        "skip_reason_backfill",
        46,
        SKIP_REASON,
        "CASE WHEN sender.is_admin THEN 2 ELSE 1 END",
        "CASE WHEN sender.is_trusted THEN 1 ELSE 2 END",
    ),
    broken("skip_reason_backfill", 46, SKIP_REASON, "                AND chat_admins.is_active\n", ""),
    broken(
        "skip_reason_backfill",
        46,
        SKIP_REASON,
        "WHERE NOT EXISTS (SELECT FROM detection_results WHERE detection_results.message_id = message.id)",
        "",
    ),
    // The incident: the orphans stay.
    broken("orphaned_translations", 20, KEYS, "WHERE translation.message_id IS NOT NULL", "WHERE false"),
    broken(
        "orphaned_translations",
        22,
        KEYS,
        "WHERE translation.edit_id IS NOT NULL\n    AND",
        "WHERE translation.edit_id IS NOT NULL\n    OR",
    ),
    broken(
        "exclusive_arcs",
        19,
        TRANSLATIONS,
        "num_nonnulls(message_id, edit_id) = 1",
        "num_nonnulls(message_id, edit_id) <= 1",
    ),
    broken(
        "exclusive_arcs",
        37,
        ACTORS,
        "num_nonnulls(actor_web_user_id, actor_system_identifier) = 1",
        "num_nonnulls(actor_web_user_id, actor_system_identifier) >= 1",
    ),
    broken("user_deletion", 12, ACTORS, "BEFORE DELETE ON users", "AFTER DELETE ON users"),
    broken("user_deletion", 15, ACTORS, "actor_system_identifier = OLD.id", "actor_system_identifier = 'system'"),
    broken("message_deletion", 20, KEYS, "REFERENCES messages (id) ON DELETE CASCADE", "REFERENCES messages (id)"),
    broken("chat_deletion", 19, MANAGED_CHATS, "REFERENCES chats (id) ON DELETE CASCADE", "REFERENCES chats (id)"),
    broken("unique", 10, USERS, "ON users (lower(email))", "ON users (email)"),
    broken("check", 13, MANAGED_CHATS, "bot_status BETWEEN 0 AND 3", "bot_status BETWEEN 0 AND 9"),
    broken("not_null", 4, MESSAGES, "telegram_message_id bigint NOT NULL", "telegram_message_id bigint"),
    broken(
        "foreign_keys",
        7,
        TELEGRAM_USERS,
        " CONSTRAINT fk_telegram_users_users_user_id REFERENCES users (id) ON DELETE SET NULL",
        "",
    ),
    broken(
        "ordering",
        31,
        KEYS,
        "REFERENCES messages (id) ON DELETE CASCADE",
        "REFERENCES messages (id) ON DELETE CASCADE NOT VALID",
    ),
    broken(
        "rollback",
        13,
        ACTORS_DOWN,
        "coalesce(actor_web_user_id, actor_system_identifier)",
        "coalesce(actor_system_identifier, 'system')",
    ),
    broken(
        "rollback",
        35,
        ACTORS_DOWN,
        "DROP FUNCTION keep_actor_of_deleted_user();",
        "DROP FUNCTION keep_actor_of_deleted_user();\nCREATE TABLE IF NOT EXISTS users_of_before ();",
    ),
    broken("default_jobs", 4, JOBS, "'Blocklist sync', '7 days'", "'Blocklist sync', '1 day'"),
    // The incident: the defaults meet a job that is set up by hand.
    broken("default_jobs", 19, JOBS, "\nON CONFLICT (job_name) DO NOTHING", ""),
    broken("default_jobs", 33, JOBS_DOWN, "\nAND settings = '{}'", "\nOR settings = '{}'"),
];

/// The tour's set in a repository, its scenarios with it.
fn tour() -> Sandbox {
    let repo = Sandbox::empty(&Realm::shared());
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for folder in ["", "scenarios"] {
        for entry in fs::read_dir(set.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(&set).unwrap().to_str().unwrap();
                repo.write(&format!("migrations/{name}"), fs::read(&path).unwrap());
            }
        }
    }
    repo.configure("[rows]\nenabled = false\n[[migrations]]\npath = \"migrations\"\nlayout = \"sqlx\"\n");
    repo.git(&["add", "."]);
    repo
}

/// The files whose names begin with this, and end with that.
fn file(repo: &Sandbox, (start, end): (&str, &str)) -> String {
    let names = fs::read_dir(repo.path().join("migrations")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names = names.map(|name| name.into_string().unwrap());
    let name = names.find(|name| name.starts_with(start) && name.ends_with(end)).unwrap();
    format!("migrations/{name}")
}

/// The lines of a scenario that are named, each once.
fn named(said: &str, path: &str) -> BTreeSet<u32> {
    let number = |(at, _): (usize, &str)| {
        let digits: String = said[at + path.len() + 1..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    said.match_indices(&format!("{path}:")).filter_map(number).collect()
}

#[test]
fn every_scenario_of_the_tour_holds() {
    let repo = tour();
    let verdict = repo.check(&[]);
    let scenarios = verdict["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), 15);
    assert!(scenarios.iter().all(|scenario| scenario["passed"] == true), "{:#}", verdict["findings"]);
}

#[test]
fn every_scenario_of_the_tour_fails_where_its_migration_is_broken() {
    let repo = tour();
    let guarded: BTreeSet<_> = MUTATIONS.iter().map(|mutation| mutation.scenario).collect();
    assert_eq!(guarded.len(), 15);
    let mut wrong = Vec::new();
    for mutation in MUTATIONS {
        let path = file(&repo, mutation.file);
        let text = fs::read_to_string(repo.path().join(&path)).unwrap();
        assert!(text.contains(mutation.from), "{path} has no {:?}", mutation.from);
        repo.write(&path, text.replacen(mutation.from, mutation.to, 1));
        let scenario = format!("migrations/scenarios/{}.slt", mutation.scenario);
        let ran = repo.migd(&["scenario", "run", &scenario]);
        let lines = named(&ran.out, &scenario);
        if ran.status != Some(1) || lines != BTreeSet::from([mutation.line]) {
            wrong
                .push(format!("{} with {:?}: {lines:?}, not {}: {ran}", mutation.scenario, mutation.to, mutation.line));
        }
        repo.write(&path, text);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
