//! Owns the randomized test of the heap against a graph of Rust objects kept in step with it.
//! Does not look inside the heap: `verify` does that after each collection.

use std::collections::HashMap;
use std::ptr::NonNull;

use sterna_gc::{
    AllocArea, Collection, Heap, HeapConfig, Layout, Layouts, Owned, Ref, Storage, Stress, object,
};

/// Every object begins with an `i32` that identifies its node.
const STRUCT: u32 = 0;
const WIDE: u32 = 1;
const REFS: u32 = 2;
const BYTES: u32 = 3;
const EXCEPTION: u32 = object::EXCEPTION_BIT | 7;

struct Types {
    layouts: Vec<Layout>,
    /// Offsets of references, for structures.
    references: Vec<Vec<u32>>,
}

impl Types {
    fn new() -> Types {
        use Storage::{F64, I8, I32, Ref, V128};
        let pair = Layout::of_struct(&[I32, Ref, I8, Ref, V128, Ref, F64]);
        let mut fields = vec![I32];
        fields.extend([Ref; 80]);
        let wide = Layout::of_struct(&fields);
        let exception = Layout::of_exception(&[I32, Ref]);
        Types {
            references: vec![
                vec![pair.offsets[1], pair.offsets[3], pair.offsets[5]],
                wide.offsets[1..].to_vec(),
                Vec::new(),
                Vec::new(),
                vec![exception.offsets[1]],
            ],
            layouts: vec![
                pair.layout,
                wide.layout,
                Layout::of_array(Ref),
                Layout::of_array(I8),
                exception.layout,
            ],
        }
    }

    fn row(type_id: u32) -> usize {
        if type_id == EXCEPTION { 4 } else { type_id as usize }
    }
}

impl Layouts for Types {
    fn layout(&self, type_id: u32) -> &Layout {
        &self.layouts[Self::row(type_id)]
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Value {
    Null,
    I31(i32),
    Node(usize),
}

struct Node {
    type_id: u32,
    values: Vec<Value>,
}

struct World {
    types: Types,
    heap: Heap,
    area: Box<AllocArea>,
    nodes: Vec<Node>,
    roots: Vec<(Ref, Value)>,
    owned: Vec<(Owned, Value)>,
    random: Random,
}

impl World {
    fn new(seed: u64, config: HeapConfig) -> World {
        let mut area = Box::new(AllocArea::EMPTY);
        // SAFETY: the area is boxed, lives beside the heap, and only the heap uses it.
        let heap = unsafe { Heap::new(NonNull::from(&mut *area), config) };
        let heap = heap.expect("address space");
        World {
            types: Types::new(),
            heap,
            area,
            nodes: Vec::new(),
            roots: vec![(Ref::NULL, Value::Null); 24],
            owned: Vec::new(),
            random: Random(seed | 1),
        }
    }

    /// Where value `index` of an object is.
    fn offset(&self, type_id: u32, index: usize) -> u32 {
        match type_id {
            REFS => 12 + 4 * (index as u32 + 1),
            _ => self.types.references[Types::row(type_id)][index],
        }
    }

    fn id_offset(type_id: u32) -> u32 {
        match type_id {
            REFS => 12,
            BYTES => 12,
            EXCEPTION => 12,
            _ => 8,
        }
    }

    fn alloc(&mut self) {
        let (type_id, len) = match self.random.below(100) {
            0..55 => (STRUCT, 0),
            55..60 => (WIDE, 0),
            60..85 => (REFS, 1 + self.random.below(20) as u32),
            85..88 => (REFS, 2000 + self.random.below(6000) as u32),
            88..95 => (BYTES, 4 + self.random.below(100) as u32),
            95..97 => (BYTES, 5000 + self.random.below(40_000) as u32),
            _ => (EXCEPTION, 0),
        };
        let inline = match type_id {
            STRUCT => self.heap.alloc_inline(STRUCT, self.types.layouts[0].size()),
            _ => None,
        };
        let roots = &mut self.roots;
        let mut visit = |forward: &mut dyn FnMut(Ref) -> Ref| {
            roots.iter_mut().for_each(|root| root.0 = forward(root.0));
        };
        let object = match inline {
            Some(object) => {
                for offset in (8..self.types.layouts[0].size()).step_by(8) {
                    self.heap.store_u64(object, offset, 0);
                }
                object
            }
            None if len == 0 => {
                self.heap.alloc_struct(type_id, &self.types, &mut visit).expect("memory")
            }
            None => self.heap.alloc_array(type_id, len, &self.types, &mut visit).expect("memory"),
        };
        let values = match type_id {
            REFS => len as usize - 1,
            _ => self.types.references[Types::row(type_id)].len(),
        };
        let id = self.nodes.len();
        // An identity is odd and so looks like an i31 where it lies in a field of references.
        let mark = (id as u32) << 1 | 1;
        self.heap.store_u32(object, Self::id_offset(type_id), mark);
        self.nodes.push(Node { type_id, values: vec![Value::Null; values] });
        // Stores into a fresh object need no barrier.
        for _ in 0..3.min(values) {
            let (index, root) = (self.random.below(values), self.random.below(24));
            let (reference, value) = self.roots[root];
            self.heap.store_u32(object, self.offset(type_id, index), reference.bits());
            self.nodes[id].values[index] = value;
        }
        let root = self.random.below(24);
        self.roots[root] = (object, Value::Node(id));
    }

    /// Follows a random field of a random root and stores something there or puts what is there into a root.
    fn mutate(&mut self) {
        let (from, to) = (self.random.below(24), self.random.below(24));
        let (object, Value::Node(id)) = self.roots[from] else { return };
        let len = self.nodes[id].values.len();
        if len == 0 {
            return;
        }
        let index = self.random.below(len);
        let offset = self.offset(self.nodes[id].type_id, index);
        if self.random.below(3) == 0 {
            self.roots[to] = (self.heap.load_ref(object, offset), self.nodes[id].values[index]);
            return;
        }
        let (reference, value) = match self.random.below(8) {
            0 => (Ref::NULL, Value::Null),
            1 => (Ref::from_i31(id as u32), Value::I31(id as i32)),
            _ => self.roots[to],
        };
        self.heap.store_ref(object, offset, reference);
        self.nodes[id].values[index] = value;
    }

    fn handles(&mut self) {
        let root = self.random.below(24);
        if self.owned.len() > 10 {
            let at = self.random.below(self.owned.len());
            let (handle, value) = self.owned.swap_remove(at);
            self.roots[root] = (self.heap.owned(&handle).expect("an own handle"), value);
        } else {
            let (reference, value) = self.roots[root];
            self.owned.push((self.heap.own(reference).expect("few handles"), value));
        }
    }

    fn collect(&mut self, kind: Collection) {
        let roots = &mut self.roots;
        let mut visit = |forward: &mut dyn FnMut(Ref) -> Ref| {
            // Twice: a place may be visited more than once.
            roots.iter_mut().for_each(|root| root.0 = forward(root.0));
            roots.iter_mut().for_each(|root| root.0 = forward(root.0));
        };
        self.heap.collect(kind, &self.types, &mut visit);
    }

    /// Compares both graphs from all roots on; the number of nodes reached.
    fn compare(&self) -> usize {
        let mut seen: HashMap<usize, Ref> = HashMap::new();
        let mut work: Vec<(Ref, Value)> = self.roots.clone();
        work.extend(
            self.owned
                .iter()
                .map(|(owned, value)| (self.heap.owned(owned).expect("an own handle"), *value)),
        );
        while let Some((reference, value)) = work.pop() {
            let id = match value {
                Value::Null => {
                    assert_eq!(reference, Ref::NULL);
                    continue;
                }
                Value::I31(number) => {
                    assert_eq!((reference.is_i31(), reference.i31_signed()), (true, number));
                    continue;
                }
                Value::Node(id) => id,
            };
            if let Some(known) = seen.insert(id, reference) {
                assert_eq!(known, reference, "node {id} is in two places");
                continue;
            }
            let node = &self.nodes[id];
            assert_eq!(self.heap.type_of(reference), Some(node.type_id));
            let mark = self.heap.load_u32(reference, Self::id_offset(node.type_id));
            assert_eq!(mark, (id as u32) << 1 | 1, "another object is where node {id} should be");
            for (index, value) in node.values.iter().enumerate() {
                work.push((
                    self.heap.load_ref(reference, self.offset(node.type_id, index)),
                    *value,
                ));
            }
        }
        seen.len()
    }

    fn run(&mut self, steps: usize) {
        for step in 0..steps {
            match self.random.below(100) {
                0..40 => self.alloc(),
                40..90 => self.mutate(),
                90..95 => self.handles(),
                95..99 => {
                    let root = self.random.below(24);
                    self.roots[root] = (Ref::NULL, Value::Null);
                }
                _ if self.random.below(4) == 0 => self.collect(Collection::Full),
                _ => self.collect(Collection::Minor),
            }
            if step % 512 == 0 {
                self.compare();
            }
        }
        self.collect(Collection::Full);
        self.compare();
    }
}

fn config() -> HeapConfig {
    HeapConfig { eden: 64 * 1024, max_eden: 64 * 1024, verify: true, ..HeapConfig::default() }
}

#[test]
fn the_heap_agrees_with_a_model() {
    for seed in 1..=6 {
        let mut world = World::new(seed * 77_777, HeapConfig { ages: seed % 2 == 0, ..config() });
        world.run(12_000);
        let stats = world.heap.stats();
        assert!(stats.minor_collections > 50 && stats.full_collections > 5);
        assert!(world.area.next > 0);
    }
}

#[test]
fn the_heap_agrees_with_a_model_under_stress() {
    for stress in [Stress::Minor, Stress::Alternate] {
        let mut world = World::new(4242, HeapConfig { stress, ..config() });
        world.run(2500);
        assert!(world.heap.stats().minor_collections > 400);
    }
}
