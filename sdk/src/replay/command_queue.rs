//! Commands in the order in which the code issued them: sent by a live task, matched with events on replay.

use std::collections::VecDeque;
use std::rc::Rc;

use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::sdk::v1::UserMetadata;

use super::event_groups::EventGroups;
use super::slab::Key;
use super::workflow_task::Statement;

/// A command whose event has not confirmed it yet.
#[derive(Debug)]
pub(crate) struct PendingCommand {
    pub(crate) command_type: CommandType,
    /// Machine that issued it.
    pub(crate) machine: Key,
    /// Statement of the workflow that issued it. Closing commands come from no statement.
    pub(crate) location: Statement,
    /// Content to send; `None` on replay, where nothing is sent, and once it was sent.
    pub(crate) body: Option<Box<CommandBody>>,
    /// Reason for the command, for error messages.
    pub(crate) note: Note,
    groups: Option<Rc<EventGroups>>,
    state: CommandState,
}

/// Content of a command on the wire.
#[derive(Debug)]
pub(crate) struct CommandBody {
    pub(crate) attributes: Attributes,
    pub(crate) user_metadata: Option<UserMetadata>,
}

/// Reason for a command that its statement does not show.
///
/// One byte, because a run may have many pending commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    None,
    /// No statement requested the cancellation.
    HandleDropped,
    /// The workflow returned a result. No statement of it is known.
    Returned,
    ReturnedAfterCommand,
    ContinuedAsNew,
    /// The workflow returned an error, at the location of the command.
    ErrorHere,
    /// The workflow returned an error. The location of the command is that of its last statement.
    ErrorAfterCommand,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CommandState {
    /// Issued by the task that is running.
    Issued,
    /// Issued by an earlier task; its event has not come yet.
    Sent,
    /// Withdrawn before it was sent.
    Removed,
}

impl Note {
    /// Returns the text that follows the description of the command in error messages.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::HandleDropped => ", because its handle was dropped",
            Self::Returned => ": the workflow returned",
            Self::ReturnedAfterCommand => ": the workflow returned; its last command was issued here",
            Self::ContinuedAsNew => ": the workflow continued as new",
            Self::ErrorHere => ": the workflow returned an error here",
            Self::ErrorAfterCommand => ": the workflow returned an error; its last command was issued here",
            Self::Error => ": the workflow returned an error",
        }
    }
}

/// Position of a command in the queue. It stays valid while other commands are taken from the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommandId(u64);

/// Commands whose events have not come yet.
#[derive(Debug, Default)]
pub(crate) struct CommandQueue {
    commands: VecDeque<PendingCommand>,
    /// Number of the first command in the queue.
    first: u64,
    /// Number of the first command whose task was not answered by the history so far.
    unanswered: u64,
}

impl CommandQueue {
    /// Returns the id that the next command will have.
    pub(crate) fn next(&self) -> CommandId {
        CommandId(self.first + self.commands.len() as u64)
    }

    pub(crate) fn push(
        &mut self,
        command_type: CommandType,
        machine: Key,
        location: Statement,
        body: Option<Box<CommandBody>>,
    ) -> CommandId {
        let id = self.next();
        let (groups, state, note) = (None, CommandState::Issued, Note::None);
        if self.commands.capacity() == 0 {
            // Most runs have one pending command, and a queue would begin with room for four.
            self.commands.reserve_exact(1);
        }
        self.commands.push_back(PendingCommand { command_type, machine, location, body, note, groups, state });
        id
    }

    /// Sets the event groups of the latest command.
    pub(crate) fn group_latest(&mut self, groups: Option<Rc<EventGroups>>) {
        if let Some(command) = self.commands.back_mut() {
            command.groups = groups;
        }
    }

    /// Returns the number of commands that the current task has issued and not withdrawn.
    pub(crate) fn count_issued(&self) -> i64 {
        let issued = self.commands.iter().filter(|command| command.state == CommandState::Issued);
        i64::try_from(issued.count()).unwrap_or_default()
    }

    /// Returns the command that was issued last.
    pub(crate) fn latest(&self) -> Option<CommandId> {
        let last = self.commands.len().checked_sub(1)?;
        Some(CommandId(self.first + last as u64))
    }

    /// Sets the note of the latest command.
    pub(crate) fn note_latest(&mut self, note: Note) {
        if let Some(command) = self.commands.back_mut() {
            command.note = note;
        }
    }

    /// Withdraws a command, unless it was sent.
    pub(crate) fn remove(&mut self, id: CommandId) {
        let index = id.0.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(command) = index.and_then(|index| self.commands.get_mut(index))
            && command.state == CommandState::Issued
        {
            command.state = CommandState::Removed;
            command.body = None;
        }
    }

    /// Returns the command whose event should come next.
    pub(crate) fn front(&mut self) -> Option<&PendingCommand> {
        while self.commands.front().is_some_and(|command| command.state == CommandState::Removed) {
            self.commands.pop_front();
            self.first += 1;
        }
        self.commands.front()
    }

    /// Called when a task has been answered: the events of all commands so far follow directly.
    pub(crate) fn answered(&mut self) {
        self.unanswered = self.first + self.commands.len() as u64;
    }

    /// Returns true if a command of an answered task has no event yet.
    pub(crate) fn is_any_missing(&mut self) -> bool {
        self.front().is_some() && self.first < self.unanswered
    }

    /// Returns true if one of the commands without an event closes the workflow.
    pub(crate) fn is_closing(&self) -> bool {
        let expected = |command: &&PendingCommand| command.state != CommandState::Removed;
        self.commands.iter().filter(expected).any(|command| closes_workflow(command.command_type))
    }

    /// Moves a command to the front if it has the same type as the front command and only commands of this type are
    /// before it. The server may record the requests to cancel of one task in another order.
    pub(crate) fn bring_forward(&mut self, command_type: CommandType, is: impl Fn(Key) -> bool) {
        self.front();
        let of_type =
            |command: &&PendingCommand| command.command_type == command_type || command.state == CommandState::Removed;
        let found = self
            .commands
            .iter()
            .take_while(of_type)
            .position(|command| command.state != CommandState::Removed && is(command.machine));
        if let Some(found) = found.filter(|found| *found > 0) {
            self.commands.swap(0, found);
        }
    }

    /// Takes the command whose event has come.
    pub(crate) fn pop(&mut self) -> Option<PendingCommand> {
        self.front()?;
        self.first += 1;
        self.commands.pop_front()
    }

    /// Ends a task: puts the commands that it issued into the order in which the server gets them, and returns them with
    /// the statements that issued them.
    ///
    /// Only the first closing command counts. With `move_closing` it goes to the end and all others are kept. Without
    /// it (histories of old SDKs) everything after it is dropped.
    pub(crate) fn finish_task(&mut self, move_closing: bool) -> (Vec<Command>, Vec<Statement>) {
        let issued = self.commands.iter().position(|command| command.state == CommandState::Issued);
        let Some(start) = issued else { return Default::default() };
        self.order_closing(start, move_closing);
        let (mut commands, mut statements) = (Vec::new(), Vec::new());
        for command in self.commands.range_mut(start..) {
            if command.state == CommandState::Issued {
                command.state = CommandState::Sent;
                if let Some(body) = command.body.take() {
                    statements.push(command.location);
                    commands.push(Command {
                        command_type: command.command_type as i32,
                        user_metadata: body.user_metadata,
                        event_group_markers: command.groups.take().map_or_else(Vec::new, |groups| groups.markers()),
                        attributes: Some(body.attributes),
                    });
                }
            }
        }
        (commands, statements)
    }

    fn order_closing(&mut self, start: usize, move_closing: bool) {
        let is_closing =
            |command: &PendingCommand| command.state == CommandState::Issued && closes_workflow(command.command_type);
        let Some(closing) = (start..self.commands.len()).find(|&index| is_closing(&self.commands[index])) else {
            return;
        };
        if move_closing {
            for index in closing + 1..self.commands.len() {
                if is_closing(&self.commands[index]) {
                    self.commands[index].state = CommandState::Removed;
                }
            }
            if let Some(command) = self.commands.remove(closing) {
                self.commands.push_back(command);
            }
        } else {
            self.commands.truncate(closing + 1);
        }
    }
}

fn closes_workflow(command_type: CommandType) -> bool {
    matches!(
        command_type,
        CommandType::CompleteWorkflowExecution
            | CommandType::FailWorkflowExecution
            | CommandType::CancelWorkflowExecution
            | CommandType::ContinueAsNewWorkflowExecution
    )
}

#[cfg(test)]
mod tests {
    use abide_protos::temporal::api::command::v1::StartTimerCommandAttributes;

    use super::*;
    use crate::replay::slab::Slab;

    /// Returns a queue with a command for each item of `closing`; `true` closes the workflow.
    fn queue(closing: &[bool]) -> (CommandQueue, Vec<CommandId>) {
        let mut queue = CommandQueue::default();
        let mut machines = Slab::default();
        let push = |(index, closing): (usize, &bool)| {
            let command_type = match closing {
                true => CommandType::CompleteWorkflowExecution,
                false => CommandType::StartTimer,
            };
            let timer = StartTimerCommandAttributes { timer_id: index.to_string(), ..Default::default() };
            let attributes = Attributes::StartTimerCommandAttributes(timer);
            let body = CommandBody { attributes, user_metadata: None };
            queue.push(command_type, machines.insert(()), None, Some(Box::new(body)))
        };
        let ids = closing.iter().enumerate().map(push).collect();
        (queue, ids)
    }

    /// Returns the indexes of the commands that a task sends.
    fn sent(queue: &mut CommandQueue, move_closing: bool) -> String {
        let index = |command: Command| match command.attributes {
            Some(Attributes::StartTimerCommandAttributes(timer)) => timer.timer_id,
            other => panic!("{other:?}"),
        };
        queue.finish_task(move_closing).0.into_iter().map(index).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn commands_are_sent_once_and_confirmed_in_their_order() {
        let (mut queue, _) = queue(&[false, false, false]);
        assert_eq!(sent(&mut queue, true), "0 1 2");
        assert_eq!(sent(&mut queue, true), "");
        assert!(queue.pop().is_some() && queue.pop().is_some() && queue.pop().is_some());
        assert!(queue.pop().is_none());
    }

    #[test]
    fn a_removed_command_is_neither_sent_nor_expected() {
        let (mut queue, ids) = queue(&[false, false, false]);
        queue.remove(ids[0]);
        queue.remove(ids[2]);
        assert_eq!(sent(&mut queue, true), "1");
        assert!(queue.pop().is_some());
        assert!(queue.pop().is_none());
    }

    #[test]
    fn a_sent_command_cannot_be_removed() {
        let (mut queue, ids) = queue(&[false, false]);
        assert_eq!(sent(&mut queue, true), "0 1");
        queue.remove(ids[0]);
        assert!(queue.pop().is_some() && queue.pop().is_some());
    }

    #[test]
    fn an_id_stays_valid_while_others_leave() {
        let (mut queue, ids) = queue(&[false, false, false]);
        assert!(queue.pop().is_some());
        queue.remove(ids[2]);
        assert_eq!(sent(&mut queue, true), "1");
    }

    #[test]
    fn the_first_closing_command_goes_to_the_end_and_the_others_go() {
        let (mut queue, _) = queue(&[false, true, false, true, false]);
        assert_eq!(sent(&mut queue, true), "0 2 4 1");
    }

    #[test]
    fn without_the_flag_all_is_dropped_after_the_first_closing_command() {
        let (mut queue, _) = queue(&[false, true, false, true, false]);
        assert_eq!(sent(&mut queue, false), "0 1");
        assert!(queue.pop().is_some() && queue.pop().is_some());
        assert!(queue.pop().is_none());
    }
}
