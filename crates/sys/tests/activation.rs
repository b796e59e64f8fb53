//! Owns the tests of entering and leaving compiled code and of walking its frames.
//! Does not test hardware traps (`signal`).
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::cell::RefCell;
use std::rc::Rc;

use sterna_sys::activation::{
    Activation, CompiledFrames, ENTRY_FP, EntryFrame, Links, exit_thunk, preserve_all_thunk, raise,
    raise_thunk,
};
use sterna_sys::stack::GuestStack;

mod guest;

use guest::{Ctx, function_of};

/// Runs the context's action; returns its second argument plus one.
extern "C" fn body(ctx: &mut Ctx, value: usize) -> usize {
    ctx.act_out();
    value + 1
}

/// Six integers and a float: that none is lost on the way.
extern "C" fn sum_body(_ctx: &mut Ctx, a: u64, b: u64, c: u64, d: u64, e: u64, x: f64) -> f64 {
    (a + 10 * b + 100 * c + 1000 * d + 10000 * e) as f64 + x
}

/// Destroys every register it may, then runs the action.
extern "C" fn slow_body(ctx: &mut Ctx) {
    guest::clobber();
    ctx.act_out();
}

extern "C" fn raise_body(ctx: &mut Ctx, code: u32) {
    ctx.act_out();
    ctx.set_trap(code);
}

exit_thunk!(fn thunk => body);
exit_thunk!(
    /// A thunk with documentation and a path to its body.
    pub fn sum_thunk => self::sum_body
);
preserve_all_thunk!(fn slow_thunk => slow_body);
raise_thunk!(fn trap_thunk => raise_body);

fn address(function: unsafe extern "C" fn()) -> usize {
    (function as *const ()).addr()
}

fn links(act: &Activation) -> [usize; 4] {
    [act.entry_sp, act.exit_fp, act.exit_pc, act.exit_regs]
}

#[test]
fn code_is_entered_and_returns() {
    let mut act = Activation::new();
    let mut ctx = Ctx::new(&mut act);
    let mut out = 0_usize;
    assert_eq!(ctx.enter(guest::increment, 41, (&raw mut out).addr()), 0);
    assert_eq!(out, 42);
    assert_eq!(links(&act), [0; 4]);
}

#[test]
fn thunks_pass_arguments_results_and_registers() {
    let mut act = Activation::new();
    let mut ctx = Ctx::new(&mut act);
    let mut out = 0_usize;
    ctx.callee = address(thunk);
    assert_eq!(ctx.enter(guest::call_checked, 41, (&raw mut out).addr()), 0);
    assert_eq!(out, 42);
    // SAFETY: the thunk has this signature but for its name.
    let direct = unsafe {
        std::mem::transmute::<
            unsafe extern "C" fn(),
            extern "C" fn(&mut Ctx, u64, u64, u64, u64, u64, f64) -> f64,
        >(sum_thunk)
    };
    assert_eq!(direct(&mut ctx, 1, 2, 3, 4, 5, 0.5), 54321.5);
    assert_eq!(act.entry_sp, 0);
}

#[test]
fn a_body_raises_by_setting_the_trap() {
    let mut act = Activation::new();
    let mut ctx = Ctx::new(&mut act);
    ctx.callee = address(thunk);
    ctx.action = Some(Box::new(|ctx| ctx.set_trap(17)));
    let mut out = 5_usize;
    for _ in 0..3 {
        assert_eq!(ctx.enter(guest::call_checked, 41, (&raw mut out).addr()), 17);
        assert_eq!(out, 5, "the guest's code after the call was not run");
        assert_eq!((links(ctx.act()), ctx.act().trap), ([0; 4], 0));
    }
    // The next entry starts clean.
    ctx.action = None;
    assert_eq!(ctx.enter(guest::call_checked, 41, (&raw mut out).addr()), 0);
    assert_eq!(out, 42);
}

#[test]
fn raise_thunks_carry_their_code() {
    let mut act = Activation::new();
    let mut ctx = Ctx::new(&mut act);
    ctx.callee = address(trap_thunk);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&seen);
    ctx.action = Some(Box::new(move |ctx| note.borrow_mut().extend(walk(ctx.act()))));
    assert_eq!(ctx.enter(guest::call_raise, 99, 0), 99);
    assert_eq!(seen.borrow().as_slice(), [address(guest::call_raise)]);
}

#[test]
fn raise_itself_cuts_back_to_the_entry() {
    extern "C" fn give_up(ctx: &mut Ctx) {
        ctx.set_trap(3);
        // SAFETY: entered, and this function owns nothing.
        unsafe { raise(ctx.act) }
    }
    let mut act = Activation::new();
    let mut ctx = Ctx::new(&mut act);
    ctx.callee = (give_up as extern "C" fn(&mut Ctx) as *const ()).addr();
    assert_eq!(ctx.enter(guest::call_callee, 0, 0), 3);
    assert_eq!(act.entry_sp, 0);
}

#[test]
fn slow_paths_preserve_every_register() {
    let mut act = Activation::new();
    let mut ctx = Ctx::new(&mut act);
    ctx.callee = address(slow_thunk);
    let mut clobbered = 99_usize;
    assert_eq!(ctx.enter(guest::count_clobbers, 1 << 40, (&raw mut clobbered).addr()), 0);
    assert_eq!(clobbered, 0);
    // The same function notices when they are not preserved.
    ctx.callee = address(thunk);
    assert_eq!(ctx.enter(guest::count_clobbers, 1 << 40, (&raw mut clobbered).addr()), 0);
    assert!(clobbered > 0);
    // And the slow path can raise.
    ctx.callee = address(slow_thunk);
    ctx.action = Some(Box::new(|ctx| ctx.set_trap(8)));
    assert_eq!(ctx.enter(guest::count_clobbers, 1 << 40, (&raw mut clobbered).addr()), 8);
}

#[test]
fn slow_paths_show_every_register() {
    let mut act = Activation::new();
    let mut ctx = Ctx::new(&mut act);
    ctx.callee = address(slow_thunk);
    let seen = Rc::new(RefCell::new(0));
    let count = Rc::clone(&seen);
    let base = 1_u64 << 40;
    ctx.action = Some(Box::new(move |ctx| {
        let vmctx = (&raw mut *ctx).addr() as u64;
        // SAFETY: compiled code waits for this body.
        let frame = unsafe { CompiledFrames::new(ctx.act()) }.next().unwrap();
        let all = frame.regs.unwrap().all().unwrap();
        for &number in guest::COUNTED {
            assert_eq!(all.gpr(number), Some(base + u64::from(number)), "register {number}");
        }
        assert_eq!(all.gpr(guest::VMCTX), Some(vmctx));
        assert_eq!(guest::ABSENT.map(|number| all.gpr(number)), [None; 3]);
        let double = u128::from(base + 2);
        assert_eq!(
            (all.vector(7), all.vector(15)),
            (Some(u128::from(base + 1)), Some(double << 64 | double))
        );
        assert_eq!(
            (all.vector(guest::VECTORS - 1).is_some(), all.vector(guest::VECTORS)),
            (true, None)
        );
        *count.borrow_mut() += 1;
    }));
    let mut clobbered = 99_usize;
    assert_eq!(ctx.enter(guest::count_clobbers, 1 << 40, (&raw mut clobbered).addr()), 0);
    assert_eq!((*seen.borrow(), clobbered), (1, 0));
}

/// The functions of the live compiled frames.
fn walk(act: &Activation) -> Vec<usize> {
    // SAFETY: called in bodies of thunks only (or with nothing entered).
    unsafe { CompiledFrames::new(act) }
        .map(|frame| function_of(frame.pc - usize::from(!frame.exact)))
        .collect()
}

#[test]
fn frames_are_walked_across_entries() {
    let mut act = Activation::new();
    assert_eq!(walk(&act), []);
    let mut ctx = Ctx::new(&mut act);
    ctx.callee = address(thunk);
    let log = Rc::new(RefCell::new(Vec::new()));
    let inner_log = Rc::clone(&log);
    // Outer body: walk, enter again (innermost body: walk, trap), walk again.
    ctx.action = Some(Box::new(move |ctx| {
        inner_log.borrow_mut().push(walk(ctx.act()));
        let innermost = Rc::clone(&inner_log);
        ctx.action = Some(Box::new(move |ctx| {
            innermost.borrow_mut().push(walk(ctx.act()));
            segments(ctx.act());
            ctx.set_trap(4);
        }));
        assert_eq!(ctx.enter(guest::call_argument, address(guest::call_callee), 0), 4);
        inner_log.borrow_mut().push(walk(ctx.act()));
        // A thunk entered as code has no compiled frame of its own.
        let innermost = Rc::clone(&inner_log);
        ctx.action = Some(Box::new(move |ctx| innermost.borrow_mut().push(walk(ctx.act()))));
        assert_eq!(ctx.enter(thunk, 0, 0), 0);
    }));
    let mut out = 0_usize;
    assert_eq!(
        ctx.enter(guest::call_argument, address(guest::call_checked), (&raw mut out).addr()),
        0
    );
    let outer = [address(guest::call_checked), address(guest::call_argument)];
    let inner = [address(guest::call_callee), address(guest::call_argument)];
    let expected = vec![outer.to_vec(), [inner, outer].concat(), outer.to_vec(), outer.to_vec()];
    assert_eq!(*log.borrow(), expected);
    assert_eq!(walk(&act), []);
}

/// Two segments of two frames: which entries, and which registers each shows.
fn segments(act: &Activation) {
    // SAFETY: called in the body of a thunk.
    let frames: Vec<_> = unsafe { CompiledFrames::new(act) }.collect();
    assert_eq!(frames.len(), 4);
    assert!(frames.iter().all(|frame| !frame.exact));
    assert_eq!(
        frames.iter().map(|frame| frame.regs.is_some()).collect::<Vec<_>>(),
        [true, false, true, false]
    );
    assert_eq!((frames[0].entry, frames[1].entry), (act.entry_sp, act.entry_sp));
    // SAFETY: the entry is live.
    let entry = unsafe { &*(act.entry_sp as *const EntryFrame) };
    assert_eq!((frames[2].entry, frames[3].entry), (entry.entry_sp, entry.entry_sp));
    assert!(frames.windows(2).all(|pair| pair[0].fp < pair[1].fp), "one stack, innermost first");
    assert!(frames[3].fp < frames[3].entry + ENTRY_FP);
    // The outer segment was left in `call_checked`.
    let regs = frames[2].regs.unwrap();
    assert!(regs.all().is_none());
    let saved = regs.callee_saved();
    for (number, value) in guest::CHECKED {
        assert_eq!(saved.gpr(number), Some(value));
    }
    assert_eq!(saved.gpr(guest::UNSAVED), None);
}

#[test]
fn nested_traps_unwind_one_entry_each() {
    fn nest(ctx: &mut Ctx, depth: u32) {
        if depth == 0 {
            ctx.set_trap(1000);
            return;
        }
        ctx.action = Some(Box::new(move |ctx| nest(ctx, depth - 1)));
        let code = ctx.enter(guest::call_callee, 0, 0);
        // Every level sees the trap of the one above and passes it on, one higher.
        ctx.set_trap(code + 1);
    }
    let mut act = Activation::new();
    let mut ctx = Ctx::new(&mut act);
    ctx.callee = address(thunk);
    nest(&mut ctx, 50);
    assert_eq!((act.trap, links(&act)), (1050, [0; 4]));
}

#[test]
fn compiled_code_runs_on_a_guest_stack() {
    let stack = GuestStack::new(256 << 10, 4096).unwrap();
    let mut act =
        Activation { native_limit: stack.native_limit(64 << 10).addr(), ..Activation::new() };
    let mut ctx = Ctx::new(&mut act);
    ctx.callee = address(thunk);
    let native = stack.native_limit(0).addr()..stack.native_top().addr();
    ctx.action = Some(Box::new(move |ctx| {
        assert!(native.contains(&ctx.act().exit_fp));
        assert_eq!(walk(ctx.act()), [address(guest::call_callee)]);
        ctx.set_trap(6);
    }));
    assert_eq!(stack.call_on_stack(|| ctx.enter(guest::call_callee, 0, 0)), 6);
}

#[test]
fn links_are_swapped() {
    let own = Activation {
        entry_sp: 1,
        native_limit: 2,
        exit_fp: 3,
        exit_pc: 4,
        exit_regs: 8,
        ..Activation::new()
    };
    let mut act = Activation { trap: 9, ..own };
    let mut other =
        Links { entry_sp: 11, native_limit: 12, exit_fp: 13, exit_pc: 14, exit_regs: 16 };
    act.swap_links(&mut other);
    assert_eq!((links(&act), act.native_limit, act.trap), ([11, 13, 14, 16], 12, 9));
    assert_eq!(other, Links { entry_sp: 1, native_limit: 2, exit_fp: 3, exit_pc: 4, exit_regs: 8 });
}
