# Runs R code on the grid from another R. Needs the package httr2, and in the environment SERVER (the load balancer's
# address, or the active server's) and TOKEN (a token for a program with the area tasks).
library(httr2)

ask <- function(path) {
  request(Sys.getenv("SERVER")) |>
    req_url_path_append("api/v1", path) |>
    req_auth_bearer_token(Sys.getenv("TOKEN")) |>
    req_error(body = function(response) {
      problem <- resp_body_json(response)
      paste0(problem$code, ": ", problem$detail, " (request ", problem$request_id, ")")
    }) |>
    # 503: the group has no active server at this moment, and nothing was accepted.
    req_retry(max_tries = 5, is_transient = function(response) resp_status(response) == 503)
}

task <- ask("tasks") |>
  req_url_query(wait = 60) |>
  req_body_json(list(source = list(code = list(code = "quantile(rnorm(1000))")), re_executable = TRUE)) |>
  req_perform() |>
  resp_body_json()
while (task$state %in% c("queued", "running"))
  task <- ask(paste0("tasks/", task$id)) |> req_url_query(wait = 60) |> req_perform() |> resp_body_json()
if (task$state != "succeeded") stop(task$state, ": ", task$failure$message)
str(task$value)
