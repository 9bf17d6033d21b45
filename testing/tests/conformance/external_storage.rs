//! External storage: payloads of every kind that are stored outside of Temporal.

use std::path::Path;

use abide::converter::{DataConverter, ExternalStorage};
use abide::external_storage::FilesystemDriver;
use abide_protos::prost::Message as _;

use crate::arm::{Outcome, compare};
use crate::codecs::{Seal, is_told, unreadable, vault};

fn storing(folder: &Path, threshold: usize) -> DataConverter {
    let storage = ExternalStorage::new(FilesystemDriver::new(folder)).threshold(threshold);
    DataConverter::new().codec(Seal).encode_common_attributes().external_storage(storage)
}

fn files(folder: &Path) -> std::io::Result<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    if let Ok(folders) = std::fs::read_dir(folder.join("v0")) {
        for folder in folders {
            for file in std::fs::read_dir(folder?.path())? {
                files.push(std::fs::read(file?.path())?);
            }
        }
    }
    Ok(files)
}

#[tokio::test]
async fn every_payload_of_a_workflow_can_be_stored_elsewhere() -> Outcome {
    for cached in [1000, 0] {
        compare("external-storage", move |arm| async move {
            let folder = tempfile::tempdir()?;
            let histories = vault(&arm, &storing(folder.path(), 0), cached).await?;
            for history in &histories {
                assert!(!is_told(history), "{history}");
                let events = history.events().iter().map(|event| event.encode_to_vec());
                let has = |event: &[u8], text: &str| event.windows(text.len()).any(|part| part == text.as_bytes());
                assert!(!events.clone().any(|event| has(&event, "binary/sealed")), "{history}");
                assert!(events.clone().any(|event| has(&event, "temporal.api.sdk.v1.ExternalStorageReference")));
                let error = unreadable(history);
                assert!(error.contains("TMPRL1105") && error.contains("the driver `filesystem`"), "{error}");
            }
            // What is stored is encoded.
            let stored = files(folder.path())?;
            assert!(stored.len() > 10 && stored.iter().all(|file| !file.windows(6).any(|part| part == b"secret")));
            Ok(histories)
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn small_payloads_stay_in_temporal() -> Outcome {
    compare("external-storage-small", |arm| async move {
        let folder = tempfile::tempdir()?;
        let histories = vault(&arm, &storing(folder.path(), 64 * 1024), 1000).await?;
        assert_eq!(files(folder.path())?.len(), 0);
        Ok(histories)
    })
    .await
}
