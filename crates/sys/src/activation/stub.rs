//! Owns the few instructions that are written without a compiler: lazy-call stubs and jumps through an entry.
//! Does not own their encoding (`arch`) or where they are published (`code`).

use crate::arch;

/// Most bytes any stub takes.
pub const STUB_SIZE: usize = 32;

/// Whose convention a stub follows: it decides which register holds the first argument, the vmctx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StubConvention {
    /// C functions'.
    C,
    /// Cranelift's for functions with tail calls.
    Tail,
}

/// Writes a stub that stores `callee_index` as 32 bits at `vmctx + offset_in_vmctx` and jumps to `target`, arguments and
/// stack untouched: what a function's entry points to until it is compiled. `at` is the address the stub will run at.
/// Returns its length in bytes.
///
/// # Panics
/// If `buf` is shorter than [`STUB_SIZE`], or the offset is not a multiple of 4 below 16 KiB.
pub fn write_lazy_stub(
    buf: &mut [u8],
    convention: StubConvention,
    callee_index: u32,
    offset_in_vmctx: u32,
    target: usize,
    at: usize,
) -> usize {
    assert!(
        offset_in_vmctx.is_multiple_of(4) && offset_in_vmctx < 1 << 14,
        "offset {offset_in_vmctx} has no short encoding"
    );
    let mut writer = Writer::new(buf);
    arch::lazy_stub(&mut writer, convention, callee_index, offset_in_vmctx, target, at);
    writer.len
}

/// Writes a stub that loads the pointer at `vmctx + offset_in_vmctx`, and jumps to the address found `offset_behind` bytes
/// after where it points, arguments and stack untouched. It holds no address: it runs wherever it is copied to. Returns
/// its length in bytes.
///
/// # Panics
/// If `buf` is shorter than [`STUB_SIZE`], the first offset is not a multiple of 8 below 16 KiB, or the second is not below
/// 2 GiB.
pub fn write_entry_stub(
    buf: &mut [u8],
    convention: StubConvention,
    offset_in_vmctx: u32,
    offset_behind: u32,
) -> usize {
    assert!(
        offset_in_vmctx.is_multiple_of(8) && offset_in_vmctx < 1 << 14 && offset_behind < 1 << 31,
        "offsets {offset_in_vmctx} and {offset_behind} have no encoding"
    );
    let mut writer = Writer::new(buf);
    arch::entry_stub(&mut writer, convention, offset_in_vmctx, offset_behind);
    writer.len
}

/// Appends bytes to a buffer.
pub(crate) struct Writer<'b> {
    buf: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    fn new(buf: &'b mut [u8]) -> Writer<'b> {
        assert!(buf.len() >= STUB_SIZE, "a stub needs a buffer of {STUB_SIZE} bytes");
        Writer { buf, len: 0 }
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.buf[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}
