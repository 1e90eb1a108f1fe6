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
use std::os::unix::ffi::OsStringExt;

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
        .filter_map(|(name, value)| Some((name.into_string().ok()?, told(value))))
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
    SURROUNDINGS.iter().filter_map(|name| Some(((*name).to_owned(), told(var_os(name)?)))).collect()
}

/// A path or a variable's value as the wire has it: as it is where it is UTF-8; else a NUL, which none of them can have, and
/// then each byte as the character of that number.
pub fn told(value: OsString) -> String {
    value.into_string().unwrap_or_else(|other| {
        let bytes = other.into_vec();
        std::iter::once('\0').chain(bytes.into_iter().map(char::from)).collect()
    })
}

/// What [`told`] made a text of.
pub fn meant(text: &str) -> OsString {
    let bytes = text.strip_prefix('\0').and_then(|rest| rest.chars().map(|byte| u8::try_from(byte).ok()).collect());
    bytes.map_or_else(|| OsString::from(text), OsString::from_vec)
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
    fn what_is_no_utf_8_comes_over_the_wire_as_it_was() {
        for bytes in [b"/plain" as &[u8], "/caf\u{e9}".as_bytes(), b"/caf\xe9 \xff\x80/x", b"\xe9", b""] {
            let value = OsString::from_vec(bytes.to_vec());
            assert_eq!(meant(&told(value.clone())), value);
        }
        assert_eq!(meant("\0\u{20ac}"), OsString::from("\0\u{20ac}"), "nothing of ours");
    }

    #[test]
    fn what_somebody_else_has_otherwise_is_named() {
        let env = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let one: BTreeMap<_, _> = env(&[("HOME", "/a"), ("DOCKER_HOST", ""), ("GIT_DIR", "x")]);
        assert_eq!(differing(&one, &env(&[("HOME", "/a"), ("GIT_DIR", "y")])), [""; 0]);
        assert_eq!(differing(&one, &env(&[("HOME", "/b"), ("DOCKER_HOST", "tcp://x")])), ["DOCKER_HOST", "HOME"]);
    }
}
