//! Owns the tables and the diagrams of a suite, and `RESULTS.md`, all rendered from saved data.
//! Does not measure, and computes nothing but medians, ratios and geometric means.

use std::fmt::Write;
use std::path::Path;

use crate::engine::Baseline;
use crate::results::{Cell, Results, Row, Suite};
use crate::statistics::{extremes, geometric_mean, median};
use crate::suite::run::INTERPRETERS;
use crate::svg::{self, Bar, Group};

/// Writes `RESULTS.md` and the diagrams from all data saved below `out`.
pub fn write(out: &Path, baseline: &Baseline) -> Result<(), String> {
    let mut text = String::from(
        "# Benchmark results\n\nWritten by `sterna-bench` from the data in `results/`; do not edit. Compare ratios within a table: every row was measured\nin one interleaved run (A B C A B C …), absolute times depend on the machine and the day. Spread is minimum–maximum.\n",
    );
    for suite in Suite::ALL {
        let Some(results) = Results::load(out, suite)? else { continue };
        text += &tables(&results, baseline);
        for group in results.groups().into_iter().filter(|_| suite != Suite::Pauses) {
            let file = format!("results/{}-{}.svg", suite.name(), group.replace(' ', "-"));
            store(&out.join(&file), &diagram(&results, group, baseline))?;
            let _ = writeln!(text, "![{} {group}]({file})\n", suite.name());
        }
    }
    store(&out.join("RESULTS.md"), &text)
}

fn store(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// The tables of one suite as Markdown.
pub fn tables(results: &Results, baseline: &Baseline) -> String {
    let mut text = String::new();
    let heading = match results.suite {
        Suite::Run => "Run time after compilation",
        Suite::Gc => "Garbage-collected objects and exceptions: run time after compilation",
        Suite::Pauses => "Pauses of the garbage collector",
        Suite::Sizes => "Start of large modules as whole processes, cold",
        Suite::Startup => "Start: hello world as a whole process, cold",
        Suite::Long => "Long computations as whole processes",
        Suite::Cold => "Real programs as whole processes, cold",
        Suite::Warm => {
            "Real programs as whole processes, with what an earlier run left in the cache"
        }
        Suite::Compile => "Compilation of whole modules",
    };
    let _ = writeln!(text, "\n## {heading}\n");
    let _ = writeln!(text, "Machine: {}. Command: `{}`\n", results.machine, results.command);
    for group in results.groups() {
        let rows: Vec<&Row> = results.rows.iter().filter(|r| r.group == group).collect();
        let reference = reference_of(results.suite, group, baseline);
        let engines = engines_of(&rows, reference);
        let _ = writeln!(text, "### {group}\n\n{}\n", versions(&rows, &engines));
        match results.suite {
            Suite::Pauses => text += &pauses(&rows),
            Suite::Run
            | Suite::Long
            | Suite::Gc
            | Suite::Startup
            | Suite::Sizes
            | Suite::Cold
            | Suite::Warm => {
                text += &ratio_table(&rows, &engines, reference);
                if matches!(results.suite, Suite::Cold | Suite::Warm) {
                    text += &best_peers(&rows, reference);
                }
                text += &table("Median in ms (spread), day", &rows, &engines, milliseconds);
            }
            Suite::Compile => {
                text += &ratio_table(&rows, &engines, reference);
                text += &table(
                    "MB of code section per second of wall time",
                    &rows,
                    &engines,
                    |row, cell| throughput(row, &cell.time_ns),
                );
                text += &table("the same per second of CPU time", &rows, &engines, |row, cell| {
                    throughput(row, &cell.cpu_ns)
                });
            }
        }
        if rows.iter().any(|r| r.cells.values().any(|c| !c.peak_kib.is_empty())) {
            text += &table("Peak memory in MiB", &rows, &engines, |_, cell| {
                median(&cell.peak_kib).map_or_else(dash, |kib| format!("{:.1}", kib / 1024.0))
            });
        }
        text += &failures(&rows);
    }
    text
}

fn reference_of<'a>(suite: Suite, group: &str, baseline: &'a Baseline) -> &'a str {
    match suite {
        Suite::Run if group == INTERPRETERS => &baseline.interpreter,
        Suite::Startup => &baseline.startup,
        Suite::Sizes => &baseline.sizes,
        Suite::Compile => &baseline.compile,
        _ => &baseline.compiled,
    }
}

/// Every engine with a figure: ours, then the baseline, then the others by name.
fn engines_of<'a>(rows: &[&'a Row], reference: &str) -> Vec<&'a str> {
    let mut engines: Vec<&str> = Vec::new();
    for name in rows.iter().flat_map(|r| r.cells.keys().chain(r.failures.keys())) {
        if !engines.contains(&name.as_str()) {
            engines.push(name);
        }
    }
    engines.sort_by_key(|name| (!name.starts_with("sterna"), *name != reference, *name));
    engines
}

fn versions(rows: &[&Row], engines: &[&str]) -> String {
    let version = |engine: &&str| {
        let cell = rows.iter().rev().find_map(|row| row.cells.get(*engine))?;
        Some(format!("{engine}: {}", cell.version))
    };
    engines.iter().filter_map(version).collect::<Vec<_>>().join("; ")
}

/// Median time over the reference's median, if both are there.
fn ratio(row: &Row, engine: &str, reference: &str) -> Option<f64> {
    Some(median(&row.cells.get(engine)?.time_ns)? / median(&row.cells.get(reference)?.time_ns)?)
}

fn ratio_table(rows: &[&Row], engines: &[&str], reference: &str) -> String {
    let mut text = header(&format!("time / {reference}"), engines);
    for row in rows {
        let cells = engines
            .iter()
            .map(|e| ratio(row, e, reference).map_or_else(dash, |r| format!("{r:.3}")));
        text += &line(&row.name, cells);
    }
    let mean = |engine: &&str| {
        let ratios: Vec<f64> =
            rows.iter().filter_map(|row| ratio(row, engine, reference)).collect();
        let note = if ratios.len() < rows.len() {
            format!(" ({} of {})", ratios.len(), rows.len())
        } else {
            String::new()
        };
        geometric_mean(&ratios).map_or_else(dash, |m| format!("**{m:.3}**{note}"))
    };
    if rows.len() > 1 {
        text += &line("**geometric mean**", engines.iter().map(mean));
    }
    text + "\n"
}

/// What somebody would get who chose the best of the other engines for each program.
fn best_peers(rows: &[&Row], reference: &str) -> String {
    let best = |row: &&Row| {
        let peers = row.cells.keys().filter(|name| !name.starts_with("sterna"));
        peers.filter_map(|name| ratio(row, name, reference)).reduce(f64::min)
    };
    let best: Vec<f64> = rows.iter().filter_map(best).collect();
    let mean = geometric_mean(&best);
    mean.map_or_else(String::new, |mean| format!("The best peer of each program: {mean:.3}.\n\n"))
}

fn table(
    title: &str,
    rows: &[&Row],
    engines: &[&str],
    show: impl Fn(&Row, &Cell) -> String,
) -> String {
    let mut text = format!("{title}:\n\n") + &header("", engines);
    for row in rows {
        let cells =
            engines.iter().map(|e| row.cells.get(*e).map_or_else(dash, |cell| show(row, cell)));
        text += &line(&format!("{} ({})", row.name, row.day), cells);
    }
    text + "\n"
}

fn header(corner: &str, engines: &[&str]) -> String {
    let rule = vec!["---".to_owned(); engines.len()];
    line(corner, engines.iter().map(|e| (*e).to_owned())) + &line("---", rule.into_iter())
}

fn line(first: &str, cells: impl Iterator<Item = String>) -> String {
    format!("| {first} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn dash() -> String {
    "–".to_owned()
}

/// One line per heap and engine.
fn pauses(rows: &[&Row]) -> String {
    let mut text =
        "| live heap | engine | collections | p50 (ms) | p99 (ms) | max (ms) |\n".to_owned();
    text += "| --- | --- | --- | --- | --- | --- |\n";
    for row in rows {
        for (engine, cell) in &row.cells {
            let Some(pauses) = &cell.pauses else { continue };
            let ms = [pauses.median_us, pauses.p99_us, pauses.max_us].map(|us| us / 1000.0);
            let _ = writeln!(
                text,
                "| {} | {engine} | {} | {:.3} | {:.3} | {:.3} |",
                row.name, pauses.count, ms[0], ms[1], ms[2]
            );
        }
    }
    text + "\n"
}

fn milliseconds(_: &Row, cell: &Cell) -> String {
    let ms = |ns: f64| {
        let ms = ns / 1e6;
        if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") }
    };
    match (median(&cell.time_ns), extremes(&cell.time_ns)) {
        (Some(middle), Some((low, high))) => {
            format!("{} ({}–{})", ms(middle), ms(low as f64), ms(high as f64))
        }
        _ => dash(),
    }
}

fn throughput(row: &Row, nanoseconds: &[u64]) -> String {
    // Bytes per nanosecond are gigabytes per second.
    median(nanoseconds).map_or_else(dash, |ns| format!("{:.2}", row.size as f64 / ns * 1000.0))
}

fn failures(rows: &[&Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for (engine, reason) in &row.failures {
            let _ = writeln!(text, "* {} on {engine}: {}", row.name, reason.replace('|', "/"));
        }
    }
    if text.is_empty() { text } else { format!("Could not take part:\n\n{text}\n") }
}

/// Bars of one group: ratios for run times, milliseconds for starts, MB/s for compilation.
fn diagram(results: &Results, group: &str, baseline: &Baseline) -> String {
    let rows: Vec<&Row> = results.rows.iter().filter(|r| r.group == group).collect();
    let reference = reference_of(results.suite, group, baseline);
    let engines = engines_of(&rows, reference);
    let value = |row: &Row, engine: &str| {
        let time = &row.cells.get(engine)?.time_ns;
        match results.suite {
            Suite::Pauses => None,
            Suite::Startup => Some(median(time)? / 1e6),
            Suite::Compile => Some(row.size as f64 / median(time)? * 1000.0),
            _ => ratio(row, engine, reference),
        }
    };
    let bar = |engine: &str, value: f64| Bar {
        series: engine.to_owned(),
        value,
        label: format!("{value:.2}"),
    };
    let mut groups: Vec<Group> = Vec::new();
    for row in &rows {
        let bars = engines.iter().filter_map(|e| Some(bar(e, value(row, e)?))).collect();
        groups.push(Group { title: row.name.clone(), bars });
    }
    let (title, limit, mark) = match results.suite {
        Suite::Startup | Suite::Sizes | Suite::Pauses => {
            (format!("{group}: ms (shorter is better)"), f64::INFINITY, None)
        }
        Suite::Compile => {
            (format!("{group}: MB of code per second (longer is better)"), f64::INFINITY, None)
        }
        _ => {
            let mean = |e: &&str| {
                let all: Vec<f64> =
                    rows.iter().filter_map(|row| ratio(row, e, reference)).collect();
                geometric_mean(&all).map(|m| bar(e, m))
            };
            groups.push(Group {
                title: "geometric mean".into(),
                bars: engines.iter().filter_map(mean).collect(),
            });
            (format!("{group}: time relative to {reference} (shorter is better)"), 4.0, Some(1.0))
        }
    };
    svg::bars(&title, &groups, limit, mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, times: &[(&str, &[u64])]) -> Row {
        let cell =
            |t: &[u64]| Cell { version: "v1".into(), time_ns: t.to_vec(), ..Cell::default() };
        let cells = times.iter().map(|(e, t)| ((*e).to_owned(), cell(t))).collect();
        Row {
            group: "compiled".into(),
            name: name.into(),
            day: "2000-01-01".into(),
            size: 2,
            cells,
            ..Row::default()
        }
    }

    fn baseline() -> Baseline {
        let text = "compiled='w'\ninterpreter='i'\nstartup='i'\nsizes='v'\ncompile='w'";
        toml::from_str(text).unwrap()
    }

    fn results() -> Results {
        let rows = vec![
            row("a", &[("w", &[2_000_000, 4_000_000, 3_000_000]), ("sterna", &[1_500_000])]),
            row("b", &[("w", &[1_000_000]), ("sterna", &[2_000_000]), ("x", &[4_000_000])]),
        ];
        Results { suite: Suite::Run, command: "c".into(), machine: "m".into(), rows }
    }

    #[test]
    fn ratios_means_and_spread() {
        let text = tables(&results(), &baseline());
        assert!(text.contains("| time / w | sterna | w | x |"), "{text}");
        assert!(text.contains("| a | 0.500 | 1.000 | – |"));
        assert!(
            text.contains("| **geometric mean** | **1.000** | **1.000** | **4.000** (1 of 2) |")
        );
        assert!(text.contains("3.00 (2.00–4.00)"));
    }

    #[test]
    fn all_saved_suites_are_rendered() {
        let folder = tempfile::tempdir().unwrap();
        results().save(folder.path()).unwrap();
        Results { suite: Suite::Startup, ..results() }.save(folder.path()).unwrap();
        write(folder.path(), &baseline()).unwrap();
        let text = std::fs::read_to_string(folder.path().join("RESULTS.md")).unwrap();
        assert!(text.contains("## Run time") && text.contains("## Start"));
        assert!(folder.path().join("results/run-compiled.svg").exists());
    }
}
