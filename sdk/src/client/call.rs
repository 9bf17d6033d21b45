//! The calls of clients, each with what interceptors see of it. The worker's own traffic does not come through here.

use std::future::Future;

use super::connection::Connection;
use crate::interceptor::client::{ClientCall, ClientNext};

/// A call of a client: a request that is ready to be sent, or several that belong together.
///
/// Without interceptors, it is sent as it is. Interceptors get the input instead, which is made from the call, and from
/// which the call is made again.
pub(crate) trait Call: Sized + Send {
    /// The call as interceptors see it.
    type Input: ClientCall;
    /// The answer that the caller gets.
    type Answer;

    /// Sends the call, and waits for its answer.
    fn send(
        self,
        connection: &Connection,
    ) -> impl Future<Output = Result<Self::Answer, <Self::Input as ClientCall>::Error>> + Send;

    /// Shows the call to interceptors.
    fn into_input(self) -> Self::Input;

    /// Takes the call back from interceptors.
    fn from_input(input: Self::Input) -> Self;

    /// Shows the answer to interceptors.
    fn into_output(answer: Self::Answer) -> <Self::Input as ClientCall>::Output;

    /// Takes the answer back from interceptors.
    fn from_output(output: <Self::Input as ClientCall>::Output) -> Self::Answer;
}

/// Two methods of [`Call`], for calls whose answer is what interceptors see of it.
macro_rules! answer_is_output {
    () => {
        fn into_output(answer: Self::Answer) -> Self::Answer {
            answer
        }

        fn from_output(output: Self::Answer) -> Self::Answer {
            output
        }
    };
}
pub(super) use answer_is_output;

/// A call whose input holds a request.
macro_rules! held_in {
    ($Input:ident) => {
        fn into_input(self) -> $Input {
            $Input::from_request(self)
        }

        fn from_input(input: $Input) -> Self {
            input.into_request()
        }

        answer_is_output!();
    };
}
pub(super) use held_in;

impl Connection {
    /// Makes a call: through the interceptors of this client, if it has some.
    pub(super) async fn carry_out<C: Call>(&self, call: C) -> Result<C::Answer, <C::Input as ClientCall>::Error> {
        let interceptors = self.interceptors();
        if interceptors.is_empty() {
            return call.send(self).await;
        }
        let next = ClientNext::new(interceptors, self);
        Box::pin(next.run(call.into_input())).await.map(C::from_output)
    }
}
