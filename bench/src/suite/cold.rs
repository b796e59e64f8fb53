//! Owns the `cold` and `warm` suites: real programs as whole processes, from nothing to exit, with default flags.
//! Does not choose the programs: the manifest of `real` does.

use std::path::Path;

use super::{Contender, Setting, cells, interleave};
use crate::engine::Engine;
use crate::process::Invocation;
use crate::real::manifest::{self, Program, Site};
use crate::real::{self, Ran};
use crate::results::{Row, Suite, today};

/// Programs of modules up to [`LARGE`] bytes.
const MEDIUM: &str = "small and medium programs";
/// The others.
const LARGE_GROUP: &str = "large programs";
const LARGE: u64 = 2 << 20;

/// The programs that are here and need nothing but WASI.
///
/// # Errors
/// When the manifest cannot be read or names something unknown.
pub fn programs(site: &Site<'_>, only: &[String]) -> Result<Vec<Program>, String> {
    let mut programs = manifest::load(site, only)?;
    programs.retain(|program| program.host.is_none() && program.module(site).exists());
    Ok(programs)
}

/// Measures every chosen program on every engine that has a command for the suite.
///
/// # Errors
/// As [`programs`].
pub fn measure(
    setting: &Setting<'_>,
    suite: Suite,
    dir: &Path,
    only: &[String],
) -> Result<Vec<Row>, String> {
    let site = Site::new(setting.places, dir);
    let programs = programs(&site, only)?;
    let mut rows: Vec<Row> =
        programs.iter().map(|program| measure_row(setting, suite, &site, program)).collect();
    rows.sort_by_key(|row| row.group == LARGE_GROUP);
    Ok(rows)
}

fn template(engine: &Engine, suite: Suite) -> Option<&str> {
    let template = if suite == Suite::Warm { &engine.warm } else { &engine.cold };
    template.as_deref()
}

fn measure_row(setting: &Setting<'_>, suite: Suite, site: &Site<'_>, program: &Program) -> Row {
    eprintln!("{}: {}", suite.name(), program.name);
    let size = std::fs::metadata(program.module(site)).map_or(0, |data| data.len());
    let group = if size > LARGE { LARGE_GROUP } else { MEDIUM };
    let (group, name, day) = (group.to_owned(), program.name.clone(), today());
    let mut row = Row { group, name, day, size, ..Row::default() };
    let found = setting.engines.found.iter();
    let mut contenders: Vec<Contender<'_>> = found
        .filter(|engine| template(engine, suite).is_some())
        // What a run needs is made anew for each.
        .map(|engine| Contender::new(engine, Invocation::new(Vec::new())))
        .collect();
    let once = |engine: &Engine, measure_memory| -> Result<Ran, String> {
        let template = template(engine, suite).unwrap_or_default();
        let ran = real::run(site, engine, program, template, measure_memory)?;
        let ran = ran.ok_or("the engine cannot be given folders or variables")?;
        real::verify(site, program, &ran.output)?;
        Ok(ran)
    };
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
