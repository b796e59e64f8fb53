//! Owns one typed index per index space of a WebAssembly module (core spec, 2.5.1 "Indices").
//! Does not hold indices of compiler data structures: those are declared beside their owner.

use crate::entity;

entity! {
    /// A function of a module: imported functions first, then defined ones.
    pub struct FuncIndex("func");
    /// A type of a module's type section.
    pub struct TypeIndex("type");
    /// A table of a module: imported tables first.
    pub struct TableIndex("table");
    /// A linear memory of a module: imported memories first.
    pub struct MemoryIndex("memory");
    /// A global of a module: imported globals first.
    pub struct GlobalIndex("global");
    /// An exception tag of a module: imported tags first.
    pub struct TagIndex("tag");
    /// A data segment.
    pub struct DataIndex("data");
    /// An element segment.
    pub struct ElemIndex("elem");
    /// A local of a function: parameters first.
    pub struct LocalIndex("local");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Entity;

    #[test]
    fn debug_form_names_the_space() {
        assert_eq!(format!("{:?}", FuncIndex::from_u32(3)), "func3");
        assert_eq!(LocalIndex::from_u32(0).to_string(), "local0");
    }

    #[test]
    fn conversions_round_trip() {
        let table = TableIndex::from(7);
        assert_eq!(u32::from(table), 7);
        assert_eq!(<TableIndex as Entity>::from_index(7), table);
    }

    #[test]
    #[should_panic(expected = "at most 2^32")]
    fn an_index_beyond_u32_is_refused() {
        let _ = <DataIndex as Entity>::from_index(1 << 32);
    }
}
