//! Owns what is counted about a heap: collections, bytes, pause times.
//! Does not decide anything from it.

use std::time::Duration;

/// A kind of collection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Collection {
    /// Of the young generation.
    Minor,
    /// Of everything.
    Full,
}

/// Counters of one heap since it was made.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Minor collections.
    pub minor_collections: u64,
    /// Full collections.
    pub full_collections: u64,
    /// Bytes allocated, headers included, up to the last collection or slow allocation.
    pub bytes_allocated: u64,
    /// Bytes of small objects copied to the old space by minor collections.
    pub bytes_promoted: u64,
    /// Bytes of small objects copied by collections of both kinds.
    pub bytes_copied: u64,
    /// Bytes of objects that the last full collection kept.
    pub bytes_live: u64,
    /// Pause times of minor collections.
    pub minor_pauses: PauseHistogram,
    /// Pause times of full collections.
    pub full_pauses: PauseHistogram,
}

/// Sub-buckets per power of two: a relative error of at most 1/8.
const SUB: u32 = 8;

/// Durations in buckets of nanoseconds that grow exponentially.
#[derive(Clone, Debug)]
pub struct PauseHistogram {
    buckets: Box<[u32]>,
    count: u64,
    max: u64,
}

impl Default for PauseHistogram {
    fn default() -> Self {
        Self { buckets: vec![0; (64 * SUB) as usize].into(), count: 0, max: 0 }
    }
}

impl PauseHistogram {
    pub(crate) fn record(&mut self, pause: Duration) {
        let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// Number of pauses.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// A time that `share` (0 to 1) of the pauses did not exceed, at most an eighth too long; zero without pauses.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted {
                return Duration::from_nanos(upper_bound(index as u32).min(self.max));
            }
        }
        Duration::ZERO
    }
}

fn bucket(nanos: u64) -> usize {
    let log2 = nanos.ilog2();
    let sub = if log2 < 3 { 0 } else { (nanos >> (log2 - 3)) as u32 & (SUB - 1) };
    (log2 * SUB + sub) as usize
}

fn upper_bound(bucket: u32) -> u64 {
    let (log2, sub) = (bucket / SUB, u64::from(bucket % SUB));
    let start = 1u64 << log2;
    let end = u128::from(start) + u128::from(start) * u128::from(sub + 1) / u128::from(SUB) - 1;
    if log2 < 3 { start * 2 - 1 } else { u64::try_from(end).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::{PauseHistogram, bucket, upper_bound};
    use std::time::Duration;

    #[test]
    fn quantiles_are_close_from_above() {
        let mut pauses = PauseHistogram::default();
        (1..=1000).for_each(|micros| pauses.record(Duration::from_micros(micros)));
        for (share, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let got = pauses.quantile(share).as_nanos() as f64 / 1000.0;
            assert!((exact..=exact * 1.126).contains(&got), "{share}: {got}");
        }
        assert_eq!((pauses.count(), pauses.max()), (1000, Duration::from_millis(1)));
        assert_eq!(PauseHistogram::default().quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn buckets_hold_what_their_bounds_say() {
        for nanos in
            (0..64).flat_map(|bit| [1u64 << bit, (1u64 << bit) / 2 * 3 + 1, u64::MAX >> bit])
        {
            let index = bucket(nanos);
            assert!(upper_bound(index as u32) >= nanos, "{nanos}");
        }
    }
}
