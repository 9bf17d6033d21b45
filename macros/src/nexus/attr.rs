//! Finds `#[nexus_operation]` and `#[nexus_cancel]` on the methods of an impl block.

use proc_macro2::Ident;
use syn::{Attribute, Meta};

use crate::attr::is_ours;
use crate::diagnostics::Diagnostics;

/// Role of a method.
pub(crate) enum Marked {
    /// Starts the operation of its name.
    Operation,
    /// Cancels this operation. `None` if the attribute does not name it.
    Cancel(Option<Ident>),
}

/// Removes our attributes from a method; `None` if it has none.
pub(crate) fn take(attrs: &mut Vec<Attribute>, diagnostics: &mut Diagnostics) -> Option<Marked> {
    let is_marked = |attr: &Attribute| is_ours(attr, "nexus_operation") || is_ours(attr, "nexus_cancel");
    let (ours, others): (Vec<_>, Vec<_>) = std::mem::take(attrs).into_iter().partition(is_marked);
    *attrs = others;
    let mut ours = ours.iter();
    let first = ours.next()?;
    for again in ours {
        diagnostics.error(again, "this method has a role already: it starts an operation or cancels one");
    }
    if is_ours(first, "nexus_cancel") {
        return Some(Marked::Cancel(cancelled(first, diagnostics)));
    }
    if !matches!(first.meta, Meta::Path(_)) {
        let text = "`#[nexus_operation]` takes no options here: the method has the name of the contract's function, and the \
                    contract has the name on the wire";
        diagnostics.error(first, text);
    }
    Some(Marked::Operation)
}

/// Returns the method named in `#[nexus_cancel(method)]`.
fn cancelled(attr: &Attribute, diagnostics: &mut Diagnostics) -> Option<Ident> {
    let named = match &attr.meta {
        Meta::List(list) => syn::parse2::<Ident>(list.tokens.clone()).ok(),
        Meta::Path(_) | Meta::NameValue(_) => None,
    };
    if named.is_none() {
        diagnostics.error(attr, "expected the method of the operation: `#[nexus_cancel(method)]`");
    }
    named
}
