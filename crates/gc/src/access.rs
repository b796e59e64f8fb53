//! Owns reading and writing objects from Rust, barrier included.
//! Does not check types or array bounds: callers know what they hold.

use crate::heap::Heap;
use crate::object::{LOGGABLE, OFF_WORD};
use crate::reference::Ref;

macro_rules! accessors {
    ($($load:ident $store:ident $ty:ty: $load_raw:ident $store_raw:ident;)*) => {
        /// Numbers at a byte offset from an object.
        impl Heap {
            $(
                #[doc = concat!("The `", stringify!($ty), "` at byte `offset` of an object.")]
                #[inline(always)]
                pub fn $load(&self, object: Ref, offset: u32) -> $ty {
                    self.memory.$load_raw(object.bits().wrapping_add(offset))
                }

                #[doc = concat!("Stores a `", stringify!($ty), "` at byte `offset` of an object.")]
                #[inline(always)]
                pub fn $store(&mut self, object: Ref, offset: u32, value: $ty) {
                    self.memory.$store_raw(object.bits().wrapping_add(offset), value);
                }
            )*
        }
    };
}

accessors! {
    load_u8 store_u8 u8: load8 store8;
    load_u16 store_u16 u16: load16 store16;
    load_u32 store_u32 u32: load32 store32;
    load_u64 store_u64 u64: load64 store64;
    load_u128 store_u128 u128: load128 store128;
}

impl Heap {
    /// The reference at byte `offset` of an object.
    #[inline(always)]
    pub fn load_ref(&self, object: Ref, offset: u32) -> Ref {
        Ref::from_bits(self.load_u32(object, offset))
    }

    /// Stores a reference at byte `offset` of an object, with the write barrier.
    #[inline(always)]
    pub fn store_ref(&mut self, object: Ref, offset: u32, value: Ref) {
        if self.load_u32(object, OFF_WORD) & LOGGABLE != 0 {
            self.barrier(object, offset);
        }
        self.store_u32(object, offset, value.bits());
    }

    /// Copies `len` bytes between objects, or within one. For references call [`Heap::barrier_range`] on the target first.
    pub fn copy_bytes(&mut self, to: (Ref, u32), from: (Ref, u32), len: u32) {
        if len != 0 {
            let at = |(object, offset): (Ref, u32)| object.bits().wrapping_add(offset);
            self.memory.copy(at(from), at(to), len);
        }
    }

    /// Copies bytes from outside into an object.
    pub fn write_bytes(&mut self, object: Ref, offset: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.memory.write(object.bits().wrapping_add(offset), bytes);
        }
    }

    /// Sets `len` bytes of an object to `byte`.
    pub fn fill_bytes(&mut self, object: Ref, offset: u32, byte: u8, len: u32) {
        if len != 0 {
            self.memory.fill(object.bits().wrapping_add(offset), byte, len);
        }
    }
}
