//! Functions and impl blocks as written, with bodies left unparsed.
//!
//! A body is passed on token by token: mistakes in it are the compiler's business, and this compiles faster.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt};
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Expr, ExprLit, Generics, ImplItem, Lit, Meta, MetaNameValue, Path, Signature, Token, Type, Visibility,
    braced, token,
};

/// A function or method.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
}

/// An impl block.
pub(crate) struct ImplBlock {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) generics: Generics,
    /// The trait of `impl Trait for Type`.
    pub(crate) of_trait: Option<Path>,
    pub(crate) self_ty: Type,
    pub(crate) members: Vec<Member>,
}

/// A member of an impl block.
pub(crate) enum Member {
    Function(Box<Function>),
    Other(Box<ImplItem>),
}

/// The attributes of one item, sorted for the items it becomes.
pub(crate) struct SortedAttrs {
    /// `cfg`, for all items.
    pub(crate) cfgs: Vec<Attribute>,
    /// Documentation, deprecation and `allow`, for the items that users see.
    pub(crate) shown: Vec<Attribute>,
    /// All but documentation and deprecation, for the function with the body.
    pub(crate) body: Vec<Attribute>,
}

impl SortedAttrs {
    pub(crate) fn of(attrs: &[Attribute]) -> Self {
        let with = |names: &[&str]| -> Vec<Attribute> {
            attrs.iter().filter(|attr| names.iter().any(|name| attr.path().is_ident(name))).cloned().collect()
        };
        let docs = ["doc", "deprecated"];
        let body = attrs.iter().filter(|attr| !docs.iter().any(|name| attr.path().is_ident(name)));
        Self {
            cfgs: with(&["cfg"]),
            shown: with(&["doc", "deprecated", "allow"]),
            body: body.filter(|attr| !attr.path().is_ident("cfg")).cloned().collect(),
        }
    }
}

impl SortedAttrs {
    /// Returns the text of the documentation comments, line by line.
    pub(crate) fn documentation(attrs: &[Attribute]) -> String {
        let lines = attrs.iter().filter(|attr| attr.path().is_ident("doc")).filter_map(|attr| match &attr.meta {
            Meta::NameValue(MetaNameValue { value: Expr::Lit(ExprLit { lit: Lit::Str(line), .. }), .. }) => {
                Some(line.value().lines().map(|line| line.trim().to_string()).collect::<Vec<_>>().join("\n"))
            }
            // `#[doc(hidden)]`, and text from a macro.
            _ => None,
        });
        lines.collect::<Vec<_>>().join("\n").trim().to_string()
    }
}

impl Function {
    /// Returns true if a function starts here, after attributes and visibility.
    pub(crate) fn begins(input: ParseStream<'_>) -> bool {
        let ahead = input.fork();
        while ahead.peek(Token![const]) || ahead.peek(Token![async]) || ahead.peek(Token![unsafe]) {
            if ahead.parse::<Ident>().is_err() && ahead.parse::<proc_macro2::TokenTree>().is_err() {
                return false;
            }
        }
        ahead.peek(Token![fn]) || ahead.peek(Token![extern])
    }

    fn parse_rest(attrs: Vec<Attribute>, vis: Visibility, input: ParseStream<'_>) -> syn::Result<Self> {
        let sig = input.parse()?;
        if !input.peek(token::Brace) {
            return Err(input.error("expected the function's body"));
        }
        let body: TokenTree = input.parse()?;
        match block_of(&body) {
            Some(body) => Ok(Self { attrs, vis, sig, body }),
            None => Err(syn::Error::new(body.span(), "expected the function's body")),
        }
    }
}

/// Returns the block itself. A macro's `$body:block` has an invisible group around it.
fn block_of(tree: &TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = tree else { return None };
    match group.delimiter() {
        Delimiter::Brace => Some(group.clone()),
        Delimiter::None => {
            let mut inside = group.stream().into_iter();
            let only = inside.next().filter(|_| inside.next().is_none())?;
            block_of(&only)
        }
        Delimiter::Parenthesis | Delimiter::Bracket => None,
    }
}

/// Returns the type itself. A macro's `$ty:ty` has an invisible group around it.
fn ungrouped(ty: Type) -> Type {
    match ty {
        Type::Group(group) => ungrouped(*group.elem),
        other => other,
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        Self::parse_rest(attrs, vis, input)
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

impl Parse for ImplBlock {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        input.parse::<Option<Token![unsafe]>>()?;
        input.parse::<Token![impl]>()?;
        let mut generics: Generics = input.parse()?;
        let first: Type = input.parse()?;
        let (of_trait, self_ty) = if input.parse::<Option<Token![for]>>()?.is_some() {
            let Type::Path(path) = first else {
                return Err(syn::Error::new_spanned(first, "expected a trait"));
            };
            (Some(path.path), input.parse()?)
        } else {
            (None, first)
        };
        let self_ty = ungrouped(self_ty);
        generics.where_clause = input.parse()?;
        let content;
        braced!(content in input);
        let mut members = Vec::new();
        while !content.is_empty() {
            members.push(content.parse()?);
        }
        Ok(Self { attrs, generics, of_trait, self_ty, members })
    }
}

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        let attrs = ahead.call(Attribute::parse_outer)?;
        let vis: Visibility = ahead.parse()?;
        if !Function::begins(&ahead) {
            return Ok(Self::Other(input.parse()?));
        }
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        Ok(Self::Function(Box::new(Function::parse_rest(attrs, vis, input)?)))
    }
}

impl ToTokens for Member {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Function(function) => function.to_tokens(tokens),
            Self::Other(item) => item.to_tokens(tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn invisible(tokens: TokenStream) -> TokenTree {
        TokenTree::Group(Group::new(Delimiter::None, tokens))
    }

    #[test]
    fn a_block_and_a_type_that_a_macro_was_given_are_read() {
        let body = invisible(quote!({ 1 }));
        let function = syn::parse2::<Function>(quote!(fn one() -> u32 #body)).unwrap();
        assert_eq!(function.body.to_string(), quote!({ 1 }).to_string());

        let ty = invisible(quote!(Player));
        let block = syn::parse2::<ImplBlock>(quote!(impl #ty { fn one(&self) -> u32 #body })).unwrap();
        assert!(matches!(block.self_ty, Type::Path(_)));
        assert!(matches!(block.members.as_slice(), [Member::Function(_)]));
    }
}
