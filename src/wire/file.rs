//! Files that appear whole or not at all, whoever is killed or runs out of disk meanwhile.

use std::fs::Permissions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

/// How files begin that are not whole yet. One that stays belonged to somebody who was killed.
pub const DRAFT: &str = ".migd-";

/// The mode of what is its owner's alone.
pub const PRIVATE: u32 = 0o600;
/// The mode of a file that is meant for others: of a repository, or a report.
pub const PUBLIC: u32 = 0o644;

/// Puts a file with these bytes in the place of what is at `path`, at one stroke.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    draft(path, bytes, mode)?.persist(path).map(drop).map_err(|error| error.error)
}

/// Makes a new file. False when there is one already, which stays.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    match draft(path, bytes, mode)?.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

/// The same file under another name beside it: what is renamed stays on one disk.
fn draft(path: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = tempfile::Builder::new().prefix(DRAFT).tempfile_in(folder);
    // Without the name that it would have had, which says nothing to anybody.
    let mut file = made.map_err(|error| io::Error::from(error.kind()))?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_one_that_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"one", PRIVATE).unwrap();
        replace(&path, b"two", PUBLIC).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, PUBLIC);
        assert!(!create(&path, b"three", PUBLIC).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_without_the_drafts_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = replace(&folder.path().join("none/file"), b"", PRIVATE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(!error.to_string().contains(DRAFT), "{error}");
    }
}
