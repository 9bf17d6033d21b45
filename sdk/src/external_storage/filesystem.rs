//! Payloads in files of a folder, named after their content.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::converter::{StorageClaim, StorageDriver, StorageResult};

/// As in the drivers of other SDKs.
const MAX_PAYLOAD_BYTES: u64 = 50 * 1024 * 1024;
const ALGORITHM: &str = "sha256";
const HEX: &[u8] = b"0123456789abcdef";

/// Stores payloads in files of a folder that all workers and clients see: on one machine, or on a network file system.
///
/// A file has the name of its content's SHA-256 sum, so a payload that is stored twice takes the space of one. Files are
/// written in full before they get their name, and are synchronized to the disk. They are checked when they are read.
/// Nothing deletes them: delete old files when no history needs them any more, for example after the retention time of
/// the namespace.
#[derive(Clone, Debug)]
pub struct FilesystemDriver {
    folder: PathBuf,
    name: String,
    max_payload_bytes: u64,
}

impl FilesystemDriver {
    /// Describes a driver with the name `filesystem`, which creates the folder when it first stores a payload.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), name: "filesystem".to_string(), max_payload_bytes: MAX_PAYLOAD_BYTES }
    }

    /// Sets the name that references carry. Default: `filesystem`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the size in bytes above which payloads are neither stored nor read. Default: 50 MiB.
    pub fn max_payload_bytes(mut self, bytes: u64) -> Self {
        self.max_payload_bytes = bytes;
        self
    }

    /// Returns the file of the payload with this sum. Folders stay small: each has a 256th of the files.
    fn path(&self, sum: &str) -> PathBuf {
        self.folder.join("v0").join(&sum[..2]).join(sum)
    }

    async fn write(&self, payload: &[u8]) -> Result<StorageClaim, Box<dyn Error + Send + Sync>> {
        let size = payload.len() as u64;
        if size > self.max_payload_bytes {
            return Err(self.too_large(size).into());
        }
        let sum = sum_of(payload);
        let path = self.path(&sum);
        let failed = |error: io::Error| format!("`{}` cannot be written: {error}", path.display());
        if !tokio::fs::metadata(&path).await.is_ok_and(|file| file.len() == size) {
            let folder = path.parent().unwrap_or(&self.folder);
            tokio::fs::create_dir_all(folder).await.map_err(failed)?;
            write_whole(folder, &path, payload).await.map_err(failed)?;
        }
        let claim = [("hash_algorithm", ALGORITHM.to_string()), ("hash_value", sum)];
        Ok(claim.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
    }

    async fn read(&self, claim: &StorageClaim) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        let sum = claim.get("hash_value").map_or("", String::as_str);
        // The sum becomes a path, so it must be one.
        let is_sum = sum.len() == 64 && sum.bytes().all(|byte| HEX.contains(&byte));
        if !is_sum || claim.get("hash_algorithm").is_none_or(|algorithm| algorithm != ALGORITHM) {
            return Err(
                "the claim is not one of this driver: expected `hash_algorithm` sha256 and its `hash_value`".into()
            );
        }
        let path = self.path(sum);
        let failed = |error: io::Error| {
            format!(
                "`{}` cannot be read: {error}; check that this program sees the folder of the program that stored it",
                path.display()
            )
        };
        let mut file = tokio::fs::File::open(&path).await.map_err(failed)?;
        let size = file.metadata().await.map_err(failed)?.len();
        if size > self.max_payload_bytes {
            return Err(self.too_large(size).into());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        (&mut file).take(self.max_payload_bytes).read_to_end(&mut bytes).await.map_err(failed)?;
        if sum_of(&bytes) != sum {
            return Err(
                format!("`{}` is damaged: its content has another SHA-256 sum than its name", path.display()).into()
            );
        }
        Ok(bytes)
    }

    fn too_large(&self, size: u64) -> String {
        format!(
            "a payload has {size} bytes, more than the {} that `FilesystemDriver::max_payload_bytes` allows",
            self.max_payload_bytes
        )
    }
}

impl StorageDriver for FilesystemDriver {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &str {
        "abide.filesystem"
    }

    async fn store(&self, payloads: Vec<Vec<u8>>) -> StorageResult<StorageClaim> {
        let mut claims = Vec::with_capacity(payloads.len());
        for payload in payloads {
            claims.push(self.write(&payload).await?);
        }
        Ok(claims)
    }

    async fn retrieve(&self, claims: Vec<StorageClaim>) -> StorageResult<Vec<u8>> {
        let mut payloads = Vec::with_capacity(claims.len());
        for claim in claims {
            payloads.push(self.read(&claim).await?);
        }
        Ok(payloads)
    }
}

/// Writes a file of which nobody ever sees a part.
async fn write_whole(folder: &Path, path: &Path, payload: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!(".{}", uuid::Uuid::new_v4()));
    let written = async {
        let mut file = tokio::fs::File::create_new(&unfinished).await?;
        file.write_all(payload).await?;
        file.sync_all().await?;
        tokio::fs::rename(&unfinished, path).await
    };
    let written = written.await;
    if written.is_err() {
        // The first error is the one to report.
        let _ = tokio::fs::remove_file(&unfinished).await;
    }
    written
}

fn sum_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(sum: &str) -> StorageClaim {
        [("hash_algorithm", ALGORITHM), ("hash_value", sum)].map(|(key, value)| (key.into(), value.into())).into()
    }

    #[tokio::test]
    async fn what_is_stored_is_retrieved_and_the_same_payload_takes_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let driver = FilesystemDriver::new(folder.path().join("new"));
        let claims = driver.store(vec![b"one".to_vec(), b"two".to_vec(), b"one".to_vec()]).await.unwrap();
        assert_eq!(claims[0], claims[2]);
        // The sum as `sha256sum` prints it.
        let sum = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
        assert_eq!(claims[0], claim(sum));
        assert_eq!(driver.retrieve(claims).await.unwrap(), [b"one", b"two", b"one"]);
        let files = std::fs::read_dir(folder.path().join("new/v0/76")).unwrap().count();
        assert_eq!(files, 1, "no unfinished file is left");
    }

    #[tokio::test]
    async fn claims_that_lead_elsewhere_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let driver = FilesystemDriver::new(folder.path());
        for sum in ["", "../../../../etc/passwd", &"A".repeat(64), &"/".repeat(64), &"a".repeat(63)] {
            let error = driver.retrieve(vec![claim(sum)]).await.unwrap_err();
            assert!(error.to_string().contains("not one of this driver"), "{error}");
        }
        let missing = driver.retrieve(vec![claim(&"a".repeat(64))]).await.unwrap_err();
        assert!(missing.to_string().contains("check that this program sees the folder"), "{missing}");
    }

    #[tokio::test]
    async fn damaged_and_too_large_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let driver = FilesystemDriver::new(folder.path());
        let stored = driver.store(vec![b"content".to_vec()]).await.unwrap();
        let small = driver.clone().max_payload_bytes(6);
        assert!(small.retrieve(stored.clone()).await.unwrap_err().to_string().contains("has 7 bytes, more than the 6"));
        assert!(small.store(vec![b"content".to_vec()]).await.unwrap_err().to_string().contains("max_payload_bytes"));

        let path = driver.path(&stored[0]["hash_value"]);
        std::fs::write(&path, b"comment").unwrap();
        assert!(driver.retrieve(stored).await.unwrap_err().to_string().contains("is damaged"));
    }
}
