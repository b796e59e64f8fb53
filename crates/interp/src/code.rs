//! Owns the code of a module's functions: made at the first call, found by address, freed with the module.
//! Does not own how it is made (`translate`).

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sterna_abi::{FuncEntry, InstanceLayout, InterpModule, InterpSettings, Recorder, VmCtx};
use sterna_base::FuncIndex;
use sterna_isa::TrapCode;
use sterna_module::Module;

use crate::op::enter::{CompiledStub, TRANSLATE_STUB};
use crate::translate::{Entrance, Handlers, RootMap, Source, Translated, translate, way_in};

/// The interpreter's object of a module, to which `FuncEntry::interp` points.
pub(crate) struct ModuleCode {
    module: Arc<Module>,
    layout: InstanceLayout,
    entries: *const FuncEntry,
    recorder: Arc<Recorder>,
    settings: InterpSettings,
    functions: RwLock<Functions>,
    /// Root maps of functions that were on the stack during a collection, by the address of their code.
    root_maps: RwLock<HashMap<usize, Arc<RootMap>>>,
    /// Where compiled frames were left, by byte offset in the module: functions that are left once are left again.
    ways_in: RwLock<HashMap<u32, Arc<Entrance>>>,
    /// Boxed, because code points to them.
    #[allow(clippy::vec_box, reason = "their addresses must not change")]
    stubs: Mutex<Vec<Box<CompiledStub>>>,
}

// SAFETY: `entries` points to entries, which are `Sync` and outlive this object; all else is `Send`.
unsafe impl Send for ModuleCode {}
// SAFETY: as above; what changes is behind locks.
unsafe impl Sync for ModuleCode {}

/// Translated functions.
#[derive(Default)]
struct Functions {
    /// By the address of their code.
    by_address: BTreeMap<usize, Function>,
    /// The address of their code.
    addresses: HashMap<FuncIndex, usize>,
}

struct Function {
    func: FuncIndex,
    translated: Translated,
}

/// The function to which an address belongs.
#[derive(Clone, Copy)]
pub(crate) struct FoundCode {
    /// The function.
    pub func: FuncIndex,
    /// Slot of the record.
    pub record: u32,
    /// Slots of the frame.
    pub frame_slots: u32,
    /// Start of the code.
    pub start: usize,
}

impl ModuleCode {
    /// Prepares a module. See [`sterna_abi::Interpreter::prepare`].
    pub fn new(
        module: Arc<Module>,
        entries: &[FuncEntry],
        recorder: &Arc<Recorder>,
        settings: &InterpSettings,
    ) -> ModuleCode {
        for func in module.defined_funcs() {
            let entry = &entries[func.index()];
            entry.budget.store(settings.hot_budget, Ordering::Relaxed);
            entry.stack.store(TRANSLATE_STUB.address(), Ordering::Release);
        }
        ModuleCode {
            layout: InstanceLayout::new(&module),
            module,
            entries: entries.as_ptr(),
            recorder: recorder.clone(),
            settings: *settings,
            functions: RwLock::default(),
            root_maps: RwLock::default(),
            ways_in: RwLock::default(),
            stubs: Mutex::default(),
        }
    }

    /// The object of the module of an instance that has interpreted functions.
    pub fn of<'a>(vmctx: *mut VmCtx) -> &'a ModuleCode {
        // SAFETY: the caller has seen a frame of this live instance, so its module has entries.
        let entry = unsafe { (*vmctx).entries };
        // SAFETY: as above.
        let interp = unsafe { (*entry).interp };
        // SAFETY: every entry of a module points to its object, which lives as long as the module.
        unsafe { &*interp.cast::<ModuleCode>() }
    }

    /// Whether the module has a memory.
    pub fn has_memory(&self) -> bool {
        !self.module.memories().is_empty()
    }

    /// What translations depend on.
    pub fn source(&self) -> Source<'_> {
        Source {
            module: &self.module,
            layout: &self.layout,
            entries: self.entries,
            recorder: &self.recorder,
            settings: self.settings,
        }
    }

    /// The function whose code contains an address.
    pub fn find(&self, address: *const u8) -> Option<FoundCode> {
        self.find_with(address, |_, _| ()).map(|(found, ())| found)
    }

    /// The function whose code contains an address, and what `look` finds in its handlers; it also gets the start of the code.
    pub fn find_with<T>(
        &self,
        address: *const u8,
        look: impl FnOnce(&Handlers, usize) -> T,
    ) -> Option<(FoundCode, T)> {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        let (&start, function) = functions.by_address.range(..=address as usize).next_back()?;
        let Translated { code, handlers, record, frame_slots, .. } = &function.translated;
        if address as usize >= start + size_of_val(&code[..]) {
            return None;
        }
        let (func, record, frame_slots) = (function.func, *record, *frame_slots);
        Some((FoundCode { func, record, frame_slots, start }, look(handlers, start)))
    }

    /// The root map of a function, made when it is first asked for.
    pub fn root_map(&self, found: &FoundCode) -> Arc<RootMap> {
        let known = self.root_maps.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(map) = known.get(&found.start) {
            return map.clone();
        }
        drop(known);
        let map = Arc::new(RootMap::of(self.source(), found.func));
        let mut known = self.root_maps.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(found.start).or_insert(map).clone()
    }

    /// Where a function can be entered at a byte offset of the module.
    pub fn way_in(&self, func: FuncIndex, offset: u32) -> Option<Arc<Entrance>> {
        let known = self.ways_in.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.get(&offset) {
            return Some(place.clone());
        }
        drop(known);
        let place = Arc::new(way_in(self.source(), func, offset)?);
        let mut known = self.ways_in.write().unwrap_or_else(PoisonError::into_inner);
        Some(known.entry(offset).or_insert(place).clone())
    }

    /// Translates the function of `entry` unless another thread has; the code to go on with.
    ///
    /// # Errors
    /// The trap to raise if the function cannot be translated.
    pub fn translate_entry(entry: *const FuncEntry) -> Result<*const u8, TrapCode> {
        // SAFETY: entries live as long as whoever can call them.
        let entry = unsafe { &*entry };
        // SAFETY: the stub is only in entries of a module, which point to its object.
        let this = unsafe { &*entry.interp.cast::<ModuleCode>() };
        let address = this.code_of(FuncIndex::from_u32(entry.func))? as *mut u8;
        let stub = TRANSLATE_STUB.address();
        match entry.stack.compare_exchange(stub, address, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(address),
            Err(present) => Ok(present),
        }
    }

    /// The address of a function's code, translated if it was not yet. It stays what it is.
    ///
    /// # Errors
    /// The trap to raise if the function cannot be translated.
    pub fn code_of(&self, func: FuncIndex) -> Result<usize, TrapCode> {
        if let Some(address) = self.known(func) {
            return Ok(address);
        }
        let translated = translate(self.source(), func)?;
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        let Functions { by_address, addresses } = &mut *functions;
        Ok(*addresses.entry(func).or_insert_with(|| {
            let address = translated.code.as_ptr() as usize;
            // Findable before anybody can run it.
            by_address.insert(address, Function { func, translated });
            address
        }))
    }

    fn known(&self, func: FuncIndex) -> Option<usize> {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        functions.addresses.get(&func).copied()
    }
}

impl InterpModule for ModuleCode {
    fn compiled_stub(&self, entry: *const FuncEntry, adapter: *const u8) -> *mut u8 {
        let stub = Box::new(CompiledStub::new(entry, adapter, self.has_memory()));
        let address = (&raw const *stub).cast_mut().cast();
        self.stubs.lock().unwrap_or_else(PoisonError::into_inner).push(stub);
        address
    }

    fn interpreted(&self, entry: &FuncEntry) -> *mut u8 {
        let own = self.known(FuncIndex::from_u32(entry.func));
        own.map_or(TRANSLATE_STUB.address(), |address| address as *mut u8)
    }

    fn functions(&self) -> usize {
        self.functions.read().unwrap_or_else(PoisonError::into_inner).by_address.len()
    }

    fn memory_bytes(&self) -> usize {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        let functions = &functions.by_address;
        let code: usize =
            functions.values().map(|function| size_of_val(&function.translated.code[..])).sum();
        let stubs = self.stubs.lock().unwrap_or_else(PoisonError::into_inner);
        code + functions.len() * size_of::<(usize, Function)>()
            + stubs.len() * size_of::<CompiledStub>()
    }

    fn as_ptr(&self) -> *const u8 {
        (&raw const *self).cast()
    }
}
