//! What makes a PostgreSQL one of migd's: the server's settings and the two roles. Shared by the private engines.
//!
//! A migration is a stranger's program. The owner that runs it is a role as hosted PostgreSQL gives one: it makes roles
//! and owns its database, but it does not reach the machine's files and programs, other roles' sessions or the server's
//! settings. Before 16 a role with CREATEROLE could grant itself the predefined roles that do; there they are removed.

use std::collections::BTreeMap;

use tokio_postgres::{Client, NoTls};

use super::{Error, ErrorKind};

/// The administrator: the bootstrap superuser.
pub const ADMIN: &str = "migd_admin";

/// The owner. Dumps and many migrations name `postgres`, so this is it.
pub const OWNER: &str = "postgres";

/// The clients' name for the server's list of sessions.
pub const APPLICATION: &str = "migd";

/// What holds for the administrator's sessions, whatever a database has been made to say.
///
/// A migration owns its database: functions in `public` or in a schema called like the administrator would be found
/// before the server's own where their arguments fit better, and an event trigger would greet whoever connects. No name
/// is looked up there but the catalog's, no trigger speaks, and nothing waits for ever.
pub(super) fn admin_options(major: Option<u32>) -> String {
    let mut options =
        "-c search_path=pg_catalog,pg_temp -c local_preload_libraries= -c default_transaction_read_only=off \
        -c statement_timeout=300s -c lock_timeout=30s -c row_security=off"
            .to_owned();
    if major.is_some_and(|major| major >= 17) {
        options.push_str(" -c event_triggers=off");
    }
    options
}

/// The environment of a private server, for glibc's allocator, in bytes: a session that has planned the reading of a catalog gives
/// back what planning took. What is smaller than this is kept: every reading uses as much again.
pub(super) const ALLOCATOR: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "8388608"), ("MALLOC_TRIM_THRESHOLD_", "4194304")];

/// The environment of a container with the official image's entry point: the administrator's password, where the data is.
pub(super) fn environment(password: &str, data: &str) -> Vec<String> {
    let mut environment = vec![
        format!("POSTGRES_USER={ADMIN}"),
        format!("POSTGRES_PASSWORD={password}"),
        "POSTGRES_DB=postgres".to_owned(),
        "POSTGRES_INITDB_ARGS=--no-sync --encoding=UTF8".to_owned(),
        format!("PGDATA={data}"),
        "TZ=UTC".to_owned(),
    ];
    environment.extend(ALLOCATOR.map(|(name, value)| format!("{name}={value}")));
    environment
}

/// Raised when the roles or the way in which a cluster is laid out change: an older one is not adopted.
const FORMAT: u32 = 2;

/// The settings of a private server of this major version, in the order in which they are given; the user's come last.
/// `local` says that the cluster was initialised by migd, with small WAL segments.
pub fn settings(major: u32, local: bool, user: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, Error> {
    for (name, value) in user {
        allowed(name, value)?;
    }
    let (least_wal, most_wal) = if local { ("8MB", "64MB") } else { ("32MB", "96MB") };
    let mut all = vec![
        // The data is thrown away: nothing needs to survive a crash of the machine.
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
        ("wal_level", "minimal"),
        ("max_wal_senders", "0"),
        ("min_wal_size", least_wal),
        ("max_wal_size", most_wal),
        ("checkpoint_timeout", "1h"),
        // Nothing happens that a judgement did not ask for, and an idle server sleeps.
        ("autovacuum", "off"),
        ("bgwriter_lru_maxpages", "0"),
        ("bgwriter_delay", "10s"),
        ("wal_writer_delay", "10s"),
        ("jit", "off"),
        // Small: a judged schema is empty or nearly so.
        ("shared_buffers", "16MB"),
        ("max_connections", "40"),
        ("max_worker_processes", "2"),
        ("max_parallel_workers_per_gather", "0"),
        ("max_parallel_maintenance_workers", "0"),
        ("max_logical_replication_workers", "0"),
        // One transaction may hold a whole chain's locks.
        ("max_locks_per_transaction", "512"),
        // In the data folder, so that it goes with it.
        ("dynamic_shared_memory_type", "mmap"),
        ("temp_file_limit", "512MB"),
        ("unix_socket_permissions", "0700"),
        // A migration can raise LOG in a loop: only what ends a session or the server is written down.
        ("log_min_messages", "fatal"),
        ("log_min_error_statement", "panic"),
        ("logging_collector", "off"),
        ("log_checkpoints", "off"),
        ("lc_messages", "C"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
    ];
    if major >= 14 {
        // Ends soon what a vanished daemon left running.
        all.push(("client_connection_check_interval", "2s"));
    }
    if major >= 18 {
        // Else three processes more, for reads that none of these databases is large enough for.
        all.push(("io_method", "sync"));
    }
    let mut all: Vec<(String, String)> = all.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    all.retain(|(name, _)| !user.contains_key(name));
    all.extend(user.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(all)
}

/// Refuses settings that run programs, name files or open the server: a repository's `migd.toml` may be a stranger's.
fn allowed(name: &str, value: &str) -> Result<(), Error> {
    let refuse = |why: &str| {
        let message = format!("engine.settings: {name} {why}");
        Err(Error::new(ErrorKind::Settings, message, "remove it from engine.settings"))
    };
    let word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'.';
    if name.is_empty() || !name.bytes().all(word) || value.contains('\0') {
        return refuse("is not a setting's name in lower case");
    }
    // Preloading is a matter of plain names, which the server looks for among its own libraries.
    if name.ends_with("preload_libraries") {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-, ".contains(c);
        return if value.chars().all(plain) { Ok(()) } else { refuse("takes the names of libraries, without a path") };
    }
    let programs = ["command", "librar", "_path", "provider", "directory", "directories", "_file", "filename"];
    let door = ["listen_addresses", "port", "log_", "unix_socket", "ssl", "krb", "gss", "allow_system", "external_pid"];
    let ours = ["cluster_name", "dynamic_shared_memory_type", "restore_", "recovery_", "primary_", "config", "bonjour"];
    if name == "search_path" {
        return Ok(());
    }
    if programs.iter().any(|part| name.contains(part)) || door.iter().chain(&ours).any(|front| name.starts_with(front))
    {
        return refuse("cannot be set: it would reach outside the judged cluster");
    }
    Ok(())
}

/// Names everything that decides what a server is like: equal names, and a running one can be taken over.
pub(super) fn fingerprint(parts: &[&str], settings: &[(String, String)], superuser: bool) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(format!("{FORMAT} {superuser}").as_bytes());
    let settings = settings.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    for part in parts.iter().copied().chain(settings) {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().to_hex()[..16].to_owned()
}

/// Connects; the connection is driven until the client is dropped.
pub(super) async fn connect(config: &tokio_postgres::Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    });
    Ok(client)
}

/// The server's version, as in (`15.19`, 15).
pub(super) async fn version(client: &Client) -> Result<(String, u32), Error> {
    let sql = "SELECT current_setting('server_version'), current_setting('server_version_num')";
    let rows = client.simple_query(sql).await.map_err(failed)?;
    let row = rows.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => {
            Some((row.get(0)?.to_owned(), row.get(1)?.parse::<u32>().ok()?))
        }
        _ => None,
    });
    let (text, number) =
        row.ok_or_else(|| Error::new(ErrorKind::Connect, "the server does not say its version", ""))?;
    Ok((text.split(' ').next().unwrap_or_default().to_owned(), number / 10_000))
}

/// Who owns, and with which rights.
#[derive(Debug, Clone, Default)]
pub(super) struct Owner {
    pub(super) superuser: bool,
    /// Where a password is asked for.
    pub(super) password: Option<String>,
}

/// Brings a server's roles and `template1` to what the trait promises. May be repeated. `template` is the administrator's
/// connection to `template1`, which ends. Returns the server's version.
pub(super) async fn prepare(template: Client, owner: &Owner) -> Result<(String, u32), Error> {
    let (version, major) = version(&template).await?;
    template.batch_execute(&sql(major, owner)).await.map_err(failed)?;
    Ok((version, major))
}

/// Brings the owner back to what it was, whatever a migration did to it: rights, password, settings.
pub(super) fn owner_sql(owner: &Owner) -> String {
    let rights = if owner.superuser { "SUPERUSER" } else { "NOSUPERUSER" };
    let password = match &owner.password {
        Some(password) => format!("PASSWORD '{}'", password.replace('\'', "''")),
        None => "PASSWORD NULL".to_owned(),
    };
    format!(
        "ALTER ROLE {OWNER} {rights} CREATEROLE NOCREATEDB LOGIN INHERIT NOREPLICATION NOBYPASSRLS
             CONNECTION LIMIT -1 VALID UNTIL 'infinity' {password};
         ALTER ROLE {OWNER} RESET ALL;"
    )
}

/// The statements, for `template1`.
fn sql(major: u32, owner: &Owner) -> String {
    let mut sql = format!(
        "DO $$ BEGIN
             IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{OWNER}') THEN CREATE ROLE {OWNER}; END IF;
         END $$;
         {}",
        owner_sql(owner)
    );
    if major < 15 {
        // From 15 on the database's owner owns it by way of pg_database_owner; before, it was the bootstrap superuser's.
        sql.push_str(&format!("ALTER SCHEMA public OWNER TO {OWNER}; GRANT ALL ON SCHEMA public TO PUBLIC;"));
    }
    if major < 16 {
        sql.push_str(
            "SET allow_system_table_mods = on;
             DELETE FROM pg_catalog.pg_auth_members WHERE roleid IN (SELECT oid FROM pg_catalog.pg_authid WHERE rolname IN
                 ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'));
             DELETE FROM pg_catalog.pg_authid WHERE rolname IN
                 ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files');
             RESET allow_system_table_mods;",
        );
    } else {
        // What a role that makes roles may grant before 16, and a superuser ever.
        sql.push_str(&format!(
            "DO $$ DECLARE granted pg_catalog.name; BEGIN
                 FOR granted IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN
                     ('pg_monitor', 'pg_read_all_settings', 'pg_read_all_stats', 'pg_stat_scan_tables', 'pg_read_all_data',
                      'pg_write_all_data', 'pg_signal_backend', 'pg_checkpoint', 'pg_maintain') LOOP
                     EXECUTE format('GRANT %I TO {OWNER} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', granted);
                 END LOOP;
             END $$;"
        ));
    }
    sql
}

/// The server refused what every server of migd's grants.
pub(super) fn failed(error: tokio_postgres::Error) -> Error {
    let said = error.as_db_error().map_or_else(|| error.to_string(), |e| e.message().to_owned());
    Error::new(ErrorKind::Connect, format!("the server cannot be prepared: {said}"), "run `migd doctor`").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Vec<(String, String)>, Error> {
        settings(17, true, &BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn the_users_settings_replace_migds() {
        let all = with("max_connections", "90").unwrap();
        let values: Vec<_> =
            all.iter().filter(|(name, _)| name == "max_connections").map(|(_, v)| v.as_str()).collect();
        assert_eq!(values, ["90"]);
        assert!(with("search_path", "app, public").is_ok());
        assert!(with("shared_preload_libraries", "pg_stat_statements, timescaledb").is_ok());
        assert!(with("app.current_user", "x").is_ok());
    }

    #[test]
    fn a_setting_is_given_only_to_servers_that_know_it() {
        let given = |major, wanted: &str| {
            settings(major, true, &BTreeMap::new()).unwrap().iter().any(|(name, _)| name == wanted)
        };
        assert!(!given(13, "client_connection_check_interval") && given(14, "client_connection_check_interval"));
        assert!(!given(17, "io_method") && given(18, "io_method"));
    }

    #[test]
    fn settings_that_reach_outside_are_refused() {
        for (name, value) in [
            ("archive_command", "touch /tmp/x"),
            ("ssl_passphrase_command", "id"),
            ("shared_preload_libraries", "/tmp/evil"),
            ("session_preload_libraries", "../evil"),
            ("dynamic_library_path", "/tmp"),
            ("archive_library", "x"),
            ("jit_provider", "x"),
            ("listen_addresses", "*"),
            ("unix_socket_directories", "/tmp"),
            ("hba_file", "/tmp/hba"),
            ("data_directory", "/"),
            ("log_directory", "/"),
            ("log_min_messages", "debug5"),
            ("port", "1"),
            ("allow_system_table_mods", "on"),
            ("A", "b"),
            ("a b", "c"),
            ("", "c"),
        ] {
            assert_eq!(with(name, value).unwrap_err().kind(), ErrorKind::Settings, "{name}");
        }
    }

    #[test]
    fn fingerprints_tell_apart_what_differs() {
        let one = fingerprint(&["ab", "c"], &[], false);
        assert_eq!(one, fingerprint(&["ab", "c"], &[], false));
        assert_ne!(one, fingerprint(&["a", "bc"], &[], false));
        assert_ne!(one, fingerprint(&["ab", "c"], &[], true));
        assert_ne!(one, fingerprint(&["ab", "c"], &[("jit".to_owned(), "on".to_owned())], false));
    }
}
