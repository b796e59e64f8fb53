//! Owns `LoadedModule`: a module with everything that its instances share — entries, code, memory images.
//! Does not own per-instance state.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sterna_abi::{
    CompileError, Convention, FuncEntry, InstanceLayout, InterpModule, InterpSettings, Profile,
    Recorder,
};
use sterna_base::{FuncIndex, GlobalIndex, TableIndex, TagIndex};
use sterna_isa::ValType;
use sterna_module::{
    ExternIndex, ExternType, GlobalType, Module, ModuleBytes, ModuleError, PARALLEL_MIN_BYTES,
    ReadError, TableType,
};

use crate::code::CodeSpace;
use crate::controller::{self, ModuleTiers};
use crate::debug_info::{DebugInfo, LoadBinary};
use crate::engine::{Engine, TierPolicy, TierUp};
use crate::instantiate::DataPlan;
use crate::linking;
use crate::memory::WarmMemory;
use crate::partial::Kept;
use crate::types::{TypeInfo, TypesError};

/// Why a module could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not valid.
    #[error(transparent)]
    Invalid(#[from] ModuleError),
    /// The system has no memory or address space for its code.
    #[error("no room for compiled code: {0}")]
    System(#[from] std::io::Error),
    /// It did not arrive.
    #[error("the module cannot be read: {0}")]
    Read(std::io::Error),
    /// Its types are too many.
    #[error(transparent)]
    Types(#[from] TypesError),
}

/// A loaded module. Shared by all its instances, from any thread.
pub struct LoadedModule {
    // Fields drop in order: the interpreter's object before the entries that it refers to.
    interp: Box<dyn InterpModule>,
    recorder: Arc<Recorder>,
    code: CodeSpace,
    /// Whether the first code published is that of all functions that the compiler takes.
    whole: AtomicBool,
    /// For a code cache.
    kept: Kept,
    entries: Box<[FuncEntry]>,
    module: Arc<Module>,
    layout: InstanceLayout,
    type_ids: Box<[u32]>,
    types: Box<[Arc<TypeInfo>]>,
    exports: OnceLock<HashMap<Box<str>, ExternIndex>>,
    pub(crate) data_plan: DataPlan,
    pub(crate) warm: Mutex<Vec<WarmMemory>>,
    pub(crate) tiers: ModuleTiers,
    debug_info: DebugInfo,
    engine: Arc<Engine>,
}

impl LoadedModule {
    /// Decodes, validates and prepares a module; under [`TierPolicy::Opt`] or [`TierPolicy::Baseline`] also compiles it, reporting progress as functions
    /// done and total.
    ///
    /// # Errors
    /// An invalid module, or no room for its code.
    pub fn new(
        engine: &Arc<Engine>,
        bytes: impl Into<ModuleBytes>,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Arc<LoadedModule>, LoadError> {
        let settings = engine.settings();
        let bytes = bytes.into();
        let threads = if (bytes.len() as u64) < PARALLEL_MIN_BYTES { 1 } else { engine.threads() };
        let module = Module::decode(bytes, &settings.features, threads)?;
        LoadedModule::of_module(engine, module, Profile::EMPTY, progress)
    }

    /// As [`LoadedModule::new`], while the binary arrives.
    ///
    /// # Errors
    /// As [`LoadedModule::new`], or what `reader` returns.
    pub fn read(
        engine: &Arc<Engine>,
        reader: impl std::io::Read,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Arc<LoadedModule>, LoadError> {
        let settings = engine.settings();
        let module = Module::decode_from(reader, &settings.features, engine.threads());
        let module = module.map_err(|error| match error {
            ReadError::Invalid(error) => LoadError::Invalid(error),
            ReadError::Io(error) => LoadError::Read(error),
        })?;
        LoadedModule::of_module(engine, module, Profile::EMPTY, progress)
    }

    /// As [`LoadedModule::new`], of a decoded module and with what an earlier run saw of it.
    ///
    /// # Errors
    /// No room for its code, or too many types.
    pub fn of_module(
        engine: &Arc<Engine>,
        module: Module,
        earlier: Profile,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Arc<LoadedModule>, LoadError> {
        let loaded = LoadedModule::prepare(engine, Arc::new(module))?;
        loaded.set_earlier_profile(earlier);
        if matches!(engine.settings().tier, TierPolicy::Opt | TierPolicy::Baseline) {
            loaded.compile_all(progress)?;
        }
        engine.register(&loaded)?;
        Ok(loaded)
    }

    /// See [`DebugInfo::set`].
    pub fn set_debug_info(&self, load: LoadBinary) {
        self.debug_info.set(load);
    }

    /// The module with debug information, if there is any.
    pub fn debug_info(&self) -> &Module {
        self.debug_info.of(self).unwrap_or(&self.module)
    }

    /// Everything but compiled code; not yet known to the engine.
    pub(crate) fn prepare(
        engine: &Arc<Engine>,
        module: Arc<Module>,
    ) -> Result<Arc<LoadedModule>, TypesError> {
        let types = engine.types.intern_module(engine, &module)?;
        let settings = engine.settings();
        // The interpreter sets that of a function when it translates it; other code counts from here.
        let counts =
            settings.tier == TierPolicy::Baseline && settings.tier_up != TierUp::Background;
        let budget = if counts { settings.hot_budget } else { 0 };
        let entries: Box<[FuncEntry]> = (0..module.num_funcs() as u32)
            .map(|func| {
                let ty = module.func_type(FuncIndex::from_u32(func));
                FuncEntry {
                    reg: AtomicPtr::default(),
                    tail: AtomicPtr::default(),
                    stack: AtomicPtr::default(),
                    interp: std::ptr::null(),
                    budget: AtomicU32::new(budget),
                    calls: AtomicU32::new(0),
                    func,
                    param_slots: ty.param_slots() as u32,
                    result_slots: ty.result_slots() as u32,
                }
            })
            .collect();
        let moves = settings.tier == TierPolicy::Auto;
        let hot_budget = if moves { settings.hot_budget } else { 0 };
        let interp_settings =
            InterpSettings { deterministic: settings.code.deterministic, hot_budget };
        let mut entries = entries;
        let recorder = Arc::new(Recorder::new(&entries));
        let interp = engine.interp();
        let interp = interp.prepare(module.clone(), &entries, &recorder, &interp_settings);
        for entry in &mut entries {
            entry.interp = interp.as_ptr();
        }
        if moves {
            for func in module.defined_funcs() {
                let budget = controller::first_budget(engine, &module, func);
                *entries[func.index()].budget.get_mut() = budget;
            }
        }
        Ok(Arc::new(LoadedModule {
            interp,
            recorder,
            code: CodeSpace::default(),
            whole: AtomicBool::new(false),
            kept: Kept::default(),
            entries,
            layout: InstanceLayout::new(&module),
            type_ids: types.iter().map(|info| info.id).collect(),
            types,
            exports: OnceLock::new(),
            data_plan: DataPlan::new(&module),
            warm: Mutex::default(),
            tiers: ModuleTiers::default(),
            debug_info: DebugInfo::default(),
            engine: engine.clone(),
            module,
        }))
    }

    /// The decoded module.
    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }

    /// The engine it was loaded into.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Types by type index.
    pub fn types(&self) -> &[Arc<TypeInfo>] {
        &self.types
    }

    /// Type of a function.
    pub fn func_type(&self, func: FuncIndex) -> &Arc<TypeInfo> {
        &self.types[self.module.func_type_index(func).index()]
    }

    /// Type of a tag.
    pub fn tag_type(&self, tag: TagIndex) -> &Arc<TypeInfo> {
        &self.types[self.module.tags()[tag.index()].index()]
    }

    /// A type of this module with type ids of the engine for indices.
    pub fn canonical(&self, ty: ValType) -> ValType {
        ty.map(|index| self.type_ids[index as usize])
    }

    /// Type of a global, as [`LoadedModule::canonical`].
    pub fn global_type(&self, global: GlobalIndex) -> GlobalType {
        let GlobalType { ty, mutable } = self.module.global_type(global);
        GlobalType { ty: self.canonical(ty), mutable }
    }

    /// Type of a table, as [`LoadedModule::canonical`], without its initializer.
    pub fn table_type(&self, table: TableIndex) -> TableType {
        let ty = &self.module.tables()[table.index()];
        let element = ty.element.map(|index| self.type_ids[index as usize]);
        TableType { element, init: None, ..*ty }
    }

    /// Type of an import or export, as [`LoadedModule::canonical`].
    pub fn extern_type(&self, index: ExternIndex) -> ExternType {
        match index {
            ExternIndex::Func(index) => ExternType::Func(self.func_type(index).func().clone()),
            ExternIndex::Table(index) => ExternType::Table(self.table_type(index)),
            ExternIndex::Memory(index) => ExternType::Memory(self.module.memories()[index.index()]),
            ExternIndex::Global(index) => ExternType::Global(self.global_type(index)),
            ExternIndex::Tag(index) => ExternType::Tag(self.tag_type(index).func().clone()),
        }
    }

    /// What an export refers to.
    pub fn export(&self, name: &str) -> Option<ExternIndex> {
        let exports = self.module.exports();
        if exports.len() <= 8 {
            return exports.iter().find(|export| &*export.name == name).map(|export| export.index);
        }
        let map = self.exports.get_or_init(|| {
            exports.iter().map(|export| (export.name.clone(), export.index)).collect()
        });
        map.get(name).copied()
    }

    /// Bytes of machine code.
    pub fn code_bytes(&self) -> usize {
        self.code.bytes()
    }

    /// Functions that the interpreter has translated.
    pub fn interp_functions(&self) -> usize {
        self.interp.functions()
    }

    /// Bytes of translated interpreter code.
    pub fn interp_bytes(&self) -> usize {
        self.interp.memory_bytes()
    }

    pub(crate) fn layout(&self) -> &InstanceLayout {
        &self.layout
    }

    pub(crate) fn entries(&self) -> &[FuncEntry] {
        &self.entries
    }

    pub(crate) fn type_ids(&self) -> &[u32] {
        &self.type_ids
    }

    pub(crate) fn code(&self) -> &CodeSpace {
        &self.code
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(crate) fn interp(&self) -> &dyn InterpModule {
        &*self.interp
    }

    /// The convention of this module's compiled functions.
    pub(crate) fn convention(&self) -> Convention {
        match self.module.needs_tail_convention() {
            true => Convention::Tail,
            false => Convention::Reg,
        }
    }

    /// Gives every function that escapes an entry of a convention.
    pub(crate) fn ensure_stubs(
        &self,
        engine: &Engine,
        convention: Convention,
    ) -> std::io::Result<()> {
        let first = self.module.num_imported_funcs() as u32;
        let defined = self.module.escaping_funcs().iter().filter(|func| func.as_u32() >= first);
        linking::ensure_stubs(self, engine, defined.copied(), convention)
    }

    /// Whether compiled code of the module may touch objects without asking the runtime first, which it does by the heap's base.
    pub(crate) fn uses_heap(&self) -> bool {
        let module = &self.module;
        let defines = module.types().iter().any(|ty| ty.as_func().is_none());
        defines || !module.tags().is_empty() || module.facts().has_handlers
    }

    /// Compiles every function on the engine's threads and publishes all code at once. Functions that the compiler does not take
    /// stay in the interpreter; they are returned.
    ///
    /// # Errors
    /// When there is no room for the code.
    pub(crate) fn compile_all(
        &self,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> std::io::Result<Vec<CompileError>> {
        let mut funcs: Vec<FuncIndex> = self.module.defined_funcs().collect();
        if let Some(seed) = self.engine.settings().mixed {
            funcs.retain(|func| {
                seed.wrapping_add(func.as_u32().into()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63
                    == 0
            });
        }
        let (codes, errors) = linking::compile_parallel(self, &funcs, progress);
        if !codes.is_empty() {
            linking::publish(self, codes)?;
            self.set_whole();
        }
        Ok(errors)
    }

    /// Notes that the module was compiled by the whole before any other code of it was published.
    pub(crate) fn set_whole(&self) {
        self.whole.store(true, Ordering::Release);
    }

    /// Whether the first code published is that of all functions that the compiler takes.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    /// A kept memory of an earlier instance, ready for the next one.
    pub(crate) fn take_warm(&self, memory: u32) -> Option<WarmMemory> {
        let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        let found = warm.iter().rposition(|kept| kept.index == memory)?;
        Some(warm.swap_remove(found))
    }

    /// Keeps a memory for the next instance, within the configured number.
    pub(crate) fn put_warm(&self, memory: WarmMemory) {
        let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        if warm.len() < self.engine.settings().warm_memories {
            warm.push(memory);
        }
    }
}
