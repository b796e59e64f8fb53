//! Owns a report of what the operations of this crate cost on this machine, in nanoseconds (median of several runs).
//! Does not compare them with anything: `bench` measures whole engines.

use std::hint::black_box;
use std::io;
use std::ptr;

use sterna_sys::activation::{Activation, enter_compiled, exit_thunk};
use sterna_sys::code::{CodeRegion, DEFAULT_CAPACITY};
use sterna_sys::cpu::{features, now_nanos};
use sterna_sys::signal;
use sterna_sys::stack::{Context, GuestStack, StackPool};
use sterna_sys::vm::{MemoryImage, Reservation, page_size};

/// Runs `operation` in batches; prints the median time of one.
fn report(name: &str, mut operation: impl FnMut()) {
    const BATCH: u64 = 200;
    let mut times: Vec<u64> = (0..15)
        .map(|_| {
            let start = now_nanos();
            (0..BATCH).for_each(|_| operation());
            (now_nanos() - start) * 10 / BATCH
        })
        .collect();
    times.sort_unstable();
    println!("{name:60} {:>9.1} ns", times[times.len() / 2] as f64 / 10.0);
}

/// Writes to `pages` pages, evenly spread over `len` bytes.
fn dirty(memory: &Reservation, len: usize, pages: usize) {
    for at in (0..len).step_by(len / pages) {
        assert!(at < memory.len());
        // SAFETY: the callers have committed `len` bytes.
        unsafe { ptr::write_volatile(memory.base().wrapping_add(at), 1) };
    }
}

fn memories() -> io::Result<()> {
    const MIB: usize = 1 << 20;
    const RESERVED: usize = 8 << 30;
    report("reserve and free 8 GiB", || {
        drop(black_box(Reservation::new(RESERVED).expect("address space")))
    });
    let memory = Reservation::new(RESERVED)?;
    memory.commit(0..2 * MIB)?;
    let image = MemoryImage::new(&vec![7; MIB])?;
    report("reserve, commit 2 MiB, map a 1 MiB image, free", || {
        let memory = Reservation::new(RESERVED).expect("address space");
        memory.commit(0..2 * MIB).expect("memory");
        image.map_at(&memory, 0).expect("memory");
    });
    image.map_at(&memory, 0)?;
    for pages in [1, 4, 16, 64, 256] {
        report(&format!("dirty {pages} of 256 image pages, reset"), || {
            dirty(&memory, MIB, pages);
            image.reset(&memory, 0, 2 * MIB).expect("in bounds");
        });
    }
    let plain = Reservation::new(RESERVED)?;
    plain.commit(0..2 * MIB)?;
    for pages in [4, 64] {
        report(&format!("dirty {pages} of 512 pages, zero"), || {
            dirty(&plain, 2 * MIB, pages);
            plain.zero(0..2 * MIB).expect("in bounds");
        });
        report(&format!("dirty {pages} of 512 pages, discard"), || {
            dirty(&plain, 2 * MIB, pages);
            plain.discard(0..2 * MIB).expect("in bounds");
        });
    }
    let bytes = vec![7_u8; MIB];
    report("copy 1 MiB over dirty memory instead", || {
        // SAFETY: 2 MiB are committed.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), memory.base(), MIB) };
    });
    for kib in [4, 16, 64, 256] {
        report(&format!("copy {kib} KiB over dirty memory instead"), || {
            // SAFETY: 2 MiB are committed.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), memory.base(), kib << 10) };
        });
    }
    report("grow by 64 KiB, then give it back", || {
        memory.commit(2 * MIB..2 * MIB + (64 << 10)).expect("memory");
        memory.decommit(2 * MIB..2 * MIB + (64 << 10)).expect("memory");
    });
    Ok(())
}

extern "C" fn body(_vmctx: *mut u8) {}
exit_thunk!(fn thunk => body);

unsafe extern "C" fn hook(_act: *mut Activation) {}

unsafe fn every_pc(_data: *const u8, _pc: usize) -> Option<signal::TrapInfo> {
    Some(signal::TrapInfo { code: 1 })
}

unsafe extern "C" fn echo(context: *mut Context, _arg: *mut u8, value: usize) -> ! {
    let mut value = value;
    loop {
        // SAFETY: we run in `context`.
        value = unsafe { Context::suspend(context, value) };
    }
}

fn code() -> io::Result<()> {
    report("create a code region and free it", || {
        drop(CodeRegion::new(DEFAULT_CAPACITY).expect("address space"))
    });
    report("publish the first function of a region", || {
        CodeRegion::new(DEFAULT_CAPACITY)
            .and_then(|region| region.publish(&[0; 100]).map(drop))
            .expect("memory");
    });
    let region = CodeRegion::new(DEFAULT_CAPACITY)?;
    report("publish 500 bytes", || {
        region.publish(&[0x90; 500]).expect("memory");
    });
    #[cfg(target_arch = "x86_64")]
    let (nothing, undefined) = ([0xc3], [0x0f, 0x0b]);
    #[cfg(target_arch = "aarch64")]
    let (nothing, undefined) = (0xd65f_03c0_u32.to_le_bytes(), [0; 4]);
    let (nothing, undefined) = (region.publish(&nothing)?, region.publish(&undefined)?);
    let mut act = Activation::new();
    let act = &raw mut act;
    let vmctx = (&raw const act).expose_provenance();
    let enter = |code: *const u8| {
        // SAFETY: live activation; the code keeps the rules.
        unsafe { enter_compiled(act, code, vmctx, 0, 0) }
    };
    report("enter compiled code and return", || assert_eq!(enter(nothing), 0));
    report("enter a thunk, call its body and return", || {
        assert_eq!(enter((thunk as *const ()).cast()), 0)
    });
    signal::install(hook)?;
    signal::prepare_thread()?;
    let range = region.addresses();
    // SAFETY: the lookup reads nothing; all code of the region is entered by `enter_compiled`.
    let handle = unsafe { signal::register_code(range.start, range.end, every_pc, ptr::null()) };
    // SAFETY: reset below, while `act` lives.
    unsafe { signal::set_current(act) };
    report("enter, trap in hardware, raise", || assert_eq!(enter(undefined), 1));
    // SAFETY: null is allowed.
    unsafe { signal::set_current(ptr::null_mut()) };
    signal::unregister_code(handle);
    Ok(())
}

fn stacks() -> io::Result<()> {
    report("make a stack of 1 MiB + 1 MiB and free it", || {
        drop(black_box(GuestStack::new(1 << 20, 1 << 20).expect("memory")));
    });
    let pool = StackPool::new(1 << 20, 1 << 20, 4, 16 << 10);
    report("get a stack from the pool and put it back", || pool.put(pool.get().expect("memory")));
    let stack = pool.get()?;
    report("call a closure on a stack", || {
        black_box(stack.call_on_stack(|| black_box(1)));
    });
    // SAFETY: the stack is free and outlives the context.
    let mut context = unsafe { Context::new(stack.native_top(), echo, ptr::null_mut()) };
    report("resume and suspend", || {
        // SAFETY: suspended; it never ends.
        assert_eq!(unsafe { Context::resume(&mut context, 3) }, 3);
    });
    Ok(())
}

fn main() -> io::Result<()> {
    println!("pages of {} bytes; {}", page_size(), features().join(" "));
    memories()?;
    code()?;
    stacks()
}
