//! Calls about schedules.

use std::time::SystemTime;

use abide_protos::temporal::api::common::v1::Memo;
use abide_protos::temporal::api::schedule::v1::SchedulePatch;
use abide_protos::temporal::api::workflowservice::v1::{
    CountSchedulesRequest, CreateScheduleRequest, DeleteScheduleRequest, DescribeScheduleRequest,
    ListScheduleMatchingTimesRequest, ListSchedulesRequest, PatchScheduleRequest, UpdateScheduleRequest,
};
use serde::Serialize;

use super::inputs::present;
use crate::client::{
    CreateScheduleCall, Schedule, ScheduleBackfill, ScheduleListEntry, ScheduleOverlapPolicy, UpdateScheduleCall,
};
use crate::converter::{PayloadError, from_payload, to_payload};
use crate::definition::PayloadValue;
use crate::duration::{time_from_proto, time_to_proto};
use crate::interceptor::rest::Rest;
use crate::search_attributes::{SearchAttributeKey, SearchAttributeUpdate, SearchAttributeValue, apply};

/// The creation of a schedule, as an [interceptor](super::ClientInterceptor::create_schedule) sees it. Triggers and
/// backfills at the creation are sent as the caller has set them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CreateScheduleInput {
    /// Schedule id.
    pub schedule_id: String,
    /// The schedule. Its action has the headers of the workflows that it starts.
    pub schedule: Schedule,
    /// Request id, by which the server recognizes a repeated creation.
    pub request_id: String,
    rest: Rest<Box<CreateScheduleRequest>>,
}

impl CreateScheduleInput {
    pub(crate) fn from_call(call: CreateScheduleCall) -> Self {
        let CreateScheduleCall { schedule, mut request } = call;
        let schedule_id = std::mem::take(&mut request.schedule_id);
        let request_id = std::mem::take(&mut request.request_id);
        Self { schedule_id, schedule, request_id, rest: Rest(request) }
    }

    pub(crate) fn into_call(self) -> CreateScheduleCall {
        let mut request = self.rest.0;
        request.schedule_id = self.schedule_id;
        request.request_id = self.request_id;
        CreateScheduleCall { schedule: self.schedule, request }
    }

    /// Returns the memo value of the schedule itself with that key; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the value is not a `T`. The error does not contain the value.
    pub fn memo<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        let value = self.rest.0.memo.as_ref().and_then(|memo| memo.fields.get(key));
        value.map(from_payload).transpose().map_err(|error| error.of(format_args!("memo `{key}`")))
    }

    /// Sets a memo value of the schedule itself, and replaces the one with that key.
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn set_memo<T: Serialize + 'static>(&mut self, key: impl Into<String>, value: &T) -> Result<(), PayloadError> {
        let key = key.into();
        let value = to_payload(value).map_err(|error| error.of(format_args!("memo `{key}`")))?;
        self.rest.0.memo.get_or_insert_with(Memo::default).fields.insert(key, value);
        Ok(())
    }

    /// Returns a search attribute of the schedule itself; `None` if it is not set, or has another type.
    pub fn search_attribute<T: SearchAttributeValue>(&self, key: &SearchAttributeKey<T>) -> Option<T> {
        key.read(self.rest.0.search_attributes.as_ref()?)
    }

    /// Sets or removes search attributes of the schedule itself. The others stay.
    pub fn set_search_attributes(&mut self, updates: impl IntoIterator<Item = SearchAttributeUpdate>) {
        let updates: Vec<SearchAttributeUpdate> = updates.into_iter().collect();
        apply(&updates, self.rest.0.search_attributes.get_or_insert_default());
    }
}

/// A description of a schedule, as an [interceptor](super::ClientInterceptor::describe_schedule) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DescribeScheduleInput {
    /// Schedule id.
    pub schedule_id: String,
    rest: Rest<DescribeScheduleRequest>,
}

impl DescribeScheduleInput {
    pub(crate) fn from_request(mut request: DescribeScheduleRequest) -> Self {
        Self { schedule_id: std::mem::take(&mut request.schedule_id), rest: Rest(request) }
    }

    pub(crate) fn into_request(self) -> DescribeScheduleRequest {
        DescribeScheduleRequest { schedule_id: self.schedule_id, ..self.rest.0 }
    }
}

/// An update of a schedule, as an [interceptor](super::ClientInterceptor::update_schedule) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpdateScheduleInput {
    /// Schedule id.
    pub schedule_id: String,
    /// The schedule as the caller has changed it.
    pub schedule: Schedule,
    /// Request id, by which the server recognizes a repeated update.
    pub request_id: String,
    rest: Rest<Box<UpdateScheduleRequest>>,
}

impl UpdateScheduleInput {
    pub(crate) fn from_call(call: UpdateScheduleCall) -> Self {
        let UpdateScheduleCall { schedule, mut request } = call;
        let schedule_id = std::mem::take(&mut request.schedule_id);
        let request_id = std::mem::take(&mut request.request_id);
        Self { schedule_id, schedule, request_id, rest: Rest(request) }
    }

    pub(crate) fn into_call(self) -> UpdateScheduleCall {
        let mut request = self.rest.0;
        request.schedule_id = self.schedule_id;
        request.request_id = self.request_id;
        UpdateScheduleCall { schedule: self.schedule, request }
    }
}

/// A pause, the end of a pause, a trigger or a backfill, as an [interceptor](super::ClientInterceptor::patch_schedule)
/// sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PatchScheduleInput {
    /// Schedule id.
    pub schedule_id: String,
    /// The note of a pause; `None` if the schedule is not paused by this call.
    pub pause: Option<String>,
    /// The note of the end of a pause; `None` if the call ends no pause.
    pub unpause: Option<String>,
    /// True if the schedule acts now.
    pub trigger: bool,
    /// The overlap policy of the trigger; `None` is that of the schedule.
    pub trigger_overlap: Option<ScheduleOverlapPolicy>,
    /// The ranges of times that the schedule goes through now.
    pub backfills: Vec<ScheduleBackfill>,
    /// Request id, by which the server recognizes a repeated call.
    pub request_id: String,
    rest: Rest<Box<PatchScheduleRequest>>,
}

impl PatchScheduleInput {
    pub(crate) fn from_request(mut request: PatchScheduleRequest) -> Self {
        let mut patch = request.patch.take().unwrap_or_default();
        let trigger = patch.trigger_immediately.as_ref();
        let input = Self {
            schedule_id: std::mem::take(&mut request.schedule_id),
            pause: present(std::mem::take(&mut patch.pause)),
            unpause: present(std::mem::take(&mut patch.unpause)),
            trigger: trigger.is_some(),
            trigger_overlap: trigger.and_then(|trigger| ScheduleOverlapPolicy::from_proto(trigger.overlap_policy)),
            backfills: std::mem::take(&mut patch.backfill_request).iter().map(ScheduleBackfill::from_proto).collect(),
            request_id: std::mem::take(&mut request.request_id),
            rest: Rest(Box::default()),
        };
        request.patch = Some(patch);
        Self { rest: Rest(Box::new(request)), ..input }
    }

    pub(crate) fn into_request(self) -> PatchScheduleRequest {
        let kept = *self.rest.0;
        let patch = kept.patch.unwrap_or_default();
        let trigger_immediately = self.trigger.then(|| {
            let mut trigger = patch.trigger_immediately.unwrap_or_default();
            trigger.overlap_policy = ScheduleOverlapPolicy::number(self.trigger_overlap, trigger.overlap_policy);
            trigger
        });
        PatchScheduleRequest {
            schedule_id: self.schedule_id,
            patch: Some(SchedulePatch {
                trigger_immediately,
                backfill_request: self.backfills.into_iter().map(ScheduleBackfill::to_proto).collect(),
                pause: self.pause.unwrap_or_default(),
                unpause: self.unpause.unwrap_or_default(),
            }),
            request_id: self.request_id,
            ..kept
        }
    }
}

/// The deletion of a schedule, as an [interceptor](super::ClientInterceptor::delete_schedule) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeleteScheduleInput {
    /// Schedule id.
    pub schedule_id: String,
    rest: Rest<DeleteScheduleRequest>,
}

impl DeleteScheduleInput {
    pub(crate) fn from_request(mut request: DeleteScheduleRequest) -> Self {
        Self { schedule_id: std::mem::take(&mut request.schedule_id), rest: Rest(request) }
    }

    pub(crate) fn into_request(self) -> DeleteScheduleRequest {
        DeleteScheduleRequest { schedule_id: self.schedule_id, ..self.rest.0 }
    }
}

/// The question at which times a schedule acts, as an [interceptor](super::ClientInterceptor::schedule_matching_times)
/// sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScheduleMatchingTimesInput {
    /// Schedule id.
    pub schedule_id: String,
    /// The start of the range of times.
    pub start_time: SystemTime,
    /// The end of the range of times.
    pub end_time: SystemTime,
    rest: Rest<ListScheduleMatchingTimesRequest>,
}

impl ScheduleMatchingTimesInput {
    pub(crate) fn from_request(mut request: ListScheduleMatchingTimesRequest) -> Self {
        Self {
            schedule_id: std::mem::take(&mut request.schedule_id),
            start_time: request.start_time.take().as_ref().map_or(SystemTime::UNIX_EPOCH, time_from_proto),
            end_time: request.end_time.take().as_ref().map_or(SystemTime::UNIX_EPOCH, time_from_proto),
            rest: Rest(request),
        }
    }

    pub(crate) fn into_request(self) -> ListScheduleMatchingTimesRequest {
        ListScheduleMatchingTimesRequest {
            schedule_id: self.schedule_id,
            start_time: Some(time_to_proto(self.start_time)),
            end_time: Some(time_to_proto(self.end_time)),
            ..self.rest.0
        }
    }
}

/// A call for one page of a list of schedules, as an [interceptor](super::ClientInterceptor::list_schedules) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListSchedulesInput {
    /// The visibility query. It must be the same for all pages of a list.
    pub query: String,
    /// Maximum number of schedules in the page; `None` leaves it to the server.
    pub page_size: Option<u32>,
    rest: Rest<ListSchedulesRequest>,
}

impl ListSchedulesInput {
    pub(crate) fn from_request(mut request: ListSchedulesRequest) -> Self {
        let query = std::mem::take(&mut request.query);
        let page_size = u32::try_from(request.maximum_page_size).ok().filter(|size| *size > 0);
        Self { query, page_size, rest: Rest(request) }
    }

    pub(crate) fn into_request(self) -> ListSchedulesRequest {
        let maximum_page_size = self.page_size.map_or(0, |size| i32::try_from(size).unwrap_or(i32::MAX));
        ListSchedulesRequest { query: self.query, maximum_page_size, ..self.rest.0 }
    }

    /// Returns true for the first page of a list.
    pub fn is_first_page(&self) -> bool {
        self.rest.0.next_page_token.is_empty()
    }
}

/// One page of a list of schedules.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SchedulePage {
    /// The schedules of the page. An interceptor may remove some.
    pub schedules: Vec<ScheduleListEntry>,
    pub(crate) next_page_token: Vec<u8>,
}

impl SchedulePage {
    /// Creates the only page of an interceptor that does not pass the call on.
    pub fn new(schedules: Vec<ScheduleListEntry>) -> Self {
        Self { schedules, next_page_token: Vec::new() }
    }

    /// Returns true for the last page of a list.
    pub fn is_last_page(&self) -> bool {
        self.next_page_token.is_empty()
    }
}

/// A count of schedules, as an [interceptor](super::ClientInterceptor::count_schedules) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CountSchedulesInput {
    /// The visibility query.
    pub query: String,
    rest: Rest<CountSchedulesRequest>,
}

impl CountSchedulesInput {
    pub(crate) fn from_request(mut request: CountSchedulesRequest) -> Self {
        Self { query: std::mem::take(&mut request.query), rest: Rest(request) }
    }

    pub(crate) fn into_request(self) -> CountSchedulesRequest {
        CountSchedulesRequest { query: self.query, ..self.rest.0 }
    }
}
