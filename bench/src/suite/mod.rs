//! Owns what the suites share: who takes part, the interleaved repetition, and the log on standard error.
//! Does not know what a suite measures.

pub mod cold;
pub mod compile;
pub mod pauses;
pub mod run;
pub mod sizes;
pub mod startup;

use std::collections::BTreeMap;

use crate::engine::{Engine, Engines, Places};
use crate::process::Invocation;
use crate::results::Cell;

/// What every suite is given.
pub struct Setting<'a> {
    pub places: &'a Places,
    pub engines: &'a Engines,
    /// Repetitions of every measurement.
    pub runs: usize,
    /// Where compiled artifacts go.
    pub scratch: &'a std::path::Path,
}

/// An engine that takes part in one row, with its command ready.
struct Contender<'a> {
    engine: &'a Engine,
    invocation: Invocation,
    cell: Cell,
}

impl<'a> Contender<'a> {
    fn new(engine: &'a Engine, invocation: Invocation) -> Self {
        let cell = Cell { version: engine.version_line.clone(), ..Cell::default() };
        Self { engine, invocation, cell }
    }
}

/// Runs every contender once, `rounds` times over, so that a disturbance of the machine falls on all of them. One whose step
/// fails drops out with its reason.
fn interleave(
    contenders: &mut Vec<Contender<'_>>,
    rounds: usize,
    failures: &mut BTreeMap<String, String>,
    mut step: impl FnMut(&mut Contender<'_>) -> Result<(), String>,
) {
    for _ in 0..rounds {
        contenders.retain_mut(|contender| match step(contender) {
            Ok(()) => true,
            Err(reason) => {
                failures.insert(contender.engine.name.clone(), reason);
                false
            }
        });
    }
}

/// The cells of all that are left.
fn cells(contenders: Vec<Contender<'_>>) -> BTreeMap<String, Cell> {
    contenders.into_iter().map(|c| (c.engine.name.clone(), c.cell)).collect()
}
