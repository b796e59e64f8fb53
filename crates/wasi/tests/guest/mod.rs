//! Owns `Guest`: a context with 64 KiB of memory, called as a guest would, without an engine.
//! Does not assert anything about results.
#![allow(dead_code, reason = "every test file uses some of it")]

use sterna_wasi::{Abi, Errno, GuestMemory, Halt, WasiCtx, WasiCtxBuilder, returned};

pub const OFLAGS_CREAT: u32 = 1;
pub const OFLAGS_DIRECTORY: u32 = 2;
pub const OFLAGS_EXCL: u32 = 4;
pub const OFLAGS_TRUNC: u32 = 8;
pub const FOLLOW: u32 = 1;
pub const APPEND: u32 = 1;
pub const NONBLOCK: u32 = 4;
pub const READ: u64 = 1 << 1;
pub const WRITE: u64 = 1 << 6;
pub const ALL: u64 = u64::MAX;

/// The descriptor of the first preopened directory.
pub const DIR: u32 = 3;

/// Where arguments and results are put.
const PATH_A: u32 = 0x1000;
const PATH_B: u32 = 0x3000;
const IOVEC: u32 = 0x5000;
const OUT: u32 = 0x6000;
pub const DATA: u32 = 0x8000;

pub struct Guest {
    pub ctx: WasiCtx,
    pub bytes: Vec<u8>,
    pub abi: Abi,
}

impl Guest {
    pub fn new(builder: WasiCtxBuilder) -> Guest {
        Guest { ctx: builder.build().unwrap(), bytes: vec![0; 1 << 16], abi: Abi::Preview1 }
    }

    /// Makes a call: `f` gets the context and the memory.
    pub fn call<E: Into<sterna_wasi::Stop>>(
        &mut self,
        f: impl FnOnce(&mut WasiCtx, &mut GuestMemory<'_>) -> Result<(), E>,
    ) -> Result<(), Errno> {
        self.call_or_halt(f).unwrap()
    }

    pub fn call_or_halt<E: Into<sterna_wasi::Stop>>(
        &mut self,
        f: impl FnOnce(&mut WasiCtx, &mut GuestMemory<'_>) -> Result<(), E>,
    ) -> Result<Result<(), Errno>, Halt> {
        let mut memory = GuestMemory::new(&mut self.bytes, self.abi);
        Ok(match returned(f(&mut self.ctx, &mut memory))? {
            0 => Ok(()),
            errno => Err(Errno::ALL[errno as usize - 1]),
        })
    }

    fn put(&mut self, at: u32, bytes: &[u8]) -> (u32, u32) {
        self.bytes[at as usize..][..bytes.len()].copy_from_slice(bytes);
        (at, bytes.len() as u32)
    }

    pub fn u32_at(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.bytes[at as usize..][..4].try_into().unwrap())
    }

    pub fn u64_at(&self, at: u32) -> u64 {
        u64::from_le_bytes(self.bytes[at as usize..][..8].try_into().unwrap())
    }

    pub fn open(&mut self, path: &str, oflags: u32, rights: u64) -> Result<u32, Errno> {
        self.open_at(DIR, FOLLOW, path.as_bytes(), oflags, rights, 0)
    }

    pub fn open_at(
        &mut self,
        dir: u32,
        lookup: u32,
        path: &[u8],
        oflags: u32,
        rights: u64,
        flags: u32,
    ) -> Result<u32, Errno> {
        let (ptr, len) = self.put(PATH_A, path);
        self.call(|ctx, memory| {
            ctx.path_open(memory, dir, lookup, ptr, len, oflags, rights, ALL, flags, OUT)
        })?;
        Ok(self.u32_at(OUT))
    }

    /// Reads up to `len` bytes.
    pub fn read(&mut self, fd: u32, len: u32) -> Result<Vec<u8>, Errno> {
        self.iovec(len);
        self.call(|ctx, memory| ctx.fd_read(memory, fd, IOVEC, 1, OUT))?;
        Ok(self.bytes[DATA as usize..][..self.u32_at(OUT) as usize].to_vec())
    }

    pub fn write(&mut self, fd: u32, bytes: &[u8]) -> Result<u32, Errno> {
        self.put(DATA, bytes);
        self.iovec(bytes.len() as u32);
        self.call(|ctx, memory| ctx.fd_write(memory, fd, IOVEC, 1, OUT))?;
        Ok(self.u32_at(OUT))
    }

    fn iovec(&mut self, len: u32) {
        self.put(IOVEC, &DATA.to_le_bytes());
        self.put(IOVEC + 4, &len.to_le_bytes());
    }

    /// Calls a function that takes a path beneath the first directory.
    pub fn with_path<E: Into<sterna_wasi::Stop>>(
        &mut self,
        path: &str,
        f: impl FnOnce(&mut WasiCtx, &mut GuestMemory<'_>, u32, u32) -> Result<(), E>,
    ) -> Result<(), Errno> {
        let (ptr, len) = self.put(PATH_A, path.as_bytes());
        self.call(|ctx, memory| f(ctx, memory, ptr, len))
    }

    pub fn with_paths<E: Into<sterna_wasi::Stop>>(
        &mut self,
        a: &str,
        b: &str,
        f: impl FnOnce(&mut WasiCtx, &mut GuestMemory<'_>, (u32, u32), (u32, u32)) -> Result<(), E>,
    ) -> Result<(), Errno> {
        let a = self.put(PATH_A, a.as_bytes());
        let b = self.put(PATH_B, b.as_bytes());
        self.call(|ctx, memory| f(ctx, memory, a, b))
    }

    pub fn mkdir(&mut self, path: &str) -> Result<(), Errno> {
        self.with_path(path, |ctx, m, p, l| ctx.path_create_directory(m, DIR, p, l))
    }

    pub fn rmdir(&mut self, path: &str) -> Result<(), Errno> {
        self.with_path(path, |ctx, m, p, l| ctx.path_remove_directory(m, DIR, p, l))
    }

    pub fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        self.with_path(path, |ctx, m, p, l| ctx.path_unlink_file(m, DIR, p, l))
    }

    /// The size of a file.
    pub fn stat(&mut self, path: &str, lookup: u32) -> Result<u64, Errno> {
        self.with_path(path, |ctx, m, p, l| ctx.path_filestat_get(m, DIR, lookup, p, l, OUT))?;
        Ok(self.u64_at(OUT + 32))
    }

    pub fn set_times(&mut self, path: &str, lookup: u32) -> Result<(), Errno> {
        self.with_path(path, |ctx, m, p, l| {
            ctx.path_filestat_set_times(m, DIR, lookup, p, l, 5, 6, 5)
        })
    }

    pub fn readlink(&mut self, path: &str, len: u32) -> Result<Vec<u8>, Errno> {
        self.with_path(path, |ctx, m, p, l| ctx.path_readlink(m, DIR, p, l, DATA, len, OUT))?;
        Ok(self.bytes[DATA as usize..][..self.u32_at(OUT) as usize].to_vec())
    }

    pub fn symlink(&mut self, target: &str, path: &str) -> Result<(), Errno> {
        self.with_paths(target, path, |ctx, m, a, b| ctx.path_symlink(m, a.0, a.1, DIR, b.0, b.1))
    }

    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), Errno> {
        self.rename_between(DIR, old, DIR, new)
    }

    pub fn rename_between(
        &mut self,
        old: u32,
        from: &str,
        new: u32,
        to: &str,
    ) -> Result<(), Errno> {
        self.with_paths(from, to, |ctx, m, a, b| ctx.path_rename(m, old, a.0, a.1, new, b.0, b.1))
    }

    pub fn link_between(&mut self, old: u32, from: &str, new: u32, to: &str) -> Result<(), Errno> {
        self.with_paths(from, to, |ctx, m, a, b| ctx.path_link(m, old, 0, a.0, a.1, new, b.0, b.1))
    }

    pub fn close(&mut self, fd: u32) -> Result<(), Errno> {
        self.call(|ctx, memory| ctx.fd_close(memory, fd))
    }

    /// Lists a directory through a buffer of `len` bytes: name, type and the cookie that follows.
    pub fn list(&mut self, fd: u32, len: u32) -> Result<Vec<(Vec<u8>, u8, u64)>, Errno> {
        let mut entries = Vec::new();
        let mut cookie = 0;
        loop {
            let (page, full) = self.list_page(fd, len, cookie)?;
            assert!(!full || !page.is_empty(), "a buffer of {len} bytes is too small to go on");
            entries.extend(page);
            if !full {
                return Ok(entries);
            }
            cookie = entries.last().unwrap().2;
        }
    }

    /// One call of `fd_readdir`: the whole entries and whether the buffer was filled.
    #[expect(clippy::type_complexity, reason = "only here")]
    pub fn list_page(
        &mut self,
        fd: u32,
        len: u32,
        cookie: u64,
    ) -> Result<(Vec<(Vec<u8>, u8, u64)>, bool), Errno> {
        self.call(|ctx, memory| ctx.fd_readdir(memory, fd, DATA, len, cookie, OUT))?;
        let used = self.u32_at(OUT);
        let mut page = &self.bytes[DATA as usize..][..used as usize];
        let mut entries = Vec::new();
        while page.len() >= 24 {
            let next = u64::from_le_bytes(page[..8].try_into().unwrap());
            let name_len = u32::from_le_bytes(page[16..20].try_into().unwrap()) as usize;
            let Some(name) = page.get(24..24 + name_len) else { break };
            entries.push((name.to_vec(), page[20], next));
            page = &page[24 + name_len..];
        }
        Ok((entries, used == len))
    }

    /// Calls `poll_oneoff` on preview 1 subscriptions; userdata, errno and type of each event.
    pub fn poll(&mut self, subscriptions: &[[u8; 48]]) -> Result<Vec<(u64, u16, u8)>, Errno> {
        self.poll_or_halt(subscriptions).unwrap()
    }

    #[expect(clippy::type_complexity, reason = "only here")]
    pub fn poll_or_halt(
        &mut self,
        subscriptions: &[[u8; 48]],
    ) -> Result<Result<Vec<(u64, u16, u8)>, Errno>, Halt> {
        self.put(DATA, &subscriptions.concat());
        let count = subscriptions.len() as u32;
        let events = DATA + 0x4000;
        let result =
            self.call_or_halt(|ctx, memory| ctx.poll_oneoff(memory, DATA, events, count, OUT))?;
        Ok(result.map(|()| {
            (0..self.u32_at(OUT))
                .map(|index| {
                    let at = events + 32 * index;
                    let kind = self.bytes[at as usize + 10];
                    (self.u64_at(at), self.u32_at(at + 8) as u16, kind)
                })
                .collect()
        }))
    }
}

/// A subscription to a clock: 0 realtime, 1 monotonic.
pub fn clock(userdata: u64, id: u32, timeout: u64, absolute: bool) -> [u8; 48] {
    let mut record = [0; 48];
    record[..8].copy_from_slice(&userdata.to_le_bytes());
    record[16..20].copy_from_slice(&id.to_le_bytes());
    record[24..32].copy_from_slice(&timeout.to_le_bytes());
    record[40] = u8::from(absolute);
    record
}

/// A subscription to a descriptor: kind 1 reading, 2 writing.
pub fn fd(userdata: u64, kind: u8, fd: u32) -> [u8; 48] {
    let mut record = [0; 48];
    record[..8].copy_from_slice(&userdata.to_le_bytes());
    record[8] = kind;
    record[16..20].copy_from_slice(&fd.to_le_bytes());
    record
}
