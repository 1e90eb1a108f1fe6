//! Finds installed PostgreSQL server programs: Debian, Red Hat, Homebrew, Postgres.app, then `PATH`.
//!
//! Wrappers are common (`/usr/local/bin/postgres` as a link, Debian's `pg_config` of libpq): a folder counts only when,
//! with links resolved, `initdb` and `postgres` stand in it side by side.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::told::Told;
use super::{Environment, Error, ErrorKind, Place};
use crate::config;

/// The oldest major version that can be used.
pub(super) const OLDEST: u32 = 12;

/// The server programs of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    /// The folder, links resolved.
    pub(super) folder: PathBuf,
    /// As in `15.19`.
    pub(super) version: String,
    /// As in 15.
    pub(super) major: u32,
}

impl Binaries {
    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    pub(super) fn controldata(&self) -> PathBuf {
        self.folder.join("pg_controldata")
    }
}

/// The installation to use: the configured folder, else the newest one of the wanted major version, else the newest.
pub(super) async fn find(config: &config::Engine, place: &Place) -> Result<Binaries, Error> {
    let mut told = Told::before(place);
    let found = look(config, &place.env, &mut told).await;
    told.keep();
    found
}

async fn look(config: &config::Engine, env: &Environment, told: &mut Told) -> Result<Binaries, Error> {
    if !config.bin_dir.is_empty() {
        let folder = Path::new(&config.bin_dir);
        let Some(folder) = complete(folder) else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{} does not hold both initdb and postgres", folder.display()),
                "point engine.bin_dir at the folder of the server programs, as /usr/lib/postgresql/17/bin",
            ));
        };
        let found = identify(folder.clone(), told).await;
        return usable(found.ok_or_else(|| {
            let message = format!("{} does not say its version", folder.join("postgres").display());
            Error::new(ErrorKind::NotFound, message, "check that it runs: postgres --version")
        })?);
    }
    let mut found = Vec::new();
    for folder in candidates(env, told).await {
        found.extend(identify(folder, told).await);
    }
    let wanted = config.postgres.split('.').next().and_then(|major| major.trim().parse::<u32>().ok());
    // A release candidate's digits end at the letters, which is close enough for an order.
    let rank = |b: &Binaries| (Some(b.major) == wanted, b.major, minor(&b.version));
    match found.into_iter().max_by_key(rank) {
        Some(binaries) => usable(binaries),
        None => Err(Error::new(
            ErrorKind::NotFound,
            "no PostgreSQL server programs (initdb and postgres) were found on this machine",
            remedy(),
        )),
    }
}

/// How to install PostgreSQL here.
pub(super) fn remedy() -> String {
    let command = if cfg!(target_os = "macos") {
        "brew install postgresql@17"
    } else if Path::new("/etc/debian_version").exists() {
        "apt-get install postgresql"
    } else if Path::new("/etc/alpine-release").exists() {
        "apk add postgresql"
    } else if Path::new("/etc/arch-release").exists() {
        "pacman -S postgresql"
    } else if Path::new("/etc/redhat-release").exists() {
        "dnf install postgresql-server"
    } else {
        return "install the PostgreSQL server package, or set engine.bin_dir".to_owned();
    };
    format!("install them: {command}; or set engine.bin_dir")
}

fn usable(binaries: Binaries) -> Result<Binaries, Error> {
    if binaries.major < OLDEST {
        return Err(Error::new(
            ErrorKind::Version,
            format!("PostgreSQL {} in {} is too old", binaries.version, binaries.folder.display()),
            format!("install PostgreSQL {OLDEST} or newer, or set engine.bin_dir"),
        ));
    }
    Ok(binaries)
}

fn minor(version: &str) -> u32 {
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

/// The folder with links resolved, if it holds what is needed.
fn complete(folder: &Path) -> Option<PathBuf> {
    let executable = |name: &str| {
        let program = folder.join(name).canonicalize().ok()?;
        let metadata = program.metadata().ok()?;
        (metadata.is_file() && metadata.permissions().mode() & 0o111 != 0).then_some(program)
    };
    let postgres = executable("postgres")?;
    let initdb = executable("initdb")?;
    // initdb starts the postgres beside itself, so where both lead is what counts.
    (postgres.parent() == initdb.parent()).then(|| postgres.parent().map(Path::to_owned)).flatten()
}

async fn candidates(env: &Environment, told: &mut Told) -> BTreeSet<PathBuf> {
    let mut folders = Vec::new();
    for (parent, prefix, below) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/usr/libexec", "postgresql", ""),
        ("/opt", "pgsql", "bin"),
    ] {
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                folders.push(entry.path().join(below));
            }
        }
    }
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    let path: Vec<PathBuf> = env.path.iter().flat_map(std::env::split_paths).filter(|p| p.is_absolute()).collect();
    folders.extend(path.iter().cloned());
    let mut found: BTreeSet<PathBuf> = folders.iter().filter_map(|folder| complete(folder)).collect();
    // Where only a client's pg_config is in PATH, it may know of a server that is not.
    for config in path.iter().map(|folder| folder.join("pg_config")).filter(|config| config.is_file()) {
        let Some(folder) = told.ask(&config, "--bindir").await else { continue };
        found.extend(complete(Path::new(folder.trim())));
    }
    found
}

async fn identify(folder: PathBuf, told: &mut Told) -> Option<Binaries> {
    let text = told.ask(&folder.join("postgres"), "--version").await?;
    let (version, major) = version(&text)?;
    Some(Binaries { folder, version, major })
}

/// Reads `postgres (PostgreSQL) 15.19 (Debian 15.19-0+deb12u1)`, also `18beta1`.
fn version(text: &str) -> Option<(String, u32)> {
    let version = text.split_ascii_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    Some((version.to_owned(), version[..digits].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn program(path: &Path) {
        std::fs::write(path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn versions_are_read_as_distributions_print_them() {
        assert_eq!(version("postgres (PostgreSQL) 15.19 (Debian 15.19-0+deb12u1)\n"), Some(("15.19".to_owned(), 15)));
        assert_eq!(version("postgres (PostgreSQL) 18beta1"), Some(("18beta1".to_owned(), 18)));
        assert_eq!(version("postgres (EnterpriseDB Advanced Server)"), None);
    }

    #[test]
    fn a_folder_counts_when_initdb_and_postgres_lead_to_the_same_place() {
        let root = tempfile::tempdir().unwrap();
        let (real, links, half, plain) =
            (root.path().join("real"), root.path().join("links"), root.path().join("half"), root.path().join("plain"));
        for folder in [&real, &links, &half, &plain] {
            std::fs::create_dir(folder).unwrap();
        }
        program(&real.join("postgres"));
        program(&real.join("initdb"));
        symlink(real.join("postgres"), links.join("postgres")).unwrap();
        symlink(real.join("initdb"), links.join("initdb")).unwrap();
        program(&half.join("postgres"));
        symlink(real.join("initdb"), half.join("initdb")).unwrap();
        std::fs::write(plain.join("postgres"), "").unwrap();
        std::fs::write(plain.join("initdb"), "").unwrap();

        let real = real.canonicalize().unwrap();
        assert_eq!(complete(&real), Some(real.clone()));
        assert_eq!(complete(&links), Some(real), "links are followed");
        assert_eq!(complete(&half), None, "initdb belongs to another installation");
        assert_eq!(complete(&plain), None, "not executable");
    }
}
