//! Hooks put into real repositories and taken out again, and run by the real `git commit`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

use migd::hooks::{Error, Hooks, State};
use migd::repo::Repo;

use crate::support::git::{Sandbox, make_executable};

const NAMES: [&str; 3] = ["pre-commit", "post-checkout", "post-merge"];

fn hooks(sandbox: &Sandbox) -> Hooks {
    hooks_of(sandbox, "repo")
}

fn hooks_of(sandbox: &Sandbox, folder: &str) -> Hooks {
    Hooks::of(&Repo::open(&sandbox.location(folder)).unwrap()).unwrap()
}

fn install(sandbox: &Sandbox) -> Vec<String> {
    hooks(sandbox).install(&program(sandbox, 0), None).unwrap()
}

fn state(sandbox: &Sandbox) -> State {
    hooks(sandbox).state().unwrap()
}

/// A program in the place of `migd-hook`, under a path that wants quoting: it notes how it was called, and ends with
/// `status`.
fn program(sandbox: &Sandbox, status: u8) -> PathBuf {
    let path = sandbox.path("it's a \"$HOME\" folder/migd-hook");
    script(&path, &format!("#!/bin/sh\necho \"migd-hook $*\" >> '{}'\nexit {status}\n", log(sandbox).display()));
    path
}

fn log(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("called")
}

/// What was called since the last look.
fn called(sandbox: &Sandbox) -> Vec<String> {
    let said = fs::read_to_string(log(sandbox)).unwrap_or_default();
    let _ = fs::remove_file(log(sandbox));
    said.lines().map(str::to_owned).collect()
}

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    make_executable(path);
}

/// Puts a hook there that notes its own name and arguments.
fn existing(sandbox: &Sandbox, name: &str, first: &str) -> PathBuf {
    let path = sandbox.path("repo/.git/hooks").join(name);
    script(&path, &format!("{first}\necho \"theirs $*\" >> '{}'\n", log(sandbox).display()));
    path
}

fn commit(sandbox: &Sandbox) -> Output {
    sandbox.write("migrations/1.sql", &format!("{:?}", std::time::Instant::now()));
    sandbox.git(&["add", "."]);
    sandbox.try_git(&["commit", "-m", "x"])
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Everything about the files of a folder: kind, mode, content.
fn everything(folder: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let entries = entries.map(|entry| {
        let meta = entry.path().symlink_metadata().unwrap();
        let content = match fs::read_link(entry.path()) {
            Ok(target) => target.into_os_string().into_encoded_bytes(),
            Err(_) => fs::read(entry.path()).unwrap(),
        };
        (entry.file_name().into_string().unwrap(), (meta.mode(), content))
    });
    entries.collect()
}

/// Installs twice and uninstalls twice; afterwards everything is as before. Calls `between` while they are installed.
fn there_and_back(sandbox: &Sandbox, folder: &Path, between: impl FnOnce()) {
    let before = everything(folder);
    install(sandbox);
    let once = everything(folder);
    assert!(install(sandbox).iter().all(|line| line.ends_with("is up to date")));
    assert_eq!(everything(folder), once, "a second install changes nothing");
    between();
    hooks(sandbox).uninstall().unwrap();
    assert_eq!(everything(folder), before, "byte for byte");
    assert_eq!(hooks(sandbox).uninstall().unwrap(), ["migd's hooks are not installed here"]);
    assert_eq!(everything(folder), before);
}

#[test]
fn a_commit_calls_migd_hook() {
    let sandbox = Sandbox::new();
    assert!(!state(&sandbox).installed);
    there_and_back(&sandbox, &sandbox.path("repo/.git/hooks"), || {
        let state = state(&sandbox);
        assert!(state.installed && state.problems.is_empty(), "{state:?}");
        assert_eq!(state.program, Some(program(&sandbox, 0)));
        let output = commit(&sandbox);
        assert!(output.status.success());
        assert_eq!(called(&sandbox), ["migd-hook pre-commit"]);
        assert_eq!(stderr(&output), "");
        for name in NAMES {
            let mode = sandbox.path("repo/.git/hooks").join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o755);
        }
    });
}

#[test]
fn its_status_ends_the_commit() {
    for first in ["", "#!/bin/sh", "#!/usr/bin/env python3"] {
        let sandbox = Sandbox::new();
        if !first.is_empty() {
            existing(&sandbox, "pre-commit", first);
        }
        hooks(&sandbox).install(&program(&sandbox, 3), None).unwrap();
        let head = sandbox.git(&["rev-parse", "HEAD"]);
        assert!(!commit(&sandbox).status.success(), "{first}");
        assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), head);
        assert_eq!(called(&sandbox), ["migd-hook pre-commit"], "theirs is not reached");
        let run = sandbox.command("repo").args(["hook", "run", "pre-commit"]).status().unwrap();
        assert_eq!(run.code(), Some(3), "{first}");
    }
}

#[test]
fn a_shell_hook_gets_a_block_and_runs_afterwards() {
    for first in ["#!/bin/sh", "#!/bin/bash -eu", "#!/usr/bin/env bash", "#! /bin/dash"] {
        let sandbox = Sandbox::new();
        let path = existing(&sandbox, "pre-commit", first);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o710)).unwrap();
        there_and_back(&sandbox, &sandbox.path("repo/.git/hooks"), || {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o710);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with(&format!("{first}\n# >>> migd >>>\n")), "{text}");
            assert!(commit(&sandbox).status.success());
            assert_eq!(called(&sandbox), ["migd-hook pre-commit", "theirs "], "{first}");
        });
    }
}

#[test]
fn a_shell_hook_may_be_in_any_encoding_and_end_as_it_likes() {
    let sandbox = Sandbox::new();
    let path = existing(&sandbox, "pre-commit", "#!/bin/sh");
    fs::write(&path, b"#!/bin/sh\n# caf\xe9\ntrue\r\nexit 0").unwrap();
    there_and_back(&sandbox, &sandbox.path("repo/.git/hooks"), || {});
    // Nothing but its first line: still not migd's.
    fs::write(&path, b"#!/bin/sh\n").unwrap();
    there_and_back(&sandbox, &sandbox.path("repo/.git/hooks"), || {});
}

#[test]
fn any_other_hook_is_kept_and_called_with_its_arguments() {
    let sandbox = Sandbox::new();
    let theirs = "#!/usr/bin/env python3\nimport sys\nopen('{log}', 'a').write('theirs %s\\n' % len(sys.argv))\n";
    let theirs = theirs.replace("{log}", &log(&sandbox).display().to_string());
    let folder = sandbox.path("repo/.git/hooks");
    script(&folder.join("pre-commit"), &theirs);
    script(&folder.join("post-checkout"), &theirs);
    there_and_back(&sandbox, &folder, || {
        assert!(commit(&sandbox).status.success());
        assert_eq!(called(&sandbox), ["migd-hook pre-commit", "theirs 1"]);
        sandbox.git(&["checkout", "-q", "-b", "other"]);
        assert!(called(&sandbox).contains(&"theirs 4".to_owned()));
    });
}

#[test]
fn a_linked_hook_stays_a_link() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("repo/.git/hooks/pre-commit");
    script(&sandbox.path("repo/tools/check"), &format!("echo theirs >> '{}'\n", log(&sandbox).display()));
    symlink("../../tools/check", &path).unwrap();
    let before = fs::read(sandbox.path("repo/tools/check")).unwrap();
    there_and_back(&sandbox, &sandbox.path("repo/.git/hooks"), || {
        assert!(commit(&sandbox).status.success());
        assert_eq!(called(&sandbox), ["migd-hook pre-commit", "theirs"]);
        assert_eq!(fs::read(sandbox.path("repo/tools/check")).unwrap(), before, "the script is not touched");
    });
    fs::remove_file(&path).unwrap();
    symlink("nowhere", &path).unwrap();
    there_and_back(&sandbox, &sandbox.path("repo/.git/hooks"), || {
        assert!(commit(&sandbox).status.success());
    });
}

#[test]
fn a_hook_that_was_switched_off_stays_so() {
    let sandbox = Sandbox::new();
    let path = existing(&sandbox, "pre-commit", "#!/bin/sh");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    there_and_back(&sandbox, &sandbox.path("repo/.git/hooks"), || {
        assert!(commit(&sandbox).status.success());
        assert_eq!(called(&sandbox), ["migd-hook pre-commit"]);
    });
}

#[test]
fn lines_added_to_migds_own_file_run_after_the_next_install() {
    let sandbox = Sandbox::new();
    install(&sandbox);
    let path = sandbox.path("repo/.git/hooks/pre-commit");
    let text = fs::read_to_string(&path).unwrap();
    let theirs = format!("echo theirs >> '{}'\n", log(&sandbox).display());
    fs::write(&path, text + &theirs).unwrap();
    assert!(state(&sandbox).problems[0].message.contains("never run"));
    install(&sandbox);
    assert_eq!(state(&sandbox).problems, []);
    assert!(commit(&sandbox).status.success());
    assert_eq!(called(&sandbox), ["migd-hook pre-commit", "theirs"]);
    hooks(&sandbox).uninstall().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("#!/bin/sh\n{theirs}"));
}

#[test]
fn a_program_that_moved_is_called_where_it_is_now() {
    let sandbox = Sandbox::new();
    for first in ["", "#!/bin/sh"] {
        if !first.is_empty() {
            existing(&sandbox, "pre-commit", first);
        }
        install(&sandbox);
        let there = sandbox.path("elsewhere/migd-hook");
        script(&there, &format!("#!/bin/sh\necho \"moved $*\" >> '{}'\n", log(&sandbox).display()));
        fs::remove_file(program(&sandbox, 0)).unwrap();
        assert!(state(&sandbox).problems[0].message.contains("which is gone"));
        let said = hooks(&sandbox).install(&there, None).unwrap();
        assert_eq!(said[0], "updated migd's block in .git/hooks/pre-commit");
        assert!(commit(&sandbox).status.success());
        assert_eq!(called(&sandbox)[0], "moved pre-commit");
        hooks(&sandbox).uninstall().unwrap();
    }
}

#[test]
fn a_program_that_is_gone_is_looked_for_on_path_and_then_warned_about_once() {
    for first in ["", "#!/bin/sh -eu"] {
        let sandbox = Sandbox::new();
        if !first.is_empty() {
            existing(&sandbox, "pre-commit", first);
        }
        install(&sandbox);
        let folder = program(&sandbox, 0).parent().unwrap().to_owned();
        let elsewhere = sandbox.path("bin");
        fs::rename(&folder, &elsewhere).unwrap();
        let path = format!("{}:{}", elsewhere.display(), std::env::var("PATH").unwrap());
        let run = |path: &str| {
            let command = ["commit", "-q", "--allow-empty", "-m", "x"];
            sandbox.command("repo").args(command).env("PATH", path).output().unwrap()
        };
        assert!(run(&path).status.success());
        assert_eq!(called(&sandbox)[0], "migd-hook pre-commit");
        let output = run(&std::env::var("PATH").unwrap());
        assert!(output.status.success(), "{}", stderr(&output));
        let said = stderr(&output);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with(&format!("migd: warning: {}/migd-hook is gone", folder.display())), "{said}");
        assert!(said.contains("migd hook uninstall") && said.contains(".git/hooks/pre-commit"), "{said}");
    }
}

#[test]
fn checkouts_and_merges_are_told_aside() {
    let sandbox = Sandbox::new();
    install(&sandbox);
    // It comes to its end only after git has: one that git waited for would give up, and say so.
    let (pipe, go) = (sandbox.path("pipe"), sandbox.path("go"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let text = "#!/bin/sh\nfor _ in $(seq 100); do [ -e '{go}' ] && break; sleep 0.1; done\n[ -e '{go}' ] || set -- \
                waited for\n(echo \"$*\" > '{pipe}' &)\nexit 1\n";
    let text = text.replace("{go}", go.to_str().unwrap()).replace("{pipe}", pipe.to_str().unwrap());
    script(&program(&sandbox, 0), &text);
    let told = |arguments: &[&str]| {
        let output = sandbox.try_git(arguments);
        fs::write(&go, "").unwrap();
        assert_eq!(fs::read_to_string(&pipe).unwrap(), "warm\n", "{arguments:?}");
        fs::remove_file(&go).unwrap();
        assert!(output.status.success() && !stderr(&output).contains("migd"), "{}", stderr(&output));
    };
    told(&["checkout", "-b", "side"]);
    sandbox.git(&["commit", "-q", "--no-verify", "--allow-empty", "-m", "side"]);
    sandbox.git(&["-c", "core.hooksPath=/dev/null", "checkout", "-q", "main"]);
    told(&["merge", "-q", "side"]);
}

#[test]
fn a_linked_worktree_shares_the_hooks() {
    let sandbox = Sandbox::new();
    sandbox.git(&["worktree", "add", "-q", "../linked"]);
    let said = hooks_of(&sandbox, "linked").install(&program(&sandbox, 0), None).unwrap();
    assert_eq!(said[0], format!("installed {}", sandbox.path("repo/.git/hooks/pre-commit").display()));
    for folder in ["repo", "linked"] {
        assert!(hooks_of(&sandbox, folder).state().unwrap().installed);
        sandbox.git_in(folder, &["commit", "-q", "--allow-empty", "-m", "x"]);
        assert_eq!(called(&sandbox).first().map(String::as_str), Some("migd-hook pre-commit"), "{folder}");
    }
    hooks(&sandbox).uninstall().unwrap();
    assert!(!hooks_of(&sandbox, "linked").state().unwrap().installed);
}

#[test]
fn hooks_path_inside_the_repository_and_not_tracked_is_used() {
    let sandbox = Sandbox::new();
    for path in [".git/my hooks", "own-hooks"] {
        sandbox.git(&["config", "core.hooksPath", path]);
        fs::create_dir(sandbox.path("repo").join(path)).unwrap();
        there_and_back(&sandbox, &sandbox.path("repo").join(path), || {
            sandbox.git_in("repo/src", &["commit", "-q", "--allow-empty", "-m", "x"]);
            assert_eq!(called(&sandbox), ["migd-hook pre-commit"]);
        });
    }
}

#[test]
fn a_tracked_hooks_folder_is_everybodys() {
    let sandbox = Sandbox::new();
    script(&sandbox.path("repo/.githooks/pre-commit"), "#!/bin/sh\ntrue\n");
    sandbox.git(&["add", "."]);
    sandbox.git(&["config", "core.hooksPath", ".githooks"]);
    let folders = [sandbox.path("repo/.githooks"), sandbox.path("repo/.git/hooks")];
    let before = folders.each_ref().map(|folder| everything(folder));
    let said = install(&sandbox);
    assert_eq!(folders.each_ref().map(|folder| everything(folder)), before);
    assert!(said[0].contains("core.hooksPath is `.githooks`") && said[0].ends_with("nothing was written"), "{said:?}");
    assert_eq!(said[1], "add to .githooks/pre-commit, as line 2:");
    follow(&sandbox, ".githooks/pre-commit", &said);
}

/// Does what was said, and sees that it works: the line that comes after `add to …, as line N:`.
fn follow(sandbox: &Sandbox, file: &str, said: &[String]) {
    assert!(!state(sandbox).installed);
    assert!(state(sandbox).problems[0].help.contains(&said[1]));
    let path = sandbox.path("repo").join(file);
    let at: usize = said[1].rsplit(' ').next().unwrap().trim_end_matches(':').parse().unwrap();
    let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    lines.insert(at - 1, said[2].trim().to_owned());
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    assert!(state(sandbox).installed);
    assert_eq!(install(sandbox).len(), 1, "there is no more to do");
    for status in [0, 1] {
        let folder = program(sandbox, status).parent().unwrap().to_owned();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let mut command = sandbox.command("repo");
        command.args(["commit", "-q", "--allow-empty", "-m", "x"]).env("PATH", path);
        assert_eq!(command.output().unwrap().status.success(), status == 0);
        assert_eq!(called(sandbox), ["migd-hook pre-commit"]);
    }
    let without = sandbox.try_git(&["commit", "-q", "--allow-empty", "-m", "x"]);
    assert!(without.status.success(), "whoever has no migd commits as before: {}", stderr(&without));
    assert!(hooks(sandbox).uninstall().unwrap()[0].contains("take `migd-hook` out of"));
}

#[test]
fn a_folder_that_all_repositories_share_is_left_alone() {
    let sandbox = Sandbox::new();
    let global = sandbox.path("global hooks");
    fs::create_dir(&global).unwrap();
    sandbox.git(&["config", "core.hooksPath", global.to_str().unwrap()]);
    let said = install(&sandbox);
    assert_eq!(everything(&global), BTreeMap::new());
    assert!(said[0].contains("outside this repository"), "{said:?}");
    assert_eq!(said[1], format!("make {}, executable, with these lines:", global.join("pre-commit").display()));
    // What is said works: both ways.
    script(&global.join("pre-commit"), &said[2..4].iter().map(|line| format!("{}\n", line.trim())).collect::<String>());
    assert!(state(&sandbox).installed);
    fs::remove_file(global.join("pre-commit")).unwrap();
    let own = said[4].strip_prefix("or give this repository hooks of its own: ").unwrap();
    let own = own.strip_suffix(" && migd hook install").unwrap();
    let done = std::process::Command::new("sh").args(["-c", own]).current_dir(sandbox.top()).status().unwrap();
    assert!(done.success());
    install(&sandbox);
    assert!(commit(&sandbox).status.success());
    assert_eq!(called(&sandbox), ["migd-hook pre-commit"]);
}

#[test]
fn hooks_that_are_switched_off_are_said_to_be() {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "core.hooksPath", "/dev/null"]);
    let said = install(&sandbox);
    assert!(said[0].starts_with("hooks are switched off here"), "{said:?}");
    assert!(!state(&sandbox).installed);
}

#[test]
fn husky_is_told_the_file_and_the_line() {
    for (before, line) in [("true\n", 1), ("#!/bin/sh\n. \"$(dirname -- \"$0\")/_/husky.sh\"\n\ntrue\n", 3)] {
        let sandbox = Sandbox::new();
        script(&sandbox.path("repo/.husky/pre-commit"), before);
        // As husky makes it: not tracked, and calling the tracked file.
        script(&sandbox.path("repo/.husky/_/pre-commit"), "#!/bin/sh\nsh -e .husky/pre-commit\n");
        script(&sandbox.path("repo/.husky/_/husky.sh"), "");
        sandbox.git(&["config", "core.hooksPath", ".husky/_"]);
        let said = install(&sandbox);
        assert!(said[0].starts_with("husky runs the hooks"), "{said:?}");
        assert_eq!(said[1], format!("add to .husky/pre-commit, as line {line}:"));
        follow(&sandbox, ".husky/pre-commit", &said);
    }
}

#[test]
fn lefthook_is_told_what_to_add() {
    for (file, wanted) in [
        ("lefthook.yml", "run: migd-hook pre-commit"),
        (".config/lefthook.toml", "[pre-commit.commands.migd]"),
        (".lefthook.json", "{ \"run\": \"migd-hook pre-commit\" }"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write(file, "");
        let before = everything(&sandbox.path("repo/.git/hooks"));
        let said = install(&sandbox);
        assert_eq!(said[1], format!("add to {file}, then run `lefthook install`:"));
        assert!(said[2..].iter().any(|line| line.contains(wanted)), "{said:?}");
        assert_eq!(everything(&sandbox.path("repo/.git/hooks")), before);
        sandbox.write(file, &said[2..].join("\n"));
        assert!(state(&sandbox).installed);
    }
}

#[test]
fn the_pre_commit_framework_is_told_what_to_add() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("repo/.git/hooks/pre-commit");
    let generated = "#!/usr/bin/env bash\n# File generated by pre-commit: https://pre-commit.com\n";
    script(&path, generated);
    let said = install(&sandbox);
    assert_eq!(said[0], "the pre-commit framework runs the hooks of this repository: nothing was written");
    assert_eq!(said[1], "add to `repos:` in .pre-commit-config.yaml:");
    assert!(said.iter().any(|line| line == "        entry: migd-hook pre-commit"), "{said:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), generated);
    // A framework that came after migd renames the hook that it finds, and calls it.
    fs::remove_file(&path).unwrap();
    install(&sandbox);
    fs::rename(&path, sandbox.path("repo/.git/hooks/pre-commit.legacy")).unwrap();
    script(&path, generated);
    assert!(state(&sandbox).installed);
    hooks(&sandbox).uninstall().unwrap();
    assert!(!sandbox.path("repo/.git/hooks/pre-commit.legacy").exists());
    assert_eq!(fs::read_to_string(&path).unwrap(), generated);
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_is_changed() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("repo/.git/hooks");
    let error = hooks(&sandbox).install(Path::new("migd-hook"), None).unwrap_err();
    assert!(matches!(error, Error::Program(_)), "{error}");
    script(&folder.join("pre-commit"), "#!/bin/sh\n# >>> migd >>>\ntrue\n");
    let before = everything(&folder);
    for done in [hooks(&sandbox).install(&program(&sandbox, 0), None), hooks(&sandbox).uninstall()] {
        assert!(matches!(done, Err(Error::Unended(_))), "{done:?}");
    }
    assert_eq!(everything(&folder), before);
    existing(&sandbox, "pre-commit", "#!/usr/bin/perl");
    existing(&sandbox, "pre-commit.migd-kept", "#!/usr/bin/perl");
    let before = everything(&folder);
    let error = hooks(&sandbox).install(&program(&sandbox, 0), None).unwrap_err();
    assert!(matches!(error, Error::Taken(_)) && error.help().contains("migd-kept"), "{error}");
    assert_eq!(everything(&folder), before);
    sandbox.git_in("", &["init", "-q", "--bare", "bare.git"]);
    let bare = Repo::open(&sandbox.location("bare.git")).unwrap();
    assert!(matches!(Hooks::of(&bare), Err(Error::Bare(_))));
}
