//! Owns the layout of exceptions in flight and of what an `exnref` points to.
//! Does not own their memory (the runtime) nor who catches them (the tiers).

use core::mem::{offset_of, size_of};

use crate::context::Slot;

/// An exception: this header, then its payload in slots, as a function's parameters of the tag's type lie there. An `exnref` is its
/// address, 0 = null.
///
/// Until [`Exn::kept`] is set, the object belongs to the throw in progress: whoever catches it reads the payload at once, and the next
/// exception may take its memory.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct Exn {
    /// Address of the tag, its identity: equal to what [`crate::InstanceLayout::tag`] locates in instances that share it.
    pub tag: *const u8,
    /// Slots of payload.
    pub len: u32,
    /// Set to 1 by whoever lets guest code have a reference.
    pub kept: u8,
    /// Set to 1 by the runtime when the host has one.
    pub pinned: u8,
    /// Unused; zero.
    pub reserved: u16,
}

impl Exn {
    /// Byte offset of [`Exn::tag`].
    pub const OFF_TAG: u32 = offset_of!(Exn, tag) as u32;
    /// Byte offset of [`Exn::kept`].
    pub const OFF_KEPT: u32 = offset_of!(Exn, kept) as u32;
    /// Byte offset of the payload: the size of the header.
    pub const OFF_PAYLOAD: u32 = size_of::<Exn>() as u32;

    /// The first slot of the payload of the exception at `exn`.
    pub fn payload(exn: *mut Exn) -> *mut Slot {
        exn.wrapping_add(1).cast()
    }
}
