//! What files of R data hold, read by a real R.

use super::tasks::with_node;
use super::*;

const TASKS: &str = "/api/v1/tasks";

/// Runs code and gives the files that it left, by name.
async fn made(api: &Api, code: &str, names: &[&str]) -> Vec<Vec<u8>> {
    let run = json!({ "source": { "code": { "code": code } } });
    let done = api.post(&format!("{TASKS}?wait=60"), run).await;
    assert_eq!(done.json["state"], "succeeded", "{}", done.text);
    let id = done.json["id"].as_str().unwrap();
    let mut files = Vec::new();
    for name in names {
        let path = format!("{TASKS}/{id}/artifacts/{name}");
        let sent = api.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(sent.status(), 200, "{name}");
        files.push(sent.bytes().await.unwrap().to_vec());
    }
    files
}

fn at(what: &str, name: &str) -> String {
    format!("/api/v1/repository/{what}?author=operator-1&directory=models&name={name}")
}

async fn write(api: &Api, name: &str, content: Vec<u8>) {
    let put = api
        .request(Method::PUT, &at("content", name))
        .header("if-none-match", "*")
        .header("content-type", "application/octet-stream");
    let sent = api.send(put.body(content)).await;
    assert_eq!(sent.status, 201, "{}", sent.text);
}

#[tokio::test]
async fn objects_are_told_by_name_class_size_and_whether_they_are_the_same() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let _node = with_node(&api).await;
    let code = "fit <- lm(dist ~ speed, cars); table <- cars; n <- 42L; f <- function(x) x + 1\n\
                `<b onclick=\"x\">&` <- 'text'\n\
                all <- c('fit', 'table', 'n', 'f', '<b onclick=\"x\">&')\n\
                save(list = all, file = 'one.RData')\n\
                n <- 43L; save(list = all, file = 'two.rda', compress = 'xz')\n\
                saveRDS(table, 'table.rds'); TRUE";
    let names = ["one.RData", "two.rda", "table.rds"];
    for (name, content) in names.iter().zip(made(&api, code, &names).await) {
        write(&api, name, content).await;
    }
    let told = async |name: &str| {
        let answer = api.get(&at("objects", name)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json
    };
    let (one, two) = (told("one.RData").await, told("two.rda").await);
    assert_eq!(
        (&one["total"], &one["version"], &one["node"]),
        (&json!(5), &json!(1), &json!("n1"))
    );
    let names = one["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["name"].as_str().unwrap());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["<b onclick=\"x\">&", "f", "fit", "n", "table"]
    );
    let classes = one["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["class"].as_str().unwrap());
    assert_eq!(
        classes.collect::<Vec<_>>(),
        ["character", "function", "lm", "integer", "data.frame"]
    );
    assert_eq!(one["objects"][4]["shape"], "50 x 2");
    for (index, same) in [(0, true), (1, true), (2, true), (3, false), (4, true)] {
        let (a, b) = (&one["objects"][index], &two["objects"][index]);
        assert!(a["size"].as_u64().unwrap() > 0, "{a}");
        assert_eq!(a["sum"].as_str().unwrap().len(), 32, "{a}");
        assert_eq!(a["sum"] == b["sum"], same, "{a} {b}");
    }
    let value = told("table.rds").await;
    assert_eq!(
        (&value["total"], &value["objects"][0]["name"]),
        (&json!(1), &json!(""))
    );
    assert_eq!(value["objects"][0]["sum"], one["objects"][4]["sum"]);

    // Nothing is left of it: no task, and every slot is free.
    let tasks = api.get(TASKS).await;
    assert_eq!(
        tasks.json["items"].as_array().unwrap().len(),
        1,
        "{}",
        tasks.text
    );
    free(&api).await;
    server.stop().await;
}

/// Waits until no slot of the node is busy.
async fn free(api: &Api) {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let node = api.get("/api/v1/nodes/n1").await;
        let slots = node.json["slots"].as_array().unwrap();
        let idle = |state: &Value| state == "idle";
        if slots.iter().all(|slot| idle(&slot["state"])) {
            return;
        }
        assert!(std::time::Instant::now() < until, "{}", node.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_no_data_hangs_or_breaks_says_so_and_leaves_nothing() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let _node = with_node(&api).await;
    // A promise is code in a file: it runs when it is looked at.
    let code = "delayedAssign('slow', Sys.sleep(600)); save(slow, file = 'slow.RData', eval.promises = FALSE)\n\
                delayedAssign('gone', quit('no')); save(gone, file = 'gone.RData', eval.promises = FALSE)\n\
                x <- runif(1000); save(x, file = 'cut.RData'); TRUE";
    let names = ["slow.RData", "gone.RData", "cut.RData"];
    let mut files = made(&api, code, &names).await;
    files[2].truncate(300);
    for (name, content) in names.iter().zip(files) {
        write(&api, name, content).await;
    }
    write(&api, "text.RData", b"x <- 1\n".to_vec()).await;
    write(&api, "empty.rds", Vec::new()).await;
    for (name, why) in [
        ("text.RData", "no file of R data"),
        ("empty.rds", "no file of R data"),
        ("cut.RData", "R says: "),
        ("slow.RData", "did not read it within"),
    ] {
        let refused = api.get(&at("objects", name)).await;
        refused.is_problem(422, "invalid_input");
        assert!(refused.text.contains(why), "{}", refused.text);
    }
    let gone = api.get(&at("objects", "gone.RData")).await;
    assert_eq!(gone.status, 422, "{}", gone.text);
    api.get(&at("objects", "none.RData"))
        .await
        .is_problem(404, "not_found");
    free(&api).await;
    let left = api
        .get("/api/v1/sessions?kind=zombie,abandoned,unknown")
        .await;
    assert_eq!(
        left.json["items"].as_array().map_or(0, Vec::len),
        0,
        "{}",
        left.text
    );

    // Where access decides, a private file is its author's.
    let rules = json!({ "hold": false, "approval_hours": 24, "enforce_access": true });
    let admin = server.admin().await;
    let set = admin
        .at(0, Method::PUT, "/api/v1/repository/rules", rules)
        .await;
    assert_eq!(set.status, 200, "{}", set.text);
    let other = json!({ "username": "ben", "password": "password of ben", "role": "operator" });
    admin.post("/api/v1/users", other).await;
    let ben = server.as_user("ben", "password of ben").await;
    ben.get(&at("objects", "cut.RData"))
        .await
        .is_problem(404, "not_found");
    server.stop().await;
}
