//! Owns the tests of single promises of the heap: depth, large objects, limits, host values, handles, memory given back.
//! Does not test random histories: that is `model`.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sterna_gc::{
    AllocArea, Collection, Heap, HeapConfig, Layout, Layouts, NULL_GUARD, NoRoots, OutOfMemory,
    Ref, Scoped, Storage, Stress, object,
};

/// A structure `{i32, ref, ref}`: fields at 8, 12, 16.
const NODE: u32 = 0;
const REFS: u32 = 1;
const BYTES: u32 = 2;

struct Types([Layout; 3]);

impl Layouts for Types {
    fn layout(&self, type_id: u32) -> &Layout {
        &self.0[type_id as usize]
    }
}

fn types() -> Types {
    let node = Layout::of_struct(&[Storage::I32, Storage::Ref, Storage::Ref]).layout;
    Types([node, Layout::of_array(Storage::Ref), Layout::of_array(Storage::I8)])
}

fn heap(config: HeapConfig) -> Heap {
    // Leaked: it must outlive the heap.
    let area = NonNull::from(Box::leak(Box::new(AllocArea::EMPTY)));
    // SAFETY: leaked just now, so valid for ever and known to nobody else.
    unsafe { Heap::new(area, config) }.expect("address space")
}

fn small() -> HeapConfig {
    HeapConfig { eden: 64 * 1024, max_eden: 256 * 1024, verify: true, ..HeapConfig::default() }
}

/// A list of `len` nodes numbered from the end, kept in `root`.
fn list(heap: &mut Heap, root: &mut Ref, len: u32) {
    let types = types();
    for number in 0..len {
        let mut roots = |forward: &mut dyn FnMut(Ref) -> Ref| *root = forward(*root);
        let node = heap.alloc_struct(NODE, &types, &mut roots).expect("memory");
        heap.store_u32(node, 8, number);
        heap.store_u32(node, 12, root.bits());
        *root = node;
    }
}

fn assert_list(heap: &Heap, mut at: Ref, len: u32) {
    for number in (0..len).rev() {
        assert_eq!(heap.load_u32(at, 8), number);
        at = heap.load_ref(at, 12);
    }
    assert!(at.is_null());
}

#[test]
fn deep_lists_need_no_native_stack() {
    let mut heap = heap(HeapConfig { verify: false, ..small() });
    let mut root = Ref::NULL;
    // A thread with a small stack: recursion over the list would overflow it.
    let run = move || {
        list(&mut heap, &mut root, 2_000_000);
        for kind in [Collection::Minor, Collection::Full, Collection::Full] {
            let mut roots = |forward: &mut dyn FnMut(Ref) -> Ref| root = forward(root);
            heap.collect(kind, &types(), &mut roots);
        }
        assert_list(&heap, root, 2_000_000);
        assert!(heap.stats().minor_collections > 10);
    };
    let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(run);
    thread.expect("a thread").join().expect("no overflow");
}

#[test]
fn large_arrays_stay_where_they_are_and_die_young_or_old() {
    let (mut heap, types) = (heap(small()), types());
    let array = heap.alloc_array(REFS, 100_000, &types, &mut NoRoots).unwrap();
    let kept = heap.own(array).unwrap();
    let before = heap.footprint();
    let garbage = heap.alloc_array(BYTES, 1 << 20, &types, &mut NoRoots).unwrap();
    assert!(heap.footprint() >= before + (1 << 20) && garbage != array);
    heap.collect(Collection::Minor, &types, &mut NoRoots);
    assert!(heap.footprint() <= before + small().max_eden as u64, "garbage died in a minor one");
    // The array is old: its elements are found through cards, also after several collections.
    for index in [0u32, 1, 127, 128, 99_999] {
        let node = heap.alloc_struct(NODE, &types, &mut NoRoots).unwrap();
        heap.store_u32(node, 8, index);
        heap.store_ref(array, 12 + 4 * index, node);
    }
    for kind in [Collection::Minor, Collection::Minor, Collection::Minor, Collection::Full] {
        heap.collect(kind, &types, &mut NoRoots);
        assert_eq!(heap.owned(&kept), Some(array));
        for index in [0u32, 1, 127, 128, 99_999] {
            assert_eq!(heap.load_u32(heap.load_ref(array, 12 + 4 * index), 8), index);
        }
    }
    drop(kept);
    heap.collect(Collection::Full, &types, &mut NoRoots);
    assert_eq!(heap.stats().bytes_live, 0);
}

#[test]
fn arrays_are_zero_also_in_used_memory() {
    let (mut heap, types) = (heap(small()), types());
    for round in 0..40 {
        for len in [3, 100, 9000, 300_000] {
            let array = heap.alloc_array(BYTES, len, &types, &mut NoRoots).unwrap();
            assert_eq!(heap.array_len(array), len);
            let dirty = (0..len).find(|index| heap.load_u8(array, 12 + index) != 0);
            assert_eq!(dirty, None, "round {round}");
            heap.fill_bytes(array, 12, 0xaa, len);
        }
    }
}

#[test]
fn the_limit_is_an_error_only_for_what_is_reachable() {
    let limit = 4 << 20;
    let (mut heap, types) = (heap(HeapConfig { limit, ..small() }), types());
    // Much more than the limit in garbage.
    for _ in 0..1000 {
        heap.alloc_array(BYTES, 5000, &types, &mut NoRoots).unwrap();
        heap.alloc_array(BYTES, 50_000, &types, &mut NoRoots).unwrap();
    }
    // Small objects, reachable.
    let mut root = Ref::NULL;
    let mut count = 0;
    let failed = loop {
        let mut roots = |forward: &mut dyn FnMut(Ref) -> Ref| root = forward(root);
        match heap.alloc_struct(NODE, &types, &mut roots) {
            Ok(node) => {
                heap.store_u32(node, 12, root.bits());
                root = node;
                count += 1;
            }
            Err(error) => break error,
        }
        assert!(heap.footprint() <= limit + u64::from(small().max_eden));
    };
    assert_eq!(failed, OutOfMemory);
    assert!((80_000..200_000).contains(&count), "{count} nodes of 24 bytes in 4 MiB");
    // The heap is usable again as soon as something is let go.
    root = Ref::NULL;
    let mut roots = |forward: &mut dyn FnMut(Ref) -> Ref| root = forward(root);
    heap.alloc_array(BYTES, 2 << 20, &types, &mut roots).unwrap();
    // Large objects: too large at once, and too many.
    for len in [5 << 20, u32::MAX] {
        assert_eq!(heap.alloc_array(BYTES, len, &types, &mut NoRoots), Err(OutOfMemory));
    }
    let mut kept = Vec::new();
    while let Ok(array) = heap.alloc_array(BYTES, 100_000, &types, &mut NoRoots) {
        kept.push(heap.own(array).unwrap());
        assert!(kept.len() < 42);
    }
    assert!(kept.len() > 30);
    assert_eq!(heap.alloc_array(REFS, u32::MAX, &types, &mut NoRoots), Err(OutOfMemory));
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn host_values_are_dropped_once_with_their_boxes() {
    let drops = Arc::new(AtomicUsize::new(0));
    let dropped = || drops.load(Ordering::Relaxed);
    for stress in [Stress::Off, Stress::Alternate] {
        drops.store(0, Ordering::Relaxed);
        let (mut heap, types) = (heap(HeapConfig { stress, ..small() }), types());
        let mut kept = Vec::new();
        for index in 0..1000 {
            let value = Box::new(Counted(drops.clone()));
            let object = heap.alloc_extern(value, &types, &mut NoRoots).unwrap();
            assert!(heap.extern_value(object).is_some_and(|value| value.is::<Counted>()));
            assert_eq!(heap.type_of(object), Some(object::TYPE_EXTERN_BOX));
            if index % 10 == 0 {
                kept.push(heap.own(object).unwrap());
            }
        }
        for kind in [Collection::Minor, Collection::Minor, Collection::Minor, Collection::Full] {
            heap.collect(kind, &types, &mut NoRoots);
            drop(heap.take_dead());
            assert_eq!((dropped(), heap.extern_count()), (900, 100));
        }
        assert!(kept.iter().all(|owned| {
            heap.extern_value(heap.owned(owned).unwrap()).is_some_and(|value| value.is::<Counted>())
        }));
        kept.truncate(40);
        heap.collect(Collection::Full, &types, &mut NoRoots);
        assert_eq!((dropped(), heap.extern_count()), (900, 40), "only when somebody asks for them");
        drop(heap.take_dead());
        assert_eq!(dropped(), 960);
        drop(heap);
        assert_eq!(dropped(), 1000);
        drop(kept);
    }
}

#[test]
fn short_lived_host_values_do_not_pile_up() {
    let (mut heap, types) = (heap(HeapConfig::default()), types());
    let drops = Arc::new(AtomicUsize::new(0));
    let (mut most, mut kept) = (0, Vec::new());
    for index in 0..400_000 {
        let value = Box::new(Counted(drops.clone()));
        let object = heap.alloc_extern(value, &types, &mut NoRoots).unwrap();
        // Held for long enough to become old, then given up: only a full collection finds these.
        kept.push(heap.own(object).unwrap());
        if index % 50_000 == 0 {
            kept.clear();
        }
        drop(heap.take_dead());
        most = most.max(heap.extern_count());
    }
    assert!(most < 250_000, "{most} at a time");
    for _ in 0..400_000 {
        heap.alloc_extern(Box::new(Counted(drops.clone())), &types, &mut NoRoots).unwrap();
        drop(heap.take_dead());
    }
    kept.clear();
    heap.collect(Collection::Full, &types, &mut NoRoots);
    drop(heap.take_dead());
    assert_eq!((heap.extern_count(), drops.load(Ordering::Relaxed)), (0, 800_000));
}

#[test]
fn the_limit_counts_host_values_by_their_size() {
    let (limit, types) = (8 << 20, types());
    let mut heap = heap(HeapConfig { limit, ..HeapConfig::default() });
    let value = || Box::new([0u8; 100_000]);
    // Ten times what fits, but not at a time.
    for _ in 0..800 {
        heap.alloc_extern(value(), &types, &mut NoRoots).unwrap();
        drop(heap.take_dead());
        assert!(
            heap.extern_count() <= 22,
            "a mebibyte of new ones, and those that were found last time"
        );
    }
    let mut kept = Vec::new();
    while let Ok(object) = heap.alloc_extern(value(), &types, &mut NoRoots) {
        kept.push(heap.own(object).unwrap());
    }
    assert!((50..80).contains(&kept.len()), "{} of 100 KB in 8 MiB", kept.len());
    kept.truncate(10);
    assert!(heap.alloc_extern(value(), &types, &mut NoRoots).is_ok());
    assert_eq!(heap.extern_count(), 11);
}

#[test]
fn a_host_that_never_ends_a_scope_gets_dead_handles() {
    let mut heap = heap(small());
    let mark = heap.begin_scope();
    let first = heap.scope(Ref::from_i31(1));
    for _ in 1..1 << 24 {
        heap.scope(Ref::from_i31(2));
    }
    let late = heap.scope(Ref::from_i31(3));
    assert_eq!((heap.scoped(first), heap.scoped(late)), (Some(Ref::from_i31(1)), None));
    heap.end_scope(mark);
    let next = heap.scope(Ref::from_i31(4));
    assert_eq!((heap.scoped(next), heap.scoped(first)), (Some(Ref::from_i31(4)), None));
}

#[test]
fn handles_end_where_they_should() {
    let (mut heap, types) = (heap(small()), types());
    let other = self::heap(small());
    let node = heap.alloc_struct(NODE, &types, &mut NoRoots).unwrap();
    let owned = heap.own(node).unwrap();
    assert_eq!(other.owned(&owned), None);
    let foreign = other.own(Ref::from_i31(1)).unwrap();
    assert_eq!(heap.owned(&foreign), None);

    let outer = heap.begin_scope();
    let first = heap.scope(node);
    let inner = heap.begin_scope();
    let second = heap.scope(node);
    heap.collect(Collection::Full, &types, &mut NoRoots);
    let moved = heap.owned(&owned).unwrap();
    assert_ne!(moved, node);
    assert_eq!((heap.scoped(first), heap.scoped(second)), (Some(moved), Some(moved)));
    heap.end_scope(inner);
    assert_eq!((heap.scoped(first), heap.scoped(second)), (Some(moved), None));
    let third = heap.scope(moved);
    assert_eq!((heap.scoped(third), heap.scoped(second)), (Some(moved), None));
    assert_eq!(Scoped::from_bits(third.to_bits()), third);
    heap.end_scope(outer);
    assert_eq!((heap.scoped(first), heap.scoped(third)), (None, None));

    // The last clone goes on another thread; the slot is used again.
    let clone = owned.clone();
    std::thread::spawn(move || drop(clone)).join().unwrap();
    assert_eq!(heap.owned(&owned), Some(moved));
    std::thread::spawn(move || drop(owned)).join().unwrap();
    heap.collect(Collection::Full, &types, &mut NoRoots);
    assert_eq!(heap.stats().bytes_live, 0);
}

#[test]
fn function_references_are_indices() {
    let mut heap = heap(small());
    let first = heap.intern_func(0x7fff_0000_1000).unwrap();
    assert_eq!(heap.intern_func(0x7fff_0000_2000), Some(first + 1));
    assert_eq!(heap.intern_func(0x7fff_0000_1000), Some(first));
    assert_eq!(heap.func(first), 0x7fff_0000_1000);
    assert_eq!((heap.intern_func(0), heap.func(0), heap.func(77)), (Some(0), 0, 0));
}

#[test]
fn a_heap_grows_and_shrinks() {
    let (mut heap, types) = (heap(HeapConfig { verify: false, ..small() }), types());
    let mut root = Ref::NULL;
    for round in 0..3 {
        list(&mut heap, &mut root, 1_500_000);
        assert!(heap.footprint() > 36_000_000, "round {round}");
        root = Ref::NULL;
        heap.collect(Collection::Full, &types, &mut NoRoots);
        assert!(heap.footprint() < 1 << 20, "round {round}: {}", heap.footprint());
    }
    heap.trim();
    list(&mut heap, &mut root, 1000);
    assert_list(&heap, root, 1000);
}

#[test]
fn the_allocation_area_is_what_compiled_code_expects() {
    let area = Box::leak(Box::new(AllocArea::EMPTY));
    let pointer = NonNull::from(&mut *area);
    // SAFETY: leaked just now; it is looked at only between calls of the heap.
    let mut heap = unsafe { Heap::new(pointer, small()) }.expect("address space");
    let area = || {
        // SAFETY: as above.
        let area = unsafe { pointer.as_ref() };
        (area.next, area.limit, area.base)
    };
    let (next, limit, base) = area();
    assert_eq!((next, limit, base), (NULL_GUARD, NULL_GUARD + 64 * 1024, heap.base()));
    let node = heap.alloc_inline(NODE, 24).unwrap();
    assert_eq!((node.bits(), area().0), (next, next + 24));
    assert_eq!(heap.load_u64(node, 0), u64::from(NODE));
    assert!(heap.alloc_inline(BYTES, object::MAX_INLINE_SIZE + 8).is_none());
    let before = area().0;
    while heap.alloc_inline(NODE, 24).is_some() {}
    assert!(area().0 > before && area().0 <= area().1);
    drop(heap);
    assert_eq!(area(), (0, 0, std::ptr::null_mut()));
}
