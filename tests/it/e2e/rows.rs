//! Rows that break a migration, from `git commit` to the terminal; and the line that accepts them.

use crate::support::sandbox::Sandbox;

const UNIQUE: &str = "CREATE UNIQUE INDEX users_nick ON users (nick);\n";
const UNIQUE_DOWN: &str = "DROP INDEX users_nick;\n";

/// A column that production has, without a unique index.
fn with_nicks() -> Sandbox {
    let repo = Sandbox::new();
    repo.migration(2, "nick", "ALTER TABLE users ADD COLUMN nick text;\n", "ALTER TABLE users DROP COLUMN nick;\n");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "nick"]);
    repo
}

#[test]
fn a_commit_is_refused_with_the_rows_that_break_it() {
    let repo = with_nicks();
    repo.migration(3, "unique", UNIQUE, UNIQUE_DOWN);
    repo.commit(&[]).status(1).says("error[data.unique]").says("INSERT INTO users").says("(nick)");
}

#[test]
fn an_assumption_accepts_exactly_what_it_names() {
    let repo = with_nicks();
    repo.migration(
        3,
        "unique",
        format!("-- migd: assume data.unique(users.nick) -- made unique by hand\n{UNIQUE}"),
        UNIQUE_DOWN,
    );
    repo.commit(&[]).ok();
    let repo = with_nicks();
    repo.migration(
        3,
        "unique",
        format!("-- migd: assume data.unique(users.id) -- another column\n{UNIQUE}"),
        UNIQUE_DOWN,
    );
    repo.commit(&[]).status(1).says("error[data.unique]").says("suppress.unused");
}

#[test]
fn what_the_same_change_creates_has_no_rows() {
    let repo = Sandbox::new();
    repo.migration(2, "pets", "CREATE TABLE pets (id bigint PRIMARY KEY, name text);\n", "DROP TABLE pets;\n");
    let up = "ALTER TABLE pets ALTER COLUMN name SET NOT NULL;\nCREATE UNIQUE INDEX pets_name ON pets (name);\n";
    repo.migration(3, "strict", up, "DROP INDEX pets_name;\nALTER TABLE pets ALTER COLUMN name DROP NOT NULL;\n");
    repo.commit(&[]).ok().does_not_say("data.");
}

#[test]
fn a_search_can_be_turned_off() {
    let repo = with_nicks();
    repo.configure("[rows]\nenabled = false\n");
    repo.migration(3, "unique", UNIQUE, UNIQUE_DOWN);
    repo.commit(&[]).ok();
}
