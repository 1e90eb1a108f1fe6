//! Statements that PostgreSQL keeps for superusers although they reach nothing outside the database.
//!
//! Migrations run under a role that is no superuser: they are strangers' programs. What production's administrator
//! would let through is run with more rights for that one statement; what reaches files, programs or the network is not.
//!
//! An extension's script is run with those rights as well, and finds the functions of the schema that it is made in
//! before its own where their arguments fit better. PostgreSQL's own extensions are written with that in mind; with
//! others the database must not have functions of the migrations' yet.

use std::sync::LazyLock;

use regex::Regex;

/// For which statements the rights may be lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lend {
    /// None: the server is somebody else's too.
    Nothing,
    /// Those that are known to do no harm to the machine that the server runs on.
    Harmless,
    /// All but those that open a way to other databases: the server is in a container.
    Contained,
}

/// A statement that may be run with a superuser's rights, once, when it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// The extension whose script it runs, if any.
    pub extension: Option<String>,
    /// What that extension needs is made with it.
    pub cascade: bool,
    /// It only changes a setting of the session.
    pub sets: bool,
    /// The role that it makes, as it is written.
    pub role: Option<String>,
}

/// How far an extension is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It opens nothing, and its script is written to be run among a stranger's functions.
    Anywhere,
    /// It opens nothing, but its script is only run where there are no functions of the migrations' yet.
    Early,
    /// It is not made on a migration's behalf.
    Nowhere,
}

/// PostgreSQL's own extensions that open neither files nor programs, the network or other databases.
const OWN: &[&str] = &[
    "amcheck",
    "autoinc",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "dict_xsyn",
    "fuzzystrmatch",
    "hstore",
    "insert_username",
    "intagg",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "moddatetime",
    "old_snapshot",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_trgm",
    "pg_visibility",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "plperl",
    "plpgsql",
    "pltcl",
    "refint",
    "seg",
    "sslinfo",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "xml2",
];

/// Others that open nothing.
const OTHERS: &[&str] = &[
    "address_standardizer",
    "address_standardizer_data_us",
    "earthdistance",
    "h3",
    "h3_postgis",
    "hll",
    "hypopg",
    "ip4r",
    "periods",
    "pg_bigm",
    "pg_hashids",
    "pg_jsonschema",
    "pg_partman",
    "pg_similarity",
    "pg_uuidv7",
    "pgjwt",
    "pgrouting",
    "pgtap",
    "postgis",
    "postgis_sfcgal",
    "postgis_tiger_geocoder",
    "postgis_topology",
    "prefix",
    "rum",
    "semver",
    "temporal_tables",
    "unit",
    "vector",
];

/// Extensions that open files, programs, the network or other databases: not even in a container, whose other databases
/// are other repositories'.
const OPEN: &[&str] = &["adminpack", "dblink", "pg_cron", "pg_surgery", "pg_walinspect", "plsh"];

/// Extensions that open files or the network through a foreign-data wrapper of the same name, and in no other way. They
/// may be there, but their wrapper is the administrator's: nobody else makes a server of it.
const WRAPPERS: &[&str] = &["file_fdw", "postgres_fdw"];

/// White space as the server sees it: a comment within a comment is none that could be told apart here.
const GAP: &str = r"(?:[ \t\n\r\x0b\x0c]|--[^\n\r]*(?:[\n\r]|\z)|/\*[^*/]*\*/)";
/// A name: plain or in quotes. `U&"…"` is none.
const NAME: &str = r#"(?:[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")"#;

struct Patterns {
    create: Regex,
    update: Regex,
    role: Regex,
    about: Regex,
    other: Regex,
    operators: Regex,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    let compile = |pattern: &str| {
        let pattern = format!(r"\A(?i:GAP*{pattern})");
        let pattern = pattern.replace("GAP", GAP).replace("NAME", NAME).replace("TEXT", r"'[^'\\]*'");
        Regex::new(&pattern).ok()
    };
    Some(Patterns {
        create: compile(
            r"createGAP+extensionGAP+(?:ifGAP+notGAP+existsGAP+)?(?P<name>NAME)(?:GAP+with)?(?:GAP+(?:schemaGAP+NAME|versionGAP+(?:NAME|TEXT)|(?P<cascade>cascade)))*GAP*;?GAP*\z",
        )?,
        update: compile(r"alterGAP+extensionGAP+(?P<name>NAME)GAP+update(?:GAP+toGAP+(?:NAME|TEXT))?GAP*;?GAP*\z")?,
        role: compile(
            r"createGAP+(?:role|user)GAP+(?P<role>NAME)(?:GAP+(?:with|(?:no)?(?:login|inherit|createdb|createrole|bypassrls|replication)|nosuperuser|passwordGAP+TEXT))*GAP*;?GAP*\z",
        )?,
        about: compile(
            r"(?:dropGAP+extensionGAP+(?P<dropped>NAME)(?:GAP+(?:cascade|restrict))?|commentGAP+onGAP+extensionGAP+(?P<told>NAME)GAP+isGAP+(?:TEXT|null)|alterGAP+extensionGAP+(?P<name>NAME)GAP+(?:updateGAP+toGAP+(?:NAME|TEXT)|update|setGAP+schemaGAP+NAME))GAP*;?GAP*\z",
        )?,
        other: compile(
            r"(?:dropGAP+extension\b|commentGAP+onGAP+extension\b|alterGAP+extensionGAP+NAMEGAP+setGAP+schema\b|(?:create|alter|drop)GAP+(?:eventGAP+trigger|publication)\b|(?P<set>setGAP+(?:(?:session|local)GAP+)?|resetGAP+)session_replication_role\b)",
        )?,
        operators: compile(r"(?:create|alter|drop)GAP+operatorGAP+(?:class|family)\b")?,
    })
});

/// What `statement` is, where it may be run with a superuser's rights.
pub fn reserved(statement: &str, lend: Lend) -> Option<Reserved> {
    if lend == Lend::Nothing {
        return None;
    }
    let patterns = PATTERNS.as_ref()?;
    if let Some(found) = patterns.create.captures(statement).or_else(|| patterns.update.captures(statement)) {
        let extension = folded(found.name("name")?.as_str());
        let cascade = found.name("cascade").is_some();
        return (trust(&extension, lend) != Trust::Nowhere).then_some(Reserved {
            extension: Some(extension),
            cascade,
            sets: false,
            role: None,
        });
    }
    let plain = |sets| Reserved { extension: None, cascade: false, sets, role: None };
    if let Some(found) = patterns.other.captures(statement) {
        return Some(plain(found.name("set").is_some()));
    }
    if let Some(found) = patterns.role.captures(statement) {
        return Some(Reserved { role: Some(found.name("role")?.as_str().to_owned()), ..plain(false) });
    }
    // One that is wrong can crash the server, or make it read what is not there.
    (lend == Lend::Contained && patterns.operators.is_match(statement)).then(|| plain(false))
}

/// The extension that `statement` makes.
pub fn made(statement: &str) -> Option<String> {
    let found = PATTERNS.as_ref()?.create.captures(statement)?;
    Some(folded(found.name("name")?.as_str()))
}

/// The extension that `statement` drops, updates, moves or describes, where it is one alone, and whether it drops it.
pub fn named(statement: &str) -> Option<(String, bool)> {
    let found = PATTERNS.as_ref()?.about.captures(statement)?;
    let name = ["dropped", "told", "name"].into_iter().find_map(|group| found.name(group))?;
    Some((folded(name.as_str()), found.name("dropped").is_some()))
}

/// How the comment on a schema begins that has what extensions would bring: their names follow, with commas.
const STANDS_IN: &str = "stands in for ";

/// Whether a schema with one of these comments has what `extension` brings.
pub fn stands_in(comments: &[String], extension: &str) -> bool {
    let mut names = comments.iter().filter_map(|comment| comment.strip_prefix(STANDS_IN)).flat_map(|n| n.split(','));
    names.any(|name| name.trim() == extension)
}

/// How far `extension` is trusted.
pub fn trust(extension: &str, lend: Lend) -> Trust {
    let contained = lend == Lend::Contained;
    // As in `plpython3u` and `hstore_plpython3u`.
    let untrusted_language = extension.rsplit('_').next().is_some_and(|l| l.starts_with("pl") && l.ends_with('u'));
    match extension {
        _ if lend == Lend::Nothing || untrusted_language || OPEN.contains(&extension) => Trust::Nowhere,
        own if OWN.contains(&own) || WRAPPERS.contains(&own) => Trust::Anywhere,
        _ if contained => Trust::Anywhere,
        other if OTHERS.contains(&other) => Trust::Early,
        _ => Trust::Nowhere,
    }
}

/// Whether `extension` comes with PostgreSQL, and is no language, which systems have in packages of their own.
pub fn is_contrib(extension: &str) -> bool {
    let others = ["adminpack", "dblink", "earthdistance", "pg_surgery", "pg_walinspect"];
    let known = [OWN, WRAPPERS, &others].iter().any(|names| names.contains(&extension));
    known && !extension.starts_with("pl")
}

/// The foreign-data wrapper that `extension` makes, where it is one to be taken from the migration's role.
pub fn wrapper(extension: &str) -> Option<&'static str> {
    WRAPPERS.iter().copied().find(|wrapper| *wrapper == extension)
}

/// A name as the server reads it.
pub(super) fn folded(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(statement: &str) -> Option<String> {
        reserved(statement, Lend::Harmless)?.extension
    }

    #[test]
    fn what_stays_inside_the_database_may_be_elevated() {
        assert_eq!(extension("CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\"").as_deref(), Some("uuid-ossp"));
        assert_eq!(extension("create extension Amcheck with schema x version '1.3';").as_deref(), Some("amcheck"));
        assert_eq!(extension("CREATE /* why */ EXTENSION pgstattuple -- sizes\n;").as_deref(), Some("pgstattuple"));
        for other in [
            "comment on extension plpgsql is 'x'",
            "CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION f()",
            "CREATE PUBLICATION p FOR ALL TABLES",
            "SET session_replication_role = replica",
            "reset session_replication_role",
            "CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS",
            "DROP EXTENSION citext CASCADE",
        ] {
            assert!(reserved(other, Lend::Harmless).is_some(), "{other}");
            assert_eq!(reserved(other, Lend::Nothing), None);
        }
    }

    #[test]
    fn the_one_extension_that_a_statement_is_about_is_known() {
        for (statement, extension) in [
            ("DROP EXTENSION pg_cron", Some(("pg_cron", true))),
            ("drop extension \"pg_net\" cascade;", Some(("pg_net", true))),
            ("COMMENT ON EXTENSION pg_cron IS 'jobs'", Some(("pg_cron", false))),
            ("ALTER EXTENSION Pg_Cron UPDATE TO '1.6'", Some(("pg_cron", false))),
            ("ALTER EXTENSION pg_cron UPDATE", Some(("pg_cron", false))),
            ("DROP EXTENSION pg_cron, citext", None),
            ("DROP EXTENSION IF EXISTS pg_cron", None),
            ("DROP TABLE extension", None),
        ] {
            let found = named(statement);
            assert_eq!(found.as_ref().map(|(name, drops)| (name.as_str(), *drops)), extension, "{statement}");
        }
    }

    #[test]
    fn another_ones_script_is_run_only_before_there_are_functions() {
        assert_eq!(trust("postgis", Lend::Harmless), Trust::Early);
        assert_eq!(trust("earthdistance", Lend::Harmless), Trust::Early);
        assert_eq!(trust("pg_trgm", Lend::Harmless), Trust::Anywhere);
    }

    #[test]
    fn what_is_unknown_is_made_in_a_container_alone() {
        assert_eq!(trust("http", Lend::Harmless), Trust::Nowhere);
        assert_eq!(trust("http", Lend::Contained), Trust::Anywhere);
        assert_eq!(trust("dblink", Lend::Contained), Trust::Nowhere);
        assert_eq!(trust("hstore_plpython3u", Lend::Contained), Trust::Nowhere);
        let class = "CREATE OPERATOR CLASS c FOR TYPE int4 USING btree AS FUNCTION 1 bttextcmp(text, text)";
        assert_eq!(reserved(class, Lend::Harmless), None);
        assert!(reserved(class, Lend::Contained).is_some());
    }

    #[test]
    fn a_wrapper_may_be_there_but_is_named_to_be_taken_away() {
        assert_eq!(extension("create extension \"postgres_fdw\"").as_deref(), Some("postgres_fdw"));
        assert_eq!(wrapper("postgres_fdw"), Some("postgres_fdw"));
        assert_eq!(wrapper("citext"), None);
    }

    #[test]
    fn what_reaches_outside_or_is_not_what_it_seems_may_not() {
        for statement in [
            "CREATE EXTENSION plpython3u",
            "CREATE EXTENSION dblink",
            "CREATE EXTENSION U&\"\\0064blink\"",
            "CREATE EXTENSION /* /* */ citext -- */ dblink",
            "CREATE EXTENSION citext -- \r dblink",
            "CREATE EXTENSION citext; CREATE EXTENSION dblink",
            "CREATE EXTENSION citext VERSION '1\\'' SCHEMA public",
            "ALTER EXTENSION citext ADD FUNCTION f()",
            "COPY t TO PROGRAM 'id'",
            "CREATE ROLE x BYPASSRLS SUPERUSER",
            "CREATE ROLE x PASSWORD 'a\\' PASSWORD ' SUPERUSER PASSWORD '",
            "CREATE ROLE x IN ROLE pg_execute_server_program",
            "ALTER ROLE migd_admin NOLOGIN",
            "SELECT 'create extension x'",
            "CREATE EXTENSIONS x",
        ] {
            for lend in [Lend::Harmless, Lend::Contained] {
                let found = reserved(statement, lend);
                assert_eq!(found, None, "{statement}");
            }
        }
    }
}
