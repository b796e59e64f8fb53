//! Owns the tests of address space and copy-on-write images.
//! Does not test executable memory or stacks.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::ptr;

use sterna_sys::vm::{MemoryImage, Reservation, page_size};

fn read(reservation: &Reservation, at: usize) -> u8 {
    assert!(at < reservation.len());
    // SAFETY: in bounds; every test reads only what it has committed.
    unsafe { ptr::read_volatile(reservation.base().wrapping_add(at)) }
}

fn write(reservation: &Reservation, at: usize, value: u8) {
    assert!(at < reservation.len());
    // SAFETY: in bounds; every test writes only what it has committed.
    unsafe { ptr::write_volatile(reservation.base().wrapping_add(at), value) }
}

#[test]
fn committed_pages_are_zero_and_keep_their_contents() {
    let space = Reservation::new(10 * page_size()).unwrap();
    space.commit(0..1).unwrap();
    assert_eq!(read(&space, page_size() - 1), 0);
    write(&space, 7, 42);
    space.commit(0..3 * page_size()).unwrap();
    assert_eq!(read(&space, 7), 42);
    assert_eq!(read(&space, 3 * page_size() - 1), 0);
    space.commit(5..5).unwrap();
}

#[test]
fn decommitted_pages_come_back_as_zero() {
    let space = Reservation::new(4 * page_size()).unwrap();
    space.commit(0..space.len()).unwrap();
    for page in 0..4 {
        write(&space, page * page_size(), 1);
    }
    space.decommit(page_size()..3 * page_size()).unwrap();
    assert_eq!(protection(&space, page_size()), "---");
    assert_eq!((read(&space, 0), read(&space, 3 * page_size())), (1, 1));
    space.commit(0..space.len()).unwrap();
    assert_eq!((read(&space, page_size()), read(&space, 2 * page_size())), (0, 0));
}

#[test]
fn ranges_out_of_bounds_are_errors() {
    let space = Reservation::new(2 * page_size()).unwrap();
    assert_eq!(
        space.commit(0..space.len() + 1).unwrap_err().kind(),
        std::io::ErrorKind::InvalidInput
    );
    assert!(space.decommit(usize::MAX..usize::MAX).is_err());
    #[expect(clippy::reversed_empty_ranges, reason = "the point of the test")]
    let reversed = 2..1;
    assert!(space.discard(reversed).is_err());
    assert!(Reservation::new(usize::MAX).is_err());
    assert!(Reservation::new(1 << 60).is_err());
}

#[test]
#[cfg_attr(
    not(target_arch = "x86_64"),
    ignore = "other targets are tested under emulators, which may keep a record of every reserved page"
)]
fn ten_thousand_memories_of_four_gib_coexist() {
    const GUARD: usize = 64 << 20;
    let all: Vec<Reservation> =
        (0..10_000).map(|_| Reservation::new((4 << 30) + GUARD).unwrap()).collect();
    for (at, space) in all.iter().enumerate() {
        space.commit(0..64 << 10).unwrap();
        write(space, 100, at as u8);
    }
    assert!(all.iter().enumerate().all(|(at, space)| read(space, 100) == at as u8));
}

#[test]
fn an_image_is_shared_until_written() {
    let page = page_size();
    let mut bytes = vec![0; 2 * page + 10];
    bytes[0] = 1;
    bytes[2 * page + 9] = 2;
    let image = MemoryImage::new(&bytes).unwrap();
    assert_eq!(image.len(), 3 * page);
    let slots = [(); 2].map(|()| Reservation::new(8 * page).unwrap());
    for slot in &slots {
        slot.commit(0..5 * page).unwrap();
        image.map_at(slot, 0).unwrap();
        assert_eq!((read(slot, 0), read(slot, 2 * page + 9), read(slot, 3 * page - 1)), (1, 2, 0));
    }
    write(&slots[0], 0, 9);
    assert_eq!((read(&slots[0], 0), read(&slots[1], 0)), (9, 1));
    let moved = Reservation::new(8 * page).unwrap();
    image.map_at(&moved, 4 * page).unwrap();
    assert_eq!(read(&moved, 4 * page), 1);
    drop(slots);
    assert_eq!(read(&moved, 6 * page + 9), 2);
}

#[test]
fn reset_restores_image_and_zeros() {
    let page = page_size();
    let image = MemoryImage::from_segments(
        3 * page,
        [(5, &b"first"[..]), (page - 1, b"over the edge"), (6, b"I")],
    )
    .unwrap();
    let slot = Reservation::new(16 * page).unwrap();
    slot.commit(0..6 * page).unwrap();
    image.map_at(&slot, 0).unwrap();
    let first: Vec<u8> = (0..6 * page).map(|at| read(&slot, at)).collect();
    assert_eq!(&first[5..10], b"fIrst");
    assert_eq!(&first[page - 1..page + 12], b"over the edge");
    for round in 0..3 {
        for at in (round..6 * page).step_by(1000) {
            write(&slot, at, 0xaa);
        }
        image.reset(&slot, 0, 6 * page).unwrap();
        assert!((0..6 * page).all(|at| read(&slot, at) == first[at]), "round {round}");
    }
    assert_eq!(protection(&slot, 6 * page), "---");
}

#[test]
fn reset_restores_more_pages_than_it_keeps() {
    let page = page_size();
    let pages = 3000;
    let image = MemoryImage::new(&vec![3; 1000 * page + 1]).unwrap();
    let slot = Reservation::new(2 * pages * page).unwrap();
    // Somewhere in the middle, with a neighbour that must not be touched.
    let at = 16 * page;
    slot.commit(0..at + pages * page).unwrap();
    image.map_at(&slot, at).unwrap();
    write(&slot, at - 1, 1);
    for stride in [1, 2, 7, 500] {
        for dirty in (0..pages).step_by(stride) {
            assert!(read(&slot, at + dirty * page + 5) != 9, "page {dirty}");
            write(&slot, at + dirty * page + 5, 9);
        }
        image.reset(&slot, at, pages * page).unwrap();
        for clean in 0..pages {
            let expected = [if clean <= 1000 { 3 } else { 0 }, if clean < 1000 { 3 } else { 0 }];
            let offset = at + clean * page;
            assert_eq!(
                [read(&slot, offset), read(&slot, offset + 5)],
                expected,
                "page {clean}, stride {stride}"
            );
        }
    }
    assert_eq!(read(&slot, at - 1), 1);
}

#[test]
fn zero_clears_and_keeps_a_little() {
    let page = page_size();
    let space = Reservation::new(1000 * page).unwrap();
    space.commit(0..1000 * page).unwrap();
    for pages in [1, 63, 64, 65, 999] {
        for at in 0..pages {
            write(&space, at * page + at, 1);
        }
        space.zero(0..999 * page).unwrap();
        assert!((0..1000 * page).all(|at| read(&space, at) == 0), "{pages} pages");
        // The last page is outside.
        write(&space, 999 * page, 1);
        space.zero(0..999 * page).unwrap();
        assert_eq!(read(&space, 999 * page), 1);
        write(&space, 999 * page, 0);
    }
    assert!(space.zero(0..1001 * page).is_err());
    space.zero(7..7).unwrap();
}

#[test]
fn a_forked_child_resets_its_own_memory() {
    let image = MemoryImage::new(b"image").unwrap();
    let slot = Reservation::new(page_size()).unwrap();
    image.map_at(&slot, 0).unwrap();
    image.reset(&slot, 0, page_size()).unwrap();
    // SAFETY: the child calls nothing but this crate (which takes no lock that another thread could hold) and _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // Only the child's page is dirty: the parent's page map must not be asked.
        write(&slot, 0, b'x');
        let good = image.reset(&slot, 0, page_size()).is_ok() && read(&slot, 0) == b'i';
        // SAFETY: ends the child without running anything of the test harness.
        unsafe { libc::_exit(if good { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!((waited, status), (child, 0));
}

#[test]
fn bad_images_are_errors() {
    let page = page_size();
    assert!(MemoryImage::from_segments(page, [(page - 1, &b"ab"[..])]).is_err());
    assert!(MemoryImage::from_segments(page, [(usize::MAX, &b"ab"[..])]).is_err());
    let image = MemoryImage::new(&[1]).unwrap();
    let slot = Reservation::new(2 * page).unwrap();
    assert!(image.map_at(&slot, 1).is_err());
    assert!(image.map_at(&slot, 2 * page).is_err());
    assert!(image.map_at(&slot, usize::MAX & !(page - 1)).is_err());
    let empty = MemoryImage::new(&[]).unwrap();
    assert!(empty.is_empty());
    empty.map_at(&slot, page).unwrap();
}

/// Protection of the page at an offset as the system shows it: `rw-`, `---`, ...
fn protection(reservation: &Reservation, at: usize) -> String {
    let address = reservation.base() as usize + at;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| {
        let (range, _) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        (usize::from_str_radix(start, 16).unwrap()..usize::from_str_radix(end, 16).unwrap())
            .contains(&address)
    });
    line.unwrap().split(' ').nth(1).unwrap()[..3].to_owned()
}
