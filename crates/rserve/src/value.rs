//! R values, as QAP1 carries them.

mod decode;
mod encode;
mod json;
#[cfg(test)]
mod properties;

pub use decode::DecodeError;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use decode::decode;
pub(crate) use decode::{
    Decoder, MAX_PADDING, assembled, complex, integer, is_made_of_values, logical, named, string,
    xt,
};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use encode::encode;
pub(crate) use encode::encode_into;
pub use json::FromJsonError;

/// R's `NA_real_`: a NaN whose lower half is 1954.
pub const NA_REAL: f64 = f64::from_bits(0x7ff0_0000_0000_07a2);

/// Whether a double is R's NA, and not a plain NaN. The quiet bit does not matter: arithmetic sets it.
pub fn is_na(x: f64) -> bool {
    x.is_nan() && x.to_bits() & 0xffff_ffff == 1954
}

/// A complex number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Complex {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

/// Named attributes of a value, in R's order.
pub type Attributes = Vec<(String, Value)>;

/// An R value: its content and its attributes (`names`, `dim`, `class`, `levels`, …).
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// The content.
    pub data: Data,
    /// The attributes, empty for most values.
    pub attributes: Attributes,
}

/// The content of an R value. `None` is R's NA of that type.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// `NULL`.
    Null,
    /// A logical vector.
    Logical(Vec<Option<bool>>),
    /// An integer vector, factors included.
    Integer(Vec<Option<i32>>),
    /// A double vector; NA is told from NaN by [`is_na`].
    Double(Vec<f64>),
    /// A complex vector.
    Complex(Vec<Complex>),
    /// A character vector.
    Text(Vec<Option<String>>),
    /// A raw vector.
    Raw(Vec<u8>),
    /// A list (R's generic vector).
    List(Vec<Value>),
    /// An expression vector: calls, symbols and constants, not evaluated.
    Expression(Vec<Value>),
    /// A pairlist; each element with its tag.
    Pairs(Vec<(Option<String>, Value)>),
    /// A call: the function, then its arguments, each with its tag.
    Language(Vec<(Option<String>, Value)>),
    /// A symbol; empty for an argument that is left out, as in `x[, 1]`.
    Symbol(String),
    /// A function written in R. QAP1 carries it to this side only, and without its environment.
    Closure(Box<Closure>),
    /// An S4 object: its slots are its attributes.
    S4,
    /// Something of which QAP1 carries the attributes only (an environment, an external pointer,
    /// bytecode): its type number in R (`SEXPTYPE`), 0 when not told.
    Opaque(u32),
}

/// A function written in R.
#[derive(Debug, Clone, PartialEq)]
pub struct Closure {
    /// The parameters: a pairlist of defaults, the empty symbol where there is none; or `NULL`.
    pub formals: Value,
    /// What it evaluates: a call, a symbol, a constant, or bytecode once R has compiled it.
    pub body: Value,
}

impl From<Data> for Value {
    fn from(data: Data) -> Self {
        Self {
            data,
            attributes: Vec::new(),
        }
    }
}

impl Value {
    /// `NULL`.
    pub fn null() -> Self {
        Data::Null.into()
    }

    /// A character vector of length one.
    pub fn text(text: impl Into<String>) -> Self {
        Data::Text(vec![Some(text.into())]).into()
    }

    /// A character vector.
    pub fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Data::Text(texts.into_iter().map(|t| Some(t.into())).collect()).into()
    }

    /// A double vector of length one.
    pub fn double(x: f64) -> Self {
        Data::Double(vec![x]).into()
    }

    /// An integer vector of length one.
    pub fn integer(x: i32) -> Self {
        Data::Integer(vec![Some(x)]).into()
    }

    /// A logical vector of length one.
    pub fn logical(x: bool) -> Self {
        Data::Logical(vec![Some(x)]).into()
    }

    /// A symbol.
    pub fn symbol(name: impl Into<String>) -> Self {
        Data::Symbol(name.into()).into()
    }

    /// A list with a name for each element.
    pub fn named_list(items: impl IntoIterator<Item = (String, Value)>) -> Self {
        let (names, values): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        Self {
            data: Data::List(values),
            attributes: vec![("names".to_owned(), Self::texts(names))],
        }
    }

    /// A call of the function called `function` with positional arguments.
    pub fn call(function: &str, arguments: impl IntoIterator<Item = Value>) -> Self {
        let mut items = vec![(None, Self::symbol(function))];
        items.extend(arguments.into_iter().map(|a| (None, a)));
        Data::Language(items).into()
    }

    /// An attribute by its name.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v)
    }

    /// Whether the class attribute names `class`.
    pub fn inherits(&self, class: &str) -> bool {
        matches!(self.attribute("class").map(|v| &v.data),
            Some(Data::Text(classes)) if classes.iter().flatten().any(|c| c == class))
    }

    /// The number of elements; 0 for `NULL`, 1 for what has none (a symbol, a function, …).
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Null => 0,
            Data::Logical(v) => v.len(),
            Data::Integer(v) => v.len(),
            Data::Double(v) => v.len(),
            Data::Complex(v) => v.len(),
            Data::Text(v) => v.len(),
            Data::Raw(v) => v.len(),
            Data::List(v) | Data::Expression(v) => v.len(),
            Data::Pairs(v) | Data::Language(v) => v.len(),
            Data::Symbol(_) | Data::Closure(_) | Data::S4 | Data::Opaque(_) => 1,
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element of a named list, or of a pairlist, called `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match &self.data {
            Data::List(values) | Data::Expression(values) => {
                let Data::Text(names) = &self.attribute("names")?.data else {
                    return None;
                };
                let at = names.iter().position(|n| n.as_deref() == Some(name))?;
                values.get(at)
            }
            Data::Pairs(items) => items
                .iter()
                .find(|(n, _)| n.as_deref() == Some(name))
                .map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a character vector of length one that is not NA.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::Text(v) if v.len() == 1 => v.first()?.as_deref(),
            _ => None,
        }
    }

    /// The number of a double or integer vector of length one that is neither NA nor NaN.
    pub fn as_f64(&self) -> Option<f64> {
        match &self.data {
            Data::Double(v) if v.len() == 1 => v.first().copied().filter(|x| !x.is_nan()),
            Data::Integer(v) if v.len() == 1 => v.first().copied().flatten().map(f64::from),
            _ => None,
        }
    }

    /// The whole number, 0 or more and below 2^53, of a vector of length one.
    pub fn as_u64(&self) -> Option<u64> {
        let x = self.as_f64()?;
        if (0.0..9_007_199_254_740_992.0).contains(&x) && x.fract() == 0.0 {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            // checked on the line above
            return Some(x as u64);
        }
        None
    }

    /// The truth value of a logical vector of length one that is not NA.
    pub fn as_bool(&self) -> Option<bool> {
        match &self.data {
            Data::Logical(v) if v.len() == 1 => v.first().copied().flatten(),
            _ => None,
        }
    }

    /// All texts of a character vector, NA left out; empty for anything else.
    pub fn as_texts(&self) -> Vec<String> {
        match &self.data {
            Data::Text(v) => v.iter().flatten().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// The elements of a list or expression vector; empty for anything else.
    pub fn as_list(&self) -> &[Value] {
        match &self.data {
            Data::List(v) | Data::Expression(v) => v,
            _ => &[],
        }
    }
}
