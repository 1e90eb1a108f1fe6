//! The pool: templates by prefix hash, clones made ahead, leases.
//!
//! A template is a database at one prefix of a chain, with its catalog snapshot. It is never written to. A judgement gets
//! a clone of one, with its sessions open and their statements planned, and the clone is thrown away afterwards. Clones
//! are made and dropped aside, so that a judgement only waits for one when none is ready.

mod ahead;
mod databases;
mod kept;
mod notes;
mod passing;
mod roles;
mod strays;
mod warm;

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use blake3::Hash;
use tokio_postgres::Statement;

use crate::catalog::{self, Reader, Snapshot};
use crate::engine::beside::Beside;
use crate::engine::pace::Pace;
use crate::engine::session::{Session, SessionError, describe};
use crate::engine::{Engine, Role, bootstrap};
use databases::{Owner, Unclaimed};
pub use notes::Notes;
use roles::Shared;

/// How many templates are kept; the least recently used goes first. A database is 8 to 17 MB.
const MAX_TEMPLATES: usize = 24;

/// A database that every cluster has, to connect to before there is one of migd's own.
const MAINTENANCE: &str = "postgres";

/// Why a clone could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The server refused one of migd's own statements.
    #[error("the server refused to {what}: {message}")]
    Server {
        /// What was asked for.
        what: &'static str,
        /// What the server said.
        message: String,
    },
    /// The catalog could not be read.
    #[error("cannot read the catalog: {0}")]
    Catalog(#[from] catalog::Error),
}

impl Error {
    fn server(what: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Error {
        move |error| Error::Server { what, message: describe(&error) }
    }
}

/// The databases of one server.
pub struct Pool {
    engine: Arc<dyn Engine>,
    /// Makes databases, one at a time.
    maker: Admin,
    /// Drops databases, one at a time: a drop may have to wait for a session that is still leaving.
    dropper: Admin,
    state: Mutex<State>,
    /// Tells this pool's databases apart from those of one before it on the same cluster.
    run: String,
    next: AtomicU64,
    clones: usize,
    study: Study,
    /// Held while a template is made aside.
    sealing: Arc<tokio::sync::Mutex<()>>,
    /// Whether somebody waits.
    pace: Arc<Pace>,
    /// Held while a clone is made ahead: one at a time.
    ahead: tokio::sync::Mutex<()>,
    beside: Beside,
    /// Shared by what was left running in databases that were let go of.
    strays: Arc<tokio::sync::RwLock<()>>,
}

/// Finds out, aside, what a judgement on a clone will want to know of its template, and gets the clone ready for it.
pub type Study = Box<dyn for<'a> Fn(&'a Lease) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> + Send + Sync>;

/// How ready a clone's sessions are made.
#[derive(Clone, Copy)]
enum Warmth {
    /// Statements planned and caches filled: for one that is made ahead.
    Warm,
    /// As soon as possible: for one that is waited for.
    Cold,
}

/// A session of migd's own, opened again when it broke.
type Admin = tokio::sync::Mutex<Option<Session>>;

#[derive(Default)]
struct State {
    templates: HashMap<Hash, Template>,
    /// The databases that migrations own, or have owned.
    lent: HashSet<String>,
    /// The template that keeps all of its clones ready.
    foremost: Option<Hash>,
    /// Roles and settings that belong to the cluster, before any migration.
    baseline: Option<Arc<Shared>>,
    /// The templates' databases that the cluster was put away with.
    restored: HashSet<String>,
    /// The baseline, as long as roles and settings are so for certain: nobody has judged yet.
    untouched: Option<Arc<Shared>>,
}

struct Template {
    database: String,
    snapshot: Arc<Snapshot>,
    shared: Arc<Shared>,
    notes: Arc<Notes>,
    built: SystemTime,
    used: Instant,
    ready: VecDeque<Lease>,
    /// A clone that nobody has had a session in yet.
    spare: Option<String>,
    /// Clones that are being made.
    coming: usize,
    /// Nobody will want it once the chain goes on: its database may go on itself.
    passing: bool,
}

/// A database for one judgement; thrown away, aside, when it goes out of scope.
pub struct Held {
    pool: Arc<Pool>,
    lease: Option<Lease>,
}

impl std::ops::Deref for Held {
    type Target = Lease;

    fn deref(&self) -> &Lease {
        match &self.lease {
            Some(lease) => lease,
            // Only `seal` and `drop` take it out, and both end this value.
            None => unreachable!("a lease is held until it is given back"),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.pool.let_go(lease);
        }
    }
}

/// A database with its sessions.
pub struct Lease {
    /// Its name.
    pub database: String,
    /// The migrations' own session.
    pub runner: Session,
    /// The administrator's session.
    pub observer: Session,
    /// Reads the catalog through `observer`.
    pub reader: Reader,
    /// The template's snapshot; of a new database nothing is known.
    pub before: Arc<Snapshot>,
    /// What is known of the template.
    pub notes: Arc<Notes>,
    /// What was made ready in its own sessions.
    pub own: Notes,
    /// Reads roles and settings through `observer`; none in a clone that was not made ahead.
    roles: Option<Statement>,
    /// Roles and settings as the template has them.
    shared: Arc<Shared>,
    /// Whether no role and no database had a setting for `runner` when it connected.
    plain: bool,
    /// Whether the server's process behind `runner` gives way to others.
    lowered: bool,
}

/// Figures for `migd status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Figures {
    /// Templates kept.
    pub templates: usize,
    /// Clones ready.
    pub ready: usize,
}

impl Pool {
    /// The databases of `engine`, with `clones` kept ready for each template in use.
    pub fn new(engine: Arc<dyn Engine>, clones: usize) -> Arc<Pool> {
        Pool::studied(engine, clones, Arc::default(), Box::new(|_| Box::pin(async {})))
    }

    /// The same, with `study` made of every template that clones are made of ahead, as far as `pace` allows.
    pub fn studied(engine: Arc<dyn Engine>, clones: usize, pace: Arc<Pace>, study: Study) -> Arc<Pool> {
        Arc::new(Pool {
            engine,
            maker: Admin::default(),
            dropper: Admin::default(),
            state: Mutex::default(),
            run: format!("{:x}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()),
            next: AtomicU64::new(0),
            clones,
            study,
            sealing: Arc::default(),
            pace,
            ahead: tokio::sync::Mutex::default(),
            beside: Beside::default(),
            strays: Arc::default(),
        })
    }

    /// Drops what an earlier daemon left on a cluster that was taken over: its databases, and the roles made in them.
    pub async fn sweep(&self) -> Result<(), Error> {
        let info = self.engine.info();
        if !info.shared {
            // An earlier daemon that nobody finds any more may be there still, with sessions that keep a drop waiting.
            self.end_sessions().await?;
        }
        for database in self.own_databases().await? {
            self.drop_database(&database).await?;
        }
        if !info.shared {
            let own = [bootstrap::ADMIN, bootstrap::OWNER, bootstrap::APPLICATION];
            self.with(&self.dropper, async |admin| roles::sweep(admin, &own).await, "drop roles").await?;
        }
        Ok(())
    }

    /// The server.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// What goes on in its databases beside the one that is judged.
    pub fn beside(&self) -> &Beside {
        &self.beside
    }

    /// What is kept.
    pub fn figures(&self) -> Figures {
        let state = self.state();
        Figures {
            templates: state.templates.len(),
            ready: state.templates.values().map(|template| template.ready.len()).sum(),
        }
    }

    /// Whether a template is kept for this prefix.
    pub fn has(&self, prefix: &Hash) -> bool {
        self.state().templates.contains_key(prefix)
    }

    /// The schema at `prefix`, none when there is no such template.
    pub fn snapshot(&self, prefix: &Hash) -> Option<Arc<Snapshot>> {
        self.state().templates.get(prefix).map(|template| Arc::clone(&template.snapshot))
    }

    /// A clone of the template for `prefix`, none when there is no such template. Roles and settings are the template's.
    pub async fn lease(self: &Arc<Self>, prefix: &Hash) -> Result<Option<Held>, Error> {
        self.strays_gone().await;
        let (ready, untouched) = {
            let mut state = self.state();
            let untouched = state.untouched.take();
            let Some(template) = state.templates.get_mut(prefix) else { return Ok(None) };
            template.used = Instant::now();
            let mut ready = template.ready.pop_front();
            // A migration may terminate the sessions of its own role, those of waiting clones included.
            while ready.as_ref().is_some_and(|lease| lease.runner.is_closed() || lease.observer.is_closed()) {
                if let Some(lease) = ready.take() {
                    self.discard_later(lease);
                }
                ready = template.ready.pop_front();
            }
            (ready, untouched)
        };
        if let Some(lease) = ready {
            return self.arranged(lease).await.map(Some);
        }
        let Some(shared) = self.state().templates.get(prefix).map(|template| Arc::clone(&template.shared)) else {
            return Ok(None);
        };
        if !untouched.is_some_and(|baseline| baseline.same_cluster(&shared)) {
            self.arrange(&shared).await?;
        }
        let lease = self.clone_of(prefix, Warmth::Cold, Owner::Migrations).await?;
        Ok(lease.map(|lease| Held { pool: Arc::clone(self), lease: Some(lease) }))
    }

    /// A new database, empty or a clone of the template for `from`, to be migrated and then sealed.
    pub async fn open(self: &Arc<Self>, from: Option<&Hash>) -> Result<Option<Held>, Error> {
        if let Some(from) = from {
            return self.lease(from).await;
        }
        self.strays_gone().await;
        let baseline = self.baseline().await?;
        let database = self.create("template1", Owner::Migrations).await?;
        let lease = self.connect(database, None, baseline, Warmth::Cold).await?;
        Ok(Some(Held { pool: Arc::clone(self), lease: Some(lease) }))
    }

    /// Makes the database of `held` the template for `prefix`.
    pub async fn seal(self: &Arc<Self>, mut held: Held, prefix: Hash) -> Result<(), Error> {
        let shared = self.take_back(&held).await?;
        self.make_template(&mut held, shared, prefix).await
    }

    /// The same, aside, but for what the next judgement may change.
    pub async fn seal_later(self: &Arc<Self>, mut held: Held, prefix: Hash) -> Result<(), Error> {
        let shared = self.take_back(&held).await?;
        let pool = Arc::clone(self);
        let sealing = Arc::clone(&self.sealing).lock_owned().await;
        tokio::spawn(async move {
            if let Err(error) = pool.make_template(&mut held, shared, prefix).await {
                tracing::warn!(%error, "a template was not made");
            }
            drop(sealing);
        });
        Ok(())
    }

    /// Makes a database that has been migrated the administrator's again. Its roles and settings.
    async fn take_back(&self, held: &Held) -> Result<Shared, Error> {
        let observer = &held.observer;
        let back = self.owned_by(&held.database, Owner::Admin);
        let back = async {
            match back {
                Some(sql) => observer.client().batch_execute(&sql).await,
                None => Ok(()),
            }
        };
        // Sent at once.
        let (back, shared) = tokio::join!(back, roles::capture(observer));
        back.map_err(Error::server("take a database back"))?;
        shared.map_err(Error::server("read roles"))
    }

    /// Waits for templates that are being made.
    pub async fn sealed(&self) {
        drop(self.sealing.lock().await);
    }

    async fn make_template(self: &Arc<Self>, held: &mut Held, shared: Shared, prefix: Hash) -> Result<(), Error> {
        // The same as a full one, and sooner had.
        let snapshot = Arc::new(held.reader.since(held.observer.client(), &held.before).await?);
        // Not beside it: the catalog is read in a transaction that is rolled back.
        databases::keep(&held.observer).await.map_err(Error::server("write a template down"))?;
        let Some(lease) = held.lease.take() else { return Ok(()) };
        let Lease { database, runner, observer, .. } = lease;
        tokio::join!(runner.close(), observer.close());
        self.emptied(&database).await?;
        let template = Template::new(database, snapshot, Arc::new(shared), SystemTime::now());
        let replaced = self.state().templates.insert(prefix, template);
        if let Some(old) = replaced {
            self.drop_template(old);
        }
        self.evict();
        Ok(())
    }

    /// Throws a clone away, aside.
    fn discard_later(self: &Arc<Self>, lease: Lease) {
        // Without a runtime the process is ending, and the server with it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let pool = Arc::clone(self);
        runtime.spawn(async move {
            pool.pace.step().await;
            if let Err(error) = pool.discard(lease).await {
                tracing::warn!(%error, "a clone was not dropped");
            }
        });
    }

    /// Throws a clone away, and the roles that were made in it.
    async fn discard(&self, lease: Lease) -> Result<(), Error> {
        let Lease { database, runner, observer, .. } = lease;
        tokio::join!(runner.close(), observer.close());
        self.drop_database(&database).await?;
        self.drop_strangers().await?;
        let known = {
            let state = self.state();
            let templates = state.templates.values().flat_map(|template| template.shared.oids());
            templates.chain(state.baseline.iter().flat_map(|shared| shared.oids())).collect()
        };
        self.with(&self.dropper, async |admin| roles::tidy(admin, &known).await, "drop roles").await
    }

    /// Roles and settings as a clone that was made ahead wants them.
    async fn arranged(self: &Arc<Self>, lease: Lease) -> Result<Held, Error> {
        let mut held = Held { pool: Arc::clone(self), lease: Some(lease) };
        let given = self.owned_by(&held.database, Owner::Migrations);
        let give = async {
            match given {
                Some(sql) => held.observer.client().batch_execute(&sql).await,
                None => Ok(()),
            }
        };
        // Sent at once.
        let (given, arranged) =
            tokio::join!(give, roles::arrange(&held.observer, held.roles.as_ref(), &held.shared, &self.beside));
        given.map_err(Error::server("hand a database over"))?;
        if !arranged.map_err(Error::server("arrange roles"))? && held.shared.has_database_grants() {
            let granted = roles::apply_database_grants(&held.observer, &held.shared).await;
            granted.map_err(Error::server("grant what the template grants"))?;
        }
        // A session has the settings of the moment in which it connected: those of whatever was judged then.
        if (!held.plain || held.shared.has_settings())
            && let Some(lease) = &mut held.lease
        {
            lease.runner = Session::open(&self.engine.config(&lease.database, Role::Owner)).await?;
        }
        Ok(held)
    }

    /// Roles and settings as `shared` has them, before anybody connects: the judgement before may have shut the role
    /// of migrations out.
    async fn arrange(&self, shared: &Shared) -> Result<(), Error> {
        let arrange = async |admin: &Session| roles::arrange(admin, None, shared, &self.beside).await.map(drop);
        self.with(&self.maker, arrange, "arrange roles").await
    }

    async fn clone_of(self: &Arc<Self>, prefix: &Hash, warmth: Warmth, owner: Owner) -> Result<Option<Lease>, Error> {
        let found = self.state().templates.get_mut(prefix).map(|template| {
            let of = (Arc::clone(&template.snapshot), Arc::clone(&template.notes));
            (template.database.clone(), template.spare.take(), of, Arc::clone(&template.shared))
        });
        let Some((template, spare, of, shared)) = found else { return Ok(None) };
        let Some(spare) = spare else {
            let database = self.create(&template, owner).await?;
            return self.connect(database, Some(of), shared, warmth).await.map(Some);
        };
        let lease = self.connect(Unclaimed::of(self, spare), Some(of), shared, warmth).await?;
        let given = if owner == Owner::Admin { None } else { self.owned_by(&lease.database, owner) };
        if let Some(sql) = given
            && let Err(error) = lease.observer.client().batch_execute(&sql).await
        {
            self.discard_later(lease);
            return Err(Error::server("hand a database over")(error));
        }
        Ok(Some(lease))
    }

    async fn connect(
        &self,
        database: Unclaimed,
        template: Option<(Arc<Snapshot>, Arc<Notes>)>,
        shared: Arc<Shared>,
        warmth: Warmth,
    ) -> Result<Lease, Error> {
        let lease = self.sessions(database.name(), template, shared, warmth).await?;
        database.claim();
        Ok(lease)
    }

    async fn sessions(
        &self,
        database: &str,
        template: Option<(Arc<Snapshot>, Arc<Notes>)>,
        shared: Arc<Shared>,
        warmth: Warmth,
    ) -> Result<Lease, Error> {
        let (runner, observer) = (self.engine.config(database, Role::Owner), self.engine.config(database, Role::Admin));
        let (runner, observer) = if shared.has_database_settings() {
            let observer = Session::open(&observer).await?;
            roles::apply_database_settings(&observer, &shared).await.map_err(Error::server("apply settings"))?;
            (Session::open(&runner).await?, observer)
        } else {
            let (runner, observer) = tokio::join!(Session::open(&runner), Session::open(&observer));
            (runner?, observer?)
        };
        if shared.has_database_grants() {
            // The role of migrations is in: until the database is its own, it may not be let in.
            let _databases = self.beside.databases.read().await;
            let granted = roles::apply_database_grants(&observer, &shared).await;
            granted.map_err(Error::server("grant what the template grants"))?;
        }
        Reader::settle(observer.client()).await?;
        let mut plain = true;
        let mut prepared = None;
        let reader = match warmth {
            Warmth::Warm => {
                let silent = template.as_ref().is_some_and(|(snapshot, _)| !snapshot.has_event_triggers());
                let owners = self.beside.owners.read().await;
                warm::up(&runner, silent).await.map_err(Error::server("warm up"))?;
                drop(owners);
                plain = roles::is_plain(&runner).await.map_err(Error::server("read settings"))?;
                prepared = roles::prepare(&observer).await.map_err(Error::server("read roles"))?;
                Reader::prepare(observer.client()).await?.alone()
            }
            Warmth::Cold => Reader::attach(self.engine.info().major).alone(),
        };
        let (before, notes) = template.unwrap_or_else(|| (Arc::new(Snapshot::unread()), Arc::default()));
        let database = database.to_owned();
        let own = Notes::default();
        Ok(Lease {
            database,
            runner,
            observer,
            reader,
            before,
            notes,
            own,
            roles: prepared,
            shared,
            plain,
            lowered: false,
        })
    }

    /// Roles and settings as they are before any migration, which is what they are now.
    async fn baseline(&self) -> Result<Arc<Shared>, Error> {
        let known = {
            let mut state = self.state();
            state.untouched = None;
            state.baseline.clone()
        };
        if let Some(baseline) = known {
            self.arrange(&baseline).await?;
            return Ok(baseline);
        }
        if !self.engine.info().shared {
            // Whoever prepared the server has just left it; a copy would wait long for that.
            self.emptied("template1").await?;
        }
        let shared = self.with(&self.maker, async |admin| roles::capture(admin).await, "read roles").await?;
        let shared = Arc::new(shared.of_another());
        self.state().baseline = Some(Arc::clone(&shared));
        Ok(shared)
    }

    /// Runs one of migd's own statements.
    async fn with<T>(
        &self,
        admin: &Admin,
        work: impl AsyncFnOnce(&Session) -> Result<T, tokio_postgres::Error>,
        what: &'static str,
    ) -> Result<T, Error> {
        let mut admin = admin.lock().await;
        let session = match admin.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => Session::open(&self.engine.config(MAINTENANCE, Role::Admin)).await?,
        };
        let outcome = work(&session).await;
        *admin = Some(session);
        outcome.map_err(Error::server(what))
    }

    fn evict(self: &Arc<Self>) {
        let old: Vec<Template> = {
            let mut state = self.state();
            let mut ages: Vec<(Instant, Hash)> = state.templates.iter().map(|(hash, t)| (t.used, *hash)).collect();
            ages.sort_unstable_by_key(|(used, _)| *used);
            let excess = ages.len().saturating_sub(MAX_TEMPLATES);
            ages.iter().take(excess).filter_map(|(_, hash)| state.templates.remove(hash)).collect()
        };
        old.into_iter().for_each(|template| self.drop_template(template));
    }

    fn drop_template(self: &Arc<Self>, template: Template) {
        for lease in template.ready {
            self.discard_later(lease);
        }
        drop(template.spare.map(|spare| Unclaimed::of(self, spare)));
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            // A clone of it may be under way; the server then refuses, and a second try comes when it is done.
            for pause in [0, 200, 2000] {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                if pool.drop_database(&template.database).await.is_ok() {
                    return;
                }
            }
            tracing::warn!(database = template.database, "a template was not dropped");
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
