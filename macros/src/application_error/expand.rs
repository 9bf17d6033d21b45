//! Generates the impls of `Display`, `Error` and `ApplicationError`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::message::{unknown_names, with_variables};
use super::model::{Model, Variant};
use crate::marker::at;

pub(crate) fn expand(model: &Model) -> TokenStream {
    let ident = &model.ident;
    let shown = model.variants.iter().map(show);
    let written = model.variants.iter().map(write);
    let read = model.variants.iter().map(read);
    // An enum without variants has no value to match. It is reported elsewhere.
    let nothing = model.variants.is_empty().then(|| quote!(_ => ::core::unreachable!(),));
    quote! {
        #[automatically_derived]
        #[allow(unused_variables)]
        impl ::core::fmt::Display for #ident {
            fn fmt(&self, __abide_formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { #(#shown)* #nothing }
            }
        }

        #[automatically_derived]
        impl ::core::error::Error for #ident {
            fn source(&self) -> ::core::option::Option<&(dyn ::core::error::Error + 'static)> {
                ::abide::__private::offer(self);
                ::core::option::Option::None
            }
        }

        #[automatically_derived]
        impl ::abide::__private::ApplicationError for #ident {
            fn to_application_failure(&self) -> ::abide::__private::ApplicationFailure {
                match self { #(#written)* #nothing }
            }

            fn from_application_failure(
                __abide_failure: &::abide::__private::Failure,
            ) -> ::core::option::Option<Self> {
                match __abide_failure.error_type() {
                    #(#read)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    }
}

/// Returns the variant's pattern, for example `Self::Declined { card: __abide_card }`.
fn pattern(variant: &Variant) -> TokenStream {
    let path = &variant.path;
    let fields = variant.fields.iter().map(|field| {
        let (member, variable) = (&field.member, &field.variable);
        quote!(#member: #variable)
    });
    quote!(#path { #(#fields),* })
}

fn show(variant: &Variant) -> TokenStream {
    let pattern = pattern(variant);
    match &variant.options.message {
        Some(message) if unknown_names(message, &variant.fields).is_empty() => {
            let message = with_variables(message, &variant.fields);
            quote!(#pattern => ::core::write!(__abide_formatter, #message),)
        }
        // Reported elsewhere.
        Some(_) | None => quote!(#pattern => ::core::result::Result::Ok(()),),
    }
}

fn write(variant: &Variant) -> TokenStream {
    let (pattern, error_type) = (pattern(variant), variant.error_type());
    // Spanned at the field's type, where the compiler reports a type that cannot be serialized.
    let writes = variant.fields.iter().map(|field| {
        let (variable, ty) = (&field.variable, &field.ty);
        quote_spanned!(at(ty)=> (::abide::__private::travel::<#ty>().write)(__abide_to, #variable)?;)
    });
    let options = &variant.options;
    let non_retryable = options.non_retryable.then(|| quote!(.non_retryable()));
    let benign = options.benign.then(|| quote!(.category(::abide::__private::ErrorCategory::Benign)));
    let delay = options.next_retry_delay.as_ref().map(|delay| quote!(.next_retry_delay(#delay)));
    quote! {
        #pattern => ::abide::__private::failure_with_details(self, #error_type, |__abide_to| {
            let _ = &__abide_to;
            #(#writes)*
            ::core::result::Result::Ok(())
        }) #non_retryable #benign #delay,
    }
}

fn read(variant: &Variant) -> TokenStream {
    let (path, error_type) = (&variant.path, variant.error_type());
    let fields = variant.fields.iter().map(|field| {
        let (member, ty) = (&field.member, &field.ty);
        let read = quote_spanned!(at(ty)=> (::abide::__private::travel::<#ty>().read)(__abide_from)?);
        quote!(#member: #read)
    });
    quote! {
        ::core::option::Option::Some(#error_type) => ::abide::__private::read_details(__abide_failure, |__abide_from| {
            let _ = &__abide_from;
            ::core::result::Result::Ok(#path { #(#fields),* })
        }),
    }
}
