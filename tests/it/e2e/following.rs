//! While one edits: what git and people do to a work tree as a whole is followed.

use std::fs;

use serde_json::Value;

use crate::support::realm::{Realm, eventually};
use crate::support::sandbox::{BROKEN, GOOD, GOOD_DOWN, Sandbox};
use crate::support::watching::Watching;

/// A repository of its own realm with a reader, and nothing to judge yet.
fn watched() -> (Sandbox, Watching) {
    let repo = Sandbox::within(&Realm::new().watching());
    let mut reader = Watching::new(&repo);
    reader.nothing();
    (repo, reader)
}

/// Saves both files of a migration that is not staged.
fn save(repo: &Sandbox, set: &str, up: &str) {
    repo.write(&format!("{set}/2_age.down.sql"), GOOD_DOWN);
    repo.write(&format!("{set}/2_age.up.sql"), up);
}

/// What the daemon of `repo` watches, by the end of its work tree's path.
fn watched_at(repo: &Sandbox, end: &str) -> Option<Value> {
    let status = repo.migd(&["status", "--json"]).ok().json();
    let all = status["watched"].as_array()?.clone();
    all.into_iter().find(|one| one["repo"].as_str().is_some_and(|path| path.ends_with(end)))
}

/// The name of the repository's folder, as in a path's end.
fn name(repo: &Sandbox) -> String {
    format!("/{}", repo.path().file_name().unwrap().to_str().unwrap())
}

#[test]
fn a_folder_that_is_replaced_is_followed() {
    let (repo, mut reader) = watched();
    let set = repo.path().join("migrations");
    fs::rename(&set, repo.path().join("old")).unwrap();
    let copy = |from: &str, to: &str| fs::copy(repo.path().join(from), repo.path().join(to)).map(drop).unwrap();
    fs::create_dir(&set).unwrap();
    for file in ["1_users.up.sql", "1_users.down.sql"] {
        copy(&format!("old/{file}"), &format!("migrations/{file}"));
    }
    save(&repo, "migrations", BROKEN);
    reader.outcome("fail");
    // What is saved later is seen in the new folder, too.
    save(&repo, "migrations", GOOD);
    reader.outcome("pass");
}

#[test]
fn a_branch_switch_a_stash_and_a_reset_are_followed() {
    let (repo, mut reader) = watched();
    repo.git(&["switch", "--quiet", "--create", "broken"]);
    save(&repo, "migrations", BROKEN);
    reader.outcome("fail");
    repo.git(&["stash", "push", "--quiet", "--include-untracked"]);
    reader.nothing();
    repo.git(&["stash", "pop", "--quiet"]);
    assert_eq!(reader.outcome("fail")["cached"], true);
    repo.git(&["add", "migrations"]);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "broken"]);
    reader.nothing();
    repo.git(&["switch", "--quiet", "main"]);
    repo.git(&["checkout", "--quiet", "broken", "--", "migrations"]);
    assert_eq!(reader.outcome("fail")["cached"], true);
    repo.git(&["reset", "--quiet", "--hard"]);
    reader.nothing();
}

#[test]
fn a_rebase_of_a_hundred_commits_ends_in_one_true_state() {
    let (repo, mut reader) = watched();
    repo.git(&["switch", "--quiet", "--create", "side"]);
    for number in 2..102 {
        let column = format!("c{number}");
        let up = format!("ALTER TABLE users ADD COLUMN {column} integer;\n");
        repo.migration(number, &column, up, format!("ALTER TABLE users DROP COLUMN {column};\n"));
        repo.git(&["commit", "--quiet", "--no-verify", "--message", &column]);
    }
    repo.git(&["switch", "--quiet", "main"]);
    repo.write("notes.txt", "");
    repo.git(&["add", "notes.txt"]);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "notes"]);
    repo.git(&["rebase", "--quiet", "main", "side"]);
    repo.write("migrations/200_age.up.sql", BROKEN);
    let verdict = reader.outcome("fail");
    assert_eq!(verdict["migrations"].as_array().unwrap().len(), 1, "only what is not committed is judged: {verdict:#}");
    repo.git(&["clean", "--quiet", "--force"]);
    reader.nothing();
}

#[test]
fn a_rebase_that_stops_is_judged_where_it_stands() {
    let (repo, mut reader) = watched();
    repo.git(&["switch", "--quiet", "--create", "side"]);
    for number in 2..4 {
        let up = format!("ALTER TABLE users ADD COLUMN c{number} integer;\n");
        repo.migration(number, "c", up, format!("ALTER TABLE users DROP COLUMN c{number};\n"));
        repo.git(&["commit", "--quiet", "--no-verify", "--message", "one more"]);
    }
    repo.try_git(&["rebase", "--quiet", "--force-rebase", "--exec", "false", "main", "side"]).failed();
    // Stopped behind the first of the two: the third migration is not there yet.
    repo.write("migrations/9_late.up.sql", "ALTER TABLE users DROP COLUMN c3;\n");
    let verdict = reader.outcome("fail");
    assert_eq!(verdict["findings"][0]["sqlstate"], "42703", "there is no such column yet: {verdict:#}");
    repo.git(&["rebase", "--abort"]);
    let other = |event: &Value| event["event"] == "verdict" && event["verdict"]["findings"][0]["sqlstate"] != "42703";
    reader.until("verdict on all three", other);
}

#[test]
fn a_new_work_tree_is_watched_and_has_the_verdicts_of_the_others() {
    let (repo, mut reader) = watched();
    save(&repo, "migrations", BROKEN);
    reader.outcome("fail");
    repo.git(&["worktree", "add", "--quiet", "linked"]);
    let linked = repo.at("linked");
    eventually("the new work tree is watched", || watched_at(&repo, "/linked").is_some());
    let mut other = Watching::new(&linked);
    other.nothing();
    save(&linked, "migrations", BROKEN);
    assert_eq!(other.outcome("fail")["cached"], true);
    drop(other);
    repo.git(&["worktree", "remove", "--force", "linked"]);
    eventually("it is forgotten when it is removed", || watched_at(&repo, "/linked").is_none());
}

#[test]
fn a_set_that_moves_is_followed() {
    let (repo, mut reader) = watched();
    repo.write("db/notes.txt", "");
    repo.git(&["mv", "migrations", "db/migrations"]);
    save(&repo, "db/migrations", BROKEN);
    let wanted = |event: &Value| event["set"] == "db/migrations" && event["verdict"]["outcome"] == "fail";
    reader.until("verdict on the moved set", wanted);
}

#[test]
fn a_file_that_a_link_leads_to_is_followed() {
    let (repo, mut reader) = watched();
    repo.write("shared/age.sql", BROKEN);
    repo.write("migrations/2_age.down.sql", GOOD_DOWN);
    std::os::unix::fs::symlink("../shared/age.sql", repo.path().join("migrations/2_age.up.sql")).unwrap();
    reader.outcome("fail");
    repo.write("shared/age.sql", GOOD);
    reader.outcome("pass");
}

#[test]
fn a_folder_that_a_link_leads_to_is_followed() {
    let (repo, mut reader) = watched();
    fs::rename(repo.path().join("migrations"), repo.path().join("schema")).unwrap();
    std::os::unix::fs::symlink("schema", repo.path().join("migrations")).unwrap();
    repo.configure("[[migrations]]\npath = \"migrations\"\nlayout = \"golang-migrate\"\n");
    save(&repo, "schema", BROKEN);
    reader.outcome("fail");
    save(&repo, "schema", GOOD);
    reader.outcome("pass");
}

#[test]
fn a_folder_that_went_away_and_came_back_is_followed() {
    let (repo, mut reader) = watched();
    save(&repo, "migrations", BROKEN);
    reader.outcome("fail");
    let (set, away) = (repo.path().join("migrations"), repo.realm().folder().join("away"));
    fs::rename(&set, &away).unwrap();
    reader.within(std::time::Duration::from_millis(500));
    fs::rename(&away, &set).unwrap();
    reader.within(std::time::Duration::from_millis(500));
    save(&repo, "migrations", GOOD);
    reader.outcome("pass");
}

#[test]
fn a_second_set_is_found_when_it_appears() {
    let (repo, mut reader) = watched();
    // Folder by folder, with time to be looked at before there is anything in it.
    for folder in ["billing", "billing/migrations"] {
        fs::create_dir(repo.path().join(folder)).unwrap();
        reader.within(std::time::Duration::from_millis(200));
    }
    repo.write("billing/migrations/1_bills.up.sql", "CREATE TABLE bills (id bigint);\n");
    repo.write("billing/migrations/1_bills.down.sql", "DROP TABLE bill;\n");
    let wanted = |event: &Value| event["set"] == "billing/migrations" && event["verdict"]["outcome"] == "fail";
    reader.until("verdict on the new set", wanted);
}

#[test]
fn a_repository_without_a_set_is_watched_for_its_first() {
    let repo = Sandbox::empty(&Realm::new().watching());
    repo.migd(&["start"]);
    repo.write("readme", "");
    repo.git(&["add", "readme"]);
    repo.commit(&[]).ok();
    repo.migd(&["check"]);
    eventually("it is watched", || watched_at(&repo, &name(&repo)).is_some());
    repo.write("migrations/1_users.up.sql", "CREATE TABLE users (id bigint, id bigint);\n");
    repo.write("migrations/1_users.down.sql", "DROP TABLE users;\n");
    let failed = || watched_at(&repo, &name(&repo)).is_some_and(|one| one["sets"][0]["outcome"] == "fail");
    eventually("its first migration is judged", failed);
}

#[test]
fn what_a_daemon_watched_the_next_one_watches() {
    let (repo, reader) = watched();
    let elsewhere = Sandbox::plain(repo.realm());
    drop(reader);
    repo.migd(&["stop"]).ok();
    // Nobody asks for the repository: another one's folder is where the daemon is started.
    elsewhere.migd(&["start"]);
    eventually("it is watched again", || watched_at(&elsewhere, &name(&repo)).is_some());
    save(&repo, "migrations", BROKEN);
    let failed = || watched_at(&elsewhere, &name(&repo)).is_some_and(|one| one["sets"][0]["outcome"] == "fail");
    eventually("a save is judged", failed);
    elsewhere.migd(&["stop"]).ok();
    fs::remove_dir_all(repo.path()).unwrap();
    elsewhere.migd(&["start"]);
    eventually("what is gone is left out", || repo.realm().log().contains("what was watched before"));
    assert_eq!(watched_at(&elsewhere, &name(&repo)), None);
}
