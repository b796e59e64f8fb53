//! Owns what a compiler is asked for: one function with all that its code depends on, and what the tiers below saw of it.
//! Does not own recording (the tiers below) nor when to ask (the runtime).

use std::collections::HashMap;

use sterna_base::FuncIndex;
use sterna_module::Module;

use crate::tier::CodeSettings;

/// One function to compile. Equal requests give equal code.
#[derive(Clone, Copy)]
pub struct CompileRequest<'a> {
    /// The validated module.
    pub module: &'a Module,
    /// A defined function of it.
    pub func: FuncIndex,
    /// Settings of the code.
    pub settings: &'a CodeSettings,
    /// What the tiers below saw. Code may rely on it for speed, never for meaning.
    pub profile: &'a Profile,
}

impl<'a> CompileRequest<'a> {
    /// A function as it is compiled before the program has run.
    pub fn new(module: &'a Module, func: FuncIndex, settings: &'a CodeSettings) -> Self {
        CompileRequest { module, func, settings, profile: &Profile::EMPTY }
    }
}

/// What the tiers below saw of a module so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// By byte offset in the module of a `call_indirect` or `call_ref` (or its tail form): the function of the same module, and of the
    /// same instance, that nearly all calls went to. Calls without such a function are not listed.
    pub targets: Option<Box<HashMap<u32, FuncIndex>>>,
}

impl Profile {
    /// Nothing.
    pub const EMPTY: Profile = Profile { targets: None };

    /// The function that an indirect call nearly always goes to.
    pub fn target(&self, offset: u32) -> Option<FuncIndex> {
        self.targets.as_ref()?.get(&offset).copied()
    }
}
