//! What is measured, in which order.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use migd::daemon::status::memory_of;
use migd::verdict::Verdict;

use crate::chain::Set;
use crate::report::{Report, Row, SESSION, Target};
use crate::rivals::{Server, Tool};
use crate::sandbox::{Hooks, Sandbox, Wanted};
use crate::stats::{Figures, Samples};
use crate::{Options, Result};

/// How often is measured what takes seconds where the chain is long.
const SLOW_ROUNDS: usize = 3;

/// The steps of the verdict on one new migration, by name.
type Steps = BTreeMap<String, Samples>;

pub(crate) fn all(migd: &Path, set: &Set, options: &Options, report: &mut Report) -> Result<()> {
    let sandbox = Sandbox::new(migd, set)?;
    let rows = &mut Rows { set, report };
    sandbox.stage_new(rows.set)?;
    sandbox.check("--staged")?;
    sandbox.unstage()?;
    sandbox.settle()?;
    if !options.brief {
        commits(&sandbox, options, rows)?;
    }
    new_migration(&sandbox, options, rows)?;
    if options.brief {
        return cold(&sandbox, options, rows);
    }
    if options.all {
        whole_history(&sandbox, set, rows)?;
    }
    memory(&sandbox, rows)?;
    rebuild(&sandbox, options, rows)?;
    sandbox.configure(&set.layout, Wanted { rows: true, ..Wanted::PLAIN })?;
    with_rows(&sandbox, options, rows)?;
    sandbox.configure(&set.layout, Wanted { rows: true, watch: true, ..Wanted::PLAIN })?;
    saving(&sandbox, options, rows)?;
    sandbox.configure(&set.layout, Wanted { watch: true, ..Wanted::PLAIN })?;
    beside_a_build(&sandbox, options, rows)?;
    cold(&sandbox, options, rows)
}

/// What a new migration waits for that finds nothing ready.
fn cold(sandbox: &Sandbox, options: &Options, rows: &mut Rows<'_>) -> Result<()> {
    sandbox.configure(&rows.set.layout, Wanted { clones: 0, ..Wanted::PLAIN })?;
    no_clone(sandbox, options, rows)?;
    sandbox.configure(&rows.set.layout, Wanted::PLAIN)?;
    first(sandbox, options, rows)
}

/// Takes the rows of one set.
struct Rows<'a> {
    set: &'a Set,
    report: &'a mut Report,
}

impl Rows<'_> {
    fn add(&mut self, what: &str, figures: impl Into<Figures>, target: Option<Target>) {
        let figures = figures.into();
        eprintln!("  {what}: {:.2} ms, p99 {:.2} ms", figures.median, figures.p99);
        self.report.add(Row { set: self.set.name.clone(), what: what.to_owned(), figures, target });
    }
}

/// Commits that touch no migration.
fn commits(sandbox: &Sandbox, options: &Options, rows: &mut Rows<'_>) -> Result<()> {
    let (mut none, mut noop, mut with) = (Samples::default(), Samples::default(), Samples::default());
    for at in 0..options.runs {
        for (samples, hooks) in [(&mut none, Hooks::None), (&mut noop, Hooks::Noop), (&mut with, Hooks::Migd)] {
            sandbox.write("readme", format!("measured {at}\n").as_bytes())?;
            sandbox.git(&["add", "readme"])?;
            samples.add(sandbox.commit(hooks)?);
            sandbox.undo()?;
        }
    }
    rows.add("`git commit`, no hook", &none, None);
    rows.add("`git commit`, a native hook that does nothing", &noop, None);
    rows.add("`git commit` with migd, no migration touched", &with, None);
    rows.add("… over the empty hook", with.over(&noop), Some(Target::median(1.0)));
    Ok(())
}

/// A new migration with clones ready: the verdict, the whole commit, and the commit of what was judged before. What they are
/// compared with commits a migration too, judged before as well, under a hook that does nothing.
fn new_migration(sandbox: &Sandbox, options: &Options, rows: &mut Rows<'_>) -> Result<()> {
    let (mut verdict, mut steps) = (Samples::default(), Steps::new());
    let (mut noop, mut cached, mut commit) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..options.runs {
        for (samples, hooks) in [(&mut noop, Hooks::Noop), (&mut cached, Hooks::Migd)] {
            sandbox.stage_new(rows.set)?;
            sandbox.settle()?;
            let (judged, _) = sandbox.check("--staged")?;
            take(&judged, &mut verdict, &mut steps)?;
            sandbox.settle()?;
            samples.add(sandbox.commit(hooks)?);
            sandbox.undo()?;
        }
        sandbox.stage_new(rows.set)?;
        sandbox.settle()?;
        commit.add(sandbox.commit(Hooks::Migd)?);
        sandbox.undo()?;
    }
    rows.add("new migration, the verdict (up, down, up)", &verdict, Some(Target { median: 10.0, p99: Some(25.0) }));
    for (step, samples) in &steps {
        rows.add(&format!("… of it {step}"), samples, None);
    }
    rows.add("`git commit` of a new migration, a native hook that does nothing", &noop, None);
    rows.add("`git commit` with a new migration", &commit, None);
    rows.add("… over the empty hook", commit.over(&noop), None);
    rows.add("`git commit` of a migration judged while editing", &cached, None);
    rows.add("… over the empty hook", cached.over(&noop), Some(Target { median: 1.0, p99: Some(2.0) }));
    Ok(())
}

/// The same with the search for rows that break it.
fn with_rows(sandbox: &Sandbox, options: &Options, rows: &mut Rows<'_>) -> Result<()> {
    let (mut verdict, mut steps) = (Samples::default(), Steps::new());
    for at in 0..=options.runs / 2 {
        sandbox.stage_new(rows.set)?;
        sandbox.settle()?;
        let (judged, _) = sandbox.check("--staged")?;
        if at > 0 {
            take(&judged, &mut verdict, &mut steps)?;
        }
        sandbox.unstage()?;
    }
    rows.add("new migration, the verdict with generated rows", &verdict, Some(Target::median(50.0)));
    if let Some(samples) = steps.get("rows") {
        rows.add("… of it rows", samples, None);
    }
    Ok(())
}

/// From a file saved in the work tree to its verdict in `migd watch`, rows included; and the commit that follows at once.
fn saving(sandbox: &Sandbox, options: &Options, rows: &mut Rows<'_>) -> Result<()> {
    let watch = sandbox.watch()?;
    let (mut saved, mut noop, mut with) = (Samples::default(), Samples::default(), Samples::default());
    // The first save finds the clones of another configuration.
    for at in 0..=options.runs / 2 {
        sandbox.settle()?;
        // What the background looks at once more when nothing has changed for a while.
        std::thread::sleep(Duration::from_millis(1200));
        watch.drain();
        let started = Instant::now();
        sandbox.save_new(rows.set)?;
        watch.verdict()?;
        if at > 0 {
            saved.add(started.elapsed());
        }
        sandbox.git(&["add", "migrations"])?;
        let (samples, hooks) = if at % 2 == 0 { (&mut with, Hooks::Migd) } else { (&mut noop, Hooks::Noop) };
        let took = sandbox.commit(hooks)?;
        if at > 0 {
            samples.add(took);
        }
        sandbox.undo()?;
    }
    rows.add("a file saved: its verdict in `migd watch`, with generated rows", &saved, Some(Target::median(100.0)));
    rows.add("staged and committed at once, a native hook that does nothing", &noop, None);
    rows.add("staged and committed at once, with migd", &with, None);
    rows.add("… over the empty hook", with.over(&noop), Some(Target { median: 1.0, p99: Some(2.0) }));
    drop(watch);
    sandbox.unstage()?;
    sandbox.git(&["clean", "--quiet", "-fd", "migrations"])
}

/// Commits that touch no migration while the background builds a chain that takes seconds, with an empty hook and with migd's
/// in turn.
fn beside_a_build(sandbox: &Sandbox, options: &Options, rows: &mut Rows<'_>) -> Result<()> {
    let watch = sandbox.watch()?;
    let (mut noop, mut with) = (Samples::default(), Samples::default());
    for round in 0..options.runs {
        if with.len() >= options.runs {
            break;
        }
        let Some(files) = rows.set.long_migration(round) else { break };
        for (path, text) in files {
            sandbox.write(&format!("migrations/{path}"), text.as_bytes())?;
        }
        sandbox.git(&["add", "migrations"])?;
        sandbox.git(&["commit", "--quiet", "--no-verify", "-m", "long"])?;
        sandbox.save_new(rows.set)?;
        watch.step("chain")?;
        // What is being built is this chain from here on, and no template before it.
        std::thread::sleep(Duration::from_millis(300));
        while with.len() < options.runs {
            let mut pair = Vec::new();
            for hooks in [Hooks::Noop, Hooks::Migd] {
                sandbox.write("readme", format!("measured {round} {}\n", with.len()).as_bytes())?;
                sandbox.git(&["add", "readme"])?;
                pair.push(sandbox.commit(hooks)?);
                sandbox.undo()?;
                // The background rests for some time after a commit: it is to be at work when the next one comes.
                std::thread::sleep(Duration::from_millis(100));
            }
            if watch.came_to_a_verdict() {
                break;
            }
            noop.add(pair[0]);
            with.add(pair[1]);
        }
        sandbox.git(&["reset", "--quiet", "--hard", "HEAD~1"])?;
        sandbox.git(&["clean", "--quiet", "-fd", "migrations"])?;
    }
    if with.is_empty() {
        rows.report.skip("commits beside a chain that is built (this layout has no long migration)");
        return Ok(());
    }
    rows.add("`git commit` while a chain is built, a native hook that does nothing", &noop, None);
    rows.add("`git commit` while a chain is built, with migd, no migration touched", &with, None);
    rows.add("… over the empty hook", with.over(&noop), Some(Target::median(1.0)));
    Ok(())
}

/// Adds up the steps of one verdict, which must be one that was not kept and that judged a migration.
fn take(one: &Verdict, verdict: &mut Samples, steps: &mut Steps) -> Result<()> {
    if one.cached || one.migrations.is_empty() {
        return Err(format!("not what was to be measured: {:?}", one.findings).into());
    }
    verdict.add_ms(one.elapsed_ms);
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for timing in &one.timings {
        *sums.entry(&timing.step).or_default() += timing.ms;
    }
    for (step, ms) in sums {
        steps.entry(step.to_owned()).or_default().add_ms(ms);
    }
    Ok(())
}

fn no_clone(sandbox: &Sandbox, options: &Options, rows: &mut Rows<'_>) -> Result<()> {
    sandbox.stop()?;
    let (mut verdict, mut steps) = (Samples::default(), Steps::new());
    for at in 0..=options.runs / 2 {
        sandbox.stage_new(rows.set)?;
        let (judged, _) = sandbox.check("--staged")?;
        // The first one starts the daemon and builds the chain.
        if at > 0 {
            take(&judged, &mut verdict, &mut steps)?;
        }
        sandbox.settle()?;
        sandbox.unstage()?;
    }
    rows.add("new migration, no clone ready", &verdict, Some(Target::median(25.0)));
    for (step, samples) in &steps {
        rows.add(&format!("… of it {step}"), samples, None);
    }
    Ok(())
}

/// An early file changes, and the chain is built anew; beside it, what people run instead.
fn rebuild(sandbox: &Sandbox, options: &Options, rows: &mut Rows<'_>) -> Result<()> {
    let status = sandbox.status()?;
    let engine = status.engines.first().ok_or("the daemon has no server")?;
    let server = match engine.pid {
        Some(pid) => Server::of(pid, Path::new(&engine.source))?,
        None => None,
    };
    let rounds = (options.runs / 8).clamp(3, 10);
    let (mut rebuilt, mut steps) = (Samples::default(), Steps::new());
    let (mut session, mut files) = (Samples::default(), Samples::default());
    for at in 0..rounds {
        sandbox.settle()?;
        if let Some(server) = &server {
            session.add(server.one_session(sandbox, rows.set)?);
            // A chain of hundreds takes seconds this way.
            if at < SLOW_ROUNDS {
                files.add(server.per_file(sandbox, rows.set)?);
            }
        }
        sandbox.stage_edit(rows.set, at)?;
        let (judged, _) = sandbox.check("--staged")?;
        take(&judged, &mut rebuilt, &mut steps)?;
        sandbox.unstage()?;
    }
    let target = (!session.is_empty()).then(|| Target::median(1.3 * session.median()));
    rows.add("an early file changed: verdict on the whole chain", &rebuilt, target);
    if server.is_some() {
        rows.add(SESSION, &session, None);
        rows.add("a fresh database and one `psql` per file", &files, None);
    } else {
        rows.report.skip("psql (not installed)");
    }
    sandbox.settle()?;
    others(sandbox, server.as_ref(), rounds, rows)
}

/// Tools of others, where they are installed, on the server that the daemon has at that moment.
fn others(sandbox: &Sandbox, server: Option<&Server>, rounds: usize, rows: &mut Rows<'_>) -> Result<()> {
    let times = |rounds: usize, run: &dyn Fn() -> Result<Duration>| {
        let mut samples = Samples::default();
        (0..rounds).try_for_each(|_| run().map(|took| samples.add(took))).map(|()| samples)
    };
    for name in ["sqlx", "squawk", "eugene"] {
        let Some(tool) = Tool::find(name)? else {
            rows.report.skip(&format!("{name} (not installed)"));
            continue;
        };
        let version = &tool.version;
        let measured = match (name, server) {
            ("sqlx", Some(server)) if rows.set.layout == "sqlx" => {
                vec![(
                    format!("`sqlx database reset` ({version})"),
                    times(SLOW_ROUNDS, &|| server.sqlx(sandbox, &tool)),
                )]
            }
            ("sqlx", _) => {
                rows.report.skip(&format!("`sqlx database reset` on {} (another layout, or no psql)", rows.set.name));
                continue;
            }
            ("squawk", _) => {
                vec![(format!("`squawk` on the new file ({version})"), times(rounds, &|| tool.squawk(sandbox)))]
            }
            (_, server) => {
                let lint = (
                    format!("`eugene lint` on the new file ({version})"),
                    times(rounds, &|| tool.eugene_lint(sandbox)),
                );
                let trace = server.map(|server| server.traces(sandbox, &tool, rows.set, rounds));
                let trace = trace.map(|samples| {
                    (format!("`eugene trace` on the new file, a database that has the chain ({version})"), samples)
                });
                std::iter::once(lint).chain(trace).collect()
            }
        };
        for (what, samples) in measured {
            match samples {
                Ok(samples) => rows.add(&what, &samples, None),
                Err(error) => rows.report.skip(&format!("{what}: {error}")),
            }
        }
    }
    Ok(())
}

/// From nothing: no daemon, no server, with and without the cluster that was put away the last time.
fn first(sandbox: &Sandbox, options: &Options, rows: &mut Rows<'_>) -> Result<()> {
    let (mut fresh, mut kept) = (Samples::default(), Samples::default());
    let (mut verdict, mut fresh_steps, mut kept_steps) = (Samples::default(), Steps::new(), Steps::new());
    for _ in 0..(options.runs / 12).clamp(3, 8) {
        sandbox.stage_new(rows.set)?;
        sandbox.stop()?;
        sandbox.forget()?;
        let (judged, took) = sandbox.check("--staged")?;
        take(&judged, &mut verdict, &mut fresh_steps)?;
        fresh.add(took);
        sandbox.settle()?;
        sandbox.stop()?;
        sandbox.stage_new(rows.set)?;
        let (judged, took) = sandbox.check("--staged")?;
        take(&judged, &mut verdict, &mut kept_steps)?;
        kept.add(took);
        sandbox.settle()?;
    }
    // Without a cluster the chain has to be built: the target is that of a short one.
    let short = rows.set.migrations.len() <= 10;
    for (what, samples, steps, target) in [
        ("first verdict of all, no cluster kept", &fresh, &fresh_steps, short.then_some(650.0)),
        ("first verdict of all, with the kept cluster", &kept, &kept_steps, Some(80.0)),
    ] {
        rows.add(what, samples, target.map(Target::median));
        for (step, of) in ["plan", "chain", "lease", "compare"].iter().filter_map(|step| steps.get_key_value(*step)) {
            let step = if step == "plan" { "starting the server" } else { step };
            rows.add(&format!("… of it {step}"), of, None);
        }
    }
    sandbox.unstage()
}

fn whole_history(sandbox: &Sandbox, set: &Set, rows: &mut Rows<'_>) -> Result<()> {
    let started = Instant::now();
    let (judged, _) = sandbox.check("--all")?;
    let took = started.elapsed();
    let count = judged.migrations.len();
    let mut each = Samples::default();
    each.add_ms(took.as_secs_f64() * 1000.0 / count.max(1) as f64);
    let what = format!("`migd check --all`, each of {count} migrations of {}", set.migrations.len());
    rows.add(&what, &each, Some(Target::median(25.0)));
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for timing in &judged.timings {
        *sums.entry(&timing.step).or_default() += timing.ms;
    }
    for (step, ms) in sums {
        let mut each = Samples::default();
        each.add_ms(ms / count.max(1) as f64);
        rows.add(&format!("… of it {step}"), &each, None);
    }
    sandbox.settle()
}

/// What stays in memory while nothing is judged.
fn memory(sandbox: &Sandbox, rows: &mut Rows<'_>) -> Result<()> {
    let status = sandbox.status()?;
    // The daemon looks every ten seconds whether it has rested. It is not asked: answering takes memory, too.
    std::thread::sleep(Duration::from_secs(25));
    let name = rows.set.name.clone();
    let daemon = memory_of(status.pid).unwrap_or(0) as f64 / 1e6;
    rows.report.figure(&name, "daemon at rest, resident", daemon, "MB", Some(15.0));
    if let Some(pid) = status.engines.first().and_then(|engine| engine.pid) {
        let sum: u64 = std::iter::once(pid).chain(children(pid)?).filter_map(pss).sum();
        rows.report.figure(&name, "PostgreSQL at rest, its share of memory", sum as f64 / 1e6, "MB", Some(100.0));
    }
    Ok(())
}

fn children(pid: u32) -> Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text.split_whitespace().filter_map(|child| child.parse().ok()).collect())
}

/// A process's proportional share of memory, in bytes.
fn pss(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
