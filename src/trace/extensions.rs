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

/// The tables of what stands in for an extension that the server does not have; none where nothing does.
pub(super) async fn stand_in(
    observer: &Session,
    extension: &str,
) -> Result<Option<Vec<String>>, tokio_postgres::Error> {
    let sql = "SELECT d.description, d.objoid FROM pg_catalog.pg_description d
               WHERE d.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass";
    let rows = observer.client().query(sql, &[]).await?;
    let stands = |row: &&tokio_postgres::Row| elevate::stands_in(&[row.get(0)], extension);
    let standing: Vec<&tokio_postgres::Row> = rows.iter().filter(stands).collect();
    if standing.is_empty() {
        return Ok(None);
    }
    // Where a schema has what several bring, nobody knows whose a table is.
    let is_alone = |row: &&&tokio_postgres::Row| !row.get::<_, &str>(0).contains(',');
    let schemas: Vec<u32> = standing.iter().filter(is_alone).map(|row| row.get(1)).collect();
    let sql = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
               FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
               WHERE n.oid OPERATOR(pg_catalog.=) ANY ($1) AND c.relkind IN ('r', 'p') ORDER BY 1";
    let rows = observer.client().query(sql, &[&schemas]).await?;
    Ok(Some(rows.iter().map(|row| row.get(0)).collect()))
}
