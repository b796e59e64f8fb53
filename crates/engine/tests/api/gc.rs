//! Owns tests of the garbage-collected heap as a host sees it: references, values of the host, the limit.
//! Does not own tests of the operators (the official suite) nor of the collector (its own crate).

use sterna::{AnyRef, ExternRef, GcStress, HeapType, I31, Limits, Trap, TrapCode, Val};

use crate::{each_config, each_tier, instance};

const LISTS: &str = r#"
    (type $node (struct (field i32) (field (ref null $node))))
    (global $last (export "last") (mut (ref null $node)) (ref.null $node))
    (table (export "table") 2 anyref)
    (func (export "push") (param i32 (ref null $node)) (result (ref $node))
        (global.set $last (struct.new $node (local.get 0) (local.get 1)))
        (ref.as_non_null (global.get $last)))
    (func (export "value") (param (ref $node)) (result i32) (struct.get $node 0 (local.get 0)))
    (func (export "next") (param (ref $node)) (result (ref null $node)) (struct.get $node 1 (local.get 0)))
    (func (export "endless")
        (local $list (ref null $node))
        (loop $more
            (local.set $list (struct.new $node (i32.const 0) (local.get $list)))
            (br $more)))
    (func (export "churn") (param i32)
        (loop $more
            (drop (struct.new $node (i32.const 0) (ref.null $node)))
            (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "same") (param eqref eqref) (result i32) (ref.eq (local.get 0) (local.get 1)))
    (func (export "any") (param anyref) (result anyref) (local.get 0))"#;

#[test]
fn objects_that_a_host_holds_survive() {
    let configure = |config: &mut sterna::Config| _ = config.gc_stress(GcStress::Alternate);
    each_config(configure, |engine| {
        let (mut store, lists) = instance(engine, LISTS);
        let mut call = |name: &str, params: &[Val], results: &mut [Val]| {
            let func = lists.get_func(&mut store, name).unwrap();
            func.call(&mut store, params, results).unwrap();
            results.first().copied()
        };
        let mut held = vec![Val::NULL_ANY];
        for number in 0..50 {
            let list = held[held.len() - 1];
            held.push(call("push", &[Val::I32(number), list], &mut [Val::NULL_ANY]).unwrap());
        }
        call("churn", &[Val::I32(100)], &mut []);
        for (number, list) in (0..).zip(&held[1..]) {
            assert_eq!(call("value", &[*list], &mut [Val::I32(0)]).unwrap().i32(), Some(number));
            let next = call("next", &[*list], &mut [Val::NULL_ANY]).unwrap();
            let same = call("same", &[next, held[number as usize]], &mut [Val::I32(0)]);
            assert_eq!(same.unwrap().i32(), Some(1));
        }
        let last = lists.get_global(&mut store, "last").unwrap().get(&mut store).unwrap_any_ref();
        let table = lists.get_table(&mut store, "table").unwrap();
        table.set(&mut store, 1, last.unwrap().into()).unwrap();
        lists
            .get_func(&mut store, "churn")
            .unwrap()
            .call(&mut store, &[Val::I32(9)], &mut [])
            .unwrap();
        let found: Val = table.get(&store, 1).unwrap().into();
        let found = found.unwrap_any_ref().unwrap();
        let is = |ty| found.is(&store, ty).unwrap();
        assert!(is(HeapType::Struct) && is(HeapType::Eq) && !is(HeapType::Array));
        assert!(!is(HeapType::I31) && !is(HeapType::Func));
    });
}

#[test]
fn references_are_checked_on_their_way_in() {
    each_tier(|engine| {
        let (mut store, lists) = instance(engine, LISTS);
        let value = lists.get_func(&mut store, "value").unwrap();
        let mut results = [Val::I32(0)];
        let i31 = Val::from(AnyRef::from_i31(&store, I31::wrapping(5)));
        for wrong in [i31, Val::NULL_ANY, Val::NULL_FUNC, Val::NULL_EXTERN, Val::I32(1)] {
            let error = value.call(&mut store, &[wrong], &mut results).unwrap_err();
            assert!(error.to_string().contains("type mismatch"), "{error}");
        }
        let (mut other, others) = instance(engine, LISTS);
        let push = others.get_func(&mut other, "push").unwrap();
        let mut node = [Val::NULL_ANY];
        push.call(&mut other, &[Val::I32(1), Val::NULL_ANY], &mut node).unwrap();
        assert!(value.call(&mut store, &node, &mut results).is_err(), "of another store");
    });
}

#[test]
fn values_change_views_and_stay_themselves() {
    each_tier(|engine| {
        let (mut store, lists) = instance(engine, LISTS);
        let any = lists.get_func(&mut store, "any").unwrap();
        let outside = ExternRef::new(&mut store, "text".to_owned()).unwrap();
        let inside = AnyRef::from_extern(&mut store, outside).unwrap();
        let mut results = [Val::NULL_ANY];
        any.call(&mut store, &[inside.into()], &mut results).unwrap();
        let back = results[0].unwrap_any_ref().unwrap();
        assert!(back.is(&store, HeapType::Any).unwrap() && !back.is(&store, HeapType::Eq).unwrap());
        let back = back.to_extern(&store).unwrap();
        assert!(back.ref_eq(&store, &outside).unwrap());
        assert_eq!(back.data(&store).unwrap().downcast_ref::<String>().unwrap(), "text");

        let number = AnyRef::from_i31(&store, I31::wrapping(-7));
        any.call(&mut store, &[number.into()], &mut results).unwrap();
        assert_eq!(results[0].unwrap_any_ref().unwrap().i31(), I31::new(-7));

        let push = lists.get_func(&mut store, "push").unwrap();
        push.call(&mut store, &[Val::I32(1), Val::NULL_ANY], &mut results).unwrap();
        let node = results[0].unwrap_any_ref().unwrap();
        let outside = node.to_extern(&store).unwrap();
        assert!(outside.data(&store).is_err(), "no value of the host");
        let inside = AnyRef::from_extern(&mut store, outside).unwrap();
        assert!(inside.is(&store, HeapType::Struct).unwrap());
    });
}

#[test]
fn the_heap_has_a_limit() {
    each_tier(|engine| {
        let (mut store, lists) = instance(engine, LISTS);
        store.limits(Limits { heap_bytes: Some(1 << 20), ..Limits::default() });
        let endless = lists.get_func(&mut store, "endless").unwrap();
        let churn = lists.get_func(&mut store, "churn").unwrap();
        for _ in 0..2 {
            churn.call(&mut store, &[Val::I32(300_000)], &mut []).unwrap();
            let error = endless.call(&mut store, &[], &mut []).unwrap_err();
            let trap = error.downcast_ref::<Trap>().unwrap();
            assert_eq!(trap.code(), TrapCode::HeapExhausted);
        }
    });
}
