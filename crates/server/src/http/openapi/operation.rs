//! One operation of the interface, as the table says it.

use gridhelm_api::Page;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

/// The schemas that operations refer to, by name.
pub(super) type Schemas = BTreeMap<String, Value>;

/// What travels in a body: the media type, and how its schema is written once the others are collected.
pub(super) struct Content {
    pub(super) media: &'static str,
    pub(super) schema: fn(&mut Schemas) -> Value,
}

/// A write that must quote the version that its caller saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    Nothing,
    /// `If-Match`.
    Version,
    /// `If-Match`, or `If-None-Match: *` for what must not exist yet.
    VersionOrNothing,
}

/// What the table says of one route; its rule says the rest.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// A stable name for programs that are made from the description.
    pub(super) id: &'static str,
    /// One sentence.
    pub(super) summary: &'static str,
    /// What else to know.
    pub(super) notes: &'static str,
    pub(super) query: Vec<Parameter>,
    pub(super) body: Option<Content>,
    pub(super) quoting: Quoting,
    /// Answers that are no problem: status, what it means, and what travels.
    pub(super) answers: Vec<(u16, &'static str, Option<Content>)>,
    /// Whether answers bear an `ETag`.
    pub(super) tagged: bool,
}

pub(super) fn operation(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Operation {
    Operation {
        method,
        path,
        id,
        summary,
        notes: "",
        query: Vec::new(),
        body: None,
        quoting: Quoting::Nothing,
        answers: Vec::new(),
        tagged: false,
    }
}

pub(super) const JSON: &str = "application/json";
pub(super) const BYTES: &str = "application/octet-stream";

fn content(media: &'static str, schema: fn(&mut Schemas) -> Value) -> Option<Content> {
    Some(Content { media, schema })
}

/// Any bytes.
fn bytes(_: &mut Schemas) -> Value {
    json!({})
}

fn text(_: &mut Schemas) -> Value {
    json!({ "type": "string" })
}

fn object(_: &mut Schemas) -> Value {
    json!({ "type": "object" })
}

fn value(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// A reference to the schema of `T`, which is collected with all that it refers to.
pub(super) fn reference<T: ToSchema>(schemas: &mut Schemas) -> Value {
    collect::<T>(T::name().into_owned(), schemas)
}

/// As [`reference`], of a page of `T`. (The library gives all pages one name.)
fn page<T: ToSchema>(schemas: &mut Schemas) -> Value {
    reference::<T>(schemas);
    collect::<Page<T>>(format!("{}Page", T::name()), schemas)
}

fn collect<T: ToSchema>(name: String, schemas: &mut Schemas) -> Value {
    if !schemas.contains_key(&name) {
        schemas.insert(name.clone(), value(&T::schema()));
        let mut more = Vec::new();
        T::schemas(&mut more);
        for (name, schema) in more {
            schemas.entry(name).or_insert_with(|| value(&schema));
        }
    }
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn list<T: ToSchema>(schemas: &mut Schemas) -> Value {
    json!({ "type": "array", "items": reference::<T>(schemas) })
}

impl Operation {
    pub(super) fn notes(self, notes: &'static str) -> Self {
        Self { notes, ..self }
    }

    /// Its query, as its handler takes it.
    pub(super) fn query<T: IntoParams>(mut self) -> Self {
        self.query = T::into_params(|| Some(utoipa::openapi::path::ParameterIn::Query));
        self
    }

    /// Its body: JSON.
    pub(super) fn takes<T: ToSchema>(self) -> Self {
        Self {
            body: content(JSON, reference::<T>),
            ..self
        }
    }

    /// Its body: a content.
    pub(super) fn takes_bytes(self) -> Self {
        Self {
            body: content(BYTES, bytes),
            ..self
        }
    }

    pub(super) fn quotes(self, quoting: Quoting) -> Self {
        Self { quoting, ..self }
    }

    pub(super) fn tagged(self) -> Self {
        Self {
            tagged: true,
            ..self
        }
    }

    fn answer(mut self, status: u16, meaning: &'static str, content: Option<Content>) -> Self {
        self.answers.push((status, meaning, content));
        self
    }

    pub(super) fn gives<T: ToSchema>(self, status: u16, meaning: &'static str) -> Self {
        self.answer(status, meaning, content(JSON, reference::<T>))
    }

    pub(super) fn gives_page<T: ToSchema>(self, meaning: &'static str) -> Self {
        self.answer(200, meaning, content(JSON, page::<T>))
    }

    pub(super) fn gives_list<T: ToSchema>(self, meaning: &'static str) -> Self {
        self.answer(200, meaning, content(JSON, list::<T>))
    }

    pub(super) fn gives_bytes(self, meaning: &'static str) -> Self {
        self.answer(200, meaning, content(BYTES, bytes))
    }

    pub(super) fn gives_text(self, media: &'static str, meaning: &'static str) -> Self {
        self.answer(200, meaning, content(media, text))
    }

    pub(super) fn gives_object(self, meaning: &'static str) -> Self {
        self.answer(200, meaning, content(JSON, object))
    }

    pub(super) fn gives_nothing(self, meaning: &'static str) -> Self {
        self.answer(204, meaning, None)
    }
}
