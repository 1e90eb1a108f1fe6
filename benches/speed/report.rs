//! The table: for the terminal and for docs/performance.md.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::stats::Figures;

/// What one `psql` session over a chain is called.
pub(crate) const SESSION: &str = "one `psql` session, an empty database there";
/// What it took over the chain of ten on the machine of docs/performance-xeon.md, in milliseconds.
const QUICKER: f64 = 13.45;

/// What DESIGN asks for, in milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) median: f64,
    pub(crate) p99: Option<f64>,
}

impl Target {
    pub(crate) fn median(median: f64) -> Target {
        Target { median, p99: None }
    }
}

/// One thing that was measured.
pub(crate) struct Row {
    pub(crate) set: String,
    pub(crate) what: String,
    pub(crate) figures: Figures,
    pub(crate) target: Option<Target>,
}

struct Figure {
    set: String,
    what: String,
    value: f64,
    unit: &'static str,
    limit: Option<f64>,
}

/// Everything that was measured.
pub(crate) struct Report {
    machine: String,
    rows: Vec<Row>,
    figures: Vec<Figure>,
    skipped: BTreeSet<String>,
}

impl Report {
    /// `shipped`: the binaries are a release as it is installed, and their sizes mean something. Those of the benchmark's
    /// own profile are several times larger.
    pub(crate) fn new(migd: &Path, shipped: bool) -> Result<Report> {
        let mut report = Report { machine: machine(), rows: Vec::new(), figures: Vec::new(), skipped: BTreeSet::new() };
        for (name, limit) in [("migd", None), ("migd-hook", Some(500.0))] {
            if shipped {
                let bytes = fs::metadata(migd.with_file_name(name))?.len() as f64;
                report.figure("", &format!("`{name}`"), bytes / 1e3, "kB", limit);
            }
        }
        if !shipped {
            report.skip("the binaries' sizes (give --migd a release build)");
        }
        Ok(report)
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn figure(&mut self, set: &str, what: &str, value: f64, unit: &'static str, limit: Option<f64>) {
        self.figures.push(Figure { set: set.to_owned(), what: what.to_owned(), value, unit, limit });
    }

    /// Says, once, what cannot be measured: a tool that is not there.
    pub(crate) fn skip(&mut self, what: &str) {
        if self.skipped.insert(what.to_owned()) {
            eprintln!("  SKIPPED: {what}");
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.machine);
        let mut set = "";
        for row in &self.rows {
            if row.set != set {
                set = &row.set;
                let _ = writeln!(
                    text,
                    "\n{set}{:>width$} {:>9} {:>9}  target",
                    "least",
                    "median",
                    "p99",
                    width = 67 - set.len()
                );
            }
            let Figures { least, median, p99, .. } = row.figures;
            let _ = writeln!(text, "  {:<56}{least:>9.2} {median:>9.2} {p99:>9.2}  {}", row.what, row.judged());
        }
        text.push('\n');
        for figure in &self.figures {
            let _ = writeln!(
                text,
                "{} {}: {:.1} {}{}",
                figure.set,
                figure.what,
                figure.value,
                figure.unit,
                figure.judged()
            );
        }
        for what in &self.skipped {
            let _ = writeln!(text, "SKIPPED: {what}");
        }
        text
    }

    /// How this machine compares with the quicker one: the targets are the same on both.
    fn pace(&self) -> Option<String> {
        let row = self.rows.iter().find(|row| row.set == "generated, 10" && row.what == SESSION)?;
        let here = row.figures.median;
        Some(format!(
            "\nThe targets are the same on every machine. One `psql` session that runs the chain of ten took {here:.1} ms here and \
             {QUICKER:.1} ms on the\nquicker machine: {:.1} times as long.\n",
            here / QUICKER
        ))
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "# Performance\n\nWritten by `cargo bench --bench speed -- --write`; see `-- --help` for measuring on your own \
             migrations.\nAn earlier build on a quicker machine: [performance-xeon.md](performance-xeon.md). Everything in \
             one table comes from one run.\nMilliseconds; the 99th percentile of fewer than a hundred samples is the \
             largest. What is over the empty hook is the difference of the\ntwo rows above.\n\n{}\n{}",
            self.machine,
            self.pace().unwrap_or_default()
        );
        let mut set = "";
        for row in &self.rows {
            if row.set != set {
                set = &row.set;
                let _ = write!(
                    text,
                    "\n## {set}\n\n| what | samples | least | median | p99 | target |\n| --- | --: | --: | --: | --: | --- |\n"
                );
            }
            let Figures { samples, least, median, p99 } = row.figures;
            let _ =
                writeln!(text, "| {} | {samples} | {least:.2} | {median:.2} | {p99:.2} | {} |", row.what, row.judged());
        }
        text.push_str("\n## Sizes and memory\n\n| chain | what | value | limit |\n| --- | --- | --: | --- |\n");
        for figure in &self.figures {
            let _ = writeln!(
                text,
                "| {} | {} | {:.1} {} | {} |",
                figure.set,
                figure.what,
                figure.value,
                figure.unit,
                figure.judged()
            );
        }
        if !self.skipped.is_empty() {
            let names: Vec<&str> = self.skipped.iter().map(String::as_str).collect();
            let _ = write!(text, "\nNot measured: {}.\n", names.join(", "));
        }
        text
    }
}

impl Row {
    fn judged(&self) -> String {
        let Some(target) = self.target else { return String::new() };
        let p99 = target.p99.map(|p99| format!(", p99 ≤ {p99:.0}")).unwrap_or_default();
        let Figures { median, p99: highest, .. } = self.figures;
        let met = median <= target.median && target.p99.is_none_or(|p99| highest <= p99);
        let word = if met { "met" } else { "**missed**" };
        format!("≤ {:.0}{p99}: {word} (×{:.2})", target.median, median / target.median)
    }
}

impl Figure {
    fn judged(&self) -> String {
        let Some(limit) = self.limit else { return String::new() };
        let word = if self.value <= limit { "met" } else { "**missed**" };
        format!(" ≤ {limit:.0}: {word}")
    }
}

/// The machine in one line, and how busy it is.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split(':').nth(1));
        line.unwrap_or("unknown").trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let gib = memory.split(' ').next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / f64::from(1 << 20);
    let load = read("/proc/loadavg");
    let git = Command::new("git").arg("--version").output().map(|out| out.stdout).unwrap_or_default();
    format!(
        "{} ({cores} cores, {gib:.0} GiB), Linux {}, {}; load when it began: {}.",
        field(&read("/proc/cpuinfo"), "model name"),
        read("/proc/sys/kernel/osrelease").trim(),
        String::from_utf8_lossy(&git).trim(),
        load.split(' ').next().unwrap_or_default()
    )
}
