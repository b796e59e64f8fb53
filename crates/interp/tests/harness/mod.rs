//! Owns a runtime just big enough to run modules in the interpreter alone.
//! Does not own limits, sharing or safety: tests are trusted.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::multiple_unsafe_ops_per_block,
    clippy::mut_from_ref,
    clippy::vec_box,
    clippy::unwrap_used,
    reason = "a test runtime, not a sound one"
)]

mod builtins;

use std::collections::HashMap;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32};

use sterna_abi::*;
use sterna_base::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex};
use sterna_interp::Interp;
use sterna_isa::{FeatureSet, FuncType, TrapCode};
use sterna_module::{ConstExpr, ConstOp, ElemItems, ExternIndex, Module, SegmentMode};

/// Bytes that a memory may grow to.
const MEMORY_RESERVE: usize = 256 << 20;
/// Elements that a table may grow to.
const TABLE_RESERVE: usize = 1 << 16;

/// A store with its instances.
pub struct World {
    pub store: Box<StoreCtx>,
    stack: Vec<u64>,
    bodies: Box<BuiltinBodies>,
    types: HashMap<FuncType, u32>,
    /// No type here has a supertype.
    type_rows: Box<[TypeRow]>,
    pub instances: Vec<Box<Instance>>,
    pub settings: InterpSettings,
    /// What the builtin `raise` saw: functions on the stack, innermost first.
    pub backtrace: Vec<CapturedFrame>,
    /// Functions reported hot.
    pub hot: Vec<u32>,
    /// Calls of `poll`, and whether it traps.
    pub polls: u32,
    pub poll_traps: bool,
    hosts: Vec<Box<(HostCtx, FuncEntry)>>,
}

pub struct Instance {
    pub module: Arc<Module>,
    pub layout: InstanceLayout,
    vm: Box<[u128]>,
    pub entries: Box<[FuncEntry]>,
    pub interp: Box<dyn InterpModule>,
    pub recorder: Arc<Recorder>,
    memories: Vec<Box<Memory>>,
    tables: Vec<Box<Table>>,
    type_ids: Vec<u32>,
    dropped_data: Vec<bool>,
    dropped_elems: Vec<bool>,
}

/// A memory; its definition comes first.
#[repr(C)]
struct Memory {
    def: MemoryDef,
    bytes: Vec<u8>,
    page: usize,
    max: usize,
}

struct Table {
    def: TableDef,
    funcs: Vec<FuncRef>,
    slots: Vec<u64>,
}

/// What an import can be.
#[derive(Clone, Copy)]
pub enum Given {
    Host(HostBody),
    /// An export of an instance.
    From(usize),
}

fn entry(func: u32, ty: &FuncType) -> FuncEntry {
    FuncEntry {
        reg: AtomicPtr::default(),
        tail: AtomicPtr::default(),
        stack: AtomicPtr::default(),
        interp: ptr::null(),
        budget: AtomicU32::new(0),
        calls: AtomicU32::new(0),
        func,
        param_slots: ty.param_slots() as u32,
        result_slots: ty.result_slots() as u32,
    }
}

fn type_row(id: u32) -> TypeRow {
    let mut display = [NULL_TYPE; ROW_DISPLAY];
    display[0] = id;
    TypeRow { kind: TypeKind::Func, depth: 0, display, more: &raw const NO_MORE }
}

impl World {
    pub fn new() -> Box<World> {
        World::with_stack(1 << 16)
    }

    pub fn with_stack(slots: usize) -> Box<World> {
        let bodies = Box::new(builtins::bodies());
        let mut stack = vec![0; slots + VALUE_STACK_SLACK];
        let value_sp: *mut u64 = stack.as_mut_ptr();
        let store = Box::new(StoreCtx {
            activation: Default::default(),
            interrupt: Default::default(),
            value_sp,
            value_limit: value_sp.wrapping_add(slots),
            interp_frame: ptr::null_mut(),
            pending_tail: PendingTail::NONE,
            heap: sterna_abi::AllocArea::EMPTY,
            exception: 0,
            bodies: &raw const *bodies,
            thunks: ptr::null(),
            resume: ptr::null_mut(),
            runtime: ptr::null_mut(),
        });
        let mut world = Box::new(World {
            store,
            stack,
            bodies,
            types: HashMap::new(),
            type_rows: (0..64).map(type_row).collect(),
            instances: Vec::new(),
            settings: InterpSettings { deterministic: false, hot_budget: 0 },
            backtrace: Vec::new(),
            hot: Vec::new(),
            polls: 0,
            poll_traps: false,
            hosts: Vec::new(),
        });
        world.store.runtime = (&raw mut *world).cast();
        world
    }

    fn type_id(&mut self, ty: &FuncType) -> u32 {
        let next = self.types.len() as u32;
        assert!(self.type_rows.len() > next as usize);
        *self.types.entry(ty.clone()).or_insert(next)
    }

    /// Instantiates text or binary; imports are found by module name.
    pub fn add(&mut self, source: impl AsRef<[u8]>, imports: &[(&str, Given)]) -> usize {
        let bytes = wat::parse_bytes(source.as_ref()).unwrap().into_owned();
        self.try_add(bytes, &|module, _| {
            let given = imports.iter().find(|(name, _)| *name == module);
            given.unwrap_or_else(|| panic!("import {module}")).1
        })
    }

    pub fn try_add(&mut self, bytes: Vec<u8>, find: &dyn Fn(&str, &str) -> Given) -> usize {
        let module = Arc::new(Module::decode(bytes, &FeatureSet::DEFAULT, 1).unwrap());
        let layout = InstanceLayout::new(&module);
        let funcs = (0..module.num_funcs() as u32).map(FuncIndex::from_u32);
        let mut entries: Box<[FuncEntry]> =
            funcs.map(|func| entry(func.as_u32(), module.func_type(func))).collect();
        let recorder = Arc::new(Recorder::new(&entries));
        let interp = Interp.prepare(module.clone(), &entries, &recorder, &self.settings);
        entries.iter_mut().for_each(|entry| entry.interp = interp.as_ptr());
        let type_ids =
            module.types().iter().map(|ty| self.type_id(ty.as_func().unwrap())).collect();
        let mut instance = Box::new(Instance {
            vm: vec![0; layout.size().div_ceil(16) as usize].into(),
            dropped_data: vec![false; module.data_segments().len()],
            dropped_elems: vec![false; module.elems().len()],
            layout,
            entries,
            interp,
            recorder,
            memories: Vec::new(),
            tables: Vec::new(),
            type_ids,
            module,
        });
        let vmctx = VmCtx {
            store: &raw mut *self.store,
            callee_index: 0,
            reserved: 0,
            entries: instance.entries.as_ptr(),
            type_ids: instance.type_ids.as_ptr(),
            thunks: ptr::null(),
            runtime: (&raw mut *instance).cast(),
            type_rows: self.type_rows.as_ptr(),
        };
        instance.write(0, vmctx);
        self.link(&mut instance, find);
        instance.define(self);
        self.instances.push(instance);
        let index = self.instances.len() - 1;
        self.instances[index].initialize();
        if let Some(start) = self.instances[index].module.start() {
            self.call_index(index, start, &[]).unwrap();
        }
        index
    }

    fn link(&mut self, instance: &mut Instance, find: &dyn Fn(&str, &str) -> Given) {
        let module = instance.module.clone();
        for import in module.imports() {
            let given = find(&import.module, &import.name);
            match (import.index, given) {
                (ExternIndex::Func(func), Given::Host(body)) => {
                    let reference = self.host(body, module.func_type(func));
                    instance.write(instance.layout.imported_func(func), reference);
                }
                (index, Given::From(from)) => {
                    let from = &self.instances[from];
                    let export =
                        from.module.exports().iter().find(|export| export.name == import.name);
                    instance.link_export(from, index, export.expect("export").index);
                }
                _ => panic!("cannot link {}.{}", import.module, import.name),
            }
        }
    }

    fn host(&mut self, body: HostBody, ty: &FuncType) -> FuncRef {
        let ctx = HostCtx {
            store: &raw mut *self.store,
            callee_index: 0,
            reserved: 0,
            body,
            data: ptr::null_mut(),
        };
        let mut entry = entry(0, ty);
        entry.stack = AtomicPtr::new(Interp.host_stub());
        self.hosts.push(Box::new((ctx, entry)));
        let type_id = self.type_id(ty);
        let host = self.hosts.last_mut().unwrap();
        FuncRef {
            entry: &raw const host.1,
            instance: (&raw mut host.0).cast(),
            this: (&raw const host.1).cast(),
            type_id,
            heap_index: 0,
        }
    }

    /// Calls an export with raw slots.
    pub fn call(
        &mut self,
        instance: usize,
        name: &str,
        args: &[u64],
    ) -> Result<Vec<u64>, TrapCode> {
        let exports = self.instances[instance].module.exports();
        let export =
            exports.iter().find(|export| &*export.name == name).unwrap_or_else(|| panic!("{name}"));
        let ExternIndex::Func(func) = export.index else { panic!("{name} is no function") };
        self.call_index(instance, func, args)
    }

    pub fn call_index(
        &mut self,
        instance: usize,
        func: FuncIndex,
        args: &[u64],
    ) -> Result<Vec<u64>, TrapCode> {
        let (vmctx, entry, results) = {
            let instance = &mut *self.instances[instance];
            let results = instance.module.func_type(func).result_slots();
            let callee = instance.func_ref(func);
            (callee.instance, callee.entry, results)
        };
        let fp = self.store.value_sp;
        for (i, &arg) in args.iter().enumerate() {
            // SAFETY: the value stack has room.
            unsafe { *fp.add(i) = arg };
        }
        // SAFETY: everything is live.
        unsafe { Interp.call(vmctx, entry, fp) };
        assert!(self.store.interp_frame.is_null(), "boundaries are unlinked");
        assert_eq!(self.store.value_sp, fp, "the value stack is as before");
        match std::mem::take(&mut self.store.activation.trap) {
            // SAFETY: as above.
            0 => Ok((0..results).map(|i| unsafe { *fp.add(i) }).collect()),
            code => Err(TrapCode::from_byte(code as u8).unwrap()),
        }
    }

    /// Calls an export with one i32 result.
    pub fn i32(&mut self, instance: usize, name: &str, args: &[u64]) -> i32 {
        self.call(instance, name, args).unwrap()[0] as i32
    }
}

impl Instance {
    pub fn vmctx(&mut self) -> *mut VmCtx {
        self.vm.as_mut_ptr().cast()
    }

    fn write<T>(&mut self, offset: u32, value: T) {
        // SAFETY: the layout has room for it.
        unsafe { self.vm.as_mut_ptr().cast::<u8>().add(offset as usize).cast::<T>().write(value) }
    }

    fn read<T: Copy>(&self, offset: u32) -> T {
        // SAFETY: as for `write`.
        unsafe { self.vm.as_ptr().cast::<u8>().add(offset as usize).cast::<T>().read() }
    }

    fn global_cell(&self, global: GlobalIndex) -> *mut GlobalCell {
        match self.layout.global(global) {
            GlobalPlace::Inline(offset) => {
                self.vm.as_ptr().cast::<u8>().wrapping_add(offset as usize).cast_mut().cast()
            }
            GlobalPlace::Pointer(offset) => self.read(offset),
        }
    }

    fn func_ref(&self, func: FuncIndex) -> FuncRef {
        if func.index() < self.module.num_imported_funcs() {
            return self.read(self.layout.imported_func(func));
        }
        let entry: *const FuncEntry = &raw const self.entries[func.index()];
        FuncRef {
            entry,
            instance: self.vm.as_ptr().cast_mut().cast(),
            this: entry.cast(),
            type_id: self.type_ids[self.module.func_type_index(func).index()],
            heap_index: 0,
        }
    }

    fn link_export(&mut self, from: &Instance, index: ExternIndex, export: ExternIndex) {
        match (index, export) {
            (ExternIndex::Func(to), ExternIndex::Func(func)) => {
                self.write(self.layout.imported_func(to), from.func_ref(func));
            }
            (ExternIndex::Memory(to), ExternIndex::Memory(memory)) => {
                let slot: MemorySlot = from.read(from.layout.memory(memory));
                self.write(self.layout.memory(to), slot);
            }
            (ExternIndex::Table(to), ExternIndex::Table(table)) => {
                let def: *mut TableDef = from.read(from.layout.table(table));
                self.write(self.layout.table(to), def);
            }
            (ExternIndex::Global(to), ExternIndex::Global(global)) => {
                let GlobalPlace::Pointer(offset) = self.layout.global(to) else {
                    panic!("imported")
                };
                self.write(offset, from.global_cell(global));
            }
            _ => panic!("kinds differ"),
        }
    }

    /// Makes defined memories, tables, globals and references.
    fn define(&mut self, _world: &World) {
        let module = self.module.clone();
        for (i, ty) in module.memories().iter().enumerate().skip(module.num_imported_memories()) {
            let page = 1usize << ty.page_size_log2;
            let max = (ty.max.unwrap_or(u64::MAX).min((MEMORY_RESERVE / page) as u64)) as usize;
            let mut bytes = vec![0; MEMORY_RESERVE];
            let def = MemoryDef::new(bytes.as_mut_ptr(), ty.min as usize * page, bytes.len());
            let mut memory = Box::new(Memory { def, bytes, page, max });
            let slot = MemorySlot { base: memory.def.base, def: &raw mut memory.def };
            self.write(self.layout.memory(MemoryIndex::from_u32(i as u32)), slot);
            self.memories.push(memory);
        }
        for (i, ty) in module.tables().iter().enumerate().skip(module.num_imported_tables()) {
            let is_func = ty.element.heap == sterna_isa::HeapType::Func;
            let mut table = Box::new(Table {
                def: TableDef { base: ptr::null_mut(), len: ty.min },
                funcs: vec![FuncRef::NULL; if is_func { TABLE_RESERVE } else { 0 }],
                slots: vec![0; if is_func { 0 } else { TABLE_RESERVE }],
            });
            table.def.base = if is_func {
                table.funcs.as_mut_ptr().cast()
            } else {
                table.slots.as_mut_ptr().cast()
            };
            self.write(self.layout.table(TableIndex::from_u32(i as u32)), &raw mut table.def);
            self.tables.push(table);
        }
        for (position, &func) in module.escaping_funcs().iter().enumerate() {
            let offset = self.layout.func_ref(position as u32);
            let this = self.vm.as_ptr().cast::<u8>().wrapping_add(offset as usize).cast();
            self.write(offset, FuncRef { this, ..self.func_ref(func) });
        }
        for i in module.num_imported_globals()..module.num_globals() {
            let global = GlobalIndex::from_u32(i as u32);
            let bits = self.eval(module.global_init(global).unwrap());
            // SAFETY: the cell is in the vmctx.
            unsafe { *self.global_cell(global) = GlobalCell([bits as u64, (bits >> 64) as u64]) };
        }
    }

    fn eval(&self, expr: &ConstExpr) -> u128 {
        let mut stack: Vec<u128> = Vec::new();
        for &op in &expr.ops {
            let value = self.eval_op(op, &mut stack);
            stack.push(value);
        }
        stack[0]
    }

    fn eval_op(&self, op: ConstOp, stack: &mut Vec<u128>) -> u128 {
        let mut pop = || stack.pop().expect("operand") as u64;
        let (b, a) = match op {
            ConstOp::I32Add
            | ConstOp::I32Sub
            | ConstOp::I32Mul
            | ConstOp::I64Add
            | ConstOp::I64Sub
            | ConstOp::I64Mul => (pop(), pop()),
            _ => (0, 0),
        };
        match op {
            ConstOp::I32(value) => u128::from(value as u32),
            ConstOp::I64(value) => u128::from(value as u64),
            ConstOp::F32(bits) => u128::from(bits),
            ConstOp::F64(bits) => u128::from(bits),
            ConstOp::V128(bits) => bits,
            ConstOp::I32Add => u128::from((a as u32).wrapping_add(b as u32)),
            ConstOp::I32Sub => u128::from((a as u32).wrapping_sub(b as u32)),
            ConstOp::I32Mul => u128::from((a as u32).wrapping_mul(b as u32)),
            ConstOp::I64Add => u128::from(a.wrapping_add(b)),
            ConstOp::I64Sub => u128::from(a.wrapping_sub(b)),
            ConstOp::I64Mul => u128::from(a.wrapping_mul(b)),
            ConstOp::RefNull => 0,
            ConstOp::RefFunc(func) => u128::from(self.reference(func)),
            // SAFETY: cells are live.
            ConstOp::GlobalGet(global) => u128::from(unsafe { *self.global_cell(global) }.0[0]),
            other => panic!("{other:?} needs a heap"),
        }
    }

    /// The reference to a function that escapes.
    pub fn reference(&self, func: FuncIndex) -> u64 {
        let position = self.module.escaping_position(func).expect("escapes");
        let offset = self.layout.func_ref(position);
        self.vm.as_ptr().cast::<u8>().wrapping_add(offset as usize) as u64
    }

    fn elem_value(&self, segment: usize, index: usize) -> u64 {
        match &self.module.elems()[segment].items {
            ElemItems::Funcs(funcs) => self.reference(funcs[index]),
            ElemItems::Exprs(exprs) => self.eval(&exprs[index]) as u64,
        }
    }

    fn initialize(&mut self) {
        let module = self.module.clone();
        for (i, segment) in module.elems().iter().enumerate() {
            self.dropped_elems[i] = segment.mode != SegmentMode::Passive;
            if let SegmentMode::Active(table, offset) = &segment.mode {
                let at = self.eval(offset) as u64;
                let def: *const TableDef = self.read(self.layout.table(*table));
                // SAFETY: tables live as long as instances.
                let len = unsafe { (*def).len };
                assert!(at + segment.items.len() as u64 <= len, "element segment out of bounds");
                for index in 0..segment.items.len() {
                    let value = self.elem_value(i, index);
                    // SAFETY: the table is live.
                    unsafe {
                        builtins::set_element(self, table.as_u32(), at + index as u64, value)
                    };
                }
            }
        }
        for (i, segment) in module.data_segments().iter().enumerate() {
            self.dropped_data[i] = segment.mode != SegmentMode::Passive;
            if let SegmentMode::Active(memory, offset) = &segment.mode {
                let at = self.eval(offset) as usize;
                let slot: MemorySlot = self.read(self.layout.memory(*memory));
                let data = module.data(segment);
                // SAFETY: memories live as long as instances.
                let len = unsafe { (*slot.def).len() };
                assert!(at + data.len() <= len, "data segment out of bounds");
                // SAFETY: just checked.
                unsafe { slot.base.add(at).copy_from_nonoverlapping(data.as_ptr(), data.len()) };
            }
        }
    }
}

impl Instance {
    /// The slots of an exported global.
    pub fn export_global(&self, name: &str) -> Vec<u64> {
        let export =
            self.module.exports().iter().find(|export| &*export.name == name).expect("export");
        let ExternIndex::Global(global) = export.index else { panic!("no global") };
        let slots = self.module.global_type(global).ty.slots();
        // SAFETY: cells are live.
        unsafe { *self.global_cell(global) }.0[..slots].to_vec()
    }
}
