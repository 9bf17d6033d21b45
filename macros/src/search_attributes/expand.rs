//! Generates `impl SearchAttributes` and `impl IntoIterator`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::model::{Field, Model};
use crate::marker::at;

pub(super) fn expand(model: &Model) -> TokenStream {
    let Model { ident, fields } = model;
    let updates = fields.iter().map(|field| {
        let (key, name) = (key(field), &field.ident);
        quote_spanned!(at(&field.ty)=> ::abide::__private::AttributeField::update(self.#name, #key))
    });
    let reads = fields.iter().map(|field| {
        let (key, name) = (key(field), &field.ident);
        quote_spanned!(at(&field.ty)=> #name: ::abide::__private::AttributeField::read(#key, __abide_all)?)
    });
    quote! {
        #[automatically_derived]
        impl ::abide::__private::SearchAttributes for #ident {
            fn into_updates(self) -> ::abide::__private::Vec<::abide::__private::SearchAttributeUpdate> {
                ::core::convert::From::from([#(#updates),*])
            }

            fn read(__abide_all: &::abide::__private::SearchAttributesReader<'_>) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(Self { #(#reads),* })
            }
        }

        #[automatically_derived]
        impl ::core::iter::IntoIterator for #ident {
            type Item = ::abide::__private::SearchAttributeUpdate;
            type IntoIter = <::abide::__private::Vec<::abide::__private::SearchAttributeUpdate> as ::core::iter::IntoIterator>::IntoIter;

            fn into_iter(self) -> Self::IntoIter {
                ::core::iter::IntoIterator::into_iter(::abide::__private::SearchAttributes::into_updates(self))
            }
        }
    }
}

/// Returns the key of a field's attribute.
fn key(field: &Field) -> TokenStream {
    let (name, ty) = (&field.name, &field.ty);
    match field.is_text {
        true => quote_spanned!(at(ty)=> &<#ty as ::abide::__private::TextField>::text_key(#name)),
        false => quote_spanned!(at(ty)=> &<#ty as ::abide::__private::AttributeField>::key(#name)),
    }
}
