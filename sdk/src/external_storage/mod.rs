//! Drivers of [external storage](crate::converter::ExternalStorage) (feature `external-storage`).
//!
//! ```no_run
//! use abide::converter::{DataConverter, ExternalStorage};
//! use abide::external_storage::FilesystemDriver;
//! use abide::prelude::*;
//!
//! # async fn connect() -> Result<Client, Box<dyn std::error::Error>> {
//! let storage = ExternalStorage::new(FilesystemDriver::new("/mnt/shared/payloads"));
//! let data_converter = DataConverter::new().external_storage(storage);
//! let client = Client::connect(ClientOptions::new("localhost:7233").data_converter(data_converter)).await?;
//! # Ok(client) }
//! ```

mod filesystem;

pub use filesystem::FilesystemDriver;
