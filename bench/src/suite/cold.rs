//! Owns the `cold` and `warm` suites: whole processes from nothing to exit, with default flags: real programs, and the computations of
//! the `run` suite at the small counts that suit interpreters.
//! Does not choose the programs: the manifest of `real` and `programs.toml` do.

use super::{Contender, Setting, cells, interleave};
use crate::engine::{Class, Engine, Places, Subject};
use crate::process::{self, Finished, Invocation};
use crate::program;
use crate::real::manifest::{self, Program, Site};
use crate::real::{self, Ran};
use crate::results::{Row, Suite, today};

/// Programs of modules up to [`LARGE`] bytes.
const MEDIUM: &str = "small and medium programs";
/// The others.
const LARGE_GROUP: &str = "large programs";
const LARGE: u64 = 2 << 20;

/// The programs of the `run` suite.
const SHORT: &str = "short computations";

/// What there is to measure: real programs that are here and need nothing but WASI, and the programs of the `run` suite.
///
/// # Errors
/// When a list cannot be read, or there is nothing of a name in `only`.
pub fn names(places: &Places, site: &Site<'_>, only: &[String]) -> Result<Vec<String>, String> {
    let real = programs(site, &[])?.into_iter().map(|program| program.name);
    let short = program::load(&places.bench, Suite::Run, &[])?.into_iter().map(|p| p.name);
    let all: Vec<String> = real.chain(short).collect();
    if let Some(name) = only.iter().find(|name| !all.contains(name)) {
        return Err(format!("no program `{name}`; there are {}", all.join(", ")));
    }
    Ok(all.into_iter().filter(|name| only.is_empty() || only.contains(name)).collect())
}

fn programs(site: &Site<'_>, only: &[String]) -> Result<Vec<Program>, String> {
    let mut programs = manifest::load(site, only)?;
    programs.retain(|program| program.host.is_none() && program.module(site).exists());
    Ok(programs)
}

/// Measures every chosen program on every engine that has a command for the suite.
///
/// # Errors
/// When a list of programs cannot be read.
pub fn measure(
    setting: &Setting<'_>,
    suite: Suite,
    site: &Site<'_>,
    names: &[String],
) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for program in programs(site, &[])?.iter().filter(|p| names.contains(&p.name)) {
        let size = std::fs::metadata(program.module(site)).map_or(0, |data| data.len());
        let group = if size > LARGE { LARGE_GROUP } else { MEDIUM };
        rows.push(measure_row(setting, suite, (group, &program.name, size), |engine, memory| {
            let template = template(engine, suite).unwrap_or_default();
            let ran = real::run(site, engine, program, template, memory)?;
            let ran = ran.ok_or("the engine cannot be given folders or variables")?;
            real::verify(site, program, &ran.output)?;
            Ok(ran)
        }));
    }
    for program in program::load(&setting.places.bench, Suite::Run, &[])? {
        if !names.contains(&program.name) {
            continue;
        }
        let mut expected = None;
        let row = (SHORT, &*program.name, program.rounds_interp);
        rows.push(measure_row(setting, suite, row, |engine, memory| {
            let ran = computation(setting, suite, engine, &program, memory)?;
            match expected.get_or_insert_with(|| ran.output.clone()) == &ran.output {
                true => Ok(ran),
                false => Err("another output than the first engine's".to_owned()),
            }
        }));
    }
    rows.sort_by_key(|row| [MEDIUM, SHORT, LARGE_GROUP].iter().position(|name| *name == row.group));
    Ok(rows)
}

/// Runs a program of the `run` suite.
fn computation(
    setting: &Setting<'_>,
    suite: Suite,
    engine: &Engine,
    program: &program::Program,
    measure_memory: bool,
) -> Result<Ran, String> {
    let subject = Subject {
        wasm: program.module(&setting.places.bench),
        args: vec![program.rounds_interp.to_string()],
        ..Subject::default()
    };
    let template = template(engine, suite).unwrap_or_default();
    let mut invocation = Invocation::new(engine.command(template, setting.places, &subject));
    invocation.measure_memory = measure_memory;
    let finished = process::run(&invocation)?.success()?;
    let Finished { stdout: output, wall_ns, cpu_ns, peak_kib, .. } = finished;
    Ok(Ran { output, wall_ns, cpu_ns, peak_kib })
}

fn template(engine: &Engine, suite: Suite) -> Option<&str> {
    let template = if suite == Suite::Warm { &engine.warm } else { &engine.cold };
    template.as_deref()
}

fn measure_row(
    setting: &Setting<'_>,
    suite: Suite,
    (group, name, size): (&str, &str, u64),
    mut once: impl FnMut(&Engine, bool) -> Result<Ran, String>,
) -> Row {
    eprintln!("{}: {name}", suite.name());
    let (group, name, day) = (group.to_owned(), name.to_owned(), today());
    let mut row = Row { group, name, day, size, ..Row::default() };
    let takes_part = |engine: &&Engine| {
        matches!(engine.class, Class::Compiled | Class::Interpreter | Class::Startup)
            && template(engine, suite).is_some()
    };
    // What a run needs is made anew for each.
    let contender = |engine| Contender::new(engine, Invocation::new(Vec::new()));
    let mut contenders: Vec<Contender<'_>> =
        setting.engines.found.iter().filter(takes_part).map(contender).collect();
    // Memory first: it also brings every file into the page cache, and fills the caches of the `warm` suite.
    interleave(&mut contenders, 1, &mut row.failures, |contender| {
        if suite == Suite::Warm {
            once(contender.engine, false)?;
        }
        contender.cell.peak_kib.push(once(contender.engine, true)?.peak_kib);
        Ok(())
    });
    interleave(&mut contenders, setting.runs, &mut row.failures, |contender| {
        let ran = once(contender.engine, false)?;
        contender.cell.time_ns.push(ran.wall_ns);
        contender.cell.cpu_ns.push(ran.cpu_ns);
        Ok(())
    });
    row.cells = cells(contenders);
    row
}
