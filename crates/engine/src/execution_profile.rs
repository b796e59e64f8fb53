//! Owns `ExecutionProfile`: what a module was seen doing, for compiling it better elsewhere, and its form as bytes.
//! Does not own what is in it (`sterna_abi::Profile`) nor samples of time (`profile`).

use sterna_abi::Profile;
use sterna_module as module;
use sterna_runtime::LoadedModule;

use crate::engine::Engine;
use crate::error::Result;
use crate::module::{Module, refused};
use crate::text;

/// What a module was seen doing while it ran: which functions its indirect calls went to, and how often branches were taken. The optimizing tier compiles it to better
/// code with that. A profile is taken for speed only; whatever is in it, the module does the same.
///
/// While a module runs, the tiers use what they see at once, and a [`CodeCache`](crate::CodeCache) keeps it for the next run. This
/// is for code that is compiled elsewhere: in a build, from what was seen in production.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionProfile {
    /// See [`identity`].
    module: Hash,
    seen: Vec<u8>,
}

/// Why a profile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The bytes are not those of a profile, or not all of them.
    #[error("this is not an execution profile, or not a whole one")]
    Malformed,
    /// It tells about other code.
    #[error("the execution profile is one of another module")]
    OtherModule,
}

type Hash = [u8; 32];

/// Begins the bytes of a profile; the last byte is the version.
const MAGIC: &[u8; 16] = b"\0sterna profile\x02";

impl ExecutionProfile {
    /// The profile as bytes; equal profiles give equal bytes. Other versions of the engine may refuse them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let check = blake3::hash(&self.seen);
        [MAGIC, &self.module[..], check.as_bytes(), &self.seen].concat()
    }

    /// A profile from [`ExecutionProfile::to_bytes`].
    ///
    /// # Errors
    /// [`ProfileError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<ExecutionProfile> {
        let read = || {
            let rest = bytes.strip_prefix(MAGIC)?;
            let (module, rest) = rest.split_first_chunk()?;
            let (check, seen) = rest.split_first_chunk::<32>()?;
            let is_whole = blake3::hash(seen).as_bytes() == check;
            is_whole.then(|| ExecutionProfile { module: *module, seen: seen.to_vec() })
        };
        read().ok_or_else(|| ProfileError::Malformed.into())
    }
}

impl Module {
    /// What all instances of the module were seen doing so far, and what earlier runs had seen if the module came with that. Only the
    /// tiers below the optimizing one look: a module that was compiled ahead of time learns nothing.
    pub fn execution_profile(&self) -> ExecutionProfile {
        let seen = self.loaded.observed().to_profile(self.loaded.module()).to_bytes();
        ExecutionProfile { module: identity(self.loaded.module()), seen }
    }

    /// As [`Module::new_with_progress`], with what was seen of the module elsewhere.
    ///
    /// # Errors
    /// As [`Module::new`], or [`ProfileError::OtherModule`].
    pub fn new_with_profile(
        engine: &Engine,
        bytes: impl AsRef<[u8]>,
        profile: &ExecutionProfile,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Module> {
        let binary = text::to_binary(bytes.as_ref())?;
        let module = module::Module::decode(binary, &engine.features(), engine.inner.threads())?;
        if identity(&module) != profile.module {
            return Err(ProfileError::OtherModule.into());
        }
        let seen = Profile::from_bytes(&profile.seen, &module);
        let loaded = LoadedModule::of_module(&engine.inner, module, seen, progress);
        Ok(Module::from_loaded(loaded.map_err(refused)?))
    }
}

/// What a profile depends on: the code and where it is, which does not change when debug information behind it is removed.
fn identity(module: &module::Module) -> Hash {
    let code = module.code_range();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&code.start.to_le_bytes());
    hasher.update(&module.bytes()[code.start as usize..code.end as usize]);
    *hasher.finalize().as_bytes()
}
