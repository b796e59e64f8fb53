//! Owns the tests of files and directories inside a preopened directory.
//! Does not test ways out of it; `escape` does.
#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod guest;

use guest::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use sterna_wasi::{DirAccess, Errno, WasiCtx};

fn guest_in(dir: &tempfile::TempDir, access: DirAccess) -> Guest {
    Guest::new(WasiCtx::builder().preopen_dir(dir.path(), "/", access).unwrap())
}

#[test]
fn opening() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = guest_in(&dir, DirAccess::ReadWrite);
    std::fs::create_dir(dir.path().join("dir")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
    std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
    let ok = Ok(());
    let table = [
        ("missing", 0, READ, Err(Errno::Noent)),
        ("", 0, READ, Err(Errno::Noent)),
        ("file", OFLAGS_CREAT, WRITE, ok),
        ("file", OFLAGS_CREAT, READ, ok),
        ("file", OFLAGS_CREAT | OFLAGS_EXCL, WRITE, Err(Errno::Exist)),
        ("file", OFLAGS_TRUNC, WRITE, ok),
        ("file", OFLAGS_TRUNC, 0, ok),
        ("file", OFLAGS_DIRECTORY, READ, Err(Errno::Notdir)),
        ("file/", 0, READ, Err(Errno::Notdir)),
        ("file/x", 0, READ, Err(Errno::Notdir)),
        ("dir", 0, READ, ok),
        ("dir/", 0, READ, ok),
        (".", 0, READ, ok),
        ("dir/..", 0, READ, ok),
        ("dir", OFLAGS_DIRECTORY, READ, ok),
        ("dir", 0, READ | WRITE, Err(Errno::Isdir)),
        ("dir", OFLAGS_DIRECTORY, READ | WRITE, Err(Errno::Isdir)),
        ("dir", OFLAGS_CREAT, READ, Err(Errno::Isdir)),
        ("dir", OFLAGS_DIRECTORY | OFLAGS_CREAT, READ, Err(Errno::Inval)),
        ("missing/", OFLAGS_CREAT, WRITE, Err(Errno::Isdir)),
        ("dangling", 0, READ, Err(Errno::Noent)),
        ("loop", 0, READ, Err(Errno::Loop)),
        ("file\0", 0, READ, Err(Errno::Inval)),
        ("file", 16, READ, Err(Errno::Inval)),
    ];
    for (path, oflags, rights, expected) in table {
        let result = guest.open(path, oflags, rights).map(|fd| guest.close(fd).unwrap());
        assert_eq!(result, expected, "open {path:?} with {oflags} and {rights:#x}");
    }
    let long = "x".repeat(5000);
    assert_eq!(guest.open(&long, 0, READ), Err(Errno::Nametoolong));
    assert_eq!(guest.open(&long[..300], 0, READ), Err(Errno::Nametoolong));
    assert_eq!(guest.open_at(1, 0, b"file", 0, READ, 0), Err(Errno::Notdir));
    assert_eq!(guest.open_at(99, 0, b"file", 0, READ, 0), Err(Errno::Badf));
}

#[test]
fn reading_and_writing() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = guest_in(&dir, DirAccess::ReadWrite);
    let fd = guest.open("file", OFLAGS_CREAT, ALL).unwrap();
    assert_eq!(guest.write(fd, b"hello world"), Ok(11));
    guest.call(|ctx, m| ctx.fd_seek(m, fd, 6, 0, 0)).unwrap();
    assert_eq!(guest.read(fd, 100).unwrap(), b"world");
    assert_eq!(guest.read(fd, 100).unwrap(), b"");
    let table = [
        ("to the end", 0, 2, Ok(11)),
        ("before the start", -12, 2, Err(Errno::Inval)),
        ("from the end", -1, 2, Ok(10)),
        ("relative", -3, 1, Ok(7)),
        ("absolute", 3, 0, Ok(3)),
        ("absolute negative", -3, 0, Err(Errno::Inval)),
        ("where", 0, 3, Err(Errno::Inval)),
    ];
    for (what, offset, whence, expected) in table {
        let result = guest.call(|ctx, m| ctx.fd_seek(m, fd, offset as u64, whence, 0));
        assert_eq!(result.map(|()| guest.u64_at(0)), expected, "{what}");
    }
    guest.call(|ctx, m| ctx.fd_tell(m, fd, 0)).unwrap();
    assert_eq!(guest.u64_at(0), 3);
    guest.call(|ctx, m| ctx.fd_allocate(m, fd, 0, 20)).unwrap();
    assert_eq!(guest.stat("file", 0), Ok(20));
    guest.call(|ctx, m| ctx.fd_filestat_set_size(m, fd, 5)).unwrap();
    assert_eq!(guest.stat("file", 0), Ok(5));
    for size in [u64::MAX, 1 << 63] {
        assert_eq!(guest.call(|ctx, m| ctx.fd_filestat_set_size(m, fd, size)), Err(Errno::Inval));
    }
    assert_eq!(guest.call(|ctx, m| ctx.fd_advise(m, fd, 0, 0, 3)), Ok(()));
    assert_eq!(guest.call(|ctx, m| ctx.fd_advise(m, fd, 0, 0, 6)), Err(Errno::Inval));
    assert_eq!(guest.call(|ctx, m| ctx.fd_sync(m, fd)), Ok(()));
    assert_eq!(guest.call(|ctx, m| ctx.fd_sync(m, DIR)), Ok(()));
    assert_eq!(std::fs::read(dir.path().join("file")).unwrap(), b"hello");
}

#[test]
fn only_what_was_opened_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = guest_in(&dir, DirAccess::ReadWrite);
    let writer = guest.open("file", OFLAGS_CREAT, WRITE).unwrap();
    let reader = guest.open("file", 0, READ).unwrap();
    assert_eq!(guest.read(writer, 1), Err(Errno::Badf));
    assert_eq!(guest.write(reader, b"x"), Err(Errno::Badf));
    assert_eq!(guest.call(|ctx, m| ctx.fd_seek(m, reader, 1, 0, 0)), Err(Errno::Notcapable));
    assert_eq!(guest.read(DIR, 1), Err(Errno::Isdir));
    assert_eq!(guest.write(DIR, b"x"), Err(Errno::Isdir));
    assert_eq!(guest.read(1, 1), Err(Errno::Badf));
    assert_eq!(guest.write(0, b"x"), Err(Errno::Badf));
    assert_eq!(guest.list(reader, 100).err(), Some(Errno::Notdir));
    assert_eq!(guest.call(|ctx, m| ctx.sock_shutdown(m, reader, 1)), Err(Errno::Notsock));
    // Rights are not regained through a directory that does not pass them on.
    guest.call(|ctx, m| ctx.fd_fdstat_set_rights(m, DIR, 1 << 13, READ)).unwrap();
    assert_eq!(guest.open("file", 0, WRITE), Err(Errno::Notcapable));
    assert_eq!(guest.open("new", OFLAGS_CREAT, READ), Err(Errno::Notcapable));
    assert_eq!(
        guest.call(|ctx, m| ctx.fd_fdstat_set_rights(m, DIR, 1 << 14, 0)),
        Err(Errno::Notcapable)
    );
    assert!(guest.open("file", 0, READ).is_ok());
}

#[test]
fn appending() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = guest_in(&dir, DirAccess::ReadWrite);
    std::fs::write(dir.path().join("file"), "old").unwrap();
    let fd = guest.open_at(DIR, 0, b"file", OFLAGS_TRUNC, ALL, APPEND).unwrap();
    guest.write(fd, b"ab").unwrap();
    guest.call(|ctx, m| ctx.fd_seek(m, fd, 0, 0, 0)).unwrap();
    guest.write(fd, b"cd").unwrap();
    guest.call(|ctx, m| ctx.fd_fdstat_set_flags(m, fd, 0)).unwrap();
    guest.call(|ctx, m| ctx.fd_seek(m, fd, 0, 0, 0)).unwrap();
    guest.write(fd, b"X").unwrap();
    assert_eq!(std::fs::read(dir.path().join("file")).unwrap(), b"Xbcd");
    assert_eq!(guest.call(|ctx, m| ctx.fd_fdstat_set_flags(m, fd, 16)), Err(Errno::Notsup));
    assert_eq!(guest.call(|ctx, m| ctx.fd_fdstat_set_flags(m, fd, 32)), Err(Errno::Inval));
}

#[test]
fn a_read_only_directory_is_not_changed() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "as it was").unwrap();
    std::fs::create_dir(dir.path().join("dir")).unwrap();
    let mut guest = Guest::new(
        WasiCtx::builder()
            .preopen_dir(dir.path(), "/", DirAccess::ReadOnly)
            .unwrap()
            .preopen_dir(other.path(), "/other", DirAccess::ReadWrite)
            .unwrap(),
    );
    let writable = DIR + 1;
    let fd = guest.open("file", 0, ALL & !WRITE).unwrap();
    let sub = guest.open("dir", OFLAGS_DIRECTORY, ALL & !WRITE).unwrap();
    assert!(guest.open_at(writable, 0, b"mine", OFLAGS_CREAT, ALL, 0).is_ok());
    let refused = [
        ("open to write", guest.open("file", 0, READ | WRITE).map(|_| ())),
        ("truncate", guest.open("file", OFLAGS_TRUNC, READ).map(|_| ())),
        ("create", guest.open("new", OFLAGS_CREAT, READ).map(|_| ())),
        ("create new", guest.open("new", OFLAGS_CREAT | OFLAGS_EXCL, READ).map(|_| ())),
        ("create below", guest.open_at(sub, 0, b"new", OFLAGS_CREAT, READ, 0).map(|_| ())),
        ("mkdir", guest.mkdir("new")),
        ("rmdir", guest.rmdir("dir")),
        ("unlink", guest.unlink("file")),
        ("symlink", guest.symlink("file", "new")),
        ("link", guest.link_between(DIR, "file", DIR, "new")),
        ("link in", guest.link_between(writable, "mine", DIR, "new")),
        ("rename", guest.rename("file", "new")),
        ("rename in", guest.rename_between(writable, "mine", DIR, "new")),
        ("rename out", guest.rename_between(DIR, "file", writable, "new")),
        ("set_times", guest.set_times("file", 0)),
        ("set_times of open file", guest.call(|ctx, m| ctx.fd_filestat_set_times(m, fd, 0, 0, 10))),
        ("set_times of open dir", guest.call(|ctx, m| ctx.fd_filestat_set_times(m, sub, 0, 0, 10))),
        ("set_size", guest.call(|ctx, m| ctx.fd_filestat_set_size(m, fd, 0))),
        ("allocate", guest.call(|ctx, m| ctx.fd_allocate(m, fd, 0, 100))),
    ];
    for (what, outcome) in refused {
        assert_eq!(outcome, Err(Errno::Rofs), "{what}");
    }
    assert_eq!(guest.link_between(DIR, "file", writable, "new"), Err(Errno::Xdev));
    // What changes nothing works.
    assert_eq!(guest.open("file", OFLAGS_CREAT, READ).map(|_| ()), Ok(()));
    assert_eq!(guest.open("file", OFLAGS_CREAT | OFLAGS_EXCL, READ), Err(Errno::Exist));
    assert_eq!(guest.read(fd, 100).unwrap(), b"as it was");
    assert_eq!(guest.stat("file", 0), Ok(9));
    assert_eq!(guest.list(DIR, 4096).unwrap().len(), 4);
}

#[test]
fn listing_through_buffers_of_any_size() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = guest_in(&dir, DirAccess::ReadWrite);
    let mut expected = vec![(b".".to_vec(), 3), (b"..".to_vec(), 3), (b"sub".to_vec(), 3)];
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    for index in 0..300 {
        let name = format!("file number {index}");
        std::fs::write(dir.path().join(&name), "").unwrap();
        expected.push((name.into_bytes(), 4));
    }
    expected.sort();
    for len in [41, 64, 100, 4096, 30000] {
        let mut entries: Vec<_> =
            guest.list(DIR, len).unwrap().into_iter().map(|(name, kind, _)| (name, kind)).collect();
        entries.sort();
        assert_eq!(entries, expected, "buffer of {len}");
    }
    // A buffer that holds no whole entry is filled all the same.
    for len in [0, 1, 24] {
        assert_eq!(guest.list_page(DIR, len, 0).unwrap(), (vec![], true), "buffer of {len}");
    }
    // Cookies can be returned to in any order, and there is nothing behind the last one.
    let entries = guest.list(DIR, 4096).unwrap();
    for (number, entry) in entries.iter().enumerate().skip(1).step_by(7).rev() {
        let (page, _) = guest.list_page(DIR, 100, entries[number - 1].2).unwrap();
        assert_eq!(page[0], *entry);
    }
    for cookie in [entries.len() as u64, 10_000, u64::MAX] {
        assert_eq!(guest.list_page(DIR, 100, cookie).unwrap(), (vec![], false), "{cookie}");
    }
    assert!(entries.iter().all(|entry| entry.2 <= entries.len() as u64), "cookies are small");
    // A descriptor that has not been listed yet knows cookies of another one.
    let again = guest.open(".", 0, ALL & !READ & !WRITE).unwrap();
    assert_eq!(guest.list_page(again, 100, entries[9].2).unwrap().0[0].0, entries[10].0);
}

#[test]
fn a_listing_survives_removals() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = guest_in(&dir, DirAccess::ReadWrite);
    for index in 0..200 {
        std::fs::write(dir.path().join(index.to_string()), "").unwrap();
    }
    let mut cookie = 0;
    let mut removed = 0;
    loop {
        let (page, full) = guest.list_page(DIR, 200, cookie).unwrap();
        for (name, _, next) in page {
            cookie = next;
            if name[0] != b'.' {
                guest.unlink(std::str::from_utf8(&name).unwrap()).unwrap();
                removed += 1;
            }
        }
        if !full {
            break;
        }
    }
    assert_eq!(removed, 200);
    assert_eq!(guest.list(DIR, 100).unwrap().len(), 2);
}

#[test]
fn names_that_are_not_utf8() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = guest_in(&dir, DirAccess::ReadWrite);
    let name = b"caf\xe9";
    std::fs::write(dir.path().join(OsStr::from_bytes(name)), "x").unwrap();
    assert!(guest.list(DIR, 4096).unwrap().iter().any(|entry| entry.0 == name));
    let fd = guest.open_at(DIR, 0, name, 0, READ, 0).unwrap();
    assert_eq!(guest.read(fd, 10).unwrap(), b"x");
}

#[test]
fn links_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = guest_in(&dir, DirAccess::ReadWrite);
    std::fs::write(dir.path().join("file"), "12345").unwrap();
    guest.symlink("file", "link").unwrap();
    assert_eq!(guest.stat("link", FOLLOW), Ok(5));
    assert_eq!(guest.stat("link", 0), Ok(4));
    assert_eq!(guest.readlink("link", 100).unwrap(), b"file");
    assert_eq!(guest.readlink("link", 2).unwrap(), b"fi");
    assert_eq!(guest.readlink("file", 2), Err(Errno::Inval));
    guest.set_times("link", 0).unwrap();
    let modified = |name: &str| {
        let metadata = std::fs::symlink_metadata(dir.path().join(name)).unwrap();
        metadata.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
    };
    assert_eq!(modified("link"), 6);
    assert_ne!(modified("file"), 6);
    guest.set_times("link", FOLLOW).unwrap();
    assert_eq!(modified("file"), 6);
    assert_eq!(
        guest.with_path("file", |ctx, m, p, l| ctx
            .path_filestat_set_times(m, DIR, 2, p, l, 0, 0, 0)),
        Err(Errno::Inval)
    );
    assert_eq!(guest.link_between(DIR, "file", DIR, "hard"), Ok(()));
    assert_eq!(guest.link_between(DIR, "file", DIR, "hard"), Err(Errno::Exist));
    assert_eq!(guest.rename("hard", "sub/hard"), Err(Errno::Noent));
}

#[test]
fn preopened_names() {
    let dir = tempfile::tempdir().unwrap();
    let builder = WasiCtx::builder()
        .preopen_dir(dir.path(), "/", DirAccess::ReadWrite)
        .unwrap()
        .preopen_dir(dir.path(), "second", DirAccess::ReadOnly)
        .unwrap();
    let mut guest = Guest::new(builder);
    guest.call(|ctx, m| ctx.fd_prestat_get(m, 4, 0)).unwrap();
    assert_eq!((guest.u32_at(0), guest.u32_at(4)), (0, 6));
    assert_eq!(guest.call(|ctx, m| ctx.fd_prestat_dir_name(m, 4, 0, 5)), Err(Errno::Nametoolong));
    guest.call(|ctx, m| ctx.fd_prestat_dir_name(m, 4, 0, 6)).unwrap();
    assert_eq!(&guest.bytes[..6], b"second");
    for fd in [0, 2, 5] {
        assert_eq!(guest.call(|ctx, m| ctx.fd_prestat_get(m, fd, 0)), Err(Errno::Badf));
    }
    guest.call(|ctx, m| ctx.fd_renumber(m, 4, 3)).unwrap();
    guest.call(|ctx, m| ctx.fd_prestat_get(m, 3, 0)).unwrap();
    assert_eq!(guest.u32_at(4), 6);
    assert_eq!(guest.mkdir("x"), Err(Errno::Rofs));
    assert_eq!(guest.close(3), Ok(()));
    assert_eq!(guest.call(|ctx, m| ctx.fd_prestat_get(m, 3, 0)), Err(Errno::Badf));
    let missing = dir.path().join("missing");
    assert!(WasiCtx::builder().preopen_dir(missing, "/", DirAccess::ReadOnly).is_err());
}

/// A call whose result has nowhere to go has no effect.
#[test]
fn results_outside_the_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = guest_in(&dir, DirAccess::ReadWrite);
    let end = guest.bytes.len() as u32;
    let outcome = guest.with_path("new", |ctx, m, p, l| {
        ctx.path_open(m, DIR, 0, p, l, OFLAGS_CREAT, ALL, ALL, 0, end - 3)
    });
    assert_eq!(outcome, Err(Errno::Fault));
    assert!(!dir.path().join("new").exists());
    let fd = guest.open("new", OFLAGS_CREAT, ALL).unwrap();
    guest.bytes[0..8].copy_from_slice(&[0, 0, 0, 0, 5, 0, 0, 0]);
    assert_eq!(guest.call(|ctx, m| ctx.fd_write(m, fd, 0, 1, end)), Err(Errno::Fault));
    assert_eq!(guest.call(|ctx, m| ctx.fd_write(m, fd, 0, 1, 100)), Ok(()));
    assert_eq!(guest.stat("new", 0), Ok(5));
}
