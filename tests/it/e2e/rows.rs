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
    repo.commit(&[]).ok().says("assumed[data.unique(users.nick)]: made unique by hand");
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
fn a_check_searches_on_where_a_commit_could_not_wait() {
    let repo = Sandbox::new();
    let sides = "ALTER TABLE users ADD COLUMN width int, ADD COLUMN height int;\n";
    repo.migration(2, "sides", sides, "ALTER TABLE users DROP COLUMN height, DROP COLUMN width;\n");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "sides"]);
    // Values in pairs are not tried while somebody waits.
    let up = "ALTER TABLE users ADD COLUMN area int GENERATED ALWAYS AS (width * height) STORED;\n";
    repo.migration(3, "area", up, "ALTER TABLE users DROP COLUMN area;\n");
    repo.commit(&[]).ok();
    repo.git(&["reset", "--quiet", "--soft", "HEAD~1"]);
    repo.migd(&["check"]).status(1).says("error[data.out-of-range]");
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

#[test]
fn an_assumption_is_listed_with_the_query_that_counts_what_would_break_it() {
    let repo = with_nicks();
    let assumed = "-- migd: assume data.unique(users.nick) until 2999-01-01 -- made unique by hand\n";
    repo.migration(3, "unique", format!("{assumed}{UNIQUE}"), UNIQUE_DOWN);
    let verdict = repo.check(&[]);
    let assumption = &verdict["assumptions"][0];
    assert_eq!(assumption["code"], "data.unique");
    assert_eq!(assumption["target"], "users.nick");
    assert_eq!(assumption["reason"], "made unique by hand");
    assert_eq!(assumption["until"], "2999-01-01");
    assert_eq!(assumption["line"], 1);
    let query = assumption["query"].as_str().unwrap();
    assert!(query.starts_with("SELECT") && query.contains("FROM users"), "{query}");
}

#[test]
fn the_help_is_what_made_the_migration_pass_over_these_rows() {
    let repo = with_nicks();
    repo.migration(3, "unique", UNIQUE, UNIQUE_DOWN);
    let verdict = repo.check(&[]);
    let finding = &verdict["findings"][0];
    let recipe = finding["counterexample"]["recipes"][0]["sql"][0].as_str().unwrap();
    assert!(finding["help"].as_str().unwrap().contains(recipe), "{finding:#}");
    repo.migration(3, "unique", format!("{recipe};\n{UNIQUE}"), UNIQUE_DOWN);
    let mended = repo.check(&[]);
    assert_ne!(mended["outcome"], "fail", "{mended:#}");
}

#[test]
fn the_help_says_how_the_runner_leaves_its_transaction_out() {
    let repo = with_nicks();
    let (up, down) = ("CREATE INDEX CONCURRENTLY users_nick ON users (nick);\n", "DROP INDEX users_nick;\n");
    repo.migration(3, "index", format!("UPDATE users SET nick = '';\n{up}"), down);
    repo.commit(&[])
        .status(1)
        .says("cannot run inside a transaction block")
        .says("a file of its own, which golang-migrate");
    repo.migration(3, "index", up, down);
    repo.commit(&[]).ok();
}

#[test]
fn a_column_that_goes_is_refused_until_it_is_assumed() {
    let repo = with_nicks();
    let (up, down) = ("ALTER TABLE users DROP COLUMN nick;\n", "ALTER TABLE users ADD COLUMN nick text;\n");
    repo.migration(3, "drop", up, down);
    repo.commit(&[]).status(1).says("error[loss.column-dropped]");
    repo.migration(3, "drop", format!("-- migd: assume loss.column-dropped(users.nick) -- unused\n{up}"), down);
    repo.commit(&[]).ok().says("assumed[loss.column-dropped(users.nick)]");
}

#[test]
fn with_time_values_are_tried_in_pairs() {
    let repo = Sandbox::new();
    let table = "CREATE TABLE sums (id bigint PRIMARY KEY, a int NOT NULL, b int NOT NULL);\n";
    repo.migration(2, "sums", table, "DROP TABLE sums;\n");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "sums"]);
    let up = "ALTER TABLE sums ADD COLUMN share numeric;\nUPDATE sums SET share = 1.0 / (a + b + 2);\n";
    repo.migration(3, "share", up, "ALTER TABLE sums DROP COLUMN share;\n");
    let verdict = repo.check(&["--budget", "20s"]);
    assert_eq!(verdict["findings"][0]["code"], "data.out-of-range", "{verdict:#}");
    assert!(verdict["migrations"][0]["rows_tried"].as_u64().unwrap() > 5, "{verdict:#}");
}

#[test]
fn a_budget_is_a_duration() {
    let repo = Sandbox::new();
    repo.migd(&["check", "--budget", "soon"]).status(2).says("--budget");
}

#[test]
fn a_row_that_may_have_many_parents_is_shown_without_them() {
    let repo = Sandbox::new();
    let many = |each: &dyn Fn(usize) -> String| (0..9).map(each).collect::<Vec<_>>().join("");
    let parents =
        many(&|n| format!("CREATE TABLE p{n} (id bigint PRIMARY KEY, a text, b text, c text, d text, e text);\n"));
    let keys = many(&|n| format!(", p{n}_id bigint REFERENCES p{n}, note_{n} text"));
    let children = format!("{parents}CREATE TABLE kids (id bigint PRIMARY KEY, user_id bigint{keys});\n");
    let down = format!("DROP TABLE kids;\n{}", many(&|n| format!("DROP TABLE p{n};\n")));
    repo.migration(2, "kids", children, down);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "kids"]);
    let up = "ALTER TABLE kids ADD CONSTRAINT kids_user FOREIGN KEY (user_id) REFERENCES users (id);\n";
    repo.migration(3, "user", up, "ALTER TABLE kids DROP CONSTRAINT kids_user;\n");
    let report = repo.check(&[]);
    let found = &report["findings"][0];
    assert_eq!(found["code"], "data.foreign-key", "{report:#}");
    let rows = found["counterexample"]["setup"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert!(rows[0].as_str().unwrap().starts_with("INSERT INTO kids (id, user_id) VALUES ("), "{rows:#?}");
}
