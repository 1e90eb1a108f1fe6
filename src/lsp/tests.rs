//! The session as a whole, without a daemon: whatever is said to it.

use std::sync::mpsc::channel;

use lsp_server::{Message, Notification, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::server::{Event, Server};
use super::transport::{self, Incoming};
use crate::wire::Endpoint;

/// What is written while these messages come in, behind an `initialize`.
fn session(messages: Vec<Message>) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint { runtime: folder.path().join("run"), state: folder.path().join("state") };
    let (tell, events) = channel();
    let begin = Request { id: 0.into(), method: "initialize".to_owned(), params: json!({}) };
    for message in std::iter::once(begin.into()).chain(messages) {
        tell.send(Event::Client(Incoming::Message(message))).unwrap();
    }
    tell.send(Event::Client(Incoming::End)).unwrap();
    let mut output = Vec::new();
    Server::new(endpoint, tell, &mut output).serve(&events).unwrap();
    let mut input = output.as_slice();
    let mut said = Vec::new();
    while let Incoming::Message(message) = transport::read(&mut input) {
        said.push(serde_json::to_value(message).unwrap());
    }
    said
}

fn params() -> impl Strategy<Value = Value> {
    let texts = ["file:///a.sql", "untitled:1", "migd.explain", "data.unique", "quickfix"];
    let leaf = prop_oneof![
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let keys = [
            "textDocument",
            "uri",
            "version",
            "text",
            "languageId",
            "contentChanges",
            "range",
            "start",
            "end",
            "line",
            "character",
            "position",
            "context",
            "diagnostics",
            "only",
            "command",
            "arguments",
            "id",
        ];
        let key = prop::sample::select(keys.to_vec()).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn message() -> impl Strategy<Value = (String, Value)> {
    let methods = [
        "textDocument/didOpen",
        "textDocument/didChange",
        "textDocument/didSave",
        "textDocument/didClose",
        "textDocument/hover",
        "textDocument/codeAction",
        "workspace/executeCommand",
        "$/cancelRequest",
        "workspace/didChangeWatchedFiles",
        "initialized",
        "initialize",
        "shutdown",
        "nonsense",
    ];
    (prop::sample::select(methods.to_vec()).prop_map(str::to_owned), params())
}

proptest! {
    #[test]
    fn every_request_is_answered_once_whatever_else_is_said(
        messages in prop::collection::vec((message(), any::<bool>()), 0..12)
    ) {
        let mut requests = 0;
        let messages = messages.into_iter().map(|((method, params), asks)| {
            if !asks {
                return Notification { method, params }.into();
            }
            requests += 1;
            Request { id: requests.into(), method, params }.into()
        });
        let said = session(messages.collect());
        for id in 0..=requests {
            let answers = said.iter().filter(|one| one["id"] == id && one.get("method").is_none()).count();
            prop_assert_eq!(answers, 1, "request {} in {:?}", id, said);
        }
    }
}
