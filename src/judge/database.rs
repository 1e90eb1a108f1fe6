//! What a migration says of its database itself: rights on it, settings and comments are in no schema, and clones do not
//! inherit them.

use std::collections::BTreeSet;

use super::Error;
use crate::catalog::{Change, Difference, Grade};
use crate::engine::session::{Session, describe};
use crate::layout::Migration;

/// One fact about the database: what it is, and whether statements behave otherwise without it.
type Fact = (String, bool);

/// What there is to be said of the database; none where the migration has no word of it.
pub(super) async fn facts(observer: &Session, migration: &Migration) -> Result<Option<BTreeSet<Fact>>, Error> {
    let sources = [Some(&migration.up), migration.down.as_ref()].into_iter().flatten();
    let says = |text: &str| ["database", " owned "].iter().any(|word| text.to_ascii_lowercase().contains(word));
    if !sources.map(|source| &source.text[source.body.clone()]).any(says) {
        return Ok(None);
    }
    // The owner's own rights go with the owner.
    let sql = "WITH own AS (SELECT * FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        SELECT pg_catalog.format('right %s for %s%s', a.privilege_type,
                CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END,
                CASE WHEN a.is_grantable THEN ' with grant option' ELSE '' END), true
            FROM own, pg_catalog.aclexplode(coalesce(own.datacl, pg_catalog.acldefault('d', own.datdba))) a
            WHERE a.grantee <> own.datdba
        UNION ALL SELECT pg_catalog.format('setting %s%s', c.setting, CASE WHEN s.setrole = 0 THEN ''
                ELSE ' for ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(s.setrole)) END), true
            FROM own JOIN pg_catalog.pg_db_role_setting s ON s.setdatabase = own.oid, unnest(s.setconfig) c (setting)
        UNION ALL SELECT pg_catalog.format('owner %s', pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(own.datdba))), true
            FROM own
        UNION ALL SELECT pg_catalog.format('connection limit %s', own.datconnlimit), false FROM own
        UNION ALL SELECT pg_catalog.format('comment %L', pg_catalog.shobj_description(own.oid, 'pg_database')), false
            FROM own WHERE pg_catalog.shobj_description(own.oid, 'pg_database') IS NOT NULL";
    let rows = observer.client().query(sql, &[]).await.map_err(|error| Error::Lost(describe(&error)))?;
    Ok(Some(rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
}

/// How the database is another one `after` than `before`.
pub(super) fn differences(before: &BTreeSet<Fact>, after: &BTreeSet<Fact>) -> Vec<Difference> {
    let difference = |(fact, behaves): &Fact, change, what: &str| {
        let object = format!("the database's {fact}");
        Difference {
            grade: if *behaves { Grade::Behaviour } else { Grade::Cosmetic },
            words: format!("{object}: {what}"),
            object,
            change,
            defaults: None,
        }
    };
    let gone = before.difference(after).map(|fact| difference(fact, Change::Missing, "missing"));
    let new = after.difference(before).map(|fact| difference(fact, Change::Added, "left behind"));
    gone.chain(new).collect()
}
