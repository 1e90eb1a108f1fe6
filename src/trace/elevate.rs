//! Statements that PostgreSQL keeps for superusers although they reach nothing outside the database.
//!
//! Migrations run under a role that is no superuser: they are strangers' programs. What production's administrator
//! would let through is run with more rights for that one statement; what reaches files, programs or the network is not.

use std::sync::LazyLock;

use regex::Regex;

/// Extensions and languages that open files, programs or the network.
const DANGEROUS: &[&str] = &["adminpack", "dblink", "pg_cron", "lo", "plsh"];

/// Extensions that open files or the network through a foreign-data wrapper of the same name, and in no other way. They
/// may be there, but their wrapper is the administrator's: nobody else makes a server of it.
const WRAPPERS: &[&str] = &["file_fdw", "postgres_fdw"];

static RESERVED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?ix)^\s*(?:
            (?:create|alter|drop|comment\s+on)\s+extension\s+(?:if\s+(?:not\s+)?exists\s+)?"?(?P<extension>[\w-]+)"?
          | (?:create|alter|drop)\s+event\s+trigger\b
          | (?:create|alter|drop)\s+publication\b
          | (?:create|alter|drop)\s+operator\s+(?:class|family)\b
          | create\s+(?:role|user)\s+"?[\w-]+"?(?:\s+(?:with|(?:no)?(?:login|inherit|createdb|createrole|bypassrls|replication)
              |nosuperuser|password\s+'[^']*'))*\s*;?\s*$
          | set\s+(?:session\s+|local\s+)?session_replication_role\b
        )"#,
    )
    .ok()
});

/// The foreign-data wrapper that `statement` makes, where it is one to be taken from the migration's role.
pub fn wrapper(statement: &str) -> Option<&'static str> {
    let found = RESERVED.as_ref()?.captures(statement)?;
    let name = found.name("extension")?.as_str().to_ascii_lowercase();
    let creates = statement.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("create"));
    WRAPPERS.iter().copied().find(|wrapper| creates && *wrapper == name)
}

/// Whether `statement` (without leading comments) may be run with a superuser's rights, once, when it is refused.
pub fn is_reserved(statement: &str) -> bool {
    let Some(found) = RESERVED.as_ref().and_then(|pattern| pattern.captures(statement)) else { return false };
    found.name("extension").is_none_or(|name| {
        let name = name.as_str().to_ascii_lowercase();
        let untrusted_language = name.starts_with("pl") && name.ends_with('u');
        !untrusted_language && !DANGEROUS.contains(&name.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::{is_reserved, wrapper};

    #[test]
    fn what_stays_inside_the_database_may_be_elevated() {
        assert!(is_reserved("CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\""));
        assert!(is_reserved("comment on extension plpgsql is 'x'"));
        assert!(is_reserved("CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION f()"));
        assert!(is_reserved("SET session_replication_role = replica"));
        assert!(is_reserved("CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS"));
    }

    #[test]
    fn a_wrapper_may_be_there_but_is_named_to_be_taken_away() {
        assert!(is_reserved("CREATE EXTENSION postgres_fdw"));
        assert_eq!(wrapper("create extension if not exists \"postgres_fdw\""), Some("postgres_fdw"));
        assert_eq!(wrapper("DROP EXTENSION postgres_fdw"), None);
        assert_eq!(wrapper("CREATE EXTENSION citext"), None);
    }

    #[test]
    fn what_reaches_outside_or_is_no_whole_word_may_not() {
        assert!(!is_reserved("CREATE EXTENSION plpython3u"));
        assert!(!is_reserved("CREATE EXTENSION dblink"));
        assert!(!is_reserved("COPY t TO PROGRAM 'id'"));
        assert!(!is_reserved("SELECT 'create extension x'"));
        assert!(!is_reserved("CREATE EXTENSIONS x"));
        assert!(!is_reserved("CREATE ROLE x BYPASSRLS SUPERUSER"));
        assert!(!is_reserved("CREATE ROLE x IN ROLE pg_execute_server_program"));
        assert!(!is_reserved("ALTER ROLE migd_admin NOLOGIN"));
    }
}
