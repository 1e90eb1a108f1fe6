//! What the splitter promises, by example and by property.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn statements(text: &str) -> Vec<&str> {
    split(text).statements.into_iter().map(|s| &text[s.range]).collect()
}

fn kinds(text: &str) -> Vec<Kind> {
    split(text).statements.into_iter().map(|s| s.kind).collect()
}

fn problems(text: &str) -> Vec<ProblemKind> {
    split(text).problems.into_iter().map(|p| p.kind).collect()
}

#[test]
fn a_statement_reaches_from_its_first_token_to_its_last() {
    let text = "-- first\n  SELECT 1 -- one\n ; ;; /* x */ SELECT\r\n 2 ;\r\nSELECT 3 -- no end";
    assert_eq!(statements(text), ["SELECT 1", "SELECT\r\n 2", "SELECT 3"]);
    let comments: Vec<_> = split(text).comments.into_iter().map(|c| &text[c]).collect();
    assert_eq!(comments, ["-- first", "-- one", "/* x */", "-- no end"]);
}

#[test]
fn empty_texts_have_no_statements() {
    for text in ["", " \r\n\t", ";", "-- only a comment", "/* a /* b */ ; */", "\u{c}"] {
        assert_eq!(statements(text), [""; 0], "{text:?}");
        assert!(is_blank(text), "{text:?}");
    }
    assert!(!is_blank("-- x\nSELECT"));
}

#[test]
fn strings_hide_semicolons() {
    for one in [
        "SELECT 'a;b''c;d'",
        r"SELECT 'ends with a backslash\'",
        r"SELECT E'a\';b', e'\\'",
        "SELECT E'a'\n  '\\';b'",
        "SELECT E'a' -- why\n '\\';b'",
        r"SELECT U&'d\0061;', B'1;', x'1;', n';'",
        r#"SELECT "a;""b", U&"c;""#,
        "SELECT $$a;b$$, $x$ $y$ ; $$ $x$, $é_1$;$é_1$",
        "DO $do$BEGIN PERFORM 1; END$do$",
        "SELECT foo$$, 1",
        "PREPARE p AS SELECT $1, $2",
        "SELECT 1 /* ; /* ; */ ; */ + 1",
        "SELECT 4 */* ; */ 5 -- ;",
        "SELECT a.\"b;c\"::text, 'é;ü'",
    ] {
        let text = format!("{one}\n;SELECT 2;");
        let found = statements(&text);
        assert_eq!(found.len(), 2, "{one}: {found:?}");
        assert_eq!(problems(&text), [], "{one}");
    }
}

#[test]
fn a_plain_string_has_no_backslash_escapes() {
    assert_eq!(statements(r"SELECT '\'; SELECT 2"), [r"SELECT '\'", "SELECT 2"]);
    // The string on the next line belongs to a new expression, not to the E'' string.
    assert_eq!(statements("SELECT E'a' '\\'; SELECT 2").len(), 2);
}

#[test]
fn a_dollar_inside_an_identifier_opens_nothing() {
    assert_eq!(statements("SELECT a$$ ; SELECT b$$").len(), 2);
}

#[test]
fn sql_bodies_and_rules_hold_semicolons() {
    let function = "CREATE OR REPLACE FUNCTION f(a int DEFAULT (1)) RETURNS int LANGUAGE sql\n\
        BEGIN ATOMIC\n SELECT CASE WHEN a > 1 THEN CASE a WHEN 2 THEN 3 END ELSE 4 END AS end;\n\
        INSERT INTO t.case VALUES (1);\n END";
    let procedure = "create procedure p() begin /* x */ atomic; select 1; end";
    let rule = "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO l VALUES (1); DELETE FROM x WHERE (a))";
    let text = format!("{function};{procedure};{rule};BEGIN;SELECT (1;END");
    assert_eq!(statements(&text), [function, procedure, rule, "BEGIN", "SELECT (1", "END"]);
}

#[test]
fn a_function_with_a_quoted_body_ends_at_its_semicolon() {
    let text = "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN RETURN NEW; END $$ LANGUAGE plpgsql; SELECT 1;";
    assert_eq!(statements(text).len(), 2);
}

#[test]
fn copy_data_is_no_sql() {
    let text = "COPY public.t (a, \"from\") FROM stdin; -- rows\n1\t';\n-- 2\\N\n\\.\nSELECT 1;";
    let script = split(text);
    assert_eq!(script.statements.len(), 2);
    assert_eq!(script.statements[0].kind, Kind::CopyIn);
    assert_eq!(&text[script.statements[0].copy_data.clone().unwrap()], "1\t';\n-- 2\\N\n");
    assert_eq!(&text[script.statements[1].range.clone()], "SELECT 1");
    assert_eq!(script.problems, []);

    let crlf = "COPY t FROM stdout WITH (FORMAT csv);\r\n1\r\n\\.\r\nSELECT 1;";
    let script = split(crlf);
    assert_eq!(&crlf[script.statements[0].copy_data.clone().unwrap()], "1\r\n");
    assert_eq!(script.statements.len(), 2);
}

#[test]
fn copy_data_that_never_ends_is_a_problem() {
    let text = "COPY t FROM STDIN;\n1\n2\n";
    let script = split(text);
    assert_eq!(&text[script.statements[0].copy_data.clone().unwrap()], "1\n2\n");
    assert_eq!(problems(text), [ProblemKind::CopyWithoutEnd]);
    assert_eq!(problems("COPY t FROM STDIN"), [ProblemKind::CopyWithoutEnd]);
    assert_eq!(problems("COPY t FROM STDIN; SELECT 1;"), [ProblemKind::CopyWithoutEnd]);
}

#[test]
fn other_copies_have_no_data() {
    for text in
        ["COPY t FROM '/tmp/x';", "COPY t TO STDOUT;", "COPY (SELECT a FROM stdin) TO '/x';", "COPY t FROM PROGRAM 'x'"]
    {
        assert_eq!(kinds(text), [Kind::Other], "{text}");
        assert_eq!(problems(text), []);
    }
}

#[test]
fn psql_meta_commands_are_problems() {
    let text = "\\connect other\n\\set x ';'\nSELECT 1;\n  \\echo it's\nSELECT 2 \\gexec\nSELECT 3;\\.";
    let names: Vec<_> = ["connect", "set", "echo", "gexec", "."].map(|n| ProblemKind::MetaCommand(n.into())).into();
    assert_eq!(problems(text), names);
    assert_eq!(statements(text), ["SELECT 1", "SELECT 2", "SELECT 3"]);
    let first = &split(text).problems[0];
    assert_eq!(&text[first.range.clone()], "\\connect other");
}

#[test]
fn what_is_never_closed_is_a_problem_at_its_opener() {
    for (text, opener) in [
        ("SELECT 'a", "'"),
        ("SELECT E'a\\'", "E'"),
        ("SELECT \"a", "\""),
        ("SELECT U&\"a", "U&\""),
        ("SELECT $t$ $$", "$t$"),
        ("SELECT 1 /* /* */", "/*"),
    ] {
        let script = split(text);
        assert_eq!(script.problems.len(), 1, "{text}");
        assert_eq!(script.problems[0].kind, ProblemKind::Unterminated(opener.into()), "{text}");
        assert_eq!(&text[script.problems[0].range.clone()], opener);
    }
}

#[test]
fn a_nul_is_a_problem_once() {
    assert_eq!(problems("SELECT '\0'; SELECT \0 1"), [ProblemKind::Nul]);
}

#[test]
fn a_part_is_split_with_places_of_the_whole() {
    let text = "-- up\nSELECT 1; SELECT 'é';\n-- down\nSELECT 2;";
    let down = text.find("-- down").unwrap();
    let up: Vec<_> = split_range(text, 6..down).statements.into_iter().map(|s| &text[s.range]).collect();
    assert_eq!(up, ["SELECT 1", "SELECT 'é'"]);
    let rest: Vec<_> = split_range(text, down..usize::MAX).statements.into_iter().map(|s| &text[s.range]).collect();
    assert_eq!(rest, ["SELECT 2"]);
    // A quote that the part opens is not closed by what follows the part.
    assert_eq!(split_range("SELECT 'a'", 0..9).problems.len(), 1);
}

#[test]
fn texts_that_differ_in_comments_and_whitespace_are_the_same_to_the_server() {
    let text = "CREATE TABLE t (id int); -- a\nSELECT 'x';\n";
    assert!(same_statements(text, "/* b */ CREATE  TABLE t(id int);\n\nSELECT 'x';"));
    assert!(!same_statements(text, "CREATE TABLE t (id int);\nSELECT 'x ';"));
    assert!(!same_statements(text, "CREATE TABLE t (id int);"));
    assert!(!same_statements("COPY t FROM STDIN;\na b\n\\.\n", "COPY t FROM STDIN;\na  b\n\\.\n"), "data counts");
}

#[test]
fn a_mark_for_development_is_no_directive() {
    let found = directives("-- migd: dev-only -- seeds\nSELECT 1;\n");
    assert!(found.directives.is_empty() && found.problems.is_empty(), "{found:?}");
}

#[test]
fn keywords_tell_the_kind() {
    use Kind::*;
    for (text, kind) in [
        ("begin", Begin),
        ("START /* */ TRANSACTION ISOLATION LEVEL SERIALIZABLE", Begin),
        ("COMMIT AND CHAIN", Commit),
        ("end", Commit),
        ("ROLLBACK", Rollback),
        ("ABORT", Rollback),
        ("ROLLBACK TO SAVEPOINT a", Savepoint),
        ("ROLLBACK WORK TO a", Savepoint),
        ("SAVEPOINT a", Savepoint),
        ("RELEASE a", Savepoint),
        ("COMMIT PREPARED 'x'", NoTransaction),
        ("ROLLBACK PREPARED 'x'", NoTransaction),
        ("create extension if not exists citext", Extension),
        ("DROP EXTENSION citext", Extension),
        ("ALTER EXTENSION citext UPDATE", Extension),
        ("COMMENT ON EXTENSION citext IS 'x'", Extension),
        ("COMMENT ON TABLE extension IS 'x'", Other),
        ("CREATE DATABASE a", Database),
        ("DROP DATABASE IF EXISTS a", Database),
        ("ALTER DATABASE a SET x = 1", Other),
        ("ALTER DATABASE a SET TABLESPACE b", NoTransaction),
        ("CREATE INDEX CONCURRENTLY a ON b (c)", NoTransaction),
        ("CREATE UNIQUE INDEX -- x\n CONCURRENTLY a ON b (c)", NoTransaction),
        ("CREATE INDEX a ON concurrently (c)", Other),
        ("DROP INDEX CONCURRENTLY a", NoTransaction),
        ("DROP INDEX a", Other),
        ("REINDEX INDEX CONCURRENTLY a", NoTransaction),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE a", NoTransaction),
        ("REINDEX SCHEMA a", NoTransaction),
        ("REINDEX TABLE a", Other),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY a", Other),
        ("ALTER TABLE ONLY a.b DETACH PARTITION c.d CONCURRENTLY", NoTransaction),
        ("ALTER TABLE a DETACH PARTITION c", Other),
        ("VACUUM (ANALYZE) a", NoTransaction),
        ("CLUSTER", NoTransaction),
        ("CLUSTER VERBOSE", NoTransaction),
        ("CLUSTER a", Other),
        ("DISCARD ALL", NoTransaction),
        ("ALTER SYSTEM SET a = 1", NoTransaction),
        ("CREATE TABLESPACE a LOCATION 'x'", NoTransaction),
        ("DROP TABLESPACE a", NoTransaction),
        ("CREATE SUBSCRIPTION a CONNECTION 'x' PUBLICATION p", NoTransaction),
        ("CREATE SUBSCRIPTION a CONNECTION 'x' PUBLICATION p WITH (connect = false)", Other),
        ("ALTER SUBSCRIPTION a REFRESH PUBLICATION", NoTransaction),
        ("ALTER SUBSCRIPTION a SET PUBLICATION p", NoTransaction),
        ("ALTER SUBSCRIPTION a SET PUBLICATION p WITH (refresh = false)", Other),
        ("ALTER SUBSCRIPTION a DISABLE", Other),
        ("DROP SUBSCRIPTION a", NoTransaction),
        ("SET search_path = a", Set),
        ("SET LOCAL lock_timeout = '1s'", Set),
        ("RESET ALL", Set),
        ("SET CONSTRAINTS ALL DEFERRED", Other),
        ("SET TRANSACTION READ ONLY", Other),
        ("insert into a values (1)", Data),
        ("((SELECT 1) UNION SELECT 2)", Data),
        ("WITH a AS (SELECT 1) SELECT", Data),
        ("TRUNCATE a", Data),
        ("MERGE INTO a USING b", Data),
        ("CREATE TABLE a ()", Other),
        ("\"select\" 1", Other),
        ("ALTER TABLE", Other),
        ("CREATE", Other),
        ("averyveryverylongwordthatisnokeyword", Other),
    ] {
        assert_eq!(kinds(text), [kind], "{text}");
        assert_eq!(kinds(&text.to_lowercase()), [kind], "{text}");
    }
}

/// Texts made of what the splitter must tell apart.
fn any_sql() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "'",
            "''",
            "\"",
            "E'",
            "e'\\'",
            "U&'",
            "U&\"",
            "B'",
            "$$",
            "$a$",
            "$é$",
            "$1",
            "$",
            "--",
            "-- x\n",
            "/*",
            "*/",
            ";",
            "(",
            ")",
            "\\",
            "\\.",
            "\n\\.\n",
            "\r\n",
            "\n",
            " ",
            "\0",
            "a",
            "é",
            "€",
            "1.5",
            "\u{a0}",
            "begin ",
            "atomic ",
            "case ",
            "end ",
            "as ",
            "create function ",
            "create rule ",
            "copy t from stdin;",
            "\\g ",
            "select ",
            "migd: ",
        ])
        .prop_map(str::to_owned),
        ".{0,4}",
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Whether every byte outside of the pieces is whitespace, a semicolon or the end of `COPY` data.
fn covered(text: &str, script: &Script) -> bool {
    let mut kept = text.as_bytes().to_vec();
    let meta = script.problems.iter().filter(|p| matches!(p.kind, ProblemKind::MetaCommand(_)));
    let pieces = script.statements.iter().flat_map(|s| [Some(s.range.clone()), s.copy_data.clone()]).flatten();
    for range in pieces.chain(script.comments.iter().cloned()).chain(meta.map(|p| p.range.clone())) {
        kept[range].fill(b' ');
    }
    String::from_utf8_lossy(&kept).replace("\\.", "").bytes().all(|b| lexer::is_space(b) || b == b';')
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_cut_into_ordered_pieces_that_cover_it(text in any_sql(), a in 0usize..200, b in 0usize..200) {
        let script = split(&text);
        let mut last = 0;
        for statement in &script.statements {
            prop_assert!(statement.range.start >= last && statement.range.start < statement.range.end);
            prop_assert!(text.get(statement.range.clone()).is_some_and(|s| !s.starts_with([' ', '\n', ';'])));
            last = statement.range.end;
            if let Some(data) = &statement.copy_data {
                prop_assert!(data.start >= last && text.get(data.clone()).is_some());
                last = data.end;
            }
        }
        prop_assert!(script.comments.windows(2).all(|w| w[0].end <= w[1].start));
        prop_assert!(script.problems.windows(2).all(|w| w[0].range.start <= w[1].range.start));
        for range in script.comments.iter().chain(script.problems.iter().map(|p| &p.range)) {
            prop_assert!(text.get(range.clone()).is_some_and(|s| !s.is_empty()));
        }
        prop_assert!(covered(&text, &script), "{:?}", script);
        let meta = script.problems.iter().any(|p| matches!(p.kind, ProblemKind::MetaCommand(_)));
        prop_assert_eq!(is_blank(&text), script.statements.is_empty() && !meta);

        let index = LineIndex::new(&text);
        for statement in split_range(&text, a..b).statements {
            prop_assert!(statement.range.start >= a && statement.range.end <= b);
            let span = index.span_of_position(statement.range, a as u32);
            prop_assert!(span.line >= 1 && span.column >= 1 && span.end_line >= span.line);
            index.lines(span);
        }
        directives(&text);
    }

    #[test]
    fn cutting_a_statement_again_changes_nothing(text in any_sql()) {
        for statement in split(&text).statements {
            let sql = &text[statement.range];
            // Meta-commands inside of a statement end it in its own text as well.
            if statement.kind != Kind::CopyIn && !sql.contains('\\') {
                let again = split(sql);
                prop_assert_eq!(again.statements.len(), 1, "{:?}", sql);
                prop_assert_eq!(again.statements[0].kind, statement.kind);
            }
        }
    }
}
