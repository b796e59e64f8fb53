//! Owns the tests of guest stacks and of switching between stacks.
//! Does not test compiled code on them (`activation`).
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use sterna_sys::activation::stack_pointer;
use sterna_sys::stack::{Context, GuestStack, StackPool, on_stack};
use sterna_sys::vm::page_size;

const KIB: usize = 1024;

fn on_native(stack: &GuestStack, address: usize) -> bool {
    (stack.native_limit(0).addr()..stack.native_top().addr()).contains(&address)
}

#[test]
fn both_stacks_are_writable_to_their_ends() {
    let stack = GuestStack::new(100 * KIB, 50 * KIB).unwrap();
    let native = stack.native_limit(0).addr()..stack.native_top().addr();
    let value = stack.value_base().addr()..stack.value_end().addr();
    assert_eq!((native.len(), value.len()), (100 * KIB, 52 * KIB));
    assert_eq!(stack.native_limit(4096).addr(), native.start + 4096);
    for range in [native, value] {
        for address in [range.start, range.end - 1] {
            // SAFETY: both stacks are readable and writable, and nobody runs on them.
            unsafe { ptr::write_volatile(address as *mut u8, 1) };
        }
    }
}

#[test]
#[should_panic(expected = "no room to reserve")]
fn a_reserve_must_fit() {
    let _ = GuestStack::new(16 * KIB, 1).unwrap().native_limit(16 * KIB);
}

#[test]
fn on_stack_runs_there_and_comes_back() {
    extern "C" fn note(arg: *mut u8) {
        // SAFETY: the test passes a pointer to its own variable.
        unsafe { *arg.cast::<usize>() = stack_pointer() };
    }
    let stack = GuestStack::new(64 * KIB, 1).unwrap();
    let mut noted = 0_usize;
    // SAFETY: the stack is free and large enough; `note` does not unwind.
    unsafe { on_stack(stack.native_top(), note, (&raw mut noted).cast()) };
    assert!(on_native(&stack, noted));
    assert!(!on_native(&stack, stack_pointer()));
}

#[test]
fn calls_return_values_and_panics() {
    let stack = GuestStack::new(256 * KIB, 1).unwrap();
    let text = String::from("moved in");
    let (address, back) = stack.call_on_stack(move || (stack_pointer(), text + " and out"));
    assert!(on_native(&stack, address));
    assert_eq!(back, "moved in and out");
    for round in 0..3 {
        let payload = catch_unwind(AssertUnwindSafe(|| {
            stack.call_on_stack(|| -> u32 { panic!("round {round}") })
        }));
        assert_eq!(*payload.unwrap_err().downcast::<String>().unwrap(), format!("round {round}"));
    }
    assert_eq!(stack.call_on_stack(|| 5), 5);
}

#[test]
fn stacks_nest_and_reentry_is_refused() {
    let stacks = [(); 3].map(|()| GuestStack::new(256 * KIB, 1).unwrap());
    let sum = stacks[0].call_on_stack(|| {
        let inner = stacks[1].call_on_stack(|| {
            let caught = catch_unwind(AssertUnwindSafe(|| stacks[0].call_on_stack(|| 1)));
            assert!(caught.is_err(), "stack 0 is in use");
            stacks[2].call_on_stack(|| 1 + usize::from(on_native(&stacks[2], stack_pointer())))
        });
        inner + usize::from(on_native(&stacks[0], stack_pointer()))
    });
    assert_eq!(sum, 3);
}

#[test]
fn work_can_go_back_to_the_host_stack() {
    let stack = GuestStack::new(128 * KIB, 1).unwrap();
    // Far more than the guest stack holds.
    fn deep(level: usize) -> usize {
        let filler = std::hint::black_box([level as u8; 1024]);
        if level == 0 { 0 } else { 1 + deep(level - 1) + usize::from(filler[1]) - level % 256 }
    }
    let marker = Cell::new(0);
    let result = stack.call_on_stack(|| {
        let before = stack_pointer();
        let depth = stack.call_on_host(|| {
            marker.set(stack_pointer());
            deep(500)
        });
        assert!(on_native(&stack, before));
        let caught =
            catch_unwind(AssertUnwindSafe(|| stack.call_on_host(|| panic!("from the host stack"))));
        assert!(caught.is_err());
        depth
    });
    assert_eq!(result, 500);
    assert!(!on_native(&stack, marker.get()) && marker.get() != 0);
    assert_eq!(stack.call_on_host(|| 3), 3, "without a call it just runs");
}

/// Adds up what it is sent until it gets 0; then ends.
unsafe extern "C" fn adder(context: *mut Context, arg: *mut u8, value: usize) -> ! {
    let (mut sum, mut value) = (arg as usize, value);
    while value != 0 {
        sum += value;
        // SAFETY: we run in `context`.
        value = unsafe { Context::suspend(context, sum) };
    }
    // SAFETY: as above.
    unsafe { Context::suspend(context, usize::MAX) };
    unreachable!("a context that has ended is not resumed")
}

#[test]
fn contexts_suspend_and_resume() {
    let stacks = [(); 3].map(|()| GuestStack::new(64 * KIB, 1).unwrap());
    let mut contexts = [0, 1, 2].map(|at: usize| {
        // SAFETY: the stack is free and outlives the context.
        unsafe { Context::new(stacks[at].native_top(), adder, (1000 * at) as *mut u8) }
    });
    for round in 1..=100 {
        for (at, context) in contexts.iter_mut().enumerate() {
            // SAFETY: suspended, not ended.
            let sum = unsafe { Context::resume(context, at + 1) };
            assert_eq!(sum, 1000 * at + round * (at + 1));
        }
    }
    for context in &mut contexts {
        // SAFETY: suspended, not ended; not resumed again.
        assert_eq!(unsafe { Context::resume(context, 0) }, usize::MAX);
    }
}

/// Resumes the adder it finds at `arg`, twice per resumption, and passes on its sum.
unsafe extern "C" fn relay(context: *mut Context, arg: *mut u8, value: usize) -> ! {
    let mut value = value;
    loop {
        for _ in 0..2 {
            // SAFETY: the test passes a suspended context as argument.
            value = unsafe { Context::resume(arg.cast(), value) };
        }
        // SAFETY: we run in `context`.
        value = unsafe { Context::suspend(context, value) };
    }
}

#[test]
fn contexts_nest() {
    let stacks = [(); 2].map(|()| GuestStack::new(64 * KIB, 1).unwrap());
    // SAFETY: the stack is free and outlives the context.
    let mut inner = unsafe { Context::new(stacks[0].native_top(), adder, ptr::null_mut()) };
    // SAFETY: as above.
    let mut outer = unsafe { Context::new(stacks[1].native_top(), relay, (&raw mut inner).cast()) };
    // 5, then 5 + 5; the relay returns 10. Then 10 + 1 = 11, 11 + 11 = 22.
    for (sent, got) in [(5, 10), (1, 22)] {
        // SAFETY: suspended; the relay never ends.
        assert_eq!(unsafe { Context::resume(&mut outer, sent) }, got);
    }
}

/// Runs a panicking closure under `catch_unwind` on its own stack and reports that it was caught.
unsafe extern "C" fn catcher(context: *mut Context, _arg: *mut u8, _value: usize) -> ! {
    let caught = catch_unwind(|| panic!("stays on this stack")).is_err();
    // SAFETY: we run in `context`.
    unsafe { Context::suspend(context, usize::from(caught)) };
    unreachable!("a context that has ended is not resumed")
}

#[test]
fn panics_stay_within_a_context() {
    let stack = GuestStack::new(256 * KIB, 1).unwrap();
    // SAFETY: the stack is free and outlives the context.
    let mut context = unsafe { Context::new(stack.native_top(), catcher, ptr::null_mut()) };
    // SAFETY: suspended, resumed once.
    assert_eq!(unsafe { Context::resume(&mut context, 0) }, 1);
}

#[test]
fn the_pool_reuses_and_trims() {
    let pool = StackPool::new(64 * KIB, 64 * KIB, 2, 8 * KIB);
    let stacks = [(); 3].map(|()| pool.get().unwrap());
    let value = |stack: &GuestStack, at: usize| stack.value_base().wrapping_add(at);
    for stack in &stacks {
        for at in [0, 20 * KIB] {
            // SAFETY: within the value stack, which nobody uses.
            unsafe { ptr::write_volatile(value(stack, at), 1) };
        }
    }
    for stack in stacks {
        pool.put(stack);
    }
    assert_eq!(pool.idle(), 2);
    let again = pool.get().unwrap();
    // SAFETY: within the value stack.
    let kept = unsafe { ptr::read_volatile(value(&again, 0)) };
    // SAFETY: as above.
    let dropped = unsafe { ptr::read_volatile(value(&again, 20 * KIB)) };
    assert_eq!((kept, dropped), (1, 0));
    assert_eq!(pool.idle(), 1);
    assert!(page_size() <= 8 * KIB);
}
