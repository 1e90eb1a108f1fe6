//! The image of the container engine: which, whether it is there, and its pull.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as Refusal;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;

use super::endpoint::reason;
use super::{Error, ErrorKind, Progress};
use crate::config;

/// How long a pull may go without a sign of life.
const SILENCE: Duration = Duration::from_secs(60);

/// An image that is there.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// As configured, with its tag.
    pub(super) name: String,
    /// Its content's name.
    pub(super) id: String,
    /// The major version that it says it has.
    pub(super) major: Option<u32>,
    /// The folders that it wants a volume for.
    pub(super) volumes: Vec<String>,
}

/// The configured image. Who asks for another major version and leaves the image alone gets that version's.
pub(super) fn name(config: &config::Engine) -> String {
    let usual = config::Engine::default().image;
    let major = config.postgres.split('.').next().unwrap_or_default().trim();
    if config.image == usual && !major.is_empty() && major.bytes().all(|c| c.is_ascii_digit()) {
        return format!("postgres:{major}-alpine");
    }
    let tagged = config.image.contains('@') || config.image.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if tagged { config.image.clone() } else { format!("{}:latest", config.image) }
}

/// The image, if the engine has it.
pub(super) async fn inspect(docker: &Docker, name: &str) -> Result<Option<Image>, Error> {
    let found = match docker.inspect_image(name).await {
        Ok(found) => found,
        Err(Refusal::DockerResponseServerError { status_code: 404, .. }) => return Ok(None),
        Err(error) => {
            let message = format!("the container engine cannot look for {name}: {}", reason(&error));
            return Err(Error::new(ErrorKind::Image, message, "check engine.image").because(error));
        }
    };
    let config = found.config.unwrap_or_default();
    let (env, volumes) = (config.env.unwrap_or_default(), config.volumes.unwrap_or_default());
    let said = |name: &str| env.iter().find_map(|line| line.strip_prefix(name)?.split('.').next()?.parse().ok());
    let major = said("PG_MAJOR=").or_else(|| said("PG_VERSION="));
    Ok(Some(Image { name: name.to_owned(), id: found.id.unwrap_or_default(), major, volumes }))
}

/// Fetches the image, saying how far it is.
pub(super) async fn pull(docker: &Docker, name: &str, progress: &Progress) -> Result<Image, Error> {
    let refused = |why: String| {
        let why = why.trim().to_owned();
        Error::new(
            ErrorKind::Image,
            format!("the image {name} cannot be had: {why}"),
            format!("try `docker pull {name}`, set engine.image, or set engine.kind = \"local\""),
        )
    };
    progress(&format!("pulling {name}"));
    let options = CreateImageOptionsBuilder::default().from_image(name).build();
    let mut stream = docker.create_image(Some(options), None, None);
    let (mut seen, mut done) = (BTreeSet::new(), BTreeMap::new());
    loop {
        let event = match tokio::time::timeout(SILENCE, stream.next()).await {
            Err(_) => return Err(refused(format!("nothing came for {} s", SILENCE.as_secs()))),
            Ok(None) => break,
            Ok(Some(event)) => event.map_err(|error| refused(reason(&error)))?,
        };
        if let Some(error) = event.error_detail.and_then(|detail| detail.message) {
            return Err(refused(error));
        }
        let (Some(layer), Some(status)) = (event.id, event.status) else { continue };
        match status.as_str() {
            "Pulling fs layer" | "Waiting" => drop(seen.insert(layer)),
            "Pull complete" | "Already exists" => {
                seen.insert(layer.clone());
                if done.insert(layer, ()).is_none() {
                    progress(&format!("pulling {name}: {} of {} layers", done.len(), seen.len()));
                }
            }
            _ => {}
        }
    }
    inspect(docker, name).await?.ok_or_else(|| refused("it is not there after the pull".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_follows_the_version_unless_it_is_named() {
        let named = |image: &str, postgres: &str| {
            name(&config::Engine { image: image.to_owned(), postgres: postgres.to_owned(), ..Default::default() })
        };
        assert_eq!(named("postgres:17-alpine", ""), "postgres:17-alpine");
        assert_eq!(named("postgres:17-alpine", "15.4"), "postgres:15-alpine");
        assert_eq!(named("postgis/postgis:16-3.4", "15"), "postgis/postgis:16-3.4");
        assert_eq!(named("localhost:5000/pg", ""), "localhost:5000/pg:latest");
        assert_eq!(named("postgres@sha256:00", ""), "postgres@sha256:00");
    }
}
