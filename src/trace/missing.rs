//! What a statement does not find, and another schema has.

use super::ServerError;
use crate::engine::session::Session;
use crate::sql::identifier;

/// So many schemas are told.
const TOLD: i64 = 4;

/// The kinds of things that are looked up by name, as the server begins to say that one is missing, with the catalog, its
/// column of names and its column of schemas.
const KINDS: &[(&str, &str, &str)] = &[
    ("relation ", "pg_class", "rel"),
    ("type ", "pg_type", "typ"),
    ("function ", "pg_proc", "pro"),
    ("procedure ", "pg_proc", "pro"),
];

/// The schemas that have something of the name that `error` says is missing, as they were before the migration.
pub(super) async fn elsewhere(observer: &Session, error: &ServerError) -> Vec<String> {
    let Some((catalog, column, names)) = wanted(error) else { return Vec::new() };
    let sql = format!(
        "SELECT DISTINCT n.nspname::pg_catalog.text FROM pg_catalog.{catalog} o
             JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.{column}namespace
         WHERE o.{column}name::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])
           AND n.nspname::pg_catalog.text OPERATOR(pg_catalog.!~) '^(pg_|information_schema$)' ORDER BY 1 LIMIT $2"
    );
    let rows = observer.client().query(&sql, &[&names, &TOLD]).await.unwrap_or_default();
    rows.iter().map(|row| identifier(row.get(0))).collect()
}

/// The catalog, the beginning of its columns' names, and what the missing thing may be called without its schema.
fn wanted(error: &ServerError) -> Option<(&'static str, &'static str, Vec<String>)> {
    if !matches!(error.sqlstate.as_str(), "42P01" | "42704" | "42883") {
        return None;
    }
    let said = error.message.strip_suffix(" does not exist")?;
    let (kind, catalog, column) = KINDS.iter().find(|(kind, ..)| said.starts_with(kind))?;
    let named = said.strip_prefix(kind)?;
    let name = match named.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted,
        // `shop.total(integer, text)`
        None => named.split_once('(').map_or(named, |(name, _)| name),
    };
    let name = name.trim_end_matches("[]");
    // What the server shows in quotes may have a schema, and may have a dot of its own.
    let bare = name.rsplit_once('.').map_or(name, |(_, bare)| bare);
    let mut names = vec![name.to_owned()];
    names.extend((bare != name).then(|| bare.to_owned()));
    Some((catalog, column, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_is_missing_is_read_from_the_servers_words() {
        let names = |sqlstate: &str, message: &str| {
            let error =
                ServerError { sqlstate: sqlstate.to_owned(), message: message.to_owned(), ..ServerError::default() };
            wanted(&error).map(|(catalog, _, names)| format!("{catalog} {}", names.join(" ")))
        };
        assert_eq!(names("42P01", "relation \"users\" does not exist").as_deref(), Some("pg_class users"));
        assert_eq!(names("42P01", "relation \"a.users\" does not exist").as_deref(), Some("pg_class a.users users"));
        assert_eq!(names("42704", "type \"mood[]\" does not exist").as_deref(), Some("pg_type mood"));
        assert_eq!(names("42704", "type mood does not exist").as_deref(), Some("pg_type mood"));
        let function = "function uuid_generate_v4() does not exist";
        assert_eq!(names("42883", function).as_deref(), Some("pg_proc uuid_generate_v4"));
        assert_eq!(names("42704", "role \"x\" does not exist"), None);
        assert_eq!(names("42501", "relation \"x\" does not exist"), None);
    }
}
