//! Ends the process when the library cannot write to a file. Enters: an address inside of the loaded library. Leaves:
//! the library, whose calls of `write` go through here from now on; nobody else's do.
//!
//! The library goes on after a write that failed: on a full disk it acknowledges inserts whose files are empty. A
//! process that ends instead acknowledges nothing that was not stored; its keeper starts it again, and what was half
//! written is discarded at that start. Inserts and merges write with `write` alone, never `pwrite` or `writev`.
//!
//! How: `write` is a function of libc, so the library finds it through slots that the loader filled; they are filled
//! anew here. Promise: at least one was found, else there is an error.

#![allow(
    unsafe_code,
    reason = "the tables of a loaded library are read, and its slots written, in no other way"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::libc;

/// What the process ends with: `EX_IOERR` of sysexits.h.
const EXIT_CODE: c_int = 74;
/// Standard input, output and error are no data, wherever they lead.
const LAST_STANDARD_FILE: c_int = 2;

/// Pages of x86-64; the library exists for no other processor.
const PAGE: usize = 4096;
// Numbers of the System V ABI for x86-64.
const DT_NULL: usize = 0;
const DT_PLTRELSZ: usize = 2;
const DT_STRTAB: usize = 5;
const DT_SYMTAB: usize = 6;
const DT_RELA: usize = 7;
const DT_RELASZ: usize = 8;
const DT_JMPREL: usize = 23;
const R_GLOB_DAT: u64 = 6;
const R_JUMP_SLOT: u64 = 7;

/// A loaded library: an address in it, where it begins, and its parts.
struct Loaded {
    inside: usize,
    base: usize,
    parts: &'static [libc::Elf64_Phdr],
}

/// Leads every call of `write` in the library that holds the address `inside` through [`write_or_end`].
///
/// # Safety
/// The library stays loaded, and was bound when it was loaded: the loader fills no slot later.
pub(super) unsafe fn end_process_at_failed_write(inside: *const c_void) -> Result<(), String> {
    let mut library = Loaded { inside: inside as usize, base: 0, parts: &[] };
    // SAFETY: `find` takes its last argument for the `Loaded` that it is.
    unsafe { libc::dl_iterate_phdr(Some(find), (&raw mut library).cast()) };
    // SAFETY: the library stays loaded.
    let slots = unsafe { library.slots_of_write() }.unwrap_or_default();
    if slots.is_empty() {
        return Err("this ClickHouse library does not call `write` in the way that is known, so that a failed write \
            cannot be noticed, and it might acknowledge what a full disk did not take: it is not started. Another \
            version of the library needs another version of callmeter, or install a `clickhouse` program"
            .to_owned());
    }
    // SAFETY: these are the slots of a library that stays loaded.
    slots.into_iter().try_for_each(|slot| unsafe { library.fill(slot) })
}

/// Takes the library whose parts hold the address.
unsafe extern "C" fn find(info: *mut libc::dl_phdr_info, _size: usize, wanted: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid `info`, and the caller a `Loaded` that nobody else uses meanwhile.
    let (info, wanted) = unsafe { (&*info, &mut *wanted.cast::<Loaded>()) };
    let base = info.dlpi_addr as usize;
    // SAFETY: the loader counts them; those of the library that is taken stay where they are.
    let parts = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let offset = wanted.inside.wrapping_sub(base) as u64;
    let holds = |part: &libc::Elf64_Phdr| {
        part.p_type == libc::PT_LOAD && (part.p_vaddr..part.p_vaddr + part.p_memsz).contains(&offset)
    };
    let found = parts.iter().any(holds);
    if found {
        (wanted.base, wanted.parts) = (base, parts);
    }
    c_int::from(found)
}

impl Loaded {
    fn part(&self, kind: u32) -> Option<&libc::Elf64_Phdr> {
        self.parts.iter().find(|part| part.p_type == kind)
    }

    /// A value of the dynamic section.
    ///
    /// # Safety
    /// The library is loaded.
    unsafe fn dynamic(&self, tag: usize) -> Option<usize> {
        let mut entry = (self.base + self.part(libc::PT_DYNAMIC)?.p_vaddr as usize) as *const [usize; 2];
        loop {
            // SAFETY: the section is a list of such pairs, of which the last has the tag 0.
            let [found, value] = unsafe { *entry };
            if found == tag || found == DT_NULL {
                return (found == tag).then_some(value);
            }
            // SAFETY: this pair was not the last.
            entry = unsafe { entry.add(1) };
        }
    }

    /// The address of a table. Some loaders write addresses into the dynamic section, others leave the offsets there.
    ///
    /// # Safety
    /// The library is loaded.
    unsafe fn table<T>(&self, tag: usize) -> Option<*const T> {
        // SAFETY: the library is loaded.
        let value = unsafe { self.dynamic(tag) }?;
        Some(if value < self.base { self.base + value } else { value } as *const T)
    }

    /// The addresses of the slots for `write`; `None` when the library lacks a table.
    ///
    /// # Safety
    /// The library is loaded.
    unsafe fn slots_of_write(&self) -> Option<Vec<usize>> {
        let mut slots = Vec::new();
        for (table, size) in [(DT_RELA, DT_RELASZ), (DT_JMPREL, DT_PLTRELSZ)] {
            // SAFETY: the loader has read these tables in the same way; a relocation of these kinds names a symbol,
            // and a symbol a text that ends with a zero.
            unsafe {
                let symbols = self.table::<libc::Elf64_Sym>(DT_SYMTAB)?;
                let names = self.table::<c_char>(DT_STRTAB)?;
                let count = self.dynamic(size)? / size_of::<libc::Elf64_Rela>();
                let relocations = std::slice::from_raw_parts(self.table::<libc::Elf64_Rela>(table)?, count);
                let of_write = relocations.iter().filter(|relocation| {
                    let (symbol, kind) = (relocation.r_info >> 32, relocation.r_info & 0xffff_ffff);
                    let name = || CStr::from_ptr(names.add((*symbols.add(symbol as usize)).st_name as usize));
                    matches!(kind, R_GLOB_DAT | R_JUMP_SLOT) && name() == c"write"
                });
                slots.extend(of_write.map(|relocation| self.base + relocation.r_offset as usize));
            }
        }
        Some(slots)
    }

    /// Writes the address of [`write_or_end`] into a slot, which may lie where the loader has forbidden writing.
    ///
    /// # Safety
    /// It is a slot for `write` of this library, which is loaded.
    unsafe fn fill(&self, slot: usize) -> Result<(), String> {
        let page = slot & !(PAGE - 1);
        let forbidden = self.part(libc::PT_GNU_RELRO).is_some_and(|part| {
            let start = self.base + part.p_vaddr as usize;
            // The loader forbids whole pages only.
            (start & !(PAGE - 1)..(start + part.p_memsz as usize) & !(PAGE - 1)).contains(&page)
        });
        let protect = |rights| {
            // SAFETY: the page belongs to the library's data, of which nothing is executed.
            let done = !forbidden || unsafe { libc::mprotect(page as *mut c_void, PAGE, rights) } == 0;
            done.then_some(())
                .ok_or_else(|| format!("cannot guard the writes of ClickHouse: {}", Errno::last()))
        };
        protect(libc::PROT_READ | libc::PROT_WRITE)?;
        // SAFETY: the slot is aligned, and the loader reserved it for the address of a function of just this type.
        // Threads that the library started when it was loaded see the old address or the new one.
        unsafe {
            (*(slot as *const AtomicUsize)).store(write_or_end as *const () as usize, Ordering::Release)
        };
        protect(libc::PROT_READ)
    }
}

/// What the library calls instead of `write`. It may be in any state: nothing is allocated or locked here.
unsafe extern "C" fn write_or_end(file: c_int, bytes: *const c_void, length: usize) -> isize {
    // SAFETY: these are the arguments of the library's own call.
    let written = unsafe { libc::write(file, bytes, length) };
    if written < 0 || (written == 0 && length > 0) {
        end_if_it_was_data(file, if written < 0 { Errno::last() } else { Errno::ENOSPC });
    }
    written
}

fn end_if_it_was_data(file: c_int, failure: Errno) {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the call fills `status` when it succeeds, and only then it is read.
    let regular = unsafe {
        libc::fstat(file, status.as_mut_ptr()) == 0
            && status.assume_init_ref().st_mode & libc::S_IFMT == libc::S_IFREG
    };
    if file <= LAST_STANDARD_FILE || !regular || matches!(failure, Errno::EINTR | Errno::EAGAIN) {
        // The library reads why its write failed, and `fstat` may have failed since.
        return failure.set();
    }
    let said = [
        "clickhouse: a write to its data failed (",
        failure.desc(),
        "); ending, so that nothing is acknowledged that was not stored\n",
    ];
    let said = said.map(|text| libc::iovec { iov_base: text.as_ptr() as *mut c_void, iov_len: text.len() });
    // SAFETY: the three texts live forever; both calls are allowed at any moment.
    unsafe {
        libc::writev(libc::STDERR_FILENO, said.as_ptr(), said.len() as c_int);
        libc::_exit(EXIT_CODE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_that_never_calls_write_is_refused() {
        // SAFETY: the mathematics of libc have no initialisers that could disturb anything.
        let library = unsafe { libloading::Library::new("libm.so.6") }.expect("every Linux has it");
        // SAFETY: only the address is used.
        let inside = unsafe { library.get::<unsafe extern "C" fn()>(c"cos") }.expect("a function");
        // SAFETY: the library stays loaded until the end of the test.
        let refused = unsafe { end_process_at_failed_write(*inside as *const c_void) };
        assert!(refused.expect_err("it has no slot").contains("it is not started"));
    }
}
