//! Memo and search attributes of a workflow or a schedule: the methods of all types that have both.

/// Methods that read them. `$memo` and `$attributes` are the optional messages.
macro_rules! read_memo_and_attributes {
    ($this:ident => $memo:expr, $attributes:expr) => {
        /// Returns the memo value with that key; `None` if there is none.
        ///
        /// # Errors
        /// Returns an error if the value is not a `T`. The error does not contain the value.
        pub fn memo<T: $crate::PayloadValue>(
            &$this,
            key: &str,
        ) -> Result<Option<T>, $crate::converter::PayloadError> {
            let value = $memo.as_ref().and_then(|memo| memo.fields.get(key));
            let read = value.map($crate::converter::from_payload).transpose();
            read.map_err(|error| error.of(format_args!("memo `{key}`")))
        }

        $crate::memo_and_attributes::read_attributes!($this => $attributes);
    };
}

/// Methods that read and change them, for interceptors.
macro_rules! memo_and_attributes {
    ($this:ident => $memo:expr, $attributes:expr) => {
        $crate::memo_and_attributes::read_memo_and_attributes!($this => $memo, $attributes);

        /// Sets a memo value, and replaces the one with that key.
        ///
        /// # Errors
        /// Returns an error if serde refuses the value.
        pub fn set_memo<T: serde::Serialize + 'static>(
            &mut $this,
            key: impl Into<String>,
            value: &T,
        ) -> Result<(), $crate::converter::PayloadError> {
            let key = key.into();
            let value = $crate::converter::to_payload(value).map_err(|error| error.of(format_args!("memo `{key}`")))?;
            $memo.get_or_insert_default().fields.insert(key, value);
            Ok(())
        }

        $crate::memo_and_attributes::set_attributes!($this => $attributes);
    };
}

/// Methods that read search attributes.
macro_rules! read_attributes {
    ($this:ident => $attributes:expr) => {
        /// Returns a search attribute; `None` if it is not set, or has another type than the key.
        pub fn search_attribute<T: $crate::SearchAttributeValue>(
            &$this,
            key: &$crate::SearchAttributeKey<T>,
        ) -> Option<T> {
            key.read($attributes.as_ref()?)
        }

        /// Returns the search attributes as a struct with
        /// [`#[derive(SearchAttributes)]`](derive@crate::SearchAttributes); `None` if one of them is not set whose field
        /// is not an `Option`.
        pub fn search_attributes<T: $crate::SearchAttributes>(&$this) -> Option<T> {
            T::read(&$crate::search_attributes::SearchAttributesReader($attributes.as_ref()))
        }
    };
}

/// The method that changes search attributes.
macro_rules! set_attributes {
    ($this:ident => $attributes:expr) => {
        /// Sets or removes search attributes. The others stay.
        pub fn set_search_attributes(&mut $this, updates: impl IntoIterator<Item = $crate::SearchAttributeUpdate>) {
            let updates: Vec<$crate::SearchAttributeUpdate> = updates.into_iter().collect();
            $crate::search_attributes::apply(&updates, $attributes.get_or_insert_default());
        }
    };
}
pub(crate) use memo_and_attributes;
pub(crate) use read_attributes;
pub(crate) use read_memo_and_attributes;
pub(crate) use set_attributes;
