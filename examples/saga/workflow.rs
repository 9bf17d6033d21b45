//! A transfer between two accounts: both bookings, or none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abide::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transfer {
    pub from: String,
    pub to: String,
    pub cents: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ApplicationError)]
pub enum BankError {
    #[error("there is no account `{account}`", non_retryable)]
    NoAccount { account: String },
    #[error("the account `{account}` has only {cents} cents", non_retryable)]
    TooLittle { account: String, cents: i64 },
}

/// Debits one account and credits the other. If the credit fails or the workflow is cancelled, the debit is reversed.
#[workflow]
pub async fn transfer(ctx: &WorkflowContext, transfer: Transfer) -> Result<String, WorkflowError> {
    let Transfer { from, to, cents } = transfer;
    let booking = ActivityOptions::with_start_to_close_timeout(mins(1));
    let debit = format!("{}/debit", ctx.info().workflow_id);
    let saga = ctx.saga();
    let steps = saga.run(async {
        // First, because a debit that times out or is cancelled may have been booked.
        saga.compensate_with(ctx.activity(Bank::reverse, debit.clone()).options(&booking));
        ctx.activity(Bank::debit, (debit, from, cents)).options(&booking).await?;
        ctx.activity(Bank::credit, (to, cents)).options(&booking).await?;
        Ok(())
    });
    match steps.await {
        Ok(()) => Ok("complete".into()),
        Err(error) if error.is_compensated() && !error.cause().is_cancelled() => {
            Ok(format!("failed, nothing was booked: {}", error.cause().message()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The accounts. A real bank has a database, in which the booking's id makes it idempotent, as here.
#[derive(Clone)]
pub struct Bank {
    books: Arc<Mutex<Books>>,
}

#[derive(Default)]
struct Books {
    balances: BTreeMap<String, i64>,
    /// The bookings, and the reversals of bookings, which may come first.
    bookings: BTreeMap<String, Option<(String, i64)>>,
}

#[activities]
impl Bank {
    #[activity]
    pub async fn debit(&self, booking: String, account: String, cents: i64) -> Result<(), BankError> {
        let mut books = self.books();
        let balance = books.balance(&account)?;
        if balance < cents && !books.bookings.contains_key(&booking) {
            return Err(BankError::TooLittle { account, cents: balance });
        }
        books.book(booking, account, -cents);
        Ok(())
    }

    #[activity]
    pub async fn credit(&self, ctx: &ActivityContext, account: String, cents: i64) -> Result<(), BankError> {
        let mut books = self.books();
        books.balance(&account)?;
        let transfer = ctx.info().workflow_id.as_deref().unwrap_or_default();
        books.book(format!("{transfer}/credit"), account, cents);
        Ok(())
    }

    /// Reverses a booking, once. One that has not arrived yet will do nothing.
    #[activity]
    pub async fn reverse(&self, booking: String) -> Result<(), ActivityError> {
        let mut books = self.books();
        if let Some((account, cents)) = books.bookings.entry(booking).or_default().take() {
            *books.balances.entry(account).or_default() -= cents;
        }
        Ok(())
    }
}

impl Bank {
    pub fn new<const N: usize>(accounts: [(&str, i64); N]) -> Self {
        let balances = accounts.map(|(account, cents)| (account.to_string(), cents)).into();
        Self { books: Arc::new(Mutex::new(Books { balances, ..Books::default() })) }
    }

    pub fn balance(&self, account: &str) -> i64 {
        self.books().balances[account]
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn balance(&self, account: &str) -> Result<i64, BankError> {
        self.balances.get(account).copied().ok_or_else(|| BankError::NoAccount { account: account.into() })
    }

    /// Changes a balance, unless this was booked or reversed before.
    fn book(&mut self, booking: String, account: String, cents: i64) {
        self.bookings.entry(booking).or_insert_with(|| {
            *self.balances.entry(account.clone()).or_default() += cents;
            Some((account, cents))
        });
    }
}
