//! Owns the `run`, `gc` and `long` suites: the programs of `programs.toml`, compiled beforehand where an engine can.
//! Does not time ahead-of-time compilation; process start only in `long`, the others have the programs' own word.

use std::path::{Path, PathBuf};

use super::{Contender, Setting, cells, interleave};
use crate::engine::{Class, Engine, Subject};
use crate::process::{self, Invocation};
use crate::program::Program;
use crate::results::{Row, Suite, today};

/// The table of native and compiled code.
pub const COMPILED: &str = "compiled";
/// The table of interpreters.
pub const INTERPRETERS: &str = "interpreters";

/// How many times as much the programs of the `long` suite do.
const LONGER: u64 = 13;

/// Measures every program on every engine, one row for compiled code and one for interpreters.
pub fn measure(setting: &Setting<'_>, suite: Suite, programs: &[Program]) -> Vec<Row> {
    let mut rows = Vec::new();
    for program in programs {
        let (factor, factor_interp) = if suite == Suite::Long { (LONGER, 0) } else { (1, 1) };
        let both = [
            (COMPILED, program.rounds * factor, &setting.engines.baseline.compiled),
            (
                INTERPRETERS,
                program.rounds_interp * factor_interp,
                &setting.engines.baseline.interpreter,
            ),
        ];
        for (group, rounds, reference) in both {
            if rounds == 0 {
                continue;
            }
            eprintln!("{group}: {} ({})", program.name, program.what);
            let row = measure_row(setting, suite, program, group, rounds, reference);
            if !row.cells.is_empty() || !row.failures.is_empty() {
                rows.push(row);
            }
        }
    }
    // Both tables list their programs together.
    rows.sort_by_key(|row| row.group != COMPILED);
    rows
}

fn takes_part(engine: &Engine, suite: Suite, group: &str) -> bool {
    let class = match group {
        // There is no source for a native compiler.
        COMPILED if suite != Suite::Run => engine.class == Class::Compiled,
        COMPILED => matches!(engine.class, Class::Native | Class::Compiled),
        _ => engine.class == Class::Interpreter,
    };
    class && engine.run.is_some()
}

fn measure_row(
    setting: &Setting<'_>,
    suite: Suite,
    program: &Program,
    group: &str,
    rounds: u64,
    reference: &str,
) -> Row {
    let mut row = Row {
        group: group.into(),
        name: program.name.clone(),
        day: today(),
        size: rounds,
        ..Row::default()
    };
    let mut contenders = Vec::new();
    for engine in setting.engines.found.iter().filter(|e| takes_part(e, suite, group)) {
        match prepare(setting, engine, &program.module(&setting.places.bench), rounds) {
            Ok(invocation) => contenders.push(Contender::new(engine, invocation)),
            Err(reason) => {
                row.failures.insert(engine.name.clone(), reason);
            }
        }
    }
    // The baseline's output is the one that the others must match, so it goes first.
    contenders.sort_by_key(|c| c.engine.name != reference);
    let mut expected: Option<Vec<u8>> = None;
    interleave(&mut contenders, setting.runs, &mut row.failures, |contender| {
        let finished = process::run(&contender.invocation)?.success()?;
        match &expected {
            Some(expected) if *expected != finished.stdout => {
                return Err(format!(
                    "wrong output: {}",
                    String::from_utf8_lossy(&finished.stdout).trim()
                ));
            }
            Some(_) => {}
            None => expected = Some(finished.stdout),
        }
        contender.cell.time_ns.push(match suite {
            Suite::Long => finished.wall_ns,
            _ => reported_time(&finished.stderr)?,
        });
        Ok(())
    });
    row.cells = cells(contenders);
    row
}

/// Compiles the module if the engine does that ahead of time; the command to run it.
fn prepare(
    setting: &Setting<'_>,
    engine: &Engine,
    module: &Path,
    rounds: u64,
) -> Result<Invocation, String> {
    let template = engine.run.as_ref().ok_or("no `run` command")?;
    let subject = Subject {
        wasm: module.to_path_buf(),
        out: artifact(setting, engine, module),
        args: vec![rounds.to_string()],
        ..Subject::default()
    };
    if let Some(compile) = &engine.compile {
        let invocation = Invocation::new(engine.command(compile, setting.places, &subject));
        process::run(&invocation)?.success()?;
    }
    Ok(Invocation::new(engine.command(template, setting.places, &subject)))
}

/// A file of its own for every engine and module.
pub fn artifact(setting: &Setting<'_>, engine: &Engine, module: &Path) -> PathBuf {
    let stem = module.file_stem().unwrap_or_default().to_string_lossy();
    setting.scratch.join(format!("{stem}.{}", engine.name))
}

/// The number of the line `time_ns: N`.
fn reported_time(stderr: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(stderr);
    let time = text.lines().find_map(|line| line.strip_prefix("time_ns: ")?.trim().parse().ok());
    time.ok_or_else(|| "the program printed no `time_ns: N`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_found_among_other_lines() {
        assert_eq!(reported_time(b"warning\ntime_ns: 123\n"), Ok(123));
        assert!(reported_time(b"time: 1").is_err());
    }
}
