//! What newer servers have and the one that refused it has not: built-in functions and grammar, with the version they came
//! with. Asked only after the server has refused a statement, and only of servers that are older.

use regex::Regex;

use crate::trace::ServerError;

/// Built-in functions by the major version that they came with, by names that none of an older one's has.
const FUNCTIONS: &[(u32, &[&str])] = &[
    (13, &["gcd", "lcm", "min_scale", "trim_scale", "gen_random_uuid", "normalize", "is_normalized"]),
    (
        14,
        &[
            "bit_count",
            "date_bin",
            "string_to_table",
            "trim_array",
            "unistr",
            "bit_xor",
            "range_agg",
            "range_intersect_agg",
        ],
    ),
    (15, &["regexp_count", "regexp_instr", "regexp_like", "regexp_substr"]),
    (
        16,
        &[
            "any_value",
            "array_sample",
            "array_shuffle",
            "date_add",
            "date_subtract",
            "erf",
            "erfc",
            "json_array",
            "json_arrayagg",
            "json_objectagg",
            "pg_input_error_info",
            "pg_input_is_valid",
            "random_normal",
        ],
    ),
    (
        17,
        &[
            "json_exists",
            "json_query",
            "json_scalar",
            "json_serialize",
            "json_value",
            "to_bin",
            "to_oct",
            "unicode_assigned",
            "uuid_extract_timestamp",
            "uuid_extract_version",
            "xmltext",
        ],
    ),
    (18, &["array_reverse", "array_sort", "casefold", "crc32", "crc32c", "gamma", "lgamma", "uuidv4", "uuidv7"]),
];

/// What the server's message says, what the statement then has in it (both in lower case), the version, and the name for it.
/// A `_` at the end of the message stands for whatever follows.
const GRAMMAR: &[(&str, &str, u32, &str)] = &[
    ("syntax error at or near \"concurrently\"", "detach partition", 14, "DETACH PARTITION … CONCURRENTLY"),
    ("syntax error at or near \"compression\"", "compression", 14, "COMPRESSION"),
    ("type \"int4multirange\" does not exist", "", 14, "the type int4multirange"),
    ("type \"int8multirange\" does not exist", "", 14, "the type int8multirange"),
    ("type \"nummultirange\" does not exist", "", 14, "the type nummultirange"),
    ("type \"tsmultirange\" does not exist", "", 14, "the type tsmultirange"),
    ("type \"tstzmultirange\" does not exist", "", 14, "the type tstzmultirange"),
    ("type \"datemultirange\" does not exist", "", 14, "the type datemultirange"),
    ("syntax error at or near \"merge\"", "merge into", 15, "MERGE"),
    ("syntax error at or near \"nulls\"", "nulls not distinct", 15, "NULLS NOT DISTINCT"),
    ("syntax error at or near \"(\"", "on delete set null (", 15, "ON DELETE SET NULL (column)"),
    ("syntax error at or near \"(\"", "on delete set default (", 15, "ON DELETE SET DEFAULT (column)"),
    ("syntax error at or near \"tables\"", "tables in schema", 15, "FOR TABLES IN SCHEMA"),
    ("unrecognized parameter \"security_invoker\"", "", 15, "security_invoker"),
    ("subquery in from must have an alias", "", 16, "a subquery in FROM without an alias"),
    ("trailing junk after numeric literal_", "", 16, "an underscore in a number"),
    ("column \"system_user\" does not exist", "", 16, "SYSTEM_USER"),
    ("syntax error at or near \"storage\"", "storage", 16, "STORAGE in CREATE TABLE"),
    ("syntax error at or near \"json\"", "is json", 16, "IS JSON"),
    ("syntax error at or near \"json\"", "is not json", 16, "IS NOT JSON"),
    ("syntax error at or near \"inherit\"", "with inherit", 16, "GRANT … WITH INHERIT"),
    ("syntax error at or near \"columns\"", "json_table", 17, "JSON_TABLE"),
    ("syntax error at or near \"returning\"", "json_value", 17, "JSON_VALUE"),
    ("syntax error at or near \"returning\"", "json_query", 17, "JSON_QUERY"),
    ("syntax error at or near \"returning\"", "merge into", 17, "MERGE … RETURNING"),
    ("syntax error at or near \"by\"", "not matched by source", 17, "WHEN NOT MATCHED BY SOURCE"),
    ("syntax error at or near \"expression\"", "set expression", 17, "SET EXPRESSION"),
    ("unrecognized privilege type \"maintain\"", "", 17, "the privilege MAINTAIN"),
    ("syntax error at or near \"virtual\"", "virtual", 18, "a VIRTUAL generated column"),
    ("syntax error at or near \"without\"", "without overlaps", 18, "WITHOUT OVERLAPS"),
    ("syntax error at or near_", ", period ", 18, "PERIOD in a foreign key"),
    ("syntax error at or near \"enforced\"", "not enforced", 18, "NOT ENFORCED"),
    ("syntax error at or near \"enforced\"", "enforced", 18, "ENFORCED"),
    ("syntax error at or near \"not\"", "add not null ", 18, "NOT NULL as a constraint of a table"),
    ("missing from-clause entry for table \"old\"", "returning", 18, "OLD in RETURNING"),
    ("missing from-clause entry for table \"new\"", "returning", 18, "NEW in RETURNING"),
];

/// The way out where the server that refused `statement` is too old for it; none where it is not, as far as is known.
pub(super) fn advice(error: &ServerError, statement: &str) -> Option<String> {
    let major = error.major()?;
    let (what, since) = known(error, statement).filter(|(_, since)| *since > major)?;
    Some(format!(
        "{what} came with PostgreSQL {since}, and this one is {}: if production runs {since}, judge on it, with \
         `postgres = \"{since}\"` under [engine] in migd.toml",
        error.server
    ))
}

fn known(error: &ServerError, statement: &str) -> Option<(String, u32)> {
    let message = error.message.to_lowercase();
    if let Some(function) = missing_function(&message) {
        let of = |(_, names): &&(u32, &[&str])| names.contains(&function);
        return FUNCTIONS.iter().find(of).map(|(since, _)| (format!("{function}()"), *since));
    }
    if message.starts_with("constraint \"") && message.contains("_not_null\" ") && message.ends_with(" does not exist")
    {
        return Some(("the name of a NOT NULL (`TABLE_COLUMN_not_null`)".to_owned(), 18));
    }
    let words: Vec<&str> = statement.split_whitespace().collect();
    let statement = words.join(" ").to_lowercase();
    let says = |known: &str| match known.strip_suffix('_') {
        Some(start) => message.starts_with(start),
        None => message == known,
    };
    let found = GRAMMAR.iter().find(|(said, has, _, _)| says(said) && statement.contains(has));
    if let Some((_, _, since, what)) = found {
        return Some(((*what).to_owned(), *since));
    }
    // After a comma or a parenthesis, and not within the definition of a column.
    let required = || Regex::new(r#"(?:[(,]\s*|\badd )constraint (?:\w+|"[^"]+") not null [\w"]"#).ok();
    if message == "syntax error at or near \"not\"" && required().is_some_and(|pattern| pattern.is_match(&statement)) {
        return Some(("NOT NULL as a constraint of a table".to_owned(), 18));
    }
    // `a int GENERATED ALWAYS AS (b * 2)`, and then the end of the column.
    let ends = ["syntax error at or near \",\"", "syntax error at or near \")\"", "syntax error at end of input"];
    let stored = statement.matches("generated always as (").count() > statement.matches(" stored").count();
    (ends.contains(&message.as_str()) && stored).then(|| ("a generated column without STORED".to_owned(), 18))
}

/// The name of the function that `message` says is not there.
fn missing_function(message: &str) -> Option<&str> {
    let call = message.strip_prefix("function ")?.strip_suffix(" does not exist")?;
    let name = call.split('(').next()?;
    Some(name.strip_prefix("pg_catalog.").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::advice;
    use crate::trace::ServerError;

    fn said(server: &str, message: &str, statement: &str) -> Option<String> {
        let (server, message) = (server.to_owned(), message.to_owned());
        advice(&ServerError { server, message, ..ServerError::default() }, statement)
    }

    #[test]
    fn a_function_that_came_later_is_told_with_its_version() {
        let statement = "ALTER TABLE t ALTER id SET DEFAULT uuidv7()";
        let help = said("15.18", "function uuidv7() does not exist", statement).unwrap();
        assert!(help.starts_with("uuidv7() came with PostgreSQL 18, and this one is 15.18"), "{help}");
        assert_eq!(said("18.1", "function uuidv7(text) does not exist", statement), None, "the server knows it");
        assert_eq!(said("15.18", "function app.uuidv7() does not exist", statement), None, "somebody else's");
        assert_eq!(said("15.18", "function uuid_generate_v7() does not exist", statement), None, "an extension's");
        assert_eq!(said("15.18", "function json_object(integer) does not exist", statement), None, "as old as json");
    }

    #[test]
    fn a_not_null_has_a_name_from_eighteen_on() {
        let message = "constraint \"jobs_status_not_null\" for table \"jobs\" does not exist";
        let statement = "ALTER TABLE jobs RENAME CONSTRAINT jobs_status_not_null TO jobs_state_not_null";
        assert!(said("15.18", message, statement).unwrap().contains("PostgreSQL 18"));
        assert_eq!(said("18.1", message, statement), None, "it would have one");
        assert_eq!(said("15.18", "constraint \"jobs_check\" for table \"jobs\" does not exist", statement), None);
    }

    #[test]
    fn grammar_that_came_later_is_told_where_the_server_stumbled_over_it() {
        let unique = "CREATE UNIQUE INDEX ON t (a)\n  NULLS\n  NOT DISTINCT";
        assert!(said("14.9", "syntax error at or near \"NULLS\"", unique).unwrap().contains("PostgreSQL 15"));
        assert_eq!(said("14.9", "syntax error at or near \"INDXE\"", unique), None, "another mistake");
        let generated = "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2), c int)";
        assert!(said("17.5", "syntax error at or near \",\"", generated).unwrap().contains("PostgreSQL 18"));
        let stored = "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED,, c int)";
        assert_eq!(said("17.5", "syntax error at or near \",\"", stored), None);
        let near_not = "syntax error at or near \"NOT\"";
        for newer in [
            "ALTER TABLE t ADD CONSTRAINT a_there NOT NULL a",
            "ALTER TABLE t ADD NOT NULL a NOT VALID",
            "CREATE TABLE t (a int, CONSTRAINT a_there NOT NULL a, b int)",
        ] {
            assert!(said("17.5", near_not, newer).unwrap().contains("PostgreSQL 18"), "{newer}");
        }
        assert_eq!(said("17.5", near_not, "CREATE TABLE t (a int CONSTRAINT a_there NOT NULL, b NOT NULL)"), None);
        assert!(said("15.1", "subquery in FROM must have an alias", "SELECT * FROM (SELECT 1)").is_some());
    }
}
