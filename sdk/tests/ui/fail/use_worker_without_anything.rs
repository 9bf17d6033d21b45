use abide::prelude::*;

fn start(client: &Client) {
    let _ = abide::worker::Worker::builder(client, "orders").build();
}

fn main() {}
