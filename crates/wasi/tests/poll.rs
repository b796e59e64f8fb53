//! Owns the tests of waiting: `poll_oneoff`, interruption, virtual time.
//! Does not test sockets; `sockets` does.
#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod guest;

use guest::*;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use sterna_wasi::{Clocks, DirAccess, Errno, Halt, OutputBuffer, Stdio, WasiCtx};

const MS: u64 = 1_000_000;

#[test]
fn clocks_expire_in_time() {
    let mut guest = Guest::new(WasiCtx::builder());
    guest.call(|ctx, m| ctx.clock_time_get(m, 1, 0, 0)).unwrap();
    let now = guest.u64_at(0);
    let real = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let table = [
        ("relative monotonic", 1, 30 * MS, false),
        ("relative realtime", 0, 30 * MS, false),
        ("absolute monotonic", 1, now + 100 * MS, true),
        ("absolute realtime", 0, real + 140 * MS, true),
    ];
    for (what, id, timeout, absolute) in table {
        let start = Instant::now();
        let events = guest.poll(&[clock(7, id, timeout, absolute)]).unwrap();
        let elapsed = start.elapsed();
        assert_eq!(events, [(7, 0, 0)], "{what}");
        assert!(elapsed > Duration::from_millis(20), "{what} took only {elapsed:?}");
        assert!(elapsed < Duration::from_secs(5), "{what} took {elapsed:?}");
    }
    // What is past is over at once.
    for (timeout, absolute) in [(0, false), (1, true)] {
        assert_eq!(guest.poll(&[clock(8, 1, timeout, absolute)]).unwrap(), [(8, 0, 0)]);
    }
}

#[test]
fn waiting_uses_no_processor_time() {
    let mut guest = Guest::new(WasiCtx::builder().interrupt(|| false));
    let cputime = |guest: &mut Guest| {
        guest.call(|ctx, m| ctx.clock_time_get(m, 3, 0, 0)).unwrap();
        guest.u64_at(0)
    };
    let before = cputime(&mut guest);
    guest.poll(&[clock(1, 1, 200 * MS, false)]).unwrap();
    let used = cputime(&mut guest) - before;
    assert!(used < 50 * MS, "{used} ns of processor time for a sleep");
}

#[test]
fn the_first_of_many() {
    let mut guest = Guest::new(WasiCtx::builder());
    let subscriptions: Vec<_> = (0..300).map(|n| clock(n, 1, (5 + n * 1000) * MS, false)).collect();
    assert_eq!(guest.poll(&subscriptions).unwrap(), [(0, 0, 0)]);
}

#[test]
fn descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let output = OutputBuffer::new(100);
    let builder = WasiCtx::builder()
        .stdin(Stdio::file(reader))
        .stdout(Stdio::output(&output))
        .preopen_dir(dir.path(), "/", DirAccess::ReadWrite)
        .unwrap();
    let mut guest = Guest::new(builder);
    let file = guest.open("file", OFLAGS_CREAT, ALL).unwrap();
    // An empty pipe is not ready; files and memory always are.
    let never = clock(9, 1, 10 * MS, false);
    assert_eq!(guest.poll(&[fd(1, 1, 0), never]).unwrap(), [(9, 0, 0)]);
    let late = clock(9, 1, 10_000 * MS, false);
    assert_eq!(guest.poll(&[fd(1, 1, 0), fd(2, 2, 1), late]).unwrap(), [(2, 0, 2)]);
    assert_eq!(
        guest.poll(&[fd(1, 1, file), fd(2, 2, file), late]).unwrap(),
        [(1, 0, 1), (2, 0, 2)]
    );
    writer.write_all(b"abc").unwrap();
    assert_eq!(guest.poll(&[fd(1, 1, 0), late]).unwrap(), [(1, 0, 1)]);
    let nbytes = guest.u64_at(0x8000 + 0x4000 + 16);
    assert_eq!(nbytes, 3);
    // The end of the pipe is an event as well.
    drop(writer);
    guest.read(0, 10).unwrap();
    assert_eq!(guest.poll(&[fd(1, 1, 0), late]).unwrap(), [(1, 0, 1)]);
    assert_eq!(guest.bytes[0x8000 + 0x4000 + 24], 1, "hangup");
}

#[test]
fn errors_are_events() {
    let mut guest = Guest::new(WasiCtx::builder());
    let badf = Errno::Badf as u16;
    let late = clock(9, 1, 10_000 * MS, false);
    assert_eq!(guest.poll(&[late, fd(1, 1, 77)]).unwrap(), [(1, badf, 1)]);
    assert_eq!(guest.poll(&[late, fd(2, 2, 0)]).unwrap(), [(2, badf, 2)]);
    let notsup = Errno::Notsup as u16;
    assert_eq!(guest.poll(&[clock(3, 2, 0, false)]).unwrap(), [(3, notsup, 0)]);
    assert_eq!(guest.poll(&[]), Err(Errno::Inval));
    let mut unknown = clock(1, 1, 0, false);
    unknown[8] = 3;
    assert_eq!(guest.poll(&[unknown]), Err(Errno::Inval));
    let outcome = guest.call(|ctx, m| ctx.poll_oneoff(m, 0, 0, u32::MAX, 0));
    assert_eq!(outcome, Err(Errno::Inval));
    let outcome = guest.call(|ctx, m| ctx.poll_oneoff(m, 0, 0, 60_000, 0));
    assert_eq!(outcome, Err(Errno::Fault));
}

#[test]
fn waits_can_be_interrupted() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    let builder = WasiCtx::builder()
        .stdin(Stdio::file(reader))
        .interrupt(move || asked.load(Ordering::Relaxed));
    let mut guest = Guest::new(builder);
    let start = Instant::now();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        stop.store(true, Ordering::Relaxed);
    });
    let sleep = clock(1, 1, u64::MAX, false);
    assert_eq!(guest.poll_or_halt(&[sleep]).err(), Some(Halt::Interrupted));
    let read = guest.call_or_halt(|ctx, m| ctx.fd_read(m, 0, 0, 0, 100));
    assert_eq!(read.err(), Some(Halt::Interrupted));
    let random = guest.call_or_halt(|ctx, m| ctx.random_get(m, 0, 1000));
    assert_eq!(random.err(), Some(Halt::Interrupted));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn virtual_time_does_not_pass_by_itself() {
    let clocks = Clocks::Virtual { now: 1000, tick: 1 };
    let mut guest = Guest::new(WasiCtx::builder().clocks(clocks));
    let start = Instant::now();
    let hour = 3600 * 1000 * MS;
    assert_eq!(
        guest.poll(&[clock(1, 1, 2 * hour, false), clock(2, 0, hour, true)]).unwrap(),
        [(2, 0, 0)]
    );
    guest.call(|ctx, m| ctx.clock_time_get(m, 0, 0, 0)).unwrap();
    assert!((hour..hour + 100).contains(&guest.u64_at(0)));
    assert!(start.elapsed() < Duration::from_secs(5));
}
