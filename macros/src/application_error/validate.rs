//! Every rule for application errors, one message each, at the token that breaks it.

use super::model::{Model, Variant};
use crate::diagnostics::Diagnostics;

pub(crate) fn model(model: &Model, diagnostics: &mut Diagnostics) {
    if model.variants.is_empty() {
        diagnostics.error(&model.ident, "there is no error here: an `ApplicationError` needs a variant");
    }
    for (index, variant) in model.variants.iter().enumerate() {
        if variant.options.message.is_none() {
            diagnostics
                .error(&variant.ident, format!("`{}` has no message: put `#[error(\"..\")]` on it", variant.ident));
        }
        let error_type = variant.error_type();
        if model.variants[..index].iter().any(|other| other.error_type() == error_type) {
            let text = format!("two variants have the error type `{error_type}`: callers could not tell them apart");
            match &variant.options.error_type {
                Some(written) => diagnostics.error(written, text),
                None => diagnostics.error(&variant.ident, text),
            }
        }
        causes(variant, diagnostics);
    }
}

/// thiserror's attributes for causes.
fn causes(variant: &Variant, diagnostics: &mut Diagnostics) {
    let attributes = variant.fields.iter().flat_map(|field| &field.attrs);
    for attribute in
        attributes.filter(|attribute| attribute.path().is_ident("from") || attribute.path().is_ident("source"))
    {
        diagnostics.error(
            attribute,
            "the fields of an `ApplicationError` travel to its caller, which an error of another type cannot: keep its \
             text in a `String`, or let `?` return it as it is",
        );
    }
}
