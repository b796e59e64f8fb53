//! Owns published machine code, of one module or of an engine's adapters: its region, and the lock-free way from an address to
//! the piece of code and its sites.
//! Does not make or link code (`linking`), nor know how sites are stored (`sites`).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use sterna_abi::{FrameState, FunctionCode, SavedReg, Sites};
use sterna_base::FuncIndex;
use sterna_isa::TrapCode;
use sterna_sys::code::CodeRegion;
use sterna_sys::signal::{self, CodeHandle, TrapInfo};

use crate::linking::Linked;
use crate::sites::{Landings, Piece, PieceKind, Tables};

/// What runs the code of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodeTier {
    /// The interpreter.
    Interp,
    /// The processor, as the baseline tier compiled it.
    Baseline,
    /// The processor, as the optimizing tier compiled it.
    Opt,
}

/// Code that was published at once: one stretch of addresses with its site tables.
pub(crate) struct CodeImage {
    tier: CodeTier,
    start: usize,
    len: usize,
    tables: Tables,
}

impl CodeImage {
    /// The address of an offset in the image.
    pub(crate) fn address(&self, offset: u32) -> *const u8 {
        (self.start + offset as usize) as *const u8
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Who compiled it.
    pub(crate) fn tier(&self) -> CodeTier {
        self.tier
    }

    /// A piece as it was before it was linked, but for its relocations, which are the caller's to know.
    pub(crate) fn unlinked(&self, piece: &Piece) -> FunctionCode {
        let range = piece.start as usize..(piece.start + piece.len) as usize;
        let bytes = self.bytes().get(range).unwrap_or(&[]).to_vec();
        FunctionCode { bytes, relocs: Vec::new(), sites: self.tables.sites(piece) }
    }

    /// The code. Absolute addresses are filled in.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the image was published in a region, readable, that lives as long as the image; code never changes.
        unsafe { std::slice::from_raw_parts(self.start as *const u8, self.len) }
    }
}

/// A piece of published code.
pub(crate) struct CodeObject<'a> {
    image: &'a CodeImage,
    piece: Piece,
}

impl CodeObject<'_> {
    /// The function whose body this is, or the rest of it from a loop on.
    pub(crate) fn func(&self) -> Option<FuncIndex> {
        let is_guest = matches!(self.piece.kind, PieceKind::Body | PieceKind::Loop);
        is_guest.then(|| FuncIndex::from_u32(self.piece.id))
    }

    /// Who compiled it.
    pub(crate) fn tier(&self) -> CodeTier {
        self.image.tier
    }

    /// What it is.
    pub(crate) fn kind(&self) -> PieceKind {
        self.piece.kind
    }

    /// An adapter as it was before it was linked: it has no relocations, and of its sites only the saved registers matter.
    pub(crate) fn to_adapter(&self) -> FunctionCode {
        let mut code = self.image.unlinked(&self.piece);
        code.sites = Sites { saved: code.sites.saved, ..Sites::default() };
        code
    }

    fn offset(&self, pc: usize) -> u32 {
        // An image spans less than 4 GiB: its offsets are stored in 32 bits.
        (pc - self.image.start) as u32
    }

    /// Position of the site at an address: of a return address (`exact` false) or of the instruction itself.
    pub(crate) fn wasm_offset(&self, pc: usize, exact: bool) -> Option<u32> {
        let offset = self.offset(pc);
        match exact {
            true => self.image.tables.trap(offset).map(|site| site.wasm),
            false => self.image.tables.call(offset).map(|site| site.wasm),
        }
    }

    /// The functions, each with a byte offset in the module, that are at an address, innermost first: more than one where functions
    /// were inlined, none where the code has no site. `exact` as in [`CodeObject::wasm_offset`].
    pub(crate) fn positions(
        &self,
        pc: usize,
        exact: bool,
    ) -> impl Iterator<Item = (FuncIndex, u32)> {
        let found = self.func().zip(self.wasm_offset(pc, exact));
        found.into_iter().flat_map(|(func, position)| self.image.tables.chain(func, position))
    }

    /// Whether the code records what it holds while the call that returns to an address is pending.
    pub(crate) fn has_state(&self, pc: usize) -> bool {
        self.image.tables.call(self.offset(pc)).is_some_and(|call| call.state.is_some())
    }

    /// Whether exceptions of the call that returns to an address land in the code.
    pub(crate) fn has_landing(&self, pc: usize) -> bool {
        self.image.tables.landings().of_call(self.offset(pc)).is_some()
    }

    /// What the `depth`th of [`CodeObject::positions`] holds while the call that returns to an address is pending, if the code
    /// records it.
    pub(crate) fn state(&self, pc: usize, depth: u32) -> Option<FrameState> {
        let state = self.image.tables.call(self.offset(pc))?.state?;
        self.image.tables.state(state.checked_add(depth)?)
    }

    /// Places of references to objects in the frame, relative to its frame pointer, while the call that returns to an address is pending.
    pub(crate) fn roots(&self, pc: usize) -> impl Iterator<Item = i32> {
        let index = self.image.tables.call(self.offset(pc)).and_then(|call| call.roots);
        index.into_iter().flat_map(|index| self.image.tables.roots(index))
    }

    /// Where the prologue saved registers.
    pub(crate) fn saved(&self) -> impl Iterator<Item = SavedReg> {
        self.image.tables.saved(&self.piece)
    }
}

/// The landing pads of an image.
#[derive(Clone, Copy)]
pub(crate) struct Pads<'a> {
    image: &'a CodeImage,
    landings: Landings<'a>,
}

impl Pads<'_> {
    /// Whether the image contains an address.
    pub(crate) fn covers(&self, pc: usize) -> bool {
        pc.wrapping_sub(self.image.start) < self.image.len
    }

    /// The landing pad of the call that returns to an address in the image: its own address, and how far the stack pointer is below
    /// the frame pointer.
    pub(crate) fn of_call(&self, pc: usize) -> Option<(usize, u32)> {
        let (landing, below) = self.landings.of_call((pc - self.image.start) as u32)?;
        Some((self.image.start + landing as usize, below))
    }
}

/// Published machine code. Grows only; freed with its owner, which every frame's store keeps alive.
#[derive(Default)]
pub(crate) struct CodeSpace {
    placed: OnceLock<Placed>,
    /// Held while code gets its address and is listed, so that the list is in the order of addresses.
    turn: Mutex<()>,
}

struct Placed {
    region: CodeRegion,
    images: Box<ImageList>,
    handle: Option<CodeHandle>,
}

impl CodeSpace {
    /// The region, made on first use with room for `capacity` bytes. `signals`: register its traps; `anonymous`: in memory that profilers
    /// do not take for a library.
    ///
    /// # Errors
    /// When there is no address space.
    pub(crate) fn region(
        &self,
        capacity: usize,
        signals: bool,
        anonymous: bool,
    ) -> io::Result<&CodeRegion> {
        if let Some(placed) = self.placed.get() {
            return Ok(&placed.region);
        }
        if signals {
            signal::install(crate::trap::hardware_trap)?;
        }
        let region = CodeRegion::new(capacity)?;
        let region = if anonymous { region.anonymous() } else { region };
        let Range { start, end } = region.addresses();
        let images = Box::new(ImageList::default());
        let handle = match signals {
            // SAFETY: the list is boxed, so it stays where it is until `Drop` has taken the registration back.
            true => Some(unsafe {
                signal::register_code(start, end, lookup, (&raw const *images).cast())
            }),
            false => None,
        };
        // A second thread may have been faster; its region wins and ours is dropped, registration included.
        Ok(&self.placed.get_or_init(|| Placed { region, images, handle }).region)
    }

    pub(crate) fn contains(&self, pc: usize) -> bool {
        self.placed.get().is_some_and(|placed| placed.region.addresses().contains(&pc))
    }

    /// Bytes of machine code.
    pub(crate) fn bytes(&self) -> usize {
        self.placed.get().map_or(0, |placed| placed.region.used())
    }

    /// The code that was published first.
    pub(crate) fn first(&self) -> Option<&CodeImage> {
        self.placed.get()?.images.get(0)
    }

    /// The piece of code that contains an address.
    pub(crate) fn find(&self, pc: usize) -> Option<CodeObject<'_>> {
        let image = self.placed.get()?.images.find(pc)?;
        let piece = image.tables.piece_at((pc - image.start) as u32)?;
        Some(CodeObject { image, piece })
    }

    /// The landing pads of the code around an address.
    pub(crate) fn pads(&self, pc: usize) -> Option<Pads<'_>> {
        let image = self.placed.get()?.images.find(pc)?;
        Some(Pads { image, landings: image.tables.landings() })
    }

    fn placed(&self) -> &Placed {
        self.placed.get().expect("whoever publishes has asked for the region before")
    }

    /// Copies code that `tier` compiled into this space's region.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) fn publish(
        &self,
        region: &CodeRegion,
        linked: &Linked<'_>,
        tier: CodeTier,
    ) -> io::Result<&CodeImage> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut slot = region.reserve(linked.code.len())?;
        let (start, len) = (slot.address() as usize, linked.code.len());
        slot.bytes().copy_from_slice(&linked.code);
        for (at, target) in linked.tables.absolutes() {
            let target = (start + target as usize) as u64;
            let place = slot.bytes().get_mut(at as usize..).and_then(|rest| rest.get_mut(..8));
            let place = place.ok_or(io::ErrorKind::InvalidData)?;
            place.copy_from_slice(&target.to_le_bytes());
        }
        // Findable before it can run: nobody has its address yet.
        let image = CodeImage { tier, start, len, tables: linked.tables.clone() };
        let image = self.placed().images.push(image);
        slot.commit()?;
        Ok(image)
    }

    /// Maps code from a file into this space's region. It must not need absolute addresses.
    ///
    /// # Errors
    /// When there is no room, or the system does not map it there (the offset is no multiple of the page size, or the
    /// file system forbids execution).
    pub(crate) fn map(
        &self,
        region: &CodeRegion,
        (file, range): (&File, Range<usize>),
        tables: Tables,
        tier: CodeTier,
    ) -> io::Result<&CodeImage> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let start = region.map_file(file, range.start as u64, range.len())? as usize;
        Ok(self.placed().images.push(CodeImage { tier, start, len: range.len(), tables }))
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            signal::unregister_code(handle);
        }
    }
}

/// Chunks of a list: enough for as many images as offsets of 32 bits.
const CHUNKS: usize = 32;

/// Images in the order of their addresses. Readers do not lock; one writer at a time appends. Chunk `k` holds `2^k` images,
/// so that nothing ever moves.
#[derive(Default)]
struct ImageList {
    len: AtomicUsize,
    chunks: [OnceLock<Box<[OnceLock<CodeImage>]>>; CHUNKS],
}

impl ImageList {
    /// Chunk, and position in it.
    fn place(index: usize) -> (usize, usize) {
        let chunk = (index + 1).ilog2() as usize;
        (chunk, index + 1 - (1 << chunk))
    }

    fn get(&self, index: usize) -> Option<&CodeImage> {
        let (chunk, at) = ImageList::place(index);
        self.chunks.get(chunk)?.get()?.get(at)?.get()
    }

    /// Appends; the caller makes sure that nobody else does at the same time.
    fn push(&self, image: CodeImage) -> &CodeImage {
        let index = self.len.load(Ordering::Relaxed);
        let (chunk, at) = ImageList::place(index);
        let empty = || std::iter::repeat_with(OnceLock::new).take(1 << chunk).collect();
        let image = self.chunks[chunk].get_or_init(empty)[at].get_or_init(|| image);
        self.len.store(index + 1, Ordering::Release);
        image
    }

    /// Called by the signal handler: must not lock or allocate.
    fn find(&self, pc: usize) -> Option<&CodeImage> {
        let (mut low, mut high) = (0, self.len.load(Ordering::Acquire));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).is_some_and(|image| image.start <= pc) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        self.get(low.checked_sub(1)?).filter(|image| pc - image.start < image.len)
    }
}

/// Called by the signal handler: must not lock or allocate.
unsafe fn lookup(data: *const u8, pc: usize) -> Option<TrapInfo> {
    // SAFETY: registered with a pointer to an `ImageList` that outlives the registration.
    let images = unsafe { &*data.cast::<ImageList>() };
    let image = images.find(pc)?;
    let site = image.tables.trap((pc - image.start) as u32)?;
    Some(TrapInfo { code: trap_word(site.trap) })
}

/// A trap code as `Activation::trap` holds it.
pub(crate) fn trap_word(code: TrapCode) -> u32 {
    code as u32
}
