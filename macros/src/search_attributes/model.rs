//! The model of a struct of search attributes: a name and a type for each field.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Fields, LitStr, Type};

use super::attr::Options;
use crate::diagnostics::Diagnostics;
use crate::function::camel_case;

pub(super) struct Model {
    pub(super) ident: Ident,
    pub(super) fields: Vec<Field>,
}

pub(super) struct Field {
    pub(super) ident: Ident,
    pub(super) ty: Type,
    /// The attribute's name, in the server's usual spelling unless it is given.
    pub(super) name: LitStr,
    pub(super) is_text: bool,
}

impl Model {
    /// Reads the struct; `None` if it cannot be expanded at all.
    pub(super) fn of(input: &DeriveInput, diagnostics: &mut Diagnostics) -> Option<Self> {
        let named = match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(named) => Some(&named.named),
                Fields::Unnamed(_) | Fields::Unit => None,
            },
            Data::Enum(_) | Data::Union(_) => None,
        };
        let Some(named) = named else {
            diagnostics.error(&input.ident, "search attributes are a struct with named fields: one attribute each");
            return None;
        };
        if !input.generics.params.is_empty() {
            diagnostics
                .error(&input.generics, "a struct of search attributes cannot be generic: its types are the server's");
            return None;
        }
        let fields = named.iter().filter_map(|field| {
            let ident = field.ident.clone()?;
            let Options { name, is_text } = Options::of(&field.attrs, diagnostics);
            let name = name.unwrap_or_else(|| LitStr::new(&camel_case(&ident.unraw().to_string()), ident.span()));
            Some(Field { ident, ty: field.ty.clone(), name, is_text })
        });
        Some(Self { ident: input.ident.clone(), fields: fields.collect() })
    }
}
