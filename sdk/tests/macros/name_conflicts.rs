//! The macros' output works with any names of the user: shadowed preludes, raw identifiers, names from the output
//! itself.

#![allow(dead_code)]

use abide::{Activity, ActivityDefinition, QueryDefinition, SignalDefinition, Workflow, WorkflowDefinition};

mod shadowed_prelude {
    //! Every name that generated code might use has another meaning here.
    #![allow(non_camel_case_types)]

    pub(super) struct Result;
    pub(super) struct Option;
    pub(super) struct Vec;
    pub(super) struct String;
    pub(super) struct Box;
    pub(super) struct Rc;
    pub(super) struct Arc;
    pub(super) struct Pin;
    pub(super) struct Payload;
    pub(super) struct ActivityFuture;
    pub(super) struct PhantomData;
    pub(super) struct str;
    pub(super) struct bool;
    pub(super) trait Clone {}
    pub(super) trait Copy {}
    pub(super) trait Default {}
    pub(super) trait Send {}
    pub(super) trait Deref {}
    pub(super) trait From {}
    pub(super) fn drop() {}
    #[allow(non_snake_case)]
    pub(super) fn Ok() {}
    #[allow(non_snake_case)]
    pub(super) fn Err() {}
    #[allow(non_snake_case)]
    pub(super) fn Some() {}
    mod core {}
    mod std {}
    mod abide {}

    #[::abide::activity]
    pub(super) async fn work(value: u32) -> ::std::result::Result<u32, ::abide::ActivityError> {
        ::std::result::Result::Ok(value)
    }

    #[derive(::std::default::Default)]
    pub(super) struct Host;

    #[::abide::activities]
    impl Host {
        #[activity]
        pub(super) async fn host(
            &self,
            ctx: &::abide::ActivityContext,
            args: u32,
        ) -> ::std::result::Result<u32, ::abide::ActivityError> {
            let _ = ctx;
            ::std::result::Result::Ok(args)
        }
    }

    #[::abide::workflow]
    pub(super) async fn flow(
        ctx: &::abide::WorkflowContext,
        from: u32,
        to: u32,
    ) -> ::std::result::Result<u32, ::abide::WorkflowError> {
        let _ = ctx;
        ::std::result::Result::Ok(to - from)
    }

    #[::abide::workflow]
    #[derive(::std::default::Default)]
    pub(super) struct Machine;

    #[::abide::workflow_methods]
    impl Machine {
        #[run]
        pub(super) async fn run(&self, args: u32) -> ::std::result::Result<u32, ::abide::WorkflowError> {
            ::std::result::Result::Ok(args)
        }

        #[signal]
        pub(super) async fn signal(&self, name: u32) {
            let _ = name;
        }

        #[query]
        pub(super) fn query(
            &self,
            ctx: &::abide::WorkflowContext,
            name: u32,
        ) -> ::std::result::Result<u32, ::abide::WorkflowError> {
            let _ = ctx;
            ::std::result::Result::Ok(name)
        }
    }
}

mod raw_identifiers {
    use abide::prelude::*;

    #[activity]
    pub(super) async fn r#move(r#type: u32) -> Result<u32, ActivityError> {
        Ok(r#type)
    }

    #[workflow]
    #[derive(Default)]
    #[allow(non_camel_case_types)]
    pub(super) struct r#struct;

    #[workflow_methods]
    impl r#struct {
        #[run]
        pub(super) async fn r#loop(&self) -> Result<u32, WorkflowError> {
            Ok(self.r#for())
        }

        #[signal]
        pub(super) fn r#if(&self, r#else: u32) {
            let _ = r#else;
        }

        #[query]
        pub(super) fn r#for(&self) -> u32 {
            1
        }
    }
}

mod our_own_words {
    use abide::prelude::*;

    #[derive(Default, serde::Serialize, serde::Deserialize)]
    pub(super) struct Returns<T>(T);

    #[workflow]
    #[derive(Default)]
    pub(super) struct WorkflowInstance;

    #[workflow_methods]
    impl WorkflowInstance {
        #[run]
        pub(super) async fn instantiate(&self, instance: Returns<Vec<u8>>) -> Result<u32, WorkflowError> {
            self.handlers();
            Ok(self.name() + u32::try_from(instance.0.len())?)
        }

        #[signal]
        pub(super) fn handlers(&self) {}

        #[query]
        pub(super) fn name(&self) -> u32 {
            7
        }

        #[query]
        pub(super) fn itself(&self) -> Returns<u8> {
            Returns(1)
        }
    }
}

mod made_by_a_macro {
    use abide::prelude::*;

    macro_rules! activity_with_default {
        ($name:ident, $ty:ty) => {
            #[activity]
            pub(super) async fn $name(value: Option<$ty>) -> Result<$ty, ActivityError> {
                Ok(value.unwrap_or_default())
            }
        };
    }

    activity_with_default!(number_or_zero, u32);
}

mod named_like_locals {
    //! A constant captures patterns with its name, and the output once had such patterns.
    use abide::prelude::*;

    macro_rules! activities_named {
        ($($name:ident)*) => {
            $(
                #[activity(blocking)]
                pub(super) fn $name(count: u32) -> Result<u32, ActivityError> {
                    Ok(count)
                }
            )*
        };
    }

    activities_named!(host ctx args name state error validate to from registry f call value answer result run arg0 arg1 this outcome rest output);

    #[workflow]
    #[derive(Default)]
    pub(super) struct Order {
        total: State<u32>,
    }

    #[workflow_methods]
    impl Order {
        #[init]
        fn new(_: &WorkflowContext, first: u32, second: u32) -> Self {
            Self { total: State::new(first + second) }
        }

        #[run]
        pub(super) async fn run_it(
            &self,
            context: &WorkflowContext,
            first: u32,
            second: u32,
        ) -> Result<u32, WorkflowError> {
            let (sum, _) = abide::join!(async { first + second }, context.timer(secs(1)));
            let sum = abide::select! {
                _ = context.timer(secs(1)) => sum,
                _ = context.cancelled() => 0,
            };
            Ok(context.activity(host, sum).start_to_close_timeout(secs(1)).await?)
        }

        #[signal]
        fn add(&self, _: &WorkflowContext, count: u32) {
            self.total.update(|total| *total += count);
        }

        #[query]
        fn total(&self, _: &WorkflowContext) -> u32 {
            self.total.get()
        }

        #[update]
        async fn set(&self, _: &WorkflowContext, count: u32) -> u32 {
            self.total.set(count);
            count
        }

        #[update_validator(set)]
        fn check_set(&self, _: &WorkflowContext, count: &u32) -> Result<(), WorkflowError> {
            if *count == 0 { Err(ApplicationFailure::new("a total of nothing").into()) } else { Ok(()) }
        }
    }

    pub(super) struct Payments;

    #[activities]
    impl Payments {
        #[activity]
        pub(super) async fn charge(&self, _: &ActivityContext, cents: u32, tip: u32) -> Result<u32, ActivityError> {
            Ok(cents + tip)
        }
    }
}

#[tokio::test]
async fn generated_code_does_not_care_what_the_prelude_means() {
    assert_eq!(shadowed_prelude::work(1).await.unwrap(), 1);
    assert_eq!(shadowed_prelude::flow.definition().name(), "flow");
    assert_eq!(WorkflowDefinition::name(&shadowed_prelude::Machine::run), "Machine");
    assert_eq!(shadowed_prelude::Host::host.name(), "host");
}

#[tokio::test]
async fn generated_code_does_not_trip_over_definitions_named_like_its_locals() {
    use named_like_locals::{Order, Payments, args, host};
    assert_eq!((host(1).await.unwrap(), args(2).await.unwrap()), (1, 2));
    assert_eq!(WorkflowDefinition::name(&Order::run_it), "Order");
    assert_eq!(Payments::charge.name(), "charge");
}

#[tokio::test]
async fn raw_identifiers_lose_their_mark_on_the_wire() {
    use raw_identifiers::{r#move, r#struct};
    assert_eq!(r#move.definition().name(), "move");
    assert_eq!(r#move(2).await.unwrap(), 2);
    assert_eq!(r#struct::r#loop.name(), "struct");
    assert_eq!(r#struct::r#if.name(), "if");
    assert_eq!(r#struct::r#for.name(), "for");
}

#[tokio::test]
async fn our_own_words_are_free_for_users() {
    use our_own_words::WorkflowInstance;
    assert_eq!(QueryDefinition::name(&WorkflowInstance::name), "name");
    assert_eq!(SignalDefinition::name(&WorkflowInstance::handlers), "handlers");
    assert_eq!(WorkflowDefinition::name(&WorkflowInstance::instantiate), "WorkflowInstance");
    assert_eq!(made_by_a_macro::number_or_zero(None).await.unwrap(), 0);
}

/// User-defined types with the names that the functions' definitions would have.
mod taken_type_names {
    use abide::prelude::*;
    use abide::{ActivityDefinition, WorkflowDefinition};

    struct ShipActivity {
        parcels: u32,
    }

    struct TransferWorkflow;

    #[activity(definition = ShipDefinition)]
    async fn ship(parcels: u32) -> Result<u32, ActivityError> {
        Ok(ShipActivity { parcels }.parcels)
    }

    #[workflow(name = "transfer money", definition = TransferDefinition)]
    async fn transfer(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
        let _ = TransferWorkflow;
        Ok(ctx.activity(ship, 1).start_to_close_timeout(secs(1)).await?)
    }

    #[test]
    fn a_definition_has_the_name_that_was_given() {
        assert_eq!(ShipDefinition::default().name(), "ship");
        assert_eq!(TransferDefinition::default().name(), "transfer money");
    }
}

/// Functions and types passed as fragments to a user's macro.
mod fragments {
    use abide::prelude::*;
    use abide::{SignalDefinition, WorkflowDefinition};

    macro_rules! counter {
        ($ty:ty, $count:block) => {
            #[workflow_methods]
            impl $ty {
                #[run]
                async fn run(&self) -> Result<u32, WorkflowError> $count

                #[signal]
                fn hit(&self) {}
            }
        };
    }

    #[workflow]
    #[derive(Default)]
    struct Counter;
    counter!(Counter, { Ok(3) });

    #[test]
    fn a_block_and_a_type_of_a_macro_are_taken() {
        assert_eq!(Counter::run.name(), "Counter");
        assert_eq!(Counter::hit.name(), "hit");
    }
}
