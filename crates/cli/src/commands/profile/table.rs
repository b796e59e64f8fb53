//! Owns the table of a profile: functions by their own time, with the tiers in which they spent it.
//! Does not weigh samples; the engine did.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use sterna::GuestProfile;

/// What one function took.
#[derive(Default)]
struct Row {
    /// In each [`CodeTier`].
    tiers: [Duration; 3],
    /// With what it called.
    total: Duration,
}

impl Row {
    fn own(&self) -> Duration {
        self.tiers.iter().sum()
    }
}

/// The functions that took most, as text.
pub fn show(profile: &GuestProfile, top: usize) -> String {
    let mut rows: BTreeMap<(&str, u32), Row> = BTreeMap::new();
    let name = |at: u32| {
        let function = &profile.functions[at as usize];
        (function.name.as_str(), function.index)
    };
    for sample in &profile.samples {
        if let Some(&innermost) = sample.stack.last() {
            let row = rows.entry(name(innermost)).or_default();
            row.tiers[profile.functions[innermost as usize].tier as usize] += sample.weight;
        }
        // Once, however often it is on the stack.
        for function in sample.stack.iter().map(|&at| name(at)).collect::<BTreeSet<_>>() {
            rows.entry(function).or_default().total += sample.weight;
        }
    }
    let all: Duration = profile.samples.iter().map(|sample| sample.weight).sum();
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|(name, row)| (std::cmp::Reverse((row.own(), row.total)), *name));
    let percent = |part: Duration, of: Duration| match of.is_zero() {
        true => 0.0,
        false => 100.0 * part.as_secs_f64() / of.as_secs_f64(),
    };
    let mut text = format!(
        "{} samples in {:.3} s\n   self   total  interp baseline     opt  function\n",
        profile.samples.len(),
        all.as_secs_f64()
    );
    for ((name, _), row) in rows.into_iter().take(top) {
        let [interp, baseline, opt] = row.tiers;
        writeln!(
            text,
            "{:>6.1}% {:>6.1}% {:>6.0}% {:>7.0}% {:>6.0}%  {name}",
            percent(row.own(), all),
            percent(row.total, all),
            percent(interp, row.own()),
            percent(baseline, row.own()),
            percent(opt, row.own()),
        )
        .expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sterna::{CodeTier, ProfiledFunction, ProfiledSample};

    #[test]
    fn recursion_counts_once_and_tiers_are_summed() {
        let function =
            |name: &str, index, tier| ProfiledFunction { name: name.into(), index, tier };
        let sample = |weight, stack: &[u32]| ProfiledSample {
            time: Duration::ZERO,
            weight: Duration::from_millis(weight),
            stack: stack.into(),
        };
        let profile = GuestProfile {
            functions: vec![
                function("a", 0, CodeTier::Interp),
                function("b", 1, CodeTier::Baseline),
                function("b", 1, CodeTier::Opt),
            ],
            samples: vec![sample(100, &[0, 1, 2]), sample(300, &[0, 1]), sample(600, &[0])],
        };
        let text = show(&profile, 9);
        assert!(text.starts_with("3 samples in 1.000 s\n"), "{text}");
        assert!(text.contains("  60.0%  100.0%    100%       0%      0%  a\n"), "{text}");
        assert!(text.contains("  40.0%   40.0%      0%      75%     25%  b\n"), "{text}");
        assert_eq!(show(&profile, 1).lines().count(), 3);
        assert!(show(&GuestProfile::default(), 1).starts_with("0 samples"));
    }
}
