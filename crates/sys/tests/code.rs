//! Owns the tests of executable memory: publishing from many threads, mapped files, forks, limits; and of the stubs.
//! Does not test traps in the code (`signal`).
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::io::Write as _;

use sterna_sys::activation::{STUB_SIZE, StubConvention, write_entry_stub, write_lazy_stub};
use sterna_sys::code::{CODE_ALIGN, CodeRegion, DEFAULT_CAPACITY};
use sterna_sys::vm::{FileMap, page_size};

/// Machine code of `fn() -> u32 { value }`.
fn constant(value: u32) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    {
        // mov eax, value; ret
        let mut code = vec![0xb8];
        code.extend(value.to_le_bytes());
        code.push(0xc3);
        code
    }
    #[cfg(target_arch = "aarch64")]
    {
        // movz w0, low; movk w0, high, lsl 16; ret
        let low = 0x5280_0000 | (value & 0xffff) << 5;
        let high = 0x72a0_0000 | (value >> 16) << 5;
        [low, high, 0xd65f_03c0].into_iter().flat_map(u32::to_le_bytes).collect()
    }
}

/// Machine code of `fn(vmctx: *const [u32; N]) -> u32 { vmctx[1] }`.
fn second_word() -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    // mov eax, [rdi + 4]; ret
    let code = vec![0x8b, 0x47, 0x04, 0xc3];
    #[cfg(target_arch = "aarch64")]
    // ldr w0, [x0, #4]; ret
    let code = [0xb940_0400_u32, 0xd65f_03c0].into_iter().flat_map(u32::to_le_bytes).collect();
    code
}

fn call(code: *const u8) -> u32 {
    // SAFETY: the tests pass the address of `constant` code.
    let function = unsafe { std::mem::transmute::<*const u8, extern "C" fn() -> u32>(code) };
    function()
}

fn call_with(code: *const u8, vmctx: &mut [u32; 4]) -> u32 {
    // SAFETY: the tests pass the address of code that takes a pointer to at least two words.
    let function =
        unsafe { std::mem::transmute::<*const u8, extern "C" fn(*mut u32) -> u32>(code) };
    function(vmctx.as_mut_ptr())
}

#[test]
fn published_code_runs() {
    let region = CodeRegion::new(DEFAULT_CAPACITY).unwrap();
    assert_eq!(region.used(), 0);
    let first = region.publish(&constant(7)).unwrap();
    assert!(first.addr().is_multiple_of(CODE_ALIGN) && region.addresses().contains(&first.addr()));
    let mut slot = region.reserve(64).unwrap();
    let address = slot.address();
    let code = constant(8);
    slot.bytes()[..code.len()].copy_from_slice(&code);
    // Room taken in between does not disturb it.
    let third = region.publish(&constant(9)).unwrap();
    assert_eq!(slot.commit().unwrap(), address);
    assert_eq!([first, address, third].map(call), [7, 8, 9]);
}

#[test]
fn threads_publish_at_once() {
    let region = CodeRegion::new(64 << 20).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let region = &region;
            scope.spawn(move || {
                for at in 0..1000 {
                    let value = thread * 1_000_000 + at;
                    assert_eq!(call(region.publish(&constant(value)).unwrap()), value);
                }
            });
        }
    });
    assert!(region.used() >= 4000 * CODE_ALIGN - CODE_ALIGN);
}

#[test]
fn code_spans_growth_steps_and_fills_the_region() {
    let region = CodeRegion::new(4 << 20).unwrap();
    let mut big = constant(1);
    big.resize(1_500_000, 0);
    let both = [region.publish(&big).unwrap(), region.publish(&big).unwrap()];
    let error = region.publish(&big).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
    assert!(region.reserve(usize::MAX).is_err());
    assert_eq!(both.map(call), [1, 1]);
    // What is left can still be used.
    assert_eq!(call(region.publish(&constant(2)).unwrap()), 2);
}

#[test]
fn files_are_mapped_within_the_region() {
    let mut file = tempfile::tempfile().unwrap();
    let mut bytes = vec![0; page_size()];
    bytes.extend(constant(77));
    bytes.resize(2 * page_size() + 5, 0);
    file.write_all(&bytes).unwrap();
    let region = CodeRegion::new(1 << 20).unwrap();
    let before = region.publish(&constant(1)).unwrap();
    let mapped = region.map_file(&file, page_size() as u64, page_size() + 5).unwrap();
    let after = region.publish(&constant(2)).unwrap();
    assert!(region.addresses().contains(&mapped.addr()));
    assert_eq!([before, mapped, after].map(call), [1, 77, 2]);
    assert!(region.map_file(&file, 3, 10).is_err());
    assert!(region.map_file(&file, 0, 2 << 20).is_err());
}

#[test]
fn no_page_is_writable_where_code_runs() {
    let region = CodeRegion::new(1 << 20).unwrap();
    let code = region.publish(&constant(3)).unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.lines().any(|line| line.contains("wx")), "{maps}");
    let shared: Vec<&str> =
        maps.lines().filter(|line| line.contains("sterna-code") && line.contains("rw")).collect();
    assert!(shared.is_empty(), "code has a writable alias: {shared:?}");
    assert_eq!(call(code), 3);
}

#[test]
fn a_forked_child_and_its_parent_publish_independently() {
    let region = CodeRegion::new(1 << 20).unwrap();
    let old = region.publish(&constant(1)).unwrap();
    // SAFETY: the child calls nothing but this crate (which takes no lock that another thread could hold) and _exit.
    let child = unsafe { libc::fork() };
    let value = if child == 0 { 100 } else { 200 };
    let mine: Vec<*const u8> =
        (0..100).map(|at| region.publish(&constant(value + at)).unwrap()).collect();
    if child == 0 {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let good = call(old) == 1 && (0..).zip(&mine).all(|(at, code)| call(code.cast()) == value + at);
    if child == 0 {
        // SAFETY: ends the child without running anything of the test harness.
        unsafe { libc::_exit(if good { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!((waited, status), (child, 0));
    assert!(good);
}

/// Stubs next to their target, and too far away for a relative jump.
#[test]
fn stubs_jump_near_and_far() {
    let region = CodeRegion::new(1 << 20).unwrap();
    // An address 8 GiB away: two more regions with room between them.
    let spacer = CodeRegion::new(8 << 30).unwrap();
    let target = region.publish(&second_word()).unwrap();
    for place in [&region, &spacer] {
        let mut slot = if place.used() == 0 {
            far_slot(place, target.addr())
        } else {
            place.reserve(STUB_SIZE).unwrap()
        };
        let at = slot.address().addr();
        let len =
            write_lazy_stub(slot.bytes(), StubConvention::C, 0xdead_beef, 4, target.addr(), at);
        assert!(len <= STUB_SIZE);
        let mut vmctx = [1, 2, 3, 4];
        assert_eq!(call_with(slot.commit().unwrap(), &mut vmctx), 0xdead_beef);
        assert_eq!(vmctx, [1, 0xdead_beef, 3, 4]);
    }
}

/// A stub without addresses, at two places, with a near and a far offset behind the pointer.
#[test]
fn an_entry_stub_runs_wherever_it_is() {
    let region = CodeRegion::new(1 << 20).unwrap();
    let code = region.publish(&constant(6)).unwrap();
    for behind in [8, 0x12_3458] {
        let mut entries = vec![std::ptr::null(); behind / 8 + 1];
        entries[behind / 8] = code;
        let vmctx = [0, entries.as_ptr().addr()];
        let mut stub = [0; STUB_SIZE];
        let len = write_entry_stub(&mut stub, StubConvention::C, 8, behind as u32);
        assert!(len <= STUB_SIZE);
        for _ in 0..2 {
            let stub = region.publish(&stub).unwrap();
            // SAFETY: the stub jumps to code that takes no argument.
            let stub = unsafe {
                std::mem::transmute::<*const u8, extern "C" fn(*const [usize; 2]) -> u32>(stub)
            };
            assert_eq!(stub(&vmctx), 6);
        }
    }
}

#[test]
fn a_file_view_shows_the_file() {
    let mut file = tempfile::tempfile().unwrap();
    // SAFETY: the file is changed again only after the view is gone.
    assert!(unsafe { FileMap::new(&file) }.unwrap().as_ref().is_empty());
    let text: Vec<u8> = (0..page_size() * 2 + 3).map(|at| at as u8).collect();
    file.write_all(&text).unwrap();
    // SAFETY: the file does not change any more.
    assert_eq!(unsafe { FileMap::new(&file) }.unwrap().as_ref(), text);
    let directory = std::fs::File::open(std::env::temp_dir()).unwrap();
    // SAFETY: as above.
    assert!(unsafe { FileMap::new(&directory) }.is_err());
}

/// A slot at least 4 GiB away from `target`.
fn far_slot(region: &CodeRegion, target: usize) -> sterna_sys::code::CodeSlot<'_> {
    let slot = region.reserve(STUB_SIZE).unwrap();
    if slot.address().addr().abs_diff(target) > 4 << 30 {
        return slot;
    }
    // The region is 8 GiB: its other end is far enough. A mapped file takes room without memory.
    let file = tempfile::tempfile().unwrap();
    region.map_file(&file, 0, 7 << 30).unwrap();
    let slot = region.reserve(STUB_SIZE).unwrap();
    assert!(slot.address().addr().abs_diff(target) > 4 << 30);
    slot
}

#[test]
#[should_panic(expected = "has no short encoding")]
fn a_lazy_stub_needs_a_near_cell() {
    write_lazy_stub(&mut [0; STUB_SIZE], StubConvention::C, 0, 1 << 14, 0, 0);
}

#[test]
#[should_panic(expected = "a stub needs a buffer")]
fn a_stub_needs_room() {
    write_entry_stub(&mut [0; STUB_SIZE - 1], StubConvention::C, 0, 0);
}
