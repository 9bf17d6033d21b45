//! Mistakes in structs of search attributes.
use abide::SearchAttributes;

#[derive(SearchAttributes)]
struct Order {
    customer_id: u32,
    #[search_attribute(text)]
    items: i64,
    #[search_attribute(nam = "Note")]
    note: String,
    #[search_attribute(name = "Note")]
    other_note: String,
    #[search_attribute(name = "")]
    empty: String,
    temporal_change_version: Vec<String>,
}

#[derive(SearchAttributes)]
struct Generic<T> {
    value: T,
}

#[derive(SearchAttributes)]
struct Nothing {}

#[derive(SearchAttributes)]
enum Either {
    One,
}

fn main() {}
