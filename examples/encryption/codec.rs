//! A codec that encrypts payloads with AES-256-GCM, in the format of Temporal's own samples.

use std::collections::BTreeMap;
use std::error::Error;

use abide::converter::{CodecResult, PayloadCodec, RawPayload};
use aes_gcm::aead::{Aead, Generate};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};

const ENCODING: &str = "encoding";
const ENCRYPTED: &str = "binary/encrypted";
const KEY_ID: &str = "encryption-key-id";
const NONCE_LENGTH: usize = 12;

/// Encrypts with the current key, and decrypts with the key that a payload names.
pub struct Encryption {
    keys: BTreeMap<String, Aes256Gcm>,
    current: String,
}

impl Encryption {
    /// Keys by their ids. Old ones stay for as long as a history needs them.
    pub fn new<const N: usize>(keys: [(&str, [u8; 32]); N], current: &str) -> Self {
        let keys = keys.map(|(id, key)| (id.to_string(), Aes256Gcm::new(&key.into()))).into();
        Self { keys, current: current.into() }
    }

    fn key(&self, id: &str) -> Result<&Aes256Gcm, Box<dyn Error + Send + Sync>> {
        Ok(self.keys.get(id).ok_or_else(|| format!("there is no key `{id}`"))?)
    }

    fn encrypt(&self, payload: RawPayload) -> Result<RawPayload, Box<dyn Error + Send + Sync>> {
        let nonce = Nonce::generate();
        // The whole payload, because its metadata says what it is.
        let mut data = nonce.to_vec();
        data.extend(self.key(&self.current)?.encrypt(&nonce, &*payload.to_bytes())?);
        let metadata = [(ENCODING, ENCRYPTED), (KEY_ID, &self.current)];
        Ok(RawPayload { metadata: metadata.map(|(key, value)| (key.into(), value.into())).into(), data })
    }

    fn decrypt(&self, payload: RawPayload) -> Result<RawPayload, Box<dyn Error + Send + Sync>> {
        if payload.encoding() != Some(ENCRYPTED) {
            return Ok(payload);
        }
        let key = self.key(str::from_utf8(payload.metadata.get(KEY_ID).ok_or("a payload names no key")?)?)?;
        let (nonce, data) = payload.data.split_first_chunk::<NONCE_LENGTH>().ok_or("a payload has no nonce")?;
        Ok(RawPayload::from_bytes(&key.decrypt(nonce.into(), data)?)?)
    }
}

impl PayloadCodec for Encryption {
    async fn encode(&self, payloads: Vec<RawPayload>) -> CodecResult {
        payloads.into_iter().map(|payload| self.encrypt(payload)).collect()
    }

    async fn decode(&self, payloads: Vec<RawPayload>) -> CodecResult {
        payloads.into_iter().map(|payload| self.decrypt(payload)).collect()
    }
}
