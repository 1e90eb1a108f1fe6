//! An extension that the server lacks: whose it is, and how the server that judges comes by it.
//!
//! The Debian packages are those of Debian 12 and 13 and of apt.postgresql.org; the images are the projects' own.

use crate::sql::identifier;
use crate::trace::{ServerError, elevate};

/// The Debian package of each other extension, with `N` for the server's major version.
const PACKAGES: &[(&str, &str)] = &[
    ("address_standardizer", "postgresql-N-postgis-3"),
    ("address_standardizer_data_us", "postgresql-N-postgis-3"),
    ("age", "postgresql-N-age"),
    ("debversion", "postgresql-N-debversion"),
    ("first_last_agg", "postgresql-N-first-last-agg"),
    ("h3", "postgresql-N-h3"),
    ("h3_postgis", "postgresql-N-h3"),
    ("hll", "postgresql-N-hll"),
    ("hypopg", "postgresql-N-hypopg"),
    ("icu_ext", "postgresql-N-icu-ext"),
    ("ip4r", "postgresql-N-ip4r"),
    ("mysql_fdw", "postgresql-N-mysql-fdw"),
    ("numeral", "postgresql-N-numeral"),
    ("ogr_fdw", "postgresql-N-ogr-fdw"),
    ("orafce", "postgresql-N-orafce"),
    ("periods", "postgresql-N-periods"),
    ("pg_cron", "postgresql-N-cron"),
    ("pg_partman", "postgresql-N-partman"),
    ("pg_repack", "postgresql-N-repack"),
    ("pg_similarity", "postgresql-N-similarity"),
    ("pgaudit", "postgresql-N-pgaudit"),
    ("pglogical", "postgresql-N-pglogical"),
    ("pgq", "postgresql-N-pgq3"),
    ("pgrouting", "postgresql-N-pgrouting"),
    ("pgsphere", "postgresql-N-pgsphere"),
    ("pg_sphere", "postgresql-N-pgsphere"),
    ("pgtap", "postgresql-N-pgtap"),
    ("pldbgapi", "postgresql-N-pldebugger"),
    ("plperl", "postgresql-plperl-N"),
    ("plperlu", "postgresql-plperl-N"),
    ("plpgsql_check", "postgresql-N-plpgsql-check"),
    ("plproxy", "postgresql-N-plproxy"),
    ("plpython3u", "postgresql-plpython3-N"),
    ("plr", "postgresql-N-plr"),
    ("plsh", "postgresql-N-plsh"),
    ("pltcl", "postgresql-pltcl-N"),
    ("pointcloud", "postgresql-N-pointcloud"),
    ("postgis", "postgresql-N-postgis-3"),
    ("postgis_raster", "postgresql-N-postgis-3"),
    ("postgis_sfcgal", "postgresql-N-postgis-3"),
    ("postgis_tiger_geocoder", "postgresql-N-postgis-3"),
    ("postgis_topology", "postgresql-N-postgis-3"),
    ("prefix", "postgresql-N-prefix"),
    ("q3c", "postgresql-N-q3c"),
    ("rum", "postgresql-N-rum"),
    ("semver", "postgresql-N-semver"),
    ("set_user", "postgresql-N-set-user"),
    ("tdigest", "postgresql-N-tdigest"),
    ("tds_fdw", "postgresql-N-tds-fdw"),
    ("timescaledb", "postgresql-N-timescaledb"),
    ("unit", "postgresql-N-unit"),
    ("vector", "postgresql-N-pgvector"),
];

/// Images that have an extension, with `N` for the major version.
const IMAGES: &[(&str, &str)] = &[
    ("age", "apache/age"),
    ("citus", "citusdata/citus"),
    ("pg_search", "paradedb/paradedb:latest-pgN"),
    ("pgroonga", "groonga/pgroonga:latest-alpine-N"),
    ("pgrouting", "pgrouting/pgrouting"),
    ("postgis", "postgis/postgis:N-3.5"),
    ("postgis_raster", "postgis/postgis:N-3.5"),
    ("postgis_tiger_geocoder", "postgis/postgis:N-3.5"),
    ("postgis_topology", "postgis/postgis:N-3.5"),
    ("timescaledb", "timescale/timescaledb:latest-pgN"),
    ("vector", "pgvector/pgvector:pgN"),
];

/// Extensions whose library the server loads at its start.
const PRELOADED: &[&str] = &["citus", "pg_cron", "pg_search", "pgaudit", "timescaledb"];

/// Extensions whose types or access methods are written in C: nothing can stand in for them.
const IN_C: &[&str] = &[
    "age",
    "citus",
    "h3",
    "h3_postgis",
    "hll",
    "ip4r",
    "pg_search",
    "pgroonga",
    "pgrouting",
    "postgis",
    "postgis_raster",
    "postgis_sfcgal",
    "postgis_topology",
    "rum",
    "timescaledb",
    "vector",
];

/// Extensions of Supabase's platform for which `builtin:supabase` has stand-ins.
const OF_SUPABASE: &[&str] = &["http", "pg_cron", "pg_graphql", "pg_net", "pgmq", "supabase_vault"];

/// How the server's words begin where it lacks something that an extension makes.
const MAKERS: &[(&str, &str)] = &[
    ("access method \"hnsw\"", "vector"),
    ("access method \"ivfflat\"", "vector"),
    ("access method \"rum\"", "rum"),
    ("function add_compression_policy(", "timescaledb"),
    ("function add_retention_policy(", "timescaledb"),
    ("function create_hypertable(", "timescaledb"),
    ("function crypt(", "pgcrypto"),
    ("function digest(", "pgcrypto"),
    ("function earth_distance(", "earthdistance"),
    ("function gen_random_bytes(", "pgcrypto"),
    ("function gen_salt(", "pgcrypto"),
    ("function hmac(", "pgcrypto"),
    ("function levenshtein(", "fuzzystrmatch"),
    ("function similarity(", "pg_trgm"),
    ("function unaccent(", "unaccent"),
    ("function uuid_generate_v1(", "uuid-ossp"),
    ("function uuid_generate_v4(", "uuid-ossp"),
    ("function uuid_generate_v5(", "uuid-ossp"),
    ("operator class \"gin_trgm_ops\"", "pg_trgm"),
    ("operator class \"gist_trgm_ops\"", "pg_trgm"),
    ("operator class \"vector_cosine_ops\"", "vector"),
    ("type \"citext\"", "citext"),
    ("type \"cube\"", "cube"),
    ("type \"geography\"", "postgis"),
    ("type \"geometry\"", "postgis"),
    ("type \"halfvec\"", "vector"),
    ("type \"hstore\"", "hstore"),
    ("type \"ltree\"", "ltree"),
    ("type \"vector\"", "vector"),
    ("type geography", "postgis"),
    ("type geometry", "postgis"),
    ("type vector", "vector"),
    ("unrecognized parameter namespace \"timescaledb\"", "timescaledb"),
    ("unrecognized parameter namespace \"tsdb\"", "timescaledb"),
];

/// The extension that makes what the server says it lacks.
fn maker(error: &ServerError) -> Option<&'static str> {
    let message = error.message.as_str();
    // Scalar types that have no operator class of their own for these.
    let of_btree = || {
        let (_, method) = message.split_once(" has no default operator class for access method ")?;
        let plain = ["bigint", "boolean", "character varying", "date", "integer", "text", "timestamp", "uuid"];
        let is_plain = plain.iter().any(|name| message.strip_prefix("data type ").is_some_and(|m| m.starts_with(name)));
        match method {
            "\"gist\"" if is_plain => Some("btree_gist"),
            "\"gin\"" if is_plain => Some("btree_gin"),
            _ => None,
        }
    };
    match error.sqlstate.as_str() {
        "42704" | "42883" | "22023" => {
            MAKERS.iter().find(|(begin, _)| message.starts_with(begin)).map(|(_, name)| *name).or_else(of_btree)
        }
        _ => None,
    }
}

/// What to do about an extension that the server lacks, or that nothing has made; none for any other error.
pub(super) fn advice(error: &ServerError) -> Option<String> {
    if let Some(name) = maker(error) {
        let quoted = identifier(name);
        let made = format!(
            "the extension {name} makes it: `CREATE EXTENSION {quoted}` belongs in a migration before this one, or in the \
             set's `setup_sql` where production has it already"
        );
        let ways = if elevate::is_contrib(name) { Vec::new() } else { ways(name, major(error)) };
        return Some(std::iter::once(made).chain(ways).collect::<Vec<_>>().join("; "));
    }
    if !matches!(error.sqlstate.as_str(), "0A000" | "58P01") {
        return None;
    }
    Some(ways(&name(error)?, major(error)).join("; "))
}

/// How the server that judges comes by an extension.
fn ways(name: &str, major: Option<String>) -> Vec<String> {
    let fill = |text: &str| text.replace('N', major.as_deref().unwrap_or("N"));
    let mut ways = Vec::new();
    let image = IMAGES.iter().find(|(known, _)| *known == name).map(|(_, image)| fill(image));
    let package = PACKAGES.iter().find(|(known, _)| *known == name).map(|(_, package)| fill(package));
    let which = if major.is_some() { "" } else { ", with the server's major version for N" };
    match (elevate::is_contrib(name), &package) {
        (true, _) => ways.push(
            "it comes with PostgreSQL: some systems have it in the package `postgresql-contrib` (Fedora, Alpine)"
                .to_owned(),
        ),
        (false, Some(package)) => ways.push(format!("on Debian and Ubuntu it is in the package `{package}`{which}")),
        (false, None) if image.is_none() => {
            ways.push(
                "install its package where migd's server runs, or name an image that has it (`engine.image`)"
                    .to_owned(),
            );
        }
        (false, None) => {}
    }
    if let Some(image) = image {
        ways.push(format!("in a container, `engine.image = \"{image}\"` has it"));
    }
    if PRELOADED.contains(&name) {
        ways.push(format!("it wants `engine.settings = {{ shared_preload_libraries = \"{name}\" }}`"));
    }
    let quoted = identifier(name);
    if OF_SUPABASE.contains(&name) {
        ways.push(
            "`setup_sql = [\"builtin:supabase\"]` has what migrations call of it, as a Supabase project has".to_owned(),
        );
    } else if !IN_C.contains(&name) {
        ways.push(format!(
            "or `setup_sql` can make what the migrations call of it in a schema whose comment is \
             `stands in for {name}`, which lets `CREATE EXTENSION {quoted}` pass"
        ));
    }
    ways
}

/// `extension "vector" is not available`, and `could not open extension control file ".../vector.control"`.
fn name(error: &ServerError) -> Option<String> {
    let message = error.message.strip_prefix("extension \"").and_then(|rest| rest.strip_suffix("\" is not available"));
    let file = || {
        let (before, _) = error.message.split_once(".control\"")?;
        before.rsplit('/').next()
    };
    message.or_else(file).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The server's major version, or else that of the folder in which it has looked: Debian's and Red Hat's have it.
fn major(error: &ServerError) -> Option<String> {
    let own = error.server.split('.').next().filter(|major| !major.is_empty());
    if let Some(major) = own {
        return Some(major.to_owned());
    }
    let looked = error.detail.as_deref().unwrap_or(&error.message);
    let number = |part: &&str| {
        let digits = part.trim_start_matches("pgsql-").trim_start_matches("postgresql");
        (10..100).contains(&digits.parse::<u32>().unwrap_or_default())
    };
    let found = looked.split('/').find(number)?;
    Some(found.trim_start_matches("pgsql-").trim_start_matches("postgresql").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, folder: &str) -> String {
        let error = ServerError {
            sqlstate: "0A000".to_owned(),
            message: format!("extension \"{name}\" is not available"),
            detail: Some(format!(
                "Could not open extension control file \"{folder}/{name}.control\": No such file or directory."
            )),
            ..ServerError::default()
        };
        advice(&error).unwrap()
    }

    #[test]
    fn the_package_the_image_and_what_stands_in_are_named() {
        let vector = told("vector", "/usr/share/postgresql/15/extension");
        assert!(
            vector.contains("`postgresql-15-pgvector`") && vector.contains("\"pgvector/pgvector:pg15\""),
            "{vector}"
        );
        assert!(!vector.contains("stands in for"), "its type is written in C: {vector}");
        let tested = told("pgtap", "/usr/share/postgresql/15/extension");
        assert!(tested.contains("`postgresql-15-pgtap`") && tested.contains("`stands in for pgtap`"), "{tested}");
        let unknown = told("vector", "/usr/local/share/postgresql/extension");
        assert!(unknown.contains("`postgresql-N-pgvector`, with the server's major version for N"), "{unknown}");
        let asked = ServerError {
            sqlstate: "58P01".to_owned(),
            message: "could not open extension control file \"/x/postgis.control\": No such file or directory"
                .to_owned(),
            server: "17.5".to_owned(),
            ..ServerError::default()
        };
        assert!(advice(&asked).unwrap().contains("`postgresql-17-postgis-3`"));
        assert!(told("postgis_topology", "/usr/pgsql-17/share/extension").contains("`postgresql-17-postgis-3`"));
        assert!(
            told("timescaledb", "/usr/share/postgresql/16/extension")
                .contains("shared_preload_libraries = \"timescaledb\"")
        );
        assert!(told("pg_trgm", "/usr/share/postgresql/16/extension").contains("`postgresql-contrib`"));
        assert!(told("pg_net", "/usr/share/postgresql/16/extension").contains("builtin:supabase"));
        assert!(told("never-heard", "/x").contains("`CREATE EXTENSION \"never-heard\"`"));
    }

    #[test]
    fn what_an_extension_makes_is_told_by_the_servers_words() {
        let said = |sqlstate: &str, message: &str| {
            let error =
                ServerError { sqlstate: sqlstate.to_owned(), message: message.to_owned(), ..ServerError::default() };
            advice(&error).unwrap_or_default()
        };
        let uuid = said("42883", "function uuid_generate_v4() does not exist");
        assert!(uuid.contains("`CREATE EXTENSION \"uuid-ossp\"`") && !uuid.contains("package"), "{uuid}");
        let hypertable = said("22023", "unrecognized parameter namespace \"tsdb\"");
        assert!(hypertable.contains("extension timescaledb") && hypertable.contains("`engine.image"), "{hypertable}");
        let method = "data type uuid has no default operator class for access method \"gist\"";
        assert!(said("42704", method).contains("btree_gist"));
        assert_eq!(said("42704", "data type json has no default operator class for access method \"gin\""), "");
        assert_eq!(said("42883", "function similar(text) does not exist"), "");
    }

    #[test]
    fn of_other_errors_it_says_nothing() {
        let error =
            ServerError { sqlstate: "0A000".to_owned(), message: "not supported".to_owned(), ..ServerError::default() };
        assert_eq!(advice(&error), None);
    }

    #[test]
    fn each_extension_stands_there_once() {
        let mut names: Vec<&str> = PACKAGES.iter().map(|(name, _)| *name).collect();
        assert!(!names.iter().any(|name| elevate::is_contrib(name)), "contrib is no package of its own");
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
