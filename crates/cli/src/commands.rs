//! Owns the list of commands.
//! Does not share code between them: what two commands need is a module of its own.

pub mod cache;
pub mod compile;
pub mod completion;
pub mod dump;
pub mod inspect;
pub mod print;
pub mod profile;
pub mod run;
pub mod validate;
pub mod wast;
pub mod wat;
