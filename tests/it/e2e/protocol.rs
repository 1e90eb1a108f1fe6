//! The daemon's socket under whatever may be written to it: it refuses, stays within its bounds, and serves the next.
//!
//! `MIGD_FUZZ_SECONDS` says for how long arbitrary requests are sent; a few seconds unless it is set.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use migd::wire::{Envelope, Reply, Request, frame};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::realm::{Realm, eventually};
use crate::support::sandbox::{BROKEN, GOOD, GOOD_DOWN, Sandbox};
use crate::support::watching::Watching;

/// The most connections that are served at once.
const PLACES: usize = 64;
/// How long any answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A repository whose daemon runs and serves nobody else.
fn served() -> Sandbox {
    let repo = Sandbox::alone();
    repo.migd(&["start"]).ok();
    repo
}

fn status(repo: &Sandbox) -> Value {
    repo.migd(&["status", "--json"]).ok().json()
}

fn connect(repo: &Sandbox) -> UnixStream {
    let stream = UnixStream::connect(repo.realm().runtime().join("daemon.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The next reply; none at the end.
fn reply(stream: &mut UnixStream) -> Option<Reply> {
    frame::read(stream, frame::MAX_REPLY).ok()
}

/// A request as it goes over the wire, from a client of this daemon's build.
fn request(repo: &Sandbox, request: &Value) -> Vec<u8> {
    frame::encode(&json!({ "build": build(repo), "request": request })).unwrap()
}

/// The daemon's build.
fn build(repo: &Sandbox) -> String {
    let mut stream = connect(repo);
    let place = json!({ "cwd": "/", "env": {} });
    frame::write(
        &mut stream,
        &json!({ "build": "none", "request": { "kind": "warm", "cwd": "/", "env": {}, "place": place } }),
    )
    .unwrap();
    match reply(&mut stream) {
        Some(Reply::Mismatch { build }) => build,
        other => panic!("{other:?}"),
    }
}

/// A judgement of the work tree.
fn check(repo: &Sandbox, overlays: &Value) -> Value {
    json!({
        "kind": "check", "place": { "cwd": repo.path(), "env": {} }, "selection": "worktree", "sets": [],
        "wanted": "report", "hook": false, "overlays": overlays,
    })
}

/// How many connections the daemon has.
fn connections(repo: &Sandbox) -> usize {
    let socket = repo.realm().runtime().join("daemon.sock");
    let all = fs::read_to_string("/proc/net/unix").unwrap();
    let own = all.lines().filter(|line| line.ends_with(socket.to_str().unwrap())).count();
    // One of them listens.
    own.saturating_sub(1)
}

#[track_caller]
fn refused(stream: &mut UnixStream, why: &str) {
    match reply(stream) {
        Some(Reply::Refused { why: said }) => assert!(said.contains(why), "{said}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(reply(stream), None, "the connection goes on");
}

#[test]
fn a_request_that_is_too_long_is_refused_when_it_is_announced() {
    let repo = served();
    for length in [frame::MAX_REQUEST + 1, u32::MAX] {
        let mut stream = connect(&repo);
        stream.write_all(&length.to_be_bytes()).unwrap();
        refused(&mut stream, "at most 1048576");
    }
}

#[test]
fn what_is_no_request_is_refused_and_says_why() {
    let repo = served();
    let own = build(&repo);
    let deep =
        format!(r#"{{"build":"","request":{{"kind":"check","place":{}{}}}}}"#, "[".repeat(5000), "]".repeat(5000));
    for (text, why) in [
        ("nonsense".to_owned(), "expected"),
        ("{}".to_owned(), "build"),
        (deep, "recursion"),
        (json!({ "build": own, "request": { "kind": "dance" } }).to_string(), "dance"),
        (json!({ "build": own, "request": { "kind": "check", "place": 5 } }).to_string(), "Place"),
    ] {
        let mut stream = connect(&repo);
        stream.write_all(&u32::try_from(text.len()).unwrap().to_be_bytes()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        refused(&mut stream, why);
    }
}

#[test]
fn a_client_that_says_half_of_what_it_wants_is_let_go() {
    let repo = served();
    let whole = request(&repo, &check(&repo, &json!({})));
    for half in [&whole[..2], &whole[..40]] {
        let started = Instant::now();
        let mut stream = connect(&repo);
        stream.write_all(half).unwrap();
        refused(&mut stream, "no whole request");
        assert!(started.elapsed() > Duration::from_secs(4), "{:?}", started.elapsed());
    }
}

#[test]
fn of_two_hundred_connections_at_once_those_without_a_place_are_told_so() {
    let repo = served();
    let pid = status(&repo)["pid"].as_u64().unwrap();
    let mut idle: Vec<UnixStream> = (0..200).map(|_| connect(&repo)).collect();
    for stream in idle.drain(PLACES..) {
        let mut stream = stream;
        assert_eq!(reply(&mut stream), Some(Reply::Busy));
    }
    drop(idle);
    // A place is free when the daemon has seen that its connection is gone.
    eventually("the same daemon answers", || status(&repo)["pid"].as_u64() == Some(pid));
    eventually("every connection is let go", || connections(&repo) == 0);
}

#[test]
fn memory_is_taken_for_what_arrives_and_not_for_what_is_announced() {
    let repo = served();
    let memory = |repo: &Sandbox| status(repo)["memory_bytes"].as_u64().unwrap();
    let before = memory(&repo);
    let idle: Vec<UnixStream> = (0..PLACES - 4)
        .map(|_| {
            let mut stream = connect(&repo);
            stream.write_all(&frame::MAX_REQUEST.to_be_bytes()).unwrap();
            stream.write_all(b"{").unwrap();
            stream
        })
        .collect();
    let grown = memory(&repo).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes for {} connections", idle.len());
}

#[test]
fn a_client_that_does_not_read_its_reply_holds_nothing() {
    let repo = served();
    repo.write("migrations/2_it.down.sql", GOOD_DOWN);
    // The statement is in the report as its source: more than a socket takes without a reader.
    let broken = format!("SELECT '{}' FROM nowhere;", "x".repeat(900 << 10));
    let up = repo.path().join("migrations/2_it.up.sql");
    let mut stream = connect(&repo);
    stream.write_all(&request(&repo, &check(&repo, &json!({ up.to_str().unwrap(): broken })))).unwrap();
    assert!(matches!(reply(&mut stream), Some(Reply::Accepted { .. })));
    let mut length = [0; frame::HEADER];
    stream.read_exact(&mut length).unwrap();
    assert!(u32::from_be_bytes(length) > 900 << 10, "it would be written whole without a reader");
    // Others are served meanwhile.
    repo.migration(2, "it", GOOD, GOOD_DOWN);
    repo.migd(&["check"]).ok();
    eventually("the connection is let go", || connections(&repo) == 0);
    drop(stream);
}

#[test]
fn the_judgements_of_commits_that_were_killed_keep_nobody_waiting() {
    let repo = Sandbox::alone();
    repo.configure("[limits]\nstatement = \"100s\"\n");
    repo.migration(2, "it", GOOD, GOOD_DOWN);
    repo.migd(&["check"]).ok();
    repo.migration(3, "slow", "SELECT pg_sleep(40);", "SELECT 1;");
    for _ in 0..5 {
        let mut hook = repo.command(repo.realm().migd().with_file_name("migd-hook"));
        let mut hook = hook.arg("pre-commit").stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        hook.kill().unwrap();
        hook.wait().unwrap();
    }
    repo.migration(3, "slow", "ALTER TABLE users ADD COLUMN x integer;", "ALTER TABLE users DROP COLUMN x;");
    let ran = repo.commit(&[]).ok();
    assert!(ran.took < Duration::from_secs(30), "it waited for commits that there are not any more: {ran}");
}

#[test]
fn a_question_about_an_unsaved_text_ends_with_its_connection() {
    let repo = Sandbox::alone();
    repo.configure("[limits]\nstatement = \"100s\"\n");
    repo.migration(2, "it", GOOD, GOOD_DOWN);
    repo.migd(&["check"]).ok();
    let up = repo.path().join("migrations/3_slow.up.sql");
    let mut stream = connect(&repo);
    let slow = json!({ up.to_str().unwrap(): "SELECT pg_sleep(90);" });
    stream.write_all(&request(&repo, &check(&repo, &slow))).unwrap();
    assert!(matches!(reply(&mut stream), Some(Reply::Accepted { .. })));
    std::thread::sleep(Duration::from_secs(2));
    drop(stream);
    repo.migration(3, "other", "ALTER TABLE users ADD COLUMN other text;\n", "ALTER TABLE users DROP COLUMN other;\n");
    let ran = repo.migd(&["check"]).ok();
    assert!(ran.took < Duration::from_secs(45), "it waited for a text that nobody wants: {ran}");
}

#[test]
fn a_flood_of_warm_ups_is_bounded() {
    let repo = served();
    let pid = status(&repo)["pid"].as_u64().unwrap();
    let bytes = request(&repo, &json!({ "kind": "warm", "cwd": repo.path(), "env": {} }));
    let mut told = 0;
    for _ in 0..300 {
        let mut stream = connect(&repo);
        stream.write_all(&bytes).unwrap();
        told += usize::from(matches!(reply(&mut stream), Some(Reply::Done { .. } | Reply::Busy)));
    }
    assert_eq!(told, 300);
    assert_eq!(status(&repo)["pid"].as_u64(), Some(pid));
}

/// What is written to the socket.
#[derive(Debug, Clone)]
enum Written {
    /// Anything.
    Noise(Vec<u8>),
    /// A frame of another length than it says.
    Mislabelled(u32, Vec<u8>),
    /// A frame with this in it, up to a part of it.
    Frame(Value, f64),
}

/// JSON that is made of the protocol's own words.
fn words(own: &str, repo: &str) -> BoxedStrategy<Value> {
    let keys = [
        "build",
        "request",
        "kind",
        "place",
        "cwd",
        "env",
        "selection",
        "sets",
        "wanted",
        "hook",
        "overlays",
        "text",
        "width",
        "base",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "MIGD_ENGINE",
        "scenarios",
    ];
    let texts =
        [own, repo, "check", "status", "warm", "ready", "watch", "staged", "worktree", "all", "report", "/", ""];
    let texts: Vec<Value> = texts.iter().map(|text| (*text).into()).collect();
    let leaf = prop_oneof![
        4 => prop::sample::select(texts),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    let inner = leaf.prop_recursive(5, 40, 8, move |inner| {
        let key = prop::sample::select(keys.to_vec()).prop_map(str::to_owned);
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            3 => prop::collection::btree_map(key, inner, 0..8).prop_map(|map| map.into_iter().collect()),
        ]
    });
    inner.boxed()
}

/// A request that is right, or right but for one of its parts.
fn nearly(own: &str, repo: &Sandbox) -> BoxedStrategy<Value> {
    let envelope = |request: Value| json!({ "build": own, "request": request });
    let place = |kind: &str| envelope(json!({ "kind": kind, "cwd": repo.path(), "env": {} }));
    let judged = envelope(check(repo, &json!({ "/nowhere/a.sql": "SELECT 1;" })));
    let right = prop::sample::select(vec![judged.clone(), judged, place("watch"), place("warm"), place("ready")]);
    let parts = [
        "nothing",
        "build",
        "request",
        "request/kind",
        "request/cwd",
        "request/env",
        "request/place",
        "request/place/cwd",
        "request/place/env",
        "request/selection",
        "request/sets",
        "request/wanted",
        "request/hook",
        "request/overlays",
        "request/scenarios",
    ];
    (right, prop::sample::select(parts.to_vec()), words(own, repo.path().to_str().unwrap()))
        .prop_map(|(mut request, part, other)| {
            if let Some(place) = request.pointer_mut(&format!("/{part}")) {
                *place = other;
            }
            request
        })
        .boxed()
}

fn written(own: &str, repo: &Sandbox) -> BoxedStrategy<Written> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..2000);
    let json = || prop_oneof![words(own, repo.path().to_str().unwrap()), nearly(own, repo)];
    prop_oneof![
        1 => bytes().prop_map(Written::Noise),
        1 => (any::<u32>(), bytes()).prop_map(|(length, bytes)| Written::Mislabelled(length, bytes)),
        1 => (json(), 0.0..1.0).prop_map(|(json, part)| Written::Frame(json, part)),
        4 => json().prop_map(|json| Written::Frame(json, 1.0)),
    ]
    .boxed()
}

impl Written {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Written::Noise(bytes) => bytes.clone(),
            Written::Mislabelled(length, bytes) => [&length.to_be_bytes(), bytes.as_slice()].concat(),
            Written::Frame(json, part) => {
                let mut bytes = frame::encode(json).unwrap();
                bytes.truncate((bytes.len() as f64 * part) as usize);
                bytes
            }
        }
    }

    /// Whether it is a request that ends the daemon, which is no fault.
    fn stops(&self) -> bool {
        let envelope: Option<Envelope> = frame::read(&mut self.bytes().as_slice(), frame::MAX_REQUEST).ok();
        envelope.is_some_and(|envelope| matches!(envelope.request, Request::Stop))
    }
}

#[test]
fn whatever_is_written_to_it_the_daemon_answers_or_lets_go_and_serves_the_next() {
    let seconds = std::env::var("MIGD_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(3);
    let repo = Sandbox::within(&Realm::new().watching());
    repo.migd(&["start"]).ok();
    // Somebody looks on and saves all the while: there is something to tell whoever asks to watch.
    let mut reader = Watching::new(&repo);
    reader.nothing();
    let own = build(&repo);
    let before = status(&repo);
    let pid = before["pid"].as_u64().unwrap();
    let mut runner = TestRunner::default();
    let strategy = (written(&own, &repo), prop::bool::weighted(0.1));
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut sent, mut answered, mut left) = (0_u64, 0_u64, 0_u64);
    while Instant::now() < until {
        let (written, leaves) = strategy.new_tree(&mut runner).unwrap().current();
        if written.stops() {
            continue;
        }
        if sent.is_multiple_of(50) {
            repo.write("migrations/2_it.up.sql", format!("SELECT {sent};\n"));
        }
        let mut stream = connect(&repo);
        // The daemon may let go before it has read everything.
        let _ = stream.write_all(&written.bytes());
        sent += 1;
        if leaves {
            left += 1;
            continue;
        }
        let _ = stream.shutdown(Shutdown::Write);
        let mut replies = Vec::new();
        let end = stream.read_to_end(&mut replies);
        let late = end.err().filter(|error| matches!(error.kind(), std::io::ErrorKind::WouldBlock));
        assert!(late.is_none(), "neither answered nor let go: {written:?}");
        answered += u64::from(!replies.is_empty());
    }
    let after = status(&repo);
    assert_eq!(after["pid"].as_u64(), Some(pid), "it is another daemon");
    eventually("every connection but the reader's is let go", || connections(&repo) == 1);
    let memory = |status: &Value| status["memory_bytes"].as_u64().unwrap() >> 20;
    let (least, most) = (memory(&before), memory(&after));
    println!(
        "{sent} requests in {seconds} s, {answered} answered, {left} left at once; \
         memory {least} MB before, {most} MB after"
    );
    assert!(answered > 0 && answered < sent - left, "one kind of request only");
    assert!(most < least + 48, "{most} MB after {least} MB");
    repo.migration(2, "it", BROKEN, GOOD_DOWN);
    reader.outcome("fail");
    repo.migration(2, "it", GOOD, GOOD_DOWN);
    repo.commit(&[]).ok();
}
