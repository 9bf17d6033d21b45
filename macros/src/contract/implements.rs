//! Checks, at compile time, that an impl block implements a contract.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Path, Type};

use super::model::Role;
use crate::marker::at;
use crate::methods::Method;
use crate::role;

/// Generates checks: the contract has each method, with the same name on the wire and the same types, and the block has
/// each of the contract's definitions.
pub(crate) fn check(contract: &Path, self_ty: &Type, methods: &[Method]) -> TokenStream {
    let sound = || methods.iter().filter(|method| !method.is_broken);
    let names = sound().map(|method| method.callable.ident.to_string());
    let each = sound().filter_map(|method| check_one(contract, self_ty, method));
    let all = quote_spanned! {at(contract)=>
        const _: () = ::abide::__private::all_are_implemented(<#contract>::__ABIDE_EXPECTED, &[#(#names),*]);
    };
    quote!(#(#each)* #all)
}

fn check_one(contract: &Path, self_ty: &Type, method: &Method) -> Option<TokenStream> {
    let role = match method.callable.role {
        role::Role::ActivityFunction | role::Role::ActivityMethod => Role::Activity,
        role::Role::WorkflowFunction | role::Role::Run => Role::Run,
        role::Role::Signal => Role::Signal,
        role::Role::Query => Role::Query,
        role::Role::Update => Role::Update,
        role::Role::Validator | role::Role::Init => return None,
        // They are checked where they are registered.
        role::Role::NexusOperation | role::Role::NexusCancel => return None,
    };
    let (ident, name, check) = (&method.callable.ident, &method.name, format_ident!("{}", role.check()));
    // The name of the main routine is the contract's.
    let has_name = (role != Role::Run).then(|| {
        let text = format!("the contract has another name on the wire for `{ident}`: repeat it here, `name = \"..\"`");
        quote_spanned! {at(ident)=>
            ::core::assert!(::abide::__private::is_same_text(<#contract>::#ident.declared_name(), #name), #text);
        }
    });
    Some(quote_spanned! {at(ident)=>
        const _: () = {
            ::abide::__private::#check(&<#contract>::#ident, &<#self_ty>::#ident);
            #has_name
        };
    })
}

/// Returns the name of the workflow type in a contract.
pub(crate) fn run_name(contract: &Path, run: &Ident) -> TokenStream {
    quote!(<#contract>::#run.declared_name())
}
