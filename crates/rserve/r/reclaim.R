# Ends sessions from a session beside them. Check and act are one evaluation, so that nothing changes
# hands in between. An expression whose value is a list of functions.
local({
  quietly <- function(expr, otherwise) tryCatch(suppressWarnings(expr), error = function(e) otherwise)
  work <- dirname(getwd())
  # Only directories that Rserve names after sessions are ever removed.
  has_own <- basename(getwd()) == paste0("conn", Sys.getpid())

  stat <- function(pid) quietly(readLines(sprintf("/proc/%d/stat", pid), 1L, warn = FALSE), character())
  # The fields from number 3 on; the name before them may hold spaces.
  fields <- function(line) strsplit(sub("^.*\\) ", "", line), " ", fixed = TRUE)[[1L]]
  ends <- function(pid) {
    line <- stat(pid)
    !length(line) || fields(line)[[1L]] %in% c("Z", "X")
  }
  boot <- function() quietly(readLines("/proc/sys/kernel/random/boot_id", 1L), "")
  marker <- function(pid) quietly({
    path <- file.path(work, paste0("conn", pid), ".gridhelm")
    text <- readChar(path, min(file.size(path), 4096), useBytes = TRUE)
    Encoding(text) <- "UTF-8"
    if (length(text) && validUTF8(text)) text else ""
  }, "")
  # The epoch of a marker of this group, NA for any other text. `prefix` is how such a marker begins.
  epoch <- function(text, prefix) {
    if (!startsWith(text, prefix) || !grepl(",\"epoch\":[0-9]{1,15}}$", text)) return(NA_real_)
    as.numeric(sub("}$", "", sub("^.*,\"epoch\":", "", text)))
  }
  # Whether `rule` (older, exact, any) lets us touch what bears this marker: "" or the reason why not.
  objection <- function(text, rule, prefix, limit) {
    if (rule == "any") return("")
    # A session that is marked meanwhile was about to be used.
    if (rule == "unmarked") return(if (nzchar(text)) "foreign" else "")
    if (!nzchar(text)) return("no_marker")
    found <- epoch(text, prefix)
    if (is.na(found)) return("foreign")
    if (rule == "older" && found < limit || rule == "exact" && found == limit) "" else "epoch"
  }
  children <- function(pid) {
    files <- Sys.glob(sprintf("/proc/%d/task/*/children", pid))
    unlist(lapply(files, function(f) quietly(scan(f, 0L, quiet = TRUE), integer())))
  }
  # A process and all below it, deepest first; each is stopped before its children are listed, so
  # that none can be born unseen.
  tree <- function(pid, depth = 0L) {
    tools::pskill(pid, 19L)
    below <- if (depth < 64L) children(pid) else integer()
    c(unlist(lapply(below, tree, depth = depth + 1L)), pid)
  }
  # What left the tree but still works in the session's directory.
  strays <- function(pid) {
    dir <- file.path(work, paste0("conn", pid))
    pids <- list.files("/proc", "^[0-9]+$")
    cwd <- quietly(Sys.readlink(file.path("/proc", pids, "cwd")), character(length(pids)))
    cwd[is.na(cwd)] <- ""
    found <- as.integer(pids[cwd == dir | startsWith(cwd, paste0(dir, "/"))])
    setdiff(found, Sys.getpid())
  }
  remove_dir <- function(pid) {
    dir <- file.path(work, paste0("conn", pid))
    if (!has_own || !dir.exists(dir)) return(FALSE)
    unlink(dir, recursive = TRUE)
    !dir.exists(dir)
  }
  # What the runner leaves when the code itself ends the session.
  exit_file <- function(pid) file.path(work, paste0("conn", pid), ".gridhelm-exit")
  answer <- function(what, processes = 0L, removed = FALSE, marker = "", exit = FALSE)
    list(what = what, processes = processes, removed = removed, marker = marker, exit = exit)

  list(
    # `how` is "interrupt" or "kill".
    end = function(how, pid, start, boot_id, rule, prefix, limit) {
      text <- marker(pid)
      no <- objection(text, rule, prefix, limit)
      line <- stat(pid)
      gone <- if (boot() != boot_id) "gone" else if (!length(line)) "gone" else
        if (fields(line)[[20L]] != start) "reused" else if (fields(line)[[1L]] %in% c("Z", "X")) "gone" else ""
      if (nzchar(gone)) {
        # The directory may be a new session's, if the number is in use again.
        exit <- gone == "gone" && !nzchar(no) && file.exists(exit_file(pid))
        removed <- how == "kill" && gone == "gone" && !nzchar(no) && ends(pid) && remove_dir(pid)
        return(answer("gone", removed = removed, marker = text, exit = exit))
      }
      mine <- as.integer(fields(stat(Sys.getpid()))[[2L]])
      session <- pid != Sys.getpid() && pid != mine && pid > 1L &&
        (identical(as.integer(fields(line)[[2L]]), mine) || has_own && dir.exists(file.path(work, paste0("conn", pid))))
      if (!session) return(answer("no_session", marker = text))
      if (nzchar(no)) return(answer(no, marker = text))
      if (how == "interrupt") {
        sent <- tools::pskill(pid, 2L)
        return(answer(if (isTRUE(sent)) "interrupted" else "not_permitted", marker = text))
      }
      pids <- unique(c(setdiff(strays(pid), pid), tree(pid)))
      # A stray may have children of its own elsewhere.
      for (stray in setdiff(pids, pid)) pids <- unique(c(tree(stray), pids))
      sent <- vapply(pids, function(p) isTRUE(tools::pskill(p, 9L)), NA)
      until <- proc.time()[[3L]] + 2
      while (!all(dead <- vapply(pids, ends, NA)) && proc.time()[[3L]] < until) Sys.sleep(0.005)
      if (!dead[match(pid, pids)])
        return(answer(if (sent[match(pid, pids)]) "still_there" else "not_permitted", sum(dead), marker = text))
      answer("killed", sum(dead), remove_dir(pid), text)
    },

    # Removes the directories of sessions that are gone: with a marker of this group, or empty. Ends what outlived its
    # session: processes in a directory that was removed when that ended, which nobody reaches any more.
    sweep = function(prefix) {
      if (!has_own) return(0L)
      removed <- 0L
      pids <- list.files("/proc", "^[0-9]+$")
      cwd <- quietly(Sys.readlink(file.path("/proc", pids, "cwd")), character(length(pids)))
      for (i in which(!is.na(cwd) & startsWith(cwd, paste0(work, "/conn")) & endsWith(cwd, " (deleted)"))) {
        session <- suppressWarnings(as.integer(sub("[ /].*$", "", substring(cwd[[i]], nchar(work) + 6L))))
        pid <- as.integer(pids[[i]])
        if (is.na(session) || pid == session || !ends(session)) next
        # Again, right before the signal: another process may have the number by now.
        if (!identical(quietly(Sys.readlink(file.path("/proc", pid, "cwd")), ""), cwd[[i]])) next
        if (isTRUE(tools::pskill(pid, 9L))) removed <- removed + 1L
      }
      for (dir in utils::head(list.files(work, "^conn[0-9]+$"), 5000L)) {
        pid <- as.integer(substring(dir, 5L))
        if (is.na(pid) || !ends(pid)) next
        full <- file.path(work, dir)
        # Without a mark, too, where the disk had no room for it.
        empty <- !length(setdiff(list.files(full, all.files = TRUE, no.. = TRUE), c(".gridhelm-place", if (!nzchar(marker(pid))) ".gridhelm")))
        if (!empty && is.na(epoch(marker(pid), prefix))) next
        # Whoever lost the session will ask in a moment how it ended.
        left <- file.mtime(exit_file(pid))
        if (!is.na(left) && difftime(Sys.time(), left, units = "secs") < 60) next
        if (ends(pid) && remove_dir(pid)) removed <- removed + 1L
      }
      removed
    }
  )
})
