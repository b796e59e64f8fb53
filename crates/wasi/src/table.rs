//! Owns the one list of the functions of preview 1, with their WebAssembly signatures.
//! Does not implement them; each row names the method of `WasiCtx` that does.
// tidy: flat-table

/// Hands every function of preview 1 to the macro `$m`, as rows of the form
/// `name(parameter: type, …) -> errno;`, or without `-> errno` for the one that does not return.
#[macro_export]
macro_rules! for_each_wasi_fn {
    ($m:ident) => {
        $m! {
            args_get(argv: i32, argv_buf: i32) -> errno;
            args_sizes_get(argc: i32, argv_buf_size: i32) -> errno;
            environ_get(environ: i32, environ_buf: i32) -> errno;
            environ_sizes_get(environc: i32, environ_buf_size: i32) -> errno;
            clock_res_get(id: i32, resolution: i32) -> errno;
            clock_time_get(id: i32, precision: i64, time: i32) -> errno;
            fd_advise(fd: i32, offset: i64, len: i64, advice: i32) -> errno;
            fd_allocate(fd: i32, offset: i64, len: i64) -> errno;
            fd_close(fd: i32) -> errno;
            fd_datasync(fd: i32) -> errno;
            fd_fdstat_get(fd: i32, stat: i32) -> errno;
            fd_fdstat_set_flags(fd: i32, flags: i32) -> errno;
            fd_fdstat_set_rights(fd: i32, rights: i64, inheriting: i64) -> errno;
            fd_filestat_get(fd: i32, stat: i32) -> errno;
            fd_filestat_set_size(fd: i32, size: i64) -> errno;
            fd_filestat_set_times(fd: i32, atim: i64, mtim: i64, fst_flags: i32) -> errno;
            fd_pread(fd: i32, iovs: i32, count: i32, offset: i64, nread: i32) -> errno;
            fd_prestat_get(fd: i32, prestat: i32) -> errno;
            fd_prestat_dir_name(fd: i32, path: i32, path_len: i32) -> errno;
            fd_pwrite(fd: i32, iovs: i32, count: i32, offset: i64, nwritten: i32) -> errno;
            fd_read(fd: i32, iovs: i32, count: i32, nread: i32) -> errno;
            fd_readdir(fd: i32, buf: i32, buf_len: i32, cookie: i64, used: i32) -> errno;
            fd_renumber(fd: i32, to: i32) -> errno;
            fd_seek(fd: i32, offset: i64, whence: i32, new_offset: i32) -> errno;
            fd_sync(fd: i32) -> errno;
            fd_tell(fd: i32, offset: i32) -> errno;
            fd_write(fd: i32, iovs: i32, count: i32, nwritten: i32) -> errno;
            path_create_directory(fd: i32, path: i32, path_len: i32) -> errno;
            path_filestat_get(fd: i32, lookup: i32, path: i32, path_len: i32, stat: i32) -> errno;
            path_filestat_set_times(fd: i32, lookup: i32, path: i32, path_len: i32, atim: i64, mtim: i64, fst_flags: i32) -> errno;
            path_link(old_fd: i32, lookup: i32, old_path: i32, old_len: i32, new_fd: i32, new_path: i32, new_len: i32) -> errno;
            path_open(fd: i32, lookup: i32, path: i32, path_len: i32, oflags: i32, rights: i64, inheriting: i64, fd_flags: i32, opened: i32) -> errno;
            path_readlink(fd: i32, path: i32, path_len: i32, buf: i32, buf_len: i32, used: i32) -> errno;
            path_remove_directory(fd: i32, path: i32, path_len: i32) -> errno;
            path_rename(old_fd: i32, old_path: i32, old_len: i32, new_fd: i32, new_path: i32, new_len: i32) -> errno;
            path_symlink(target: i32, target_len: i32, fd: i32, path: i32, path_len: i32) -> errno;
            path_unlink_file(fd: i32, path: i32, path_len: i32) -> errno;
            poll_oneoff(subscriptions: i32, events: i32, count: i32, nevents: i32) -> errno;
            proc_exit(code: i32);
            proc_raise(signal: i32) -> errno;
            sched_yield() -> errno;
            random_get(buf: i32, buf_len: i32) -> errno;
            sock_accept(fd: i32, flags: i32, accepted: i32) -> errno;
            sock_recv(fd: i32, iovs: i32, count: i32, ri_flags: i32, nread: i32, ro_flags: i32) -> errno;
            sock_send(fd: i32, iovs: i32, count: i32, si_flags: i32, nwritten: i32) -> errno;
            sock_shutdown(fd: i32, how: i32) -> errno;
        }
    };
}

/// The unsigned type in which a method takes a parameter of the given WebAssembly type.
#[doc(hidden)]
#[macro_export]
macro_rules! wasi_unsigned {
    (i32) => {
        u32
    };
    (i64) => {
        u64
    };
}

macro_rules! names {
    ($($name:ident($($parameter:ident: $type:ident),*) $(-> $result:ident)?;)*) => {
        /// The names of all functions, in the order of the table.
        pub const FUNCTION_NAMES: &[&str] = &[$(stringify!($name),)*];
    };
}
for_each_wasi_fn!(names);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Abi, GuestMemory, Halt, WasiCtx, returned};

    #[test]
    fn all_functions_are_there_once() {
        let mut names = FUNCTION_NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 46);
    }

    macro_rules! call_all {
        ($($name:ident($($parameter:ident: $type:ident),*) $(-> $result:ident)?;)*) => {
            /// Calls every function with the same value for every parameter.
            fn call_all(ctx: &mut WasiCtx, memory: &mut GuestMemory<'_>, value: i64) {
                $({
                    let result = returned(ctx.$name(memory $(, value as $crate::wasi_unsigned!($type) + 0 * {
                        let $parameter = 0; $parameter
                    })*));
                    match stringify!($name) {
                        "proc_exit" => assert_eq!(result, Err(Halt::Exit(value as i32))),
                        "proc_raise" => assert!(!matches!(result, Err(Halt::Exit(_)))),
                        _ => assert!((0..77).contains(&result.unwrap()), stringify!($name)),
                    }
                })*
            }
        };
    }
    for_each_wasi_fn!(call_all);

    #[test]
    fn hostile_arguments_end_in_an_error_number() {
        for abi in [Abi::Preview1, Abi::Snapshot0] {
            for value in [
                0,
                1,
                2,
                3,
                7,
                24,
                63,
                64,
                65,
                1 << 16,
                i64::from(i32::MAX),
                i64::MAX,
                i64::MIN,
                -1,
                -8,
            ] {
                let dir = tempfile::tempdir().unwrap();
                let mut ctx = WasiCtx::builder()
                    .args(["a", "b"])
                    .preopen_dir(dir.path(), "/", crate::DirAccess::ReadWrite)
                    .unwrap()
                    .build()
                    .unwrap();
                let mut bytes = [0; 128];
                call_all(&mut ctx, &mut GuestMemory::new(&mut bytes, abi), value);
                call_all(&mut ctx, &mut GuestMemory::new(&mut [], abi), value);
            }
        }
    }
}
