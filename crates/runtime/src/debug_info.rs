//! Owns debug information that is loaded when somebody wants it.
//! Does not read it: sources of positions are looked up by the layer above.

use std::sync::{Mutex, OnceLock, PoisonError};

use sterna_module::Module;

use crate::loaded::LoadedModule;

/// Gives a module's binary.
pub type LoadBinary = Box<dyn FnOnce() -> Option<Vec<u8>> + Send>;

/// The same module with more custom sections.
#[derive(Default)]
pub(crate) struct DebugInfo {
    load: Mutex<Option<LoadBinary>>,
    loaded: OnceLock<Option<Module>>,
}

impl DebugInfo {
    /// Where to get it.
    pub(crate) fn set(&self, load: LoadBinary) {
        let mut place = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        place.get_or_insert(load);
    }

    /// That of `loaded`; what has its code elsewhere is not taken for it. It may have changed since, so it is validated again.
    pub(crate) fn of(&self, loaded: &LoadedModule) -> Option<&Module> {
        let load = || {
            let load = self.load.lock().unwrap_or_else(PoisonError::into_inner).take()?;
            let engine = loaded.engine();
            let module = Module::decode(load()?, &engine.settings().features, engine.threads());
            module.ok().filter(|module| module.code_range() == loaded.module().code_range())
        };
        self.loaded.get_or_init(load).as_ref()
    }
}
