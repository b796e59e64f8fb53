//! Owns the tests of hardware traps, and that faults which are not ours end as they would without us.
//! Does not test frames and thunks without traps (`activation`).
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{mem, ptr};

use sterna_sys::activation::{Activation, CompiledFrames, exit_thunk};
use sterna_sys::signal::{self, CodeHandle, TrapInfo, register_code, unregister_code};
use sterna_sys::stack::GuestStack;
use sterna_sys::vm::{Reservation, page_size};

mod guest;

use guest::{Ctx, GUEST_BYTES, function_of};

/// What the hook saw.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    trap: u32,
    functions: Vec<usize>,
    exact: Vec<bool>,
    marked: (u64, u64, u128),
    here: usize,
}

thread_local! {
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn hook(act: *mut Activation) {
    // SAFETY: hooks get a live activation.
    let act = unsafe { &*act };
    // SAFETY: compiled code is suspended at the trap.
    let frames: Vec<_> = unsafe { CompiledFrames::new(act) }.collect();
    let all = frames[0].regs.unwrap().all().unwrap();
    SEEN.with_borrow_mut(|seen| {
        seen.push(Seen {
            trap: act.trap,
            functions: frames
                .iter()
                .map(|frame| function_of(frame.pc - usize::from(!frame.exact)))
                .collect(),
            exact: frames.iter().map(|frame| frame.exact).collect(),
            marked: (
                all.gpr(guest::MARKED.0).unwrap(),
                all.gpr(guest::MARKED.1).unwrap(),
                all.vector(3).unwrap(),
            ),
            here: sterna_sys::activation::stack_pointer(),
        });
    });
}

fn seen() -> Vec<Seen> {
    SEEN.take()
}

fn address(function: unsafe extern "C" fn()) -> usize {
    (function as *const ()).addr()
}

/// Every instruction traps with the code that is the data.
unsafe fn always(data: *const u8, _pc: usize) -> Option<TrapInfo> {
    Some(TrapInfo { code: data.addr() as u32 })
}

/// Registers one guest function, for the life of the value.
struct Registered(Option<CodeHandle>);

impl Registered {
    fn new(function: unsafe extern "C" fn(), code: u32) -> Registered {
        let start = address(function);
        // SAFETY: `always` reads nothing; the function is entered by `enter_compiled` only.
        Registered(Some(unsafe {
            register_code(
                start,
                start + GUEST_BYTES,
                always,
                ptr::without_provenance(code as usize),
            )
        }))
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(unregister_code);
    }
}

/// Prepares process and thread, then runs `test` with a context whose activation is current.
fn with_current<R>(test: impl FnOnce(&mut Ctx) -> R) -> R {
    signal::install(hook).unwrap();
    signal::prepare_thread().unwrap();
    let mut act = Activation::new();
    // SAFETY: reset below, before the activation dies.
    let before = unsafe { signal::set_current(&mut act) };
    assert_eq!(signal::current(), &raw mut act);
    let result = test(&mut Ctx::new(&mut act));
    // SAFETY: the one before is null or belongs to a caller.
    assert_eq!(unsafe { signal::set_current(before) }, &raw mut act);
    result
}

/// The registrations of the tests must not overlap in time, since they share functions.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn an_undefined_instruction_traps() {
    let _alone = alone();
    let _registered = Registered::new(guest::undefined, 11);
    with_current(|ctx| {
        for value in [5_usize, 1 << 50] {
            assert_eq!(ctx.enter(guest::undefined, value, 0), 11);
            let act = ctx.act();
            assert_eq!((act.trap, act.entry_sp, act.exit_fp), (0, 0, 0));
            assert_eq!(function_of(act.trap_pc), address(guest::undefined));
            let [seen] = seen().try_into().unwrap();
            assert_eq!((seen.trap, seen.exact), (11, vec![true]));
            assert_eq!(seen.functions, [address(guest::undefined)]);
            assert_eq!(seen.marked, (0x1234, value as u64, value as u128));
        }
    });
}

#[test]
fn loads_from_a_guard_page_trap_with_their_address() {
    let _alone = alone();
    let _registered = Registered::new(guest::load, 12);
    let memory = Reservation::new(4 * page_size()).unwrap();
    memory.commit(0..page_size()).unwrap();
    with_current(|ctx| {
        let mut out = 1_usize;
        assert_eq!(ctx.enter(guest::load, memory.base().addr() + 8, (&raw mut out).addr()), 0);
        assert_eq!(out, 0);
        for at in [page_size(), 2 * page_size() + 104] {
            let address = memory.base().addr() + at;
            assert_eq!(ctx.enter(guest::load, address, (&raw mut out).addr()), 12);
            assert_eq!(ctx.act().trap_addr, address);
        }
        assert_eq!(seen().len(), 2);
    });
}

/// On aarch64, division does not trap.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_division_by_zero_traps() {
    let _alone = alone();
    let _registered = Registered::new(guest::divide, 13);
    with_current(|ctx| {
        let mut out = 0_usize;
        assert_eq!(ctx.enter(guest::divide, 2, (&raw mut out).addr()), 0);
        assert_eq!(out, 3);
        assert_eq!(ctx.enter(guest::divide, 0, (&raw mut out).addr()), 13);
        assert_eq!((out, seen().len()), (3, 1));
    });
}

extern "C" fn body(ctx: &mut Ctx) {
    ctx.act_out();
}

exit_thunk!(fn thunk => body);

#[test]
fn a_trap_shows_the_frames_below_and_unwinds_one_entry() {
    let _alone = alone();
    let _registered = Registered::new(guest::undefined, 14);
    with_current(|ctx| {
        ctx.callee = address(thunk);
        ctx.action = Some(Box::new(|ctx| {
            assert_eq!(ctx.enter(guest::call_argument, address(guest::undefined), 0), 14);
            // Handled here: the outer code goes on.
        }));
        assert_eq!(ctx.enter(guest::call_callee, 0, 0), 0);
        let [seen] = seen().try_into().unwrap();
        assert_eq!(
            seen.functions,
            [guest::undefined, guest::call_argument, guest::call_callee].map(address)
        );
        assert_eq!(seen.exact, [true, false, false]);
    });
}

#[test]
fn the_hook_runs_on_the_stack_that_trapped() {
    let _alone = alone();
    let _registered = Registered::new(guest::undefined, 15);
    let stack = GuestStack::new(256 << 10, 4096).unwrap();
    with_current(|ctx| {
        assert_eq!(stack.call_on_stack(|| ctx.enter(guest::undefined, 0, 0)), 15);
        let [seen] = seen().try_into().unwrap();
        assert!((stack.native_limit(0).addr()..stack.native_top().addr()).contains(&seen.here));
    });
}

#[test]
fn threads_trap_at_once_while_ranges_come_and_go() {
    let _alone = alone();
    let _registered = Registered::new(guest::undefined, 16);
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                with_current(|ctx| {
                    for _ in 0..2000 {
                        assert_eq!(ctx.enter(guest::undefined, 0, 0), 16);
                    }
                });
                assert_eq!(seen().len(), 2000);
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        let mut rounds = 0_u32;
        while done.load(Ordering::SeqCst) < 3 {
            let others = [guest::load, guest::increment, guest::call_raise]
                .map(|function| Registered::new(function, 1));
            rounds += others.len() as u32;
            std::thread::yield_now();
        }
        assert!(rounds > 0);
    });
}

#[test]
#[should_panic(expected = "overlaps registered code")]
fn ranges_may_not_overlap() {
    let _alone = alone();
    let _first = Registered::new(guest::undefined, 1);
    let _second = Registered::new(guest::undefined, 1);
}

#[test]
fn a_second_hook_is_refused() {
    unsafe extern "C" fn other(_act: *mut Activation) {}
    signal::install(hook).unwrap();
    signal::install(hook).unwrap();
    assert_eq!(signal::install(other).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
}

fn altstack() -> libc::stack_t {
    // SAFETY: all-zero bytes are a valid `stack_t`.
    let mut stack: libc::stack_t = unsafe { mem::zeroed() };
    // SAFETY: queries into a writable place.
    assert_eq!(unsafe { libc::sigaltstack(ptr::null(), &mut stack) }, 0);
    stack
}

#[test]
fn threads_from_elsewhere_get_an_alternate_stack() {
    extern "C" fn foreign(result: *mut c_void) -> *mut c_void {
        assert_ne!(altstack().ss_flags & libc::SS_DISABLE, 0, "a bare thread has none");
        let code = with_current(|ctx| {
            assert_eq!(altstack().ss_flags & libc::SS_DISABLE, 0);
            // The guest's stack: all but its first pages are used up.
            ctx.enter(guest::undefined, 0, 0)
        });
        // SAFETY: the test passes a pointer to its own variable.
        unsafe { *result.cast::<u32>() = code };
        ptr::null_mut()
    }
    let _alone = alone();
    let _registered = Registered::new(guest::undefined, 18);
    let mut code = 0_u32;
    // SAFETY: all-zero bytes are a valid `pthread_t` to be overwritten.
    let mut thread: libc::pthread_t = unsafe { mem::zeroed() };
    // SAFETY: `foreign` matches; its argument lives until the join.
    let created =
        unsafe { libc::pthread_create(&mut thread, ptr::null(), foreign, (&raw mut code).cast()) };
    assert_eq!(created, 0);
    // SAFETY: joins our own thread, once.
    assert_eq!(unsafe { libc::pthread_join(thread, ptr::null_mut()) }, 0);
    assert_eq!(code, 18);
}

#[test]
fn threads_of_rust_keep_their_alternate_stack() {
    let before = altstack();
    assert_eq!(before.ss_flags & libc::SS_DISABLE, 0);
    signal::prepare_thread().unwrap();
    assert_eq!(altstack().ss_sp, before.ss_sp);
}

// ---------------------------------------------------------------------------- faults that are not ours

/// Runs one of the `child_*` scenarios below, each in a process of its own.
fn child(scenario: &str) -> Output {
    let program = std::env::current_exe().unwrap();
    // Under an emulator, the program is an argument of it.
    let mut command = match std::env::var("STERNA_TEST_RUNNER") {
        Ok(runner) => {
            let mut words = runner.split_whitespace();
            let mut command = Command::new(words.next().unwrap());
            command.args(words).arg(program);
            command
        }
        Err(_) => Command::new(program),
    };
    command.args(["--exact", scenario, "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("STERNA_SYS_CHILD", "1").output().unwrap()
}

/// The scenarios end the process: only [`child`] may run them.
fn in_child() -> bool {
    std::env::var_os("STERNA_SYS_CHILD").is_some()
}

#[test]
#[ignore = "ends the process; run by overflow_of_a_host_stack_is_reported_as_before"]
fn child_overflow() {
    fn recurse(level: u64) -> u64 {
        let filler = std::hint::black_box([level; 64]);
        if filler[5] == u64::MAX { 0 } else { recurse(level + 1) + filler[3] }
    }
    if in_child() {
        signal::install(hook).unwrap();
        recurse(0);
    }
}

#[test]
fn overflow_of_a_host_stack_is_reported_as_before() {
    let output = child("child_overflow");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("has overflowed its stack"),
        "{output:?}"
    );
}

/// Sends this process a SIGSEGV that is no fault.
fn send_to_self() {
    let process = std::process::id() as libc::pid_t;
    // SAFETY: sends a signal, for which the callers have chosen an action.
    assert_eq!(unsafe { libc::kill(process, libc::SIGSEGV) }, 0);
}

/// Reads from an address where nothing is.
fn fault() {
    // SAFETY: not safe: ends this process, which is what the test is about.
    unsafe { ptr::read_volatile(ptr::without_provenance::<u8>(64)) };
}

#[test]
#[ignore = "ends the process; run by a_fault_of_the_host_ends_the_process"]
fn child_fault() {
    if in_child() {
        with_current(|_| fault());
    }
}

#[test]
#[ignore = "ends the process; run by a_fault_of_the_host_ends_the_process"]
fn child_unregistered() {
    if in_child() {
        drop(Registered::new(guest::load, 1));
        with_current(|ctx| ctx.enter(guest::load, 64, 0));
    }
}

#[test]
#[ignore = "ends the process; run by a_fault_of_the_host_ends_the_process"]
fn child_no_activation() {
    if in_child() {
        let _registered = Registered::new(guest::load, 1);
        signal::install(hook).unwrap();
        Ctx::new(&mut Activation::new()).enter(guest::load, 64, 0);
    }
}

#[test]
#[ignore = "ends the process; run by a_fault_of_the_host_ends_the_process"]
fn child_sent() {
    if in_child() {
        // Rust's own handler would swallow the first one.
        // SAFETY: restores the default action of a valid signal.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        signal::install(hook).unwrap();
        send_to_self();
        // The signal may be delivered to another thread.
        std::thread::sleep(std::time::Duration::from_secs(10));
    }
}

#[test]
fn a_fault_of_the_host_ends_the_process() {
    for scenario in ["child_fault", "child_unregistered", "child_no_activation", "child_sent"] {
        assert_eq!(child(scenario).status.signal(), Some(libc::SIGSEGV), "{scenario}");
    }
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

/// A handler that was there first: makes the page accessible, so that the access is repeated and succeeds.
unsafe extern "C" fn earlier(_signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
    // SAFETY: handlers get a valid `siginfo_t`.
    let info = unsafe { &*info };
    // SAFETY: this is the handler of a memory fault.
    let page = unsafe { info.si_addr() }.map_addr(|address| address & !(page_size() - 1));
    // SAFETY: the only faults in this process are at the test's own page.
    unsafe { libc::mprotect(page, page_size(), libc::PROT_READ | libc::PROT_WRITE) };
}

/// As [`earlier`], without the information: makes the test's page accessible.
extern "C" fn earlier_plain(_signal: c_int) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
    let page = ptr::without_provenance_mut(PAGE.load(Ordering::SeqCst));
    // SAFETY: the test's own page.
    unsafe { libc::mprotect(page, page_size(), libc::PROT_READ | libc::PROT_WRITE) };
}

static PAGE: AtomicUsize = AtomicUsize::new(0);

/// Installs a handler without us, then us, then faults.
fn fault_with_earlier(handler: usize, flags: c_int) {
    // SAFETY: all-zero bytes are a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: the callers pass a handler that matches the flags.
    assert_eq!(unsafe { libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut()) }, 0);
    let memory = Reservation::new(page_size()).unwrap();
    PAGE.store(memory.base().addr(), Ordering::SeqCst);
    let _registered = Registered::new(guest::load, 1);
    with_current(|ctx| {
        // SAFETY: the earlier handler makes the page accessible.
        assert_eq!(unsafe { ptr::read_volatile(memory.base()) }, 0);
        assert_eq!(HANDLED.load(Ordering::SeqCst), 1);
        assert_eq!(
            ctx.enter(guest::load, 64, 0),
            1,
            "a registered trap never gets to the earlier handler"
        );
        assert_eq!(HANDLED.load(Ordering::SeqCst), 1);
    });
    println!("chained");
}

#[test]
#[ignore = "changes handlers; run by earlier_handlers_get_their_faults"]
fn child_chain_siginfo() {
    if in_child() {
        fault_with_earlier((earlier as *const ()).addr(), libc::SA_SIGINFO);
    }
}

#[test]
#[ignore = "changes handlers; run by earlier_handlers_get_their_faults"]
fn child_chain_plain() {
    if in_child() {
        fault_with_earlier((earlier_plain as *const ()).addr(), 0);
    }
}

#[test]
#[ignore = "changes handlers; run by earlier_handlers_get_their_faults"]
fn child_ignored() {
    if in_child() {
        // SAFETY: ignores a valid signal.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_IGN) };
        signal::install(hook).unwrap();
        send_to_self();
        // SAFETY: as above.
        unsafe { libc::raise(libc::SIGSEGV) };
        println!("chained");
    }
}

#[test]
fn earlier_handlers_get_their_faults() {
    for scenario in ["child_chain_siginfo", "child_chain_plain", "child_ignored"] {
        let output = child(scenario);
        assert!(
            output.status.success() && String::from_utf8_lossy(&output.stdout).contains("chained"),
            "{scenario}: {output:?}"
        );
    }
}
