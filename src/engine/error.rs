//! Why there is no engine, with a way out.

/// What an engine could not do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    help: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of [`Error`], each with a code of the `engine.*` family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No server programs, or no container engine that answers.
    NotFound,
    /// The server did not start.
    Start,
    /// The server's major version is too old to be used.
    Version,
    /// Superuser rights were asked for where they are not given, or are there where they must not be.
    Superuser,
    /// A setting that would break what migd promises, or none that PostgreSQL has.
    Settings,
    /// The server does not answer.
    Connect,
    /// Another process has this owner's engine.
    Busy,
    /// A folder cannot be used.
    Folder,
    /// The image cannot be had.
    Image,
    /// The connection would have to be encrypted.
    Tls,
    /// The role may not make databases.
    Role,
}

impl ErrorKind {
    /// The finding code.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "engine.not-found",
            ErrorKind::Start => "engine.start",
            ErrorKind::Version => "engine.version",
            ErrorKind::Superuser => "engine.superuser",
            ErrorKind::Settings => "engine.settings",
            ErrorKind::Connect => "engine.connect",
            ErrorKind::Busy => "engine.busy",
            ErrorKind::Folder => "engine.folder",
            ErrorKind::Image => "engine.image",
            ErrorKind::Tls => "engine.tls",
            ErrorKind::Role => "engine.role",
        }
    }
}

impl Error {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>, help: impl Into<String>) -> Self {
        Error { kind, message: message.into(), help: help.into(), source: None }
    }

    pub(super) fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// A folder or file that could not be used: `what` was tried on `path`.
    pub(super) fn io(what: &str, path: &std::path::Path, source: std::io::Error) -> Self {
        let message = format!("cannot {what} {}: {source}", path.display());
        Error::new(ErrorKind::Folder, message, "check its permissions and the free space").because(source)
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The finding code, as in `engine.not-found`.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// What to do about it, in one line; may be empty.
    pub fn help(&self) -> &str {
        &self.help
    }
}
