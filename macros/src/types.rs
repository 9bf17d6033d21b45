//! Simple checks on the tokens of types.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Expr, GenericArgument, PathArguments, PathSegment, Type, TypeReference};

/// Returns the first token that borrows: an `&`, or a lifetime other than `'static`.
pub(crate) fn find_borrow(tokens: TokenStream) -> Option<TokenTree> {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == '&' => return Some(token),
            TokenTree::Punct(punct) if punct.as_char() == '\'' => match tokens.peek() {
                Some(TokenTree::Ident(name)) if *name == "static" => {}
                _ => return Some(token),
            },
            TokenTree::Group(group) => {
                if let Some(found) = find_borrow(group.stream()) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
}

/// Returns the first reference in a type, at any depth.
pub(crate) fn find_reference(ty: &Type) -> Option<&TypeReference> {
    match ty {
        Type::Reference(reference) => Some(reference),
        Type::Array(array) => find_reference(&array.elem),
        Type::Group(group) => find_reference(&group.elem),
        Type::Paren(paren) => find_reference(&paren.elem),
        Type::Slice(slice) => find_reference(&slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(find_reference),
        Type::Path(path) => path.path.segments.iter().flat_map(type_arguments).find_map(find_reference),
        _ => None,
    }
}

/// Returns the first reference in an error's type that is not `'static`: the error itself is not serialized.
pub(crate) fn find_short_borrow(error: &Type) -> Option<&TypeReference> {
    find_reference(error).filter(|found| found.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static"))
}

/// Returns the value and the error type of a type named `Result`. Any other type is a value.
pub(crate) fn result_parts(ty: &Type) -> (&Type, Option<&Type>) {
    let Type::Path(path) = ty else { return (ty, None) };
    let Some(last) = path.path.segments.last().filter(|last| last.ident == "Result") else { return (ty, None) };
    let mut parts = type_arguments(last);
    (parts.next().unwrap_or(ty), parts.next())
}

fn type_arguments(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        PathArguments::None | PathArguments::Parenthesized(_) => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Returns the first `impl` in a type.
pub(crate) fn find_impl(tokens: TokenStream) -> Option<TokenTree> {
    tokens.into_iter().find_map(|token| match &token {
        TokenTree::Ident(ident) if *ident == "impl" => Some(token),
        TokenTree::Group(group) => find_impl(group.stream()),
        _ => None,
    })
}

/// Returns a type that is valid outside its impl block: `Self` becomes the type's name.
pub(crate) fn without_self(ty: &Type, self_ty: Option<&Type>) -> TokenStream {
    match self_ty {
        Some(self_ty) => replace_self(ty.to_token_stream(), self_ty),
        None => ty.to_token_stream(),
    }
}

/// Returns an expression that is valid outside its impl block.
pub(crate) fn expression_without_self(expression: &Expr, self_ty: Option<&Type>) -> TokenStream {
    match self_ty {
        Some(self_ty) => replace_self(expression.to_token_stream(), self_ty),
        None => expression.to_token_stream(),
    }
}

fn replace_self(tokens: TokenStream, self_ty: &Type) -> TokenStream {
    let mut result = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "Self" => {
                let is_prefix = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
                result.extend(if is_prefix { quote!(<#self_ty>) } else { self_ty.to_token_stream() });
            }
            TokenTree::Group(group) => {
                let mut replaced = Group::new(group.delimiter(), replace_self(group.stream(), self_ty));
                replaced.set_span(group.span());
                result.extend([TokenTree::Group(replaced)]);
            }
            other => result.extend([other]),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(text: &str) -> Type {
        syn::parse_str(text).unwrap()
    }

    #[test]
    fn a_borrow_is_found_at_any_depth_and_static_does_not_count() {
        for (text, borrows) in [
            ("&str", true),
            ("Vec<&u8>", true),
            ("Cow<'a, str>", true),
            ("(u8, [Cow<'_, str>; 2])", true),
            ("Cow<'static, str>", false),
            ("Vec<String>", false),
        ] {
            assert_eq!(find_borrow(ty(text).into_token_stream()).is_some(), borrows, "{text}");
        }
    }

    #[test]
    fn a_reference_is_found_at_any_depth() {
        for (text, found) in [
            ("&str", Some("& str")),
            ("Result<Vec<&'static [u8]>, E>", Some("& 'static [u8]")),
            ("(u8, [Option<&u8>; 2])", Some("& u8")),
            ("Cow<'a, str>", None),
            ("Vec<String>", None),
        ] {
            let ty = ty(text);
            let shown = find_reference(&ty).map(|found| found.to_token_stream().to_string());
            assert_eq!(shown.as_deref(), found, "{text}");
        }
    }

    #[test]
    fn an_error_may_borrow_what_is_static() {
        for (text, value, borrows) in [
            ("Result<u8, &'static str>", "u8", false),
            ("std::result::Result<u8, &str>", "u8", true),
            ("anyhow::Result<Vec<u8>>", "Vec < u8 >", false),
            ("Option<&str>", "Option < & str >", false),
        ] {
            let ty = ty(text);
            let (found, error) = result_parts(&ty);
            assert_eq!(found.to_token_stream().to_string(), value, "{text}");
            assert_eq!(error.and_then(find_short_borrow).is_some(), borrows, "{text}");
        }
    }

    #[test]
    fn self_becomes_the_type_and_a_self_prefix_is_qualified() {
        let player = ty("Player");
        let shown = |text| without_self(&ty(text), Some(&player)).to_string();
        assert_eq!(shown("Vec<Self>"), "Vec < Player >");
        assert_eq!(shown("(Self::Item, u8)"), "(< Player > :: Item , u8)");
    }
}
