# What a node says about itself, as one function of the listener's pid. Texts of /proc travel as they
# are and are read by the client.
function(listener) {
  level <- .Internal(enableJIT(0L))
  on.exit(.Internal(enableJIT(level)))
  quietly <- function(expr, otherwise) tryCatch(suppressWarnings(expr), error = function(e) otherwise)
  lines <- function(path, n = -1L) quietly(readLines(path, n, warn = FALSE), character())
  line <- function(path) { got <- lines(path, 1L); if (length(got)) got[[1L]] else "" }
  text <- function(path) quietly({
    size <- min(file.size(path), 4096)
    got <- readChar(path, size, useBytes = TRUE)
    Encoding(got) <- "UTF-8"
    if (length(got) && validUTF8(got)) got else ""
  }, "")

  # Sessions: children of the listener, and processes with a directory conn<pid> beside ours (after a
  # restart of the listener its old sessions are no longer its children).
  work <- dirname(getwd())
  dirs <- list.files(work, "^conn[0-9]+$")
  named <- as.integer(substring(dirs, 5L))
  children <- scan(text = paste(lines(sprintf("/proc/%d/task/%d/children", listener, listener)), collapse = " "),
                   what = 0L, quiet = TRUE)
  alive <- named[dir.exists(paste0("/proc/", named))]
  pids <- unique(c(children, alive))
  if (length(pids) > 10000L) pids <- pids[1:10000]
  # Sessions whose client is gone. Their end of the connection waits to be closed (CLOSE_WAIT, 08), at a port where
  # somebody listens (0A): connections that the code itself opened have other ports. Or, where the client left with
  # something unread, the connection was reset: a socket remains that no table knows.
  sockets <- function(pid) {
    to <- quietly(Sys.readlink(list.files(sprintf("/proc/%d/fd", pid), full.names = TRUE)), character())
    substring(to[startsWith(to, "socket:[")], 9L)
  }
  connections <- function() {
    tcp <- c(lines("/proc/net/tcp"), lines("/proc/net/tcp6"))
    tcp <- grep("^ *[0-9]+: [0-9A-F]+:[0-9A-F]+ [0-9A-F]+:[0-9A-F]+ 0[0-9A-F] ", tcp, value = TRUE)
    tcp <- strsplit(sub("^ +", "", tcp), " +")
    field <- function(n) vapply(tcp, `[`, "", n)
    port <- sub("^.*:", "", field(2L))
    inode <- paste0(field(10L), rep("]", length(tcp)))
    state <- field(4L)
    served <- port %in% port[state == "0A"] & state != "0A"
    list(closed = inode[served & state == "08"], open = inode[served & state != "08"])
  }
  now <- connections()
  gone <- function(pid) {
    own <- sockets(pid)
    if (!length(own) || any(own %in% now$closed)) return(length(own) > 0L)
    # A table that changes while it is read may lack a line: one that is there twice in no look is not there.
    !any(own %in% now$open) && !any(own %in% connections()$open)
  }

  # Processes that outlived their session, whose directory was removed when it ended.
  all <- list.files("/proc", "^[0-9]+$")
  at <- quietly(Sys.readlink(file.path("/proc", all, "cwd")), character(length(all)))
  strays <- sum(!is.na(at) & startsWith(at, paste0(work, "/conn")) & endsWith(at, " (deleted)"))

  sessions <- lapply(pids, function(pid) {
    proc <- paste0("/proc/", pid)
    stat <- line(file.path(proc, "stat"))
    # A process that has no directory here, or that is no Rserve, only happens to have the number.
    if (!grepl("(Rserve)", stat, fixed = TRUE)) return(NULL)
    rss <- grep("^VmRSS:", lines(file.path(proc, "status")), value = TRUE)
    cwd <- quietly(Sys.readlink(file.path(proc, "cwd")), "")
    list(stat = stat, gone = gone(pid), rss = if (length(rss)) gsub("[^0-9]", "", rss) else "0", cwd = if (is.na(cwd)) "" else cwd,
         marker = text(file.path(work, paste0("conn", pid), ".gridhelm")))
  })
  sessions <- sessions[!vapply(sessions, is.null, NA)]

  packages <- quietly(utils::installed.packages(noCache = TRUE)[, c("Package", "Version"), drop = FALSE], matrix("", 0L, 2L))
  info <- Sys.info()
  list(
    listener = line(sprintf("/proc/%d/stat", listener)),
    loadavg = line("/proc/loadavg"),
    uptime = line("/proc/uptime"),
    meminfo = lines("/proc/meminfo", 3L),
    cpus = sub("^Cpus_allowed_list:\\s*", "", grep("^Cpus_allowed_list:", lines("/proc/self/status"), value = TRUE)),
    disk = quietly(system2("df", c("-Pk", shQuote(work)), stdout = TRUE, stderr = FALSE), character()),
    boot_id = line("/proc/sys/kernel/random/boot_id"),
    clock = as.numeric(Sys.time()) * 1000,
    r = paste(R.version$major, R.version$minor, sep = "."),
    rserve = quietly(as.character(utils::packageVersion("Rserve")), ""),
    host = info[["nodename"]], os = paste(info[["sysname"]], info[["release"]]), user = info[["effective_user"]],
    utf8 = isTRUE(l10n_info()[["UTF-8"]]),
    package = unname(packages[, 1L]), version = unname(packages[, 2L]),
    work = work,
    leftover = length(named) - length(alive),
    strays = strays,
    self = Sys.getpid(),
    sessions = unname(sessions)
  )
}
