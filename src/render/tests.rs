//! What a reader sees: snapshots of whole reports, and the other formats read back by their own parsers.

use super::*;
use crate::verdict::*;

const TERMINAL: Terminal = Terminal { width: 80, color: false, unicode: true, interactive: false };
const ASCII: Terminal = Terminal { width: 80, ..Terminal::PLAIN };
const NARROW: Terminal = Terminal { width: 40, ..TERMINAL };

fn migration() -> MigrationReport {
    MigrationReport {
        version: "0042".into(),
        name: "orders_fk".into(),
        previous: None,
        path: "migrations/0042_orders_fk.up.sql".into(),
        down_path: None,
        change: Change::Added,
        up_ms: Some(1.9),
        down_ms: Some(0.8),
        transactional: true,
        statements: 3,
        reversible: Reversible::Yes,
        repeatable: Some(true),
        rows_tried: None,
        rows_left_out: None,
        objects: Default::default(),
        rows_changed: Default::default(),
    }
}

fn verdict(outcome: Outcome, findings: Vec<Finding>) -> Verdict {
    Verdict {
        outcome,
        elapsed_ms: 23.4,
        postgres: "17.5".into(),
        engine: "container".into(),
        migrations: vec![migration()],
        assumptions: Vec::new(),
        scenarios: Vec::new(),
        timings: vec![Timing { step: "up again".into(), ms: 1.7 }],
        ..Verdict::error("/home/ann/shop", "migrations", Mode::Staged, findings)
    }
}

fn report(verdicts: Vec<Verdict>) -> Report {
    Report::new("/home/ann/shop", Mode::Staged, 23.4, verdicts)
}

fn text(verdict: Verdict, terminal: &Terminal) -> String {
    render(&report(vec![verdict]), Format::Text, terminal)
}

fn failed(finding: Finding, terminal: &Terminal) -> String {
    text(verdict(Outcome::Fail, vec![finding]), terminal)
}

const FK: &str = "ALTER TABLE orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users;";

fn foreign_key() -> Finding {
    let place = Span { line: 3, column: 1, end_line: 3, end_column: 88 };
    let mut finding =
        Finding::new("data.foreign-key", Severity::Error, "orders.user_id may name users that are not there")
            .in_file("migrations/0042_orders_fk.up.sql")
            .at(place, FK)
            .detail("Key (user_id)=(7) is not present in table \"users\".")
            .help("delete or repair these orders first, or add the constraint NOT VALID and validate it later");
    finding.sqlstate = Some("23503".into());
    finding.table = Some("orders".into());
    finding.constraint = Some("orders_user_fk".into());
    finding.counterexample = Some(Counterexample {
        setup: vec!["INSERT INTO orders (id, user_id) VALUES (1, 7)".into()],
        fails_with: "insert or update on table \"orders\" violates foreign key constraint \"orders_user_fk\"".into(),
        recipes: Vec::new(),
    });
    finding
}

fn unknown_table() -> Finding {
    let place = Span { line: 12, column: 21, end_line: 12, end_column: 29 };
    let mut finding = Finding::new("apply.error", Severity::Error, "relation \"accounts\" does not exist")
        .in_file("migrations/0042_orders_fk.up.sql")
        .at(place, "CREATE INDEX ON     accounts (email);")
        .help("create the table in an earlier migration");
    finding.sqlstate = Some("42P01".into());
    finding
}

fn long_statement() -> Finding {
    let columns: Vec<String> = (1..=40).map(|n| format!("    column_{n} text NOT NULL,")).collect();
    let source = format!("CREATE TABLE wide (\n{}\n    id bigint\n)", columns.join("\n"));
    let place = Span { line: 8, column: 1, end_line: 50, end_column: 2 };
    Finding::new("apply.error", Severity::Error, "relation \"wide\" already exists")
        .in_file("migrations/0042_orders_fk.up.sql")
        .at(place, source)
}

#[test]
fn an_error_shows_its_place_and_the_way_out() {
    insta::assert_snapshot!(failed(unknown_table(), &TERMINAL));
}

#[test]
fn a_counterexample_is_rows_to_copy() {
    insta::assert_snapshot!(failed(foreign_key(), &TERMINAL));
}

#[test]
fn a_long_statement_is_folded() {
    insta::assert_snapshot!(failed(long_statement(), &TERMINAL));
}

#[test]
fn a_terminal_without_unicode_gets_ascii() {
    let mut verdict = verdict(Outcome::Fail, vec![foreign_key()]);
    verdict.findings.push(Finding::new("revert.missing", Severity::Warning, "the migration has no down"));
    let shown = text(verdict, &Terminal { width: 60, ..ASCII });
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn forty_columns_are_enough() {
    let shown = failed(foreign_key(), &NARROW);
    for line in shown.lines().filter(|line| line.contains(" | ")) {
        assert!(line.chars().count() <= 40, "{line}");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_place_far_to_the_right_stays_in_sight() {
    let source = format!("INSERT INTO t VALUES {}('here'){};", "(1), ".repeat(60), ", (2)".repeat(60));
    let column = source.find("'here'").unwrap() as u32 + 1;
    let place = Span { line: 1, column, end_line: 1, end_column: column + 6 };
    let finding = Finding::new("apply.error", Severity::Error, "invalid input syntax for type integer: \"here\"");
    insta::assert_snapshot!(failed(finding.in_file("m/1.sql").at(place, source), &NARROW));
}

#[test]
fn wide_characters_and_tabs_keep_the_caret_in_place() {
    let source = "\tINSERT INTO 都市\tVALUES ('東京', nope);";
    let column = source.chars().position(|c| c == 'n').unwrap() as u32 + 1;
    let place = Span { line: 2, column, end_line: 2, end_column: column + 4 };
    let finding = Finding::new("apply.error", Severity::Error, "column \"nope\" does not exist");
    insta::assert_snapshot!(failed(finding.in_file("m/0001_都市.sql").at(place, source), &TERMINAL));
}

fn hostile() -> Finding {
    let source = "SELECT '\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}evil\u{9b}31m', nope\r";
    let column = source.chars().position(|c| c == 'n').unwrap() as u32 + 2;
    let place = Span { line: 1, column, end_line: 1, end_column: column + 4 };
    let mut finding = Finding::new("apply.error", Severity::Error, "bad \u{1b}[31mcolumn\u{202e}\nerror: forged")
        .in_file("m/\u{1b}]8;;http://evil\u{7}x.sql")
        .at(place, source)
        .detail("one\n\u{1b}[1Atwo\rthree")
        .help("\u{200b}help\u{7}");
    finding.sqlstate = Some("\u{1b}[0m".into());
    finding.counterexample =
        Some(Counterexample { setup: vec!["INSERT\u{8}".into()], fails_with: "\u{1b}c".into(), recipes: Vec::new() });
    finding
}

/// Anything that a terminal would act on, but for the line feed.
fn acts_on_a_terminal(c: char) -> bool {
    c != '\n'
        && (c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

#[test]
fn hostile_text_cannot_reach_the_terminal() {
    for terminal in [TERMINAL, ASCII, NARROW] {
        let mut verdict = verdict(Outcome::Fail, vec![hostile(), hostile()]);
        verdict.set = "set\u{1b}[31m".into();
        verdict.migrations[0].name = "x\u{1b}[31m\u{202e}".into();
        verdict.findings[1].suppressed_by = Some("m/\u{1b}[31m:1".into());
        let shown = text(verdict, &terminal);
        assert!(!shown.contains(acts_on_a_terminal), "{shown:?}");
    }
    insta::assert_snapshot!(failed(hostile(), &TERMINAL));
}

#[test]
fn a_version_that_is_the_whole_name_is_said_once() {
    for (version, name, label) in [
        ("20240101000000_users", "users", "20240101000000_users"),
        ("R__totals", "totals", "R__totals"),
        ("2024-01-16.0-users.sql", "users", "2024-01-16.0-users.sql"),
        ("step-one", "step-one", "step-one"),
        ("1.2", "2", "1.2_2"),
        ("0042", "users", "0042_users"),
    ] {
        let mut verdict = verdict(Outcome::Fail, vec![hostile()]);
        (verdict.migrations[0].version, verdict.migrations[0].name) = (version.into(), name.into());
        assert_eq!(super::summary::label(&verdict.migrations[0]), label);
    }
}

#[test]
fn colours_come_from_migd_alone() {
    let colored = text(verdict(Outcome::Fail, vec![hostile()]), &Terminal { color: true, ..TERMINAL });
    assert!(colored.contains("\u{1b}[1m"));
    let sequences = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    let plain = sequences.replace_all(&colored, "");
    assert_eq!(plain, failed(hostile(), &TERMINAL));
}

#[test]
fn a_pass_is_one_line() {
    insta::assert_snapshot!(text(verdict(Outcome::Pass, vec![]), &TERMINAL), @"migd: migrations: pass · 0042_orders_fk · up 1.9 ms, down 0.8 ms, up again 1.7 ms · 23 ms · PostgreSQL 17.5 (container)");
    insta::assert_snapshot!(text(verdict(Outcome::Pass, vec![]), &ASCII), @"migd: migrations: pass | 0042_orders_fk | up 1.9 ms, down 0.8 ms, up again 1.7 ms | 23 ms | PostgreSQL 17.5 (container)");
    let mut cached =
        verdict(Outcome::Pass, vec![Finding::new("revert.cosmetic", Severity::Note, "column order differs")]);
    cached.cached = true;
    cached.elapsed_ms = 0.31;
    insta::assert_snapshot!(text(cached, &TERMINAL), @"migd: migrations: pass · 1 note (revert.cosmetic) · 0042_orders_fk · up 1.9 ms, down 0.8 ms, up again 1.7 ms · 0.3 ms (cached) · PostgreSQL 17.5 (container)");
}

#[test]
fn a_warning_lets_pass_and_says_what_was_accepted() {
    let missing = Finding::new("revert.missing", Severity::Warning, "the migration has no down")
        .in_file("migrations/0042_orders_fk.up.sql")
        .help("write migrations/0042_orders_fk.down.sql");
    let mut accepted = foreign_key();
    accepted.suppressed_by = Some("migrations/0042_orders_fk.up.sql:1".into());
    insta::assert_snapshot!(text(verdict(Outcome::Warn, vec![missing, accepted]), &TERMINAL));
}

#[test]
fn no_verdict_names_the_way_around() {
    let finding = Finding::new("engine.not-found", Severity::Error, "there is no PostgreSQL to judge with")
        .detail("no container engine answers\nno server binaries in /usr/lib/postgresql, PATH")
        .help("apt-get install postgresql, or start Docker or Podman, or set engine.url");
    let mut verdict = Verdict::error("/home/ann/shop", "", Mode::Staged, vec![finding]);
    verdict.elapsed_ms = 12.0;
    insta::assert_snapshot!(text(verdict, &TERMINAL));
}

#[test]
fn several_sets_each_have_their_line() {
    let mut shop = verdict(Outcome::Pass, vec![]);
    shop.set = "shop".into();
    let mut billing = verdict(Outcome::Fail, vec![unknown_table()]);
    billing.set = "billing".into();
    billing.migrations.push(MigrationReport { version: "0043".into(), up_ms: Some(1200.0), ..migration() });
    insta::assert_snapshot!(render(&report(vec![shop, billing]), Format::Text, &TERMINAL));
}

#[test]
fn nothing_staged_is_said_in_a_line() {
    insta::assert_snapshot!(render(&report(vec![]), Format::Text, &TERMINAL), @"migd: pass · no migration to judge · 23 ms");
}

#[test]
fn thousands_of_findings_end_somewhere() {
    let shown = text(verdict(Outcome::Fail, vec![unknown_table(); 4000]), &TERMINAL);
    assert!(shown.contains("3950 more findings"), "{shown}");
    assert!(shown.lines().count() < 600);
}

#[test]
fn json_of_one_set_is_its_verdict() {
    let one = verdict(Outcome::Fail, vec![hostile()]);
    let shown = render(&report(vec![one.clone()]), Format::Json, &TERMINAL);
    assert!(!shown.contains(acts_on_a_terminal), "{shown:?}");
    assert_eq!(serde_json::from_str::<Verdict>(&shown).unwrap(), one);
}

#[test]
fn json_of_several_sets_is_an_object_around_them() {
    let one = verdict(Outcome::Fail, vec![]);
    let shown = render(&report(vec![one.clone(), one.clone()]), Format::Json, &TERMINAL);
    let object: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(object["schema"], 1);
    assert_eq!(object["outcome"], "fail");
    assert_eq!(object["mode"], "staged");
    assert_eq!(object["sets"].as_array().map(Vec::len), Some(2));
    assert_eq!(serde_json::from_value::<Verdict>(object["sets"][1].clone()).unwrap(), one);
}

#[test]
fn jsonl_is_a_verdict_a_line() {
    let one = verdict(Outcome::Pass, vec![hostile()]);
    let shown = render(&report(vec![one.clone(), one.clone()]), Format::Jsonl, &TERMINAL);
    let read: Vec<Verdict> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, [one.clone(), one]);
}

#[test]
fn github_gets_a_command_for_each_finding() {
    let forged = Finding::new("apply.error", Severity::Warning, "100%\n::error::forged").in_file("a,b:c.sql");
    let mut accepted = unknown_table();
    accepted.suppressed_by = Some("x:1".into());
    let shown =
        render(&report(vec![verdict(Outcome::Fail, vec![foreign_key(), forged, accepted])]), Format::Github, &TERMINAL);
    insta::assert_snapshot!(shown);
}

#[test]
fn gitlab_gets_issues_with_fingerprints_of_their_own() {
    let moved = Finding { line: Some(99), end_line: Some(99), ..unknown_table() };
    let read = |finding: Finding| -> serde_json::Value {
        let verdict = verdict(Outcome::Fail, vec![finding.clone(), finding]);
        serde_json::from_str(&render(&report(vec![verdict]), Format::Gitlab, &TERMINAL)).unwrap()
    };
    let (before, after) = (read(unknown_table()), read(moved));
    assert_eq!(before[0]["fingerprint"], after[0]["fingerprint"]);
    assert_ne!(before[0]["fingerprint"], before[1]["fingerprint"]);
    assert_eq!(before[0]["location"]["path"], "migrations/0042_orders_fk.up.sql");
    assert_eq!(before[0]["location"]["lines"]["begin"], 12);
    assert_eq!(before[0]["severity"], "critical");
}

#[test]
fn sarif_places_findings_and_describes_their_rules() {
    let mut accepted = Finding::new("revert.missing", Severity::Warning, "m").in_file("a dir/ü%.sql");
    accepted.suppressed_by = Some("x:1".into());
    let verdict = verdict(Outcome::Fail, vec![unknown_table(), accepted]);
    let log: serde_json::Value =
        serde_json::from_str(&render(&report(vec![verdict]), Format::Sarif, &TERMINAL)).unwrap();
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "apply.error");
    let [first, second] = [&run["results"][0], &run["results"][1]];
    assert_eq!(first["ruleIndex"], 0);
    assert_eq!(first["locations"][0]["physicalLocation"]["region"]["startColumn"], 21);
    assert_eq!(second["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "a%20dir/%C3%BC%25.sql");
    assert_eq!(second["suppressions"][0]["kind"], "inSource");
    assert_eq!(second["level"], "warning");
}

#[test]
fn every_result_in_sarif_has_a_place() {
    let nowhere = |code| Finding::new(code, Severity::Error, "m");
    let mut whole = verdict(Outcome::Error, vec![nowhere("engine.not-found")]);
    whole.set = String::new();
    let shown = render(
        &report(vec![whole, verdict(Outcome::Fail, vec![nowhere("history.conflict")])]),
        Format::Sarif,
        &TERMINAL,
    );
    let log: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let place = |at: usize| log["runs"][0]["results"][at]["locations"][0]["physicalLocation"].clone();
    assert_eq!(place(0), serde_json::json!({ "artifactLocation": { "uri": "migd.toml" } }));
    assert_eq!(place(1), serde_json::json!({ "artifactLocation": { "uri": "migrations" } }));
}

#[test]
fn junits_times_have_no_more_digits_than_jenkins_schema_allows() {
    let shown = render(&report(vec![verdict(Outcome::Pass, vec![])]), Format::Junit, &TERMINAL);
    let times: Vec<&str> = shown.split("time=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(times.len() > 2, "{shown}");
    for time in times {
        assert_eq!(time.split_once('.').map(|(_, digits)| digits.len()), Some(3), "{shown}");
    }
}

#[test]
fn junit_is_well_formed_and_counts_its_failures() {
    let down =
        Finding::new("revert.fails", Severity::Error, "a < b && \"c\"").in_file("migrations/0042_orders_fk.down.sql");
    let verdict = verdict(Outcome::Fail, vec![hostile(), down, Finding::new("revert.cosmetic", Severity::Note, "]]>")]);
    let shown = render(&report(vec![verdict]), Format::Junit, &TERMINAL);
    assert!(!shown.contains(|c: char| c != '\n' && c.is_control()), "{shown:?}");
    let mut reader = quick_xml::Reader::from_str(&shown);
    let (mut cases, mut failures) = (0, Vec::new());
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(tag) if tag.name().as_ref() == b"testcase" => cases += 1,
            quick_xml::events::Event::Start(tag) if tag.name().as_ref() == b"failure" => {
                let kind = tag.try_get_attribute("type").unwrap().unwrap();
                failures.push(String::from_utf8(kind.value.into_owned()).unwrap());
            }
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!((cases, failures), (2, vec!["revert.fails".to_owned(), "apply.error".to_owned()]));
    assert!(shown.contains("tests=\"2\" failures=\"2\""));
}

#[test]
fn junit_tells_what_failed_from_what_could_not_be_run() {
    let lost = Finding::new("engine.lost", Severity::Error, "the server is gone");
    let verdict = Verdict::error("/home/ann/shop", "migrations", Mode::Staged, vec![lost]);
    let shown = render(&report(vec![verdict]), Format::Junit, &TERMINAL);
    assert!(shown.contains("failures=\"0\" errors=\"1\"") && shown.contains("<error type=\"engine.lost\""), "{shown}");
}

#[test]
fn markdown_shows_tables_and_fences_that_nothing_breaks() {
    let finding = Finding::new("apply.error", Severity::Error, "@team <img src=x> [x](y) `a`|b")
        .at(Span { line: 1, column: 1, end_line: 1, end_column: 2 }, "SELECT '```';");
    let verdict = verdict(Outcome::Fail, vec![foreign_key(), finding]);
    insta::assert_snapshot!(render(&report(vec![verdict]), Format::Markdown, &TERMINAL));
}

#[test]
fn markdown_of_a_huge_statement_still_fits_a_comment() {
    let source = "x, ".repeat(100_000) + &"(1),\n".repeat(10_000);
    let finding = Finding::new("apply.error", Severity::Error, "m");
    let place = Span { line: 1, column: 1, end_line: 10_000, end_column: 2 };
    let verdict = verdict(Outcome::Fail, vec![finding.at(place, source)]);
    assert!(render(&report(vec![verdict]), Format::Markdown, &TERMINAL).len() < 4000);
}

#[test]
fn html_takes_foreign_text_as_text() {
    let mut finding = Finding::new("apply.error", Severity::Error, "<script>alert(1)</script>").in_file("\"><b>.sql");
    finding.help = Some("a & b".into());
    let shown = render(&report(vec![verdict(Outcome::Fail, vec![finding, foreign_key()])]), Format::Html, &TERMINAL);
    assert!(shown.contains("&lt;script&gt;alert(1)") && !shown.contains("<script") && !shown.contains("<b>"));
    assert!(shown.contains("a &amp; b"));
}

#[test]
fn every_format_ends_with_one_line_feed() {
    for format in Format::value_variants() {
        for verdicts in [vec![verdict(Outcome::Fail, vec![foreign_key(), long_statement(), hostile()])], vec![]] {
            let shown = render(&report(verdicts.clone()), *format, &TERMINAL);
            // A stream of no verdicts is empty, and so is a log of no commands.
            let may_be_empty = verdicts.is_empty() && matches!(format, Format::Jsonl | Format::Github);
            assert!(
                may_be_empty && shown.is_empty() || shown.ends_with('\n') && !shown.ends_with("\n\n"),
                "{format:?}"
            );
        }
    }
}

#[test]
fn judging_everything_ends_with_a_table() {
    let mut verdict = verdict(Outcome::Pass, Vec::new());
    verdict.mode = crate::verdict::Mode::All;
    let slow = MigrationReport {
        version: "0043".into(),
        name: "a_name_that_is_longer_than_the_terminal_is_wide".into(),
        up_ms: Some(1200.0),
        down_ms: None,
        reversible: crate::verdict::Reversible::Missing,
        repeatable: None,
        rows_tried: None,
        rows_left_out: None,
        objects: crate::verdict::ObjectCounts { created_count: 12, dropped_count: 1, ..Default::default() },
        ..migration()
    };
    verdict.migrations.push(slow);
    insta::assert_snapshot!(text(verdict, &ASCII));
}

#[test]
fn an_assumption_is_shown_with_its_query_even_when_all_is_well() {
    let assumed = Assumption {
        code: "data.unique".into(),
        target: Some("users.email".into()),
        reason: "made unique by hand".into(),
        until: Some("2027-06-30".into()),
        path: "migrations/0042_orders_fk.up.sql".into(),
        line: 1,
        query: Some("SELECT count(*) FROM users".into()),
    };
    let mut finding = foreign_key();
    finding.suppressed_by = Some("migrations/0042_orders_fk.up.sql:1".into());
    let shown = text(Verdict { assumptions: vec![assumed], ..verdict(Outcome::Pass, vec![finding]) }, &TERMINAL);
    let (assumed, rest) = shown.split_once("\n\n").unwrap();
    assert_eq!(
        assumed,
        "assumed[data.unique(users.email)]: made unique by hand until 2027-06-30, by \
         migrations/0042_orders_fk.up.sql:1\n  to count what would break it: SELECT count(*) FROM users;"
    );
    assert!(!rest.contains("accepted["), "{rest}");
}

/// An audit of many migrations in which the same is found again and again.
fn audit(migrations: usize) -> Verdict {
    let migrations: Vec<MigrationReport> = (1..=migrations)
        .map(|n| MigrationReport {
            version: format!("{n:04}"),
            name: "add_index".into(),
            path: format!("migrations/{n:04}_add_index.up.sql"),
            down_path: Some(format!("migrations/{n:04}_add_index.down.sql")),
            objects: ObjectCounts {
                created_count: 1,
                kinds: [("table", 1), ("column", 8), ("index", 2)].map(|(kind, n)| (kind.to_owned(), n)).into(),
                ..Default::default()
            },
            ..migration()
        })
        .collect();
    let finding = |m: &MigrationReport| {
        let path = m.down_path.clone().unwrap_or_default();
        Finding::new("revert.schema-mismatch", Severity::Error, "down leaves another schema").in_file(path)
    };
    let findings = migrations.iter().map(finding).collect();
    Verdict { migrations, mode: Mode::All, ..verdict(Outcome::Fail, findings) }
}

/// Each with a difference of its own.
fn audit_of_differences(migrations: usize) -> Verdict {
    let mut verdict = audit(migrations);
    for (n, finding) in verdict.findings.iter_mut().enumerate() {
        finding.detail = Some(format!("index i{n}: left behind after down"));
    }
    verdict
}

#[test]
fn findings_of_an_audit_are_one_of_each_code_and_the_places_of_the_others() {
    let shown = text(audit_of_differences(300), &TERMINAL);
    assert_eq!(shown.matches("error[revert.schema-mismatch]").count(), 1);
    assert!(shown.contains("299 more findings of revert.schema-mismatch:\n  migrations/0002_add_index.down.sql"));
    assert!(shown.contains("  … 289 more: migd check --all --format json shows all\n"));
    assert!(shown.contains("300  error    revert.schema-mismatch\n"), "how often, at the end");
}

#[test]
fn what_an_audit_says_of_many_migrations_alike_is_said_once_with_their_names() {
    let mut verdict = audit(20);
    for (finding, migration) in verdict.findings.iter_mut().zip(&verdict.migrations) {
        finding.message = format!("migration {} has no down", migration.version);
    }
    let shown = text(verdict.clone(), &Terminal { width: 80, ..TERMINAL });
    assert_eq!(shown.matches("has no down").count(), 1, "{shown}");
    let (_, names) = shown.split_once("  the same of 19 more: 0002_add_index, 0003_add_index").unwrap();
    assert!(names.contains("\n    0") && names.contains("0020_add_index\n\n"), "wrapped and whole\n{shown}");

    let report = Report::new("/home/ann/shop", Mode::All, 23.4, vec![verdict]);
    let markdown = render(&report, Format::Markdown, &TERMINAL);
    assert!(markdown.contains("The same of 19 more: `0002_add_index`, `0003_add_index`"), "{markdown}");
    assert_eq!(markdown.matches("has no down").count(), 1);
    let html = render(&report, Format::Html, &TERMINAL);
    assert!(html.contains("<p>The same of 19 more: <code>0002_add_index</code>"), "{html}");
    assert_eq!(render(&report, Format::Json, &TERMINAL).matches("has no down").count(), 20, "JSON has all");
}

#[test]
fn ways_out_are_text_with_code_and_statements_in_markdown() {
    let help =
        "tried over these rows, this passes:\n  UPDATE users SET name = 'a  b';\nif not: `-- migd: allow x -- why`";
    let finding = Finding::new("data.unique", Severity::Error, "two alike").help(help);
    let shown = render(&report(vec![verdict(Outcome::Fail, vec![finding])]), Format::Markdown, &TERMINAL);
    let wanted = "\ntried over these rows, this passes:\n\n```sql\nUPDATE users SET name = 'a  b';\n```\n\n\
                  if not: `-- migd: allow x -- why`\n";
    assert!(shown.contains(wanted), "{shown}");
}

#[test]
fn a_small_audit_shows_each_finding() {
    assert_eq!(text(audit(3), &TERMINAL).matches("error[revert.schema-mismatch]").count(), 3);
}

#[test]
fn the_table_of_each_of_several_sets_has_its_name() {
    let mut two = [audit(2), audit(2)];
    two[1].set = "db/other".to_owned();
    two[1].migrations[1].up_ms = Some(4.1);
    let shown = render(&report(two.to_vec()), Format::Text, &TERMINAL);
    assert!(shown.contains("\ndb/other\nmigration "), "{shown}");
    assert!(
        shown.contains("up          6.0 ms in all, 3.0 ms median, 4.1 ms at most"),
        "of two, what lies between\n{shown}"
    );
    assert!(!text(audit(2), &TERMINAL).contains("\nmigrations\n"), "one set needs none");
}

#[test]
fn a_wide_terminal_is_told_what_was_made_and_a_narrow_one_how_much() {
    let wide = text(audit(1), &Terminal { width: 160, ..TERMINAL });
    assert!(wide.contains("0001_add_index  1.9 ms  0.8 ms  1 table, 8 columns, 2 indexes  "), "{wide}");
    for width in [40, 60, 80, 100, 120, 200] {
        let shown = text(audit(1), &Terminal { width, ..TERMINAL });
        let table =
            shown.lines().skip_while(|line| !line.starts_with("migration ")).take_while(|line| !line.is_empty());
        let widest = table.map(|line| line.chars().count()).max().unwrap();
        // Less than a name's beginning and its answers says nothing.
        assert!(widest <= usize::from(width).max(64), "{width}: {widest}\n{shown}");
    }
}

#[test]
fn an_audit_in_markdown_and_html_says_what_it_comes_to_and_folds_its_findings() {
    let report = Report::new("/home/ann/shop", Mode::All, 23.4, vec![audit(300)]);
    let markdown = render(&report, Format::Markdown, &TERMINAL);
    assert!(markdown.contains("| created | 300 tables, 2400 columns, 600 indexes |"), "{markdown}");
    assert!(markdown.contains("<details><summary>300 errors revert.schema-mismatch</summary>"));
    let html = render(&report, Format::Html, &TERMINAL);
    assert!(html.contains("<tr><th>created</th><td>300 tables, 2400 columns, 600 indexes</td></tr>"));
    assert_eq!(html.matches("<details>").count(), 1);
}

#[test]
fn junit_puts_what_is_said_of_a_down_with_its_migration() {
    let report = Report::new("/home/ann/shop", Mode::All, 23.4, vec![audit(2)]);
    let shown = render(&report, Format::Junit, &TERMINAL);
    assert!(shown.contains("tests=\"2\" failures=\"2\""), "{shown}");
}
