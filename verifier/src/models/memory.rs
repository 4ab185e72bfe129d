//! The memory that networks work in. ONNX Runtime asks the C++ library for aligned pieces, and glibc before 2.38 cannot give a
//! piece that was freed to whoever asks for the same size aligned: after one card, a quarter of what a process
//! holds would be such holes. Here each piece is one that the allocator can give out again (decision 0108).

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;

use ort::AsPointer as _;
use ort::environment::Environment;
use ort::sys::{OrtAllocator, OrtAllocatorType, OrtMemType, OrtMemoryInfo};

/// What ONNX Runtime aligns its own pieces to (`MLAS_DEFAULT_PREFERRED_BUFFER_ALIGNMENT`).
const ALIGNMENT: usize = 64;

/// What ONNX Runtime is given, and what it asks for.
#[repr(C)]
struct Allocator {
    /// The first field: ONNX Runtime's pointer to it is one to the whole.
    calls: OrtAllocator,
    info: *mut OrtMemoryInfo,
}

/// Has the networks that are made with the environment's allocators work in such memory.
///
/// # Errors
/// ONNX Runtime's.
pub(super) fn register(environment: &Environment) -> Result<(), ort::Error> {
    let api = ort::api();
    let mut info = ptr::null_mut();
    // SAFETY: `info` outlives the call, which fills it.
    let made = unsafe {
        (api.CreateCpuMemoryInfo)(
            OrtAllocatorType::OrtDeviceAllocator,
            OrtMemType::OrtMemTypeDefault,
            &mut info,
        )
    };
    // SAFETY: the status is the call's own, and not used again.
    unsafe { ort::Error::result_from_status(made) }?;
    let calls = OrtAllocator {
        Alloc: Some(allocate),
        Free: Some(free),
        Info: Some(describe),
        // SAFETY: only sets the version and leaves every call out.
        ..unsafe { OrtAllocator::default() }
    };
    // The environment is never released, and neither is what it keeps a pointer to.
    let allocator = Box::into_raw(Box::new(Allocator { calls, info }));
    // SAFETY: both pointers are valid as long as the process lives.
    let registered = unsafe { (api.RegisterAllocator)(environment.ptr().cast_mut(), allocator.cast()) };
    // SAFETY: as above.
    unsafe { ort::Error::result_from_status(registered) }
}

/// The piece lies behind where it began, which is kept just before it.
extern "system" fn allocate(_: *mut OrtAllocator, size: usize) -> *mut c_void {
    #[cfg(test)]
    tests::ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let Some(room) = size.checked_add(ALIGNMENT).filter(|_| size > 0) else { return ptr::null_mut() };
    // SAFETY: takes any size.
    let begin = unsafe { libc::malloc(room) }.cast::<u8>();
    if begin.is_null() {
        return ptr::null_mut();
    }
    let offset = ALIGNMENT - begin.addr() % ALIGNMENT;
    // SAFETY: malloc(3) aligns to 16 bytes, so `offset` is 16 to 64: there is room for a pointer before the piece, and the piece
    // ends within what was taken.
    unsafe {
        let piece = begin.add(offset);
        piece.cast::<*mut u8>().sub(1).write(begin);
        piece.cast()
    }
}

unsafe extern "system" fn free(_: *mut OrtAllocator, piece: *mut c_void) {
    if !piece.is_null() {
        // SAFETY: every piece is one of `allocate`, which left its beginning there.
        unsafe { libc::free(piece.cast::<*mut c_void>().sub(1).read()) }
    }
}

unsafe extern "system" fn describe(allocator: *const OrtAllocator) -> *const OrtMemoryInfo {
    // SAFETY: it is the one that was registered, which is never freed.
    unsafe { (*allocator.cast::<Allocator>()).info }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ndarray::Array4;

    use super::*;
    use crate::models::{Bundle, Role};
    use crate::recognise::TextDetection as _;

    /// How often anybody asked for a piece.
    pub(super) static ASKED: AtomicUsize = AtomicUsize::new(0);

    fn give_back(piece: *mut c_void) {
        // SAFETY: these tests have pieces of `allocate` only, and give each back once.
        unsafe { free(ptr::null_mut(), piece) }
    }

    #[test]
    fn a_piece_is_aligned_and_all_of_it_can_be_written() {
        for size in [1, 15, 64, 100, 4096, (1 << 20) + 1] {
            let piece = allocate(ptr::null_mut(), size);
            assert_eq!(piece.addr() % ALIGNMENT, 0, "{size} bytes at {piece:?}");
            // SAFETY: the piece is that long.
            unsafe { piece.cast::<u8>().write_bytes(0xA5, size) };
            give_back(piece);
        }
    }

    /// Needs the weights, which `models/fetch` brings.
    #[test]
    fn a_network_whose_input_changes_its_size_works_in_this_memory() {
        let mut network = Bundle::open(None).unwrap().model(Role::TextDetection).unwrap();
        let before = ASKED.load(Ordering::Relaxed);
        network.detect(Array4::zeros((1, 3, 64, 96)).view()).unwrap();
        // More than the other tests here ask for: each of the network's hundred layers takes a piece.
        assert!(ASKED.load(Ordering::Relaxed) > before + 40);
    }

    #[test]
    fn what_was_freed_is_given_out_again() {
        // Less than what glibc would take from the kernel each time.
        let size = 100 << 10;
        let mut places = HashSet::new();
        for _ in 0..200 {
            // The second keeps the first from melting into what is left.
            let pieces = [size; 2].map(|size| allocate(ptr::null_mut(), size));
            places.extend(pieces.map(|piece| piece.addr()));
            pieces.into_iter().for_each(give_back);
        }
        // Two, and what other threads take in between. Aligned pieces of glibc before 2.38 would be four hundred.
        assert!(places.len() < 40, "{} places", places.len());
    }

    #[test]
    fn of_nothing_and_of_too_much_there_is_no_piece() {
        assert!(allocate(ptr::null_mut(), 0).is_null());
        assert!(allocate(ptr::null_mut(), usize::MAX).is_null());
        give_back(ptr::null_mut());
    }
}
