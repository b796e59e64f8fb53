//! Owns `fd_readdir`: entries in the host's order, and cookies that stay valid.
//! Does not hold entries in memory, only a position for each.

use crate::descriptor::{Directory, Object};
use crate::types::{Dirent, Filetype, Rights};
use crate::{Errno, GuestMemory, WasiCtx};
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, DirEntry, FileType};

/// A listing ends with `Overflow` behind this many entries.
const ENTRIES_MAX: usize = 1 << 24;

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
        let count = memory.fill(buf, buf_len, |buffer| fill(directory, buffer, cookie))?;
        memory.write_count(used, count)
    }
}

/// Fills `buffer` from the entry number `cookie` on; returns how much of it is filled.
fn fill(directory: &mut Directory, buffer: &mut [u8], cookie: u64) -> Result<usize, Errno> {
    let Directory { dir, listing, .. } = directory;
    let listing = match listing {
        Some(listing) => listing,
        none => none.insert(Listing::new(dir)?),
    };
    let mut cookie = usize::try_from(cookie).map_err(|_| Errno::Inval)?;
    if !listing.go_to(cookie)? {
        return Ok(0);
    }
    let mut used = 0;
    while used < buffer.len() {
        let Some(entry) = listing.next(cookie)? else { break };
        cookie += 1;
        let name = entry.file_name().to_bytes();
        let (ino, filetype) = match name {
            // The parent may be outside of what the guest may know about.
            b".." => (rustix::fs::fstat(&*dir)?.st_ino, Filetype::Directory),
            _ => (entry.ino(), entry_type(dir, &entry)),
        };
        let record = Dirent {
            next: cookie as u64,
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

/// A listing in progress. Cookies count entries, because the `telldir` of a 32-bit guest has room
/// for no more than that; what is kept for each is the host's position behind it, which stays valid
/// while entries come and go.
#[derive(Debug)]
pub(crate) struct Listing {
    entries: rustix::fs::Dir,
    /// The host's position behind the first, second, … entry.
    behind: Vec<i64>,
}

impl Listing {
    fn new(dir: &Dir) -> Result<Listing, Errno> {
        Ok(Listing { entries: rustix::fs::Dir::read_from(dir)?, behind: Vec::new() })
    }

    /// Moves behind the entry number `cookie`; to 0 means to begin anew. False if there are not so
    /// many entries.
    fn go_to(&mut self, cookie: usize) -> Result<bool, Errno> {
        let known = cookie.min(self.behind.len());
        match known {
            0 => {
                self.behind.clear();
                self.entries.rewind();
            }
            _ => self.entries.seek(self.behind[known - 1])?,
        }
        for number in known..cookie {
            if self.next(number)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads the entry behind the first `number` ones, where the listing stands.
    fn next(&mut self, number: usize) -> Result<Option<DirEntry>, Errno> {
        if number >= ENTRIES_MAX {
            return Err(Errno::Overflow);
        }
        let Some(entry) = self.entries.read().transpose()? else { return Ok(None) };
        match self.behind.get_mut(number) {
            Some(behind) => *behind = entry.offset(),
            None => self.behind.push(entry.offset()),
        }
        Ok(Some(entry))
    }
}

/// Some file systems do not tell the type in a listing; then the file itself is asked.
fn entry_type(dir: &Dir, entry: &DirEntry) -> Filetype {
    let mut filetype = entry.file_type();
    if filetype == FileType::Unknown
        && let Ok(stat) = rustix::fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
    {
        filetype = FileType::from_raw_mode(stat.st_mode);
    }
    filetype.into()
}
