//! Finds `#[run]`, `#[signal]`, `#[query]` and `#[init]` on the methods of an impl block.

use syn::Attribute;

use crate::attr::{Options, is_ours};
use crate::diagnostics::Diagnostics;
use crate::role::Role;

/// The attributes of methods. Updates join here.
const ROLES: [(&str, Role); 4] =
    [("run", Role::Run), ("signal", Role::Signal), ("query", Role::Query), ("init", Role::Init)];

/// Attributes that people will try, and what to say then.
const ELSEWHERE: [(&str, &str); 4] = [
    ("update", "updates come with the next version: until then use a signal, and a query for its outcome"),
    ("update_validator", "updates come with the next version: until then use a signal, and a query for its outcome"),
    ("activity", "activities live in an impl block of their own, with `#[activities]`, on a type of their own"),
    ("workflow", "`#[workflow]` goes on the struct: the method that runs has `#[run]`"),
];

/// Takes our attributes off a method; `None` if it has none.
pub(crate) fn take_role(attrs: &mut Vec<Attribute>, diagnostics: &mut Diagnostics) -> Option<(Role, Options)> {
    let mut found: Option<(&str, Role, Options)> = None;
    let mut others = Vec::new();
    for attr in std::mem::take(attrs) {
        if let Some((_, hint)) = ELSEWHERE.iter().find(|(word, _)| is_ours(&attr, word)) {
            diagnostics.error(&attr, hint);
            continue;
        }
        let Some((word, role)) = ROLES.iter().find(|(word, _)| is_ours(&attr, word)) else {
            others.push(attr);
            continue;
        };
        match &found {
            Some((earlier, ..)) if earlier == word => diagnostics.error(&attr, format!("`#[{word}]` is given twice")),
            Some((earlier, ..)) => {
                diagnostics.error(&attr, format!("a method is one thing only, and this one has `#[{earlier}]` already"))
            }
            None => {
                let options = Options::of(&attr, diagnostics);
                if let (Role::Init, Some(name)) = (role, &options.name) {
                    diagnostics.error(name, "an `#[init]` constructor has no name on the wire");
                }
                found = Some((word, *role, options));
            }
        }
    }
    *attrs = others;
    found.map(|(_, role, options)| (role, options))
}
