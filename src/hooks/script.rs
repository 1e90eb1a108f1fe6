//! The text of a hook: migd's block in it, put in, found and taken out. Bytes, because a hook may be in any encoding.

use std::ffi::OsString;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::Form;
use crate::wire::copy::END;

const SHEBANG: &str = "#!/bin/sh\n";
pub(super) const START: &str = "# >>> migd >>>\n";
const PATH: &str = "@migd-hook@";
/// The line that says that the file, and not only the block, is migd's.
const OWN: &str = "# migd made this file: when you add lines of your own to it, run `migd hook install` again.\n";
/// What shells a block can be put into.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "ksh", "ash"];

/// One of git's hooks that migd takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    text: &'static str,
}

/// All of them, the one that judges first.
pub(super) const KINDS: [Kind; 3] = [
    Kind { name: "pre-commit", text: include_str!("../../hooks/pre-commit") },
    Kind { name: "post-checkout", text: include_str!("../../hooks/post-checkout") },
    Kind { name: "post-merge", text: include_str!("../../hooks/post-merge") },
];

/// What a block lives among.
#[derive(Debug, Clone, Copy)]
pub(super) struct Company {
    /// migd made the file.
    pub(super) own: bool,
    /// The file has other commands.
    pub(super) lines: bool,
    /// A hook that is no shell script lies beside the file, as `<hook>.migd-kept`.
    pub(super) kept: bool,
    /// The file is a script because that was asked for.
    pub(super) chosen: bool,
}

/// A block that begins and does not end.
#[derive(Debug)]
pub(super) struct Unended;

/// A hook's text, split around migd's block.
#[derive(Debug)]
pub(super) struct Split<'a> {
    pub(super) before: &'a [u8],
    pub(super) block: &'a [u8],
    pub(super) after: &'a [u8],
}

impl Kind {
    /// A whole file of migd's own.
    pub(super) fn file(self, program: &Path, kept: bool, chosen: bool) -> Vec<u8> {
        [SHEBANG.as_bytes(), &self.block(program, Company { own: true, lines: false, kept, chosen })].concat()
    }

    /// The block, from its first marker to its last.
    pub(super) fn block(self, program: &Path, company: Company) -> Vec<u8> {
        let mut text = self.text.replacen(SHEBANG, "", 1);
        if !company.own {
            text = text.replacen(OWN, "", 1);
        } else if company.chosen {
            text = text.replacen(OWN, &[OWN, Form::Script.chosen()].concat(), 1);
        }
        if company.lines || company.kept {
            text = text.replace("exec \"$migd_hook\" pre-commit", "\"$migd_hook\" pre-commit || exit $?");
            text = text.replace("exec migd-hook pre-commit", "migd-hook pre-commit || exit $?");
        }
        if company.kept {
            let call =
                if company.lines { "\"$0.migd-kept\" \"$@\" || exit $?" } else { "exec \"$0.migd-kept\" \"$@\"" };
            let call = format!("if [ -x \"$0.migd-kept\" ]; then\n  {call}\nfi\n{END}");
            text = text.replacen(END, &call, 1);
        }
        let (before, after) = text.split_once(PATH).unwrap_or((&text, ""));
        [before.as_bytes(), &quoted(program), after.as_bytes()].concat()
    }
}

impl<'a> Split<'a> {
    /// None when the text has no block.
    pub(super) fn of(text: &'a [u8]) -> Result<Option<Split<'a>>, Unended> {
        let Some(start) = find_line(text, START) else { return Ok(None) };
        let (before, rest) = text.split_at(start.start);
        let end = find_line(rest, END).ok_or(Unended)?;
        let (block, after) = rest.split_at(end.end);
        Ok(Some(Split { before, block, after }))
    }

    /// Whether the block is all that there is.
    pub(super) fn is_alone(&self) -> bool {
        self.before == SHEBANG.as_bytes() && self.after.is_empty()
    }

    /// Whether migd made the file.
    pub(super) fn is_own(&self) -> bool {
        find(self.block, OWN.as_bytes()).is_some()
    }

    /// Whether a script was asked for by name.
    pub(super) fn is_chosen(&self) -> bool {
        find(self.block, Form::Script.chosen().as_bytes()).is_some()
    }

    /// Whether commands follow that are never reached.
    pub(super) fn hides(&self) -> bool {
        find(self.block, b"\n  exec ").is_some() && !self.after.trim_ascii().is_empty()
    }

    /// The program that the block runs.
    pub(super) fn program(&self) -> Option<PathBuf> {
        let line = self.block.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"migd_hook='"))?;
        let mut rest = line.strip_suffix(b"'")?;
        let mut path = Vec::new();
        while let Some(at) = find(rest, b"'\\''") {
            path.extend_from_slice(&rest[..at]);
            path.push(b'\'');
            rest = &rest[at + 4..];
        }
        path.extend_from_slice(rest);
        Some(PathBuf::from(OsString::from_vec(path)))
    }

    /// The text without the block.
    pub(super) fn rest(&self) -> Vec<u8> {
        [self.before, self.after].concat()
    }
}

/// The length of the first line of a script that a block can be put into; none when it is another kind of program.
pub(super) fn shebang(text: &[u8]) -> Option<usize> {
    let end = text.iter().position(|byte| *byte == b'\n')? + 1;
    // A shell script with a NUL carries something behind its commands, which may be found by its place.
    if text.contains(&0) {
        return None;
    }
    let line = std::str::from_utf8(&text[..end - 1]).ok()?.strip_prefix("#!")?;
    // A carriage return belongs to the interpreter's name: such a hook does not start, and is not to be mended here.
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let name = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let mut program = name(words.next()?);
    if program == "env" {
        program = name(words.find(|word| !word.starts_with('-') && !word.contains('='))?);
    }
    SHELLS.contains(&program.as_str()).then_some(end)
}

/// The path, fit to stand between single quotes.
fn quoted(path: &Path) -> Vec<u8> {
    let parts: Vec<&[u8]> = path.as_os_str().as_bytes().split(|byte| *byte == b'\'').collect();
    parts.join(&b"'\\''"[..])
}

/// Where `line` is in the text; its end may be the text's, or a stranger's.
fn find_line(text: &[u8], line: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for found in text.split_inclusive(|byte| *byte == b'\n') {
        let end = start + found.len();
        if found.trim_ascii_end() == line.trim_ascii_end().as_bytes() {
            return Some(start..end);
        }
        start = end;
    }
    None
}

pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_known_by_its_first_line() {
        for line in ["#!/bin/sh", "#! /bin/bash -e", "#!/usr/bin/env bash", "#!/usr/bin/env -S A=1 zsh -eu"] {
            assert_eq!(shebang(format!("{line}\ntrue\n").as_bytes()), Some(line.len() + 1), "{line}");
        }
        let others = ["#!/usr/bin/env python3\n", "true\n", "#!/bin/sh", "#!/bin/sh\r\n", "#!/bin/sh\n\0", "", "#!\n"];
        for text in others {
            assert_eq!(shebang(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_programs_path_comes_back_as_it_was() {
        for path in ["/usr/bin/migd-hook", "/home/o'brien/my tools/migd-hook", "/a'b''c/$HOME/`x`\\\"/migd-hook"] {
            let text = KINDS[0].file(Path::new(path), false, false);
            let split = Split::of(&text).unwrap().unwrap();
            assert_eq!(split.program().as_deref(), Some(Path::new(path)));
            assert!(split.is_alone() && split.is_own());
        }
    }

    #[test]
    fn a_block_ends_the_process_only_when_nothing_follows() {
        let program = Path::new("/usr/bin/migd-hook");
        let exec = |company| find(&KINDS[0].block(program, company), b"exec ").is_some();
        assert!(exec(Company { own: true, lines: false, kept: false, chosen: false }));
        assert!(exec(Company { own: true, lines: false, kept: true, chosen: false }));
        assert!(!exec(Company { own: true, lines: true, kept: false, chosen: false }));
        assert!(!exec(Company { own: true, lines: true, kept: true, chosen: false }));
    }

    #[test]
    fn a_block_without_its_end_is_not_guessed_at() {
        assert!(Split::of(b"#!/bin/sh\n# >>> migd >>>\ntrue\n").is_err());
    }
}
