//! References, garbage-collected objects and exceptions.
//! Table accesses are in `builtin`, `call_ref` in `control`. Row shape: see `table`.
// tidy: flat-table

/// Rows of class Ref: function references and null tests.
#[macro_export]
macro_rules! for_each_ref {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        RefNull, ref_null, (0x00, 0xd0), "ref.null", Ref, Special, HeapType, ReferenceTypes;
        RefIsNull, ref_is_null, (0x00, 0xd1), "ref.is_null", Ref, Special, NoImm, ReferenceTypes;
        RefFunc, ref_func, (0x00, 0xd2), "ref.func", Ref, Special, Func, ReferenceTypes;
        RefEq, ref_eq, (0x00, 0xd3), "ref.eq", Ref, [EqRef EqRef] -> [I32], NoImm, Gc;
        RefAsNonNull, ref_as_non_null, (0x00, 0xd4), "ref.as_non_null", Ref, Special, NoImm, FunctionReferences;
        BrOnNull, br_on_null, (0x00, 0xd5), "br_on_null", Ref, Special, Label, FunctionReferences;
        BrOnNonNull, br_on_non_null, (0x00, 0xd6), "br_on_non_null", Ref, Special, Label, FunctionReferences;
    }};
}

/// Rows of class Gc: structs, arrays, i31 and casts.
#[macro_export]
macro_rules! for_each_gc {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        StructNew, struct_new, (0xfb, 0x00), "struct.new", Gc, Special, Type, Gc;
        StructNewDefault, struct_new_default, (0xfb, 0x01), "struct.new_default", Gc, Special, Type, Gc;
        StructGet, struct_get, (0xfb, 0x02), "struct.get", Gc, Special, TypeField, Gc;
        StructGetS, struct_get_s, (0xfb, 0x03), "struct.get_s", Gc, Special, TypeField, Gc;
        StructGetU, struct_get_u, (0xfb, 0x04), "struct.get_u", Gc, Special, TypeField, Gc;
        StructSet, struct_set, (0xfb, 0x05), "struct.set", Gc, Special, TypeField, Gc;
        ArrayNew, array_new, (0xfb, 0x06), "array.new", Gc, Special, Type, Gc;
        ArrayNewDefault, array_new_default, (0xfb, 0x07), "array.new_default", Gc, Special, Type, Gc;
        ArrayNewFixed, array_new_fixed, (0xfb, 0x08), "array.new_fixed", Gc, Special, TypeCount, Gc;
        ArrayNewData, array_new_data, (0xfb, 0x09), "array.new_data", Gc, Special, TypeData, Gc;
        ArrayNewElem, array_new_elem, (0xfb, 0x0a), "array.new_elem", Gc, Special, TypeElem, Gc;
        ArrayGet, array_get, (0xfb, 0x0b), "array.get", Gc, Special, Type, Gc;
        ArrayGetS, array_get_s, (0xfb, 0x0c), "array.get_s", Gc, Special, Type, Gc;
        ArrayGetU, array_get_u, (0xfb, 0x0d), "array.get_u", Gc, Special, Type, Gc;
        ArraySet, array_set, (0xfb, 0x0e), "array.set", Gc, Special, Type, Gc;
        ArrayLen, array_len, (0xfb, 0x0f), "array.len", Gc, [ArrayRef] -> [I32], NoImm, Gc;
        ArrayFill, array_fill, (0xfb, 0x10), "array.fill", Gc, Special, Type, Gc;
        ArrayCopy, array_copy, (0xfb, 0x11), "array.copy", Gc, Special, TypeType, Gc;
        ArrayInitData, array_init_data, (0xfb, 0x12), "array.init_data", Gc, Special, TypeData, Gc;
        ArrayInitElem, array_init_elem, (0xfb, 0x13), "array.init_elem", Gc, Special, TypeElem, Gc;
        RefTestNonNull, ref_test_non_null, (0xfb, 0x14), "ref.test", Gc, Special, HeapType, Gc;
        RefTestNullable, ref_test_nullable, (0xfb, 0x15), "ref.test", Gc, Special, HeapType, Gc;
        RefCastNonNull, ref_cast_non_null, (0xfb, 0x16), "ref.cast", Gc, Special, HeapType, Gc;
        RefCastNullable, ref_cast_nullable, (0xfb, 0x17), "ref.cast", Gc, Special, HeapType, Gc;
        BrOnCast, br_on_cast, (0xfb, 0x18), "br_on_cast", Gc, Special, BrOnCast, Gc;
        BrOnCastFail, br_on_cast_fail, (0xfb, 0x19), "br_on_cast_fail", Gc, Special, BrOnCast, Gc;
        AnyConvertExtern, any_convert_extern, (0xfb, 0x1a), "any.convert_extern", Gc, Special, NoImm, Gc;
        ExternConvertAny, extern_convert_any, (0xfb, 0x1b), "extern.convert_any", Gc, Special, NoImm, Gc;
        RefI31, ref_i31, (0xfb, 0x1c), "ref.i31", Gc, [I32] -> [I31Ref], NoImm, Gc;
        I31GetS, i31_get_s, (0xfb, 0x1d), "i31.get_s", Gc, [I31RefNull] -> [I32], NoImm, Gc;
        I31GetU, i31_get_u, (0xfb, 0x1e), "i31.get_u", Gc, [I31RefNull] -> [I32], NoImm, Gc;
    }};
}

/// Rows of class Exception: throwing and catching.
#[macro_export]
macro_rules! for_each_exception {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        Throw, throw, (0x00, 0x08), "throw", Exception, Special, Tag, Exceptions;
        ThrowRef, throw_ref, (0x00, 0x0a), "throw_ref", Exception, Special, NoImm, Exceptions;
        TryTable, try_table, (0x00, 0x1f), "try_table", Exception, Special, TryTable, Exceptions;
        Try, try_, (0x00, 0x06), "try", Exception, Special, Block, LegacyExceptions;
        Catch, catch, (0x00, 0x07), "catch", Exception, Special, Tag, LegacyExceptions;
        CatchAll, catch_all, (0x00, 0x19), "catch_all", Exception, Special, NoImm, LegacyExceptions;
        Rethrow, rethrow, (0x00, 0x09), "rethrow", Exception, Special, Label, LegacyExceptions;
        Delegate, delegate, (0x00, 0x18), "delegate", Exception, Special, Label, LegacyExceptions;
    }};
}
