//! Owns `poll_oneoff`: waiting for clocks and descriptors together.
//! Does not move bytes or read clocks itself.

use crate::descriptor::{Descriptor, Object};
use crate::types::{Awaited, Event, Filetype, Rights, Subscription};
use crate::{ClockId, Clocks, Errno, GuestMemory, Stop, WasiCtx};
use rustix::event::{PollFd, PollFlags};
use std::os::fd::BorrowedFd;

/// The most subscriptions of one call; more are `Inval`, as on hosts that limit this.
const SUBSCRIPTIONS_MAX: u32 = 1 << 16;

/// See the specification for what each call does.
impl WasiCtx {
    /// `poll_oneoff`. A subscription that cannot be waited for is reported at once, as an event
    /// with an error.
    pub fn poll_oneoff(
        &mut self,
        memory: &mut GuestMemory<'_>,
        subscriptions: u32,
        events: u32,
        count: u32,
        nevents: u32,
    ) -> Result<(), Stop> {
        if count == 0 || count > SUBSCRIPTIONS_MAX {
            return Err(Errno::Inval.into());
        }
        memory.check(nevents, 4)?;
        memory.check(events, count * Event::SIZE)?;
        let abi = memory.abi();
        let size = Subscription::size(abi);
        let subscriptions = memory
            .slice(subscriptions, count * size)?
            .chunks_exact(size as usize)
            .map(|record| Subscription::decode(record, abi))
            .collect::<Result<Vec<_>, _>>()?;
        let happened = self.wait_for(&subscriptions)?;
        let records: Vec<u8> = happened.iter().flat_map(Event::encode).collect();
        memory.write(events, &records)?;
        Ok(memory.write_count(nevents, happened.len())?)
    }

    /// Waits until at least one subscription has something to report.
    fn wait_for(&mut self, subscriptions: &[Subscription]) -> Result<Vec<Event>, Stop> {
        let since = self.interrupt.since.take();
        let mut wait = Wait { since, ..Wait::default() };
        for subscription in subscriptions {
            let userdata = subscription.userdata;
            let added = match subscription.event {
                Awaited::Clock { id, timeout, absolute } => {
                    wait.add_clock(&mut self.clocks, userdata, id, timeout, absolute)
                }
                Awaited::FdRead(fd) => self.fds.get(fd).and_then(|fd| wait.add_read(userdata, fd)),
                Awaited::FdWrite(fd) => {
                    self.fds.get(fd).and_then(|fd| wait.add_write(userdata, fd))
                }
            };
            if let Err(errno) = added {
                let kind = match subscription.event {
                    Awaited::Clock { .. } => 0,
                    Awaited::FdRead(_) => 1,
                    Awaited::FdWrite(_) => 2,
                };
                wait.happened.push(Event { error: Some(errno), ..event(userdata, kind) });
            }
        }
        loop {
            let remaining = wait.remaining(&mut self.clocks)?;
            let idle = wait.happened.is_empty() && remaining != Some(0);
            // Virtual time passes only when nothing else can happen.
            let virtual_time = matches!(self.clocks, Clocks::Virtual { .. }) && remaining.is_some();
            let timeout = if idle && !virtual_time { remaining } else { Some(0) };
            if self.interrupt.poll(&mut wait.polled, timeout)? > 0 {
                wait.collect_ready();
            }
            if wait.happened.is_empty() && virtual_time {
                self.clocks.skip(remaining.unwrap_or(0));
            }
            wait.collect_expired(&mut self.clocks)?;
            if !wait.happened.is_empty() {
                return Ok(wait.happened);
            }
            if !virtual_time && let Err(blocked) = self.interrupt.may_wait() {
                self.interrupt.since = wait.since;
                return Err(blocked);
            }
        }
    }
}

/// An event without anything special to it.
fn event(userdata: u64, kind: u8) -> Event {
    Event { userdata, error: None, kind, nbytes: 0, hangup: false }
}

/// What a call waits for, and what has happened already.
#[derive(Default)]
struct Wait<'fds> {
    happened: Vec<Event>,
    alarms: Vec<Alarm>,
    polled: Vec<PollFd<'fds>>,
    /// When durations begin, by the monotonic clock: when the call was made, or made first.
    since: Option<u64>,
    /// The event and the descriptor of each entry of `polled`.
    sources: Vec<(Event, BorrowedFd<'fds>)>,
}

/// A clock subscription: `clock` is waited for to reach `deadline`.
struct Alarm {
    userdata: u64,
    clock: ClockId,
    deadline: u64,
}

impl<'fds> Wait<'fds> {
    fn add_clock(
        &mut self,
        clocks: &mut Clocks,
        userdata: u64,
        id: u32,
        timeout: u64,
        absolute: bool,
    ) -> Result<(), Errno> {
        let mut clock = match ClockId::from_raw(id)? {
            clock @ (ClockId::Realtime | ClockId::Monotonic) => clock,
            ClockId::ProcessCputime | ClockId::ThreadCputime => return Err(Errno::Notsup),
        };
        let mut deadline = timeout;
        if !absolute {
            // A duration does not change when somebody sets the clock.
            clock = ClockId::Monotonic;
            let since = match self.since {
                Some(since) => since,
                None => *self.since.insert(clocks.now(clock)?),
            };
            deadline = since.saturating_add(timeout);
        }
        self.alarms.push(Alarm { userdata, clock, deadline });
        Ok(())
    }

    fn add_read(&mut self, userdata: u64, descriptor: &'fds Descriptor) -> Result<(), Errno> {
        descriptor.require(Rights::FD_READ)?;
        match (descriptor.host(), &descriptor.object) {
            (Some(host), _) => self.poll(event(userdata, 1), host, PollFlags::IN),
            (None, Object::Stdio(stream)) => {
                self.happened.push(Event { nbytes: stream.available(), ..event(userdata, 1) });
            }
            (None, _) => self.happened.push(event(userdata, 1)),
        }
        Ok(())
    }

    fn add_write(&mut self, userdata: u64, descriptor: &'fds Descriptor) -> Result<(), Errno> {
        descriptor.require(Rights::FD_WRITE)?;
        match descriptor.host() {
            Some(host) => self.poll(event(userdata, 2), host, PollFlags::OUT),
            None => self.happened.push(event(userdata, 2)),
        }
        Ok(())
    }

    fn poll(&mut self, event: Event, host: BorrowedFd<'fds>, events: PollFlags) {
        self.polled.push(PollFd::from_borrowed_fd(host, events));
        self.sources.push((event, host));
    }

    /// Nanoseconds until the first alarm.
    fn remaining(&self, clocks: &mut Clocks) -> Result<Option<u64>, Errno> {
        let mut first: Option<u64> = None;
        for alarm in &self.alarms {
            let remaining = alarm.deadline.saturating_sub(clocks.now(alarm.clock)?);
            first = Some(first.map_or(remaining, |first| first.min(remaining)));
        }
        Ok(first)
    }

    fn collect_expired(&mut self, clocks: &mut Clocks) -> Result<(), Errno> {
        for alarm in &self.alarms {
            if clocks.now(alarm.clock)? >= alarm.deadline {
                self.happened.push(event(alarm.userdata, 0));
            }
        }
        Ok(())
    }

    fn collect_ready(&mut self) {
        for (polled, (event, host)) in self.polled.iter().zip(&self.sources) {
            let ready = polled.revents();
            if ready.is_empty() {
                continue;
            }
            let nbytes = if event.kind == 1 { readable_bytes(*host) } else { 0 };
            let hangup = ready.contains(PollFlags::HUP);
            let error = ready.contains(PollFlags::NVAL).then_some(Errno::Badf);
            self.happened.push(Event { nbytes, hangup, error, ..*event });
        }
    }
}

/// How much can be read without waiting: the rest of a file, or what a stream has buffered.
fn readable_bytes(host: BorrowedFd<'_>) -> u64 {
    let Ok(stat) = rustix::fs::fstat(host) else { return 0 };
    let filetype: Filetype = rustix::fs::FileType::from_raw_mode(stat.st_mode).into();
    if filetype == Filetype::RegularFile {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        return size.saturating_sub(rustix::fs::tell(host).unwrap_or(0));
    }
    rustix::io::ioctl_fionread(host).unwrap_or(0)
}
