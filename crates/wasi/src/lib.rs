//! Owns WASI preview 1: the calls by which a guest reaches arguments, files, clocks and sockets.
//! Does not run guests; it imports the engine only to be linked into it.
//!
//! A [`WasiCtx`] is the world of one guest. Nothing is in it that the [`WasiCtxBuilder`] was not
//! told to grant. Paths are resolved by `cap-std`: none leads out of the directory it starts from.
#![forbid(unsafe_code)]

mod calls;
mod clocks;
mod ctx;
mod descriptor;
mod errno;
mod halt;
mod interrupt;
mod memory;
mod random;
mod stdio;
mod table;
mod transfer;
mod types;

pub use clocks::Clocks;
pub use ctx::{ConfigError, DirAccess, WasiCtx, WasiCtxBuilder};
pub use errno::Errno;
pub use halt::{Halt, Stop, returned};
pub use memory::GuestMemory;
pub use random::Random;
pub use stdio::{OutputBuffer, Stdio};
pub use table::FUNCTION_NAMES;
pub use types::{Abi, ClockId};
