//! Owns the run of the official test suite: every file in every tier, on all cores.
//! Does not know what is expected to fail (`exceptions`) nor where files come from (`suite`).

mod exceptions;
mod suite;

use exceptions::Exceptions;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use sterna::{Config, Engine, GcStress, Tier};
use sterna_wast::Report;
use suite::Script;

/// Failures of one file that are printed.
const SHOWN: usize = 10;

/// Sets the tiers of a configuration.
type Setup = fn(&mut Config);

/// Bytes of native stack where a function may be in the interpreter and in compiled code by turns all along a recursion, each taking more of it than
/// frames of compiled code alone.
const STACK: usize = 4 << 20;

/// What every file runs in: each tier alone, compiled code without signal handlers, functions that move up soon, functions and loops that
/// move up at once, or up and down by chance, each function in a tier chosen by chance, compiled frames that are left for the interpreter; those called stress and mixed with collections of garbage at every allocation.
const TIERS: [(&str, Setup); 14] = [
    ("interp", |config| _ = config.tier(Tier::Interp)),
    ("opt", |config| _ = config.tier(Tier::Opt)),
    ("opt-checked", |config| _ = config.tier(Tier::Opt).explicit_checks(true).guess_callees(true)),
    ("auto", |config| _ = config.tier(Tier::Auto).hot_budget(1)),
    ("torture", |config| {
        _ = config.tier(Tier::Auto).torture_tiers(1).capture_state(true).max_native_stack(STACK)
    }),
    ("left", |config| _ = config.tier(Tier::Opt).leave_after(2).max_native_stack(STACK)),
    ("osr", |config| _ = config.tier(Tier::Auto).hot_budget(1).synchronous_tiers()),
    ("gc-stress", |config| {
        _ = config.tier(Tier::Auto).hot_budget(1).gc_stress(GcStress::Alternate)
    }),
    ("mixed", |config| _ = config.tier(Tier::Opt).mixed_tiers(1).gc_stress(GcStress::Alternate)),
    ("baseline", |config| _ = config.tier(Tier::Baseline)),
    ("baseline-osr", |config| _ = config.tier(Tier::Baseline).synchronous_tiers().hot_budget(1)),
    ("baseline-checked", |config| _ = config.tier(Tier::Baseline).explicit_checks(true)),
    ("baseline-gc-stress", |config| {
        config.leave_after(3).max_native_stack(STACK);
        _ = config.tier(Tier::Baseline).gc_stress(GcStress::Alternate)
    }),
    ("gc-stress-opt", |config| {
        _ = config.tier(Tier::Opt).gc_stress(GcStress::Alternate).guess_callees(true)
    }),
];

/// What the command line selects. Flags of cargo's own harness are ignored.
struct Selection {
    tier: Option<String>,
    verbose: bool,
    words: Vec<String>,
}

impl Selection {
    fn of(arguments: impl Iterator<Item = String>) -> Self {
        let mut selection = Self { tier: None, verbose: false, words: Vec::new() };
        for argument in arguments {
            match argument.strip_prefix("--tier=") {
                Some(tier) => selection.tier = Some(tier.to_owned()),
                None if argument == "--verbose" => selection.verbose = true,
                None if argument.starts_with('-') => {}
                None => selection.words.push(argument),
            }
        }
        selection
    }

    fn has_tier(&self, name: &str) -> bool {
        self.tier.as_deref().is_none_or(|tier| tier == name)
    }

    fn has_file(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let selection = Selection::of(std::env::args().skip(1));
    if !TIERS.iter().any(|(name, _)| selection.has_tier(name)) {
        return Err(format!("--tier: expected {}", TIERS.map(|(name, _)| name).join(", ")));
    }
    exceptions::self_test()?;
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let list = repository.join("tests/spec-exceptions.toml");
    let list = std::fs::read_to_string(&list).map_err(|e| format!("{}: {e}", list.display()))?;
    let exceptions = Exceptions::parse(&list)?;

    let all = suite::scripts(&repository);
    if let Some(file) =
        exceptions.files().find(|file| !all.iter().any(|script| script.name == *file))
    {
        return Err(format!("tests/spec-exceptions.toml names {file}, which does not exist"));
    }
    let (skipped, scripts): (Vec<Script>, Vec<Script>) = all
        .into_iter()
        .filter(|script| selection.has_file(&script.name))
        .partition(|script| exceptions.skip_of(&script.name).is_some());
    if scripts.is_empty() {
        return Err("no file is selected".into());
    }
    for skip in &exceptions.skip {
        let is_in = |script: &&Script| {
            exceptions.skip_of(&script.name).is_some_and(|s| s.folder == skip.folder)
        };
        match skipped.iter().filter(is_in).count() {
            0 => {}
            count => println!("skipped {count} files of {}: {}", skip.folder, skip.reason),
        }
    }
    let jobs: Vec<Job<'_>> = TIERS
        .iter()
        .filter(|(name, _)| selection.has_tier(name))
        .flat_map(|(tier, setup)| {
            scripts.iter().map(move |script| Job { tier, setup: *setup, script })
        })
        .collect();
    Ok(summary(&run_jobs(&jobs, &exceptions, selection.verbose), skipped.len()))
}

struct Job<'a> {
    tier: &'static str,
    setup: Setup,
    script: &'a Script,
}

struct Verdict {
    passed: usize,
    problems: Vec<String>,
}

fn run_jobs(jobs: &[Job<'_>], exceptions: &Exceptions, verbose: bool) -> Vec<Verdict> {
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || jobs.get(next.fetch_add(1, Ordering::Relaxed));
        std::iter::from_fn(take).map(|job| run_job(job, exceptions, verbose)).collect::<Vec<_>>()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a job catches its panics"))
            .collect()
    })
}

fn run_job(job: &Job<'_>, exceptions: &Exceptions, verbose: bool) -> Verdict {
    let name = &job.script.name;
    if verbose {
        println!("running {} {name}", job.tier);
    }
    let outcome = std::panic::catch_unwind(|| run_script(job));
    let (passed, problems) = match outcome {
        Ok(Ok(report)) => (report.passed, exceptions.judge(job.tier, name, &report)),
        Ok(Err(message)) => (0, vec![format!("{name}: {message}")]),
        Err(_) => (0, vec![format!("{name}: the engine panicked")]),
    };
    for problem in problems.iter().take(SHOWN) {
        println!("FAILED {} {problem}", job.tier);
    }
    if problems.len() > SHOWN {
        println!("FAILED {} {name}: and {} more", job.tier, problems.len() - SHOWN);
    }
    Verdict { passed, problems }
}

fn run_script(job: &Job<'_>) -> Result<Report, String> {
    let mut config = Config::new();
    config.features(job.script.features);
    (job.setup)(&mut config);
    let engine = Engine::new(&config).map_err(|e| format!("cannot make an engine: {e}"))?;
    Ok(sterna_wast::run(&engine, &job.script.name, &job.script.text))
}

fn summary(verdicts: &[Verdict], skipped: usize) -> ExitCode {
    let directives: usize = verdicts.iter().map(|v| v.passed).sum();
    let failed = verdicts.iter().filter(|v| !v.problems.is_empty()).count();
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!("{directives} directives passed");
    println!(
        "test result: {word}. {} passed; {failed} failed; {skipped} ignored",
        verdicts.len() - failed
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
