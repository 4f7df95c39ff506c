//! The console's `view!`: leptos's markup, turned into calls of the one element type in the console's `ui::el`.
//!
//! leptos's own macro makes a type of every element, attribute and closure, and each brings its own code into the download.
//! This one knows what the console writes: elements with `name=value`, `class:name=on`, `class=("name", on)`, `style:name=value`,
//! `prop:name=value`, `on:event=handler` and `node_ref`, components with their properties and children, texts and blocks.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use rstml::Infallible;
use rstml::node::{KeyedAttribute, Node, NodeAttribute, NodeBlock, NodeElement, NodeName};
use rstml::{Parser, ParserConfig};
use syn::spanned::Spanned as _;
use syn::{Expr, ExprTuple, Ident, LitStr, Stmt};

type Element = NodeElement<Infallible>;

/// Elements that stand in a drawing; `a` and `title` do when something around them does.
const DRAWN: [&str; 9] = [
    "circle", "g", "line", "path", "polyline", "rect", "svg", "text", "use",
];

/// Markup as a view.
#[proc_macro]
pub fn view(tokens: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let parser = Parser::new(ParserConfig::default().recover_block(true));
    let (nodes, faults) = parser.parse_recoverable(tokens).split_vec();
    let faults = faults.into_iter().map(|fault| fault.emit_as_expr_tokens());
    let view = views(&nodes, false);
    quote! {{ #(#faults;)* #[allow(unused_braces, clippy::unused_unit)] #view }}.into()
}

/// One view of several nodes: the node itself when it stands alone.
fn views(nodes: &[Node], drawn: bool) -> TokenStream {
    let all: Vec<_> = nodes
        .iter()
        .filter_map(|node| view_of(node, drawn))
        .collect();
    match all.as_slice() {
        [] => quote!(()),
        [one] => one.clone(),
        _ => quote!(crate::ui::el::all([#(crate::ui::el::Child::view(#all)),*])),
    }
}

fn view_of(node: &Node, drawn: bool) -> Option<TokenStream> {
    match node {
        Node::Text(text) => Some(text.value.to_token_stream()),
        Node::Block(block) => Some(block.to_token_stream()),
        Node::Element(element) if is_component(element.name()) => Some(component(element)),
        Node::Element(element) => Some(self::element(element, drawn)),
        Node::Fragment(fragment) => Some(views(&fragment.children, drawn)),
        other => Some(fault(
            other.span(),
            "this is not known to the console's `view!`",
        )),
    }
}

fn fault(span: Span, text: &str) -> TokenStream {
    syn::Error::new(span, text).to_compile_error()
}

/// A component's name begins with a capital letter, behind its path.
fn is_component(name: &NodeName) -> bool {
    name.to_string()
        .rsplit("::")
        .next()
        .is_some_and(|last| last.trim_start().starts_with(char::is_uppercase))
}

fn element(element: &Element, drawn: bool) -> TokenStream {
    let name = element.name().to_string();
    let tag = name.trim_end_matches('_');
    let drawn = drawn || DRAWN.contains(&tag);
    let mut fixed = Vec::new();
    let mut calls = Vec::new();
    for attribute in element.attributes() {
        let NodeAttribute::Attribute(attribute) = attribute else {
            return fault(attribute.span(), "only `name=value` stands here");
        };
        match fixed_attribute(attribute) {
            Some(pair) => fixed.push(pair),
            None => calls.push(attribute_call(attribute)),
        }
    }
    for child in element
        .children
        .iter()
        .filter_map(|child| view_of(child, drawn))
    {
        calls.push(quote!(.child(#child)));
    }
    let make = if drawn { quote!(drawn) } else { quote!(new) };
    quote!(crate::ui::el::El::#make(#tag, &[#(#fixed),*])#(#calls)*)
}

/// An attribute that never changes: data, and no code.
fn fixed_attribute(attribute: &KeyedAttribute) -> Option<TokenStream> {
    let name = attribute.key.to_string();
    if name.contains(':') || name == "node_ref" {
        return None;
    }
    match attribute.value() {
        None => Some(quote!((#name, ""))),
        Some(Expr::Lit(literal)) => match &literal.lit {
            syn::Lit::Str(value) => Some(quote!((#name, #value))),
            syn::Lit::Bool(value) if value.value => Some(quote!((#name, ""))),
            syn::Lit::Int(value) => {
                let digits = LitStr::new(value.base10_digits(), value.span());
                Some(quote!((#name, #digits)))
            }
            _ => None,
        },
        Some(_) => None,
    }
}

fn attribute_call(attribute: &KeyedAttribute) -> TokenStream {
    let name = attribute.key.to_string();
    let Some(value) = attribute.value() else {
        return fault(attribute.span(), "a value is missing");
    };
    let span = attribute.key.span();
    match name.split_once(':') {
        Some(("on", event)) => {
            let event = Ident::new(event, span);
            quote_spanned!(span=> .on(::leptos::ev::#event, #value))
        }
        Some(("class", class)) => quote!(.class(#class, #value)),
        Some(("style", style)) => quote!(.style(#style, #value)),
        Some(("prop", property)) => quote!(.property(#property, #value)),
        Some(_) => fault(span, "only on:, class:, style: and prop: are known"),
        None if name == "node_ref" => quote!(.node_ref(#value)),
        None => match value {
            Expr::Tuple(ExprTuple { elems, .. }) if name == "class" && elems.len() == 2 => {
                quote!(.class(#elems))
            }
            _ => quote!(.attribute(#name, #value)),
        },
    }
}

fn component(element: &Element) -> TokenStream {
    let name = element.name();
    let mut properties = Vec::new();
    for attribute in element.attributes() {
        let NodeAttribute::Attribute(attribute) = attribute else {
            return fault(attribute.span(), "only `name=value` stands here");
        };
        let key = &attribute.key;
        let value = attribute
            .value()
            .map_or_else(|| key.to_token_stream(), ToTokens::to_token_stream);
        properties.push(quote!(.#key({ #value })));
    }
    let children = children(&element.children);
    quote! {
        ::leptos::component::component_view(&#name, ::leptos::component::component_props_builder(&#name) #(#properties)* #children .build())
    }
}

/// A text is handed over as it is, anything else in a closure that is run where the children stand.
fn children(nodes: &[Node]) -> Option<TokenStream> {
    let inner = match nodes {
        [] => return None,
        [Node::Text(text)] => {
            let text = &text.value;
            quote!(::leptos::children::ChildrenOptContainer(#text))
        }
        [Node::Block(NodeBlock::ValidBlock(block))] if is_text(&block.stmts) => {
            quote!(::leptos::children::ChildrenOptContainer(#block))
        }
        _ => {
            let view = views(nodes, false);
            quote!(move || crate::ui::el::Child::view(#view))
        }
    };
    Some(quote!(.children(::leptos::children::ToChildren::to_children(#inner))))
}

/// A block that makes a text by `format!`.
fn is_text(statements: &[Stmt]) -> bool {
    let made = match statements {
        [Stmt::Macro(made)] => &made.mac,
        [Stmt::Expr(Expr::Macro(made), None)] => &made.mac,
        _ => return false,
    };
    made.path.is_ident("format")
}
