//! Event groups: the relation between commands, and so between events, for people who look at a history.
//!
//! A command carries the group of the signal or update whose handler issued it, and the groups that the author's code
//! opened around it. A later command about the same operation (a cancellation) carries the operation's groups, not
//! those of the code that cancels. A replay never compares groups.

use std::rc::Rc;

use abide_protos::temporal::api::sdk::v1::EventGroupMarker;
use abide_protos::temporal::api::sdk::v1::event_group_marker::{InboundEvent, InboundUpdate, Label, Variant};

use crate::converter::to_payload;

/// Groups of the commands that the code issues now. A routine that handles a message has its own; the main routine has
/// none.
///
/// The form for signals exists so that a handler without commands allocates nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum CurrentGroups {
    #[default]
    None,
    /// Groups of the handler of the signal with this event.
    OfSignal {
        event_id: i64,
    },
    These(Rc<EventGroups>),
}

/// Some groups, outermost first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventGroups {
    inbound: Option<Inbound>,
    labels: Vec<LabelledGroup>,
}

/// The message whose handler issues a command.
#[derive(Clone, Debug, PartialEq)]
enum Inbound {
    Event(i64),
    Update(Rc<str>),
}

/// A group that the author named.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LabelledGroup {
    pub(crate) id: String,
    /// Text that people see.
    pub(crate) label: Option<String>,
}

impl CurrentGroups {
    /// Groups of the commands that the handler of an update issues. The update's acceptance and completion belong to no
    /// group.
    pub(crate) fn of_update(update_id: &str) -> Self {
        let inbound = Some(Inbound::Update(update_id.into()));
        Self::These(Rc::new(EventGroups { inbound, labels: Vec::new() }))
    }

    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Returns the groups in the form in which an operation keeps them.
    pub(crate) fn shared(&mut self) -> Option<Rc<EventGroups>> {
        if let Self::OfSignal { event_id } = *self {
            let inbound = Some(Inbound::Event(event_id));
            *self = Self::These(Rc::new(EventGroups { inbound, labels: Vec::new() }));
        }
        match self {
            Self::These(groups) => Some(groups.clone()),
            _ => None,
        }
    }

    /// Returns these groups with another one, innermost. A group that is already there keeps its place.
    pub(crate) fn with(&self, group: LabelledGroup) -> Self {
        let mut groups = self.clone().shared().map_or_else(EventGroups::none, |groups| (*groups).clone());
        match groups.labels.iter_mut().find(|known| known.id == group.id) {
            Some(known) => *known = group,
            None => groups.labels.push(group),
        }
        Self::These(Rc::new(groups))
    }
}

impl EventGroups {
    fn none() -> Self {
        Self { inbound: None, labels: Vec::new() }
    }

    /// Returns the groups in the form in which a command carries them, the message's first.
    pub(crate) fn markers(&self) -> Vec<EventGroupMarker> {
        let inbound = self.inbound.as_ref().map(|inbound| match inbound {
            Inbound::Event(event_id) => Variant::InboundEvent(InboundEvent { inbound_event_id: *event_id }),
            Inbound::Update(id) => Variant::InboundUpdate(InboundUpdate { inbound_update_id: id.to_string() }),
        });
        let labels = self.labels.iter().map(|group| {
            // A text always converts; one that did not would be left out.
            let label = group.label.as_ref().and_then(|label| to_payload(label).ok());
            Variant::Label(Label { id: group.id.clone(), label })
        });
        inbound.into_iter().chain(labels).map(|variant| EventGroupMarker { variant: Some(variant) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: &str, label: Option<&str>) -> LabelledGroup {
        LabelledGroup { id: id.into(), label: label.map(String::from) }
    }

    fn shown(mut groups: CurrentGroups) -> String {
        let markers = groups.shared().map(|groups| groups.markers()).unwrap_or_default();
        let shown = markers.into_iter().map(|marker| match marker.variant.unwrap() {
            Variant::InboundEvent(event) => format!("event {}", event.inbound_event_id),
            Variant::InboundUpdate(update) => format!("update {}", update.inbound_update_id),
            Variant::Label(label) => match label.label {
                Some(text) => format!("{}={}", label.id, String::from_utf8(text.data).unwrap()),
                None => label.id,
            },
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_message_comes_first_and_inner_groups_last() {
        let signal = CurrentGroups::OfSignal { event_id: 7 };
        assert_eq!(shown(signal.with(group("a", Some("A"))).with(group("b", None))), "event 7 a=\"A\" b");
        assert_eq!(shown(CurrentGroups::of_update("u").with(group("a", None))), "update u a");
    }

    #[test]
    fn a_group_that_is_named_again_keeps_its_place_with_the_new_label() {
        let groups = CurrentGroups::None.with(group("a", None)).with(group("b", None)).with(group("a", Some("A")));
        assert_eq!(shown(groups), "a=\"A\" b");
    }

    #[test]
    fn without_a_group_there_is_nothing() {
        assert_eq!(shown(CurrentGroups::None), "");
        assert!(CurrentGroups::None.is_none());
    }
}
