//! Texts for people: the summary of a command, and the workflow's description of its own state.

use abide_protos::temporal::api::sdk::v1::UserMetadata;

use super::context::WorkflowContext;
use crate::converter::to_payload;

impl WorkflowContext {
    /// Describes the workflow's current state in one or more lines, for people who look at the workflow. The web UI
    /// shows the text as Markdown. It is in no event: readers get the latest text through a query.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// ctx.set_current_details("waiting for the **customer's** approval");
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn set_current_details(&self, details: impl Into<String>) {
        self.shared.must_not_be_read_only("a change of the current details");
        *self.shared.current_details.borrow_mut() = details.into().into_boxed_str();
    }

    /// The last text given to [`set_current_details`](Self::set_current_details); empty before.
    pub fn current_details(&self) -> String {
        self.shared.current_details.borrow().to_string()
    }
}

/// Converts a summary, which the web UI shows beside the event. A text always converts; one that did not would be left
/// out.
pub(crate) fn user_metadata(summary: Option<String>) -> Option<UserMetadata> {
    let summary = to_payload(&summary?).ok()?;
    Some(UserMetadata { summary: Some(summary), details: None })
}

/// Like [`user_metadata`], with a longer text beside the summary.
pub(crate) fn summary_and_details(summary: Option<String>, details: Option<String>) -> Option<UserMetadata> {
    let payload = |text: Option<String>| text.and_then(|text| to_payload(&text).ok());
    let (summary, details) = (payload(summary), payload(details));
    (summary.is_some() || details.is_some()).then_some(UserMetadata { summary, details })
}
