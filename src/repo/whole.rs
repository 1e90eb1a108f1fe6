//! The tree that an index stands for, as the index itself records it.
//!
//! Git keeps the object names of unchanged folders in the index (its cache tree) and, before it calls a commit's hooks,
//! writes the missing ones: the commit then gets that very tree. Reading one name out of the file spares reading every
//! entry. Whatever is not the plain case (entries in conflict, intents to add, split and sparse indexes, parts that are
//! not known) has no answer here, and the entries are read instead.

/// The parts of an entry of versions 2 to 4 before its name: times, numbers, mode, size, object name, flags.
const FIXED: usize = 62;
/// A flag: two more bytes of flags follow.
const EXTENDED: u16 = 1 << 14;
/// Flags: the stage of an entry that is in conflict.
const STAGE: u16 = 3 << 12;
/// A further flag: known by name, content not staged.
const INTENT_TO_ADD: u16 = 1 << 13;
/// The length of an object name, and of the file's checksum at its end. libgit2 opens no repository with longer ones.
const NAME: usize = 20;

/// The object name of the index's root folder. None when the index does not have it.
pub(super) fn root(index: &[u8]) -> Option<[u8; NAME]> {
    let body = index.get(..index.len().checked_sub(NAME)?)?;
    let (header, mut rest) = body.split_at_checked(12)?;
    let version = number(&header[4..8])?;
    if &header[..4] != b"DIRC" || !(2..=4).contains(&version) {
        return None;
    }
    for _ in 0..number(&header[8..])? {
        rest = entry(rest, version)?;
    }
    let mut found = None;
    while !rest.is_empty() {
        let (signature, after) = rest.split_at_checked(4)?;
        let (size, after) = after.split_at_checked(4)?;
        let (content, after) = after.split_at_checked(usize::try_from(number(size)?).ok()?)?;
        match signature {
            b"TREE" => found = first_name(content),
            // What a reader has to understand has a small first letter: a split index, a sparse one, what is yet to come.
            [first, ..] if !first.is_ascii_uppercase() => return None,
            _ => {}
        }
        rest = after;
    }
    found
}

/// What follows the first entry. None when it is not a plain one.
fn entry(bytes: &[u8], version: u32) -> Option<&[u8]> {
    let flags = u16::from_be_bytes(bytes.get(FIXED - 2..FIXED)?.try_into().ok()?);
    let mut at = FIXED;
    if flags & EXTENDED != 0 {
        let more = u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?);
        if more & INTENT_TO_ADD != 0 {
            return None;
        }
        at += 2;
    }
    if flags & STAGE != 0 {
        return None;
    }
    if version == 4 {
        // How much of the name before is kept, in as many bytes as it takes.
        at += bytes.get(at..)?.iter().position(|byte| byte & 0x80 == 0)? + 1;
    }
    let known = usize::from(flags & 0xfff);
    // A name is ended by a NUL, and in versions before 4 by as many as bring the entry to a multiple of eight.
    let name = match known {
        known if known < 0xfff && version < 4 => known,
        _ => bytes.get(at..)?.iter().position(|byte| *byte == 0)?,
    };
    let end = if version == 4 { at + name + 1 } else { (at + name + 8) / 8 * 8 };
    bytes.get(end..)
}

/// The object name of the first folder of a cache tree, which is the root. None when it was not written yet.
fn first_name(tree: &[u8]) -> Option<[u8; NAME]> {
    let rest = tree.strip_prefix(b"\0")?;
    let line = rest.iter().position(|byte| *byte == b'\n')?;
    // How many entries it covers; fewer than none when something below has changed since.
    rest[..line].first().filter(|first| first.is_ascii_digit())?;
    rest.get(line + 1..line + 1 + NAME)?.try_into().ok()
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index with one entry and these extensions.
    fn index(flags: u16, extensions: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = b"DIRC\0\0\0\x02\0\0\0\x01".to_vec();
        bytes.extend([0; FIXED - 2]);
        bytes.extend((flags | 5).to_be_bytes());
        bytes.extend(b"a.sql\0\0\0\0\0");
        for (signature, content) in extensions {
            bytes.extend(*signature);
            bytes.extend((content.len() as u32).to_be_bytes());
            bytes.extend(*content);
        }
        bytes.extend([0; NAME]);
        bytes
    }

    fn tree(count: &str) -> Vec<u8> {
        [b"\0", count.as_bytes(), b" 0\n", &[7; NAME]].concat()
    }

    #[test]
    fn the_name_of_a_written_root_is_found_among_other_extensions() {
        let written = index(0, &[(b"REUC", b"x"), (b"TREE", &tree("1")), (b"EOIE", b"")]);
        assert_eq!(root(&written), Some([7; NAME]));
    }

    #[test]
    fn a_root_that_has_changed_since_it_was_written_has_no_name() {
        assert_eq!(root(&index(0, &[(b"TREE", &tree("-1"))])), None);
        assert_eq!(root(&index(0, &[])), None);
    }

    #[test]
    fn what_is_not_the_plain_case_has_no_name() {
        assert_eq!(root(&index(1 << 12, &[(b"TREE", &tree("1"))])), None, "a conflict");
        for unknown in [b"link", b"sdir", b"what"] {
            assert_eq!(root(&index(0, &[(b"TREE", &tree("1")), (unknown, b"")])), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_torn_index_has_no_name_and_makes_no_panic(cut in 0_usize..140, at in 0_usize..140, byte: u8) {
            let whole = index(0, &[(b"TREE", &tree("1"))]);
            let torn = &whole[..cut.min(whole.len() - 1)];
            proptest::prop_assert_eq!(root(torn), None);
            let mut other = whole;
            let at = at % other.len();
            other[at] = byte;
            let _ = root(&other);
        }
    }
}
