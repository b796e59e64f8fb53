//! Owns the tests of decoding: what a module exposes, and how bad input is refused.
//! Does not test validation rules one by one; the official suite does.
#![allow(clippy::unwrap_used)]

use std::io::Read;

use sterna_base::{FuncIndex, GlobalIndex, TagIndex, TypeIndex};
use sterna_isa::{Feature, FeatureSet, FuncType, HeapType, Op, ValType};
use sterna_module::{
    BodyFacts, ConstOp, ExternIndex, ExternType, Imm, InnerNameKind, Module, NameKind, ReadError,
    SegmentMode,
};

fn decode(text: &str) -> Module {
    Module::decode(wat::parse_str(text).unwrap(), &FeatureSet::DEFAULT, 1).unwrap()
}

const RICH: &str = r#"
    (module $rich
      (import "env" "log" (func $log (param i32)))
      (import "env" "g" (global $g i32))
      (memory 1 2)
      (table 4 funcref)
      (global $h (mut i64) (i64.const -5))
      (func $main (export "main") (param i32) (result i32) (local i64 i64 f32)
        (i32.add (local.get 0) (i32.const 7)))
      (func $helper (call $log (i32.const 1)))
      (func $unused)
      (elem (i32.const 1) $helper)
      (data (i32.const 8) "hello"))"#;

#[test]
fn exposes_what_was_declared() {
    let module = decode(RICH);
    assert_eq!((module.num_funcs(), module.num_imported_funcs()), (4, 1));
    assert_eq!(module.imports()[0].index, ExternIndex::Func(FuncIndex::from_u32(0)));
    assert_eq!(&*module.exports()[0].name, "main");
    assert_eq!(
        module.func_type(FuncIndex::from_u32(1)).to_string(),
        "(func (param i32) (result i32))"
    );
    assert_eq!(module.memories()[0].max, Some(2));
    assert_eq!(module.data(&module.data_segments()[0]), b"hello");
    assert_eq!(module.names().func(FuncIndex::from_u32(2)), Some("helper"));
    assert_eq!(module.names().module(), Some("rich"));
    let escaping: Vec<u32> = module.escaping_funcs().iter().map(|func| func.as_u32()).collect();
    assert_eq!(escaping, [1, 2], "exported and in an element segment, but not $unused");
    assert!(!module.has_tail_calls());
}

/// Gives a few bytes at a time, and none after `end`.
struct Trickle<'a> {
    bytes: &'a [u8],
    step: usize,
    end: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        assert!(self.end > 0, "nobody needs the rest to know the answer");
        let len = self.step.min(buffer.len()).min(self.bytes.len()).min(self.end);
        let (now, later) = self.bytes.split_at(len);
        buffer[..len].copy_from_slice(now);
        self.bytes = later;
        self.end -= len;
        Ok(len)
    }
}

#[test]
fn arriving_binaries_are_decoded_like_those_that_are_there() {
    let binary = wat::parse_str(RICH).unwrap();
    let whole = |bytes: &[u8]| Module::decode(bytes, &FeatureSet::DEFAULT, 1);
    let arriving = |bytes: &[u8], step| {
        let reader = Trickle { bytes, step, end: usize::MAX };
        match Module::decode_from(reader, &FeatureSet::DEFAULT, 2) {
            Err(ReadError::Io(error)) => panic!("{error}"),
            Err(ReadError::Invalid(error)) => Err(error),
            Ok(module) => Ok(module),
        }
    };
    let described = |module: Module| {
        let bodies: Vec<_> = (module.num_imported_funcs()..module.num_funcs())
            .map(|func| module.body(FuncIndex::from_u32(func as u32)).offset())
            .collect();
        (module.bytes().to_vec(), bodies, module.escaping_funcs().to_vec(), module.facts())
    };
    for step in [1, 7, 1000] {
        assert_eq!(arriving(&binary, step).map(described), whole(&binary).map(described));
    }
    for at in 0..binary.len() {
        assert_eq!(arriving(&binary[..at], 3).map(described), whole(&binary[..at]).map(described));
        let mut damaged = binary.clone();
        damaged[at] ^= 0x15;
        assert_eq!(arriving(&damaged, 100).map(described), whole(&damaged).map(described), "{at}");
    }
}

#[test]
fn the_end_of_a_binary_that_is_wrong_before_is_not_waited_for() {
    let mut binary = wat::parse_str("(module (func (param i32)) (func))").unwrap();
    binary[8 + 3] = 0x13; // Not the form of a type.
    binary.resize(10 << 20, 0);
    let reader = Trickle { bytes: &binary, step: 1 << 20, end: 1 << 20 };
    let error = Module::decode_from(reader, &FeatureSet::DEFAULT, 1).err().unwrap();
    assert!(matches!(error, ReadError::Invalid(error) if error.offset == 11));
}

#[test]
fn names_everything_that_a_name_section_can() {
    let module = decode(
        r#"(module
          (type $point (struct (field $x i32) (field $y i32)))
          (table $table 1 funcref) (memory $memory 1) (global $global i32 (i32.const 0)) (tag $tag)
          (func $f) (func $g (param $a i32) (local $b i64) (block $inner))
          (elem $elem func $f) (data $data "x"))"#,
    );
    let name = |kind, index| module.names().get(kind, index).unwrap_or("none");
    let all = [
        (NameKind::Type, "point"),
        (NameKind::Table, "table"),
        (NameKind::Memory, "memory"),
        (NameKind::Global, "global"),
        (NameKind::Tag, "tag"),
        (NameKind::Func, "f"),
        (NameKind::Elem, "elem"),
        (NameKind::Data, "data"),
    ];
    for (kind, expected) in all {
        assert_eq!(name(kind, 0), expected);
        assert_eq!(module.names().get(kind, 7), None);
    }
    let inner = |kind, owner, index| module.inner_name(kind, owner, index);
    assert_eq!(inner(InnerNameKind::Local, 1, 1), Some("b"));
    assert_eq!(inner(InnerNameKind::Local, 0, 0), None);
    assert_eq!(inner(InnerNameKind::Label, 1, 0), Some("inner"));
    assert_eq!(inner(InnerNameKind::Field, 0, 1), Some("y"));
}

#[test]
fn trusted_bytes_decode_to_the_same_module() {
    let checked = decode(RICH);
    let facts = BodyFacts { has_tail_calls: true, has_handlers: true, writes_tables: false };
    let trusted = Module::decode_trusted(checked.bytes().clone(), facts).unwrap();
    assert_eq!(trusted.facts(), facts, "taken from the caller");
    assert_eq!(trusted.exports(), checked.exports());
    assert_eq!(trusted.imports(), checked.imports());
    assert_eq!(trusted.escaping_funcs(), checked.escaping_funcs());
    assert_eq!(trusted.data_segments(), checked.data_segments());
    assert_eq!(trusted.elems(), checked.elems());
    assert_eq!(trusted.code_range(), checked.code_range());
    for func in checked.defined_funcs() {
        assert_eq!(trusted.func_type(func), checked.func_type(func));
        assert_eq!(trusted.body(func).offset(), checked.body(func).offset());
        assert_eq!(trusted.body(func).size(), checked.body(func).size());
    }
    // What reading itself notices is still an error.
    let cut = &checked.bytes()[..checked.bytes().len() - 1];
    assert!(Module::decode_trusted(cut, BodyFacts::default()).is_err());
}

#[test]
fn data_segments_of_every_form_are_read() {
    let offsets = [0, 1, -1, 63, 64, -64, -65, 8191, 8192, i32::MAX, i32::MIN, 1 << 20];
    let mut text =
        String::from("(module (global $g (import \"\" \"g\") i32) (memory 1) (memory 1)");
    for (at, offset) in offsets.iter().enumerate() {
        text += &format!("(data (i32.const {offset}) \"{}\")", "x".repeat(at * 30));
    }
    text += "(data \"passive\") (data (global.get $g) \"moved\")
        (data (i32.add (i32.const 1) (i32.const 2)) \"sum\") (data (memory 1) (i32.const 5) \"other\"))";
    let module = decode(&text);
    let segments = module.data_segments();
    for (at, (segment, &offset)) in segments.iter().zip(&offsets).enumerate() {
        let SegmentMode::Active(memory, expr) = &segment.mode else { panic!("{segment:?}") };
        assert_eq!((memory.as_u32(), &*expr.ops), (0, &[ConstOp::I32(offset)][..]));
        assert_eq!(module.data(segment), "x".repeat(at * 30).as_bytes());
    }
    let rest: Vec<_> =
        segments[offsets.len()..].iter().map(|segment| module.data(segment)).collect();
    assert_eq!(rest, [&b"passive"[..], b"moved", b"sum", b"other"]);
    let other = &segments[offsets.len() + 3].mode;
    assert!(matches!(other, SegmentMode::Active(memory, _) if memory.as_u32() == 1));
}

#[test]
fn bodies_read_back() {
    let module = decode(RICH);
    let body = module.body(FuncIndex::from_u32(1));
    assert_eq!(body.locals().collect::<Vec<_>>(), [ValType::I64, ValType::I64, ValType::F32]);
    let ops: Vec<_> = body.operators().collect();
    assert_eq!(
        ops.iter().map(|op| op.op).collect::<Vec<_>>(),
        [Op::LocalGet, Op::I32Const, Op::I32Add, Op::End]
    );
    assert!(matches!(ops[1].imm, Imm::I32(7)));
    assert_eq!(module.func_at(ops[2].offset), Some(FuncIndex::from_u32(1)));
}

#[test]
fn tail_calls_are_noticed() {
    assert!(decode("(module (func $f (return_call $f)))").has_tail_calls());
}

#[test]
fn features_can_be_refused() {
    let bytes = wat::parse_str("(module (func (drop (v128.const i64x2 0 0))))").unwrap();
    let without = FeatureSet::DEFAULT.without(Feature::Simd);
    let error = Module::decode(bytes, &without, 1).err().unwrap();
    assert!(error.message.contains("SIMD"), "{error}");
}

#[test]
fn errors_carry_the_offset() {
    let mut bytes = wat::parse_str("(module (func (result i32) (i32.const 1)))").unwrap();
    let at = bytes.len() - 3;
    assert_eq!(bytes[at], 0x41, "i32.const");
    bytes[at] = 0x42; // i64.const
    let error = Module::decode(bytes, &FeatureSet::DEFAULT, 1).err().unwrap();
    assert_eq!(error.offset as usize, at + 2, "{error}");
    assert!(error.message.contains("expected i32"), "{error}");
}

#[test]
fn a_component_is_named_as_such() {
    let error = Module::decode(wat::parse_str("(component)").unwrap(), &FeatureSet::DEFAULT, 1)
        .err()
        .unwrap();
    assert!(error.message.contains("component"), "{error}");
}

/// Lengths at which a binary whose section sizes take one byte each ends between sections.
fn section_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![8];
    while let Some(&size) = bytes.get(ends[ends.len() - 1] + 1) {
        assert!(size < 0x80);
        ends.push(ends[ends.len() - 1] + 2 + usize::from(size));
    }
    ends
}

#[test]
fn truncation_within_a_section_is_an_error() {
    let bytes = wat::parse_str(RICH).unwrap();
    let ends = section_ends(&bytes);
    assert_eq!(ends.last(), Some(&bytes.len()));
    for len in 0..bytes.len() {
        let result = Module::decode(&bytes[..len], &FeatureSet::DEFAULT, 1);
        assert!(result.is_err() || ends.contains(&len), "{len} of {} bytes", bytes.len());
    }
}

#[test]
fn every_flipped_bit_is_handled() {
    let bytes = wat::parse_str(RICH).unwrap();
    for at in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        if let Ok(module) = Module::decode(bytes, &FeatureSet::DEFAULT, 1) {
            module.defined_funcs().for_each(|func| module.body(func).operators().for_each(drop));
        }
    }
}

#[test]
fn threads_do_not_change_the_result() {
    let body = "(drop (i32.add (local.get 0) (i32.const 123456)))".repeat(400);
    let funcs: String = (0..200).map(|_| format!("(func (param i32) {body})")).collect();
    let good = wat::parse_str(format!("(module {funcs})")).unwrap();
    assert_eq!(Module::decode(&*good, &FeatureSet::DEFAULT, 4).unwrap().num_funcs(), 200);
    let bad = format!(
        "(module {funcs} (func (result i32) (i64.const 1)) {funcs} (func (result f32) (i64.const 1)))"
    );
    let bad = wat::parse_str(bad).unwrap();
    let [one, four] =
        [1, 4].map(|threads| Module::decode(&*bad, &FeatureSet::DEFAULT, threads).err().unwrap());
    assert_eq!(one, four);
}

const ALL: FeatureSet = FeatureSet::ALL;

#[test]
fn types_of_all_kinds_and_tags_are_read() {
    let text = r#"(module
      (rec (type $list (sub (struct (field i32) (field (mut (ref null $list))))))
           (type $longer (sub final $list (struct (field i32) (field (mut (ref null $list))) (field i8)))))
      (type $bytes (array (mut i8)))
      (type $f (func (param (ref $bytes)) (result i64)))
      (import "a" "t" (tag $t (type $e)))
      (type $e (func (param i32)))
      (tag $own (export "own") (param i64)))"#;
    let module = Module::decode(wat::parse_str(text).unwrap(), &ALL, 1).unwrap();
    let texts: Vec<String> = module.types().iter().map(ToString::to_string).collect();
    assert_eq!(
        texts[..4],
        [
            "(sub (struct (field i32) (field (mut (ref null 0)))))",
            "(sub final 0 (struct (field i32) (field (mut (ref null 0))) (field i8)))",
            "(array (mut i8))",
            "(func (param (ref 2)) (result i64))",
        ]
    );
    assert_eq!(module.rec_groups().take(3).collect::<Vec<_>>(), [0..2, 2..3, 3..4]);
    let depths = [0, 1, 2].map(|ty| module.type_depth(TypeIndex::from_u32(ty)));
    assert_eq!(depths, [0, 1, 0]);
    assert!(
        module.is_func_heap(HeapType::Concrete(3)) && !module.is_func_heap(HeapType::Concrete(2))
    );
    assert_eq!((module.tags().len(), module.num_imported_tags()), (2, 1));
    assert_eq!(module.tag_type(TagIndex::from_u32(1)).to_string(), "(func (param i64))");
    assert_eq!(module.exports()[0].index, ExternIndex::Tag(TagIndex::from_u32(1)));
    let export = module.extern_type(module.exports()[0].index);
    assert_eq!(export, ExternType::Tag(FuncType::new([ValType::I64], [])));
}

/// The immediates of the operators of a function, as debug texts.
fn immediates(function: &str) -> Vec<String> {
    let text = format!(
        "(module (type $s (struct (field i32) (field i64))) (type $a (array i32)) (type $f (func))
           (tag $t) (data \"\") {function})"
    );
    let module = Module::decode(wat::parse_str(text).unwrap(), &ALL, 1).unwrap();
    let body = module.body(FuncIndex::from_u32(0));
    body.operators().map(|operator| format!("{:?} {:?}", operator.op, operator.imm)).collect()
}

#[test]
fn immediates_of_references_and_exceptions_are_read() {
    let gc = immediates(
        "(func (param anyref) (result (ref null $s))
           (drop (block $l (result (ref struct)) (br_on_cast $l anyref (ref struct) (local.get 0))
             (drop (struct.get $s 1 (ref.cast (ref $s) ))) (drop (array.new_fixed $a 0))
             (drop (array.new_data $a 0 (i32.const 0) (i32.const 0))) unreachable))
           (ref.null $s))",
    );
    let expected = [
        "BrOnCast BrOnCast { label: 0, from: RefType { nullable: true, heap: Any }, \
         to: RefType { nullable: false, heap: Struct } }",
        "RefCastNonNull HeapType(Concrete(0))",
        "StructGet Index2(0, 1)",
        "ArrayNewFixed Index2(1, 0)",
        "ArrayNewData Index2(1, 0)",
        "RefNull HeapType(Concrete(0))",
    ];
    for expected in expected {
        assert!(gc.iter().any(|found| found == expected), "{expected} in {gc:#?}");
    }
    let catches = immediates(
        "(func (result exnref) (block $l (result exnref)
           (try_table (catch_ref $t $l) (catch_all_ref $l) (throw $t)) unreachable))",
    );
    assert_eq!(
        catches[1],
        "TryTable TryTable(TryTable { ty: Empty, catches: [Catch { tag: Some(tag0), with_ref: true, label: 0 }, \
         Catch { tag: None, with_ref: true, label: 0 }] })"
    );
    assert_eq!(catches[2], "Throw Index(0)");
    let legacy = immediates("(func try (throw $t) catch $t (rethrow 0) catch_all end)");
    assert_eq!(legacy[..3], ["Try Block(Empty)", "Throw Index(0)", "Catch Index(0)"]);
    assert_eq!(legacy[3..5], ["Rethrow Index(0)", "CatchAll None"]);
}

#[test]
fn constant_expressions_of_objects_are_read() {
    let text = r#"(module
      (type $s (struct (field i32))) (type $a (array (ref null $s)))
      (global (ref $a) (array.new_fixed $a 2 (struct.new $s (i32.const 1)) (struct.new_default $s)))
      (global externref (extern.convert_any (ref.i31 (i32.const 7)))))"#;
    let module = Module::decode(wat::parse_str(text).unwrap(), &ALL, 1).unwrap();
    let (s, a) = (TypeIndex::from_u32(0), TypeIndex::from_u32(1));
    let ops = |index| &*module.global_init(GlobalIndex::from_u32(index)).unwrap().ops;
    assert_eq!(
        ops(0),
        [
            ConstOp::I32(1),
            ConstOp::StructNew(s),
            ConstOp::StructNewDefault(s),
            ConstOp::ArrayNewFixed(a, 2)
        ]
    );
    assert_eq!(ops(1), [ConstOp::I32(7), ConstOp::RefI31, ConstOp::ExternConvertAny]);
}

/// Whatever the other threads are doing, the first mistake is the one that is reported; one outside of bodies comes before.
#[test]
fn the_first_of_many_mistakes_is_reported() {
    let good = format!(
        "(func (param i32) {})",
        "(drop (i32.add (local.get 0) (i32.const 7)))".repeat(2000)
    );
    let bad = "(func (i32.const 1))";
    let module = |bad_at: &[usize], end: &str| {
        let func = |at| if bad_at.contains(&at) { bad } else { good.as_str() };
        let funcs: String = (0..80).map(func).collect();
        wat::parse_str(format!("(module {funcs} {end})")).unwrap()
    };
    let error = |bytes: &[u8], threads| {
        Module::decode(bytes, &FeatureSet::DEFAULT, threads).err().map(|error| error.offset)
    };
    for bad_at in [&[0, 79][..], &[79], &[40, 41, 42, 60], &[20, 79]] {
        let bytes = module(bad_at, "");
        let first = error(&bytes, 1).unwrap();
        for threads in [2, 3, 8] {
            assert_eq!(error(&bytes, threads), Some(first), "{bad_at:?}");
        }
    }
    let bytes = module(&[3], "(data (i32.const 0) \"no memory\")");
    assert!([1, 4].map(|threads| error(&bytes, threads).unwrap()).iter().all(|&at| at > 100_000));
    assert_eq!(error(&module(&[], ""), 4), None);
}
