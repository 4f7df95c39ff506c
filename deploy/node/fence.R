# The fences of a node, loaded once by its listener (`source` in Rserve.conf), before any session is forked.
# What `start` gives: GRIDHELM_NODE_* in the environment, and the node's password on standard input, which is read
# once and can be opened by nobody after that.
.gridhelm_auth <- local({
  setting <- function(name, otherwise) {
    value <- Sys.getenv(paste0("GRIDHELM_NODE_", name))
    if (nzchar(value)) value else otherwise
  }
  user <- setting("USER", "gridhelm")
  # Sessions of tasks at the same time: the node's slots, and one for each group that watches it.
  limit <- as.integer(setting("SESSIONS", "4"))
  work <- setting("WORK", "")
  # The highest epoch of each group that signed in here: <epochs>/<group>.
  epochs <- setting("EPOCHS", "")
  input <- file("stdin")
  # As numbers, so that they can be overwritten where they lie.
  secret <- utf8ToInt(paste0(readLines(input, 1L, warn = FALSE), ""))
  close(input)
  if (length(secret) < 16L) stop("the node's password is shorter than 16 characters, or did not come")
  Sys.unsetenv(grep("^GRIDHELM_NODE_", names(Sys.getenv()), value = TRUE))

  same <- function(given) {
    given <- utf8ToInt(given)
    # All of it is compared, whatever differs.
    length(given) == length(secret) && sum(bitwXor(given, secret)) == 0L
  }
  # `gridhelm@GROUP@EPOCH`: a session for tasks. `gridhelm` alone: a look at the node, which is over in a moment.
  claim <- function(name) {
    parts <- strsplit(name, "@", fixed = TRUE)[[1L]]
    if (length(parts) == 1L) return(list(user = parts, group = NULL))
    good <- length(parts) == 3L && grepl("^[A-Za-z0-9._-]{1,64}$", parts[[2L]]) && grepl("^[0-9]{1,15}$", parts[[3L]])
    if (good) list(user = parts[[1L]], group = parts[[2L]], epoch = as.numeric(parts[[3L]])) else list(user = "", group = NULL)
  }
  # Whether no higher epoch of the group was here; notes it when it is the highest itself.
  newest <- function(group, epoch) {
    path <- file.path(epochs, group)
    seen <- suppressWarnings(as.numeric(tryCatch(readLines(path, 1L), error = function(e) "0", warning = function(w) "0")))
    if (length(seen) != 1L || is.na(seen)) seen <- 0
    if (epoch > seen) {
      draft <- paste0(path, ".", Sys.getpid())
      writeLines(format(epoch, scientific = FALSE), draft)
      file.rename(draft, path)
    }
    epoch >= seen
  }
  # Takes a place; gives it back when there are too many. Rserve made this session's directory and went there.
  room <- function() {
    place <- file.path(getwd(), ".gridhelm-place")
    cat("", file = place)
    taken <- Sys.glob(file.path(work, "conn*", ".gridhelm-place"))
    pids <- sub("^conn", "", basename(dirname(taken)))
    name <- function(pid) tryCatch(suppressWarnings(readLines(file.path("/proc", pid, "comm"), 1L)), error = function(e) "")
    lives <- sum(vapply(pids, name, "") == "Rserve")
    if (lives > limit) unlink(place)
    lives <= limit
  }
  function(x) {
    wanted <- claim(x[[1L]])
    good <- identical(wanted$user, user) && same(x[[2L]])
    good <- good && (is.null(wanted$group) || newest(wanted$group, wanted$epoch) && room())
    # In this process nobody needs it any more.
    for (i in seq_along(secret)) secret[[i]] <<- 0L
    good
  }
})
