//! Which catalogs have been written to, by the server's own counts: a copied database has none yet.
//!
//! A session's first reading of every catalog takes the server 15 ms, most of it for learning what the catalogs are. Who has
//! to wait for that reads the few that a migration has written to. The counts are those of `pg_stat_sys_tables`: every row of
//! a catalog that is inserted, updated or deleted is counted, whether its transaction ends well or not; a row that is
//! overwritten in place is not, but keeps its version, too. From 15 on they are there as soon as the session that wrote has
//! given them away ([`flush`]); a superuser could turn them off or put them back, so they say nothing of what ran as one.

use std::collections::BTreeSet;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::Error;
use super::sections::Version;
use super::sources::{For, SOURCES};

/// The catalogs by the names that sources have for them.
const CATALOGS: &[(&str, u32)] = &[
    ("pg_default_acl", 826),
    ("pg_type", 1247),
    ("pg_attribute", 1249),
    ("pg_proc", 1255),
    ("pg_class", 1259),
    ("pg_foreign_server", 1417),
    // What the view of that name is made of.
    ("pg_user_mappings", 1417),
    ("pg_user_mappings", 1418),
    ("pg_sequence", 2224),
    ("pg_foreign_data_wrapper", 2328),
    ("pg_aggregate", 2600),
    ("pg_am", 2601),
    ("pg_amop", 2602),
    ("pg_amproc", 2603),
    ("pg_attrdef", 2604),
    ("pg_cast", 2605),
    ("pg_constraint", 2606),
    ("pg_conversion", 2607),
    ("pg_depend", 2608),
    ("pg_description", 2609),
    ("pg_index", 2610),
    ("pg_inherits", 2611),
    ("pg_language", 2612),
    ("pg_namespace", 2615),
    ("pg_opclass", 2616),
    ("pg_operator", 2617),
    ("pg_rewrite", 2618),
    ("pg_trigger", 2620),
    ("pg_opfamily", 2753),
    ("pg_extension", 3079),
    ("pg_foreign_table", 3118),
    ("pg_policy", 3256),
    ("pg_partitioned_table", 3350),
    ("pg_statistic_ext", 3381),
    ("pg_collation", 3456),
    ("pg_event_trigger", 3466),
    ("pg_enum", 3501),
    ("pg_range", 3541),
    ("pg_transform", 3576),
    ("pg_ts_dict", 3600),
    ("pg_ts_parser", 3601),
    ("pg_ts_config", 3602),
    ("pg_ts_config_map", 3603),
    ("pg_ts_template", 3764),
    ("pg_publication", 6104),
    ("pg_publication_rel", 6106),
    ("pg_publication_namespace", 6237),
];

/// What most migrations write to: ready before it is known.
const LIKELY: &[u32] = &[1247, 1249, 1259, 2604, 2606, 2608, 2610];

/// The catalogs by the server's names.
pub(super) fn catalogs() -> impl Iterator<Item = (&'static str, u32)> {
    let of_a_view = |name: &str| name == "pg_user_mappings";
    CATALOGS.iter().copied().filter(move |(name, _)| !of_a_view(name))
}

/// Whether a server of this version tells at once what was written.
pub(super) fn is_told(version: Version) -> bool {
    version.major >= 15
}

/// Has a session give away what it has counted; whether it counts. To be called in every session that has written, before the
/// counts are read.
pub async fn flush(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let sql = "select pg_catalog.current_setting('track_counts'), pg_catalog.pg_stat_force_next_flush()";
    let said = client.simple_query(sql).await?;
    Ok(said.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("on"))))
}

/// The sources whose catalogs have been written to in this database, and those of which that cannot be told.
pub(super) async fn sources(client: &Client) -> Result<BTreeSet<usize>, Error> {
    let oids: Vec<String> = CATALOGS.iter().map(|(_, oid)| oid.to_string()).collect();
    let sql = format!(
        "select o from pg_catalog.unnest('{{{}}}'::oid[]) o where pg_catalog.pg_stat_get_tuples_inserted(o) \
         + pg_catalog.pg_stat_get_tuples_updated(o) + pg_catalog.pg_stat_get_tuples_deleted(o) > 0 \
         or (select pg_catalog.pg_stat_get_db_stat_reset_time(d.oid) from pg_catalog.pg_database d \
             where d.datname = pg_catalog.current_database()) is not null",
        oids.join(",")
    );
    let mut written = BTreeSet::new();
    for message in client.simple_query(&sql).await? {
        if let SimpleQueryMessage::Row(row) = message {
            written.insert(row.get(0).and_then(|oid| oid.parse().ok()).ok_or(Error::Form("catalog"))?);
        }
    }
    Ok(of(&written))
}

/// The sources that most migrations change.
pub(super) fn likely() -> BTreeSet<usize> {
    of(&LIKELY.iter().copied().collect())
}

/// The sources that read one of these catalogs. Roles are the cluster's, whose counts go on from one database to the next.
fn of(written: &BTreeSet<u32>) -> BTreeSet<usize> {
    let reads = |text: &str| {
        let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        CATALOGS.iter().any(|(name, oid)| words.contains(name) && written.contains(oid))
    };
    let sources = SOURCES.iter().enumerate();
    sources.filter(|(_, source)| source.rows == For::Roles || reads(source.from)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_but_the_roles_has_its_catalogs_among_these() {
        let nothing = of(&BTreeSet::new());
        let all = of(&CATALOGS.iter().map(|(_, oid)| *oid).collect());
        assert_eq!((nothing.len(), all.len()), (1, SOURCES.len()));
    }
}
