//! Reads the options of an attribute: `#[activity(name = "..")]`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Lit, LitStr, Meta, Token};

use crate::activity::ActivityOptions;
use crate::diagnostics::Diagnostics;

/// The options of our attributes.
#[derive(Default)]
pub(crate) struct Options {
    /// `name = ".."`: name on the wire.
    pub(crate) name: Option<LitStr>,
    /// `versioning_behavior = ..`, for workflows.
    pub(crate) versioning_behavior: Option<VersioningBehavior>,
    /// `unfinished_policy = abandon`: the variant of `UnfinishedPolicy`, with the source token.
    pub(crate) unfinished_policy: Option<(Ident, &'static str)>,
    /// `definition = Name`, for functions: name of the definition's type.
    pub(crate) definition: Option<Ident>,
    /// `dynamic`: takes every name that nothing else takes.
    pub(crate) dynamic: Option<Ident>,
    /// The options of activities.
    pub(crate) activity: ActivityOptions,
}

/// The versioning behaviour of a workflow.
pub(crate) struct VersioningBehavior {
    key: Ident,
    /// Name of the variant.
    pub(crate) variant: Ident,
}

const EXPECTED: &str = "expected `name = \"..\"`, the name on the wire";
/// The options of the attributes that take more than a name.
pub(crate) const OF_ACTIVITY: &str = "expected `name = \"..\"`, the name on the wire, `dynamic`, `blocking`, `auto_heartbeat`, a \
                                      default option of its calls such as `start_to_close_timeout = mins(5)` or, for a function, \
                                      `definition = Name`, the name of the definition's type";
const OF_ACTIVITY_METHOD: &str = "expected `name = \"..\"`, the name on the wire, `dynamic`, `blocking`, `auto_heartbeat`, or a \
                                  default option of its calls such as `start_to_close_timeout = mins(5)`";
pub(crate) const OF_WORKFLOW: &str = "expected `name = \"..\"`, the name on the wire, `versioning_behavior = pinned` or, for a \
                                      function, `dynamic` or `definition = Name`, the name of the definition's type";
const OF_MESSAGE: &str = "expected `name = \"..\"`, the name on the wire, `dynamic`, or `unfinished_policy = abandon`";
const OF_QUERY: &str = "expected `name = \"..\"`, the name on the wire, or `dynamic`";
const POLICIES: [(&str, &str); 2] = [("abandon", "Abandon"), ("warn_and_abandon", "WarnAndAbandon")];

impl Options {
    /// Reads the tokens between the parentheses.
    ///
    /// `expected` names the options that the attribute takes.
    pub(crate) fn parse(tokens: TokenStream, expected: &str, diagnostics: &mut Diagnostics) -> Self {
        let mut options = Self::default();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = options.parse_one(input, expected, diagnostics) {
                    diagnostics.push(error);
                    skip_to_comma(input)?;
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            diagnostics.push(error);
        }
        options
    }

    /// Reads the options of an attribute on a method.
    pub(crate) fn of(attribute: &Attribute, diagnostics: &mut Diagnostics) -> Self {
        match &attribute.meta {
            Meta::Path(_) => Self::default(),
            Meta::List(list) => {
                let takes_policy = is_ours(attribute, "signal") || is_ours(attribute, "update");
                let is_activity = is_ours(attribute, "activity");
                let expected = match (takes_policy, is_activity) {
                    (true, _) => OF_MESSAGE,
                    (false, true) => OF_ACTIVITY_METHOD,
                    (false, false) if is_ours(attribute, "query") => OF_QUERY,
                    (false, false) => EXPECTED,
                };
                let mut options = Self::parse(list.tokens.clone(), expected, diagnostics);
                if !is_activity {
                    options.activity.only_for_activities(diagnostics);
                }
                options.only_for_workflows(diagnostics);
                options.only_for_functions(diagnostics);
                options
            }
            Meta::NameValue(pair) => {
                diagnostics.error(&pair.value, "options go in parentheses: `(name = \"..\")`");
                Self::default()
            }
        }
    }

    fn parse_one(&mut self, input: ParseStream<'_>, expected: &str, diagnostics: &mut Diagnostics) -> syn::Result<()> {
        let key = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), expected))?;
        if key == "versioning_behavior" {
            return self.parse_versioning_behavior(key, input);
        }
        if key == "unfinished_policy" {
            return self.parse_unfinished_policy(&key, input);
        }
        if key == "definition" {
            return self.parse_definition(&key, input);
        }
        if key == "dynamic" {
            return self.parse_dynamic(key, input);
        }
        if let Some(parsed) = self.activity.parse(&key, input) {
            return parsed;
        }
        if key != "name" {
            return Err(syn::Error::new(key.span(), format!("unknown option `{key}`: {expected}")));
        }
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(key.span(), EXPECTED));
        }
        input.parse::<Token![=]>()?;
        let value: TokenTree = input.fork().parse()?;
        let Ok(Lit::Str(name)) = input.parse::<Lit>() else {
            return Err(syn::Error::new(value.span(), "the name must be a string: `name = \"..\"`"));
        };
        if self.name.is_some() {
            return Err(syn::Error::new(key.span(), "`name` is given twice"));
        }
        check_name(&name, diagnostics);
        self.name = Some(name);
        Ok(())
    }

    fn parse_unfinished_policy(&mut self, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        let expected = "expected `unfinished_policy = abandon` or `unfinished_policy = warn_and_abandon`";
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(key.span(), expected));
        }
        input.parse::<Token![=]>()?;
        let written = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), expected))?;
        let Some((_, variant)) = POLICIES.iter().find(|(word, _)| written == word) else {
            return Err(syn::Error::new(written.span(), expected));
        };
        if self.unfinished_policy.is_some() {
            return Err(syn::Error::new(key.span(), "`unfinished_policy` is given twice"));
        }
        self.unfinished_policy = Some((written, variant));
        Ok(())
    }
}

/// Reports an option that has no meaning here.
pub(crate) fn no_unfinished_policy(options: &Options, diagnostics: &mut Diagnostics) {
    if let Some((written, _)) = &options.unfinished_policy {
        diagnostics.error(written, "only handlers of signals and updates have an `unfinished_policy`");
    }
}

impl Options {
    /// Reports options that only `#[workflow]` has.
    pub(crate) fn only_for_workflows(&mut self, diagnostics: &mut Diagnostics) {
        if let Some(behavior) = self.versioning_behavior.take() {
            diagnostics.error(
                &behavior.key,
                "`versioning_behavior` belongs to a workflow: write `#[workflow(versioning_behavior = ..)]`",
            );
        }
    }

    /// Reports options that only functions have.
    pub(crate) fn only_for_functions(&mut self, diagnostics: &mut Diagnostics) {
        if let Some(definition) = self.definition.take() {
            let text = "only the definition of a function has a type of its own: the definition of a method is a \
                        constant";
            diagnostics.error(&definition, text);
        }
    }

    fn parse_definition(&mut self, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        let expected = |error: syn::Error| {
            syn::Error::new(error.span(), "expected `definition = Name`, the name of the definition's type")
        };
        input.parse::<Token![=]>().map_err(expected)?;
        if self.definition.replace(input.parse().map_err(expected)?).is_some() {
            return Err(syn::Error::new(key.span(), "`definition` is given twice"));
        }
        Ok(())
    }

    fn parse_dynamic(&mut self, key: Ident, input: ParseStream<'_>) -> syn::Result<()> {
        let span = key.span();
        let again = self.dynamic.replace(key).is_some();
        match (input.peek(Token![=]), again) {
            (true, _) => Err(syn::Error::new(span, "`dynamic` has no value: write `(dynamic)`")),
            (false, true) => Err(syn::Error::new(span, "`dynamic` is given twice")),
            (false, false) => Ok(()),
        }
    }

    /// Reports `dynamic` on something that cannot be dynamic. `advice` says what can.
    pub(crate) fn not_dynamic(&mut self, advice: &str, diagnostics: &mut Diagnostics) {
        if let Some(dynamic) = self.dynamic.take() {
            diagnostics.error(&dynamic, advice);
        }
    }

    /// Returns true for a dynamic definition, and reports a name that it has as well.
    pub(crate) fn is_dynamic(&self, diagnostics: &mut Diagnostics) -> bool {
        if let (Some(_), Some(name)) = (&self.dynamic, &self.name) {
            diagnostics.error(name, "what is `dynamic` has no name: it takes every name that nothing else takes");
        }
        self.dynamic.is_some()
    }

    fn parse_versioning_behavior(&mut self, key: Ident, input: ParseStream<'_>) -> syn::Result<()> {
        const EXPECTED: &str = "expected `versioning_behavior = pinned` or `versioning_behavior = auto_upgrade`";
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(key.span(), EXPECTED));
        }
        input.parse::<Token![=]>()?;
        let value: TokenTree = input.parse()?;
        let variant = match value.to_string().as_str() {
            "pinned" => "Pinned",
            "auto_upgrade" => "AutoUpgrade",
            _ => return Err(syn::Error::new(value.span(), EXPECTED)),
        };
        if self.versioning_behavior.is_some() {
            return Err(syn::Error::new(key.span(), "`versioning_behavior` is given twice"));
        }
        let variant = Ident::new(variant, value.span());
        self.versioning_behavior = Some(VersioningBehavior { key, variant });
        Ok(())
    }
}

/// Reports options of an attribute that has none.
pub(crate) fn no_options(tokens: &TokenStream, attribute: &str, diagnostics: &mut Diagnostics) {
    if !tokens.is_empty() {
        diagnostics.error(tokens, format!("`#[{attribute}]` takes no options"));
    }
}

/// Returns true if an attribute is `#[word]` or `#[abide::word]`, with or without options.
pub(crate) fn is_ours(attribute: &Attribute, word: &str) -> bool {
    let path = attribute.path();
    let qualified = path.segments.len() == 2 && path.segments[0].ident == "abide";
    (qualified || path.segments.len() == 1) && path.segments.last().is_some_and(|last| last.ident == word)
}

fn check_name(name: &LitStr, diagnostics: &mut Diagnostics) {
    let value = name.value();
    if value.is_empty() {
        diagnostics.error(name, "the name on the wire must not be empty");
    } else if value.starts_with("__temporal_") || value == "__stack_trace" || value == "__enhanced_stack_trace" {
        diagnostics.error(name, format!("the name `{value}` is reserved by Temporal: choose another one"));
    }
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
