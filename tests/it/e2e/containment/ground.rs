//! Where harm is tried: a realm for each engine, and what an administrator sees of its server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use crate::support::realm::Realm;
use crate::support::sandbox::Sandbox;

/// One engine, with a daemon of its own.
pub struct Ground {
    realm: Arc<Realm>,
    /// `local` or `container`.
    pub engine: &'static str,
    config: String,
}

/// The local engine, and the container engine where a Docker answers.
pub fn grounds() -> Vec<&'static Ground> {
    static LOCAL: OnceLock<Ground> = OnceLock::new();
    static CONTAINER: OnceLock<Option<Ground>> = OnceLock::new();
    let local = LOCAL.get_or_init(|| {
        // As for the image: which PostgreSQL, where there are several.
        let bin = std::env::var("PG_BIN").map(|bin| format!("\nbin_dir = \"{bin}\"")).unwrap_or_default();
        Ground::new("local", &format!("kind = \"local\"{bin}"))
    });
    let container = CONTAINER.get_or_init(|| {
        let image = image()?;
        Some(Ground::new("container", &format!("kind = \"container\"\nimage = \"{image}\"")))
    });
    if container.is_none() {
        println!("NOT RUN: Docker does not answer, so nothing is tried in a container");
    }
    std::iter::once(local).chain(container).collect()
}

/// The test image, built once.
fn image() -> Option<String> {
    if !Command::new("docker").arg("version").output().is_ok_and(|output| output.status.success()) {
        return None;
    }
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/image/build.sh")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

impl Ground {
    fn new(engine: &'static str, config: &str) -> Ground {
        let realm = Realm::new();
        // Short, for what would never end.
        let text = format!(
            "[engine]\n{config}\n[hook]\nbudget = \"60s\"\n[limits]\nstatement = \"2s\"\ndatabase_bytes = 60000000\n"
        );
        fs::write(realm.folder().join("home/.config/migd/config.toml"), text).unwrap();
        Ground { realm, engine, config: config.to_owned() }
    }

    /// Another one of the same engine, where nobody else is.
    pub fn apart(&self) -> Ground {
        Ground::new(self.engine, &self.config)
    }

    /// The server's major version.
    pub fn major(&self) -> u32 {
        self.asked("SHOW server_version_num")[0].parse::<u32>().unwrap() / 10_000
    }

    /// Whether the server, which judges by now, has triggers that run at login; says so where it has none.
    pub fn has_login_triggers(&self) -> bool {
        self.repository().next_good_one_passes();
        let has = self.major() >= 17;
        if !has {
            println!("NOT RUN on {}: the server has no login triggers", self.engine);
        }
        has
    }

    /// A repository with the table `users` and one row's worth of history.
    pub fn repository(&self) -> Sandbox {
        Sandbox::within(&self.realm)
    }

    /// The folder with the server's socket, as this machine sees it.
    fn socket(&self) -> PathBuf {
        let folders = self
            .realm
            .data_folders()
            .into_iter()
            .chain(fs::read_dir(self.realm.runtime()).unwrap().flatten().map(|entry| entry.path()));
        let has = |folder: &PathBuf| folder.join(".s.PGSQL.5432").exists();
        folders.flat_map(|folder| [folder.clone(), folder.join("s")]).find(has).expect("a server runs")
    }

    /// One column of text, as the administrator, in a database that no migration has been in.
    pub fn asked(&self, sql: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut config = tokio_postgres::Config::new();
            config.host_path(self.socket()).user("migd_admin").dbname("postgres");
            let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
        })
    }

    /// Whether a statement has run a program: those here write a file of this name into the server's data.
    pub fn is_taken(&self) -> bool {
        self.asked("SELECT 'taken' FROM pg_catalog.pg_stat_file('taken', true) AS found WHERE found.size IS NOT NULL")
            .len()
            == 1
    }
}
