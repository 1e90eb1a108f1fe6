//! Finds the container engine that the user's own `docker` or `podman` would speak to.
//!
//! In order: `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context of `~/.docker/config.json`, then the sockets of Docker,
//! rootless Docker, Docker Desktop, OrbStack, Rancher Desktop, Colima and Podman. Who names one gets that or an error.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use serde::Deserialize;

use super::{Environment, Error, ErrorKind};

/// How long an engine may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long one request may take, in seconds. A start on a busy machine may take long.
const REQUEST: u64 = 120;

/// A container engine that answers.
pub(super) struct Endpoint {
    pub(super) docker: Docker,
    /// As in `unix:///var/run/docker.sock`.
    pub(super) host: String,
}

/// Where an engine may be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    url: String,
    /// The folder of `ca.pem`, `cert.pem` and `key.pem`.
    certificates: Option<PathBuf>,
}

/// The first engine that answers.
pub(super) async fn find(env: &Environment) -> Result<Endpoint, Error> {
    let (hosts, named) = hosts(env)?;
    let mut refused = None;
    for host in hosts {
        match reach(&host).await {
            Ok(docker) => return Ok(Endpoint { docker, host: host.url }),
            Err(why) => refused = Some((host.url, why)),
        }
    }
    let help = "start Docker or Podman, or set engine.kind = \"local\"";
    Err(match refused {
        Some((url, why)) if why.contains("ermission denied") => Error::new(
            ErrorKind::NotFound,
            format!("the container engine at {url} refuses this user"),
            "add yourself to its group (usermod -aG docker $USER) and log in again",
        ),
        Some((url, why)) if named => {
            Error::new(ErrorKind::NotFound, format!("the container engine at {url} does not answer: {why}"), help)
        }
        _ => Error::new(ErrorKind::NotFound, "no container engine (Docker, Podman) answers", help),
    })
}

async fn reach(host: &Host) -> Result<Docker, String> {
    let docker = if host.url.starts_with("unix://") {
        Docker::connect_with_unix(&host.url, REQUEST, API_DEFAULT_VERSION)
    } else if let Some(folder) = &host.certificates {
        let (key, cert, ca) = (folder.join("key.pem"), folder.join("cert.pem"), folder.join("ca.pem"));
        Docker::connect_with_ssl(&host.url, &key, &cert, &ca, REQUEST, API_DEFAULT_VERSION)
    } else if host.url.starts_with("tcp://") || host.url.starts_with("http://") {
        Docker::connect_with_http(&host.url, REQUEST, API_DEFAULT_VERSION)
    } else {
        return Err("only unix:// and tcp:// can be used".to_owned());
    };
    // An engine refuses requests of a newer API than its own.
    let negotiated = match docker {
        Ok(docker) => tokio::time::timeout(PATIENCE, docker.negotiate_version()).await,
        Err(error) => return Err(reason(&error)),
    };
    negotiated.map_err(|_| "no answer in time".to_owned())?.map_err(|error| reason(&error))
}

/// An error with what caused it, which is where the operating system's reason is.
pub(super) fn reason(error: &bollard::errors::Error) -> String {
    if let bollard::errors::Error::DockerResponseServerError { message, .. } = error {
        return message.clone();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Where to look, and whether the user named the place.
fn hosts(env: &Environment) -> Result<(Vec<Host>, bool), Error> {
    if let Some(url) = env.docker_host.as_deref().filter(|url| !url.is_empty()) {
        let certificates = env.docker_cert_path.clone().filter(|_| env.docker_tls_verify);
        return Ok((vec![Host { url: url.to_owned(), certificates }], true));
    }
    let folder = env.docker_config.clone().or_else(|| env.home.as_ref().map(|home| home.join(".docker")));
    let current = folder.as_deref().and_then(current_context);
    let named = env.docker_context.clone().filter(|name| !name.is_empty()).or(current);
    if let Some(name) = named.filter(|name| name != "default") {
        let host = folder.as_deref().and_then(|folder| context(folder, &name));
        return host.map(|host| (vec![host], true)).ok_or_else(|| {
            let message = format!("the Docker context {name:?} is not known");
            Error::new(ErrorKind::NotFound, message, "look at `docker context ls`, or set engine.kind = \"local\"")
        });
    }
    let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
    if let Some(runtime) = &env.xdg_runtime_dir {
        sockets.push(runtime.join("docker.sock"));
    }
    if let Some(home) = &env.home {
        sockets.extend(
            [
                ".docker/run/docker.sock",
                ".docker/desktop/docker.sock",
                ".orbstack/run/docker.sock",
                ".rd/docker.sock",
                ".colima/default/docker.sock",
                ".config/colima/default/docker.sock",
            ]
            .map(|below| home.join(below)),
        );
    }
    if let Some(runtime) = &env.xdg_runtime_dir {
        sockets.push(runtime.join("podman/podman.sock"));
    }
    sockets.push(PathBuf::from("/run/podman/podman.sock"));
    if let Some(home) = &env.home {
        sockets.push(home.join(".local/share/containers/podman/machine/podman.sock"));
    }
    let there = sockets.into_iter().filter(|socket| socket.exists());
    Ok((there.map(|socket| Host { url: format!("unix://{}", socket.display()), certificates: None }).collect(), false))
}

fn current_context(folder: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "currentContext")]
        current: Option<String>,
    }
    let text = std::fs::read(folder.join("config.json")).ok()?;
    serde_json::from_slice::<Config>(&text).ok()?.current.filter(|name| !name.is_empty())
}

fn context(folder: &Path, name: &str) -> Option<Host> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Meta {
        name: String,
        endpoints: Endpoints,
    }
    #[derive(Deserialize)]
    struct Endpoints {
        docker: Option<Target>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Target {
        host: String,
    }
    // A context's folder is named after the hash of its name; there are few, so each is asked for its name.
    std::fs::read_dir(folder.join("contexts/meta")).ok()?.flatten().find_map(|entry| {
        let text = std::fs::read(entry.path().join("meta.json")).ok()?;
        let meta = serde_json::from_slice::<Meta>(&text).ok().filter(|meta| meta.name == name)?;
        let tls = folder.join("contexts/tls").join(entry.file_name()).join("docker");
        Some(Host { url: meta.endpoints.docker?.host, certificates: tls.join("ca.pem").exists().then_some(tls) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn home() -> (tempfile::TempDir, Environment) {
        let home = tempfile::tempdir().unwrap();
        let env = Environment { home: Some(home.path().to_owned()), ..Environment::default() };
        (home, env)
    }

    fn add_context(home: &Path, folder: &str, name: &str, host: &str) {
        let folder = home.join(".docker/contexts/meta").join(folder);
        fs::create_dir_all(&folder).unwrap();
        let meta = format!(
            r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
        );
        fs::write(folder.join("meta.json"), meta).unwrap();
    }

    fn urls(env: &Environment) -> Vec<String> {
        hosts(env).unwrap().0.into_iter().map(|host| host.url).collect()
    }

    #[test]
    fn the_named_host_is_the_only_one() {
        let (_home, mut env) = home();
        env.docker_host = Some("tcp://build:2376".to_owned());
        env.docker_cert_path = Some(PathBuf::from("/certs"));
        assert_eq!(hosts(&env).unwrap().0, [Host { url: "tcp://build:2376".to_owned(), certificates: None }]);
        env.docker_tls_verify = true;
        assert_eq!(hosts(&env).unwrap().0[0].certificates.as_deref(), Some(Path::new("/certs")));
    }

    #[test]
    fn the_current_context_is_followed() {
        let (home, mut env) = home();
        add_context(home.path(), "aa", "other", "unix:///other.sock");
        add_context(home.path(), "bb", "colima", "unix:///colima.sock");
        fs::write(home.path().join(".docker/config.json"), r#"{"auths":{},"currentContext":"colima"}"#).unwrap();
        assert_eq!(urls(&env), ["unix:///colima.sock"]);
        env.docker_context = Some("other".to_owned());
        assert_eq!(urls(&env), ["unix:///other.sock"]);
        env.docker_context = Some("gone".to_owned());
        assert_eq!(hosts(&env).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn the_sockets_of_rootless_engines_are_found() {
        let (home, mut env) = home();
        let runtime = home.path().join("run");
        fs::create_dir_all(runtime.join("podman")).unwrap();
        fs::create_dir_all(home.path().join(".colima/default")).unwrap();
        for socket in ["run/docker.sock", "run/podman/podman.sock", ".colima/default/docker.sock"] {
            fs::write(home.path().join(socket), "").unwrap();
        }
        env.xdg_runtime_dir = Some(runtime);
        let found: Vec<String> = urls(&env)
            .into_iter()
            .filter_map(|url| Some(url.split_once(home.path().to_str()?)?.1.to_owned()))
            .collect();
        assert_eq!(found, ["/run/docker.sock", "/.colima/default/docker.sock", "/run/podman/podman.sock"]);
    }

    #[tokio::test]
    async fn an_engine_that_is_named_and_not_there_is_an_error_that_names_it() {
        let (_home, mut env) = home();
        env.docker_host = Some("unix:///nonexistent/docker.sock".to_owned());
        let error = find(&env).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("/nonexistent/docker.sock"), "{error}");
    }
}
