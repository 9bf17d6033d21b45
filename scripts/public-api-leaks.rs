//! A crate with every way to show a foreign type to users. `scripts/public-api` checks itself with it: it must report
//! each line that ends in `//~`, with that text, and nothing else.

use std::fmt;

pub use prost::Message as Reexported; //~ leaks: names `prost::Message`
pub use private::*;

pub fn takes(_: Option<&[prost::Message]>) {} //~ leaks::takes: names `prost::Message`

pub fn returns() -> impl Iterator<Item = prost::Message> { //~ leaks::returns: names `prost::Message`
    std::iter::empty()
}

pub fn bound<T>(_: T) //~ leaks::bound: names `prost::Decode`
where
    Vec<T>: prost::Decode,
{
}

pub fn excused(_: prost::Message) {}

pub fn unnameable() -> inner::Unnameable { //~ leaks::unnameable: names `leaks::inner::Unnameable`, which users cannot name
    inner::Unnameable
}

pub fn sealed<T: inner::Sealed>(_: T) {}

#[derive(Debug)]
pub struct Fields<T = prost::Message> { //~ leaks::Fields: names `prost::Message`
    pub shown: fn(prost::Message), //~ leaks::Fields::shown: names `prost::Message`
    pub fine: T,
    hidden: prost::Message,
}

#[derive(Debug)]
pub enum Variants {
    Tuple(prost::Message), //~ leaks::Variants::Tuple::0: names `prost::Message`
    Named {
        field: prost::Message, //~ leaks::Variants::Named::field: names `prost::Message`
    },
}

pub struct WithoutDebug; //~ leaks::WithoutDebug: does not implement `Debug`

pub type Alias = Box<dyn prost::Decode>; //~ leaks::Alias: names `prost::Decode`

pub const CONSTANT: Option<prost::Message> = None; //~ leaks::CONSTANT: names `prost::Message`

pub trait Trait: prost::Decode { //~ leaks::Trait: names `prost::Decode`
    type Assoc: prost::Decode; //~ leaks::Trait::Assoc: names `prost::Decode`
    const VALUE: prost::Message; //~ leaks::Trait::VALUE: names `prost::Message`
    fn method(&self) -> Result<(), prost::Message>; //~ leaks::Trait::method: names `prost::Message`
}

#[derive(Debug)]
pub struct Plain;

impl Plain {
    pub fn method(&self, _: prost::Message) {} //~ leaks::Plain::method: names `prost::Message`

    #[doc(hidden)]
    pub fn hidden(&self, _: prost::Message) {}

    fn private(&self, _: prost::Message) {}
}

impl prost::Decode for Plain {} //~ leaks::Plain as Decode: names `prost::Decode`

impl From<prost::Message> for Plain { //~ leaks::Plain as From: names `prost::Message`
    fn from(message: prost::Message) -> Self { //~ leaks::Plain as From::from: names `prost::Message`
        Self.private(message);
        Self
    }
}

impl From<Plain> for prost::Message { //~ leaks::Plain as From: names `prost::Message`
    fn from(_: Plain) -> Self {
        Self
    }
}

impl Iterator for Plain {
    type Item = prost::Message; //~ leaks::Plain as Iterator::Item: names `prost::Message`

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

pub trait Blanket {}

impl<T: prost::Decode> Blanket for T {} //~ leaks::Blanket implemented: names `prost::Decode`

#[doc(hidden)]
pub mod hidden {
    pub fn takes(_: prost::Message) {}
}

mod private {
    #[derive(Debug)]
    pub struct Globbed(pub prost::Message); //~ leaks::Globbed::0: names `prost::Message`
}

mod inner {
    pub struct Unnameable;

    pub trait Sealed {
        fn method(&self) -> prost::Message; //~ leaks::inner::Sealed::method: names `prost::Message`
    }

    pub struct Unreachable(pub prost::Message);
}

impl fmt::Display for inner::Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unreachable")
    }
}
