//! Owns the sum of the test results that cargo's test harness prints.
//! Does not run tests.

use std::fmt;

/// Counts over all test binaries of one run.
#[derive(Debug, Default, PartialEq)]
pub struct Totals {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Totals {
    /// Adds up the lines `test result: ok. 9 passed; 0 failed; 1 ignored; …`.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut totals = Self::default();
        for result in lines.into_iter().filter_map(|line| line.strip_prefix("test result: ")) {
            totals.passed += count(result, " passed");
            totals.failed += count(result, " failed");
            totals.ignored += count(result, " ignored");
        }
        totals
    }
}

fn count(result: &str, label: &str) -> u64 {
    let digits = result.split_once(label).map_or("", |(before, _)| before);
    digits.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tests: {} passed, {} failed, {} ignored", self.passed, self.failed, self.ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn sums_every_result_line() {
        let lines = [
            "test a ... ok",
            "test result: ok. 9 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s",
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out",
        ];
        assert_eq!(Totals::of(lines), Totals { passed: 11, failed: 3, ignored: 1 });
        assert_eq!(Totals::of([]).to_string(), "tests: 0 passed, 0 failed, 0 ignored");
    }
}
