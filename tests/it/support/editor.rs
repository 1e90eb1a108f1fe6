//! An editor that speaks the Language Server Protocol to the real `migd lsp`, with what it was told last.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::sandbox::Sandbox;

/// How long an editor waits before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session.
pub struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    said: Receiver<Value>,
    /// Answers that nobody has asked for yet.
    answers: VecDeque<Value>,
    diagnostics: BTreeMap<String, Vec<Value>>,
    /// What was shown as a message, in order.
    pub shown: Vec<String>,
    /// What the server asked the editor to do, in order.
    pub asked: Vec<Value>,
    next: i64,
    versions: BTreeMap<String, i64>,
}

impl Editor {
    /// In this repository, with nothing to say of itself.
    pub fn of(repo: &Sandbox) -> Editor {
        Editor::able(repo, json!({}))
    }

    /// In this repository, with these capabilities.
    pub fn able(repo: &Sandbox, capabilities: Value) -> Editor {
        let mut editor = Editor::raw(repo);
        let params = json!({ "processId": std::process::id(), "rootUri": null, "capabilities": capabilities });
        let answer = editor.request("initialize", params);
        assert_eq!(answer["result"]["serverInfo"]["name"], "migd", "{answer}");
        editor.notify("initialized", json!({}));
        editor
    }

    /// One that has not introduced itself.
    pub fn raw(repo: &Sandbox) -> Editor {
        let mut command: Command = repo.command(repo.realm().migd());
        command.arg("lsp").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (tell, said) = channel();
        std::thread::spawn(move || {
            while let Some(message) = read(&mut output) {
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Editor {
            child,
            input,
            said,
            answers: VecDeque::new(),
            diagnostics: BTreeMap::new(),
            shown: Vec::new(),
            asked: Vec::new(),
            next: 0,
            versions: BTreeMap::new(),
        }
    }

    /// The URI of a file of `repo`.
    pub fn uri(repo: &Sandbox, path: &str) -> String {
        format!("file://{}", repo.path().join(path).display())
    }

    /// Opens a buffer with this text, whatever is on disk.
    pub fn open(&mut self, uri: &str, text: &str) {
        self.versions.insert(uri.to_owned(), 1);
        let document = json!({ "uri": uri, "languageId": "sql", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
    }

    /// Puts another text into an open buffer, and does not save it.
    pub fn change(&mut self, uri: &str, text: &str) {
        let version = self.versions.get_mut(uri).expect("the buffer is open");
        *version += 1;
        let document = json!({ "uri": uri, "version": version });
        self.notify(
            "textDocument/didChange",
            json!({ "textDocument": document, "contentChanges": [{ "text": text }] }),
        );
    }

    /// Closes a buffer.
    pub fn close(&mut self, uri: &str) {
        self.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    }

    /// Waits until the diagnostics of a document are as wanted, and returns them.
    #[track_caller]
    pub fn until(&mut self, uri: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = self.diagnostics.get(uri).cloned().unwrap_or_default();
            if wanted(&now) {
                return now;
            }
            assert!(self.listen(until), "it never came to that; last: {now:#?}, shown: {:?}", self.shown);
        }
    }

    /// Waits until a document has a finding of this code, and returns that.
    #[track_caller]
    pub fn finding(&mut self, uri: &str, code: &str) -> Value {
        let all = self.until(uri, |found| found.iter().any(|one| one["code"] == code));
        all.into_iter().find(|one| one["code"] == code).unwrap()
    }

    /// Waits until a document has no finding.
    #[track_caller]
    pub fn clean(&mut self, uri: &str) {
        self.until(uri, <[Value]>::is_empty);
    }

    /// Waits until something was shown that says this.
    #[track_caller]
    pub fn message(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.shown.iter().find(|shown| shown.contains(text)) {
                return found.clone();
            }
            assert!(self.listen(until), "`{text}` was never shown: {:?}", self.shown);
        }
    }

    /// Listens for a while to whatever is said.
    pub fn idle(&mut self, duration: Duration) {
        let until = Instant::now() + duration;
        while self.listen(until) {}
    }

    /// What is known of a document's diagnostics; none when nothing was ever said about it.
    pub fn last(&self, uri: &str) -> Option<&[Value]> {
        self.diagnostics.get(uri).map(Vec::as_slice)
    }

    /// Asks, and waits for the answer: the whole of it.
    #[track_caller]
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params);
        self.answer(&id)
    }

    /// Asks, and does not wait. The request's id.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params }));
        self.next.into()
    }

    /// Waits for the answer to the request `id`.
    #[track_caller]
    pub fn answer(&mut self, id: &Value) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.answers.iter().position(|answer| answer["id"] == *id) {
                return self.answers.remove(at).unwrap();
            }
            assert!(self.listen(until), "no answer to request {id}");
        }
    }

    /// The code actions where `diagnostic` is: titles and edits.
    #[track_caller]
    pub fn actions(&mut self, uri: &str, diagnostic: &Value) -> Vec<Value> {
        let context = json!({ "diagnostics": [diagnostic] });
        let params = json!({ "textDocument": { "uri": uri }, "range": diagnostic["range"], "context": context });
        let answer = self.request("textDocument/codeAction", params);
        answer["result"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    }

    /// Tells.
    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        self.write(&format!("Content-Length: {}\r\n\r\n{text}", text.len()));
    }

    /// Writes whatever.
    pub fn write(&mut self, text: &str) {
        let input = self.input.as_mut().expect("the session is open");
        input.write_all(text.as_bytes()).and_then(|()| input.flush()).expect("the server reads");
    }

    /// Takes one message in; whether there was one.
    fn listen(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let message = match self.said.recv_timeout(left) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
        };
        let params = &message["params"];
        match message["method"].as_str() {
            None => self.answers.push_back(message),
            Some("textDocument/publishDiagnostics") => {
                let found = params["diagnostics"].as_array().unwrap().clone();
                self.diagnostics.insert(params["uri"].as_str().unwrap().to_owned(), found);
            }
            Some("window/showMessage") => self.shown.push(params["message"].as_str().unwrap().to_owned()),
            Some(_) => self.asked.push(message),
        }
        true
    }

    /// Says goodbye. The exit status.
    #[track_caller]
    pub fn quit(mut self) -> i32 {
        assert_eq!(self.request("shutdown", Value::Null)["result"], Value::Null);
        self.notify("exit", Value::Null);
        self.ended()
    }

    /// Goes away without a word. The exit status.
    #[track_caller]
    pub fn vanish(mut self) -> i32 {
        self.input.take();
        self.ended()
    }

    /// Waits for the end. The exit status.
    #[track_caller]
    pub fn ended(&mut self) -> i32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().expect("no signal ended it");
            }
            assert!(Instant::now() < until, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some(("Content-Length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut bytes = vec![0; length];
    output.read_exact(&mut bytes).ok()?;
    Some(serde_json::from_slice(&bytes).expect("what the server says is JSON"))
}

/// `text` after the edits of a code action, which are all in `uri` and counted in UTF-16.
#[track_caller]
pub fn edited(text: &str, action: &Value, uri: &str) -> String {
    let edits = action["edit"]["changes"][uri].as_array().unwrap_or_else(|| panic!("{action:#}"));
    let [edit] = edits.as_slice() else { panic!("one edit was expected: {action:#}") };
    let byte = |place: &Value| {
        let line = place["line"].as_u64().unwrap() as usize;
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let mut left = place["character"].as_u64().unwrap() as usize;
        let rest = text[start..].char_indices();
        let mut at = text.len();
        for (offset, character) in rest {
            if left == 0 {
                at = start + offset;
                break;
            }
            left -= character.len_utf16();
        }
        at
    };
    let range = &edit["range"];
    let (start, end) = (byte(&range["start"]), byte(&range["end"]));
    format!("{}{}{}", &text[..start], edit["newText"].as_str().unwrap(), &text[end..])
}
