//! Owns `--gc-stats`: what the garbage collector did, in lines.
//! Does not count.

use std::time::Duration;

use sterna::{GcStats, PauseHistogram};

/// Prints the counters of a store whose program has ended; `None` if it made no objects.
pub fn print(stats: Option<&GcStats>) {
    let none = GcStats::default();
    let stats = stats.unwrap_or(&none);
    eprintln!(
        "objects: {} bytes allocated, {} promoted, {} copied, {} live after the last full collection",
        stats.bytes_allocated, stats.bytes_promoted, stats.bytes_copied, stats.bytes_live
    );
    eprintln!("minor collections: {}", line(&stats.minor_pauses));
    eprintln!("full collections: {}", line(&stats.full_pauses));
}

/// Number and quantiles of pauses.
fn line(pauses: &PauseHistogram) -> String {
    let [median, most, all] = [pauses.quantile(0.5), pauses.quantile(0.99), pauses.max()]
        .map(|pause: Duration| pause.as_nanos() as f64 / 1000.0);
    format!("{}, pauses p50 {median:.1} us, p99 {most:.1} us, max {all:.1} us", pauses.count())
}
