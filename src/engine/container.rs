//! The container engine: a throw-away server in a container, its data in memory.
//!
//! On the same kernel the server's socket folder is mounted and the container has no network at all; elsewhere it is
//! published on 127.0.0.1 alone, with random passwords. Containers outlive a killed daemon: they are labelled with their
//! owner and the configuration's fingerprint, taken over when both agree, and removed otherwise.
//!
//! This uses bollard, on which testcontainers is built, and not testcontainers 0.28 itself. That takes its host from
//! the process's environment alone, which cannot be set safely once there are threads, so contexts, Podman and Colima
//! could not be reached. It does not negotiate the API's version, so an older Docker (20.10, say) refuses every request.
//! And it cannot take over a container that an earlier process started.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, PortBinding, ResourcesUlimits,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions,
};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::bootstrap::{self, ADMIN, APPLICATION, OWNER, Owner};
use super::endpoint::{self, Endpoint, reason};
use super::image::{self, Image};
use super::lock::Lock;
use super::{Engine, Error, ErrorKind, Info, Place, ProbeLine, Progress, Role, folder, mismatch};
use crate::config;

/// How long a container may take from its start to its first connection; it runs `initdb` first.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long the engine may take for a request that is not worth waiting for.
const SHORT: Duration = Duration::from_secs(10);

/// How long it may take to say that a container runs before the server itself is asked.
const ANSWER: Duration = Duration::from_secs(1);

/// Whose container it is.
const LABEL_OWNER: &str = "migd.owner";

/// The configuration's fingerprint.
const LABEL_CONFIG: &str = "migd.config";

/// Where the data and the socket are, inside.
const DATA: &str = "/migd";
const SOCKET: &str = "/migd-socket";

/// A running container.
struct Container {
    info: Info,
    docker: Docker,
    record: Record,
    files: Files,
    superuser: bool,
    /// Given back when the container is removed.
    lock: Mutex<Option<Lock>>,
}

/// What is written down about a running container.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    id: String,
    fingerprint: String,
    route: Route,
    admin: String,
    owner: String,
}

/// How the server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Route {
    Socket(PathBuf),
    Port(u16),
}

/// What an owner's container has on this side.
#[derive(Debug, Clone)]
struct Files {
    socket: PathBuf,
    record: PathBuf,
}

impl Files {
    fn of(place: &Place) -> Files {
        Files {
            socket: place.runtime.join(format!("c-{}", place.owner)),
            record: place.runtime.join(format!("container-{}.json", place.owner)),
        }
    }

    fn read(&self) -> Option<Record> {
        serde_json::from_slice(&fs::read(&self.record).ok()?).ok()
    }

    fn write(&self, record: &Record) -> Result<(), Error> {
        let _ = fs::remove_file(&self.record);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let text = serde_json::to_vec(record).unwrap_or_default();
        let written = options.open(&self.record).and_then(|mut file| std::io::Write::write_all(&mut file, &text));
        written.map_err(|e| Error::io("write", &self.record, e))
    }

    fn remove(&self) {
        let _ = fs::remove_dir_all(&self.socket);
        let _ = fs::remove_file(&self.record);
    }
}

/// Starts the container, or takes over the one that runs.
pub(super) async fn start(
    config: &config::Engine,
    place: &Place,
    progress: &Progress,
) -> Result<Arc<dyn Engine>, Error> {
    let endpoint = endpoint::find(&place.env).await?;
    start_at(endpoint, config, place, progress).await
}

pub(super) async fn start_at(
    endpoint: Endpoint,
    config: &config::Engine,
    place: &Place,
    progress: &Progress,
) -> Result<Arc<dyn Engine>, Error> {
    let lock = Lock::take(place)?;
    super::sweep(place, "container").await;
    let name = image::name(config);
    let image = match image::inspect(&endpoint.docker, &name).await? {
        Some(image) => image,
        None => image::pull(&endpoint.docker, &name, progress).await?,
    };
    let settings = bootstrap::settings(image.major.unwrap_or(super::binaries::OLDEST), false, &config.settings)?;
    let fingerprint = bootstrap::fingerprint(&["container", &endpoint.host, &image.id], &settings, config.superuser);
    let plan = Plan { config, place, endpoint, image, settings, fingerprint, files: Files::of(place) };

    if let Some((record, info)) = plan.adopt().await? {
        return Ok(plan.finish(record, info, lock));
    }
    plan.files.remove();
    let sealed = Shape { socket: plan.same_kernel().await, sealed: true };
    // The socket's folder may not be the engine's to see (an engine outside this container), or not its user's; and an
    // image's entry point may want to write beside the data.
    let mut others = [Shape { sealed: false, ..sealed }, Shape { socket: false, sealed: false }].into_iter();
    let mut shape = sealed;
    loop {
        match (plan.launch(shape, progress).await, others.find(|other| *other != shape)) {
            (Err(error), Some(next)) if error.kind() == ErrorKind::Start => {
                tracing::info!(%error, ?shape, ?next, "the container does not start like this; trying otherwise");
                shape = next;
            }
            (started, _) => return started.map(|(record, info)| plan.finish(record, info, lock)),
        }
    }
}

/// How a container is closed off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// The server's socket is in a folder of this machine, and there is no network at all; else a port is published.
    socket: bool,
    /// Nothing can be written but the data and what a server needs for a moment, all of it in memory.
    sealed: bool,
}

/// Everything that is known before a container runs.
struct Plan<'a> {
    config: &'a config::Engine,
    place: &'a Place,
    endpoint: Endpoint,
    image: Image,
    settings: Vec<(String, String)>,
    fingerprint: String,
    files: Files,
}

impl Plan<'_> {
    /// Takes over this owner's container if it is as it would be made now and answers; removes any other of this owner.
    async fn adopt(&self) -> Result<Option<(Record, Info)>, Error> {
        let docker = &self.endpoint.docker;
        let listed = list(docker, self.place).await.map_err(|e| failed("list containers", &e))?;
        let record = self.files.read().filter(|record| record.fingerprint == self.fingerprint);
        let mut adopted = None;
        for (id, labelled) in listed {
            if labelled.as_ref() == Some(&self.fingerprint)
                && let Some(record) = record.as_ref().filter(|record| record.id == id)
                && running(docker, &id).await.is_some()
                && let Ok(Ok(version)) = tokio::time::timeout(SHORT, self.prepare(record)).await
            {
                adopted = Some((record.clone(), self.info(record, version, true).await));
                continue;
            }
            remove(docker, &id).await.map_err(|e| failed("remove an old container", &e))?;
        }
        Ok(adopted)
    }

    /// Whether a folder of this machine can hold a socket that both sides see with the same owner.
    async fn same_kernel(&self) -> bool {
        let Ok(kernel) = fs::read_to_string("/proc/sys/kernel/osrelease") else { return false };
        if !self.endpoint.host.starts_with("unix://") || self.files.socket.as_os_str().len() > 85 {
            return false;
        }
        let Ok(Ok(info)) = tokio::time::timeout(SHORT, self.endpoint.docker.info()).await else { return false };
        let mapped = |option: &String| option.contains("rootless") || option.contains("userns");
        info.kernel_version.as_deref() == Some(kernel.trim())
            && info.operating_system.as_deref() != Some("Docker Desktop")
            && !info.security_options.unwrap_or_default().iter().any(mapped)
    }

    async fn launch(&self, shape: Shape, progress: &Progress) -> Result<(Record, Info), Error> {
        let socket = shape.socket;
        let docker = &self.endpoint.docker;
        progress(&format!("starting a container from {}", self.image.name));
        let account = if socket { Some(self.socket_folder()?) } else { None };
        let (admin, owner) = (password()?, password()?);
        let body = self.body(account.as_ref(), shape.sealed, &admin);
        let options = CreateContainerOptionsBuilder::default().name(&format!("migd-{}", self.place.owner)).build();
        let made = docker.create_container(Some(options), body).await.map_err(|e| failed("make the container", &e))?;
        let started = async {
            docker
                .start_container(&made.id, None::<StartContainerOptions>)
                .await
                .map_err(|e| failed("start the container", &e))?;
            let route = match socket {
                true => Route::Socket(self.files.socket.clone()),
                false => Route::Port(port(docker, &made.id).await?),
            };
            let (id, fingerprint) = (made.id.clone(), self.fingerprint.clone());
            let record = Record { id, fingerprint, route, admin, owner };
            self.files.write(&record)?;
            self.await_ready(&record).await?;
            let version = self.prepare(&record).await?;
            let info = self.info(&record, version, false).await;
            Ok((record, info))
        };
        let result = started.await;
        if result.is_err() {
            if let Err(error) = remove(docker, &made.id).await {
                tracing::error!(%error, "the container cannot be removed");
            }
            self.files.remove();
        }
        result
    }

    /// Makes the folder of the socket. Its parent is closed to all others, so it may belong to the server's user.
    fn socket_folder(&self) -> Result<Account, Error> {
        let account = Account::choose()?;
        let path = &self.files.socket;
        let _ = fs::remove_dir_all(path);
        fs::DirBuilder::new().mode(0o700).create(path).map_err(|e| Error::io("make the folder", path, e))?;
        folder::give(path, &account)?;
        Ok(account)
    }

    /// The container: with a user of this machine and no network, or with a published port.
    fn body(&self, account: Option<&Account>, sealed: bool, admin: &str) -> ContainerCreateBody {
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut cmd = text(&["postgres"]);
        let fixed = [
            // The image's own set-up looks for the server at the usual place.
            (
                "unix_socket_directories",
                if account.is_some() { "/var/run/postgresql,/migd-socket" } else { "/var/run/postgresql" },
            ),
            // Not empty, which tells this server from the one that runs during the image's set-up.
            ("listen_addresses", if account.is_some() { "127.0.0.1" } else { "*" }),
        ];
        let settings = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in settings.chain(fixed) {
            cmd.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let own = account.map_or_else(|| "mode=1777".to_owned(), |a| format!("uid={},gid={},mode=0700", a.uid, a.gid));
        let mut tmpfs = HashMap::from([(DATA.to_owned(), format!("rw,nosuid,nodev,noexec,size=2g,{own}"))]);
        // What the image wants a volume for stays empty: the data is elsewhere, and a volume would outlive the container.
        let volumes = self.image.volumes.iter().map(String::as_str);
        let passing = ["/tmp", "/var/run/postgresql"].into_iter().filter(|_| sealed);
        for folder in volumes.chain(passing) {
            tmpfs.insert(folder.to_owned(), "rw,nosuid,nodev,noexec,size=64m,mode=1777".to_owned());
        }
        let limit = |name: &str, most: i64| ResourcesUlimits {
            name: Some(name.to_owned()),
            soft: Some(most),
            hard: Some(most),
        };
        let bounded =
            HashMap::from([("max-size".to_owned(), "1m".to_owned()), ("max-file".to_owned(), "1".to_owned())]);
        let mut host = HostConfig {
            tmpfs: Some(tmpfs),
            memory: Some(3 << 30),
            memory_swap: Some(3 << 30),
            pids_limit: Some(256),
            // One session that takes too much fails alone, before all of them are ended for it.
            ulimits: Some(vec![limit("data", 2 << 30), limit("core", 0)]),
            oom_score_adj: Some(500),
            readonly_rootfs: Some(sealed),
            cap_drop: Some(text(&["ALL"])),
            security_opt: Some(text(&["no-new-privileges"])),
            publish_all_ports: Some(false),
            log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(bounded) }),
            ..HostConfig::default()
        };
        let mut exposed = None;
        if account.is_some() {
            host.network_mode = Some("none".to_owned());
            // Unlike a bind by path, this is refused when the engine does not see the folder.
            host.mounts = Some(vec![Mount {
                typ: Some(MountType::BIND),
                source: Some(self.files.socket.display().to_string()),
                target: Some(SOCKET.to_owned()),
                ..Mount::default()
            }]);
            // SELinux would keep the server from a folder that is not labelled for containers.
            host.security_opt = Some(text(&["no-new-privileges", "label=disable"]));
        } else {
            // What the image's entry point needs to hand over from root to its own user.
            host.cap_add = Some(text(&["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]));
            let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(String::new()) };
            host.port_bindings = Some(HashMap::from([("5432/tcp".to_owned(), Some(vec![binding]))]));
            exposed = Some(text(&["5432/tcp"]));
        }
        let labels = [(LABEL_OWNER, &self.place.owner), (LABEL_CONFIG, &self.fingerprint)];
        ContainerCreateBody {
            image: Some(self.image.id.clone()),
            user: account.map(|account| format!("{}:{}", account.uid, account.gid)),
            cmd: Some(cmd),
            env: Some(bootstrap::environment(admin, &format!("{DATA}/data"))),
            exposed_ports: exposed,
            labels: Some(labels.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        }
    }

    async fn await_ready(&self, record: &Record) -> Result<(), Error> {
        let docker = &self.endpoint.docker;
        let config = connection(record, "postgres", Role::Admin, None);
        // A folder that the engine sees gets its socket as soon as initdb is done; another never does.
        let patience = if matches!(record.route, Route::Socket(_)) { PATIENCE / 3 } else { PATIENCE };
        let until = Instant::now() + patience;
        let mut looked = Instant::now();
        loop {
            if let Ok(client) = bootstrap::connect(&config).await {
                let sql = "SELECT current_setting('listen_addresses') <> ''";
                if client.query_one(sql, &[]).await.is_ok_and(|row| row.get::<_, bool>(0)) {
                    return Ok(());
                }
            }
            if looked.elapsed() > Duration::from_millis(250) {
                looked = Instant::now();
                if running(docker, &record.id).await.is_none() {
                    return Err(died(docker, &record.id, "the container ended while it started").await);
                }
            }
            if Instant::now() > until {
                return Err(died(docker, &record.id, "the server in the container does not answer").await);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn prepare(&self, record: &Record) -> Result<(String, u32), Error> {
        let owner = owner(record, self.config.superuser);
        let template = bootstrap::connect(&connection(record, "template1", Role::Admin, None)).await;
        let version = bootstrap::prepare(template.map_err(bootstrap::failed)?, &owner).await?;
        if version.1 < super::binaries::OLDEST {
            let message = format!("PostgreSQL {} in {} is too old", version.0, self.image.name);
            return Err(Error::new(ErrorKind::Version, message, "set engine.image to a newer one"));
        }
        Ok(version)
    }

    async fn info(&self, record: &Record, (version, major): (String, u32), adopted: bool) -> Info {
        let pid = running(&self.endpoint.docker, &record.id).await.flatten();
        Info {
            kind: "container",
            version,
            major,
            source: self.image.name.clone(),
            tmpfs: true,
            // A port means that the engine may run on another kernel, where its numbers say nothing here.
            pid: pid.filter(|_| matches!(record.route, Route::Socket(_))),
            database_prefix: "migd_".to_owned(),
            file_copy: major >= 15,
            superuser: self.config.superuser,
            shared: false,
            adopted,
            mismatch: mismatch(self.config, major),
        }
    }

    fn finish(self, record: Record, info: Info, lock: Lock) -> Arc<dyn Engine> {
        let (docker, files, lock) = (self.endpoint.docker, self.files, Mutex::new(Some(lock)));
        Arc::new(Container { info, docker, record, files, superuser: self.config.superuser, lock })
    }
}

impl Engine for Container {
    fn info(&self) -> &Info {
        &self.info
    }

    fn config(&self, database: &str, role: Role) -> tokio_postgres::Config {
        connection(&self.record, database, role, Some(self.info.major))
    }

    fn alive(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let inspected = self.docker.inspect_container(&self.record.id, None::<InspectContainerOptions>);
            match tokio::time::timeout(ANSWER, inspected).await {
                Ok(Ok(found)) => found.state.is_some_and(|state| state.running == Some(true)),
                Ok(Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. })) => false,
                // The engine hangs or is gone: its containers may well be there, and the server knows best.
                Ok(Err(_)) | Err(_) => {
                    let config = connection(&self.record, "postgres", Role::Admin, Some(self.info.major));
                    tokio::time::timeout(ANSWER, bootstrap::connect(&config)).await.is_ok_and(|found| found.is_ok())
                }
            }
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            match tokio::time::timeout(SHORT, remove(&self.docker, &self.record.id)).await {
                Ok(Ok(())) => self.files.remove(),
                Ok(Err(error)) => tracing::error!(error = reason(&error), "the container cannot be removed"),
                Err(_) => tracing::error!("the container engine does not answer; the container stays"),
            }
            self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        })
    }

    fn owner_sql(&self) -> Option<String> {
        Some(bootstrap::owner_sql(&owner(&self.record, self.superuser)))
    }
}

fn owner(record: &Record, superuser: bool) -> Owner {
    Owner { superuser, password: Some(record.owner.clone()) }
}

/// `major` where a migration may have been in the database.
fn connection(record: &Record, database: &str, role: Role, major: Option<u32>) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    match &record.route {
        Route::Socket(folder) => config.host_path(folder).port(5432),
        Route::Port(port) => config.host("127.0.0.1").port(*port),
    };
    let (user, password) = match role {
        Role::Admin => (ADMIN, &record.admin),
        Role::Owner => (OWNER, &record.owner),
    };
    if role == Role::Admin {
        config.options(bootstrap::admin_options(major));
    }
    config.user(user).password(password).dbname(database).application_name(APPLICATION);
    config.connect_timeout(Duration::from_secs(5));
    config
}

/// The process of a running container (as its engine counts), none when it does not run.
async fn running(docker: &Docker, id: &str) -> Option<Option<u32>> {
    let state = docker.inspect_container(id, None::<InspectContainerOptions>).await.ok()?.state?;
    (state.running == Some(true)).then(|| state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|&pid| pid > 0))
}

/// The port of this machine that leads to the server.
async fn port(docker: &Docker, id: &str) -> Result<u16, Error> {
    let inspected = docker.inspect_container(id, None::<InspectContainerOptions>).await;
    let inspected = inspected.map_err(|e| failed("look at the container", &e))?;
    let ports = inspected.network_settings.and_then(|settings| settings.ports).unwrap_or_default();
    let bindings = ports.get("5432/tcp").cloned().flatten().unwrap_or_default();
    let found = bindings.iter().find_map(|binding| binding.host_port.as_deref()?.parse().ok());
    found.ok_or_else(|| Error::new(ErrorKind::Start, "the container engine published no port", "run `migd doctor`"))
}

/// Removes a container with its anonymous volumes; one that is gone is fine.
async fn remove(docker: &Docker, id: &str) -> Result<(), bollard::errors::Error> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        // An earlier request to remove it, which nobody waits for any more, is being worked at.
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, .. }) => gone(docker, id).await,
        other => other,
    }
}

/// Waits until there is no such container, and asks once more for its removal when that takes too long.
async fn gone(docker: &Docker, id: &str) -> Result<(), bollard::errors::Error> {
    let until = Instant::now() + SHORT;
    while docker.inspect_container(id, None::<InspectContainerOptions>).await.is_ok() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        other => other,
    }
}

/// This owner's containers, running or not, with their fingerprints.
async fn list(docker: &Docker, place: &Place) -> Result<Vec<(String, Option<String>)>, bollard::errors::Error> {
    let filters = HashMap::from([("label", vec![format!("{LABEL_OWNER}={}", place.owner)])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let listed = docker.list_containers(Some(options)).await?;
    let fingerprint = |labels: Option<HashMap<String, String>>| labels?.get(LABEL_CONFIG).cloned();
    Ok(listed.into_iter().filter_map(|each| Some((each.id?, fingerprint(each.labels)))).collect())
}

/// Removes what this owner has of containers, if it is written down that there is one.
pub(super) async fn sweep(place: &Place) {
    let files = Files::of(place);
    if files.read().is_none() {
        return;
    }
    let swept = async {
        let endpoint = endpoint::find(&place.env).await.map_err(|error| error.to_string())?;
        for (id, _) in list(&endpoint.docker, place).await.map_err(|error| reason(&error))? {
            remove(&endpoint.docker, &id).await.map_err(|error| reason(&error))?;
        }
        files.remove();
        Ok::<(), String>(())
    };
    match tokio::time::timeout(SHORT, swept).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error, "an old container stays"),
        Err(_) => tracing::warn!("the container engine does not answer; an old container stays"),
    }
}

/// A password that nobody guesses.
fn password() -> Result<String, Error> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 24];
    let read = fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    read.map_err(|e| Error::io("read", path, e))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn failed(what: &str, error: &bollard::errors::Error) -> Error {
    let message = format!("the container engine cannot {what}: {}", reason(error));
    Error::new(ErrorKind::Start, message, "check engine.image and engine.settings, or set engine.kind = \"local\"")
}

/// A start that failed, with what the container said last.
async fn died(docker: &Docker, id: &str, what: &str) -> Error {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail("30").build();
    let mut said = Vec::new();
    let mut lines = Box::pin(docker.logs(id, Some(options)).take(60));
    while let Ok(Some(line)) = tokio::time::timeout(SHORT, lines.next()).await {
        said.extend(line.ok().map(|line| line.to_string().trim().to_owned()).filter(|line| !line.is_empty()));
    }
    // What initdb had to say is written beside it, in whatever order.
    let fatal: Vec<_> =
        said.iter().filter(|line| line.contains("FATAL:") || line.contains("PANIC:")).cloned().collect();
    let said = if fatal.is_empty() { said.split_off(said.len().saturating_sub(4)) } else { fatal }.join("; ");
    let message = if said.is_empty() { what.to_owned() } else { format!("{what}: {said}") };
    Error::new(ErrorKind::Start, message, "look at engine.image and engine.settings, or set engine.kind = \"local\"")
}

/// What the container engine needs.
pub(super) async fn probe(config: &config::Engine, place: &Place) -> Vec<ProbeLine> {
    let mut lines = Vec::new();
    match endpoint::find(&place.env).await {
        Ok(endpoint) => {
            lines.push(ProbeLine::ok("container engine", endpoint.host.clone()));
            let name = image::name(config);
            lines.push(match image::inspect(&endpoint.docker, &name).await {
                Ok(Some(image)) => ProbeLine::ok("image", image.name),
                Ok(None) => {
                    let help = format!("it is pulled when it is needed; or do it now: docker pull {name}");
                    let error = Error::new(ErrorKind::Image, format!("{name} is not here yet"), help);
                    ProbeLine { optional: true, ..ProbeLine::missing("image", &error) }
                }
                Err(error) => ProbeLine::missing("image", &error),
            });
        }
        Err(error) => lines.push(ProbeLine::missing("container engine", &error)),
    }
    lines
}
