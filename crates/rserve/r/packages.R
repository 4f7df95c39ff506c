# The packages of a node, and whence it would install: one function of how many packages are wanted at most.
function(most) {
  level <- .Internal(enableJIT(0L))
  on.exit(.Internal(enableJIT(level)))
  quietly <- function(expr, otherwise) tryCatch(suppressWarnings(expr), error = function(e) otherwise)
  # The same order as in watch.R, so that the two can be told to be equal.
  found <- utils::installed.packages(noCache = TRUE)[, c("Package", "Version", "LibPath", "Priority", "Built"), drop = FALSE]
  cut <- nrow(found) > most
  if (cut) found <- found[seq_len(most), , drop = FALSE]
  utf8 <- function(text) {
    text <- enc2utf8(unname(as.character(text)))
    text[is.na(text) | !validUTF8(text)] <- ""
    substr(text, 1L, 1000L)
  }
  repos <- quietly(as.character(unlist(getOption("repos"))), character())
  repos <- repos[!is.na(repos) & nzchar(repos) & repos != "@CRAN@"]
  libraries <- .libPaths()
  list(name = utf8(found[, 1L]), version = utf8(found[, 2L]), library = utf8(found[, 3L]), priority = utf8(found[, 4L]),
       built = utf8(found[, 5L]), cut = cut, repos = utf8(repos[seq_len(min(length(repos), 100L))]),
       paths = utf8(libraries), writable = as.character(unname(file.access(libraries, 2L) == 0L)),
       user = utf8(quietly(Sys.info()[["effective_user"]], "")))
}
