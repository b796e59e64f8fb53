//! Owns the `compile` suite: whole modules compiled ahead of time on a given number of cores; wall time, CPU time, peak memory.
//! Does not run what was compiled.

use std::path::{Path, PathBuf};

use super::run::artifact;
use super::{Contender, Setting, cells, interleave};
use crate::engine::{Class, Subject};
use crate::process::{self, Invocation};
use crate::results::{Row, today};
use crate::wasm;

/// Measures every module for every thread count.
pub fn measure(
    setting: &Setting<'_>,
    modules: &[PathBuf],
    threads: &[usize],
) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for &count in threads {
        for module in modules {
            rows.push(measure_row(setting, module, count)?);
        }
    }
    Ok(rows)
}

/// The table of a thread count.
fn group(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

/// A module's name in tables: its file without folder and extension.
pub fn module_name(module: &Path) -> String {
    module.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn measure_row(setting: &Setting<'_>, module: &Path, threads: usize) -> Result<Row, String> {
    let (group, name) = (group(threads), module_name(module));
    eprintln!("compile, {group}: {name}");
    let mut row =
        Row { group, name, day: today(), size: wasm::code_bytes(module)?, ..Row::default() };
    let compilers = setting.engines.found.iter().filter(|e| e.class != Class::Native);
    let mut contenders = Vec::new();
    for engine in compilers {
        let Some(compile) = &engine.compile else { continue };
        let out = artifact(setting, engine, module);
        let subject = Subject { wasm: module.to_path_buf(), out, ..Subject::default() };
        let mut words = pinned(threads);
        words.extend(engine.command(compile, setting.places, &subject));
        let mut invocation = Invocation::new(words);
        invocation.measure_memory = true;
        contenders.push(Contender::new(engine, invocation));
    }
    interleave(&mut contenders, setting.runs, &mut row.failures, |contender| {
        let finished = process::run(&contender.invocation)?.success()?;
        contender.cell.time_ns.push(finished.wall_ns);
        contender.cell.cpu_ns.push(finished.cpu_ns);
        contender.cell.peak_kib.push(finished.peak_kib);
        Ok(())
    });
    row.cells = cells(contenders);
    Ok(row)
}

/// A prefix that leaves the process `threads` cores, which engines take as their thread count.
fn pinned(threads: usize) -> Vec<String> {
    let cores: Vec<String> = (0..threads).map(|core| core.to_string()).collect();
    vec!["taskset".to_owned(), "-c".to_owned(), cores.join(",")]
}
