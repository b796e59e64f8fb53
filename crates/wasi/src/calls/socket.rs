//! Owns the calls on sockets; they are granted open, as preview 1 cannot make any.
//! Does not set flags on the host's sockets, which the embedder may share.
#![expect(clippy::too_many_arguments, reason = "functions of preview 1 have many")]

use crate::descriptor::{Descriptor, Object};
use crate::interrupt::{self, Interrupt};
use crate::types::{FdFlags, RiFlags, Rights, SdFlags, flags};
use crate::{Errno, GuestMemory, Stop, WasiCtx};
use rustix::event::PollFlags;
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, Shutdown,
    SocketFlags,
};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};

/// `ro_flags`: a datagram was longer than the buffers.
const RECV_DATA_TRUNCATED: u16 = 1;

/// See the specification for what each call does.
impl WasiCtx {
    /// `sock_accept`
    pub fn sock_accept(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        fd_flags: u32,
        accepted: u32,
    ) -> Result<(), Stop> {
        memory.check(accepted, 4)?;
        let fd_flags: FdFlags = flags(fd_flags)?;
        if !FdFlags::NONBLOCK.contains(fd_flags) {
            return Err(Errno::Inval.into());
        }
        let descriptor = self.fds.get(fd)?;
        let socket = match &descriptor.object {
            Object::Listener(socket) => socket,
            Object::Socket(_) => return Err(Errno::Inval.into()),
            _ => return Err(Errno::Notsock.into()),
        };
        descriptor.require(Rights::SOCK_ACCEPT)?;
        if descriptor.flags.contains(FdFlags::NONBLOCK) {
            if !interrupt::ready(socket.as_fd(), PollFlags::IN)? {
                return Err(Errno::Again.into());
            }
        } else {
            self.interrupt.wait(socket.as_fd(), PollFlags::IN)?;
        }
        let connection = retry_on_intr(|| rustix::net::accept_with(socket, SocketFlags::CLOEXEC))?;
        let mut descriptor = Descriptor::new(Object::Socket(connection), Rights::SOCKET);
        descriptor.flags = fd_flags;
        let fd = self.fds.insert(descriptor)?;
        Ok(memory.write_u32(accepted, fd)?)
    }

    /// `sock_recv`
    pub fn sock_recv(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        iovs: u32,
        count: u32,
        ri_flags: u32,
        nread: u32,
        ro_flags: u32,
    ) -> Result<(), Stop> {
        memory.check(nread, 4)?;
        memory.check(ro_flags, 2)?;
        let ri_flags: RiFlags = flags(ri_flags)?;
        let (socket, fd_flags) = connected(self.fds.get(fd)?, Rights::FD_READ)?;
        let mut host_flags = RecvFlags::empty();
        host_flags.set(RecvFlags::PEEK, ri_flags.contains(RiFlags::RECV_PEEK));
        host_flags.set(RecvFlags::WAITALL, ri_flags.contains(RiFlags::RECV_WAITALL));
        let mut truncated = false;
        let count = memory.scatter(iovs, count, |buffers| {
            let received = receive(socket, &self.interrupt, buffers, fd_flags, host_flags)?;
            truncated = received.truncated;
            Ok::<_, Stop>(received.count)
        })?;
        memory.write_count(nread, count)?;
        Ok(memory.write_u16(ro_flags, if truncated { RECV_DATA_TRUNCATED } else { 0 })?)
    }

    /// `sock_send`
    pub fn sock_send(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        iovs: u32,
        count: u32,
        si_flags: u32,
        nwritten: u32,
    ) -> Result<(), Errno> {
        memory.check(nwritten, 4)?;
        if si_flags != 0 {
            return Err(Errno::Inval);
        }
        let (socket, fd_flags) = connected(self.fds.get(fd)?, Rights::FD_WRITE)?;
        let count = memory.gather(iovs, count, |buffers| send(socket, buffers, fd_flags))?;
        memory.write_count(nwritten, count)
    }

    /// `sock_shutdown`
    pub fn sock_shutdown(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        how: u32,
    ) -> Result<(), Errno> {
        let (socket, _) = connected(self.fds.get(fd)?, Rights::SOCK_SHUTDOWN)?;
        let how: SdFlags = flags(how)?;
        let how = match (how.contains(SdFlags::RD), how.contains(SdFlags::WR)) {
            (true, true) => Shutdown::Both,
            (true, false) => Shutdown::Read,
            (false, true) => Shutdown::Write,
            (false, false) => return Err(Errno::Inval),
        };
        Ok(rustix::net::shutdown(socket, how)?)
    }
}

/// The connected socket behind a descriptor that has `rights`.
fn connected(descriptor: &Descriptor, rights: Rights) -> Result<(&OwnedFd, FdFlags), Errno> {
    match &descriptor.object {
        Object::Socket(socket) => {
            descriptor.require(rights)?;
            Ok((socket, descriptor.flags))
        }
        Object::Listener(_) => Err(Errno::Notconn),
        _ => Err(Errno::Notsock),
    }
}

/// What came of receiving.
pub(super) struct Received {
    pub count: usize,
    pub truncated: bool,
}

pub(super) fn receive(
    socket: &OwnedFd,
    interrupt: &Interrupt,
    buffers: &mut [IoSliceMut<'_>],
    flags: FdFlags,
    mut host_flags: RecvFlags,
) -> Result<Received, Stop> {
    if flags.contains(FdFlags::NONBLOCK) {
        host_flags |= RecvFlags::DONTWAIT;
    } else {
        interrupt.wait(socket.as_fd(), PollFlags::IN)?;
    }
    let message = retry_on_intr(|| {
        rustix::net::recvmsg(socket, buffers, &mut RecvAncillaryBuffer::default(), host_flags)
    })?;
    Ok(Received { count: message.bytes, truncated: message.flags.contains(ReturnFlags::TRUNC) })
}

pub(super) fn send(
    socket: &OwnedFd,
    buffers: &[IoSlice<'_>],
    flags: FdFlags,
) -> Result<usize, Errno> {
    let mut host_flags = SendFlags::NOSIGNAL;
    host_flags.set(SendFlags::DONTWAIT, flags.contains(FdFlags::NONBLOCK));
    Ok(retry_on_intr(|| {
        rustix::net::sendmsg(socket, buffers, &mut SendAncillaryBuffer::default(), host_flags)
    })?)
}
