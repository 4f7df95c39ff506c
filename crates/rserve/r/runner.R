# The runner of user code. An expression whose value is an environment; gridhelm_prepare (session.R)
# attaches it, so that the user's global environment stays the user's own.
local({
  state <- new.env(parent = emptyenv())
  state$work <- NULL
  state$live <- TRUE

  oob <- tryCatch(getNativeSymbolInfo("Rserve_oobSend"), error = function(e) NULL)

  # R compiles a function when it sees it used: 60 ms and more in a fresh process, for functions that
  # run once. So the compiler is off while the runner runs, on while the user's code does, and what
  # that code calls here is too small to be compiled (a score below 50, R_CheckJIT in eval.c).
  # A node that loads this before it forks has it compiled, once for all (preload.R).
  compiled <- FALSE
  jit <- function(level) if (compiled) level else .Internal(enableJIT(level))
  uncompiled <- function(expr) {
    level <- jit(0L)
    on.exit(jit(level))
    suspendInterrupts(expr)
  }

  # --- what the client sees while the code runs -------------------------------------------------

  send <- function(kind, text) {
    if (state$live && !state$with_answer) {
      sent <- tryCatch({ .Call(oob, c(kind, text), 0L); TRUE }, error = function(e) FALSE)
      if (sent) return(invisible())
      # The node does not allow out-of-band messages: they travel with the answer.
      state$live <- FALSE
    }
    state$kept[[length(state$kept) + 1L]] <- c(kind, text)
    invisible()
  }

  utf8 <- function(text) {
    text <- enc2utf8(as.character(text))
    wrong <- !validUTF8(text)
    if (any(wrong)) text[wrong] <- iconv(text[wrong], "latin1", "UTF-8", sub = "byte")
    text
  }

  # utils::head, which a fresh process would have to load.
  first <- function(x, n) if (length(x) > n) x[seq_len(n)] else x

  clip <- function(text, limit) {
    text <- utf8(paste(text, collapse = "\n"))
    if (nchar(text, "bytes") > limit) text <- paste0(substr(text, 1L, limit %/% 4L), " [...]")
    text
  }

  # base::sink and sink.number, without the 20 us that each takes to match its arguments.
  divert <- function(con) .Internal(sink(con, FALSE, FALSE, FALSE))
  restore <- function() .Internal(sink(-1L, FALSE, FALSE, FALSE))
  diversions <- function() .Internal(sink.number(TRUE))

  # Sends text under the limit of the whole run; past it, once, a notice.
  emit <- function(kind, text) {
    if (!nzchar(text) || state$left <= 0) return(invisible())
    size <- nchar(text, "bytes")
    if (size > state$left) {
      text <- paste0(substr(text, 1L, max(0, state$left %/% 4)),
                     "\n[output cut: the limit of ", format(state$limit, big.mark = ",", scientific = FALSE), " bytes is reached]\n")
      state$truncated <- TRUE
      state$left <- 0
    } else {
      state$left <- state$left - size
    }
    send(kind, text)
  }

  drain <- function(con, kind) {
    repeat {
      bytes <- readBin(con, "raw", 8192L)
      if (!length(bytes)) break
      if (state$left > 0) {
        # A chunk may end inside a character: take its rest with it.
        room <- 8192L
        while (length(bytes) == room && room <= 2 * state$left) {
          bytes <- c(bytes, readBin(con, "raw", room))
          room <- 2L * room
        }
        emit(kind, utf8(rawToChar(bytes[bytes != as.raw(0L)])))
      }
      # Nobody else writes to it: a chunk that is not full was the last one.
      if (length(bytes) < 8192L) break
    }
  }

  flush <- function(kind = "output") {
    if (is.null(state$out)) return(invisible())
    state$flushed <- proc.time()[[3L]]
    drain(state$out, kind)
    # Nobody will see more: do not fill the disk with it.
    if (state$left <= 0 && !state$muted) {
      state$muted <- TRUE
      if (is.null(state$null)) state$null <- file("/dev/null", "wb")
      divert(state$null)
    }
    invisible()
  }

  # At most 20 times a second, however often the code prints.
  soon <- function() {
    if (!is.null(state$out) && proc.time()[[3L]] - state$flushed >= 0.05) uncompiled(flush())
    invisible()
  }

  # What is printed goes to a file without a name, and from there to the client. Standard error goes
  # there too, so that the order is kept; cat(file = stderr()) and message() are told from output.
  open_sinks <- function() {
    if (is.null(state$out)) {
      path <- file.path(state$work, ".gridhelm-out")
      state$out <- file(path, "w+b")
      unlink(path)
    }
    state$muted <- FALSE
    state$sinks <- diversions()
    divert(state$out)
    .Internal(sink(state$out, FALSE, TRUE, FALSE))
  }

  # The code may have opened or closed sinks of its own.
  check_sinks <- function() {
    if (diversions() <= state$sinks) {
      divert(state$out)
      if (state$muted) divert(state$null)
    }
  }

  close_sinks <- function() {
    .Internal(sink(stderr(), FALSE, TRUE, FALSE))
    while (diversions() > state$sinks) restore()
    # The answer goes out now: the last words go with it.
    state$with_answer <- TRUE
    flush()
  }

  # --- plots ------------------------------------------------------------------------------------

  device <- function(...) {
    state$devices <- state$devices + 1L
    dir <- file.path(state$work, ".gridhelm-plots")
    if (!dir.exists(dir)) dir.create(dir)
    g <- state$graphics
    grDevices::png(file.path(dir, sprintf("%04d-%%04d.png", state$devices)),
                   width = g$width, height = g$height, res = g$res, type = "cairo")
  }

  close_devices <- function() {
    if (length(.Devices) < 2L) return(character())
    while (length(grDevices::dev.list())) tryCatch(grDevices::dev.off(), error = function(e) break)
    if (state$devices == 0L) return(character())
    dir <- file.path(state$work, ".gridhelm-plots")
    found <- sort(list.files(dir, "[.]png$"))
    names <- character()
    number <- 0L
    for (name in first(found, 200L)) {
      repeat {
        number <- number + 1L
        target <- sprintf("plot%03d.png", number)
        if (!file.exists(file.path(state$work, target))) break
      }
      if (file.rename(file.path(dir, name), file.path(state$work, target))) names <- c(names, target)
    }
    unlink(dir, recursive = TRUE)
    names
  }

  # --- files ------------------------------------------------------------------------------------

  # Regular files under the work directory: no links, nothing of ours, at most 1,000.
  listing <- function() {
    root <- state$work
    names <- list.files(root, all.files = TRUE, no.. = TRUE)
    names <- names[!startsWith(names, ".gridhelm")]
    if (!length(names)) return(NULL)
    found <- character()
    dirs <- 0L
    repeat {
      full <- file.path(root, names)
      names <- names[!is.na(link <- Sys.readlink(full)) & !nzchar(link)]
      full <- file.path(root, names)
      inner <- dir.exists(full)
      found <- c(found, names[!inner])
      below <- names[inner]
      names <- character()
      for (dir in below) {
        dirs <- dirs + 1L
        if (dirs > 1000L || length(found) + length(names) > 1000L) break
        entries <- list.files(file.path(root, dir), all.files = TRUE, no.. = TRUE)
        if (length(entries)) names <- c(names, file.path(dir, entries))
      }
      if (!length(names) || length(found) > 1000L) break
    }
    found <- first(found, 1000L)
    info <- file.info(file.path(root, found), extra_cols = FALSE)
    list(name = found, size = info$size, stamp = as.numeric(info$mtime))
  }

  changed <- function(before, after, plots) {
    if (is.null(after) || identical(before, after)) return(NULL)
    old <- match(after$name, before$name)
    new <- if (is.null(before)) rep(TRUE, length(old)) else is.na(old) | after$size != before$size[old] | after$stamp != before$stamp[old]
    new <- !is.na(new) & new & !(after$name %in% plots)
    list(name = utf8(after$name[new]), size = after$size[new])
  }

  # --- values -----------------------------------------------------------------------------------

  # What travels as an object with a `type` (value/json.rs).
  form <- function(type, ...) structure(list(type = type, ...), class = "gridhelm_form")

  opaque <- function(x, what) {
    text <- tryCatch(utils::capture.output(if (isS4(x)) methods::show(x) else base::print(x)),
                     error = function(e) what)
    form("opaque", what = what, text = clip(first(text, 200L), 20000L))
  }

  # Rebuilds `x` from what travels: vectors, lists, and texts for everything else.
  plain <- function(x, depth = 0L) {
    if (isS4(x)) return(opaque(x, paste("S4 object of class", class(x)[[1L]])))
    if (is.null(x)) return(x)
    if (is.atomic(x)) {
      a <- attributes(x)
      if (is.null(a)) return(x)
      keep <- intersect(names(a), c("names", "dim", "dimnames", "levels", "class", "units"))
      if (length(keep) < length(a)) attributes(x) <- a[keep]
      return(x)
    }
    if (depth > 40L) return(form("opaque", what = "deeply nested list"))
    if (is.function(x)) return(form("opaque", what = "function", text = clip(deparse(x, nlines = 200L, control = "useSource"), 20000L)))
    if (is.language(x) && !is.expression(x)) return(form("language", text = clip(deparse(x, nlines = 200L), 20000L)))
    if (inherits(x, "POSIXlt")) return(as.POSIXct(x))
    if (is.pairlist(x)) x <- as.list(x)
    if (is.expression(x)) x <- as.list(x)
    if (is.list(x)) {
      a <- attributes(x)
      x <- lapply(unclass(x), plain, depth = depth + 1L)
      keep <- if ("data.frame" %in% a$class) c("names", "row.names", "class") else c("names", "dim", "dimnames")
      attributes(x) <- a[intersect(names(a), keep)]
      return(x)
    }
    if (is.environment(x)) return(form("opaque", what = "environment"))
    form("opaque", what = typeof(x))
  }

  result <- function(x) {
    if (is.atomic(x) && length(x) < 100L && is.null(attributes(x)) && !is.character(x)) return(x)
    tryCatch({
      size <- as.numeric(utils::object.size(x))
      if (size > state$max_value)
        return(form("opaque", what = "value too large to send", bytes = size,
                    text = clip(utils::capture.output(utils::str(x, vec.len = 2L, list.len = 20L)), 20000L)))
      plain(x)
    }, error = function(e) form("opaque", what = "value that cannot be read", text = clip(conditionMessage(e), 2000L)))
  }

  # --- errors -----------------------------------------------------------------------------------

  one_line <- function(call) clip(deparse(call, width.cutoff = 100L, nlines = 1L)[[1L]], 400L)

  line_of <- function(ref) {
    if (is.null(ref) || !identical(attr(ref, "srcfile"), state$source)) return(NULL)
    as.integer(ref)[[1L]]
  }

  # Called where the error is raised: the calls are still there.
  note_error <- function(e) uncompiled(keep_calls())

  keep_calls <- function() {
    # A stack that is full has no room for this.
    tryCatch({
      calls <- sys.calls()
      calls <- calls[seq_along(calls) > state$depth]
      last <- length(calls)
      while (last > 0L) {
        head <- calls[[last]][[1L]]
        ours <- !is.name(head) || as.character(head) %in%
          c("note_error", "uncompiled", "keep_calls", "suspendInterrupts", "h", ".handleSimpleError", "tryCatch", "tryCatchList", "tryCatchOne", "doTryCatch",
            "withRestarts", "withOneRestart", "doWithOneRestart", "signalCondition", ".signalSimpleWarning")
        if (!ours) break
        last <- last - 1L
      }
      calls <- calls[seq_len(last)]
      state$error_line <- NULL
      for (call in first(rev(calls), 200L)) {
        state$error_line <- line_of(attr(call, "srcref"))
        if (!is.null(state$error_line)) break
      }
      shown <- if (length(calls) > 30L) c(calls[1:15], calls[(length(calls) - 14L):length(calls)]) else calls
      state$trace <- vapply(shown, one_line, "")
    }, error = function(e) NULL)
  }

  error_list <- function(kind, message, call = NULL, line = NULL, trace = NULL)
    list(kind = kind, message = clip(message, 8000L), call = call, line = line, trace = trace)

  caught <- function(e) {
    call <- conditionCall(e)
    # An error of the top level names the runner's own call.
    if (!is.null(call) && identical(call[[1L]], quote(eval))) call <- NULL
    error_list("error", conditionMessage(e), if (!is.null(call)) one_line(call),
               if (is.null(state$error_line)) state$line else state$error_line, state$trace)
  }

  parse_failed <- function(e, file) {
    text <- conditionMessage(e)
    line <- NULL
    if (startsWith(text, paste0(file, ":"))) {
      rest <- substring(text, nchar(file) + 2L)
      if (grepl("^[0-9]+:[0-9]+:", rest)) line <- as.integer(sub(":.*", "", rest))
    }
    error_list("parse", text, line = line)
  }

  warned <- function(w) {
    level <- getOption("warn", 0L)
    # R makes an error of it.
    if (level >= 2) return()
    if (level >= 0) uncompiled(show_warning(w))
    invokeRestart("muffleWarning")
  }

  show_warning <- function(w) {
    call <- conditionCall(w)
    if (!is.null(call) && identical(call[[1L]], quote(eval))) call <- NULL
    text <- clip(conditionMessage(w), 8000L)
    flush()
    emit("warning", if (is.null(call)) text else paste0("In ", one_line(call), ": ", text))
  }

  told <- function(m) {
    uncompiled({ flush(); emit("message", clip(conditionMessage(m), 1e6)) })
    invokeRestart("muffleMessage")
  }

  # --- the run ----------------------------------------------------------------------------------

  show_value <- function(x) if (isS4(x)) methods::show(x) else base::print(x)
  # Methods that the user defines are found from the global environment. (In an environment of its
  # own: R compiles functions of the global environment even when they are small.)
  environment(show_value) <- new.env(parent = globalenv())

  execute <- function(expressions, echo) {
    refs <- attr(expressions, "srcref")
    # Frames of the user's code come after this one, withVisible and two of eval.
    state$depth <- sys.nframe() + 3L
    for (i in seq_along(expressions)) {
      state$line <- line_of(refs[[i]])
      if (echo) {
        lines <- as.character(refs[[i]])
        emit("output", paste0(paste0(c("> ", rep("+ ", length(lines) - 1L)), lines, collapse = "\n"), "\n"))
      }
      jit(state$jit)
      state$last <- withVisible(eval(expressions[[i]], globalenv()))
      if (state$last$visible) show_value(state$last$value)
      jit(0L)
      suspendInterrupts({
        check_sinks()
        # What the last one printed goes with the answer.
        if (i < length(expressions)) flush()
      })
    }
  }

  # srcfilecopy() without what nobody asks of it here.
  source_of <- function(file, lines) {
    source <- new.env(hash = FALSE, parent = emptyenv())
    source$filename <- file
    source$wd <- state$work
    source$lines <- lines
    source$fixedNewlines <- TRUE
    source$isFile <- FALSE
    source$Enc <- "unknown"
    class(source) <- c("srcfilecopy", "srcfile")
    source
  }

  run <- function(...) {
    state$jit <- jit(0L)
    on.exit(jit(state$jit))
    suspendInterrupts(run_all(...))
  }

  run_all <- function(lines, file, inputs, outputs, width, height, res, max_output, max_value, echo, again = FALSE) {
    started <- proc.time()[[3L]]
    state$limit <- state$left <- max_output
    state$max_value <- max_value
    state$truncated <- FALSE
    state$kept <- list()
    state$with_answer <- FALSE
    state$flushed <- 0
    state$devices <- 0L
    state$graphics <- list(width = width, height = height, res = res)
    state$last <- NULL
    state$line <- state$error_line <- state$trace <- NULL
    # Without the second one R keeps what getParseData() would need: half a megabyte, whatever the size of the code.
    options(device = device, keep.parse.data = FALSE)
    if (again && is.null(state$first)) state$first <- condition()
    before <- if (!again || is.null(state$renewed)) listing()
    if (length(inputs)) list2env(inputs, globalenv())

    state$source <- source_of(file, lines)
    failed <- NULL
    expressions <- tryCatch(parse(text = lines, keep.source = TRUE, srcfile = state$source, encoding = "UTF-8"),
                            error = function(e) { failed <<- parse_failed(e, file); NULL })
    if (is.null(failed)) {
      open_sinks()
      failed <- tryCatch({
        withCallingHandlers(allowInterrupts(execute(expressions, echo)),
                            message = told, warning = warned, error = note_error)
        NULL
      }, error = function(e) { jit(0L); caught(e) }, interrupt = function(i) { jit(0L); error_list("interrupt", "the run was interrupted", line = state$line) })
      close_sinks()
    }

    plots <- tryCatch(close_devices(), error = function(e) character())
    files <- changed(before, listing(), plots)
    visible <- is.null(failed) && !is.null(state$last) && state$last$visible
    value <- if (visible) result(state$last$value)
    found <- list()
    for (name in outputs)
      if (exists(name, envir = globalenv(), inherits = FALSE)) found[name] <- list(result(get(name, envir = globalenv())))
    state$last <- NULL
    elapsed <- (proc.time()[[3L]] - started) * 1000
    # Files are still to be fetched.
    renewed <- again && !length(plots) && !length(files$name) && renew()
    list(visible = visible, value = value, outputs = found, error = failed, plots = plots, files = files,
         elapsed = elapsed, truncated = state$truncated, kept = state$kept, renewed = renewed)
  }

  # --- the next run in the same session ------------------------------------------------------------

  # Without the sorting and naming that options(), Sys.getenv() and RNGkind() do: this is looked at for each run.
  settings <- function() as.list(.Options)
  variables <- function() .Internal(Sys.getenv(character(), ""))
  generators <- function() .Internal(RNGkind(NULL, NULL, NULL))

  # What a later run must find as the first one did.
  condition <- function() list(search = search(), settings = settings(), variables = variables(), generators = generators())

  renew <- function() {
    state$renewed <- NULL
    done <- uncompiled(tryCatch(renew_all(state$first), error = function(e) FALSE))
    if (done) state$renewed <- TRUE
    done
  }

  renew_all <- function(then) {
    pid <- Sys.getpid()
    children <- readLines(sprintf("/proc/%d/task/%d/children", pid, pid), 1L, warn = FALSE)
    # They would go on beside the next run's code, and nobody would know whose they are.
    if (is.null(then) || any(nzchar(children))) return(FALSE)
    close_connections()
    if (!identical(generators(), then$generators)) RNGkind("default", "default", "default")
    space <- globalenv()
    # With the random seed.
    left <- .Internal(ls(space, TRUE, FALSE))
    if (length(left)) .Internal(remove(left, space, FALSE))
    if (!identical(search(), then$search)) {
      for (name in setdiff(search(), then$search)) detach(name, character.only = TRUE, force = TRUE)
      if (!identical(search(), then$search)) return(FALSE)
    }
    if (!identical(now <- settings(), then$settings)) {
      added <- setdiff(names(now), names(then$settings))
      options(c(then$settings, structure(vector("list", length(added)), names = added)))
    }
    if (!identical(variables(), then$variables)) restore_variables(then$variables)
    setwd(state$work)
    left <- list.files(state$work, all.files = TRUE, no.. = TRUE)
    left <- left[left != ".gridhelm"]
    if (length(left)) unlink(file.path(state$work, left), recursive = TRUE, force = TRUE)
    TRUE
  }

  # The code's own; and where its output went, once that has grown: a file without a name, but not without a size.
  close_connections <- function() {
    ours <- 0:2
    for (name in c("out", "null")) {
      con <- state[[name]]
      if (is.null(con)) next
      if (name == "out" && seek(con, rw = "write") > 1e6) {
        close(con)
        rm(list = name, envir = state)
      } else ours <- c(ours, con)
    }
    numbers <- .Internal(getAllConnections())
    if (length(numbers) > length(ours))
      for (number in numbers[!numbers %in% ours]) close(getConnection(number))
  }

  restore_variables <- function(lines) {
    name <- function(lines) sub("=.*", "", lines)
    now <- variables()
    Sys.unsetenv(setdiff(name(now), name(lines)))
    lost <- setdiff(lines, now)
    if (length(lost)) do.call(Sys.setenv, structure(as.list(sub("^[^=]*=", "", lost)), names = name(lost)))
  }

  # --- what the user's code sees in place of R's own ----------------------------------------------

  leave <- function(save = "no", status = 0, runLast = TRUE) {
    uncompiled({
      flush()
      send("exit", format(as.integer(status)))
      if (!is.null(state$work))
        base::cat(sprintf("{\"status\":%d}\n", as.integer(status)), file = file.path(state$work, ".gridhelm-exit"))
    })
    base::quit(save = "no", status = status, runLast = FALSE)
  }

  # The first evaluation of a session: writes the marker and returns what identifies the session.
  start <- function(marker) {
    # First of all: whoever looks for left-over sessions must be able to tell whose this one is.
    base::cat(marker, file = ".gridhelm")
    if (!identical(file.size(".gridhelm"), as.numeric(nchar(marker, "bytes"))))
      stop("the session cannot be marked: no room on the disk of the work directory, or it is read-only")
    state$work <- getwd()
    # Also when a package calls base::quit() itself.
    reg.finalizer(state, function(s) {
      path <- file.path(s$work, ".gridhelm-exit")
      if (dir.exists(s$work) && !file.exists(path)) try(base::cat("{\"status\":null}\n", file = path), silent = TRUE)
    }, onexit = TRUE)
    c(readLines("/proc/self/stat", 1L), readLines("/proc/sys/kernel/random/boot_id", 1L), state$work,
      paste(R.version$major, R.version$minor, sep = "."))
  }

  runner <- environment()
  print <- function(x, ...) {
    base::print(x, ...)
    .gridhelm$soon()
    invisible(x)
  }
  environment(print) <- new.env(parent = globalenv())

  list(
    .gridhelm = runner,
    q = leave,
    quit = leave,
    cat = function(..., file = "", sep = " ", fill = FALSE, labels = NULL, append = FALSE) {
      error <- !is.character(file) && inherits(file, "connection") && file == 2L
      if (error) uncompiled(flush())
      base::cat(..., file = file, sep = sep, fill = fill, labels = labels, append = append)
      if (error) uncompiled(flush("message")) else soon()
    },
    print = print,
    Sys.sleep = function(time) {
      uncompiled(flush())
      base::Sys.sleep(time)
    },
    flush.console = function() uncompiled(flush()),
    gridhelm_progress = function(done, total) {
      uncompiled({
        flush()
        send("progress", c(format(as.numeric(done)), format(as.numeric(total))))
      })
      invisible()
    }
  )
})
