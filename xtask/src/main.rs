//! Owns the command line of `cargo x`.
//! Does not implement the steps: one file per step.

#![forbid(unsafe_code)]

fn main() {}
