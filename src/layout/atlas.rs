//! Atlas: `N_name.sql` beside `atlas.sum`; ordered by file name, the version is what stands before the first `_`.
//!
//! Each file runs in one transaction, or with `-- atlas:txmode none` statement by statement; `-- atlas:delimiter` says where
//! statements end. `atlas.sum` has a hash of every file, each over all before it: where it does not fit, Atlas runs nothing.
//! Checkpoints are run on new databases only, in the place of what they sum up, and are not judged. Folders that have
//! `atlas.sum` and another runner's names are that runner's.

use std::collections::BTreeMap;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::draft::Draft;
use super::marked::{self, lines};
use super::{Bookkeeping, Chain, Conduct, Given, Heed, Late, Layout, Migration, Mode, Reach, Source, Tree};
use crate::sql::LineIndex;
use crate::verdict::{Finding, Severity};

/// See the module.
pub(super) struct Atlas;

/// The file with the hashes.
const SUM: &str = "atlas.sum";

/// How a section begins in the files of runners whose names are like Atlas' own.
const MARKERS: &[&str] = &["-- +goose", "-- migrate:up"];

impl Layout for Atlas {
    fn name(&self) -> &'static str {
        "atlas"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        let own = |file: &&String| is_own(file);
        let of_another = |file: &String| {
            // Atlas runs other runners' folders too, by their own rules.
            file.ends_with(".up.sql") || file.ends_with(".down.sql") || (file.starts_with('V') && file.contains("__"))
        };
        let says = |word: &str| {
            let texts =
                tree.files.iter().filter(|(file, _)| is_own(file)).filter_map(|(_, file)| file.bytes.as_deref());
            texts.map(String::from_utf8_lossy).any(|text| text.lines().any(|line| line.starts_with(word)))
        };
        let mut files = tree.files.keys().filter(own).peekable();
        let is_ours = tree.files.contains_key(SUM) && files.peek().is_some() && !files.any(of_another);
        if is_ours && !MARKERS.iter().any(|word| says(word)) { 93 } else { 0 }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        self.plan_with(root, tree, &Given::default())
    }

    fn plan_with(&self, root: &str, tree: &Tree, given: &Given) -> Chain {
        let mut draft = Draft::new(root, tree, self.name());
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        for file in tree.files.keys() {
            if !is_own(file) {
                if file != SUM {
                    draft.unknown(file);
                }
                continue;
            }
            let stem = file.strip_suffix(".sql").unwrap_or(file);
            let (version, name) = stem.split_once('_').unwrap_or((stem, ""));
            if let Some(first) = taken.get(version) {
                draft.duplicate(version, first, file);
                continue;
            }
            let whole = draft.source(file, |_| Mode::Wrapped);
            let is_checkpoint = |whole: &Source| directive(&whole.text, "checkpoint").is_some();
            // The first of all is what everything begins with.
            if !taken.is_empty() && whole.as_ref().is_some_and(is_checkpoint) {
                draft.unknown(file);
                let message = "atlas runs this checkpoint on new databases only, and migd does not judge it";
                draft.find(Finding::new("history.unknown-file", Severity::Note, message), file);
                continue;
            }
            taken.insert(version, file);
            draft.push(file, version.to_owned(), name, whole.map(up), None);
        }
        // What is filled in is not what was hashed.
        if given.vars.is_empty() {
            integrity(&mut draft, tree);
        }
        draft.finish()
    }

    /// It writes into a schema of its own.
    fn bookkeeping(&self, _: &Migration) -> Bookkeeping {
        Bookkeeping::default()
    }

    fn outside(&self) -> &'static str {
        "put `-- atlas:txmode none` at the head of a file of its own"
    }

    /// `migrate apply` stops at a file that was `added out of order`, unless it is told `--exec-order`. What is edited and
    /// hashed again it does not compare with what it has run.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Refuses, edited: Heed::Ignores, deleted: Heed::Ignores, renamed: Heed::Ignores }
    }

    /// Each transaction takes a connection from a pool.
    fn reach(&self, setting: &str) -> Reach {
        let _ = setting;
        Reach::Unsure
    }

    /// `migrate down` computes what it runs.
    fn has_downs(&self) -> bool {
        false
    }

    fn traces(&self) -> &'static [(&'static str, &'static str)] {
        &[("atlas.hcl", "env")]
    }
}

/// Whether a file is a migration by its name.
fn is_own(file: &str) -> bool {
    file.ends_with(".sql") && !file.contains('/')
}

/// The lines of comments at the top of a file, which stand apart from its statements by an empty line.
fn header(text: &str) -> impl Iterator<Item = &str> {
    let is_comment = |line: &&str| line.starts_with("--") || line.starts_with('#');
    let end: usize = text.split_inclusive('\n').take_while(is_comment).map(str::len).sum();
    let rest = text[end..].trim_start_matches([' ', '\t']);
    let apart = rest.is_empty() || rest.starts_with('\n') || rest.starts_with("\r\n");
    text[..if apart { end } else { 0 }].lines()
}

/// What the header says behind `atlas:name`.
fn directive<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    header(text).find_map(|line| argument(line, name))
}

fn argument<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = line.split_once("atlas:")?;
    let rest = rest.strip_prefix(name)?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

/// What of a file runs, and how.
fn up(whole: Source) -> Source {
    let text = &whole.text;
    let mode = if directive(text, "txmode") == Some("none") { Mode::PerStatement } else { Mode::Wrapped };
    let body = match text.lines().next().and_then(|line| argument(line, "txtar")) {
        Some(_) => section(text, "migration.sql").unwrap_or(0..0),
        None => whole.body.clone(),
    };
    // The delimiter is said in the very first line.
    let delimiter =
        text.lines().next().filter(|line| line.starts_with("-- ")).and_then(|line| argument(line, "delimiter"));
    match delimiter.map(|said| said.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t")) {
        Some(delimiter) if !delimiter.is_empty() => {
            let start = text.find('\n').map_or(text.len(), |at| at + 1);
            let mut pieces = Vec::new();
            let mut from = start;
            for (at, found) in text[start..].match_indices(&delimiter) {
                pieces.push(from..start + at);
                from = start + at + found.len();
            }
            pieces.push(from..text.len());
            marked::source(&whole.path, text, pieces, mode)
        }
        _ => Source { body, mode, ..whole },
    }
}

/// One file of an archive: what stands between `-- name --` and the next such line.
fn section(text: &str, name: &str) -> Option<Range<usize>> {
    let mut found: Option<usize> = None;
    for (range, line) in lines(text) {
        let marker = line.trim_end().strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --"));
        match (marker, found) {
            (Some(_), Some(start)) => return Some(start..range.start),
            (Some(marker), None) if marker.trim() == name => found = Some((range.end + 1).min(text.len())),
            _ => {}
        }
    }
    found.map(|start| start..text.len())
}

/// Whether `atlas.sum` fits the files: the first line that does not is told.
fn integrity(draft: &mut Draft<'_>, tree: &Tree) {
    let files: Vec<(&String, _)> = tree.files.iter().filter(|(file, _)| is_own(file)).collect();
    if files.is_empty() || files.iter().any(|(_, file)| file.bytes.is_none() || file.is_link) {
        return;
    }
    let help = "run `atlas migrate hash`, look at what it changes, and stage atlas.sum with the files";
    let Some(sum) = tree.files.get(SUM).and_then(|file| file.bytes.as_deref()) else {
        let message = "there is no atlas.sum: atlas refuses the folder";
        draft.find(Finding::new("history.integrity", Severity::Error, message).help(help), SUM);
        return;
    };
    let text = String::from_utf8_lossy(sum);
    let mut hash = Sha256::new();
    let mut wanted: Vec<(&str, String)> = Vec::new();
    for (name, file) in files {
        hash.update(name.as_bytes());
        let bytes = file.bytes.as_deref().unwrap_or_default();
        let first = String::from_utf8_lossy(bytes.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
        if argument(&first, "sum") == Some("ignore") {
            continue;
        }
        hash.update(bytes);
        wanted.push((name, STANDARD.encode(hash.clone().finalize())));
    }
    let entry =
        |line: &str| line.split_once("h1:").map(|(name, hash)| (name.trim().to_owned(), hash.trim().to_owned()));
    let found: Vec<(Range<usize>, (String, String))> =
        lines(&text).skip(1).filter_map(|(range, line)| Some((range, entry(line)?))).collect();
    let names: Vec<&str> = found.iter().map(|(_, (name, _))| name.as_str()).collect();
    let differs = wanted.iter().zip(&found).position(|((name, hash), (_, (n, h)))| name != n || hash != h);
    let at = differs.or_else(|| (wanted.len() != found.len()).then(|| wanted.len().min(found.len())));
    let said = match at {
        Some(at) => {
            let said = match (wanted.get(at), found.get(at)) {
                (Some((name, _)), _) if !names.contains(name) => format!("{name} is not in it"),
                (_, Some((_, (name, _)))) if !wanted.iter().any(|(wanted, _)| wanted == name) => {
                    format!("it has {name}, which is not there")
                }
                (Some((name, _)), _) => format!("{name} has another content"),
                (None, _) => "it has a file too many".to_owned(),
            };
            Some((found.get(at).map(|(range, _)| range.clone()), said))
        }
        None => {
            let mut all = Sha256::new();
            found.iter().for_each(|(_, (name, hash))| {
                all.update(name.as_bytes());
                all.update(hash.as_bytes());
            });
            let sum = format!("h1:{}", STANDARD.encode(all.finalize()));
            let first = lines(&text).next().map(|(range, line)| (range, line.trim().to_owned()));
            let is_right = first.as_ref().is_some_and(|(_, line)| *line == sum);
            (!is_right).then(|| (first.map(|(range, _)| range), "its first line does not fit the others".to_owned()))
        }
    };
    let Some((range, said)) = said else { return };
    let message = format!("atlas.sum does not fit the folder, and atlas refuses to run anything: {said}");
    let mut finding = Finding::new("history.integrity", Severity::Error, message).help(help);
    if let Some(range) = range.filter(|range| !range.is_empty()) {
        let lines = LineIndex::new(&text);
        let span = lines.span(range);
        finding = finding.at(span, lines.lines(span));
    }
    draft.find(finding, SUM);
}
