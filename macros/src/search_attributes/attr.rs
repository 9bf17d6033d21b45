//! Reads `#[search_attribute(text, name = "..")]`.

use syn::{Attribute, LitStr};

use crate::diagnostics::Diagnostics;

/// The options of a field.
#[derive(Default)]
pub(super) struct Options {
    /// The attribute's name, if given.
    pub(super) name: Option<LitStr>,
    /// True for an attribute of type `Text`.
    pub(super) is_text: bool,
}

const EXPECTED: &str =
    "expected `name = \"..\"`, the attribute's name, or `text`, for a text that is searched by its words";

impl Options {
    pub(super) fn of(attrs: &[Attribute], diagnostics: &mut Diagnostics) -> Self {
        let mut options = Self::default();
        for attribute in attrs.iter().filter(|attribute| attribute.path().is_ident("search_attribute")) {
            let parsed = attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("text") {
                    options.is_text = true;
                    return Ok(());
                }
                if !meta.path.is_ident("name") {
                    return Err(meta.error(EXPECTED));
                }
                let name: LitStr = meta.value()?.parse()?;
                if options.name.replace(name).is_some() {
                    return Err(meta.error("`name` is given twice"));
                }
                Ok(())
            });
            if let Err(error) = parsed {
                diagnostics.push(error);
            }
        }
        options
    }
}
