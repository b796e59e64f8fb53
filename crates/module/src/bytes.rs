//! Owns `ModuleBytes`, shared immutable storage of a module's binary.
//! Does not read files; whoever maps one hands the mapping in.

use std::ops::Deref;
use std::sync::Arc;

/// The binary of a module, kept for as long as the module lives: bodies, data segments and custom sections are read from
/// it in place. Cloning shares.
#[derive(Clone)]
pub struct ModuleBytes(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl ModuleBytes {
    /// Shares any owner of bytes, for example a file mapping. The bytes must never change.
    pub fn from_owner(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> ModuleBytes {
        ModuleBytes(Arc::new(owner))
    }
}

impl Deref for ModuleBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl From<Vec<u8>> for ModuleBytes {
    fn from(bytes: Vec<u8>) -> ModuleBytes {
        ModuleBytes::from_owner(bytes)
    }
}

impl From<&[u8]> for ModuleBytes {
    fn from(bytes: &[u8]) -> ModuleBytes {
        ModuleBytes::from_owner(bytes.to_vec())
    }
}
