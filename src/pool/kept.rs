//! Templates that outlive their server: a cluster is stopped with the foremost of them in it and put away, and the next start
//! has them without building a chain.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use blake3::Hash;
use serde::{Deserialize, Serialize};

use super::databases::Owner;
use super::roles::Shared;
use super::{Error, Pool, Template, roles};
use crate::catalog::{Snapshot, Stored};
use crate::engine::session::Session;
use crate::engine::{self, Luggage};

/// How many templates are kept, and how many bytes their databases may have together.
const MOST: usize = 4;
const MOST_BYTES: i64 = 64 << 20;
/// How long after it was built a template is taken for what its chain makes: a chain may depend on the day.
const GOOD_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long putting the databases in order may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of the databases of a cluster that is put away.
#[derive(Serialize, Deserialize)]
struct Contents {
    /// The build of migd that wrote it.
    build: String,
    /// What an extension is made of, wherever it is installed: folders, and what tells them from what they are after an upgrade.
    installed: Vec<(PathBuf, Option<String>)>,
    baseline: Shared,
    templates: Vec<KeptTemplate>,
    /// In the order of the templates.
    snapshots: Stored,
}

#[derive(Serialize, Deserialize)]
struct KeptTemplate {
    prefix: String,
    database: String,
    shared: Shared,
    built: SystemTime,
    /// A clone of it.
    spare: Option<String>,
}

impl Pool {
    /// Puts the databases in order for their server to be stopped and put away, and says what is in them. None when there is
    /// nothing worth keeping, or nothing but what was kept already. Whoever still judges here loses its server.
    pub async fn keep(&self, build: &str) -> Option<Luggage> {
        if self.engine.info().shared {
            return None;
        }
        match tokio::time::timeout(PATIENCE, self.put_in_order(build)).await {
            Ok(Ok(luggage)) => luggage,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the templates are not kept");
                None
            }
            Err(_) => {
                tracing::warn!("the templates are not kept: it took too long");
                None
            }
        }
    }

    async fn put_in_order(&self, build: &str) -> Result<Option<Luggage>, Error> {
        self.sealed().await;
        let (templates, baseline) = {
            let state = self.state();
            let Some(baseline) = state.baseline.clone() else { return Ok(None) };
            let known = |(hash, template): (&Hash, &Template)| {
                (state.foremost == Some(*hash), template.used, *hash, template.as_kept())
            };
            let lasting = state.templates.iter().filter(|(_, template)| !template.passing);
            let mut templates: Vec<_> = lasting.map(known).collect();
            templates.sort_unstable_by_key(|(foremost, used, ..)| std::cmp::Reverse((*foremost, *used)));
            (templates, baseline)
        };
        let databases: Vec<String> = templates.iter().map(|(.., (database, ..))| database.clone()).collect();
        let size = "SELECT datname::text, pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database
                    WHERE datname::text = ANY ($1)";
        let sizes = async |admin: &Session| admin.client().query(size, &[&databases]).await;
        let sizes = self.with(&self.dropper, sizes, "measure databases").await?;
        let size_of =
            |name: &str| sizes.iter().find(|row| row.get::<_, &str>(0) == name).map(|row| row.get::<_, i64>(1));
        let installed = self.installed().await?;
        let upgraded = installed.iter().filter_map(|(folder, _)| engine::changed(folder)).max();
        let (mut kept, mut snapshots, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (_, _, prefix, (database, snapshot, shared, built)) in templates {
            let Some(size) = size_of(&database).filter(|size| bytes + size <= MOST_BYTES) else { continue };
            if kept.len() < MOST && is_good(built, upgraded) {
                bytes += size;
                snapshots.push(snapshot);
                kept.push(KeptTemplate {
                    prefix: prefix.to_hex().to_string(),
                    database,
                    shared: (*shared).clone(),
                    built,
                    spare: None,
                });
            }
        }
        let names: Vec<&str> = kept.iter().map(|template| template.database.as_str()).collect();
        let as_before = {
            let restored = &self.state().restored;
            restored.len() == names.len() && names.iter().all(|name| restored.contains(*name))
        };
        if names.is_empty() || as_before {
            return Ok(None);
        }
        self.leave_only(&names, &baseline, kept.iter().map(|template| &template.shared)).await?;
        if let Some(first) = kept.first_mut() {
            // The first judgement then need not wait for one.
            first.spare = Some(self.create_now(&first.database, Owner::Admin).await?);
        }
        let snapshots = Stored::of(snapshots.iter().map(|snapshot| &**snapshot));
        let (build, baseline) = (build.to_owned(), (*baseline).clone());
        let contents = Contents { build, installed, baseline, templates: kept, snapshots };
        let numbers = "SELECT oid FROM pg_catalog.pg_database";
        let numbered = async |admin: &Session| admin.client().query(numbers, &[]).await;
        let databases = self.with(&self.dropper, numbered, "list databases").await?;
        let databases = databases.iter().map(|row| row.get(0)).collect();
        Ok(serde_json::to_vec(&contents).ok().map(|contents| Luggage { contents, databases }))
    }

    /// Has the server forget all databases but these, and all roles that neither they nor the `baseline` know. Dropping a
    /// database would take a checkpoint for each; the files of those that it has forgotten are left behind when it is put away.
    async fn leave_only<'a>(
        &self,
        names: &[&str],
        baseline: &Shared,
        shared: impl Iterator<Item = &'a Shared>,
    ) -> Result<(), Error> {
        self.shut_out().await?;
        let gone = self.own_databases().await?.into_iter();
        let gone: Vec<String> = gone.filter(|name| !names.contains(&name.as_str())).collect();
        let forgotten = async |admin: &Session| forget(admin, &gone).await;
        self.with(&self.dropper, forgotten, "forget databases").await?;
        self.drop_strangers().await?;
        let known = shared.flat_map(Shared::oids).chain(baseline.oids()).collect();
        let tidied = async |admin: &Session| {
            roles::arrange(admin, None, baseline, &self.beside).await?;
            roles::tidy(admin, &known).await?;
            // Every database that was made and every judgement left dead rows in what databases share.
            let vacuum = ["pg_database", "pg_authid", "pg_auth_members", "pg_shdepend", "pg_db_role_setting"];
            for catalog in vacuum {
                admin.client().batch_execute(&format!("VACUUM pg_catalog.{catalog}")).await?;
            }
            Ok(())
        };
        self.with(&self.dropper, tidied, "put roles in order").await
    }

    /// Ends all sessions in migd's databases and lets nobody in any more: a session in a database that is forgotten would take
    /// the server down.
    async fn shut_out(&self) -> Result<(), Error> {
        let prefix = &self.engine.info().database_prefix;
        let close = format!(
            "BEGIN; SET LOCAL allow_system_table_mods = on;
             UPDATE pg_catalog.pg_database SET datallowconn = false WHERE starts_with(datname::text, '{prefix}') AND datallowconn;
             COMMIT"
        );
        let close = async |admin: &Session| admin.client().batch_execute(&close).await;
        self.with(&self.dropper, close, "close databases").await?;
        let count = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE starts_with(datname::text, $1)";
        let mut quiet = 0;
        // One that was on its way in shows up a little later. The whole has its bound.
        while quiet < 3 {
            self.end_sessions().await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
            let counted = async |admin: &Session| admin.client().query_one(count, &[prefix]).await;
            let left: i64 = self.with(&self.dropper, counted, "list sessions").await?.get(0);
            quiet = if left == 0 { quiet + 1 } else { 0 };
        }
        Ok(())
    }

    /// Where the server has its extensions, and what these folders are now.
    async fn installed(&self) -> Result<Vec<(PathBuf, Option<String>)>, Error> {
        let sql = "SELECT setting, name::text FROM pg_catalog.pg_config WHERE name IN ('SHAREDIR', 'PKGLIBDIR')";
        let asked = async |admin: &Session| admin.client().query(sql, &[]).await;
        let rows = self.with(&self.dropper, asked, "say where extensions are").await?;
        let folder = |row: &tokio_postgres::Row| {
            let folder = Path::new(row.get::<_, &str>(0));
            if row.get::<_, &str>(1) == "SHAREDIR" { folder.join("extension") } else { folder.to_owned() }
        };
        Ok(rows.iter().map(folder).map(|path| (path.clone(), engine::mark(&path))).collect())
    }

    /// Has the templates that [`Pool::keep`] wrote down and that still are what they were. When none of it can be used, all that was
    /// put away is dropped.
    pub async fn restore(self: &Arc<Self>, contents: &[u8], build: &str) -> Result<(), Error> {
        let read = serde_json::from_slice::<Contents>(contents).ok();
        let same = |(path, mark): &(PathBuf, Option<String>)| engine::mark(path) == *mark;
        let valid = read.filter(|contents| contents.build == build && contents.installed.iter().all(same));
        let restored = valid.and_then(|contents| {
            let snapshots = contents.snapshots.snapshots()?;
            (snapshots.len() == contents.templates.len()).then_some((contents.baseline, contents.templates, snapshots))
        });
        let Some((baseline, templates, snapshots)) = restored else {
            tracing::info!("what was put away is of another build, or an extension has been upgraded");
            return self.sweep().await;
        };
        tracing::info!(templates = templates.len(), "the templates of an earlier server are there");
        let mut state = self.state();
        state.baseline = Some(Arc::new(baseline));
        state.untouched = state.baseline.clone();
        for (template, snapshot) in templates.into_iter().zip(snapshots) {
            let KeptTemplate { prefix, database, shared, built, spare } = template;
            let Ok(prefix) = Hash::from_hex(&prefix) else { continue };
            state.restored.insert(database.clone());
            // One that is too old is left where it is: what is put away next is without it.
            if is_good(built, None) {
                let template = Template::new(database, Arc::new(snapshot), Arc::new(shared), built);
                state.templates.insert(prefix, Template { spare, ..template });
            }
        }
        Ok(())
    }
}

/// Whether a template that was `built` then is what its chain makes today, when what is installed was last `upgraded` at that time.
fn is_good(built: SystemTime, upgraded: Option<SystemTime>) -> bool {
    built.elapsed().is_ok_and(|age| age < GOOD_FOR) && upgraded.is_none_or(|upgraded| upgraded < built)
}

/// Removes what a server knows of these databases, which it is not to use any more.
async fn forget(admin: &Session, databases: &[String]) -> Result<(), tokio_postgres::Error> {
    if databases.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = databases.iter().map(|name| format!("'{}'", name.replace('\'', "\'\'"))).collect();
    let names = names.join(", ");
    let sql = format!(
        "BEGIN;
         SET LOCAL allow_system_table_mods = on;
         SET LOCAL standard_conforming_strings = on;
         CREATE TEMP TABLE migd_gone ON COMMIT DROP AS
             SELECT oid FROM pg_catalog.pg_database WHERE datname IN ({names});
         DELETE FROM pg_catalog.pg_db_role_setting WHERE setdatabase IN (SELECT oid FROM migd_gone);
         DELETE FROM pg_catalog.pg_shdescription
             WHERE classoid = 'pg_catalog.pg_database'::regclass AND objoid IN (SELECT oid FROM migd_gone);
         DELETE FROM pg_catalog.pg_shdepend WHERE dbid IN (SELECT oid FROM migd_gone)
             OR (classid = 'pg_catalog.pg_database'::regclass AND objid IN (SELECT oid FROM migd_gone));
         DELETE FROM pg_catalog.pg_database WHERE oid IN (SELECT oid FROM migd_gone);
         COMMIT"
    );
    let outcome = admin.client().batch_execute(&sql).await;
    if outcome.is_err() {
        admin.client().batch_execute("ROLLBACK").await?;
    }
    outcome
}

impl Template {
    fn as_kept(&self) -> (String, Arc<Snapshot>, Arc<Shared>, SystemTime) {
        (self.database.clone(), Arc::clone(&self.snapshot), Arc::clone(&self.shared), self.built)
    }

    /// One that nobody has used yet.
    pub(super) fn new(database: String, snapshot: Arc<Snapshot>, shared: Arc<Shared>, built: SystemTime) -> Template {
        Template {
            database,
            snapshot,
            shared,
            notes: Arc::default(),
            built,
            used: Instant::now(),
            ready: VecDeque::new(),
            spare: None,
            coming: 0,
            passing: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_good_for_a_week_and_until_an_extension_is_upgraded() {
        let ago = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 3600);
        assert!(is_good(ago(1), None));
        assert!(is_good(ago(1), Some(ago(2))));
        assert!(!is_good(ago(2), Some(ago(1))), "it has the extension as it was before");
        assert!(!is_good(ago(24 * 8), Some(ago(24 * 9))));
        let clock_was_put_back = SystemTime::now() + Duration::from_secs(3600);
        assert!(!is_good(clock_was_put_back, None));
    }
}
