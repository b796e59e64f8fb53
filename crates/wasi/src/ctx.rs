//! Owns `WasiCtx`, everything a guest can reach, and `WasiCtxBuilder`, which grants it.
//! Does not implement calls; `calls` does.

use crate::descriptor::{Descriptor, Descriptors, Directory, Object};
use crate::interrupt::Interrupt;
use crate::stdio::{HostStream, Source, Stream};
use crate::types::{FdFlags, Rights};
use crate::{Clocks, Random, Stdio};
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{ffi::OsStr, fmt, io};

/// The world of one guest: arguments, environment, descriptors, clocks and random bytes.
///
/// Calls are methods, one for each function of preview 1, with the function's own parameters in
/// their order and with pointers as `u32`. They do what the specification says of the function.
pub struct WasiCtx {
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) fds: Descriptors,
    pub(crate) clocks: Clocks,
    pub(crate) random: Random,
    pub(crate) interrupt: Interrupt,
}

impl WasiCtx {
    /// Starts with nothing granted.
    pub fn builder() -> WasiCtxBuilder {
        WasiCtxBuilder::default()
    }

    /// Sets the hook after building, for embedders whose hook needs the store that the context is in.
    /// See [`WasiCtxBuilder::interrupt`].
    pub fn set_interrupt(&mut self, requested: impl Fn() -> bool + Send + Sync + 'static) {
        self.interrupt = Interrupt::new(Box::new(requested));
    }
}

impl fmt::Debug for WasiCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasiCtx")
            .field("args", &self.args)
            .field("fds", &self.fds)
            .finish_non_exhaustive()
    }
}

/// What the guest may do in a preopened directory and everything beneath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirAccess {
    /// Look, but change nothing: attempts are `Rofs`, as on a read-only file system.
    ReadOnly,
    /// All that the host's permissions allow.
    ReadWrite,
}

/// Why a context cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The guest sees these strings ended by a zero byte.
    #[error("{what} {value:?} contains a zero byte")]
    ZeroByte {
        /// "argument" or "environment variable".
        what: &'static str,
        /// The offending string.
        value: String,
    },
    /// Environment variables are told apart by the first `=`.
    #[error("the environment variable name {0:?} is empty or contains `=`")]
    VariableName(String),
    /// Guests have 32-bit sizes.
    #[error("{0} are too long together: the guest has 32-bit addresses")]
    TooLong(&'static str),
}

/// Collects what a guest is granted. By default: no arguments, no environment, empty standard
/// streams, no directories, the host's clocks and random bytes.
pub struct WasiCtxBuilder {
    args: Vec<Vec<u8>>,
    env: Vec<(Vec<u8>, Vec<u8>)>,
    stdio: [Stdio; 3],
    directories: Vec<Directory>,
    sockets: Vec<Descriptor>,
    clocks: Clocks,
    random: Random,
    interrupt: Interrupt,
}

impl Default for WasiCtxBuilder {
    fn default() -> WasiCtxBuilder {
        WasiCtxBuilder {
            args: Vec::new(),
            env: Vec::new(),
            stdio: [Stdio::null(), Stdio::null(), Stdio::null()],
            directories: Vec::new(),
            sockets: Vec::new(),
            clocks: Clocks::Host,
            random: Random::Host,
            interrupt: Interrupt::default(),
        }
    }
}

impl fmt::Debug for WasiCtxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasiCtxBuilder").field("args", &self.args).finish_non_exhaustive()
    }
}

impl WasiCtxBuilder {
    /// Appends an argument. The first one is the program's name.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().as_bytes().to_vec());
        self
    }

    /// Appends arguments.
    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Sets an environment variable; a second value for a name replaces the first.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let name = name.as_ref().as_bytes().to_vec();
        let value = value.as_ref().as_bytes().to_vec();
        match self.env.iter_mut().find(|(known, _)| *known == name) {
            Some(variable) => variable.1 = value,
            None => self.env.push((name, value)),
        }
        self
    }

    /// Passes on the host process's environment.
    pub fn inherit_env(self) -> Self {
        std::env::vars_os().fold(self, |builder, (name, value)| builder.env(name, value))
    }

    /// Connects standard input.
    pub fn stdin(mut self, stdio: Stdio) -> Self {
        self.stdio[0] = stdio;
        self
    }

    /// Connects standard output.
    pub fn stdout(mut self, stdio: Stdio) -> Self {
        self.stdio[1] = stdio;
        self
    }

    /// Connects standard error.
    pub fn stderr(mut self, stdio: Stdio) -> Self {
        self.stdio[2] = stdio;
        self
    }

    /// Connects all three standard streams to the host process's.
    pub fn inherit_stdio(self) -> Self {
        self.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit())
    }

    /// Opens the directory `host` and grants it under the name `guest`. Directories get the
    /// descriptors from 3 on, in this order.
    ///
    /// # Errors
    /// The host cannot open `host`, or it is not a directory.
    pub fn preopen_dir(
        mut self,
        host: impl AsRef<Path>,
        guest: impl AsRef<OsStr>,
        access: DirAccess,
    ) -> io::Result<Self> {
        // Not `Dir::open_ambient_dir`: what that opens can be neither listed nor synchronized.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(host.as_ref(), flags, Mode::empty())?;
        let dir = cap_std::fs::Dir::from_std_file(std::fs::File::from(fd));
        let mut directory = Directory::new(dir, access == DirAccess::ReadOnly);
        directory.preopen = Some(guest.as_ref().as_bytes().to_vec());
        self.directories.push(directory);
        Ok(self)
    }

    /// Grants a listening socket. Sockets get the descriptors after the last directory.
    pub fn listener(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.sockets.push(Descriptor::new(Object::Listener(socket.into()), Rights::LISTENER));
        self
    }

    /// Grants a connected socket. Sockets get the descriptors after the last directory.
    pub fn socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.sockets.push(Descriptor::new(Object::Socket(socket.into()), Rights::SOCKET));
        self
    }

    /// Chooses the clocks.
    pub fn clocks(mut self, clocks: Clocks) -> Self {
        self.clocks = clocks;
        self
    }

    /// Chooses the random bytes.
    pub fn random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// Has calls that wait ask `requested` every few milliseconds whether to stop
    /// ([`Halt::Interrupted`](crate::Halt::Interrupted)).
    pub fn interrupt(mut self, requested: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.interrupt = Interrupt::new(Box::new(requested));
        self
    }

    /// Builds the context.
    ///
    /// # Errors
    /// An argument or variable that the guest cannot be given; see [`ConfigError`].
    pub fn build(self) -> Result<WasiCtx, ConfigError> {
        let env = variables(self.env)?;
        strings_fit("argument", "arguments", &self.args)?;
        strings_fit("environment variable", "environment variables", &env)?;
        let mut fds = Descriptors::default();
        let own = [HostStream::Stdin, HostStream::Stdout, HostStream::Stderr];
        let directions = [Rights::FD_WRITE, Rights::FD_READ, Rights::FD_READ];
        for ((stdio, own), excluded) in self.stdio.into_iter().zip(own).zip(directions) {
            let stream = match stdio.0 {
                Source::Inherit => Stream::Host(own),
                Source::Stream(stream) => stream,
            };
            let rights = Rights::FILE.difference(excluded);
            insert(&mut fds, Descriptor::new(Object::Stdio(stream), rights));
        }
        for directory in self.directories {
            insert(
                &mut fds,
                Descriptor {
                    object: Object::Directory(directory),
                    rights: Rights::DIRECTORY,
                    inheriting: Rights::DIRECTORY | Rights::FILE,
                    flags: FdFlags::empty(),
                },
            );
        }
        for socket in self.sockets {
            insert(&mut fds, socket);
        }
        Ok(WasiCtx {
            args: self.args,
            env,
            fds,
            clocks: self.clocks,
            random: self.random,
            interrupt: self.interrupt,
        })
    }
}

fn insert(fds: &mut Descriptors, descriptor: Descriptor) {
    fds.insert(descriptor).expect("a process has fewer open files than the table has room");
}

fn variables(env: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Vec<Vec<u8>>, ConfigError> {
    env.into_iter()
        .map(|(name, value)| {
            if name.is_empty() || name.contains(&b'=') {
                return Err(ConfigError::VariableName(String::from_utf8_lossy(&name).into_owned()));
            }
            Ok([&name[..], b"=", &value[..]].concat())
        })
        .collect()
}

fn strings_fit(
    what: &'static str,
    plural: &'static str,
    strings: &[Vec<u8>],
) -> Result<(), ConfigError> {
    let mut total = 0usize;
    for string in strings {
        if string.contains(&0) {
            let value = String::from_utf8_lossy(string).into_owned();
            return Err(ConfigError::ZeroByte { what, value });
        }
        // The bytes, their terminator and the pointer to them.
        total += string.len() + 1 + 4;
    }
    if u32::try_from(total).is_err() {
        return Err(ConfigError::TooLong(plural));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_the_guest_cannot_be_given() {
        let table = [
            (WasiCtx::builder().arg("a\0b"), "argument \"a\\0b\" contains a zero byte"),
            (
                WasiCtx::builder().env("A", "\0"),
                "environment variable \"A=\\0\" contains a zero byte",
            ),
            (
                WasiCtx::builder().env("A=B", "c"),
                "the environment variable name \"A=B\" is empty or contains `=`",
            ),
            (
                WasiCtx::builder().env("", "c"),
                "the environment variable name \"\" is empty or contains `=`",
            ),
        ];
        for (builder, message) in table {
            assert_eq!(builder.build().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn later_values_replace_earlier_ones() {
        let ctx = WasiCtx::builder().env("A", "1").env("B", "2").env("A", "3").build().unwrap();
        assert_eq!(ctx.env, [b"A=3".to_vec(), b"B=2".to_vec()]);
    }

    #[test]
    fn contexts_move_between_threads() {
        fn check<T: Send + Sync>() {}
        check::<WasiCtx>();
    }
}
