//! The search attributes that a namespace knows.

use std::collections::{BTreeMap, HashMap};

use abide_protos::temporal::api::enums::v1::IndexedValueType;
use abide_protos::temporal::api::operatorservice::v1::{
    AddSearchAttributesRequest, ListSearchAttributesRequest, RemoveSearchAttributesRequest,
};

use super::entry::Operator;
use crate::client::rpc_error::RpcError;
use crate::search_attributes::SearchAttributeKey;

/// Type of a search attribute's values (Temporal's `IndexedValueType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SearchAttributeType {
    /// A text, searched by its words.
    Text,
    /// A word or an id, compared as a whole.
    Keyword,
    /// A whole number.
    Int,
    /// A number.
    Double,
    /// A boolean.
    Bool,
    /// A time.
    Datetime,
    /// Several words or ids.
    KeywordList,
    /// A type that this version of Abide does not know.
    Unknown,
}

impl SearchAttributeType {
    /// Returns the type of a key's attribute.
    pub fn of<T>(key: &SearchAttributeKey<T>) -> Self {
        match key.type_name() {
            "Text" => Self::Text,
            "Keyword" => Self::Keyword,
            "Int" => Self::Int,
            "Double" => Self::Double,
            "Bool" => Self::Bool,
            "Datetime" => Self::Datetime,
            "KeywordList" => Self::KeywordList,
            _ => Self::Unknown,
        }
    }

    fn to_proto(self) -> i32 {
        (match self {
            Self::Text => IndexedValueType::Text,
            Self::Keyword => IndexedValueType::Keyword,
            Self::Int => IndexedValueType::Int,
            Self::Double => IndexedValueType::Double,
            Self::Bool => IndexedValueType::Bool,
            Self::Datetime => IndexedValueType::Datetime,
            Self::KeywordList => IndexedValueType::KeywordList,
            Self::Unknown => IndexedValueType::Unspecified,
        }) as i32
    }

    fn from_proto(value: i32) -> Self {
        match IndexedValueType::try_from(value) {
            Ok(IndexedValueType::Text) => Self::Text,
            Ok(IndexedValueType::Keyword) => Self::Keyword,
            Ok(IndexedValueType::Int) => Self::Int,
            Ok(IndexedValueType::Double) => Self::Double,
            Ok(IndexedValueType::Bool) => Self::Bool,
            Ok(IndexedValueType::Datetime) => Self::Datetime,
            Ok(IndexedValueType::KeywordList) => Self::KeywordList,
            Ok(IndexedValueType::Unspecified) | Err(_) => Self::Unknown,
        }
    }
}

/// The search attributes of a namespace, by name.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SearchAttributeList {
    /// Attributes that operators have added.
    pub custom: BTreeMap<String, SearchAttributeType>,
    /// Attributes that every namespace has.
    pub system: BTreeMap<String, SearchAttributeType>,
}

impl Operator {
    /// Adds a search attribute to the client's namespace. If it is there already, nothing changes, also if it has another
    /// type: [`list_search_attributes`](Self::list_search_attributes) tells it. A server may take a minute before
    /// workflows can use it.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_invalid_argument`](RpcError::is_invalid_argument) if the name is reserved, or no more
    /// attributes of this type fit in.
    pub async fn add_search_attribute<T>(&self, key: &SearchAttributeKey<T>) -> Result<(), RpcError> {
        self.add_search_attributes([(key.name(), SearchAttributeType::of(key))]).await
    }

    /// Adds several search attributes at once, as [`add_search_attribute`](Self::add_search_attribute) does.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_invalid_argument`](RpcError::is_invalid_argument) if a name is reserved, or no more
    /// attributes of a type fit in.
    pub async fn add_search_attributes<N: Into<String>>(
        &self,
        attributes: impl IntoIterator<Item = (N, SearchAttributeType)>,
    ) -> Result<(), RpcError> {
        let attributes = attributes.into_iter().map(|(name, kind)| (name.into(), kind.to_proto()));
        let request = AddSearchAttributesRequest {
            namespace: self.connection.namespace().to_string(),
            search_attributes: attributes.collect(),
        };
        self.connection.call(request).await.map(drop)
    }

    /// Removes a search attribute from the client's namespace. Workflows keep their values, but cannot be found by
    /// them.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_invalid_argument`](RpcError::is_invalid_argument) if it belongs to the system. If there is
    /// none, some servers fail with [`is_not_found`](RpcError::is_not_found), and others succeed.
    pub async fn remove_search_attribute(&self, name: impl Into<String>) -> Result<(), RpcError> {
        let request = RemoveSearchAttributesRequest {
            namespace: self.connection.namespace().to_string(),
            search_attributes: vec![name.into()],
        };
        self.connection.call(request).await.map(drop)
    }

    /// Lists the search attributes of the client's namespace.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed.
    pub async fn list_search_attributes(&self) -> Result<SearchAttributeList, RpcError> {
        let request = ListSearchAttributesRequest { namespace: self.connection.namespace().to_string() };
        let response = self.connection.call(request).await?;
        let read = |attributes: HashMap<String, i32>| {
            attributes.into_iter().map(|(name, kind)| (name, SearchAttributeType::from_proto(kind))).collect()
        };
        Ok(SearchAttributeList { custom: read(response.custom_attributes), system: read(response.system_attributes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_sent_and_read_as_itself_and_known_of_its_key() {
        use SearchAttributeType::{Bool, Datetime, Double, Int, Keyword, KeywordList, Text, Unknown};
        for kind in [Text, Keyword, Int, Double, Bool, Datetime, KeywordList, Unknown] {
            assert_eq!(SearchAttributeType::from_proto(kind.to_proto()), kind);
        }
        assert_eq!(SearchAttributeType::from_proto(99), Unknown);
        assert_eq!(SearchAttributeType::of(&SearchAttributeKey::text("a")), Text);
        assert_eq!(SearchAttributeType::of(&SearchAttributeKey::keyword("a")), Keyword);
        assert_eq!(SearchAttributeType::of(&SearchAttributeKey::int("a")), Int);
        assert_eq!(SearchAttributeType::of(&SearchAttributeKey::double("a")), Double);
        assert_eq!(SearchAttributeType::of(&SearchAttributeKey::bool("a")), Bool);
        assert_eq!(SearchAttributeType::of(&SearchAttributeKey::datetime("a")), Datetime);
        assert_eq!(SearchAttributeType::of(&SearchAttributeKey::keyword_list("a")), KeywordList);
    }
}
