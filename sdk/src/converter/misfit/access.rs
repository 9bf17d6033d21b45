//! A JSON value as a serde deserializer, whose errors know their position.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::Misfit;

/// A value to deserialize.
pub(super) struct At<'a> {
    value: &'a Value,
}

impl<'a> At<'a> {
    pub(super) fn new(value: &'a Value) -> Self {
        Self { value }
    }

    fn fields<'de, V: Visitor<'de>>(
        fields: &Map<String, Value>,
        declared: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let mut access = Fields { entries: fields.iter(), declared, at: String::new(), index: 0, value: None };
        let read = visitor.visit_map(&mut access)?;
        match access.entries.next() {
            None => Ok(read),
            Some(_) => Err(Misfit::invalid_length(fields.len(), &"fewer elements in map")),
        }
    }

    fn items<'de, V: Visitor<'de>>(items: &[Value], visitor: V) -> Result<V::Value, Misfit> {
        let mut access = Items { items: items.iter(), index: 0 };
        let read = visitor.visit_seq(&mut access)?;
        match access.items.next() {
            None => Ok(read),
            Some(_) => Err(Misfit::invalid_length(items.len(), &"fewer elements in array")),
        }
    }
}

impl<'de> Deserializer<'de> for At<'_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => Self::items(items, visitor),
            Value::Object(fields) => Self::fields(fields, &[], visitor),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (None, Some(value), _) => visitor.visit_i64(value),
                (None, None, value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        declared: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Object(fields) => Self::fields(fields, declared, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        declared: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let (name, content) = match self.value {
            Value::String(name) => (name, None),
            Value::Object(fields) if fields.len() == 1 => match fields.iter().next() {
                Some((name, content)) => (name, Some(content)),
                None => return self.deserialize_any(visitor),
            },
            _ => return self.deserialize_any(visitor),
        };
        let at = step(declared, name, 0);
        visitor.visit_enum(Variant { name, content, at })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// Returns the path step of a key. Declared fields are named; other keys are values, so they are numbered instead.
fn step(declared: &[&str], key: &str, index: usize) -> String {
    if declared.contains(&key) { format!(".{key}") } else { format!("[entry {}]", index + 1) }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for &mut Items<'_> {
    type Error = Misfit;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Misfit> {
        let Some(value) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(At::new(value)).map(Some).map_err(|misfit| misfit.under(format!("[{index}]")))
    }
}

struct Fields<'a> {
    entries: serde_json::map::Iter<'a>,
    declared: &'static [&'static str],
    at: String,
    index: usize,
    value: Option<&'a Value>,
}

impl<'de> MapAccess<'de> for &mut Fields<'_> {
    type Error = Misfit;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Misfit> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.at = step(self.declared, key, self.index);
        self.index += 1;
        self.value = Some(value);
        seed.deserialize(Key(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Misfit> {
        let Some(value) = self.value.take() else { return Err(Misfit::custom("a value without its key")) };
        seed.deserialize(At::new(value)).map_err(|misfit| misfit.under(std::mem::take(&mut self.at)))
    }
}

/// A map key: text that may represent a number.
struct Key<'a>(&'a str);

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            match (self.0.parse::<u64>(), self.0.parse::<i64>(), self.0.parse::<f64>()) {
                (Ok(number), _, _) => visitor.visit_u64(number),
                (_, Ok(number), _) => visitor.visit_i64(number),
                (_, _, Ok(number)) => visitor.visit_f64(number),
                _ => visitor.visit_str(self.0),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_str(self.0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => visitor.visit_str(self.0),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        declared: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let key: StrDeserializer<'_, Misfit> = self.0.into_deserializer();
        key.deserialize_enum(name, declared, visitor)
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// An enum variant: its name and its content.
struct Variant<'a> {
    name: &'a str,
    content: Option<&'a Value>,
    at: String,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Misfit;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Misfit> {
        let name: StrDeserializer<'_, Misfit> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl Variant<'_> {
    fn with<R>(self, form: &str, read: impl FnOnce(&Value) -> Result<R, Misfit>) -> Result<R, Misfit> {
        match self.content {
            Some(content) => read(content).map_err(|misfit| misfit.under(self.at)),
            None => Err(Misfit::invalid_type(Unexpected::UnitVariant, &form)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        match self.content {
            Some(content) => {
                serde::Deserialize::deserialize(At::new(content)).map_err(|misfit: Misfit| misfit.under(self.at))
            }
            None => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Misfit> {
        self.with("newtype variant", |content| seed.deserialize(At::new(content)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.with("tuple variant", |content| At::new(content).deserialize_any(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Misfit> {
        self.with("struct variant", |content| At::new(content).deserialize_struct("", fields, visitor))
    }
}
