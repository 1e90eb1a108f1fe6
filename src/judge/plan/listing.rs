//! The files of one set in one tree, by name and by what names their content.

use std::borrow::Cow;
use std::sync::Arc;

use crate::layout::Tree;
use crate::repo::Entry;

/// The files of one set in one tree, by path relative to the set.
pub(super) struct Listing {
    /// Paths and object names, hashed: equal where all files are.
    pub(super) names: blake3::Hash,
    pub(super) files: Listed,
}

pub(super) enum Listed {
    /// Named by git, in order of path.
    Git(Vec<Arc<Entry>>),
    /// Read from disk.
    Disk(Tree),
}

impl From<Listed> for Listing {
    fn from(files: Listed) -> Self {
        let mut names = blake3::Hasher::new();
        let mut add = |path: &str, id: &str| {
            names.update(path.as_bytes()).update(&[0]).update(id.as_bytes()).update(&[0]);
        };
        match &files {
            Listed::Git(entries) => entries.iter().for_each(|entry| add(&entry.path, &named(entry))),
            Listed::Disk(tree) => tree.files.iter().for_each(|(path, file)| add(path, &file.id)),
        }
        Listing { names: names.finalize(), files }
    }
}

/// A name for an entry's content: a link is no file with the same text.
pub(super) fn named(entry: &Entry) -> Cow<'_, str> {
    if entry.is_link { format!("link {}", entry.id).into() } else { entry.id.as_str().into() }
}

impl Listing {
    pub(super) fn is_empty(&self) -> bool {
        match &self.files {
            Listed::Git(entries) => entries.is_empty(),
            Listed::Disk(tree) => tree.files.is_empty(),
        }
    }

    /// Whether git has links among them.
    pub(super) fn has_links(&self) -> bool {
        matches!(&self.files, Listed::Git(entries) if entries.iter().any(|entry| entry.is_link))
    }

    pub(super) fn same(&self, other: &Listing) -> bool {
        self.names == other.names
    }

    /// Whether `other` has the same file at this path.
    pub(super) fn shares(&self, other: &Listing, path: &str) -> bool {
        self.id(path).is_some_and(|id| other.id(path).is_some_and(|other| other == id))
    }

    /// What names a file's content.
    fn id(&self, path: &str) -> Option<Cow<'_, str>> {
        match &self.files {
            Listed::Git(entries) => {
                let at = entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
                Some(named(&entries[at]))
            }
            Listed::Disk(tree) => tree.files.get(path).map(|file| file.id.as_str().into()),
        }
    }
}
