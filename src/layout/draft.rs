//! What all layouts share on the way from files to a [`Chain`]: reading texts, pairing ups with downs, order, hashes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::marked::Refusal;
use super::{Chain, File, Layout, Migration, Mode, Source, Tree};
use crate::sql::{self, Kind, LineIndex, is_blank};
use crate::verdict::{Finding, Severity};

/// A chain in the making.
pub(super) struct Draft<'a> {
    root: &'a str,
    tree: &'a Tree,
    runner: &'static str,
    /// Whether the runner drops a UTF-8 byte order mark. If not it reaches the server, which takes it for a name.
    strips_bom: bool,
    /// Whether the layout itself puts values into placeholders.
    fills: bool,
    /// Whether the runner fails on an up without a statement.
    refuses_blank: bool,
    /// Whether the runner sends the rows behind `COPY … FROM STDIN` as such, as psql does. To every other they are SQL.
    loads_copy: bool,
    chain: Chain,
}

impl<'a> Draft<'a> {
    pub(super) fn new(root: &'a str, tree: &'a Tree, runner: &'static str) -> Self {
        Draft {
            root,
            tree,
            runner,
            strips_bom: false,
            fills: false,
            refuses_blank: false,
            loads_copy: false,
            chain: Chain::default(),
        }
    }

    pub(super) fn strips_bom(mut self) -> Self {
        self.strips_bom = true;
        self
    }

    pub(super) fn fills(mut self) -> Self {
        self.fills = true;
        self
    }

    pub(super) fn refuses_blank(mut self) -> Self {
        self.refuses_blank = true;
        self
    }

    pub(super) fn loads_copy(mut self) -> Self {
        self.loads_copy = true;
        self
    }

    /// `file` of the set, relative to the repository.
    pub(super) fn path(&self, file: &str) -> String {
        if let Some(elsewhere) = file.strip_prefix('/') {
            return elsewhere.to_owned();
        }
        let root = self.root.trim_end_matches('/');
        if root.is_empty() || root == "." { file.to_owned() } else { format!("{root}/{file}") }
    }

    pub(super) fn find(&mut self, finding: Finding, file: &str) {
        self.chain.findings.push(finding.in_file(self.path(file)));
    }

    /// The runner stops at this file's name.
    pub(super) fn refused(&mut self, file: &str, message: impl Into<String>) {
        self.find(Finding::new("history.naming", Severity::Error, message), file);
    }

    /// The file belongs to no migration.
    pub(super) fn unknown(&mut self, file: &str) {
        self.chain.unknown.push(file.to_owned());
    }

    /// The runner passes over this file: said where it looks like a migration that somebody expects to run.
    pub(super) fn ignored(&mut self, file: &str, expected: &str) {
        self.unknown(file);
        let looks_versioned = file.starts_with(|c: char| c.is_ascii_digit()) && file.ends_with(".sql");
        if looks_versioned && !file.contains('/') {
            let message = format!("{} ignores this file: it is not named {expected}", self.runner);
            self.find(Finding::new("history.naming", Severity::Warning, message), file);
        }
    }

    /// The runner stops at this place of the file.
    pub(super) fn malformed(&mut self, file: &str, text: &str, (range, message): Refusal) {
        let lines = LineIndex::new(text);
        let span = lines.span(range);
        self.find(Finding::new("apply.format", Severity::Error, message).at(span, lines.lines(span)), file);
    }

    /// The runner's driver refuses to commit a transaction that the file has ended: it stops there, although all was done.
    pub(super) fn ends_transaction(&mut self, file: &str, source: &Source, severity: Severity) {
        if !matches!(source.mode, Mode::Wrapped | Mode::WrappedEach) {
            return;
        }
        let whole = std::slice::from_ref(&source.body);
        let pieces = source.pieces.as_deref().unwrap_or(whole).iter();
        let scripts: Vec<_> = pieces.map(|piece| sql::split_range(&source.text, piece.clone())).collect();
        if scripts.iter().any(|script| !script.problems.is_empty()) {
            // It does not get that far.
            return;
        }
        let mut statements = scripts.iter().flat_map(|script| &script.statements);
        if let Some(end) = statements.find(|s| matches!(s.kind, Kind::Commit | Kind::Rollback)) {
            let lines = LineIndex::new(&source.text);
            let span = lines.span(end.range.clone());
            let runner = self.runner;
            let message = format!("this ends the transaction in which {runner} runs the file, and {runner} then stops");
            let help = format!("leave BEGIN and COMMIT out: {runner} opens and commits a transaction itself");
            let finding = Finding::new("apply.own-transaction", severity, message);
            self.find(finding.at(span, lines.lines(span)).help(help), file);
        }
    }

    pub(super) fn duplicate(&mut self, version: &str, first: &str, file: &str) {
        let message = format!("version {version} is taken by {}", self.path(first));
        self.find(Finding::new("history.duplicate-version", Severity::Error, message), file);
    }

    /// Two files have the same number, and nobody knows whether that is their version.
    pub(super) fn same_number(&mut self, number: &str, first: &str, file: &str) {
        let message = format!("the number {number} is {}'s too: by name this one runs after it", self.path(first));
        let finding = Finding::new("history.duplicate-version", Severity::Warning, message);
        self.find(finding.help("if your runner goes by the number, give one of them another"), file);
    }

    pub(super) fn down_without_up(&mut self, file: &str) {
        let message = "this down migration has no up migration";
        self.find(Finding::new("history.down-without-up", Severity::Warning, message), file);
    }

    /// The file's text, or a finding that says why there is none.
    pub(super) fn text(&mut self, file: &str) -> Option<Arc<str>> {
        let entry = self.tree.files.get(file)?;
        if entry.is_link {
            self.find(linked_away(entry), file);
            return None;
        }
        let Some(bytes) = &entry.bytes else {
            let message = format!("the file has {} bytes, more than `limits.file_bytes` allows", entry.size);
            let help = "raise `limits.file_bytes` in migd.toml, or load so many rows by other means than a migration";
            self.find(Finding::new("config.file-too-large", Severity::Error, message).help(help), file);
            return None;
        };
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            let finding = Finding::new("apply.encoding", Severity::Error, "the file is UTF-16, not UTF-8");
            self.find(finding.help("save it as UTF-8 without a byte order mark"), file);
            return None;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                if !self.fills
                    && file.ends_with(".sql")
                    && let Some(at) = super::fill::placeholder(text)
                {
                    let lines = LineIndex::new(text);
                    let span = lines.span(at.clone());
                    self.find(super::fill::unfilled(&text[at]).at(span, lines.lines(span)), file);
                    return None;
                }
                let stripped = text.strip_prefix('\u{feff}');
                if stripped.is_some() && !self.strips_bom {
                    let message = format!(
                        "the file starts with a byte order mark, which {} sends to the server: a syntax error",
                        self.runner
                    );
                    let finding = Finding::new("apply.encoding", Severity::Error, message);
                    self.find(finding.help("save it as UTF-8 without a byte order mark"), file);
                }
                Some(Arc::from(stripped.unwrap_or(text)))
            }
            Err(error) => {
                let good = String::from_utf8_lossy(bytes);
                let at = error.valid_up_to();
                let lines = LineIndex::new(&good);
                let span = lines.span(at..at + '\u{fffd}'.len_utf8());
                let message = format!("the file is not UTF-8: byte {} is {:#04x}", at + 1, bytes[at]);
                let finding = Finding::new("apply.encoding", Severity::Error, message).at(span, lines.lines(span));
                self.find(finding, file);
                None
            }
        }
    }

    /// The whole file as one direction.
    pub(super) fn source(&mut self, file: &str, mode: impl FnOnce(&str) -> Mode) -> Option<Source> {
        let text = self.text(file)?;
        let mode = mode(&text);
        let body = 0..text.len();
        Some(Source { path: self.path(file), text, body, mode, pieces: None, inserts: None })
    }

    /// The file holds no statement.
    pub(super) fn blank(&mut self, file: &str) {
        let finding = if self.refuses_blank {
            let message = format!("{} fails on a file without a statement", self.runner);
            Finding::new("apply.empty", Severity::Error, message).help("`SELECT 1;` is enough to let it pass")
        } else {
            Finding::new("apply.empty", Severity::Warning, "the migration holds no statement")
        };
        self.find(finding, file);
    }

    /// The file has rows behind `COPY … FROM STDIN`, which the runner does not send as such.
    fn copies(&mut self, source: &Source) {
        let text = &source.text[source.body.clone()];
        let says =
            |word: &str| text.as_bytes().windows(word.len()).any(|own| own.eq_ignore_ascii_case(word.as_bytes()));
        if self.loads_copy || !says("stdin") || !says("copy") {
            return;
        }
        let script = sql::split_range(&source.text, source.body.clone());
        let mut statements = script.statements.iter().filter(|_| script.problems.is_empty());
        let Some(copy) = statements.find(|statement| statement.copy_data.is_some()) else { return };
        let lines = LineIndex::new(&source.text);
        let span = lines.span(copy.range.clone());
        let message = format!("{} fails here: it does not send what follows COPY … FROM STDIN as rows", self.runner);
        let finding = Finding::new("apply.format", Severity::Error, message).at(span, lines.lines(span));
        let finding = finding
            .detail("psql and Flyway do; to the server of any other runner these lines are SQL, and a syntax error")
            .help("INSERT the rows, many in one statement, or load them by other means than a migration");
        self.chain.findings.push(finding.in_file(source.path.clone()));
    }

    /// Appends a migration. Without an `up` the chain cannot go on behind it.
    pub(super) fn push(&mut self, file: &str, version: String, name: &str, up: Option<Source>, down: Option<Source>) {
        let path = self.path(file);
        if up.as_ref().is_some_and(|up| is_blank(&up.text[up.body.clone()])) {
            self.blank(file);
        }
        for source in up.iter().chain(&down) {
            self.copies(source);
        }
        let foreign = up.is_none().then(|| path.clone());
        let up = up.unwrap_or_else(|| Source {
            path,
            text: Arc::from(""),
            body: 0..0,
            mode: Mode::Simple,
            pieces: None,
            inserts: None,
        });
        let previous = self.chain.migrations.last().map(|m| m.version.clone());
        let none = blake3::Hash::from_bytes([0; blake3::OUT_LEN]);
        self.chain.migrations.push(Arc::new(Migration {
            version,
            name: name.to_owned(),
            up,
            down,
            hash: none,
            up_hash: none,
            previous,
            foreign,
            repeatable: false,
            stamp: None,
            replaced: false,
            down_unread: false,
        }));
    }

    /// The migration that was pushed last.
    pub(super) fn last(&mut self) -> Option<&mut Migration> {
        // Nobody shares what is still being made.
        self.chain.migrations.last_mut().map(Arc::make_mut)
    }

    /// Of the migration that was pushed last: its down is there, and cannot be read.
    pub(super) fn down_is_unread(&mut self) {
        if let Some(last) = self.last() {
            last.down_unread = true;
        }
    }

    /// The chain, with its hashes.
    pub(super) fn finish(mut self) -> Chain {
        for migration in &mut self.chain.migrations {
            hash(Arc::make_mut(migration));
        }
        self.chain
    }
}

/// How many ups or downs of `tree` have the version of another in `layout`, if that goes by numbers alone.
pub(super) fn duplicates(layout: &dyn Layout, tree: &Tree) -> usize {
    let version = |file: &String| {
        let (head, rest) = file.split_once('_').filter(|_| file.ends_with(".sql") && !file.contains('/'))?;
        Some((head.parse::<u64>().ok()?, rest.ends_with(".down.sql")))
    };
    let mut seen = std::collections::BTreeSet::new();
    if !matches!(layout.name(), "sqlx" | "golang-migrate") {
        return 0;
    }
    tree.files.keys().filter_map(version).filter(|version| !seen.insert(*version)).count()
}

/// A link that leads to nothing in the repository: nobody who clones it has what is meant.
pub(super) fn linked_away(link: &File) -> Finding {
    let target = link.bytes.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let message = format!("this is a link to {target}, where the repository has no file that migd may read");
    let finding = Finding::new("config.link", Severity::Error, message);
    finding.help("put the file itself into the repository, or what the link leads to")
}

/// Computes both hashes anew.
pub(super) fn hash(migration: &mut Migration) {
    migration.up_hash = up_hash(migration);
    migration.hash = whole_hash(migration);
}

/// The two directions of one version, by file.
pub(super) struct Pair<'a> {
    pub(super) version: String,
    pub(super) name: String,
    pub(super) up: Option<&'a str>,
    pub(super) down: Option<&'a str>,
}

/// Which direction a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// Ups and downs in separate files, by what the runner orders them by.
pub(super) struct Pairs<'a, K>(BTreeMap<K, Pair<'a>>);

impl<'a, K: Ord> Pairs<'a, K> {
    pub(super) fn new() -> Self {
        Pairs(BTreeMap::new())
    }

    /// Adds a file; a second one of the same version and direction is a finding.
    pub(super) fn add(
        &mut self,
        draft: &mut Draft<'_>,
        key: K,
        version: String,
        name: &str,
        direction: Direction,
        file: &'a str,
    ) {
        let pair = match self.0.entry(key) {
            Entry::Vacant(free) => free.insert(Pair { version, name: name.to_owned(), up: None, down: None }),
            Entry::Occupied(taken) => taken.into_mut(),
        };
        let slot = match direction {
            Direction::Up => &mut pair.up,
            Direction::Down => &mut pair.down,
        };
        match slot {
            Some(first) => draft.duplicate(&pair.version, first, file),
            None => {
                *slot = Some(file);
                if direction == Direction::Up {
                    pair.name = name.to_owned();
                }
            }
        }
    }

    /// Pushes the pairs in order; a down alone is a finding.
    pub(super) fn push_all(self, draft: &mut Draft<'_>, mode: impl Fn(&str) -> Mode) {
        for pair in self.0.into_values() {
            match (pair.up, pair.down) {
                (Some(up), down) => {
                    let source = if is_program(up) { None } else { draft.source(up, &mode) };
                    let text = down.and_then(|file| draft.source(file, &mode));
                    let unread = down.is_some() && text.is_none();
                    draft.push(up, pair.version, &pair.name, source, text);
                    if unread {
                        draft.down_is_unread();
                    }
                }
                (None, Some(down)) => draft.down_without_up(down),
                (None, None) => {}
            }
        }
    }
}

/// Whether a file is a program by its name: a step that only its runner can run.
pub(super) fn is_program(file: &str) -> bool {
    const EXTENSIONS: &[&str] =
        &["go", "rs", "py", "rb", "js", "cjs", "mjs", "ts", "java", "kt", "groovy", "scala", "php", "sh", "exs", "cs"];
    // Tests of a migration are none.
    let test = |stem: &str| [".test", ".spec", "_test", "_spec"].iter().any(|end| stem.ends_with(end));
    file.rsplit_once('.').is_some_and(|(stem, extension)| EXTENSIONS.contains(&extension) && !test(stem))
}

/// A string as an SQL literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Bytes as lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn field(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

fn sent(hasher: &mut blake3::Hasher, source: &Source) {
    hasher.update(&[match source.mode {
        Mode::Simple => 0,
        Mode::Wrapped => 1,
        Mode::PerStatement => 2,
        Mode::WrappedEach => 3,
    }]);
    field(hasher, &source.text.as_bytes()[source.body.clone()]);
    let pieces = source.pieces.as_deref().unwrap_or(&[]);
    hasher.update(&[u8::from(source.pieces.is_some())]);
    for piece in pieces {
        hasher.update(&(piece.start as u64).to_le_bytes());
        hasher.update(&(piece.end as u64).to_le_bytes());
    }
}

fn up_hash(migration: &Migration) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    field(&mut hasher, migration.version.as_bytes());
    field(&mut hasher, migration.name.as_bytes());
    hasher.update(&[u8::from(migration.foreign.is_some()), u8::from(migration.repeatable)]);
    hasher.update(&migration.stamp.unwrap_or(i64::MIN).to_le_bytes());
    sent(&mut hasher, &migration.up);
    hasher.finalize()
}

fn whole_hash(migration: &Migration) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(migration.up_hash.as_bytes());
    // Directives count wherever they stand.
    field(&mut hasher, migration.up.text.as_bytes());
    hasher.update(&[u8::from(migration.down_unread)]);
    if let Some(down) = &migration.down {
        field(&mut hasher, down.text.as_bytes());
        sent(&mut hasher, down);
    }
    hasher.finalize()
}
