//! Owns the check of real programs: each is run as the manifest says and its output compared with what a peer printed.
//! Does not fetch or build them: scripts/fetch-programs.sh does.

pub mod manifest;

use std::path::Path;
use std::process::ExitCode;

use crate::engine::{Engine, Places};
use crate::process;
use manifest::{Program, Site};

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
    let site = Site::new(places, dir);
    let programs = manifest::load(&site, &choice.only)?;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for engine in engines {
        for program in &programs {
            let label = format!("{} on {}", program.name, engine.name);
            match outcome(&site, engine, program, choice) {
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

fn outcome(site: &Site<'_>, engine: &Engine, program: &Program, choice: &Choice) -> Outcome {
    if !program.module(site).exists() {
        let reason = format!("{} is not there", program.file);
        return if choice.all { Outcome::Failed(reason) } else { Outcome::Skipped(reason) };
    }
    if let (Some(lacks), true) = (&program.lacks, engine.name.starts_with("sterna")) {
        return Outcome::Skipped(format!("needs {lacks}"));
    }
    let template = match &program.host {
        None => engine.cold.as_ref(),
        Some(host) => engine.hosts.get(host),
    };
    let ran = template.map_or(Ok(None), |template| run(site, engine, program, template, false));
    match ran {
        Ok(Some(ran)) if choice.bless => {
            let path = program.expectation(site);
            let fault = |e: std::io::Error| Outcome::Failed(format!("{}: {e}", path.display()));
            std::fs::write(&path, &ran.output).map_or_else(fault, |()| Outcome::Passed)
        }
        Ok(Some(ran)) => match verify(site, program, &ran.output) {
            Ok(()) => Outcome::Passed,
            Err(reason) => Outcome::Failed(reason),
        },
        Ok(None) => Outcome::Skipped("the engine takes no folders, variables or hosts".to_owned()),
        Err(reason) => Outcome::Failed(reason),
    }
}

/// What came of one run.
pub struct Ran {
    /// The standard output, followed by a line for each file that it should have written.
    pub output: Vec<u8>,
    pub wall_ns: u64,
    pub cpu_ns: u64,
    /// See [`process::Finished::peak_kib`].
    pub peak_kib: u64,
}

/// Runs a program by the command `template` of `engine`. `None` if the engine cannot be told what the program needs.
///
/// # Errors
/// It could not be started, ended with another exit code than it should, or not at all.
pub fn run(
    site: &Site<'_>,
    engine: &Engine,
    program: &Program,
    template: &str,
    measure_memory: bool,
) -> Result<Option<Ran>, String> {
    let Some(mut task) = program.task(site, engine, template)? else { return Ok(None) };
    task.invocation.measure_memory = measure_memory;
    let finished = process::run(&task.invocation)?;
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
    let mut output = finished.stdout;
    for name in &program.writes {
        let path = task.scratch.path().join(name);
        let bytes = std::fs::read(path).map_err(|e| format!("{name}: {e}"))?;
        let line = format!("wrote {name}: {} bytes, fnv {:016x}\n", bytes.len(), fnv(&bytes));
        output.extend_from_slice(line.as_bytes());
    }
    let (wall_ns, cpu_ns, peak_kib) = (finished.wall_ns, finished.cpu_ns, finished.peak_kib);
    Ok(Some(Ran { output, wall_ns, cpu_ns, peak_kib }))
}

/// Compares what a program put out with what is recorded.
///
/// # Errors
/// Where they differ first.
pub fn verify(site: &Site<'_>, program: &Program, output: &[u8]) -> Result<(), String> {
    let path = program.expectation(site);
    match std::fs::read(&path) {
        Ok(expected) if expected == output => Ok(()),
        Ok(expected) => Err(difference(&expected, output)),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
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
        let bench = Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf();
        let places = Places { bench, bins: Default::default() };
        let site = Site::new(&places, Path::new("."));
        for program in manifest::load(&site, &[]).unwrap() {
            let expected = program.expectation(&site);
            assert!(expected.exists(), "{} is missing", expected.display());
        }
    }
}
