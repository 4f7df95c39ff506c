# The first evaluation of a session, as one function: writes the marker, attaches the runner, and
# returns what identifies the session. Called with texts, so nothing is pasted into code.
function(marker, version, runner) {
  # What runs once need not be compiled: see runner.R.
  level <- .Internal(enableJIT(0L))
  on.exit(.Internal(enableJIT(level)))
  work <- getwd()
  # First of all: whoever looks for left-over sessions must be able to tell whose this one is.
  cat(marker, file = ".gridhelm")
  loaded <- if ("gridhelm" %in% search()) as.environment("gridhelm")$.gridhelm_version
  if (!identical(loaded, version)) {
    # A node may have loaded another version before the fork.
    if (!is.null(loaded)) detach("gridhelm", character.only = TRUE)
    items <- eval(parse(text = runner, keep.source = FALSE), new.env(parent = baseenv()))
    items$.gridhelm_version <- version
    # attach() itself takes 1 ms to look for S4 methods, of which there are none.
    .Internal(attach(items, 2L, "gridhelm"))
  }
  as.environment("gridhelm")$.gridhelm$started(work)
  c(readLines("/proc/self/stat", 1L), readLines("/proc/sys/kernel/random/boot_id", 1L), work,
    paste(R.version$major, R.version$minor, sep = "."))
}
