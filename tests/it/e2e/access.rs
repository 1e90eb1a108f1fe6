//! Who may speak to the daemon, what others can read of it, and what its logs do not say.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::support::realm::run;
use crate::support::sandbox::{GOOD, GOOD_DOWN, Sandbox};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

/// A user without any rights, where this test may become one: else what it would show is not shown here.
fn somebody_else() -> Option<(u32, u32)> {
    if !nix::unistd::geteuid().is_root() {
        println!("NOT RUN: only root can become another user");
        return None;
    }
    let user = nix::unistd::User::from_name("nobody").unwrap().expect("there is a user nobody");
    Some((user.uid.as_raw(), user.gid.as_raw()))
}

#[test]
fn sockets_locks_logs_and_state_are_for_their_owner_only() {
    let repo = Sandbox::alone();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo.commit(&[]).ok();
    let (runtime, state) = (repo.realm().runtime(), repo.realm().state());
    for folder in [&runtime, &state] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    for file in [runtime.join("daemon.sock"), runtime.join("daemon.lock"), state.join("daemon.log")] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

/// A folder where the daemon's should be, in which somebody else listens; and who comes.
fn planted(repo: &Sandbox, plant: impl FnOnce(&Path)) -> UnixListener {
    let runtime = repo.realm().runtime();
    let listener = UnixListener::bind(runtime.join("daemon.sock")).unwrap();
    listener.set_nonblocking(true).unwrap();
    plant(&runtime);
    listener
}

#[track_caller]
fn nobody_came(listener: &UnixListener) {
    let came = listener.accept();
    assert!(came.is_err(), "somebody spoke to a stranger's socket");
}

#[test]
fn a_socket_in_a_folder_of_somebody_else_is_not_spoken_to() {
    let Some((uid, gid)) = somebody_else() else { return };
    let repo = Sandbox::alone();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    let listener = planted(&repo, |runtime| {
        chown(runtime.join("daemon.sock"), Some(uid), Some(gid)).unwrap();
        chown(runtime, Some(uid), Some(gid)).unwrap();
        fs::set_permissions(runtime, fs::Permissions::from_mode(0o755)).unwrap();
    });
    repo.commit(&[]).failed().says("is not a folder of this user");
    repo.migd(&["start"]).failed().says("is not a folder of this user");
    repo.migd(&["status", "--json"]).ok().says("\"running\":false");
    nobody_came(&listener);
    // It ends with the realm, which is ours.
    chown(repo.realm().runtime(), Some(0), Some(0)).unwrap();
}

#[test]
fn a_socket_that_somebody_put_into_an_open_folder_is_not_spoken_to() {
    let Some((uid, gid)) = somebody_else() else { return };
    let repo = Sandbox::alone();
    let listener = planted(&repo, |runtime| {
        chown(runtime.join("daemon.sock"), Some(uid), Some(gid)).unwrap();
        fs::set_permissions(runtime, fs::Permissions::from_mode(0o777)).unwrap();
    });
    repo.migd(&["status", "--json"]).ok().says("\"running\":false");
    // The folder is closed, the socket replaced.
    repo.migd(&["start"]).ok();
    repo.migd(&["status", "--json"]).ok().says("\"running\":true");
    nobody_came(&listener);
    assert_eq!(mode(&repo.realm().runtime()), 0o700);
}

#[test]
fn a_folder_that_is_a_link_is_refused() {
    let repo = Sandbox::alone();
    let runtime = repo.realm().runtime();
    fs::rename(&runtime, runtime.with_extension("elsewhere")).unwrap();
    std::os::unix::fs::symlink(runtime.with_extension("elsewhere"), &runtime).unwrap();
    repo.migd(&["start"]).failed().says("is not a folder of this user");
}

#[test]
fn a_connection_of_another_user_is_refused_even_where_the_folder_is_open() {
    let Some((uid, gid)) = somebody_else() else { return };
    let repo = Sandbox::alone();
    repo.migd(&["start"]).ok();
    let runtime = repo.realm().runtime();
    for folder in [repo.realm().folder(), &runtime] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let socket = runtime.join("daemon.sock");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    // Asks for the status, which any build may, and prints how much is answered.
    let script = r#"
        use IO::Socket::UNIX;
        my $socket = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "no connection: $!";
        my $text = '{"build":"","request":{"kind":"status"}}';
        local $SIG{PIPE} = 'IGNORE';
        print $socket pack('N', length $text), $text;
        $socket->flush;
        my $answer = do { local $/; <$socket> };
        print length($answer // ''), " bytes\n";
    "#;
    let ask = |uid: u32, gid: u32| {
        let mut command = repo.realm().command("perl");
        command.args(["-e", script]).arg(&socket).current_dir("/").uid(uid).gid(gid);
        run(command, "").ok().out
    };
    assert_eq!(ask(uid, gid), "0 bytes\n");
    assert!(repo.realm().log().contains("a connection of another user was refused"), "{}", repo.realm().log());
    assert_ne!(ask(0, 0), "0 bytes\n");
}

/// Nothing that is in a statement, a row or a message may be in a log.
const SECRET: &str = "hunter2secret";

#[test]
fn what_is_in_a_migration_and_its_rows_is_in_no_log() {
    let repo = Sandbox::alone();
    repo.configure("[limits]\nstatement = \"2s\"\n");
    let seed = format!("INSERT INTO users VALUES (1, '{SECRET}'), (2, '{SECRET}');\n");
    for up in [
        format!("SELECT {SECRET} FROM users;\n"),
        format!("SELECT '{SECRET}' +;\n"),
        format!("{seed}CREATE UNIQUE INDEX ON users (email);\n"),
        format!("ALTER TABLE users ADD CHECK (email <> '{SECRET}');\n"),
        format!("DO $$ BEGIN RAISE WARNING '{SECRET}'; RAISE EXCEPTION '{SECRET}'; END $$;\n"),
        format!("SELECT pg_sleep(60), '{SECRET}';\n"),
        format!("SELECT '{SECRET}', pg_terminate_backend(pg_backend_pid());\n"),
        format!("CREATE TABLE {SECRET} (id integer);\n"),
    ] {
        repo.migration(2, "it", &up, "SELECT 1;\n");
        repo.migd(&["check"]).failed();
    }
    let log = repo.realm().log();
    assert!(log.contains("engine started"), "there is no log: {log}");
    let servers = repo.realm().data_folders().into_iter().map(|folder| folder.join("server.log"));
    let servers: Vec<String> = servers.filter_map(|log| fs::read_to_string(log).ok()).collect();
    assert!(!servers.is_empty(), "the server has no log");
    for text in servers.iter().chain([&log]) {
        assert!(!text.contains(SECRET), "{text}");
    }
}
