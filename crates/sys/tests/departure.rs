//! Owns the tests of frames that are replaced, and of calls that return elsewhere.
//! Does not test what takes a frame's place: the runtime's tests of leaving do.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;

use sterna_sys::activation::{
    Activation, CalleeSaved, CompiledFrames, Departure, Landing, ReturnRegs, exit_thunk,
    return_thunk,
};

mod guest;

use guest::Ctx;

/// Runs the context's action; returns its second argument plus one.
extern "C" fn body(ctx: &mut Ctx, value: usize) -> usize {
    ctx.act_out();
    value + 1
}

exit_thunk!(fn thunk => body);
return_thunk!(fn stub => returned);

fn address(function: unsafe extern "C" fn()) -> usize {
    (function as *const ()).addr()
}

/// What takes the place of a frame.
extern "C" fn instead(ctx: &mut Ctx, argument: usize) -> usize {
    guest::clobber();
    assert_eq!(ctx.callee, address(guest::call_argument));
    argument + 1
}

/// What `call_checked` gets from a callee that was replaced, with these registers to restore: 0 if they are not its own.
fn replaced(change: impl Fn(&mut CalleeSaved) + 'static) -> usize {
    let mut act = Activation::new();
    let mut ctx = Ctx::new(&mut act);
    ctx.callee = address(guest::call_argument);
    let departure = Rc::new(RefCell::new(Departure::default()));
    let kept = Rc::clone(&departure);
    ctx.action = Some(Box::new(move |ctx| {
        // SAFETY: compiled code waits for this body.
        let frame = unsafe { CompiledFrames::new(ctx.act()) }.next().unwrap();
        let mut saved = *frame.regs.unwrap().callee_saved();
        change(&mut saved);
        let (fp, vmctx) = (frame.fp, (&raw mut *ctx).addr());
        let code = (instead as extern "C" fn(&mut Ctx, usize) -> usize as *const ()).addr();
        kept.replace(Departure { saved, arguments: [vmctx, 41], code });
        // SAFETY: the frame is live; the departure is kept until the test is over.
        let landing = unsafe { Landing::instead_of(fp, &kept.borrow()) };
        // SAFETY: nobody else uses the activation now.
        unsafe { (*ctx.act).landing = landing };
        ctx.set_trap(1);
    }));
    let mut out = 99_usize;
    assert_eq!(ctx.enter(guest::call_checked, address(thunk), (&raw mut out).addr()), 0);
    assert_eq!((act.trap, act.landing.pc, act.entry_sp), (0, 0, 0));
    out
}

#[test]
fn frames_are_replaced_and_their_callers_registers_restored() {
    assert_eq!(replaced(|_| {}), 42);
    for (number, _) in guest::CHECKED {
        assert_eq!(replaced(move |saved| saved.set_gpr(number, 0)), 0, "register {number}");
    }
    for number in [8, 15] {
        let is_saved = CalleeSaved::default().vector(number).is_some();
        let expected = if is_saved { 0 } else { 42 };
        assert_eq!(replaced(move |saved| saved.set_vector(number, 0)), expected, "v{number}");
    }
}

thread_local! {
    static ENTERED: Cell<*mut Ctx> = const { Cell::new(ptr::null_mut()) };
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

extern "C" fn returned(fp: usize, regs: *mut ReturnRegs) -> *mut Activation {
    guest::clobber();
    // SAFETY: the stub has saved them there.
    let regs = unsafe { &mut *regs };
    for (number, value) in guest::CHECKED {
        assert_eq!(regs.saved.gpr(number), Some(value), "register {number}");
    }
    SEEN.set(regs.integers[0]);
    // SAFETY: the context is that of the test that runs on this thread.
    let act = unsafe { (*ENTERED.get()).act };
    // SAFETY: nobody else uses the activation now.
    let act = unsafe { &mut *act };
    regs.pc = act.detours.take(fp).unwrap();
    ptr::null_mut()
}

#[test]
fn calls_return_elsewhere_and_then_where_they_were_made() {
    let mut act = Activation::new();
    let mut ctx = Ctx::new(&mut act);
    ENTERED.set(&mut ctx);
    ctx.callee = address(guest::call_argument);
    ctx.action = Some(Box::new(|ctx| {
        let frames = |act: &Activation| -> Vec<_> {
            // SAFETY: compiled code waits for this body.
            let frames = unsafe { CompiledFrames::new(act) };
            frames.map(|frame| (frame.fp, frame.pc, frame.return_slot)).collect()
        };
        let before = frames(ctx.act());
        let (fp, pc, slot) = before[1];
        // SAFETY: nobody else uses the activation now.
        let detours = unsafe { &mut (*ctx.act).detours };
        // SAFETY: the frame is live.
        unsafe { detours.add(fp, pc, slot.unwrap(), address(stub)) };
        assert_eq!(frames(ctx.act()), before, "nobody sees the stub");
    }));
    let mut out = 99_usize;
    assert_eq!(ctx.enter(guest::call_checked, address(thunk), (&raw mut out).addr()), 0);
    assert_eq!((out as u64, SEEN.get()), (address(thunk) as u64 + 1, address(thunk) as u64 + 1));
}
