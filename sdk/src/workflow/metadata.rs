//! Texts for people: what a command's summary is on the wire.

use abide_protos::temporal::api::sdk::v1::UserMetadata;

use crate::converter::to_payload;

/// A summary as the web UI shows it beside the event. A text always converts; one that did not would be left out.
pub(crate) fn user_metadata(summary: Option<String>) -> Option<UserMetadata> {
    let summary = to_payload(&summary?).ok()?;
    Some(UserMetadata { summary: Some(summary), details: None })
}

/// As [`user_metadata`], with a longer text beside the summary.
pub(crate) fn summary_and_details(summary: Option<String>, details: Option<String>) -> Option<UserMetadata> {
    let payload = |text: Option<String>| text.and_then(|text| to_payload(&text).ok());
    let (summary, details) = (payload(summary), payload(details));
    (summary.is_some() || details.is_some()).then_some(UserMetadata { summary, details })
}
