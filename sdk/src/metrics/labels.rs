//! Labels of series: sorted by name, each name once.

use std::sync::Arc;

pub(super) type Label = (Box<str>, Box<str>);

/// The labels of a series or of a meter. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Labels(Arc<[Label]>);

impl Labels {
    /// Returns these labels and one more. If the name is there already, the new value replaces the old one.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let label = (name.into(), value.into());
        let mut all = self.0.to_vec();
        match all.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(at) => all[at] = label,
            Err(at) => all.insert(at, label),
        }
        Self(all.into())
    }

    pub(crate) fn as_slice(&self) -> &[Label] {
        &self.0
    }
}
