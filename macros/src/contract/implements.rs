//! Checks, at compile time, that an impl block implements a contract.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, LitStr, Path, Type};

use super::model::Role;
use crate::marker::at;
use crate::role;

/// A method of the impl block.
pub(crate) struct Implemented<'a> {
    pub(crate) role: role::Role,
    pub(crate) ident: &'a Ident,
    /// Name on the wire; `None` for the main routine, whose name is the contract's.
    pub(crate) name: Option<&'a LitStr>,
}

/// Generates checks: the contract has each method, with the same name on the wire and the same types, and the block has
/// each of the contract's definitions.
pub(crate) fn check<'a>(
    contract: &Path,
    self_ty: &Type,
    methods: impl IntoIterator<Item = Implemented<'a>>,
) -> TokenStream {
    let methods: Vec<Implemented<'a>> = methods.into_iter().collect();
    let names = methods.iter().map(|method| method.ident.to_string());
    let each = methods.iter().filter_map(|method| check_one(contract, self_ty, method));
    let all = quote_spanned! {at(contract)=>
        const _: () = ::abide::__private::all_are_implemented(<#contract>::__ABIDE_EXPECTED, &[#(#names),*]);
    };
    quote!(#(#each)* #all)
}

fn check_one(contract: &Path, self_ty: &Type, method: &Implemented<'_>) -> Option<TokenStream> {
    let role = match method.role {
        role::Role::ActivityFunction | role::Role::ActivityMethod => Role::Activity,
        role::Role::WorkflowFunction | role::Role::Run => Role::Run,
        role::Role::Signal => Role::Signal,
        role::Role::Query => Role::Query,
        role::Role::Update => Role::Update,
        role::Role::Validator | role::Role::Init => return None,
    };
    let (ident, check) = (method.ident, format_ident!("{}", role.check()));
    let name = method.name.map(|name| {
        let text = format!("the contract has another name on the wire for `{ident}`: repeat it here, `name = \"..\"`");
        quote_spanned! {at(ident)=>
            ::core::assert!(::abide::__private::is_same_text(<#contract>::#ident.declared_name(), #name), #text);
        }
    });
    Some(quote_spanned! {at(ident)=>
        const _: () = {
            ::abide::__private::#check(&<#contract>::#ident, &<#self_ty>::#ident);
            #name
        };
    })
}

/// Returns the name of the workflow type in a contract.
pub(crate) fn run_name(contract: &Path, run: &Ident) -> TokenStream {
    quote!(<#contract>::#run.declared_name())
}
