//! Owns the machine AArch64 of the baseline tier.
//! Does not own what is the same for all machines.

pub(crate) mod asm;
