//! Code actions: the line that accepts a finding, a way out that was tried, the explanation.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use gen_lsp_types::{CodeAction, CodeActionKind, Command, Diagnostic, TextEdit, Uri, WorkspaceEdit};
use serde_json::json;

use super::asker::{self, Answer};
use super::diagnostics::{self, Placed};
use super::documents::Texts;
use super::position::{self, Encoding};
use super::rewrite::{self, Rewrite};
use super::uri;
use crate::daemon::spawn::Abandon;
use crate::verdict::{Finding, Outcome, Report, Severity};
use crate::wire::Endpoint;

/// The command that shows the explanation of a code, its argument.
pub(super) const EXPLAIN: &str = "migd.explain";
/// How many ways out are tried for one request.
const TRIED: usize = 6;

/// What actions are made of: the findings of one repository, and the texts that they are about.
pub(super) struct Matter<'a> {
    pub(super) root: &'a Path,
    pub(super) texts: &'a Texts,
    pub(super) encoding: Encoding,
}

/// A way out of one finding that nobody has tried yet.
#[derive(Debug, Clone)]
pub(super) struct Untried {
    placed: Placed,
    path: PathBuf,
    text: String,
    rewrite: Rewrite,
}

impl Matter<'_> {
    /// What can be offered about `placed` without trying anything.
    pub(super) fn plain(&self, placed: &Placed) -> Vec<CodeAction> {
        let mut actions = Vec::new();
        let finding = &placed.finding;
        let here = self.file(finding.path.as_deref());
        if let Some((path, text)) = &here
            && let Some(byte) = byte_of(finding, text)
        {
            let mended = rewrite::directive_mended(finding, text, byte);
            actions.extend(mended.iter().map(|rewrite| self.edit(placed, path, text, rewrite)));
        }
        // A down is accepted beside its up.
        if let Some((path, text)) = self.file(placed.up.as_deref()) {
            let byte = byte_of(finding, &text).filter(|_| finding.path == placed.up);
            let accepted = rewrite::acceptance(finding, &text, byte);
            actions.extend(accepted.map(|rewrite| self.edit(placed, &path, &text, &rewrite)));
        }
        let title = format!("Explain {}", finding.code);
        let arguments = Some(vec![json!(finding.code)]);
        let command = Command { title: title.clone(), tooltip: None, command: EXPLAIN.to_owned(), arguments };
        actions.push(CodeAction { command: Some(command), ..self.action(title, placed) });
        actions
    }

    /// The ways out of `placed` that are worth trying.
    pub(super) fn untried(&self, placed: &Placed) -> Vec<Untried> {
        let Some((path, text)) = self.file(placed.finding.path.as_deref()) else { return Vec::new() };
        let Some(byte) = byte_of(&placed.finding, &text) else { return Vec::new() };
        let found = rewrite::candidates(&placed.finding, &text, byte);
        let untried = |rewrite| Untried { placed: placed.clone(), path: path.clone(), text: text.clone(), rewrite };
        found.into_iter().map(untried).collect()
    }

    /// Of `untried` those with which the finding is gone and no other error has come: each is judged.
    pub(super) fn tried(
        &self,
        untried: Vec<Untried>,
        before: &Report,
        endpoint: &Endpoint,
        abandon: &Abandon,
    ) -> Vec<CodeAction> {
        let overlays = self.texts.unsaved();
        let mut actions = Vec::new();
        for way in untried.into_iter().take(TRIED) {
            let mut overlays: BTreeMap<PathBuf, String> = overlays.clone();
            overlays.insert(way.path.clone(), way.rewrite.applied(&way.text));
            let judged = asker::ask(endpoint, self.root, overlays, abandon, &|_: Answer| {});
            if judged.is_ok_and(|after| is_way_out(&way.placed.finding, before, &after)) {
                actions.push(self.edit(&way.placed, &way.path, &way.text, &way.rewrite));
            }
        }
        actions
    }

    /// A file of the repository as the editor has it, else as it is on disk.
    fn file(&self, path: Option<&str>) -> Option<(PathBuf, String)> {
        let path = self.root.join(path?);
        let text = match self.texts.at(&path) {
            Some((_, document)) => document.text.to_string(),
            None => std::fs::read_to_string(&path).ok()?,
        };
        Some((path, text))
    }

    fn edit(&self, placed: &Placed, path: &Path, text: &str, rewrite: &Rewrite) -> CodeAction {
        let uri = self.texts.at(path).map_or_else(|| uri::of_path(path), |(uri, _)| uri.to_owned());
        let range = position::range(text, rewrite.range.clone(), self.encoding);
        let edits = vec![TextEdit { range, new_text: rewrite.text.clone() }];
        let changes = HashMap::from([(Uri(uri), edits)]);
        let edit = WorkspaceEdit { changes: Some(changes), document_changes: None, change_annotations: None };
        CodeAction { edit: Some(edit), ..self.action(rewrite.title.clone(), placed) }
    }

    fn action(&self, title: String, placed: &Placed) -> CodeAction {
        let diagnostic: Diagnostic = diagnostics::diagnostic(placed, self.root);
        CodeAction {
            title,
            kind: Some(CodeActionKind::QuickFix),
            diagnostics: Some(vec![diagnostic]),
            is_preferred: None,
            disabled: None,
            edit: None,
            command: None,
            data: None,
            tags: None,
        }
    }
}

/// Where a finding starts in the text that it is about.
fn byte_of(finding: &Finding, text: &str) -> Option<usize> {
    finding.line.map(|line| position::byte_of(text, line, finding.column.unwrap_or(1)))
}

/// Whether `finding` is gone in `after`, and no error is there that was not there `before`.
fn is_way_out(finding: &Finding, before: &Report, after: &Report) -> bool {
    let open = |report: &Report| -> Vec<Finding> {
        let all = report.verdicts.iter().flat_map(|verdict| &verdict.findings);
        all.filter(|finding| finding.suppressed_by.is_none()).cloned().collect()
    };
    let same = |one: &Finding, other: &Finding| {
        (&one.code, &one.path, &one.table, &one.constraint, &one.columns)
            == (&other.code, &other.path, &other.table, &other.constraint, &other.columns)
    };
    let (before, now) = (open(before), open(after));
    let errors = now.iter().filter(|found| found.severity == Severity::Error);
    after.outcome != Outcome::Error
        && !now.iter().any(|found| same(found, finding))
        && errors.into_iter().all(|error| before.iter().any(|known| same(known, error)))
}
