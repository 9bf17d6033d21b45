//! Errors that `?` takes in activities, workflows and handlers, and that their signatures may have.
//!
//! The refused ones are in `ui/fail/use_error_*.rs` and `ui/fail/*_error_of_wrong_type.rs`.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::num::ParseIntError;

use abide::prelude::*;

type BoxedError = Box<dyn Error + Send + Sync>;

/// Like `anyhow::Error` and `eyre::Report`, which are not dependencies: not an error itself, but it turns into a boxed one.
struct Report(BoxedError);

impl From<Report> for BoxedError {
    fn from(report: Report) -> Self {
        report.0
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Report({})", self.0)
    }
}

#[derive(Debug, thiserror::Error)]
enum StockError {
    #[error("{0} is out of stock")]
    OutOfStock(String),
}

#[derive(Debug, abide::ApplicationError)]
enum PaymentError {
    #[error("the card was declined")]
    Declined,
}

/// Returns the failure's message and type.
fn told(failure: Option<Failure>) -> (String, Option<String>) {
    let failure = failure.expect("a failure");
    (failure.message().to_string(), failure.error_type().map(str::to_string))
}

/// An activity, a workflow and handlers that let an error of a type through, by `?` and by their signature.
macro_rules! taken {
    ($name:ident, $ty:ty, $error:expr => $message:expr, $error_type:expr) => {
        mod $name {
            use super::*;

            fn fails() -> Result<u32, $ty> {
                Err($error)
            }

            #[activity]
            async fn charge() -> Result<u32, ActivityError> {
                Ok(fails()?)
            }

            #[activity]
            async fn charge_as_it_is() -> Result<u32, $ty> {
                fails()
            }

            #[workflow]
            async fn order() -> Result<u32, WorkflowError> {
                Ok(fails()?)
            }

            #[workflow]
            async fn order_as_it_is() -> Result<u32, $ty> {
                fails()
            }

            #[workflow]
            #[derive(Default)]
            struct Shop;

            #[workflow_methods]
            impl Shop {
                #[run]
                async fn run(&self) -> Result<u32, $ty> {
                    fails()
                }

                #[update]
                async fn buy(&self) -> Result<u32, WorkflowError> {
                    Ok(fails()?)
                }

                #[update_validator(buy)]
                fn check(&self) -> Result<(), $ty> {
                    fails().map(drop)
                }

                #[update]
                async fn buy_as_it_is(&self) -> Result<u32, $ty> {
                    fails()
                }

                #[signal]
                fn close(&self) -> Result<(), WorkflowError> {
                    fails()?;
                    Ok(())
                }

                #[signal]
                async fn close_as_it_is(&self) -> Result<(), $ty> {
                    fails().map(drop)
                }

                #[query]
                fn price(&self) -> Result<u32, WorkflowError> {
                    Ok(fails()?)
                }

                #[query]
                fn price_as_it_is(&self) -> Result<u32, $ty> {
                    fails()
                }
            }

            #[tokio::test]
            async fn is_taken_with_its_text_and_type() {
                let expected = ($message.to_string(), Some($error_type.to_string()).filter(|text| !text.is_empty()));
                let failures = [
                    charge().await.unwrap_err().to_failure(),
                    ActivityError::from(charge_as_it_is().await.unwrap_err()).to_failure(),
                    order().await.unwrap_err().to_failure(),
                    WorkflowError::from(order_as_it_is().await.unwrap_err()).to_failure(),
                    WorkflowError::from(Shop.run().await.unwrap_err()).to_failure(),
                    Shop.buy().await.unwrap_err().to_failure(),
                    WorkflowError::from(Shop.buy_as_it_is().await.unwrap_err()).to_failure(),
                    Shop.close().unwrap_err().to_failure(),
                    WorkflowError::from(Shop.close_as_it_is().await.unwrap_err()).to_failure(),
                    Shop.price().unwrap_err().to_failure(),
                    WorkflowError::from(Shop.price_as_it_is().unwrap_err()).to_failure(),
                ];
                for failure in failures {
                    assert_eq!(told(failure), expected);
                }
            }
        }
    };
}

taken!(a_report, Report, Report(StockError::OutOfStock("tea".into()).into()) => "tea is out of stock", "Report");
taken!(a_boxed_error, BoxedError, StockError::OutOfStock("tea".into()).into() => "tea is out of stock", "");
taken!(a_boxed_text, BoxedError, "no tea".into() => "no tea", "");
taken!(a_string, String, "no tea".to_string() => "no tea", "");
taken!(a_str, &'static str, "no tea" => "no tea", "");
taken!(a_cow, Cow<'static, str>, "no tea".into() => "no tea", "");
taken!(an_enum_of_thiserror, StockError, StockError::OutOfStock("tea".into()) => "tea is out of stock", "StockError");
taken!(an_application_error, PaymentError, PaymentError::Declined => "the card was declined", "Declined");
taken!(an_io_error, std::io::Error, std::io::Error::other("no disk") => "no disk", "Error");
taken!(an_error_of_std, ParseIntError, "x".parse::<u8>().expect_err("a letter") => "invalid digit found in string", "ParseIntError");
