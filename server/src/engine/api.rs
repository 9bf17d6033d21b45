//! Short names for the packages of Temporal's API that the engine uses.

pub(crate) use abide_protos::temporal::api::activity::v1 as activity;
pub(crate) use abide_protos::temporal::api::command::v1 as command;
pub(crate) use abide_protos::temporal::api::common::v1 as common;
pub(crate) use abide_protos::temporal::api::deployment::v1 as deployment;
pub(crate) use abide_protos::temporal::api::enums::v1 as enums;
pub(crate) use abide_protos::temporal::api::errordetails::v1 as errordetails;
pub(crate) use abide_protos::temporal::api::failure::v1 as failure;
pub(crate) use abide_protos::temporal::api::history::v1 as history;
pub(crate) use abide_protos::temporal::api::history::v1::HistoryEvent;
pub(crate) use abide_protos::temporal::api::history::v1::history_event::Attributes;
pub(crate) use abide_protos::temporal::api::namespace::v1 as namespace;
pub(crate) use abide_protos::temporal::api::nexus::v1 as nexus;
pub(crate) use abide_protos::temporal::api::operatorservice::v1 as operator;
pub(crate) use abide_protos::temporal::api::protocol::v1 as protocol;
pub(crate) use abide_protos::temporal::api::query::v1 as query;
pub(crate) use abide_protos::temporal::api::sdk::v1 as sdk;
pub(crate) use abide_protos::temporal::api::taskqueue::v1 as taskqueue;
pub(crate) use abide_protos::temporal::api::update::v1 as update;
pub(crate) use abide_protos::temporal::api::workflow::v1 as workflow;
pub(crate) use abide_protos::temporal::api::workflowservice::v1 as service;
