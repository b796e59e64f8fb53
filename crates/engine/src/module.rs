//! Owns `Module`, a loaded module: from binary or text, from memory or file.
//! Does not own decoding (`sterna-module`) nor the text format (`text`).

use std::fmt;
use std::io::Read;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::sync::Arc;

use sterna_isa::SubType;
use sterna_module::{self as module, InnerNameKind, NameKind};
use sterna_runtime::LoadedModule;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::text;
use crate::types::{ExportType, ExternType, ImportType};

/// A valid module, ready to be instantiated any number of times. Cheap to clone, and usable from any thread.
#[derive(Clone)]
pub struct Module {
    pub(crate) loaded: Arc<LoadedModule>,
}

impl UnwindSafe for Module {}
impl RefUnwindSafe for Module {}

impl Module {
    /// Loads a module from the binary format or, with feature `wat`, the text format.
    ///
    /// # Errors
    /// A malformed or invalid module: [`ModuleError`](crate::ModuleError) with the byte offset, or
    /// [`TextError`](crate::TextError) with line and column.
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Module> {
        Module::new_with_progress(engine, bytes, &|_, _| {})
    }

    /// As [`Module::new`]. While functions are compiled (under `Tier::Opt`), `progress` is called with how many are done and how
    /// many there are, from several threads.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn new_with_progress(
        engine: &Engine,
        bytes: impl AsRef<[u8]>,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Module> {
        Module::from_vec(engine, text::to_binary(bytes.as_ref())?, progress)
    }

    /// Loads a module from the binary format without copying it.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn from_binary(engine: &Engine, binary: Vec<u8>) -> Result<Module> {
        Module::from_vec(engine, binary, &|_, _| {})
    }

    /// Loads a module in either format while it arrives: a binary is decoded and validated while `reader` waits for the rest of it.
    ///
    /// # Errors
    /// What `reader` returns, or as [`Module::new`].
    pub fn from_reader(engine: &Engine, mut reader: impl Read) -> Result<Module> {
        let mut start = Vec::new();
        reader.by_ref().take(4).read_to_end(&mut start)?;
        if start != *b"\0asm" {
            reader.read_to_end(&mut start)?;
            return Module::new(engine, start);
        }
        let reader = start.as_slice().chain(reader);
        let loaded = LoadedModule::read(&engine.inner, reader, &|_, _| {});
        Ok(Module { loaded: loaded.map_err(refused)? })
    }

    /// Loads a module from a file in either format.
    ///
    /// # Errors
    /// A file that cannot be read, or as [`Module::new`]; the file's name is in the context.
    pub fn from_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Module> {
        let path = path.as_ref();
        let load = || {
            let bytes = std::fs::read(path)?;
            match text::is_text(&bytes) {
                true => Module::new(engine, bytes),
                false => Module::from_vec(engine, bytes, &|_, _| {}),
            }
        };
        load().map_err(loading(path))
    }

    fn from_vec(
        engine: &Engine,
        binary: Vec<u8>,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Module> {
        let loaded = LoadedModule::new(&engine.inner, binary, progress);
        Ok(Module { loaded: loaded.map_err(refused)? })
    }

    pub(crate) fn from_loaded(loaded: Arc<LoadedModule>) -> Module {
        Module { loaded }
    }

    /// Checks a module in either format without preparing it.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn validate(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<()> {
        let binary = text::to_binary(bytes.as_ref())?;
        module::Module::decode(binary, &engine.features(), engine.inner.threads())?;
        Ok(())
    }

    /// The engine it was loaded into.
    pub fn engine(&self) -> Engine {
        Engine { inner: self.loaded.engine().clone() }
    }

    /// The module's name from its name section.
    pub fn name(&self) -> Option<&str> {
        self.loaded.module().names().module()
    }

    /// The name of something by its index, from the name section.
    pub fn name_of(&self, kind: NameKind, index: u32) -> Option<&str> {
        self.loaded.module().names().get(kind, index)
    }

    /// The name of a local, a label (`owner` is the function's index) or a field (the type's), from the name section.
    pub fn inner_name_of(&self, kind: InnerNameKind, owner: u32, index: u32) -> Option<&str> {
        self.loaded.module().inner_name(kind, owner, index)
    }

    /// Imports in order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> {
        let module = self.loaded.module();
        module.imports().iter().map(|import| ImportType {
            module: &import.module,
            name: &import.name,
            ty: ExternType::from_module(self.loaded.extern_type(import.index)),
        })
    }

    /// Exports in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> {
        let module = self.loaded.module();
        module.exports().iter().map(|export| ExportType {
            name: &export.name,
            ty: ExternType::from_module(self.loaded.extern_type(export.index)),
        })
    }

    /// Type of an export.
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        let index = self.loaded.export(name)?;
        Some(ExternType::from_module(self.loaded.extern_type(index)))
    }

    /// Types by type index. Indices in them are type indices of the module.
    pub fn types(&self) -> &[SubType] {
        self.loaded.module().types()
    }

    /// Custom sections in order: name and contents.
    pub fn custom_sections(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.loaded.module().custom_sections()
    }

    /// The binary.
    pub fn bytes(&self) -> &[u8] {
        self.loaded.module().bytes()
    }

    /// Functions whose machine code came from a [`CodeCache`](crate::CodeCache).
    pub fn cached_functions(&self) -> usize {
        self.loaded.cached_functions()
    }

    /// Functions that the interpreter has translated, which it does when they are first called.
    pub fn interpreted_functions(&self) -> usize {
        self.loaded.interp_functions()
    }

    /// Bytes of machine code.
    pub fn machine_code_bytes(&self) -> usize {
        self.loaded.code_bytes()
    }

    /// Bytes of memory that hold machine code and translated interpreter code.
    pub fn code_bytes(&self) -> usize {
        self.loaded.code_bytes() + self.loaded.interp_bytes()
    }

    /// Where the module's binary is with debug information, if it was loaded without. `load` is called at most once, when a backtrace
    /// is first looked at; what it returns counts if its code is in the same place. Only the first call of this does something.
    pub fn set_debug_info(&self, load: impl FnOnce() -> Option<Vec<u8>> + Send + 'static) {
        self.loaded.set_debug_info(Box::new(load));
    }

    /// The module with its compiled code, for [`Module::deserialize`]. Compiles what is not compiled yet.
    ///
    /// # Errors
    /// [`ArtifactError`](crate::ArtifactError) if the engine has no compiler (`Tier::Interp`), or no memory.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        Ok(self.loaded.serialize()?)
    }

    /// Loads what [`Module::serialize`] returned. Nothing is compiled or validated.
    ///
    /// # Errors
    /// [`ArtifactError`](crate::ArtifactError): damage, or another version, processor or configuration than it was made by and for.
    ///
    /// # Safety
    /// The bytes must come from [`Module::serialize`], through places that only trusted parties can write to: they are run as
    /// machine code. The checks find accidents, not forgeries.
    pub unsafe fn deserialize(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Module> {
        // SAFETY: passed on from the caller.
        let loaded = unsafe { LoadedModule::deserialize(&engine.inner, bytes.as_ref()) };
        Ok(Module { loaded: loaded? })
    }

    /// As [`Module::deserialize`], from a file, which is mapped instead of read: processes share it.
    ///
    /// # Errors
    /// As [`Module::deserialize`], or a file that cannot be read; the file's name is in the context.
    ///
    /// # Safety
    /// As [`Module::deserialize`]; and nobody may change the file as long as the module lives. (To replace a file, write another one
    /// and rename it.)
    pub unsafe fn deserialize_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Module> {
        let path = path.as_ref();
        // SAFETY: passed on from the caller.
        let loaded = unsafe { LoadedModule::deserialize_file(&engine.inner, path) };
        match loaded {
            Ok(loaded) => Ok(Module { loaded }),
            Err(error) => Err(loading(path)(error.into())),
        }
    }

    /// Whether bytes (the first few are enough) claim to be what [`Module::serialize`] returns.
    pub fn is_serialized(bytes: impl AsRef<[u8]>) -> bool {
        sterna_runtime::is_artifact(bytes.as_ref())
    }

    /// Whether both are the same loaded module.
    pub fn same(a: &Module, b: &Module) -> bool {
        Arc::ptr_eq(&a.loaded, &b.loaded)
    }
}

/// Why a module could not be loaded.
pub(crate) fn refused(error: sterna_runtime::LoadError) -> Error {
    match error {
        sterna_runtime::LoadError::Invalid(error) => error.into(),
        other => other.into(),
    }
}

/// Adds a file's name to an error.
fn loading(path: &Path) -> impl FnOnce(Error) -> Error {
    move |error| error.context(format_args!("cannot load `{}`", path.display()))
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("name", &self.name()).finish_non_exhaustive()
    }
}
