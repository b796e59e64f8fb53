//! Owns the test that no sequence of calls with any arguments makes the host panic or hang.
//! Does not look at results.
#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use sterna_wasi::{
    Abi, Clocks, DirAccess, FUNCTION_NAMES, GuestMemory, Halt, OutputBuffer, Random, Stdio,
    WasiCtx, for_each_wasi_fn, returned, wasi_unsigned,
};

/// Small numbers are descriptors and flags; the others addresses and sizes, inside and out.
#[rustfmt::skip]
const VALUES: &[i64] = &[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 24, 31, 48, 63, 64, 100, 128, 200, 256, 512, 1000, 1024,
    4000, 4088, 4095, 4096, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
    i64::MAX, i64::MIN, -1, -2, -64,
];

/// Written at addresses 16 apart from 0, for calls that take paths.
const NAMES: &[&str] =
    &["b", "c", "a/b", "..", ".", "../x", "/", "a/", "b/../a", "c\0", "a/../../y"];

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// An argument that often makes sense for a parameter of that name, and sometimes is anything.
    fn argument(&mut self, parameter: &str) -> i64 {
        let any = VALUES[self.next() as usize % VALUES.len()];
        let small = |numbers: &mut Numbers, below: u64| (numbers.next() % below) as i64;
        if self.next().is_multiple_of(20) {
            return any;
        }
        match parameter {
            "fd" | "old_fd" | "new_fd" | "to" => {
                [3, 4, small(self, 8), small(self, 12)][self.next() as usize % 4]
            }
            "path" | "old_path" | "new_path" | "target" => {
                16 * [0, 1, 2, small(self, NAMES.len() as u64)][self.next() as usize % 4]
            }
            "path_len" | "old_len" | "new_len" | "target_len" => {
                [1, 1, 3, small(self, 7)][self.next() as usize % 4]
            }
            "rights" | "inheriting" => {
                [-1, -1, -1, -1, -1, !(1 << 6), 1 << 1, 0][self.next() as usize % 8]
            }
            "iovs" | "subscriptions" => 1024 + 8 * small(self, 20),
            "lookup" => small(self, 2),
            "count" | "id" | "whence" | "advice" => small(self, 4),
            "buf_len" | "len" | "size" => small(self, 300),
            name if name.contains("flags") || name == "how" => small(self, 4),
            _ => 2048 + 8 * small(self, 100),
        }
    }
}

macro_rules! call_by_index {
    ($($name:ident($($parameter:ident: $type:ident),*) $(-> $result:ident)?;)*) => {
        fn call(ctx: &mut WasiCtx, memory: &mut GuestMemory<'_>, name: &str, numbers: &mut Numbers) -> Result<i32, Halt> {
            match name {
                $(stringify!($name) => {
                    $(let $parameter = numbers.argument(stringify!($parameter)) as wasi_unsigned!($type);)*
                    returned(ctx.$name(memory $(, $parameter)*))
                })*
                _ => unreachable!("{name} is not in the table"),
            }
        }
    };
}
for_each_wasi_fn!(call_by_index);

/// A context with everything in it, in the directory `inside`, and what has to live beside it.
fn world(inside: &Path, seed: u64) -> (WasiCtx, TcpStream) {
    let (socket, peer) = std::os::unix::net::UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    // Always ready: what it said, and then its end.
    (&peer).write_all(&[7; 300]).unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let ctx = WasiCtx::builder()
        .args(["a", "b"])
        .env("A", "B")
        .stdin(Stdio::input(*b"some input"))
        .stdout(Stdio::output(&OutputBuffer::new(1 << 20)))
        // No call takes real time: virtual clocks jump, and there is nothing else to wait for.
        .clocks(Clocks::Virtual { now: 1 << 60, tick: 1 })
        .random(Random::Seeded(seed))
        .interrupt({
            // Waiting for nothing but descriptors may never end, and somebody has to end it.
            let asked = AtomicU64::new(0);
            move || !asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
        })
        .preopen_dir(inside, "/", DirAccess::ReadWrite)
        .unwrap()
        .preopen_dir(inside, "/ro", DirAccess::ReadOnly)
        .unwrap()
        .listener(listener)
        .socket(socket)
        .build()
        .unwrap();
    (ctx, client)
}

#[test]
fn any_calls_with_any_arguments() {
    let mut succeeded = vec![0; FUNCTION_NAMES.len()];
    for seed in 1..=150 {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        let inside = dir.path().join("inside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::create_dir(&inside).unwrap();
        let (mut ctx, _client) = world(&inside, seed);
        std::fs::create_dir(inside.join("a")).unwrap();
        std::fs::write(inside.join("b"), "some contents").unwrap();
        let mut numbers = Numbers(seed);
        let mut bytes = vec![0; 4096];
        for round in 0..600 {
            if round % 50 == 0 {
                bytes.iter_mut().for_each(|byte| *byte = (numbers.next() % 6) as u8);
                for (index, name) in NAMES.iter().enumerate() {
                    bytes[16 * index..][..name.len()].copy_from_slice(name.as_bytes());
                }
                // Buffers: 64 apart, and of up to 80 bytes, so that some overlap.
                for index in 0..25 {
                    let buffer =
                        [2048 + 64 * index, (numbers.next() % 80) as u32].map(u32::to_le_bytes);
                    bytes[1024 + 8 * index as usize..][..8].copy_from_slice(&buffer.concat());
                }
            }
            let abi = if round % 5 == 0 { Abi::Snapshot0 } else { Abi::Preview1 };
            let index = numbers.next() as usize % FUNCTION_NAMES.len();
            let name = FUNCTION_NAMES[index];
            // As often as anything else, these would leave nothing to work with, or take long.
            let rarity = match name {
                "fd_close" | "fd_renumber" | "fd_fdstat_set_rights" => 4,
                "fd_sync" | "fd_datasync" => 40,
                _ => 1,
            };
            if !numbers.next().is_multiple_of(rarity) {
                continue;
            }
            let mut memory = GuestMemory::new(&mut bytes, abi);
            match call(&mut ctx, &mut memory, name, &mut numbers) {
                Ok(0) => succeeded[index] += 1,
                Ok(errno) => assert!((1..=76).contains(&errno), "{name}: {errno}"),
                Err(Halt::Exit(_) | Halt::Signal(_)) => succeeded[index] += 1,
                Err(Halt::Interrupted) => {}
            }
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "something is outside");
    }
    let never: Vec<_> =
        FUNCTION_NAMES.iter().zip(&succeeded).filter(|(_, count)| **count == 0).collect();
    assert!(never.is_empty(), "no call of these got anywhere: {never:?}");
    println!("{:?}", FUNCTION_NAMES.iter().zip(succeeded).collect::<Vec<_>>());
}
