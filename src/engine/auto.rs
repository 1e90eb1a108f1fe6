//! The engine that is chosen when none is named.

use std::sync::Arc;

use super::{Engine, Error, Place, Progress, local};
use crate::config;

pub(super) async fn start(
    config: &config::Engine,
    place: &Place,
    progress: &Progress,
) -> Result<Arc<dyn Engine>, Error> {
    local::start(config, place, progress).await
}
