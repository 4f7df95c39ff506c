# Installs packages from the node's own repositories; `names` and `outdated` are inputs. A child R does it, so that this
# session's packages stay as they are, and its output is read line by line, as it comes.
local({
  say <- function(...) {
    cat(..., "\n", sep = "")
    flush.console()
  }
  refuse <- function(...) stop(paste0(...), call. = FALSE)
  some <- function(x) paste0(paste(utils::head(x, 10L), collapse = ", "), if (length(x) > 10L) paste(" and", length(x) - 10L, "more"))
  # What R finds: the first of each name.
  visible <- function() {
    found <- utils::installed.packages(noCache = TRUE)
    found <- found[!duplicated(found[, "Package"]), c("Version", "Priority"), drop = FALSE]
    list(version = stats::setNames(unname(found[, "Version"]), rownames(found)), base = rownames(found)[found[, "Priority"] %in% "base"])
  }

  repos <- getOption("repos")
  repos <- unlist(repos)
  repos <- repos[!is.na(repos) & nzchar(repos) & repos != "@CRAN@"]
  if (!length(repos))
    refuse("no repository is set on this node; set one with the line: eval options(repos = c(CRAN = \"https://...\")) in its Rserve configuration, and start Rserve again")
  folders <- .libPaths()
  library <- utils::head(folders[file.access(folders, 2L) == 0L], 1L)
  if (!length(library))
    refuse("no library can be written by the user ", Sys.info()[["effective_user"]], " of this node (", paste(folders, collapse = ", "),
           "); give it one: make a folder that it owns and name it in R_LIBS_USER where Rserve is started")
  locks <- list.files(library, "^00LOCK", full.names = TRUE)
  if (length(locks))
    refuse("the library is locked by ", locks[[1L]], ": another installation is under way, or one was ended while it worked. If none runs, remove it: unlink(\"", locks[[1L]], "\", TRUE)")

  say("Repositories: ", paste(repos, collapse = ", "))
  say("Library: ", library)
  available <- tryCatch(utils::available.packages(repos = repos, ignore_repo_cache = TRUE),
                        error = function(e) refuse("no package can be had from ", paste(repos, collapse = ", "), ": ", conditionMessage(e)))
  if (!nrow(available)) refuse("no package can be had from ", paste(repos, collapse = ", "), "; the repository does not answer, or has nothing for R ", getRversion())
  before <- visible()
  offered <- stats::setNames(unname(available[, "Version"]), rownames(available))
  # Repositories may offer a package twice; the first is what install.packages() takes.
  offered <- offered[!duplicated(names(offered))]
  newer <- function(name) utils::compareVersion(offered[[name]], before$version[[name]]) > 0L
  wanted <- if (isTRUE(outdated)) setdiff(intersect(names(before$version), names(offered)), before$base) else unique(as.character(unlist(names)))
  unknown <- setdiff(wanted, names(offered))
  if (length(unknown)) refuse("not in the repositories, or not for R ", getRversion(), ": ", some(unknown))
  due <- Filter(function(name) !name %in% names(before$version) || newer(name), wanted)
  if (!isTRUE(outdated) && length(current <- setdiff(wanted, due))) say("Up to date: ", some(paste(current, before$version[current])))
  if (!length(due)) {
    say("Nothing is to be done.")
    return(list())
  }
  say("To install: ", paste(due, offered[due], collapse = ", "))

  child <- function() {
    order <- readRDS(commandArgs(TRUE)[[1L]])
    .libPaths(order$folders)
    do.call(options, order$options)
    options(warn = 1L)
    utils::install.packages(order$packages, lib = order$library, repos = order$repos, quiet = FALSE)
  }
  kept <- c("pkgType", "HTTPUserAgent", "download.file.method", "download.file.extra", "timeout", "Ncpus", "install.opts",
            "configure.args", "configure.vars")
  settings <- Filter(Negate(is.null), sapply(kept, getOption, simplify = FALSE))
  code <- file.path(getwd(), ".gridhelm-install.R")
  order <- file.path(getwd(), ".gridhelm-install.rds")
  writeLines(c("child <-", deparse(child), "child()"), code)
  saveRDS(list(packages = due, library = library, folders = folders, repos = repos, options = settings), order)
  command <- paste(shQuote(file.path(R.home("bin"), "Rscript")), "--no-save --no-restore", shQuote(code), shQuote(order), "2>&1")
  output <- pipe(command, "r")
  last <- character()
  while (length(line <- readLines(output, 1L, warn = FALSE))) {
    say(line)
    last <- utils::tail(c(last, line), 15L)
  }
  status <- close(output)

  after <- visible()
  came <- after$version[names(after$version)]
  changed <- Filter(function(name) !identical(unname(before$version[name]), unname(came[name])), names(came))
  for (name in changed) {
    from <- if (name %in% names(before$version)) before$version[[name]] else "not installed"
    say(name, ": ", from, " -> ", came[[name]])
  }
  failed <- Filter(function(name) !name %in% names(came) || !identical(came[[name]], offered[[name]]), due)
  if (length(failed)) {
    hidden <- Filter(function(name) dir.exists(file.path(library, name)) && name %in% names(came), failed)
    hint <- if (length(hidden) && is.null(status)) paste0(" (what another library has of ", some(hidden), " comes first in R's search)") else ""
    refuse("not installed: ", some(paste(failed, offered[failed])), hint, if (length(changed)) paste0("; installed: ", some(changed)),
           ". R's last lines:\n", paste(last, collapse = "\n"))
  }
  lapply(changed, function(name) list(package = name, from = if (name %in% names(before$version)) before$version[[name]], to = came[[name]]))
})
