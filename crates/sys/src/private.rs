//! Owns folders whose files only this user can have written: what is read from them was written by one of the user's own processes.
//! Does not know what the files hold.
//!
//! The folder and each file must belong to the effective user and be writable by nobody else; symbolic links in it are not
//! followed. Files are replaced by renaming and never changed, so that one that is open or mapped stays as it is.
//!
//! Guests that may write to the folder run as this user, too. What they make can be written to and not executed, and WASI has no call
//! to change that nor opens what its mode lets nobody write. So files here can be read and executed only, from the moment they exist.

use std::ffi::{CStr, OsString};
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::process::geteuid;

/// Names of files that are being written begin so.
const UNFINISHED: &str = ".new-";
/// The mode of files.
const MODE: Mode = Mode::RUSR.union(Mode::XUSR);
/// A file that is being written for longer was left by a process that ended.
const LONGEST_WRITE: Duration = Duration::from_secs(600);
/// Use is noted no more often than this.
const USE_PRECISION: Duration = Duration::from_secs(3600);

/// A folder of this user alone.
#[derive(Debug)]
pub struct PrivateFolder {
    folder: OwnedFd,
}

/// A file in a [`PrivateFolder`].
#[derive(Debug, PartialEq, Eq)]
pub struct PrivateFile {
    /// Its name.
    pub name: OsString,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written or last used, within an hour.
    pub used: SystemTime,
}

impl PrivateFolder {
    /// Opens a folder.
    ///
    /// # Errors
    /// `PermissionDenied` if somebody else could have put files there; else what the system says.
    pub fn open(path: &Path) -> io::Result<PrivateFolder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = fs::open(path, flags, Mode::empty())?;
        check(&fs::fstat(&folder)?, FileType::Directory)?;
        Ok(PrivateFolder { folder })
    }

    /// Opens a folder, and makes it and those above it first if they are missing.
    ///
    /// # Errors
    /// As [`PrivateFolder::open`].
    pub fn create(path: &Path) -> io::Result<PrivateFolder> {
        match PrivateFolder::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(path)?;
                PrivateFolder::open(path)
            }
            result => result,
        }
    }

    /// Opens a file and notes that it is used.
    ///
    /// # Errors
    /// `PermissionDenied` if somebody else or a guest could have written it; else what the system says.
    pub fn read(&self, name: &str) -> io::Result<File> {
        // Not even opening a pipe may take time.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::openat(&self.folder, name, flags, Mode::empty())?;
        let stat = fs::fstat(&file)?;
        check(&stat, FileType::RegularFile)?;
        if Mode::from_raw_mode(stat.st_mode) != MODE {
            let why = "it does not have the mode of files that no guest can write";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        if modified(&stat).elapsed().is_ok_and(|age| age > USE_PRECISION) {
            note_use(&file);
        }
        Ok(File::from(file))
    }

    /// Writes a whole file or nothing. Others see the old file or the new one.
    ///
    /// # Errors
    /// What the system says; no part of the file is left then.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (unfinished, file) = self.begin()?;
        let mut file = File::from(file);
        let written = file
            .write_all(bytes)
            .and_then(|()| Ok(fs::renameat(&self.folder, &*unfinished, &self.folder, name)?));
        if written.is_err() {
            let _ = self.remove(unfinished.as_ref());
        }
        written
    }

    /// A new file under a name that nobody else has.
    fn begin(&self) -> io::Result<(String, OwnedFd)> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut tries = 0;
        loop {
            // Numbers of processes repeat where a folder is shared by machines: the time is there to tell them apart.
            let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let name = format!("{UNFINISHED}{process}-{count}-{}", crate::cpu::now_nanos());
            match fs::openat(&self.folder, &*name, flags, MODE) {
                Ok(file) => return Ok((name, file)),
                Err(rustix::io::Errno::EXIST) if tries < 16 => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The files in it that nobody else can have written, but for those that are being written.
    ///
    /// # Errors
    /// What the system says.
    pub fn list(&self) -> io::Result<Vec<PrivateFile>> {
        self.files(|name, _| !name.starts_with(UNFINISHED.as_bytes()))
    }

    /// Removes what processes left that ended while they wrote.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove_unfinished(&self) -> io::Result<()> {
        let left = self.files(|name, used| {
            let old = used.elapsed().is_ok_and(|age| age > LONGEST_WRITE);
            old && name.starts_with(UNFINISHED.as_bytes())
        });
        left?.into_iter().try_for_each(|file| self.remove(&file.name))
    }

    fn files(&self, wanted: impl Fn(&[u8], SystemTime) -> bool) -> io::Result<Vec<PrivateFile>> {
        let mut files = Vec::new();
        for entry in Dir::read_from(&self.folder)? {
            let entry = entry?;
            let name: &CStr = entry.file_name();
            // It may be gone by now.
            let Ok(stat) = fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let used = modified(&stat);
            if check(&stat, FileType::RegularFile).is_ok() && wanted(name.to_bytes(), used) {
                let name = OsString::from_vec(name.to_bytes().to_vec());
                files.push(PrivateFile { name, size: stat.st_size as u64, used });
            }
        }
        Ok(files)
    }

    /// Removes a file. That there is none is no error.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, name: &std::ffi::OsStr) -> io::Result<()> {
        match fs::unlinkat(&self.folder, name, AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Refuses what somebody else could have written.
fn check(stat: &Stat, kind: FileType) -> io::Result<()> {
    let others = Mode::WGRP | Mode::WOTH;
    let why = if FileType::from_raw_mode(stat.st_mode) != kind {
        "it is something else than a file in a folder"
    } else if stat.st_uid != geteuid().as_raw() {
        "it belongs to another user"
    } else if Mode::from_raw_mode(stat.st_mode).intersects(others) {
        "other users may write to it"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

fn modified(stat: &Stat) -> SystemTime {
    let seconds = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
    SystemTime::UNIX_EPOCH + seconds
}

/// Sets the time of modification to now. That it cannot be set makes no difference to anybody.
fn note_use(file: impl AsFd) {
    let now = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW };
    let omit = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT };
    let _ = fs::futimens(file, &Timestamps { last_access: omit, last_modification: now });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn contents(folder: &PrivateFolder, name: &str) -> io::Result<String> {
        let mut text = String::new();
        folder.read(name)?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn files_are_written_whole_and_found_again() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        assert_eq!(PrivateFolder::open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        let folder = PrivateFolder::create(&path).unwrap();
        for made in [&path, &parent.path().join("a")] {
            assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
        folder.write("x", b"long text").unwrap();
        folder.write("x", b"text").unwrap();
        assert_eq!(contents(&folder, "x").unwrap(), "text");
        assert_eq!(path.join("x").metadata().unwrap().permissions().mode() & 0o777, 0o500);
        let listed = folder.list().unwrap();
        assert_eq!((listed.len(), &*listed[0].name, listed[0].size), (1, "x".as_ref(), 4));
        folder.remove("x".as_ref()).unwrap();
        folder.remove("x".as_ref()).unwrap();
        assert_eq!(contents(&folder, "x").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_others_can_write_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("folder");
        let folder = PrivateFolder::create(&path).unwrap();
        folder.write("x", b"text").unwrap();
        for mode in [0o660, 0o602, 0o666] {
            set_mode(&path.join("x"), mode);
            let refused = contents(&folder, "x").unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{mode:o}");
            assert!(folder.list().unwrap().is_empty());
        }
        for mode in [0o600, 0o644, 0o700, 0o555, 0o400] {
            set_mode(&path.join("x"), mode);
            assert!(contents(&folder, "x").unwrap_err().to_string().contains("guest"), "{mode:o}");
            assert_eq!(folder.list().unwrap().len(), 1, "it can be removed");
        }
        set_mode(&path.join("x"), 0o500);
        assert!(contents(&folder, "x").is_ok());
        symlink(path.join("x"), path.join("link")).unwrap();
        assert!(contents(&folder, "link").is_err());
        assert!(contents(&folder, ".").is_err());
        for mode in [0o770, 0o702, 0o777] {
            set_mode(&path, mode);
            let refused = PrivateFolder::open(&path).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{mode:o}");
            assert!(PrivateFolder::create(&path).is_err());
        }
        // Of another user: only root can arrange that.
        if geteuid().is_root() {
            set_mode(&path, 0o700);
            std::os::unix::fs::chown(path.join("x"), Some(12345), None).unwrap();
            assert!(contents(&folder, "x").unwrap_err().to_string().contains("another user"));
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            let refused = PrivateFolder::open(&path).unwrap_err();
            assert!(refused.to_string().contains("another user"));
        }
    }

    #[test]
    fn a_failed_write_leaves_nothing_and_left_overs_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = PrivateFolder::create(parent.path()).unwrap();
        // A folder of this name cannot be replaced by a file.
        std::fs::create_dir_all(parent.path().join("taken/inside")).unwrap();
        assert!(folder.write("taken", b"text").is_err());
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
        let left = parent.path().join(".new-1-2-3");
        std::fs::write(&left, b"half").unwrap();
        folder.remove_unfinished().unwrap();
        assert!(left.exists() && folder.list().unwrap().is_empty(), "somebody may be writing it");
        let old = SystemTime::now() - LONGEST_WRITE * 2;
        File::options().append(true).open(&left).unwrap().set_modified(old).unwrap();
        folder.remove_unfinished().unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn use_is_noted() {
        let parent = tempfile::tempdir().unwrap();
        let folder = PrivateFolder::create(parent.path()).unwrap();
        folder.write("x", b"text").unwrap();
        let old = SystemTime::now() - USE_PRECISION * 2;
        let path = parent.path().join("x");
        File::open(path).unwrap().set_modified(old).unwrap();
        assert!(folder.list().unwrap()[0].used.elapsed().unwrap() > USE_PRECISION);
        folder.read("x").unwrap();
        assert!(folder.list().unwrap()[0].used.elapsed().unwrap() < USE_PRECISION);
    }
}
