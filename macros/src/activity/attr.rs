//! Finds `#[activity]` on the methods of an impl block.

use syn::Attribute;

use crate::attr::{Options, is_ours, no_unfinished_policy};
use crate::diagnostics::Diagnostics;

/// Removes `#[activity]` from a method; `None` if it has none.
pub(crate) fn take_activity(attrs: &mut Vec<Attribute>, diagnostics: &mut Diagnostics) -> Option<Options> {
    let (ours, others): (Vec<_>, Vec<_>) =
        std::mem::take(attrs).into_iter().partition(|attr| is_ours(attr, "activity"));
    *attrs = others;
    let mut ours = ours.iter();
    let options = Options::of(ours.next()?, diagnostics);
    no_unfinished_policy(&options, diagnostics);
    for again in ours {
        diagnostics.error(again, "`#[activity]` is given twice");
    }
    Some(options)
}
