//! Recorded histories: loading, looking at, printing.

mod attributes;

pub(crate) use attributes::{
    attributes_field, command_attributes, command_type_name, event_attributes, event_type_name, event_type_number,
    long_name, payload_text,
};
