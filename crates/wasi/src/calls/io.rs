//! Owns the calls that move bytes through descriptors.
//! Does not open, close or describe them.

use crate::descriptor::Object;
use crate::types::{Filetype, Rights, Whence};
use crate::{Errno, GuestMemory, Stop, WasiCtx, transfer};
use rustix::event::PollFlags;
use rustix::fs::SeekFrom;
use rustix::io::retry_on_intr;
use rustix::net::RecvFlags;
use std::os::fd::AsFd;

use super::socket;

/// See the specification for what each call does.
impl WasiCtx {
    /// `fd_read`
    pub fn fd_read(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        iovs: u32,
        count: u32,
        nread: u32,
    ) -> Result<(), Stop> {
        memory.check(nread, 4)?;
        let descriptor = self.fds.get_mut(fd)?;
        descriptor.require(Rights::FD_READ)?;
        let flags = descriptor.flags;
        let count = memory.scatter(iovs, count, |buffers| match &mut descriptor.object {
            Object::File(file) => {
                if file.filetype != Filetype::RegularFile {
                    self.interrupt.wait(file.fd.as_fd(), PollFlags::IN)?;
                }
                Ok(transfer::read(&file.fd, buffers)?)
            }
            Object::Stdio(stream) => {
                if let Some(host) = stream.host() {
                    self.interrupt.wait(host, PollFlags::IN)?;
                }
                Ok(stream.read(buffers, flags)?)
            }
            Object::Socket(socket) => {
                let none = RecvFlags::empty();
                Ok(socket::receive(socket, &self.interrupt, buffers, flags, none)?.count)
            }
            Object::Directory(_) => Err(Stop::from(Errno::Isdir)),
            Object::Listener(_) => Err(Errno::Notconn.into()),
        })?;
        Ok(memory.write_count(nread, count)?)
    }

    /// `fd_write`
    pub fn fd_write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        iovs: u32,
        count: u32,
        nwritten: u32,
    ) -> Result<(), Stop> {
        memory.check(nwritten, 4)?;
        let descriptor = self.fds.get_mut(fd)?;
        descriptor.require(Rights::FD_WRITE)?;
        let flags = descriptor.flags;
        let count = memory.gather(iovs, count, |buffers| match &mut descriptor.object {
            Object::File(file) => Ok(transfer::write(&file.fd, buffers)?),
            Object::Stdio(stream) => Ok(stream.write(buffers, flags)?),
            Object::Socket(socket) => Ok(socket::send(socket, buffers, flags)?),
            Object::Directory(_) => Err(Stop::from(Errno::Isdir)),
            Object::Listener(_) => Err(Errno::Notconn.into()),
        })?;
        Ok(memory.write_count(nwritten, count)?)
    }

    /// `fd_pread`
    pub fn fd_pread(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        iovs: u32,
        count: u32,
        offset: u64,
        nread: u32,
    ) -> Result<(), Errno> {
        memory.check(nread, 4)?;
        let host = self.fds.get(fd)?.host_file(Rights::FD_READ | Rights::FD_SEEK, Errno::Spipe)?;
        let count = memory.scatter(iovs, count, |buffers| {
            retry_on_intr(|| rustix::io::preadv(host, buffers, offset)).map_err(Errno::from)
        })?;
        memory.write_count(nread, count)
    }

    /// `fd_pwrite`
    pub fn fd_pwrite(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        iovs: u32,
        count: u32,
        offset: u64,
        nwritten: u32,
    ) -> Result<(), Errno> {
        memory.check(nwritten, 4)?;
        let host = self.fds.get(fd)?.host_file(Rights::FD_WRITE | Rights::FD_SEEK, Errno::Spipe)?;
        let count = memory.gather(iovs, count, |buffers| {
            retry_on_intr(|| rustix::io::pwritev(host, buffers, offset)).map_err(Errno::from)
        })?;
        memory.write_count(nwritten, count)
    }

    /// `fd_seek`
    pub fn fd_seek(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        offset: u64,
        whence: u32,
        new_offset: u32,
    ) -> Result<(), Errno> {
        memory.check(new_offset, 8)?;
        let offset = offset as i64;
        let (target, rights) = match Whence::from_raw(whence, memory.abi())? {
            Whence::Set => {
                (SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?), Rights::FD_SEEK)
            }
            // To learn the position is `fd_tell`, which is a right of its own.
            Whence::Cur if offset == 0 => (SeekFrom::Current(0), Rights::FD_TELL),
            Whence::Cur => (SeekFrom::Current(offset), Rights::FD_SEEK),
            Whence::End => (SeekFrom::End(offset), Rights::FD_SEEK),
        };
        let host = self.fds.get(fd)?.host_file(rights, Errno::Spipe)?;
        memory.write_u64(new_offset, rustix::fs::seek(host, target)?)
    }

    /// `fd_tell`
    pub fn fd_tell(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        offset: u32,
    ) -> Result<(), Errno> {
        let host = self.fds.get(fd)?.host_file(Rights::FD_TELL, Errno::Spipe)?;
        memory.write_u64(offset, rustix::fs::tell(host)?)
    }

    /// `fd_sync`
    pub fn fd_sync(&mut self, _memory: &mut GuestMemory<'_>, fd: u32) -> Result<(), Errno> {
        let host = self.fds.get(fd)?.host_file(Rights::FD_SYNC, Errno::Inval)?;
        Ok(retry_on_intr(|| rustix::fs::fsync(host))?)
    }

    /// `fd_datasync`
    pub fn fd_datasync(&mut self, _memory: &mut GuestMemory<'_>, fd: u32) -> Result<(), Errno> {
        let host = self.fds.get(fd)?.host_file(Rights::FD_DATASYNC, Errno::Inval)?;
        Ok(retry_on_intr(|| rustix::fs::fdatasync(host))?)
    }
}
