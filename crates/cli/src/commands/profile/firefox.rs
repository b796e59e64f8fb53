//! Owns a profile in the form of the Firefox Profiler.
//! Does not own that format: the crate `fxprof-processed-profile` does.

use std::time::{Duration, SystemTime};

use fxprof_processed_profile::{
    CategoryColor, CpuDelta, Frame, FrameFlags, FrameInfo, Profile, SamplingInterval, Timestamp,
};
use sterna::GuestProfile;

/// The JSON text.
pub fn convert(title: &str, guest: &GuestProfile, period: Duration) -> Vec<u8> {
    let time = |at: Duration| Timestamp::from_nanos_since_reference(at.as_nanos() as u64);
    let start = SystemTime::now() - guest.samples.last().map_or(Duration::ZERO, |last| last.time);
    let interval = SamplingInterval::from_nanos(period.as_nanos() as u64);
    let mut profile = Profile::new(title, start.into(), interval);
    let categories = [
        ("Interpreter", CategoryColor::Orange),
        ("Baseline", CategoryColor::Yellow),
        ("Optimized", CategoryColor::Green),
    ]
    .map(|(name, color)| profile.add_category(name, color));
    let process = profile.add_process(title, std::process::id(), time(Duration::ZERO));
    let thread = profile.add_thread(process, std::process::id(), time(Duration::ZERO), true);
    profile.set_thread_name(thread, "guest");
    let frames: Vec<FrameInfo> = guest
        .functions
        .iter()
        .map(|function| FrameInfo {
            frame: Frame::Label(profile.intern_string(&function.name)),
            category_pair: categories[function.tier as usize].into(),
            flags: FrameFlags::empty(),
        })
        .collect();
    for sample in &guest.samples {
        let stack = sample.stack.iter().map(|&at| frames[at as usize].clone());
        let stack = profile.intern_stack_frames(thread, stack);
        let cpu = CpuDelta::from_nanos(sample.weight.as_nanos() as u64);
        // A sample counts for the time that passed since the one before.
        let weight = (sample.weight.as_nanos() / period.as_nanos().max(1)).max(1) as i32;
        profile.add_sample(thread, time(sample.time), stack, cpu, weight);
    }
    serde_json::to_vec(&profile).expect("profiles have only strings for keys")
}
