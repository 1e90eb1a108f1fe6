//! Why the hooks cannot be changed, and what to do about it.

use std::path::PathBuf;

/// Why the hooks cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository cannot be read.
    #[error(transparent)]
    Repo(#[from] crate::repo::Error),
    /// Nothing is ever committed from a bare repository.
    #[error("{} is a bare repository: nothing is committed in it", .0.display())]
    Bare(PathBuf),
    /// The program's path cannot be written into a hook.
    #[error("`{}` is no path that a hook could call", .0.display())]
    Program(PathBuf),
    /// The block's end marker was lost.
    #[error("{} has the first line of migd's block without its last", .0.display())]
    Unended(PathBuf),
    /// A hook has to be moved aside, and something is there already.
    #[error("{} is in the way: an earlier hook was kept there", .0.display())]
    Taken(PathBuf),
    /// The hook was to be a program, and has to run somebody's commands too.
    #[error("{} has commands besides migd's, which only a script can run", .0.display())]
    Company(PathBuf),
    /// The program does not say that it can be a hook of its own.
    #[error("a copy of {} cannot be the hook: it does not run, or is of another version than this migd", .0.display())]
    NoCopy(PathBuf),
    /// The program needs libraries that may be missing elsewhere.
    #[error("a copy of {} would need the libraries of this machine", .0.display())]
    Dynamic(PathBuf),
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Error::Repo(error) => error.help(),
            Error::Bare(_) => "run migd in a clone that has a work tree".to_owned(),
            Error::Program(_) => "install migd under an absolute path without line breaks".to_owned(),
            Error::Unended(path) => {
                format!("delete migd's lines, from `# >>> migd >>>` on, from {}, and try again", path.display())
            }
            Error::Taken(path) => format!("delete or rename {}, and try again", path.display()),
            Error::Company(_) | Error::NoCopy(_) | Error::Dynamic(_) => "`migd hook install --form script`".to_owned(),
            Error::Io { path, .. } => format!("make {} readable and writable for you", path.display()),
        }
    }
}
