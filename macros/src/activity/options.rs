//! The options that only `#[activity(..)]` has: the default options of calls, automatic heartbeats, blocking code.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::{Expr, Token, Type};

use crate::diagnostics::Diagnostics;
use crate::marker::says_yes;
use crate::types::expression_without_self;

/// The default options, which are also methods of `ActivityDefaults`, with an example of a value.
const DEFAULTS: [(&str, &str); 7] = [
    ("start_to_close_timeout", "mins(5)"),
    ("schedule_to_close_timeout", "hours(1)"),
    ("schedule_to_start_timeout", "mins(5)"),
    ("heartbeat_timeout", "secs(30)"),
    ("retry_policy", "RetryPolicy::new().maximum_attempts(3)"),
    ("task_queue", "\"payments\""),
    ("priority", "Priority::new().priority_key(1)"),
];
/// These defaults limit a call, so that it needs no timeout of its own.
const LIMITS: [&str; 2] = ["start_to_close_timeout", "schedule_to_close_timeout"];

/// The options that only activities have.
#[derive(Default)]
pub(crate) struct ActivityOptions {
    /// The options in the order in which they are written. An option with a mistake has no value.
    given: Vec<(Ident, Option<Expr>)>,
    auto_heartbeat: Option<Ident>,
    /// The function is not async and may block its thread.
    pub(crate) blocking: Option<Ident>,
}

impl ActivityOptions {
    /// Reads an option after its key; `None` if it is none of these.
    pub(crate) fn parse(&mut self, key: &Ident, input: ParseStream<'_>) -> Option<syn::Result<()>> {
        let twice = || syn::Error::new(key.span(), format!("`{key}` is given twice"));
        let flag = match key.to_string().as_str() {
            "auto_heartbeat" => Some(&mut self.auto_heartbeat),
            "blocking" => Some(&mut self.blocking),
            _ => None,
        };
        if let Some(flag) = flag {
            if input.peek(Token![=]) {
                let text = format!("`{key}` takes no value: write only `{key}`, or leave it out");
                return Some(Err(syn::Error::new(key.span(), text)));
            }
            return Some(flag.replace(key.clone()).map_or(Ok(()), |_| Err(twice())));
        }
        let (_, example) = DEFAULTS.iter().find(|(name, _)| key == name)?;
        if self.given.iter().any(|(given, _)| given == key) {
            return Some(Err(twice()));
        }
        self.given.push((key.clone(), None));
        let read = parse_value(key, input).map(|value| {
            self.given.last_mut().expect("it was just added").1 = Some(value);
        });
        Some(read.map_err(|span| syn::Error::new(span, format!("expected a value: `{key} = {example}`"))))
    }

    /// Reports these options on something that is not an activity.
    pub(crate) fn only_for_activities(&self, diagnostics: &mut Diagnostics) {
        for key in self.auto_heartbeat.iter().chain(&self.blocking) {
            diagnostics.error(key, format!("`{key}` belongs to an activity: write `#[activity({key})]`"));
        }
        for (key, _) in &self.given {
            diagnostics.error(key, format!("`{key}` belongs to an activity: write `#[activity({key} = ..)]`"));
        }
    }

    /// Generates the method of the definition that returns the defaults.
    pub(crate) fn defaults(&self, self_ty: Option<&Type>) -> Option<TokenStream> {
        let given = self.given.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let calls: Vec<_> = given
            .map(|(key, value)| {
                let value = expression_without_self(value, self_ty);
                quote!(.#key(#value))
            })
            .collect();
        (!calls.is_empty()).then(|| {
            quote! {
                fn defaults(&self) -> ::abide::__private::ActivityDefaults {
                    ::abide::__private::ActivityDefaults::new()#(#calls)*
                }
            }
        })
    }

    /// Generates the trait by which calls need no timeout, if a default is one.
    pub(crate) fn has_default_timeout(&self, marker: &TokenStream) -> Option<TokenStream> {
        let has_limit = self.given.iter().any(|(key, _)| LIMITS.iter().any(|limit| key == limit));
        has_limit.then(|| {
            quote! {
                #[automatically_derived]
                impl ::abide::__private::HasDefaultTimeout for #marker {}
            }
        })
    }

    /// Generates the method of the implementation that turns automatic heartbeats on.
    pub(crate) fn auto_heartbeat(&self) -> Option<TokenStream> {
        says_yes("has_auto_heartbeat", self.auto_heartbeat.is_some())
    }

    /// Generates the method of the implementation that says that the code may block.
    pub(crate) fn is_blocking(&self) -> Option<TokenStream> {
        says_yes("is_blocking", self.blocking.is_some())
    }
}

/// Reads `= value`; the place of the mistake if there is none.
fn parse_value(key: &Ident, input: ParseStream<'_>) -> Result<Expr, Span> {
    if !input.peek(Token![=]) {
        return Err(key.span());
    }
    input.parse::<Token![=]>().map_err(|error| error.span())?;
    if input.is_empty() {
        return Err(key.span());
    }
    input.parse().map_err(|error: syn::Error| error.span())
}
