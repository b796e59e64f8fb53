//! Owns the arguments, the order of work, and what is said at the end.
//! Does not measure or render itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::engine::{self, Engines, Places};
use crate::hosts;
use crate::program;
use crate::real;
use crate::real::manifest::Site;
use crate::report;
use crate::results::{self, Results, Row, Suite};
use crate::suite::{self, Setting};

/// Measures Sterna against other engines. Engines are listed in engines.toml, programs in programs.toml; an engine that is not
/// found here is left out.
#[derive(Parser)]
#[command(name = "sterna-bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    measure: Measure,
}

#[derive(Subcommand)]
enum Command {
    /// Run real programs and compare what they print with what is recorded
    Programs(Programs),
    /// Run one program that needs a host of its own; `programs` does that in a process for each
    Host {
        /// The tier: interp, opt or auto
        #[arg(long, value_name = "TIER")]
        tier: String,
        /// The host
        #[arg(value_enum)]
        host: hosts::Host,
        /// The program
        wasm: PathBuf,
    },
    /// Write RESULTS.md and the diagrams again from the saved data
    Render {
        /// The folder with `results/`
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Args)]
struct Measure {
    /// What to measure
    #[arg(long, value_enum, default_value = "run")]
    suite: Suite,
    /// Only these engines
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    engines: Vec<String>,
    /// Only these programs of the run, long, gc, cold and warm suites
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    programs: Vec<String>,
    /// The folder that scripts/fetch-programs.sh filled, for the cold and warm suites
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A module for the compile suite; may be repeated
    #[arg(long = "module", value_name = "FILE")]
    modules: Vec<PathBuf>,
    /// Thread counts of the compile suite
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_name = "COUNTS")]
    threads: Vec<usize>,
    /// Repetitions [default: 5, startup 40, compile and long 3, pauses 1]
    #[arg(long, value_name = "N")]
    runs: Option<usize>,
    /// Save the data, RESULTS.md and the diagrams in this folder; without it the tables are only printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Save even if figures of engines that did not take part this time are dropped
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    binaries: Binaries,
}

#[derive(Args)]
struct Binaries {
    /// Where an engine's binary is; may be repeated
    #[arg(long = "bin", value_name = "ENGINE=PATH", value_parser = parse_pair)]
    bins: Vec<(String, String)>,
}

#[derive(Args)]
struct Programs {
    /// The folder that scripts/fetch-programs.sh filled
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The engines to check, one after the other
    #[arg(long = "engine", value_delimiter = ',', required = true, value_name = "NAMES")]
    engines: Vec<String>,
    /// Only these programs
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Record what the engine prints as the expectation (use a peer)
    #[arg(long)]
    bless: bool,
    /// A program whose file is missing fails instead of being skipped
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    binaries: Binaries,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, path) = text.split_once('=').ok_or("expected ENGINE=PATH")?;
    Ok((name.to_owned(), path.to_owned()))
}

impl Binaries {
    fn places(&self) -> Places {
        let bench = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        Places { bench, bins: self.bins.iter().cloned().collect::<BTreeMap<_, _>>() }
    }
}

/// Does what the command line says.
///
/// # Errors
/// A sentence for the user.
pub fn run() -> Result<ExitCode, String> {
    let arguments = Arguments::parse();
    match arguments.command {
        None => measure(arguments.measure),
        Some(Command::Render { out }) => {
            let out = out.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
            let baseline = engine::load(&places_only(), &[])?.baseline;
            report::write(&out, &baseline)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Host { tier, host, wasm }) => {
            hosts::run(host, &tier, &wasm).map(ExitCode::from)
        }
        Some(Command::Programs(options)) => {
            let places = options.binaries.places();
            let engines = engine::load(&places, &options.engines)?;
            let choice =
                real::Choice { only: options.only, bless: options.bless, all: options.all };
            real::check(&places, &engines.found, &options.dir, &choice)
        }
    }
}

fn places_only() -> Places {
    Binaries { bins: Vec::new() }.places()
}

fn measure(options: Measure) -> Result<ExitCode, String> {
    let places = options.binaries.places();
    let engines = engine::load(&places, &options.engines)?;
    announce(&engines);
    let names = row_names(&places, &options)?;
    let old = match &options.out {
        Some(out) => Results::load(out, options.suite)?,
        None => None,
    };
    if let (Some(old), false) = (&old, options.replace) {
        let found: Vec<String> = engines.found.iter().map(|e| e.name.clone()).collect();
        if let Some(lost) = old.engine_lost(&names, &found) {
            return Err(format!(
                "saving would drop the figures of {lost}, which takes no part in this run; add --replace, or leave out --out"
            ));
        }
    }
    let scratch = tempfile::tempdir().map_err(|e| format!("no scratch folder: {e}"))?;
    let runs = options.runs.unwrap_or(default_runs(options.suite));
    let setting = Setting { places: &places, engines: &engines, runs, scratch: scratch.path() };
    let rows = match options.suite {
        Suite::Run | Suite::Gc | Suite::Long => {
            let programs = program::load(&places.bench, options.suite, &options.programs)?;
            suite::run::measure(&setting, options.suite, &programs)
        }
        Suite::Cold | Suite::Warm => {
            let site = Site::new(&places, real_programs(&options)?);
            suite::cold::measure(&setting, options.suite, &site, &names)?
        }
        Suite::Pauses => suite::pauses::measure(&setting),
        Suite::Startup => suite::startup::measure(&setting),
        Suite::Sizes => suite::sizes::measure(&setting)?,
        Suite::Compile => suite::compile::measure(&setting, &options.modules, &options.threads)?,
    };
    let failed = complain(&rows);
    let new = Results {
        suite: options.suite,
        command: command_line(),
        machine: results::machine(),
        rows,
    };
    print!("{}", report::tables(&new, &engines.baseline));
    if let Some(out) = &options.out {
        save(out, old, new, &engines)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn save(out: &Path, old: Option<Results>, new: Results, engines: &Engines) -> Result<(), String> {
    let merged = match old {
        Some(mut old) => {
            old.merge(new);
            old
        }
        None => new,
    };
    merged.save(out)?;
    report::write(out, &engines.baseline)
}

fn default_runs(suite: Suite) -> usize {
    match suite {
        Suite::Run | Suite::Gc | Suite::Cold | Suite::Warm | Suite::Sizes => 5,
        Suite::Long => 3,
        Suite::Pauses => 1,
        Suite::Startup => 40,
        Suite::Compile => 3,
    }
}

/// The folder of real programs.
fn real_programs(options: &Measure) -> Result<&Path, String> {
    let needed = "the cold and warm suites need real programs: --dir DIR, filled by scripts/fetch-programs.sh";
    options.dir.as_deref().ok_or_else(|| needed.to_owned())
}

/// The names of the rows that a run will produce.
fn row_names(places: &Places, options: &Measure) -> Result<Vec<String>, String> {
    match options.suite {
        Suite::Run | Suite::Gc | Suite::Long => {
            let programs = program::load(&places.bench, options.suite, &options.programs)?;
            Ok(programs.into_iter().map(|p| p.name).collect())
        }
        Suite::Cold | Suite::Warm => {
            let site = Site::new(places, real_programs(options)?);
            suite::cold::names(places, &site, &options.programs)
        }
        Suite::Pauses => Ok(suite::pauses::HEAPS.map(suite::pauses::row_name).to_vec()),
        Suite::Sizes => Ok(suite::sizes::SIZES.map(suite::sizes::row_name).to_vec()),
        Suite::Startup => Ok(suite::startup::PROGRAMS.map(str::to_owned).to_vec()),
        Suite::Compile if options.modules.is_empty() => {
            Err("the compile suite needs modules: --module FILE, best megabytes of code".to_owned())
        }
        Suite::Compile => {
            Ok(options.modules.iter().map(|m| suite::compile::module_name(m)).collect())
        }
    }
}

fn announce(engines: &Engines) {
    for engine in &engines.found {
        eprintln!("engine {}: {}", engine.name, engine.version_line);
    }
    if !engines.missing.is_empty() {
        eprintln!("not here: {}", engines.missing.join(", "));
    }
    if let Some(load) = results::busy() {
        eprintln!("warning: the machine is busy (load {load}); times will be noise");
    }
}

/// Prints every failure; whether there was one of ours. A peer may lack what a program needs.
fn complain(rows: &[Row]) -> bool {
    let mut any = false;
    for row in rows {
        for (engine, reason) in &row.failures {
            eprintln!("FAILED {}/{} on {engine}: {reason}", row.group, row.name);
            any |= engine.starts_with("sterna");
        }
    }
    any
}

/// The command as it can be typed again in the repository.
fn command_line() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo run --release -p sterna-bench -- {}", arguments.join(" "))
}
