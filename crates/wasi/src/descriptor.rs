//! Owns the descriptor table: numbers, the objects behind them and their rights.
//! Does not perform input or output; the calls do, on what they find here.

use crate::Errno;
use crate::calls::Listing;
use crate::stdio::Stream;
use crate::types::{FdFlags, Filetype, Rights};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most descriptors a guest may have open; the host's own limit is usually lower.
const DESCRIPTORS_MAX: usize = 1 << 20;

/// An open descriptor.
#[derive(Debug)]
pub(crate) struct Descriptor {
    pub object: Object,
    pub rights: Rights,
    pub inheriting: Rights,
    pub flags: FdFlags,
}

/// What a descriptor stands for.
#[derive(Debug)]
pub(crate) enum Object {
    Directory(Directory),
    File(File),
    Stdio(Stream),
    Socket(OwnedFd),
    Listener(OwnedFd),
}

/// An open directory; paths are resolved beneath it.
#[derive(Debug)]
pub(crate) struct Directory {
    pub dir: cap_std::fs::Dir,
    /// The name the guest sees, for a preopened directory.
    pub preopen: Option<Vec<u8>>,
    /// Nothing reached through it may be changed, as on a read-only file system.
    pub read_only: bool,
    /// The listing in progress, positioned by cookies.
    pub listing: Option<Listing>,
}

/// A file opened by path.
#[derive(Debug)]
pub(crate) struct File {
    pub fd: OwnedFd,
    pub filetype: Filetype,
    /// It lies in a read-only directory.
    pub read_only: bool,
}

impl Directory {
    pub(crate) fn new(dir: cap_std::fs::Dir, read_only: bool) -> Directory {
        Directory { dir, preopen: None, read_only, listing: None }
    }

    /// Fails if nothing may be changed here.
    pub(crate) fn writable(&self) -> Result<(), Errno> {
        if self.read_only { Err(Errno::Rofs) } else { Ok(()) }
    }
}

impl Descriptor {
    pub(crate) fn new(object: Object, rights: Rights) -> Descriptor {
        Descriptor { object, rights, inheriting: Rights::empty(), flags: FdFlags::empty() }
    }

    /// Fails unless the descriptor has all of `rights`. The error is the one POSIX programs expect:
    /// a file operation on a directory is `Isdir`; reading or writing what is not open for it `Badf`.
    pub(crate) fn require(&self, rights: Rights) -> Result<(), Errno> {
        if self.rights.contains(rights) {
            return Ok(());
        }
        let missing = rights.difference(self.rights);
        if matches!(self.object, Object::Directory(_)) && !Rights::DIRECTORY.contains(missing) {
            return Err(Errno::Isdir);
        }
        if missing.intersects(Rights::FD_READ | Rights::FD_WRITE) {
            return Err(Errno::Badf);
        }
        Err(Errno::Notcapable)
    }

    /// The host's descriptor, if there is one behind this.
    pub(crate) fn host(&self) -> Option<BorrowedFd<'_>> {
        match &self.object {
            Object::Directory(directory) => Some(directory.dir.as_fd()),
            Object::File(file) => Some(file.fd.as_fd()),
            Object::Stdio(stream) => stream.host(),
            Object::Socket(fd) | Object::Listener(fd) => Some(fd.as_fd()),
        }
    }

    /// The host's descriptor of something with bytes in it; `otherwise` for sockets and memory.
    pub(crate) fn host_file(
        &self,
        rights: Rights,
        otherwise: Errno,
    ) -> Result<BorrowedFd<'_>, Errno> {
        if matches!(self.object, Object::Socket(_) | Object::Listener(_)) {
            return Err(otherwise);
        }
        self.require(rights)?;
        self.host().ok_or(otherwise)
    }

    /// Fails if the object lies in a read-only directory.
    pub(crate) fn writable(&self) -> Result<(), Errno> {
        let read_only = match &self.object {
            Object::Directory(directory) => directory.read_only,
            Object::File(file) => file.read_only,
            _ => false,
        };
        if read_only { Err(Errno::Rofs) } else { Ok(()) }
    }

    pub(crate) fn filetype(&self) -> Filetype {
        match &self.object {
            Object::Directory(_) => Filetype::Directory,
            Object::File(file) => file.filetype,
            Object::Stdio(stream) => stream.filetype(),
            Object::Socket(fd) | Object::Listener(fd) => {
                match rustix::net::sockopt::socket_type(fd) {
                    Ok(rustix::net::SocketType::DGRAM) => Filetype::SocketDgram,
                    _ => Filetype::SocketStream,
                }
            }
        }
    }
}

/// A guest's descriptors. New ones get the lowest free number, as in POSIX.
#[derive(Debug, Default)]
pub(crate) struct Descriptors {
    slots: Vec<Option<Descriptor>>,
    /// No slot below this one is free.
    first_free: usize,
}

impl Descriptors {
    pub(crate) fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::Badf)
    }

    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::Badf)
    }

    /// A directory descriptor that has `rights`.
    pub(crate) fn directory(
        &self,
        fd: u32,
        rights: Rights,
    ) -> Result<(&Directory, &Descriptor), Errno> {
        let descriptor = self.get(fd)?;
        match &descriptor.object {
            Object::Directory(directory) => {
                descriptor.require(rights)?;
                Ok((directory, descriptor))
            }
            _ => Err(Errno::Notdir),
        }
    }

    pub(crate) fn insert(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        let fd = (self.first_free..self.slots.len())
            .find(|&fd| self.slots[fd].is_none())
            .unwrap_or(self.slots.len());
        if fd >= DESCRIPTORS_MAX {
            return Err(Errno::Mfile);
        }
        if fd == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[fd] = Some(descriptor);
        self.first_free = fd + 1;
        Ok(fd as u32)
    }

    pub(crate) fn remove(&mut self, fd: u32) -> Result<Descriptor, Errno> {
        let descriptor =
            self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::Badf)?;
        self.first_free = self.first_free.min(fd as usize);
        Ok(descriptor)
    }

    /// Gives the descriptor `from` the number `to`, closing what was there. Both must be open.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(from)?;
        self.get(to)?;
        if from != to {
            let descriptor = self.remove(from)?;
            self.slots[to as usize] = Some(descriptor);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Descriptor {
        Descriptor::new(Object::Stdio(Stream::Null), Rights::FD_READ)
    }

    #[test]
    fn numbers_are_the_lowest_free() {
        let mut fds = Descriptors::default();
        for expected in 0..4 {
            assert_eq!(fds.insert(stream()), Ok(expected));
        }
        fds.remove(2).unwrap();
        fds.remove(1).unwrap();
        assert_eq!(fds.remove(1).err(), Some(Errno::Badf));
        assert_eq!(fds.insert(stream()), Ok(1));
        assert_eq!(fds.insert(stream()), Ok(2));
        assert_eq!(fds.insert(stream()), Ok(4));
    }

    #[test]
    fn renumbering() {
        let mut fds = Descriptors::default();
        for _ in 0..3 {
            fds.insert(stream()).unwrap();
        }
        assert_eq!(fds.renumber(0, 7), Err(Errno::Badf));
        assert_eq!(fds.renumber(7, 0), Err(Errno::Badf));
        assert_eq!(fds.renumber(1, 1), Ok(()));
        assert_eq!(fds.renumber(0, 2), Ok(()));
        assert!(fds.get(0).is_err() && fds.get(2).is_ok());
        assert_eq!(fds.insert(stream()), Ok(0));
    }

    #[test]
    fn missing_rights() {
        let descriptor = stream();
        assert_eq!(descriptor.require(Rights::FD_READ), Ok(()));
        assert_eq!(descriptor.require(Rights::FD_WRITE), Err(Errno::Badf));
        assert_eq!(descriptor.require(Rights::FD_ADVISE), Err(Errno::Notcapable));
    }
}
