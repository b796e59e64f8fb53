//! Owns the flags, enumerations and record layouts of preview 1, in both of its binary forms.
//! Does not touch guest memory; `memory` writes the records that are encoded here.

use crate::Errno;
use bitflags::bitflags;

/// Which of the two binary forms of preview 1 the guest was compiled against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    /// The import module `wasi_snapshot_preview1`.
    Preview1,
    /// The import module `wasi_unstable`: another `filestat`, `subscription` and `whence`.
    Snapshot0,
}

impl Abi {
    /// The name under which guests import this form.
    pub const fn module_name(self) -> &'static str {
        match self {
            Abi::Preview1 => "wasi_snapshot_preview1",
            Abi::Snapshot0 => "wasi_unstable",
        }
    }
}

bitflags! {
    /// What may be done with a descriptor.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Rights: u64 {
        const FD_DATASYNC = 1 << 0;
        const FD_READ = 1 << 1;
        const FD_SEEK = 1 << 2;
        const FD_FDSTAT_SET_FLAGS = 1 << 3;
        const FD_SYNC = 1 << 4;
        const FD_TELL = 1 << 5;
        const FD_WRITE = 1 << 6;
        const FD_ADVISE = 1 << 7;
        const FD_ALLOCATE = 1 << 8;
        const PATH_CREATE_DIRECTORY = 1 << 9;
        const PATH_CREATE_FILE = 1 << 10;
        const PATH_LINK_SOURCE = 1 << 11;
        const PATH_LINK_TARGET = 1 << 12;
        const PATH_OPEN = 1 << 13;
        const FD_READDIR = 1 << 14;
        const PATH_READLINK = 1 << 15;
        const PATH_RENAME_SOURCE = 1 << 16;
        const PATH_RENAME_TARGET = 1 << 17;
        const PATH_FILESTAT_GET = 1 << 18;
        const PATH_FILESTAT_SET_SIZE = 1 << 19;
        const PATH_FILESTAT_SET_TIMES = 1 << 20;
        const FD_FILESTAT_GET = 1 << 21;
        const FD_FILESTAT_SET_SIZE = 1 << 22;
        const FD_FILESTAT_SET_TIMES = 1 << 23;
        const PATH_SYMLINK = 1 << 24;
        const PATH_REMOVE_DIRECTORY = 1 << 25;
        const PATH_UNLINK_FILE = 1 << 26;
        const POLL_FD_READWRITE = 1 << 27;
        const SOCK_SHUTDOWN = 1 << 28;
        const SOCK_ACCEPT = 1 << 29;

        /// Everything that makes sense for an open file.
        const FILE = Self::FD_DATASYNC.bits() | Self::FD_READ.bits() | Self::FD_SEEK.bits()
            | Self::FD_FDSTAT_SET_FLAGS.bits() | Self::FD_SYNC.bits() | Self::FD_TELL.bits()
            | Self::FD_WRITE.bits() | Self::FD_ADVISE.bits() | Self::FD_ALLOCATE.bits()
            | Self::FD_FILESTAT_GET.bits() | Self::FD_FILESTAT_SET_SIZE.bits()
            | Self::FD_FILESTAT_SET_TIMES.bits() | Self::POLL_FD_READWRITE.bits();
        /// Everything that makes sense for an open directory.
        const DIRECTORY = Self::PATH_CREATE_DIRECTORY.bits() | Self::PATH_CREATE_FILE.bits()
            | Self::PATH_LINK_SOURCE.bits() | Self::PATH_LINK_TARGET.bits()
            | Self::PATH_OPEN.bits() | Self::FD_READDIR.bits() | Self::PATH_READLINK.bits()
            | Self::PATH_RENAME_SOURCE.bits() | Self::PATH_RENAME_TARGET.bits()
            | Self::PATH_FILESTAT_GET.bits() | Self::PATH_FILESTAT_SET_SIZE.bits()
            | Self::PATH_FILESTAT_SET_TIMES.bits() | Self::FD_FILESTAT_GET.bits()
            | Self::FD_FILESTAT_SET_TIMES.bits() | Self::PATH_SYMLINK.bits()
            | Self::PATH_REMOVE_DIRECTORY.bits() | Self::PATH_UNLINK_FILE.bits()
            | Self::FD_SYNC.bits() | Self::FD_DATASYNC.bits();
        /// Everything that makes sense for a connected socket.
        const SOCKET = Self::FD_READ.bits() | Self::FD_WRITE.bits()
            | Self::FD_FDSTAT_SET_FLAGS.bits() | Self::FD_FILESTAT_GET.bits()
            | Self::POLL_FD_READWRITE.bits() | Self::SOCK_SHUTDOWN.bits();
        /// Everything that makes sense for a listening socket.
        const LISTENER = Self::FD_READ.bits() | Self::FD_FDSTAT_SET_FLAGS.bits()
            | Self::FD_FILESTAT_GET.bits() | Self::POLL_FD_READWRITE.bits()
            | Self::SOCK_ACCEPT.bits();
    }

    /// The mutable flags of a descriptor.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct FdFlags: u32 {
        const APPEND = 1 << 0;
        const DSYNC = 1 << 1;
        const NONBLOCK = 1 << 2;
        const RSYNC = 1 << 3;
        const SYNC = 1 << 4;
    }

    /// How `path_open` opens.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct OpenFlags: u32 {
        const CREAT = 1 << 0;
        const DIRECTORY = 1 << 1;
        const EXCL = 1 << 2;
        const TRUNC = 1 << 3;
    }

    /// How a path is resolved.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct LookupFlags: u32 {
        const SYMLINK_FOLLOW = 1 << 0;
    }

    /// Which times to set, and whether to the given value or to now.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct FstFlags: u32 {
        const ATIM = 1 << 0;
        const ATIM_NOW = 1 << 1;
        const MTIM = 1 << 2;
        const MTIM_NOW = 1 << 3;
    }

    /// How `sock_recv` receives.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct RiFlags: u32 {
        const RECV_PEEK = 1 << 0;
        const RECV_WAITALL = 1 << 1;
    }

    /// Which directions of a connection to shut down.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct SdFlags: u32 {
        const RD = 1 << 0;
        const WR = 1 << 1;
    }
}

/// Reads a flag word of the guest's; an unknown bit is `Inval`.
pub(crate) fn flags<F: bitflags::Flags<Bits = u32>>(bits: u32) -> Result<F, Errno> {
    F::from_bits(bits).ok_or(Errno::Inval)
}

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Filetype {
    Unknown = 0,
    BlockDevice = 1,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SocketDgram = 5,
    SocketStream = 6,
    SymbolicLink = 7,
}

impl From<rustix::fs::FileType> for Filetype {
    fn from(host: rustix::fs::FileType) -> Filetype {
        use rustix::fs::FileType;
        match host {
            FileType::RegularFile => Filetype::RegularFile,
            FileType::Directory => Filetype::Directory,
            FileType::Symlink => Filetype::SymbolicLink,
            FileType::CharacterDevice => Filetype::CharacterDevice,
            FileType::BlockDevice => Filetype::BlockDevice,
            FileType::Socket => Filetype::SocketStream,
            FileType::Fifo | FileType::Unknown => Filetype::Unknown,
        }
    }
}

/// The clocks of preview 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockId {
    /// Time since 1970-01-01 UTC; it may jump.
    Realtime,
    /// Time since an arbitrary moment; it never goes back.
    Monotonic,
    /// Processor time of the host process.
    ProcessCputime,
    /// Processor time of the calling host thread.
    ThreadCputime,
}

impl ClockId {
    pub(crate) fn from_raw(id: u32) -> Result<ClockId, Errno> {
        Ok(match id {
            0 => ClockId::Realtime,
            1 => ClockId::Monotonic,
            2 => ClockId::ProcessCputime,
            3 => ClockId::ThreadCputime,
            _ => return Err(Errno::Inval),
        })
    }
}

/// Where `fd_seek` counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whence {
    Set,
    Cur,
    End,
}

impl Whence {
    pub(crate) fn from_raw(whence: u32, abi: Abi) -> Result<Whence, Errno> {
        Ok(match (abi, whence) {
            (Abi::Preview1, 0) | (Abi::Snapshot0, 2) => Whence::Set,
            (Abi::Preview1, 1) | (Abi::Snapshot0, 0) => Whence::Cur,
            (Abi::Preview1, 2) | (Abi::Snapshot0, 1) => Whence::End,
            _ => return Err(Errno::Inval),
        })
    }
}

/// What is known about a file; times in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filestat {
    pub dev: u64,
    pub ino: u64,
    pub filetype: Filetype,
    pub nlink: u64,
    pub size: u64,
    pub atim: u64,
    pub mtim: u64,
    pub ctim: u64,
}

impl Filestat {
    /// The record in the guest's form: 64 bytes, or 56 with a 32-bit link count.
    pub(crate) fn encode(&self, abi: Abi) -> ([u8; 64], usize) {
        let mut record = [0; 64];
        let mut put =
            |at: usize, value: u64| record[at..at + 8].copy_from_slice(&value.to_le_bytes());
        put(0, self.dev);
        put(8, self.ino);
        let times = match abi {
            Abi::Preview1 => {
                put(16, self.filetype as u64);
                put(24, self.nlink);
                32
            }
            Abi::Snapshot0 => {
                let nlink = self.nlink.min(u64::from(u32::MAX));
                put(16, self.filetype as u64 | nlink << 32);
                24
            }
        };
        for (index, value) in [self.size, self.atim, self.mtim, self.ctim].into_iter().enumerate() {
            put(times + 8 * index, value);
        }
        (record, times + 32)
    }
}

/// A directory entry as `fd_readdir` lays it out; the name follows the record.
pub(crate) struct Dirent {
    pub next: u64,
    pub ino: u64,
    pub name_len: u32,
    pub filetype: Filetype,
}

impl Dirent {
    pub(crate) fn encode(&self) -> [u8; 24] {
        let mut record = [0; 24];
        record[0..8].copy_from_slice(&self.next.to_le_bytes());
        record[8..16].copy_from_slice(&self.ino.to_le_bytes());
        record[16..20].copy_from_slice(&self.name_len.to_le_bytes());
        record[20] = self.filetype as u8;
        record
    }
}

/// One thing that `poll_oneoff` waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    pub userdata: u64,
    pub event: Awaited,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    Clock { id: u32, timeout: u64, absolute: bool },
    FdRead(u32),
    FdWrite(u32),
}

impl Subscription {
    /// Size of the record in bytes.
    pub(crate) fn size(abi: Abi) -> u32 {
        match abi {
            Abi::Preview1 => 48,
            Abi::Snapshot0 => 56,
        }
    }

    /// Reads a record of exactly `size` bytes.
    pub(crate) fn decode(record: &[u8], abi: Abi) -> Result<Subscription, Errno> {
        let word = |at: usize, len: usize| {
            let mut bytes = [0; 8];
            bytes[..len].copy_from_slice(&record[at..at + len]);
            u64::from_le_bytes(bytes)
        };
        // The older form puts an unused identifier in front of the clock.
        let clock = match abi {
            Abi::Preview1 => 16,
            Abi::Snapshot0 => 24,
        };
        let event = match record[8] {
            0 => Awaited::Clock {
                id: word(clock, 4) as u32,
                timeout: word(clock + 8, 8),
                absolute: match word(clock + 24, 2) {
                    0 => false,
                    1 => true,
                    _ => return Err(Errno::Inval),
                },
            },
            1 => Awaited::FdRead(word(16, 4) as u32),
            2 => Awaited::FdWrite(word(16, 4) as u32),
            _ => return Err(Errno::Inval),
        };
        Ok(Subscription { userdata: word(0, 8), event })
    }
}

/// Something that happened, for `poll_oneoff` to report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub userdata: u64,
    pub error: Option<Errno>,
    /// 0 clock, 1 read, 2 write.
    pub kind: u8,
    pub nbytes: u64,
    pub hangup: bool,
}

impl Event {
    pub(crate) const SIZE: u32 = 32;

    pub(crate) fn encode(&self) -> [u8; 32] {
        let mut record = [0; 32];
        record[0..8].copy_from_slice(&self.userdata.to_le_bytes());
        let error = self.error.map_or(0, |errno| errno as u16);
        record[8..10].copy_from_slice(&error.to_le_bytes());
        record[10] = self.kind;
        record[16..24].copy_from_slice(&self.nbytes.to_le_bytes());
        record[24] = u8::from(self.hangup);
        record
    }
}
