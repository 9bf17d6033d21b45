//! Visibility: lists and counts of runs, their query language, and search attributes.

pub(super) mod filter;
mod query;
pub(super) mod requests;
mod search_attributes;
mod tokens;

pub(crate) use self::search_attributes::{Registered, VALUE_LIMIT, keyword, keyword_list};
