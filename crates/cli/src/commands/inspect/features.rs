//! Owns the answer to "which features does this module use?".
//! Does not keep a list of features: the validator's own names are used.

use wasmparser::{Validator, WasmFeatures};

/// WebAssembly 1.0 and settings of the validator that are no proposals.
const BASE: WasmFeatures = WasmFeatures::WASM1;

/// Names of the features without which the module would not be valid, or why it is invalid even with all.
///
/// The validator says which feature it misses; we start with none and add what it asks for.
pub fn used(binary: &[u8]) -> Result<Vec<String>, wasmparser::Error> {
    let all = WasmFeatures::all();
    let mut needed = BASE;
    while let Err(error) = validate(binary, needed) {
        match error.missing_wasm_feature() {
            Some(missing) if !needed.contains(missing) => needed |= missing,
            // Some rules are not marked with their feature: find it by taking each away.
            _ => {
                validate(binary, all)?;
                needed = smallest(binary, needed, all);
                break;
            }
        }
    }
    Ok(names(needed - BASE))
}

/// The features of `all` that cannot be taken away one after the other; `known` are not tried.
fn smallest(binary: &[u8], known: WasmFeatures, all: WasmFeatures) -> WasmFeatures {
    let mut needed = all;
    for feature in (all - known).iter() {
        if validate(binary, needed - feature).is_ok() {
            needed -= feature;
        }
    }
    needed
}

fn validate(binary: &[u8], features: WasmFeatures) -> Result<(), wasmparser::Error> {
    Validator::new_with_features(features).validate_all(binary).map(drop)
}

fn names(features: WasmFeatures) -> Vec<String> {
    features.iter_names().map(|(name, _)| name.to_ascii_lowercase().replace('_', "-")).collect()
}

#[cfg(test)]
mod tests {
    fn used(text: &str) -> Vec<String> {
        super::used(&wat::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn only_what_is_used_is_named() {
        assert!(used("(module (func (result i32) i32.const 1))").is_empty());
        assert_eq!(
            used("(module (func (result i32 i32) i32.const 1 i32.const 2))"),
            ["multi-value"]
        );
        assert_eq!(used("(module (memory i64 1))"), ["memory64"]);
        assert_eq!(used("(module (memory 1) (memory 1))"), ["multi-memory"]);
        assert_eq!(
            used("(module (func (param f32) local.get 0 i32.trunc_sat_f32_s drop))"),
            ["saturating-float-to-int"]
        );
        assert_eq!(
            used("(module (global i32 (i32.add (i32.const 1) (i32.const 2))))"),
            ["extended-const"]
        );
    }

    #[test]
    fn references_objects_and_exceptions_are_told_apart() {
        let text = "(module (type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0))))";
        assert_eq!(used(text), ["reference-types", "function-references"]);
        let text = "(module (type $s (struct)) (func (drop (struct.new $s))))";
        assert!(used(text).contains(&"gc".to_owned()), "{:?}", used(text));
        let text = "(module (tag $t) (func (throw $t)))";
        assert_eq!(used(text), ["exceptions"]);
        let text = "(module (tag $t) (func try catch_all end))";
        assert!(used(text).contains(&"legacy-exceptions".to_owned()), "{:?}", used(text));
    }

    #[test]
    fn an_invalid_module_has_no_features() {
        let binary = wat::parse_str("(module (func (result i32)))").unwrap();
        assert!(super::used(&binary).is_err());
    }
}
