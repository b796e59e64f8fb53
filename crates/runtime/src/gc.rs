//! Owns a store's garbage-collected heap: when it comes into being, its roots, and the table of external values.
//! Does not own the heap itself (`sterna-gc`) nor the operators on objects (`operators`, `exceptions`).

mod casts;
mod exceptions;
mod fields;
mod operators;

use std::any::Any;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use sterna_abi::{GlobalCell, HANDLE_TAG, InterpFrame, Slot};
use sterna_gc::{Collection, Heap, HeapConfig, OutOfMemory, Ref, Roots};
use sterna_isa::{HeapType, TrapCode, ValType};

use crate::engine::Engine;
use crate::instance::ElemState;
use crate::store::Store;
use crate::table::Table;

pub(crate) use operators::gc;

/// What an `externref` stands for.
enum External {
    /// A value of the host.
    Host(Box<dyn Any + Send + Sync>),
    /// An object of the heap.
    Object(Ref),
}

/// Low bits of the numbers of held objects, which guests never see.
const HELD_TAG: Slot = 6;

/// Most external values of a store: their handles have 29 bits.
const MAX_EXTERNALS: usize = 1 << 29;
/// Most of them that are objects of guests in their extern view: a guest makes them as it likes, and they stay.
const MAX_OBJECT_HANDLES: usize = 1 << 22;

/// A store's heap and what belongs to it.
#[derive(Default)]
pub(crate) struct StoreHeap {
    /// Made with the first object.
    pub(crate) heap: Option<Box<Heap>>,
    /// Objects that the host holds: they stay until the store is dropped. Behind a lock, since a shared store is enough to read a global.
    held: Mutex<Vec<Ref>>,
    /// By handle. They stay until the store is dropped.
    externals: Vec<External>,
    /// How many of them are objects.
    object_handles: usize,
    /// Operands of the constant expression that is being evaluated.
    kept: Vec<*mut Slot>,
    /// Globals that can refer to objects.
    globals: Vec<NonNull<GlobalCell>>,
    /// Tables whose elements can.
    tables: Vec<NonNull<Table>>,
}

impl StoreHeap {
    fn add_external(&mut self, value: External) -> Option<Slot> {
        let handle = self.externals.len();
        if handle >= MAX_EXTERNALS {
            return None;
        }
        self.externals.push(value);
        Some((handle as Slot) << 3 | Slot::from(HANDLE_TAG))
    }

    fn external(&self, slot: Slot) -> Option<&External> {
        match slot & 7 == Slot::from(HANDLE_TAG) {
            true => self.externals.get((slot >> 3) as usize),
            false => None,
        }
    }
}

/// Whether values of a type can refer to objects that move.
pub(crate) fn is_object(engine: &Engine, ty: ValType) -> bool {
    let ValType::Ref(ty) = ty else { return false };
    let unmoved = [HeapType::Func, HeapType::Extern];
    !unmoved.iter().any(|top| engine.types.heap_matches(ty.heap, *top))
}

impl Store {
    /// Keeps a host value alive and returns the `externref` to it. Values stay until the store is dropped.
    ///
    /// # Panics
    /// When 2^29 are held.
    pub fn extern_ref(&mut self, value: Box<dyn Any + Send + Sync>) -> Slot {
        let handle = self.gc.add_external(External::Host(value));
        handle.expect("a host makes fewer than 2^29 external values")
    }

    /// The host value of an `externref`; `None` if it refers to something else.
    pub fn extern_value(&self, reference: Slot) -> Option<&(dyn Any + Send + Sync)> {
        match self.gc.external(reference)? {
            External::Host(value) => Some(&**value),
            External::Object(_) => None,
        }
    }

    /// Keeps the object of a reference alive and returns an `externref` to it, by `extern.convert_any`.
    ///
    /// # Errors
    /// When 2^22 objects are kept in this way.
    pub fn externalize(&mut self, any: Slot) -> Result<Slot, TrapCode> {
        match Ref::from_bits(any as u32) {
            object if object.is_object() => {
                if self.gc.object_handles >= MAX_OBJECT_HANDLES {
                    return Err(TrapCode::HeapExhausted);
                }
                self.gc.object_handles += 1;
                self.gc.add_external(External::Object(object)).ok_or(TrapCode::HeapExhausted)
            }
            _ => Ok(any),
        }
    }

    /// Keeps what a reference of the hierarchy `any` refers to alive until the store is dropped. Returns a number for [`Store::held`],
    /// which does not change when the object moves.
    ///
    /// # Panics
    /// When 2^29 are held.
    pub fn hold(&self, any: Slot) -> Slot {
        let object = Ref::from_bits(any as u32);
        if !object.is_object() {
            return any;
        }
        let mut held = self.gc.held.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(held.len() < MAX_EXTERNALS, "a host holds fewer than 2^29 objects");
        held.push(object);
        (held.len() as Slot - 1) << 3 | HELD_TAG
    }

    /// The reference that was held.
    pub fn held(&self, number: Slot) -> Slot {
        if number & 7 != HELD_TAG {
            return number;
        }
        let held = self.gc.held.lock().unwrap_or_else(PoisonError::into_inner);
        Slot::from(held[(number >> 3) as usize].bits())
    }

    /// The value inside an `externref`, by `any.convert_extern`.
    pub fn internalize(&self, external: Slot) -> Slot {
        match self.gc.external(external) {
            Some(External::Object(object)) => Slot::from(object.bits()),
            _ => external,
        }
    }

    /// What was counted about the heap; `None` before the first object.
    pub fn gc_stats(&self) -> Option<&sterna_gc::Stats> {
        Some(self.gc.heap.as_ref()?.stats())
    }

    /// Collects now.
    pub fn collect_garbage(&mut self, kind: Collection) {
        // No operator is running, so there are no operands.
        let _ = self.with_roots(&[], |heap, engine, roots| {
            heap.collect(kind, &engine.types.layouts(), roots);
            Ok(())
        });
    }

    /// The heap; made now if need be.
    fn heap(&mut self) -> Result<&mut Heap, TrapCode> {
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
        let objects = gc.externals.iter_mut().filter_map(|external| match external {
            External::Object(object) => Some(object),
            External::Host(_) => None,
        });
        let held = gc.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        for object in objects.chain(held) {
            let mut slot = Slot::from(object.bits());
            visit(&raw mut slot);
            *object = Ref::from_bits(slot as u32);
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
