# Loads the runner into a session whose node did not load it before the fork, as one function. Called
# with texts, so nothing is pasted into code.
function(marker, version, runner) {
  # What runs once need not be compiled: see runner.R.
  level <- .Internal(enableJIT(0L))
  on.exit(.Internal(enableJIT(level)))
  # First of all: whoever looks for left-over sessions must be able to tell whose this one is.
  cat(marker, file = ".gridhelm")
  if (!identical(file.size(".gridhelm"), as.numeric(nchar(marker, "bytes"))))
    stop("the session cannot be marked: no room on the disk of the work directory, or it is read-only")
  # A node may have loaded another version.
  if ("gridhelm" %in% search()) detach("gridhelm", character.only = TRUE)
  items <- eval(parse(text = runner, keep.source = FALSE), new.env(parent = baseenv()))
  items[[paste0(".gridhelm_", version)]] <- items$.gridhelm
  # attach() itself takes 1 ms to look for S4 methods, of which there are none.
  .Internal(attach(items, 2L, "gridhelm"))
  items$.gridhelm$start(marker)
}
