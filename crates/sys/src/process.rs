//! Owns how a process starts: a C `main` in place of the Rust runtime's, where that costs noticeable time; priorities of threads.
//! Does not own what the process does.
//!
//! Before `main`, the Rust runtime reads the process's memory map to find the guard page of the main stack, and installs handlers for
//! faults there: five percent of a start that takes a millisecond. Guests have stacks and handlers of their own.

use std::ffi::{CStr, OsString};
use std::fs::File;
use std::io;
use std::os::raw::{c_char, c_int};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::{panic, process};

use rustix::mm::{MapFlags, ProtFlags};

/// Defines the entry of a `no_main` program, which runs `$main: fn(Vec<OsString>) -> u8`: from the words of the command line to the
/// exit code.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        #[allow(unsafe_code, reason = "the name that the C library calls; a program has one")]
        #[unsafe(no_mangle)]
        extern "C" fn main(
            count: ::std::os::raw::c_int,
            words: *const *const ::std::os::raw::c_char,
        ) -> ! {
            // SAFETY: the C library calls `main` with these.
            unsafe { $crate::process::run(count, words, $main) }
        }
    };
}

/// Length of the mapping that shows where a dump is.
const MARKER_LEN: usize = 1;

/// Exit code of a program that panicked, as the Rust runtime has it.
const PANICKED: i32 = 101;

/// Runs a program, then ends the process.
///
/// # Safety
/// `words` must be `count` pointers to C strings, and no other thread may run.
pub unsafe fn run(count: c_int, words: *const *const c_char, main: fn(Vec<OsString>) -> u8) -> ! {
    open_standard_files();
    // SAFETY: no other thread is running. Writing to a closed pipe shall be an error, not the end.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    // SAFETY: the caller's promise.
    let words = (0..count as usize).map(|word| unsafe { word_at(words, word) }).collect();
    process::exit(panic::catch_unwind(|| main(words)).map_or(PANICKED, i32::from))
}

/// A new, empty file where profilers of the system look for the names of this process's generated code.
///
/// # Errors
/// What the system says.
pub fn perf_map() -> io::Result<File> {
    let path = format!("/tmp/perf-{}.map", process::id());
    // Of an earlier process with this number. What somebody else put there instead is not written to.
    let _ = std::fs::remove_file(&path);
    File::options().write(true).create_new(true).open(path)
}

/// A new, empty file `jit-PID.dump` in a folder, mapped once so that the trace of `perf record` names it: that is how `perf` finds it.
///
/// # Errors
/// What the system says.
pub fn jitdump(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!("jit-{}.dump", process::id()));
    let _ = std::fs::remove_file(&path);
    let file = File::options().read(true).write(true).create_new(true).open(path)?;
    let (null, prot) = (std::ptr::null_mut(), ProtFlags::READ | ProtFlags::EXEC);
    // SAFETY: a new mapping at an address of the system's choice; nobody reads it, and it stays until the process ends.
    unsafe { rustix::mm::mmap(null, MARKER_LEN, prot, MapFlags::PRIVATE, &file, 0) }?;
    Ok(file)
}

/// The number of the calling thread, as the system's profilers have it; the process's where threads have none.
pub fn thread_id() -> u32 {
    #[cfg(target_os = "linux")]
    return rustix::thread::gettid().as_raw_nonzero().get() as u32;
    #[cfg(not(target_os = "linux"))]
    process::id()
}

/// Copies a word.
///
/// # Safety
/// `words[index]` must be a C string.
unsafe fn word_at(words: *const *const c_char, index: usize) -> OsString {
    // SAFETY: the caller's promise.
    let word = unsafe { words.add(index) };
    // SAFETY: as above.
    let word = unsafe { *word };
    // SAFETY: as above.
    let word = unsafe { CStr::from_ptr(word) };
    OsString::from_vec(word.to_bytes().to_vec())
}

/// Gives descriptors 0 to 2 a file if they are closed, so that none opened later is taken for standard output.
fn open_standard_files() {
    let mut files = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: the array is live and has three elements.
    let polled = unsafe { libc::poll(files.as_mut_ptr(), 3, 0) };
    let is_closed = |file: &libc::pollfd| file.revents & libc::POLLNVAL != 0;
    if polled > 0 && files.iter().any(is_closed) {
        // The lowest free descriptors are taken, in order.
        for _ in files.iter().filter(|file| is_closed(file)) {
            // SAFETY: the path is a C string.
            if unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } < 0 {
                process::abort();
            }
        }
    }
}

/// Makes the calling thread step back behind others by `niceness` (0 to 19), where the system has priorities of threads.
pub fn lower_priority(niceness: i32) {
    #[cfg(target_os = "linux")]
    // SAFETY: takes numbers only; 0 is the calling thread. Without effect if it fails.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, niceness);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = niceness;
}
