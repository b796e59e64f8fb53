//! Owns the command line of `cargo x`, the one loop of development.
//! Does not implement the steps: one file each.

#![forbid(unsafe_code)]

mod emulate;
mod step;
mod tidy;
mod totals;
mod wasi_suite;

use clap::{Parser, Subcommand};
use emulate::Emulator;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use step::{Steps, cargo, forward, require, root};
use totals::Totals;

/// All automation of the project. Without a command: fmt, clippy, tidy and all tests.
#[derive(Parser)]
#[command(name = "cargo x", bin_name = "cargo x", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Format every file of the workspace
    Fmt,
    /// Run clippy on everything; warnings are errors
    Clippy,
    /// Check layers, size budgets, safety comments and doc headers
    #[command(
        after_help = "The layer table is in ARCHITECTURE.md. Marks that lift a budget, with the reason beside them:
  // tidy: flat-table   a file of more than 1000 lines
  // tidy: dispatch     a function of more than 70 lines"
    )]
    Tidy,
    /// Run unit and file tests; words after `--` go to `cargo test`
    #[command(after_help = "Example: cargo x test -- -p sterna-isa table")]
    Test {
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Run the official test suite in every tier, or only some files of it
    #[command(after_help = "Examples:
  cargo x spec                              everything, every tier
  cargo x spec --tier opt wasm-v3/i32.wast  one file in one tier
  cargo x spec simd                         every file whose path contains `simd`
  cargo x spec --aarch64                    on an emulated AArch64 machine; a minute longer

Known failures are in tests/spec-exceptions.toml; a listed file that passes is an error.")]
    Spec {
        /// Only this tier: interp, opt, baseline, opt-checked (no signal handlers) or auto (functions move up at once)
        #[arg(long)]
        tier: Option<String>,
        /// Build for AArch64 Linux and run under QEMU's user-mode emulation
        #[arg(long)]
        aarch64: bool,
        /// Only files whose path contains one of these words
        files: Vec<String>,
    },
    /// Run the fuzzer: interpreter against optimizing tier
    Fuzz {
        /// Stop after this many seconds
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Further arguments for the fuzzer
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Run the benchmarks; every argument goes to the runner
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run real programs in both tiers and compare what they print with what a peer printed
    #[command(
        after_help = "scripts/fetch-programs.sh fills the folder; programs that are missing are said to be skipped."
    )]
    Programs {
        /// The folder with the programs
        dir: PathBuf,
        /// Further arguments for the runner, such as --only or --all
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Run the preview 1 programs of the public WASI test suite
    #[command(
        after_help = "The branch prod/testsuite-base of github.com/WebAssembly/wasi-testsuite holds them prebuilt."
    )]
    WasiSuite {
        /// A checkout of the suite
        dir: PathBuf,
    },
    /// Rewrite the expected output of file tests; look at the difference before you commit it
    Bless,
    /// Show what a tier makes of a module
    #[command(after_help = "Example: cargo x dump f.wat --tier opt --stage graph")]
    Dump {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Everything a change must pass, from a clean clone: what .ci/run calls
    Ci,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        None | Some(Task::Ci) => Ok(all()),
        Some(Task::Fmt) => forward(cargo(&["fmt", "--all"])),
        Some(Task::Clippy) => forward(clippy()),
        Some(Task::Tidy) => Ok(tidy_alone()),
        Some(Task::Test { arguments }) => {
            forward(with(cargo(&["test", "--workspace"]), &arguments))
        }
        Some(Task::Spec { tier, aarch64, files }) => {
            let emulator = if aarch64 { Some(emulate::aarch64()) } else { None };
            emulator
                .transpose()
                .and_then(|emulator| forward(spec(emulator, tier.as_deref(), &files)))
        }
        Some(Task::Fuzz { seconds, arguments }) => fuzz(seconds, &arguments),
        Some(Task::Bench { arguments }) => forward(with(
            cargo(&["run", "--release", "--package", "sterna-bench", "--"]),
            &arguments,
        )),
        Some(Task::Programs { dir, arguments }) => programs(&dir, &arguments),
        Some(Task::WasiSuite { dir }) => run_wasi_suite(&dir),
        Some(Task::Bless) => forward(bless()),
        Some(Task::Dump { arguments }) => dump(&arguments),
    };
    result.unwrap_or_else(|message| {
        eprintln!("error: {message}");
        ExitCode::FAILURE
    })
}

/// fmt, clippy, tidy, tests. Later steps run even when earlier ones fail.
fn all() -> ExitCode {
    let mut steps = Steps::start();
    steps.run("fmt", cargo(&["fmt", "--all", "--check"]));
    steps.check("tidy", tidy_findings);
    steps.run("clippy", clippy());
    let lines = steps.run("test", cargo(&["test", "--workspace", "--quiet", "--no-fail-fast"]));
    println!("{}", Totals::of(lines.iter().map(String::as_str)));
    steps.end()
}

fn with(mut command: Command, arguments: &[impl AsRef<std::ffi::OsStr>]) -> Command {
    command.args(arguments);
    command
}

fn clippy() -> Command {
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
}

fn tidy_findings() -> (bool, Vec<String>) {
    match tidy::run(&root()) {
        Ok(findings) => {
            (!tidy::is_fatal(&findings), findings.iter().map(ToString::to_string).collect())
        }
        Err(message) => (false, vec![message]),
    }
}

fn tidy_alone() -> ExitCode {
    let mut steps = Steps::start();
    steps.check("tidy", tidy_findings);
    steps.end()
}

/// The suite is a test of `sterna-wast`, so `cargo x` runs it too; this selects from it.
fn spec(emulator: Option<Emulator>, tier: Option<&str>, files: &[String]) -> Command {
    let mut command = cargo(&["test", "--package", "sterna-wast", "--test", "spec"]);
    if let Some(emulator) = emulator {
        emulator.apply(&mut command);
    }
    command.arg("--");
    command.args(tier.map(|tier| format!("--tier={tier}")));
    with(command, files)
}

fn fuzz(seconds: u64, arguments: &[String]) -> Result<ExitCode, String> {
    let manifest = root().join("fuzz/Cargo.toml");
    if !manifest.exists() {
        return Err("not yet: there is no fuzz/Cargo.toml".into());
    }
    let mut command = cargo(&["run", "--profile", "fast", "--manifest-path"]);
    command.arg(manifest).args(["--", "--seconds", &seconds.to_string()]);
    forward(with(command, arguments))
}

/// Runs the tests with `STERNA_BLESS` set: a file test then writes what it got instead of comparing.
fn bless() -> Command {
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    command.env("STERNA_BLESS", "1");
    command
}

fn programs(dir: &Path, arguments: &[String]) -> Result<ExitCode, String> {
    require(cargo(&["build", "--release", "--package", "sterna-cli"]))?;
    let mut command = cargo(&["run", "--release", "--package", "sterna-bench", "--", "programs"]);
    // The working folder of the child is the repository.
    let dir = std::path::absolute(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    command.arg("--dir").arg(dir).args(["--engine", "sterna-interp,sterna-opt"]);
    forward(with(command, arguments))
}

fn run_wasi_suite(dir: &Path) -> Result<ExitCode, String> {
    match wasi_suite::run(dir, &sterna()?) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) => Err(error.to_string()),
    }
}

fn dump(arguments: &[String]) -> Result<ExitCode, String> {
    forward(with(Command::new(sterna()?), &[&["dump".to_owned()], arguments].concat()))
}

/// Builds the `sterna` binary in the profile of this xtask; both lie in the same folder.
fn sterna() -> Result<PathBuf, String> {
    require(cargo(&["build", "--quiet", "--package", "sterna-cli"]))?;
    let own = std::env::current_exe().map_err(|e| format!("cannot find the target folder: {e}"))?;
    Ok(own.with_file_name(format!("sterna{}", std::env::consts::EXE_SUFFIX)))
}
