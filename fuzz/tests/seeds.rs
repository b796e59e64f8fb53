//! Owns the replay of known seeds through all oracles.
//! Does not search for new ones: `cargo x fuzz` does.
#![allow(clippy::unwrap_used)]

use sterna_fuzz::{Differential, Tally};

#[test]
fn known_seeds_show_no_difference() {
    let differential = Differential::new(false);
    let mut total = Tally::default();
    let lines = include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#'));
    for seed in lines {
        let tally = differential.check(seed.parse().unwrap());
        total += tally.unwrap_or_else(|finding| panic!("seed {seed}: {}", finding.message));
    }
    assert!(total.calls > 20 && total.traps < total.calls, "the seeds run real code: {total:?}");
}
