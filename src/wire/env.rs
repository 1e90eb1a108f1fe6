//! The one place that reads the process's environment.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `MIGD` | `0` turns the hook off for one commit, visibly |
//! | `MIGD_RUNTIME_DIR` | where the socket, the lock and the server's socket live (default: `$XDG_RUNTIME_DIR/migd`, `/run/user/UID/migd`, `/tmp/migd-UID`) |
//! | `MIGD_STATE_DIR` | where logs and kept clusters live (default: the platform's state folder) |
//! | `MIGD_LOG` | the daemon's log filter, as in `debug` or `migd=trace` |
//! | `MIGD_ENGINE`, `MIGD_ENGINE_URL`, `MIGD_POSTGRES`, `MIGD_IMAGE`, `MIGD_BIN_DIR` | override `engine.kind`, `.url`, `.postgres`, `.image`, `.bin_dir` |
//! | `MIGD_HOOK_BUDGET`, `MIGD_HOOK_UNAVAILABLE` | override `hook.budget`, `hook.unavailable` |
//! | `MIGD_ROWS_BUDGET` | overrides `rows.budget` and `rows.patience`; `migd check --budget` sets it |
//! | `NO_COLOR`, `CLICOLOR_FORCE`, `CI`, `TERM`, `COLUMNS` | how the terminal is written to |
//! | `LC_ALL`, `LC_CTYPE`, `LANG` | whether the terminal takes Unicode |
//! | `DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG`, `XDG_RUNTIME_DIR`, `DOCKER_CERT_PATH`, `DOCKER_TLS_VERIFY`, `CONTAINER_HOST`, `HOME`, `PATH` | where container engines and PostgreSQL are found |
//! | `XDG_CONFIG_HOME` | with `HOME`, where the user's own configuration is: the client's, not the daemon's |
//! | `GIT_*` | sent to the daemon with every request, so that the index being committed is the one that is judged |

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;

/// The variable's value, none when it is unset, empty or no UTF-8.
pub fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variable as the system has it, none when it is unset or empty.
pub fn var_os(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether `MIGD=0` turns the hook off.
pub fn is_off() -> bool {
    env::var_os("MIGD").is_some_and(|value| value == "0")
}

/// Every variable that a judgement depends on: `GIT_*`, the `MIGD_*` that override the configuration, and where the
/// user's configuration and container engine are.
pub fn sent() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| {
            name.starts_with("GIT_") || OVERRIDES.contains(&name.as_str()) || SURROUNDINGS.contains(&name.as_str())
        })
        .collect()
}

/// The variables that override keys of the configuration.
pub const OVERRIDES: &[&str] = &[
    "MIGD_ENGINE",
    "MIGD_ENGINE_URL",
    "MIGD_POSTGRES",
    "MIGD_IMAGE",
    "MIGD_BIN_DIR",
    "MIGD_HOOK_BUDGET",
    "MIGD_HOOK_UNAVAILABLE",
    ROWS_BUDGET,
];

/// What a daemon has of whoever started it, and somebody who speaks to it may have otherwise.
pub const SURROUNDINGS: &[&str] =
    &["CONTAINER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST", "HOME", "XDG_CONFIG_HOME"];

/// This process's own [`SURROUNDINGS`].
pub fn surroundings() -> BTreeMap<String, String> {
    SURROUNDINGS.iter().filter_map(|name| Some(((*name).to_owned(), var(name)?))).collect()
}

/// The names of [`SURROUNDINGS`] that are not the same in both.
pub fn differing(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<&'static str> {
    // An empty variable is as good as none.
    let get = |of: &BTreeMap<String, String>, name: &str| of.get(name).filter(|value| !value.is_empty()).cloned();
    SURROUNDINGS.iter().copied().filter(|name| get(one, name) != get(other, name)).collect()
}

/// What `migd check --budget` sets for its own request.
pub const ROWS_BUDGET: &str = "MIGD_ROWS_BUDGET";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_has_otherwise_is_named() {
        let env = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let one: BTreeMap<_, _> = env(&[("HOME", "/a"), ("DOCKER_HOST", ""), ("GIT_DIR", "x")]);
        assert_eq!(differing(&one, &env(&[("HOME", "/a"), ("GIT_DIR", "y")])), [""; 0]);
        assert_eq!(differing(&one, &env(&[("HOME", "/b"), ("DOCKER_HOST", "tcp://x")])), ["DOCKER_HOST", "HOME"]);
    }
}
