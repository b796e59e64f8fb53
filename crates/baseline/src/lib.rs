//! Owns the baseline tier: a compiler that goes over a function's operators once and writes machine code as it goes.
//! Does not own when it is used nor where its code lives: the runtime does.
//!
//! # How it works
//! Every local and every position of the operand stack has a *home* in the frame. An abstract operand stack ([`stack`]) says where each
//! operand is now: a constant, a register, its home, a local's current value, or the flags of a comparison. Operators take what they find,
//! so most moves never happen. Where control flow meets, operands are in their homes (or one result in the first register), and registers hold nothing but
//! *pinned* locals: those that a scan of the body ([`scan`]) found worth a register of their own for the whole function. Other locals are
//! written through to their homes, so nothing needs to be done for them where control flow meets.
//!
//! References to objects are in their homes whenever the collector can run; the site tables ([`sites`]) list them.
//!
//! The parts that emit no code are here, what emits the same on all machines in [`driver`], what a machine is to it in [`machine`], the machines in folders
//! of their own.

#![forbid(unsafe_code)]

#[cfg_attr(
    not(target_arch = "aarch64"),
    allow(dead_code, reason = "each machine compiles for itself")
)]
mod a64;
mod compiler;
mod driver;
mod machine;
mod scan;
mod signature;
mod sites;
mod stack;
#[cfg(test)]
mod tests;
#[cfg_attr(target_arch = "aarch64", allow(dead_code, reason = "each machine compiles for itself"))]
mod x64;

pub use compiler::{Baseline, TargetError};
