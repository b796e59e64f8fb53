//! Owns tests of guests with threads as an embedder sees them.
//! Does not own those of the command line (`tests/cli/threads.wat`).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use sterna::{Config, Engine, Limits, Module, Tier, Trap, TrapCode};
use sterna_wasi::{Halt, ThreadOptions, WasiCtx, WasiThreads, wants_threads};

const GUEST: &str = r#"(module
    (import "env" "memory" (memory 1 4 shared))
    (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (export "memory" (memory 0))
    (data (i32.const 16) "\20\00\00\00\04\00\00\00")
    (func (export "wasi_thread_start") (param $tid i32) (param $what i32)
        (if (i32.eq (local.get $what) (i32.const 1)) (then (call $exit (i32.const 3))))
        (if (i32.eq (local.get $what) (i32.const 2)) (then (unreachable)))
        (if (i32.eq (local.get $what) (i32.const 3)) (then (loop $forever (br $forever))))
        ;; Tells what it has read from the socket.
        (if (i32.eq (local.get $what) (i32.const 4)) (then
            (drop (call $read (i32.const 3) (i32.const 16) (i32.const 1) (i32.const 48)))
            (i32.atomic.store (i32.const 0) (i32.load (i32.const 32)))
            (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))))
    (func (export "spawn") (param i32) (result i32) (call $spawn (local.get 0)))
    (func (export "spin") (param i32) (drop (call $spawn (local.get 0))) (loop $forever (br $forever)))
    (func (export "wait") (param i32)
        (drop (call $spawn (local.get 0)))
        (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1))))
    (func (export "read") (param i32)
        (drop (call $spawn (local.get 0)))
        (drop (call $read (i32.const 3) (i32.const 16) (i32.const 1) (i32.const 48))))
    (func (export "random") (result i32) (call $random (i32.const 65530) (i32.const 6)))
    (func (export "told") (result i32)
        (loop $again
            (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
            (br_if $again (i32.eqz (i32.atomic.load (i32.const 0)))))
        (i32.atomic.load (i32.const 0))))"#;

fn each_tier(test: impl Fn(&Module)) {
    for tier in [Tier::Interp, Tier::Opt, Tier::Auto] {
        let mut config = Config::new();
        config.tier(tier).interruptible(true).hot_budget(2);
        let module = Module::new(&Engine::new(&config).unwrap(), GUEST).unwrap();
        assert!(wants_threads(&module));
        test(&module);
    }
}

/// A context with a socket, and the socket's other end.
fn context() -> (WasiCtx, std::os::unix::net::UnixStream) {
    let (ours, guests) = std::os::unix::net::UnixStream::pair().unwrap();
    (WasiCtx::builder().socket(OwnedFd::from(guests)).build().unwrap(), ours)
}

#[test]
fn a_thread_ends_the_others_wherever_they_are() {
    each_tier(|module| {
        for first in ["spin", "wait", "read"] {
            for (what, halt) in [(1, Some(Halt::Exit(3))), (2, None)] {
                let (ctx, _other) = context();
                let ends = Arc::new(AtomicU32::new(0));
                let count = ends.clone();
                let on_end = move |_: &sterna::Error| {
                    count.fetch_add(1, Ordering::SeqCst);
                };
                let options =
                    ThreadOptions { on_end: Some(Box::new(on_end)), ..ThreadOptions::default() };
                let guest = WasiThreads::new(ctx, module, options).unwrap();
                let mut store = guest.first_store();
                let instance = guest.linker().instantiate(&mut store, module).unwrap();
                let run = instance.get_typed_func::<i32, ()>(&mut store, first).unwrap();
                let error = run.call(&mut store, what).unwrap_err();
                let trap = error.downcast_ref::<Trap>().map(Trap::code);
                match first {
                    "read" => assert!(
                        error.downcast_ref() == Some(&Halt::Interrupted)
                            || trap == Some(TrapCode::Interrupt),
                        "{error:?}"
                    ),
                    _ => assert_eq!(trap, Some(TrapCode::Interrupt), "{error:?}"),
                }
                assert_eq!(ends.load(Ordering::SeqCst), 1);
                let end = guest.end().unwrap();
                assert_eq!(end.downcast_ref::<Halt>(), halt.as_ref());
                let trap = end.downcast_ref::<Trap>().map(Trap::code);
                assert_eq!(trap, halt.is_none().then_some(TrapCode::Unreachable));
                assert!(guest.end().is_none());
                let spawn = instance.get_typed_func::<i32, i32>(&mut store, "spawn").unwrap();
                // The interruption that a call of WASI has noticed first is still to come.
                let spawned = spawn.call(&mut store, 0);
                assert!(!matches!(spawned, Ok(tid) if tid > 0), "it has ended");
            }
        }
    });
}

#[test]
fn a_call_that_blocks_does_not_keep_others_from_theirs() {
    each_tier(|module| {
        let (ctx, other) = context();
        let guest = WasiThreads::new(ctx, module, ThreadOptions::default()).unwrap();
        let mut store = guest.first_store();
        let instance = guest.linker().instantiate(&mut store, module).unwrap();
        let spawn = instance.get_typed_func::<i32, i32>(&mut store, "spawn").unwrap();
        assert_eq!(spawn.call(&mut store, 4).unwrap(), 1);
        let random = instance.get_typed_func::<(), i32>(&mut store, "random").unwrap();
        for _ in 0..20 {
            assert_eq!(random.call(&mut store, ()).unwrap(), 0);
        }
        std::io::Write::write_all(&mut &other, b"abcd").unwrap();
        let told = instance.get_typed_func::<(), i32>(&mut store, "told").unwrap();
        assert_eq!(told.call(&mut store, ()).unwrap().to_le_bytes(), *b"abcd");
    });
}

#[test]
fn threads_are_limited_and_can_be_stopped() {
    each_tier(|module| {
        let (ctx, _other) = context();
        let limits = Limits { memory_bytes: Some(1 << 16), ..Limits::default() };
        let options = ThreadOptions { max_threads: 2, limits, ..ThreadOptions::default() };
        let guest = WasiThreads::new(ctx, module, options).unwrap();
        let mut store = guest.first_store();
        let instance = guest.linker().instantiate(&mut store, module).unwrap();
        let spawn = instance.get_typed_func::<i32, i32>(&mut store, "spawn").unwrap();
        assert_eq!([3, 3].map(|what| spawn.call(&mut store, what).unwrap()), [1, 2]);
        assert!(spawn.call(&mut store, 3).unwrap() < 0);
        let (sender, stopped) = mpsc::channel();
        let stop = guest.clone();
        std::thread::spawn(move || {
            stop.stop();
            sender.send(()).unwrap();
        });
        let spin = instance.get_typed_func::<i32, ()>(&mut store, "spin").unwrap();
        let error = spin.call(&mut store, 3).unwrap_err();
        assert_eq!(error.downcast_ref::<Trap>().map(Trap::code), Some(TrapCode::Interrupt));
        stopped.recv().unwrap();
        assert!(guest.end().is_none(), "no thread has ended it");
    });
}

/// Libraries store a thread's number when `thread-spawn` has returned, and the thread overwrites it at its end. Nothing promises them that
/// order, but it has to be rare that a thread which does nothing else is faster.
#[test]
fn the_shortest_thread_ends_after_its_number_is_stored() {
    const SPAWNS: i32 = 400;
    let text = r#"(module
        (import "env" "memory" (memory 1 1 shared))
        (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
        (func (export "wasi_thread_start") (param $tid i32) (param $slot i32)
            (i32.atomic.store (local.get $slot) (i32.const 1))
            (drop (memory.atomic.notify (local.get $slot) (i32.const 1))))
        ;; How many of the threads have ended before their starter went on.
        (func (export "early") (param $left i32) (result i32) (local $slot i32) (local $early i32)
            (loop $again
                (local.set $slot (i32.shl (local.get $left) (i32.const 2)))
                (if (i32.lt_s (call $spawn (local.get $slot)) (i32.const 1)) (then (unreachable)))
                (local.set $early (i32.add (local.get $early) (i32.atomic.load (local.get $slot))))
                (drop (memory.atomic.wait32 (local.get $slot) (i32.const 0) (i64.const -1)))
                (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
            (local.get $early)))"#;
    for tier in [Tier::Interp, Tier::Opt] {
        let module = Module::new(&Engine::new(Config::new().tier(tier)).unwrap(), text).unwrap();
        let (ctx, _other) = context();
        let guest = WasiThreads::new(ctx, &module, ThreadOptions::default()).unwrap();
        let mut store = guest.first_store();
        let instance = guest.linker().instantiate(&mut store, &module).unwrap();
        let early = instance.get_typed_func::<i32, i32>(&mut store, "early").unwrap();
        let early = early.call(&mut store, SPAWNS).unwrap();
        assert!(early <= SPAWNS / 40, "{early} of {SPAWNS}, {tier:?}");
    }
}
