//! What is run before a set's first migration: the configuration's files, and what a platform brings.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Error, Folder};
use crate::config::Set;
use crate::layout::{self, Layout};

/// Before the name of a layout under `setup_sql`: what its platform brings.
pub(super) const BUILT_IN: &str = "builtin:";

/// The files that may be run before the set's first migration, relative to the repository: those that are stated, else those
/// that its platform looks for.
pub fn setup_files(set: &Set) -> Vec<PathBuf> {
    let layout = set.layout.as_deref().and_then(layout::by_name).filter(|_| set.setup_sql.is_empty());
    let own = layout.map(|layout| layout.globals(&set.path)).unwrap_or_default();
    set.setup_sql.iter().cloned().chain(own.into_iter().map(PathBuf::from)).collect()
}

impl Folder<'_> {
    /// The set's `setup_sql`, as staged, else as it lies in the work tree.
    pub(super) fn setup(&self, set: &Set, layout: &dyn Layout) -> Result<Vec<layout::Source>, Error> {
        let mut sources = Vec::new();
        let source = |path: String, text: Arc<str>| {
            let body = 0..text.len();
            layout::Source { path, text, body, mode: layout::Mode::PerStatement, pieces: None, inserts: None }
        };
        let stated = set.setup_sql.iter().map(|path| path.to_string_lossy().into_owned());
        let built_in = || format!("{BUILT_IN}{}", layout.name());
        let unstated = (set.setup_sql.is_empty() && layout.before().is_some()).then(built_in);
        // What the platform runs of the project's own, where nobody has said anything else.
        let is_there = |path: &String| {
            let staged = self.repo.staged(std::slice::from_ref(path)).unwrap_or_default();
            staged.iter().any(|entry| entry.path == *path) || self.repo.work_file(path).is_ok()
        };
        let own = unstated.as_ref().and_then(|_| layout.globals(self.root).into_iter().find(is_there));
        for path in stated.chain(unstated).chain(own) {
            let platform = path.strip_prefix(BUILT_IN).and_then(layout::by_name);
            if let Some(text) = platform.and_then(Layout::before) {
                sources.push(source(path, text.into()));
                continue;
            }
            let staged = self.repo.staged(std::slice::from_ref(&path))?;
            let bytes = match staged.iter().find(|entry| entry.path == path && !entry.is_link) {
                Some(entry) => self.repo.read(&entry.id, self.max)?.bytes.map(|bytes| bytes.to_vec()),
                None => self.repo.work_file(&path).ok(),
            };
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            let text: Arc<str> = text.ok_or_else(|| Error::no_setup_file(&path))?.into();
            sources.push(source(path, text));
        }
        // The runner comes to a database that has all of that.
        let of_runner =
            layout.setup(&set.settings).map(|text| source(format!("{BUILT_IN}{}", layout.name()), text.into()));
        sources.extend(of_runner);
        Ok(sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platforms_own_files_decide_what_a_set_starts_with_where_nothing_is_stated() {
        let set = |layout: &str, setup: &[&str]| Set {
            path: "supabase/migrations".to_owned(),
            layout: Some(layout.to_owned()),
            setup_sql: setup.iter().map(PathBuf::from).collect(),
            ..Set::default()
        };
        assert!(setup_files(&set("supabase", &[])).contains(&PathBuf::from("supabase/roles.sql")));
        assert_eq!(setup_files(&set("supabase", &["db/before.sql"])), [PathBuf::from("db/before.sql")]);
        assert!(setup_files(&set("sqlx", &[])).is_empty());
    }
}
