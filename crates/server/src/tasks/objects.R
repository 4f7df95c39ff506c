# Tells what a file of R data holds; `file` is an input. The objects are looked at without calling what their classes define.
shown <- local({
  text <- function(x, most = 200L) {
    x <- enc2utf8(paste(x, collapse = ", "))
    x <- iconv(x, "UTF-8", "UTF-8", sub = "byte")
    substr(x, 1L, most)
  }
  start <- function() {
    # Takes what is compressed and what is not.
    con <- gzfile(file, "rb")
    on.exit(close(con))
    readBin(con, "raw", 5L)
  }
  magic <- start()
  held <- new.env(parent = emptyenv())
  if (length(magic) == 5L && rawToChar(magic[1:3][magic[1:3] != 0]) %in% c("RDX", "RDA", "RDB")) {
    names <- load(file, envir = held)
  } else if (length(magic) > 1L && rawToChar(magic[1:2][magic[1:2] != 0]) %in% c("X\n", "A\n", "B\n")) {
    # One value without a name.
    names <- ""
    held$value <- readRDS(file)
  } else {
    stop("it is no file of R data, as save() and saveRDS() write them", call. = FALSE)
  }
  shape <- function(x) {
    size <- attr(x, "dim", exact = TRUE)
    if (is.null(size) && inherits(x, "data.frame")) size <- c(.row_names_info(x, 2L), length(unclass(x)))
    if (is.null(size)) size <- if (is.environment(x) || is.function(x)) integer() else length(unclass(x))
    paste(format(size, scientific = FALSE, trim = TRUE), collapse = " x ")
  }
  # A sum over the value, to tell one from another: as it is saved, without the head that names the version of R.
  sum <- function(x) {
    kept <- tempfile()
    on.exit(unlink(kept))
    writeBin(serialize(x, NULL, version = 2L)[-(1:14)], kept)
    unname(tools::md5sum(kept))
  }
  or <- function(value, other) tryCatch(value, error = function(e) other)
  one <- function(name) {
    x <- get(if (nzchar(name)) name else "value", envir = held, inherits = FALSE)
    list(name = text(name), class = text(class(x)), shape = or(shape(x), ""), size = or(as.numeric(utils::object.size(x)), 0),
         sum = or(sum(x), ""))
  }
  names <- sort(unique(names), method = "radix")
  list(total = length(names), objects = lapply(utils::head(names, 1000L), one))
})
total <- shown$total
objects <- shown$objects
