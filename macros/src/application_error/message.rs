//! The message as a format string: its placeholders name fields, which are variables of other names in the output.

use syn::LitStr;

use super::model::Field;

/// The same message with `{card}` and `{0:?}` as `{__abide_card}` and `{__abide_0:?}`. What names no field is left as
/// it is, for the compiler to report.
pub(crate) fn with_variables(message: &LitStr, fields: &[Field]) -> LitStr {
    let text = message.value();
    let mut result = String::with_capacity(text.len());
    let mut rest = text.as_str();
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
        match fields.iter().find(|field| field.name == name.trim()) {
            Some(field) => result.push_str(&field.variable.to_string()),
            None => result.push_str(name),
        }
        rest = after;
    }
    result.push_str(rest);
    LitStr::new(&result, message.span())
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
