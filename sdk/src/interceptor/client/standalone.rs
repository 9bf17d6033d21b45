//! The inputs of calls about standalone executions, activities and Nexus operations, which differ in names only.

/// An input about one execution: its ids, texts, and the rest of the request.
macro_rules! execution_input {
    (
        $(#[$doc:meta])*
        $Input:ident, $Request:ident { $(#[$id_doc:meta])* $id:ident $(, $(#[$text_doc:meta])* $text:ident)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $Input {
            $(#[$id_doc])*
            pub $id: String,
            /// Run id; `None` is the last run.
            pub run_id: Option<String>,
            $($(#[$text_doc])* pub $text: String,)*
            rest: Rest<$Request>,
        }

        impl $Input {
            pub(crate) fn from_request(mut request: $Request) -> Self {
                Self {
                    $id: std::mem::take(&mut request.$id),
                    run_id: present(std::mem::take(&mut request.run_id)),
                    $($text: std::mem::take(&mut request.$text),)*
                    rest: Rest(request),
                }
            }

            pub(crate) fn into_request(self) -> $Request {
                $Request {
                    $id: self.$id,
                    run_id: self.run_id.unwrap_or_default(),
                    $($text: self.$text,)*
                    ..self.rest.0
                }
            }
        }
    };
}
pub(super) use execution_input;

/// The inputs of a list and of a count, and a page of the list.
macro_rules! visibility_inputs {
    (
        $what:literal, $Info:ident;
        $List:ident, $ListRequest:ident, $list_method:literal;
        $Page:ident { $entries:ident };
        $Count:ident, $CountRequest:ident, $count_method:literal
    ) => {
        #[doc = concat!(
            "A call for one page of a list of standalone ", $what, ", as an [interceptor](", $list_method, ") sees it."
        )]
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $List {
            /// The visibility query. It must be the same for all pages of a list.
            pub query: String,
            /// Maximum number of entries in the page; `None` leaves it to the server.
            pub page_size: Option<u32>,
            rest: Rest<$ListRequest>,
        }

        impl $List {
            pub(crate) fn from_request(mut request: $ListRequest) -> Self {
                let query = std::mem::take(&mut request.query);
                let page_size = u32::try_from(request.page_size).ok().filter(|size| *size > 0);
                Self { query, page_size, rest: Rest(request) }
            }

            pub(crate) fn into_request(self) -> $ListRequest {
                let page_size = self.page_size.map_or(0, |size| i32::try_from(size).unwrap_or(i32::MAX));
                $ListRequest { query: self.query, page_size, ..self.rest.0 }
            }

            /// Returns true for the first page of a list.
            pub fn is_first_page(&self) -> bool {
                self.rest.0.next_page_token.is_empty()
            }
        }

        #[doc = concat!("One page of a list of standalone ", $what, ".")]
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $Page {
            #[doc = concat!("The ", $what, " of the page. An interceptor may remove some.")]
            pub $entries: Vec<$Info>,
            pub(crate) next_page_token: Vec<u8>,
        }

        impl $Page {
            /// Creates the only page of an interceptor that does not pass the call on.
            pub fn new($entries: Vec<$Info>) -> Self {
                Self { $entries, next_page_token: Vec::new() }
            }

            /// Returns true for the last page of a list.
            pub fn is_last_page(&self) -> bool {
                self.next_page_token.is_empty()
            }
        }

        #[doc = concat!("A count of standalone ", $what, ", as an [interceptor](", $count_method, ") sees it.")]
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $Count {
            /// The visibility query.
            pub query: String,
            rest: Rest<$CountRequest>,
        }

        impl $Count {
            pub(crate) fn from_request(mut request: $CountRequest) -> Self {
                Self { query: std::mem::take(&mut request.query), rest: Rest(request) }
            }

            pub(crate) fn into_request(self) -> $CountRequest {
                $CountRequest { query: self.query, ..self.rest.0 }
            }
        }
    };
}
pub(super) use visibility_inputs;
