//! A text for people, with the messages of failures that a data converter may have encoded.

use std::fmt;

use super::api::failure::Failure;

/// A text with the messages of failures, which may be encoded.
#[derive(Clone, Default)]
pub struct Told(Vec<Part>);

#[derive(Clone)]
enum Part {
    Text(String),
    Message(Box<Failure>),
}

/// As it reads: of a failure only the message, not its details.
impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Told({self})")
    }
}

impl Told {
    /// Adds a text.
    pub fn push(&mut self, text: impl Into<String>) {
        self.0.push(Part::Text(text.into()));
    }

    /// Adds the message of a failure, if there is one.
    pub(crate) fn push_message(&mut self, failure: Option<&Failure>) {
        self.0.extend(failure.map(|failure| Part::Message(Box::new(failure.clone()))));
    }

    /// Adds another such text.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns the failures whose messages are in the text, to decode them in place.
    pub fn failures_mut(&mut self) -> impl Iterator<Item = &mut Failure> {
        self.0.iter_mut().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Message(failure) => Some(&mut **failure),
        })
    }
}

impl<T: Into<String>> From<T> for Told {
    fn from(text: T) -> Self {
        Self(vec![Part::Text(text.into())])
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Message(failure) => f.write_str(&failure.message),
        })
    }
}
