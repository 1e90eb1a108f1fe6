//! Slips that the server's words do not explain: what is often meant where it stumbles. Asked only after the server has
//! refused a statement.

use regex::Regex;

use crate::sql::identifier;
use crate::sql::lexer::{Lexer, TokenKind};
use crate::trace::ServerError;

/// Names of types that other databases have, and what PostgreSQL calls them.
const TYPES: &[(&str, &str)] = &[
    ("blob", "bytea"),
    ("clob", "text"),
    ("datetime", "timestamp or timestamptz"),
    ("double", "double precision"),
    ("longblob", "bytea"),
    ("longtext", "text"),
    ("mediumint", "integer"),
    ("mediumtext", "text"),
    ("number", "numeric"),
    ("nvarchar", "varchar or text"),
    ("string", "text"),
    ("tinyint", "smallint"),
    ("varchar2", "varchar or text"),
];
/// What begins a statement, and no line within one but seldom.
const BEGINNINGS: &[&str] =
    &["alter", "comment", "create", "delete", "drop", "grant", "insert", "revoke", "select", "truncate", "update"];
/// What stands behind ALTER or DROP where it begins a statement, and not an action of ALTER TABLE.
const KINDS: &[&str] = &[
    "aggregate",
    "cast",
    "collation",
    "database",
    "domain",
    "event",
    "extension",
    "foreign",
    "function",
    "index",
    "language",
    "materialized",
    "operator",
    "policy",
    "procedure",
    "publication",
    "role",
    "rule",
    "schema",
    "sequence",
    "server",
    "table",
    "trigger",
    "type",
    "user",
    "view",
];
/// A name, maybe with its schema.
const NAME: &str = r#"(?:[\w$]+|"[^"]+")(?:\.(?:[\w$]+|"[^"]+"))?"#;

/// What is probably meant by `statement`; none where that is not known.
pub(super) fn advice(error: &ServerError, statement: &str) -> Option<String> {
    match error.sqlstate.as_str() {
        "42601" => odd_letter(error, statement).or_else(|| grammar(error, statement)),
        "42703" => odd_letter(error, statement),
        "42704" => kind(&error.message),
        "55000" if error.message.starts_with("currval of sequence ") => Some(
            "`currval` is what `nextval` gave last in the same session, and here nothing called that: take the value from \
             the rows themselves, or from `nextval`"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Where a constraint is dropped and `up` makes an index of that name.
pub(super) fn index(error: &ServerError, up: &str) -> Option<String> {
    let name = error.message.strip_prefix("constraint \"")?.split('"').next()?;
    let gone = error.sqlstate == "42704" && error.message.ends_with(" does not exist");
    let made = format!(
        r#"(?i)\bcreate\s+(?:unique\s+)?index\s+(?:concurrently\s+)?(?:if\s+not\s+exists\s+)?"?{}\b"#,
        regex::escape(name)
    );
    let made = Regex::new(&made).is_ok_and(|made| made.is_match(up));
    let name = identifier(name);
    (gone && made)
        .then(|| format!("up makes an index of this name, and CREATE INDEX makes no constraint: `DROP INDEX {name}`"))
}

/// A type that no server has.
fn kind(message: &str) -> Option<String> {
    let name = message.strip_prefix("type \"")?.strip_suffix("\" does not exist")?;
    if let Some(integer) = match name {
        "bigserial" | "serial8" => Some("bigint"),
        "serial" | "serial4" => Some("integer"),
        "smallserial" | "serial2" => Some("smallint"),
        _ => None,
    } {
        return Some(format!(
            "{name} is no type, but short for {integer} with a sequence where a column is made: a column that is there \
             becomes one by `TYPE {integer}`, `CREATE SEQUENCE … OWNED BY …` and `SET DEFAULT nextval('…')`"
        ));
    }
    TYPES.iter().find(|(other, _)| *other == name).map(|(_, own)| format!("PostgreSQL's type for it is {own}"))
}

/// A letter where the server stumbles that looks like another, or like none.
fn odd_letter(error: &ServerError, statement: &str) -> Option<String> {
    let position = usize::try_from(error.position?).ok()?.checked_sub(1)?;
    // What is not an ASCII letter belongs to a name, and the server stumbles where that begins.
    let word = statement.chars().skip(position).take_while(|c| !c.is_ascii_whitespace());
    let odd = |c: char| match c {
        '`' => {
            Some("backticks are MySQL's: PostgreSQL quotes names with `\"`, and needs no quotes for most".to_owned())
        }
        '‘' | '’' | '“' | '”' | '„' | '«' | '»' => {
            let number = u32::from(c);
            Some(format!("{c} (U+{number:04X}) is no quote to SQL: texts stand in `'`, names in `\"`"))
        }
        '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => {
            let number = u32::from(c);
            Some(format!(
                "there is a blank here that is none to SQL (U+{number:04X}): put an ordinary one in its place"
            ))
        }
        _ => None,
    };
    word.into_iter().find_map(odd)
}

fn grammar(error: &ServerError, statement: &str) -> Option<String> {
    let position = usize::try_from(error.position?).ok()?.checked_sub(1)?;
    let end = statement.char_indices().nth(position).map_or(statement.len(), |(at, _)| at);
    let before = statement.get(..end)?;
    let near = match error.message.strip_prefix("syntax error at or near \"") {
        Some(rest) => rest.strip_suffix('"')?.to_lowercase(),
        None if error.message == "syntax error at end of input" => String::new(),
        None => return None,
    };
    let ends = |pattern: &str| {
        let pattern = format!(r"(?is)(?:^|[\s,;(]){}\s*$", pattern.replace("NAME", NAME));
        Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(before))
    };
    let first = before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty());
    let begins = BEGINNINGS.contains(&near.as_str()) && first && !before.trim().is_empty();
    let action = matches!(near.as_str(), "add" | "alter" | "drop") && words(before).take(2).eq(["alter", "table"]);
    let another = words(&statement[end..]).nth(1).is_some_and(|kind| KINDS.contains(&kind.as_str()));
    if action && !another {
        // Its renaming goes with nothing else.
        return words(before).all(|word| word != "rename").then(|| {
            "is there a comma before it? The actions of one ALTER TABLE stand with commas between them".to_owned()
        });
    }
    if begins || action {
        return Some("does the statement before it end with a semicolon?".to_owned());
    }
    if matches!(near.as_str(), ")" | ";" | "") && before.trim_end().ends_with(',') {
        return Some("there is a comma before it that nothing follows".to_owned());
    }
    let column = ends(r"drop\s+column\s+(?:if\s+exists\s+)?NAME");
    Some(match near.as_str() {
        "exist" if ends("if") || ends(r"if\s+not") => "it is spelt EXISTS".to_owned(),
        "delete" | "remove" if ends(r"alter\s+table\s+(?:if\s+exists\s+)?(?:only\s+)?NAME") => {
            "a column goes with `DROP COLUMN`".to_owned()
        }
        "default" if ends(r"set\s+not\s+null") => {
            "these are two actions: `ALTER COLUMN … SET NOT NULL, ALTER COLUMN … SET DEFAULT …`".to_owned()
        }
        "not" | "default" | "references" | "unique" | "primary"
            if ends(r"add\s+column\s+(?:if\s+not\s+exists\s+)?NAME") =>
        {
            "a new column needs its type behind its name".to_owned()
        }
        "if" if column => "IF EXISTS stands before the name".to_owned(),
        _ if column && near.starts_with(|c: char| c.is_alphanumeric()) => {
            "DROP COLUMN takes the name alone, without a type".to_owned()
        }
        _ => return None,
    })
}

/// The words of a statement, in lower case.
fn words(statement: &str) -> impl Iterator<Item = String> {
    let words = Lexer::new(statement, 0).filter(|token| token.kind == TokenKind::Word);
    words.map(|token| statement[token.start..token.end].to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{advice, index};
    use crate::trace::ServerError;

    /// What is said of `statement`, which the server refuses at the last `near`.
    fn refused(statement: &str, near: &str) -> Option<String> {
        let at = statement.rfind(near).expect("it is there");
        let error = ServerError {
            sqlstate: "42601".to_owned(),
            message: format!("syntax error at or near \"{near}\""),
            position: u32::try_from(statement[..at].chars().count() + 1).ok(),
            ..ServerError::default()
        };
        advice(&error, statement)
    }

    #[test]
    fn what_is_meant_is_told_where_the_server_only_says_that_it_stumbles() {
        for (statement, near, meant) in [
            ("ALTER TABLE \"jobs\" DELETE COLUMN result", "DELETE", "DROP COLUMN"),
            ("ALTER TABLE t DROP COLUMN IF EXISTS a, DROP COLUMN price NUMERIC(80)", "NUMERIC", "name alone"),
            ("DROP INDEX IF EXIST i", "EXIST", "EXISTS"),
            ("ALTER TABLE app.t ALTER COLUMN a SET NOT NULL DEFAULT ''", "DEFAULT", "two actions"),
            ("ALTER TABLE t ADD COLUMN größe NOT NULL", "NOT", "needs its type"),
            ("ALTER TABLE t DROP CONSTRAINT t_pkey\n  ALTER TABLE t ADD COLUMN id int", "ALTER", "semicolon"),
            ("ALTER TABLE t DROP COLUMN a DROP TABLE u", "DROP", "semicolon"),
            ("-- no longer read\nALTER TABLE t\n  DROP COLUMN a\n  DROP COLUMN b", "DROP", "commas between"),
            ("ALTER TABLE t DROP COLUMN a DROP COLUMN b", "DROP", "commas between"),
            ("ALTER TABLE t ADD COLUMN a int ADD COLUMN b int", "ADD", "commas between"),
            ("ALTER TABLE t DROP COLUMN a IF EXISTS", "IF", "before the name"),
            ("CREATE TABLE t (a int,\n)", ")", "a comma"),
        ] {
            let said = refused(statement, near).unwrap_or_default();
            assert!(said.contains(meant), "{statement}: {said}");
        }
    }

    #[test]
    fn letters_that_look_like_others_are_told() {
        for (statement, near, meant) in [
            ("CREATE TABLE `t` (id int)", "`t`", "backticks"),
            ("ALTER TABLE t ADD\u{a0}a int", "ADD", "U+00A0"),
            ("SELECT \u{200b}1", "\u{200b}", "U+200B"),
            ("INSERT INTO t VALUES (“x”)", "“", "U+201C"),
        ] {
            let said = refused(statement, near).unwrap_or_default();
            assert!(said.contains(meant), "{statement}: {said}");
        }
        let error = ServerError { sqlstate: "42703".to_owned(), position: Some(8), ..ServerError::default() };
        assert!(advice(&error, "SELECT ‘x’").unwrap_or_default().contains("U+2018"));
        assert_eq!(advice(&error, "SELECT größe FROM t WHERE a = ‘x’"), None, "further on");
    }

    #[test]
    fn nothing_is_guessed_about_other_mistakes() {
        assert_eq!(refused("CREATE TABEL t (a int)", "TABEL"), None);
        assert_eq!(refused("ALTER TABLE t DROP CONSTRAINT a b", "b"), None);
        assert_eq!(refused("SELECT * FROM a WERE b DELETE c", "DELETE"), None);
        assert_eq!(refused("ALTER TABLE t RENAME a TO b DROP COLUMN c", "DROP"), None);
    }

    #[test]
    fn a_type_of_another_database_is_told_with_the_one_that_there_is() {
        let of = |name: &str| {
            let (sqlstate, message) = ("42704".to_owned(), format!("type \"{name}\" does not exist"));
            advice(&ServerError { sqlstate, message, ..ServerError::default() }, "")
        };
        assert!(of("bigserial").unwrap().contains("TYPE bigint"));
        assert!(of("datetime").unwrap().contains("timestamp"));
        assert_eq!(of("mood"), None);
    }

    #[test]
    fn an_index_is_no_constraint_to_be_dropped() {
        let error = ServerError {
            sqlstate: "42704".to_owned(),
            message: "constraint \"versions_num_uindex\" of relation \"versions\" does not exist".to_owned(),
            ..ServerError::default()
        };
        let up = "create unique index concurrently if not exists versions_num_uindex\n  on versions (num);";
        assert!(index(&error, up).unwrap().contains("`DROP INDEX versions_num_uindex`"));
        assert_eq!(index(&error, "create unique index versions_num_uindex_2 on versions (num)"), None, "another one");
    }
}
