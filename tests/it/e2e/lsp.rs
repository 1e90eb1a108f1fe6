//! `migd lsp`, driven as an editor drives it: what is said while a migration is written, broken and repaired.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::editor::{Editor, edited};
use crate::support::processes::{children, processes, runs};
use crate::support::realm::eventually;
use crate::support::sandbox::{BROKEN, GOOD, GOOD_DOWN, Sandbox};

const UP: &str = "migrations/2_it.up.sql";
const DOWN: &str = "migrations/2_it.down.sql";
const UNIQUE: &str = "CREATE UNIQUE INDEX users_email ON users (email);\n";
const UNIQUE_DOWN: &str = "DROP INDEX users_email;\n";
/// Long enough for a judgement that should not be made to be made.
const A_WHILE: Duration = Duration::from_millis(1500);

/// A second migration on disk, which nobody has staged.
fn with(up: &str, down: &str) -> Sandbox {
    let repo = Sandbox::new();
    repo.write(UP, up);
    repo.write(DOWN, down);
    repo
}

fn place(diagnostic: &Value) -> [u64; 4] {
    let at = |end: &str, part: &str| diagnostic["range"][end][part].as_u64().unwrap();
    [at("start", "line"), at("start", "character"), at("end", "line"), at("end", "character")]
}

fn titles(actions: &[Value]) -> Vec<&str> {
    actions.iter().map(|action| action["title"].as_str().unwrap()).collect()
}

#[track_caller]
fn titled<'a>(actions: &'a [Value], start: &str) -> &'a Value {
    let found = actions.iter().find(|action| action["title"].as_str().unwrap().starts_with(start));
    found.unwrap_or_else(|| panic!("no `{start}…` in {:?}", titles(actions)))
}

#[test]
fn a_broken_migration_has_a_diagnostic_at_its_place() {
    let repo = with(BROKEN, GOOD_DOWN);
    let mut editor = Editor::of(&repo);
    let uri = Editor::uri(&repo, UP);
    editor.open(&uri, BROKEN);
    let found = editor.finding(&uri, "apply.error");
    assert_eq!(found["source"], "migd");
    assert_eq!(found["severity"], 1);
    assert!(found["message"].as_str().unwrap().starts_with("relation \"persons\" does not exist (SQLSTATE 42P01)"));
    assert!(found["codeDescription"]["href"].as_str().unwrap().ends_with("/docs/checks/apply.error.md"));
    assert_eq!(place(&found)[0], 0);
    assert_eq!(editor.quit(), 0);
}

#[test]
fn a_buffer_is_judged_before_it_is_saved() {
    let repo = with(GOOD, GOOD_DOWN);
    let mut editor = Editor::of(&repo);
    let uri = Editor::uri(&repo, UP);
    editor.open(&uri, GOOD);
    editor.change(&uri, BROKEN);
    editor.finding(&uri, "apply.error");
    editor.change(&uri, GOOD);
    editor.clean(&uri);
    assert_eq!(std::fs::read_to_string(repo.path().join(UP)).unwrap(), GOOD);
}

#[test]
fn a_buffer_of_a_file_that_is_not_there_yet_is_a_new_migration() {
    let repo = Sandbox::new();
    let mut editor = Editor::of(&repo);
    let (up, down) = (Editor::uri(&repo, UP), Editor::uri(&repo, DOWN));
    editor.open(&up, GOOD);
    editor.finding(&up, "revert.missing");
    editor.open(&down, "DROP TABLE users;\n");
    let found = editor.finding(&down, "revert.schema-mismatch");
    assert_eq!(found["relatedInformation"][0]["location"]["uri"], up.as_str());
    editor.change(&down, GOOD_DOWN);
    editor.clean(&up);
    editor.clean(&down);
    assert!(!repo.path().join(UP).exists());
}

#[test]
fn columns_count_what_was_agreed_on() {
    let text = "SELECT 'é€😀', wrong FROM users;\n";
    let repo = with(text, "SELECT 1;\n");
    let uri = Editor::uri(&repo, UP);
    for (offer, start) in [(json!(null), 15), (json!(["utf-16"]), 15), (json!(["utf-8"]), 20), (json!(["utf-32"]), 14)]
    {
        let mut editor = Editor::able(&repo, json!({ "general": { "positionEncodings": offer } }));
        editor.open(&uri, text);
        let found = editor.finding(&uri, "apply.error");
        assert_eq!(place(&found), [0, start, 0, start + 5], "{offer}");
    }
}

#[test]
fn a_finding_in_a_file_that_is_not_open_is_shown_and_taken_back() {
    let repo = with(GOOD, "SELECT 1;\n");
    let mut editor =
        Editor::able(&repo, json!({ "workspace": { "didChangeWatchedFiles": { "dynamicRegistration": true } } }));
    editor.open(&Editor::uri(&repo, UP), GOOD);
    let down = Editor::uri(&repo, DOWN);
    editor.finding(&down, "revert.schema-mismatch");
    assert_eq!(editor.asked[0]["params"]["registrations"][0]["method"], "workspace/didChangeWatchedFiles");
    repo.write(DOWN, GOOD_DOWN);
    editor.notify("workspace/didChangeWatchedFiles", json!({ "changes": [{ "uri": down, "type": 2 }] }));
    editor.clean(&down);
}

#[test]
fn rows_that_break_a_migration_are_shown_and_can_be_accepted_with_a_reason_only() {
    let repo = with(UNIQUE, UNIQUE_DOWN);
    let mut editor = Editor::of(&repo);
    let uri = Editor::uri(&repo, UP);
    editor.open(&uri, UNIQUE);
    let found = editor.finding(&uri, "data.unique");
    let message = found["message"].as_str().unwrap();
    assert!(message.contains("\nhelp: ") && message.contains("\n  INSERT INTO users"), "{message}");
    let actions = editor.actions(&uri, &found);
    let accepted = edited(UNIQUE, titled(&actions, "Accept it: -- migd: assume data.unique("), &uri);
    editor.change(&uri, &accepted);
    let wanted = editor.finding(&uri, "suppress.malformed");
    assert!(wanted["message"].as_str().unwrap().starts_with("the reason is missing"), "{wanted}");
    assert_eq!(place(&wanted)[0], 0);
    editor.change(&uri, &accepted.replace("-- \n", "-- made unique by hand\n"));
    editor.until(&uri, |found| found.iter().all(|one| one["severity"] != 1));
}

const KEY: &str = "ALTER TABLE users ADD FOREIGN KEY (parent) REFERENCES users (id);\n";
const KEY_DOWN: &str = "ALTER TABLE users DROP CONSTRAINT users_parent_fkey;\n";

/// A column that may point nowhere, in a migration that production has; and the key on it.
fn with_parents(up: &str) -> Sandbox {
    let repo = Sandbox::new();
    let add = "ALTER TABLE users ADD COLUMN parent bigint;\n";
    repo.migration(2, "parent", add, "ALTER TABLE users DROP COLUMN parent;\n");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "parent"]);
    repo.write("migrations/3_key.up.sql", up);
    repo.write("migrations/3_key.down.sql", KEY_DOWN);
    repo
}

#[test]
fn a_way_out_is_offered_when_it_has_been_judged() {
    let repo = with_parents(KEY);
    let mut editor = Editor::of(&repo);
    let uri = Editor::uri(&repo, "migrations/3_key.up.sql");
    editor.open(&uri, KEY);
    let found = editor.finding(&uri, "data.foreign-key");
    let actions = editor.actions(&uri, &found);
    let mended = edited(KEY, titled(&actions, "Set those values to NULL"), &uri);
    editor.change(&uri, &mended);
    editor.until(&uri, |found| found.iter().all(|one| one["severity"] != 1));
}

#[test]
fn a_way_out_that_breaks_something_else_is_not_offered() {
    let (up, down) = (
        "ALTER TABLE users ALTER COLUMN email SET NOT NULL;\n",
        "ALTER TABLE users ALTER COLUMN email DROP NOT NULL;\n",
    );
    let repo = with(up, down);
    let mut editor = Editor::of(&repo);
    let uri = Editor::uri(&repo, UP);
    editor.open(&uri, up);
    let found = editor.finding(&uri, "data.not-null");
    let known = found["data"]["counterexample"]["recipes"].as_array().unwrap();
    // A constraint in the place of NOT NULL lets the rows pass, but this down does not take it back.
    assert!(known.iter().any(|recipe| recipe["place"] == "instead"), "{found:#}");
    let actions = editor.actions(&uri, &found);
    // From 18 on a NOT NULL can itself be NOT VALID, and this down does.
    let server = repo.check(&["--worktree"])["postgres"].as_str().unwrap().to_owned();
    let whole = server.split('.').next().unwrap().parse::<u32>().unwrap() >= 18;
    let offered = titles(&actions).iter().any(|title| title.starts_with("Hold new rows"));
    assert_eq!(offered, whole, "{:?}", titles(&actions));
    titled(&actions, "Give those rows a value");
}

#[test]
fn a_finding_is_explained_where_the_cursor_is_and_as_a_page() {
    let repo = with(UNIQUE, UNIQUE_DOWN);
    let mut editor = Editor::able(&repo, json!({ "window": { "showDocument": { "support": true } } }));
    let uri = Editor::uri(&repo, UP);
    editor.open(&uri, UNIQUE);
    let found = editor.finding(&uri, "data.unique");
    let hover = editor.request(
        "textDocument/hover",
        json!({ "textDocument": { "uri": uri }, "position": { "line": 0, "character": 9 } }),
    );
    let text = hover["result"]["contents"]["value"].as_str().unwrap();
    assert!(text.starts_with("**error[data.unique]**") && text.contains("**What to do.**"), "{text}");
    let actions = editor.actions(&uri, &found);
    let command = &titled(&actions, "Explain data.unique")["command"];
    let params = json!({ "command": command["command"], "arguments": command["arguments"] });
    assert_eq!(editor.request("workspace/executeCommand", params)["error"], Value::Null);
    let page = editor.asked.iter().find(|asked| asked["method"] == "window/showDocument").unwrap();
    let path = page["params"]["uri"].as_str().unwrap().strip_prefix("file://").unwrap();
    assert!(std::fs::read_to_string(path).unwrap().starts_with("# data.unique\n"));
}

#[test]
fn closing_the_last_document_takes_everything_back() {
    let repo = with(BROKEN, GOOD_DOWN);
    let mut editor = Editor::of(&repo);
    let uri = Editor::uri(&repo, UP);
    editor.open(&uri, BROKEN);
    editor.finding(&uri, "apply.error");
    editor.close(&uri);
    editor.clean(&uri);
}

#[test]
fn several_repositories_are_each_judged_by_themselves() {
    let (one, other) = (with(BROKEN, GOOD_DOWN), with(GOOD, "SELECT 1;\n"));
    let mut editor = Editor::of(&one);
    let (broken, good) = (Editor::uri(&one, UP), Editor::uri(&other, UP));
    editor.open(&broken, BROKEN);
    editor.open(&good, GOOD);
    editor.finding(&broken, "apply.error");
    editor.finding(&Editor::uri(&other, DOWN), "revert.schema-mismatch");
    editor.close(&good);
    editor.clean(&Editor::uri(&other, DOWN));
    assert!(!editor.last(&broken).unwrap().is_empty());
}

#[test]
fn there_is_nothing_to_say_about_what_is_no_migration() {
    let repo = with(GOOD, GOOD_DOWN);
    let bare = Sandbox::empty(repo.realm());
    let outside = Sandbox::plain(repo.realm());
    let mut editor = Editor::of(&repo);
    for uri in [Editor::uri(&outside, "a.sql"), Editor::uri(&bare, "a.sql"), Editor::uri(&repo, "queries/a.sql")] {
        editor.open(&uri, "SELEC 1;\n");
        editor.change(&uri, "SELE 1;\n");
        editor.idle(A_WHILE);
        assert_eq!(editor.last(&uri), None, "{uri}");
    }
    assert_eq!(editor.shown, [""; 0]);
}

#[test]
fn that_nothing_can_be_judged_is_said_once() {
    let repo = with(GOOD, GOOD_DOWN);
    repo.write("migd.toml", "[engine]\nkind = \"url\"\nurl = \"postgres://nobody@127.0.0.1:1/none\"\n");
    let mut editor = Editor::of(&repo);
    let uri = Editor::uri(&repo, UP);
    editor.open(&uri, GOOD);
    editor.message("[engine.connect]");
    for number in 0..3 {
        editor.change(&uri, &format!("{GOOD}-- {number}\n"));
        editor.idle(A_WHILE / 3);
    }
    assert_eq!(editor.shown.len(), 1, "{:?}", editor.shown);
    assert!(editor.last(&uri).is_none_or(<[Value]>::is_empty));
}

#[test]
fn a_configuration_that_cannot_be_read_is_shown_in_its_own_buffer() {
    let repo = with(GOOD, GOOD_DOWN);
    repo.write("migd.toml", "[hook]\nbudget = \"1s\"\n");
    let mut editor = Editor::of(&repo);
    let uri = Editor::uri(&repo, "migd.toml");
    editor.open(&uri, "[hook]\nbudgt = \"1s\"\n");
    let found = editor.finding(&uri, "config.invalid");
    assert_eq!(place(&found)[..2], [1, 0]);
    editor.change(&uri, "[hook]\nbudget = \"2s\"\n");
    editor.clean(&uri);
}

#[test]
fn buffers_that_are_too_large_to_send_are_named() {
    let repo = with(GOOD, GOOD_DOWN);
    let mut editor = Editor::of(&repo);
    let uri = Editor::uri(&repo, UP);
    editor.open(&uri, &format!("{GOOD}-- {}\n", "x".repeat(1 << 20)));
    let said = editor.message("too large");
    assert!(said.contains("1048576"), "{said}");
    editor.change(&uri, BROKEN);
    editor.finding(&uri, "apply.error");
}

/// The daemon that serves `repo`.
fn daemon(repo: &Sandbox) -> Pid {
    let pid = repo.migd(&["status", "--json"]).ok().json()["pid"].as_i64().expect("a daemon runs");
    Pid::from_raw(pid.try_into().unwrap())
}

#[test]
fn a_daemon_that_is_stopped_or_killed_is_replaced_within_the_session() {
    let repo = Sandbox::alone();
    repo.write(UP, GOOD);
    repo.write(DOWN, GOOD_DOWN);
    let mut editor = Editor::of(&repo);
    let uri = Editor::uri(&repo, UP);
    editor.open(&uri, BROKEN);
    editor.finding(&uri, "apply.error");
    repo.migd(&["stop"]).ok();
    editor.change(&uri, GOOD);
    editor.clean(&uri);
    kill(daemon(&repo), Signal::SIGKILL).unwrap();
    editor.change(&uri, BROKEN);
    editor.finding(&uri, "apply.error");
}

#[test]
fn a_request_for_actions_can_be_cancelled_and_waits_for_nobody_for_ever() {
    let repo = Sandbox::alone();
    let add = "ALTER TABLE users ADD COLUMN parent bigint;\n";
    repo.migration(2, "parent", add, "ALTER TABLE users DROP COLUMN parent;\n");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "parent"]);
    let mut editor = Editor::of(&repo);
    let uri = Editor::uri(&repo, "migrations/3_key.up.sql");
    editor.open(&uri, KEY);
    let found = editor.finding(&uri, "data.foreign-key");
    let daemon = daemon(&repo);
    kill(daemon, Signal::SIGSTOP).unwrap();
    let context = json!({ "diagnostics": [] });
    let params = json!({ "textDocument": { "uri": uri }, "range": found["range"], "context": context });
    let id = editor.ask("textDocument/codeAction", params.clone());
    editor.notify("$/cancelRequest", json!({ "id": id }));
    assert_eq!(editor.answer(&id)["error"]["code"], -32800);
    let answer = editor.request("textDocument/codeAction", params);
    titled(answer["result"].as_array().unwrap(), "Accept it");
    kill(daemon, Signal::SIGCONT).unwrap();
}

#[test]
fn a_session_has_an_order() {
    let repo = Sandbox::new();
    let mut editor = Editor::raw(&repo);
    let hover = json!({ "textDocument": { "uri": "file:///a" }, "position": { "line": 0, "character": 0 } });
    assert_eq!(editor.request("textDocument/hover", hover.clone())["error"]["code"], -32002);
    editor.request("initialize", json!({ "processId": null, "rootUri": null, "capabilities": [] }));
    assert_eq!(editor.request("initialize", json!({}))["error"]["code"], -32600);
    assert_eq!(editor.request("textDocument/hover", hover.clone())["result"], Value::Null);
    assert_eq!(editor.request("textDocument/hover", json!({ "position": 5 }))["error"]["code"], -32602);
    assert_eq!(editor.request("textDocument/rename", json!({}))["error"]["code"], -32601);
    assert_eq!(editor.request("shutdown", Value::Null)["result"], Value::Null);
    assert_eq!(editor.request("textDocument/hover", hover)["error"]["code"], -32600);
    editor.notify("exit", Value::Null);
    assert_eq!(editor.ended(), 0);
}

#[test]
fn what_is_no_message_is_answered_and_the_session_goes_on() {
    let repo = Sandbox::new();
    let mut editor = Editor::of(&repo);
    editor.write("Content-Length: 9\r\n\r\n{nonsense");
    assert_eq!(editor.answer(&Value::Null)["error"]["code"], -32700);
    editor.write("Content-Length: 12\r\n\r\n{\"id\": \"x1\"}");
    assert_eq!(editor.answer(&json!("x1"))["error"]["code"], -32600);
    for params in [json!(null), json!({}), json!([1]), json!({ "textDocument": 7 })] {
        for method in ["didOpen", "didChange", "didSave", "didClose"] {
            editor.notify(&format!("textDocument/{method}"), params.clone());
        }
    }
    assert_eq!(editor.quit(), 0);
}

#[test]
fn an_editor_that_leaves_without_a_word_leaves_no_process() {
    let repo = Sandbox::new();
    assert_eq!(Editor::of(&repo).vanish(), 1);
    let mut editor = Editor::of(&repo);
    editor.notify("exit", Value::Null);
    assert_eq!(editor.ended(), 1);
}

#[test]
fn a_question_that_was_taken_back_holds_no_other_up() {
    let repo = Sandbox::alone();
    repo.configure("[limits]\nstatement = \"60s\"\n");
    repo.migration(2, "slow", "SELECT pg_sleep(50);\n", "");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "a slow chain"]);
    let mut editor = Editor::of(&repo);
    let (first, third) =
        (Editor::uri(&repo, "migrations/1_users.up.sql"), Editor::uri(&repo, "migrations/3_it.up.sql"));
    editor.open(&third, GOOD);
    eventually("the chain before it is being built", || {
        processes(&repo).is_some_and(|(_, server)| children(server).into_iter().any(runs))
    });
    let asked = Instant::now();
    editor.close(&third);
    editor.open(&first, "CREATE TABLE users (id bigint, id bigint);\n");
    editor.finding(&first, "apply.error");
    assert!(
        asked.elapsed() < Duration::from_secs(20),
        "it waited for a chain that nobody wants: {:?}",
        asked.elapsed()
    );
}
