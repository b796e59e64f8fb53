//! Owns the contract between tiers and runtime: VM structures, builtins, code artifacts, tier traits.
//! Does not contain behaviour: tiers implement it, the runtime drives it, and neither names the other.
//!
//! # Values
//! A guest value occupies [`Slot`]s of 8 bytes: `i32`, `f32` zero-extended in one slot, `i64`, `f64`, references
//! in one slot, `v128` in two (low half first). A `funcref` is the address of a [`FuncRef`] (0 = null). References of the
//! other hierarchies are 32 bits, zero-extended, 0 = null: see [`gc`]. An `externref` never refers to something that moves.
//!
//! # Calling conventions
//! * **stack**: arguments in consecutive slots at `fp`; results are left at the same `fp`. Every function can
//!   be called this way through [`FuncEntry::stack`] (an address the interpreter understands).
//! * **reg**: the platform's C convention (`CallConv::SystemV` in Cranelift): first parameter the callee's vmctx, then the
//!   wasm parameters. [`FuncEntry::reg`] is such an address whenever compiled code can reach the function: compiled
//!   code, or a *lazy stub* that stores the function's index in [`VmCtx::callee_index`] and jumps to the signature's
//!   `reg → stack` adapter.
//! * **tail**: the same parameters in `CallConv::Tail`; only code of modules that contain `return_call*` or handlers of
//!   exceptions uses it
//!   (see [`artifact::Convention`]).

pub mod artifact;
pub mod builtins;
pub mod captured;
pub mod context;
pub mod gc;
pub mod layout;
pub mod recording;
pub mod request;
pub mod tier;
pub mod type_rows;

pub use artifact::*;
pub use builtins::*;
pub use captured::*;
pub use context::*;
pub use gc::*;
pub use layout::*;
pub use recording::*;
pub use request::*;
pub use tier::*;
pub use type_rows::*;
