//! The kinds of repositories and of entries, and what is said about those that cannot be read.

use std::collections::BTreeMap;

use migd::repo::{BaseCommit, Entry, Error, Repo};

use super::{all, contents, paths};
use crate::support::git::Sandbox;

/// What both ways of reading say about a repository of any kind.
fn check(sandbox: &Sandbox, by_libgit2: bool) {
    sandbox.write("migrations/3.sql", "three");
    sandbox.git(&["add", "."]);
    sandbox.write("migrations/2.sql", "two, on disk").write("migrations/4.sql", "untracked");
    std::fs::remove_file(sandbox.path("repo/migrations/1.sql")).unwrap();
    assert_eq!(sandbox.open().is_through_library(), by_libgit2, "whether libgit2 opens this kind");
    for (how, repo) in sandbox.both(&sandbox.location("repo/src")) {
        let sets = ["migrations".to_owned(), "src".to_owned()];
        let staged = contents(&repo, &repo.staged(&sets).unwrap());
        let expected =
            [("migrations/1.sql", "one"), ("migrations/2.sql", "two"), ("migrations/3.sql", "three"), ("src/a", "a")];
        let expected: BTreeMap<_, _> = expected.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        assert_eq!(staged, expected, "{how}");
        let tree = contents(&repo, &repo.tree(&repo.head().unwrap().unwrap(), &["migrations".to_owned()]).unwrap());
        assert_eq!(tree.keys().collect::<Vec<_>>(), ["migrations/1.sql", "migrations/2.sql"], "{how}");
        let disk = repo.worktree(&["migrations".to_owned()]).unwrap();
        let disk: Vec<_> = disk.iter().map(|file| (file.path.as_str(), file.bytes.as_slice())).collect();
        let expected: [(&str, &[u8]); 3] =
            [("migrations/2.sql", b"two, on disk"), ("migrations/3.sql", b"three"), ("migrations/4.sql", b"untracked")];
        assert_eq!(disk, expected, "{how}");
        let head = sandbox.git(&["rev-parse", "HEAD"]);
        assert_eq!(repo.head().unwrap().as_ref(), Some(&head), "{how}");
        assert_eq!(repo.resolve("main").unwrap(), head, "{how}");
        assert_eq!(repo.base("").unwrap(), BaseCommit { rev: Some(head), ..BaseCommit::default() }, "{how}");
        assert_eq!(repo.root(), Some(sandbox.top().as_path()), "{how}");
        assert_eq!(repo.git_dir(), sandbox.path("repo/.git"), "{how}");
    }
}

#[test]
fn common() {
    check(&Sandbox::new(), true);
}

#[test]
fn split_index() {
    let sandbox = Sandbox::new();
    sandbox.git(&["update-index", "--split-index"]);
    check(&sandbox, true);
}

#[test]
fn sparse_index() {
    let sandbox = Sandbox::new();
    sandbox.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "migrations"]);
    assert!(!sandbox.top().join("src").exists(), "src is outside of the cone");
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        assert_eq!(paths(&repo.staged(&all()).unwrap()), ["migrations/1.sql", "migrations/2.sql", "src/a"], "{how}");
        assert_eq!(repo.paths().unwrap(), ["migrations/1.sql", "migrations/2.sql", "src/a"], "{how}");
    }
}

#[test]
fn reftable() {
    check(&Sandbox::with(&["--ref-format=reftable"]), false);
}

#[test]
fn sha256() {
    let sandbox = Sandbox::with(&["--object-format=sha256"]);
    check(&sandbox, false);
    let repo = sandbox.open();
    assert_eq!(repo.staged(&all()).unwrap()[0].id.len(), 64);
    assert_eq!(repo.blob_id(b"one").unwrap(), repo.staged(&all()).unwrap()[0].id);
}

#[test]
fn index_versions() {
    for version in ["2", "3", "4"] {
        let sandbox = Sandbox::new();
        sandbox.git(&["update-index", "--index-version", version]);
        check(&sandbox, true);
    }
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "index.skipHash", "true"]);
    check(&sandbox, true);
}

#[test]
fn entries_that_are_no_files() {
    let sandbox = Sandbox::new();
    sandbox.write("migrations/later.sql", "not yet");
    sandbox.git(&["add", "-N", "migrations/later.sql"]);
    let id = sandbox.git(&["rev-parse", "HEAD"]);
    sandbox.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},migrations/module")]);
    // An empty file is no intent to add.
    sandbox.write("migrations/empty.sql", "");
    sandbox.git(&["add", "migrations/empty.sql"]);
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        let staged = repo.staged(&["migrations".to_owned()]).unwrap();
        assert_eq!(paths(&staged), ["migrations/1.sql", "migrations/2.sql", "migrations/empty.sql"], "{how}");
        let disk = repo.worktree(&["migrations".to_owned()]).unwrap();
        assert!(disk.iter().any(|file| file.path == "migrations/later.sql"), "{how}");
    }
}

#[test]
fn links_inside_the_repository_are_followed() {
    let sandbox = Sandbox::new();
    sandbox.write("shared/3.sql", "three").write("more/4.sql", "four").write("shared/.gitkeep", "");
    let link = |target: &str, path: &str| std::os::unix::fs::symlink(target, sandbox.top().join(path)).unwrap();
    link("../shared/3.sql", "migrations/3.sql");
    link("../more", "migrations/more");
    link("migrations", "app");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "links"]);
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        for (set, inside) in [("migrations", "migrations"), ("app", "app")] {
            let expected: BTreeMap<String, String> =
                [("1.sql", "one"), ("2.sql", "two"), ("3.sql", "three"), ("more/4.sql", "four")]
                    .map(|(name, text)| (format!("{inside}/{name}"), text.to_owned()))
                    .into();
            let sets = [set.to_owned()];
            assert_eq!(contents(&repo, &repo.staged(&sets).unwrap()), expected, "{how}");
            let head = repo.head().unwrap().unwrap();
            assert_eq!(contents(&repo, &repo.tree(&head, &sets).unwrap()), expected, "{how}");
            let disk = repo.worktree(&sets).unwrap().into_iter();
            let disk: BTreeMap<_, _> = disk.map(|f| (f.path, String::from_utf8(f.bytes).unwrap())).collect();
            assert_eq!(disk, expected, "{how}");
        }
        // The same folder twice would be two sets.
        let paths = repo.paths().unwrap();
        assert!(paths.contains(&"migrations/3.sql".to_owned()), "{how}: {paths:?}");
        assert!(!paths.iter().any(|path| path.starts_with("app") || path.starts_with("migrations/more")), "{how}");
    }
}

#[test]
fn links_out_of_the_repository_stay_links() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("3.sql"), "elsewhere").unwrap();
    std::os::unix::fs::symlink("../../3.sql", sandbox.top().join("migrations/3.sql")).unwrap();
    std::os::unix::fs::symlink(sandbox.path(""), sandbox.top().join("migrations/all")).unwrap();
    sandbox.git(&["add", "."]);
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        let sets = ["migrations".to_owned()];
        let links = |entries: Vec<Entry>| entries.into_iter().filter(|e| e.is_link).map(|e| e.path).collect::<Vec<_>>();
        assert_eq!(links(repo.staged(&sets).unwrap()), ["migrations/3.sql", "migrations/all"], "{how}");
        let disk = repo.worktree(&sets).unwrap();
        let disk: Vec<_> = disk.iter().filter(|file| file.is_link).map(|file| file.path.as_str()).collect();
        assert_eq!(disk, ["migrations/3.sql", "migrations/all"], "{how}");
    }
}

#[test]
fn what_an_editor_has_not_saved_stands_for_the_work_tree() {
    let sandbox = Sandbox::new();
    sandbox.write(".gitignore", "*.bak\n").write("migrations/1.bak", "ignored");
    std::os::unix::fs::symlink("1.sql", sandbox.top().join("migrations/link.sql")).unwrap();
    let names = ["repo/migrations/1.sql", "repo/migrations/3.sql", "repo/migrations/1.bak", "repo/migrations/link.sql"];
    let elsewhere = ["repo/src/a", "other/migrations/1.sql"];
    let overlays = names.iter().chain(&elsewhere).map(|name| (sandbox.path(name), "unsaved".to_owned())).collect();
    for (how, mut repo) in sandbox.both(&sandbox.location("repo")) {
        repo.overlay(&overlays);
        let disk = repo.worktree(&["migrations".to_owned()]).unwrap();
        let disk: Vec<_> = disk.iter().map(|file| (file.path.as_str(), file.bytes.as_slice())).collect();
        let expected: [(&str, &[u8]); 4] = [
            ("migrations/1.sql", b"unsaved"),
            ("migrations/2.sql", b"two"),
            ("migrations/3.sql", b"unsaved"),
            ("migrations/link.sql", b"unsaved"),
        ];
        assert_eq!(disk, expected, "{how}");
        assert!(repo.paths().unwrap().contains(&"migrations/3.sql".to_owned()), "{how}");
        assert_eq!(repo.staged(&["migrations".to_owned()]).unwrap().len(), 2, "{how}");
    }
}

#[test]
fn a_prefix_is_a_folder_or_a_file_and_no_beginning_of_a_name() {
    let sandbox = Sandbox::new();
    sandbox.write("migrations-old/1.sql", "x").write("migrations.toml", "x").write("über/1.sql", "x");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "x"]);
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        let head = repo.head().unwrap().unwrap();
        type Read<'a> = &'a dyn Fn(&[String]) -> Result<Vec<Entry>, Error>;
        let readers: [Read; 2] = [&|prefixes| repo.staged(prefixes), &|prefixes| repo.tree(&head, prefixes)];
        for entries in readers {
            let under = |prefixes: &[&str]| {
                let prefixes: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
                entries(&prefixes).unwrap().into_iter().map(|entry| entry.path).collect::<Vec<_>>()
            };
            assert_eq!(under(&["migrations"]), ["migrations/1.sql", "migrations/2.sql"], "{how}");
            assert_eq!(under(&["migrations.toml"]), ["migrations.toml"], "{how}");
            assert_eq!(under(&["migrations", "migrations/1.sql"]), ["migrations/1.sql", "migrations/2.sql"], "{how}");
            assert_eq!(under(&["über"]), ["über/1.sql"], "{how}");
            assert_eq!(under(&["missing", "mig*"]), [""; 0], "{how}");
            assert_eq!(under(&["", "src"]).len(), 6, "{how}");
            assert_eq!(under(&[]), [""; 0], "{how}");
        }
    }
}

#[test]
fn ignored_files_and_other_repositories_are_not_listed() {
    let sandbox = Sandbox::new();
    sandbox
        .write(".gitignore", "*.log\n/build/\n")
        .write("a.log", "x")
        .write("build/1.sql", "x")
        .write("new/1.sql", "x");
    sandbox.write("tracked.log", "x");
    sandbox.git(&["add", "-f", "tracked.log"]);
    sandbox.git_in("repo", &["init", "-q", "vendored"]);
    sandbox.write("vendored/migrations/1.sql", "x");
    let expected = [".gitignore", "migrations/1.sql", "migrations/2.sql", "new/1.sql", "src/a", "tracked.log"];
    for (how, repo) in sandbox.both(&sandbox.location("repo/src")) {
        assert_eq!(repo.paths().unwrap(), expected, "{how}");
    }
}

#[test]
fn blobs_larger_than_allowed_are_only_measured() {
    let sandbox = Sandbox::new();
    sandbox.write("large", &"x".repeat(5000));
    sandbox.git(&["add", "."]);
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        let entry = repo.staged(&["large".to_owned()]).unwrap().remove(0);
        let measured = repo.read(&entry.id, 4999).unwrap();
        assert_eq!((measured.size, measured.bytes), (5000, None), "{how}");
        assert_eq!(repo.read(&entry.id, 5000).unwrap().bytes.unwrap().len(), 5000, "{how}");
        assert_eq!(repo.blob_id("x".repeat(5000).as_bytes()).unwrap(), entry.id, "{how}");
        let missing = "1".repeat(40);
        let error = repo.read(&missing, 1).unwrap_err();
        assert!(error.to_string().contains(&missing), "{how}: {error}");
        assert!(repo.read(&entry.id, 5000).unwrap().bytes.is_some(), "{how}: still answers after an error");
    }
}

#[test]
fn objects_written_after_opening_are_found() {
    let sandbox = Sandbox::new();
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        let old = repo.staged(&all()).unwrap();
        assert!(repo.read(&old[0].id, 100).unwrap().bytes.is_some());
        sandbox.write("migrations/5.sql", how);
        sandbox.git(&["add", "."]);
        sandbox.git(&["repack", "-adq"]);
        let staged = contents(&repo, &repo.staged(&all()).unwrap());
        assert_eq!(staged["migrations/5.sql"], how);
        sandbox.git(&["reset", "-q", "--hard"]);
    }
}

#[test]
fn an_index_that_changes_is_read_again() {
    let sandbox = Sandbox::new();
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        for text in ["first", "other", "third"] {
            sandbox.write("migrations/9.sql", text);
            sandbox.git(&["add", "."]);
            for _ in 0..2 {
                let staged = contents(&repo, &repo.staged(&["migrations".to_owned()]).unwrap());
                assert_eq!(staged["migrations/9.sql"], text, "{how}");
            }
            assert_eq!(repo.paths().unwrap().len(), 4, "{how}");
        }
    }
}

#[test]
fn the_base() {
    let sandbox = Sandbox::new();
    let first = sandbox.git(&["rev-parse", "HEAD"]);
    sandbox.git_in("", &["clone", "-q", "--bare", "repo", "origin.git"]);
    sandbox.git(&["remote", "add", "origin", "../origin.git"]);
    let commit = |name: &str| {
        sandbox.git(&["commit", "-q", "--allow-empty", "-m", name]);
        sandbox.git(&["rev-parse", "HEAD"])
    };
    let second = commit("second");
    let bases = |upstream: &str| {
        sandbox
            .both(&sandbox.location("repo"))
            .map(|(_, repo)| repo.base(upstream).map(|base| base.rev).map_err(|error| error.code()))
    };
    let is = |rev: &str| [Ok(Some(rev.to_owned())), Ok(Some(rev.to_owned()))];
    assert_eq!(bases(""), is(&second), "nothing is known of production: HEAD");
    sandbox.git(&["fetch", "-q", "origin"]);
    assert_eq!(bases(""), is(&first), "origin/main");
    sandbox.git(&["checkout", "-q", "-b", "feature"]);
    commit("third");
    assert_eq!(bases(""), is(&first));
    sandbox.git(&["branch", "-q", "--set-upstream-to", "main"]);
    assert_eq!(bases(""), is(&second), "the branch's own upstream comes first");
    assert_eq!(bases("origin/main"), is(&first), "the configured one before that");
    sandbox.git(&["branch", "-q", "-D", "main"]);
    assert_eq!(bases("main"), is(&first), "of which origin's may be the only one there is");
    assert_eq!(bases("release"), [Err("config.invalid"), Err("config.invalid")]);
    sandbox.git(&["checkout", "-q", "--orphan", "fresh"]);
    assert_eq!(bases(""), [Ok(None), Ok(None)]);
    let orphan = commit("unrelated");
    assert_eq!(bases(""), is(&orphan), "nothing in common with production: HEAD");
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        let error = repo.base("origin/main").unwrap_err();
        assert!(matches!(&error, Error::Unrelated(name) if name == "origin/main"), "{how}: {error}");
    }
}

#[test]
fn no_commit_yet() {
    let sandbox = Sandbox::empty();
    sandbox.git_in("", &["init", "-q", "repo"]);
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        assert_eq!(repo.head().unwrap(), None, "{how}");
        assert_eq!(repo.base("origin/main").unwrap(), BaseCommit::default(), "{how}");
        assert_eq!(repo.staged(&all()).unwrap(), [], "{how}");
        let error = repo.resolve("HEAD").unwrap_err();
        assert!(matches!(error, Error::Revision(_)), "{how}: {error}");
    }
}

#[test]
fn a_head_that_names_nothing_is_damage() {
    let sandbox = Sandbox::new();
    sandbox.write(".git/refs/heads/main", &format!("{}\n", "1".repeat(40)));
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        assert_eq!(repo.head().unwrap_err().code(), "config.unreadable-index", "{how}");
    }
}

#[test]
fn no_repository() {
    let sandbox = Sandbox::empty();
    let error = Repo::open(&sandbox.location("")).err().unwrap();
    assert_eq!(error.code(), "config.not-a-repository");
    let inside = Sandbox::new();
    let ceiling = inside.top().to_string_lossy().into_owned();
    let location = inside.location_with("repo/src", &[("GIT_CEILING_DIRECTORIES", &ceiling)]);
    assert_eq!(Repo::open(&location).err().unwrap().code(), "config.not-a-repository", "git looks no further up");
}

#[test]
fn a_bare_repository() {
    let sandbox = Sandbox::new();
    sandbox.git_in("", &["clone", "-q", "--bare", "repo", "bare.git"]);
    for (how, repo) in sandbox.both(&sandbox.location("bare.git")) {
        assert_eq!(repo.root(), None, "{how}");
        assert_eq!(repo.staged(&all()).unwrap_err().code(), "config.bare", "{how}");
        assert_eq!(repo.worktree(&all()).unwrap_err().code(), "config.bare", "{how}");
        assert_eq!(paths(&repo.tree(&repo.resolve("main").unwrap(), &["src".to_owned()]).unwrap()), ["src/a"], "{how}");
    }
    sandbox.git_in("bare.git", &["worktree", "add", "-q", "../linked", "main"]);
    for (how, repo) in sandbox.both(&sandbox.location("linked/src")) {
        assert_eq!(repo.root(), Some(sandbox.path("linked").as_path()), "{how}");
        assert_eq!(repo.common_dir(), sandbox.path("bare.git"), "{how}");
        assert_eq!(paths(&repo.staged(&["src".to_owned()]).unwrap()), ["src/a"], "{how}");
    }
}

#[test]
fn an_unreadable_index() {
    let sandbox = Sandbox::new();
    sandbox.write(".git/index", "no index at all");
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        let error = repo.staged(&all()).unwrap_err();
        assert_eq!(error.code(), "config.unreadable-index", "{how}: {error}");
        assert!(error.to_string().ends_with(".git/index: index file smaller than expected"), "{how}: {error}");
    }
}

#[test]
fn object_folders_of_the_environment() {
    let sandbox = Sandbox::new();
    std::fs::rename(sandbox.path("repo/.git/objects"), sandbox.path("objects")).unwrap();
    std::fs::create_dir_all(sandbox.path("repo/.git/objects/pack")).unwrap();
    for name in ["GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"] {
        let objects = sandbox.path("objects").to_string_lossy().into_owned();
        for (how, repo) in sandbox.both(&sandbox.location_with("repo", &[(name, &objects)])) {
            let staged = contents(&repo, &repo.staged(&all()).unwrap());
            assert_eq!(staged["migrations/1.sql"], "one", "{how}, {name}");
            assert_eq!(paths(&repo.tree(&repo.head().unwrap().unwrap(), &all()).unwrap()).len(), 3, "{how}, {name}");
        }
    }
}

#[test]
fn a_common_folder_of_the_environment() {
    let sandbox = Sandbox::new();
    sandbox.git(&["worktree", "add", "-q", "../linked"]);
    let dir = sandbox.path("repo/.git/worktrees/linked").to_string_lossy().into_owned();
    let common = sandbox.path("repo/.git").to_string_lossy().into_owned();
    for (how, repo) in sandbox.both(&sandbox.location_with("linked", &[("GIT_DIR", &dir), ("GIT_COMMON_DIR", &common)]))
    {
        assert_eq!(repo.common_dir(), sandbox.path("repo/.git"), "{how}");
        assert_eq!(paths(&repo.staged(&all()).unwrap()).len(), 3, "{how}");
    }
}

#[test]
fn a_repository_of_somebody_else() {
    let sandbox = Sandbox::new();
    // Git's own tests have it pretend; who is root can really give the repository away.
    let pretend = [("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")];
    let mut errors = vec![Repo::through_program(&sandbox.location_with("repo/src", &pretend)).err().unwrap()];
    if nix::unistd::geteuid().is_root() {
        let somebody = Some(nix::unistd::Uid::from_raw(65534));
        for path in ["repo", "repo/.git"] {
            nix::unistd::chown(&sandbox.path(path), somebody, None).unwrap();
        }
        errors.push(Repo::open(&sandbox.location("repo/src")).err().unwrap());
    }
    for error in errors {
        assert!(matches!(&error, Error::Owner(path) if *path == sandbox.top()), "{error}");
        assert!(error.help().contains("safe.directory"));
    }
    std::fs::write(sandbox.path("global"), "[safe]\n\tdirectory = *\n").unwrap();
    let global = sandbox.path("global").to_string_lossy().into_owned();
    let repo = Repo::open(&sandbox.location_with("repo", &[("GIT_CONFIG_GLOBAL", &global), pretend[0]])).unwrap();
    assert_eq!(paths(&repo.staged(&all()).unwrap()).len(), 3, "git's own rules say whom to trust");
}

#[test]
fn names_that_are_no_utf_8_are_read_alike() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    let folder = sandbox.top().join("migrations").join(std::ffi::OsStr::from_bytes(b"\xe9t\xe9"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("3.sql"), "three").unwrap();
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "x"]);
    let expected = ["migrations/1.sql", "migrations/2.sql", "migrations/\u{fffd}t\u{fffd}/3.sql"];
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        let sets = ["migrations".to_owned()];
        assert_eq!(paths(&repo.staged(&sets).unwrap()), expected, "{how}");
        assert_eq!(paths(&repo.tree(&repo.head().unwrap().unwrap(), &sets).unwrap()), expected, "{how}");
    }
}

#[test]
fn settings_come_from_wherever_git_reads_them() {
    let sandbox = Sandbox::new();
    sandbox.write("../included", "[core]\n\thooksPath = ~/included\n[migd]\n\tempty =\n");
    sandbox.git(&["config", "includeIf.onbranch:main.path", "../../included"]);
    let home = sandbox.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let asked = sandbox.git(&["config", "--path", "core.hooksPath"]);
    assert_eq!(asked, format!("{home}/included"));
    sandbox.write("../global", "[core]\n\tpager = global\n[include]\n\tpath = more\n");
    sandbox.write("../more", "[core]\n\teditor = more\n");
    let global = sandbox.path("global").to_string_lossy().into_owned();
    for (how, repo) in sandbox.both(&sandbox.location_with("repo", &[("GIT_CONFIG_GLOBAL", &global)])) {
        let setting = |key: &str| repo.setting(key).unwrap();
        assert!(setting("core.hooksPath").unwrap().ends_with("/included"), "{how}");
        assert_eq!(setting("core.pager").as_deref(), Some("global"), "{how}");
        assert_eq!(setting("core.editor").as_deref(), Some("more"), "{how}");
        assert_eq!(setting("migd.empty").as_deref(), Some(""), "{how}");
        assert_eq!(setting("migd.missing"), None, "{how}");
    }
    // As `git -c` passes it on.
    let location = sandbox.location_with("repo", &[("GIT_CONFIG_PARAMETERS", "'core.hookspath'='/elsewhere'")]);
    assert_eq!(Repo::open(&location).unwrap().setting("core.hooksPath").unwrap().as_deref(), Some("/elsewhere"));
    sandbox.write(".git/config", "[core\n");
    let error = Repo::open(&sandbox.location("repo")).err().unwrap();
    assert!(error.to_string().contains("bad config line 1"), "{error}");
}

#[test]
fn a_superproject_and_its_submodule() {
    let sandbox = Sandbox::new();
    sandbox.git_in("", &["clone", "-q", "repo", "library"]);
    sandbox.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library", "vendored"]);
    for (how, repo) in sandbox.both(&sandbox.location("repo/migrations")) {
        let staged = repo.staged(&all()).unwrap();
        assert_eq!(paths(&staged), [".gitmodules", "migrations/1.sql", "migrations/2.sql", "src/a"], "{how}");
        assert_eq!(repo.paths().unwrap(), paths(&staged), "{how}");
    }
    for (how, repo) in sandbox.both(&sandbox.location("repo/vendored/src")) {
        assert_eq!(repo.root(), Some(sandbox.path("repo/vendored").as_path()), "{how}");
        assert_eq!(paths(&repo.staged(&["src".to_owned()]).unwrap()), ["src/a"], "{how}");
    }
}

#[test]
fn what_is_not_a_file_any_more_is_not_waited_for() {
    let sandbox = Sandbox::new();
    std::fs::remove_file(sandbox.path("repo/migrations/1.sql")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(sandbox.path("repo/migrations/1.sql")).status().unwrap();
    assert!(made.success());
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        let disk = repo.worktree(&["migrations".to_owned()]).unwrap();
        let disk: Vec<&str> = disk.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(disk, ["migrations/2.sql"], "{how}");
    }
}

#[test]
fn variables_that_change_what_paths_mean_do_not_reach_the_git_program() {
    let sandbox = Sandbox::new();
    let env = [("GIT_LITERAL_PATHSPECS", "1"), ("GIT_PREFIX", "src/")];
    for (how, repo) in sandbox.both(&sandbox.location_with("repo", &env)) {
        assert_eq!(paths(&repo.staged(&["src".to_owned()]).unwrap()), ["src/a"], "{how}");
    }
}

#[test]
fn a_merge_of_upstream_that_is_being_committed_shares_all_of_it() {
    let sandbox = Sandbox::new();
    let first = sandbox.git(&["rev-parse", "HEAD"]);
    let change = |branch: &str, file: &str| {
        sandbox.git(&["switch", "-q", branch]);
        sandbox.write(file, file);
        sandbox.git(&["add", "."]);
        sandbox.git(&["commit", "-qm", file]);
        sandbox.git(&["rev-parse", "HEAD"])
    };
    sandbox.git(&["branch", "side"]);
    let tip = change("main", "migrations/3.sql");
    change("side", "migrations/4.sql");
    let base =
        |rev: &str| BaseCommit { rev: Some(rev.to_owned()), upstream: Some("main".to_owned()), tip: Some(tip.clone()) };
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        assert_eq!(repo.base("main").unwrap(), base(&first), "{how}");
        assert!(repo.merge_heads().is_empty(), "{how}");
    }
    sandbox.git(&["merge", "-q", "--no-commit", "main"]);
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        assert_eq!(repo.base("main").unwrap(), base(&tip), "{how}");
        assert_eq!(repo.merge_heads(), [tip.as_str()], "{how}");
    }
}

#[test]
fn an_object_that_git_would_have_to_fetch_is_waited_for_within_bounds() {
    let sandbox = Sandbox::new();
    sandbox.git_in("repo", &["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", sandbox.path("repo").display());
    sandbox.git_in("", &["clone", "-q", "--no-checkout", "--filter=blob:none", &url, "partial"]);
    sandbox.git_in("partial", &["remote", "set-url", "origin", "ssh://nobody@nowhere.invalid/repo"]);
    let location = sandbox.location_with("partial", &[("GIT_SSH_COMMAND", "sleep 20;")]);
    for (how, repo) in sandbox.both(&location) {
        let entries = repo.tree(&repo.head().unwrap().unwrap(), &all()).unwrap();
        let error = repo.read(&entries[0].id, 1000).unwrap_err();
        assert!(error.to_string().contains("git did not answer in time"), "{how}: {error}");
    }
}
