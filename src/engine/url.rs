//! The url engine: databases of migd's own on a server that exists. Nothing else on it is touched.
//!
//! Administrator and owner are one role there, the one of the URL, which may make databases and is no superuser. The
//! databases are told by their prefix, `migd_<owner>_`; what an earlier daemon of this owner left is dropped at start.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};

use super::lock::Lock;
use super::{Engine, Error, ErrorKind, Info, Place, ProbeLine, Role, bootstrap, mismatch};
use crate::config;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server of somebody else's.
struct Url {
    info: Info,
    config: Config,
    /// Given back when migd's databases are removed.
    lock: Mutex<Option<Lock>>,
}

pub(super) async fn start(config: &config::Engine, place: &Place) -> Result<Arc<dyn Engine>, Error> {
    if config.superuser {
        let message = "migrations do not run as a superuser on a server that is not migd's own";
        let help = "set engine.kind = \"container\", or engine.superuser = false";
        return Err(Error::new(ErrorKind::Superuser, message, help));
    }
    let lock = Lock::take(place)?;
    super::sweep(place, "url").await;
    let target = parse(config)?;
    let (client, version, major) = check(&target).await?;
    let info = Info {
        kind: "url",
        version,
        major,
        source: hosts(&target),
        tmpfs: false,
        pid: None,
        database_prefix: format!("migd_{}_", place.owner),
        file_copy: major >= 15,
        superuser: false,
        shared: true,
        adopted: false,
        mismatch: mismatch(config, major),
    };
    sweep(&client, &info.database_prefix, major).await.map_err(|error| {
        let message = format!("databases that an earlier run left cannot be dropped: {}", said(&error));
        Error::new(ErrorKind::Connect, message, format!("drop the databases named {}… by hand", info.database_prefix))
    })?;
    Ok(Arc::new(Url { info, config: target, lock: Mutex::new(Some(lock)) }))
}

impl Engine for Url {
    fn info(&self) -> &Info {
        &self.info
    }

    /// `postgres` stands for the database of the URL: the one that the role may surely connect to.
    fn config(&self, database: &str, _: Role) -> Config {
        let mut config = self.config.clone();
        if database != "postgres" {
            config.dbname(database);
        }
        config
    }

    fn alive(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move { connect(&self.config).await.is_ok() })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let swept = async {
                let client = connect(&self.config).await.map_err(|error| error.to_string())?;
                sweep(&client, &self.info.database_prefix, self.info.major).await.map_err(|error| said(&error))
            };
            match tokio::time::timeout(PATIENCE * 3, swept).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(error, "migd's databases cannot be dropped"),
                Err(_) => tracing::error!("the server does not answer; migd's databases stay"),
            }
            self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        })
    }
}

/// Reads the URL. Its text is not repeated: it may hold a password.
fn parse(config: &config::Engine) -> Result<Config, Error> {
    let example = "set engine.url to postgres://migd:PASSWORD@localhost/postgres";
    if config.url.trim().is_empty() {
        return Err(Error::new(ErrorKind::Settings, "engine.kind is \"url\" and engine.url is empty", example));
    }
    let tls = || {
        let help = "use sslmode=disable or prefer with a server of your own machine or network, or another engine";
        Error::new(ErrorKind::Tls, "engine.url asks for an encrypted connection, which migd does not make", help)
    };
    if config.url.contains("sslmode=verify") {
        return Err(tls());
    }
    let mut target: Config = config.url.trim().parse().map_err(|error: tokio_postgres::Error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Error::new(ErrorKind::Settings, format!("engine.url cannot be read: {cause}"), example)
    })?;
    if target.get_ssl_mode() == SslMode::Require {
        return Err(tls());
    }
    if target.get_dbname().is_none() {
        target.dbname("postgres");
    }
    target.application_name(bootstrap::APPLICATION);
    target.connect_timeout(PATIENCE);
    Ok(target)
}

/// Connects and refuses a role that could do harm to the server or that cannot be used.
async fn check(target: &Config) -> Result<(Client, String, u32), Error> {
    let client = connect(target).await?;
    let (version, major) = bootstrap::version(&client).await?;
    if major < super::binaries::OLDEST {
        let message = format!("PostgreSQL {version} at {} is too old", hosts(target));
        return Err(Error::new(ErrorKind::Version, message, "use another server, or another engine"));
    }
    let sql = "SELECT rolname::text, rolsuper, rolcreatedb, rolcreaterole, EXISTS (
                   SELECT FROM pg_catalog.pg_roles p WHERE p.rolname IN
                       ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
                   AND pg_catalog.pg_has_role(p.oid, 'member'))
               FROM pg_catalog.pg_roles WHERE rolname = current_user";
    let row = client.query_one(sql, &[]).await.map_err(|error| {
        Error::new(ErrorKind::Connect, format!("the server does not describe its role: {}", said(&error)), "")
    })?;
    let name: String = row.get(0);
    let quoted = name.replace('"', "\"\"");
    let fitting = "CREATE ROLE migd LOGIN CREATEDB PASSWORD '…'";
    if row.get(1) || row.get(4) {
        return Err(Error::new(
            ErrorKind::Superuser,
            format!("the role {name} could run programs and read files on the server, and a migration with it"),
            format!("use a role of migd's own: {fitting}"),
        ));
    }
    if major < 16 && row.get(3) {
        return Err(Error::new(
            ErrorKind::Superuser,
            format!("before PostgreSQL 16, CREATEROLE lets the role {name} run programs on the server"),
            format!("ALTER ROLE \"{quoted}\" NOCREATEROLE, or use a role of migd's own: {fitting}"),
        ));
    }
    if !row.get::<_, bool>(2) {
        return Err(Error::new(
            ErrorKind::Role,
            format!("the role {name} may not create databases"),
            format!("ALTER ROLE \"{quoted}\" CREATEDB, or use a role of migd's own: {fitting}"),
        ));
    }
    Ok((client, version, major))
}

async fn connect(target: &Config) -> Result<Client, Error> {
    let refused = |why: String| {
        let message = format!("the server at {} does not let migd in: {why}", hosts(target));
        Error::new(ErrorKind::Connect, message, "check engine.url, and that the server runs")
    };
    match tokio::time::timeout(PATIENCE, bootstrap::connect(target)).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(refused(said(&error))),
        Err(_) => Err(refused("no answer in time".to_owned())),
    }
}

/// Drops the databases of this prefix that belong to this role.
async fn sweep(client: &Client, prefix: &str, major: u32) -> Result<(), tokio_postgres::Error> {
    let sql = "SELECT datname::text FROM pg_catalog.pg_database
               WHERE starts_with(datname::text, $1) AND pg_catalog.pg_get_userbyid(datdba) = current_user";
    for row in client.query(sql, &[&prefix]).await? {
        let name = row.get::<_, String>(0).replace('"', "\"\"");
        // A template cannot be dropped; only migd's own pool made it one.
        client.batch_execute(&format!("ALTER DATABASE \"{name}\" WITH IS_TEMPLATE false")).await?;
        let force = if major >= 13 { "WITH (FORCE)" } else { "" };
        client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" {force}")).await?;
    }
    Ok(())
}

/// What the server said, or what kept it from saying anything.
fn said(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => error.to_string(),
    }
}

fn hosts(target: &Config) -> String {
    let hosts = target.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts: Vec<String> = hosts.collect();
    if hosts.is_empty() { "localhost".to_owned() } else { hosts.join(",") }
}

/// What the url engine needs.
pub(super) async fn probe(config: &config::Engine) -> Vec<ProbeLine> {
    let what = "the server of engine.url";
    let checked = match parse(config) {
        Ok(target) => check(&target).await.map(|(_, version, _)| format!("PostgreSQL {version} at {}", hosts(&target))),
        Err(error) => Err(error),
    };
    vec![match checked {
        Ok(found) => ProbeLine::ok(what, found),
        Err(error) => ProbeLine::missing(what, &error),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Config, Error> {
        parse(&config::Engine { url: url.to_owned(), ..config::Engine::default() })
    }

    #[test]
    fn encryption_is_refused_rather_than_left_out() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let error = read(&format!("postgres://migd@db/app?sslmode={mode}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls, "{mode}");
        }
        assert!(read("postgres://migd@db/app?sslmode=prefer").is_ok());
    }

    #[test]
    fn errors_do_not_repeat_the_password() {
        for url in ["postgres://migd:secret@db:port/", "postgres://migd:secret@db/app?x=y", "secret"] {
            let error = read(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Settings);
            assert!(!format!("{error} {}", error.help()).contains("secret"), "{error}");
        }
        assert_eq!(hosts(&read("postgres://migd:secret@db,other/app").unwrap()), "db,other");
    }
}
