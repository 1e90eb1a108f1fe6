//! A private PostgreSQL cluster from the machine's own binaries, one for the whole test binary: a socket in a folder of
//! its own, no TCP, nothing kept.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

/// The cluster. Its server ends with the process that started it.
pub struct Cluster {
    folder: PathBuf,
    _server: Child,
}

/// The name of the administrator.
const ADMIN: &str = "admin";

/// The cluster that all tests of this binary share, started by the first that needs it.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start().expect("a private PostgreSQL cluster starts"))
}

impl Cluster {
    fn start() -> std::io::Result<Self> {
        let bin = binaries().ok_or_else(|| std::io::Error::other("no PostgreSQL binaries on this machine"))?;
        let shm = Path::new("/dev/shm");
        let parent = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("migd-test-").tempdir_in(parent)?.keep();
        let user = nix::unistd::geteuid().is_root().then(|| nix::unistd::User::from_name("postgres").ok().flatten());
        let user = user.flatten();
        if let Some(user) = &user {
            chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        let run = |program: &str| {
            let mut command = Command::new(bin.join(program));
            if let Some(user) = &user {
                command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
            }
            command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let data = folder.join("data");
        let made = run("initdb")
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", ADMIN, "--pgdata"])
            .arg(&data)
            .status()?;
        if !made.success() {
            return Err(std::io::Error::other("initdb failed"));
        }
        // The server goes when this process does, however that ends: a watcher holds the read end of our pipe.
        let server = run("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&folder)
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "autovacuum=off", "-c", "max_connections=200"])
            .spawn()?;
        let pid = server.id();
        let mut watcher = Command::new("sh");
        let script = format!(
            "while kill -0 {} 2>/dev/null; do sleep 1; done; kill -INT {pid}; sleep 1; rm -rf '{}'",
            std::process::id(),
            folder.display()
        );
        watcher.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        watcher.process_group(0).spawn()?;
        let until = Instant::now() + Duration::from_secs(20);
        while !folder.join(".s.PGSQL.5432").exists() {
            if Instant::now() > until {
                return Err(std::io::Error::other("the server did not come up"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Self { folder, _server: server })
    }

    /// The folder of the socket.
    pub fn socket(&self) -> &Path {
        &self.folder
    }

    /// A connection to a database, as the administrator.
    pub async fn connect(&self, database: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.socket()).user(ADMIN).dbname(database);
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match config.connect(NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                // The socket is there a moment before the server takes connections.
                Err(error) if Instant::now() > until => panic!("no connection to {database}: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// A connection to a new, empty database, and its name.
    pub async fn database(&self) -> (Client, String) {
        self.copy("template0").await
    }

    /// A connection to a new copy of a database that nobody is connected to, and its name.
    pub async fn copy(&self, template: &str) -> (Client, String) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = self.connect("postgres").await;
        let strategy = if self.major(&admin).await >= 15 { "strategy file_copy" } else { "" };
        let sql = format!("create database {name} template {template} {strategy}");
        admin.batch_execute(&sql).await.expect("the database is made");
        (self.connect(&name).await, name)
    }

    /// The server's major version.
    pub async fn major(&self, client: &Client) -> u32 {
        let row = client.query_one("show server_version_num", &[]).await.expect("the server tells its version");
        row.get::<_, String>(0).parse::<u32>().expect("the version is a number") / 10_000
    }
}

/// The folder with the newest server binaries.
fn binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin")))
        })
        .filter(|(_, bin)| bin.join("postgres").exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, bin)| bin)
}
