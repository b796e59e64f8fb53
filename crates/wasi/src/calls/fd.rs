//! Owns the calls that describe and change open descriptors.
//! Does not move bytes; `io` does.

use crate::descriptor::{Descriptor, Object};
use crate::types::{FdFlags, Filestat, Filetype, FstFlags, Rights, flags};
use crate::{Errno, GuestMemory, WasiCtx};
use rustix::fs::{Advice, FallocateFlags, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::retry_on_intr;
use std::num::NonZeroU64;

/// See the specification for what each call does.
impl WasiCtx {
    /// `fd_advise`
    pub fn fd_advise(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        offset: u64,
        len: u64,
        advice: u32,
    ) -> Result<(), Errno> {
        let advice = match advice {
            0 => Advice::Normal,
            1 => Advice::Sequential,
            2 => Advice::Random,
            3 => Advice::WillNeed,
            4 => Advice::DontNeed,
            5 => Advice::NoReuse,
            _ => return Err(Errno::Inval),
        };
        if i64::try_from(offset).is_err() || i64::try_from(len).is_err() {
            return Err(Errno::Inval);
        }
        let host = self.fds.get(fd)?.host_file(Rights::FD_ADVISE, Errno::Spipe)?;
        Ok(rustix::fs::fadvise(host, offset, NonZeroU64::new(len), advice)?)
    }

    /// `fd_allocate`
    pub fn fd_allocate(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        offset: u64,
        len: u64,
    ) -> Result<(), Errno> {
        let descriptor = self.fds.get(fd)?;
        let host = descriptor.host_file(Rights::FD_ALLOCATE, Errno::Spipe)?;
        descriptor.writable()?;
        if len == 0 || i64::try_from(offset).is_err() || i64::try_from(len).is_err() {
            return Err(Errno::Inval);
        }
        Ok(rustix::fs::fallocate(host, FallocateFlags::empty(), offset, len)?)
    }

    /// `fd_close`
    pub fn fd_close(&mut self, _memory: &mut GuestMemory<'_>, fd: u32) -> Result<(), Errno> {
        self.fds.remove(fd).map(drop)
    }

    /// `fd_renumber`
    pub fn fd_renumber(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        to: u32,
    ) -> Result<(), Errno> {
        self.fds.renumber(fd, to)
    }

    /// `fd_fdstat_get`
    pub fn fd_fdstat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        stat: u32,
    ) -> Result<(), Errno> {
        let descriptor = self.fds.get(fd)?;
        let mut record = [0; 24];
        record[0] = descriptor.filetype() as u8;
        record[2..4].copy_from_slice(&(descriptor.flags.bits() as u16).to_le_bytes());
        record[8..16].copy_from_slice(&visible_rights(descriptor).bits().to_le_bytes());
        record[16..24].copy_from_slice(&descriptor.inheriting.bits().to_le_bytes());
        memory.write(stat, &record)
    }

    /// `fd_fdstat_set_flags`. Whether writes are synchronized is settled when a file is opened.
    pub fn fd_fdstat_set_flags(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        new: u32,
    ) -> Result<(), Errno> {
        let new: FdFlags = flags(new)?;
        let descriptor = self.fds.get_mut(fd)?;
        descriptor.require(Rights::FD_FDSTAT_SET_FLAGS)?;
        let changed = new.symmetric_difference(descriptor.flags);
        let (changeable, host) = match &descriptor.object {
            Object::File(file) => (FdFlags::APPEND | FdFlags::NONBLOCK, Some(&file.fd)),
            // Sharing descriptions with other processes, these keep the flag to themselves.
            _ => (FdFlags::NONBLOCK, None),
        };
        if !changeable.contains(changed) {
            return Err(Errno::Notsup);
        }
        if let Some(host) = host {
            let mut host_flags = rustix::fs::fcntl_getfl(host)?;
            host_flags.set(OFlags::APPEND, new.contains(FdFlags::APPEND));
            host_flags.set(OFlags::NONBLOCK, new.contains(FdFlags::NONBLOCK));
            rustix::fs::fcntl_setfl(host, host_flags)?;
        }
        descriptor.flags = new;
        Ok(())
    }

    /// `fd_fdstat_set_rights`. Rights can only be given up.
    pub fn fd_fdstat_set_rights(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        rights: u64,
        inheriting: u64,
    ) -> Result<(), Errno> {
        let descriptor = self.fds.get_mut(fd)?;
        let rights = Rights::from_bits(rights).ok_or(Errno::Notcapable)?;
        let inheriting = Rights::from_bits(inheriting).ok_or(Errno::Notcapable)?;
        if !descriptor.rights.contains(rights) || !descriptor.inheriting.contains(inheriting) {
            return Err(Errno::Notcapable);
        }
        descriptor.rights = rights;
        descriptor.inheriting = inheriting;
        Ok(())
    }

    /// `fd_filestat_get`
    pub fn fd_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        stat: u32,
    ) -> Result<(), Errno> {
        let descriptor = self.fds.get(fd)?;
        descriptor.require(Rights::FD_FILESTAT_GET)?;
        let filestat = match descriptor.host() {
            Some(host) => filestat(&rustix::fs::fstat(host)?),
            None => Filestat {
                dev: 0,
                ino: 0,
                filetype: Filetype::Unknown,
                nlink: 0,
                size: 0,
                atim: 0,
                mtim: 0,
                ctim: 0,
            },
        };
        memory.write_filestat(stat, &filestat)
    }

    /// `fd_filestat_set_size`
    pub fn fd_filestat_set_size(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        size: u64,
    ) -> Result<(), Errno> {
        let descriptor = self.fds.get(fd)?;
        let host = descriptor.host_file(Rights::FD_FILESTAT_SET_SIZE, Errno::Inval)?;
        descriptor.writable()?;
        if i64::try_from(size).is_err() {
            return Err(Errno::Inval);
        }
        Ok(retry_on_intr(|| rustix::fs::ftruncate(host, size))?)
    }

    /// `fd_filestat_set_times`
    pub fn fd_filestat_set_times(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        atim: u64,
        mtim: u64,
        fst_flags: u32,
    ) -> Result<(), Errno> {
        let [atim, mtim] = new_times(atim, mtim, fst_flags)?;
        let descriptor = self.fds.get(fd)?;
        let host = descriptor.host_file(Rights::FD_FILESTAT_SET_TIMES, Errno::Inval)?;
        descriptor.writable()?;
        let times = Timestamps { last_access: timespec(atim), last_modification: timespec(mtim) };
        Ok(rustix::fs::futimens(host, &times)?)
    }

    /// `fd_prestat_get`
    pub fn fd_prestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        prestat: u32,
    ) -> Result<(), Errno> {
        let name_len = preopen_name(self.fds.get(fd)?)?.len();
        // The tag 0 (a directory) and the length of its name.
        memory.write_u32(prestat, 0)?;
        memory.write_count(after(prestat, 4)?, name_len)
    }

    /// `fd_prestat_dir_name`
    pub fn fd_prestat_dir_name(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: u32,
        path_len: u32,
    ) -> Result<(), Errno> {
        let name = preopen_name(self.fds.get(fd)?)?;
        if name.len() > path_len as usize {
            return Err(Errno::Nametoolong);
        }
        memory.write(path, name)
    }
}

fn after(ptr: u32, len: u32) -> Result<u32, Errno> {
    ptr.checked_add(len).ok_or(Errno::Fault)
}

/// Guests look for preopened directories from 3 on and stop at the first `Badf`.
fn preopen_name(descriptor: &Descriptor) -> Result<&[u8], Errno> {
    match &descriptor.object {
        Object::Directory(directory) => directory.preopen.as_deref().ok_or(Errno::Badf),
        _ => Err(Errno::Badf),
    }
}

/// A terminal shows itself to guests as a character device that cannot seek.
fn visible_rights(descriptor: &Descriptor) -> Rights {
    match &descriptor.object {
        Object::Stdio(stream) if stream.is_terminal() => {
            descriptor.rights.difference(Rights::FD_SEEK | Rights::FD_TELL)
        }
        _ => descriptor.rights,
    }
}

#[allow(clippy::useless_conversion, reason = "on AArch64 links are counted in 32 bits")]
fn filestat(stat: &rustix::fs::Stat) -> Filestat {
    Filestat {
        dev: stat.st_dev,
        ino: stat.st_ino,
        filetype: rustix::fs::FileType::from_raw_mode(stat.st_mode).into(),
        nlink: stat.st_nlink.into(),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        atim: timestamp(stat.st_atime, stat.st_atime_nsec),
        mtim: timestamp(stat.st_mtime, stat.st_mtime_nsec),
        ctim: timestamp(stat.st_ctime, stat.st_ctime_nsec),
    }
}

/// Nanoseconds since 1970. Earlier times become 0, times after 2554 the last one.
pub(super) fn timestamp(seconds: i64, nanoseconds: impl TryInto<u64>) -> u64 {
    let Ok(seconds) = u64::try_from(seconds) else { return 0 };
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds.try_into().unwrap_or(0))
}

/// What is to become of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewTime {
    Keep,
    Now,
    At(u64),
}

/// The new access and modification time.
pub(super) fn new_times(atim: u64, mtim: u64, fst_flags: u32) -> Result<[NewTime; 2], Errno> {
    let fst_flags: FstFlags = flags(fst_flags)?;
    let choose = |value, given, now| match (fst_flags.contains(given), fst_flags.contains(now)) {
        (true, true) => Err(Errno::Inval),
        (true, false) => Ok(NewTime::At(value)),
        (false, true) => Ok(NewTime::Now),
        (false, false) => Ok(NewTime::Keep),
    };
    Ok([
        choose(atim, FstFlags::ATIM, FstFlags::ATIM_NOW)?,
        choose(mtim, FstFlags::MTIM, FstFlags::MTIM_NOW)?,
    ])
}

fn timespec(time: NewTime) -> Timespec {
    match time {
        NewTime::Keep => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        NewTime::Now => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        NewTime::At(nanoseconds) => Timespec {
            tv_sec: (nanoseconds / 1_000_000_000) as i64,
            tv_nsec: (nanoseconds % 1_000_000_000) as _,
        },
    }
}
