//! Generates the registration of Nexus handlers. The methods themselves stay as they are.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, Path, Type};

use super::model::{Handler, Handlers};
use crate::fallback;
use crate::item::SortedAttrs;
use crate::marker::at;

/// Registering the value registers all operations.
pub(super) fn handlers(model: &Handlers, contract: &Path) -> TokenStream {
    let block = plain(model);
    let self_ty = &model.block.self_ty;
    let sound = || model.methods.iter().filter(|method| !method.is_broken);
    let operations = sound().filter(|method| method.cancels.is_none());
    let registrations = operations.map(|method| operation(contract, self_ty, method));
    let cancels = sound().filter_map(|method| Some(cancel(contract, self_ty, method, method.cancels.as_ref()?)));
    // A method with a mistake is there, too: otherwise the contract would call it missing.
    let starts = model.methods.iter().filter(|method| method.cancels.is_none());
    let names = starts.map(|method| method.callable.ident.unraw().to_string());
    let all = quote_spanned! {at(contract)=>
        const _: () = ::abide::__private::all_are_implemented(<#contract>::__ABIDE_EXPECTED, &[#(#names),*]);
    };
    let host = quote_spanned!(at(self_ty)=> #self_ty);
    quote! {
        #block

        #[allow(deprecated, unused_qualifications)]
        const _: () = {
            #all

            #[automatically_derived]
            impl ::abide::__private::NexusHandlers for #host {
                fn register(self, __abide_registry: &mut ::abide::__private::NexusRegistry) {
                    let __abide_host = ::abide::__private::Arc::new(self);
                    let _ = (&__abide_host, &__abide_registry);
                    #(#registrations)*
                    #(#cancels)*
                }
            }
        };
    }
}

/// Returns the block without our attributes.
pub(super) fn plain(model: &Handlers) -> TokenStream {
    fallback::block(&model.block, model.methods.iter().map(|method| &method.function))
}

fn operation(contract: &Path, self_ty: &Type, method: &Handler) -> TokenStream {
    let callable = &method.callable;
    let cfgs = SortedAttrs::of(&method.function.attrs).cfgs;
    let ident = &callable.ident;
    // Spanned at the argument's type, where the compiler reports that it is not the contract's.
    let argument = match callable.args.as_slice() {
        [ty] => quote_spanned!(at(ty)=> ::abide::__private::nexus_argument::<#ty, _>(__abide_input)),
        _ => quote_spanned!(at(ident)=> ::abide::__private::nexus_argument::<(), _>(__abide_input)),
    };
    let (pass, take) = match callable.args.as_slice() {
        [_] => (quote!(__abide_argument), quote!(let __abide_argument = #argument;)),
        _ => (quote!(), quote!(#argument;)),
    };
    let call = call(self_ty, method, pass);
    // Spanned at the return type, where the compiler reports that it is not the contract's.
    let started = quote_spanned! {at(&callable.output)=>
        let __abide_returned = #call;
        ::abide::__private::nexus_started(__abide_returned)
    };
    quote_spanned! {at(ident)=>
        #(#cfgs)*
        {
            let __abide_host = ::abide::__private::Arc::clone(&__abide_host);
            __abide_registry.add(&<#contract>::#ident, move |__abide_ctx, __abide_input| {
                let __abide_host = ::abide::__private::Arc::clone(&__abide_host);
                #take
                ::abide::__private::Box::pin(async move {
                    let _ = (&__abide_host, &__abide_ctx);
                    #started
                })
            });
        }
    }
}

fn cancel(contract: &Path, self_ty: &Type, method: &Handler, operation: &Ident) -> TokenStream {
    let cfgs = SortedAttrs::of(&method.function.attrs).cfgs;
    let call = call(self_ty, method, quote!(__abide_token));
    let cancelled = quote_spanned! {at(&method.callable.output)=>
        let __abide_returned = #call;
        ::abide::__private::nexus_cancelled(__abide_returned)
    };
    quote_spanned! {at(&method.callable.ident)=>
        #(#cfgs)*
        {
            let __abide_host = ::abide::__private::Arc::clone(&__abide_host);
            __abide_registry.add_cancel(&<#contract>::#operation, move |__abide_ctx, __abide_token| {
                let __abide_host = ::abide::__private::Arc::clone(&__abide_host);
                ::abide::__private::Box::pin(async move {
                    let _ = (&__abide_host, &__abide_ctx);
                    #cancelled
                })
            });
        }
    }
}

fn call(self_ty: &Type, method: &Handler, argument: TokenStream) -> TokenStream {
    let callable = &method.callable;
    let ident = &callable.ident;
    let host = callable.has_receiver.then(|| quote!(&__abide_host,));
    let ctx = callable.has_context.then(|| quote!(&__abide_ctx,));
    let wait = callable.is_async.then(|| quote!(.await));
    quote_spanned!(at(ident)=> <#self_ty>::#ident(#host #ctx #argument) #wait)
}
