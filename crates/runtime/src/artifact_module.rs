//! Owns the way of a loaded module into an artifact and back, without the compiler on the way back.
//! Does not own the format (`artifact`) nor how code is linked and entered (`linking`).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use sterna_abi::{
    Builtin, Convention, FuncEntry, FuncRef, FunctionCode, GlobalCell, MemoryDef, MemorySlot,
    Sites, StoreCtx, TableDef, TypeRow, VmCtx,
};
use sterna_isa::TrapCode;
use sterna_module::{Module, ModuleBytes};
use sterna_sys::activation;
use sterna_sys::vm::{FileMap, page_size};

use crate::adapters::{self, AdapterKind};
use crate::artifact::{self, Artifact, ArtifactError, Contents, Options, Section};
use crate::engine::Engine;
use crate::linking::{self, Linked, Unlinked};
use crate::loaded::LoadedModule;
use crate::sites::{PieceKind, Tables};

type Result<T> = std::result::Result<T, ArtifactError>;

const BAD_TABLES: ArtifactError = ArtifactError::Corrupted("its site tables make no sense");

impl LoadedModule {
    /// The module with all its code, for [`LoadedModule::deserialize`]. Compiles it if that has not been done. Equal modules,
    /// settings and compilers give equal bytes.
    ///
    /// # Errors
    /// [`ArtifactError::NoCompiler`], or no memory.
    pub fn serialize(self: &Arc<Self>) -> Result<Vec<u8>> {
        let engine = self.engine();
        let fingerprint = fingerprint(engine).ok_or(ArtifactError::NoCompiler)?;
        let options = self.options();
        let adapters = self.link_adapters()?;
        let linked = match self.whole_code() {
            Some(linked) => linked,
            None => {
                let funcs: Vec<_> = self.module().defined_funcs().collect();
                let (codes, _refused) = linking::compile_parallel(self, &funcs, &|_, _| {});
                linking::link_module(self, codes)?
            }
        };
        let contents = Contents {
            wasm: self.module().bytes(),
            tables: linked.tables.bytes(),
            adapter_code: &adapters.code,
            adapter_tables: adapters.tables.bytes(),
            code: &linked.code,
            ..Contents::default()
        };
        Ok(artifact::write(&fingerprint, options, contents))
    }

    /// What its code and its validity depend on.
    pub(crate) fn options(&self) -> Options {
        let settings = self.engine().settings();
        Options {
            code: settings.code,
            features: settings.features.bits(),
            facts: self.module().facts(),
        }
    }

    /// All adapters of the module's types, also those that its own code does not need: other modules may.
    fn link_adapters(&self) -> Result<Linked<'static>> {
        let compiler = self.engine().compiler().ok_or(ArtifactError::NoCompiler)?;
        let mut seen = HashSet::new();
        let types = (0..).zip(self.module().types()).zip(self.type_ids());
        let funcs = types.filter(|&(_, id)| seen.insert(id));
        let pieces: Vec<Unlinked> = funcs
            .filter_map(|((index, ty), _)| Some((index, ty.as_func()?)))
            .flat_map(|(id, ty)| {
                AdapterKind::ALL.map(|kind| Unlinked {
                    kind: PieceKind::Adapter(kind),
                    id,
                    code: kind.compile(compiler, ty),
                })
            })
            .collect();
        Ok(linking::link(&pieces, Convention::Reg)?)
    }

    /// The module's code as it was linked, if it was compiled by the whole.
    fn whole_code(&self) -> Option<Linked<'_>> {
        let image = self.is_whole().then(|| self.code().first())??;
        let mut code = Cow::Borrowed(image.bytes());
        for (at, _) in image.tables().absolutes() {
            code.to_mut()[at as usize..at as usize + 8].fill(0);
        }
        Some(Linked { code, tables: image.tables().clone() })
    }

    /// Loads what [`LoadedModule::serialize`] made, without compiling or validating anything. Functions that the compiler had
    /// refused run in the interpreter, as they did.
    ///
    /// # Errors
    /// Damage, another build, processor or configuration than the one it was made by and for, or no memory.
    ///
    /// # Safety
    /// The bytes must come from [`LoadedModule::serialize`], through places that only trusted parties can write to: they are run
    /// as machine code. The checks find accidents, not forgeries.
    pub unsafe fn deserialize(
        engine: &Arc<Engine>,
        bytes: impl Into<ModuleBytes>,
    ) -> Result<Arc<LoadedModule>> {
        load(engine, bytes.into(), None)
    }

    /// As [`LoadedModule::deserialize`], from a file, which is mapped instead of read: processes that load it share its
    /// memory, and what is not used is not read (but for the checksum).
    ///
    /// # Errors
    /// As [`LoadedModule::deserialize`], and [`ArtifactError::Io`] when the file cannot be opened or mapped.
    ///
    /// # Safety
    /// As [`LoadedModule::deserialize`]; and nobody may change the file as long as the module lives. (To replace a file, write
    /// another one and rename it.)
    pub unsafe fn deserialize_file(engine: &Arc<Engine>, path: &Path) -> Result<Arc<LoadedModule>> {
        let file = File::open(path)?;
        // SAFETY: the caller promises that the file does not change.
        let map = unsafe { FileMap::new(&file) }?;
        load(engine, ModuleBytes::from_owner(map), Some(&file))
    }
}

/// Everything but the settings that the code in an artifact depends on; `None` without a compiler.
fn fingerprint(engine: &Engine) -> Option<String> {
    let compiler = engine.compiler()?;
    let build = engine.settings().build;
    let mut text = format!("sterna {} {build}; abi", env!("CARGO_PKG_VERSION"));
    let offsets = [
        activation::OFF_NATIVE_LIMIT as u32,
        StoreCtx::OFF_INTERRUPT,
        StoreCtx::OFF_VALUE_SP,
        StoreCtx::OFF_VALUE_LIMIT,
        StoreCtx::OFF_THUNKS,
        FuncEntry::OFF_REG,
        FuncEntry::OFF_TAIL,
        FuncEntry::SIZE,
        FuncRef::OFF_ENTRY,
        FuncRef::OFF_INSTANCE,
        FuncRef::OFF_THIS,
        FuncRef::OFF_TYPE,
        FuncRef::LOG2_SIZE,
        MemoryDef::OFF_LEN,
        MemorySlot::OFF_BASE,
        MemorySlot::OFF_DEF,
        MemorySlot::SIZE,
        TableDef::OFF_BASE,
        TableDef::OFF_LEN,
        GlobalCell::SIZE,
        VmCtx::OFF_STORE,
        VmCtx::OFF_CALLEE_INDEX,
        VmCtx::OFF_ENTRIES,
        VmCtx::OFF_TYPE_IDS,
        VmCtx::OFF_THUNKS,
        VmCtx::OFF_TYPE_ROWS,
        TypeRow::OFF_KIND,
        TypeRow::OFF_DISPLAY,
        TypeRow::OFF_MORE,
        TypeRow::LOG2_SIZE,
        VmCtx::SIZE,
        TrapCode::ALL.len() as u32,
    ];
    let write = offsets.iter().try_for_each(|offset| write!(text, " {offset}"));
    let builtins = Builtin::ALL.iter();
    let write = write.and_then(|()| {
        builtins.clone().try_for_each(|b| write!(text, " {}{:?}", b.name(), b.param_sizes()))
    });
    write.and_then(|()| write!(text, "; {}", compiler.fingerprint())).ok()?;
    Some(text)
}

/// Part of other bytes, which it keeps alive.
struct Slice {
    whole: ModuleBytes,
    range: Range<usize>,
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        &self.whole[self.range.clone()]
    }
}

fn load(
    engine: &Arc<Engine>,
    bytes: ModuleBytes,
    file: Option<&File>,
) -> Result<Arc<LoadedModule>> {
    if !artifact::is_artifact(&bytes) {
        return Err(ArtifactError::NotAnArtifact);
    }
    let fingerprint = fingerprint(engine).ok_or(ArtifactError::NoCompiler)?;
    let artifact = Artifact::read(&bytes, &fingerprint)?;
    let settings = engine.settings();
    artifact.options.check(&settings.code, &settings.features)?;
    let wasm = Slice { whole: bytes.clone(), range: artifact.range(Section::Wasm) };
    let wasm = ModuleBytes::from_owner(wasm);
    let module = Module::decode_trusted(wasm, artifact.options.facts)
        .map_err(|_| ArtifactError::Corrupted("its module cannot be decoded"))?;
    let loaded = LoadedModule::prepare(engine, Arc::new(module))?;
    if install(&loaded, &artifact, &bytes, file)? {
        loaded.set_whole();
    }
    engine.register(&loaded)?;
    Ok(loaded)
}

/// Publishes the code of an artifact for a module that nobody else knows yet, so that nothing can run before this returns.
/// Whether there was any.
pub(crate) fn install(
    loaded: &LoadedModule,
    artifact: &Artifact,
    bytes: &ModuleBytes,
    file: Option<&File>,
) -> Result<bool> {
    install_adapters(loaded, artifact, bytes)?;
    let tables = Tables::new(bytes.clone(), artifact.range(Section::Tables)).ok_or(BAD_TABLES)?;
    let code = artifact.range(Section::Code);
    if !tables_fit(&tables, loaded, code.len()) {
        return Err(BAD_TABLES);
    }
    if code.is_empty() {
        return Ok(false);
    }
    publish(loaded, (bytes, code), tables, file)?;
    Ok(true)
}

/// Whether every piece lies within the code and belongs to a function of the module.
fn tables_fit(tables: &Tables, loaded: &LoadedModule, len: usize) -> bool {
    let module = loaded.module();
    let defined = module.num_imported_funcs() as u32..module.num_funcs() as u32;
    let within = |at: u32, size: u32| at as usize + size as usize <= len;
    let mut pieces = tables.pieces();
    let mut absolutes = tables.absolutes();
    pieces.all(|piece| within(piece.start, piece.len) && defined.contains(&piece.id))
        && absolutes.all(|(at, _)| within(at, 8))
        && tables.outside().all(|func| defined.contains(&func.as_u32()))
}

fn publish(
    loaded: &LoadedModule,
    (bytes, range): (&ModuleBytes, Range<usize>),
    tables: Tables,
    file: Option<&File>,
) -> Result<()> {
    let region = linking::region(loaded, range.len())?;
    let tier = loaded.engine().code_tier();
    let mappable = range.start.is_multiple_of(page_size()) && tables.absolutes().next().is_none();
    let mapped = match file {
        // Where the file's system forbids execution the code is copied.
        Some(file) if mappable && loaded.engine().listing().is_none() => {
            loaded.code().map(region, (file, range.clone()), tables.clone(), tier).ok()
        }
        _ => None,
    };
    let image = match mapped {
        Some(image) => image,
        None => {
            let code = Cow::Borrowed(&bytes[range]);
            loaded.code().publish(region, &Linked { code, tables }, tier)?
        }
    };
    Ok(linking::enter(loaded, image)?)
}

/// Copies adapters that the engine does not have yet: it keeps them for longer than the module may live.
fn install_adapters(loaded: &LoadedModule, artifact: &Artifact, bytes: &ModuleBytes) -> Result<()> {
    let tables = Tables::new(bytes.clone(), artifact.range(Section::AdapterTables));
    let tables = tables.ok_or(BAD_TABLES)?;
    let code = &bytes[artifact.range(Section::AdapterCode)];
    let mut missing = Vec::new();
    for piece in tables.pieces() {
        let PieceKind::Adapter(kind) = piece.kind else { return Err(BAD_TABLES) };
        let info = loaded.types().get(piece.id as usize).ok_or(BAD_TABLES)?;
        if info.def.as_func().is_none() {
            return Err(BAD_TABLES);
        }
        if !info.adapters.get(kind).is_null() {
            continue;
        }
        let start = piece.start as usize;
        let bytes = code.get(start..start + piece.len as usize).ok_or(BAD_TABLES)?;
        let sites = Sites { saved: tables.saved(&piece).collect(), ..Sites::default() };
        missing.push((
            &**info,
            kind,
            FunctionCode { bytes: bytes.to_vec(), relocs: Vec::new(), sites },
        ));
    }
    if !missing.is_empty() {
        adapters::install(loaded.engine(), missing)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "artifact_module_tests.rs"]
pub(crate) mod tests;
