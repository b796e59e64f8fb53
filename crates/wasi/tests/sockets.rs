//! Owns the tests of granted sockets.
//! Does not make connections from inside: preview 1 has no way to.
#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod guest;

use guest::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use sterna_wasi::{Errno, WasiCtx};

/// Without directories, sockets start at 3.
const SOCKET: u32 = 3;

#[test]
fn accepting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut guest = Guest::new(WasiCtx::builder().listener(listener));
    guest.call(|ctx, m| ctx.fd_fdstat_set_flags(m, SOCKET, NONBLOCK)).unwrap();
    assert_eq!(guest.call(|ctx, m| ctx.sock_accept(m, SOCKET, 0, 0)), Err(Errno::Again));
    guest.call(|ctx, m| ctx.fd_fdstat_set_flags(m, SOCKET, 0)).unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    assert_eq!(guest.poll(&[fd(1, 1, SOCKET)]).unwrap(), [(1, 0, 1)]);
    assert_eq!(guest.call(|ctx, m| ctx.sock_accept(m, SOCKET, 1, 0)), Err(Errno::Inval));
    guest.call(|ctx, m| ctx.sock_accept(m, SOCKET, NONBLOCK, 0)).unwrap();
    let connection = guest.u32_at(0);
    assert_eq!(connection, 4);

    assert_eq!(guest.read(connection, 10), Err(Errno::Again));
    client.write_all(b"ping").unwrap();
    assert_eq!(guest.poll(&[fd(1, 1, connection)]).unwrap(), [(1, 0, 1)]);
    assert_eq!(guest.read(connection, 10).unwrap(), b"ping");
    assert_eq!(guest.write(connection, b"pong"), Ok(4));
    let mut answer = [0; 4];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"pong");

    assert_eq!(guest.call(|ctx, m| ctx.sock_shutdown(m, connection, 4)), Err(Errno::Inval));
    assert_eq!(guest.call(|ctx, m| ctx.sock_shutdown(m, connection, 0)), Err(Errno::Inval));
    guest.call(|ctx, m| ctx.sock_shutdown(m, connection, 2)).unwrap();
    assert_eq!(client.read(&mut answer).unwrap(), 0);
    assert_eq!(guest.write(connection, b"x"), Err(Errno::Pipe));
    drop(client);
    assert_eq!(guest.read(connection, 10).unwrap(), b"");
}

#[test]
fn what_sockets_are_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut guest = Guest::new(WasiCtx::builder().listener(listener).socket(client));
    let connection = SOCKET + 1;
    assert_eq!(guest.call(|ctx, m| ctx.sock_accept(m, connection, 0, 0)), Err(Errno::Inval));
    assert_eq!(guest.call(|ctx, m| ctx.sock_accept(m, 0, 0, 0)), Err(Errno::Notsock));
    assert_eq!(guest.call(|ctx, m| ctx.sock_shutdown(m, 1, 1)), Err(Errno::Notsock));
    assert_eq!(guest.call(|ctx, m| ctx.sock_shutdown(m, 9, 1)), Err(Errno::Badf));
    assert_eq!(guest.read(SOCKET, 1), Err(Errno::Notconn));
    assert_eq!(guest.call(|ctx, m| ctx.fd_seek(m, connection, 0, 0, 0)), Err(Errno::Spipe));
    assert_eq!(guest.call(|ctx, m| ctx.fd_tell(m, connection, 0)), Err(Errno::Spipe));
    assert_eq!(guest.call(|ctx, m| ctx.fd_prestat_get(m, connection, 0)), Err(Errno::Badf));
    guest.call(|ctx, m| ctx.fd_fdstat_get(m, connection, 0)).unwrap();
    assert_eq!(guest.bytes[0], 6, "a stream socket");
    assert_eq!(guest.call(|ctx, m| ctx.sock_send(m, connection, 0, 0, 1, 0)), Err(Errno::Inval));
}

#[test]
fn datagrams_peeked_at_and_cut() {
    let host = UdpSocket::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    host.connect(socket.local_addr().unwrap()).unwrap();
    socket.connect(host.local_addr().unwrap()).unwrap();
    let mut guest = Guest::new(WasiCtx::builder().socket(socket));
    guest.call(|ctx, m| ctx.fd_fdstat_get(m, SOCKET, 0)).unwrap();
    assert_eq!(guest.bytes[0], 5, "a datagram socket");
    host.send(b"datagram").unwrap();
    // One buffer of 4 bytes at 100, described at 0.
    guest.bytes[0..8].copy_from_slice(&[100, 0, 0, 0, 4, 0, 0, 0]);
    let peek = 1;
    for flags in [peek, 0] {
        guest.call(|ctx, m| ctx.sock_recv(m, SOCKET, 0, 1, flags, 16, 20)).unwrap();
        assert_eq!((guest.u32_at(16), &guest.bytes[100..104]), (4, &b"data"[..]));
        assert_eq!(guest.bytes[20], 1, "cut");
    }
    assert_eq!(guest.call(|ctx, m| ctx.sock_recv(m, SOCKET, 0, 1, 4, 16, 20)), Err(Errno::Inval));
    guest.call(|ctx, m| ctx.sock_send(m, SOCKET, 0, 1, 0, 16)).unwrap();
    let mut answer = [0; 10];
    assert_eq!(host.recv(&mut answer).unwrap(), 4);
}
