//! Owns the fuzzing loop: seeds, threads, time, progress, saving what was found.
//! Does not own the oracles (`sterna_fuzz`).

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use sterna_fuzz::{Differential, Finding, Generated, Random, Tally};

/// Compare Sterna's tiers on generated modules.
#[derive(Parser)]
struct Options {
    /// Stop after this many seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// First seed; the others count up from it
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Stop after this many seeds
    #[arg(long, default_value_t = u64::MAX)]
    count: u64,
    /// Worker threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Print each seed, call and configuration before it is run, and save each module: to find what crashes the process
    #[arg(long)]
    trace: bool,
    /// Where modules that show a difference are written
    #[arg(long, default_value = "fuzz/findings")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let (next, found) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new((Tally::default(), 0u64));
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| worker(&options, end, &next, &found, &total));
        }
    });
    let (tally, seeds) = *total.lock().expect("workers do not panic while holding the total");
    eprintln!(
        "{seeds} modules ({} not instantiable, {} out of stack), {} calls compared ({} trapped, {} threw), {} damaged binaries ({} still valid)",
        tally.refused,
        tally.overflowed,
        tally.calls,
        tally.traps,
        tally.thrown,
        tally.damaged,
        tally.still_valid
    );
    let failed = found.load(Ordering::Relaxed);
    println!("{} passed, {} failed", seeds - u64::from(failed), u64::from(failed));
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn worker(
    options: &Options,
    end: Instant,
    next: &AtomicU64,
    found: &AtomicBool,
    total: &Mutex<(Tally, u64)>,
) {
    let differential = Differential::new(options.trace);
    while Instant::now() < end && !found.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= options.count {
            return;
        }
        let seed = options.seed + number;
        if options.trace {
            eprintln!("seed {seed}");
            let Generated { wasm, owner, .. } = Generated::new(&mut Random::new(seed));
            save(options, seed, &wasm, owner.as_deref());
        }
        let result = differential.check(seed);
        let mut total = total.lock().expect("workers do not panic while holding the total");
        total.1 += 1;
        match result {
            Ok(tally) => total.0 += tally,
            Err(finding) => {
                found.store(true, Ordering::Relaxed);
                report(options, seed, &finding);
            }
        }
    }
}

fn report(options: &Options, seed: u64, finding: &Finding) {
    eprintln!("seed {seed}: {}", finding.message);
    save(options, seed, &finding.wasm, finding.owner.as_deref());
    eprintln!("  again with: cargo x fuzz --seed {seed} --count 1");
}

fn save(options: &Options, seed: u64, wasm: &[u8], owner: Option<&[u8]>) {
    let files = [(format!("{seed}.wasm"), Some(wasm)), (format!("{seed}.owner.wasm"), owner)];
    for (name, bytes) in files {
        let (Some(bytes), path) = (bytes, options.out.join(name)) else { continue };
        match std::fs::create_dir_all(&options.out).and_then(|()| std::fs::write(&path, bytes)) {
            Ok(()) => eprintln!("  module: {}", path.display()),
            Err(error) => {
                eprintln!("  the module could not be written to {}: {error}", path.display());
            }
        }
    }
}
