# Spans, and where a record belongs in its trace.

parse_traceparent <- function(text) {
  pattern <- "^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}"
  text <- tolower(text_of(text))
  if (!grepl(pattern, text, perl = TRUE)) return(list(trace = NULL, span = NULL))
  parts <- strsplit(text, "-", fixed = TRUE)[[1L]]
  list(trace = parts[2L], span = parts[3L])
}

# The span opened last, else what set_context says, else what was inherited.
current_ids <- function(client) {
  open <- names(client$spans)
  if (length(open) > 0L) {
    id <- open[length(open)]
    return(list(trace = client$spans[[id]]$trace, span = id))
  }
  if (!is.null(client$trace_id)) list(trace = client$trace_id, span = NULL) else client$remote
}

NO_SPAN <- strrep("0", 16L)

mon_start_span <- function(name, parent = NULL, traceparent = NULL, client = .state$default) {
  given(name, parent, traceparent)
  safely(client, function() {
    local <- if (is.null(parent)) NULL else client$spans[[text_of(parent)]]
    above <- if (is.null(local)) parse_traceparent(traceparent) else list(trace = local$trace, span = text_of(parent))
    if (is.null(above$trace)) above <- current_ids(client)
    if (is.null(above$trace)) above$trace <- new_id(16L)
    if (length(client$spans) >= MAX_OPEN_SPANS) end_span(client, names(client$spans)[1L], "abandoned")
    id <- new_id(8L)
    core <- list(name = text_of(name))
    core$parent_span_id <- above$span
    ids <- list(trace = above$trace, span = id)
    job <- if (isTRUE(client$job_over)) NULL else client$job_id
    send_record(client, "span", c(list(phase = "start"), core), "attributes", NULL, FALSE, ids_of(client, job, ids))
    core$start_us <- floor(as.numeric(Sys.time()) * 1e6)
    client$spans[[id]] <- list(trace = above$trace, core = core, start_s = as.numeric(Sys.time()))
    id
  }, NO_SPAN)
}

mon_end_span <- function(span_id, status = "success", message = NULL, attributes = NULL, client = .state$default) {
  given(span_id, status, message, attributes)
  safely(client, function() end_span(client, text_of(span_id), status, message, attributes))
}

end_span <- function(client, id, status, message = NULL, attributes = NULL) {
  span <- client$spans[[id]]
  if (is.null(span)) {
    client$unknown_spans <- client$unknown_spans + 1
    return(FALSE)
  }
  us <- max(0, round((as.numeric(Sys.time()) - span$start_s) * 1e6))
  core <- c(list(phase = "end"), span$core, list(duration_us = us, status = if (is.null(status)) "success" else text_of(status)))
  if (!is.null(message)) core$status_message <- text_of(message)
  client$spans[[id]] <- NULL
  # A service's next span may start before set_context says for which job; its start must not name the last one.
  client$job_over <- length(client$spans) == 0L && !identical(client$job_id, client$env_job)
  ids <- list(trace = span$trace, span = id)
  send_record(client, "span", core, "attributes", attributes, TRUE, ids_of(client, client$job_id, ids))
}

with_span <- function(name, expr, attributes = NULL, ..., client = .state$default) {
  id <- mon_start_span(name, ..., client = client)
  status <- "success" # by return() or break, too, which leave it from within expr
  cause <- NULL
  on.exit(mon_end_span(id, status, cause, attributes, client = client))
  failed <- function(e) {
    status <<- "error"
    cause <<- conditionMessage(e)
  }
  value <- withVisible(withCallingHandlers(expr, error = failed, interrupt = function(e) status <<- "abandoned"))
  status <- "success"
  cause <- NULL
  if (value$visible) value$value else invisible(value$value)
}

mon_traceparent <- function(client = .state$default) {
  ids <- safely(client, function() current_ids(client), list())
  if (is.null(ids$span)) NULL else sprintf("00-%s-%s-01", ids$trace, ids$span)
}

mon_continue_trace <- function(traceparent = NULL, client = .state$default) {
  safely(client, function() {
    remote <- if (is.null(traceparent)) client$inherited else parse_traceparent(traceparent)
    if (!is.null(traceparent) && is.null(remote$trace)) return(FALSE)
    client$remote <- remote
    TRUE
  })
}

# What child processes need to continue the trace and the job.
child_variables <- function(client) {
  if (is.null(client) || client$disabled) return(list())
  variables <- list(
    TRACEPARENT = mon_traceparent(client), MONITORING_JOB_ID = client$job_id,
    MONITORING_HOST = client$host, MONITORING_PORT = as.character(client$port)
  )
  variables[!vapply(variables, is.null, NA)]
}

mon_child_env <- function(client = .state$default) {
  variables <- as.list(Sys.getenv())
  added <- child_variables(client)
  variables[names(added)] <- added
  unlist(variables)
}

with_child_env <- function(expr, client = .state$default) {
  added <- child_variables(client)
  before <- Sys.getenv(names(added), unset = NA, names = TRUE)
  on.exit({
    Sys.unsetenv(names(before)[is.na(before)])
    known <- as.list(before[!is.na(before)])
    if (length(known) > 0L) do.call(Sys.setenv, known)
  })
  if (length(added) > 0L) do.call(Sys.setenv, added)
  expr
}
