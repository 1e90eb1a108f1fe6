//! The warm engines: one for each engine configuration in use, started when needed, stopped when idle.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::servers;
use crate::config::Config;
use crate::engine::pace::Pace;
use crate::engine::{self, Environment, Place, Progress};
use crate::judge::{self, Bench, Error, Server, Verdicts};
use crate::pool::{Pool, Study};
use crate::wire::env;

/// How many servers run at once; the least recently used is stopped for a new one.
const MAX_ENGINES: usize = 3;

/// The servers.
pub(super) struct Engines {
    place: Place,
    /// Without a daemon: a server for this process only.
    alone: bool,
    verdicts: Arc<Verdicts>,
    pace: Arc<Pace>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    /// This process is about to end: a judgement that has lost its server gets no other.
    stopped: AtomicBool,
}

/// One engine configuration, with its server or without.
struct Slot {
    config: crate::config::Engine,
    /// Where its server is; every configuration has a cluster of its own.
    place: Place,
    /// Its server is this process's alone, in one of several places.
    alone: bool,
    bench: Arc<tokio::sync::Mutex<Option<Arc<Bench>>>>,
    seen: Mutex<Seen>,
}

/// When a slot was last used, and how long it may rest.
#[derive(Clone, Copy)]
struct Seen {
    used: Instant,
    rest: Duration,
    running: bool,
}

impl Engines {
    pub(super) fn new(place: Place, alone: bool, verdicts: Arc<Verdicts>, pace: Arc<Pace>) -> Engines {
        Engines { place, alone, verdicts, pace, slots: Mutex::default(), stopped: AtomicBool::new(false) }
    }

    /// The verdicts of all servers.
    pub(super) fn verdicts(&self) -> &Arc<Verdicts> {
        &self.verdicts
    }

    /// What serves `config`: the server that runs, else the one that ran last if it can be believed to come again. Starts
    /// nothing.
    pub(super) fn server(&self, config: &Config) -> Option<Server> {
        match self.warm(config) {
            Some(bench) => Some(Server::of(bench.pool().engine().info())),
            None => servers::recall(&self.place.state, &name(&config.engine)),
        }
    }

    /// The server for `config`, if it runs. Starts nothing, and does not look whether it is still there.
    pub(super) fn warm(&self, config: &Config) -> Option<Arc<Bench>> {
        let slot = self.lock().get(&name(&config.engine)).cloned()?;
        slot.bench.try_lock().ok()?.clone()
    }

    /// A running server for `config`, started if there is none.
    pub(super) async fn bench(&self, config: &Config, progress: &Progress) -> Result<Arc<Bench>, Error> {
        let slot = self.slot(config);
        self.make_room(&slot).await;
        let mut held = Arc::clone(&slot.bench).lock_owned().await;
        if self.stopped.load(Ordering::SeqCst) {
            return Err(Error::Lost("migd is about to end".to_owned()));
        }
        if let Some(bench) = &*held
            && bench.pool().engine().alive().await
        {
            slot.touch(config.daemon.engine_idle, true);
            return Ok(Arc::clone(bench));
        }
        let (daemon, progress) = (config.daemon.clone(), Arc::clone(progress));
        let (verdicts, pace) = (Arc::clone(&self.verdicts), Arc::clone(&self.pace));
        // To its end, whoever has gone meanwhile: half a start would leave a server that nobody has.
        let start = async move {
            if let Some(bench) = held.take() {
                tracing::warn!("the server is gone, starting another");
                bench.pool().engine().stop().await;
            }
            let pool = slot.start(daemon.clones, pace, verdicts.build(), &progress).await?;
            let bench = Arc::new(Bench::new(pool, verdicts));
            *held = Some(Arc::clone(&bench));
            slot.touch(daemon.engine_idle, true);
            Ok(bench)
        };
        let started = tokio::spawn(start).await;
        started.unwrap_or_else(|broken| Err(Error::Lost(format!("the server's start broke off: {broken}"))))
    }

    /// What each engine that `config` allows needs. Starts nothing.
    pub(super) async fn probe(&self, config: &crate::config::Engine) -> Vec<engine::ProbeLine> {
        engine::probe(config, &place_of(&self.place, config)).await
    }

    /// Whether the daemon's server of `config` could be started, no other process having it.
    pub(super) fn free(&self, config: &crate::config::Engine) -> Result<(), engine::Error> {
        engine::free(&place_of(&self.place, config))
    }

    /// Starts a server as a judgement would, beside whatever runs, and stops it. What it was.
    pub(super) async fn trial(&self, config: &crate::config::Engine) -> Result<String, engine::Error> {
        let quiet: Progress = Arc::new(|_| {});
        let started = Instant::now();
        let engine = engine::start_once(config, &self.place, &quiet).await?;
        let took = started.elapsed();
        let info = engine.info();
        let place = if info.tmpfs { ", its data in memory" } else { "" };
        let what = format!("PostgreSQL {} ({}{place}) in {:.1} s", info.version, info.kind, took.as_secs_f64());
        engine.stop().await;
        Ok(what)
    }

    /// Forgets a server that was lost, unless another has taken its place.
    pub(super) async fn lost(&self, config: &Config, bench: &Arc<Bench>) {
        let slot = self.slot(config);
        let mut held = slot.bench.lock().await;
        if held.as_ref().is_some_and(|current| Arc::ptr_eq(current, bench)) {
            *held = None;
            slot.touch(config.daemon.engine_idle, false);
            bench.pool().engine().stop().await;
        }
    }

    /// The servers that run now. One that is being started is left out.
    pub(super) fn running(&self) -> Vec<Arc<Bench>> {
        let slots: Vec<Arc<Slot>> = self.lock().values().cloned().collect();
        slots.iter().filter_map(|slot| slot.bench.try_lock().ok()?.clone()).collect()
    }

    /// Stops every server that has rested long enough. When the next one will have; none when none runs.
    pub(super) async fn rest(&self) -> Option<Instant> {
        let slots: Vec<Arc<Slot>> = self.lock().values().cloned().collect();
        let mut next = None;
        for slot in slots {
            let seen = slot.seen();
            if !seen.running {
                continue;
            }
            if slot.is_busy() {
                slot.touch(seen.rest, true);
            }
            let due = slot.seen().used + seen.rest;
            if due <= Instant::now() {
                tracing::info!("the server has had nothing to do, stopping it");
                slot.stop(self.verdicts.build()).await;
            } else {
                next = Some(next.map_or(due, |other: Instant| other.min(due)));
            }
        }
        next
    }

    /// Stops all servers.
    pub(super) async fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let slots: Vec<Arc<Slot>> = self.lock().drain().map(|(_, slot)| slot).collect();
        for slot in slots {
            slot.stop(self.verdicts.build()).await;
        }
    }

    /// Stops the least recently used server that nobody works with when all places are taken by others than `wanted`.
    async fn make_room(&self, wanted: &Arc<Slot>) {
        let mut running: Vec<Arc<Slot>> =
            self.lock().values().filter(|slot| slot.seen().running && !Arc::ptr_eq(slot, wanted)).cloned().collect();
        running.sort_by_key(|slot| slot.seen().used);
        let excess = (running.len() + 1).saturating_sub(MAX_ENGINES);
        for slot in running.into_iter().filter(|slot| !slot.is_busy()).take(excess) {
            slot.stop(self.verdicts.build()).await;
        }
    }

    fn slot(&self, config: &Config) -> Arc<Slot> {
        let key = name(&config.engine);
        let mut slots = self.lock();
        let place = || if self.alone { self.place.clone() } else { place_of(&self.place, &config.engine) };
        let slot = slots.entry(key).or_insert_with(|| {
            Arc::new(Slot {
                config: config.engine.clone(),
                place: place(),
                alone: self.alone,
                bench: Arc::default(),
                seen: Mutex::new(Seen { used: Instant::now(), rest: config.daemon.engine_idle, running: false }),
            })
        });
        Arc::clone(slot)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the daemon's server of this configuration is.
fn place_of(place: &Place, config: &crate::config::Engine) -> Place {
    let owner = format!("{}{}", place.owner, &blake3::hash(name(config).as_bytes()).to_hex()[..6]);
    Place { owner, ..place.clone() }
}

/// Tells engine configurations apart.
fn name(config: &crate::config::Engine) -> String {
    format!("{config:?}")
}

/// What engines may know of this process's environment.
pub(super) fn environment() -> Environment {
    Environment {
        path: env::var_os("PATH"),
        home: env::var_os("HOME").map(Into::into),
        xdg_runtime_dir: env::var_os("XDG_RUNTIME_DIR").map(Into::into),
        docker_host: env::var("DOCKER_HOST").or_else(|| env::var("CONTAINER_HOST")),
        docker_context: env::var("DOCKER_CONTEXT"),
        docker_config: env::var_os("DOCKER_CONFIG").map(Into::into),
        docker_cert_path: env::var_os("DOCKER_CERT_PATH").map(Into::into),
        docker_tls_verify: env::var("DOCKER_TLS_VERIFY").is_some(),
    }
}

impl Slot {
    fn touch(&self, rest: Duration, running: bool) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen { used: Instant::now(), rest, running };
    }

    /// Whether somebody works with the server, or is just starting one.
    fn is_busy(&self) -> bool {
        match self.bench.try_lock() {
            Ok(bench) => bench.as_ref().is_some_and(|bench| Arc::strong_count(bench) > 1),
            Err(_) => true,
        }
    }

    fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a server, with what is known of its databases.
    async fn start(
        &self,
        clones: usize,
        pace: Arc<Pace>,
        build: &str,
        progress: &Progress,
    ) -> Result<Arc<Pool>, Error> {
        let started = Instant::now();
        let engine = match self.alone {
            true => engine::start_once(&self.config, &self.place, progress).await?,
            false => engine::start(&self.config, &self.place, progress).await?,
        };
        let info = engine.info();
        tracing::info!(kind = info.kind, version = info.version, ms = started.elapsed().as_millis(), "engine started");
        let adopted = info.adopted || info.shared;
        servers::remember(&self.place.state, &name(&self.config), &Server::of(info));
        let study: Study = Box::new(|lease| Box::pin(judge::study(lease)));
        let contents = engine.contents();
        let pool = Pool::studied(engine, clones, pace, study);
        let known = match contents {
            Some(contents) => pool.restore(&contents, build).await,
            None if adopted => pool.sweep().await,
            None => Ok(()),
        };
        if known.is_err() {
            // Nobody has it, and nobody would stop it.
            pool.engine().stop().await;
        }
        known.map(|()| pool).map_err(Error::from)
    }

    /// Stops the server, if there is one, and puts it away.
    async fn stop(self: &Arc<Self>, build: &str) {
        // Until the server is gone: whoever wants the next one waits for that.
        let mut held = Arc::clone(&self.bench).lock_owned().await;
        let (slot, build) = (Arc::clone(self), build.to_owned());
        // To its end, whatever else the caller turns to: the next server is not to find this one half put away.
        let stop = async move {
            slot.seen.lock().unwrap_or_else(PoisonError::into_inner).running = false;
            if let Some(bench) = held.take() {
                let pool = bench.pool();
                match slot.alone {
                    true => pool.engine().stop().await,
                    false => pool.engine().put_away(pool.keep(&build).await).await,
                }
            }
            if !slot.alone {
                engine::forsake(&slot.place).await;
            }
        };
        if let Err(error) = tokio::spawn(stop).await {
            tracing::error!(%error, "stopping a server broke off");
        }
    }
}
