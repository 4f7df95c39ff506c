#!/usr/bin/env python3
"""Runs R code on the grid with nothing but Python's library, and survives a switch of the active server.

Needs SERVER (the load balancer's address, or the active server's) and TOKEN (a token for a program with the area tasks).
"""
import json
import os
import time
import urllib.error
import urllib.request

SERVER, TOKEN = os.environ["SERVER"], os.environ["TOKEN"]


def ask(method, path, body=None):
    """One request; a problem of the server is raised with its code and what to do."""
    for _ in range(5):
        request = urllib.request.Request(SERVER + "/api/v1/" + path, method=method)
        request.add_header("Authorization", "Bearer " + TOKEN)
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            # Nothing was accepted: the group has no active server at this moment.
            if problem["code"] in ("not_active", "queue_full"):
                time.sleep(float(error.headers.get("Retry-After", "1")))
                continue
            raise SystemExit(f"{problem['code']}: {problem['detail']} (request {problem['request_id']})")
    raise SystemExit("no server of the group is active")


task = ask("POST", "tasks?wait=60", {
    "source": {"code": {"code": "fit <- lm(dist ~ speed, cars); coef(fit)"}},
    "re_executable": True,  # it may run again, once, when the grid fails under it
})
while task["state"] in ("queued", "running"):
    task = ask("GET", f"tasks/{task['id']}?wait=60")
if task["state"] != "succeeded":
    raise SystemExit(f"{task['state']}: {task.get('failure', {}).get('message')}")
print(json.dumps(task["value"]))
