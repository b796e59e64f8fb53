//! Owns the list of commands.
//! Does not share code between them: what two commands need is a module of its own.

pub mod completion;
pub mod inspect;
pub mod print;
pub mod validate;
pub mod wat;
