//! The default build id: a checksum of the executable, so that other code is another build.

use std::hash::Hasher;
use std::io::{self, Read};
use std::sync::OnceLock;

use siphasher::sip128::{Hasher128, SipHasher13};

static OF_THIS_EXECUTABLE: OnceLock<String> = OnceLock::new();

/// The checksum of the running executable, read once in a process; empty if it cannot be read.
pub(super) fn of_this_executable() -> &'static str {
    OF_THIS_EXECUTABLE.get_or_init(|| {
        std::env::current_exe().and_then(std::fs::File::open).and_then(checksum).unwrap_or_else(|error| {
            tracing::warn!("this program cannot be read, so its worker has no build id: {error}");
            String::new()
        })
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

    #[test]
    fn other_code_is_another_build() {
        let (one, other) = (checksum(&b"code"[..]).unwrap(), checksum(&b"Code"[..]).unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
        assert_eq!(one, checksum(&b"code"[..]).unwrap());
    }

    #[test]
    fn the_running_executable_has_one() {
        assert_eq!(of_this_executable().len(), 32);
    }
}
