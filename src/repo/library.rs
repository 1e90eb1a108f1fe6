//! Through libgit2.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use git2::{ErrorClass, ErrorCode, Index, IndexEntry, ObjectType, Oid, Repository, RepositoryOpenFlags};

use super::{Blob, Entry, Error, Index as Staged, Location, Place, is_below, whole};
use crate::wire::env::meant;

/// `git add --intent-to-add`: the entry's path is known and its content is not staged.
const INTENT_TO_ADD: u16 = 1 << 13;
/// A submodule's entry.
const GITLINK: u32 = 0o160_000;
/// A folder's entry, in the folder above.
const FOLDER: u32 = 0o40_000;
/// A symbolic link's entry.
const LINK: u32 = 0o120_000;

pub(super) struct Library {
    repo: Repository,
}

impl Library {
    /// None as an error: libgit2 cannot, and the program should be asked.
    pub(super) fn open(location: &Location) -> Result<(Library, Place), Option<Error>> {
        let env = |name: &str| location.git_env.get(name).filter(|value| !value.is_empty()).map(|value| meant(value));
        let path = |value: OsString| location.cwd.join(value);
        let ceilings: Vec<PathBuf> =
            env("GIT_CEILING_DIRECTORIES").map(|list| std::env::split_paths(&list).collect()).unwrap_or_default();
        let opened = match env("GIT_DIR").map(path) {
            Some(folder) => {
                let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
                Repository::open_ext(folder, flags, &ceilings)
            }
            None => Repository::open_ext(&location.cwd, RepositoryOpenFlags::empty(), &ceilings),
        };
        let repo = opened.map_err(|error| match error.code() {
            ErrorCode::NotFound => Some(Error::NotARepository(location.cwd.clone())),
            ErrorCode::Owner => Some(Error::Owner(location.cwd.clone())),
            _ => None,
        })?;
        let root = match (env("GIT_WORK_TREE").map(path), env("GIT_DIR")) {
            (Some(root), _) => Some(root),
            // git's rule: with GIT_DIR alone, the current folder is the top of the work tree.
            (None, Some(_))
                if !repo.is_bare() && repo.config().is_ok_and(|c| c.get_string("core.worktree").is_err()) =>
            {
                Some(linked_root(&repo).unwrap_or_else(|| location.cwd.clone()))
            }
            (None, _) => repo.workdir().map(Path::to_path_buf),
        };
        let root = root.map(|root| root.canonicalize().unwrap_or(root));
        let base = super::base_of(&location.cwd, root.as_deref());
        let objects = env("GIT_OBJECT_DIRECTORY").map(|folder| base.join(folder)).into_iter();
        let more = env("GIT_ALTERNATE_OBJECT_DIRECTORIES").map(|list| std::env::split_paths(&list).collect::<Vec<_>>());
        for folder in objects.chain(more.into_iter().flatten().map(|folder| base.join(folder))) {
            let odb = repo.odb().map_err(|_| None)?;
            odb.add_disk_alternate(folder.to_str().ok_or(None)?).map_err(|_| None)?;
        }
        let index = env("GIT_INDEX_FILE").map_or_else(|| repo.path().join("index"), |path| base.join(path));
        let place = Place {
            cwd: location.cwd.clone(),
            env: location.git_env.clone(),
            git_dir: repo.path().to_owned(),
            common_dir: repo.commondir().to_owned(),
            root,
            index,
        };
        Ok((Library { repo }, place))
    }

    pub(super) fn setting(&self, key: &str) -> Result<Option<String>, Error> {
        let config = self.repo.config().and_then(|mut config| config.snapshot()).map_err(unreadable)?;
        match config.get_path(key) {
            Ok(value) => Ok(value.to_str().map(str::to_owned)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(unreadable(error)),
        }
    }

    pub(super) fn staged(&self, index: &Path, prefixes: &[String]) -> Result<Staged, Error> {
        if let Some(tree) = self.written(index)
            && let Ok(entries) = self.below(&tree, prefixes)
        {
            return Ok(Staged { entries, conflicted: Vec::new() });
        }
        // Formats that libgit2 does not know are refused here, and so are broken files: git says which it is.
        let index = Index::open(index).map_err(|_| Error::Unsupported)?;
        let mut found = Staged::default();
        for entry in index.iter() {
            let path = String::from_utf8_lossy(&entry.path);
            if !prefixes.iter().any(|prefix| is_below(&path, prefix)) {
                continue;
            }
            if (entry.flags >> 12) & 3 != 0 {
                found.conflicted.push(path.into_owned());
            } else if entry.flags_extended & INTENT_TO_ADD == 0 && entry.mode != GITLINK {
                let (path, id) = (path.into_owned(), entry.id.to_string());
                found.entries.push(Entry { path, id, is_link: entry.mode == LINK });
            }
        }
        found.conflicted.dedup();
        Ok(found)
    }

    pub(super) fn tree(&self, rev: &str, prefixes: &[String]) -> Result<Vec<Entry>, Error> {
        let oid = Oid::from_str(rev).map_err(unreadable)?;
        let root = self.repo.find_commit(oid).and_then(|commit| commit.tree()).map_err(unreadable)?;
        self.below(&root, prefixes)
    }

    /// The tree that the index stands for, where it says so and the tree is there.
    fn written(&self, index: &Path) -> Option<git2::Tree<'_>> {
        let name = whole::root(&std::fs::read(index).ok()?)?;
        self.repo.find_tree(Oid::from_bytes(&name).ok()?).ok()
    }

    /// The folder `prefix` of that tree, by its object name.
    pub(super) fn staged_folder(&self, index: &Path, prefix: &str) -> Option<String> {
        folder(&self.written(index)?, prefix)
    }

    /// The name that the folder `prefix` of the index will have when git writes it. None when it is not written as it is.
    pub(super) fn staged_folder_to_be(&self, index: &Path, prefix: &str) -> Option<String> {
        let below = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let index = Index::open(index).ok()?;
        let entries: Vec<IndexEntry> = index.iter().filter(|entry| entry.path.starts_with(below.as_bytes())).collect();
        let plain = |entry: &IndexEntry| (entry.flags >> 12) & 3 == 0 && entry.flags_extended & INTENT_TO_ADD == 0;
        if entries.is_empty() || !entries.iter().all(plain) {
            return None;
        }
        let leaves: Vec<Leaf<'_>> =
            entries.iter().map(|entry| (&entry.path[below.len()..], entry.mode, entry.id)).collect();
        tree_name(&leaves).map(|id| id.to_string())
    }

    /// The folder `prefix` of the commit `rev`, by its object name.
    pub(super) fn folder(&self, rev: &str, prefix: &str) -> Option<String> {
        let commit = self.repo.find_commit(Oid::from_str(rev).ok()?).ok()?;
        folder(&commit.tree().ok()?, prefix)
    }

    /// The files of a folder, by their paths in it.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<Entry>, Error> {
        let tree = Oid::from_str(folder).and_then(|id| self.repo.find_tree(id)).map_err(unreadable)?;
        self.below(&tree, &[String::new()])
    }

    fn below(&self, root: &git2::Tree<'_>, prefixes: &[String]) -> Result<Vec<Entry>, Error> {
        let mut found = Vec::new();
        for prefix in prefixes {
            if prefix.is_empty() {
                self.walk(root, "", &mut found)?;
                continue;
            }
            match root.get_path(Path::new(prefix)) {
                Ok(entry) => self.take(&entry, prefix.clone(), &mut found)?,
                Err(error) if error.code() == ErrorCode::NotFound => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found.dedup();
        Ok(found)
    }

    fn walk(&self, tree: &git2::Tree<'_>, folder: &str, found: &mut Vec<Entry>) -> Result<(), Error> {
        tree.iter().try_for_each(|entry| {
            let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
            self.take(&entry, format!("{folder}{name}"), found)
        })
    }

    fn take(&self, entry: &git2::TreeEntry<'_>, path: String, found: &mut Vec<Entry>) -> Result<(), Error> {
        match entry.kind() {
            Some(ObjectType::Tree) => {
                let tree = self.repo.find_tree(entry.id()).map_err(unreadable)?;
                self.walk(&tree, &format!("{path}/"), found)?;
            }
            Some(ObjectType::Blob) => {
                let is_link = entry.filemode() as u32 == LINK;
                found.push(Entry { path, id: entry.id().to_string(), is_link });
            }
            // Submodules.
            _ => {}
        }
        Ok(())
    }

    /// The commit that `rev` names, none when there is no such thing.
    pub(super) fn commit(&self, rev: &str) -> Result<Option<String>, Error> {
        if rev == "@{upstream}" {
            let Ok(head) = self.repo.head() else { return Ok(None) };
            let Ok(upstream) = self.repo.branch_upstream_name(head.name().unwrap_or_default()) else { return Ok(None) };
            return match upstream.as_str() {
                Ok(name) => self.commit(name),
                Err(_) => Ok(None),
            };
        }
        if rev == "HEAD" {
            // A branch without commits is no fault; a commit that is gone is.
            return match self.repo.head() {
                Ok(head) => head.peel_to_commit().map(|commit| Some(commit.id().to_string())).map_err(unreadable),
                Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => Ok(None),
                Err(error) => Err(unreadable(error)),
            };
        }
        // A whole name is looked for in one place, and a short one in six.
        let found = match rev.starts_with("refs/") && git2::Reference::is_valid_name(rev) {
            true => self.repo.find_reference(rev).and_then(|name| name.peel(ObjectType::Commit)),
            false => self.repo.revparse_single(rev).and_then(|object| object.peel(ObjectType::Commit)),
        };
        match found {
            Ok(commit) => Ok(Some(commit.id().to_string())),
            // A name that looks like an object's and is none.
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) if matches!(error.class(), ErrorClass::Os | ErrorClass::Odb | ErrorClass::Zlib) => {
                Err(unreadable(error))
            }
            Err(_) => Ok(None),
        }
    }

    pub(super) fn merge_base(&self, one: &str, two: &str) -> Result<Option<String>, Error> {
        let (one, two) = (Oid::from_str(one).map_err(unreadable)?, Oid::from_str(two).map_err(unreadable)?);
        match self.repo.merge_base(one, two) {
            Ok(shared) => Ok(Some(shared.to_string())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(unreadable(error)),
        }
    }

    pub(super) fn read(&self, id: &str, max: u64) -> Result<Blob, Error> {
        let oid = Oid::from_str(id).map_err(|_| Error::Unsupported)?;
        let odb = self.repo.odb().map_err(|_| Error::Unsupported)?;
        let (size, _) = odb.read_header(oid).map_err(|_| Error::Unsupported)?;
        if size as u64 > max {
            return Ok(Blob { size: size as u64, bytes: None });
        }
        let object = odb.read(oid).map_err(|_| Error::Unsupported)?;
        Ok(Blob { size: size as u64, bytes: Some(object.data().into()) })
    }

    pub(super) fn blob_id(&self, bytes: &[u8]) -> Result<String, Error> {
        Oid::hash_object(ObjectType::Blob, bytes).map(|oid| oid.to_string()).map_err(unreadable)
    }
}

/// The object name of a folder of `root`; none when there is no such folder.
fn folder(root: &git2::Tree<'_>, prefix: &str) -> Option<String> {
    if prefix.is_empty() {
        return Some(root.id().to_string());
    }
    let entry = root.get_path(Path::new(prefix)).ok()?;
    (entry.kind() == Some(ObjectType::Tree)).then(|| entry.id().to_string())
}

/// A file of a folder: its path there, its mode, the name of its content.
type Leaf<'a> = (&'a [u8], u32, Oid);

/// The object name of the folder that has just these `files`, which are in the index's order: a folder's own is the same.
fn tree_name(files: &[Leaf<'_>]) -> Option<Oid> {
    let mut text = Vec::new();
    let mut rest = files;
    while let Some((&(path, mode, id), others)) = rest.split_first() {
        let (name, mode, id) = match path.iter().position(|byte| *byte == b'/') {
            None => {
                rest = others;
                (path, mode, id)
            }
            Some(end) => {
                let inside: Vec<Leaf<'_>> = rest
                    .iter()
                    .take_while(|(other, ..)| other.starts_with(&path[..=end]))
                    .map(|(other, mode, id)| (&other[end + 1..], *mode, *id))
                    .collect();
                rest = &rest[inside.len()..];
                (&path[..end], FOLDER, tree_name(&inside)?)
            }
        };
        text.extend_from_slice(format!("{mode:o} ").as_bytes());
        text.extend_from_slice(name);
        text.push(0);
        text.extend_from_slice(id.as_bytes());
    }
    Oid::hash_object(ObjectType::Tree, &text).ok()
}

/// The work tree that a linked work tree's git folder belongs to.
fn linked_root(repo: &Repository) -> Option<PathBuf> {
    if !repo.is_worktree() {
        return None;
    }
    repo.workdir().map(Path::to_path_buf)
}

fn unreadable(error: git2::Error) -> Error {
    Error::Unreadable(error.message().to_owned())
}
