//! Owns a measurement of the heap alone: allocation rates, and pauses at several sizes of live data.
//! Does not compare with other engines: `bench` does.
//!
//! `cargo run --release -p sterna-gc --example rates [EDEN_KIB MAX_EDEN_KIB ages|flat NAME]`

use std::ptr::NonNull;
use std::time::Instant;

use sterna_gc::{AllocArea, Collection, Heap, HeapConfig, Layout, Layouts, Ref, Storage};

/// `{i32, ref, ref}`: fields at 8, 12, 16; 24 bytes.
const NODE: u32 = 0;
const REFS: u32 = 1;

struct Types([Layout; 2]);

impl Layouts for Types {
    #[inline(always)]
    fn layout(&self, type_id: u32) -> &Layout {
        &self.0[type_id as usize]
    }
}

struct Bench {
    heap: Heap,
    types: Types,
    /// The shadow stack of the "guest".
    roots: Vec<Ref>,
}

impl Bench {
    fn new(config: HeapConfig) -> Bench {
        let area = NonNull::from(Box::leak(Box::new(AllocArea::EMPTY)));
        // SAFETY: leaked just now, so valid for ever and known to nobody else.
        let heap = unsafe { Heap::new(area, config) }.expect("address space");
        let node = Layout::of_struct(&[Storage::I32, Storage::Ref, Storage::Ref]).layout;
        let types = Types([node, Layout::of_array(Storage::Ref)]);
        Bench { heap, types, roots: Vec::new() }
    }

    #[inline(always)]
    fn node(&mut self, number: u32) -> Ref {
        let node = match self.heap.alloc_inline(NODE, 24) {
            Some(node) => node,
            None => self.node_slow(),
        };
        self.heap.store_u64(node, 8, u64::from(number));
        self.heap.store_u64(node, 16, 0);
        node
    }

    #[cold]
    #[inline(never)]
    fn node_slow(&mut self) -> Ref {
        let roots = &mut self.roots;
        let mut visit = |forward: &mut dyn FnMut(Ref) -> Ref| {
            roots.iter_mut().for_each(|root| *root = forward(*root));
        };
        self.heap.alloc_struct(NODE, &self.types, &mut visit).expect("memory")
    }

    fn collect(&mut self, kind: Collection) {
        let roots = &mut self.roots;
        let mut visit = |forward: &mut dyn FnMut(Ref) -> Ref| {
            roots.iter_mut().for_each(|root| *root = forward(*root));
        };
        self.heap.collect(kind, &self.types, &mut visit);
    }

    /// A full binary tree, its root on the shadow stack.
    fn tree(&mut self, depth: u32) {
        if depth == 0 {
            let leaf = self.node(0);
            return self.roots.push(leaf);
        }
        self.tree(depth - 1);
        self.tree(depth - 1);
        let node = self.node(depth);
        let right = self.roots.pop().expect("pushed");
        let left = self.roots.pop().expect("pushed");
        self.heap.store_u32(node, 12, left.bits());
        self.heap.store_u32(node, 16, right.bits());
        self.roots.push(node);
    }

    fn count(&self, at: Ref) -> u64 {
        if at.is_null() {
            return 0;
        }
        1 + self.count(self.heap.load_ref(at, 12)) + self.count(self.heap.load_ref(at, 16))
    }

    fn report(&self, name: &str, start: Instant) {
        let (seconds, stats) = (start.elapsed().as_secs_f64(), self.heap.stats());
        println!(
            "{name:28} {seconds:7.3} s  {:6.0} MB/s  copied {:6.1} MB  minor {:5} p50 {:?} p99 {:?} max {:?}  full {} p50 {:?} max {:?}",
            stats.bytes_allocated as f64 / 1e6 / seconds,
            stats.bytes_copied as f64 / 1e6,
            stats.minor_collections,
            stats.minor_pauses.quantile(0.5),
            stats.minor_pauses.quantile(0.99),
            stats.minor_pauses.max(),
            stats.full_collections,
            stats.full_pauses.quantile(0.5),
            stats.full_pauses.max(),
        );
    }
}

fn garbage(config: &HeapConfig) {
    let (mut bench, start) = (Bench::new(config.clone()), Instant::now());
    for number in 0..100_000_000 {
        std::hint::black_box(bench.node(number));
    }
    bench.report("garbage", start);
}

fn binary_trees(config: &HeapConfig, depth: u32) {
    let (mut bench, start) = (Bench::new(config.clone()), Instant::now());
    bench.tree(depth);
    let mut total = 0;
    for short in (4..=depth).step_by(4) {
        for _ in 0..1u32 << (depth - short + 4) {
            bench.tree(short);
            let tree = bench.roots.pop().expect("pushed");
            total += bench.count(tree);
        }
    }
    bench.report("binary trees", start);
    std::hint::black_box(total);
}

/// A queue of `len` nodes; each step appends one and drops one.
fn list_churn(config: &HeapConfig, len: u32, steps: u32) {
    let (mut bench, start) = (Bench::new(config.clone()), Instant::now());
    let first = bench.node(0);
    bench.roots.extend([first, first]);
    for step in 0..len + steps {
        let node = bench.node(step);
        bench.heap.store_ref(bench.roots[1], 12, node);
        bench.roots[1] = node;
        if step >= len {
            bench.roots[0] = bench.heap.load_ref(bench.roots[0], 12);
        }
    }
    bench.report("list churn", start);
}

/// A table of `slots` nodes in a large array, replaced at random.
fn table_churn(config: &HeapConfig, slots: u32, steps: u32) {
    let (mut bench, start) = (Bench::new(config.clone()), Instant::now());
    let roots = &mut |_: &mut dyn FnMut(Ref) -> Ref| ();
    let table = bench.heap.alloc_array(REFS, slots, &bench.types, roots).expect("memory");
    bench.roots.push(table);
    let mut random = 1u32;
    for step in 0..steps {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let node = bench.node(step);
        let slot = ((u64::from(random) * u64::from(slots)) >> 32) as u32;
        bench.heap.store_ref(table, 12 + 4 * slot, node);
    }
    bench.report(&format!("table churn, {slots} slots"), start);
}

/// Pauses with `live` bytes reachable while garbage and some survivors are made.
fn pauses(config: &HeapConfig, live: u64) {
    let (mut bench, start) = (Bench::new(config.clone()), Instant::now());
    let depth = 15;
    let trees = live / (24 << (depth + 1));
    for _ in 0..trees {
        bench.tree(depth);
    }
    bench.report(&format!("building {} MB", live / 1_000_000), start);
    let (mut random, start) = (1u64, Instant::now());
    for _ in 0..(trees / 2).max(100) {
        bench.tree(depth);
        let tree = bench.roots.pop().expect("pushed");
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = (random >> 33) as usize % bench.roots.len();
        bench.roots[at] = tree;
        for number in 0..2 << depth {
            std::hint::black_box(bench.node(number));
        }
    }
    bench.collect(Collection::Full);
    bench.report(&format!("churning {} MB", live / 1_000_000), start);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize, default: u32| {
        arguments.get(at).and_then(|text| text.parse::<u32>().ok()).map_or(default, |kib| kib << 10)
    };
    let standard = HeapConfig::default();
    let config = HeapConfig {
        eden: number(1, standard.eden),
        max_eden: number(2, standard.max_eden),
        ages: arguments.get(3).map_or(standard.ages, |text| text == "ages"),
        ..standard
    };
    let wanted = arguments.get(4).map_or("", String::as_str);
    let run = |name: &str, bench: &dyn Fn()| {
        if name.starts_with(wanted) {
            bench();
        }
    };
    run("garbage", &|| garbage(&config));
    run("trees16", &|| binary_trees(&config, 16));
    run("trees20", &|| binary_trees(&config, 20));
    run("list1k", &|| list_churn(&config, 1000, 50_000_000));
    run("list1m", &|| list_churn(&config, 1_000_000, 20_000_000));
    run("table1k", &|| table_churn(&config, 1000, 20_000_000));
    run("table1m", &|| table_churn(&config, 1_000_000, 20_000_000));
    for megabytes in [10, 100, 1000] {
        run(&format!("live{megabytes}"), &|| pauses(&config, megabytes * 1_000_000));
    }
}
