//! The payment ledger: a file outside the workflow, in which a second charge would show.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Charges, one per line.
#[derive(Clone)]
pub(crate) struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// Creates an empty ledger in the system's folder for temporary files.
    pub(crate) fn temporary() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("abide-order-ledger-{}", std::process::id()));
        fs::write(&path, "")?;
        Ok(Self { path })
    }

    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Charges an order unless it was charged before; the order's id is the idempotency key.
    pub(crate) fn charge_once(&self, order_id: &str, cents: u64) -> io::Result<String> {
        let line = format!("{order_id} charged {cents} cents");
        if !self.lines()?.contains(&line) {
            let mut file = OpenOptions::new().append(true).open(&self.path)?;
            writeln!(file, "{line}")?;
            file.sync_all()?;
        }
        Ok(line)
    }

    pub(crate) fn lines(&self) -> io::Result<Vec<String>> {
        Ok(fs::read_to_string(&self.path)?.lines().map(str::to_string).collect())
    }
}
