//! Reads snapshots: all of a schema, or what changed since another snapshot.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::future::{FutureExt, join, try_join_all};
use tokio::sync::OnceCell;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row, SimpleQueryMessage, Statement};

use super::Error;
use super::object::{Field, Object, Style};
use super::sections::{Class, Version};
use super::snapshot::{Entry, Inner, Snapshot, Unit};
use super::versions::{self, Spread, Versions};
use super::written;

/// Reads snapshots over the one connection that it was prepared on.
///
/// A read leaves the session as it was: settings, and an open transaction if there is one, in which it sees what that
/// transaction sees. A read that is dropped half-way may leave the session in a transaction.
#[derive(Debug)]
pub struct Reader {
    version: Version,
    versions: OnceCell<Statement>,
    dependents: Query,
    queries: HashMap<Class, Vec<Query>>,
    /// The same of some sources only, for [`Reader::since_counted`].
    few: Mutex<Option<Few>>,
    /// How a read is framed; none when the session has to be asked.
    frame: Option<Frame>,
}

/// Reads the versions of some sources.
#[derive(Debug, Clone)]
struct Few {
    sources: BTreeSet<usize>,
    statement: Statement,
}

/// What deparses the objects of one class, or asks for something else that not every read needs.
#[derive(Debug)]
struct Query {
    sql: Arc<str>,
    ready: OnceLock<(Statement, Arc<[Field]>)>,
}

/// The texts of queries, by class.
type Texts = HashMap<Class, Vec<Arc<str>>>;

/// What makes texts the same in every session, and plans ready to use: `search_path` empty, so that every name is
/// qualified whatever else there is, and the settings that the texts of constants depend on.
const SETTINGS: &str = "set local search_path = ''; set local plan_cache_mode = force_generic_plan; set local jit = off; \
    set local datestyle = iso; set local intervalstyle = postgres; set local timezone = utc; \
    set local bytea_output = hex; set local extra_float_digits = 1; set local quote_all_identifiers = off; \
    set local enable_seqscan = on";

/// Objects are looked up by number through indexes: no catalog is read as a whole to find the few rows that changed, which
/// the planner, who cannot know how few they are, would have done.
const JOINS: &str = "set local enable_hashjoin = off; set local enable_mergejoin = off";

/// How long one statement of a read may take.
const PATIENCE: &str = "set local statement_timeout = '60s'";

/// What has texts with the names of a relation's columns in them, though its own rows stay when the relation changes.
const DEPENDENTS: &str = "select d.classid, d.objid, null::oid from pg_depend d
    where d.refclassid = 1259 and d.refobjid = any($1::oid[]) and d.classid in (1255, 3256)
    union all select d.classid, d.objid, case when r.rulename = '_RETURN' then r.ev_class end
    from pg_depend d join pg_rewrite r on r.oid = d.objid
    where d.refclassid = 1259 and d.refobjid = any($1::oid[]) and d.classid = 2618";

/// How many objects of a class are deparsed to warm the server up.
const WARM: usize = 2;

/// How a read is kept apart from what the session does.
#[derive(Debug, Clone, Copy)]
enum Frame {
    /// In a transaction of its own.
    Own,
    /// The same, in a session that has the settings for good.
    Settled,
    /// In a subtransaction of the session's open transaction, rolled back afterwards.
    Nested,
}

/// What a reading asks the server for.
#[derive(Debug, Clone, Copy)]
enum Ask {
    /// The versions of all rows.
    Everything,
    /// Those of the catalogs that the server says were written to.
    Written,
}

impl Frame {
    /// The one for what the session is in.
    async fn of(client: &Client) -> Result<Self, Error> {
        // A statement that is a transaction of its own begins with it. Only so as a simple query: parsing, binding and
        // executing have times of their own.
        let asked =
            client.simple_query("select pg_catalog.now() operator(pg_catalog.=) pg_catalog.statement_timestamp()");
        let own = asked.await?.iter().any(|m| matches!(m, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")));
        Ok(if own { Self::Own } else { Self::Nested })
    }

    fn open(self) -> String {
        match self {
            Self::Own => format!("begin isolation level repeatable read read only; {SETTINGS}; {JOINS}; {PATIENCE}"),
            Self::Settled => format!("begin isolation level repeatable read read only; {JOINS}; {PATIENCE}"),
            Self::Nested => format!("savepoint migd_catalog; {SETTINGS}; {JOINS}; {PATIENCE}"),
        }
    }

    fn close(self) -> &'static str {
        match self {
            Self::Own | Self::Settled => "rollback",
            Self::Nested => "rollback to savepoint migd_catalog; release savepoint migd_catalog",
        }
    }
}

impl Reader {
    /// Prepares the statements on the connection and warms the server's plans and caches up, ahead of the first use.
    pub async fn prepare(client: &Client) -> Result<Self, Error> {
        let told: String = client.query_one("show server_version_num", &[]).await?.try_get(0)?;
        let version = match told.parse::<u32>() {
            Ok(number) if number >= 120_000 => Version { major: number / 10_000 },
            _ => return Err(Error::Version(told)),
        };
        framed(client, Frame::of(client).await?, Self::prepare_within(client, version)).await
    }

    /// A reader that prepares each statement at its first use: for a database that is wanted now, and read little.
    pub fn attach(major: u32) -> Self {
        let version = Version { major };
        let query = |sql: &Arc<str>| Query { sql: Arc::clone(sql), ready: OnceLock::new() };
        let dependents = query(&Arc::from(DEPENDENTS));
        let of = |(class, texts): (&Class, &Vec<Arc<str>>)| (*class, texts.iter().map(query).collect());
        let queries = texts(version).iter().map(of).collect();
        Self { version, versions: OnceCell::new(), dependents, queries, few: Mutex::default(), frame: None }
    }

    /// For a session that nobody else uses and that was [settled](Self::settle): it is in no transaction between reads,
    /// so it need not be asked, and has the settings that a read needs.
    pub fn alone(self) -> Self {
        Self { frame: Some(Frame::Settled), ..self }
    }

    /// Gives a session of migd's own, for good, the settings that every read would make otherwise.
    pub async fn settle(client: &Client) -> Result<(), Error> {
        Ok(client.batch_execute(&SETTINGS.replace("set local ", "set ")).await?)
    }

    /// The statement of [`versions::sql`], prepared when this is its first use.
    async fn versions(&self, client: &Client) -> Result<&Statement, Error> {
        let prepare = async || client.prepare(&versions::sql(self.version, None)).await;
        Ok(self.versions.get_or_try_init(prepare).await?)
    }

    /// The statement that reads these sources at least.
    async fn few(&self, client: &Client, mut sources: BTreeSet<usize>) -> Result<Statement, Error> {
        let ready = self.lock_few().clone();
        if let Some(ready) = ready {
            if ready.sources.is_superset(&sources) {
                return Ok(ready.statement);
            }
            sources.extend(ready.sources);
        }
        let statement = client.prepare(&versions::sql(self.version, Some(&sources))).await?;
        *self.lock_few() = Some(Few { sources, statement: statement.clone() });
        Ok(statement)
    }

    fn lock_few(&self) -> MutexGuard<'_, Option<Few>> {
        self.few.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is better to ask first what there is to read: the server can tell, and has not planned the reading of
    /// everything for this session yet.
    pub fn asks_first(&self) -> bool {
        written::is_told(self.version) && !self.versions.initialized()
    }

    async fn prepare_within(client: &Client, version: Version) -> Result<Self, Error> {
        let reader = Self::attach(version.major);
        let common = || reader.queries.iter().filter(|(c, _)| !c.rare()).flat_map(|(_, q)| q);
        try_join_all(common().map(|q| q.ready(client))).await?;
        // One use of each makes the plans; some real objects fill the caches that deparsing needs.
        let now = versions::read(client, reader.versions(client).await?, version, None).await?;
        let mut some: HashMap<Class, Vec<Unit>> = Class::ALL.iter().map(|c| (*c, Vec::new())).collect();
        for unit in now.units.keys() {
            some.entry(unit.class).or_default().push(*unit);
        }
        let sample = some.values().flat_map(|units| units.iter().take(WARM)).copied();
        reader.deparse(client, sample).await?;
        let none: Vec<u32> = Vec::new();
        reader.dependents(client, &none).await?;
        try_join_all(
            common().filter_map(|q| q.ready.get()).map(|(s, _)| async { client.query(s, &[&none]).await.map(drop) }),
        )
        .await?;
        // Views and rules are read through a part of the server that nothing else wakes.
        client.query("select pg_get_viewdef('pg_catalog.pg_tables'::regclass)", &[]).await?;
        Ok(reader)
    }

    /// The schema of the connection's database, read as a whole.
    pub async fn full(&self, client: &Client) -> Result<Snapshot, Error> {
        self.read_apart(client, None, Ask::Everything).await
    }

    /// The same as [`full`](Self::full), but only what changed since `base` is deparsed. The base is of this database or
    /// of one that it was copied from.
    pub async fn since(&self, client: &Client, base: &Snapshot) -> Result<Snapshot, Error> {
        self.read_apart(client, Some(base), Ask::Everything).await
    }

    /// The same as [`since`](Self::since), in a database that was just copied from the base's, and sooner where this is the
    /// session's first reading. Every session that has written in it has given away its [counts](super::flush), and none of
    /// them wrote as a superuser.
    pub async fn since_counted(&self, client: &Client, base: &Snapshot) -> Result<Snapshot, Error> {
        let ask = if self.asks_first() { Ask::Written } else { Ask::Everything };
        self.read_apart(client, Some(base), ask).await
    }

    /// Does what a read begins with, for nothing but to have it planned and its pages at hand: for the time in which
    /// another session is waited for. It is no transaction of its own, so that others than a read may come next; and who
    /// no longer waits for it may drop it.
    pub async fn rehearse(&self, client: &Client, base: &Snapshot) {
        // Otherwise its settings would not be the read's.
        if let Some(Frame::Settled) = self.frame
            && let Ok(statement) = self.versions(client).await
        {
            let _ = versions::rehearse(client, statement, &base.0.rows).await;
        }
    }

    /// The same for [`since_counted`](Self::since_counted).
    pub async fn rehearse_counted(&self, client: &Client, base: &Snapshot) {
        if !self.asks_first() {
            self.rehearse(client, base).await;
        } else if let Some(Frame::Settled) = self.frame
            && let Ok(statement) = self.few(client, written::likely()).await
        {
            let _ = versions::rehearse(client, &statement, &base.0.rows).await;
        }
    }

    async fn read_apart(&self, client: &Client, base: Option<&Snapshot>, ask: Ask) -> Result<Snapshot, Error> {
        let frame = match self.frame {
            Some(frame) => frame,
            None => Frame::of(client).await?,
        };
        match framed(client, frame, self.read(client, base, ask)).await {
            // The session threw its prepared statements away (`DISCARD ALL`): slower, but as right.
            Err(Error::Query(error)) if error.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME) => {
                let again = async {
                    Self::prepare_within(client, self.version).await?.read(client, base, Ask::Everything).await
                };
                framed(client, frame, again).await
            }
            read => read,
        }
    }

    async fn read(&self, client: &Client, base: Option<&Snapshot>, ask: Ask) -> Result<Snapshot, Error> {
        let known = base.map(|b| &b.0.rows);
        let few = match ask {
            Ask::Everything => None,
            Ask::Written => Some(self.few(client, written::sources(client).await?).await?),
        };
        let statement = match &few {
            Some(few) => few,
            None => self.versions(client).await?,
        };
        let Versions { units, roles, members, rows, unchanged } =
            versions::read(client, statement, self.version, known).await?;
        if let Some(base) = base.filter(|_| unchanged) {
            return Ok(base.clone());
        }
        let line = base.map_or_else(Arc::default, |b| b.0.line.clone());
        let base = base.map(|b| &*b.0).filter(|b| comparable(b, &units, &roles, members));
        let kept = |unit: &Unit, version: u64| base.and_then(|b| b.units.get(unit)).filter(|e| e.version == version);
        let changed = units.iter().filter(|(u, v)| kept(u, **v).is_none()).map(|(u, _)| *u);
        let mut fresh = self.deparse(client, changed).await?;

        if let Some(base) = base {
            let before = |unit: &Unit| base.units.get(unit).map_or(&[][..], |e| &e.objects);
            let missing =
                |fresh: &HashMap<Unit, Vec<Object>>, u: &Unit| units.contains_key(u) && !fresh.contains_key(u);
            if fresh.iter().any(|(unit, now)| renamed(*unit, before(unit), now)) {
                // Names are in the texts of others, whose own rows stay as they are.
                let rest: Vec<Unit> = units.keys().filter(|u| missing(&fresh, u)).copied().collect();
                fresh.extend(self.deparse(client, rest).await?);
            } else {
                let reshaped = |(unit, now): (&Unit, &Vec<Object>)| {
                    let before = before(unit);
                    let slots = |objects: &[Object]| objects.iter().map(|o| o.slot).collect::<HashSet<_>>();
                    (!before.is_empty()
                        && matches!(unit.class, Class::Table | Class::View)
                        && (unit.class == Class::View || slots(before) != slots(now)))
                    .then_some(unit.oid)
                };
                let reshaped: Vec<u32> = fresh.iter().filter_map(reshaped).collect();
                if !reshaped.is_empty() {
                    let rest = self.dependents(client, &reshaped).await?;
                    let rest: Vec<Unit> = rest.into_iter().filter(|u| missing(&fresh, u)).collect();
                    fresh.extend(self.deparse(client, rest).await?);
                }
            }
        }

        let entry = |(unit, version): (Unit, u64)| {
            let old = base.and_then(|b| b.units.get(&unit));
            let objects = match (fresh.remove(&unit), old) {
                (Some(now), Some(old)) if *now == *old.objects => old.objects.clone(),
                (Some(now), _) => now.into(),
                (None, Some(old)) => old.objects.clone(),
                (None, None) => Arc::default(),
            };
            (unit, Entry { version, objects })
        };
        Ok(Snapshot(Arc::new(Inner { units: units.into_iter().map(entry).collect(), roles, members, rows, line })))
    }

    /// The objects of these units. A unit without objects is among the answer too.
    async fn deparse(
        &self,
        client: &Client,
        units: impl IntoIterator<Item = Unit>,
    ) -> Result<HashMap<Unit, Vec<Object>>, Error> {
        let mut oids: HashMap<Class, Vec<u32>> = HashMap::new();
        let mut answer = HashMap::new();
        for unit in units {
            oids.entry(unit.class).or_default().push(unit.oid);
            answer.insert(unit, Vec::new());
        }
        let ask = |(class, oids): (Class, Vec<u32>)| async move {
            let queries = self.queries.get(&class).map_or(&[][..], Vec::as_slice);
            let oids = &oids;
            let rows = queries.iter().map(|query| async move {
                let (statement, fields) = query.ready(client).await?;
                let rows = client.query(statement, &[oids]).await?;
                rows.iter().map(|row| object(row, fields)).collect::<Result<Vec<_>, Error>>()
            });
            try_join_all(rows).await.map(|rows| (class, rows))
        };
        for (class, rows) in try_join_all(oids.into_iter().map(ask)).await? {
            for (oid, object) in rows.into_iter().flatten() {
                answer.entry(Unit { class, oid }).or_insert_with(Vec::new).push(object);
            }
        }
        // The order of a query's rows is the server's business.
        for objects in answer.values_mut() {
            objects.sort_by_key(|o| o.slot);
        }
        Ok(answer)
    }

    async fn dependents(&self, client: &Client, relations: &[u32]) -> Result<Vec<Unit>, Error> {
        let mut units = Vec::new();
        let (statement, _) = self.dependents.ready(client).await?;
        for row in client.query(statement, &[&relations]).await? {
            let (catalog, oid, view): (u32, u32, Option<u32>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            match view {
                Some(view) => units.push(Unit { class: Class::View, oid: view }),
                None => units.extend(versions::catalog(catalog).map(|class| Unit { class, oid })),
            }
        }
        Ok(units)
    }
}

/// The queries of all classes: long texts, the same for every session of a server.
fn texts(version: Version) -> Arc<Texts> {
    static KNOWN: Mutex<BTreeMap<u32, Arc<Texts>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let of = |class: &Class| (*class, class.queries(version).into_iter().map(Arc::from).collect());
    let texts = known.entry(version.major).or_insert_with(|| Arc::new(Class::ALL.iter().map(of).collect()));
    Arc::clone(texts)
}

impl Query {
    /// The statement, prepared when this is its first use.
    async fn ready(&self, client: &Client) -> Result<&(Statement, Arc<[Field]>), Error> {
        if self.ready.get().is_none() {
            let statement = client.prepare(&self.sql).await?;
            let fields = statement.columns().iter().skip(5).map(|c| Field::parse(c.name())).collect();
            // Two first uses at once prepare twice, which does no harm.
            let _ = self.ready.set((statement, fields));
        }
        self.ready.get().ok_or(Error::Form("statement"))
    }
}

/// Runs `read` in its frame, and leaves the session as it was whatever becomes of it.
async fn framed<T>(client: &Client, frame: Frame, read: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let open = frame.open();
    // Both are sent at once, in this order.
    let (opened, read) = join(client.batch_execute(&open), read).await;
    let closed = match (&opened, frame) {
        (Err(_), _) => Ok(()),
        // It is sent, and whatever is sent next comes behind it: nobody waits for the answer.
        (Ok(()), Frame::Settled) => client.batch_execute(frame.close()).now_or_never().unwrap_or(Ok(())),
        (Ok(()), Frame::Own | Frame::Nested) => client.batch_execute(frame.close()).await,
    };
    opened?;
    let read = read?;
    closed?;
    Ok(read)
}

/// Whether a base's texts can be kept at all: roles have the names they had, the members of extensions are the same (they
/// are named in texts, but are no objects here), and no operator class has come or gone, which decides whether the texts
/// of indexes name theirs.
fn comparable(base: &Inner, units: &HashMap<Unit, u64, Spread>, roles: &HashMap<u32, i32>, members: u64) -> bool {
    let classes = |u: &&Unit| u.class == Class::Opclass;
    base.members == members
        && base.roles.iter().all(|(oid, name)| roles.get(oid).is_none_or(|now| now == name))
        && units.keys().filter(classes).all(|u| base.units.contains_key(u))
        && base.units.keys().filter(classes).all(|u| units.contains_key(u))
}

/// Whether something that texts of other objects name has another name now: an object, a column, an enum's label, a
/// composite type's attribute or a range's multirange.
fn renamed(unit: Unit, before: &[Object], now: &[Object]) -> bool {
    let named = |slot| before.iter().find(|o| o.slot == slot);
    let multirange =
        |o: &Object| o.attributes().find(|(name, _)| *name == "multirange").map(|(_, name)| name.to_owned());
    let other = |b: &Object, o: &Object| {
        b.name != o.name || b.kind != o.kind || lost_parts(b, o) || multirange(b) != multirange(o)
    };
    unit.class.referenced() && now.iter().any(|o| named(o.slot).is_some_and(|b| other(b, o)))
}

/// Whether a type has no longer all the labels or attributes that it had.
fn lost_parts(before: &Object, now: &Object) -> bool {
    let parts = |f: &Field| f.style == Style::Order && !f.cosmetic;
    let Some(at) = before.fields.iter().position(parts) else { return false };
    let lines = |o: &Object| o.values.get(at).cloned().flatten().unwrap_or_default();
    let (before, now) = (lines(before), lines(now));
    let now: HashSet<&str> = now.lines().collect();
    before.lines().any(|part| !now.contains(part))
}

/// One row of a deparsing query.
fn object(row: &Row, fields: &Arc<[Field]>) -> Result<(u32, Object), Error> {
    let text = |at: usize| row.try_get::<_, Option<&str>>(at).map(|t| t.map(Box::from));
    let object = Object {
        kind: text(2)?.ok_or(Error::Form("kind"))?,
        name: text(3)?.ok_or(Error::Form("name"))?,
        parent: text(4)?,
        slot: row.try_get(1)?,
        fields: fields.clone(),
        values: (5..row.len()).map(text).collect::<Result<_, _>>()?,
    };
    Ok((row.try_get(0)?, object))
}
