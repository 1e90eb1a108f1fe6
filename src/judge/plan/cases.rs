//! Where a set's scenarios are: apart from its migrations, whatever the layout makes of other files.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Folder, Listed, Listing};
use crate::config::Set;
use crate::judge::Error;
use crate::layout::{self, File, Layout};
use crate::scenario;
use crate::verdict::Mode;

/// The folder inside a set that holds its scenarios.
const INSIDE: &str = "scenarios";

/// The folders in which a set's scenarios may be, relative to the repository.
pub(super) struct Folders {
    stated: bool,
    folders: Vec<String>,
}

/// Which tree is read.
#[derive(Clone, Copy)]
pub(super) enum Tree<'a> {
    /// The index.
    Staged,
    /// The files on disk.
    Worktree,
    /// A commit; none: nothing.
    At(Option<&'a str>),
}

impl Tree<'_> {
    /// The tree that is judged.
    pub(super) fn of(mode: Mode) -> Tree<'static> {
        match mode {
            Mode::Worktree => Tree::Worktree,
            Mode::Staged | Mode::All => Tree::Staged,
        }
    }
}

/// One scenario: the name of its content, and the content where it was read from disk.
pub(super) struct Case {
    id: String,
    read: Option<File>,
}

/// Scenarios by path relative to the repository.
pub(super) type Cases = BTreeMap<String, Case>;

/// Whether two trees have the same scenarios.
pub(super) fn same(one: &Cases, other: &Cases) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.0 == b.0 && a.1.id == b.1.id)
}

impl Folders {
    /// The one that the configuration names, else the usual ones.
    pub(super) fn of(set: &Set) -> Folders {
        if let Some(folder) = &set.scenarios {
            return Folders { stated: true, folders: vec![folder.clone()] };
        }
        if set.path.is_empty() {
            return Folders { stated: false, folders: vec![INSIDE.to_owned()] };
        }
        let mut folders = vec![format!("{}/{INSIDE}", set.path)];
        let layout = set.layout.as_deref().and_then(layout::by_name);
        // One that is recognised only later may be of either kind.
        if layout.is_none_or(|layout| !layout.passes_over_folders()) {
            folders.push(format!("{}-{INSIDE}", set.path));
        }
        Folders { stated: false, folders }
    }

    fn has(&self, path: &str) -> bool {
        path.ends_with(scenario::EXTENSION) && self.folders.iter().any(|folder| is_below(path, folder))
    }

    /// The folder for new ones. Some runners take every folder in the set for a migration.
    pub(super) fn home(&self, layout: &dyn Layout) -> String {
        let beside = !self.stated && !layout.passes_over_folders();
        let folder = if beside { self.folders.last() } else { self.folders.first() };
        folder.cloned().unwrap_or_default()
    }

    /// `listing` without the scenarios, where there are some in the set's own folder and its runner does not mind.
    pub(super) fn parted(&self, layout: &dyn Layout, root: &str, listing: &Listing) -> Option<Listing> {
        let is_case = |path: &str| path.ends_with(scenario::EXTENSION) && self.has(&full(root, path));
        if !layout.passes_over_folders() {
            return None;
        }
        let listed = match &listing.files {
            Listed::Git(entries) => {
                if !entries.iter().any(|entry| is_case(&entry.path)) {
                    return None;
                }
                let rest = entries.iter().filter(|entry| !is_case(&entry.path));
                Listed::Git(rest.cloned().collect())
            }
            Listed::Disk(tree) => {
                let mut tree = tree.clone();
                tree.files.retain(|path, _| !is_case(path));
                Listed::Disk(tree)
            }
        };
        Some(listed.into())
    }
}

fn full(root: &str, path: &str) -> String {
    if root.is_empty() { path.to_owned() } else { format!("{root}/{path}") }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

impl Folder<'_> {
    /// The scenarios of a tree: those among the set's own files, and those that lie elsewhere.
    pub(super) fn cases(&self, listing: &Listing, tree: Tree<'_>) -> Result<Cases, Error> {
        let mut cases = Cases::new();
        let mut add = |path: String, id: &str, read: Option<&File>| {
            if path.ends_with(scenario::EXTENSION) && self.folders.has(&path) {
                cases.insert(path, Case { id: id.to_owned(), read: read.cloned() });
            }
        };
        let own = |path: &str| path.ends_with(scenario::EXTENSION).then(|| full(self.root, path));
        match &listing.files {
            Listed::Git(entries) => {
                entries
                    .iter()
                    .for_each(|entry| own(&entry.path).into_iter().for_each(|path| add(path, &entry.id, None)));
            }
            Listed::Disk(tree) => tree
                .files
                .iter()
                .for_each(|(name, file)| own(name).into_iter().for_each(|path| add(path, &file.id, Some(file)))),
        }
        let outside = |folder: &&String| !self.root.is_empty() && !is_below(folder, self.root);
        for folder in self.folders.folders.iter().filter(outside) {
            let prefix = std::slice::from_ref(folder);
            let entries = match tree {
                Tree::Staged => self.repo.staged(prefix)?,
                Tree::At(Some(rev)) => self.repo.tree(rev, prefix)?,
                Tree::At(None) => Vec::new(),
                Tree::Worktree => {
                    for file in self.repo.worktree(prefix)?.into_iter().filter(|file| !file.is_link) {
                        let (size, id) = (file.bytes.len() as u64, self.repo.blob_id(&file.bytes)?);
                        let bytes = (size <= self.max).then(|| file.bytes.into());
                        add(file.path, &id.clone(), Some(&File { id, bytes, size, is_link: false }));
                    }
                    Vec::new()
                }
            };
            let files = entries.into_iter().filter(|entry| !entry.is_link);
            files.for_each(|entry| add(entry.path, &entry.id, None));
        }
        Ok(cases)
    }

    /// These scenarios, with their texts.
    pub(super) fn scenarios(&self, cases: &Cases) -> Result<Vec<scenario::File>, Error> {
        let file = |(path, case): (&String, &Case)| {
            let read = match &case.read {
                Some(read) => read.clone(),
                None => self.file(&case.id)?,
            };
            Ok(scenario::File { path: path.clone(), id: case.id.clone(), text: text(&read) })
        };
        cases.iter().map(file).collect()
    }
}

fn text(file: &File) -> Result<Arc<str>, String> {
    let Some(bytes) = &file.bytes else {
        return Err(format!("the file has {} bytes, more than `limits.file_bytes` allows", file.size));
    };
    let text = std::str::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    Ok(Arc::from(text.strip_prefix('\u{feff}').unwrap_or(text)))
}
