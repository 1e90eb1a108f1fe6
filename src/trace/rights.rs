//! Runs a statement with an administrator's rights, which [`elevate`] has found to be harmless.
//!
//! PostgreSQL gives rights to roles, not to sessions: while the owner role has them, it has them in every session on the
//! server. So nothing else may run as that role meanwhile: a function of another migration's would have them too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

use super::apply::{Bench, Ended, Error, Limits, Steps, Stop, execute, execute_one};
use super::elevate::{self, Reserved, Trust};
use super::extensions;
use crate::engine::session::describe;

/// Makes a session notice that its role has other rights now. Within a transaction only the name of a relation does.
const NOTICE: &str = "SELECT FROM pg_catalog.pg_class LIMIT 0";
/// How long a session that is ended may take to leave.
const LEAVING: Duration = Duration::from_secs(5);
/// Ends what runs as the role `$1` in other sessions than `$2`, and says how many do.
const STRAYS: &str = "
    SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(a.pid))
    FROM pg_catalog.pg_stat_activity a
    WHERE a.usename OPERATOR(pg_catalog.=) $1::pg_catalog.text::pg_catalog.name
      AND a.pid OPERATOR(pg_catalog.<>) $2
      AND a.state OPERATOR(pg_catalog.!~) '^idle'";

/// Waits until nobody shares `lock`, and keeps it so until what is given back is dropped.
pub(super) async fn alone(lock: &Arc<RwLock<()>>, limits: &Limits) -> Result<OwnedRwLockWriteGuard<()>, Stop> {
    tokio::select! {
        held = Arc::clone(lock).write_owned() => Ok(held),
        () = tokio::time::sleep_until(limits.deadline.into()) => Err(Stop::Broken(Error::Deadline)),
        () = limits.halt.cancelled() => Err(Stop::Broken(Error::Deadline)),
    }
}

/// Waits until nothing runs as `role` but what this bench does, and keeps it so until what is given back is dropped.
async fn only_owner(bench: Bench<'_>, role: &str) -> Result<OwnedRwLockWriteGuard<()>, Stop> {
    let Bench { runner, observer, limits } = bench;
    let owners = alone(&limits.beside.owners, limits).await?;
    // Nobody waits any more for what is still on its way: a search that was given up, a judgement that was ended.
    let began = Instant::now();
    loop {
        let row = observer.client().query_one(STRAYS, &[&role, &runner.pid()]).await;
        let left: i64 = row.map_err(|error| Stop::Broken(Error::Lost(describe(&error))))?.get(0);
        if left == 0 {
            return Ok(owners);
        }
        if began.elapsed() > LEAVING {
            return Err(Stop::Broken(Error::Lost("another session of the migrations' role does not end".to_owned())));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Steps<'_> {
    /// Runs one statement while the owner role has the rights that PostgreSQL wants for it. Event triggers are the
    /// migration's own programs: they are silent meanwhile, and where there are some that would not be, nothing is run.
    pub(super) async fn with_rights(
        &mut self,
        text: &str,
        reserved: &Reserved,
    ) -> Result<Option<Result<u64, Ended>>, Stop> {
        let Bench { runner, observer, limits } = self.bench;
        let lost = |error: tokio_postgres::Error| Stop::Broken(Error::Lost(describe(&error)));
        // In the migration's session, which sees what its transaction has made: no name here may be looked up.
        let sql =
            "SELECT session_user::pg_catalog.text, pg_catalog.current_setting('session_replication_role'), EXISTS (
                       SELECT FROM pg_catalog.pg_event_trigger
                       WHERE evtenabled OPERATOR(pg_catalog.=) ANY ('{A,R}'::pg_catalog.\"char\"[])),
                   EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid
                       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid OPERATOR(pg_catalog.=) p.oid
                           AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog.\"char\")),
                   pg_catalog.current_setting('server_version_num')::pg_catalog.int4";
        let row = runner.client().query_one(sql, &[]).await.map_err(lost)?;
        let (role, replication): (String, String) = (row.get(0), row.get(1));
        if row.get(2) {
            return Ok(None);
        }
        if let Some(extension) = &reserved.extension {
            let mut all = vec![extension.clone()];
            if reserved.cascade {
                all = extensions::needed(observer, extension).await.map_err(lost)?;
                // Only the one that is named has its wrapper taken away.
                if all.iter().any(|other| other != extension && elevate::wrapper(other).is_some()) {
                    return Ok(None);
                }
            }
            let functions: bool = row.get(3);
            let fine = |name: &String| match elevate::trust(name, limits.elevate) {
                Trust::Anywhere => true,
                Trust::Early => !functions,
                Trust::Nowhere => false,
            };
            if !all.iter().all(fine) {
                return Ok(None);
            }
        }
        let alone = only_owner(self.bench, &role).await?;
        let role = role.replace('"', "\"\"");
        let admin: String = observer.client().query_one("SELECT session_user::text", &[]).await.map_err(lost)?.get(0);
        limits.beside.lend_rights(alone);
        observer.client().batch_execute(&format!("ALTER ROLE \"{role}\" SUPERUSER")).await.map_err(lost)?;
        let mut outcome = self.supervised(execute(runner, NOTICE)).await;
        if !reserved.sets && outcome.is_ok() {
            outcome = self.supervised(execute(runner, "SET session_replication_role = replica")).await;
        }
        if outcome.is_ok() {
            outcome = self.supervised(execute_one(runner, text)).await;
        }
        // As the role that makes another one has it, since 16 only of those that it has made itself.
        if let Some(made) = reserved.role.as_ref().filter(|_| outcome.is_ok() && row.get::<_, i32>(4) >= 160_000) {
            let grant = format!("GRANT {made} TO \"{role}\" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE");
            outcome = self.supervised(execute(runner, &grant)).await;
        }
        if let Some(wrapper) = reserved.extension.as_deref().and_then(elevate::wrapper).filter(|_| outcome.is_ok()) {
            let admin = admin.replace('"', "\"\"");
            let take = format!("ALTER FOREIGN DATA WRAPPER {wrapper} OWNER TO \"{admin}\"");
            outcome = self.supervised(execute(runner, &take)).await;
        }
        if !reserved.sets {
            // Fails in a transaction that has failed, whose end does the same.
            let _ = execute(runner, &format!("SET session_replication_role = {replication}")).await;
        }
        observer.client().batch_execute(&format!("ALTER ROLE \"{role}\" NOSUPERUSER")).await.map_err(lost)?;
        // A transaction that has failed runs nothing before its end, and notices then.
        let _ = execute(runner, NOTICE).await;
        limits.beside.taken_back();
        Ok(Some(outcome))
    }
}
