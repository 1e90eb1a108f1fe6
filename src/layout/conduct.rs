//! What a runner does when its files do not fit what a database has already run.

/// What a runner does about migrations that a database has, or that come before one it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conduct {
    /// About a migration that it has not run, and that comes before the newest one it has.
    pub late: Late,
    /// About one that it has run and whose text is another now.
    pub edited: Heed,
    /// About one that it has run and whose file is gone.
    pub deleted: Heed,
    /// About one that it has run and whose name, behind the version, is another now.
    pub renamed: Heed,
}

/// Whether a setting that a migration leaves in its session reaches those that the runner runs after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// They run in the same session.
    Reaches,
    /// The runner puts it back.
    Stays,
    /// It hangs on the runner's version, or the runner is not known.
    Unsure,
}

/// What becomes of a migration that comes before the newest one that a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It never runs there, and nobody is told.
    Skips,
    /// The runner stops, and runs nothing at all.
    Refuses,
    /// It runs there, after those that come behind it.
    Runs,
    /// There is no known runner.
    Unknown,
}

/// What a runner does about a file that is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heed {
    /// It stops, and runs nothing at all.
    Refuses,
    /// It says so, and goes on.
    Warns,
    /// It does not see it.
    Ignores,
}
