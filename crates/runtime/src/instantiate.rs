//! Owns instantiation (core spec 4.5.4): imports, allocation, initializers, segments, the start function.
//! Does not own the objects themselves.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use sterna_abi::{GlobalCell, Slot};
use sterna_base::{GlobalIndex, TableIndex, TagIndex};
use sterna_isa::{HeapType, TrapCode};
use sterna_module::{ConstExpr, ConstOp, DataSegment, ElemItems, ExternIndex, Module, SegmentMode};
use sterna_sys::vm::MemoryImage;

use crate::consts;
use crate::error::LinkError;
use crate::global::GlobalRef;
use crate::host;
use crate::instance::{ElemState, Instance};
use crate::limits;
use crate::loaded::LoadedModule;
use crate::memory::Memory;
use crate::objects::Extern;
use crate::shared_memory::SharedMemory;
use crate::store::Store;
use crate::table::Table;
use crate::trap::Trap;

/// Images are made for a module's second instance: a single run copies its data once, which is cheaper than making a
/// file of it first.
const IMAGE_FROM_INSTANCE: u32 = 1;
/// Largest image in bytes: beyond it data is copied.
const IMAGE_MAX: u64 = 256 << 20;

/// How a module's active data segments get into memory.
pub(crate) struct DataPlan {
    /// All offsets are constants, each memory's segments lie within its initial size, and memories are defined here.
    imageable: bool,
    instances: AtomicU32,
    images: OnceLock<Vec<Option<Arc<MemoryImage>>>>,
}

/// Constant offset of an active segment in a memory defined in the module, if it is one.
fn fixed_place(module: &Module, segment: &DataSegment) -> Option<(usize, u64)> {
    let SegmentMode::Active(memory, offset) = &segment.mode else { return None };
    // A shared memory has no image: what is mapped over it could differ from what its other users see.
    let defined = memory.index() >= module.num_imported_memories()
        && !module.memories()[memory.index()].shared;
    let offset = match *offset.ops {
        [ConstOp::I32(offset)] => u64::from(offset as u32),
        [ConstOp::I64(offset)] => offset as u64,
        _ => return None,
    };
    let end = offset.checked_add(segment.range.len() as u64)?;
    let fits =
        module.memories()[memory.index()].min_bytes().is_some_and(|min| end <= min.min(IMAGE_MAX));
    (defined && fits).then_some((memory.index(), offset))
}

impl DataPlan {
    pub(crate) fn new(module: &Module) -> DataPlan {
        let mut active = module
            .data_segments()
            .iter()
            .filter(|segment| matches!(segment.mode, SegmentMode::Active(..)));
        let imageable = active.all(|segment| fixed_place(module, segment).is_some());
        DataPlan { imageable, instances: AtomicU32::new(0), images: OnceLock::new() }
    }

    /// Images by memory index, if this instance is to use them.
    fn images(&self, module: &Module) -> Option<&[Option<Arc<MemoryImage>>]> {
        if !self.imageable || self.instances.fetch_add(1, Ordering::Relaxed) < IMAGE_FROM_INSTANCE {
            return None;
        }
        let images = self.images.get_or_init(|| {
            let memories = 0..module.memories().len();
            // A memory whose image cannot be made is filled by copying: see `needs_copy`.
            memories
                .map(|memory| image_of(module, memory).and_then(Result::ok).map(Arc::new))
                .collect()
        });
        Some(images)
    }
}

fn image_of(module: &Module, memory: usize) -> Option<std::io::Result<MemoryImage>> {
    let placed = || {
        let segments = module.data_segments().iter();
        segments.filter_map(|segment| match fixed_place(module, segment) {
            Some((index, offset)) if index == memory => {
                Some((offset as usize, module.data(segment)))
            }
            _ => None,
        })
    };
    let len = placed().map(|(offset, data)| offset + data.len()).max()?;
    // Later segments win, as when copying in order.
    Some(MemoryImage::from_segments(len, placed()))
}

impl Store {
    /// Instantiates a module with imports in the order of its declarations. The instance lives as long as the store, also when
    /// its start function traps (what it did to shared objects stays, as the specification says).
    ///
    /// # Errors
    /// Imports that do not match, limits, no memory, or a trap.
    ///
    /// # Safety
    /// `store` must be live and no reference to it in use; the imports must be objects of this store.
    pub unsafe fn instantiate(
        mut store: NonNull<Store>,
        module: &Arc<LoadedModule>,
        imports: &[Extern],
    ) -> Result<NonNull<Instance>, LinkError> {
        // SAFETY: passed on from the caller.
        let this = unsafe { store.as_mut() };
        // SAFETY: passed on from the caller.
        let at = unsafe { this.new_instance(module, imports) }?;
        if let Some(start) = module.module().start() {
            // SAFETY: the instance is boxed in the store.
            let func = unsafe { at.as_ref() }.func(start);
            // SAFETY: a start function has neither parameters nor results.
            unsafe { Store::call(store, func, &mut []) }?;
        }
        Ok(at)
    }

    /// Everything before the start function.
    ///
    /// # Safety
    /// The imports must be objects of this store.
    unsafe fn new_instance(
        &mut self,
        module: &Arc<LoadedModule>,
        imports: &[Extern],
    ) -> Result<NonNull<Instance>, LinkError> {
        let declared = module.module().imports();
        if declared.len() != imports.len() {
            return Err(LinkError::Count { expected: declared.len(), given: imports.len() });
        }
        for (import, object) in declared.iter().zip(imports) {
            // SAFETY: live by the caller's promise.
            let checked = unsafe { object.check(module, import.index) };
            checked.map_err(|mismatch| LinkError::Incompatible {
                module: import.module.to_string(),
                name: import.name.to_string(),
                mismatch,
            })?;
        }
        let limit = self.limits.instances;
        if !limits::take(&mut self.usage.instances, 1, limit) {
            return Err(LinkError::Limit("the limit on instances is reached".into()));
        }
        if module.uses_heap() {
            self.heap().map_err(trap)?;
        }
        let mut instance = Instance::new(module.clone(), self.ctx_ptr());
        link_imports(&mut instance, imports);
        for tag in module.module().num_imported_tags() as u32..module.module().tags().len() as u32 {
            let tag = TagIndex::from_u32(tag);
            let origin = Some((module.clone(), tag));
            instance.set_tag(self.add_tag(module.tag_type(tag).clone(), origin));
        }
        instance.set_func_refs();
        let images = module.data_plan.images(module.module());
        self.create_memories(&mut instance, images)?;
        // From here on constant expressions may allocate, and what they made must be found.
        let mut at = NonNull::from(&mut *instance);
        self.instances.push(instance);
        // SAFETY: boxed in this store; no guest code runs during initialization.
        let instance = unsafe { at.as_mut() };
        self.init_globals(instance).map_err(trap)?;
        self.create_tables(instance)?;
        self.evaluate_elems(instance).map_err(trap)?;
        self.run_segments(at, images)?;
        Ok(at)
    }

    fn create_memories(
        &mut self,
        instance: &mut Instance,
        images: Option<&[Option<Arc<MemoryImage>>]>,
    ) -> Result<(), LinkError> {
        let module = instance.module().clone();
        let first = module.module().num_imported_memories();
        for (index, &ty) in module.module().memories().iter().enumerate().skip(first) {
            let bytes = ty.min_bytes().unwrap_or(u64::MAX);
            let limit = self.limits.memory_bytes;
            if !limits::take(&mut self.usage.memory_bytes, bytes, limit) {
                let limit = limit.unwrap_or_default();
                return Err(LinkError::Limit(format!(
                    "a memory of {bytes} bytes exceeds the limit of {limit} bytes for all memories"
                )));
            }
            let image = images.and_then(|images| images[index].as_ref());
            let memory = Memory::of_instance(&module, index as u32, ty, image)
                .map_err(|source| LinkError::System { what: "a linear memory", source })?;
            let memory = self.new_memory(memory);
            instance.set_memory(memory);
        }
        Ok(())
    }

    fn create_tables(&mut self, instance: &mut Instance) -> Result<(), LinkError> {
        let module = instance.module().clone();
        let first = module.module().num_imported_tables();
        for index in first as u32..module.module().tables().len() as u32 {
            let index = TableIndex::from_u32(index);
            let ty = &module.module().tables()[index.index()];
            let limit = self.limits.table_elements;
            if !limits::take(&mut self.usage.table_elements, ty.min, limit) {
                return Err(LinkError::Limit(format!(
                    "a table of {} elements exceeds the limit",
                    ty.min
                )));
            }
            let init = match &ty.init {
                Some(init) => consts::eval(init, instance, self).map_err(trap)?[0],
                None => 0,
            };
            let funcs = module.module().is_func_heap(ty.element.heap);
            // SAFETY: the initializer has the table's type (validated) and was evaluated in this store.
            let table = unsafe { Table::new(module.table_type(index), funcs, init) };
            let table = table.map_err(|_| LinkError::System {
                what: "a table",
                source: std::io::ErrorKind::OutOfMemory.into(),
            })?;
            let table = self.new_table(table);
            self.add_table_root(table);
            instance.set_table(table);
        }
        Ok(())
    }

    fn run_segments(
        &mut self,
        at: NonNull<Instance>,
        images: Option<&[Option<Arc<MemoryImage>>]>,
    ) -> Result<(), LinkError> {
        // SAFETY: boxed in this store; no guest code runs during initialization.
        let instance = unsafe { &mut *at.as_ptr() };
        let module = instance.module().clone();
        let module = module.module();
        for (index, segment) in module.elems().iter().enumerate() {
            if let SegmentMode::Active(table, offset) = &segment.mode {
                let is_64 = module.tables()[table.index()].is_64;
                let offset = self.address(offset, instance, is_64)?;
                let len = segment.items.len() as u64;
                let done = instance.table_init(table.as_u32(), index as u32, offset, 0, len);
                done.ok_or_else(|| trap(TrapCode::TableOutOfBounds))?;
            }
            if !matches!(segment.mode, SegmentMode::Passive) {
                instance.elems[index] = ElemState::Dropped;
            }
        }
        for (index, segment) in module.data_segments().iter().enumerate() {
            if let SegmentMode::Active(memory, offset) = &segment.mode {
                let mapped = images.is_some_and(|images| images[memory.index()].is_some());
                if !mapped {
                    let is_64 = module.memories()[memory.index()].is_64;
                    let offset = self.address(offset, instance, is_64)?;
                    let len = segment.range.len() as u32;
                    let done = instance.memory_init(memory.as_u32(), index as u32, offset, 0, len);
                    done.ok_or_else(|| trap(TrapCode::MemoryOutOfBounds))?;
                }
                instance.data_dropped[index] = true;
            }
        }
        Ok(())
    }

    /// A host-made table.
    ///
    /// # Errors
    /// When it exceeds limits or memory.
    ///
    /// # Safety
    /// `init` must be a reference of the table's type and of this store.
    pub unsafe fn host_table(
        &mut self,
        ty: sterna_module::TableType,
        init: Slot,
    ) -> Result<NonNull<Table>, LinkError> {
        let limit = self.limits.table_elements;
        if !limits::take(&mut self.usage.table_elements, ty.min, limit) {
            return Err(LinkError::Limit(format!(
                "a table of {} elements exceeds the limit",
                ty.min
            )));
        }
        let funcs = self.engine.types.heap_matches(ty.element.heap, HeapType::Func);
        // SAFETY: passed on from the caller.
        let table = unsafe { Table::new(ty, funcs, init) };
        let out = || LinkError::System {
            what: "a table",
            source: std::io::ErrorKind::OutOfMemory.into(),
        };
        let table = self.new_table(table.map_err(|_| out())?);
        self.add_table_root(table);
        Ok(table)
    }

    /// A host-made memory.
    ///
    /// # Errors
    /// When it exceeds limits or memory.
    pub fn host_memory(
        &mut self,
        ty: sterna_module::MemoryType,
    ) -> Result<NonNull<Memory>, LinkError> {
        let limit = self.limits.memory_bytes;
        if !limits::take(&mut self.usage.memory_bytes, ty.min_bytes().unwrap_or(u64::MAX), limit) {
            return Err(LinkError::Limit("a memory exceeds the limit on memory bytes".into()));
        }
        debug_assert!(!ty.shared, "shared memories come in by `shared_memory`");
        let memory = Memory::new(self.engine.settings(), ty);
        Ok(self.new_memory(
            memory.map_err(|source| LinkError::System { what: "a linear memory", source })?,
        ))
    }

    /// This store's view of a shared memory, the same for each call. Its bytes count against this store's limit, too.
    ///
    /// # Errors
    /// When it exceeds the limit.
    ///
    /// # Panics
    /// If the memory was made for another engine.
    pub fn shared_memory(
        &mut self,
        memory: &Arc<SharedMemory>,
    ) -> Result<NonNull<Memory>, LinkError> {
        assert!(Arc::ptr_eq(&self.engine, memory.engine()), "a shared memory of another engine");
        let known =
            |own: &&mut Box<Memory>| own.shared().is_some_and(|shared| Arc::ptr_eq(shared, memory));
        if let Some(own) = self.memories.iter_mut().find(known) {
            return Ok(NonNull::from(&mut **own));
        }
        let (bytes, limit) = (memory.len() as u64, self.limits.memory_bytes);
        if !limits::take(&mut self.usage.memory_bytes, bytes, limit) {
            return Err(LinkError::Limit("a memory exceeds the limit on memory bytes".into()));
        }
        Ok(self.new_memory(Memory::of_shared(memory.clone(), bytes)))
    }

    /// A host-made global.
    pub fn host_global(&mut self, ty: sterna_module::GlobalType, value: [Slot; 2]) -> GlobalRef {
        let cell = self.new_global_cell(GlobalCell(value));
        self.add_global_root(ty.ty, cell);
        GlobalRef { cell, ty }
    }

    fn address(
        &mut self,
        offset: &ConstExpr,
        instance: &mut Instance,
        is_64: bool,
    ) -> Result<u64, LinkError> {
        let value = consts::eval(offset, instance, self).map_err(trap)?[0];
        Ok(if is_64 { value } else { u64::from(value as u32) })
    }

    fn init_globals(&mut self, instance: &mut Instance) -> Result<(), TrapCode> {
        let module = instance.module().clone();
        let first = module.module().num_imported_globals() as u32;
        for index in first..module.module().num_globals() as u32 {
            let index = GlobalIndex::from_u32(index);
            if let Some(init) = module.module().global_init(index) {
                let value = consts::eval(init, instance, self)?;
                let global = instance.global(index);
                // SAFETY: the cell is in this instance's vmctx; the value has the global's type (validated).
                unsafe { global.set(value) };
                self.add_global_root(global.ty.ty, global.cell);
            }
        }
        Ok(())
    }

    fn evaluate_elems(&mut self, instance: &mut Instance) -> Result<(), TrapCode> {
        let module = instance.module().clone();
        for segment in module.module().elems() {
            let state = match (&segment.mode, &segment.items) {
                (SegmentMode::Declared, _) => ElemState::Dropped,
                (_, ElemItems::Funcs(_)) => ElemState::Funcs,
                (_, ElemItems::Exprs(exprs)) => ElemState::Values(vec![0; exprs.len()].into()),
            };
            // In place before they are evaluated: a later one may collect.
            instance.elems.push(state);
            let (ElemItems::Exprs(exprs), false) =
                (&segment.items, matches!(segment.mode, SegmentMode::Declared))
            else {
                continue;
            };
            for (index, expr) in exprs.iter().enumerate() {
                let value = consts::eval(expr, instance, self)?[0];
                if let Some(ElemState::Values(values)) = instance.elems.last_mut() {
                    values[index] = value;
                }
            }
        }
        Ok(())
    }
}

fn trap(code: TrapCode) -> LinkError {
    Box::new(Trap::bare(code)).into()
}

fn link_imports(instance: &mut Instance, imports: &[Extern]) {
    let module = instance.module().clone();
    for (import, object) in module.module().imports().iter().zip(imports) {
        match (import.index, *object) {
            (ExternIndex::Func(index), Extern::Func(func)) => {
                // SAFETY: live, as checked with its type just before; of this store, by the caller's promise.
                let bound = unsafe { host::bind(func, NonNull::from(&mut *instance)) };
                let func = match &bound {
                    Some(binding) => binding.func_ref(),
                    // SAFETY: as above.
                    None => unsafe { func.read() },
                };
                instance.set_imported_func(index, func);
                instance.hosts.extend(bound);
            }
            (ExternIndex::Global(index), Extern::Global(global)) => {
                instance.set_imported_global(index, global)
            }
            (ExternIndex::Table(_), Extern::Table(table)) => instance.set_table(table),
            (ExternIndex::Memory(_), Extern::Memory(memory)) => instance.set_memory(memory),
            (ExternIndex::Tag(_), Extern::Tag(tag)) => instance.set_tag(tag),
            _ => unreachable!("kinds were checked"),
        }
    }
}
