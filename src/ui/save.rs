//! Saves what the page holds as a file of the person's, and writes tables for other programs.

use wasm_bindgen::{JsCast as _, JsValue};

/// Offers text for saving under a name. `kind` is its media type.
pub fn save_text(name: &str, kind: &str, text: &str) {
    let parts = js_sys::Array::of1(&JsValue::from_str(text));
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(kind);
    let Ok(blob) = web_sys::Blob::new_with_str_sequence_and_options(&parts, &options) else {
        return;
    };
    let Ok(url) = web_sys::Url::create_object_url_with_blob(&blob) else {
        return;
    };
    let link = leptos::prelude::document()
        .create_element("a")
        .ok()
        .and_then(|link| link.dyn_into::<web_sys::HtmlElement>().ok());
    if let Some(link) = link {
        let _ = link.set_attribute("href", &url);
        let _ = link.set_attribute("download", name);
        link.click();
    }
    let _ = web_sys::Url::revoke_object_url(&url);
}

/// One line of comma-separated values (RFC 4180). A spreadsheet takes text that begins as a formula for one, so
/// that gets an apostrophe first.
pub fn csv_line<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (at, field) in fields.into_iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let quoted = formula || field.contains(['"', ',', '\n', '\r']);
        if quoted {
            line.push('"');
        }
        if formula {
            line.push('\'');
        }
        for letter in field.chars() {
            if letter == '"' {
                line.push('"');
            }
            line.push(letter);
        }
        if quoted {
            line.push('"');
        }
    }
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(csv_line(["a", "b c", ""]), "a,b c,\r\n");
        assert_eq!(
            csv_line(["say \"hi\"", "a,b", "two\nlines"]),
            "\"say \"\"hi\"\"\",\"a,b\",\"two\nlines\"\r\n"
        );
    }

    #[test]
    fn a_spreadsheet_does_not_take_text_for_a_formula() {
        assert_eq!(csv_line(["=1+1", "-2"]), "\"'=1+1\",\"'-2\"\r\n");
    }
}
