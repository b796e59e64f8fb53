//! Owns the mapping from the engine's feature list to the validator's.
//! Does not own the list: `isa` does.

use sterna_isa::{Feature, FeatureSet};
use wasmparser::WasmFeatures;

/// The validator's settings for a set of features. Names that no feature of ours maps to stay off, the component model
/// included (components are not modules).
pub(crate) fn to_validator(features: &FeatureSet) -> WasmFeatures {
    let mut out = WasmFeatures::FLOATS;
    for feature in features.iter() {
        out |= match feature {
            Feature::Mvp => WasmFeatures::empty(),
            Feature::MutableGlobal => WasmFeatures::MUTABLE_GLOBAL,
            Feature::SignExtension => WasmFeatures::SIGN_EXTENSION,
            Feature::SaturatingFloatToInt => WasmFeatures::SATURATING_FLOAT_TO_INT,
            Feature::MultiValue => WasmFeatures::MULTI_VALUE,
            Feature::BulkMemory => WasmFeatures::BULK_MEMORY,
            Feature::ReferenceTypes => WasmFeatures::REFERENCE_TYPES | WasmFeatures::GC_TYPES,
            Feature::Simd => WasmFeatures::SIMD,
            Feature::RelaxedSimd => WasmFeatures::RELAXED_SIMD,
            Feature::ExtendedConst => WasmFeatures::EXTENDED_CONST,
            Feature::TailCall => WasmFeatures::TAIL_CALL,
            Feature::MultiMemory => WasmFeatures::MULTI_MEMORY,
            Feature::Memory64 => WasmFeatures::MEMORY64,
            Feature::FunctionReferences => WasmFeatures::FUNCTION_REFERENCES,
            Feature::Gc => WasmFeatures::GC | WasmFeatures::GC_TYPES,
            Feature::Exceptions => WasmFeatures::EXCEPTIONS,
            Feature::LegacyExceptions => WasmFeatures::LEGACY_EXCEPTIONS,
            Feature::Threads => WasmFeatures::THREADS,
            Feature::WideArithmetic => WasmFeatures::WIDE_ARITHMETIC,
            Feature::CustomPageSizes => WasmFeatures::CUSTOM_PAGE_SIZES,
            Feature::CompactImports => WasmFeatures::COMPACT_IMPORTS,
        };
    }
    out
}
