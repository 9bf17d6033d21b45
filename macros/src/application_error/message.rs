//! The message as a format string: its placeholders name fields, whose variables have other names in the output.

use syn::LitStr;

use super::model::Field;

/// Returns the message with `{card}` and `{0:?}` as `{__abide_card}` and `{__abide_0:?}`. Constants stay unchanged.
pub(crate) fn with_variables(message: &LitStr, fields: &[Field]) -> LitStr {
    let result =
        with_placeholders(&message.value(), |name| match fields.iter().find(|field| field.name == name.trim()) {
            Some(field) => field.variable.to_string(),
            None => name.to_string(),
        });
    LitStr::new(&result, message.span())
}

/// Returns the names in braces that are neither a field nor, by their spelling, a constant.
///
/// If they were left in place, they could refer to any function, activity or variable of that name, and the compiler's
/// message would be about that.
pub(crate) fn unknown_names(message: &LitStr, fields: &[Field]) -> Vec<String> {
    let mut unknown = Vec::new();
    with_placeholders(&message.value(), |name| {
        let trimmed = name.trim();
        let may_be_constant = trimmed.starts_with(char::is_alphabetic) && !trimmed.contains(char::is_lowercase);
        if !may_be_constant && fields.iter().all(|field| field.name != trimmed) {
            unknown.push(trimmed.to_string());
        }
        name.to_string()
    });
    unknown
}

/// Returns the message with each name in braces replaced.
fn with_placeholders(text: &str, mut replace: impl FnMut(&str) -> String) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, placeholder) = rest.split_at(at + 1);
        result.push_str(before);
        if let Some(escaped) = placeholder.strip_prefix('{') {
            result.push('{');
            rest = escaped;
            continue;
        }
        let end = placeholder.find([':', '}']).unwrap_or(placeholder.len());
        let (name, after) = placeholder.split_at(end);
        result.push_str(&replace(name));
        rest = after;
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;
    use crate::application_error::model::Model;
    use crate::diagnostics::Diagnostics;

    #[test]
    fn placeholders_are_fields_and_braces_stay() {
        let input = syn::parse2(quote!(
            struct Declined {
                card: String,
                r#type: u8,
            }
        ));
        let model = Model::of(&input.unwrap(), &mut Diagnostics::default()).unwrap();
        for (message, expected) in [
            ("no {card}", "no {__abide_card}"),
            ("{card:?} and {type:>4}", "{__abide_card:?} and {__abide_type:>4}"),
            ("{{card}} {other}", "{{card}} {other}"),
            ("open {card", "open {__abide_card"),
        ] {
            let message = LitStr::new(message, proc_macro2::Span::call_site());
            assert_eq!(with_variables(&message, &model.variants[0].fields).value(), expected);
        }
    }
}
