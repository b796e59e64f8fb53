//! Owns WASI preview 1: the calls by which a guest reaches arguments, files, clocks and sockets.
//! Does not run guests; it imports the engine only to be linked into it.
//!
//! A [`WasiCtx`] is the world of one guest. Nothing is in it that the [`WasiCtxBuilder`] was not
//! told to grant. Paths are resolved by `cap-std`: none leads out of the directory it starts from.
//!
//! ```
//! use sterna::{Engine, Linker, Module, Store};
//! use sterna_wasi::{Halt, OutputBuffer, Stdio, WasiCtx};
//!
//! let program = r#"(module
//!     (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
//!     (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "\08\00\00\00\06\00\00\00hello\n")
//!     (func (export "_start")
//!         (call $exit (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))))"#;
//!
//! let output = OutputBuffer::new(1000);
//! let ctx = WasiCtx::builder().arg("hello").stdout(Stdio::output(&output)).build()?;
//! let engine = Engine::default();
//! let mut linker = Linker::new(&engine);
//! sterna_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
//! let mut store = Store::new(&engine, ctx);
//! let instance = linker.instantiate(&mut store, &Module::new(&engine, program)?)?;
//! let end = instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ());
//! assert_eq!(end.unwrap_err().downcast_ref(), Some(&Halt::Exit(0)));
//! assert_eq!(output.contents(), b"hello\n");
//! # Ok::<(), sterna::Error>(())
//! ```
#![forbid(unsafe_code)]

mod calls;
mod clocks;
mod ctx;
mod descriptor;
mod errno;
mod halt;
mod interrupt;
mod link;
mod memory;
mod random;
mod stdio;
mod table;
mod threads;
mod transfer;
mod types;

pub use clocks::Clocks;
pub use ctx::{ConfigError, DirAccess, WasiCtx, WasiCtxBuilder};
pub use errno::Errno;
pub use halt::{Halt, Stop, returned};
pub use link::{add_imports_to_linker, add_to_linker};
pub use memory::GuestMemory;
pub use random::Random;
pub use stdio::{OutputBuffer, Stdio};
pub use table::FUNCTION_NAMES;
pub use threads::{OnEnd, ThreadOptions, WasiThreads, wants_threads};
pub use types::{Abi, ClockId};
