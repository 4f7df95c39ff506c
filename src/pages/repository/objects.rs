//! What files of R data hold: R on a node tells the objects' names, classes and sizes, of one file or of two side by side.

use std::collections::BTreeMap;

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::repository::{FileId, RObject, RObjects, is_r_data};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::deployment::{Group, trouble};
use crate::ui::format::{bytes, counted};
use crate::ui::{Button, ErrorBox, Glyph, Tag, Trouble};

/// One side: a group, and the version of the file there; none where it has no such file.
pub(crate) type Side = (&'static Group, Option<i64>);

/// An object on one side or two.
type Pair<'a> = (&'a str, Vec<Option<&'a RObject>>);

/// The objects of all sides by name.
fn side_by_side(sides: &[RObjects]) -> Vec<Pair<'_>> {
    let mut all: BTreeMap<&str, Vec<Option<&RObject>>> = BTreeMap::new();
    for (at, side) in sides.iter().enumerate() {
        for object in &side.objects {
            let row = all
                .entry(&object.name)
                .or_insert_with(|| vec![None; sides.len()]);
            row[at] = Some(object);
        }
    }
    all.into_iter().collect()
}

/// How the sides of an object compare; nothing for one side alone.
fn compared(sides: &[Option<&RObject>]) -> Option<(Glyph, &'static str)> {
    let [left, right] = sides else { return None };
    Some(match (left, right) {
        (Some(a), Some(b)) if a.sum.is_empty() || b.sum.is_empty() => {
            let alike = (&a.class, &a.shape, a.size) == (&b.class, &b.shape, b.size);
            if alike {
                (Glyph::Info, "looks alike")
            } else {
                (Glyph::Differs, "differs")
            }
        }
        (Some(a), Some(b)) if a.sum == b.sum && a.class == b.class => (Glyph::Pass, "same"),
        (Some(_), Some(_)) => (Glyph::Differs, "differs"),
        _ => (Glyph::Warn, "on one side"),
    })
}

/// The button and, once it was pressed, the table; nothing for a file that is no R data by its name.
pub(crate) fn panel(id: &FileId, sides: Vec<Side>) -> Option<AnyView> {
    if !is_r_data(&id.name) {
        return None;
    }
    let found = RwSignal::new(None::<Vec<RObjects>>);
    let fault = RwSignal::new(None::<Trouble>);
    let busy = RwSignal::new(None::<String>);
    let asked = sides.clone();
    let off = Signal::derive(move || {
        let mut there = asked.iter().filter(|(_, version)| version.is_some());
        there.find_map(|(group, _)| group.refuses_operator())
    });
    let names: Vec<&'static str> = sides.iter().map(|(group, _)| group.name.as_str()).collect();
    let id = id.clone();
    let read = Callback::new(move |()| {
        let (id, sides) = (id.clone(), sides.clone());
        busy.set(Some("R is reading…".to_owned()));
        fault.set(None);
        spawn_local(async move {
            let wanted = &id;
            let one = |(group, version): Side| async move {
                let Some(version) = version else {
                    return Ok(RObjects::default());
                };
                let answer = group
                    .act(|client| async move { client.objects(wanted, Some(version)).await })
                    .await;
                let what = || format!("R in {} told no objects of {}", group.name, wanted.name);
                answer.map_err(|error| trouble(&what(), &error))
            };
            let all = futures_util::future::join_all(sides.into_iter().map(one)).await;
            match all.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(all) => drop(found.try_set(Some(all))),
                Err(trouble) => drop(fault.try_set(Some(trouble))),
            }
            let _ = busy.try_set(None);
        });
    });
    let table = move || found.with(|found| found.as_ref().map(|found| table(&names, found)));
    Some(
        view! {
            <div class="pad">
                <Button small=true off=off busy=busy on_click=read>"Object names"</Button>
                " "<span class="muted">"R on a node reads the file in a session that is used once: what code it holds may run there."</span>
            </div>
            {move || fault.get().map(|trouble| view! { <div class="pad"><ErrorBox trouble=trouble/></div> })}
            <div aria-live="polite">{table}</div>
        }
        .into_any(),
    )
}

fn table(names: &[&'static str], found: &[RObjects]) -> AnyView {
    let two = found.len() > 1;
    let cell = |object: Option<&RObject>| {
        let text = object.map_or_else(
            || "none".to_owned(),
            |object| format!("{}, {}, {}", object.class, object.shape, bytes(object.size)),
        );
        view! { <td class="ink2">{text}</td> }
    };
    let row = |(name, sides): &Pair<'_>| {
        let state = compared(sides)
            .map(|(state, word)| view! { <td><Tag state=state shape=true>{word}</Tag></td> });
        let name = match *name {
            "" => "(the value)".to_owned(),
            name => name.to_owned(),
        };
        let cells = sides.iter().copied().map(cell).collect_view();
        view! { <tr><td class="mono">{name}</td>{cells}{state}</tr> }
    };
    let rows = side_by_side(found).iter().map(row).collect_view();
    let head = names
        .iter()
        .map(|name| view! { <th scope="col">{*name}</th> })
        .collect_view();
    let told = found.iter().zip(names).map(|(side, name)| {
        let many = counted(usize::try_from(side.total).unwrap_or(usize::MAX), "object");
        let shown = side.objects.len();
        if side.total > shown as u64 {
            format!("{many} in {name}, of which {shown} are shown")
        } else {
            format!("{many} in {name}")
        }
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let state = two.then(|| view! { <th scope="col">"State"</th> });
    view! {
        <p class="pad" role="status">{told}"."</p>
        <div class="scroll" tabindex="0" role="region" aria-label="Objects in the file">
            <table class="tbl"><thead><tr><th scope="col">"Object"</th>{head}{state}</tr></thead><tbody>{rows}</tbody></table>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(objects: &[(&str, &str)]) -> RObjects {
        let object = |(name, sum): &(&str, &str)| RObject {
            name: (*name).to_owned(),
            class: "lm".to_owned(),
            shape: "12".to_owned(),
            size: 9,
            sum: (*sum).to_owned(),
        };
        RObjects {
            objects: objects.iter().map(object).collect(),
            total: objects.len() as u64,
            ..RObjects::default()
        }
    }

    #[test]
    fn objects_stand_beside_their_namesakes() {
        let sides = [
            side(&[("a", "1"), ("b", "1"), ("d", "")]),
            side(&[("b", "2"), ("a", "1"), ("c", "1"), ("d", "")]),
        ];
        let rows = side_by_side(&sides);
        let told: Vec<(&str, &str)> = rows
            .iter()
            .map(|(name, sides)| (*name, compared(sides).map_or("", |(_, word)| word)))
            .collect();
        let wanted = [
            ("a", "same"),
            ("b", "differs"),
            ("c", "on one side"),
            ("d", "looks alike"),
        ];
        assert_eq!(told, wanted);
        let alone = [side(&[("a", "1")])];
        assert_eq!(compared(&side_by_side(&alone)[0].1), None);
    }

    #[test]
    fn only_files_of_r_data_are_asked_about() {
        for name in ["m.RData", "m.rda", "M.RDS", "a.b.rData"] {
            assert!(is_r_data(name), "{name}");
        }
        for name in [".rds", "m.R", "rdata", "m.rds.txt"] {
            assert!(!is_r_data(name), "{name}");
        }
    }
}
