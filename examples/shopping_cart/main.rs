//! Ada fills her cart and orders; Bob forgets his, and then a new one. `cargo run --example shopping_cart`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Cart, deliver};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let worker = Worker::builder(client, "shopping_cart").workflow(Cart::run).activities(deliver).build()?;
    // Nobody creates a cart: one call adds to the running cart, or starts one.
    let add = |id: &str, article: &str| {
        let cart = client.start(Cart::run, server.time(mins(30))).id(id).task_queue("shopping_cart");
        cart.with_update(Cart::add, article.into())
    };
    let shopping = async {
        let (ada, bob) = (unique("cart-of-ada"), unique("cart-of-bob"));
        for article in ["book", "unicorn", "pen"] {
            let (_, added) = add(&ada, article).await?;
            match added.result().await {
                Ok(articles) => println!("ada adds a {article}: {articles} in her cart"),
                Err(error) => println!("ada adds a {article}: {}", error.message()),
            }
        }
        let cart = client.handle(Cart::run, &ada);
        println!("ada pays {} cents", cart.update(Cart::check_out, ()).await?);
        println!("ada's cart: {:?}", cart.result().await?);

        for article in ["book", "pen"] {
            let (cart, added) = add(&bob, article).await?;
            println!("bob adds a {article}: {} in his cart", added.result().await?);
            println!("bob's cart: {:?}", cart.result().await?);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    worker.run_until(shopping).await?
}
