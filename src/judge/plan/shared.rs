//! What is kept of the last trees. What they have in common is kept once: a chain that is one migration longer than another shares all the others with it.

use std::collections::HashMap;
use std::sync::Arc;

use super::listing::{Listed, Listing};
use crate::layout::{Chain, Migration};
use crate::repo::Entry;

/// The values that were used last, by what they were made from alone.
pub(super) struct Recent<K, V>(Vec<(K, V)>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Recent(Vec::new())
    }
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    /// All, the one that was used last first.
    pub(super) fn newest(&self) -> impl Iterator<Item = &V> {
        self.0.iter().rev().map(|(_, value)| value)
    }

    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        let at = self.0.iter().position(|(kept, _)| kept == key)?;
        let found = self.0.remove(at);
        let value = found.1.clone();
        self.0.push(found);
        Some(value)
    }

    pub(super) fn put(&mut self, key: K, value: V, most: usize) {
        self.0.push((key, value));
        if self.0.len() > most {
            self.0.remove(0);
        }
    }
}

/// Takes the migrations of `chain` that one of the `known` chains has too, to the letter, from there. Which one: the first that
/// begins with the same migration.
pub(super) fn share_migrations<'a>(chain: &mut Chain, mut known: impl Iterator<Item = &'a Arc<Chain>>) {
    chain.migrations.shrink_to_fit();
    let first = chain.migrations.first();
    let Some(known) = known.find(|known| first.is_some() && known.migrations.first() == first) else { return };
    let known: HashMap<&str, &Arc<Migration>> = known.migrations.iter().map(|m| (m.version.as_str(), m)).collect();
    for own in &mut chain.migrations {
        if let Some(same) = known.get(own.version.as_str()).filter(|known| **known == own) {
            *own = Arc::clone(same);
        }
    }
}

/// The same for the files of a folder. Both are in order of path.
pub(super) fn share_entries<'a>(entries: &mut Vec<Arc<Entry>>, known: impl Iterator<Item = &'a Arc<Listing>>) {
    entries.shrink_to_fit();
    let first = entries.first();
    let mut known = known.filter_map(|listing| match &listing.files {
        Listed::Git(known) => Some(known),
        Listed::Disk(_) => None,
    });
    let Some(known) = known.find(|known| first.is_some() && known.first() == first) else { return };
    for own in entries {
        if let Ok(at) = known.binary_search_by(|known| known.path.cmp(&own.path))
            && known[at] == *own
        {
            *own = Arc::clone(&known[at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::layout::{self, File, Tree};

    /// A chain of sqlx's, by file and content.
    fn chain(files: &[(&str, &str)]) -> Chain {
        let file = |(path, text): &(&str, &str)| {
            let bytes: Arc<[u8]> = text.as_bytes().into();
            let size = bytes.len() as u64;
            ((*path).to_owned(), File { id: (*text).to_owned(), size, bytes: Some(bytes), is_link: false })
        };
        let tree = Tree { files: files.iter().map(file).collect::<BTreeMap<_, _>>() };
        layout::by_name("sqlx").unwrap().plan("migrations", &tree)
    }

    fn entry(path: &str, id: &str) -> Arc<Entry> {
        Arc::new(Entry { path: path.to_owned(), id: id.to_owned(), is_link: false })
    }

    /// Which of `now` are those of `before` themselves.
    fn shared<T>(before: &[Arc<T>], now: &[Arc<T>]) -> Vec<bool> {
        now.iter().map(|own| before.iter().any(|known| Arc::ptr_eq(known, own))).collect()
    }

    #[test]
    fn a_longer_chain_shares_what_was_there_before() {
        let before = Arc::new(chain(&[("1_a.sql", "SELECT 1"), ("2_b.sql", "SELECT 2")]));
        let mut now = chain(&[("1_a.sql", "SELECT 1"), ("2_b.sql", "SELECT 2"), ("3_c.sql", "SELECT 3")]);
        share_migrations(&mut now, [&before].into_iter());
        assert_eq!(shared(&before.migrations, &now.migrations), [true, true, false]);
    }

    #[test]
    fn an_edited_or_renamed_migration_is_its_own() {
        let before = Arc::new(chain(&[("1_a.sql", "SELECT 1"), ("2_b.sql", "SELECT 2"), ("3_c.sql", "SELECT 3")]));
        let files = [("1_a.sql", "SELECT 1"), ("2_b.sql", "SELECT 0"), ("3_d.sql", "SELECT 3")];
        let mut now = chain(&files);
        share_migrations(&mut now, [&before].into_iter());
        assert_eq!(shared(&before.migrations, &now.migrations), [true, false, false]);
        assert_eq!(now.migrations, chain(&files).migrations);
    }

    #[test]
    fn a_folders_files_are_shared_by_path_and_content() {
        let before = vec![entry("a", "1"), entry("b", "2"), entry("d", "4")];
        let listing = Arc::new(Listing::from(Listed::Git(before.clone())));
        let mut now = vec![entry("a", "1"), entry("b", "3"), entry("c", "4"), entry("d", "4")];
        share_entries(&mut now, [&listing].into_iter());
        assert_eq!(shared(&before, &now), [true, false, false, true]);
    }
}
