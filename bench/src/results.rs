//! Owns the measured data: rows of cells per suite, kept as JSON so that reports can be rendered again and suites added one by one.
//! Does not measure or render.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What kind of thing was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// Run time after compilation, by the program's own clock.
    Run,
    /// A small program from nothing to exit, and its peak memory.
    Startup,
    /// Compilation of whole modules.
    Compile,
    /// As `Run`, of programs that live on garbage-collected objects and exceptions.
    Gc,
    /// How long collections of heaps of several sizes stop the program.
    Pauses,
    /// As `Run` with more iterations, timed from outside, from nothing to exit.
    Long,
    /// Modules of several sizes, of which hardly anything is called, from nothing to exit.
    Sizes,
    /// Real programs from nothing to exit, and their peak memory.
    Cold,
    /// As `Cold`, when each has run before.
    Warm,
}

impl Suite {
    /// Every suite, in the order of the report.
    pub const ALL: [Self; 9] = [
        Self::Run,
        Self::Long,
        Self::Gc,
        Self::Pauses,
        Self::Startup,
        Self::Sizes,
        Self::Cold,
        Self::Warm,
        Self::Compile,
    ];

    /// The name in file names and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Startup => "startup",
            Self::Sizes => "sizes",
            Self::Compile => "compile",
            Self::Gc => "gc",
            Self::Pauses => "pauses",
            Self::Long => "long",
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }
}

/// One engine on one row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cell {
    pub version: String,
    /// One per run, in the order they were made.
    pub time_ns: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpu_ns: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peak_kib: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pauses: Option<Pauses>,
}

/// The pauses of one kind of collection in one process, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pauses {
    pub count: u64,
    pub median_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

/// One program or module, measured on several engines in one interleaved run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// The table it belongs to.
    pub group: String,
    pub name: String,
    /// Day of the measurement, UTC.
    pub day: String,
    /// Iterations of the program, or bytes of the module's code section.
    pub size: u64,
    pub cells: BTreeMap<String, Cell>,
    /// Engines that could not take part, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, String>,
}

/// Everything known of one suite.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    pub suite: Suite,
    /// The command line of the last run.
    pub command: String,
    /// The machine of the last run.
    pub machine: String,
    pub rows: Vec<Row>,
}

impl Results {
    /// Where the data of a suite is kept, below the output folder.
    pub fn path(out: &Path, suite: Suite) -> PathBuf {
        out.join("results").join(format!("{}.json", suite.name()))
    }

    /// Reads what is there; `None` if the suite was never saved.
    pub fn load(out: &Path, suite: Suite) -> Result<Option<Self>, String> {
        let path = Self::path(out, suite);
        let fault = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|e| fault(&e)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(fault(&e)),
        }
    }

    /// Writes the data below `out`.
    pub fn save(&self, out: &Path) -> Result<(), String> {
        let path = Self::path(out, self.suite);
        let fault = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        std::fs::create_dir_all(out.join("results")).map_err(|e| fault(&e))?;
        let text = serde_json::to_string_pretty(self).map_err(|e| fault(&e))?;
        std::fs::write(&path, text + "\n").map_err(|e| fault(&e))
    }

    /// The first engine that an old row of one of `names` has and `engines` lacks. Ratios are only fair within one run, so a
    /// new row replaces the old one whole, and such an engine's figures would be lost.
    pub fn engine_lost<'a>(&'a self, names: &[String], engines: &[String]) -> Option<&'a str> {
        let rows = self.rows.iter().filter(|row| names.contains(&row.name));
        rows.flat_map(|row| row.cells.keys()).find(|e| !engines.contains(e)).map(String::as_str)
    }

    /// Takes `newer`'s rows, replacing those of the same group and name, and keeps the rest.
    pub fn merge(&mut self, newer: Self) {
        for row in newer.rows {
            match self.rows.iter_mut().find(|r| (&r.group, &r.name) == (&row.group, &row.name)) {
                Some(old) => *old = row,
                None => self.rows.push(row),
            }
        }
        self.command = newer.command;
        self.machine = newer.machine;
    }

    /// The groups, in the order of their first rows.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !groups.contains(&row.group.as_str()) {
                groups.push(&row.group);
            }
        }
        groups
    }
}

/// Today's date in UTC, as `YYYY-MM-DD`.
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    civil_date(seconds / 86400)
}

/// The Gregorian date `days` after 1970-01-01, counting years from March so that the leap day comes last.
fn civil_date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{}-{month:02}-{day:02}", year + era * 400 + carry)
}

/// A line on the processor and the cores available.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")?.split(':').nth(1));
    format!(
        "{} ({cores} cores, {})",
        model.unwrap_or("unknown processor").trim(),
        std::env::consts::ARCH
    )
}

/// The load of the last minute, if something else was running.
pub fn busy() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok().filter(|load| *load > 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, engines: &[&str]) -> Row {
        let cells = engines.iter().map(|e| ((*e).to_owned(), Cell::default())).collect();
        Row { group: "g".into(), name: name.into(), cells, ..Row::default() }
    }

    fn results(rows: Vec<Row>) -> Results {
        Results { suite: Suite::Run, command: String::new(), machine: String::new(), rows }
    }

    #[test]
    fn dates() {
        assert_eq!(civil_date(0), "1970-01-01");
        assert_eq!(civil_date(11_016), "2000-02-29");
        assert_eq!(civil_date(20_779), "2026-11-22");
    }

    #[test]
    fn merging_replaces_whole_rows_and_keeps_others() {
        let mut old = results(vec![row("a", &["x", "y"]), row("b", &["x"])]);
        old.merge(results(vec![row("a", &["x"]), row("c", &["z"])]));
        let names: Vec<_> = old.rows.iter().map(|r| (r.name.as_str(), r.cells.len())).collect();
        assert_eq!(names, [("a", 1), ("b", 1), ("c", 1)]);
    }

    #[test]
    fn a_loss_of_figures_is_noticed() {
        let old = results(vec![row("a", &["x", "y"]), row("b", &["z"])]);
        let list = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(old.engine_lost(&list(&["a"]), &list(&["x"])), Some("y"));
        assert_eq!(old.engine_lost(&list(&["a"]), &list(&["x", "y", "w"])), None);
    }

    #[test]
    fn saved_results_load_again_and_absent_ones_are_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Results::load(folder.path(), Suite::Run).unwrap().is_none());
        results(vec![row("a", &["x"])]).save(folder.path()).unwrap();
        assert_eq!(Results::load(folder.path(), Suite::Run).unwrap().unwrap().rows[0].name, "a");
    }
}
