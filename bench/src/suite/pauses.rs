//! Owns the `pauses` suite: how long collections stop a program whose live heap has 10 MB, 100 MB and 1 GB.
//! Does not time the collections: the engine says how long they took.

use super::run::artifact;
use super::{Contender, Setting, cells, interleave};
use crate::engine::{Engine, Subject};
use crate::process::{self, Invocation};
use crate::results::{Pauses, Row, today};

/// Megabytes of live objects.
pub const HEAPS: [u64; 3] = [10, 100, 1000];
/// The kinds of collections: a table each, and how the lines of the output begin.
const KINDS: [&str; 2] = ["minor collections", "full collections"];

/// A heap's name in tables.
pub fn row_name(megabytes: u64) -> String {
    format!("{megabytes} MB")
}

/// Measures every heap on every engine that has a `pauses` command.
pub fn measure(setting: &Setting<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> =
        HEAPS.into_iter().flat_map(|megabytes| measure_heap(setting, megabytes)).collect();
    rows.sort_by_key(|row| row.group != KINDS[0]);
    rows
}

fn measure_heap(setting: &Setting<'_>, megabytes: u64) -> [Row; 2] {
    eprintln!("pauses: {megabytes} MB");
    let mut rows = KINDS.map(|kind| Row {
        group: kind.into(),
        name: row_name(megabytes),
        day: today(),
        size: megabytes,
        ..Row::default()
    });
    let mut failures = std::collections::BTreeMap::new();
    let mut contenders = Vec::new();
    for engine in &setting.engines.found {
        match prepare(setting, engine, megabytes) {
            Ok(Some(invocation)) => contenders.push(Contender::new(engine, invocation)),
            Ok(None) => {}
            Err(reason) => {
                failures.insert(engine.name.clone(), reason);
            }
        }
    }
    let mut full =
        cells(contenders.iter().map(|c| Contender::new(c.engine, c.invocation.clone())).collect());
    interleave(&mut contenders, setting.runs, &mut failures, |contender| {
        let finished = process::run(&contender.invocation)?.success()?;
        let text = String::from_utf8_lossy(&finished.stderr).into_owned();
        let [minor, other] = KINDS.map(|kind| parse(&text, kind));
        worst(&mut contender.cell.pauses, minor?);
        if let Some(cell) = full.get_mut(&contender.engine.name) {
            worst(&mut cell.pauses, other?);
        }
        Ok(())
    });
    rows[0].cells = cells(contenders);
    rows[1].cells = full;
    rows[0].failures = failures;
    rows
}

/// Compiles the module if the engine does that; the command, or `None` for an engine that does not tell its pauses.
fn prepare(
    setting: &Setting<'_>,
    engine: &Engine,
    megabytes: u64,
) -> Result<Option<Invocation>, String> {
    let Some(template) = &engine.pauses else { return Ok(None) };
    let wasm = setting.places.bench.join("programs/gc/pauses.wasm");
    let out = artifact(setting, engine, &wasm);
    let subject = Subject { wasm, out, args: vec![megabytes.to_string()], ..Subject::default() };
    if let Some(compile) = &engine.compile {
        let invocation = Invocation::new(engine.command(compile, setting.places, &subject));
        process::run(&invocation)?.success()?;
    }
    Ok(Some(Invocation::new(engine.command(template, setting.places, &subject))))
}

/// Of several runs, the longest pauses.
fn worst(known: &mut Option<Pauses>, new: Pauses) {
    *known = Some(match known.take() {
        None => new,
        Some(old) => Pauses {
            count: old.count.max(new.count),
            median_us: old.median_us.max(new.median_us),
            p99_us: old.p99_us.max(new.p99_us),
            max_us: old.max_us.max(new.max_us),
        },
    });
}

/// Reads the line `KIND: COUNT, pauses p50 X us, p99 Y us, max Z us`.
fn parse(text: &str, kind: &str) -> Result<Pauses, String> {
    let missing = || format!("the engine said nothing about {kind}");
    let line = text.lines().find_map(|line| line.strip_prefix(kind)).ok_or_else(missing)?;
    let numbers: Vec<f64> =
        line.split([' ', ',', ':']).filter_map(|word| word.parse().ok()).collect();
    let [count, median_us, p99_us, max_us] = numbers[..] else { return Err(missing()) };
    Ok(Pauses { count: count as u64, median_us, p99_us, max_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_read_from_the_output() {
        let text =
            "time_ns: 5\nminor collections: 12, pauses p50 1.5 us, p99 20.25 us, max 30.0 us\n";
        let pauses = parse(text, KINDS[0]).unwrap();
        assert_eq!(pauses, Pauses { count: 12, median_us: 1.5, p99_us: 20.25, max_us: 30.0 });
        assert!(parse(text, KINDS[1]).is_err());
    }
}
