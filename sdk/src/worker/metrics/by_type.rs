//! Handles by the name of a type: looked up by a borrowed name, made once.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Maximum number of types that are remembered. Dynamic workflows and activities have names without end.
const MOST: usize = 1000;

pub(super) struct ByType<T> {
    known: RwLock<HashMap<Box<str>, Arc<T>>>,
}

impl<T> ByType<T> {
    pub(super) fn new() -> Self {
        Self { known: RwLock::default() }
    }

    /// Returns what belongs to that type, made if it is not known yet.
    pub(super) fn get(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let found = self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).map(Arc::clone);
        found.unwrap_or_else(|| {
            let made = Arc::new(make());
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MOST {
                // Only handles are forgotten. The next ones lead to the same series.
                known.clear();
            }
            known.insert(name.into(), Arc::clone(&made));
            made
        })
    }
}

impl<T> fmt::Debug for ByType<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByType").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_made_once_and_their_number_is_bounded() {
        let types = ByType::new();
        assert_eq!(*types.get("order", || 1), 1);
        assert_eq!(*types.get("order", || 2), 1);
        for number in 0..3 * MOST {
            types.get(&format!("type-{number}"), || 0);
        }
        assert!(types.known.read().unwrap().len() <= MOST);
    }
}
