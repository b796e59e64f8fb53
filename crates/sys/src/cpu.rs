//! Owns the monotonic clock, prefetching, and the names of the CPU features a report should mention.
//! Does not choose code by feature: compilers ask for the features they use themselves.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since an arbitrary, fixed point; never goes back. Takes some 20 ns (no system call on Linux).
pub fn now_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// Features of this CPU beyond the architecture's baseline that generated code may use, by their usual names: code made on a machine
/// runs on those of the same architecture that have the same. Takes nanoseconds after the first call.
pub fn features() -> Vec<&'static str> {
    macro_rules! detected {
        ($detect:ident: $($name:tt)*) => {
            [$(($name, std::arch::$detect!($name))),*]
        };
    }
    #[cfg(target_arch = "x86_64")]
    let known = detected!(is_x86_feature_detected:
        "sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "lzcnt" "cmpxchg16b" "bmi1" "bmi2" "avx" "avx2" "avxvnni" "fma" "avx512f" "avx512vl"
        "avx512dq" "avx512bitalg" "avx512vbmi" "avx512vnni");
    #[cfg(target_arch = "aarch64")]
    let known = detected!(is_aarch64_feature_detected: "lse" "fp16" "dotprod" "i8mm" "bti" "paca");
    known.into_iter().filter_map(|(name, has)| has.then_some(name)).collect()
}

/// Asks for the cache line at `at` to be loaded. A hint: any address will do.
#[inline(always)]
pub fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: prefetching does not access memory as far as the program can tell, and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) at, options(nostack, preserves_flags, readonly))
    }
}
