//! Why a repository cannot be read: each with its code, and what to do about it.

use std::path::PathBuf;

/// Why a repository cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none.
    #[error("{} is not inside a git repository", .0.display())]
    NotARepository(PathBuf),
    /// It has no work tree.
    #[error("{} is a bare repository: nothing can be staged in it", .0.display())]
    Bare(PathBuf),
    /// It belongs to somebody else.
    #[error("{} belongs to another user", .0.display())]
    Owner(PathBuf),
    /// The index has conflicts.
    #[error("the index has unmerged files: {}", .0.join(", "))]
    Conflicted(Vec<String>),
    /// The index that was stated is not there, as when the commit that it was made for has ended.
    #[error("the index {} is gone", .0.display())]
    IndexGone(PathBuf),
    /// The index, or another part of git's own files, cannot be read.
    #[error("git's files cannot be read: {0}")]
    Unreadable(String),
    /// A file of the work tree cannot be read.
    #[error("{0} cannot be read: {1}")]
    File(String, std::io::Error),
    /// There is no such revision.
    #[error("there is no commit called `{0}`")]
    Revision(String),
    /// The stated upstream shares nothing with HEAD.
    #[error("HEAD and `{0}` have no commit in common")]
    Unrelated(String),
    /// The git program cannot be run.
    #[error("the git program cannot be run: {0}")]
    NoProgram(std::io::Error),
    /// libgit2 does not know this format; the program is asked instead.
    #[error("a format that only the git program reads")]
    Unsupported,
}

impl Error {
    /// The finding code that names it.
    pub fn code(&self) -> &'static str {
        match self {
            Error::NotARepository(_) => "config.not-a-repository",
            Error::Bare(_) => "config.bare",
            Error::Conflicted(_) => "config.conflicted-index",
            Error::Owner(_) | Error::IndexGone(_) | Error::Unreadable(_) | Error::NoProgram(_) | Error::Unsupported => {
                "config.unreadable-index"
            }
            Error::Revision(_) | Error::Unrelated(_) | Error::File(..) => "config.invalid",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Error::NotARepository(_) => "change to a repository, or make one with `git init`".to_owned(),
            Error::Bare(_) => "run migd in a clone that has a work tree".to_owned(),
            Error::Owner(path) => {
                format!("if you trust it: `git config --global --add safe.directory '{}'`", path.display())
            }
            Error::Conflicted(_) => "resolve the conflicts and `git add` the files".to_owned(),
            Error::IndexGone(_) => "start the commit again; GIT_INDEX_FILE names the index".to_owned(),
            Error::Unreadable(_) | Error::Unsupported => {
                "`git status` shows whether git itself can read them".to_owned()
            }
            Error::File(..) => "let your user read it, or move it out of the set".to_owned(),
            Error::Revision(_) => {
                "see `git branch --all`; `history.upstream` in migd.toml names the upstream".to_owned()
            }
            Error::Unrelated(_) => {
                "in a shallow clone: `git fetch --unshallow`; `history.upstream` in migd.toml names the upstream"
                    .to_owned()
            }
            Error::NoProgram(_) => "install git, and have it on PATH".to_owned(),
        }
    }
}
