//! Measures migd side by side with what people use instead, in one run on one machine: `cargo bench --bench speed`.
//!
//! `-- --help` lists the options. Everything runs in folders of its own, with a daemon of its own; a tool that is not
//! installed is skipped, and said.

mod chain;
mod measure;
mod report;
mod rivals;
mod sandbox;
mod stats;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;

use chain::Set;
use report::Report;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Measures migd beside psql, sqlx, squawk and eugene
#[derive(Debug, Parser)]
#[command(name = "speed")]
struct Options {
    /// How many samples of each commit and verdict
    #[arg(long, default_value_t = 60)]
    runs: usize,
    /// Lengths of the generated chains
    #[arg(long, value_delimiter = ',', default_value = "10,100,500")]
    sizes: Vec<usize>,
    /// Measure on this folder of migrations instead of generated chains; may be given several times
    #[arg(long, value_name = "DIR")]
    folder: Vec<PathBuf>,
    /// The layout of the folders
    #[arg(long, value_name = "NAME", default_value = "sqlx")]
    layout: String,
    /// Measure a new migration only: with a clone ready, without, and as the first verdict of all
    #[arg(long)]
    brief: bool,
    /// Judge every migration with `migd check --all` too
    #[arg(long)]
    all: bool,
    /// Write docs/performance.md
    #[arg(long)]
    write: bool,
    /// Measure these binaries, `migd` with `migd-hook` beside it, instead of those built with this program: a release
    /// build, whose sizes are then told too
    #[arg(long, value_name = "FILE")]
    migd: Option<PathBuf>,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let migd = options.migd.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_migd"))).canonicalize()?;
    let mut sets = Vec::new();
    for folder in &options.folder {
        sets.push(Set::of_folder(folder, &options.layout)?);
    }
    if sets.is_empty() {
        sets = options.sizes.iter().map(|size| Set::generated(*size)).collect::<Result<_>>()?;
    }
    let mut report = Report::new(&migd, options.migd.is_some())?;
    for set in &sets {
        eprintln!("{}", set.name);
        measure::all(&migd, set, &options, &mut report)?;
    }
    print!("{}", report.text());
    if options.write {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
        std::fs::write(&path, report.markdown())?;
        eprintln!("written: {}", path.display());
    }
    Ok(())
}
