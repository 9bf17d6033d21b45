//! Reads `#[error("..", non_retryable, ..)]` on variants and structs, and `#[error(error_type_prefix = "..")]` on
//! enums.

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Expr, Ident, LitStr, Token};

use crate::diagnostics::Diagnostics;

const EXPECTED: &str = "expected `#[error(\"..\")]` with the message, followed by `non_retryable`, `benign`, \
                        `error_type = \"..\"` or `next_retry_delay = ..`";

const EXPECTED_ON_ENUM: &str = "an enum itself takes only `#[error(error_type_prefix = \"..\")]`: the messages go on \
                                its variants";

/// Returns the `error_type_prefix` of an enum, which is prepended to variant names used as error types.
pub(crate) fn prefix_of(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Option<LitStr> {
    let mut ours = attributes.iter().filter(|attribute| attribute.path().is_ident("error"));
    let prefix = ours
        .next()
        .and_then(|attribute| attribute.parse_args_with(parse_prefix).map_err(|error| diagnostics.push(error)).ok());
    for again in ours {
        diagnostics.error(again, "`#[error(..)]` is given twice");
    }
    prefix
}

fn parse_prefix(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let expected = |error: syn::Error| syn::Error::new(error.span(), EXPECTED_ON_ENUM);
    let key = input.call(Ident::parse_any).map_err(expected)?;
    if key != "error_type_prefix" {
        return Err(syn::Error::new(key.span(), EXPECTED_ON_ENUM));
    }
    input.parse::<Token![=]>().map_err(expected)?;
    let prefix: LitStr = input.parse().map_err(expected)?;
    if prefix.value().is_empty() {
        return Err(syn::Error::new(prefix.span(), "the prefix must not be empty"));
    }
    input.parse::<Option<Token![,]>>()?;
    if !input.is_empty() {
        return Err(input.error(EXPECTED_ON_ENUM));
    }
    Ok(prefix)
}

/// The `#[error(..)]` attribute of a variant or struct.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) message: Option<LitStr>,
    pub(crate) error_type: Option<LitStr>,
    pub(crate) non_retryable: bool,
    pub(crate) benign: bool,
    pub(crate) next_retry_delay: Option<Expr>,
}

impl Options {
    /// Reads the `#[error(..)]` attribute; without one there is no message.
    pub(crate) fn of(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Self {
        let mut options = Self::default();
        let mut ours = attributes.iter().filter(|attribute| attribute.path().is_ident("error"));
        if let Some(attribute) = ours.next()
            && let Err(error) = attribute.parse_args_with(|input: ParseStream<'_>| options.parse(input))
        {
            diagnostics.push(error);
        }
        for again in ours {
            diagnostics.error(again, "`#[error(..)]` is given twice");
        }
        options
    }

    /// True once an `#[error(..)]` was found and read.
    fn parse(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        self.message = Some(input.parse().map_err(|error| syn::Error::new(error.span(), EXPECTED))?);
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if !input.is_empty() {
                self.parse_option(input)?;
            }
        }
        Ok(())
    }

    fn parse_option(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let key = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), EXPECTED))?;
        let is_again = match key.to_string().as_str() {
            "non_retryable" => std::mem::replace(&mut self.non_retryable, true),
            "benign" => std::mem::replace(&mut self.benign, true),
            "error_type" => {
                input.parse::<Token![=]>()?;
                let error_type: LitStr = input.parse()?;
                if error_type.value().is_empty() {
                    return Err(syn::Error::new(error_type.span(), "the error type must not be empty"));
                }
                self.error_type.replace(error_type).is_some()
            }
            "next_retry_delay" => {
                input.parse::<Token![=]>()?;
                self.next_retry_delay.replace(input.parse()?).is_some()
            }
            "category" => {
                let text = "the only category is benign: write `benign`, or leave it out";
                return Err(syn::Error::new(key.span(), text));
            }
            "error_type_prefix" => {
                let text = "a prefix goes on the enum, for all its variants: on a variant, `error_type = \"..\"` is \
                            the whole type";
                return Err(syn::Error::new(key.span(), text));
            }
            _ => return Err(syn::Error::new(key.span(), format!("unknown option `{key}`: {EXPECTED}"))),
        };
        if is_again { Err(syn::Error::new(key.span(), format!("`{key}` is given twice"))) } else { Ok(()) }
    }
}
