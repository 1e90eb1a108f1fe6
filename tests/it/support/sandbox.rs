//! A git repository with a migration set and migd's hook, in a realm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::realm::{Ran, Realm, run};

/// A migration that nothing is wrong with.
pub const GOOD: &str = "ALTER TABLE users ADD COLUMN age integer;\n";
/// Its down.
pub const GOOD_DOWN: &str = "ALTER TABLE users DROP COLUMN age;\n";
/// A migration that does not apply: there is no such table.
pub const BROKEN: &str = "ALTER TABLE persons ADD COLUMN age integer;\n";

/// A repository.
pub struct Sandbox {
    realm: Arc<Realm>,
    path: PathBuf,
}

impl Sandbox {
    /// In the realm that harmless tests share: the table `users` in a first, committed migration, and the hook.
    pub fn new() -> Sandbox {
        Sandbox::within(&Realm::shared())
    }

    /// In the realm that harmful tests share.
    pub fn rough() -> Sandbox {
        Sandbox::within(&Realm::rough())
    }

    /// In a realm of its own, where nothing runs yet.
    pub fn alone() -> Sandbox {
        Sandbox::within(&Realm::new())
    }

    /// In this realm.
    pub fn within(realm: &Arc<Realm>) -> Sandbox {
        let repo = Sandbox::empty(realm);
        // What tells golang-migrate's sets from sqlx's.
        repo.write("go.mod", "module users\nrequire github.com/golang-migrate/migrate/v4 v4.18.0\n");
        repo.git(&["add", "go.mod"]);
        repo.migration(1, "users", "CREATE TABLE users (id bigint PRIMARY KEY, email text);\n", "DROP TABLE users;\n");
        repo.git(&["commit", "--quiet", "--no-verify", "--message", "users"]);
        repo
    }

    /// Without a set and without a commit: only the hook.
    pub fn empty(realm: &Arc<Realm>) -> Sandbox {
        let repo = Sandbox::plain(realm);
        repo.git(&["init", "--quiet", "."]);
        repo.migd(&["hook", "install"]).ok();
        repo
    }

    /// A folder that is not a repository yet.
    pub fn plain(realm: &Arc<Realm>) -> Sandbox {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let path = realm.folder().join(format!("repos/{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&path).unwrap();
        Sandbox { realm: Arc::clone(realm), path }
    }

    /// The same environment in another folder.
    pub fn at(&self, path: impl AsRef<Path>) -> Sandbox {
        Sandbox { realm: Arc::clone(&self.realm), path: self.path.join(path) }
    }

    /// Its environment.
    pub fn realm(&self) -> &Arc<Realm> {
        &self.realm
    }

    /// Its top folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes and stages both files of a migration.
    pub fn migration(&self, version: u32, name: &str, up: impl AsRef<[u8]>, down: impl AsRef<[u8]>) {
        self.write(&format!("migrations/{version}_{name}.up.sql"), up);
        self.write(&format!("migrations/{version}_{name}.down.sql"), down);
        self.git(&["add", "migrations"]);
    }

    /// Writes and stages `migd.toml`.
    pub fn configure(&self, toml: &str) {
        self.write("migd.toml", toml);
        self.git(&["add", "migd.toml"]);
    }

    /// A program in this folder.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.realm.command(program);
        command.current_dir(&self.path);
        command
    }

    /// git, which must end well.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> Ran {
        self.try_git(arguments).ok()
    }

    /// git.
    #[track_caller]
    pub fn try_git(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command("git");
        command.args(arguments);
        run(command, "")
    }

    /// `git commit`, with a message.
    #[track_caller]
    pub fn commit(&self, arguments: &[&str]) -> Ran {
        self.try_git(&[&["commit", "--quiet", "--message", "change"], arguments].concat())
    }

    /// `migd`.
    #[track_caller]
    pub fn migd(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(self.realm.migd());
        command.args(arguments);
        run(command, "")
    }

    /// What `migd check --format json` finds, whatever it finds.
    #[track_caller]
    pub fn check(&self, arguments: &[&str]) -> serde_json::Value {
        self.migd(&[&["check", "--format", "json"], arguments].concat()).json()
    }

    /// The name of the last commit.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).out
    }

    /// The next good migration is judged, and passes: the proof that nothing stayed broken.
    #[track_caller]
    pub fn next_good_one_passes(&self) {
        self.git(&["reset", "--quiet", "--hard"]);
        self.migration(900, "good", GOOD, GOOD_DOWN);
        self.commit(&[]).ok().says("migd: migrations: pass");
    }
}
