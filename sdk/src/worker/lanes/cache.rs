//! The idle runs of one lane, evicted in least-recently-used order.
//!
//! A run is taken out of the cache while it works on a task, so it cannot be evicted then. All operations are O(1): the
//! runs form a list that is linked through the indexes of a vector.

use std::collections::HashMap;
use std::rc::Rc;

const NONE: usize = usize::MAX;

/// Idle runs by run id, in the order of their last use.
pub(crate) struct RunCache<R> {
    by_id: HashMap<Rc<str>, usize>,
    entries: Vec<Entry<R>>,
    /// First free entry, linked through `newer`.
    free: usize,
    oldest: usize,
    newest: usize,
}

struct Entry<R> {
    /// `None` in a free entry.
    run: Option<(Rc<str>, R)>,
    older: usize,
    newer: usize,
}

impl<R> RunCache<R> {
    pub(crate) fn new() -> Self {
        Self { by_id: HashMap::new(), entries: Vec::new(), free: NONE, oldest: NONE, newest: NONE }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Takes a run out to work on it.
    pub(crate) fn take(&mut self, run_id: &str) -> Option<R> {
        let index = self.by_id.remove(run_id)?;
        self.remove(index).map(|(_, run)| run)
    }

    /// Puts a run in as the most recently used. Returns the run that was there under the same id.
    pub(crate) fn put(&mut self, run_id: &str, run: R) -> Option<R> {
        let replaced = self.take(run_id);
        let id: Rc<str> = run_id.into();
        let entry = Entry { run: Some((Rc::clone(&id), run)), older: self.newest, newer: NONE };
        let index = self.place(entry);
        match self.newest {
            NONE => self.oldest = index,
            newest => self.entries[newest].newer = index,
        }
        self.newest = index;
        self.by_id.insert(id, index);
        replaced
    }

    /// Takes out the least recently used run, with its id.
    pub(crate) fn evict(&mut self) -> Option<(Rc<str>, R)> {
        let index = self.oldest;
        let (id, _) = self.entries.get(index)?.run.as_ref()?;
        self.by_id.remove(id);
        self.remove(index)
    }

    fn place(&mut self, entry: Entry<R>) -> usize {
        match self.free {
            NONE => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
            index => {
                self.free = self.entries[index].newer;
                self.entries[index] = entry;
                index
            }
        }
    }

    /// Unlinks an entry and adds it to the free list.
    fn remove(&mut self, index: usize) -> Option<(Rc<str>, R)> {
        let Entry { run, older, newer } =
            std::mem::replace(&mut self.entries[index], Entry { run: None, older: NONE, newer: self.free });
        self.free = index;
        match older {
            NONE => self.oldest = newer,
            older => self.entries[older].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.entries[newer].older = older,
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evict<R>(cache: &mut RunCache<R>) -> Option<R> {
        cache.evict().map(|(_, run)| run)
    }

    #[test]
    fn the_run_not_used_for_the_longest_time_goes_first() {
        let mut cache = RunCache::new();
        for id in ["a", "b", "c"] {
            cache.put(id, id);
        }
        let a = cache.take("a").unwrap();
        cache.put("a", a);
        assert_eq!(evict(&mut cache), Some("b"));
        assert_eq!(evict(&mut cache), Some("c"));
        assert_eq!(evict(&mut cache), Some("a"));
        assert_eq!(evict(&mut cache), None);
    }

    #[test]
    fn a_run_that_was_taken_is_not_evicted() {
        let mut cache = RunCache::new();
        cache.put("a", 1);
        cache.put("b", 2);
        assert_eq!(cache.take("a"), Some(1));
        assert_eq!(evict(&mut cache), Some(2));
        assert_eq!(evict(&mut cache), None);
        assert_eq!(cache.take("a"), None);
    }

    #[test]
    fn a_run_put_twice_is_there_once() {
        let mut cache = RunCache::new();
        assert_eq!(cache.put("a", 1), None);
        assert_eq!(cache.put("a", 2), Some(1));
        assert_eq!((cache.len(), evict(&mut cache), cache.len()), (1, Some(2), 0));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8),
        Take(u8),
        Evict,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![(0u8..8).prop_map(Step::Put), (0u8..8).prop_map(Step::Take), Just(Step::Evict)]
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_plain_list_does(steps in prop::collection::vec(step(), 0..200)) {
            let mut cache = RunCache::new();
            let mut model: Vec<u8> = Vec::new();
            for step in steps {
                match step {
                    Step::Put(id) => {
                        let there = model.iter().position(|other| *other == id).map(|at| model.remove(at));
                        model.push(id);
                        prop_assert_eq!(cache.put(&id.to_string(), id), there);
                    }
                    Step::Take(id) => {
                        let there = model.iter().position(|other| *other == id).map(|at| model.remove(at));
                        prop_assert_eq!(cache.take(&id.to_string()), there);
                    }
                    Step::Evict => {
                        let oldest = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(evict(&mut cache), oldest);
                    }
                }
                prop_assert_eq!(cache.len(), model.len());
                prop_assert!(cache.entries.len() <= 8);
            }
        }
    }
}
