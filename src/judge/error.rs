//! Why there is no verdict: each with its code, and what to do about it.

use crate::verdict::{Finding, Severity};
use crate::{config, engine, pool, repo, trace};

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository.
    #[error(transparent)]
    Repo(#[from] repo::Error),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// No PostgreSQL.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The server's databases.
    #[error(transparent)]
    Pool(#[from] pool::Error),
    /// The time was over.
    #[error("no verdict within the time allowed")]
    Deadline,
    /// It was ended early: what it was about is outdated, or somebody else waits.
    #[error("the judgement was ended early")]
    Halted,
    /// The server was lost while it judged.
    #[error("{0}")]
    Lost(String),
    /// It was lost while a statement of a migration ran; where that is.
    #[error("the server went away while it judged {0}")]
    Crashed(String),
    /// The disk that the server writes to was full while a statement of a migration ran; where that is, and the server's
    /// words.
    #[error("the disk that the server's data is on is full: {1}")]
    Full(String, String),
    /// Something in the configuration that only shows with the repository.
    #[error("{message}")]
    Set {
        /// The code.
        code: &'static str,
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
    },
}

impl From<trace::apply::Error> for Error {
    fn from(error: trace::apply::Error) -> Self {
        match error {
            trace::apply::Error::Deadline => Error::Deadline,
            other => Error::Lost(other.to_string()),
        }
    }
}

impl From<crate::rows::Error> for Error {
    fn from(error: crate::rows::Error) -> Self {
        match error {
            crate::rows::Error::Pool(error) => Error::Pool(error),
            crate::rows::Error::Trace(error) => error.into(),
            other => Error::Lost(other.to_string()),
        }
    }
}

impl From<crate::scenario::Error> for Error {
    fn from(error: crate::scenario::Error) -> Self {
        match error {
            crate::scenario::Error::Pool(error) => Error::Pool(error),
            crate::scenario::Error::Trace(error) => error.into(),
            crate::scenario::Error::Rows(error) => error.into(),
            other => Error::Lost(other.to_string()),
        }
    }
}

impl From<crate::catalog::Error> for Error {
    fn from(error: crate::catalog::Error) -> Self {
        Error::Pool(error.into())
    }
}

impl Error {
    /// A template that was there is not there any more.
    pub(super) fn no_template() -> Error {
        Error::Lost("a template went away while it was needed".to_owned())
    }

    /// The finding code that names it.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Repo(error) => error.code(),
            Error::Config(error) => error.code(),
            Error::Engine(error) => error.code(),
            Error::Pool(_) | Error::Lost(_) | Error::Crashed(_) => "engine.lost",
            Error::Full(..) => "engine.folder",
            Error::Deadline | Error::Halted => "engine.timeout",
            Error::Set { code, .. } => code,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Error::Repo(error) => error.help(),
            Error::Config(error) => error.help(),
            Error::Engine(error) => error.help().to_owned(),
            Error::Pool(pool::Error::Session(error)) if error.refused_in().is_some() => {
                let place = error.refused_in().unwrap_or_default();
                format!(
                    "a login trigger of the chain refuses every session ({place}), in production as well: let it pass the \
                     role that runs migrations"
                )
            }
            Error::Pool(_) | Error::Lost(_) | Error::Crashed(_) => {
                "try again; if it stays, `migd restart` and `migd logs`".to_owned()
            }
            Error::Full(..) => "free some space; `migd doctor` names the folder".to_owned(),
            Error::Deadline | Error::Halted => {
                "try again: the chain is being made ready meanwhile; or raise `hook.budget` in migd.toml".to_owned()
            }
            Error::Set { help, .. } => help.clone(),
        }
    }

    /// Whether another try, on another server, may succeed.
    pub fn is_loss(&self) -> bool {
        matches!(self, Error::Pool(_) | Error::Lost(_) | Error::Crashed(_) | Error::Full(..))
    }

    /// Whether it is the user's configuration or arguments that are wrong.
    pub fn is_usage(&self) -> bool {
        self.code().starts_with("config.")
    }

    /// As a finding, for a verdict whose outcome is `error`.
    pub fn finding(&self) -> Finding {
        let message = match self {
            // The place is shown beside it.
            Error::Config(error) => error.message().to_owned(),
            other => other.to_string(),
        };
        let finding = Finding::new(self.code(), Severity::Error, message).help(self.help());
        match self {
            Error::Config(error) => match error.place() {
                Some((path, span, source)) => finding.in_file(path).at(span, source),
                None => finding,
            },
            _ => finding,
        }
    }

    /// The same, with the folders that have most SQL files, each with their number.
    pub fn no_sets_but(folders: &[(String, usize)]) -> Error {
        let named: Vec<String> = folders.iter().map(|(folder, count)| format!("{folder} ({count})")).collect();
        match Error::no_sets() {
            Error::Set { code, message, help } if !named.is_empty() => {
                let help = format!("{help}; most SQL files are in {}", named.join(", "));
                Error::Set { code, message, help }
            }
            other => other,
        }
    }

    /// All that there is are programs of another tool's.
    pub fn no_sets_but_programs(programs: &crate::layout::Programs) -> Error {
        Error::Set {
            code: "config.no-sets",
            message: format!("no migration set was found in this repository: {}", programs.what()),
            help: programs.help(),
        }
    }

    /// The repository has nothing to judge.
    pub fn no_sets() -> Error {
        let known: Vec<&str> = crate::layout::LAYOUTS.iter().map(|layout| layout.name()).collect();
        Error::Set {
            code: "config.no-sets",
            message: "no migration set was found in this repository".to_owned(),
            help: format!(
                "state one in migd.toml (`[[migrations]]`, `path = \"…\"`, `layout = \"…\"`): {}",
                known.join(", ")
            ),
        }
    }

    /// A file cannot be written.
    pub fn unwritable(path: &str, error: &std::io::Error) -> Error {
        Error::Set {
            code: "config.invalid",
            message: format!("cannot write {path}: {error}"),
            help: "check the folder's permissions and the disk".to_owned(),
        }
    }

    /// A stated set has no folder.
    pub fn no_such_folder(path: &str) -> Error {
        Error::Set {
            code: "config.no-sets",
            message: format!("the migration set `{path}` has no folder"),
            help: "check `path` in migd.toml: it is relative to the repository's top".to_owned(),
        }
    }

    /// There are sets, but none for PostgreSQL.
    pub fn other_database(which: &str) -> Error {
        Error::Set {
            code: "config.no-sets",
            message: format!("no migration set for PostgreSQL was found in this repository ({which})"),
            help: "migd judges PostgreSQL's migrations only; name a set in migd.toml if there is one".to_owned(),
        }
    }

    /// All that was found is doubtful.
    pub fn doubtful_set(path: &str, layout: &str, why: &str) -> Error {
        Error::Set {
            code: "config.no-sets",
            message: format!("no migration set was found in this repository: {path} was passed over, {why}"),
            help: format!(
                "if it is one, name it in migd.toml: `[[migrations]]`, `path = \"{path}\"`, `layout = \"{layout}\"`; a type \
                 that its program replaces on PostgreSQL can be a domain in `setup_sql`: `CREATE DOMAIN blob AS bytea`"
            ),
        }
    }

    /// A set's folder is a link that leads out of the repository.
    pub(super) fn linked_away(path: &str, target: &str) -> Error {
        Error::Set {
            code: "config.link",
            message: format!("the migration set `{path}` is a link to {target}, where the repository has no folder"),
            help: "put the migrations into the repository, or name the folder in migd.toml that has them".to_owned(),
        }
    }

    pub(super) fn unreadable(path: &str, error: &std::io::Error) -> Error {
        Error::Set {
            code: "config.invalid",
            message: format!("cannot read {path}: {error}"),
            help: format!("make {path} readable, or remove it"),
        }
    }

    /// No set has the version, or several have.
    pub(super) fn no_such_version(version: &str, found: usize) -> Error {
        let (message, help) = match found {
            0 => (format!("there is no migration {version}"), "`migd check --all` lists the versions"),
            _ => (format!("several sets have a migration {version}"), "name one with --set"),
        };
        Error::Set { code: "config.no-sets", message, help: help.to_owned() }
    }

    /// Files that are no scenarios of any set.
    pub fn no_such_scenario(path: &str, folders: &[&str]) -> Error {
        Error::Set {
            code: "config.no-sets",
            message: format!("{path} is no scenario of this repository"),
            help: format!("scenarios end in .slt and lie in: {}", folders.join(", ")),
        }
    }

    pub(super) fn unknown_set(name: &str, known: &[&str]) -> Error {
        let help = if known.is_empty() { "the repository has no set".to_owned() } else { known.join(", ") };
        Error::Set {
            code: "config.no-sets",
            message: format!("there is no migration set called `{name}`"),
            help: format!("the sets are: {help}"),
        }
    }

    pub(super) fn unknown_layout(name: &str) -> Error {
        let known: Vec<&str> = crate::layout::LAYOUTS.iter().map(|layout| layout.name()).collect();
        Error::Set {
            code: "config.layout",
            message: format!("there is no layout called `{name}`"),
            help: format!("the layouts are: {}", known.join(", ")),
        }
    }

    pub(super) fn no_layout(path: &str) -> Error {
        let known: Vec<&str> = crate::layout::LAYOUTS.iter().map(|layout| layout.name()).collect();
        Error::Set {
            code: "config.layout",
            message: format!("the files in `{path}` look like no layout that migd knows"),
            help: format!("state one in migd.toml (`layout = \"…\"`): {}", known.join(", ")),
        }
    }

    pub(super) fn no_setup_file(path: &str) -> Error {
        Error::Set {
            code: "config.invalid",
            message: format!("the setup file `{path}` cannot be read as UTF-8 text, or is too large"),
            help: "check `setup_sql` in migd.toml: paths are relative to the repository".to_owned(),
        }
    }
}
