//! SQL in the place of steps that are not SQL, as the configuration names it. Pure.
//!
//! A step is named by its version, or by its file's name. One whose file lies outside of the set (Flyway's Java classes) is
//! named by its file's name alone, and gets the place that this name has in the layout's order. The SQL is read as the plain
//! layout reads a file: its down stands behind `-- down`, and `-- no-transaction` is its first line where it wants none.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::{self, Draft};
use super::{Chain, File, Given, Layout, Migration, Tree, fill, plain};
use crate::verdict::{Finding, Severity};

/// One line of the configuration's `replace`.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// The step: its version or its file's name.
    pub step: String,
    /// The SQL file, relative to the repository.
    pub path: String,
    /// Its content; none when it is not there.
    pub file: Option<File>,
}

/// [`Layout::plan_with`], with `replacements` in the place of steps that are not SQL.
pub fn plan_replaced(
    layout: &dyn Layout,
    root: &str,
    tree: &Tree,
    given: &Given,
    replacements: &[Replacement],
) -> Chain {
    let filled = fill::fill(layout, tree, &given.vars);
    let tree = filled.as_ref().unwrap_or(tree);
    if replacements.is_empty() {
        let mut chain = layout.plan_with(root, tree, given);
        linked_folders(layout, root, tree, &mut chain);
        return chain;
    }
    let mut tree = tree.clone();
    let elsewhere = |step: &str| step.contains('.') && !step.ends_with(".sql") && !step.ends_with('.');
    for replacement in replacements.iter().filter(|replacement| elsewhere(&replacement.step)) {
        let nothing = File { id: String::new(), bytes: None, size: 0, is_link: false };
        tree.files.entry(replacement.step.clone()).or_insert(nothing);
    }
    let mut chain = layout.plan_with(root, &tree, given);
    for replacement in replacements {
        replace(&mut chain, replacement);
    }
    linked_folders(layout, root, &tree, &mut chain);
    chain
}

/// Links that lead to nothing in the repository and may be folders of migrations, where the runner looks into folders.
fn linked_folders(layout: &dyn Layout, root: &str, tree: &Tree, chain: &mut Chain) {
    if !layout.is_deep() {
        return;
    }
    let draft = Draft::new(root, tree, layout.name());
    for (path, link) in tree.files.iter().filter(|(_, file)| file.is_link) {
        let is_file =
            path.rsplit('/').next().is_some_and(|name| name.rsplit_once('.').is_some_and(|(_, end)| end.len() < 5));
        let full = draft.path(path);
        if !is_file && !chain.findings.iter().any(|finding| finding.path.as_ref() == Some(&full)) {
            chain.findings.push(draft::linked_away(link).in_file(full));
        }
    }
}

/// Versions are often recorded without the zeros that the file's name has.
fn is_same_version(version: &str, step: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let bare = |text: &str| text.trim_start_matches('0').to_owned();
    version == step || (is_number(version) && is_number(step) && bare(version) == bare(step))
}

fn replace(chain: &mut Chain, replacement: &Replacement) {
    let Replacement { step, path, file } = replacement;
    let is_meant = |migration: &Migration| {
        let file = migration.foreign.as_ref().unwrap_or(&migration.up.path);
        is_same_version(&migration.version, step)
            || file.strip_suffix(step.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    let mut say = |message: String, help: &str| {
        let finding = Finding::new("config.replacement", Severity::Error, message).in_file("migd.toml");
        chain.findings.push(finding.help(help));
    };
    let found = chain.migrations.iter_mut().find(|migration| is_meant(migration));
    let Some(migration) = found.map(Arc::make_mut) else {
        say(format!("`replace` names the step {step}, which the set does not have"), "name its version, or its file");
        return;
    };
    let Some(foreign) = migration.foreign.clone() else {
        say(format!("`replace` names the step {step}, which is SQL"), "the runner runs its own file: remove the line");
        return;
    };
    let Some(file) = file else {
        say(format!("`replace` names the file {path}, which is not there"), "is it staged?");
        return;
    };
    let tree = Tree { files: BTreeMap::from([(path.clone(), file.clone())]) };
    let mut draft = Draft::new("", &tree, "migd");
    let source = draft.source(path, plain::mode);
    if let Some(source) = source {
        let (up, down) = plain::directions(source);
        (migration.up, migration.down, migration.foreign, migration.replaced) = (up, down, None, true);
        draft::hash(migration);
        // What its runner would say of it as SQL does not count any more.
        chain.findings.retain(|finding| finding.path.as_ref() != Some(&foreign));
    }
    chain.findings.extend(draft.finish().findings);
}
