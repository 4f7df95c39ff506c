//! Accounts: who may do what in each group, one's own password, tokens for programs.

mod form;
mod password;
mod people;
mod tokens;

use crate::reactive::{Callback, Effect, Memo, RwSignal};
use crate::ui::view;
use gridhelm_api::account::{Account, ApiToken, Lockout};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::app::route::{AccountsView, Route};
use crate::app::{Router, use_router};
use crate::deployment::{Group, as_curl, trouble, use_deployment};
use crate::ui::{Empty, Icon, PageHead, Trouble, copy_as_curl};

/// What of the page is chosen: it is all in the address.
#[derive(Clone, Copy)]
struct View {
    address: Memo<AccountsView>,
    router: Router,
}

impl View {
    /// Opens a form of a group, perhaps for one account.
    fn open(self, group: &Group, panel: &str, user: Option<String>) {
        self.router.go(Route::Accounts(AccountsView {
            panel: Some(panel.to_owned()),
            of: Some(group.name.clone()),
            user,
        }));
    }

    /// Closes the form.
    fn close(self) -> Callback<()> {
        Callback::new(move |()| {
            self.router
                .replace(Route::Accounts(AccountsView::default()));
        })
    }

    /// Whether this form of this group is open. Tracks.
    fn shows(self, group: &Group, panel: &str) -> bool {
        self.address.with(|address| {
            address.panel.as_deref() == Some(panel) && address.of.as_ref() == Some(&group.name)
        })
    }
}

/// What a group's servers said.
#[derive(Clone, Copy)]
struct Known {
    group: &'static Group,
    accounts: RwSignal<Option<Vec<Account>>>,
    lockouts: RwSignal<Vec<Lockout>>,
    tokens: RwSignal<Option<Vec<ApiToken>>>,
    fault: RwSignal<Option<Trouble>>,
}

impl Known {
    fn new(group: &'static Group) -> Self {
        Self {
            group,
            accounts: RwSignal::new(None),
            lockouts: RwSignal::new(Vec::new()),
            tokens: RwSignal::new(None),
            fault: RwSignal::new(None),
        }
    }

    /// The person's name in the group. Tracks.
    fn me(self) -> Option<String> {
        self.group
            .session
            .with(|session| session.as_ref().map(|session| session.username.clone()))
    }

    /// Asks again for all of it.
    fn load(self) {
        let admin = untrack(|| self.group.is_admin());
        spawn_local(async move {
            let group = self.group;
            let tokens = group
                .act(|client| async move { client.tokens().await })
                .await;
            let people = async {
                if !admin {
                    return Ok(None);
                }
                let accounts = group
                    .act(|client| async move { client.users().await })
                    .await?;
                let lockouts = group
                    .act(|client| async move { client.lockouts().await })
                    .await?;
                Ok(Some((accounts, lockouts)))
            };
            let people = people.await;
            let fault = match (&tokens, &people) {
                (Err(error), _) | (_, Err(error)) => Some(trouble(
                    &format!("The accounts of {} cannot be read", group.name),
                    error,
                )),
                _ => None,
            };
            let _ = self.fault.try_set(fault);
            if let Ok(tokens) = tokens {
                let _ = self.tokens.try_set(Some(tokens));
            }
            if let Ok(Some((accounts, lockouts))) = people {
                let _ = self.accounts.try_set(Some(accounts));
                let _ = self.lockouts.try_set(lockouts);
            }
        });
    }
}

/// The page.
#[component]
pub fn Page() -> AnyView {
    let (deployment, router) = (use_deployment(), use_router());
    let address = router.select(|place| match &place.route {
        Route::Accounts(view) => view.clone(),
        _ => AccountsView::default(),
    });
    let view = View { address, router };
    let scope = router.select(|place| place.group.clone());
    let parts = move || {
        deployment
            .in_scope(scope.get().as_deref())
            .into_iter()
            .map(|group| part(view, group))
            .collect_view()
    };
    view! {
        <section aria-labelledby="page-title">
            <PageHead title="Accounts" answer="Each group has its own accounts. Programs sign in with tokens of their own, never with a password.">
                {copy_as_curl(Callback::new(move |()| as_curl(&deployment.in_scope(untrack(|| scope.get()).as_deref()), "/accounts")))}
            </PageHead>
            {parts}
        </section>
    }
    .into_any()
}

fn part(view: View, group: &'static Group) -> AnyView {
    let known = Known::new(group);
    Effect::new(move |_| {
        if group.signed_in() {
            known.load();
        }
    });
    let body = move || {
        if !group.signed_in() {
            let title = format!("Not signed in to {}", group.name);
            return view! { <Empty picture=Icon::Lock title=title text="Sign in to see its accounts."/> }.into_any();
        }
        view! {
            {people::panel(view, known)}
            {tokens::panel(view, known)}
            {password::form(view, known)}
        }
        .into_any()
    };
    view! { {body} }.into_any()
}
