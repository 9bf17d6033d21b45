//! External storage: large payloads are stored elsewhere, and Temporal gets a reference to them.
//!
//! The reference is that of the other SDKs: a `json/protobuf` payload with the message
//! `temporal.api.sdk.v1.ExternalStorageReference`, which names the driver and what it needs to find the payload again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::common::v1::payload::ExternalPayloadDetails;
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};

use super::codec::CodecError;
use super::payload::{ENCODING, JSON_PROTOBUF, MESSAGE_TYPE, RawPayload, label};
use crate::bounded_text::name;

const MESSAGE: &[u8] = b"temporal.api.sdk.v1.ExternalStorageReference";
/// The encoding of references that older SDKs have written.
const OLD_ENCODING: &[u8] = b"json/external-storage-reference";
/// Metadata of a reference that a codec has encoded.
const MARKER: &str = "__temporal_external_storage_reference";
/// As in other SDKs.
const DEFAULT_THRESHOLD: usize = 256 * 1024;

/// What a driver needs to find a payload again: names and values that travel in the reference. They are not secret.
pub type StorageClaim = BTreeMap<String, String>;

/// The result of a driver: as many values as it was given, or an error.
pub type StorageResult<T> = Result<Vec<T>, Box<dyn Error + Send + Sync>>;

/// Stores payloads outside of Temporal, for [`ExternalStorage`].
///
/// A driver must keep what it has stored for as long as any workflow, or anybody who reads a history, may need it. Abide
/// never deletes anything. Errors fail the operation that needed the payloads, as those of a
/// [codec](super::PayloadCodec): the server retries a workflow task or an activity attempt, a client's call returns the
/// error.
pub trait StorageDriver: Send + Sync + 'static {
    /// Returns the name that references carry. All programs that read the payloads need a driver of this name.
    fn name(&self) -> &str;

    /// Returns the kind of the driver, for the heartbeats of workers.
    fn kind(&self) -> &str;

    /// Stores payloads, each of them a protobuf message, and returns a claim for each in the same order. The same payload
    /// may be stored again, when a task is repeated.
    fn store(&self, payloads: Vec<Vec<u8>>) -> impl Future<Output = StorageResult<StorageClaim>> + Send;

    /// Returns the payloads that belong to the claims, in the same order. Check sizes before you allocate.
    fn retrieve(&self, claims: Vec<StorageClaim>) -> impl Future<Output = StorageResult<Vec<u8>>> + Send;
}

/// Stores large payloads outside of Temporal, which has a limit of 2 MiB for each. For
/// [`DataConverter::external_storage`](super::DataConverter::external_storage).
///
/// Payload codecs come first, so what is stored is encrypted if a codec encrypts.
#[derive(Clone)]
#[must_use = "external storage does nothing until `DataConverter::external_storage` takes it"]
pub struct ExternalStorage {
    drivers: Vec<Arc<dyn AnyDriver>>,
    threshold: usize,
    selector: Option<Arc<Selector>>,
}

type Selector = dyn Fn(&RawPayload) -> Option<String> + Send + Sync;

impl ExternalStorage {
    /// Stores payloads with this driver.
    pub fn new(driver: impl StorageDriver) -> Self {
        Self { drivers: vec![Arc::new(driver)], threshold: DEFAULT_THRESHOLD, selector: None }
    }

    /// Adds a driver that retrieves what it has stored. It stores only what [`select`](Self::select) gives to it. The names
    /// of drivers must differ, otherwise payloads cannot be stored or retrieved.
    pub fn driver(mut self, driver: impl StorageDriver) -> Self {
        self.drivers.push(Arc::new(driver));
        self
    }

    /// Sets the size in bytes from which on payloads are stored elsewhere. Default: 256 KiB.
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Chooses the driver of each payload that has the size for it, by its name; `None` leaves the payload in Temporal.
    /// Default: the first driver.
    pub fn select(mut self, selector: impl Fn(&RawPayload) -> Option<String> + Send + Sync + 'static) -> Self {
        self.selector = Some(Arc::new(selector));
        self
    }

    /// Returns the kinds of the drivers.
    pub(crate) fn kinds(&self) -> BTreeSet<&str> {
        self.drivers.iter().map(|driver| driver.kind()).collect()
    }

    /// Replaces large payloads by references.
    ///
    /// # Errors
    /// Returns an error if a driver fails.
    pub(super) async fn store(&self, payloads: &mut [Payload]) -> Result<(), CodecError> {
        let mut chosen: Vec<(usize, Vec<usize>)> = Vec::new();
        for (index, payload) in payloads.iter().enumerate() {
            let Some(driver) = self.choose(payload)? else { continue };
            match chosen.iter_mut().find(|(number, _)| *number == driver) {
                Some((_, indexes)) => indexes.push(index),
                None => chosen.push((driver, vec![index])),
            }
        }
        for (number, indexes) in chosen {
            let driver = &self.drivers[number];
            let bytes = indexes.iter().map(|index| in_order(&payloads[*index])).collect();
            let claims = checked(&**driver, "store", indexes.len(), driver.store(bytes)).await?;
            for (index, claim_data) in indexes.into_iter().zip(claims) {
                let size = payloads[index].encoded_len();
                payloads[index] =
                    Reference { claim_data, driver_name: driver.name().to_string() }.into_payload(size)?;
            }
        }
        Ok(())
    }

    /// Replaces references by the payloads that they stand for.
    ///
    /// # Errors
    /// Returns an error if a driver is missing or fails.
    pub(super) async fn retrieve(&self, payloads: &mut [Payload]) -> Result<(), CodecError> {
        let mut found: Vec<(usize, Vec<(usize, StorageClaim)>)> = Vec::new();
        for (index, payload) in payloads.iter().enumerate() {
            let Some(reference) = Reference::read(payload) else { continue };
            let Reference { driver_name, claim_data } = reference?;
            let number = self.number(&driver_name)?;
            match found.iter_mut().find(|(driver, _)| *driver == number) {
                Some((_, claims)) => claims.push((index, claim_data)),
                None => found.push((number, vec![(index, claim_data)])),
            }
        }
        for (number, claims) in found {
            let driver = &self.drivers[number];
            let (indexes, claims): (Vec<_>, Vec<_>) = claims.into_iter().unzip();
            let bytes = checked(&**driver, "retrieve", indexes.len(), driver.retrieve(claims)).await?;
            for (index, bytes) in indexes.into_iter().zip(bytes) {
                payloads[index] = Payload::decode(&*bytes).map_err(|error| {
                    let driver = name(driver.name());
                    CodecError::new(format!(
                        "the storage driver `{driver}` returned no payload but something else: {error}"
                    ))
                })?;
            }
        }
        Ok(())
    }

    fn choose(&self, payload: &Payload) -> Result<Option<usize>, CodecError> {
        if payload.encoded_len() < self.threshold {
            return Ok(None);
        }
        let Some(selector) = &self.selector else {
            return self.number(self.drivers[0].name()).map(Some);
        };
        // The copy lives only while the driver is chosen.
        let raw = RawPayload::from_proto(payload.clone());
        let chosen = std::panic::catch_unwind(AssertUnwindSafe(|| selector(&raw)));
        let chosen = chosen.map_err(|_| CodecError::new("the selector of external storage panicked".to_string()))?;
        chosen.map(|driver| self.number(&driver)).transpose()
    }

    fn number(&self, driver_name: &str) -> Result<usize, CodecError> {
        let mut found = (0..self.drivers.len()).filter(|number| self.drivers[*number].name() == driver_name);
        match (found.next(), found.next()) {
            (Some(number), None) => Ok(number),
            (None, _) => Err(CodecError::new(format!(
                "external storage has no driver `{}`; add it with `ExternalStorage::driver`",
                name(driver_name)
            ))),
            (Some(_), Some(_)) => Err(CodecError::new(format!(
                "external storage has two drivers `{}`; give them different names",
                name(driver_name)
            ))),
        }
    }
}

impl fmt::Debug for ExternalStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalStorage")
            .field("drivers", &self.drivers.iter().map(|driver| driver.name()).collect::<Vec<_>>())
            .field("threshold", &self.threshold)
            .field("has_selector", &self.selector.is_some())
            .finish()
    }
}

/// Returns the payload as bytes that are the same every time: a map of protobuf has no order. Messages that follow each
/// other are read as one.
fn in_order(payload: &Payload) -> Vec<u8> {
    let sorted: BTreeMap<_, _> = payload.metadata.iter().collect();
    let mut bytes = Vec::with_capacity(payload.encoded_len());
    for (key, value) in sorted {
        let entry = Payload { metadata: HashMap::from([(key.clone(), value.clone())]), ..Payload::default() };
        bytes.extend(entry.encode_to_vec());
    }
    let rest = Payload {
        metadata: HashMap::new(),
        data: payload.data.clone(),
        external_payloads: payload.external_payloads.clone(),
    };
    bytes.extend(rest.encode_to_vec());
    bytes
}

/// Returns what a driver returns, and checks that it keeps its contract.
async fn checked<T>(
    driver: &dyn AnyDriver,
    what: &str,
    given: usize,
    work: impl Future<Output = StorageResult<T>> + Send,
) -> Result<Vec<T>, CodecError> {
    let driver = name(driver.name());
    Err(CodecError::new(match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(done)) if done.len() == given => return Ok(done),
        Ok(Ok(done)) => {
            let found = done.len();
            format!(
                "the storage driver `{driver}` got {given} payloads to {what} and returned {found}: expected the same \
                 number"
            )
        }
        Ok(Err(error)) => format!("the storage driver `{driver}` failed to {what} {given} payloads: {error}"),
        Err(_) => format!("the storage driver `{driver}` panicked; it had {given} payloads to {what}"),
    }))
}

/// The content of a reference.
#[derive(Serialize, Deserialize)]
struct Reference {
    #[serde(rename = "claimData", alias = "claim_data", default)]
    claim_data: StorageClaim,
    #[serde(rename = "driverName", alias = "driver_name")]
    driver_name: String,
}

/// A reference of older SDKs.
#[derive(Deserialize)]
struct OldReference {
    driver_name: String,
    driver_claim: OldClaim,
}

#[derive(Deserialize)]
struct OldClaim {
    claim_data: StorageClaim,
}

impl Reference {
    /// Reads a reference; `None` for all other payloads.
    fn read(payload: &Payload) -> Option<Result<Self, CodecError>> {
        if !is_reference(payload) {
            return None;
        }
        let read = if payload.metadata.get(ENCODING).is_some_and(|encoding| encoding == OLD_ENCODING) {
            serde_json::from_slice::<OldReference>(&payload.data)
                .map(|old| Self { claim_data: old.driver_claim.claim_data, driver_name: old.driver_name })
        } else {
            serde_json::from_slice(&payload.data)
        };
        Some(read.map_err(|error| {
            let place = (error.line(), error.column());
            CodecError::new(format!(
                "a reference to a payload in external storage cannot be read: expected JSON with `driverName` and \
                 `claimData` (line {}, column {})",
                place.0, place.1
            ))
        }))
    }

    fn into_payload(self, size: usize) -> Result<Payload, CodecError> {
        let data = serde_json::to_vec(&self).map_err(|error| CodecError::new(error.to_string()))?;
        let metadata = [(ENCODING, JSON_PROTOBUF), (MESSAGE_TYPE, MESSAGE)];
        Ok(Payload {
            metadata: metadata.into_iter().map(|(key, value)| (key.to_string(), value.to_vec())).collect(),
            data,
            external_payloads: vec![ExternalPayloadDetails { size_bytes: i64::try_from(size).unwrap_or(i64::MAX) }],
        })
    }
}

/// Returns true for a reference to a payload that is stored elsewhere.
pub(super) fn is_reference(payload: &Payload) -> bool {
    match payload.metadata.get(ENCODING).map(Vec::as_slice) {
        Some(JSON_PROTOBUF) => payload.metadata.get(MESSAGE_TYPE).is_some_and(|message| message == MESSAGE),
        Some(encoding) => encoding == OLD_ENCODING,
        None => false,
    }
}

/// Removes the mark of a reference that a codec has encoded, and returns true if there was one.
pub(super) fn take_marker(payload: &mut Payload) -> bool {
    let is_marked = payload.metadata.get(MARKER).is_some_and(|value| value == b"true");
    is_marked && payload.metadata.remove(MARKER).is_some()
}

/// Returns the text of the error for a reference in a program without external storage.
pub(super) fn not_configured(payload: &Payload) -> String {
    let driver = Reference::read(payload).and_then(Result::ok).map(|reference| reference.driver_name);
    let of = driver.map_or_else(String::new, |driver| format!(" by the driver `{}`", label(driver.as_bytes())));
    format!(
        "[TMPRL1105] the payload is stored outside of Temporal{of}, but this program has no external storage; add the \
         driver with `DataConverter::external_storage`"
    )
}

type Stored<'a, T> = Pin<Box<dyn Future<Output = StorageResult<T>> + Send + 'a>>;

/// Object-safe form of [`StorageDriver`].
trait AnyDriver: Send + Sync {
    fn name(&self) -> &str;
    fn kind(&self) -> &str;
    fn store(&self, payloads: Vec<Vec<u8>>) -> Stored<'_, StorageClaim>;
    fn retrieve(&self, claims: Vec<StorageClaim>) -> Stored<'_, Vec<u8>>;
}

impl<D: StorageDriver> AnyDriver for D {
    fn name(&self) -> &str {
        StorageDriver::name(self)
    }

    fn kind(&self) -> &str {
        StorageDriver::kind(self)
    }

    fn store(&self, payloads: Vec<Vec<u8>>) -> Stored<'_, StorageClaim> {
        Box::pin(async move { StorageDriver::store(self, payloads).await })
    }

    fn retrieve(&self, claims: Vec<StorageClaim>) -> Stored<'_, Vec<u8>> {
        Box::pin(async move { StorageDriver::retrieve(self, claims).await })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::{
        CodecResult, DataConverter, OwnerRef, PayloadCodec, SerializationContext, Whose, from_payload, to_payload,
    };
    use super::*;

    const WHOSE: Whose<'_> = Whose { namespace: "default", owner: OwnerRef::Workflow("w") };

    /// Keeps payloads in memory.
    #[derive(Clone)]
    struct Shelf {
        name: &'static str,
        kept: Arc<Mutex<Vec<Vec<u8>>>>,
    }

    impl Shelf {
        fn new(name: &'static str) -> Self {
            Self { name, kept: Arc::default() }
        }
    }

    impl StorageDriver for Shelf {
        fn name(&self) -> &str {
            self.name
        }

        fn kind(&self) -> &str {
            "shelf"
        }

        async fn store(&self, payloads: Vec<Vec<u8>>) -> StorageResult<StorageClaim> {
            let mut kept = self.kept.lock().unwrap();
            let claims = payloads.into_iter().map(|payload| {
                kept.push(payload);
                StorageClaim::from([("at".to_string(), (kept.len() - 1).to_string())])
            });
            Ok(claims.collect())
        }

        async fn retrieve(&self, claims: Vec<StorageClaim>) -> StorageResult<Vec<u8>> {
            let kept = self.kept.lock().unwrap();
            claims.iter().map(|claim| Ok(kept[claim["at"].parse::<usize>()?].clone())).collect()
        }
    }

    /// Hides data by flipping bits.
    struct Flip;

    impl PayloadCodec for Flip {
        async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
            let flip = |payload: RawPayload| RawPayload {
                metadata: [(ENCODING.to_string(), b"flipped".to_vec())].into(),
                data: payload.to_bytes().iter().map(|byte| byte ^ 0x5a).collect(),
            };
            Ok(payloads.into_iter().map(flip).collect())
        }

        async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
            let open = |payload: RawPayload| match payload.encoding() {
                Some("flipped") => {
                    let bytes: Vec<u8> = payload.data.iter().map(|byte| byte ^ 0x5a).collect();
                    Ok(RawPayload::from_bytes(&bytes)?)
                }
                _ => Ok(payload),
            };
            payloads.into_iter().map(open).collect()
        }
    }

    fn text(length: usize) -> Payload {
        to_payload(&"x".repeat(length)).unwrap()
    }

    async fn decoded(converter: &DataConverter, payload: &Payload) -> Result<String, String> {
        let mut payload = payload.clone();
        converter.decode(&mut payload, WHOSE).await.map_err(|error| error.to_string())?;
        from_payload(&payload).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_large_payload_becomes_a_reference_as_other_sdks_write_it() {
        let shelf = Shelf::new("shelf");
        let converter = DataConverter::new().external_storage(ExternalStorage::new(shelf.clone()).threshold(100));
        let (mut small, mut large) = (text(10), text(200));
        let size = large.encoded_len();
        converter.encode(&mut small, WHOSE).await.unwrap();
        converter.encode(&mut large, WHOSE).await.unwrap();
        assert_eq!(small, text(10));
        assert_eq!(large.metadata[ENCODING], b"json/protobuf");
        assert_eq!(large.metadata[MESSAGE_TYPE], b"temporal.api.sdk.v1.ExternalStorageReference");
        assert_eq!(String::from_utf8_lossy(&large.data), r#"{"claimData":{"at":"0"},"driverName":"shelf"}"#);
        assert_eq!(large.external_payloads, [ExternalPayloadDetails { size_bytes: size as i64 }]);
        assert_eq!(Payload::decode(&*shelf.kept.lock().unwrap()[0]).unwrap(), text(200));
        assert_eq!(decoded(&converter, &large).await.unwrap().len(), 200);
    }

    #[tokio::test]
    async fn references_of_other_sdks_are_read() {
        let shelf = Shelf::new("shelf");
        shelf.kept.lock().unwrap().push(text(3).encode_to_vec());
        let storage = ExternalStorage::new(shelf.clone());
        let converter = DataConverter::new().external_storage(storage.clone());
        let reference = |metadata: &[(&str, &[u8])], data: &str| Payload {
            metadata: metadata.iter().map(|(key, value)| (key.to_string(), value.to_vec())).collect(),
            data: data.as_bytes().to_vec(),
            ..Payload::default()
        };
        let today = [(ENCODING, JSON_PROTOBUF), (MESSAGE_TYPE, MESSAGE)];
        for payload in [
            reference(&today, r#"{ "driver_name": "shelf", "claim_data": { "at": "0" } }"#),
            reference(
                &[(ENCODING, OLD_ENCODING)],
                r#"{"driver_name": "shelf", "driver_claim": {"claim_data": {"at": "0"}}}"#,
            ),
        ] {
            assert_eq!(decoded(&converter, &payload).await.unwrap(), "xxx");
        }
        // One that a codec has encoded, with the codec's own payload behind it.
        let codec = DataConverter::new().codec(Flip);
        let mut encoded = reference(&today, r#"{"claimData":{"at":"1"},"driverName":"shelf"}"#);
        codec.encode(&mut encoded, WHOSE).await.unwrap();
        encoded.metadata.insert(MARKER.to_string(), b"true".to_vec());
        let mut stored = text(4);
        codec.encode(&mut stored, WHOSE).await.unwrap();
        shelf.kept.lock().unwrap().push(stored.encode_to_vec());
        assert_eq!(decoded(&codec.external_storage(storage), &encoded).await.unwrap(), "xxxx");
    }

    #[tokio::test]
    async fn codecs_come_before_the_storage() {
        let shelf = Shelf::new("shelf");
        let converter =
            DataConverter::new().codec(Flip).external_storage(ExternalStorage::new(shelf.clone()).threshold(0));
        let mut payload = text(3);
        converter.encode(&mut payload, WHOSE).await.unwrap();
        assert!(is_reference(&payload));
        assert_eq!(Payload::decode(&*shelf.kept.lock().unwrap()[0]).unwrap().metadata[ENCODING], b"flipped");
        assert_eq!(decoded(&converter, &payload).await.unwrap(), "xxx");
    }

    #[tokio::test]
    async fn the_selector_chooses_among_drivers() {
        let (near, far) = (Shelf::new("near"), Shelf::new("far"));
        let storage = ExternalStorage::new(near.clone()).driver(far.clone()).threshold(0);
        let storage = storage.select(|payload| match payload.data.len() {
            0..10 => None,
            10..100 => Some("near".to_string()),
            _ => Some("far".to_string()),
        });
        let converter = DataConverter::new().external_storage(storage);
        for (length, near_and_far) in [(3, (0, 0)), (30, (1, 0)), (300, (1, 1))] {
            let mut payload = text(length);
            converter.encode(&mut payload, WHOSE).await.unwrap();
            assert_eq!((near.kept.lock().unwrap().len(), far.kept.lock().unwrap().len()), near_and_far);
            assert_eq!(decoded(&converter, &payload).await.unwrap().len(), length);
        }
    }

    /// Fails in the ways in which drivers fail.
    struct Broken(&'static str);

    impl StorageDriver for Broken {
        fn name(&self) -> &str {
            "broken"
        }

        fn kind(&self) -> &str {
            "broken"
        }

        async fn store(&self, _: Vec<Vec<u8>>) -> StorageResult<StorageClaim> {
            match self.0 {
                "panic" => panic!("on purpose"),
                "few" => Ok(Vec::new()),
                _ => Err("the disk is full".into()),
            }
        }

        async fn retrieve(&self, claims: Vec<StorageClaim>) -> StorageResult<Vec<u8>> {
            Ok(claims.iter().map(|_| vec![0xff]).collect())
        }
    }

    #[tokio::test]
    async fn a_driver_that_breaks_its_contract_is_named() {
        for (how, expected) in [
            ("panic", "the storage driver `broken` panicked; it had 1 payloads to store"),
            ("few", "the storage driver `broken` got 1 payloads to store and returned 0: expected the same number"),
            ("error", "the storage driver `broken` failed to store 1 payloads: the disk is full"),
        ] {
            let converter = DataConverter::new().external_storage(ExternalStorage::new(Broken(how)).threshold(0));
            assert_eq!(converter.encode(&mut text(3), WHOSE).await.unwrap_err().to_string(), expected);
        }
        let reference = Reference { claim_data: StorageClaim::new(), driver_name: "broken".into() };
        let reference = reference.into_payload(7).unwrap();
        let converter = DataConverter::new().external_storage(ExternalStorage::new(Broken("")));
        let error = decoded(&converter, &reference).await.unwrap_err();
        assert!(error.starts_with("the storage driver `broken` returned no payload"), "{error}");
    }

    #[tokio::test]
    async fn a_reference_without_its_driver_says_what_is_missing() {
        let reference = Reference { claim_data: StorageClaim::new(), driver_name: "s3".into() };
        let reference = reference.into_payload(7).unwrap();
        let text = "[TMPRL1105] the payload is stored outside of Temporal by the driver `s3`, but this program has no \
                    external storage; add the driver with `DataConverter::external_storage`";
        assert_eq!(decoded(&DataConverter::new(), &reference).await.unwrap_err(), text);
        assert_eq!(decoded(&DataConverter::new().codec(Flip), &reference).await.unwrap_err(), text);

        let other = DataConverter::new().external_storage(ExternalStorage::new(Shelf::new("shelf")));
        let error = decoded(&other, &reference).await.unwrap_err();
        assert_eq!(error, "external storage has no driver `s3`; add it with `ExternalStorage::driver`");
        let twice = ExternalStorage::new(Shelf::new("s3")).driver(Shelf::new("s3"));
        let error = decoded(&DataConverter::new().external_storage(twice), &reference).await.unwrap_err();
        assert_eq!(error, "external storage has two drivers `s3`; give them different names");
    }
}
