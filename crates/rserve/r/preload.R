  # What sessions would otherwise load one by one; `text` is the runner (runner.R). The version is
  # counted as in run.rs, so that a session knows whether this is its own.
  sum <- 0
  for (byte in as.integer(charToRaw(text))) sum <- (sum * 31 + byte) %% 2147483647
  version <- sprintf("%d_%d", nchar(text, "bytes"), as.integer(sum))
  items <- eval(parse(text = text, keep.source = FALSE), new.env(parent = baseenv()))
  runner <- items$.gridhelm
  # Compiled here, once: no session has the time.
  for (name in ls(runner, all.names = TRUE))
    if (is.function(runner[[name]])) assign(name, compiler::cmpfun(runner[[name]]), envir = runner)
  for (name in names(items)) if (is.function(items[[name]])) items[[name]] <- compiler::cmpfun(items[[name]])
  runner$compiled <- TRUE
  # The name under which a session finds this very version.
  items[[paste0(".gridhelm_", version)]] <- runner
  .Internal(attach(items, 2L, "gridhelm"))
  suppressMessages({
    for (package in c("stats", "graphics", "grDevices", "utils", "methods", "tools", "compiler"))
      loadNamespace(package)
  })
  # What the node was started with for itself is not for what its scripts start.
  Sys.unsetenv("GLIBC_TUNABLES")
  # The first plot of a process looks for fonts: 150 ms that sessions then need not spend.
  try(silent = TRUE, {
    path <- tempfile(fileext = ".png")
    grDevices::png(path, type = "cairo")
    graphics::plot(1, main = "x")
    grDevices::dev.off()
    unlink(path)
  })
  # And the first loop of a process loads the compiler.
  compiler::cmpfun(function(x) { for (i in x) i; x })
  # A rehearsal: what R loads on first use is then loaded for all sessions.
  work <- tempfile("rehearsal")
  dir.create(work)
  try(silent = TRUE, {
    runner$state$work <- work
    runner$run("x <- 1\nprint(x)\nx", "code.R", list(x = 1), "x", 800, 600, 96, 1e6, 1e6, FALSE)
    runner$run("message(1); warning(2); cat(3, '\\n'); stop(4)", "code.R", list(), "x", 800, 600, 96, 1e6, 1e6, FALSE)
    rm("x", envir = globalenv())
  })
  for (name in intersect(c("out", "null"), ls(runner$state))) close(runner$state[[name]])
  rm(list = ls(runner$state), envir = runner$state)
  runner$state$live <- TRUE
  unlink(work, recursive = TRUE)
  # What a fork writes to is copied page by page. Free room in one piece, made last, is used first: a
  # session then copies fewer pages (SortNodes in memory.c).
  for (size in c(1L, 2L, 4L, 8L, 16L)) lapply(seq_len(4000L), function(i) numeric(size))
  as.pairlist(as.list(seq_len(40000L)))
  gc()
  # Sessions that inherit a seed would all draw the same numbers.
  suppressWarnings(rm(".Random.seed", envir = globalenv()))
})
