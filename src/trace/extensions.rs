//! What a server knows of extensions, and what stands in for those that it lacks.

use super::elevate;
use crate::engine::session::Session;

/// An extension and all that it needs, as far as the server has them.
pub(super) async fn needed(observer: &Session, extension: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let sql = "WITH RECURSIVE needed AS (
                   SELECT $1::text COLLATE \"C\" AS name UNION
                   SELECT r::text COLLATE \"C\" FROM needed n JOIN pg_available_extension_versions v ON v.name::text = n.name,
                       unnest(v.requires) r)
               SELECT name FROM needed";
    let rows = observer.client().query(sql, &[&extension]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Whether the schema before the first migration has what an extension brings, for servers that do not have it.
pub(super) async fn stand_in(observer: &Session, extension: &str) -> Result<bool, tokio_postgres::Error> {
    let sql = "SELECT description FROM pg_catalog.pg_description
               WHERE classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass";
    let rows = observer.client().query(sql, &[]).await?;
    let comments: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok(elevate::stands_in(&comments, extension))
}
