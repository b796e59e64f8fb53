//! Owns a store's garbage-collected heap: when it comes into being, its roots.
//! Does not own the heap itself (`sterna-gc`), the operators on objects (`operators`, `exceptions`), nor what hosts do with them (`host`).

mod casts;
mod exceptions;
mod fields;
mod host;
mod operators;

use std::ptr::NonNull;

use sterna_abi::{GlobalCell, InterpFrame, Slot};
use sterna_gc::{Collection, Heap, HeapConfig, OutOfMemory, Ref, Roots};
use sterna_isa::{HeapType, TrapCode, ValType};

use crate::engine::Engine;
use crate::instance::ElemState;
use crate::limits::Limits;
use crate::store::Store;
use crate::table::Table;

pub use host::Held;

pub(crate) use operators::{barrier, gc, gc as gc_slow, intern_func};

/// A store's heap and what belongs to it.
#[derive(Default)]
pub(crate) struct StoreHeap {
    /// Made with the first instance that can touch objects, or the first object.
    pub(crate) heap: Option<Box<Heap>>,
    /// Operands of the constant expression that is being evaluated.
    kept: Vec<*mut Slot>,
    /// Globals that can refer to objects.
    globals: Vec<NonNull<GlobalCell>>,
    /// Tables whose elements can.
    tables: Vec<NonNull<Table>>,
}

/// Whether values of a type can refer to objects that move.
pub(crate) fn is_object(engine: &Engine, ty: ValType) -> bool {
    matches!(ty, ValType::Ref(ty) if !engine.types.heap_matches(ty.heap, HeapType::Func))
}

impl Store {
    /// What was counted about the heap; `None` before it is made.
    pub fn gc_stats(&self) -> Option<&sterna_gc::Stats> {
        Some(self.gc.heap.as_ref()?.stats())
    }

    /// Collects now.
    pub fn collect_garbage(&mut self, kind: Collection) {
        if self.gc.heap.is_some() {
            // No operator is running, so there are no operands.
            let _ = self.with_roots(&[], |heap, engine, roots| {
                heap.collect(kind, &engine.types.layouts(), roots);
                Ok(())
            });
        }
        self.drop_dead_values();
    }

    /// The heap; made now if need be. It never moves: compiled code loads its base once.
    pub(crate) fn heap(&mut self) -> Result<&mut Heap, TrapCode> {
        if self.gc.heap.is_none() {
            let settings = self.engine.settings();
            let standard = HeapConfig::default();
            let config = HeapConfig {
                limit: self.limits.heap_bytes.unwrap_or(standard.limit),
                stress: settings.gc_stress,
                verify: settings.gc_stress != sterna_gc::Stress::Off,
                ..standard
            };
            let area = NonNull::from(&mut self.ctx().heap);
            // SAFETY: the context is at a fixed address; the heap is dropped with the store that both belong to. While a method of the
            // heap runs, guest code does not.
            let heap = unsafe { Heap::new(area, config) }.map_err(|_| TrapCode::HeapExhausted)?;
            self.gc.heap = Some(Box::new(heap));
        }
        Ok(self.gc.heap.as_mut().expect("made just now"))
    }

    /// Sets the limits; they apply to what is allocated from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        if let Some(heap) = &mut self.gc.heap {
            heap.set_limit(limits.heap_bytes.unwrap_or(HeapConfig::default().limit));
        }
        self.limits = limits;
    }

    /// Runs something that may collect. `operands` are slots with references beside those that are found in frames and elsewhere.
    fn with_roots<T>(
        &mut self,
        operands: &[*mut Slot],
        body: impl FnOnce(&mut Heap, &Engine, &mut StoreRoots<'_>) -> Result<T, OutOfMemory>,
    ) -> Result<T, TrapCode> {
        self.heap()?;
        let mut heap = self.gc.heap.take().expect("made just now");
        let engine = self.engine.clone();
        let result = body(&mut heap, &engine, &mut StoreRoots { store: self, operands });
        self.gc.heap = Some(heap);
        result.map_err(|OutOfMemory| TrapCode::HeapExhausted)
    }

    /// Notes a global whose values can refer to objects.
    pub(crate) fn add_global_root(&mut self, ty: ValType, cell: NonNull<GlobalCell>) {
        if is_object(&self.engine, ty) {
            self.gc.globals.push(cell);
        }
    }

    /// Notes a table.
    pub(crate) fn add_table_root(&mut self, table: NonNull<Table>) {
        // SAFETY: just made, in this store.
        let element = unsafe { table.as_ref() }.ty().element;
        if is_object(&self.engine, ValType::Ref(element)) {
            self.gc.tables.push(table);
        }
    }
}

/// Everything in a store that refers to objects.
struct StoreRoots<'a> {
    store: &'a mut Store,
    operands: &'a [*mut Slot],
}

impl Roots for StoreRoots<'_> {
    fn visit(&mut self, forward: &mut dyn FnMut(Ref) -> Ref) {
        let mut visit = |slot: *mut Slot| {
            // SAFETY: every place named below is a live slot that nobody else uses while guest code is suspended.
            let old = unsafe { slot.read() };
            let new = forward(Ref::from_bits(old as u32));
            // SAFETY: as above.
            unsafe { slot.write(Slot::from(new.bits())) };
        };
        let gc = &mut self.store.gc;
        self.operands.iter().chain(&gc.kept).for_each(|slot| visit(*slot));
        gc.globals.iter().for_each(|cell| visit(cell.as_ptr().cast()));
        for table in &mut gc.tables {
            // SAFETY: tables live as long as the store, and guest code is suspended.
            unsafe { table.as_mut() }.for_each_slot(&mut visit);
        }
        for instance in &mut self.store.instances {
            for &segment in &instance.object_elems {
                if let Some(ElemState::Values(values)) = instance.elems.get_mut(segment) {
                    values.iter_mut().for_each(|value| visit(value));
                }
            }
        }
        visit(&raw mut self.store.ctx().exception);
        visit(&raw mut self.store.last_throw.exn);
        let ctx = self.store.ctx_ptr();
        let engine = self.store.engine.clone();
        let mut frame_roots = |frame: InterpFrame| {
            // SAFETY: listed just now, and suspended in the builtin or host function that collects.
            unsafe { (frame.roots)(&frame, &mut visit) };
            true
        };
        // SAFETY: guest code of this store is suspended in a builtin or host function, or not running.
        unsafe { engine.interp().frames(ctx, &mut frame_roots) };
        self.store.compiled_roots(&mut visit);
    }
}
