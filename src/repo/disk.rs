//! The files of the work tree, links followed as a runner follows them, as far as they stay inside of the repository.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file on disk.
pub(super) struct Found {
    /// Relative to the repository, as it is reached.
    pub(super) path: String,
    /// A link that leads to nothing inside of the repository.
    pub(super) is_link: bool,
}

/// From so many files on, links to folders are followed no more.
const MOST: usize = 100_000;

/// The files below `root/prefix` that git does not ignore. Without `folders`, links to folders are passed over.
pub(super) fn below(root: &Path, prefix: &str, folders: bool) -> Vec<Found> {
    let mut found = Vec::new();
    let start = root.join(prefix);
    if !prefix.is_empty() && start.canonicalize().is_ok_and(|real| !real.starts_with(root)) {
        if start.is_symlink() {
            found.push(Found { path: prefix.to_owned(), is_link: true });
        }
        return found;
    }
    take(root, &start, prefix, folders, &mut Vec::new(), &mut found);
    found
}

fn take(root: &Path, folder: &Path, shown: &str, folders: bool, around: &mut Vec<PathBuf>, found: &mut Vec<Found>) {
    let mut walk = ignore::WalkBuilder::new(folder);
    walk.hidden(false).ignore(false).require_git(false).follow_links(false);
    // A folder with a `.git` of its own is another repository.
    walk.filter_entry(|entry| {
        let folder = entry.depth() > 0 && entry.file_type().is_some_and(|kind| kind.is_dir());
        entry.file_name() != ".git" && !(folder && entry.path().join(".git").exists())
    });
    for entry in walk.build().filter_map(Result::ok) {
        let Some(rest) = entry.path().strip_prefix(folder).ok().and_then(Path::to_str) else { continue };
        let path =
            if shown.is_empty() || rest.is_empty() { format!("{shown}{rest}") } else { format!("{shown}/{rest}") };
        let kind = entry.file_type();
        if kind.is_some_and(|kind| kind.is_file()) {
            found.push(Found { path, is_link: false });
        } else if kind.is_some_and(|kind| kind.is_symlink()) {
            match inside(root, entry.path()) {
                Some(real) if real.is_file() => found.push(Found { path, is_link: false }),
                Some(real) if real.is_dir() => {
                    let again = entry.path().starts_with(&real) || around.contains(&real) || found.len() > MOST;
                    if folders && again {
                        found.push(Found { path, is_link: true });
                    } else if folders {
                        around.push(real.clone());
                        take(root, &real, &path, folders, around, found);
                        around.pop();
                    }
                }
                _ => found.push(Found { path, is_link: true }),
            }
        }
    }
}

/// Where `path` leads, if that is inside of the repository.
fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|real| real.starts_with(root))
}

/// How large a file may be that is read as a whole, in bytes: more than any that is judged.
const LARGEST: u64 = 256 << 20;

/// Reads a file. What is none (a pipe that nobody writes to, a device without an end) is an error, and not waited for.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {} MB", LARGEST >> 20)));
    }
    Ok(bytes)
}

/// Whether a path leads to a file inside of the repository.
pub(super) fn is_file(root: &Path, path: &str) -> bool {
    inside(root, &root.join(path)).is_some_and(|real| real.is_file())
}
