//! The documents that the editor has open, and the repositories that they belong to.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::uri;
use crate::repo::{Location, Repo};

/// One open document.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// As the editor has it, saved or not.
    pub(super) text: Arc<str>,
    pub(super) version: i32,
    /// Where it lies, with the links of its folders followed.
    pub(super) path: PathBuf,
    /// The top of the work tree that it lies in.
    pub(super) root: PathBuf,
}

/// The open documents of repositories, by their URI as the editor writes it. Others are of no interest.
#[derive(Debug, Default)]
pub(super) struct Documents {
    open: HashMap<String, Document>,
}

/// What is known of the open documents of one repository at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts(Arc<HashMap<PathBuf, (String, Document)>>);

impl Documents {
    /// A document was opened. The repository that it lies in; none where there is none.
    pub(super) fn put(&mut self, name: &str, version: i32, text: String) -> Option<PathBuf> {
        let path = uri::path_of(name)?;
        let root = repository(&path)?;
        self.open.insert(name.to_owned(), Document { text: text.into(), version, path, root: root.clone() });
        Some(root)
    }

    /// An open document has other content. The repository that is concerned.
    pub(super) fn change(&mut self, name: &str, version: i32, text: String) -> Option<PathBuf> {
        let document = self.open.get_mut(name)?;
        document.text = text.into();
        document.version = version;
        Some(document.root.clone())
    }

    /// A document was closed. The repository that it belonged to.
    pub(super) fn remove(&mut self, name: &str) -> Option<PathBuf> {
        self.open.remove(name).map(|document| document.root)
    }

    /// The document that the editor calls so.
    pub(super) fn get(&self, name: &str) -> Option<&Document> {
        self.open.get(name)
    }

    /// The open documents of the repository at `root`, as they are now.
    pub(super) fn texts(&self, root: &Path) -> Texts {
        let own = self.open.iter().filter(|(_, document)| document.root == root);
        Texts(Arc::new(own.map(|(name, open)| (open.path.clone(), (name.clone(), open.clone()))).collect()))
    }

    /// The repositories that documents are open of.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Path> {
        self.open.values().map(|document| document.root.as_path())
    }
}

impl Texts {
    /// Whether no document is open.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The version of the document that the editor calls so.
    pub(super) fn version(&self, name: &str) -> Option<i32> {
        self.0.values().find(|(own, _)| own == name).map(|(_, document)| document.version)
    }

    /// The URI and the document at `path`.
    pub(super) fn at(&self, path: &Path) -> Option<(&str, &Document)> {
        self.0.get(path).map(|(name, document)| (name.as_str(), document))
    }

    /// What is not on disk as it is here: the texts that stand for files. Reads the disk.
    pub(super) fn unsaved(&self) -> BTreeMap<PathBuf, String> {
        let changed = self.0.iter().filter(|(path, (_, document))| !is_saved(path, &document.text));
        // A path that is no UTF-8 cannot be sent, and is no migration for any runner.
        let named = changed.filter(|(path, _)| path.to_str().is_some());
        named.map(|(path, (_, document))| (path.clone(), document.text.to_string())).collect()
    }
}

/// Whether the file at `path` has this content, as an editor sees it: without a byte order mark, and with whatever ends its
/// lines.
fn is_saved(path: &Path, text: &str) -> bool {
    let Ok(bytes) = std::fs::read(path) else { return false };
    let Ok(disk) = std::str::from_utf8(&bytes) else { return false };
    let disk = disk.strip_prefix('\u{feff}').unwrap_or(disk);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    disk == text || disk.lines().eq(text.lines()) && disk.ends_with('\n') == text.ends_with('\n')
}

/// The top of the work tree that a file lies in, whether the file is there yet or not.
fn repository(path: &Path) -> Option<PathBuf> {
    // What lies in git's own folder is no part of the work tree.
    if path.components().any(|part| part.as_os_str() == ".git") {
        return None;
    }
    let folder = path.parent()?.ancestors().find(|folder| folder.is_dir())?;
    // The editor's own `GIT_*` variables may name another repository: git starts editors from its hooks.
    let repo = Repo::open(&Location { cwd: folder.to_owned(), ..Location::default() }).ok()?;
    let root = repo.root()?.to_owned();
    path.starts_with(&root).then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_a_byte_order_mark_are_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sql");
        std::fs::write(&path, "\u{feff}SELECT 1;\r\nSELECT 2;\r\n").unwrap();
        assert!(is_saved(&path, "SELECT 1;\nSELECT 2;\n"));
        assert!(!is_saved(&path, "SELECT 1;\nSELECT 2;"));
        assert!(!is_saved(&path, "SELECT 1;\nSELECT 3;\n"));
        assert!(!is_saved(&folder.path().join("none.sql"), ""));
    }

    #[test]
    fn a_document_outside_of_any_repository_is_of_no_interest() {
        let folder = tempfile::tempdir().unwrap();
        let mut documents = Documents::default();
        assert_eq!(documents.put(&uri::of_path(&folder.path().join("a.sql")), 1, String::new()), None);
        assert_eq!(documents.put("untitled:1", 1, String::new()), None);
        assert!(documents.roots().next().is_none());
    }
}
