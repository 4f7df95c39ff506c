//! The description as a page: no script, nothing from elsewhere. All text of the document is escaped.

use serde_json::Value;
use std::fmt::Write as _;

/// What the page may load: its own style, nothing else.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --text: light-dark(#1b2330, #e8edf4); --back: light-dark(#fff, #10151d); --dim: light-dark(#566173, #9aa7b8); }
* { box-sizing: border-box }
body { font: 16px/1.5 'IBM Plex Sans', system-ui, sans-serif; color: var(--text); background: var(--back); margin: 0 auto; max-width: 64rem; padding: 2rem 1rem 6rem }
code, pre { font: 0.875em/1.5 'IBM Plex Mono', ui-monospace, monospace }
pre { background: var(--soft); padding: .75rem 1rem; overflow-x: auto; border-radius: 4px }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) }
nav ul { columns: 14rem; padding-left: 1.2rem }
details { border: 1px solid var(--line); border-radius: 4px; margin: .5rem 0; padding: 0 1rem }
summary { cursor: pointer; padding: .6rem 0 }
summary code { font-weight: 600; margin-right: .75rem }
a { color: inherit }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line) }
.dim { color: var(--dim) }
";

/// Text as it may stand in a page.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Text with `code` between backquotes.
fn prose(source: &str) -> String {
    let parts = escaped(source);
    let mut made = String::new();
    for (i, part) in parts.split('`').enumerate() {
        if i % 2 == 1 {
            let _ = write!(made, "<code>{part}</code>");
        } else {
            made.push_str(part);
        }
    }
    made
}

/// A schema in a few words: `Node`, `list of Task`, `string or null`.
fn form(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        let name = escaped(name);
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(forms) = schema[several].as_array() {
            let word = if several == "allOf" { " and " } else { " or " };
            return forms.iter().map(form).collect::<Vec<_>>().join(word);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values
            .iter()
            .map(|v| format!("<code>{}</code>", escaped(&v.to_string())))
            .collect();
        return values.join(" ");
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", form(&schema["items"])),
        Value::String(kind) => escaped(kind),
        Value::Array(kinds) => {
            let kinds: Vec<_> = kinds
                .iter()
                .filter_map(Value::as_str)
                .map(escaped)
                .collect();
            kinds.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn rows(page: &mut String, head: [&str; 3], rows: &[[String; 3]]) {
    if rows.is_empty() {
        return;
    }
    let _ = write!(
        page,
        "<table><thead><tr><th scope=\"col\">{}</th><th scope=\"col\">{}</th><th scope=\"col\">{}</th></tr></thead><tbody>",
        head[0], head[1], head[2]
    );
    for [first, second, third] in rows {
        let _ = write!(
            page,
            "<tr><td>{first}</td><td>{second}</td><td>{third}</td></tr>"
        );
    }
    page.push_str("</tbody></table>");
}

fn operation(page: &mut String, method: &str, path: &str, about: &Value) {
    let id = escaped(text(about, "operationId"));
    let _ = write!(
        page,
        "<details id=\"{id}\"><summary><code>{} {}</code> {}</summary>",
        escaped(&method.to_uppercase()),
        escaped(path),
        prose(text(about, "summary"))
    );
    for part in text(about, "description").split("\n\n") {
        let _ = write!(page, "<p>{}</p>", prose(part));
    }
    let parameters = about["parameters"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let described: Vec<_> = parameters
        .iter()
        .map(|p| {
            let needed = if p["required"] == true {
                ", needed"
            } else {
                ""
            };
            [
                format!("<code>{}</code>", escaped(text(p, "name"))),
                format!("{}: {}{needed}", escaped(text(p, "in")), form(&p["schema"])),
                prose(text(p, "description")),
            ]
        })
        .collect();
    rows(page, ["Parameter", "Form", "Meaning"], &described);
    if let Some((media, body)) = about["requestBody"]["content"]
        .as_object()
        .and_then(|c| c.iter().next())
    {
        let _ = write!(
            page,
            "<p>Body: <code>{}</code>, {}</p>",
            escaped(media),
            form(&body["schema"])
        );
    }
    let answers = about["responses"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(status, answer)| {
            let body = answer["content"].as_object().and_then(|c| c.iter().next());
            let body = body.map_or_else(|| "nothing".to_owned(), |(_, body)| form(&body["schema"]));
            [escaped(status), body, prose(text(answer, "description"))]
        });
    rows(
        page,
        ["Status", "Body", "Meaning"],
        &answers.collect::<Vec<_>>(),
    );
    let _ = write!(
        page,
        "<pre>{}</pre></details>",
        escaped(&curl(method, path, about))
    );
}

/// A call as people try it first.
fn curl(method: &str, path: &str, about: &Value) -> String {
    let mut call = "curl".to_owned();
    if method != "get" {
        let _ = write!(call, " -X {}", method.to_uppercase());
    }
    if about["security"].as_array().is_some_and(|s| !s.is_empty()) {
        call.push_str(" -H \"Authorization: Bearer $TOKEN\"");
    }
    let quoted = about["parameters"].as_array().into_iter().flatten();
    if quoted.into_iter().any(|p| p["name"] == "If-Match") {
        call.push_str(" -H 'If-Match: \"VERSION\"'");
    }
    if let Some(media) = about["requestBody"]["content"]
        .as_object()
        .and_then(|c| c.keys().next())
    {
        let _ = write!(call, " -H 'Content-Type: {media}' --data-binary @FILE");
    }
    let needed = about["parameters"].as_array().into_iter().flatten();
    let query: Vec<_> = needed
        .filter(|p| p["in"] == "query" && p["required"] == true)
        .map(|p| format!("{}=…", text(p, "name")))
        .collect();
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{}", query.join("&"))
    };
    let _ = write!(call, " \"$SERVER{path}{query}\"");
    call
}

fn schema(page: &mut String, name: &str, schema: &Value) {
    let name = escaped(name);
    let _ = write!(
        page,
        "<section id=\"schema-{name}\"><h3><code>{name}</code></h3><p>{}</p>",
        prose(text(schema, "description"))
    );
    let needed: Vec<_> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let fields = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(field, of)| {
            let form = form(of);
            let form = if needed.contains(&field.as_str()) {
                form
            } else {
                format!("{form} <span class=\"dim\">may be absent</span>")
            };
            [
                format!("<code>{}</code>", escaped(field)),
                form,
                prose(text(of, "description")),
            ]
        });
    let fields: Vec<_> = fields.collect();
    if fields.is_empty() {
        let _ = write!(page, "<p>{}</p>", form(schema));
    }
    rows(page, ["Field", "Form", "Meaning"], &fields);
    page.push_str("</section>");
}

/// The page of this document.
pub(super) fn page(document: &Value) -> String {
    let title = format!(
        "{} API {}",
        text(&document["info"], "title"),
        text(&document["info"], "version")
    );
    let title = escaped(&title);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1><p>{}</p><p>For programs: <a href=\"v1/openapi.json\">openapi.json</a>.</p><nav aria-label=\"Parts\"><ul>",
        prose(text(&document["info"], "description"))
    );
    let tags: Vec<_> = document["tags"].as_array().into_iter().flatten().collect();
    for (i, tag) in tags.iter().enumerate() {
        let _ = write!(
            page,
            "<li><a href=\"#part-{i}\">{}</a></li>",
            escaped(text(tag, "name"))
        );
    }
    page.push_str("<li><a href=\"#schemas\">What travels</a></li></ul></nav>");
    for (i, tag) in tags.iter().enumerate() {
        let name = text(tag, "name");
        let _ = write!(
            page,
            "<section><h2 id=\"part-{i}\">{}</h2><p>{}</p>",
            escaped(name),
            prose(text(tag, "description"))
        );
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, about) in item.as_object().into_iter().flatten() {
                if about["tags"][0] == name {
                    operation(&mut page, method, path, about);
                }
            }
        }
        page.push_str("</section>");
    }
    page.push_str("<h2 id=\"schemas\">What travels</h2>");
    for (name, of) in document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        schema(&mut page, name, of);
    }
    page.push_str("</main></body></html>");
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_of_the_document_is_never_markup() {
        let document = json!({
            "info": { "title": "<b>", "version": "1", "description": "a `<i>` & b" },
            "tags": [{ "name": "T", "description": "\"<script>\"" }],
            "paths": { "/x/<img>": { "get": { "tags": ["T"], "operationId": "x", "summary": "<u>" } } },
            "components": { "schemas": { "S": { "description": "<s>", "type": "object" } } },
        });
        let page = page(&document);
        for markup in ["<b>", "<i>", "<script>", "<img>", "<u>", "<s>"] {
            assert!(!page.contains(markup), "{markup} in {page}");
        }
        assert!(page.contains("a <code>&lt;i&gt;</code> &amp; b"), "{page}");
    }
}
