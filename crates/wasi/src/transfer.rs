//! Owns the system calls that read and write at the current position of host descriptors.
//! Does not check rights or choose buffers.

use rustix::io::{Errno, retry_on_intr};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsFd;

/// Reads into the buffers. One buffer is the common case, for which the host has a faster call.
pub(crate) fn read(fd: impl AsFd, buffers: &mut [IoSliceMut<'_>]) -> Result<usize, Errno> {
    match buffers {
        [buffer] => retry_on_intr(|| rustix::io::read(&fd, &mut buffer[..])),
        buffers => retry_on_intr(|| rustix::io::readv(&fd, buffers)),
    }
}

/// Writes from the buffers.
pub(crate) fn write(fd: impl AsFd, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
    match buffers {
        [buffer] => retry_on_intr(|| rustix::io::write(&fd, buffer)),
        buffers => retry_on_intr(|| rustix::io::writev(&fd, buffers)),
    }
}
