//! Engines against real servers. Each test has its own owner and folders, so they run side by side.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod auto;
mod container;
mod kept;
mod local;
mod url;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use migd::config;
use migd::engine::{self, Engine, Environment, Place, Role};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

/// A place of its own for one test; what is left of it goes at the end.
pub(crate) struct Scratch {
    pub(crate) place: Place,
    _folders: Vec<tempfile::TempDir>,
}

impl Scratch {
    /// With what earlier tests have initialised.
    pub(crate) fn new() -> Scratch {
        let mut scratch = Scratch::fresh();
        scratch.place.state = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("state");
        scratch
    }

    /// As on a machine that has never seen migd.
    pub(crate) fn fresh() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (runtime, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let owner = format!("t{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let env = Environment { path: Some("/usr/local/bin:/usr/bin:/bin".into()), ..Environment::default() };
        let place = Place { runtime: runtime.path().to_owned(), state: state.path().to_owned(), owner, env };
        Scratch { place, _folders: vec![runtime, state] }
    }

    /// Starts an engine and prints how long it took.
    pub(crate) async fn start(&self, config: &config::Engine) -> Arc<dyn Engine> {
        self.try_start(config).await.unwrap_or_else(|error| panic!("{error} ({}; {})", error.code(), error.help()))
    }

    pub(crate) async fn try_start(&self, config: &config::Engine) -> Result<Arc<dyn Engine>, engine::Error> {
        let begin = Instant::now();
        let progress: engine::Progress = Arc::new(|line: &str| println!("  {line}"));
        let engine = engine::start(config, &self.place, &progress).await?;
        let info = engine.info();
        let how = if info.adopted { "taken over" } else { "started" };
        println!(
            "{} {how} in {:.1} ms: {} {}",
            info.kind,
            begin.elapsed().as_secs_f64() * 1e3,
            info.version,
            info.source
        );
        Ok(engine)
    }

    /// Where a local cluster of this owner may be.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let name = format!("migd-{}", self.place.owner);
        let disks = [PathBuf::from("/dev/shm"), self.place.state.join("clusters"), PathBuf::from("/var/lib/migd")];
        disks.iter().map(|disk| disk.join(&name)).filter(|path| path.exists()).collect()
    }
}

/// A server outlives who has started it: one that a test has not stopped, because it failed, ends here.
impl Drop for Scratch {
    fn drop(&mut self) {
        for folder in self.folders() {
            let record = std::fs::read(folder.join("server.json")).unwrap_or_default();
            let record: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
            let pid = record["process"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
            if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
            }
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// A connection that is driven until the client is dropped.
pub(crate) async fn connect(engine: &dyn Engine, database: &str, role: Role) -> Client {
    try_connect(&engine.config(database, role)).await.unwrap()
}

pub(crate) async fn try_connect(config: &tokio_postgres::Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// One value, as text.
pub(crate) async fn value(client: &Client, sql: &str) -> String {
    let messages = client.simple_query(sql).await.unwrap();
    let row = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("null").to_owned()),
        _ => None,
    });
    row.unwrap_or_else(|| panic!("no row from {sql}"))
}

/// A database of the owner's, as the pool makes one.
pub(crate) async fn database(engine: &dyn Engine, name: &str) -> String {
    let info = engine.info();
    let name = format!("{}{name}", info.database_prefix);
    let admin = connect(engine, "postgres", Role::Admin).await;
    let strategy = if info.file_copy { "STRATEGY file_copy" } else { "" };
    let owner = value(&connect(engine, "postgres", Role::Owner).await, "SELECT current_user").await;
    admin
        .batch_execute(&format!("CREATE DATABASE {name} OWNER \"{owner}\" TEMPLATE template1 {strategy}"))
        .await
        .unwrap();
    name
}

/// What every private cluster promises of its owner: a normal database owner, and nothing beyond.
pub(crate) async fn owner_is_confined(engine: &dyn Engine) {
    let admin = connect(engine, "postgres", Role::Admin).await;
    let pid = value(&admin, "SELECT pg_backend_pid()").await;
    let database = database(engine, "confined").await;
    let owner = connect(engine, &database, Role::Owner).await;
    assert_eq!(value(&owner, "SELECT current_user").await, "postgres");

    for sql in [
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)",
        "ALTER TABLE t OWNER TO postgres",
        "COMMENT ON SCHEMA public IS 'as dumps have it'",
        "CREATE SCHEMA app; DROP SCHEMA app",
        "CREATE ROLE migd_test_role NOLOGIN; GRANT SELECT ON t TO migd_test_role",
        "REVOKE SELECT ON t FROM migd_test_role; DROP ROLE migd_test_role",
        "CREATE EXTENSION pgcrypto; DROP EXTENSION pgcrypto",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public",
        "ALTER DATABASE current SET search_path = public",
    ] {
        let sql = sql.replace("DATABASE current", &format!("DATABASE {database}"));
        owner.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    // Whatever a stranger's migration tries first to get more rights, and then to use them.
    for grab in [
        "GRANT pg_execute_server_program TO postgres",
        "GRANT pg_read_server_files TO postgres",
        "GRANT pg_write_server_files TO postgres",
        "GRANT migd_admin TO postgres",
        "ALTER ROLE postgres SUPERUSER",
        "ALTER ROLE migd_admin NOLOGIN",
        "ALTER ROLE migd_admin PASSWORD 'x'",
        "DROP ROLE migd_admin",
        "CREATE ROLE more SUPERUSER",
        "SET ROLE migd_admin",
        "SET SESSION AUTHORIZATION migd_admin",
    ] {
        assert!(owner.batch_execute(grab).await.is_err(), "{grab} is refused");
    }
    for sql in [
        "COPY (SELECT 1) TO PROGRAM 'cat'".to_owned(),
        "COPY (SELECT 1) TO '/tmp/migd-test-copy'".to_owned(),
        "CREATE TABLE c (x text); COPY c FROM PROGRAM 'id'".to_owned(),
        "CREATE TABLE c (x text); COPY c FROM '/etc/passwd'".to_owned(),
        "SELECT pg_read_file('/etc/passwd')".to_owned(),
        "SELECT pg_read_file('PG_VERSION')".to_owned(),
        "SELECT pg_ls_dir('.')".to_owned(),
        "SELECT lo_export(lo_creat(-1), '/tmp/migd-test-lo')".to_owned(),
        "SELECT lo_import('/etc/passwd')".to_owned(),
        "ALTER SYSTEM SET fsync = on".to_owned(),
        "SET log_min_messages = debug5".to_owned(),
        "SET temp_file_limit = -1".to_owned(),
        "SET allow_system_table_mods = on".to_owned(),
        "SELECT pg_reload_conf()".to_owned(),
        "LOAD '/tmp/evil.so'".to_owned(),
        "CREATE FUNCTION system(cstring) RETURNS int LANGUAGE c AS '/lib/x86_64-linux-gnu/libc.so.6', 'system'"
            .to_owned(),
        "CREATE TABLESPACE outside LOCATION '/tmp'".to_owned(),
        "CREATE EXTENSION file_fdw".to_owned(),
        "CREATE DATABASE another".to_owned(),
        "UPDATE pg_authid SET rolsuper = true".to_owned(),
        format!("SELECT pg_terminate_backend({pid})"),
        format!("SELECT pg_cancel_backend({pid})"),
    ] {
        let error = owner.batch_execute(&sql).await.expect_err(&format!("{sql} is refused"));
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}: {error:?}");
    }
    assert_eq!(value(&admin, "SELECT 1").await, "1", "the administrator's session is untouched");
    drop(owner);
    admin.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
}
