//! Owns tests of shared memories: stores on several threads, the memory model, waiting. Nothing depends on how long something takes.
//! Does not own tests of single operators: the official suite and `tests/wast` do that.

use std::thread;

use sterna::{
    Engine, Instance, Limits, Linker, MemoryType, Module, SharedMemory, Store, Trap, TrapCode,
    WasmList,
};

use crate::{each_config, each_tier};

/// Rounds of a litmus test.
const ROUNDS: i32 = 1000;
/// Bytes of a round's variables: two cache lines.
const STRIDE: usize = 128;
/// The first round's.
const BASE: usize = 65536;

/// Functions of two threads, `$me` 0 and 1, that meet before every round. `one` and `two` are what they do in it, with the address of the
/// round's variables in `$at`; they leave what they saw in `$a` and `$b`.
fn litmus(one: &str, two: &str) -> String {
    let thread = |name: &str, body: &str| {
        format!(
            r#"(func (export "{name}") (param $rounds i32)
                (local $round i32) (local $at i32) (local $a i32) (local $b i32)
                (loop $next
                    (call $meet (i32.shl (i32.add (local.get $round) (i32.const 1)) (i32.const 1)))
                    (local.set $at (i32.add (i32.const {BASE}) (i32.mul (local.get $round) (i32.const {STRIDE}))))
                    {body}
                    (br_if $next (i32.lt_u
                        (local.tee $round (i32.add (local.get $round) (i32.const 1))) (local.get $rounds)))))"#
        )
    };
    format!(
        r#"(module
            (import "env" "memory" (memory 4 16 shared))
            ;; Returns when {{$until}} threads have come. Looks a few times before it lets the other thread have the processor.
            (func $meet (param $until i32) (local $tries i32) (local $seen i32)
                (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
                (loop $look
                    (local.set $seen (i32.atomic.load (i32.const 0)))
                    (if (i32.lt_u (local.get $seen) (local.get $until)) (then
                        (if (i32.gt_u (local.tee $tries (i32.add (local.get $tries) (i32.const 1))) (i32.const 200))
                            (then (drop (memory.atomic.wait32 (i32.const 0) (local.get $seen) (i64.const 20000)))))
                        (br $look)))))
            {} {})"#,
        thread("one", one),
        thread("two", two)
    )
}

/// A store with an instance of a module that imports the memory.
fn start(engine: &Engine, memory: &SharedMemory, module: &Module) -> (Store<()>, Instance) {
    let mut store = Store::new(engine, ());
    let mut linker = Linker::new(engine);
    linker.define(&store, "env", "memory", memory.clone()).unwrap();
    let instance = linker.instantiate(&mut store, module).unwrap();
    (store, instance)
}

fn call<P: WasmList, R: WasmList>(
    (mut store, instance): (Store<()>, Instance),
    name: &str,
    params: P,
) -> R {
    instance.get_typed_func::<P, R>(&mut store, name).unwrap().call(&mut store, params).unwrap()
}

fn shared(engine: &Engine, min: u64, max: u64) -> SharedMemory {
    SharedMemory::new(engine, MemoryType::new(min, Some(max)).shared()).unwrap()
}

fn read_u32(memory: &SharedMemory, at: usize) -> u32 {
    let mut bytes = [0; 4];
    memory.read(at, &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

/// Runs both threads and checks what each round leaves in its first two words of results. Under `Auto` the threads have modules of
/// their own, of which one is compiled already: so both tiers are in the race.
fn race(one: &str, two: &str, check: impl Fn(i32, u32, u32)) {
    let text = litmus(one, two);
    each_config(
        |config| {
            config.hot_budget(300);
        },
        |engine| {
            let [first, second] = [0, 1].map(|_| Module::new(engine, &text).unwrap());
            let warm = shared(engine, 4, 16);
            thread::scope(|scope| {
                scope.spawn(|| call::<_, ()>(start(engine, &warm, &first), "one", 400));
                call::<_, ()>(start(engine, &warm, &first), "two", 400);
            });
            Store::new(engine, ()).settle_tiers();
            let memory = shared(engine, 4, 16);
            thread::scope(|scope| {
                scope.spawn(|| call::<_, ()>(start(engine, &memory, &first), "one", ROUNDS));
                call::<_, ()>(start(engine, &memory, &second), "two", ROUNDS);
            });
            for round in 0..ROUNDS {
                let at = BASE + round as usize * STRIDE;
                check(round, read_u32(&memory, at + 8), read_u32(&memory, at + 72));
            }
        },
    );
}

const NOTE_ONE: &str = "(i32.store offset=8 (local.get $at) (local.get $a))";

#[test]
fn a_flag_publishes_what_was_written_before_it() {
    race(
        "(i32.store (local.get $at) (i32.add (local.get $round) (i32.const 7)))
         (i32.atomic.store offset=64 (local.get $at) (i32.const 1))
         (i32.store offset=8 (local.get $at) (i32.const 1))",
        "(local.set $a (i32.atomic.load offset=64 (local.get $at)))
         (local.set $b (i32.load (local.get $at)))
         ;; 1: the flag was not up yet; else what was written.
         (i32.store offset=72 (local.get $at) (select (local.get $b) (i32.const 1) (local.get $a)))",
        |round, _, seen| assert!(seen == 1 || seen == round as u32 + 7, "{round}: {seen}"),
    );
}

#[test]
fn of_two_who_write_and_then_look_one_sees_the_other() {
    let two = "(i32.atomic.store offset=64 (local.get $at) (i32.const 1))
        (local.set $a (i32.atomic.load (local.get $at)))
        (i32.store offset=72 (local.get $at) (local.get $a))";
    let one = format!(
        "(i32.atomic.store (local.get $at) (i32.const 1))
        (local.set $a (i32.atomic.load offset=64 (local.get $at))) {NOTE_ONE}"
    );
    race(&one, two, |round, a, b| assert!(a == 1 || b == 1, "{round}: {a} {b}"));
    // The same with operators that read and write.
    let two = "(drop (i32.atomic.rmw.xchg offset=64 (local.get $at) (i32.const 1)))
        (local.set $a (i32.atomic.rmw.or (local.get $at) (i32.const 0)))
        (i32.store offset=72 (local.get $at) (local.get $a))";
    let one = format!(
        "(drop (i32.atomic.rmw.cmpxchg (local.get $at) (i32.const 0) (i32.const 1)))
        (local.set $a (i32.atomic.rmw.add offset=64 (local.get $at) (i32.const 0))) {NOTE_ONE}"
    );
    race(&one, two, |round, a, b| assert!(a == 1 || b == 1, "{round}: {a} {b}"));
}

#[test]
fn nobody_sees_the_later_of_two_writes_without_the_earlier() {
    race(
        "(i32.atomic.store (local.get $at) (i32.const 1))
         (i32.atomic.store offset=64 (local.get $at) (i32.const 1))",
        "(local.set $b (i32.atomic.load offset=64 (local.get $at)))
         (local.set $a (i32.atomic.load (local.get $at)))
         (i32.store offset=72 (local.get $at)
            (i32.or (local.get $a) (i32.shl (local.get $b) (i32.const 1))))",
        |round, _, seen| assert_ne!(seen, 2, "{round}"),
    );
}

const COUNTERS: &str = r#"(module
    (import "env" "memory" (memory 1 1 shared))
    (func (export "count") (param $times i32) (param $byte i32) (local $old i32) (local $wide i64)
        (loop $next
            ;; A word by compare and exchange.
            (loop $again
                (local.set $old (i32.load (i32.const 0)))
                (br_if $again (i32.ne (local.get $old)
                    (i32.atomic.rmw.cmpxchg (i32.const 0) (local.get $old) (i32.add (local.get $old) (i32.const 1))))))
            ;; Eight bytes, likewise.
            (loop $again
                (local.set $wide (i64.atomic.load (i32.const 8)))
                (br_if $again (i64.ne (local.get $wide)
                    (i64.atomic.rmw.cmpxchg (i32.const 8) (local.get $wide) (i64.sub (local.get $wide) (i64.const 1))))))
            ;; One's own byte and half, beside the others'.
            (drop (i32.atomic.rmw8.add_u offset=16 (local.get $byte) (i32.const 1)))
            (drop (i64.atomic.rmw16.sub_u offset=32 (i32.shl (local.get $byte) (i32.const 1)) (i64.const 1)))
            ;; A bit that two flips leave as it was.
            (drop (i32.atomic.rmw.xor (i32.const 48) (i32.const 5)))
            (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))"#;

#[test]
fn no_update_is_lost() {
    const THREADS: i32 = 4;
    const TIMES: i32 = 2000;
    each_config(
        |config| {
            config.hot_budget(500);
        },
        |engine| {
            let module = Module::new(engine, COUNTERS).unwrap();
            let memory = shared(engine, 1, 1);
            thread::scope(|scope| {
                for byte in 0..THREADS {
                    let (memory, module) = (&memory, &module);
                    scope.spawn(move || {
                        call::<_, ()>(start(engine, memory, module), "count", (TIMES, byte));
                    });
                }
            });
            assert_eq!(read_u32(&memory, 0), (THREADS * TIMES) as u32);
            let mut bytes = [0; 64];
            memory.read(0, &mut bytes).unwrap();
            assert_eq!(bytes[8..16], (-i64::from(THREADS * TIMES)).to_le_bytes());
            assert_eq!(bytes[16..21], [208, 208, 208, 208, 0]);
            for half in bytes[32..40].chunks(2) {
                assert_eq!(half, (-(TIMES as i16)).to_le_bytes());
            }
            assert_eq!(bytes[40..52], [0; 12]);
        },
    );
}

const TURNS: &str = r#"(module
    (import "env" "memory" (memory 1 1 shared))
    (func (export "play") (param $me i32) (param $turns i32)
        (loop $next
            (block $mine (loop $wait
                (br_if $mine (i32.eq (i32.atomic.load (i32.const 0)) (local.get $me)))
                (drop (memory.atomic.wait32 (i32.const 0) (i32.sub (i32.const 1) (local.get $me)) (i64.const -1)))
                (br $wait)))
            ;; Not atomic: it is this thread's turn.
            (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
            (i32.atomic.store (i32.const 0) (i32.sub (i32.const 1) (local.get $me)))
            (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
            (br_if $next (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))))"#;

#[test]
fn threads_wait_for_their_turn() {
    each_config(
        |config| {
            config.hot_budget(200);
        },
        |engine| {
            let module = Module::new(engine, TURNS).unwrap();
            let memory = shared(engine, 1, 1);
            thread::scope(|scope| {
                let (memory, module) = (&memory, &module);
                for me in [0, 1] {
                    scope.spawn(move || {
                        call::<_, ()>(start(engine, memory, module), "play", (me, 500))
                    });
                }
            });
            assert_eq!(read_u32(&memory, 8), 1000);
        },
    );
}

const WAITS: &str = r#"(module
    (import "env" "memory" (memory 1 4 shared))
    (func (export "wait32") (param i32 i32 i64) (result i32)
        (memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2)))
    (func (export "wait64") (param i32 i64 i64) (result i32)
        (memory.atomic.wait64 offset=8 (local.get 0) (local.get 1) (local.get 2)))
    (func (export "notify") (param i32 i32) (result i32)
        (memory.atomic.notify (local.get 0) (local.get 1)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "last") (result i32)
        ;; Waits until another thread has grown the memory, then reads what that has left in the new page.
        (loop $wait (br_if $wait (i32.lt_u (memory.size) (i32.const 2))))
        (loop $wait (br_if $wait (i32.eqz (i32.atomic.load (i32.const 131068)))))
        (i32.load (i32.const 131064))))"#;

#[test]
fn waiting_ends_for_the_reason_that_it_says() {
    each_tier(|engine| {
        let module = Module::new(engine, WAITS).unwrap();
        let memory = shared(engine, 1, 4);
        let run = || start(engine, &memory, &module);
        assert_eq!(call::<_, i32>(run(), "wait32", (0, 1, -1_i64)), 1, "another value");
        assert_eq!(call::<_, i32>(run(), "wait32", (0, 0, 0_i64)), 2, "no time");
        assert_eq!(call::<_, i32>(run(), "wait64", (0, 0_i64, 1000_i64)), 2, "too little time");
        assert_eq!(call::<_, i32>(run(), "notify", (0, 5)), 0, "nobody waits");
        thread::scope(|scope| {
            let threads = [0, 1, 2]
                .map(|_| scope.spawn(|| call::<_, i32>(run(), "wait64", (0, 0_i64, i64::MAX))));
            let mut woken = 0;
            while woken < 3 {
                // The host can wake guests, and so can guests.
                woken += memory.atomic_notify(8, 1);
                woken += call::<_, i32>(run(), "notify", (8, 1)) as u32;
            }
            assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 0));
        });
        for (address, code) in [
            (2, TrapCode::UnalignedAtomic),
            (65536, TrapCode::MemoryOutOfBounds),
            (-4, TrapCode::MemoryOutOfBounds),
        ] {
            let (mut store, instance) = run();
            let wait = instance.get_typed_func::<(i32, i32, i64), i32>(&mut store, "wait32");
            let error = wait.unwrap().call(&mut store, (address, 0, 0)).unwrap_err();
            assert_eq!(error.downcast_ref::<Trap>().unwrap().code(), code);
            let notify = instance.get_typed_func::<(i32, i32), i32>(&mut store, "notify");
            let error = notify.unwrap().call(&mut store, (address, 0)).unwrap_err();
            assert_eq!(error.downcast_ref::<Trap>().unwrap().code(), code);
        }
    });
}

#[test]
fn a_waiting_guest_can_be_interrupted() {
    each_tier(|engine| {
        let module = Module::new(engine, WAITS).unwrap();
        let memory = shared(engine, 1, 4);
        let (mut store, instance) = start(engine, &memory, &module);
        let handle = store.interrupt_handle();
        thread::scope(|scope| {
            let waiting = scope.spawn(move || {
                let wait = instance.get_typed_func::<(i32, i32, i64), i32>(&mut store, "wait32");
                wait.unwrap().call(&mut store, (0, 0, -1)).unwrap_err()
            });
            // Before it waits or while it does: both must end it.
            thread::yield_now();
            handle.time_out();
            let error = waiting.join().unwrap();
            assert_eq!(error.downcast_ref::<Trap>().unwrap().code(), TrapCode::Timeout);
        });
        assert_eq!(memory.atomic_notify(0, 1), 0, "it has left the queue");
    });
}

#[test]
fn growth_is_seen_by_all() {
    each_tier(|engine| {
        let module = Module::new(engine, WAITS).unwrap();
        let memory = shared(engine, 1, 4);
        thread::scope(|scope| {
            let reader =
                scope.spawn(|| call::<_, i32>(start(engine, &memory, &module), "last", ()));
            assert_eq!(call::<_, i32>(start(engine, &memory, &module), "grow", 1), 1);
            memory.write(131064, &77_u32.to_le_bytes()).unwrap();
            memory.atomic_u32(131068).unwrap().store(1, std::sync::atomic::Ordering::SeqCst);
            assert_eq!(reader.join().unwrap(), 77);
        });
        assert_eq!((memory.size(), memory.data_size()), (2, 131072));
        assert_eq!(call::<_, i32>(start(engine, &memory, &module), "grow", 3), -1);
        assert_eq!(memory.grow(2).unwrap(), 2);
        assert!(memory.grow(1).is_err());
        // A store's limit holds for what others have grown, too.
        let mut store = Store::new(engine, ());
        store.limits(Limits { memory_bytes: Some(3 << 16), ..Limits::default() });
        let mut linker = Linker::new(engine);
        linker.define(&store, "env", "memory", memory.clone()).unwrap();
        let error = linker.instantiate(&mut store, &module).unwrap_err();
        assert!(error.to_string().contains("limit"), "{error}");
        let other = shared(engine, 1, 4);
        let mut linker = Linker::new(engine);
        linker.define(&store, "env", "memory", other.clone()).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        other.grow(1).unwrap();
        let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").unwrap();
        assert_eq!(grow.call(&mut store, 2).unwrap(), -1);
        assert_eq!(grow.call(&mut store, 1).unwrap(), 2);
        assert_eq!(grow.call(&mut store, 1).unwrap(), -1);
    });
}

#[test]
fn what_the_host_can_do_with_a_shared_memory() {
    each_tier(|engine| {
        let text = r#"(module (memory (export "m") 1 2 shared) (memory (export "own") 1)
            (data (memory 0) (i32.const 3) "abc"))"#;
        let module = Module::new(engine, text).unwrap();
        // A second instance must not get its data from an image of the first.
        for _ in 0..3 {
            let mut store = Store::new(engine, ());
            let instance = Linker::new(engine).instantiate(&mut store, &module).unwrap();
            assert!(instance.get_memory(&mut store, "m").is_none());
            assert!(instance.get_shared_memory(&mut store, "own").is_none());
            let memory = instance.get_shared_memory(&mut store, "m").unwrap();
            drop(store);
            let mut bytes = [0; 5];
            memory.read(2, &mut bytes).unwrap();
            assert_eq!(&bytes, b"\0abc\0");
            memory.write(65535, b"x").unwrap();
            let error = memory.write(65535, b"xy").unwrap_err();
            assert_eq!(
                error.to_string(),
                "out of bounds: bytes 65535..65537 of a memory of 65536 bytes"
            );
            assert!(memory.read(usize::MAX, &mut bytes).is_err());
            assert!(memory.atomic_u32(65533).is_none() && memory.atomic_u32(65536).is_none());
            assert!(memory.atomic_u64(65528).is_some() && memory.atomic_u64(4).is_none());
        }
        let ty = MemoryType::new(1, Some(2));
        assert!(SharedMemory::new(engine, ty).is_err(), "the type is not shared");
        assert!(SharedMemory::new(engine, MemoryType::new(1, None).shared()).is_err());
        let foreign = shared(&Engine::default(), 1, 2);
        let store = Store::new(engine, ());
        let error = Linker::new(engine).define(&store, "env", "memory", foreign).unwrap_err();
        assert_eq!(error.to_string(), "the shared memory is of another engine");
    });
}
