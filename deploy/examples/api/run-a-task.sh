#!/bin/sh
# Runs R code on the grid with curl, waits for its end, and fetches its plot.
# Needs: SERVER, the address of the active server or the load balancer (http://127.0.0.1:8101), and
# TOKEN, a token for a program with the area `tasks` (page Accounts, or POST /api/v1/tokens).
set -eu
# --fail-with-body: an error of HTTP is an error here, and its problem is shown.
ask() { curl --silent --show-error --fail-with-body --max-time 90 -H "Authorization: Bearer $TOKEN" "$@"; }

# At most 60 s within the request; a task that takes longer is asked for again by its id.
answer=$(ask -H 'Content-Type: application/json' "$SERVER/api/v1/tasks?wait=60" --data '{
  "source": { "code": { "code": "x <- rnorm(n); plot(x); mean(x)" } },
  "inputs": { "n": 100 },
  "re_executable": true
}')
printf '%s\n' "$answer"

id=$(printf '%s' "$answer" | sed -n 's/.*"id":"\(t-[^"]*\)".*/\1/p')
ask "$SERVER/api/v1/tasks/$id/artifacts/plot001.png" --output "${OUT:-plot001.png}"
