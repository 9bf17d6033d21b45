//! Histories from files. Only this file of the folder accesses the disk.

use std::path::{Path, PathBuf};

use super::{History, HistoryError};

/// File extensions of histories.
const EXTENSIONS: &[&str] = &["json", "bin", "binpb", "pb"];

impl History {
    /// Reads a file: JSON if its extension or its first character says so, otherwise protobuf. A file can hold several
    /// histories.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or holds something else.
    pub fn load(path: impl AsRef<Path>) -> Result<Vec<History>, HistoryError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| unreadable(path, "file", error))?;
        let first = bytes.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        let named_json = path.extension().is_some_and(|extension| extension == "json");
        let looks_like_json = matches!(first, Some(b'{' | b'['));
        let read = if named_json || looks_like_json { Self::from_json(&bytes) } else { Self::from_binary(&bytes) };
        read.map_err(|error| error.in_file(path))
    }
}

#[cfg_attr(not(feature = "worker"), expect(dead_code, reason = "only the replayer reads folders"))]
/// Returns the files of a folder that have the extension of a history, sorted by name. Does not search subfolders.
pub(crate) fn history_files(folder: &Path) -> Result<Vec<PathBuf>, HistoryError> {
    let is_history = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) && path.is_file()
    };
    let listed: Result<Vec<PathBuf>, std::io::Error> =
        std::fs::read_dir(folder).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut files = listed.map_err(|error| unreadable(folder, "folder", error))?;
    files.retain(is_history);
    files.sort();
    if files.is_empty() {
        let message = format!("expected histories (files ending in .{}), found none", EXTENSIONS.join(", ."));
        return Err(HistoryError::new(message).in_file(folder));
    }
    Ok(files)
}

fn unreadable(path: &Path, what: &str, error: std::io::Error) -> HistoryError {
    HistoryError::new(format!("the {what} could not be read: {error}")).in_file(path).because(error)
}
