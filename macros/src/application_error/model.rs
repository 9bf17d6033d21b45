//! The model of an error type: name, message and fields of each variant.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, Index, Member, Type};

use super::attr::{Options, prefix_of};
use crate::diagnostics::Diagnostics;

pub(crate) struct Model {
    pub(crate) ident: Ident,
    /// The variants of an enum, or just the struct.
    pub(crate) variants: Vec<Variant>,
}

pub(crate) struct Variant {
    pub(crate) ident: Ident,
    /// Path in patterns and expressions: `Self::Declined`, or `Self`.
    pub(crate) path: TokenStream,
    pub(crate) fields: Vec<Field>,
    pub(crate) options: Options,
    /// The enum's prefix for variant names used as error types.
    prefix: String,
}

pub(crate) struct Field {
    pub(crate) member: Member,
    /// Name of the field in the message: its own, or its number.
    pub(crate) name: String,
    /// The variable for the field. It has another name than the field, because a pattern with the name of an activity
    /// would compare with it.
    pub(crate) variable: Ident,
    pub(crate) ty: Type,
    pub(crate) attrs: Vec<Attribute>,
}

impl Model {
    /// Reads the type; `None` if it cannot be expanded at all.
    pub(crate) fn of(input: &DeriveInput, diagnostics: &mut Diagnostics) -> Option<Self> {
        if !input.generics.params.is_empty() {
            diagnostics.error(&input.generics, "an `ApplicationError` cannot be generic: it is read back by its name");
            return None;
        }
        let variants = match &input.data {
            Data::Enum(data) => {
                let prefix = prefix_of(&input.attrs, diagnostics).map(|prefix| prefix.value()).unwrap_or_default();
                let variants = data.variants.iter().map(|variant| {
                    let ident = &variant.ident;
                    let path = quote!(Self::#ident);
                    let variant = Variant::of(ident, path, &variant.fields, &variant.attrs, diagnostics);
                    Variant { prefix: prefix.clone(), ..variant }
                });
                variants.collect()
            }
            Data::Struct(data) => {
                vec![Variant::of(&input.ident, quote!(Self), &data.fields, &input.attrs, diagnostics)]
            }
            Data::Union(data) => {
                diagnostics.error(data.union_token, "an `ApplicationError` is an enum or a struct");
                return None;
            }
        };
        Some(Self { ident: input.ident.clone(), variants })
    }
}

impl Variant {
    fn of(
        ident: &Ident,
        path: TokenStream,
        fields: &Fields,
        attributes: &[Attribute],
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let fields = fields.iter().enumerate().map(|(index, field)| Field::of(index, field)).collect();
        Self {
            ident: ident.clone(),
            path,
            fields,
            options: Options::of(attributes, diagnostics),
            prefix: String::new(),
        }
    }

    /// Returns the error type: the given one, or the variant's name with the enum's prefix.
    pub(crate) fn error_type(&self) -> String {
        match &self.options.error_type {
            Some(error_type) => error_type.value(),
            None => format!("{}{}", self.prefix, self.ident.unraw()),
        }
    }
}

impl Field {
    fn of(index: usize, field: &syn::Field) -> Self {
        let (member, name) = match &field.ident {
            Some(ident) => (Member::Named(ident.clone()), ident.unraw().to_string()),
            None => (Member::Unnamed(Index::from(index)), index.to_string()),
        };
        let variable = format_ident!("__abide_{name}");
        Self { member, name, variable, ty: field.ty.clone(), attrs: field.attrs.clone() }
    }
}
