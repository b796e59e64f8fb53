//! Owns running `.wast` scripts, the language of the WebAssembly test suite, on the engine.
//! Does not find scripts nor decide which failures are known; callers do.
//!
//! ```
//! let engine = sterna::Engine::default();
//! let report = sterna_wast::run(&engine, "a.wast", r#"
//!     (module (func (export "two") (result i32) i32.const 2))
//!     (assert_return (invoke "two") (i32.const 2))
//!     (assert_return (invoke "two") (i32.const 3))
//! "#);
//! assert_eq!(report.passed, 2);
//! assert_eq!(report.failures[0].line, 4);
//! ```
#![forbid(unsafe_code)]

mod pattern;
mod report;
mod script;
mod spectest;
mod values;
mod world;

pub use report::{Failure, Report};
pub use script::run;
