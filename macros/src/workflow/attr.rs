//! Finds `#[run]`, `#[signal]`, `#[query]`, `#[update]`, `#[update_validator]` and `#[init]` on the methods of an impl
//! block.

use syn::{Attribute, Ident, Meta};

use crate::attr::{Options, is_ours, no_unfinished_policy};
use crate::diagnostics::Diagnostics;
use crate::role::Role;

/// The attributes of methods.
const ROLES: [(&str, Role); 6] = [
    ("run", Role::Run),
    ("signal", Role::Signal),
    ("query", Role::Query),
    ("update", Role::Update),
    ("update_validator", Role::Validator),
    ("init", Role::Init),
];

/// Attributes that users are likely to try, with the advice to give.
const ELSEWHERE: [(&str, &str); 2] = [
    ("activity", "activities go into the impl block of another type, with `#[activities]`"),
    ("workflow", "`#[workflow]` goes on the struct: put `#[run]` on the main routine"),
];

const NOT_DYNAMIC: &str =
    "only handlers of signals, queries and updates are `dynamic`, and functions with `#[workflow]` or `#[activity]`";

/// The content of our attribute on a method.
pub(crate) struct Marked {
    pub(crate) role: Role,
    pub(crate) options: Options,
    /// The method named in `#[update_validator(..)]`.
    pub(crate) validates: Option<Ident>,
}

/// Removes our attributes from a method; `None` if it has none.
pub(crate) fn take_role(attrs: &mut Vec<Attribute>, diagnostics: &mut Diagnostics) -> Option<Marked> {
    let mut found: Option<(&str, Marked)> = None;
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
            Some((earlier, _)) if earlier == word => diagnostics.error(&attr, format!("`#[{word}]` is given twice")),
            Some((earlier, _)) => diagnostics.error(
                &attr,
                format!("a method can have only one of these attributes, and this one already has `#[{earlier}]`"),
            ),
            None if *role == Role::Validator => {
                let validates = validated(&attr, diagnostics);
                found = Some((word, Marked { role: *role, options: Options::default(), validates }));
            }
            None => {
                let mut options = Options::of(&attr, diagnostics);
                if matches!(role, Role::Run | Role::Init) {
                    options.not_dynamic(NOT_DYNAMIC, diagnostics);
                }
                if let (Role::Init, Some(name)) = (role, &options.name) {
                    diagnostics.error(name, "an `#[init]` constructor has no name on the wire");
                }
                if !matches!(role, Role::Signal | Role::Update) {
                    no_unfinished_policy(&options, diagnostics);
                }
                found = Some((word, Marked { role: *role, options, validates: None }));
            }
        }
    }
    *attrs = others;
    found.map(|(_, marked)| marked)
}

/// Returns the method named in `#[update_validator(method)]`.
fn validated(attr: &Attribute, diagnostics: &mut Diagnostics) -> Option<Ident> {
    let named = match &attr.meta {
        Meta::List(list) => syn::parse2::<Ident>(list.tokens.clone()).ok(),
        Meta::Path(_) | Meta::NameValue(_) => None,
    };
    if named.is_none() {
        diagnostics.error(attr, "expected the method of the update: `#[update_validator(method)]`");
    }
    named
}
