//! The hook as a program: a copy of migd-hook in the repository, which knows where it came from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::realm::{Ran, run};
use crate::support::sandbox::{BROKEN, GOOD, GOOD_DOWN, Sandbox};

const HOOK: &str = ".git/hooks/pre-commit";
const PASS: &str = "migd: migrations: pass";
const FAIL: &str = "relation \"persons\" does not exist";

/// An installation of its own, which a test may replace or delete.
fn installation(repo: &Sandbox) -> PathBuf {
    let folder = repo.path().with_extension("installed");
    fs::create_dir(&folder).unwrap();
    for program in ["migd", "migd-hook"] {
        fs::copy(repo.realm().migd().with_file_name(program), folder.join(program)).unwrap();
    }
    folder
}

/// A repository whose hook is a copy of the migd-hook in the folder.
fn copied() -> (Sandbox, PathBuf) {
    let repo = Sandbox::alone();
    let folder = installation(&repo);
    migd(&repo, &folder, &["hook", "install", "--form", "program"]).ok().says(&format!("{HOOK} is now a program"));
    (repo, folder)
}

fn migd(repo: &Sandbox, folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = repo.command(folder.join("migd"));
    command.args(arguments);
    run(command, "")
}

/// Puts another build of both programs in the place of those in the folder, as an upgrade does.
fn upgrade(folder: &Path) {
    for program in ["migd", "migd-hook"] {
        let (path, new) = (folder.join(program), folder.join("new"));
        fs::copy(&path, &new).unwrap();
        let time = SystemTime::now() + Duration::from_secs(1);
        fs::File::options().append(true).open(&new).unwrap().set_modified(time).unwrap();
        fs::rename(&new, &path).unwrap();
    }
}

fn is_program(path: &Path) -> bool {
    fs::read(path).unwrap().starts_with(b"\x7fELF")
}

fn tail(repo: &Sandbox) -> String {
    let text = fs::read(repo.path().join(HOOK)).unwrap();
    let tail = String::from_utf8_lossy(&text[text.len() - 800..]).into_owned();
    tail[tail.find("# >>> migd >>>").unwrap()..].to_owned()
}

#[test]
fn a_commit_is_judged_as_through_the_script() {
    let (repo, folder) = copied();
    repo.migration(2, "age", BROKEN, GOOD_DOWN);
    let said = repo.commit(&[]).status(1).says(FAIL).to_string();
    migd(&repo, &folder, &["hook", "install", "--form", "script"]).ok().says(&format!("{HOOK} is now a script"));
    let findings = |said: &str| {
        let from = said.find("error[").unwrap();
        said[from..].lines().take_while(|line| !line.starts_with("migd:")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(findings(&said), findings(&repo.commit(&[]).status(1).to_string()));
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo.commit(&[]).ok().says(PASS);
}

#[test]
fn it_says_at_its_end_what_it_is() {
    let (repo, folder) = copied();
    let said = tail(&repo);
    assert!(said.contains(&format!("copy of {}\n", folder.join("migd-hook").display())), "{said}");
    assert!(said.contains("migd hook uninstall") && said.contains("--form script"), "{said}");
}

#[test]
fn it_stays_a_program_and_is_taken_away_whole() {
    let (repo, folder) = copied();
    migd(&repo, &folder, &["hook", "install"]).ok().says(&format!("{HOOK} is up to date"));
    assert!(is_program(&repo.path().join(HOOK)));
    migd(&repo, &folder, &["doctor"]).says(", a copy of migd-hook");
    migd(&repo, &folder, &["hook", "uninstall"]).ok().says(&format!("deleted {HOOK}"));
    assert!(!repo.path().join(HOOK).exists());
}

#[test]
fn it_can_be_off_for_one_commit() {
    let (repo, _) = copied();
    repo.migration(2, "age", BROKEN, GOOD_DOWN);
    let mut command = repo.command("git");
    command.env("MIGD", "0").args(["commit", "--quiet", "--message", "age"]);
    run(command, "").ok().says("migd: off for this commit (MIGD=0), nothing was judged");
}

#[test]
fn after_an_upgrade_the_new_program_judges_and_renews_it() {
    let (repo, folder) = copied();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo.commit(&[]).ok().says(PASS);
    let before = tail(&repo);
    upgrade(&folder);
    migd(&repo, &folder, &["doctor"]).says("is a copy of an earlier");
    repo.migration(3, "broken", BROKEN, GOOD_DOWN);
    repo.commit(&[]).status(1).says(FAIL);
    assert!(is_program(&repo.path().join(HOOK)));
    assert_ne!(tail(&repo), before, "it is a copy of the new program");
    migd(&repo, &folder, &["hook", "install"]).ok().says(&format!("{HOOK} is up to date"));
    repo.commit(&[]).status(1).says(FAIL);
}

/// A command that obeys the permissions of files even where root runs it.
fn obedient(repo: &Sandbox, program: &Path, arguments: &[&str]) -> Ran {
    let mut command = repo.command("setpriv");
    if nix::unistd::geteuid().is_root() {
        command.args(["--bounding-set", "-dac_override", "--inh-caps", "-dac_override"]);
    }
    command.arg(program).args(arguments);
    run(command, "")
}

#[test]
fn one_that_cannot_be_renewed_says_so_once_and_judges() {
    let (repo, folder) = copied();
    upgrade(&folder);
    // By somebody who may do all that it has to.
    migd(&repo, &folder, &["restart"]).ok();
    let hooks = repo.path().join(".git/hooks");
    let allow = |mode| fs::set_permissions(&hooks, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    let commit = || obedient(&repo, Path::new("git"), &["commit", "--quiet", "--message", "broken"]);
    let (said, help) = ("the hook stays a copy of an earlier migd-hook", "writable for you, then `migd hook install`");
    repo.migration(2, "broken", BROKEN, GOOD_DOWN);
    commit().status(1).says(FAIL).says(said).says(help);
    commit().status(1).says(FAIL).does_not_say(said);
    obedient(&repo, &folder.join("migd"), &["doctor"]).says("is a copy of an earlier").says(help);
    allow(0o755);
    migd(&repo, &folder, &["doctor"]).says("`migd hook install`").does_not_say("writable for you");
    repo.commit(&[]).status(1).says(FAIL);
    migd(&repo, &folder, &["hook", "install"]).ok().says(&format!("{HOOK} is up to date"));
}

#[test]
fn without_its_program_it_says_so_and_lets_the_commit_through() {
    let (repo, folder) = copied();
    migd(&repo, &folder, &["stop"]);
    fs::remove_dir_all(&folder).unwrap();
    repo.migration(2, "age", BROKEN, GOOD_DOWN);
    repo.commit(&[]).ok().says("migd-hook is gone, nothing was judged: install migd again").says(HOOK);
}

#[test]
fn a_hook_manager_that_renames_it_runs_it_still() {
    let (repo, folder) = copied();
    let (hook, legacy) = (repo.path().join(HOOK), repo.path().join(HOOK).with_extension("legacy"));
    fs::rename(&hook, &legacy).unwrap();
    repo.migration(2, "age", BROKEN, GOOD_DOWN);
    let mut command: Command = repo.command(&legacy);
    command.env("GIT_INDEX_FILE", ".git/index");
    run(command, "").status(1).says(FAIL);
    migd(&repo, &folder, &["hook", "uninstall"]).ok().says("deleted .git/hooks/pre-commit.legacy");
}

#[test]
fn a_hook_with_commands_of_its_own_is_not_made_a_program() {
    let repo = Sandbox::alone();
    let hook = repo.path().join(HOOK);
    let mut text = fs::read(&hook).unwrap();
    text.extend_from_slice(b"true\n");
    fs::write(&hook, &text).unwrap();
    repo.migd(&["hook", "install", "--form", "program"])
        .failed()
        .says("has commands besides migd's")
        .says("--form script");
    assert_eq!(fs::read(&hook).unwrap(), text, "nothing is changed");
    repo.migd(&["hook", "install"]).ok();
    assert!(!is_program(&hook));
}

#[test]
fn a_script_in_its_place_gets_the_block() {
    let (repo, folder) = copied();
    fs::write(repo.path().join(HOOK), "#!/bin/sh\necho mine\n").unwrap();
    migd(&repo, &folder, &["hook", "install"]).ok().says(&format!("added a block to {HOOK}"));
    repo.migration(2, "age", BROKEN, GOOD_DOWN);
    repo.commit(&[]).status(1).says(FAIL);
}
