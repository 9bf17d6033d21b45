//! Generates the Rust code of contracts: a type without values, whose constants are the definitions.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};

use super::model::{Contract, Definition, Role};
use crate::item::SortedAttrs;
use crate::marker::at;

pub(super) fn contract(contract: &Contract) -> TokenStream {
    let Contract { item, definitions, .. } = contract;
    let (vis, ident, attrs) = (&item.vis, &item.ident, &item.attrs);
    let sound = || definitions.iter().filter(|definition| !definition.is_broken);
    let constants = sound().map(|definition| constant(contract, definition));
    let expected = sound().map(expected);
    quote! {
        #(#attrs)*
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #vis enum #ident {}

        impl #ident {
            #(#constants)*

            #[doc(hidden)]
            #[allow(dead_code)]
            #vis const __ABIDE_EXPECTED: &'static [::abide::__private::Expected] = &[#(#expected),*];
        }
    }
}

fn constant(contract: &Contract, definition: &Definition) -> TokenStream {
    let (vis, host, ident, args) = (&contract.item.vis, &contract.item.ident, definition.ident(), &definition.args);
    let SortedAttrs { cfgs, shown, .. } = SortedAttrs::of(&definition.function.attrs);
    let ty = format_ident!("{}", definition.role.type_name());
    let output = match &definition.output {
        Some(output) => quote!(#output),
        None => quote!(()),
    };
    if definition.role == Role::NexusOperation {
        let input = match args.as_slice() {
            [input] => quote!(#input),
            _ => quote!(()),
        };
        let (service, name) = (&contract.name, &definition.name);
        return quote! {
            #(#cfgs)*
            #(#shown)*
            #[allow(non_upper_case_globals, dead_code)]
            #vis const #ident: ::abide::#ty<#input, #output> = ::abide::#ty::new(#service, #name);
        };
    }
    let signature = quote_spanned!(at(ident)=> fn(#(#args),*) -> #output);
    let (types, name) = match definition.role {
        Role::Activity => (quote!(#signature), &definition.name),
        Role::Run => (quote!(#host, #signature), &contract.name),
        Role::Signal | Role::Query | Role::Update | Role::NexusOperation => {
            (quote!(#host, #signature), &definition.name)
        }
    };
    quote! {
        #(#cfgs)*
        #(#shown)*
        #[allow(non_upper_case_globals, dead_code)]
        #vis const #ident: ::abide::contract::#ty<#types> = ::abide::contract::#ty::declared(#name);
    }
}

/// Generates what an implementation is checked for.
fn expected(definition: &Definition) -> TokenStream {
    let SortedAttrs { cfgs, .. } = SortedAttrs::of(&definition.function.attrs);
    let (ident, word) = (definition.ident().to_string(), definition.role.word());
    let missing =
        format!("the contract's `{ident}` is not implemented: add a method `{ident}` with `#[{word}]` to this block");
    quote!(#(#cfgs)* ::abide::__private::Expected { method: #ident, missing: #missing })
}
