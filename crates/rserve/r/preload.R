
  attach(items, name = "gridhelm", pos = 2L, warn.conflicts = FALSE)
  suppressMessages({
    for (package in c("stats", "graphics", "grDevices", "utils", "methods", "tools", "compiler"))
      loadNamespace(package)
  })
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
  # Sessions that inherit a seed would all draw the same numbers.
  suppressWarnings(rm(".Random.seed", envir = globalenv()))
})
