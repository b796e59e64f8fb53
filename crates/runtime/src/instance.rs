//! Owns `Instance`: a vmctx with the objects its indices refer to.
//! Does not own how it is filled (`instantiate`) nor the operators (`builtins`).

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::Arc;

use sterna_abi::{FuncRef, GlobalCell, GlobalPlace, MemorySlot, Slot, TableDef, VmCtx};
use sterna_base::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex};
use sterna_isa::ValType;
use sterna_module::ExternIndex;

use crate::gc;
use crate::global::GlobalRef;
use crate::host::HostBinding;
use crate::loaded::LoadedModule;
use crate::memory::Memory;
use crate::objects::Extern;
use crate::store::Pinned;
use crate::table::Table;
use crate::tag::Tag;

/// Contents of an element segment that `table.init` can still copy.
pub(crate) enum ElemState {
    /// Dropped, or declared only.
    Dropped,
    /// Still there: the module's list of functions.
    Funcs,
    /// Still there: evaluated expressions.
    Values(Box<[Slot]>),
}

/// An instance of a module in a store.
pub struct Instance {
    vmctx: VmCtxBox,
    module: Arc<LoadedModule>,
    pub(crate) memories: Vec<NonNull<Memory>>,
    pub(crate) tables: Vec<NonNull<Table>>,
    pub(crate) tags: Vec<NonNull<Tag>>,
    pub(crate) elems: Vec<ElemState>,
    /// Segments whose elements can refer to objects of the heap.
    pub(crate) object_elems: Vec<usize>,
    /// Of the host functions it imports.
    pub(crate) hosts: Pinned<HostBinding>,
    /// Whether a data segment was dropped.
    pub(crate) data_dropped: Vec<bool>,
}

/// See [`Instance::object_elems`].
fn object_elems(module: &LoadedModule) -> Vec<usize> {
    let is_object = |ty| gc::is_object(module.engine(), module.canonical(ValType::Ref(ty)));
    let elems = module.module().elems().iter().enumerate();
    elems.filter(|(_, segment)| is_object(segment.ty)).map(|(index, _)| index).collect()
}

/// Zeroed memory of a vmctx, at a fixed address.
struct VmCtxBox {
    at: NonNull<u8>,
    layout: Layout,
}

impl VmCtxBox {
    fn new(size: u32) -> VmCtxBox {
        let layout = Layout::from_size_align(size as usize, 16)
            .expect("a vmctx is smaller than half the address space");
        // SAFETY: the layout has the header's size at least.
        let at = unsafe { alloc_zeroed(layout) };
        let Some(at) = NonNull::new(at) else { handle_alloc_error(layout) };
        VmCtxBox { at, layout }
    }
}

impl Drop for VmCtxBox {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.at.as_ptr(), self.layout) };
    }
}

impl Instance {
    /// An instance whose vmctx has its header but no contents yet.
    pub(crate) fn new(
        module: Arc<LoadedModule>,
        store: *mut sterna_abi::StoreCtx,
    ) -> Box<Instance> {
        let mut instance = Box::new(Instance {
            vmctx: VmCtxBox::new(module.layout().size()),
            memories: Vec::with_capacity(module.module().memories().len()),
            tables: Vec::with_capacity(module.module().tables().len()),
            tags: Vec::with_capacity(module.module().tags().len()),
            elems: Vec::new(),
            object_elems: object_elems(&module),
            hosts: Vec::new(),
            data_dropped: vec![false; module.module().data_segments().len()],
            module,
        });
        let header = VmCtx {
            store,
            callee_index: 0,
            reserved: 0,
            entries: instance.module.entries().as_ptr(),
            type_ids: instance.module.type_ids().as_ptr(),
            thunks: &raw const crate::builtins::THUNKS,
            runtime: (&raw mut *instance).cast(),
            type_rows: instance.module.engine().types.rows(),
        };
        // SAFETY: the allocation is at least a header large, aligned, and not shared yet.
        unsafe { instance.vmctx().write(header) };
        instance
    }

    /// The module.
    pub fn module(&self) -> &Arc<LoadedModule> {
        &self.module
    }

    pub(crate) fn vmctx(&self) -> *mut VmCtx {
        self.vmctx.at.as_ptr().cast()
    }

    /// The instance that a vmctx belongs to.
    ///
    /// # Safety
    /// As [`crate::Store::from_ctx`], for an instance's vmctx.
    pub(crate) unsafe fn from_vmctx<'a>(vmctx: *mut VmCtx) -> &'a mut Instance {
        // SAFETY: the caller passes a live instance's context.
        let instance: *mut Instance = unsafe { (*vmctx).runtime }.cast();
        // SAFETY: set by `Instance::new` to the boxed instance; exclusive by the caller's promise.
        unsafe { &mut *instance }
    }

    /// A field of the vmctx behind its header.
    fn field<T>(&self, offset: u32) -> *mut T {
        debug_assert!(offset as usize + size_of::<T>() <= self.vmctx.layout.size());
        self.vmctx.at.as_ptr().wrapping_add(offset as usize).cast()
    }

    pub(crate) fn set_memory(&mut self, memory: NonNull<Memory>) {
        let index = MemoryIndex::from_u32(self.memories.len() as u32);
        self.memories.push(memory);
        // SAFETY: memories of a store live at fixed addresses as long as its instances.
        let def = unsafe { memory.as_ref() }.def();
        let (base, def) = (def.base, (&raw const *def).cast_mut());
        let slot: *mut MemorySlot = self.field(self.module.layout().memory(index));
        // SAFETY: the layout has room for every memory of the module.
        unsafe { slot.write(MemorySlot { base, def }) };
    }

    pub(crate) fn set_table(&mut self, table: NonNull<Table>) {
        let index = TableIndex::from_u32(self.tables.len() as u32);
        self.tables.push(table);
        // SAFETY: tables of a store live at fixed addresses as long as its instances.
        let def: *mut TableDef = unsafe { &raw mut (*table.as_ptr()).def };
        let slot: *mut *mut TableDef = self.field(self.module.layout().table(index));
        // SAFETY: the layout has room for every table of the module.
        unsafe { slot.write(def) };
    }

    pub(crate) fn set_tag(&mut self, tag: NonNull<Tag>) {
        let index = TagIndex::from_u32(self.tags.len() as u32);
        self.tags.push(tag);
        let slot: *mut u32 = self.field(self.module.layout().tag(index));
        // SAFETY: tags live as long as their store.
        let number = unsafe { tag.as_ref() }.number;
        // SAFETY: the layout has room for every tag of the module.
        unsafe { slot.write(number) };
    }

    pub(crate) fn set_imported_func(&mut self, index: FuncIndex, func: FuncRef) {
        let slot: *mut FuncRef = self.field(self.module.layout().imported_func(index));
        // SAFETY: the layout has room for every imported function.
        unsafe { slot.write(func) };
    }

    pub(crate) fn set_imported_global(&mut self, index: GlobalIndex, global: GlobalRef) {
        if let GlobalPlace::Pointer(offset) = self.module.layout().global(index) {
            let slot: *mut *mut GlobalCell = self.field(offset);
            // SAFETY: the layout has room for every imported global.
            unsafe { slot.write(global.cell.as_ptr()) };
        }
    }

    /// Fills in the references to functions defined here that escape.
    pub(crate) fn set_func_refs(&mut self) {
        let module = self.module.clone();
        let first = module.module().num_imported_funcs() as u32;
        for (position, &func) in module.module().escaping_funcs().iter().enumerate() {
            if func.as_u32() < first {
                continue;
            }
            let at: *mut FuncRef = self.field(module.layout().func_ref(position as u32));
            let func_ref = FuncRef {
                entry: &raw const module.entries()[func.index()],
                instance: self.vmctx(),
                this: at,
                type_id: module.func_type(func).id,
                heap_index: 0,
            };
            // SAFETY: the layout has room for every escaping function.
            unsafe { at.write(func_ref) };
        }
    }

    /// The canonical reference to a function that escapes.
    ///
    /// # Panics
    /// If it does not escape.
    pub(crate) fn func(&self, func: FuncIndex) -> NonNull<FuncRef> {
        let layout = self.module.layout();
        let at: *const FuncRef = match func.index() < self.module.module().num_imported_funcs() {
            true => {
                let import: *const FuncRef = self.field(layout.imported_func(func));
                // SAFETY: filled in at instantiation.
                unsafe { (*import).this }
            }
            false => {
                let position = self.module.module().escaping_position(func);
                self.field(
                    layout.func_ref(position.expect("only functions that escape are referred to")),
                )
            }
        };
        NonNull::new(at.cast_mut()).expect("an import or an address within the vmctx is not null")
    }

    /// A global.
    pub(crate) fn global(&self, index: GlobalIndex) -> GlobalRef {
        let cell: *mut GlobalCell = match self.module.layout().global(index) {
            GlobalPlace::Inline(offset) => self.field(offset),
            GlobalPlace::Pointer(offset) => {
                let slot: *mut *mut GlobalCell = self.field(offset);
                // SAFETY: filled in at instantiation.
                unsafe { slot.read() }
            }
        };
        let cell =
            NonNull::new(cell).expect("an import or an address within the vmctx is not null");
        GlobalRef { cell, ty: self.module.global_type(index) }
    }

    /// The object behind an index of its module.
    ///
    /// # Panics
    /// If there is none, or if it is a function that is neither imported nor exported nor otherwise referred to.
    pub fn object(&self, index: ExternIndex) -> Extern {
        match index {
            ExternIndex::Func(func) => Extern::Func(self.func(func)),
            ExternIndex::Table(table) => Extern::Table(self.tables[table.index()]),
            ExternIndex::Memory(memory) => Extern::Memory(self.memories[memory.index()]),
            ExternIndex::Global(global) => Extern::Global(self.global(global)),
            ExternIndex::Tag(tag) => Extern::Tag(self.tags[tag.index()]),
        }
    }

    /// An export by name.
    pub fn export(&self, name: &str) -> Option<Extern> {
        self.module.export(name).map(|index| self.object(index))
    }
}
