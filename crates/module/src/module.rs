//! Owns `Module`, the decoded and validated form that everything downstream reads.
//! Does not own how it is made (`decode`, `validate`).

use std::ops::Range;
use std::sync::OnceLock;

use sterna_base::{FuncIndex, GlobalIndex, TableIndex, TagIndex, TypeIndex};
use sterna_isa::{FeatureSet, FuncType, HeapType, SubType, ValType};

use crate::body::{BlockType, Body};
use crate::bytes::ModuleBytes;
use crate::const_expr::ConstExpr;
use crate::constant_tables::{ConstantTable, ConstantTables};
use crate::error::{ModuleError, ReadError};
use crate::hints::BranchHints;
use crate::items::{
    DataSegment, ElemSegment, Export, ExternIndex, ExternType, FuncDecl, GlobalDecl, GlobalType,
    Import, MemoryType, TableType,
};
use crate::methods::Methods;
use crate::names::{self, InnerNameKind, Names};
use crate::validate::BodyFacts;

/// A valid module. Immutable; share it behind an `Arc`.
pub struct Module {
    pub(crate) bytes: ModuleBytes,
    pub(crate) types: Vec<SubType>,
    pub(crate) rec_group_ends: Vec<u32>,
    pub(crate) imports: Vec<Import>,
    pub(crate) exports: Vec<Export>,
    pub(crate) funcs: Vec<FuncDecl>,
    pub(crate) num_imported_funcs: usize,
    pub(crate) tables: Vec<TableType>,
    pub(crate) num_imported_tables: usize,
    pub(crate) memories: Vec<MemoryType>,
    pub(crate) num_imported_memories: usize,
    pub(crate) globals: Vec<GlobalDecl>,
    pub(crate) num_imported_globals: usize,
    pub(crate) tags: Vec<TypeIndex>,
    pub(crate) num_imported_tags: usize,
    pub(crate) start: Option<FuncIndex>,
    pub(crate) elems: Vec<ElemSegment>,
    pub(crate) data: Vec<DataSegment>,
    pub(crate) customs: Vec<(Box<str>, Range<u32>)>,
    pub(crate) escaping: Vec<FuncIndex>,
    pub(crate) code_range: Range<u32>,
    pub(crate) facts: BodyFacts,
    pub(crate) names: OnceLock<Names>,
    pub(crate) hints: OnceLock<BranchHints>,
    pub(crate) methods: OnceLock<Methods>,
    pub(crate) constant_tables: OnceLock<ConstantTables>,
}

impl Module {
    /// Decodes and validates a binary module, using up to `threads` threads for large ones.
    ///
    /// # Errors
    /// Malformed or invalid input, or input that uses a feature not in `features`, with its byte offset.
    pub fn decode(
        bytes: impl Into<ModuleBytes>,
        features: &FeatureSet,
        threads: usize,
    ) -> Result<Module, ModuleError> {
        crate::decode::decode(bytes.into(), features, threads)
    }

    /// As [`Module::decode`], of a binary that is still arriving: sections are decoded and, with more than one thread, bodies are
    /// validated while `reader` waits for what follows.
    ///
    /// # Errors
    /// As [`Module::decode`], or what `reader` returns.
    pub fn decode_from(
        reader: impl std::io::Read,
        features: &FeatureSet,
        threads: usize,
    ) -> Result<Module, ReadError> {
        crate::decode::decode_from(reader, features, threads)
    }

    /// Decodes a binary that is known to be valid because [`Module::decode`] accepted the same bytes before, in this process or
    /// another. `facts` is what [`Module::facts`] said then. Takes time for what the sections declare, not for
    /// the bodies.
    ///
    /// # Errors
    /// Some malformed binaries; others give a module that the rest of the engine panics on.
    pub fn decode_trusted(
        bytes: impl Into<ModuleBytes>,
        facts: BodyFacts,
    ) -> Result<Module, ModuleError> {
        crate::decode::decode_trusted(bytes.into(), facts)
    }

    /// The binary.
    pub fn bytes(&self) -> &ModuleBytes {
        &self.bytes
    }

    /// Types by type index. Indices in them are type indices of this module.
    pub fn types(&self) -> &[SubType] {
        &self.types
    }

    /// The recursion groups of the types, as ranges of type indices, in order.
    pub fn rec_groups(&self) -> impl ExactSizeIterator<Item = Range<u32>> + '_ {
        let ends = self.rec_group_ends.iter().copied();
        let starts = [0].into_iter().chain(ends.clone()).take(ends.len());
        starts.zip(ends).map(|(start, end)| start..end).collect::<Vec<_>>().into_iter()
    }

    /// A function type by type index.
    ///
    /// # Panics
    /// If there is no such function type.
    pub fn signature(&self, ty: TypeIndex) -> &FuncType {
        let ty = self.types[ty.index()].as_func();
        ty.expect("validated: a function type is named here")
    }

    /// How many proper supertypes a type has, at most 63.
    ///
    /// # Panics
    /// If there is no such type.
    pub fn type_depth(&self, ty: TypeIndex) -> u32 {
        let supertype = |ty: &u32| self.types[*ty as usize].supertype;
        std::iter::successors(supertype(&ty.as_u32()), supertype).count() as u32
    }

    /// Whether references to a heap type are references to functions (or their null).
    ///
    /// # Panics
    /// If it is a defined type that the module does not have.
    pub fn is_func_heap(&self, ty: HeapType) -> bool {
        match ty {
            HeapType::Concrete(index) => self.types[index as usize].as_func().is_some(),
            other => other.is_func() == Some(true),
        }
    }

    /// Imports in order.
    pub fn imports(&self) -> &[Import] {
        &self.imports
    }

    /// Exports in order.
    pub fn exports(&self) -> &[Export] {
        &self.exports
    }

    /// Number of functions, imported ones included.
    pub fn num_funcs(&self) -> usize {
        self.funcs.len()
    }

    /// Number of imported functions; their indices come first.
    pub fn num_imported_funcs(&self) -> usize {
        self.num_imported_funcs
    }

    /// Number of imported tables.
    pub fn num_imported_tables(&self) -> usize {
        self.num_imported_tables
    }

    /// Number of imported memories.
    pub fn num_imported_memories(&self) -> usize {
        self.num_imported_memories
    }

    /// Number of imported globals.
    pub fn num_imported_globals(&self) -> usize {
        self.num_imported_globals
    }

    /// Number of globals defined here.
    pub fn num_defined_globals(&self) -> usize {
        self.globals.len() - self.num_imported_globals
    }

    /// Indices of the functions defined here.
    pub fn defined_funcs(&self) -> impl ExactSizeIterator<Item = FuncIndex> + Clone + use<> {
        (self.num_imported_funcs as u32..self.funcs.len() as u32).map(FuncIndex::from_u32)
    }

    /// Type index of a function.
    ///
    /// # Panics
    /// If there is no such function; likewise below.
    pub fn func_type_index(&self, func: FuncIndex) -> TypeIndex {
        self.funcs[func.index()].ty
    }

    /// Type of a function.
    pub fn func_type(&self, func: FuncIndex) -> &FuncType {
        self.signature(self.func_type_index(func))
    }

    /// Body of a defined function.
    pub fn body(&self, func: FuncIndex) -> Body<'_> {
        let range = &self.funcs[func.index()].body;
        Body::new(&self.bytes[range.start as usize..range.end as usize], range.start)
    }

    /// The defined function whose body contains a byte offset.
    pub fn func_at(&self, offset: u32) -> Option<FuncIndex> {
        let defined = &self.funcs[self.num_imported_funcs..];
        let position = defined.partition_point(|func| func.body.end <= offset);
        let found = defined.get(position)?.body.contains(&offset);
        found.then(|| FuncIndex::from_u32((self.num_imported_funcs + position) as u32))
    }

    /// Tables, imported ones first.
    pub fn tables(&self) -> &[TableType] {
        &self.tables
    }

    /// Memories, imported ones first.
    pub fn memories(&self) -> &[MemoryType] {
        &self.memories
    }

    /// Number of globals, imported ones included.
    pub fn num_globals(&self) -> usize {
        self.globals.len()
    }

    /// Type of a global.
    pub fn global_type(&self, global: GlobalIndex) -> GlobalType {
        self.globals[global.index()].ty
    }

    /// Initial value of a defined global; `None` for an imported one.
    pub fn global_init(&self, global: GlobalIndex) -> Option<&ConstExpr> {
        self.globals[global.index()].init.as_ref()
    }

    /// Tags by the type indices of their function types, imported ones first.
    pub fn tags(&self) -> &[TypeIndex] {
        &self.tags
    }

    /// Number of imported tags.
    pub fn num_imported_tags(&self) -> usize {
        self.num_imported_tags
    }

    /// Type of a tag: the parameters are the payload.
    pub fn tag_type(&self, tag: TagIndex) -> &FuncType {
        self.signature(self.tags[tag.index()])
    }

    /// The start function.
    pub fn start(&self) -> Option<FuncIndex> {
        self.start
    }

    /// Element segments.
    pub fn elems(&self) -> &[ElemSegment] {
        &self.elems
    }

    /// Data segments.
    pub fn data_segments(&self) -> &[DataSegment] {
        &self.data
    }

    /// Bytes of a data segment.
    pub fn data(&self, segment: &DataSegment) -> &[u8] {
        &self.bytes[segment.range.start as usize..segment.range.end as usize]
    }

    /// Functions of which a reference can exist (exported, in an element segment or in another constant expression), ascending. A
    /// `ref.func` in a body names one of them (core spec 3.4, `C.refs`).
    pub fn escaping_funcs(&self) -> &[FuncIndex] {
        &self.escaping
    }

    /// Position of a function in [`Module::escaping_funcs`].
    pub fn escaping_position(&self, func: FuncIndex) -> Option<u32> {
        self.escaping.binary_search(&func).ok().map(|position| position as u32)
    }

    /// Whether any body contains a tail call.
    pub fn has_tail_calls(&self) -> bool {
        self.facts.has_tail_calls
    }

    /// What is known of the bodies as a whole.
    pub fn facts(&self) -> BodyFacts {
        self.facts
    }

    /// Whether compiled functions must follow a convention in which tail calls and landing pads are possible.
    pub fn needs_tail_convention(&self) -> bool {
        self.facts.has_tail_calls || self.facts.has_handlers
    }

    /// Byte range of the contents of the code section (empty if there is none).
    pub fn code_range(&self) -> Range<u32> {
        self.code_range.clone()
    }

    /// Parameter types of a block.
    pub fn block_params(&self, ty: BlockType) -> &[ValType] {
        match ty {
            BlockType::Func(index) => &self.signature(index).params,
            BlockType::Empty | BlockType::Value(_) => &[],
        }
    }

    /// Result types of a block.
    pub fn block_results<'a>(&'a self, ty: &'a BlockType) -> &'a [ValType] {
        match ty {
            BlockType::Func(index) => &self.signature(*index).results,
            BlockType::Value(ty) => std::slice::from_ref(ty),
            BlockType::Empty => &[],
        }
    }

    /// Type of an import or export. Indices in it are type indices of this module.
    pub fn extern_type(&self, index: ExternIndex) -> ExternType {
        match index {
            ExternIndex::Func(index) => ExternType::Func(self.func_type(index).clone()),
            ExternIndex::Table(index) => ExternType::Table(self.tables[index.index()].clone()),
            ExternIndex::Memory(index) => ExternType::Memory(self.memories[index.index()]),
            ExternIndex::Global(index) => ExternType::Global(self.global_type(index)),
            ExternIndex::Tag(index) => ExternType::Tag(self.tag_type(index).clone()),
        }
    }

    /// Custom sections in order: name and contents.
    pub fn custom_sections(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.customs
            .iter()
            .map(|(name, range)| (&**name, &self.bytes[range.start as usize..range.end as usize]))
    }

    /// The name section, decoded on first use.
    pub fn names(&self) -> &Names {
        self.names.get_or_init(|| {
            let section = self.custom_section("name");
            section.map_or_else(Names::default, |(bytes, start)| Names::decode(bytes, start))
        })
    }

    /// The name of a local, label or field: `owner` is the index of its function or type.
    pub fn inner_name(&self, kind: InnerNameKind, owner: u32, index: u32) -> Option<&str> {
        let (section, start) = self.custom_section("name")?;
        names::inner(section, start, kind, owner, index)
    }

    /// Whether the `if` or `br_if` at a byte offset of the module is likely taken, if a branch hint says so.
    pub fn branch_hint(&self, offset: u32) -> Option<bool> {
        let hints = self.hints.get_or_init(|| {
            let section = self.custom_section("metadata.code.branch_hint");
            section.map_or_else(BranchHints::default, |(bytes, start)| {
                BranchHints::decode(bytes, start, &self.funcs)
            })
        });
        hints.at(offset)
    }

    /// The functions that a field of a structure type, or of its subtypes, refers to in the initial values of globals; none if they are more
    /// than [`MAX_METHODS`](crate::MAX_METHODS). Other structures may refer to others.
    pub fn methods(&self, ty: TypeIndex, field: u32) -> &[FuncIndex] {
        self.methods.get_or_init(|| Methods::new(self)).of(ty, field)
    }

    /// What a table holds, if that never changes.
    pub fn constant_table(&self, table: TableIndex) -> Option<&ConstantTable> {
        self.constant_tables.get_or_init(|| ConstantTables::new(self)).of(table)
    }

    /// Contents of the first custom section with a name, and its offset in the module.
    fn custom_section(&self, name: &str) -> Option<(&[u8], u64)> {
        let (_, range) = self.customs.iter().find(|(found, _)| &**found == name)?;
        Some((&self.bytes[range.start as usize..range.end as usize], u64::from(range.start)))
    }
}
