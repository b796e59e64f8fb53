//! Owns the tests of arguments, environment, exit, random bytes, and of the older binary form.
//! Does not test files.
#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod guest;

use guest::*;
use sterna_wasi::{Abi, DirAccess, Errno, Halt, OutputBuffer, Random, Stdio, WasiCtx};

#[test]
fn arguments_and_environment() {
    let builder = WasiCtx::builder().args(["prog", "", "x y"]).env("A", "1").env("B", "");
    let mut guest = Guest::new(builder);
    guest.call(|ctx, m| ctx.args_sizes_get(m, 0, 4)).unwrap();
    assert_eq!((guest.u32_at(0), guest.u32_at(4)), (3, 10));
    guest.call(|ctx, m| ctx.args_get(m, 0, 100)).unwrap();
    assert_eq!([guest.u32_at(0), guest.u32_at(4), guest.u32_at(8)], [100, 105, 106]);
    assert_eq!(&guest.bytes[100..110], b"prog\0\0x y\0");
    guest.call(|ctx, m| ctx.environ_sizes_get(m, 0, 4)).unwrap();
    assert_eq!((guest.u32_at(0), guest.u32_at(4)), (2, 7));
    guest.call(|ctx, m| ctx.environ_get(m, 0, 100)).unwrap();
    assert_eq!(&guest.bytes[100..107], b"A=1\0B=\0");
    let end = guest.bytes.len() as u32;
    for (argv, buf) in [(end - 8, 100), (0, end - 9), (u32::MAX, u32::MAX)] {
        assert_eq!(guest.call(|ctx, m| ctx.args_get(m, argv, buf)), Err(Errno::Fault));
    }
}

#[test]
fn ends() {
    let mut guest = Guest::new(WasiCtx::builder());
    let exit = guest.call_or_halt(|ctx, m| ctx.proc_exit(m, 33));
    assert_eq!(exit.err(), Some(Halt::Exit(33)));
    let exit = guest.call_or_halt(|ctx, m| ctx.proc_exit(m, u32::MAX));
    assert_eq!(exit.err(), Some(Halt::Exit(-1)));
    let abort = guest.call_or_halt(|ctx, m| ctx.proc_raise(m, 6));
    assert_eq!(abort.err(), Some(Halt::Signal(6)));
    assert_eq!(guest.call(|ctx, m| ctx.sched_yield(m)), Ok(()));
}

#[test]
fn random_bytes() {
    let run = |random| {
        let mut guest = Guest::new(WasiCtx::builder().random(random));
        guest.call(|ctx, m| ctx.random_get(m, 0, 1 << 16)).unwrap();
        assert_eq!(guest.call(|ctx, m| ctx.random_get(m, 1, 1 << 16)), Err(Errno::Fault));
        guest.bytes
    };
    assert_eq!(run(Random::Seeded(5)), run(Random::Seeded(5)));
    assert_ne!(run(Random::Host), run(Random::Host));
    assert!(run(Random::Host)[65000..].iter().any(|&byte| byte != 0));
}

#[test]
fn standard_streams() {
    let output = OutputBuffer::new(1000);
    let builder = WasiCtx::builder().stdin(Stdio::input(*b"input")).stdout(Stdio::output(&output));
    let mut guest = Guest::new(builder);
    assert_eq!(guest.read(0, 3).unwrap(), b"inp");
    assert_eq!(guest.read(0, 30).unwrap(), b"ut");
    assert_eq!(guest.read(0, 30).unwrap(), b"");
    guest.write(1, b"out").unwrap();
    guest.write(2, b"swallowed").unwrap();
    assert_eq!(output.contents(), b"out");
    assert_eq!(guest.call(|ctx, m| ctx.fd_seek(m, 1, 0, 0, 0)), Err(Errno::Spipe));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut guest = Guest::new(WasiCtx::builder().stdout(Stdio::file(writer)));
    assert_eq!(guest.write(1, b"nobody reads"), Err(Errno::Pipe));
    guest.close(1).unwrap();
    assert_eq!(guest.write(1, b"x"), Err(Errno::Badf));
}

/// The three differences of `wasi_unstable`.
#[test]
fn the_older_binary_form() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "12345").unwrap();
    let builder = WasiCtx::builder().preopen_dir(dir.path(), "/", DirAccess::ReadWrite).unwrap();
    let mut guest = Guest::new(builder);
    guest.abi = Abi::Snapshot0;
    let file = guest.open("file", 0, ALL).unwrap();
    for (whence, offset, expected) in [(2, 2, 2), (0, 1, 3), (1, 0, 5)] {
        guest.call(|ctx, m| ctx.fd_seek(m, file, offset, whence, 0)).unwrap();
        assert_eq!(guest.u64_at(0), expected, "whence {whence}");
    }
    guest.bytes[..64].fill(0xaa);
    guest.call(|ctx, m| ctx.fd_filestat_get(m, file, 0)).unwrap();
    assert_eq!(guest.bytes[16], 4, "a regular file");
    assert_eq!(guest.u32_at(20), 1, "one link");
    assert_eq!(guest.u64_at(24), 5, "five bytes");
    assert_eq!(guest.bytes[56..64], [0xaa; 8], "nothing behind the record");
    // userdata 7, a clock; identifier, monotonic, 1 ms; 56 bytes in all. Then a descriptor.
    let mut records = [0u8; 112];
    records[0] = 7;
    records[24] = 1;
    records[32..40].copy_from_slice(&1_000_000u64.to_le_bytes());
    records[56] = 8;
    records[56 + 8] = 1;
    records[56 + 16] = file as u8;
    guest.bytes[1000..1112].copy_from_slice(&records);
    guest.call(|ctx, m| ctx.poll_oneoff(m, 1000, 2000, 2, 0)).unwrap();
    assert_eq!((guest.u32_at(0), guest.u64_at(2000)), (1, 8));
    guest.call(|ctx, m| ctx.poll_oneoff(m, 1000, 2000, 1, 0)).unwrap();
    assert_eq!((guest.u32_at(0), guest.u64_at(2000)), (1, 7));
}
