# Bridges to logging packages, of which none is needed.

mon_appender <- function(client = NULL) {
  # Called by lgr as an appender function, with an event; by logger with the lines that are to be written.
  function(...) {
    given <- list(...)
    target <- if (is.null(client)) .state$default else client
    event <- given[[1L]]
    if (is.environment(event) && !is.null(event$msg)) {
      fields <- tryCatch(event$values, error = function(e) list())
      own <- c("level", "msg", "timestamp", "caller", "logger", "rawMsg")
      name <- names(LGR_LEVELS)[match(event$level, LGR_LEVELS)]
      mon_event(if (is.na(name)) "info" else name, event$msg, fields[setdiff(names(fields), own)], client = target)
    } else {
      for (line in as.character(event)) mon_event(level_in(line), line, client = target)
    }
    invisible()
  }
}

LGR_LEVELS <- c(fatal = 100, error = 200, warn = 300, info = 400, debug = 500, trace = 600)

# The level that a line of text begins with, as logger writes it.
level_in <- function(line) {
  word <- tolower(sub("^\\W*(\\w+).*", "\\1", line))
  if (word %in% c(names(RANKS), "success")) sub("success", "info", word) else "info"
}
