//! Copies of clusters, from a folder or from a pack: one file that holds a folder's files one after the other, and is read in one
//! go where a thousand files would be looked for all over the disk. A pack has a checksum of each of them: a server would read
//! most of what a disk or a power cut has done to its files as if it had been written so, and judge by it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::folder::give;
use super::{Error, ErrorKind};

/// How many threads copy a cluster: what takes time is the system's work for each of a thousand files.
const COPIERS: usize = 4;

/// The folder of databases in a cluster, and the one that a server is first connected to.
const DATABASES: &str = "base";
const FIRST: &str = "1";

/// How many bytes of a pack are read at once.
const CHUNK: usize = 64 << 10;

/// What is to be copied: folders, each before what is in it, and files, by their paths within.
#[derive(Debug)]
pub(super) struct Tree {
    folders: Vec<PathBuf>,
    files: Vec<(PathBuf, Origin)>,
}

/// Where a file's bytes are.
#[derive(Debug, Clone)]
enum Origin {
    File(PathBuf),
    Part { pack: Arc<File>, start: u64, bytes: u64, sum: u32 },
}

/// The end of a pack: what is in it, in the order of its bytes: paths, lengths, checksums. Its own checksum follows in four bytes,
/// and its length in eight.
#[derive(Default, Serialize, Deserialize)]
struct Index {
    folders: Vec<PathBuf>,
    files: Vec<(PathBuf, u64, u32)>,
}

/// The bytes behind an index.
const TAIL: usize = 12;

impl Tree {
    /// A folder that nobody writes to. Links in it are left out.
    pub(super) fn of_folder(from: &Path) -> Result<Tree, Error> {
        let mut tree = Tree { folders: vec![PathBuf::new()], files: Vec::new() };
        let mut next = 0;
        while let Some(folder) = tree.folders.get(next).cloned() {
            next += 1;
            let path = from.join(&folder);
            for entry in fs::read_dir(&path).map_err(|e| Error::io("read", &path, e))? {
                let entry = entry.map_err(|e| Error::io("read", &path, e))?;
                let own = folder.join(entry.file_name());
                let kind = entry.file_type().map_err(|e| Error::io("look at", &entry.path(), e))?;
                if kind.is_dir() {
                    tree.folders.push(own);
                } else if kind.is_file() {
                    tree.files.push((own, Origin::File(entry.path())));
                }
            }
        }
        Ok(tree)
    }

    /// A cluster's, with these of its databases alone.
    pub(super) fn with_databases(mut self, databases: &[u32]) -> Tree {
        let wanted: Vec<PathBuf> = databases.iter().map(|oid| Path::new(DATABASES).join(oid.to_string())).collect();
        let stays = |path: &Path| {
            let mut parts = path.components();
            let database: PathBuf = parts.by_ref().take(2).collect();
            !path.starts_with(DATABASES) || path == Path::new(DATABASES) || wanted.contains(&database)
        };
        self.folders.retain(|folder| stays(folder));
        self.files.retain(|(path, _)| stays(path));
        self
    }

    /// What [`pack`](Self::pack) wrote.
    pub(super) fn of_pack(path: &Path) -> Result<Tree, Error> {
        let torn = || Error::new(ErrorKind::Folder, format!("{} is not whole", path.display()), "");
        let read = || -> io::Result<(File, Option<Index>)> {
            let mut file = open(path)?;
            let (mut sum, mut length) = ([0; 4], [0; 8]);
            let end = file.seek(SeekFrom::End(-(TAIL as i64)))?;
            file.read_exact(&mut sum)?;
            file.read_exact(&mut length)?;
            let Some(start) = end.checked_sub(u64::from_le_bytes(length)) else { return Ok((file, None)) };
            file.seek(SeekFrom::Start(start))?;
            let mut index = Vec::new();
            Read::by_ref(&mut file).take(end - start).read_to_end(&mut index)?;
            let same = crc32fast::hash(&index) == u32::from_le_bytes(sum);
            let index = if same { serde_json::from_slice(&index).ok() } else { None };
            let whole = |index: &Index| {
                index.files.iter().try_fold(0, |sum: u64, (_, bytes, _)| sum.checked_add(*bytes)) == Some(start)
            };
            Ok((file, index.filter(whole)))
        };
        let (pack, index) = read().map_err(|e| Error::io("read", path, e))?;
        let Index { folders, files } = index.ok_or_else(torn)?;
        let within = |path: &PathBuf| path.components().all(|part| matches!(part, Component::Normal(_)));
        if !folders.iter().chain(files.iter().map(|(path, ..)| path)).all(within) {
            return Err(torn());
        }
        let (pack, mut start) = (Arc::new(pack), 0);
        let part = |(path, bytes, sum): (PathBuf, u64, u32)| {
            let origin = Origin::Part { pack: Arc::clone(&pack), start, bytes, sum };
            start += bytes;
            (path, origin)
        };
        let files = files.into_iter().map(part).collect();
        Ok(Tree { folders, files })
    }

    /// Writes all of it to one new file.
    pub(super) fn pack(&self, to: &Path) -> Result<(), Error> {
        let written = || -> io::Result<()> {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
            let (mut out, mut index) = (BufWriter::with_capacity(1 << 20, file), Index::default());
            index.folders.clone_from(&self.folders);
            for (path, origin) in &self.files {
                let mut summed = Summed { target: &mut out, sum: Hasher::new() };
                let bytes = origin.write_to(&mut summed)?;
                index.files.push((path.clone(), bytes, summed.sum.finalize()));
            }
            let index = serde_json::to_vec(&index)?;
            out.write_all(&index)?;
            out.write_all(&crc32fast::hash(&index).to_le_bytes())?;
            out.write_all(&(index.len() as u64).to_le_bytes())?;
            out.flush()
        };
        written().map_err(|e| Error::io("write", to, e))
    }

    /// Copies it; the copy belongs to the server's user.
    pub(super) fn copy(self, to: &Path, account: &Account) -> Result<(), Error> {
        let Tree { folders, files } = self;
        make(&folders, to)?;
        fill(files, to, account)?;
        // Only now, so that nobody else can change a folder that is still being filled.
        folders.iter().rev().try_for_each(|folder| give(&to.join(folder), account))
    }

    /// Copies as much of a cluster as its server needs to be started; the databases are left.
    pub(super) fn plant(self, to: &Path, account: &Account) -> Result<Rest, Error> {
        let is_in = |path: &Path, folder: &Path| path.starts_with(folder) && path != Path::new(DATABASES);
        let part = |tree: Tree, folder: &Path| {
            let (folders, other_folders) = tree.folders.into_iter().partition(|path| is_in(path, folder));
            let (files, other_files) = tree.files.into_iter().partition(|(path, _)| is_in(path, folder));
            (Tree { folders, files }, Tree { folders: other_folders, files: other_files })
        };
        let (databases, mut rest) = part(self, Path::new(DATABASES));
        let (first, others) = part(databases, &Path::new(DATABASES).join(FIRST));
        rest.folders.retain(|folder| folder != Path::new(DATABASES));
        rest.copy(to, account)?;
        // The server may only walk through it for now: whoever could write to it could lead what is copied next elsewhere.
        let databases = to.join(DATABASES);
        let made = DirBuilder::new().mode(0o711).create(&databases);
        made.map_err(|e| Error::io("make the folder", &databases, e))?;
        Ok(Rest { first, others, to: to.to_owned(), account: account.clone() })
    }
}

/// The databases that are still to be copied, while the server starts.
#[derive(Debug)]
pub(super) struct Rest {
    first: Tree,
    others: Tree,
    to: PathBuf,
    account: Account,
}

impl Rest {
    /// Copies `template1`, then says so, and then copies the others.
    pub(super) fn finish(self, first: impl FnOnce()) -> Result<(), Error> {
        let Rest { first: template1, others, to, account } = self;
        template1.copy(&to, &account)?;
        first();
        others.copy(&to, &account)?;
        let databases = to.join(DATABASES);
        fs::set_permissions(&databases, Permissions::from_mode(0o700))
            .map_err(|e| Error::io("close", &databases, e))?;
        give(&databases, &account)
    }
}

impl Origin {
    /// Writes the bytes, and says how many there were. An error where they are not those that were packed.
    fn write_to(&self, target: &mut impl Write) -> io::Result<u64> {
        match self {
            Origin::File(path) => io::copy(&mut open(path)?, target),
            Origin::Part { pack, start, bytes, sum } => {
                let mut hasher = Hasher::new();
                let mut buffer = vec![0; CHUNK.min(usize::try_from(*bytes).unwrap_or(CHUNK))];
                let (mut at, end) = (*start, start + bytes);
                while at < end {
                    let wanted = buffer.len().min(usize::try_from(end - at).unwrap_or(CHUNK));
                    pack.read_exact_at(&mut buffer[..wanted], at)?;
                    hasher.update(&buffer[..wanted]);
                    target.write_all(&buffer[..wanted])?;
                    at += wanted as u64;
                }
                match hasher.finalize() == *sum {
                    true => Ok(*bytes),
                    false => Err(io::Error::new(io::ErrorKind::InvalidData, "it is not what was put away")),
                }
            }
        }
    }
}

/// Passes on what is written, and sums it up.
struct Summed<W> {
    target: W,
    sum: Hasher,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.target.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

/// Opens a file, were it swapped for a link meanwhile not what that leads to.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits()).open(path)
}

fn make(folders: &[PathBuf], to: &Path) -> Result<(), Error> {
    folders.iter().try_for_each(|folder| {
        let path = to.join(folder);
        DirBuilder::new().mode(0o700).create(&path).map_err(|e| Error::io("make the folder", &path, e))
    })
}

fn fill(files: Vec<(PathBuf, Origin)>, to: &Path, account: &Account) -> Result<(), Error> {
    let share = files.len().div_ceil(COPIERS).max(1);
    let copy_all = |files: &[(PathBuf, Origin)]| {
        files.iter().try_for_each(|(path, origin)| {
            let path = to.join(path);
            let mut target = OpenOptions::new();
            let target = target.write(true).create_new(true).mode(0o600).open(&path);
            target.and_then(|mut target| origin.write_to(&mut target)).map_err(|e| Error::io("copy to", &path, e))?;
            give(&path, account)
        })
    };
    std::thread::scope(|threads| {
        let copiers: Vec<_> = files.chunks(share).map(|own| threads.spawn(move || copy_all(own))).collect();
        // All are waited for, whichever fails.
        let ends: Vec<_> = copiers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        ends.into_iter().try_for_each(|end| {
            end.unwrap_or_else(|_| Err(Error::new(ErrorKind::Folder, "copying was interrupted", "")))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    /// A folder with files of several sizes, among them none and more than is read at once.
    fn folder(root: &Path) -> PathBuf {
        let from = root.join("from");
        for number in 0..9 {
            for path in ["base/1", "base/16385", "global"] {
                fs::create_dir_all(from.join(path)).unwrap();
                fs::write(from.join(path).join(number.to_string()), number.to_string().repeat(number * 9000)).unwrap();
            }
        }
        fs::create_dir(from.join("empty")).unwrap();
        symlink("/etc", from.join("link")).unwrap();
        from
    }

    fn same(from: &Path, to: &Path) {
        for path in ["base/1", "base/16385", "global"] {
            for number in 0..9 {
                let path = format!("{path}/{number}");
                assert_eq!(fs::read(to.join(&path)).unwrap(), fs::read(from.join(&path)).unwrap(), "{path}");
            }
        }
        assert!(to.join("empty").is_dir() && !to.join("link").exists());
        assert_eq!(to.join("base").metadata().unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_copy_has_every_file_and_folder_and_follows_no_link() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (folder(root.path()), root.path().join("to"));
        Tree::of_folder(&from).unwrap().copy(&to, &Account::own()).unwrap();
        same(&from, &to);
        assert!(Tree::of_folder(&from).unwrap().copy(&to, &Account::own()).is_err(), "nothing is written over");
    }

    #[test]
    fn a_cluster_is_planted_then_its_first_database_is_there_and_then_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let (from, to, pack) = (folder(root.path()), root.path().join("to"), root.path().join("pack"));
        Tree::of_folder(&from).unwrap().pack(&pack).unwrap();
        for tree in [Tree::of_folder(&from), Tree::of_pack(&pack)] {
            let rest = tree.unwrap().plant(&to, &Account::own()).unwrap();
            let there = || ["global/1", "base/1/8", "base/16385/8"].map(|file| to.join(file).exists());
            assert_eq!(there(), [true, false, false]);
            assert_eq!(to.join("base").metadata().unwrap().mode() & 0o777, 0o711);
            let mut first = [false; 3];
            rest.finish(|| first = there()).unwrap();
            assert_eq!(first, [true, true, false]);
            same(&from, &to);
            fs::remove_dir_all(&to).unwrap();
        }
    }

    #[test]
    fn databases_that_nobody_knows_are_left_behind() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (folder(root.path()), root.path().join("to"));
        Tree::of_folder(&from).unwrap().with_databases(&[1, 5]).copy(&to, &Account::own()).unwrap();
        let there = ["base/1/3", "base/16385", "global/1", "empty"].map(|path| to.join(path).exists());
        assert_eq!(there, [true, false, true, true]);
    }

    #[test]
    fn a_pack_that_is_not_whole_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (from, path) = (folder(root.path()), root.path().join("pack"));
        Tree::of_folder(&from).unwrap().pack(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for torn in [&whole[..0], &whole[..7], &whole[..whole.len() / 2], &whole[..whole.len() - 1], &whole[1..]] {
            fs::write(&path, torn).unwrap();
            assert!(Tree::of_pack(&path).is_err(), "{} bytes", torn.len());
        }
        let text = b"{\"folders\":[\"../elsewhere\"],\"files\":[]}";
        let (sum, length) = (crc32fast::hash(text).to_le_bytes(), (text.len() as u64).to_le_bytes());
        fs::write(&path, [&text[..], &sum, &length].concat()).unwrap();
        assert!(Tree::of_pack(&path).is_err(), "a path that leads out");
    }

    #[test]
    fn a_bit_of_a_pack_that_flipped_is_noticed_wherever_it_is() {
        let root = tempfile::tempdir().unwrap();
        let (from, to, path) = (folder(root.path()), root.path().join("to"), root.path().join("pack"));
        Tree::of_folder(&from).unwrap().pack(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        let end = whole.len();
        for at in (0..end).step_by(end / 40).chain(end - 200..end) {
            let mut other = whole.clone();
            other[at] ^= 1 << (at % 8);
            fs::write(&path, other).unwrap();
            let copied = Tree::of_pack(&path).and_then(|tree| tree.copy(&to, &Account::own()));
            assert!(copied.is_err(), "byte {at} of {end}");
            let _ = fs::remove_dir_all(&to);
        }
    }

    #[test]
    fn a_file_that_cannot_be_copied_is_said() {
        let root = tempfile::tempdir().unwrap();
        let from = folder(root.path());
        assert!(Tree::of_folder(&from).unwrap().copy(&root.path().join("deep/er"), &Account::own()).is_err());
        assert!(Tree::of_folder(&root.path().join("gone")).is_err());
        let tree = Tree::of_folder(&from).unwrap();
        fs::remove_file(from.join("global/3")).unwrap();
        assert!(tree.copy(&root.path().join("to"), &Account::own()).is_err());
    }
}
