// Runs R code on the grid from JavaScript (Node 18 or newer; in a browser the server must let the page's origin in).
// Needs SERVER (the load balancer's address, or the active server's) and TOKEN (a program's token with the area tasks).
const { SERVER, TOKEN } = process.env;

async function ask(method, path, body) {
  const headers = { authorization: `Bearer ${TOKEN}` };
  if (body) headers["content-type"] = "application/json";
  const answer = await fetch(`${SERVER}/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  const json = await answer.json();
  if (!answer.ok) throw new Error(`${json.code}: ${json.detail} (request ${json.request_id})`);
  return json;
}

let task = await ask("POST", "tasks?wait=60", {
  source: { code: { code: "summary(c(1, 2, 3, NA))" } },
  re_executable: true,
});
while (["queued", "running"].includes(task.state)) task = await ask("GET", `tasks/${task.id}?wait=60`);
if (task.state !== "succeeded") throw new Error(`${task.state}: ${task.failure?.message}`);
console.log(JSON.stringify(task.value));
