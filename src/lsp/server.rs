//! The session with one editor: what it says, what it is answered, what it is told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use gen_lsp_types::{
    CodeAction, CodeActionKind, CodeActionParams, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DidSaveTextDocumentParams, ExecuteCommandParams, HoverParams, PublishDiagnosticsParams,
    Range, TextDocumentContentChangeEvent, Uri, VersionedTextDocumentIdentifier,
};
use lsp_server::{ErrorCode, Message, Notification, Request, RequestId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::actions::{self, Matter};
use super::asker::{Answer, Asker};
use super::client::Client;
use super::diagnostics::{self, Placed};
use super::documents::{Documents, Texts};
use super::explain;
use super::position;
use super::transport::Incoming;
use crate::check::codes::code;
use crate::daemon::spawn::Abandon;
use crate::verdict::{Finding, Report, Severity};
use crate::wire::Endpoint;

/// How long a request for code actions waits for ways out to be tried.
const TRYING: Duration = Duration::from_secs(3);
/// How often is looked whether the editor's process is still there.
const LOOK: Duration = Duration::from_secs(30);

/// Something that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The client said something, or went away.
    Client(Incoming),
    /// The daemon said something about a repository.
    Answer { root: PathBuf, number: u64, answer: Answer },
    /// Ways out were tried for a request.
    Tried { id: RequestId, actions: Vec<CodeAction> },
}

/// Where the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Open,
    ShutDown,
}

/// One repository that documents are open of.
struct Repository {
    asker: Asker,
    /// The number of the newest question, and what it is about.
    asked: (u64, Texts),
    /// The last answer, with what it is about.
    answered: Option<(Report, Texts, Vec<Placed>)>,
    /// The documents that have diagnostics, as the editor was told last.
    published: BTreeMap<String, Value>,
    /// What was said that has no place in a document.
    said: BTreeSet<String>,
    /// Whether the editor is shown that something takes time.
    progress: bool,
}

/// A request for code actions that waits for ways out to be tried.
struct Pending {
    until: Instant,
    plain: Vec<CodeAction>,
    abandon: Arc<Abandon>,
}

/// The session.
pub(super) struct Server<W> {
    endpoint: Endpoint,
    tell: Sender<Event>,
    client: Client<W>,
    stage: Stage,
    documents: Documents,
    repositories: BTreeMap<PathBuf, Repository>,
    pending: HashMap<RequestId, Pending>,
    questions: u64,
}

impl<W: Write> Server<W> {
    pub(super) fn new(endpoint: Endpoint, tell: Sender<Event>, output: W) -> Server<W> {
        Server {
            endpoint,
            tell,
            client: Client::new(output),
            stage: Stage::Before,
            documents: Documents::default(),
            repositories: BTreeMap::new(),
            pending: HashMap::new(),
            questions: 0,
        }
    }

    /// Handles what happens until the client says goodbye or goes away. The exit status.
    pub(super) fn serve(mut self, events: &Receiver<Event>) -> io::Result<u8> {
        loop {
            let next = self.pending.values().map(|pending| pending.until).min();
            let look = next.map_or(LOOK, |until| until.saturating_duration_since(Instant::now()).min(LOOK));
            let event = match events.recv_timeout(look) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) if self.client.is_gone() => return Ok(self.status()),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(self.status()),
            };
            self.give_up_late()?;
            match event {
                None => {}
                Some(Event::Client(Incoming::End)) => return Ok(self.status()),
                Some(Event::Client(Incoming::Malformed(answer))) => self.client.answer_malformed(&answer)?,
                Some(Event::Client(Incoming::Message(Message::Request(request)))) => self.request(request)?,
                Some(Event::Client(Incoming::Message(Message::Response(_)))) => {}
                Some(Event::Client(Incoming::Message(Message::Notification(note)))) => {
                    if note.method == "exit" {
                        return Ok(self.status());
                    }
                    self.notification(note)?;
                }
                Some(Event::Answer { root, number, answer }) => self.answer(&root, number, answer)?,
                Some(Event::Tried { id, actions }) => {
                    if let Some(mut pending) = self.pending.remove(&id) {
                        // What mends comes before what accepts.
                        pending.plain.splice(0..0, actions);
                        self.client.respond(id, &pending.plain)?;
                    }
                }
            }
        }
    }

    /// What the protocol wants of a server that is told to exit.
    fn status(&self) -> u8 {
        u8::from(self.stage != Stage::ShutDown)
    }

    fn request(&mut self, request: Request) -> io::Result<()> {
        let Request { id, method, params } = request;
        match (self.stage, &*method) {
            (Stage::Before, "initialize") => {
                self.stage = Stage::Open;
                let answer = self.initialize(&params);
                self.client.respond(id, &answer)
            }
            (Stage::Before, _) => self.client.refuse(id, ErrorCode::ServerNotInitialized, "the session has not begun"),
            (Stage::ShutDown, _) => self.client.refuse(id, ErrorCode::InvalidRequest, "the session is over"),
            (Stage::Open, "initialize") => {
                self.client.refuse(id, ErrorCode::InvalidRequest, "the session has begun already")
            }
            (Stage::Open, "shutdown") => {
                self.stage = Stage::ShutDown;
                self.repositories.clear();
                self.client.respond(id, &Value::Null)
            }
            (Stage::Open, "textDocument/hover") => match read(params) {
                Ok(params) => {
                    let answer = self.hover(&params);
                    self.client.respond(id, &answer)
                }
                Err(error) => self.client.refuse(id, ErrorCode::InvalidParams, &error),
            },
            (Stage::Open, "textDocument/codeAction") => match read(params) {
                Ok(params) => self.actions(id, &params),
                Err(error) => self.client.refuse(id, ErrorCode::InvalidParams, &error),
            },
            (Stage::Open, "workspace/executeCommand") => match read::<ExecuteCommandParams>(params) {
                Ok(params) if params.command == actions::EXPLAIN => self.explain(id, &params),
                Ok(params) => self.client.refuse(
                    id,
                    ErrorCode::InvalidParams,
                    &format!("there is no command `{}`", params.command),
                ),
                Err(error) => self.client.refuse(id, ErrorCode::InvalidParams, &error),
            },
            (Stage::Open, _) => {
                self.client.refuse(id, ErrorCode::MethodNotFound, &format!("`{method}` is not answered"))
            }
        }
    }

    fn initialize(&mut self, params: &Value) -> Value {
        self.client.introduced(params);
        json!({
            "capabilities": {
                "positionEncoding": self.client.can.encoding.name(),
                "textDocumentSync": { "openClose": true, "change": 1, "save": { "includeText": false } },
                "hoverProvider": true,
                "codeActionProvider": { "codeActionKinds": [CodeActionKind::QuickFix] },
                "executeCommandProvider": { "commands": [actions::EXPLAIN] },
            },
            "serverInfo": { "name": diagnostics::SOURCE, "version": env!("CARGO_PKG_VERSION") },
        })
    }

    fn notification(&mut self, note: Notification) -> io::Result<()> {
        let Notification { method, params } = note;
        if self.stage != Stage::Open {
            return Ok(());
        }
        match &*method {
            "initialized" if self.client.can.watch_files => self.watch_files(),
            "textDocument/didOpen" => match read::<DidOpenTextDocumentParams>(params) {
                Ok(DidOpenTextDocumentParams { text_document: open }) => {
                    let root = self.documents.put(&open.uri.0, open.version, open.text);
                    root.map_or(Ok(()), |root| self.ask(&root))
                }
                Err(error) => self.client.log(&error),
            },
            "textDocument/didChange" => match read::<DidChangeTextDocumentParams>(params) {
                Ok(mut params) => match params.content_changes.pop() {
                    Some(TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(whole)) => {
                        let VersionedTextDocumentIdentifier { version, text_document_identifier: open } =
                            params.text_document;
                        let root = self.documents.change(&open.uri.0, version, whole.text);
                        root.map_or(Ok(()), |root| self.ask(&root))
                    }
                    _ => self.client.log("a change of a part of a document was not asked for"),
                },
                Err(error) => self.client.log(&error),
            },
            "textDocument/didSave" => match read::<DidSaveTextDocumentParams>(params) {
                Ok(params) => {
                    let known = self.documents.get(&params.text_document.uri.0).map(|document| document.root.clone());
                    known.map_or(Ok(()), |root| self.ask(&root))
                }
                Err(error) => self.client.log(&error),
            },
            "textDocument/didClose" => match read::<DidCloseTextDocumentParams>(params) {
                Ok(params) => match self.documents.remove(&params.text_document.uri.0) {
                    Some(root) => self.ask(&root),
                    None => Ok(()),
                },
                Err(error) => self.client.log(&error),
            },
            "workspace/didChangeWatchedFiles" => {
                let roots: BTreeSet<PathBuf> = self.documents.roots().map(Path::to_owned).collect();
                roots.iter().try_for_each(|root| self.ask(root))
            }
            "$/cancelRequest" => self.cancel(&params),
            _ => Ok(()),
        }
    }

    /// Asks the daemon what there is to say about the repository at `root` now.
    fn ask(&mut self, root: &Path) -> io::Result<()> {
        let texts = self.documents.texts(root);
        if texts.is_empty() {
            // Nobody looks any more, and nobody would see to it that what is said stays true.
            if let Some(gone) = self.repositories.remove(root) {
                gone.published.keys().try_for_each(|uri| self.publish(uri, None, &[]))?;
            }
            return Ok(());
        }
        self.questions += 1;
        let number = self.questions;
        if !self.repositories.contains_key(root) {
            let (tell, own) = (self.tell.clone(), root.to_owned());
            let asker = Asker::start(&self.endpoint, root.to_owned(), move |number, answer| {
                // Nobody listens when the session is over.
                let _ = tell.send(Event::Answer { root: own.clone(), number, answer });
            })?;
            let repository = Repository {
                asker,
                asked: (0, Texts::default()),
                answered: None,
                published: BTreeMap::new(),
                said: BTreeSet::new(),
                progress: false,
            };
            self.repositories.insert(root.to_owned(), repository);
        }
        if let Some(repository) = self.repositories.get_mut(root) {
            repository.asked = (number, texts.clone());
            repository.asker.ask(number, texts);
        }
        Ok(())
    }

    fn answer(&mut self, root: &Path, number: u64, answer: Answer) -> io::Result<()> {
        // Of an older text there is nothing to say any more.
        let Some(repository) = self.repositories.get_mut(root).filter(|repository| repository.asked.0 == number) else {
            return Ok(());
        };
        let texts = repository.asked.1.clone();
        match answer {
            Answer::Progress(text) => self.progress(root, Some(&text)),
            Answer::Failed(why) => {
                self.progress(root, None)?;
                self.say(root, vec![Finding::new("engine.lost", Severity::Error, why)])
            }
            Answer::Report(report) => {
                self.progress(root, None)?;
                let said = diagnostics::said(&report, &texts, self.client.can.encoding);
                self.show(root, &texts, &said.placed)?;
                self.say(root, said.unplaced)?;
                if let Some(repository) = self.repositories.get_mut(root) {
                    repository.answered = Some((*report, texts, said.placed));
                }
                Ok(())
            }
        }
    }

    /// Publishes what there is to say, document by document, where it is not what was published last.
    fn show(&mut self, root: &Path, texts: &Texts, placed: &[Placed]) -> io::Result<()> {
        let mut by_uri: BTreeMap<&str, Vec<gen_lsp_types::Diagnostic>> = BTreeMap::new();
        for one in placed {
            by_uri.entry(&one.uri).or_default().push(diagnostics::diagnostic(one, root));
        }
        let Some(repository) = self.repositories.get_mut(root) else { return Ok(()) };
        let before = std::mem::take(&mut repository.published);
        let mut now = BTreeMap::new();
        for (uri, found) in &by_uri {
            now.insert((*uri).to_owned(), serde_json::to_value(found)?);
        }
        repository.published.clone_from(&now);
        for uri in before.keys().chain(now.keys().filter(|uri| !before.contains_key(*uri))) {
            if before.get(uri) != now.get(uri) {
                let version = texts.version(uri);
                self.publish(uri, version, by_uri.get(uri.as_str()).map_or(&[], Vec::as_slice))?;
            }
        }
        Ok(())
    }

    fn publish(&mut self, uri: &str, version: Option<i32>, found: &[gen_lsp_types::Diagnostic]) -> io::Result<()> {
        let params = PublishDiagnosticsParams { uri: Uri(uri.to_owned()), version, diagnostics: found.to_vec() };
        self.client.notify("textDocument/publishDiagnostics", params)
    }

    /// Says what has no place in a document, and says it once.
    fn say(&mut self, root: &Path, unplaced: Vec<Finding>) -> io::Result<()> {
        let Some(repository) = self.repositories.get_mut(root) else { return Ok(()) };
        let before = std::mem::take(&mut repository.said);
        let mut news = Vec::new();
        for finding in unplaced {
            let text = format!("migd: {} [{}]", diagnostics::message(&finding), finding.code);
            if !before.contains(&text) && !repository.said.contains(&text) {
                news.push((finding.severity, text.clone()));
            }
            repository.said.insert(text);
        }
        for (severity, message) in news {
            // Error, warning, information.
            let kind = match severity {
                Severity::Error => 1,
                Severity::Warning => 2,
                Severity::Note => 3,
            };
            self.client.notify("window/showMessage", json!({ "type": kind, "message": message }))?;
        }
        Ok(())
    }

    /// Shows what takes time; none: nothing does any more.
    fn progress(&mut self, root: &Path, text: Option<&str>) -> io::Result<()> {
        let Some(repository) = self.repositories.get_mut(root).filter(|_| self.client.can.show_progress) else {
            return Ok(());
        };
        let token = format!("migd {}", root.display());
        let value = match (repository.progress, text) {
            (false, None) => return Ok(()),
            (true, None) => json!({ "kind": "end" }),
            (true, Some(text)) => json!({ "kind": "report", "message": text }),
            (false, Some(text)) => {
                repository.progress = true;
                self.client.ask("window/workDoneProgress/create", json!({ "token": token }))?;
                json!({ "kind": "begin", "title": diagnostics::SOURCE, "message": text })
            }
        };
        if text.is_none()
            && let Some(repository) = self.repositories.get_mut(root)
        {
            repository.progress = false;
        }
        self.client.notify("$/progress", json!({ "token": token, "value": value }))
    }

    /// The findings at `range` of a document, with what they are about; none while a newer text is being judged.
    fn found(&self, uri: &Uri, range: Range) -> Option<(&Path, &Report, &Texts, Vec<Placed>)> {
        let document = self.documents.get(&uri.0)?;
        let (root, repository) = self.repositories.get_key_value(&document.root)?;
        let (report, texts, placed) = repository.answered.as_ref()?;
        let (_, judged) = texts.at(&document.path)?;
        if judged.version != document.version {
            return None;
        }
        let here = placed.iter().filter(|one| one.uri == uri.0 && position::overlap(one.range, range));
        Some((root, report, texts, here.cloned().collect()))
    }

    fn hover(&self, params: &HoverParams) -> Value {
        let place = &params.text_document_position_params;
        let range = Range { start: place.position, end: place.position };
        let Some((.., found)) = self.found(&place.text_document.uri, range) else { return Value::Null };
        let Some(first) = found.first() else { return Value::Null };
        let texts: Vec<String> = found.iter().map(|one| explain::hover(&one.finding)).collect();
        let contents = json!({ "kind": "markdown", "value": texts.join("\n\n---\n\n") });
        json!({ "contents": contents, "range": first.range })
    }

    fn actions(&mut self, id: RequestId, params: &CodeActionParams) -> io::Result<()> {
        let wanted = params.context.only.as_ref().is_none_or(|only| {
            only.iter().any(|kind| matches!(kind, CodeActionKind::QuickFix | CodeActionKind::Empty))
        });
        let found = self.found(&params.text_document.uri, params.range).filter(|_| wanted);
        let Some((root, report, texts, found)) = found else {
            return self.client.respond(id, &Value::Array(Vec::new()));
        };
        let encoding = self.client.can.encoding;
        let matter = Matter { root, texts, encoding };
        let plain: Vec<CodeAction> = found.iter().flat_map(|one| matter.plain(one)).collect();
        let untried: Vec<actions::Untried> = found.iter().flat_map(|one| matter.untried(one)).collect();
        if untried.is_empty() {
            return self.client.respond(id, &plain);
        }
        let (root, report, texts) = (root.to_owned(), report.clone(), texts.clone());
        let (endpoint, tell) = (self.endpoint.clone(), self.tell.clone());
        // The newest request is the one that somebody waits for.
        self.pending.values().for_each(|pending| pending.abandon.abandon());
        let abandon = Arc::new(Abandon::default());
        let (own, asked) = (Arc::clone(&abandon), id.clone());
        let trying = std::thread::Builder::new().name("trying".to_owned()).spawn(move || {
            let matter = Matter { root: &root, texts: &texts, encoding };
            let actions = matter.tried(untried, &report, &endpoint, &own);
            let _ = tell.send(Event::Tried { id: asked, actions });
        });
        match trying {
            Ok(_) => {
                self.pending.insert(id, Pending { until: Instant::now() + TRYING, plain, abandon });
                Ok(())
            }
            Err(_) => self.client.respond(id, &plain),
        }
    }

    /// Answers requests that have waited too long with what there is.
    fn give_up_late(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let late: Vec<RequestId> =
            self.pending.iter().filter(|(_, pending)| pending.until <= now).map(|(id, _)| id.clone()).collect();
        for id in late {
            if let Some(pending) = self.pending.remove(&id) {
                pending.abandon.abandon();
                self.client.respond(id, &pending.plain)?;
            }
        }
        Ok(())
    }

    fn cancel(&mut self, params: &Value) -> io::Result<()> {
        let Some(id) = params.get("id").cloned().and_then(|id| serde_json::from_value::<RequestId>(id).ok()) else {
            return Ok(());
        };
        match self.pending.remove(&id) {
            Some(pending) => {
                pending.abandon.abandon();
                self.client.refuse(id, ErrorCode::RequestCanceled, "it was cancelled")
            }
            // It was answered already.
            None => Ok(()),
        }
    }

    /// Shows the explanation of a code: as a document where the editor can be made to open one, else as a message.
    fn explain(&mut self, id: RequestId, params: &ExecuteCommandParams) -> io::Result<()> {
        let name = params.arguments.as_ref().and_then(|arguments| arguments.first()?.as_str());
        let Some(code) = name.and_then(code) else {
            return self.client.refuse(id, ErrorCode::InvalidParams, "the argument is no finding code");
        };
        let page =
            if self.client.can.show_documents { explain::written(code, &self.endpoint.state).ok() } else { None };
        match page {
            Some(path) => {
                let params = json!({ "uri": super::uri::of_path(&path), "takeFocus": true });
                self.client.ask("window/showDocument", params)?;
            }
            None => self.client.notify("window/showMessage", json!({ "type": 3, "message": explain::full(code) }))?,
        }
        self.client.respond(id, &Value::Null)
    }

    /// Asks to be told when files change that this session has not open.
    fn watch_files(&mut self) -> io::Result<()> {
        let patterns = ["**/*.sql", "**/migd.toml", "**/metadata.toml", "**/_journal.json"];
        let watchers: Vec<Value> = patterns.iter().map(|pattern| json!({ "globPattern": pattern })).collect();
        let method = "workspace/didChangeWatchedFiles";
        let registration = json!({ "id": "files", "method": method, "registerOptions": { "watchers": watchers } });
        self.client.ask("client/registerCapability", json!({ "registrations": [registration] }))
    }
}

fn read<P: DeserializeOwned>(params: Value) -> Result<P, String> {
    serde_json::from_value(params).map_err(|error| error.to_string())
}
