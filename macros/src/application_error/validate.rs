//! The rules for application errors, each with a message at the token that breaks it.

use super::message::unknown_names;
use super::model::{Model, Variant};
use crate::diagnostics::Diagnostics;

pub(crate) fn model(model: &Model, diagnostics: &mut Diagnostics) {
    if model.variants.is_empty() {
        diagnostics.error(&model.ident, "this enum has no error: an `ApplicationError` needs a variant");
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
        message(variant, diagnostics);
        causes(variant, diagnostics);
    }
}

/// Checks that each name in braces is a field.
fn message(variant: &Variant, diagnostics: &mut Diagnostics) {
    let Some(message) = &variant.options.message else { return };
    let ident = &variant.ident;
    let fields: Vec<_> = variant.fields.iter().map(|field| format!("`{{{}}}`", field.name)).collect();
    let has = match fields.as_slice() {
        [] => "it has no fields".to_string(),
        _ => format!("it has {}", fields.join(", ")),
    };
    for name in unknown_names(message, &variant.fields) {
        let text = match name.as_str() {
            "" => format!("`{{}}` names no field of `{ident}`: {has}"),
            _ => format!("`{ident}` has no field `{name}`: {has}"),
        };
        diagnostics.error(message, text);
    }
}

/// Reports thiserror's attributes for causes.
fn causes(variant: &Variant, diagnostics: &mut Diagnostics) {
    let attributes = variant.fields.iter().flat_map(|field| &field.attrs);
    for attribute in
        attributes.filter(|attribute| attribute.path().is_ident("from") || attribute.path().is_ident("source"))
    {
        diagnostics.error(
            attribute,
            "the fields of an `ApplicationError` are sent to its caller, but an error of another type cannot be sent: \
             keep its text in a `String`, or let `?` return the other error itself",
        );
    }
}
