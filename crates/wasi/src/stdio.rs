//! Owns the standard streams: inherited, redirected to a file, or in memory.
//! Does not enforce rights; the descriptor that holds a stream does.

use crate::types::{FdFlags, Filetype};
use crate::{Errno, interrupt, transfer};
use rustix::event::PollFlags;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A pipe takes this many bytes at once or reports that it is full (POSIX's `PIPE_BUF`, at least).
const PIPE_BUF: usize = 4096;

/// What a guest's standard stream is connected to.
#[derive(Debug)]
pub struct Stdio(pub(crate) Source);

#[derive(Debug)]
pub(crate) enum Source {
    Inherit,
    Stream(Stream),
}

impl Stdio {
    /// Reads as empty; swallows what is written.
    pub fn null() -> Stdio {
        Stdio(Source::Stream(Stream::Null))
    }

    /// The host process's stream of the same number.
    pub fn inherit() -> Stdio {
        Stdio(Source::Inherit)
    }

    /// An open file, pipe or terminal of the host's.
    pub fn file(file: impl Into<OwnedFd>) -> Stdio {
        Stdio(Source::Stream(Stream::Host(HostStream::Owned(file.into()))))
    }

    /// Input from memory, then end of file.
    pub fn input(bytes: impl Into<Vec<u8>>) -> Stdio {
        Stdio(Source::Stream(Stream::Input { bytes: bytes.into(), position: 0 }))
    }

    /// Output to memory.
    pub fn output(buffer: &OutputBuffer) -> Stdio {
        Stdio(Source::Stream(Stream::Output(buffer.clone())))
    }
}

/// Collects a guest's output in memory, up to a limit. Clones share the contents.
#[derive(Clone, Debug)]
pub struct OutputBuffer {
    bytes: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl OutputBuffer {
    /// An empty buffer for at most `limit` bytes; writing more is `Nospc` for the guest.
    pub fn new(limit: usize) -> OutputBuffer {
        OutputBuffer { bytes: Arc::default(), limit }
    }

    /// What has been written so far.
    pub fn contents(&self) -> Vec<u8> {
        self.lock().clone()
    }

    /// A writer that panicked leaves complete bytes behind, so a poisoned lock is usable.
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let mut bytes = self.lock();
        let mut room = self.limit.saturating_sub(bytes.len());
        let mut written = 0;
        for buffer in buffers {
            let part = &buffer[..buffer.len().min(room)];
            bytes.extend_from_slice(part);
            room -= part.len();
            written += part.len();
        }
        if written == 0 && buffers.iter().any(|buffer| !buffer.is_empty()) {
            return Err(Errno::Nospc);
        }
        Ok(written)
    }
}

/// An open standard stream.
#[derive(Debug)]
pub(crate) enum Stream {
    Null,
    Host(HostStream),
    Input { bytes: Vec<u8>, position: usize },
    Output(OutputBuffer),
}

/// A stream of the host's. The process's own three are named, not owned: the guest cannot close them.
#[derive(Debug)]
pub(crate) enum HostStream {
    Stdin,
    Stdout,
    Stderr,
    Owned(OwnedFd),
}

impl AsFd for HostStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            HostStream::Stdin => rustix::stdio::stdin(),
            HostStream::Stdout => rustix::stdio::stdout(),
            HostStream::Stderr => rustix::stdio::stderr(),
            HostStream::Owned(fd) => fd.as_fd(),
        }
    }
}

impl Stream {
    pub(crate) fn host(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Stream::Host(stream) => Some(stream.as_fd()),
            _ => None,
        }
    }

    pub(crate) fn read(
        &mut self,
        buffers: &mut [IoSliceMut<'_>],
        flags: FdFlags,
    ) -> Result<usize, Errno> {
        match self {
            Stream::Null => Ok(0),
            Stream::Output(_) => Err(Errno::Badf),
            Stream::Input { bytes, position } => {
                let start = *position;
                for buffer in buffers {
                    let rest = &bytes[*position..];
                    let count = rest.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&rest[..count]);
                    *position += count;
                }
                Ok(*position - start)
            }
            Stream::Host(stream) => {
                let fd = stream.as_fd();
                if flags.contains(FdFlags::NONBLOCK) && !interrupt::ready(fd, PollFlags::IN)? {
                    return Err(Errno::Again);
                }
                Ok(transfer::read(fd, buffers)?)
            }
        }
    }

    /// `NONBLOCK` is kept out of the host's description of the stream, which other processes (a
    /// shell) share: waiting is avoided by asking first.
    pub(crate) fn write(
        &mut self,
        buffers: &[IoSlice<'_>],
        flags: FdFlags,
    ) -> Result<usize, Errno> {
        match self {
            Stream::Null => Ok(buffers.iter().map(|buffer| buffer.len()).sum()),
            Stream::Input { .. } => Err(Errno::Badf),
            Stream::Output(buffer) => buffer.write(buffers),
            Stream::Host(stream) => {
                let fd = stream.as_fd();
                if !flags.contains(FdFlags::NONBLOCK) {
                    return Ok(transfer::write(fd, buffers)?);
                }
                if !interrupt::ready(fd, PollFlags::OUT)? {
                    return Err(Errno::Again);
                }
                let Some(first) = buffers.iter().find(|buffer| !buffer.is_empty()) else {
                    return Ok(0);
                };
                let part = &first[..first.len().min(PIPE_BUF)];
                Ok(transfer::write(fd, &[IoSlice::new(part)])?)
            }
        }
    }

    /// Bytes that can be read without waiting, where that is known.
    pub(crate) fn available(&self) -> u64 {
        match self {
            Stream::Input { bytes, position } => (bytes.len() - position) as u64,
            _ => 0,
        }
    }

    pub(crate) fn filetype(&self) -> Filetype {
        match self {
            Stream::Host(stream) => host_filetype(stream.as_fd()),
            _ => Filetype::Unknown,
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.host().is_some_and(rustix::termios::isatty)
    }
}

fn host_filetype(fd: BorrowedFd<'_>) -> Filetype {
    match rustix::fs::fstat(fd) {
        Ok(stat) => rustix::fs::FileType::from_raw_mode(stat.st_mode).into(),
        Err(_) => Filetype::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_stops_at_its_limit() {
        let buffer = OutputBuffer::new(5);
        let Stdio(Source::Stream(mut stream)) = Stdio::output(&buffer) else { panic!("memory") };
        let hello = [IoSlice::new(b"hel"), IoSlice::new(b"lo!")];
        assert_eq!(stream.write(&hello, FdFlags::empty()), Ok(5));
        assert_eq!(buffer.contents(), b"hello");
        assert_eq!(stream.write(&hello, FdFlags::empty()), Err(Errno::Nospc));
        assert_eq!(stream.write(&[], FdFlags::empty()), Ok(0));
    }

    #[test]
    fn input_ends() {
        let Stdio(Source::Stream(mut stream)) = Stdio::input(*b"abc") else { panic!("memory") };
        let mut bytes = [0; 2];
        assert_eq!(stream.available(), 3);
        assert_eq!(stream.read(&mut [IoSliceMut::new(&mut bytes)], FdFlags::empty()), Ok(2));
        assert_eq!(&bytes, b"ab");
        assert_eq!(stream.read(&mut [IoSliceMut::new(&mut bytes)], FdFlags::empty()), Ok(1));
        assert_eq!(stream.read(&mut [IoSliceMut::new(&mut bytes)], FdFlags::empty()), Ok(0));
    }

    #[test]
    fn nonblocking_pipes() {
        let (reader, writer) = std::io::pipe().unwrap();
        let Stdio(Source::Stream(mut input)) = Stdio::file(reader) else { panic!("host") };
        let Stdio(Source::Stream(mut output)) = Stdio::file(writer) else { panic!("host") };
        let mut bytes = [0; 8];
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        assert_eq!(input.read(&mut buffers, FdFlags::NONBLOCK), Err(Errno::Again));
        let big = vec![7; 1 << 20];
        let mut total = 0;
        loop {
            match output.write(&[IoSlice::new(&big)], FdFlags::NONBLOCK) {
                Ok(count) => total += count,
                Err(errno) => break assert_eq!(errno, Errno::Again),
            }
        }
        assert!(total >= PIPE_BUF);
        assert_eq!(input.read(&mut buffers, FdFlags::NONBLOCK), Ok(8));
    }
}
