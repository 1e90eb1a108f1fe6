//! Files and the URIs that editors name them by.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What a path keeps in a URI as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path of a `file:` URI of this machine, with the links of its folders followed; none for any other URI.
///
/// The file itself need not be there, and the last folders neither.
pub(super) fn path_of(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let slash = rest.find('/')?;
    let host = &rest[..slash];
    if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
        return None;
    }
    let path = rest[slash..].split(['?', '#']).next()?;
    let path = PathBuf::from(OsString::from_vec(percent_decode_str(path).collect()));
    let name = path.file_name()?;
    let folder = path.parent()?;
    let there = folder.ancestors().find_map(|folder| Some((folder, folder.canonicalize().ok()?)));
    let (known, real) = there?;
    Some(real.join(folder.strip_prefix(known).ok()?).join(name))
}

/// The URI of a file.
pub(super) fn of_path(path: &Path) -> String {
    format!("file://{}", percent_encode(path.as_os_str().as_bytes(), KEPT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_its_uri_name_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("new folder/1_ä%#?.sql");
        let uri = of_path(&path);
        assert!(uri.ends_with("/new%20folder/1_%C3%A4%25%23%3F.sql"), "{uri}");
        assert_eq!(path_of(&uri), Some(path.clone()));
        assert_eq!(path_of(&uri.replace("file://", "file://localhost")), Some(path));
    }

    #[test]
    fn links_to_a_folder_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("real")).unwrap();
        std::os::unix::fs::symlink("real", real.join("link")).unwrap();
        assert_eq!(path_of(&of_path(&real.join("link/a.sql"))), Some(real.join("real/a.sql")));
    }

    #[test]
    fn what_is_no_file_of_this_machine_has_no_path() {
        for uri in ["untitled:Untitled-1", "git:/a/b.sql", "file://elsewhere/a.sql", "file:a", "file:///", ""] {
            assert_eq!(path_of(uri), None, "{uri}");
        }
    }
}
