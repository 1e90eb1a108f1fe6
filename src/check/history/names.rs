//! The repository's own rule for names: `history.naming`.

use std::sync::Arc;

use regex::Regex;

use super::View;
use crate::check::at;
use crate::layout::Migration;
use crate::verdict::Finding;

/// New migrations whose names the rule does not match.
pub(super) fn names(view: &View<'_>) -> Vec<Finding> {
    let rule = view.history.naming;
    // Whether it can be read at all is the configuration's to say.
    let Some(regex) = Some(rule).filter(|rule| !rule.is_empty()).and_then(|rule| Regex::new(rule).ok()) else {
        return Vec::new();
    };
    let strangers = view.history.chain.iter().filter(|new| view.is_new(new) && !regex.is_match(own_name(new)));
    let finding = |new: &Arc<Migration>| {
        let message = format!("the name {:?} is not one that this repository allows", own_name(new));
        at(&new.up, None, "history.naming", message)
            .detail(format!("`naming` under [history] in migd.toml wants it to match {rule}"))
            .help("rename the file before anybody has run it")
    };
    strangers.map(finding).collect()
}

/// The file's name, or that of its folder where every migration has one.
fn own_name(migration: &Migration) -> &str {
    let mut parts = migration.up.path.rsplit('/');
    match (parts.next(), parts.next()) {
        (Some("up.sql" | "migration.sql"), Some(folder)) => folder,
        (Some(file), _) => file,
        (None, _) => &migration.up.path,
    }
}
