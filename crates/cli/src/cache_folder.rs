//! Owns where the code cache is: the option, the environment, the platform's place for such things.
//! Does not look into it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use sterna::CodeCache;

/// The variable that names the folder, or switches the cache off.
const VARIABLE: &str = "STERNA_CACHE";
/// What switches it off.
const OFF: &str = "off";

/// Where the cache is, for the help of commands.
pub const HELP: &str = "\
The cache is the folder given by --cache-dir; else by STERNA_CACHE (`off`: no cache); else `sterna` in the platform's folder
for caches: $XDG_CACHE_HOME or ~/.cache on Linux, ~/Library/Caches on macOS. It must belong to you alone: what other users
could write to is not used, nor what a program wrote that was granted a folder above.";

/// The cache; `None` if there is to be none.
pub fn cache(option: Option<&Path>) -> Option<CodeCache> {
    let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
    choose(option, variable.as_deref(), platform).map(CodeCache::new)
}

fn choose(
    option: Option<&Path>,
    variable: Option<&OsStr>,
    platform: impl FnOnce() -> Option<PathBuf>,
) -> Option<PathBuf> {
    match (option, variable) {
        (Some(folder), _) => Some(folder.to_owned()),
        (None, Some(value)) if value == OFF => None,
        (None, Some(value)) => Some(value.into()),
        (None, None) => platform(),
    }
}

/// `None` without a home.
fn platform() -> Option<PathBuf> {
    // Nobody's home is looked up in the system's list of users: that would take a while.
    std::env::var_os("HOME").filter(|home| Path::new(home).is_absolute())?;
    Some(etcetera::base_strategy::choose_native_strategy().ok()?.cache_dir().join("sterna"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_comes_before_the_variable_before_the_platform() {
        let platform = || Some(PathBuf::from("/home/cache/sterna"));
        let chosen = |option: Option<&str>, variable: Option<&str>| {
            let folder = choose(option.map(Path::new), variable.map(OsStr::new), platform);
            folder.map(|folder| folder.to_string_lossy().into_owned())
        };
        assert_eq!(chosen(Some("a"), Some("off")).as_deref(), Some("a"));
        assert_eq!(chosen(None, Some("off")), None);
        assert_eq!(chosen(None, Some("b")).as_deref(), Some("b"));
        assert_eq!(chosen(None, None).as_deref(), Some("/home/cache/sterna"));
    }
}
