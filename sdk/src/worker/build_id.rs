//! The default build id: the linker's identifier in the running executable, so that different code has a different id.
//!
//! | executable | build id | as shown by |
//! | --- | --- | --- |
//! | ELF (Linux and most others) | the note `.note.gnu.build-id` | `readelf -n`, `file` |
//! | Mach-O (macOS) | the load command `LC_UUID` | `dwarfdump --uuid` |
//! | PE (Windows) | a checksum of the headers, which contain the link time or a hash of the contents | |
//! | any, if the linker wrote no identifier | a checksum of the whole file | |
//!
//! All but the last read one block, because an executable with debug information can be hundreds of megabytes long.

use std::fmt::Write as _;
use std::hash::Hasher;
use std::io::{self, Read};
use std::sync::OnceLock;

use siphasher::sip128::{Hasher128, SipHasher13};

/// Number of bytes read from the beginning of the executable. Linkers write their id within the first page or two.
const HEAD: u64 = 64 * 1024;
/// Minimum length of a linker's id in bytes. A shorter one was chosen by hand and may be the same for every build.
const SHORTEST_ID: usize = 8;
/// Number of bytes at the beginning of a PE file that always contain its headers.
const PE_HEADERS: usize = 1024;

static OF_THIS_EXECUTABLE: OnceLock<String> = OnceLock::new();

/// Returns the id of the running executable, read once per process; empty if the file cannot be read.
pub(super) fn of_this_executable() -> &'static str {
    OF_THIS_EXECUTABLE.get_or_init(|| {
        std::env::current_exe().and_then(std::fs::File::open).and_then(build_id).unwrap_or_else(|error| {
            tracing::warn!("the executable of this program cannot be read, so the worker has no build id: {error}");
            String::new()
        })
    })
}

fn build_id(mut executable: impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    executable.by_ref().take(HEAD).read_to_end(&mut head)?;
    match linker_id(&head) {
        Some(id) => Ok(id),
        None => checksum(head.chain(executable)),
    }
}

/// Returns the identifier that the linker wrote, according to the file's format.
fn linker_id(head: &[u8]) -> Option<String> {
    if head.starts_with(b"\x7fELF") {
        return gnu_note(head).map(hex);
    }
    // The magic number of a 64-bit Mach-O file, in its own byte order.
    if head.starts_with(&[0xcf, 0xfa, 0xed, 0xfe]) {
        return mach_uuid(head).map(hex);
    }
    if head.starts_with(b"MZ") && pe_time_stamp(head)? != 0 {
        return checksum(&head[..head.len().min(PE_HEADERS)]).ok();
    }
    None
}

/// Returns the id in an ELF note: the sizes of name and id, the type 3, the name `GNU`, the id.
fn gnu_note(head: &[u8]) -> Option<&[u8]> {
    let type_and_name = [&3u32.to_ne_bytes()[..], b"GNU\0"].concat();
    let note = head.windows(16).position(|note| note[..4] == 4u32.to_ne_bytes() && note[8..] == type_and_name)?;
    let size = usize::try_from(u32::from_ne_bytes(array(head, note + 4)?)).ok()?;
    head.get(note + 16..)?.get(..size).filter(|id| id.len() >= SHORTEST_ID)
}

/// Returns the id in the load command 0x1b of a Mach-O file. Each command starts with its type and size.
fn mach_uuid(head: &[u8]) -> Option<&[u8]> {
    let commands = u32::from_le_bytes(array(head, 16)?);
    let mut at = 32_usize;
    for _ in 0..commands {
        let (command, size) = (u32::from_le_bytes(array(head, at)?), u32::from_le_bytes(array(head, at + 4)?));
        if command == 0x1b {
            return head.get(at + 8..at + 24);
        }
        at = at.checked_add(usize::try_from(size).ok()?)?;
    }
    None
}

/// Returns the time stamp in the COFF header, which the file's first bytes point to. Some linkers write zero.
fn pe_time_stamp(head: &[u8]) -> Option<u32> {
    let header = usize::try_from(u32::from_le_bytes(array(head, 0x3c)?)).ok()?;
    (array(head, header)? == *b"PE\0\0").then_some(())?;
    Some(u32::from_le_bytes(array(head, header.checked_add(8)?)?))
}

fn array(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn checksum(mut bytes: impl Read) -> io::Result<String> {
    let mut hasher = SipHasher13::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hasher.write(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let hash = hasher.finish128();
    Ok(format!("{:016x}{:016x}", hash.h1, hash.h2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose id is at its beginning, followed by a megabyte of code that must not be read.
    struct Executable {
        head: io::Cursor<Vec<u8>>,
    }

    impl Read for Executable {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.head.read(buffer)? {
                0 => panic!("more than the head is read"),
                read => Ok(read),
            }
        }
    }

    fn id_in_head(mut head: Vec<u8>) -> String {
        head.resize(usize::try_from(HEAD).unwrap(), 0);
        build_id(Executable { head: io::Cursor::new(head) }).unwrap()
    }

    fn elf(id: &[u8]) -> Vec<u8> {
        let mut file = b"\x7fELF".to_vec();
        file.resize(0x380, 0);
        // Another note with the same owner precedes it.
        for (kind, note) in [(5u32, &[1; 16][..]), (3, id)] {
            file.extend(4u32.to_ne_bytes());
            file.extend(u32::try_from(note.len()).unwrap().to_ne_bytes());
            file.extend(kind.to_ne_bytes());
            file.extend(b"GNU\0");
            file.extend(note);
        }
        file
    }

    fn mach_o(id: &[u8; 16]) -> Vec<u8> {
        let mut file = vec![0xcf, 0xfa, 0xed, 0xfe];
        file.resize(16, 0);
        file.extend(2u32.to_le_bytes());
        file.resize(32, 0);
        file.extend([0x19u32.to_le_bytes(), 72u32.to_le_bytes()].concat());
        file.resize(32 + 72, 0);
        file.extend([0x1bu32.to_le_bytes(), 24u32.to_le_bytes()].concat());
        file.extend(id);
        file
    }

    fn pe(time_stamp: u32) -> Vec<u8> {
        let mut file = b"MZ".to_vec();
        file.resize(0x3c, 0);
        file.extend(0x80u32.to_le_bytes());
        file.resize(0x80, 0);
        file.extend(b"PE\0\0\x64\x86\x03\x00");
        file.extend(time_stamp.to_le_bytes());
        file
    }

    #[test]
    fn the_linkers_id_is_found_without_reading_the_code() {
        assert_eq!(id_in_head(elf(&[0xab; 20])), "ab".repeat(20));
        assert_eq!(id_in_head(mach_o(&[0x1f; 16])), "1f".repeat(16));
        assert_eq!(id_in_head(pe(7)).len(), 32);
        assert_eq!(id_in_head(pe(7)), id_in_head(pe(7)));
        assert_ne!(id_in_head(pe(7)), id_in_head(pe(8)));
    }

    /// An executable made by a real linker; `tests/executables/make` describes how.
    macro_rules! linked {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/executables/", $name, ".bin"))
        };
    }

    #[test]
    fn linked_executables_of_macos_have_the_uuid_that_tools_show() {
        // The UUIDs that `llvm-objdump --macho --private-headers` shows.
        let uuids = [
            (&linked!("mach-o-arm64-one")[..], "4c4c44a055553144a1f2f2550ddac262"),
            (linked!("mach-o-x86_64-one"), "4c4c44ce55553144a154ae8ecb276dc0"),
            (linked!("mach-o-x86_64-two"), "4c4c447a55553144a1bbf2b411a80577"),
        ];
        for (file, uuid) in uuids {
            assert_eq!(build_id(file).unwrap(), uuid);
        }
        let without = build_id(&linked!("mach-o-without-uuid")[..]).unwrap();
        assert_eq!(without, checksum(&linked!("mach-o-without-uuid")[..]).unwrap());
    }

    #[test]
    fn linked_executables_of_windows_are_told_apart_by_their_headers() {
        let (one, two) = (&linked!("pe-msvc-one")[..], &linked!("pe-msvc-two")[..]);
        let id = |file: &[u8]| id_in_head(file.to_vec());
        assert_eq!(id(one), id(one));
        assert_ne!(id(one), id(two), "other code is another build");
        // It is linked without a time or a hash, so the whole file is read.
        let gnu = &linked!("pe-gnu-one")[..];
        assert_eq!(pe_time_stamp(gnu), Some(0));
        assert_eq!(build_id(gnu).unwrap(), checksum(gnu).unwrap());
    }

    #[test]
    fn without_a_linkers_id_other_code_is_another_build_all_the_same() {
        for head in [elf(&[]), elf(&[1]), pe(0), b"MZ".to_vec(), b"\xcf\xfa\xed\xfe".to_vec(), b"#!".to_vec(), vec![]] {
            let with = |code: &[u8]| {
                let code = [&head[..], code].concat();
                build_id(&code[..]).unwrap()
            };
            assert_eq!(with(b"code").len(), 32);
            assert_eq!(with(b"code"), with(b"code"));
            assert_ne!(with(b"code"), with(b"Code"));
        }
    }

    #[test]
    fn a_head_that_ends_anywhere_is_no_trouble() {
        for file in [elf(&[2; 20]), mach_o(&[2; 16]), pe(2)] {
            for length in 0..file.len() {
                assert!(!build_id(&file[..length]).unwrap().is_empty());
            }
        }
    }

    #[test]
    fn the_running_executable_has_one() {
        let id = of_this_executable();
        assert!(id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
}
