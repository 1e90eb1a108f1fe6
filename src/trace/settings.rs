//! What a migration leaves changed in its session. Runners keep one session for all pending migrations, so it reaches
//! those that follow.

use tokio_postgres::{Error, SimpleQueryMessage};

use crate::engine::session::Session;
use crate::layout::Source;
use crate::sql::{self, Kind};

/// One setting of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// As in `search_path`; `role` for what SET ROLE sets.
    pub name: String,
    /// As the server has it, in the setting's own unit.
    pub value: String,
}

/// Settings that no statement's outcome hangs on.
const HARMLESS: &str = "^(application_name$|client_min_messages$|log_|debug_|track_|extra_float_digits$)";

/// Whether running `source` may leave a setting: it says so, or calls what may. Anything else need not be asked for.
pub fn may_leave(source: &Source) -> bool {
    let script = sql::split_range(&source.text, source.body.clone());
    script.statements.iter().any(|statement| {
        let text = &source.text[statement.range.clone()];
        let calls = || text.get(..6).is_some_and(|first| first.eq_ignore_ascii_case("select"));
        let runs = || ["do", "call"].iter().any(|word| starts_with(text, word));
        statement.kind == Kind::Set || calls() || runs() || mentions(text, "set_config")
    })
}

/// What `session` has otherwise than a new one, and what makes a difference: a `search_path` that finds and makes everything
/// where a new session's does, and one's own role, are none.
pub async fn left(session: &Session) -> Result<Vec<Setting>, Error> {
    let sql = format!(
        "SELECT name, setting FROM pg_catalog.pg_settings
         WHERE source OPERATOR(pg_catalog.=) 'session' AND NOT setting OPERATOR(pg_catalog.=) reset_val
           AND NOT name OPERATOR(pg_catalog.~) '{HARMLESS}'
         UNION ALL SELECT 'role', pg_catalog.current_setting('role')
         WHERE NOT pg_catalog.current_setting('role') OPERATOR(pg_catalog.=) 'none'"
    );
    let mut left = Vec::new();
    for message in session.client().simple_query(&sql).await? {
        if let SimpleQueryMessage::Row(row) = message {
            let text = |at| row.get(at).unwrap_or_default().to_owned();
            left.push(Setting { name: text(0), value: text(1) });
        }
    }
    left.retain(|own| own.name != "role" || own.value != session.user());
    if left.iter().any(|own| own.name == "search_path") && finds_the_same(session).await? {
        left.retain(|own| own.name != "search_path");
    }
    Ok(left)
}

/// Whether the session's `search_path` leads where a new session's does: to the same schemas, with the same one first, and
/// named are no others, which a later migration might make.
async fn finds_the_same(session: &Session) -> Result<bool, Error> {
    let look = "SELECT pg_catalog.current_setting('search_path'), pg_catalog.current_schema(),
                       pg_catalog.current_schemas(true)::pg_catalog.text";
    let sql = format!("BEGIN; {look}; SET LOCAL search_path TO DEFAULT; {look}; ROLLBACK");
    let mut seen = Vec::new();
    for message in session.client().simple_query(&sql).await? {
        if let SimpleQueryMessage::Row(row) = message {
            let text = |at| row.get(at).unwrap_or_default().to_owned();
            seen.push((named(&text(0)), text(1), text(2)));
        }
    }
    Ok(matches!(seen.as_slice(), [now, new] if now == new))
}

/// The schemas that a `search_path` names: without those of the session itself, and without the catalog, which is always
/// looked through.
fn named(path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        let quoted = rest.starts_with('"');
        // A quote within is doubled, and ends one quoted part only to begin another.
        let mut inside = false;
        let end = rest.find(|c| {
            inside ^= c == '"';
            c == ',' && !inside
        });
        let (name, next) = rest.split_at(end.unwrap_or(rest.len()));
        rest = next.strip_prefix(',').unwrap_or(next).trim_start();
        let name = name.trim();
        let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).filter(|_| quoted) {
            Some(name) => name.replace("\"\"", "\""),
            None => name.to_lowercase(),
        };
        if !matches!(name.as_str(), "$user" | "pg_catalog" | "pg_temp") {
            names.push(name);
        }
    }
    names
}

/// Makes `session` what another was left as.
pub async fn take_over(session: &Session, settings: &[Setting]) -> Result<(), Error> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let each = settings
        .iter()
        .map(|own| format!("pg_catalog.set_config({}, {}, false)", quoted(&own.name), quoted(&own.value)));
    let sql = format!("SELECT {}", each.collect::<Vec<_>>().join(", "));
    session.client().simple_query(&sql).await.map(drop)
}

/// The statement of `source` that set `name` last, as far as its text tells.
pub fn set_by(source: &Source, name: &str) -> Option<std::ops::Range<usize>> {
    let other = match name {
        "search_path" => "schema",
        "TimeZone" => "time zone",
        "client_encoding" => "names",
        _ => name,
    };
    let script = sql::split_range(&source.text, source.body.clone());
    let sets = |range: &std::ops::Range<usize>, kind: Kind| {
        let text = &source.text[range.clone()];
        (kind == Kind::Set && (mentions(text, name) || mentions(text, other)))
            || (mentions(text, "set_config") && mentions(text, name))
    };
    script.statements.into_iter().rev().find(|own| sets(&own.range, own.kind)).map(|own| own.range)
}

fn starts_with(text: &str, word: &str) -> bool {
    let rest = text.get(..word.len()).filter(|first| first.eq_ignore_ascii_case(word)).map(|_| &text[word.len()..]);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn mentions(text: &str, word: &str) -> bool {
    let word = word.as_bytes();
    text.as_bytes().windows(word.len()).any(|found| found.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Mode;

    fn source(text: &str) -> Source {
        Source {
            path: "1.sql".to_owned(),
            text: text.into(),
            body: 0..text.len(),
            mode: Mode::Simple,
            pieces: None,
            inserts: None,
        }
    }

    #[test]
    fn a_migration_that_neither_sets_nor_calls_is_not_asked() {
        assert!(!may_leave(&source(
            "CREATE TABLE users (id int); ALTER TABLE users SET SCHEMA app; UPDATE users SET id = 1;"
        )));
        assert!(!may_leave(&source("DOMAIN; CALLS;")));
        for text in [
            "SET role app",
            "select f()",
            "DO $$ BEGIN END $$",
            "CALL p()",
            "WITH a AS (SELECT pg_catalog.SET_CONFIG('a.b', 'c', false)) INSERT INTO t TABLE a",
        ] {
            assert!(may_leave(&source(text)), "{text}");
        }
    }

    #[test]
    fn a_path_names_its_schemas() {
        assert_eq!(named("\"$user\", public"), ["public"]);
        assert_eq!(named("Public,pg_catalog"), ["public"]);
        assert_eq!(named("\"a, \"\"b\"\"\", shop"), ["a, \"b\"", "shop"]);
        assert_eq!(named("\"\""), [""]);
        assert!(named("").is_empty());
    }

    #[test]
    fn the_last_statement_that_sets_it_is_the_place() {
        let text =
            "SET search_path = a; SELECT set_config('search_path', '', false); SET ROLE app; SET TIME ZONE 'UTC';";
        let at = |name| set_by(&source(text), name).map(|range| text[range].to_owned());
        assert_eq!(at("search_path").as_deref(), Some("SELECT set_config('search_path', '', false)"));
        assert_eq!(at("role").as_deref(), Some("SET ROLE app"));
        assert_eq!(at("TimeZone").as_deref(), Some("SET TIME ZONE 'UTC'"));
        assert_eq!(at("lock_timeout"), None);
    }
}
