//! Search attributes: indexed, typed fields for listing workflows.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::SystemTime;

use abide_protos::Timestamp;
use abide_protos::temporal::api::common::v1::{Payload, SearchAttributes as SearchAttributesProto};

use crate::converter::{PayloadError, from_payload, to_payload};
use crate::debug_only::debug_only;
use crate::duration::time_from_proto;

/// The metadata key for the type of a search attribute.
const TYPE: &str = "type";

/// Name and type of a search attribute. Define one constant for each attribute that your workflows use.
///
/// The attribute must be registered with the server under this name and type
/// (`temporal operator search-attribute create`).
///
/// ```
/// use abide::SearchAttributeKey;
/// # use abide::prelude::*;
/// const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("CustomerId");
/// const ITEMS: SearchAttributeKey<i64> = SearchAttributeKey::int("Items");
///
/// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
/// ctx.upsert_search_attributes([CUSTOMER.set("alice"), ITEMS.set(3)]);
/// assert_eq!(ctx.search_attribute(&ITEMS), Some(3));
/// ctx.upsert_search_attributes([ITEMS.unset()]);
/// # Ok(()) }
/// ```
pub struct SearchAttributeKey<T> {
    name: Cow<'static, str>,
    type_name: &'static str,
    value: PhantomData<fn() -> T>,
}

/// A change of a search attribute, made with [`SearchAttributeKey::set`] or [`SearchAttributeKey::unset`].
#[derive(Clone)]
#[must_use = "a search attribute does nothing until it is upserted or given to a start"]
pub struct SearchAttributeUpdate {
    pub(crate) name: Cow<'static, str>,
    pub(crate) payload: Payload,
}

debug_only!(impl[] SearchAttributeUpdate, |this| { name: this.name });

/// A type of search attribute values.
pub trait SearchAttributeValue: sealed::Value {}

impl<T: sealed::Value> SearchAttributeValue for T {}

impl SearchAttributeKey<String> {
    /// A word or an id, compared as a whole (type `Keyword`).
    pub const fn keyword(name: &'static str) -> Self {
        Self::new(name, "Keyword")
    }

    /// A text, searched by its words (type `Text`).
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, "Text")
    }
}

impl SearchAttributeKey<Vec<String>> {
    /// Several words or ids (type `KeywordList`).
    pub const fn keyword_list(name: &'static str) -> Self {
        Self::new(name, "KeywordList")
    }
}

impl SearchAttributeKey<i64> {
    /// A whole number (type `Int`).
    pub const fn int(name: &'static str) -> Self {
        Self::new(name, "Int")
    }
}

impl SearchAttributeKey<f64> {
    /// A number (type `Double`).
    pub const fn double(name: &'static str) -> Self {
        Self::new(name, "Double")
    }
}

impl SearchAttributeKey<bool> {
    /// A boolean (type `Bool`).
    pub const fn bool(name: &'static str) -> Self {
        Self::new(name, "Bool")
    }
}

impl SearchAttributeKey<SystemTime> {
    /// A time, with nanosecond precision (type `Datetime`).
    pub const fn datetime(name: &'static str) -> Self {
        Self::new(name, "Datetime")
    }
}

impl<T> SearchAttributeKey<T> {
    const fn new(name: &'static str, type_name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), type_name, value: PhantomData }
    }

    /// Returns an attribute of the same type with another name, which may be known only at run time.
    ///
    /// ```
    /// # use abide::SearchAttributeKey;
    /// const ITEMS: SearchAttributeKey<i64> = SearchAttributeKey::int("Items");
    /// let region = "Europe";
    /// assert_eq!(ITEMS.with_name(format!("Items{region}")).name(), "ItemsEurope");
    /// ```
    pub fn with_name(&self, name: impl Into<String>) -> Self {
        Self { name: Cow::Owned(name.into()), type_name: self.type_name, value: PhantomData }
    }

    /// Returns the name of the attribute.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the attribute's type, as servers spell it: `Keyword`, `Int`.
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Removes the attribute's value.
    pub fn unset(&self) -> SearchAttributeUpdate {
        self.update(to_payload(&()))
    }

    fn update(&self, payload: Result<Payload, PayloadError>) -> SearchAttributeUpdate {
        let mut payload = payload.expect("texts, numbers, lists of texts and nothing always convert");
        payload.metadata.insert(TYPE.to_string(), self.type_name.as_bytes().to_vec());
        SearchAttributeUpdate { name: self.name.clone(), payload }
    }
}

impl<T: SearchAttributeValue> SearchAttributeKey<T> {
    /// Sets the attribute's value.
    pub fn set(&self, value: impl Into<T>) -> SearchAttributeUpdate {
        self.update(value.into().write())
    }

    /// Returns the attribute's value; `None` if it is not set, or has another type.
    pub(crate) fn read(&self, all: &SearchAttributesProto) -> Option<T> {
        T::read(all.indexed_fields.get(&*self.name)?)
    }
}

impl<T> Clone for SearchAttributeKey<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), type_name: self.type_name, value: PhantomData }
    }
}

impl<T> fmt::Debug for SearchAttributeKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.type_name)
    }
}

/// Applies changes to attributes.
pub(crate) fn apply(updates: &[SearchAttributeUpdate], to: &mut SearchAttributesProto) {
    for update in updates {
        if is_nothing(&update.payload) {
            to.indexed_fields.remove(&*update.name);
        } else {
            to.indexed_fields.insert(update.name.to_string(), update.payload.clone());
        }
    }
}

/// Returns true if a payload represents no value (encoding `binary/null`).
pub(crate) fn is_nothing(payload: &Payload) -> bool {
    payload.metadata.get("encoding").is_some_and(|encoding| encoding == b"binary/null")
}

/// A struct of search attributes, with `#[derive(SearchAttributes)]`.
///
/// For an example see the [derive macro](derive@crate::SearchAttributes).
pub trait SearchAttributes: Sized {
    /// Returns the changes that set all attributes. A field that is `None` removes its attribute.
    fn into_updates(self) -> Vec<SearchAttributeUpdate>;

    /// Reads all attributes; `None` if one is not set whose field is not an `Option`.
    #[doc(hidden)]
    fn read(all: &SearchAttributesReader<'_>) -> Option<Self>;
}

/// The attributes of a run, for the derive macro.
pub struct SearchAttributesReader<'a>(pub(crate) Option<&'a SearchAttributesProto>);

debug_only!(impl[] SearchAttributesReader<'_>, |_| {});

/// The type of a field that is a search attribute.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a search attribute",
    label = "expected one of the server's types",
    note = "use `String`, `Vec<String>`, `i64`, `f64`, `bool`, `std::time::SystemTime`, or an `Option` of one of them"
)]
pub trait AttributeField: Sized {
    /// The type of the value.
    type Value: SearchAttributeValue;

    /// Returns the key with this name.
    fn key(name: &'static str) -> SearchAttributeKey<Self::Value>;

    /// Returns the change that sets the attribute.
    fn update(self, key: &SearchAttributeKey<Self::Value>) -> SearchAttributeUpdate;

    /// Reads the attribute; `None` if it is required and not set.
    fn read(key: &SearchAttributeKey<Self::Value>, all: &SearchAttributesReader<'_>) -> Option<Self>;
}

/// The type of a field that is a search attribute of type `Text`.
#[diagnostic::on_unimplemented(
    message = "a search attribute of type `Text` is a `String`, not `{Self}`",
    label = "expected `String` or `Option<String>`",
    note = "remove `text` from the field's attribute"
)]
pub trait TextField: AttributeField<Value = String> {
    /// Returns the key with this name.
    fn text_key(name: &'static str) -> SearchAttributeKey<String> {
        SearchAttributeKey::text(name)
    }
}

#[diagnostic::do_not_recommend]
impl TextField for String {}

#[diagnostic::do_not_recommend]
impl TextField for Option<String> {}

macro_rules! attribute_fields {
    ($($type:ty: $key:ident),*) => {$(
        #[diagnostic::do_not_recommend]
        impl AttributeField for $type {
            type Value = Self;

            fn key(name: &'static str) -> SearchAttributeKey<Self> {
                SearchAttributeKey::$key(name)
            }

            fn update(self, key: &SearchAttributeKey<Self>) -> SearchAttributeUpdate {
                key.set(self)
            }

            fn read(key: &SearchAttributeKey<Self>, all: &SearchAttributesReader<'_>) -> Option<Self> {
                key.read(all.0?)
            }
        }

        #[diagnostic::do_not_recommend]
        impl AttributeField for Option<$type> {
            type Value = $type;

            fn key(name: &'static str) -> SearchAttributeKey<$type> {
                SearchAttributeKey::$key(name)
            }

            fn update(self, key: &SearchAttributeKey<$type>) -> SearchAttributeUpdate {
                self.map_or_else(|| key.unset(), |value| key.set(value))
            }

            fn read(key: &SearchAttributeKey<$type>, all: &SearchAttributesReader<'_>) -> Option<Self> {
                Some(all.0.and_then(|all| key.read(all)))
            }
        }
    )*};
}

attribute_fields! {
    String: keyword, Vec<String>: keyword_list, i64: int, f64: double, bool: bool, SystemTime: datetime
}

mod sealed {
    use super::{Payload, PayloadError, SystemTime, Timestamp, from_payload, time_from_proto, to_payload};

    /// Implemented only for the seven types that the server knows.
    pub trait Value: Sized {
        #[doc(hidden)]
        fn write(&self) -> Result<Payload, PayloadError>;
        #[doc(hidden)]
        fn read(payload: &Payload) -> Option<Self>;
    }

    macro_rules! json_values {
        ($($type:ty),*) => {$(
            impl Value for $type {
                fn write(&self) -> Result<Payload, PayloadError> {
                    to_payload(self)
                }

                fn read(payload: &Payload) -> Option<Self> {
                    // The server sometimes returns a single value as a list with one element.
                    from_payload(payload).ok().or_else(|| from_payload::<Vec<$type>>(payload).ok()?.pop())
                }
            }
        )*};
    }
    json_values!(String, i64, f64, bool, Vec<String>);

    impl Value for SystemTime {
        fn write(&self) -> Result<Payload, PayloadError> {
            to_payload(&Timestamp::from(*self).to_string())
        }

        fn read(payload: &Payload) -> Option<Self> {
            let text: String = Value::read(payload)?;
            Some(time_from_proto(&text.parse::<Timestamp>().ok()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn round_trip<T: SearchAttributeValue + Clone>(key: SearchAttributeKey<T>, value: T) -> (String, Option<T>) {
        let update = key.set(value);
        let shown = format!(
            "{} {}",
            String::from_utf8_lossy(&update.payload.metadata[TYPE]),
            String::from_utf8_lossy(&update.payload.data)
        );
        let mut all = SearchAttributesProto::default();
        apply(&[update], &mut all);
        (shown, key.read(&all))
    }

    #[test]
    fn each_type_is_written_with_its_name_and_read_back() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_767_225_600, 5_000_000);
        let text = "a b".to_string();
        let list = vec!["x".to_string(), "y".to_string()];
        assert_eq!(
            round_trip(SearchAttributeKey::keyword("A"), text.clone()),
            ("Keyword \"a b\"".into(), Some(text.clone()))
        );
        assert_eq!(round_trip(SearchAttributeKey::text("A"), text.clone()), ("Text \"a b\"".into(), Some(text)));
        assert_eq!(round_trip(SearchAttributeKey::int("A"), 7), ("Int 7".into(), Some(7)));
        assert_eq!(round_trip(SearchAttributeKey::double("A"), 0.5), ("Double 0.5".into(), Some(0.5)));
        assert_eq!(round_trip(SearchAttributeKey::bool("A"), true), ("Bool true".into(), Some(true)));
        let written = round_trip(SearchAttributeKey::keyword_list("A"), list.clone());
        assert_eq!(written, ("KeywordList [\"x\",\"y\"]".into(), Some(list)));
        let written = round_trip(SearchAttributeKey::datetime("A"), time);
        assert_eq!(written, ("Datetime \"2026-01-01T00:00:00.005Z\"".into(), Some(time)));
    }

    #[test]
    fn an_unset_attribute_is_gone_and_a_value_of_another_type_reads_as_none() {
        const NUMBER: SearchAttributeKey<i64> = SearchAttributeKey::int("Number");
        let mut all = SearchAttributesProto::default();
        apply(&[NUMBER.set(1)], &mut all);
        assert_eq!(SearchAttributeKey::bool("Number").read(&all), None);
        apply(&[NUMBER.unset()], &mut all);
        assert_eq!((NUMBER.read(&all), all.indexed_fields.len()), (None, 0));
    }
}
