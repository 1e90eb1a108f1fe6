//! Atlas' own format: a plain folder with an `atlas.sum`, whose files begin with directives.
//!
//! Directives of a whole file stand in comments at its top, with an empty line between them and the first statement.

use super::Tree;

/// Whether Atlas keeps this folder, in its own format: with another runner's it keeps its sums too.
pub(super) fn is_kept(tree: &Tree) -> bool {
    let own = |file: &&String| file.ends_with(".sql") && !file.contains('/');
    tree.files.contains_key("atlas.sum") && !tree.files.keys().filter(own).any(|file| file.ends_with(".up.sql"))
}

/// Whether a file says `-- atlas:txmode none`.
pub(super) fn is_bare(text: &str) -> bool {
    directive(text, "txmode").is_some_and(|mode| mode == "none")
}

/// Whether a file stands for all before it in a new database. Where some of them have been run it is passed over.
pub(super) fn is_checkpoint(text: &str) -> bool {
    directive(text, "checkpoint").is_some()
}

/// What a file's directive of that name says.
fn directive<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let is_comment = |line: &&str| line.starts_with("--") || line.starts_with('#');
    let top = text.lines().take_while(is_comment);
    if text.lines().find(|line| !is_comment(line)).is_some_and(|line| !line.trim().is_empty()) {
        return None;
    }
    let said = |line: &'a str| {
        let rest = line.split_once("atlas:")?.1.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
    };
    { top }.find_map(said)
}
