//! `migd-hook` as a hook of its own: a copy of the program that says in its last lines, which whoever loads programs
//! passes over, what it was copied from.

use std::fs::{self, File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::endpoint;

/// The last line of a copy, and of every block of migd's in a hook.
pub const END: &str = "# <<< migd <<<\n";
const COPY_OF: &[u8] = b"copy of ";
const BUILD: &[u8] = b"build ";
/// More than the last three lines have with the longest path that there can be, in bytes.
const TAIL: usize = 4608;

/// What a copy knows of the program that it is a copy of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    program: PathBuf,
    /// Which of the programs that were installed there one after another.
    build: String,
}

/// What has become of the program since it was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// It is there as it was.
    Same,
    /// Another one is in its place.
    Replaced,
    /// It is not there, or cannot be run.
    Gone,
}

impl Copied {
    /// What a copy of the file at `program`, of which `meta` is known, has to say.
    pub fn of(program: &Path, meta: &Metadata) -> Copied {
        Copied { program: program.to_owned(), build: endpoint::stamp(meta) }
    }

    /// What the copy that ends with `text` says; none when it is no copy.
    pub fn ending(text: &[u8]) -> Option<Copied> {
        let mut lines = text.strip_suffix(END.as_bytes())?.strip_suffix(b"\n")?.rsplit(|byte| *byte == b'\n');
        let build = lines.next()?.strip_prefix(BUILD)?;
        let program = lines.next()?.strip_prefix(COPY_OF)?;
        let build = String::from_utf8(build.to_vec()).ok()?;
        Some(Copied { program: std::ffi::OsString::from_vec(program.to_vec()).into(), build })
    }

    /// What this process's own program says; none when it is no copy.
    pub fn running() -> Option<Copied> {
        let mut file = File::open("/proc/self/exe").ok()?;
        let mut tail = [0; TAIL];
        file.seek(SeekFrom::End(-(TAIL as i64))).ok()?;
        file.read_exact(&mut tail).ok()?;
        Copied::ending(&tail)
    }

    /// The last lines.
    pub fn lines(&self) -> Vec<u8> {
        let build = self.build.as_bytes();
        [COPY_OF, self.program.as_os_str().as_bytes(), b"\n", BUILD, build, b"\n", END.as_bytes()].concat()
    }

    /// The program's path, in the installation that the copy belongs to.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What has become of the program.
    pub fn original(&self) -> Original {
        match fs::metadata(&self.program) {
            Ok(meta) if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 => Original::Gone,
            Ok(meta) if endpoint::stamp(&meta) == self.build => Original::Same,
            Ok(_) => Original::Replaced,
            Err(_) => Original::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(program: &Path) -> Copied {
        Copied::of(program, &program.metadata().unwrap())
    }

    #[test]
    fn what_a_copy_says_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(200);
        for name in ["migd-hook", "o'brien's \"$HOME\" \u{e9}", "copy of x", &long] {
            let program = folder.path().join(name);
            fs::write(&program, "").unwrap();
            let text = [b"\x7fELF\0\n", copy(&program).lines().as_slice()].concat();
            assert_eq!(Copied::ending(&text), Some(copy(&program)), "{name}");
        }
        for text in ["", "# <<< migd <<<\n", "build 1\n# <<< migd <<<\n", "copy of /a\nbuild 1\n# <<< migd <<<\ntrue\n"]
        {
            assert_eq!(Copied::ending(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_program_that_was_replaced_or_cannot_be_run_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("migd-hook");
        let set = |mode| fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        fs::write(&program, "one").unwrap();
        set(0o755);
        let copy = copy(&program);
        assert_eq!(copy.original(), Original::Same);
        set(0o644);
        assert_eq!(copy.original(), Original::Gone);
        set(0o755);
        // As long as before, at another time.
        fs::write(&program, "two").unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
        File::options().append(true).open(&program).unwrap().set_modified(later).unwrap();
        assert_eq!(copy.original(), Original::Replaced);
        fs::remove_file(&program).unwrap();
        assert_eq!(copy.original(), Original::Gone);
    }
}
