//! Configuration that git was given on its command line (`git -c`) or by variables.
//!
//! libgit2 does not see it, so that the git program has to be asked where it could decide what is read. Editors commit
//! with `git -c user.useConfigOnly=true` and the like, which decides nothing of that.

use std::collections::BTreeMap;

/// Sections of which nothing says where a repository's parts are or what is in them.
const SECTIONS: &[&str] = &[
    "advice",
    "alias",
    "apply",
    "author",
    "blame",
    "color",
    "column",
    "commit",
    "committer",
    "credential",
    "diff",
    "difftool",
    "format",
    "gc",
    "gpg",
    "gui",
    "help",
    "http",
    "i18n",
    "interactive",
    "log",
    "merge",
    "mergetool",
    "notes",
    "pager",
    "pull",
    "push",
    "rebase",
    "rerere",
    "sendemail",
    "sequence",
    "stash",
    "status",
    "tag",
    "trailer",
    "user",
];
/// The same of `core`, one by one. The hooks' folder is asked for by its own name, of the program.
const CORE: &[&str] =
    &["abbrev", "autocrlf", "commentchar", "editor", "eol", "hookspath", "pager", "quotepath", "safecrlf"];

/// Whether the variables hold configuration that could change what is read.
pub(super) fn matter(env: &BTreeMap<String, String>) -> bool {
    let given = env.get("GIT_CONFIG_PARAMETERS").map_or(Some(Vec::new()), |text| keys(text));
    let count = env
        .get("GIT_CONFIG_COUNT")
        .map_or(Some(0), |count| if count.is_empty() { Some(0) } else { count.parse().ok() });
    let (Some(mut given), Some(count)) = (given, count) else { return true };
    // More of them than there are variables are not all there.
    for at in 0..usize::min(count, env.len() + 1) {
        let Some(key) = env.get(&format!("GIT_CONFIG_KEY_{at}")) else { return true };
        given.push(key.clone());
    }
    !given.iter().all(|key| is_harmless(key))
}

fn is_harmless(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    match key.split_once('.') {
        Some(("core", name)) => CORE.contains(&name),
        Some((section, _)) => SECTIONS.contains(&section),
        None => false,
    }
}

/// The keys in `GIT_CONFIG_PARAMETERS`: `'key'='value'`, or `'key=value'` as git wrote it before 2.31, with blanks between.
/// None where it is nothing of that.
fn keys(text: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (first, after) = quoted(rest)?;
        rest = after;
        if let Some(value) = rest.strip_prefix('=') {
            found.push(first);
            // A key without a value has nothing behind the sign.
            rest = if value.starts_with('\'') { quoted(value)?.1 } else { value };
        } else {
            found.push(first.split_once('=').map_or(first.as_str(), |(key, _)| key).to_owned());
        }
        if !rest.is_empty() && !rest.starts_with(' ') {
            return None;
        }
        rest = rest.trim_start();
    }
    Some(found)
}

/// A text that git has quoted for a shell, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut whole = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        whole.push_str(part);
        // Quotes and exclamation marks stand outside, behind a backslash.
        match after.strip_prefix('\\') {
            None => return Some((whole, after)),
            Some(escaped) => {
                let escape = escaped.chars().next().filter(|escape| matches!(escape, '\'' | '!'))?;
                whole.push(escape);
                rest = escaped[1..].strip_prefix('\'')?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(variables: &[(&str, &str)]) -> bool {
        matter(&variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_editors_add_to_a_commit_does_not_matter() {
        assert!(!given(&[]));
        for text in [
            "'user.useConfigOnly'='true'",
            "'user.useConfigOnly=true'",
            "'core.quotepath'='false' 'color.ui'='false'",
            "'core.hooksPath'='/a b/it'\\''s'  'commit.gpgsign'=",
            "'gpg.program'",
        ] {
            assert!(!given(&[("GIT_CONFIG_PARAMETERS", text)]), "{text}");
        }
        assert!(!given(&[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "user.name"), ("GIT_CONFIG_VALUE_0", "x")]));
    }

    #[test]
    fn what_says_where_things_are_does() {
        for text in
            ["'core.worktree'='/x'", "'user.name'='a' 'Core.Bare'='true'", "'extensions.x'='1'", "'include.path'='x'"]
        {
            assert!(given(&[("GIT_CONFIG_PARAMETERS", text)]), "{text}");
        }
        assert!(given(&[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "core.excludesFile")]));
    }

    #[test]
    fn what_cannot_be_read_does() {
        for text in ["user.name=x", "'user.name", "'user.name'x", "'a'\\x'b'"] {
            assert!(given(&[("GIT_CONFIG_PARAMETERS", text)]), "{text}");
        }
        assert!(given(&[("GIT_CONFIG_COUNT", "2"), ("GIT_CONFIG_KEY_0", "user.name")]));
        assert!(given(&[("GIT_CONFIG_COUNT", "many")]));
    }
}
