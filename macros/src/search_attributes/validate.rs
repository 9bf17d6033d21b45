//! The rules for structs of search attributes, each with a message at the token that breaks it.

use super::model::Model;
use crate::diagnostics::Diagnostics;

pub(super) fn model(model: &Model, diagnostics: &mut Diagnostics) {
    if model.fields.is_empty() {
        diagnostics.error(&model.ident, "this struct has no search attributes: add a field for each");
    }
    let mut seen: Vec<String> = Vec::new();
    for field in &model.fields {
        let name = field.name.value();
        if name.is_empty() {
            diagnostics.error(&field.name, "the name of a search attribute must not be empty");
        }
        if name == "TemporalChangeVersion" {
            diagnostics.error(&field.name, "`TemporalChangeVersion` belongs to the SDK, which keeps patches in it");
        }
        if seen.contains(&name) {
            diagnostics.error(&field.name, format!("there is already a search attribute `{name}` in this struct"));
        }
        seen.push(name);
    }
}
