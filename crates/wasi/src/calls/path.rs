//! Owns the calls that take paths, all resolved beneath a directory descriptor by `cap-std`.
//! Does not resolve paths itself, so that there is one place where an escape could be possible.
#![expect(clippy::too_many_arguments, reason = "functions of preview 1 have many")]

use super::fd::{NewTime, new_times, timestamp};
use crate::descriptor::{Descriptor, Directory, File, Object};
use crate::types::{FdFlags, Filestat, Filetype, LookupFlags, OpenFlags, Rights, flags};
use crate::{Errno, GuestMemory, WasiCtx};
use cap_fs_ext::{
    DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt, SystemTimeSpec,
};
use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use cap_std::time::SystemTime;
use rustix::fs::OFlags;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// See the specification for what each call does.
impl WasiCtx {
    /// `path_create_directory`
    pub fn path_create_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: u32,
        path_len: u32,
    ) -> Result<(), Errno> {
        let (directory, _) = self.fds.directory(fd, Rights::PATH_CREATE_DIRECTORY)?;
        let path = &*memory.path(path, path_len)?;
        directory.writable()?;
        Ok(directory.dir.create_dir(path)?)
    }

    /// `path_remove_directory`
    pub fn path_remove_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: u32,
        path_len: u32,
    ) -> Result<(), Errno> {
        let (directory, _) = self.fds.directory(fd, Rights::PATH_REMOVE_DIRECTORY)?;
        let path = &*memory.path(path, path_len)?;
        directory.writable()?;
        Ok(directory.dir.remove_dir(path)?)
    }

    /// `path_unlink_file`
    pub fn path_unlink_file(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: u32,
        path_len: u32,
    ) -> Result<(), Errno> {
        let (directory, _) = self.fds.directory(fd, Rights::PATH_UNLINK_FILE)?;
        let path = &*memory.path(path, path_len)?;
        directory.writable()?;
        Ok(directory.dir.remove_file_or_symlink(path)?)
    }

    /// `path_filestat_get`
    pub fn path_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        path_len: u32,
        stat: u32,
    ) -> Result<(), Errno> {
        let (directory, _) = self.fds.directory(fd, Rights::PATH_FILESTAT_GET)?;
        let path = &*memory.path(path, path_len)?;
        let metadata = if follows(lookup)? {
            directory.dir.metadata(path)?
        } else {
            directory.dir.symlink_metadata(path)?
        };
        memory.write_filestat(stat, &filestat(&metadata))
    }

    /// `path_filestat_set_times`
    pub fn path_filestat_set_times(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        path_len: u32,
        atim: u64,
        mtim: u64,
        fst_flags: u32,
    ) -> Result<(), Errno> {
        let (directory, _) = self.fds.directory(fd, Rights::PATH_FILESTAT_SET_TIMES)?;
        let [atim, mtim] = new_times(atim, mtim, fst_flags)?.map(time_spec);
        let path = &*memory.path(path, path_len)?;
        directory.writable()?;
        if follows(lookup)? {
            Ok(directory.dir.set_times(path, atim, mtim)?)
        } else {
            Ok(directory.dir.set_symlink_times(path, atim, mtim)?)
        }
    }

    /// `path_link`. Links are made to symbolic links themselves; following them is `Inval`.
    pub fn path_link(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_fd: u32,
        lookup: u32,
        old_path: u32,
        old_len: u32,
        new_fd: u32,
        new_path: u32,
        new_len: u32,
    ) -> Result<(), Errno> {
        let (old, _) = self.fds.directory(old_fd, Rights::PATH_LINK_SOURCE)?;
        let (new, _) = self.fds.directory(new_fd, Rights::PATH_LINK_TARGET)?;
        if follows(lookup)? {
            return Err(Errno::Inval);
        }
        let old_path = &*memory.path(old_path, old_len)?;
        let new_path = &*memory.path(new_path, new_len)?;
        new.writable()?;
        if old.read_only {
            // The link would be a writable name for a file that is not to be written.
            return Err(Errno::Xdev);
        }
        Ok(old.dir.hard_link(old_path, &new.dir, new_path)?)
    }

    /// `path_rename`
    pub fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_fd: u32,
        old_path: u32,
        old_len: u32,
        new_fd: u32,
        new_path: u32,
        new_len: u32,
    ) -> Result<(), Errno> {
        let (old, _) = self.fds.directory(old_fd, Rights::PATH_RENAME_SOURCE)?;
        let (new, _) = self.fds.directory(new_fd, Rights::PATH_RENAME_TARGET)?;
        let old_path = &*memory.path(old_path, old_len)?;
        let new_path = &*memory.path(new_path, new_len)?;
        old.writable()?;
        new.writable()?;
        Ok(old.dir.rename(old_path, &new.dir, new_path)?)
    }

    /// `path_symlink`. An absolute target is `Perm`: it would name something of the host's.
    pub fn path_symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        target: u32,
        target_len: u32,
        fd: u32,
        path: u32,
        path_len: u32,
    ) -> Result<(), Errno> {
        let (directory, _) = self.fds.directory(fd, Rights::PATH_SYMLINK)?;
        let target = &*memory.path(target, target_len)?;
        let path = &*memory.path(path, path_len)?;
        directory.writable()?;
        Ok(DirExt::symlink(&directory.dir, target, path)?)
    }

    /// `path_readlink`. A target longer than the buffer is cut; an absolute one is `Perm`.
    pub fn path_readlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: u32,
        path_len: u32,
        buf: u32,
        buf_len: u32,
        used: u32,
    ) -> Result<(), Errno> {
        let (directory, _) = self.fds.directory(fd, Rights::PATH_READLINK)?;
        let target = directory.dir.read_link(memory.path(path, path_len)?)?;
        let target = target.as_os_str().as_bytes();
        memory.check(buf, buf_len)?;
        let count = target.len().min(buf_len as usize);
        memory.write(buf, &target[..count])?;
        memory.write_count(used, count)
    }

    /// `path_open`
    pub fn path_open(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        path_len: u32,
        oflags: u32,
        rights: u64,
        inheriting: u64,
        fd_flags: u32,
        opened: u32,
    ) -> Result<(), Errno> {
        memory.check(opened, 4)?;
        let (directory, descriptor) = self.fds.directory(fd, Rights::PATH_OPEN)?;
        let request = OpenRequest {
            follow: follows(lookup)?,
            oflags: flags(oflags)?,
            rights: Rights::from_bits_truncate(rights),
            flags: flags(fd_flags)?,
        };
        request.permitted(descriptor)?;
        let file = request.open(directory, &memory.path(path, path_len)?)?;
        let stat = rustix::fs::fstat(&file)?;
        let filetype: Filetype = rustix::fs::FileType::from_raw_mode(stat.st_mode).into();
        let granted = request.rights & descriptor.inheriting;
        let read_only = directory.read_only;
        let new = if filetype == Filetype::Directory {
            Descriptor {
                object: Object::Directory(Directory::new(Dir::from_std_file(file), read_only)),
                rights: granted & Rights::DIRECTORY,
                inheriting: Rights::from_bits_truncate(inheriting) & descriptor.inheriting,
                flags: FdFlags::empty(),
            }
        } else {
            let fd = OwnedFd::from(file);
            Descriptor {
                object: Object::File(File { fd, filetype, read_only }),
                rights: granted & Rights::FILE,
                inheriting: Rights::empty(),
                flags: request.flags,
            }
        };
        let fd = self.fds.insert(new)?;
        memory.write_u32(opened, fd)
    }
}

/// What `path_open` is asked for.
struct OpenRequest {
    follow: bool,
    oflags: OpenFlags,
    rights: Rights,
    flags: FdFlags,
}

impl OpenRequest {
    /// Fails if the directory descriptor does not give the right to do this. Of the rights asked
    /// for, reading and writing must be there to inherit; others that are not are left out.
    fn permitted(&self, descriptor: &Descriptor) -> Result<(), Errno> {
        if self.oflags.contains(OpenFlags::CREAT) {
            descriptor.require(Rights::PATH_CREATE_FILE)?;
        }
        // Who may write the file may empty it; Go's library counts on that.
        if self.oflags.contains(OpenFlags::TRUNC) && !self.rights.contains(Rights::FD_WRITE) {
            descriptor.require(Rights::PATH_FILESTAT_SET_SIZE)?;
        }
        let access = self.rights & (Rights::FD_READ | Rights::FD_WRITE);
        if !descriptor.inheriting.contains(access) {
            return Err(Errno::Notcapable);
        }
        if self.oflags.contains(OpenFlags::DIRECTORY)
            && self.oflags.intersects(OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::TRUNC)
        {
            return Err(Errno::Inval);
        }
        Ok(())
    }

    fn open(&self, directory: &Directory, path: &Path) -> Result<std::fs::File, Errno> {
        if !directory.read_only {
            let file = directory.dir.open_with(path, &self.options(self.oflags))?.into_std();
            return self.check_writable(file);
        }
        // As on a read-only file system: what exists can be opened to read, even with `CREAT`.
        let create = self.oflags.contains(OpenFlags::CREAT);
        let existing = self.oflags.difference(OpenFlags::CREAT | OpenFlags::EXCL);
        if self.rights.contains(Rights::FD_WRITE) || existing.contains(OpenFlags::TRUNC) {
            return Err(Errno::Rofs);
        }
        match directory.dir.open_with(path, &self.options(existing)).map_err(Errno::from) {
            Ok(_) if create && self.oflags.contains(OpenFlags::EXCL) => Err(Errno::Exist),
            Err(Errno::Noent) if create => Err(Errno::Rofs),
            result => Ok(result?.into_std()),
        }
    }

    /// Refuses to write to a file whose mode lets nobody: the host's root could. Nothing has been truncated so far.
    fn check_writable(&self, file: std::fs::File) -> Result<std::fs::File, Errno> {
        let new = self.oflags.contains(OpenFlags::CREAT | OpenFlags::EXCL);
        if new || !self.host_write(self.oflags) {
            return Ok(file);
        }
        let metadata = file.metadata()?;
        if metadata.permissions().readonly() {
            return Err(Errno::Acces);
        }
        if self.oflags.contains(OpenFlags::TRUNC) && metadata.is_file() {
            file.set_len(0)?;
        }
        Ok(file)
    }

    /// The host creates and truncates only what it opens to write.
    fn host_write(&self, oflags: OpenFlags) -> bool {
        let write = self.rights.contains(Rights::FD_WRITE);
        write || oflags.intersects(OpenFlags::CREAT | OpenFlags::TRUNC)
    }

    fn options(&self, oflags: OpenFlags) -> OpenOptions {
        let host_write = self.host_write(oflags);
        let mut custom = OFlags::NOCTTY;
        custom.set(OFlags::DIRECTORY, oflags.contains(OpenFlags::DIRECTORY));
        // Not `OpenOptions::append`, which allows no other way to write.
        custom.set(OFlags::APPEND, self.flags.contains(FdFlags::APPEND));
        let mut options = OpenOptions::new();
        options
            .read(self.rights.contains(Rights::FD_READ) || !host_write)
            .write(host_write)
            .create(oflags.contains(OpenFlags::CREAT))
            .create_new(oflags.contains(OpenFlags::CREAT | OpenFlags::EXCL))
            .custom_flags(custom.bits() as i32);
        options
            .follow(if self.follow { FollowSymlinks::Yes } else { FollowSymlinks::No })
            .sync(self.flags.contains(FdFlags::SYNC))
            .dsync(self.flags.contains(FdFlags::DSYNC))
            .rsync(self.flags.contains(FdFlags::RSYNC))
            .nonblock(self.flags.contains(FdFlags::NONBLOCK));
        options
    }
}

fn follows(lookup: u32) -> Result<bool, Errno> {
    Ok(flags::<LookupFlags>(lookup)?.contains(LookupFlags::SYMLINK_FOLLOW))
}

fn time_spec(time: NewTime) -> Option<SystemTimeSpec> {
    match time {
        NewTime::Keep => None,
        NewTime::Now => Some(SystemTimeSpec::SymbolicNow),
        NewTime::At(nanoseconds) => {
            let epoch = SystemTime::from_std(std::time::UNIX_EPOCH);
            Some(SystemTimeSpec::Absolute(epoch + Duration::from_nanos(nanoseconds)))
        }
    }
}

fn filestat(metadata: &Metadata) -> Filestat {
    Filestat {
        dev: metadata.dev(),
        ino: metadata.ino(),
        filetype: rustix::fs::FileType::from_raw_mode(metadata.mode()).into(),
        nlink: metadata.nlink(),
        size: metadata.size(),
        atim: timestamp(metadata.atime(), metadata.atime_nsec()),
        mtim: timestamp(metadata.mtime(), metadata.mtime_nsec()),
        ctim: timestamp(metadata.ctime(), metadata.ctime_nsec()),
    }
}
