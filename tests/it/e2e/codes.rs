//! Every way of not getting a verdict, or of getting one on less than was meant, made for real: it has its own code, says in
//! one line what is wrong and in one what to do, ends with the status that it should, and `migd doctor` finds it, with a
//! remedy.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::thread;
use std::time::Duration;

use migd::check::codes::CODES;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::cluster::cluster;
use crate::support::realm::{Ran, Realm, eventually, run};
use crate::support::sandbox::{GOOD, GOOD_DOWN, Sandbox};

/// What was said instead of a verdict, and what `migd doctor` says then. None where this machine cannot do it.
type Made = Option<(Ran, Ran)>;

macro_rules! cases {
    ($($code:literal $status:literal $name:ident,)*) => {
        /// The codes that are made here.
        const MADE: &[&str] = &[$($code,)*];

        $(#[test]
        fn $name() {
            let Some((ran, doctor)) = make::$name() else {
                println!("NOT RUN: {} cannot be made on this machine", $code);
                return;
            };
            explained(ran, $code, $status);
            found(doctor, $code);
        })*
    };
}

cases! {
    "config.bare" 2 a_bare_repository,
    "config.conflicted-index" 2 an_index_with_conflicts,
    "config.file-too-large" 1 a_file_that_is_too_large,
    "config.invalid" 2 a_key_that_there_is_not,
    "config.layout" 2 a_layout_that_there_is_not,
    "config.link" 2 a_set_that_lies_elsewhere,
    "config.no-sets" 2 a_repository_without_migrations,
    "config.not-a-repository" 2 a_folder_that_is_no_repository,
    "config.placeholder" 1 a_placeholder_without_a_value,
    "config.replacement" 1 a_replacement_that_is_not_there,
    "config.unreadable-index" 2 an_index_that_is_damaged,
    "daemon.lost" 3 a_daemon_that_dies_again_and_again,
    "daemon.request" 3 variables_that_are_too_large,
    "daemon.silent" 3 a_daemon_that_does_not_answer,
    "daemon.start" 3 a_folder_that_cannot_be_made,
    "engine.busy" 3 a_server_that_another_process_has,
    "engine.connect" 3 a_server_that_nobody_runs,
    "engine.folder" 3 a_data_folder_that_somebody_else_made,
    "engine.image" 3 an_image_that_nobody_has,
    "engine.lost" 3 a_server_that_is_lost_every_time,
    "engine.not-found" 3 no_server_programs,
    "engine.role" 3 a_role_that_may_not_make_databases,
    "engine.settings" 3 a_setting_that_runs_programs,
    "engine.start" 3 a_setting_that_the_server_refuses,
    "engine.superuser" 3 a_role_that_may_do_anything,
    "engine.timeout" 3 a_budget_that_is_over,
    "engine.tls" 3 a_server_that_wants_encryption,
    "engine.version" 0 a_server_of_another_version,
}

/// Those that are made elsewhere, and where.
const ELSEWHERE: &[(&str, &str)] = &[("daemon.stays", "below: the daemon itself says it, not a judgement")];

#[test]
fn every_way_of_not_getting_a_verdict_is_made() {
    let families = ["config", "daemon", "engine"];
    let known = |code: &str| MADE.contains(&code) || ELSEWHERE.iter().any(|(name, _)| *name == code);
    for code in CODES.iter().filter(|code| families.contains(&code.family())) {
        assert!(known(code.name), "nothing makes {}", code.name);
    }
}

#[test]
fn a_daemon_that_does_not_stop_is_named() {
    let repo = judged(Sandbox::alone());
    let pid = frozen(&repo);
    let ran = repo.migd(&["stop"]);
    let (status, doctor) = (repo.migd(&["status"]), repo.migd(&["doctor"]));
    kill(pid, Signal::SIGCONT).unwrap();
    ran.status(3).says("[daemon.stays]").says(&format!("kill -9 {pid}"));
    status.ok().says("does not answer [daemon.silent]").says(&format!("kill -9 {pid}"));
    // To the doctor it is one that does not answer.
    doctor.status(3).says("[daemon.silent]").says(&format!("kill -9 {pid}"));
}

#[test]
fn a_daemon_that_was_started_elsewhere_uses_the_configuration_of_whoever_asks_and_says_so() {
    let repo = judged(Sandbox::alone());
    let other = repo.realm().folder().join("other");
    fs::create_dir_all(other.join(".config/migd")).unwrap();
    let config = "[engine]\nkind = \"container\"\nimage = \"nowhere.invalid/x:1\"\n";
    fs::write(other.join(".config/migd/config.toml"), config).unwrap();
    let asks = |arguments: &[&str]| {
        let mut command = repo.command(repo.realm().migd());
        command.args(arguments).env("HOME", &other).env("DOCKER_HOST", "unix:///nowhere.sock");
        run(command, "")
    };
    repo.migration(3, "other", "ALTER TABLE users ADD COLUMN x int;", "ALTER TABLE users DROP COLUMN x;");
    let ran = asks(&["check"]).status(3);
    ran.says("was started with another DOCKER_HOST and HOME").says("migd restart");
    asks(&["status"]).ok().says("it was started with another DOCKER_HOST, HOME: `migd restart`");
    asks(&["doctor"]).status(3).says("started with another DOCKER_HOST, HOME");
    repo.migd(&["check"]).ok();
    repo.migd(&["status"]).ok().does_not_say("started with another");
}

/// It has its code, one line of what and one of what to do, and ends as it should.
#[track_caller]
fn explained(ran: Ran, code: &str, status: i32) {
    let ran = ran.status(status);
    let all = format!("{}{}", ran.out, ran.err);
    let at = all.find(&format!("[{code}]")).unwrap_or_else(|| panic!("{code} was expected: {ran}"));
    let what =
        all[..at].rsplit('\n').next().unwrap_or_default().to_owned() + all[at..].split('\n').next().unwrap_or_default();
    assert!(what.len() > code.len() + 20, "it does not say what: {what:?} in {ran}");
    // Up to what is said next.
    let own = all[at..].split("\nerror[").next().unwrap_or_default();
    let help = own.lines().find(|line| line.contains("help: "));
    let help = help.unwrap_or_else(|| panic!("it does not say what to do: {ran}"));
    assert!(help.split("help: ").last().is_some_and(|help| help.len() > 10), "{help:?}");
    assert!(!all.contains("panicked"), "{ran}");
}

/// The doctor names it, and below it what to do.
#[track_caller]
fn found(doctor: Ran, code: &str) {
    let mut lines = doctor.out.lines();
    let line = lines.find(|line| line.ends_with(&format!("[{code}]")));
    let line = line.unwrap_or_else(|| panic!("the doctor does not find {code}: {doctor}"));
    assert!(!line.starts_with("ok"), "{doctor}");
    let remedy = lines.next().unwrap_or_default();
    assert!(remedy.starts_with("    ") && remedy.trim().len() > 10, "no remedy for {code}: {doctor}");
    let bad = doctor.out.lines().any(|line| line.starts_with("FAIL") || line.starts_with('✗'));
    assert_eq!(doctor.status, Some(if bad { 3 } else { 0 }), "{doctor}");
}

/// With a migration to judge.
fn pending(repo: Sandbox) -> Sandbox {
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo
}

/// With a daemon and a server that run.
fn judged(repo: Sandbox) -> Sandbox {
    let repo = pending(repo);
    repo.migd(&["check"]).ok();
    repo
}

/// What comes of a check here, and what the doctor says.
fn both(repo: &Sandbox) -> Made {
    let ran = repo.migd(&["check"]);
    Some((ran, repo.migd(&["doctor"])))
}

/// The same with this in `migd.toml`.
fn configured(toml: &str) -> Made {
    let repo = Sandbox::new();
    repo.configure(toml);
    both(&pending(repo))
}

/// The same with a server of somebody else's.
fn served_by(url: &str) -> Made {
    configured(&format!("[engine]\nkind = \"url\"\nurl = \"{url}\"\n"))
}

/// Makes a role on the tests' own cluster: its URL.
fn role(name: &str, rights: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = cluster().connect("postgres").await;
        client.batch_execute(&format!("DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN {rights}")).await.unwrap();
    });
    format!("postgres://{name}@/postgres?host={}", cluster().socket().display())
}

fn daemon(repo: &Sandbox) -> Option<Pid> {
    let status = repo.migd(&["status", "--json"]).ok().json();
    status["pid"].as_i64().map(|pid| Pid::from_raw(pid.try_into().unwrap()))
}

/// Stops the daemon in its tracks.
fn frozen(repo: &Sandbox) -> Pid {
    let pid = daemon(repo).expect("a daemon runs");
    kill(pid, Signal::SIGSTOP).unwrap();
    pid
}

/// How each is made.
mod make {
    use super::*;

    pub(super) fn a_bare_repository() -> Made {
        let repo = Sandbox::plain(&Realm::shared());
        repo.git(&["init", "--quiet", "--bare", "."]);
        both(&repo)
    }

    pub(super) fn an_index_with_conflicts() -> Made {
        let repo = Sandbox::new();
        for (branch, column) in [("one", "a"), ("two", "b")] {
            repo.git(&["switch", "--quiet", "--create", branch, "main"]);
            repo.migration(2, "it", format!("ALTER TABLE users ADD COLUMN {column} int;\n"), "");
            repo.git(&["commit", "--quiet", "--no-verify", "--message", branch]);
        }
        repo.try_git(&["merge", "--quiet", "one"]).failed();
        both(&repo)
    }

    pub(super) fn a_file_that_is_too_large() -> Made {
        configured("[limits]\nfile_bytes = 10\n")
    }

    pub(super) fn a_key_that_there_is_not() -> Made {
        configured("[hook]\nbudgt = \"1s\"\n")
    }

    pub(super) fn a_layout_that_there_is_not() -> Made {
        configured("[[migrations]]\npath = \"migrations\"\nlayout = \"nonsense\"\n")
    }

    pub(super) fn a_repository_without_migrations() -> Made {
        let repo = Sandbox::empty(&Realm::shared());
        repo.write("README", "nothing yet\n");
        repo.git(&["add", "README"]);
        both(&repo)
    }

    pub(super) fn a_folder_that_is_no_repository() -> Made {
        both(&Sandbox::plain(&Realm::shared()))
    }

    pub(super) fn a_set_that_lies_elsewhere() -> Made {
        let repo = Sandbox::empty(&Realm::shared());
        std::os::unix::fs::symlink("../elsewhere", repo.path().join("sql")).unwrap();
        repo.configure("[[migrations]]\npath = \"sql\"\nlayout = \"flyway\"\n");
        repo.git(&["add", "sql"]);
        both(&repo)
    }

    pub(super) fn a_placeholder_without_a_value() -> Made {
        let repo = Sandbox::empty(&Realm::shared());
        repo.write("sql/V1__a.sql", "CREATE TABLE ${name} (id int);\n");
        repo.configure("[[migrations]]\npath = \"sql\"\nlayout = \"flyway\"\n");
        repo.git(&["add", "sql"]);
        both(&repo)
    }

    pub(super) fn a_replacement_that_is_not_there() -> Made {
        let repo = Sandbox::empty(&Realm::shared());
        repo.write("steps/00001_a.sql", "-- +goose Up\nCREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE a;\n");
        repo.write("steps/00002_b.go", "package steps\n");
        repo.configure(
            "[[migrations]]\npath = \"steps\"\nlayout = \"goose\"\nreplace = { \"00002\" = \"nowhere.sql\" }\n",
        );
        repo.git(&["add", "steps"]);
        both(&repo)
    }

    pub(super) fn an_index_that_is_damaged() -> Made {
        let repo = pending(Sandbox::new());
        repo.write(".git/index", "DIRC no index at all");
        both(&repo)
    }

    pub(super) fn a_daemon_that_dies_again_and_again() -> Made {
        let repo = judged(Sandbox::alone());
        repo.configure("[limits]\nstatement = \"100s\"\n");
        repo.migration(3, "slow", "SELECT pg_sleep(90);\n", "");
        let here = repo.at("");
        let check = thread::spawn(move || here.migd(&["check"]));
        while !check.is_finished() {
            // Whenever it has been asked; one that has not yet been would not be started in time.
            thread::sleep(Duration::from_millis(700));
            if let Some(pid) = daemon(&repo) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
        Some((check.join().unwrap(), repo.migd(&["doctor"])))
    }

    pub(super) fn a_daemon_that_does_not_answer() -> Made {
        let repo = judged(Sandbox::alone());
        let pid = frozen(&repo);
        let ran = repo.migd(&["hook", "pre-commit"]);
        let doctor = repo.migd(&["doctor"]);
        kill(pid, Signal::SIGCONT).unwrap();
        Some((ran, doctor))
    }

    pub(super) fn variables_that_are_too_large() -> Made {
        let repo = pending(Sandbox::new());
        let run = |arguments: &[&str]| {
            let mut command = repo.command(repo.realm().migd());
            command.envs((0..12).map(|number| (format!("GIT_PADDING_{number}"), "x".repeat(100_000))));
            command.args(arguments);
            run(command, "")
        };
        Some((run(&["check"]), run(&["doctor"])))
    }

    pub(super) fn a_folder_that_cannot_be_made() -> Made {
        let repo = pending(Sandbox::alone());
        let run = |arguments: &[&str]| {
            let mut command = repo.command(repo.realm().migd());
            command.env("MIGD_RUNTIME_DIR", "/proc/nowhere").args(arguments);
            run(command, "")
        };
        Some((run(&["check"]), run(&["doctor"])))
    }

    /// A repository whose daemon has been, and is gone.
    fn been() -> Sandbox {
        let repo = judged(Sandbox::alone());
        repo.migd(&["stop"]).ok();
        // Else the verdict is known.
        repo.migration(3, "more", "ALTER TABLE users ADD COLUMN more int;", "ALTER TABLE users DROP COLUMN more;");
        repo
    }

    pub(super) fn a_server_that_another_process_has() -> Made {
        let repo = been();
        let locks = fs::read_dir(repo.realm().runtime()).unwrap().map(|entry| entry.unwrap().path());
        let locks = locks.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("engine-"));
        let locks: Vec<_> = locks.map(|path| File::open(path).unwrap()).collect();
        assert!(!locks.is_empty());
        let held: Vec<_> =
            locks.into_iter().map(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap()).collect();
        let ran = repo.migd(&["check"]);
        repo.migd(&["stop"]).ok();
        let doctor = repo.migd(&["doctor"]);
        drop(held);
        Some((ran, doctor))
    }

    pub(super) fn a_server_that_nobody_runs() -> Made {
        served_by("postgres://nobody@127.0.0.1:1/none")
    }

    pub(super) fn a_data_folder_that_somebody_else_made() -> Made {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let repo = judged(Sandbox::alone());
        let folders = repo.realm().data_folders();
        let name = folders[0].file_name().unwrap().to_owned();
        repo.migd(&["stop"]).ok();
        eventually("the data is gone", || repo.realm().data_folders().is_empty());
        repo.migration(3, "more", "ALTER TABLE users ADD COLUMN more int;", "ALTER TABLE users DROP COLUMN more;");
        for root in ["/dev/shm", "/var/lib/migd"] {
            let planted = std::path::Path::new(root).join(&name);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&planted).unwrap();
            chown(&planted, Some(65534), Some(65534)).unwrap();
        }
        both(&repo)
    }

    pub(super) fn an_image_that_nobody_has() -> Made {
        let docker = std::process::Command::new("docker").arg("version").output();
        if !docker.is_ok_and(|output| output.status.success()) {
            return None;
        }
        configured("[engine]\nkind = \"container\"\nimage = \"nowhere.invalid/postgres:1\"\n")
    }

    pub(super) fn a_server_that_is_lost_every_time() -> Made {
        let repo = judged(Sandbox::alone());
        // At another statement each time: at the same one it would be the migration's fault.
        let up = "SELECT pg_sleep(2);\n".repeat(3) + "ALTER TABLE users ADD COLUMN late int;\n";
        repo.migration(3, "slow", up, "ALTER TABLE users DROP COLUMN late;\n");
        let here = repo.at("");
        let check = thread::spawn(move || here.migd(&["check"]));
        let command = |pid: u32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let judging = |pid: &u32| String::from_utf8_lossy(&command(*pid)).contains("[local] SELECT");
        let mut later = Duration::from_millis(200);
        while !check.is_finished() {
            if repo.realm().processes().iter().any(judging) {
                thread::sleep(later);
                later += Duration::from_secs(2);
                let servers = repo.realm().data_folders().into_iter().filter_map(|folder| {
                    fs::read_to_string(folder.join("data/postmaster.pid")).ok()?.lines().next()?.parse().ok()
                });
                for pid in servers.collect::<Vec<i32>>() {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
                // Its sessions notice, and end.
                eventually("it is not judged any more", || !repo.realm().processes().iter().any(judging));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Some((check.join().unwrap(), repo.migd(&["doctor"])))
    }

    pub(super) fn no_server_programs() -> Made {
        let repo = pending(Sandbox::new());
        let run = |arguments: &[&str]| {
            let mut command = repo.command(repo.realm().migd());
            command.env("MIGD_BIN_DIR", "/nonexistent").args(arguments);
            run(command, "")
        };
        Some((run(&["check"]), run(&["doctor"])))
    }

    pub(super) fn a_role_that_may_not_make_databases() -> Made {
        served_by(&role("codes_humble", "NOCREATEDB"))
    }

    pub(super) fn a_setting_that_runs_programs() -> Made {
        configured("[engine.settings]\narchive_command = \"touch /tmp/x\"\n")
    }

    pub(super) fn a_setting_that_the_server_refuses() -> Made {
        configured("[engine.settings]\nwork_mem = \"nonsense\"\n")
    }

    pub(super) fn a_role_that_may_do_anything() -> Made {
        served_by(&role("codes_mighty", "SUPERUSER"))
    }

    pub(super) fn a_budget_that_is_over() -> Made {
        let repo = Sandbox::alone();
        repo.configure("[hook]\nbudget = \"1s\"\n[limits]\nstatement = \"30s\"\n");
        repo.migration(2, "slow", "SELECT pg_sleep(20);\n", "");
        let ran = repo.migd(&["hook", "pre-commit"]);
        Some((ran, repo.migd(&["doctor"])))
    }

    pub(super) fn a_server_that_wants_encryption() -> Made {
        served_by("postgres://migd@127.0.0.1/app?sslmode=require")
    }

    pub(super) fn a_server_of_another_version() -> Made {
        configured("[engine]\npostgres = \"99\"\n")
    }
}
