//! The expansion of `#[derive(ApplicationError)]` on enums and structs: message, failure, and conversion back.

use std::error::Error;
use std::fmt;

use abide::prelude::*;
use abide::{Cancelled, ErrorCategory, FailureKind};

/// A definition with the same name as a field.
#[activity]
async fn card() -> Result<(), ActivityError> {
    Ok(())
}

#[derive(Debug, PartialEq, ApplicationError)]
enum PaymentError {
    #[error("card {card} was declined: {reason:?}", non_retryable)]
    Declined { card: String, reason: Option<String> },
    #[error("only {0} of {1} {{cents}} are there", error_type = "Broke", benign)]
    TooLittle(u64, u64),
    #[error("the bank is busy", next_retry_delay = mins(1))]
    Busy,
}

#[derive(Debug, PartialEq, ApplicationError)]
#[error("no {what}")]
struct Missing {
    what: String,
}

const LIMIT: u32 = 30;

#[derive(Debug, PartialEq, ApplicationError)]
#[error(error_type_prefix = "User")]
enum UserError {
    #[error("no user {0} among {LIMIT}")]
    NotFound(String),
    #[error("locked", error_type = "Locked")]
    Locked,
}

#[derive(Debug, PartialEq, ApplicationError)]
enum StockError {
    #[error("no article {0}")]
    NotFound(String),
}

fn declined(reason: Option<&str>) -> PaymentError {
    PaymentError::Declined { card: "7".to_string(), reason: reason.map(str::to_string) }
}

fn recorded(error: impl abide::IntoFailure) -> Failure {
    WorkflowError::from(error).to_failure().expect("an error of the author is a failure")
}

#[test]
fn the_message_names_fields_by_name_and_by_number() {
    assert_eq!(declined(Some("stolen")).to_string(), r#"card 7 was declined: Some("stolen")"#);
    assert_eq!(PaymentError::TooLittle(3, 5).to_string(), "only 3 of 5 {cents} are there");
    assert_eq!(PaymentError::Busy.to_string(), "the bank is busy");
}

#[test]
fn a_variant_is_a_failure_of_its_own_type_with_its_fields_as_details() {
    let failure = recorded(declined(None));
    assert_eq!((failure.error_type(), failure.is_non_retryable()), (Some("Declined"), true));
    assert_eq!(failure.message(), "card 7 was declined: None");
    assert_eq!(failure.detail::<String>(0).unwrap().as_deref(), Some("7"));
    assert_eq!(failure.detail::<Option<String>>(1).unwrap(), Some(None));

    let failure = recorded(PaymentError::TooLittle(3, 5));
    assert_eq!((failure.error_type(), failure.is_non_retryable()), (Some("Broke"), false));
    assert_eq!(recorded(PaymentError::Busy).error_type(), Some("Busy"));
}

#[test]
fn retry_delay_and_category_are_those_of_the_application_failure() {
    let shown = format!("{:?}", PaymentError::Busy.to_application_failure());
    assert!(shown.contains("next_retry_delay: Some(60s)"), "{shown}");
    let shown = format!("{:?}", PaymentError::TooLittle(0, 1).to_application_failure());
    assert!(shown.contains(&format!("category: {:?}", ErrorCategory::Benign)), "{shown}");
}

#[test]
fn an_error_reads_back_as_the_same_value() {
    for error in [declined(Some("stolen")), declined(None), PaymentError::TooLittle(3, 5), PaymentError::Busy] {
        let failure = Failure::from(error.to_application_failure());
        assert_eq!(failure.application_error(), Some(error));
    }
    let missing = Missing { what: "milk".to_string() };
    assert_eq!(recorded(missing).application_error(), Some(Missing { what: "milk".to_string() }));
}

#[test]
fn a_prefix_tells_variants_of_one_name_apart() {
    let (user, article) = (UserError::NotFound("Ada".to_string()), StockError::NotFound("milk".to_string()));
    assert_eq!(user.to_string(), "no user Ada among 30");
    let (user, article) = (recorded(user), recorded(article));
    assert_eq!((user.error_type(), article.error_type()), (Some("UserNotFound"), Some("NotFound")));
    assert_eq!(user.application_error(), Some(UserError::NotFound("Ada".to_string())));
    assert_eq!((user.application_error::<StockError>(), article.application_error::<UserError>()), (None, None));
    // A type given at a variant is the whole type.
    assert_eq!(recorded(UserError::Locked).error_type(), Some("Locked"));
}

#[test]
fn a_failure_of_another_type_or_with_other_details_is_none() {
    assert_eq!(recorded(PaymentError::Busy).application_error::<Missing>(), None);
    let other_details = ApplicationFailure::new("no").error_type("Broke").detail(&"three".to_string()).unwrap();
    assert_eq!(other_details.application_error::<PaymentError>(), None);
    assert_eq!(Cancelled::new("enough").application_error::<PaymentError>(), None);
}

#[test]
fn a_detail_that_an_older_program_did_not_write_reads_as_none() {
    let older = ApplicationFailure::new("no").error_type("Declined").detail(&"7".to_string()).unwrap();
    assert_eq!(older.application_error(), Some(declined(None)));
}

#[test]
fn an_error_is_found_among_the_causes() {
    let around = ApplicationFailure::new("no shipment").cause(declined(None));
    assert_eq!(around.application_error(), Some(declined(None)));
    let activity: ActivityError = PaymentError::Busy.into();
    assert_eq!(activity.application_error(), Some(PaymentError::Busy));
    assert_eq!(activity.downcast_ref(), Some(&PaymentError::Busy));
}

/// Like thiserror's `#[error(transparent)]`, and like a boxed `anyhow::Error`.
#[derive(Debug)]
struct Transparent(Box<dyn Error + Send + Sync>);

impl fmt::Display for Transparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Transparent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Like `anyhow::Error`: not an error itself, but convertible to a boxed one.
struct Report(Box<dyn Error + Send + Sync>);

impl From<Report> for Box<dyn Error + Send + Sync> {
    fn from(report: Report) -> Self {
        Box::new(Transparent(report.0))
    }
}

#[test]
fn boxed_errors_reports_and_texts_are_taken() {
    fn boxed() -> Result<(), WorkflowError> {
        Err::<(), Box<dyn Error + Send + Sync>>(declined(None).into())?;
        Ok(())
    }
    fn report() -> Result<(), WorkflowError> {
        Err(Report(declined(None).into()))?;
        Ok(())
    }
    fn text() -> Result<(), WorkflowError> {
        Err("nothing left")?;
        Ok(())
    }
    for taken in [boxed, report] {
        let error = taken().unwrap_err();
        assert_eq!(error.application_error(), Some(declined(None)), "{error}");
    }
    let failure = text().unwrap_err().to_failure().unwrap();
    assert_eq!((failure.message(), failure.error_type()), ("nothing left", None));
    let boxed: Box<dyn Error + Send + Sync> = "nothing left".into();
    assert_eq!(recorded(boxed).error_type(), None);
}

#[test]
fn a_wrapped_cancellation_is_still_a_cancellation() {
    let wrapped = || Transparent(Cancelled::new("enough").into());
    assert!(WorkflowError::from(wrapped()).is_cancelled());
    assert!(WorkflowError::from(Report(wrapped().into())).is_cancelled());
    assert_eq!(ActivityError::from(wrapped()).to_string(), "the activity was cancelled");
    // With its own text it is a different error, caused by a cancellation.
    let around = ApplicationFailure::new("no shipment").cause(Cancelled::new("enough"));
    assert!(!WorkflowError::from(around).is_cancelled());
}

#[test]
fn one_trait_asks_all_failures() {
    fn look(failure: &dyn TemporalFailure) -> (bool, bool, String, Option<String>) {
        (failure.is_cancelled(), failure.is_timeout(), failure.message(), failure.error_type())
    }
    assert_eq!(look(&Cancelled::new("enough")), (true, false, "Cancelled: enough".to_string(), None));
    let failure = ApplicationFailure::new("no").error_type("No");
    assert_eq!(look(&failure), (false, false, "no".to_string(), Some("No".to_string())));
    let error = WorkflowError::from(declined(None));
    assert_eq!(look(&error).3, Some("Declined".to_string()));
    assert_eq!(ActivityError::cancelled().to_failure().unwrap().kind(), FailureKind::Cancelled);
    assert!(ActivityError::will_complete_async().to_failure().is_none());
}
