//! Owns the tests of moving between tiers: functions and loops that become hot.
//! Does not own what code computes: the official suite runs in these configurations.

use sterna::{Config, Engine, GcStress, Linker, Module, Store, Tier, Val};

fn engine(tier: Tier, configure: impl Fn(&mut Config)) -> Engine {
    let mut config = Config::new();
    config.tier(tier).threads(2);
    configure(&mut config);
    Engine::new(&config).unwrap()
}

/// Loops of all kinds, entered at their first iterations.
const LOOPS: &str = r#"(module
  (type $sum (func (param i64 i64) (result i64)))
  (type $pair (struct (field (mut i64)) (field (mut (ref null $pair)))))
  (tag $stop (param i64))
  (memory 1)
  (global $count (mut i64) (i64.const 0))
  (func $throw (param i64) (throw $stop (local.get 0)))

  ;; Constants, values and locals on the operand stack below nested loops with parameters.
  (func (export "nested") (param $n i64) (result i64 f32) (local $i i64) (local $f f32)
    (i64.const 1000000)
    (f32.const 0.5)
    (i64.mul (local.get $n) (i64.const 3))
    (loop $outer (param i64) (result i64)
      (local.set $i (i64.add (local.get $n) (i64.const 1)))
      (f32.const 1.25)
      (loop $inner (param i64 f32) (result i64 f32)
        (local.set $f)
        (i64.add (local.get $i))
        (local.tee $i (i64.sub (local.get $i) (i64.const 1)))
        (if (i64.eqz) (then (local.set $f (f32.add (local.get $f) (f32.const 3)))))
        (f32.add (local.get $f) (f32.const 1))
        (br_if $inner (i64.gt_s (local.get $i) (i64.const 0))))
      (local.set $f)
      (local.set $n (i64.sub (local.get $n) (i64.const 1)))
      (br_if $outer (i64.gt_s (local.get $n) (i64.const 0))))
    (local.set $i)
    (f32.add (local.get $f))
    (local.set $f)
    (i64.add (local.get $i))
    (local.get $f))

  (func (export "vector") (param $n i32) (result i32) (local $v v128) (local $w v128)
    (local.set $w (v128.const i32x4 1 2 3 4))
    (v128.const i32x4 5 6 7 8)
    (loop $next
      (local.set $v (i32x4.add (local.get $v) (local.get $w)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.set $w)
    (i32x4.extract_lane 3 (i32x4.add (local.get $v) (local.get $w))))

  ;; A loop in a try, left by an exception that a callee throws, and one around it that goes on.
  (func (export "caught") (param $n i64) (result i64) (local $i i64) (local $sum i64)
    (loop $outer
      (block $h (result i64)
        (try_table (catch $stop $h)
          (local.set $i (i64.const 0))
          (loop $inner
            (local.set $i (i64.add (local.get $i) (i64.const 1)))
            (if (i64.eq (local.get $i) (local.get $n)) (then (call $throw (local.get $i))))
            (br $inner)))
        (unreachable))
      (local.set $sum (i64.add (local.get $sum)))
      (local.set $n (i64.sub (local.get $n) (i64.const 1)))
      (br_if $outer (i64.gt_s (local.get $n) (i64.const 0))))
    (local.get $sum))

  ;; Objects live across the entry, allocation after it.
  (func (export "objects") (param $n i64) (result i64) (local $list (ref null $pair)) (local $sum i64)
    (ref.null $pair)
    (loop $next
      (local.set $list (struct.new $pair (local.get $n) (local.get $list)))
      (br_if $next (i64.gt_s (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))
    (drop)
    (loop $next
      (local.set $sum (i64.add (local.get $sum) (struct.get $pair 0 (local.get $list))))
      (br_if $next (i32.eqz (ref.is_null (local.tee $list (struct.get $pair 1 (local.get $list)))))))
    (local.get $sum))

  ;; Objects live across allocations in both branches, whose blocks change places when the loop is the entry.
  (func (export "choices") (param $n i64) (result i64) (local $list (ref null $pair)) (local $sum i64)
    (loop $next
      (if (i32.wrap_i64 (i64.and (local.get $n) (i64.const 1)))
        (then
          (drop (struct.new $pair (i64.const 1) (local.get $list)))
          (local.set $list (struct.new $pair (local.get $n) (local.get $list))))
        (else
          (drop (struct.new $pair (i64.const 2) (local.get $list)))
          (local.set $list (struct.new $pair (i64.const 7) (local.get $list)))))
      (br_if $next (i64.gt_s (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))
    (loop $next
      (local.set $sum (i64.add (local.get $sum) (struct.get $pair 0 (local.get $list))))
      (br_if $next (i32.eqz (ref.is_null (local.tee $list (struct.get $pair 1 (local.get $list)))))))
    (local.get $sum))

  ;; Traps at an offset in a loop, in a callee and in the function itself.
  (func $load (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "trap") (param $n i32) (param $own i32) (result i32) (local $sum i32)
    (loop $next
      (local.set $n (i32.add (local.get $n) (i32.const 1000)))
      (local.set $sum (i32.add (local.get $sum) (if (result i32) (local.get $own)
        (then (i32.load (local.get $n)))
        (else (call $load (local.get $n))))))
      (br $next))
    (unreachable))

  ;; Two functions that go on in each other for ever, out of their loops.
  (func $odd (export "odd") (param $n i64) (param $sum i64) (result i64)
    (loop $next (br_if $next (i64.eqz (local.tee $sum (i64.add (local.get $sum) (i64.const 1))))))
    (if (i64.eqz (local.get $n)) (then (return (local.get $sum))))
    (return_call $even (i64.sub (local.get $n) (i64.const 1)) (local.get $sum)))
  (table funcref (elem $odd))
  (func $even (type $sum)
    (loop $next (br_if $next (i64.eqz (local.tee 1 (i64.add (local.get 1) (i64.const 1))))))
    (return_call_indirect (type $sum) (local.get 0) (local.get 1) (i32.const 0)))
)"#;

fn results(engine: &Engine, name: &str, params: &[Val]) -> Vec<String> {
    let module = Module::new(engine, LOOPS).unwrap();
    let mut store = Store::new(engine, ());
    let instance = Linker::new(engine).instantiate(&mut store, &module).unwrap();
    let func = instance.get_func(&mut store, name).unwrap();
    (0..4)
        .map(|_| {
            let mut results = vec![Val::I32(0); func.ty(&store).results.len()];
            match func.call(&mut store, params, &mut results) {
                Ok(()) => format!("{results:?}"),
                Err(error) => format!("{error:?}"),
            }
        })
        .collect()
}

/// Calls of functions of [`LOOPS`].
fn calls() -> Vec<(&'static str, Vec<Val>)> {
    let calls = [
        ("nested", Val::I64(7)),
        ("vector", Val::I32(9)),
        ("caught", Val::I64(6)),
        ("objects", Val::I64(50)),
        ("choices", Val::I64(20)),
    ];
    let calls = calls.map(|(name, n)| (name, vec![n]));
    let more = [
        ("odd", vec![Val::I64(200_001), Val::I64(0)]),
        ("trap", vec![Val::I32(0), Val::I32(0)]),
        ("trap", vec![Val::I32(0), Val::I32(1)]),
    ];
    calls.into_iter().chain(more).collect()
}

#[test]
fn loops_of_all_kinds_are_entered() {
    let interp = engine(Tier::Interp, |_| {});
    for (name, params) in calls() {
        let expected = results(&interp, name, &params);
        for budget in [1, 2, 3, 5, 11] {
            for capture in [false, true] {
                let osr = engine(Tier::Auto, |config| {
                    config.hot_budget(budget).synchronous_tiers().capture_state(capture);
                    if capture {
                        config.gc_stress(GcStress::Alternate);
                    }
                });
                assert_eq!(results(&osr, name, &params), expected, "{name} after {budget}");
            }
        }
        for seed in 0..8 {
            let torture = engine(Tier::Auto, |config| _ = config.torture_tiers(seed));
            assert_eq!(results(&torture, name, &params), expected, "{name} with seed {seed}");
        }
    }
}

/// In all ways to run compiled code, and in all that it does before and after: the same as if it were not left.
#[test]
fn loops_of_all_kinds_are_left() {
    let interp = engine(Tier::Interp, |_| {});
    for (name, mut params) in calls() {
        if name == "odd" {
            // Enough to run out of stack if it were used up.
            params[0] = Val::I64(20_001);
        }
        let expected = results(&interp, name, &params);
        for tier in [Tier::Opt, Tier::Baseline] {
            for after in [1, 2, 3, 7] {
                let left = engine(tier, |config| _ = config.leave_after(after));
                assert_eq!(
                    results(&left, name, &params),
                    expected,
                    "{name} after {after}, {tier:?}"
                );
                assert!(left.stats().loop_exits > 0, "{name} after {after}, {tier:?}");
            }
        }
        for budget in [1, 3, 5] {
            for stress in [GcStress::Off, GcStress::Alternate] {
                let both = engine(Tier::Auto, |config| {
                    config.hot_budget(budget).synchronous_tiers().leave_after(3).gc_stress(stress);
                });
                assert_eq!(results(&both, name, &params), expected, "{name} after {budget}");
                assert!(both.stats().loop_exits > 0, "{name} after {budget}");
            }
        }
        for seed in 0..8 {
            let torture = engine(Tier::Auto, |config| {
                config.torture_tiers(seed).capture_state(true);
            });
            assert_eq!(results(&torture, name, &params), expected, "{name} with seed {seed}");
        }
    }
}

/// The baseline tier compiles on the guest's stack, of which little is left where a recursion nearly overflows it.
#[test]
fn functions_become_warm_at_the_end_of_the_stack() {
    // A large one, first called at the bottom of a recursion of `down`, which is machine code by then.
    let steps = "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.load (i32.and (local.get 0) (i32.const 255)))))"
        .repeat(3000);
    let text = format!(
        r#"(module (memory 1)
          (func $large (param i32) (result i32) {steps} (local.get 0))
          (func $down (export "down") (param $depth i32) (param $calls i32) (result i32)
            (if (i32.eqz (local.get $depth)) (then
              (loop $again
                (if (i32.eqz (local.get $calls)) (then (return (i32.const 7))))
                (local.set $calls (i32.sub (local.get $calls) (i32.const 1)))
                (drop (call $large (local.get $calls)))
                (br $again))))
            (call $down (i32.sub (local.get $depth) (i32.const 1)) (local.get $calls))))"#
    );
    // Until nothing is deeper.
    let fits = |store: &mut Store<()>, instance: sterna::Instance, depth: i32, calls: i32| {
        let down = instance.get_typed_func::<(i32, i32), i32>(&mut *store, "down").unwrap();
        down.call(&mut *store, (depth, calls)).is_ok()
    };
    let engine = engine(Tier::Auto, |config| _ = config.hot_budget(64));
    let module = Module::new(&engine, &text).unwrap();
    let mut depths = None;
    for less in [0, 1, 2, 5, 10] {
        let mut store = Store::new(&engine, ());
        let module = if less == 0 { module.clone() } else { Module::new(&engine, &text).unwrap() };
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        // `down` moves up first.
        for _ in 0..200 {
            assert!(fits(&mut store, instance, 100, 0));
        }
        store.settle_tiers();
        let deepest = *depths.get_or_insert_with(|| {
            let (mut fit, mut too_deep) = (100, 100_000_000);
            while too_deep - fit > 1 {
                let middle = fit + (too_deep - fit) / 2;
                match fits(&mut store, instance, middle, 0) {
                    true => fit = middle,
                    false => too_deep = middle,
                }
            }
            fit
        });
        // With a trap or without: what may not happen is that the process ends.
        fits(&mut store, instance, deepest - less, 2000);
        assert!(fits(&mut store, instance, deepest - 1000, 2000), "{deepest}");
    }
}

/// Frames suspended in calls are left when these return, also if that is by an exception or a tail call; until then they look as ever.
const CALLS: &str = r#"(module
  (import "" "h" (func $h (param i64) (result i64)))
  (type $sum (func (param i64 i64) (result i64)))
  (tag $stop (param i64))
  (table funcref (elem $last))
  (func $last (type $sum)
    (i64.add (local.get 1) (call $h (local.get 0))))
  (func $many (param $x i64) (param $f f64) (result f64 i64 v128 i64 f32 i64 v128 i32)
    (f64.mul (local.get $f) (f64.const 2))
    (i64.mul (call $h (local.get $x)) (i64.const 3))
    (v128.const i64x2 7 8)
    (i64.const 9)
    (f32.demote_f64 (local.get $f))
    (i64.shl (local.get $x) (i64.const 33))
    (i64x2.splat (local.get $x))
    (i32.wrap_i64 (local.get $x)))
  (func $throws (param $x i64)
    (if (i64.eq (call $h (local.get $x)) (i64.const 5)) (then (throw $stop (local.get $x)))))
  (func $deep (param $n i64) (result i64) (local $own i64) (local $f f64)
    (local.set $own (i64.mul (local.get $n) (i64.const 7)))
    (local.set $f (f64.const 0.5))
    (i64.const 1000)
    (block $h (result i64)
      (try_table (catch $stop $h) (call $throws (local.get $n)))
      (i64.const 1))
    (call $many (local.get $n) (local.get $f))
    (local.set $own (i64.add (i64.extend_i32_s) (local.get $own)))
    (local.set $own (i64.add (i64x2.extract_lane 1) (local.get $own)))
    (local.set $own (i64.add (local.get $own)))
    (local.set $own (i64.add (i64.trunc_f32_s) (local.get $own)))
    (local.set $own (i64.add (local.get $own)))
    (i64x2.extract_lane 1)
    (local.set $own (i64.add (local.get $own)))
    (local.set $own (i64.add (local.get $own)))
    (local.set $f)
    (if (i64.eqz (local.get $n))
      (then (local.set $own (call_indirect (type $sum) (i64.const 77) (local.get $own) (i32.const 0))))
      (else (local.set $own (i64.add (local.get $own) (call $deep (i64.sub (local.get $n) (i64.const 1)))))))
    (i64.add)
    (i64.add (i64.trunc_f64_s (local.get $f)))
    (i64.add (local.get $own)))
  (func (export "deep") (param i64) (result i64) (call $deep (local.get 0)))
  (func (export "many") (param i64) (result i64) (local $sum i64)
    (call $many (local.get 0) (f64.const 3))
    (local.set $sum (i64.extend_i32_s))
    (local.set $sum (i64.add (i64x2.extract_lane 1) (local.get $sum)))
    (local.set $sum (i64.add (local.get $sum)))
    (local.set $sum (i64.add (i64.trunc_f32_s) (local.get $sum)))
    (local.set $sum (i64.add (local.get $sum)))
    (local.set $sum (i64.add (i64x2.extract_lane 1) (local.get $sum)))
    (local.set $sum (i64.add (local.get $sum)))
    (i64.add (i64.trunc_f64_s) (local.get $sum)))
  EXTRA)"#;

/// The same module in both conventions, with calls that leave frames every now and then; results and what was seen.
fn left_at_calls(tier: Tier, name: &str, every: usize, extra: &str) -> (String, Vec<String>, u64) {
    let engine = engine(tier, |config| _ = config.capture_state(true).backtrace_frames(1000));
    let mut store: Store<Vec<String>> = Store::new(&engine, Vec::new());
    let host = move |mut caller: sterna::Caller<'_, Vec<String>>, x: i64| {
        let before = format!("{:?} {:?}", caller.capture_frames(), caller.backtrace());
        if caller.data().len().is_multiple_of(every) {
            caller.leave_frames(usize::MAX);
        }
        // Nobody sees the difference.
        assert_eq!(before, format!("{:?} {:?}", caller.capture_frames(), caller.backtrace()));
        caller.data_mut().push(before);
        x
    };
    let host = sterna::Func::wrap(&mut store, host);
    let module = Module::new(&engine, CALLS.replace("EXTRA", extra)).unwrap();
    let instance = sterna::Instance::new(&mut store, &module, &[host.into()]).unwrap();
    let func = instance.get_func(&mut store, name).unwrap();
    let mut results = [Val::I64(0)];
    func.call(&mut store, &[Val::I64(9)], &mut results).unwrap();
    let seen = std::mem::take(store.data_mut());
    (format!("{results:?}"), seen, engine.stats().loop_exits)
}

#[test]
fn frames_are_left_when_their_calls_return() {
    let tail = r#"(func (param i64) (result i64) (return_call $deep (local.get 0)))"#;
    for extra in ["", tail] {
        for (name, least) in [("deep", 10), ("many", 2)] {
            let (expected, frames, _) = left_at_calls(Tier::Interp, name, 1, extra);
            for tier in [Tier::Opt, Tier::Baseline] {
                for every in [1, 2, 5] {
                    let (result, seen, left) = left_at_calls(tier, name, every, extra);
                    assert_eq!(result, expected, "{tier:?} {name} {every}");
                    assert_eq!(seen, frames, "{tier:?} {name} {every}");
                    assert!(left >= least, "{tier:?} {name} {every}: {left}");
                }
            }
        }
    }
}
