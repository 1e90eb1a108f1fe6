//! The engine that is chosen when none is named: a container where it can be had soon, else the local binaries.

use std::sync::Arc;

use super::endpoint;
use super::{Engine, Error, ErrorKind, Place, Progress, binaries, container, image, local, mismatch};
use crate::config;

pub(super) async fn start(
    config: &config::Engine,
    place: &Place,
    progress: &Progress,
) -> Result<Arc<dyn Engine>, Error> {
    // Full rights are for containers alone.
    if config.superuser {
        return container::start(config, place, progress).await;
    }
    let installed = binaries::find(config, place).await;
    let why = match endpoint::find(&place.env).await {
        Err(error) => error,
        Ok(endpoint) => {
            let name = image::name(config);
            let here = image::inspect(&endpoint.docker, &name).await;
            let suits = installed.as_ref().is_ok_and(|found| mismatch(config, found.major).is_none());
            if suits && matches!(here, Ok(None)) {
                let found = installed.as_ref().map(|found| found.version.as_str()).unwrap_or_default();
                progress(&format!("the image {name} is not here; using the installed PostgreSQL {found}"));
                return local::start(config, place, progress).await;
            }
            match container::start_at(endpoint, config, place, progress).await {
                Ok(engine) => return Ok(engine),
                Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Settings) => return Err(error),
                Err(error) => error,
            }
        }
    };
    match installed {
        Ok(found) => {
            if why.kind() != ErrorKind::NotFound {
                progress(&format!("{why}; using the installed PostgreSQL {}", found.version));
            }
            local::start(config, place, progress).await
        }
        Err(missing) => Err(Error::new(
            ErrorKind::NotFound,
            format!("{why}, and {missing}"),
            format!("start Docker or Podman, or {}", missing.help()),
        )),
    }
}
