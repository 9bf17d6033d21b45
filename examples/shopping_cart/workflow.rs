//! A shopping cart that lives from its first article to the checkout, or until its owner has forgotten it.

use std::time::Duration;

use abide::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum End {
    Ordered { articles: Vec<String> },
    Abandoned,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ApplicationError)]
pub enum CartError {
    #[error("there is no article `{article}`")]
    NoArticle { article: String },
    #[error("the cart is empty")]
    Empty,
    #[error("the cart is checked out")]
    CheckedOut,
}

fn price(article: &str) -> Option<u64> {
    match article {
        "book" => Some(1_500),
        "pen" => Some(200),
        _ => None,
    }
}

#[activity]
pub async fn deliver(_articles: Vec<String>) -> Result<(), ActivityError> {
    Ok(())
}

#[workflow]
#[derive(Default)]
pub struct Cart {
    articles: State<Vec<String>>,
    checked_out: State<bool>,
}

#[workflow_methods]
impl Cart {
    /// The cart expires if nothing happens to it for that time.
    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, expires_after: Duration) -> Result<End, WorkflowError> {
        while !self.checked_out.get() {
            let before = self.articles.read().len();
            let changed = ctx.wait_until(|| self.checked_out.get() || self.articles.read().len() != before);
            if !changed.timeout(expires_after).await? {
                return Ok(End::Abandoned);
            }
        }
        let articles = self.articles.get();
        ctx.activity(deliver, articles.clone()).start_to_close_timeout(mins(1)).await?;
        Ok(End::Ordered { articles })
    }

    /// Returns how many articles the cart has now.
    #[update]
    pub fn add(&self, article: String) -> usize {
        self.articles.write().push(article);
        self.articles.read().len()
    }

    #[update_validator(add)]
    fn may_add(&self, article: &str) -> Result<(), CartError> {
        match price(article) {
            _ if self.checked_out.get() => Err(CartError::CheckedOut),
            None => Err(CartError::NoArticle { article: article.into() }),
            Some(_) => Ok(()),
        }
    }

    /// Returns what the articles cost.
    #[update]
    pub fn check_out(&self) -> u64 {
        self.checked_out.set(true);
        self.articles.read().iter().filter_map(|article| price(article)).sum()
    }

    #[update_validator(check_out)]
    fn may_check_out(&self) -> Result<(), CartError> {
        match self.articles.read().is_empty() {
            _ if self.checked_out.get() => Err(CartError::CheckedOut),
            true => Err(CartError::Empty),
            false => Ok(()),
        }
    }
}
