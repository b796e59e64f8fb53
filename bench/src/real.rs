//! Owns the check of real programs: each is run as the manifest says and its output compared with what a peer printed.
//! Does not fetch or build them: scripts/fetch-programs.sh does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;

use crate::engine::{Engine, Places, Subject};
use crate::process::{self, Invocation};

/// One program of `tests/programs/manifest.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    name: String,
    /// The module, below the folder of fetched programs.
    file: String,
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
    writes: Vec<String>,
    #[serde(default)]
    exit: i32,
    /// Who runs it, if it imports more than WASI: a name in an engine's `hosts`.
    host: Option<String>,
    /// What this engine lacks to run it; peers run it all the same.
    lacks: Option<String>,
    /// Seconds until the program is killed.
    #[serde(default = "default_limit")]
    limit: u64,
}

fn default_limit() -> u64 {
    120
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    program: Vec<Program>,
}

/// What the user asked for.
pub struct Choice {
    /// Names; empty for all.
    pub only: Vec<String>,
    /// Record instead of compare.
    pub bless: bool,
    /// Missing files fail.
    pub all: bool,
}

/// How one program fared.
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Checks every chosen program on every engine; a line each and a count at the end.
///
/// # Errors
/// When the manifest cannot be read or names something unknown.
pub fn check(
    places: &Places,
    engines: &[Engine],
    dir: &Path,
    choice: &Choice,
) -> Result<ExitCode, String> {
    let folder = places.bench.join("../tests/programs");
    let path = folder.join("manifest.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let manifest: Manifest =
        toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    if let Some(name) = choice.only.iter().find(|n| manifest.program.iter().all(|p| p.name != **n))
    {
        return Err(format!("no program `{name}` in {}", path.display()));
    }
    let chosen = |p: &&Program| choice.only.is_empty() || choice.only.contains(&p.name);
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for engine in engines {
        for program in manifest.program.iter().filter(chosen) {
            let label = format!("{} on {}", program.name, engine.name);
            match outcome(places, engine, &folder, dir, program, choice) {
                Outcome::Passed => {
                    passed += 1;
                    println!("ok      {label}");
                }
                Outcome::Skipped(reason) => {
                    skipped += 1;
                    println!("skipped {label}: {reason}");
                }
                Outcome::Failed(reason) => {
                    failed += 1;
                    println!("FAILED  {label}: {reason}");
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn outcome(
    places: &Places,
    engine: &Engine,
    folder: &Path,
    dir: &Path,
    program: &Program,
    choice: &Choice,
) -> Outcome {
    if !dir.join(&program.file).exists() {
        let reason = format!("{} is not there", program.file);
        return if choice.all { Outcome::Failed(reason) } else { Outcome::Skipped(reason) };
    }
    if let (Some(lacks), true) = (&program.lacks, engine.name.starts_with("sterna")) {
        return Outcome::Skipped(format!("needs {lacks}"));
    }
    let actual = match run(places, engine, folder, dir, program) {
        Ok(Some(actual)) => actual,
        Ok(None) => {
            return Outcome::Skipped("the engine takes no folders, variables or hosts".to_owned());
        }
        Err(reason) => return Outcome::Failed(reason),
    };
    let expected_path = folder.join("expected").join(format!("{}.txt", program.name));
    if choice.bless {
        return match std::fs::write(&expected_path, &actual) {
            Ok(()) => Outcome::Passed,
            Err(e) => Outcome::Failed(format!("{}: {e}", expected_path.display())),
        };
    }
    match std::fs::read(&expected_path) {
        Ok(expected) if expected == actual => Outcome::Passed,
        Ok(expected) => Outcome::Failed(difference(&expected, &actual)),
        Err(e) => Outcome::Failed(format!("{}: {e}", expected_path.display())),
    }
}

/// The program's standard output, followed by a line for each file it should have written. `None` if the engine cannot be told
/// what the program needs.
fn run(
    places: &Places,
    engine: &Engine,
    folder: &Path,
    dir: &Path,
    program: &Program,
) -> Result<Option<Vec<u8>>, String> {
    let scratch = tempfile::tempdir().map_err(|e| format!("no scratch folder: {e}"))?;
    let host = |name: &str| match name {
        "{scratch}" => scratch.path().to_path_buf(),
        "{inputs}" => folder.join("inputs"),
        "{sources}" => folder.join("src"),
        other => dir.join(other),
    };
    let pair = |text: &String| -> Result<(String, String), String> {
        let (from, to) =
            text.split_once("::").ok_or_else(|| format!("`{text}` is not HOST::GUEST"))?;
        Ok((host(from).to_string_lossy().into_owned(), to.to_owned()))
    };
    let subject = Subject {
        wasm: dir.join(&program.file),
        out: PathBuf::new(),
        args: program.args.clone(),
        dirs: program.dirs.iter().map(pair).collect::<Result<_, _>>()?,
        env: program.env.clone().into_iter().collect(),
    };
    let template = match &program.host {
        None => engine.cold.as_ref().ok_or_else(|| format!("{} has no `cold`", engine.name))?,
        Some(host) => match engine.hosts.get(host) {
            Some(template) => template,
            None => return Ok(None),
        },
    };
    if !engine.accepts(&subject) {
        return Ok(None);
    }
    let mut invocation = Invocation::new(engine.command(template, places, &subject));
    if let Some(name) = &program.stdin {
        invocation.stdin =
            std::fs::read(folder.join("inputs").join(name)).map_err(|e| format!("{name}: {e}"))?;
    }
    invocation.limit = Duration::from_secs(program.limit);
    let finished = process::run(&invocation)?;
    if finished.timed_out {
        return Err(format!("not finished after {} s", program.limit));
    }
    if finished.code() != program.exit {
        let errors = String::from_utf8_lossy(&finished.stderr);
        let end: Vec<&str> = errors.lines().rev().take(3).collect();
        let end: Vec<&str> = end.into_iter().rev().collect();
        return Err(format!(
            "exit code {} instead of {}: {}",
            finished.code(),
            program.exit,
            end.join(" | ")
        ));
    }
    let mut actual = finished.stdout;
    for name in &program.writes {
        let bytes = std::fs::read(scratch.path().join(name)).map_err(|e| format!("{name}: {e}"))?;
        let line = format!("wrote {name}: {} bytes, fnv {:016x}\n", bytes.len(), fnv(&bytes));
        actual.extend_from_slice(line.as_bytes());
    }
    Ok(Some(actual))
}

/// The 64-bit FNV-1a hash: enough to notice a wrong byte.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

/// The first line that differs.
fn difference(expected: &[u8], actual: &[u8]) -> String {
    let (expected, actual) = (String::from_utf8_lossy(expected), String::from_utf8_lossy(actual));
    let (mut left, mut right) = (expected.lines(), actual.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let show = |line: Option<&str>| {
                    line.map_or("nothing".to_owned(), |l| format!("`{}`", l.trim_end()))
                };
                return format!("line {number}: {} instead of {}", show(b), show(a));
            }
        }
    }
    "the same lines, but different bytes at their ends".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_different_line_is_shown() {
        assert_eq!(difference(b"a\nb\nc", b"a\nx\nc"), "line 2: `x` instead of `b`");
        assert_eq!(difference(b"a\nb", b"a"), "line 2: nothing instead of `b`");
        assert!(difference(b"a", b"a\n").contains("ends"));
    }

    #[test]
    fn every_program_of_the_manifest_has_an_expectation() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/programs");
        let text = std::fs::read_to_string(folder.join("manifest.toml")).unwrap();
        let manifest: Manifest = toml::from_str(&text).unwrap();
        for program in &manifest.program {
            let expected = folder.join("expected").join(format!("{}.txt", program.name));
            assert!(expected.exists(), "{} is missing", expected.display());
        }
    }
}
