//! The model of a contract: the content of its attributes and signatures, unchecked.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{FnArg, ItemTrait, LitStr, ReturnType, TraitItem, TraitItemFn, Type};

use super::attr::take_role;
use crate::diagnostics::Diagnostics;

/// The definitions that a trait contains.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Activities,
    Workflow,
    Nexus,
}

/// The definition that a function of a contract stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Activity,
    Run,
    Signal,
    Query,
    Update,
    NexusOperation,
}

/// A trait with `#[activity_definitions]`, `#[workflow_definition]` or `#[nexus_service]`.
pub(crate) struct Contract {
    pub(crate) kind: Kind,
    /// The trait without its functions.
    pub(crate) item: ItemTrait,
    /// Name of the workflow type or of the service on the wire.
    pub(crate) name: LitStr,
    pub(crate) definitions: Vec<Definition>,
}

/// A function of a contract.
pub(crate) struct Definition {
    pub(crate) role: Role,
    pub(crate) function: TraitItemFn,
    /// Name on the wire.
    pub(crate) name: LitStr,
    /// Types of the arguments.
    pub(crate) args: Vec<Type>,
    /// Type of the result; `None` for `()`.
    pub(crate) output: Option<Type>,
    /// True if it has mistakes, so that it is left out.
    pub(crate) is_broken: bool,
}

impl Contract {
    pub(crate) fn of(kind: Kind, mut item: ItemTrait, name: Option<LitStr>, diagnostics: &mut Diagnostics) -> Self {
        let mut definitions = Vec::new();
        for member in std::mem::take(&mut item.items) {
            let TraitItem::Fn(function) = member else {
                diagnostics.error(member, "a contract has only functions: move this out of the trait");
                continue;
            };
            definitions.extend(Definition::of(kind, function, diagnostics));
        }
        let name = name.unwrap_or_else(|| LitStr::new(&item.ident.unraw().to_string(), item.ident.span()));
        Self { kind, item, name, definitions }
    }
}

impl Definition {
    fn of(kind: Kind, mut function: TraitItemFn, diagnostics: &mut Diagnostics) -> Option<Self> {
        let before = diagnostics.count();
        let (role, name) = match (take_role(kind, &mut function.attrs, diagnostics), kind) {
            (Some(found), _) => found,
            (None, Kind::Activities) => (Role::Activity, None),
            (None, Kind::Nexus) => (Role::NexusOperation, None),
            (None, Kind::Workflow) => {
                let text = "what is it? Put `#[run]`, `#[signal]`, `#[query]` or `#[update]` on this function";
                diagnostics.error(&function.sig.ident, text);
                return None;
            }
        };
        let ident = &function.sig.ident;
        let name = name.unwrap_or_else(|| LitStr::new(&ident.unraw().to_string(), ident.span()));
        let args = function.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some((*typed.ty).clone()),
            FnArg::Receiver(_) => None,
        });
        let args = args.collect();
        let output = match &function.sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some((**ty).clone()),
        };
        let is_broken = diagnostics.count() > before;
        Some(Self { role, function, name, args, output, is_broken })
    }

    pub(crate) fn ident(&self) -> &Ident {
        &self.function.sig.ident
    }
}

impl Kind {
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Activities => "activity_definitions",
            Self::Workflow => "workflow_definition",
            Self::Nexus => "nexus_service",
        }
    }

    pub(crate) fn roles(self) -> &'static [Role] {
        match self {
            Self::Activities => &[Role::Activity],
            Self::Workflow => &[Role::Run, Role::Signal, Role::Query, Role::Update],
            Self::Nexus => &[Role::NexusOperation],
        }
    }
}

impl Role {
    /// The attribute without its brackets.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Run => "run",
            Self::Signal => "signal",
            Self::Query => "query",
            Self::Update => "update",
            Self::NexusOperation => "nexus_operation",
        }
    }

    /// The type of its constant.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Activity => "ActivityContract",
            Self::Run => "WorkflowContract",
            Self::Signal => "SignalContract",
            Self::Query => "QueryContract",
            Self::Update => "UpdateContract",
            Self::NexusOperation => "NexusOperation",
        }
    }

    /// The check that a definition implements it. A Nexus operation is checked where it is registered.
    pub(crate) fn check(self) -> &'static str {
        match self {
            Self::Activity => "implements_activity",
            Self::Run => "implements_workflow",
            Self::Signal => "implements_signal",
            Self::Query => "implements_query",
            Self::Update => "implements_update",
            Self::NexusOperation => "nexus_argument",
        }
    }
}
