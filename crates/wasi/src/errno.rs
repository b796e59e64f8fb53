//! Owns `Errno`: the error numbers of preview 1 and how host errors become them.
//! Does not decide which error a call reports; the calls do.

use std::io;

/// Declares `Errno` once: variant, number, meaning and the host error it stands for.
macro_rules! errno_table {
    ($($variant:ident = $number:literal, $text:literal $(, $host:ident)*;)*) => {
        /// A preview 1 error number. Zero (success) is not an error and not a variant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Errno {
            $(#[doc = $text] $variant = $number,)*
        }

        impl Errno {
            /// Every error, in numeric order.
            pub const ALL: &[Errno] = &[$(Errno::$variant,)*];

            /// What the error means, in a few words.
            pub fn message(self) -> &'static str {
                match self {
                    $(Errno::$variant => $text,)*
                }
            }
        }

        impl From<rustix::io::Errno> for Errno {
            // tidy: dispatch
            fn from(host: rustix::io::Errno) -> Errno {
                $($(if host == rustix::io::Errno::$host { return Errno::$variant; })*)*
                Errno::Io
            }
        }
    };
}

errno_table! {
    TooBig = 1, "argument list too long", TOOBIG;
    Acces = 2, "permission denied", ACCESS;
    Addrinuse = 3, "address in use", ADDRINUSE;
    Addrnotavail = 4, "address not available", ADDRNOTAVAIL;
    Afnosupport = 5, "address family not supported", AFNOSUPPORT;
    Again = 6, "resource unavailable, or operation would block", AGAIN, WOULDBLOCK;
    Already = 7, "connection already in progress", ALREADY;
    Badf = 8, "bad file descriptor", BADF;
    Badmsg = 9, "bad message", BADMSG;
    Busy = 10, "device or resource busy", BUSY;
    Canceled = 11, "operation canceled", CANCELED;
    Child = 12, "no child processes", CHILD;
    Connaborted = 13, "connection aborted", CONNABORTED;
    Connrefused = 14, "connection refused", CONNREFUSED;
    Connreset = 15, "connection reset", CONNRESET;
    Deadlk = 16, "resource deadlock would occur", DEADLK;
    Destaddrreq = 17, "destination address required", DESTADDRREQ;
    Dom = 18, "argument out of domain", DOM;
    Dquot = 19, "disk quota exceeded", DQUOT;
    Exist = 20, "file exists", EXIST;
    Fault = 21, "bad address", FAULT;
    Fbig = 22, "file too large", FBIG;
    Hostunreach = 23, "host is unreachable", HOSTUNREACH;
    Idrm = 24, "identifier removed", IDRM;
    Ilseq = 25, "illegal byte sequence", ILSEQ;
    Inprogress = 26, "operation in progress", INPROGRESS;
    Intr = 27, "interrupted function", INTR;
    Inval = 28, "invalid argument", INVAL;
    Io = 29, "input/output error", IO;
    Isconn = 30, "socket is connected", ISCONN;
    Isdir = 31, "is a directory", ISDIR;
    Loop = 32, "too many levels of symbolic links", LOOP;
    Mfile = 33, "file descriptor table full", MFILE;
    Mlink = 34, "too many links", MLINK;
    Msgsize = 35, "message too large", MSGSIZE;
    Multihop = 36, "multihop attempted", MULTIHOP;
    Nametoolong = 37, "file name too long", NAMETOOLONG;
    Netdown = 38, "network is down", NETDOWN;
    Netreset = 39, "connection aborted by network", NETRESET;
    Netunreach = 40, "network unreachable", NETUNREACH;
    Nfile = 41, "too many files open in system", NFILE;
    Nobufs = 42, "no buffer space available", NOBUFS;
    Nodev = 43, "no such device", NODEV;
    Noent = 44, "no such file or directory", NOENT;
    Noexec = 45, "executable file format error", NOEXEC;
    Nolck = 46, "no locks available", NOLCK;
    Nolink = 47, "link has been severed", NOLINK;
    Nomem = 48, "not enough space", NOMEM;
    Nomsg = 49, "no message of the desired type", NOMSG;
    Noprotoopt = 50, "protocol not available", NOPROTOOPT;
    Nospc = 51, "no space left on device", NOSPC;
    Nosys = 52, "function not supported", NOSYS;
    Notconn = 53, "socket is not connected", NOTCONN;
    Notdir = 54, "not a directory", NOTDIR;
    Notempty = 55, "directory not empty", NOTEMPTY;
    Notrecoverable = 56, "state not recoverable", NOTRECOVERABLE;
    Notsock = 57, "not a socket", NOTSOCK;
    Notsup = 58, "not supported", NOTSUP, OPNOTSUPP;
    Notty = 59, "inappropriate I/O control operation", NOTTY;
    Nxio = 60, "no such device or address", NXIO;
    Overflow = 61, "value too large to be stored in data type", OVERFLOW;
    Ownerdead = 62, "previous owner died", OWNERDEAD;
    Perm = 63, "operation not permitted", PERM;
    Pipe = 64, "broken pipe", PIPE;
    Proto = 65, "protocol error", PROTO;
    Protonosupport = 66, "protocol not supported", PROTONOSUPPORT;
    Prototype = 67, "protocol wrong type for socket", PROTOTYPE;
    Range = 68, "result too large", RANGE;
    Rofs = 69, "read-only file system", ROFS;
    Spipe = 70, "invalid seek", SPIPE;
    Srch = 71, "no such process", SRCH;
    Stale = 72, "stale file handle", STALE;
    Timedout = 73, "connection timed out", TIMEDOUT;
    Txtbsy = 74, "text file busy", TXTBSY;
    Xdev = 75, "cross-device link", XDEV;
    Notcapable = 76, "capabilities insufficient";
}

impl From<io::Error> for Errno {
    /// An error without a number of the host's is one of `cap-std`'s own: a path that leads
    /// outside its directory is `PermissionDenied`, and becomes `Perm`.
    fn from(error: io::Error) -> Errno {
        if let Some(host) = rustix::io::Errno::from_io_error(&error) {
            return host.into();
        }
        match error.kind() {
            io::ErrorKind::NotFound => Errno::Noent,
            io::ErrorKind::PermissionDenied => Errno::Perm,
            io::ErrorKind::AlreadyExists => Errno::Exist,
            io::ErrorKind::InvalidInput => Errno::Inval,
            io::ErrorKind::Unsupported => Errno::Notsup,
            io::ErrorKind::OutOfMemory => Errno::Nomem,
            _ => Errno::Io,
        }
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (errno {})", self.message(), *self as u16)
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_from_one() {
        for (index, errno) in Errno::ALL.iter().enumerate() {
            assert_eq!(*errno as usize, index + 1, "{errno:?}");
        }
        assert_eq!(Errno::ALL.len(), 76);
    }

    #[test]
    fn host_errors() {
        let table = [
            (rustix::io::Errno::NOENT, Errno::Noent),
            (rustix::io::Errno::WOULDBLOCK, Errno::Again),
            (rustix::io::Errno::OPNOTSUPP, Errno::Notsup),
            (rustix::io::Errno::XDEV, Errno::Xdev),
        ];
        for (host, guest) in table {
            assert_eq!(Errno::from(host), guest);
            assert_eq!(Errno::from(io::Error::from(host)), guest);
        }
        let escape = io::Error::new(io::ErrorKind::PermissionDenied, "outside");
        assert_eq!(Errno::from(escape), Errno::Perm);
    }
}
