//! Generates the code for handlers of all names that no other handler takes: the last arms of the matches over names.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::expand_methods::{answer_query, handle_signal, handle_update};
use super::model::WorkflowMethods;
use crate::item::SortedAttrs;
use crate::marker::at;
use crate::methods::{Method, Names};
use crate::role::Role;

/// The arms for each kind of message; empty without a dynamic handler.
pub(super) struct DynamicArms {
    pub(super) signals: TokenStream,
    pub(super) queries: TokenStream,
    pub(super) updates: TokenStream,
}

pub(super) fn arms(names: &Names<'_>, model: &WorkflowMethods) -> DynamicArms {
    let arms = |role, code: &dyn Fn(&Method) -> TokenStream| {
        model.dynamics_with_role(role).map(|method| arm(method, &code(method))).collect()
    };
    DynamicArms {
        signals: arms(Role::Signal, &|method| handle_signal(names, method)),
        queries: arms(Role::Query, &|method| {
            let answer = answer_query(names, method);
            quote!(::core::option::Option::Some(#answer))
        }),
        updates: arms(Role::Update, &|method| handle_update(names, method, model.validator_of(method))),
    }
}

/// Gives the name and the unread arguments to the code.
fn arm(method: &Method, code: &TokenStream) -> TokenStream {
    let cfgs = SortedAttrs::of(&method.function.attrs).cfgs;
    let given = [
        quote!(::abide::__private::String::from(__abide_name)),
        quote!(::abide::__private::raw_arguments(__abide_args)),
    ];
    let args = method.callable.arg_names().into_iter().zip(&method.callable.args).zip(given);
    let args = args.map(|((arg, ty), given)| {
        // Spanned at the type, where the compiler reports another type than the expected one.
        let given: TokenStream = given
            .into_iter()
            .map(|mut token| {
                token.set_span(at(ty));
                token
            })
            .collect();
        quote_spanned!(at(ty)=> let #arg: #ty = #given;)
    });
    quote! {
        #(#cfgs)*
        _ => {
            #(#args)*
            #code
        }
    }
}
