//! Objects of the guest's garbage-collected heap, made and read by the host; values of the host that a guest keeps.
//! `cargo run -p sterna --example objects`

use sterna::{
    ArrayRef, ArrayType, Caller, Engine, ExternRef, FieldType, Linker, Module, Owned, Result,
    StorageType, Store, StructRef, StructType, Val, ValType,
};

pub(crate) fn main() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (type $point (struct (field $x f64) (field $y f64)))
            (type $bytes (array (mut i8)))
            (import "host" "open" (func $open (param (ref array)) (result externref)))
            (import "host" "read" (func $read (param externref) (result i32)))
            (global $file (mut externref) (ref.null extern))
            (func (export "flip") (param (ref struct)) (result (ref struct))
                (local $point (ref $point))
                (local.set $point (ref.cast (ref $point) (local.get 0)))
                (struct.new $point
                    (struct.get $point $y (local.get $point))
                    (struct.get $point $x (local.get $point))))
            (func (export "open") (global.set $file (call $open (array.new $bytes (i32.const 7) (i32.const 3)))))
            (func (export "read") (result i32) (call $read (global.get $file)))
            (func (export "close") (global.set $file (ref.null extern))))"#,
    )?;
    let mut linker = Linker::<()>::new(&engine);
    // What a guest cannot see into is an `externref`: here the bytes of an array, as a `Vec` of the host.
    linker.func_wrap("host", "open", |mut caller: Caller<'_, ()>, bytes: ArrayRef| {
        let bytes = bytes.elements(&caller)?;
        let bytes: Vec<u8> = bytes.iter().map(|byte| byte.unwrap_i32() as u8).collect();
        Ok(Some(ExternRef::new(&mut caller, bytes)?))
    })?;
    linker.func_wrap("host", "read", |caller: Caller<'_, ()>, file: Option<ExternRef>| {
        let Some(file) = file else { return Ok(-1) };
        let bytes: Option<&Vec<u8>> = file.data(&caller)?.downcast_ref();
        Ok(bytes.map_or(-1, |bytes| bytes.iter().map(|&byte| i32::from(byte)).sum()))
    })?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;

    // Types are the same if they look the same: the guest's `$point` is this one.
    let number = FieldType { storage: StorageType::Val(ValType::F64), mutable: false };
    let point = StructType::new(&engine, [number, number])?;
    let flip = instance.get_typed_func::<StructRef, StructRef>(&mut store, "flip")?;
    // References last until their scope ends. What is to last longer is owned.
    let flipped: Owned<StructRef> = store.scope(|store| {
        let given = StructRef::new(&mut *store, &point, &[Val::from(1.0), Val::from(2.0)])?;
        flip.call(&mut *store, given)?.to_owned(store)
    })?;
    let flipped = flipped.to_scoped(&store)?;
    assert_eq!(flipped.field(&store, 0)?.unwrap_f64(), 2.0);

    // The host's value is dropped when the guest has given it up.
    instance.get_typed_func::<(), ()>(&mut store, "open")?.call(&mut store, ())?;
    let read = instance.get_typed_func::<(), i32>(&mut store, "read")?;
    assert_eq!(read.call(&mut store, ())?, 21);
    instance.get_typed_func::<(), ()>(&mut store, "close")?.call(&mut store, ())?;
    store.gc();
    assert_eq!(read.call(&mut store, ())?, -1);

    // Arrays are made in the same way; packed elements are read as unsigned numbers.
    let bytes = ArrayType::new(&engine, FieldType { storage: StorageType::I8, mutable: true })?;
    let array = ArrayRef::new_fixed(&mut store, &bytes, &[Val::I32(1), Val::I32(-1)])?;
    assert_eq!(array.get(&store, 1)?.unwrap_i32(), 255);
    Ok(())
}
