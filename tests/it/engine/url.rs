//! The url engine against a server that a local engine provides: somebody else's, as far as it knows.

use std::sync::Arc;

use migd::config::{Engine as Config, EngineKind};
use migd::engine::{self, Engine, ErrorKind, Role};

use super::{Scratch, connect, database, value};

/// A server, its administrator's connection, and the folder of its socket.
async fn server(scratch: &Scratch) -> (Arc<dyn Engine>, tokio_postgres::Client, String) {
    let host = scratch.start(&Config { kind: EngineKind::Local, ..Config::default() }).await;
    let admin = connect(&*host, "postgres", Role::Admin).await;
    let socket = value(&admin, "SHOW unix_socket_directories").await;
    (host, admin, socket)
}

/// Lets the tests' user in as `role`, which the private server otherwise would not.
async fn admit(scratch: &Scratch, admin: &tokio_postgres::Client, role: &str) {
    use std::io::Write;
    let ident = scratch.folders()[0].join("pg_ident.conf");
    let me = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).unwrap().unwrap().name;
    writeln!(std::fs::OpenOptions::new().append(true).open(ident).unwrap(), "migd {me} {role}").unwrap();
    let before = value(admin, "SELECT pg_conf_load_time()").await;
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    while value(admin, "SELECT pg_conf_load_time()").await == before {
        tokio::task::yield_now().await;
    }
}

fn at(socket: &str, role: &str) -> Config {
    Config {
        kind: EngineKind::Url,
        url: format!("postgres://{role}@{}/postgres", socket.replace('/', "%2F")),
        ..Config::default()
    }
}

#[tokio::test]
async fn has_databases_of_its_own_and_touches_nothing_else() {
    let (hosting, scratch) = (Scratch::new(), Scratch::new());
    let (host, admin, socket) = server(&hosting).await;
    let prefix = format!("migd_{}_", scratch.place.owner);
    admin.batch_execute("CREATE ROLE app LOGIN CREATEDB").await.unwrap();
    for name in ["theirs", "migd_other_1", &format!("{prefix}left"), &format!("x{prefix}")] {
        admin.batch_execute(&format!("CREATE DATABASE {name} OWNER app")).await.unwrap();
    }
    admin.batch_execute(&format!("CREATE DATABASE {prefix}not_ours")).await.unwrap();
    admin.batch_execute(&format!("ALTER DATABASE {prefix}left IS_TEMPLATE true")).await.unwrap();
    admit(&hosting, &admin, "app").await;

    let engine = scratch.start(&at(&socket, "app")).await;
    let info = engine.info().clone();
    assert!(info.kind == "url" && info.shared && !info.superuser && info.pid.is_none());
    assert_eq!((info.database_prefix.as_str(), info.source.as_str()), (prefix.as_str(), socket.as_str()));
    assert_eq!(engine.owner_sql(), None, "the role is not migd's to change");
    assert!(engine.alive().await);

    let name = database(&*engine, "one").await;
    assert_eq!(value(&connect(&*engine, &name, Role::Owner).await, "SELECT current_database()").await, name);
    let list = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname ~ 'migd_|theirs'";
    let mut expected =
        vec!["migd_other_1".to_owned(), format!("{prefix}not_ours"), name, "theirs".to_owned(), format!("x{prefix}")];
    expected.sort();
    let mut found: Vec<String> = value(&admin, list).await.split(' ').map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, expected, "what was left is gone, and nothing else");

    // A session that is still there does not keep a database from being dropped.
    let _session = connect(&*engine, expected.iter().find(|name| name.ends_with("_one")).unwrap(), Role::Owner).await;
    engine.stop().await;
    assert!(!value(&admin, list).await.contains("_one"));
    host.stop().await;
    assert!(!engine.alive().await);
}

#[tokio::test]
async fn roles_that_could_do_harm_or_nothing_are_refused() {
    let (hosting, scratch) = (Scratch::new(), Scratch::new());
    let (host, admin, socket) = server(&hosting).await;
    admin.batch_execute("CREATE ROLE plain LOGIN; CREATE ROLE maker LOGIN CREATEDB CREATEROLE").await.unwrap();
    admit(&hosting, &admin, "plain").await;
    admit(&hosting, &admin, "maker").await;
    let mut cases =
        vec![("migd_admin", ErrorKind::Superuser, "CREATE ROLE migd"), ("plain", ErrorKind::Role, "CREATEDB")];
    if host.info().major < 16 {
        cases.push(("maker", ErrorKind::Superuser, "NOCREATEROLE"));
    }
    cases.push(("stranger", ErrorKind::Connect, "engine.url"));
    for (role, kind, help) in cases {
        let error = scratch.try_start(&at(&socket, role)).await.err().unwrap();
        assert_eq!(error.kind(), kind, "{role}: {error}");
        assert!(error.help().contains(help), "{role}: {}", error.help());
        let lines = engine::probe(&at(&socket, role), &scratch.place).await;
        assert!(!lines[0].ok && lines[0].remedy.is_some(), "{lines:?}");
    }
    host.stop().await;
}
