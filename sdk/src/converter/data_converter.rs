//! The data converter: converts values and errors between user code and the server.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use abide_protos::payload_fields::{Body, Fields, PayloadFields};
use abide_protos::payload_owners::Owner;
use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;

use super::codec::{AnyCodec, CodecError, Direction, PayloadCodec, run_codec};
use super::context::{OwnerRef, SerializationContext, Whose};
use super::payload::RawPayload;
use super::storage::{ExternalStorage, is_reference, not_configured, take_marker};
use crate::failure::{Failure, FailureConverter, converted_failure, encode_common_attributes};

/// Converts values and errors between user code and the server (Temporal's `DataConverter`), with payload codecs and a
/// failure converter.
///
/// It is set once, in [`ClientOptions`](crate::ClientOptions), and the client's workers use it, too. Also give it to
/// the [`WorkflowReplayer`](crate::WorkflowReplayer) that reads their histories. A clone is the same converter.
///
/// ```
/// # use abide::converter::{CodecResult, PayloadCodec, RawPayload, SerializationContext};
/// # struct Encrypt;
/// # impl PayloadCodec for Encrypt {
/// #     async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult { Ok(payloads) }
/// #     async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult { Ok(payloads) }
/// # }
/// use abide::converter::DataConverter;
/// use abide::prelude::*;
///
/// let data_converter = DataConverter::new().codec(Encrypt).encode_common_attributes();
/// let options = ClientOptions::new("localhost:7233").data_converter(data_converter.clone());
/// let replayer = abide::WorkflowReplayer::new().data_converter(data_converter);
/// # let _ = (options, replayer);
/// ```
#[derive(Clone, Default)]
#[must_use = "a data converter does nothing until `ClientOptions::data_converter` or a replayer takes it"]
pub struct DataConverter {
    /// `None` for the default converter, which does nothing and need not search messages for payloads.
    inner: Option<Arc<Inner>>,
}

#[derive(Clone, Default)]
struct Inner {
    codecs: Vec<Arc<dyn AnyCodec>>,
    headers: bool,
    common_attributes: bool,
    failures: Option<Arc<dyn FailureConverter>>,
    storage: Option<ExternalStorage>,
}

/// The codecs' work on the payloads of one message. It owns the payloads, so it can run elsewhere.
pub(crate) type CodecWork = Pin<Box<dyn Future<Output = CodedPayloads> + Send>>;

/// The outcome of encoding or decoding payloads.
pub(crate) type CodedPayloads = Result<Vec<Payload>, CodecError>;

impl DataConverter {
    /// Creates the default converter: payloads are sent unencoded, and errors become failures as described at
    /// [`Failure`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a codec. With several codecs, the output of the first is the input of the second, and so on; decoding runs
    /// in reverse order.
    ///
    /// Codecs transform all payloads except search attributes, which the server reads, and
    /// [headers](Self::encode_headers).
    pub fn codec(self, codec: impl PayloadCodec) -> Self {
        self.changed(|inner| inner.codecs.push(Arc::new(codec)))
    }

    /// Applies the codecs to headers, too. Default: not applied, as in other SDKs, whose interceptors and workers read
    /// headers unencoded.
    pub fn encode_headers(self) -> Self {
        self.changed(|inner| inner.headers = true)
    }

    /// Moves the messages and stack traces of failures into a payload (`encoded_attributes`), which the codecs
    /// transform; the message becomes `Encoded failure`. Default: they stay readable in the failure.
    ///
    /// Such failures are always read, with or without this setting.
    pub fn encode_common_attributes(self) -> Self {
        self.changed(|inner| inner.common_attributes = true)
    }

    /// Sets the conversion of errors to failures, instead of the default conversion.
    pub fn failure_converter(self, converter: impl FailureConverter) -> Self {
        self.changed(|inner| inner.failures = Some(Arc::new(converter)))
    }

    /// Stores large payloads outside of Temporal, after the codecs, and retrieves them again. Default: all payloads are
    /// sent to the server, and a reference to a payload that is stored elsewhere is an error (TMPRL1105).
    pub fn external_storage(self, storage: ExternalStorage) -> Self {
        self.changed(|inner| inner.storage = Some(storage))
    }

    fn changed(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = self.inner.map(Arc::unwrap_or_clone).unwrap_or_default();
        change(&mut inner);
        Self { inner: Some(Arc::new(inner)) }
    }

    /// Converts an error of user code to a failure.
    pub(crate) fn to_failure(&self, error: &(dyn Error + 'static), type_name: Option<&str>) -> FailureProto {
        converted_failure(self.failures(), error, type_name)
    }

    /// Converts a recorded failure for user code.
    pub(crate) fn read_failure(&self, failure: FailureProto) -> FailureProto {
        match self.failures() {
            Some(converter) => converter.read_failure(Failure::from_proto(failure)).into_proto(),
            None => failure,
        }
    }

    /// Returns a failure's message as people can read it, for test environments. What cannot be decoded stays as it is.
    #[doc(hidden)]
    pub async fn failure_message(&self, mut failure: FailureProto) -> String {
        let encoded = failure.message.clone();
        let whose = Whose { namespace: "", owner: OwnerRef::Known(&Owner::Unknown) };
        match self.decode_all(&mut failure, whose).await {
            Ok(()) => Failure::from_proto(failure).message().to_owned(),
            Err(_) => encoded,
        }
    }

    fn failures(&self) -> Option<&dyn FailureConverter> {
        self.inner.as_ref()?.failures.as_deref()
    }

    /// Returns true if payloads are encoded, or stored elsewhere.
    pub(crate) fn has_codecs(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.changes_payloads())
    }

    /// Returns the kinds of the drivers of external storage.
    #[cfg(feature = "worker")]
    pub(crate) fn storage_kinds(&self) -> impl Iterator<Item = &str> {
        let storage = self.inner.as_ref().and_then(|inner| inner.storage.as_ref());
        storage.map(ExternalStorage::kinds).into_iter().flatten()
    }

    /// Encodes or decodes payloads that are not part of a message.
    #[cfg(feature = "codec-server")]
    pub(crate) async fn code_list(
        &self,
        mut payloads: Vec<Payload>,
        direction: Direction,
    ) -> Result<Vec<Payload>, CodecError> {
        if let Some(inner) = &self.inner {
            let slots = payloads.iter_mut().map(|payload| (0, payload)).collect();
            inner.code_payloads(slots, &[SerializationContext::Unknown], direction, |work| work).await?;
        }
        Ok(payloads)
    }

    /// Encodes a message in place for sending. After an error the message must not be used.
    ///
    /// # Errors
    /// Returns an error if a codec cannot encode it.
    pub(crate) async fn encode<M: PayloadFields + Send + ?Sized>(
        &self,
        message: &mut M,
        whose: Whose<'_>,
    ) -> Result<(), CodecError> {
        self.encode_with(message, whose, |work| work).await
    }

    /// Like [`encode`](Self::encode); `run` runs the codecs.
    ///
    /// # Errors
    /// Returns an error if a codec cannot encode it, or `run` returns one.
    pub(crate) async fn encode_with<M, F>(
        &self,
        message: &mut M,
        whose: Whose<'_>,
        run: impl FnOnce(CodecWork) -> F + Send,
    ) -> Result<(), CodecError>
    where
        M: PayloadFields + Send + ?Sized,
        F: Future<Output = CodedPayloads> + Send,
    {
        let Some(inner) = &self.inner else { return Ok(()) };
        if !inner.common_attributes && !inner.changes_payloads() {
            return Ok(());
        }
        each_failure(message, |failure| encode_common_attributes(failure, inner.common_attributes));
        // Boxed, because this future is part of every call and every task, and most have no codec.
        Box::pin(inner.code(message, whose, Direction::Encode, run)).await
    }

    /// Decodes a message from the server in place. After an error the message must not be used.
    ///
    /// # Errors
    /// Returns an error if a codec cannot decode it.
    pub(crate) async fn decode<M: PayloadFields + Send + ?Sized>(
        &self,
        message: &mut M,
        whose: Whose<'_>,
    ) -> Result<(), CodecError> {
        self.decode_with(message, whose, |work| work).await
    }

    /// Like [`decode`](Self::decode); `run` runs the codecs.
    ///
    /// # Errors
    /// Returns an error if a codec cannot decode it, or `run` returns one.
    pub(crate) async fn decode_with<M, F>(
        &self,
        message: &mut M,
        whose: Whose<'_>,
        run: impl FnOnce(CodecWork) -> F + Send,
    ) -> Result<(), CodecError>
    where
        M: PayloadFields + Send + ?Sized,
        F: Future<Output = CodedPayloads> + Send,
    {
        let Some(inner) = &self.inner else { return Ok(()) };
        Box::pin(inner.code(message, whose, Direction::Decode, run)).await
    }

    /// Like [`decode`](Self::decode), then applies the user's failure converter: for clients. Workers apply it where
    /// workflow code receives failures, because a local activity's failure has never been on the wire.
    ///
    /// # Errors
    /// Returns an error if a codec cannot decode it.
    pub(crate) async fn decode_all<M: PayloadFields + Send + ?Sized>(
        &self,
        message: &mut M,
        whose: Whose<'_>,
    ) -> Result<(), CodecError> {
        self.decode(message, whose).await?;
        if self.failures().is_some() {
            each_failure(message, |failure| *failure = self.read_failure(std::mem::take(failure)));
        }
        Ok(())
    }
}

impl Inner {
    fn changes_payloads(&self) -> bool {
        !self.codecs.is_empty() || self.storage.is_some()
    }

    async fn code<M, F>(
        self: &Arc<Self>,
        message: &mut M,
        whose: Whose<'_>,
        direction: Direction,
        run: impl FnOnce(CodecWork) -> F + Send,
    ) -> Result<(), CodecError>
    where
        M: PayloadFields + Send + ?Sized,
        F: Future<Output = CodedPayloads> + Send,
    {
        if !self.changes_payloads() {
            return Ok(());
        }
        let mut fields = Fields::payloads_of(whose.to_owner(), self.headers);
        message.payload_fields(&mut fields);
        let mut opened: Vec<_> = fields.bodies.into_iter().filter_map(|any| Some((Body::open(any)?, any))).collect();
        let inputs = fields.inputs.into_iter().filter_map(|input| Some((Body::open_input(input)?, input)));
        let mut inputs: Vec<_> = inputs.collect();
        // All bodies of a message have one owner.
        let of_bodies = fields.owners.len();
        let mut inner = Fields::payloads_of(fields.body_owner.clone(), self.headers);
        opened.iter_mut().for_each(|(body, _)| body.payload_fields(&mut inner));
        // Each input names its own.
        let mut of_inputs = Fields::payloads_of(Owner::Nexus, self.headers);
        inputs.iter_mut().for_each(|(body, _)| body.payload_fields(&mut of_inputs));
        let mut slots: Vec<_> = fields.payload_owners.into_iter().zip(fields.payloads).collect();
        slots.extend(inner.payloads.into_iter().map(|payload| (of_bodies, payload)));
        fields.owners.push(fields.body_owner);
        let first = fields.owners.len();
        let of_inputs_too = of_inputs.payload_owners.into_iter().zip(of_inputs.payloads);
        slots.extend(of_inputs_too.map(|(owner, payload)| (first + owner, payload)));
        fields.owners.extend(of_inputs.owners);
        if !slots.is_empty() {
            let context = |owner| SerializationContext::of(whose.namespace, owner);
            let contexts: Vec<_> = fields.owners.into_iter().map(context).collect();
            self.code_payloads(slots, &contexts, direction, run).await?;
        }
        for (body, any) in &mut opened {
            body.close(any);
        }
        for (body, input) in &mut inputs {
            body.close_input(input);
        }
        Ok(())
    }

    async fn code_payloads<F: Future<Output = CodedPayloads> + Send>(
        self: &Arc<Self>,
        mut slots: Vec<(usize, &mut Payload)>,
        contexts: &[SerializationContext],
        direction: Direction,
        run: impl FnOnce(CodecWork) -> F + Send,
    ) -> Result<(), CodecError> {
        // Equal contexts may have two places: in a message, and in the bodies within it.
        slots.sort_by_key(|(place, _)| contexts.iter().position(|context| *context == contexts[*place]));
        let mut groups: Vec<Group> = Vec::new();
        for (place, slot) in &mut slots {
            let payload = std::mem::take(&mut **slot);
            match groups.last_mut().filter(|group| group.context == contexts[*place]) {
                Some(group) => group.payloads.push(payload),
                None => groups.push(Group { context: contexts[*place].clone(), payloads: vec![payload] }),
            }
        }
        let this = Arc::clone(self);
        let work = async move {
            match direction {
                Direction::Encode => this.encode_all(groups).await,
                Direction::Decode => this.decode_all(groups).await,
            }
        };
        let payloads = run(Box::pin(work)).await?;
        for ((_, slot), payload) in slots.into_iter().zip(payloads) {
            *slot = payload;
        }
        Ok(())
    }

    async fn encode_all(&self, groups: Vec<Group>) -> CodedPayloads {
        let mut all = Vec::new();
        for Group { context, payloads } in groups {
            all.append(&mut self.codecs_over(&context, payloads, Direction::Encode).await?);
        }
        if let Some(storage) = &self.storage {
            storage.store(&mut all).await?;
        }
        Ok(all)
    }

    async fn decode_all(&self, groups: Vec<Group>) -> CodedPayloads {
        let mut all = Vec::new();
        for Group { context, mut payloads } in groups {
            self.retrieve(&context, &mut payloads).await?;
            all.append(&mut self.codecs_over(&context, payloads, Direction::Decode).await?);
        }
        Ok(all)
    }

    /// Replaces references by the payloads that are stored elsewhere.
    async fn retrieve(&self, context: &SerializationContext, payloads: &mut [Payload]) -> Result<(), CodecError> {
        // Other SDKs may write references that their codec has encoded.
        for payload in payloads.iter_mut() {
            if take_marker(payload) {
                let encoded = vec![std::mem::take(payload)];
                let decoded = self.codecs_over(context, encoded, Direction::Decode).await?;
                *payload = decoded.into_iter().next().unwrap_or_default();
            }
        }
        match &self.storage {
            Some(storage) => storage.retrieve(payloads).await,
            None => payloads
                .iter()
                .find(|payload| is_reference(payload))
                .map_or(Ok(()), |reference| Err(CodecError::new(not_configured(reference)))),
        }
    }

    async fn codecs_over(
        &self,
        context: &SerializationContext,
        payloads: Vec<Payload>,
        direction: Direction,
    ) -> CodedPayloads {
        if self.codecs.is_empty() {
            return Ok(payloads);
        }
        let (mut coded, mut external) = (Vec::with_capacity(payloads.len()), Vec::with_capacity(payloads.len()));
        for payload in payloads {
            external.push(payload.external_payloads);
            coded.push(RawPayload { metadata: payload.metadata.into_iter().collect(), data: payload.data });
        }
        for number in 0..self.codecs.len() {
            let codec = match direction {
                Direction::Encode => &self.codecs[number],
                Direction::Decode => &self.codecs[self.codecs.len() - 1 - number],
            };
            coded = run_codec(&**codec, direction, context, coded).await?;
        }
        let rebuilt = coded.into_iter().zip(external).map(|(coded, external_payloads)| Payload {
            metadata: coded.metadata.into_iter().collect(),
            data: coded.data,
            external_payloads,
        });
        Ok(rebuilt.collect())
    }
}

/// The payloads of a message that share a context.
struct Group {
    context: SerializationContext,
    payloads: Vec<Payload>,
}

impl fmt::Debug for DataConverter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner.as_deref().cloned().unwrap_or_default();
        f.debug_struct("DataConverter")
            .field("codecs", &inner.codecs.len())
            .field("encode_headers", &inner.headers)
            .field("encode_common_attributes", &inner.common_attributes)
            .field("has_failure_converter", &inner.failures.is_some())
            .field("external_storage", &inner.storage)
            .finish()
    }
}

/// Visits every failure in a message that is not the cause of another one, including those in protocol messages.
fn each_failure<M: PayloadFields + ?Sized>(message: &mut M, mut see: impl FnMut(&mut FailureProto)) {
    let mut fields = Fields::failures();
    message.payload_fields(&mut fields);
    fields.failures.into_iter().for_each(&mut see);
    for any in fields.bodies {
        let Some(mut body) = Body::open(any) else { continue };
        let mut inner = Fields::failures();
        body.payload_fields(&mut inner);
        if !inner.failures.is_empty() {
            inner.failures.into_iter().for_each(&mut see);
            body.close(any);
        }
    }
}

#[cfg(test)]
mod tests {
    use abide_protos::temporal::api::common::v1::Payloads;
    use abide_protos::temporal::api::workflowservice::v1::RespondActivityTaskFailedRequest;

    use super::super::{CodecResult, OwnerRef, to_payload};
    use super::*;

    const WHOSE: Whose<'_> = Whose { namespace: "default", owner: OwnerRef::Workflow("w") };

    /// Appends a letter to every payload, and removes it again.
    struct Letter(u8);

    impl PayloadCodec for Letter {
        async fn encode(&self, _: &SerializationContext, mut payloads: Vec<RawPayload>) -> CodecResult {
            payloads.iter_mut().for_each(|payload| payload.data.push(self.0));
            Ok(payloads)
        }

        async fn decode(&self, _: &SerializationContext, mut payloads: Vec<RawPayload>) -> CodecResult {
            for payload in &mut payloads {
                if payload.data.pop() != Some(self.0) {
                    return Err(format!("it does not end in {}", char::from(self.0)).into());
                }
            }
            Ok(payloads)
        }
    }

    /// Loses the first payload, or panics if there is only one.
    struct Broken;

    impl PayloadCodec for Broken {
        async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
            assert!(payloads.len() > 1, "too few");
            Ok(payloads.into_iter().skip(1).collect())
        }

        async fn decode(&self, _: &SerializationContext, _: Vec<RawPayload>) -> CodecResult {
            Err("no key".into())
        }
    }

    fn request(texts: &[&str]) -> RespondActivityTaskFailedRequest {
        let payloads = texts.iter().map(|text| to_payload(&text.to_string()).unwrap()).collect();
        RespondActivityTaskFailedRequest { last_heartbeat_details: Some(Payloads { payloads }), ..Default::default() }
    }

    fn texts(request: &RespondActivityTaskFailedRequest) -> Vec<String> {
        let payloads = request.last_heartbeat_details.iter().flat_map(|payloads| &payloads.payloads);
        payloads.map(|payload| String::from_utf8_lossy(&payload.data).into_owned()).collect()
    }

    #[tokio::test]
    async fn b131_codecs_are_a_chain_that_is_undone_from_its_end() {
        let converter = DataConverter::new().codec(Letter(b'x')).codec(Letter(b'y'));
        let mut message = request(&["one", "two"]);
        converter.encode(&mut message, WHOSE).await.unwrap();
        assert_eq!(texts(&message), ["\"one\"xy", "\"two\"xy"]);
        converter.decode(&mut message, WHOSE).await.unwrap();
        assert_eq!(message, request(&["one", "two"]));
    }

    #[tokio::test]
    async fn b131_a_codec_that_breaks_its_contract_is_told_apart() {
        let converter = DataConverter::new().codec(Broken);
        let error = converter.encode(&mut request(&["one", "two"]), WHOSE).await.unwrap_err().to_string();
        assert_eq!(error, "the payload codec got 2 payloads to encode and returned 1: expected the same number");
        let error = converter.encode(&mut request(&["one"]), WHOSE).await.unwrap_err().to_string();
        assert_eq!(error, "the payload codec panicked; it had 1 payloads to encode");
        let error = converter.decode(&mut request(&["one"]), WHOSE).await.unwrap_err().to_string();
        assert_eq!(error, "the payload codec failed to decode 1 payloads: no key");
        converter
            .encode(&mut request(&[]), WHOSE)
            .await
            .expect("there is nothing to encode, and nothing is asked of it");
    }

    #[tokio::test]
    async fn b131_common_attributes_go_through_the_codec_with_those_of_all_causes() {
        let cause = FailureProto { message: "inner".into(), stack_trace: "at x".into(), ..Default::default() };
        let failure = FailureProto { message: "outer".into(), cause: Some(Box::new(cause)), ..Default::default() };
        let mut message = RespondActivityTaskFailedRequest { failure: Some(failure), ..Default::default() };
        let converter = DataConverter::new().codec(Letter(b'x')).encode_common_attributes();
        converter.encode(&mut message, WHOSE).await.unwrap();
        let outer = message.failure.clone().unwrap();
        let inner = outer.cause.clone().unwrap();
        assert_eq!((outer.message.as_str(), inner.message.as_str()), ("Encoded failure", "Encoded failure"));
        assert_eq!(inner.stack_trace, "");
        let attributes = inner.encoded_attributes.unwrap();
        assert_eq!(attributes.data, b"{\"message\":\"inner\",\"stack_trace\":\"at x\"}x");

        converter.decode(&mut message, WHOSE).await.unwrap();
        let failure = Failure::from_proto(message.failure.clone().unwrap());
        assert_eq!(failure.to_string(), "outer: inner");
        assert_eq!(failure.root_cause().stack_trace(), "at x");

        // When passed on, they are not shown either, whatever this program's own failures are.
        let mut message =
            RespondActivityTaskFailedRequest { failure: Some(failure.into_proto()), ..Default::default() };
        DataConverter::new().codec(Letter(b'x')).encode(&mut message, WHOSE).await.unwrap();
        assert_eq!(message.failure.unwrap(), outer);
    }
}
