//! Stubs for definitions with mistakes: a marker with the same name and the best known types.
//!
//! The program does not compile anyway, but the stub keeps one mistake from being reported again wherever the
//! definition is used, and keeps IDE support working there.

use proc_macro2::{Group, Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Signature, Type};

use crate::item::{Function, ImplBlock};
use crate::signature::{Callable, owned_type};
use crate::types::{find_borrow, find_impl, find_short_borrow, result_parts, without_self};

/// Returns the body of every stub.
pub(crate) fn body() -> TokenStream {
    quote!(::core::unreachable!("this program has compile errors"))
}

/// Generates `impl Arguments` with the best known types, without code.
pub(crate) fn arguments(
    marker: &TokenStream,
    callable: &Callable,
    sig: &Signature,
    self_ty: Option<&Type>,
) -> TokenStream {
    let args = arg_types(callable, sig, self_ty);
    let args = match args.as_slice() {
        [one] => quote!(#one),
        _ => quote!((#(#args),*)),
    };
    let body = body();
    quote! {
        impl ::abide::__private::Arguments for #marker {
            type Args = #args;

            fn write_args(
                _: &Self::Args,
                _: &mut ::abide::__private::PayloadWriter,
            ) -> ::core::result::Result<(), ::abide::__private::PayloadError> {
                #body
            }

            fn read_args(
                _: &mut ::abide::__private::PayloadReader<'_>,
            ) -> ::core::result::Result<Self::Args, ::abide::__private::PayloadError> {
                #body
            }
        }
    }
}

/// Returns the best known types of the arguments.
pub(crate) fn arg_types(callable: &Callable, sig: &Signature, self_ty: Option<&Type>) -> Vec<TokenStream> {
    let guess = |ty: &Type| {
        let ty = owned_type(ty);
        if is_usable(&ty, sig) { without_self(&ty, self_ty) } else { quote!(()) }
    };
    callable.args.iter().map(guess).collect()
}

/// Returns true if the return type is usable as the definition's result type.
pub(crate) fn has_usable_output(callable: &Callable, sig: &Signature) -> bool {
    let (value, error) = result_parts(&callable.output);
    matches!(sig.output, syn::ReturnType::Type(..))
        && is_usable(value, sig)
        && error.is_none_or(|error| find_short_borrow(error).is_none() && find_impl(error.to_token_stream()).is_none())
}

fn is_usable(ty: &Type, sig: &Signature) -> bool {
    let tokens = ty.to_token_stream();
    sig.generics.params.is_empty() && find_borrow(tokens.clone()).is_none() && find_impl(tokens).is_none()
}

/// Generates an uncalled function with the body of a stubbed definition, so that the compiler still checks it.
pub(crate) fn uncalled(ident: &Ident, sig: &Signature, body: &Group) -> TokenStream {
    let sig = Signature { ident: ident.clone(), ..sig.clone() };
    quote!(#[allow(unused)] #sig #body)
}

/// Returns an impl block without our attributes, for a block that cannot be expanded.
pub(crate) fn block<'a>(block: &ImplBlock, functions: impl Iterator<Item = &'a Function>) -> TokenStream {
    let ImplBlock { attrs, generics, of_trait, self_ty, members } = block;
    let (params, where_clause) = (generics, &generics.where_clause);
    let of_trait = of_trait.as_ref().map(|path| quote!(#path for));
    quote! {
        #(#attrs)*
        impl #params #of_trait #self_ty #where_clause {
            #(#members)*
            #(#functions)*
        }
    }
}
