//! Owns the layout of structures and arrays, computed once from the storage kinds of their fields.
//! Does not own type ids: `Layouts` maps those to layouts.

use crate::object::{HEADER, elements_offset};

/// How a field or element is stored. A type and its subtypes store equal fields alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Storage {
    /// Packed 8-bit integer.
    I8,
    /// Packed 16-bit integer.
    I16,
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector, aligned to 8 bytes.
    V128,
    /// A reference of the hierarchies `any`, `extern` or `exn`: 4 bytes, traced.
    Ref,
    /// A function reference: a 32-bit index into the heap's table of functions, not traced.
    Func,
}

impl Storage {
    /// Size in bytes.
    pub const fn size(self) -> u32 {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 | Self::Ref | Self::Func => 4,
            Self::I64 | Self::F64 => 8,
            Self::V128 => 16,
        }
    }

    /// Where a field lies behind one that ends there.
    #[inline]
    const fn place(self, end: u32) -> u32 {
        // A power of two, which the compiler would not know of in `next_multiple_of`.
        let align = if self.size() < 8 { self.size() } else { 8 };
        (end + align - 1) & !(align - 1)
    }
}

/// What an object of a type is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Fields at fixed offsets.
    Struct,
    /// A length, then elements.
    Array,
}

/// What allocation and collection need to know of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    kind: Kind,
    /// Of a structure: size in bytes with header, a multiple of 8. Of an array: size of an element.
    size: u32,
    /// Bit i: a structure has a reference at `HEADER + 4 * i`; an array's elements are references if not zero.
    references: u64,
    /// Offsets of references that `references` does not reach.
    far: Vec<u32>,
}

/// A structure's layout and where its fields are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructLayout {
    /// For the collector.
    pub layout: Layout,
    /// Byte offset of each field from the object.
    pub offsets: Box<[u32]>,
}

impl Layout {
    /// Where a field lies in a structure, behind others.
    pub fn offset_behind(before: impl Iterator<Item = Storage>, field: Storage) -> u32 {
        field.place(before.fold(HEADER, |end, field| field.place(end) + field.size()))
    }

    /// The fields of a structure, each with where it lies.
    pub fn places(fields: impl Iterator<Item = Storage>) -> impl Iterator<Item = (Storage, u32)> {
        let mut end = HEADER;
        fields.map(move |field| {
            let at = field.place(end);
            end = at + field.size();
            (field, at)
        })
    }

    /// The size of a structure whose last field lies there; of one without fields if there is none.
    pub fn struct_size(last: Option<(Storage, u32)>) -> u32 {
        // Room for a forwarding pointer is in the header, so an empty structure needs no more than that.
        last.map_or(HEADER, |(field, at)| at + field.size()).next_multiple_of(8)
    }

    /// The layout of a structure: fields in order, each at its natural alignment, so that a subtype extends its supertype.
    pub fn of_struct(fields: &[Storage]) -> StructLayout {
        let mut last = None;
        let mut offsets = Vec::with_capacity(fields.len());
        let (mut references, mut far) = (0, Vec::new());
        for (field, at) in Layout::places(fields.iter().copied()) {
            last = Some((field, at));
            offsets.push(at);
            if field == Storage::Ref {
                match (at - HEADER) / 4 {
                    bit @ 0..64 => references |= 1 << bit,
                    _ => far.push(at),
                }
            }
        }
        let size = Layout::struct_size(last);
        let layout = Layout { kind: Kind::Struct, size, references, far };
        StructLayout { layout, offsets: offsets.into() }
    }

    /// The layout of an array.
    pub fn of_array(element: Storage) -> Layout {
        let references = u64::from(element == Storage::Ref);
        Layout { references, ..Layout::opaque(Kind::Array, element.size()) }
    }

    /// The layout of an exception with these payload fields.
    pub fn of_exception(fields: &[Storage]) -> StructLayout {
        let all: Vec<Storage> = [Storage::I32].iter().chain(fields).copied().collect();
        let with_tag = Layout::of_struct(&all);
        StructLayout { layout: with_tag.layout, offsets: with_tag.offsets[1..].into() }
    }

    pub(crate) const fn opaque(kind: Kind, size: u32) -> Layout {
        Layout { kind, size, references: 0, far: Vec::new() }
    }

    /// Structure or array.
    #[inline(always)]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of a structure with its header; bytes of an array's element.
    #[inline(always)]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Whether objects can hold references.
    #[inline(always)]
    pub fn has_references(&self) -> bool {
        self.references != 0 || !self.far.is_empty()
    }

    /// Byte offset of an array's first element.
    #[inline(always)]
    pub fn elements(&self) -> u32 {
        elements_offset(self.size)
    }

    #[inline(always)]
    pub(crate) fn near_references(&self) -> u64 {
        self.references
    }

    #[inline(always)]
    pub(crate) fn far_references(&self) -> &[u32] {
        &self.far
    }
}

/// The layouts of all types of which objects can exist in a heap.
pub trait Layouts {
    /// The layout of type `type_id`: an id given to an allocation.
    fn layout(&self, type_id: u32) -> &Layout;
}

#[cfg(test)]
mod tests {
    use super::{Layout, Storage};

    #[test]
    fn fields_lie_at_natural_alignment_in_order() {
        use Storage::{F64, I8, I16, Ref, V128};
        let fields = [I8, I16, Ref, I8, F64, V128, Ref];
        let all = Layout::of_struct(&fields);
        assert_eq!(*all.offsets, [8, 10, 12, 16, 24, 32, 48]);
        assert_eq!(all.layout.size(), 56);
        assert_eq!(all.layout.near_references(), 1 << 1 | 1 << 10);
        for len in 0..fields.len() {
            let prefix = Layout::of_struct(&fields[..len]);
            assert_eq!(*prefix.offsets, all.offsets[..len]);
            let last = Layout::offset_behind(fields[..len].iter().copied(), fields[len]);
            assert_eq!(last, all.offsets[len]);
        }
    }

    #[test]
    fn references_far_from_the_header_are_listed() {
        let wide = Layout::of_struct(&[Storage::Ref; 66]).layout;
        assert_eq!(wide.near_references(), u64::MAX);
        assert_eq!(wide.far_references(), [8 + 64 * 4, 8 + 65 * 4]);
        assert!(!Layout::of_struct(&[Storage::Func, Storage::I64]).layout.has_references());
    }

    #[test]
    fn exceptions_begin_with_their_tag() {
        let exception = Layout::of_exception(&[Storage::I32, Storage::Ref]);
        assert_eq!((&*exception.offsets, exception.layout.size()), (&[12, 16][..], 24));
    }
}
