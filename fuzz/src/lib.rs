//! Owns the fuzzing oracles: tiers against each other on generated modules, decoding against `wasmparser` on damaged ones.
//! Does not own the loop, progress or files (`main`).
//!
//! Everything derives from one number, the seed: a failure is reproduced with `cargo x fuzz --seed N --count 1`.

mod callees;
mod configurations;
mod damage;
mod differential;
mod edges;
mod generate;
mod host;
mod loops;
mod objects;
mod padding;
mod random;

pub use differential::Differential;
pub use generate::Generated;
pub use random::Random;

/// What one seed showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls whose outcome was compared between all configurations.
    pub calls: u64,
    /// Of these, calls that trapped.
    pub traps: u64,
    /// Of these, calls that left an exception uncaught.
    pub thrown: u64,
    /// Modules that no configuration could instantiate, all for the same reason.
    pub refused: u64,
    /// Modules given up because a configuration ran out of stack, where that depends on the configuration.
    pub overflowed: u64,
    /// Damaged binaries checked.
    pub damaged: u64,
    /// Of these, binaries that were still valid.
    pub still_valid: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.calls += other.calls;
        self.traps += other.traps;
        self.thrown += other.thrown;
        self.refused += other.refused;
        self.overflowed += other.overflowed;
        self.damaged += other.damaged;
        self.still_valid += other.still_valid;
    }
}

/// A difference, with the module that shows it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What differs.
    pub message: String,
    /// The binary.
    pub wasm: Vec<u8>,
    /// The module that it imports from.
    pub owner: Option<Vec<u8>>,
}

impl Differential {
    /// Runs all oracles on one seed.
    ///
    /// # Errors
    /// The first difference found.
    pub fn check(&self, seed: u64) -> Result<Tally, Finding> {
        let mut random = Random::new(seed);
        let mut generated = Generated::new(&mut random);
        // Numbers of their own, so that what a seed stands for stays the same.
        let padding = &mut Random::new(!seed);
        if padding.one_in(4) {
            generated.wasm = padding::pad(&generated.wasm, padding);
        }
        let mut tally = self.run(&generated, &mut random)?;
        tally += damage::check(self.engine(), &generated.wasm, &mut random)?;
        Ok(tally)
    }
}
