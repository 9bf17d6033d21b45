//! Finds assignments to fields through `&self`.
//!
//! The compiler would suggest `&mut self`, which these methods cannot have.

use proc_macro2::{Delimiter, Punct, Spacing, TokenStream, TokenTree};
use quote::quote;

use crate::diagnostics::Diagnostics;
use crate::methods::Method;

/// Reports assignments in the methods' bodies, and omits these bodies from the output, so that each is reported once.
pub(crate) fn report<'a>(methods: impl Iterator<Item = &'a mut Method>, diagnostics: &mut Diagnostics) {
    for method in methods.filter(|method| !method.is_broken) {
        let mut found = Vec::new();
        find(method.function.body.stream(), &mut found);
        for (place, is_field) in &found {
            let place_text = place.to_string().replace(' ', "");
            let hint = if method.callable.role.is_activity() {
                "which all attempts share: keep what changes in a `Mutex` or an atomic".to_string()
            } else if *is_field {
                format!(
                    "which the main routine and the handlers share: make the field a `State<..>`, then \
                     `{place_text}.set(..)` or `{place_text}.update(|it| ..)`"
                )
            } else {
                "which the main routine and the handlers share: make the field a `State<..>`, then `.update(|it| ..)`"
                    .to_string()
            };
            diagnostics.error(place, format!("`{place_text}` is changed through `&self`, {hint}"));
        }
        if !found.is_empty() {
            method.is_broken = true;
            let nothing = quote!({ ::core::unreachable!("this program has compile errors") });
            if let Some(TokenTree::Group(body)) = nothing.into_iter().next() {
                method.function.body = body;
            }
        }
    }
}

/// Collects each assigned place that begins with `self`, and whether it is a plain field.
fn find(tokens: TokenStream, found: &mut Vec<(TokenStream, bool)>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            // Another `self` may begin here.
            TokenTree::Ident(ident) if ident == "fn" || ident == "impl" => return,
            TokenTree::Ident(ident) if ident == "self" => {
                let length = place_length(&tokens[index..]);
                let is_field = length == 3;
                if length > 1 && is_assigned(&tokens[index + length..]) {
                    found.push((tokens[index..index + length].iter().cloned().collect(), is_field));
                }
            }
            // The tokens of a macro may mean anything.
            TokenTree::Group(group)
                if !(index > 0 && is_punct(&tokens[index - 1], '!') && is_macro(&tokens, index)) =>
            {
                find(group.stream(), found);
            }
            _ => {}
        }
    }
}

/// Returns true if the group at this index belongs to `name!` and is not a negated group: `!(..)`.
fn is_macro(tokens: &[TokenTree], index: usize) -> bool {
    index > 1 && matches!(&tokens[index - 2], TokenTree::Ident(name) if name != "return" && name != "in")
}

/// Returns the number of tokens of `self.field[..].field`.
fn place_length(tokens: &[TokenTree]) -> usize {
    let mut length = 1;
    loop {
        match &tokens[length..] {
            [dot, TokenTree::Ident(_) | TokenTree::Literal(_), ..] if is_punct(dot, '.') => length += 2,
            [TokenTree::Group(index), ..] if index.delimiter() == Delimiter::Bracket && length > 1 => length += 1,
            _ => return length,
        }
    }
}

/// Returns true if `=`, `+=` or another assignment operator begins here.
fn is_assigned(tokens: &[TokenTree]) -> bool {
    let puncts: Vec<&Punct> = tokens.iter().take(3).map_while(as_punct).collect();
    let ends_here = |punct: &Punct| punct.as_char() == '=' && punct.spacing() == Spacing::Alone;
    let is_joint = |punct: &Punct| punct.spacing() == Spacing::Joint;
    match puncts.as_slice() {
        [first, ..] if ends_here(first) => true,
        [first, second, ..] if "+-*/%^&|".contains(first.as_char()) && is_joint(first) => ends_here(second),
        [first, second, third] if "<>".contains(first.as_char()) && first.as_char() == second.as_char() => {
            is_joint(first) && is_joint(second) && ends_here(third)
        }
        _ => false,
    }
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    as_punct(token).is_some_and(|punct| punct.as_char() == character)
}

fn as_punct(token: &TokenTree) -> Option<&Punct> {
    match token {
        TokenTree::Punct(punct) => Some(punct),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(body: TokenStream) -> Vec<String> {
        let mut found = Vec::new();
        find(body, &mut found);
        found.into_iter().map(|(place, _)| place.to_string().replace(' ', "")).collect()
    }

    #[test]
    fn assignments_of_every_kind_are_found() {
        let body = quote! {
            self.total = 1;
            if !(self.is_open) { self.count += 1; }
            self.items[3].price <<= 2;
            self.pair.0 |= 4;
        };
        assert_eq!(places(body), ["self.total", "self.count", "self.items[3].price", "self.pair.0"]);
    }

    #[test]
    fn comparisons_calls_macros_and_other_selves_are_no_assignments() {
        let body = quote! {
            let total = self.total == 1 && self.count <= 2 || self.count >= 3;
            self.total.set(5);
            *self.cell.borrow_mut() = 6;
            match self.kind { _ if self.count != 7 => 8 };
            log!(self.total = 9);
            struct Other(u32);
            impl Other { fn change(&mut self) { self.0 = 10; } }
        };
        assert!(places(body).is_empty());
    }
}
