//! Owns the list of real programs (`tests/programs/manifest.toml`) and how one is started on an engine.
//! Does not judge what they print.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use crate::engine::{Engine, Places, Subject};
use crate::process::Invocation;

/// One program of `tests/programs/manifest.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    pub name: String,
    /// The module, below the folder of fetched programs.
    pub file: String,
    /// What compiled it, and who.
    #[allow(dead_code, reason = "for the reader of the manifest")]
    toolchain: String,
    #[serde(default)]
    args: Vec<String>,
    /// A file of tests/programs/inputs given as standard input.
    stdin: Option<String>,
    /// Preopened folders, `HOST::GUEST`. HOST is below the folder of fetched programs, or `{scratch}`: a new folder for every
    /// run, or `{inputs}` or `{sources}`: tests/programs/inputs or src.
    #[serde(default)]
    dirs: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Files below the scratch folder whose contents belong to the outcome.
    #[serde(default)]
    pub writes: Vec<String>,
    #[serde(default)]
    pub exit: i32,
    /// Who runs it, if it imports more than WASI: a name in an engine's `hosts`.
    pub host: Option<String>,
    /// What this engine lacks to run it; peers run it all the same.
    pub lacks: Option<String>,
    /// Seconds until the program is killed.
    #[serde(default = "default_limit")]
    pub limit: u64,
}

fn default_limit() -> u64 {
    120
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    program: Vec<Program>,
}

/// Where everything is.
pub struct Site<'a> {
    places: &'a Places,
    /// tests/programs
    folder: PathBuf,
    /// The fetched programs.
    dir: &'a Path,
}

impl<'a> Site<'a> {
    /// With the fetched programs in `dir`.
    pub fn new(places: &'a Places, dir: &'a Path) -> Self {
        Self { places, folder: places.bench.join("../tests/programs"), dir }
    }
}

/// One run of a program, ready to start.
pub struct Task {
    pub invocation: Invocation,
    /// Its scratch folder, removed with the task.
    pub scratch: TempDir,
}

/// Reads the manifest and keeps the programs that are named in `only` (all, if it is empty).
///
/// # Errors
/// When it cannot be read, or has no program of such a name.
pub fn load(site: &Site<'_>, only: &[String]) -> Result<Vec<Program>, String> {
    let path = site.folder.join("manifest.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut list: Manifest =
        toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    if let Some(name) = only.iter().find(|n| list.program.iter().all(|p| p.name != **n)) {
        return Err(format!("no program `{name}` in {}", path.display()));
    }
    list.program.retain(|program| only.is_empty() || only.contains(&program.name));
    Ok(list.program)
}

impl Program {
    /// The module.
    pub fn module(&self, site: &Site<'_>) -> PathBuf {
        site.dir.join(&self.file)
    }

    /// The file with what it must print.
    pub fn expectation(&self, site: &Site<'_>) -> PathBuf {
        site.folder.join("expected").join(format!("{}.txt", self.name))
    }

    /// A run by the command `template` of `engine`; `None` if the engine cannot be told what the program needs.
    ///
    /// # Errors
    /// No scratch folder, no input file, or a mistake in the manifest.
    pub fn task(
        &self,
        site: &Site<'_>,
        engine: &Engine,
        template: &str,
    ) -> Result<Option<Task>, String> {
        let scratch = tempfile::tempdir().map_err(|e| format!("no scratch folder: {e}"))?;
        let host = |name: &str| match name {
            "{scratch}" => scratch.path().to_path_buf(),
            "{inputs}" => site.folder.join("inputs"),
            "{sources}" => site.folder.join("src"),
            other => site.dir.join(other),
        };
        let pair = |text: &String| -> Result<(String, String), String> {
            let (from, to) =
                text.split_once("::").ok_or_else(|| format!("`{text}` is not HOST::GUEST"))?;
            Ok((host(from).to_string_lossy().into_owned(), to.to_owned()))
        };
        let subject = Subject {
            wasm: self.module(site),
            out: PathBuf::new(),
            args: self.args.clone(),
            dirs: self.dirs.iter().map(pair).collect::<Result<_, _>>()?,
            env: self.env.clone().into_iter().collect(),
        };
        if !engine.accepts(&subject) {
            return Ok(None);
        }
        let mut invocation = Invocation::new(engine.command(template, site.places, &subject));
        if let Some(name) = &self.stdin {
            let path = site.folder.join("inputs").join(name);
            invocation.stdin = std::fs::read(path).map_err(|e| format!("{name}: {e}"))?;
        }
        invocation.limit = Duration::from_secs(self.limit);
        Ok(Some(Task { invocation, scratch }))
    }
}
