//! The verdict and its findings: plain data that every layer above the wire speaks of, and the JSON of `--format json`.
//!
//! The JSON is an interface (`schema: 1`): fields are added, never renamed or removed. Lines and columns are 1-based and
//! columns count characters, not bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of the JSON that [`Verdict`] serialises to.
pub const SCHEMA: u32 = 1;

/// Everything migd has to say about one migration set in one tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// The worst thing found, in one word.
    pub outcome: Outcome,
    /// The repository's work tree (absolute path), or its git folder when it is bare.
    pub repo: String,
    /// The set's name.
    pub set: String,
    /// Which tree was judged.
    pub mode: Mode,
    /// Whether an earlier verdict on the same content was used.
    pub cached: bool,
    /// Wall-clock time from request to verdict, in milliseconds.
    pub elapsed_ms: f64,
    /// The server's version, as in `17.5`.
    pub postgres: String,
    /// `container`, `local` or `url`.
    pub engine: String,
    /// What production may already have.
    pub base: Base,
    /// The migrations that were judged, in the order in which they run.
    pub migrations: Vec<MigrationReport>,
    /// The user's own cases that were run, in order of path.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub scenarios: Vec<ScenarioReport>,
    /// Where the set's scenarios are written, relative to the repository.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub scenario_folder: String,
    /// What was found, errors first, then in order of place.
    pub findings: Vec<Finding>,
    /// What the author has accepted about the rows in production, each with the query that counts what would be in the way.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub assumptions: Vec<Assumption>,
    /// Where the time went, in order.
    pub timings: Vec<Timing>,
}

/// A finding that the author has accepted in the migration: `-- migd: assume data.unique(users.email) -- reason`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumption {
    /// The finding's code.
    pub code: String,
    /// What it is about, as the directive names it.
    pub target: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// The last day on which it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<String>,
    /// The file, relative to the repository.
    pub path: String,
    /// The directive's line.
    pub line: u32,
    /// Counts the rows that would break it: read-only, for the schema before. None where no query can tell.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub query: Option<String>,
}

/// What one request gave: a verdict for each set that it touches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The worst outcome of the verdicts.
    pub outcome: Outcome,
    /// Wall-clock time from request to report, in milliseconds.
    pub elapsed_ms: f64,
    /// The repository's work tree (absolute path), or its git folder when it is bare.
    pub repo: String,
    /// Which tree was judged.
    pub mode: Mode,
    /// One for each set; what concerns the whole repository is a verdict whose set has no name.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// A report whose outcome is the worst of `verdicts`.
    pub fn new(repo: impl Into<String>, mode: Mode, elapsed_ms: f64, verdicts: Vec<Verdict>) -> Self {
        let outcome = verdicts.iter().map(|v| v.outcome).max().unwrap_or(Outcome::Pass);
        Report { outcome, elapsed_ms, repo: repo.into(), mode, verdicts }
    }
}

impl Verdict {
    /// No verdict could be had, for the reasons in `findings`. `set` is empty when they concern the whole repository.
    pub fn error(repo: impl Into<String>, set: impl Into<String>, mode: Mode, findings: Vec<Finding>) -> Self {
        Verdict {
            schema: SCHEMA,
            outcome: Outcome::Error,
            repo: repo.into(),
            set: set.into(),
            mode,
            cached: false,
            elapsed_ms: 0.0,
            postgres: String::new(),
            engine: String::new(),
            base: Base::default(),
            migrations: Vec::new(),
            scenarios: Vec::new(),
            scenario_folder: String::new(),
            findings,
            assumptions: Vec::new(),
            timings: Vec::new(),
        }
    }

    /// How many findings of `severity` stand, those that the author accepted left out.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|f| f.suppressed_by.is_none() && f.severity == severity).count()
    }
}

/// `pass`, `warn`, `fail`, or `error` (no verdict could be had).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing, or notes only.
    Pass,
    /// Warnings, no errors.
    Warn,
    /// At least one error.
    Fail,
    /// Could not judge: the findings say why.
    Error,
}

impl Outcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Warn => "warn",
            Outcome::Fail => "fail",
            Outcome::Error => "error",
        }
    }

    /// The exit status that stands for this outcome.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Pass | Outcome::Warn => 0,
            Outcome::Fail => 1,
            Outcome::Error => 3,
        }
    }
}

impl Mode {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Staged => "staged",
            Mode::Worktree => "worktree",
            Mode::All => "all",
        }
    }
}

/// Which tree was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The index: what `git commit` would record.
    Staged,
    /// The files as they are on disk.
    Worktree,
    /// Every migration of the staged tree, each at its own step.
    All,
}

/// The point in history that production may already have reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The commit, as a full object name; none in a repository without commits.
    pub rev: Option<String>,
    /// The last version of the set at that commit.
    pub version: Option<String>,
    /// The upstream branch that the commit is shared with; none when there is none, and `rev` is HEAD.
    #[serde(default)]
    pub upstream: Option<String>,
}

/// What was observed of one migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MigrationReport {
    /// The version as the runner records it.
    pub version: String,
    /// The name without version and suffix.
    pub name: String,
    /// The version that the chain applies before this one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous: Option<String>,
    /// The up file, relative to the repository.
    pub path: String,
    /// The down file, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub down_path: Option<String>,
    /// How it differs from the commit it is compared with.
    pub change: Change,
    /// How long up took, in milliseconds.
    pub up_ms: Option<f64>,
    /// How long down took, in milliseconds.
    pub down_ms: Option<f64>,
    /// Whether up ran inside one transaction.
    pub transactional: bool,
    /// How many statements up has.
    pub statements: usize,
    /// Whether down brings the schema back.
    pub reversible: Reversible,
    /// Whether up, applied again after down, makes the same schema; none when it was not tried.
    #[serde(default)]
    pub repeatable: Option<bool>,
    /// How many sets of rows it was tried with; none where it was tried with none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows_tried: Option<usize>,
    /// How many further sets there was no time for; none where there were none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows_left_out: Option<usize>,
    /// What up did to the schema.
    #[serde(default)]
    pub objects: ObjectCounts,
    /// Rows that up changed, by table.
    #[serde(default)]
    pub rows_changed: BTreeMap<String, RowCounts>,
}

/// What became of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// The file, relative to the repository.
    pub path: String,
    /// Whether everything is as it says; none where it could not be run, which a finding explains.
    pub passed: Option<bool>,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// Whether an earlier result on the same content was used.
    pub cached: bool,
}

/// What up did to the schema: tables, columns, constraints, indexes, functions and all else that has a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectCounts {
    /// The objects made, by name, as in `index users_email_key`; at most [`ObjectCounts::NAMED`].
    pub created: Vec<String>,
    /// How many were made.
    pub created_count: usize,
    /// How many were changed.
    pub changed_count: usize,
    /// How many were dropped.
    pub dropped_count: usize,
    /// In an audit, what was made by kind, with what came with a table: `column`, `default`, `index`, `foreign key`, …
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub kinds: BTreeMap<String, usize>,
}

impl ObjectCounts {
    /// How many objects are named.
    pub const NAMED: usize = 100;
}

/// How a migration of the judged tree differs from the commit it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Not there before.
    Added,
    /// There before, with other content.
    Modified,
    /// The same as before (judged because everything is, or because an earlier one changed).
    Unchanged,
}

/// Whether down brings the schema back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reversible {
    /// It does.
    Yes,
    /// The layout has no downs, or it was not tried because up failed.
    No,
    /// The layout has downs and this migration has none.
    Missing,
    /// Down runs and leaves another schema.
    Mismatch,
    /// Down does not run.
    Fails,
}

/// Rows that one migration changed in one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Worth changing.
    Warning,
    /// The commit is refused.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One thing to say: what, where, why, and the way out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// `family.name`, one of [`crate::check::CODES`].
    pub code: String,
    /// How much it weighs, after configuration.
    pub severity: Severity,
    /// The file, relative to the repository.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// First line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
    /// First column.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<u32>,
    /// Last line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_line: Option<u32>,
    /// Column after the last character.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_column: Option<u32>,
    /// What is wrong, in one sentence, lower case, without a full stop.
    pub message: String,
    /// The server's five-character error code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sqlstate: Option<String>,
    /// The table concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub table: Option<String>,
    /// The constraint concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub constraint: Option<String>,
    /// The columns concerned.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub columns: Vec<String>,
    /// Why: the server's detail, or the differences, one a line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub help: Option<String>,
    /// Where the code is explained.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// The rows that show it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counterexample: Option<Counterexample>,
    /// A read-only query that counts, in the schema before, the rows that are in the way or would be lost.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub query: Option<String>,
    /// The directive that accepted it, as `path:line`.
    #[serde(default)]
    pub suppressed_by: Option<String>,
    /// The source line(s) that the place names, so that a finding can be shown where the file is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
}

/// Rows that the schema before accepts and that make the migration fail or lose data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterexample {
    /// INSERT statements, to be run after the base chain.
    pub setup: Vec<String>,
    /// What the server then says to the migration.
    pub fails_with: String,
    /// Ways out that were tried over these rows: with each of them the migration passes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub recipes: Vec<Recipe>,
}

/// A way out, as statements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// What it does, in a few words.
    pub how: String,
    /// Where the statements belong.
    pub place: RecipePlace,
    /// The statements, without semicolons at their ends.
    pub sql: Vec<String>,
    /// What belongs into a later migration.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub later: Vec<String>,
    /// What has to be done about other statements, which would fail as well.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub also: Vec<Amendment>,
}

/// What a recipe does about another statement than the one that fails first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    /// The other statement, as it stands in the file.
    pub statement: String,
    /// Where the statements belong.
    pub place: RecipePlace,
    /// The statements, without semicolons at their ends.
    pub sql: Vec<String>,
}

/// Where a recipe's statements belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipePlace {
    /// Before the statement that fails.
    Before,
    /// In the place of the statement that fails.
    Instead,
}

/// One step of a judgement and its duration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The step's name.
    pub step: String,
    /// Milliseconds.
    pub ms: f64,
}

/// A place in a text: both ends, 1-based lines and character columns; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First line.
    pub line: u32,
    /// First column.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// Column after the last character.
    pub end_column: u32,
}

impl Finding {
    /// A finding without a place; the builder methods add the rest.
    pub fn new(code: &str, severity: Severity, message: impl Into<String>) -> Self {
        Finding {
            code: code.to_owned(),
            severity,
            path: None,
            line: None,
            column: None,
            end_line: None,
            end_column: None,
            message: message.into(),
            sqlstate: None,
            table: None,
            constraint: None,
            columns: Vec::new(),
            detail: None,
            help: None,
            url: None,
            counterexample: None,
            query: None,
            suppressed_by: None,
            source: None,
        }
    }

    /// Names the file.
    pub fn in_file(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Names the place in the file, with the source lines it covers.
    pub fn at(mut self, span: Span, source: impl Into<String>) -> Self {
        self.line = Some(span.line);
        self.column = Some(span.column);
        self.end_line = Some(span.end_line);
        self.end_column = Some(span.end_column);
        self.source = Some(source.into());
        self
    }

    /// Adds the reason.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
