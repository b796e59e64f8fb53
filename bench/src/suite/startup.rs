//! Owns the `startup` suite: hello world as a whole process, wall time and peak memory.
//! Does not use caches or ahead-of-time compilation: cold starts only.

use std::path::{Path, PathBuf};

use super::run::artifact;
use super::{Contender, Setting, cells, interleave};
use crate::engine::{Class, Engine, Subject};
use crate::process::{self, Invocation};
use crate::results::{Row, today};

/// The programs: hello world, and the same asking for 17 MiB of initial memory.
pub const PROGRAMS: [&str; 2] = ["hello", "hello17"];
/// The only table of this suite.
pub const GROUP: &str = "cold start";
const EXPECTED: &[u8] = b"Hello, world!\n";
/// Peak memory hardly varies from run to run.
const MEMORY_RUNS: usize = 5;

/// Measures both programs on every engine that has a `cold` command.
pub fn measure(setting: &Setting<'_>) -> Vec<Row> {
    let row = |name: &&str| {
        let wasm = setting.places.bench.join("programs").join(format!("{name}.wasm"));
        measure_row(setting, GROUP, name, wasm, EXPECTED)
    };
    PROGRAMS.iter().map(row).collect()
}

/// Measures a module, which prints what is expected, on every engine that has a `cold` command.
pub fn measure_row(
    setting: &Setting<'_>,
    group: &str,
    name: &str,
    wasm: PathBuf,
    expected: &[u8],
) -> Row {
    eprintln!("{group}: {name}");
    let mut row = Row { group: group.into(), name: name.into(), day: today(), ..Row::default() };
    let mut contenders = Vec::new();
    for engine in &setting.engines.found {
        match prepare(setting, engine, &wasm) {
            Ok(Some(invocation)) => contenders.push(Contender::new(engine, invocation)),
            Ok(None) => {}
            Err(reason) => {
                row.failures.insert(engine.name.clone(), reason);
            }
        }
    }
    // Memory first: it also brings every file into the page cache.
    interleave(&mut contenders, MEMORY_RUNS, &mut row.failures, |contender| {
        contender.invocation.measure_memory = true;
        let finished = process::run(&contender.invocation)?.success()?;
        contender.invocation.measure_memory = false;
        if finished.stdout != expected {
            return Err("wrong output".to_owned());
        }
        contender.cell.peak_kib.push(finished.peak_kib);
        Ok(())
    });
    interleave(&mut contenders, setting.runs, &mut row.failures, |contender| {
        let finished = process::run(&contender.invocation)?.success()?;
        contender.cell.time_ns.push(finished.wall_ns);
        contender.cell.cpu_ns.push(finished.cpu_ns);
        Ok(())
    });
    row.cells = cells(contenders);
    row
}

/// The command of one cold start; `None` for an engine that has none.
fn prepare(
    setting: &Setting<'_>,
    engine: &Engine,
    wasm: &Path,
) -> Result<Option<Invocation>, String> {
    let Some(cold) = &engine.cold else { return Ok(None) };
    let (out, wasm) = (artifact(setting, engine, wasm), wasm.to_owned());
    let subject = Subject { out, wasm, ..Subject::default() };
    if engine.class == Class::Native {
        let (Some(compile), true) = (&engine.compile, subject.wasm.with_extension("c").exists())
        else {
            return Ok(None);
        };
        let invocation = Invocation::new(engine.command(compile, setting.places, &subject));
        process::run(&invocation)?.success()?;
    }
    Ok(Some(Invocation::new(engine.command(cold, setting.places, &subject))))
}
