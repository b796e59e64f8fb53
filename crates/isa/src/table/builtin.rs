//! Operators on whole memories, tables and segments: the ones that the runtime carries out.
//! Single accesses are in `memory` and `atomic`. Row shape: see `table`.
// tidy: flat-table

/// Rows of class Builtin: one function of the runtime each.
#[macro_export]
macro_rules! for_each_builtin {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        TableGet, table_get, (0x00, 0x25), "table.get", Builtin, Special, Table, ReferenceTypes;
        TableSet, table_set, (0x00, 0x26), "table.set", Builtin, Special, Table, ReferenceTypes;
        MemorySize, memory_size, (0x00, 0x3f), "memory.size", Builtin, [] -> [Addr], Memory, Mvp;
        MemoryGrow, memory_grow, (0x00, 0x40), "memory.grow", Builtin, [Addr] -> [Addr], Memory, Mvp;
        MemoryInit, memory_init, (0xfc, 0x08), "memory.init", Builtin, [Addr I32 I32] -> [], DataMemory, BulkMemory;
        DataDrop, data_drop, (0xfc, 0x09), "data.drop", Builtin, [] -> [], Data, BulkMemory;
        MemoryCopy, memory_copy, (0xfc, 0x0a), "memory.copy", Builtin, Special, MemoryMemory, BulkMemory;
        MemoryFill, memory_fill, (0xfc, 0x0b), "memory.fill", Builtin, [Addr I32 Addr] -> [], Memory, BulkMemory;
        TableInit, table_init, (0xfc, 0x0c), "table.init", Builtin, [Addr I32 I32] -> [], ElemTable, BulkMemory;
        ElemDrop, elem_drop, (0xfc, 0x0d), "elem.drop", Builtin, [] -> [], Elem, BulkMemory;
        TableCopy, table_copy, (0xfc, 0x0e), "table.copy", Builtin, Special, TableTable, BulkMemory;
        TableGrow, table_grow, (0xfc, 0x0f), "table.grow", Builtin, Special, Table, ReferenceTypes;
        TableSize, table_size, (0xfc, 0x10), "table.size", Builtin, [] -> [Addr], Table, ReferenceTypes;
        TableFill, table_fill, (0xfc, 0x11), "table.fill", Builtin, Special, Table, ReferenceTypes;
    }};
}
