//! Symbolic links inside one tree: what a runner would find behind them, if the tree were checked out.
//!
//! Paths are walked as the file system walks them, component by component, over the tree's own entries. Nothing outside of
//! the tree is looked at: a link that leads there stays a link, and whoever reads the tree has to say so.

use std::collections::BTreeMap;

use super::{Entry, is_below};

/// As many links as Linux follows on the way to one file.
const HOPS: usize = 40;

/// From so many entries on, folders are followed no more: links that lead to each other's folders multiply.
const MOST: usize = 100_000;

/// All entries of a tree by path, with a way to read where its links lead.
pub(super) struct Links<'a> {
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) target: &'a dyn Fn(&Entry) -> Option<String>,
}

/// What stands at a path when links are followed.
enum Place {
    Nothing,
    /// The content of this file.
    File(String),
    /// The files below this path.
    Folder(String),
}

impl Links<'_> {
    /// The files at and below `prefix`. Links that lead to no file of the tree are left as they are.
    pub(super) fn below(&self, prefix: &str) -> Vec<Entry> {
        let mut found = Vec::new();
        match self.locate(prefix) {
            Place::File(id) => found.push(Entry { path: prefix.to_owned(), id, is_link: false }),
            Place::Folder(real) => self.take(&real, prefix, &mut vec![real.clone()], &mut found),
            Place::Nothing => found.extend(self.entries.get(prefix).cloned()),
        }
        found
    }

    fn take(&self, real: &str, shown: &str, around: &mut Vec<String>, found: &mut Vec<Entry>) {
        for entry in self.inside(real) {
            let rest = entry.path[real.len()..].trim_start_matches('/');
            let path = join(shown, rest);
            match if entry.is_link { self.locate(&entry.path) } else { Place::File(entry.id.clone()) } {
                Place::File(id) => found.push(Entry { path, id, is_link: false }),
                Place::Folder(folder)
                    if found.len() < MOST && !is_below(&entry.path, &folder) && !around.contains(&folder) =>
                {
                    around.push(folder.clone());
                    self.take(&folder, &path, around, found);
                    around.pop();
                }
                Place::Folder(_) | Place::Nothing => found.push(Entry { path, ..entry.clone() }),
            }
        }
    }

    fn inside<'t>(&'t self, folder: &str) -> impl Iterator<Item = &'t Entry> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let all = self.entries.range(prefix.clone()..);
        all.take_while(move |(path, _)| path.starts_with(&prefix)).map(|(_, entry)| entry)
    }

    fn locate(&self, path: &str) -> Place {
        let mut hops = 0;
        let mut real = String::new();
        let mut rest: Vec<String> = parts(path).collect();
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." if real.is_empty() => return Place::Nothing,
                ".." => {
                    real.truncate(real.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = join(&real, &part);
            match self.entries.get(&next) {
                Some(link) if link.is_link => {
                    hops += 1;
                    match (self.target)(link).filter(|target| hops <= HOPS && !target.starts_with('/')) {
                        Some(target) => rest.extend(parts(&target)),
                        None => return Place::Nothing,
                    }
                }
                Some(file) if rest.is_empty() => return Place::File(file.id.clone()),
                Some(_) => return Place::Nothing,
                None if self.inside(&next).next().is_some() => real = next,
                None => return Place::Nothing,
            }
        }
        Place::Folder(real)
    }
}

/// The components of a path, the last one first.
fn parts(path: &str) -> impl Iterator<Item = String> {
    path.split('/').rev().map(str::to_owned)
}

fn join(folder: &str, rest: &str) -> String {
    match (folder, rest) {
        ("", rest) => rest.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, rest) => format!("{folder}/{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `path -> target` is a link, the others are files whose content is their path.
    fn below(entries: &[&str], prefix: &str) -> Vec<String> {
        let entry = |text: &&str| match text.split_once(" -> ") {
            Some((path, target)) => Entry { path: path.to_owned(), id: target.to_owned(), is_link: true },
            None => Entry { path: (*text).to_owned(), id: (*text).to_owned(), is_link: false },
        };
        let entries = entries.iter().map(entry).map(|entry| (entry.path.clone(), entry)).collect();
        let links = Links { entries, target: &|entry| Some(entry.id.clone()) };
        let tell = |entry: Entry| format!("{}{}{}", entry.path, if entry.is_link { " -> " } else { " = " }, entry.id);
        links.below(prefix).into_iter().map(tell).collect()
    }

    #[test]
    fn a_link_to_a_file_is_that_file() {
        assert_eq!(below(&["a/1.sql", "m/1.sql -> ../a/1.sql"], "m"), ["m/1.sql = a/1.sql"]);
        assert_eq!(
            below(&["a/1.sql", "m/1.sql -> ./2.sql", "m/2.sql -> ../a/1.sql"], "m/1.sql"),
            ["m/1.sql = a/1.sql"]
        );
    }

    #[test]
    fn a_link_to_a_folder_has_its_files() {
        let tree = ["a/x/1.sql", "a/x/2.sql", "m/1.0 -> ../a/x", "app -> a"];
        assert_eq!(below(&tree, "m"), ["m/1.0/1.sql = a/x/1.sql", "m/1.0/2.sql = a/x/2.sql"]);
        assert_eq!(below(&tree, "app/x"), ["app/x/1.sql = a/x/1.sql", "app/x/2.sql = a/x/2.sql"]);
    }

    #[test]
    fn a_link_out_of_the_tree_stays_a_link() {
        for target in ["/etc/passwd", "../../1.sql", "gone.sql", "1.sql", "../a/1.sql/x"] {
            assert_eq!(below(&["a/1.sql", &format!("m/1.sql -> {target}")], "m"), [format!("m/1.sql -> {target}")]);
        }
        assert_eq!(below(&["m -> /srv/migrations"], "m"), ["m -> /srv/migrations"]);
    }

    #[test]
    fn links_in_a_circle_end() {
        assert_eq!(below(&["m/1.sql", "m/again -> ."], "m"), ["m/1.sql = m/1.sql", "m/again -> ."]);
        let tree = ["a/b -> ../b", "a/1.sql", "b/a -> ../a"];
        assert_eq!(below(&tree, "a"), ["a/1.sql = a/1.sql", "a/b/a -> ../a"]);
    }
}
