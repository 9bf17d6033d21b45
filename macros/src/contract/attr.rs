//! Reads the attributes of contracts, and the option `implements` of impl blocks.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, LitStr, Path, Token};

use super::model::{Kind, Role};
use crate::attr::{Options, is_ours};
use crate::diagnostics::Diagnostics;

/// Reads the options of `#[workflow_definition(name = "..")]` and `#[nexus_service(name = "..")]`. `#[activity_definitions]`
/// has none.
pub(super) fn contract_name(kind: Kind, tokens: TokenStream, diagnostics: &mut Diagnostics) -> Option<LitStr> {
    match kind {
        Kind::Activities => {
            crate::attr::no_options(&tokens, kind.attribute(), diagnostics);
            None
        }
        Kind::Workflow | Kind::Nexus => {
            let mut options = Options::parse(tokens, "expected `name = \"..\"`, the name on the wire", diagnostics);
            only_a_name(&mut options, diagnostics);
            options.name
        }
    }
}

/// Takes the attribute that says what a function of a contract is, and reads its name. `None` if there is none.
pub(super) fn take_role(
    kind: Kind,
    attrs: &mut Vec<Attribute>,
    diagnostics: &mut Diagnostics,
) -> Option<(Role, Option<LitStr>)> {
    let mut found = None;
    attrs.retain(|attribute| {
        let Some(role) = kind.roles().iter().find(|role| is_ours(attribute, role.word())) else { return true };
        if found.is_some() {
            diagnostics.error(attribute, "this definition has two kinds already: remove one of its attributes");
        }
        let mut options = Options::of(attribute, diagnostics);
        only_a_name(&mut options, diagnostics);
        found = Some((*role, options.name));
        false
    });
    found
}

fn only_a_name(options: &mut Options, diagnostics: &mut Diagnostics) {
    options.only_for_workflows(diagnostics);
    options.only_for_functions(diagnostics);
    options.activity.only_for_activities(diagnostics);
    if let Some((written, _)) = &options.unfinished_policy {
        diagnostics.error(written, "`unfinished_policy` belongs to the handler, where the contract is implemented");
    }
}

/// Reads `implements = path`, the only option of an impl block.
pub(crate) fn implements_option(tokens: TokenStream, attribute: &str, diagnostics: &mut Diagnostics) -> Option<Path> {
    if tokens.is_empty() {
        return None;
    }
    let expected =
        format!("expected `#[{attribute}(implements = Contract)]`, with the name of the contract, or no option");
    let parser = |input: ParseStream<'_>| {
        let key = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), &expected))?;
        if key != "implements" {
            return Err(syn::Error::new(key.span(), &expected));
        }
        input.parse::<Token![=]>().map_err(|error| syn::Error::new(error.span(), &expected))?;
        let path = Path::parse_mod_style(input).map_err(|error| syn::Error::new(error.span(), &expected))?;
        input.parse::<Option<Token![,]>>()?;
        Ok(path)
    };
    parser.parse2(tokens).map_err(|error| diagnostics.push(error)).ok()
}
