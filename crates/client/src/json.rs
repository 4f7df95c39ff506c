//! JSON as values of the API: a text is parsed once into a [`Value`], and read from that.
//!
//! `serde_json`'s own reader is compiled anew for each type, with all of its parsing; the console has some fifty, and is downloaded.

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

type Result<T> = core::result::Result<T, Error>;

/// A text as a value.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    from_value(parse(text)?)
}

fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text)
}

/// A value of JSON as what it is.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    T::deserialize(Of(value))
}

/// A value to be read from. What it must be is known from the type that is read; a structure is read from an object, never from an array.
struct Of(Value);

impl Of {
    fn instead_of(&self, wanted: &str) -> Error {
        let found = match &self.0 {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        Error::custom(["found ", found, " in place of ", wanted].concat())
    }
}

macro_rules! kinds {
    ($($method:ident $kind:ident($held:ident) $wanted:literal $visit:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.0 {
                Value::$kind($held) => $visit(visitor),
                _ => Err(self.instead_of($wanted)),
            }
        }
    )*};
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.number(visitor)
        }
    )*};
}

impl Of {
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let Value::Number(number) = &self.0 else {
            return Err(self.instead_of("a number"));
        };
        if let Some(whole) = number.as_u64() {
            visitor.visit_u64(whole)
        } else if let Some(whole) = number.as_i64() {
            visitor.visit_i64(whole)
        } else {
            visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN))
        }
    }
}

impl<'de> Deserializer<'de> for Of {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(on) => visitor.visit_bool(*on),
            Value::Number(_) => self.number(visitor),
            Value::String(_) => self.deserialize_string(visitor),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    kinds! {
        deserialize_bool Bool(on) "true or false" |visitor: V| visitor.visit_bool(on);
        deserialize_string String(text) "a text" |visitor: V| visitor.visit_string(text);
        deserialize_seq Array(items) "an array" |visitor: V| visitor.visit_seq(Items(items.into_iter()));
        deserialize_map Object(fields) "an object" |visitor: V| visitor.visit_map(Fields(fields.into_iter(), Value::Null));
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32 deserialize_f64
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_string(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_string(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    /// A variant is a text, or an object of the one field that is named as it.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.0 {
            Value::String(_) => visitor.visit_enum(Variant(self.0, Value::Null)),
            Value::Object(mut fields) if fields.len() == 1 => {
                let field = fields.iter_mut().next();
                let (name, content) = field
                    .map(|(name, content)| (name.clone(), content.take()))
                    .unwrap_or_default();
                visitor.visit_enum(Variant(Value::String(name), content))
            }
            _ => Err(self.instead_of("the name of a variant")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

/// The items of an array.
struct Items(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        self.0
            .next()
            .map(|item| seed.deserialize(Of(item)))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The fields of an object that are not read yet, and the value of the one whose name was read last.
struct Fields(serde_json::map::IntoIter, Value);

impl<'de> MapAccess<'de> for Fields {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((name, value)) = self.0.next() else {
            return Ok(None);
        };
        self.1 = value;
        seed.deserialize(Of(Value::String(name))).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        seed.deserialize(Of(self.1.take()))
    }
}

/// A variant's name and content.
struct Variant(Value, Value);

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Content;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Content)> {
        Ok((seed.deserialize(Of(self.0))?, Content(self.1)))
    }
}

/// What is in a variant.
struct Content(Value);

impl<'de> VariantAccess<'de> for Content {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(Of(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        Of(self.0).deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        Of(self.0).deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        #[default]
        Plain,
        Of(u32),
        With {
            text: String,
        },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Part {
        name: String,
        count: i64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Whole {
        #[serde(flatten)]
        part: Part,
        share: f64,
        on: bool,
        port: u16,
        kinds: Vec<Kind>,
        #[serde(default)]
        kind: Kind,
        none: Option<Box<Part>>,
        some: Option<Box<Part>>,
        free: BTreeMap<String, Value>,
    }

    #[test]
    fn all_that_the_api_is_made_of_is_read_as_serde_json_reads_it() {
        let text = r#"{"name": "a\n\u00e4", "count": -3, "share": 1, "on": true, "port": 6311, "later": [{}],
            "kinds": ["plain", {"of": 2}, {"with": {"text": "t"}}], "some": {"name": "b", "count": 0},
            "free": {"x": [1, 2.5, null], "y": {"z": "q"}}}"#;
        let whole: Whole = read(text).unwrap();
        assert_eq!(whole, serde_json::from_str(text).unwrap());
        assert_eq!(whole.part.count, -3);
        assert!(whole.none.is_none());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for text in [
            r#"{"name": "a"}"#,
            r#"{"name": 1, "count": 1}"#,
            r#"{"name": "a", "count": 1.5}"#,
            r#"["a", 1]"#,
            "null",
            "{",
        ] {
            assert!(read::<Part>(text).is_err(), "{text}");
        }
        assert!(read::<u16>("70000").is_err());
        assert!(read::<Kind>(r#""other""#).is_err());
        assert_eq!(read::<Option<u16>>("null").unwrap(), None);
        let missing = read::<Part>(r#"{"name": "a"}"#).unwrap_err().to_string();
        assert_eq!(missing, "missing field `count`");
    }
}
