//! A codec that encrypts payloads with AES-256-GCM, in the format of Temporal's own samples, and binds them to their
//! workflow: nobody can move a payload into another one.

use std::collections::BTreeMap;
use std::error::Error;

use abide::converter::{CodecResult, PayloadCodec, RawPayload, SerializationContext};
use aes_gcm::aead::{Aead, Generate, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};

const ENCODING: &str = "encoding";
const ENCRYPTED: &str = "binary/encrypted";
const KEY_ID: &str = "encryption-key-id";
const WORKFLOW_ID: &str = "encryption-workflow-id";
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

    fn encrypt(
        &self,
        context: &SerializationContext,
        payload: RawPayload,
    ) -> Result<RawPayload, Box<dyn Error + Send + Sync>> {
        let nonce = Nonce::generate();
        // The whole payload, because its metadata says what it is.
        let workflow_id = context.workflow_id().unwrap_or_default();
        let mut data = nonce.to_vec();
        let sealed = Payload { msg: &payload.to_bytes(), aad: workflow_id.as_bytes() };
        data.extend(self.key(&self.current)?.encrypt(&nonce, sealed)?);
        let metadata = [(ENCODING, ENCRYPTED), (KEY_ID, &self.current), (WORKFLOW_ID, workflow_id)];
        Ok(RawPayload { metadata: metadata.map(|(key, value)| (key.into(), value.into())).into(), data })
    }

    fn decrypt(
        &self,
        context: &SerializationContext,
        payload: RawPayload,
    ) -> Result<RawPayload, Box<dyn Error + Send + Sync>> {
        if payload.encoding() != Some(ENCRYPTED) {
            return Ok(payload);
        }
        let key = self.key(str::from_utf8(payload.metadata.get(KEY_ID).ok_or("a payload names no key")?)?)?;
        // A payload from before this codec knew workflows names none.
        let bound_to = payload.metadata.get(WORKFLOW_ID).map_or(&b""[..], Vec::as_slice);
        // A codec server does not know the workflow of what it is asked to decrypt.
        if let Some(workflow_id) = context.workflow_id().filter(|id| !bound_to.is_empty() && id.as_bytes() != bound_to)
        {
            return Err(format!("a payload of `{workflow_id}` comes from another workflow").into());
        }
        let (nonce, data) = payload.data.split_first_chunk::<NONCE_LENGTH>().ok_or("a payload has no nonce")?;
        Ok(RawPayload::from_bytes(&key.decrypt(nonce.into(), Payload { msg: data, aad: bound_to })?)?)
    }
}

impl PayloadCodec for Encryption {
    async fn encode(&self, context: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        payloads.into_iter().map(|payload| self.encrypt(context, payload)).collect()
    }

    async fn decode(&self, context: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        payloads.into_iter().map(|payload| self.decrypt(context, payload)).collect()
    }
}
