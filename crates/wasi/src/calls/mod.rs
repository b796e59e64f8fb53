//! Owns the functions of preview 1, as methods of `WasiCtx`, by theme.
//! Does not reach guest memory or the host but through `GuestMemory` and the descriptor table.

mod args;
mod fd;
mod io;
mod path;
mod poll;
mod process;
mod readdir;
mod socket;

pub(crate) use readdir::Listing;
