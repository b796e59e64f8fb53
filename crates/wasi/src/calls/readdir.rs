//! Owns `fd_readdir`: entries in the host's order, positioned by the host's own cookies.
//! Does not hold a listing in memory, whatever the size of the directory.

use crate::descriptor::{Directory, Object};
use crate::types::{Dirent, Filetype, Rights};
use crate::{Errno, GuestMemory, WasiCtx};
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType};

/// See the specification for what each call does.
impl WasiCtx {
    /// `fd_readdir`. The last entry is cut where the buffer ends; a buffer that is not full says
    /// that there are no more entries.
    pub fn fd_readdir(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        buf: u32,
        buf_len: u32,
        cookie: u64,
        used: u32,
    ) -> Result<(), Errno> {
        memory.check(used, 4)?;
        let descriptor = self.fds.get_mut(fd)?;
        if !matches!(descriptor.object, Object::Directory(_)) {
            return Err(Errno::Notdir);
        }
        descriptor.require(Rights::FD_READDIR)?;
        let Object::Directory(directory) = &mut descriptor.object else {
            return Err(Errno::Notdir);
        };
        let buffer = memory.slice_mut(buf, buf_len)?;
        let count = fill(directory, buffer, cookie)?;
        memory.write_count(used, count)
    }
}

/// Fills `buffer` from the position `cookie` on; returns how much of it is filled.
fn fill(directory: &mut Directory, buffer: &mut [u8], cookie: u64) -> Result<usize, Errno> {
    let Directory { dir, listing, .. } = directory;
    let listing = match listing {
        Some(listing) => listing,
        none => none.insert(rustix::fs::Dir::read_from(&*dir)?),
    };
    match cookie {
        0 => listing.rewind(),
        _ => listing.seek(i64::try_from(cookie).map_err(|_| Errno::Inval)?)?,
    }
    let mut used = 0;
    while used < buffer.len() {
        let Some(entry) = listing.read() else { break };
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let (ino, filetype) = match name {
            // The parent may be outside of what the guest may know about.
            b".." => (rustix::fs::fstat(&*dir)?.st_ino, Filetype::Directory),
            _ => (entry.ino(), entry_type(dir, &entry)),
        };
        let record = Dirent {
            next: entry.offset() as u64,
            ino,
            name_len: u32::try_from(name.len()).map_err(|_| Errno::Overflow)?,
            filetype,
        };
        for part in [&record.encode()[..], name] {
            let room = &mut buffer[used..];
            let count = part.len().min(room.len());
            room[..count].copy_from_slice(&part[..count]);
            used += count;
        }
    }
    Ok(used)
}

/// Some file systems do not tell the type in a listing; then the file itself is asked.
fn entry_type(dir: &Dir, entry: &rustix::fs::DirEntry) -> Filetype {
    let mut filetype = entry.file_type();
    if filetype == FileType::Unknown
        && let Ok(stat) = rustix::fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
    {
        filetype = FileType::from_raw_mode(stat.st_mode);
    }
    filetype.into()
}
