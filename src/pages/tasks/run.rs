//! The form that runs a script or code.

use std::collections::BTreeMap;

use crate::reactive::{Callback, Effect, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::repository::{FileId, FileMeta};
use gridhelm_api::task::{Source, TaskRequest};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::View;
use super::needs::{self, Lacking};
use super::words;
use crate::deployment::{Group, trouble};
use crate::ui::{
    Button, CheckField, Choice, CodeEdit, Drawer, ErrorBox, Hint, Icon, Segment, SelectField,
    TextField, Trouble, Weight, next_id,
};

#[derive(Clone, Copy)]
struct Form {
    group: RwSignal<String>,
    kind: RwSignal<String>,
    script: RwSignal<String>,
    code: RwSignal<String>,
    inputs: RwSignal<Vec<(RwSignal<String>, RwSignal<String>)>>,
    outputs: RwSignal<String>,
    timeout: RwSignal<String>,
    again: RwSignal<bool>,
    ignore_packages: RwSignal<bool>,
}

impl Form {
    fn request(self) -> TaskRequest {
        let source = if self.kind.with(|kind| kind == "code") {
            Source::Code {
                code: self.code.get(),
            }
        } else {
            let file = self
                .script
                .with(|path| FileId::from_path(path))
                .unwrap_or_else(|| FileId::new("", "", ""));
            Source::Script {
                file,
                version: None,
            }
        };
        let inputs: BTreeMap<_, _> = self
            .inputs
            .get()
            .into_iter()
            .filter(|(name, _)| name.with(|name| !name.trim().is_empty()))
            .map(|(name, value)| words::input(&name.get(), &value.get()))
            .collect();
        TaskRequest {
            source,
            inputs,
            outputs: self.outputs.with(|text| words::names(text)),
            timeout_s: self.timeout.with(|text| text.trim().parse().unwrap_or(0)),
            priority: 0,
            re_executable: self.again.get(),
            label: None,
            ignore_packages: self.ignore_packages.get(),
            reuse: false,
        }
    }

    /// The first thing that is in the way. Tracks.
    fn fault(self, group: Option<&Group>) -> Option<String> {
        let Some(group) = group else {
            return Some("Choose a group.".to_owned());
        };
        if let Some(why) = group.refuses_operator() {
            return Some(why);
        }
        if !group.servers.iter().any(crate::deployment::Server::is_live) {
            return Some(format!("No server of {} answers.", group.name));
        }
        if self.kind.with(|kind| kind == "script") && self.script.with(String::is_empty) {
            return Some("Choose a script.".to_owned());
        }
        if self.kind.with(|kind| kind == "code") && self.code.with(|code| code.trim().is_empty()) {
            return Some("Write some code.".to_owned());
        }
        self.request()
            .check()
            .into_iter()
            .next()
            .map(|error| error.message)
    }
}

/// The drawer.
pub(super) fn drawer(view: View, script: Option<String>) -> AnyView {
    let deployment = view.deployment;
    let first = view
        .groups()
        .first()
        .map(|group| group.name.clone())
        .unwrap_or_default();
    let form = Form {
        group: RwSignal::new(first),
        kind: RwSignal::new("script".to_owned()),
        script: RwSignal::new(script.unwrap_or_default()),
        code: RwSignal::new(String::new()),
        inputs: RwSignal::new(Vec::new()),
        outputs: RwSignal::new(String::new()),
        timeout: RwSignal::new("300".to_owned()),
        again: RwSignal::new(false),
        ignore_packages: RwSignal::new(false),
    };
    let group = move || form.group.with(|name| deployment.group(name));
    let scripts = scripts(form, deployment);
    let lacking = Lacking::new();
    Effect::new(move |_| {
        let Some(group) = group().filter(|group| group.signed_in()) else {
            return lacking.nothing();
        };
        if form.kind.with(|kind| kind == "code") {
            return lacking.of_code(group, form.code.get());
        }
        let chosen = form.script.get();
        let hash = scripts.with(|scripts| {
            let file = scripts.iter().find(|file| file.id.path() == chosen);
            file.map(|file| file.sha256.clone())
        });
        match hash {
            Some(hash) => lacking.of_script(group, hash),
            None => lacking.nothing(),
        }
    });
    let busy = RwSignal::new(None::<String>);
    let fault = RwSignal::new(None::<Trouble>);
    let off = Signal::derive(move || form.fault(group()));
    let close = Callback::new(move |()| {
        view.set(|address| {
            address.panel = None;
            address.script = None;
        })
    });
    let run = Callback::new(move |()| {
        let Some(group) = untrack(group) else { return };
        let request = untrack(|| form.request());
        busy.set(Some("Submitting…".to_owned()));
        fault.set(None);
        spawn_local(async move {
            let request = &request;
            match group
                .act(|client| async move { client.submit(request).await })
                .await
            {
                Ok(task) => view.set(|address| {
                    address.panel = None;
                    address.script = None;
                    address.tab = None;
                    address.task = Some(task.id.clone());
                }),
                Err(error) => {
                    let _ = fault.try_set(Some(trouble("The task was not accepted", &error)));
                }
            }
            let _ = busy.try_set(None);
        });
    });
    let why = next_id("why");
    let footer = {
        let why = why.clone();
        move || {
            let why = why.clone();
            view! {
                <span class="why-not grow" id=why.clone() aria-live="polite">{move || off.get()}</span>
                <Button on_click=close>"Cancel"</Button>
                <Button weight=Weight::Primary icon=Icon::Tasks off=off reason_at=why busy=busy on_click=run>"Run"</Button>
            }
        }
    };
    let groups = deployment
        .groups
        .iter()
        .map(|group| (group.name.clone(), group.name.clone()))
        .collect::<Vec<_>>();
    let source = move || {
        if form.kind.with(|kind| kind == "code") {
            code_part(form)
        } else {
            script_part(form, scripts)
        }
    };
    view! {
        <Drawer title="Run a task" text="The active server of the group gives it to a free slot, or keeps it in the queue." on_close=close footer=footer>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            <div class="form-row">
                <SelectField label="Group" value=form.group choices=groups on_pick=Callback::new(move |name| { form.script.set(String::new()); form.group.set(name); })/>
                <div class="field"><span class="lbl">"Source"</span><Segment label="Source" choices=vec![Choice::new("script", "Script"), Choice::new("code", "Code")] value=form.kind on_pick=Callback::new(move |kind| form.kind.set(kind))/></div>
            </div>
            {source}
            {needs::notice(lacking, form.ignore_packages)}
            {inputs_part(form)}
            <div class="form-row">
                <TextField label="Outputs" value=form.outputs placeholder="fit, table" hint=Hint::Plain("R variables whose values are wanted".to_owned())/>
                <TextField label="Time-out, seconds" value=form.timeout limit=5/>
            </div>
            <CheckField label="May run again" text="Once, on another node, when the grid fails under it" on=form.again on_change=Callback::new(move |on| form.again.set(on))/>
        </Drawer>
    }
    .into_any()
}

/// The R scripts of the chosen group, fetched anew when the group or its repository changes.
fn scripts(
    form: Form,
    deployment: &'static crate::deployment::Deployment,
) -> RwSignal<Vec<FileMeta>> {
    let files = RwSignal::new(Vec::new());
    Effect::new(move |_| {
        let Some(group) = form.group.with(|name| deployment.group(name)) else {
            return;
        };
        group.repository.track();
        if !group.signed_in() {
            return;
        }
        spawn_local(async move {
            if let Ok(mut found) = group
                .act(|client| async move { client.files(None).await })
                .await
            {
                found.retain(|file| file.id.name.ends_with(".R") || file.id.name.ends_with(".r"));
                let _ = files.try_set(found);
            }
        });
    });
    files
}

fn script_part(form: Form, scripts: RwSignal<Vec<FileMeta>>) -> AnyView {
    let choices = Signal::derive(move || {
        let mut choices = vec![(String::new(), "Choose a script".to_owned())];
        scripts.with(|scripts| {
            choices.extend(scripts.iter().map(|file| {
                (
                    file.id.path(),
                    format!(
                        "{}/{}, version {}",
                        file.id.directory, file.id.name, file.version
                    ),
                )
            }));
        });
        choices
    });
    view! { <SelectField label="Script" value=form.script choices=choices on_pick=Callback::new(move |path| form.script.set(path))/> }.into_any()
}

fn code_part(form: Form) -> AnyView {
    view! { <div class="field"><span class="lbl" aria-hidden="true">"Code"</span><CodeEdit value=form.code r=true name="Code"/></div> }.into_any()
}

fn inputs_part(form: Form) -> AnyView {
    let add = Callback::new(move |()| {
        form.inputs.update(|inputs| {
            inputs.push((RwSignal::new(String::new()), RwSignal::new(String::new())))
        })
    });
    let row = move |(index, (name, value)): (usize, (RwSignal<String>, RwSignal<String>))| {
        let remove = Callback::new(move |()| {
            form.inputs.update(|inputs| {
                inputs.remove(index);
            })
        });
        view! {
            <div class="form-row form-row--input">
                <TextField label=format!("Input {}", index + 1) value=name mono=true placeholder="n" limit=255/>
                <TextField label=format!("Value {}", index + 1) value=value mono=true placeholder="1000, [1, 2], \"text\""/>
                <Button weight=Weight::Ghost icon=Icon::Close name=format!("Remove input {}", index + 1) on_click=remove/>
            </div>
        }
        .into_any()
    };
    view! {
        {move || form.inputs.get().into_iter().enumerate().map(row).collect_view()}
        <div><Button small=true icon=Icon::Plus on_click=add>"Add input"</Button></div>
    }
    .into_any()
}
