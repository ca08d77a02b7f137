# What a program calls. A call never fails and never waits; what it returns is documented in man/.

.state <- new.env(parent = emptyenv())
.state$clients <- list()
.state$busy <- FALSE

DEFAULTS <- list(
  source = NULL, tcp_host = "127.0.0.1", tcp_port = 17000, level = "trace", buffer_bytes = 2^20, tags = NULL,
  job_id = NULL, protocol = "ndjson", disabled = FALSE, quiet = FALSE, debug = FALSE, ack = "", token = "", before_send = NULL
)
CLOSE_S <- 1
ABSENT_S <- 0.2
LINGER_S <- 0.2
MAX_CONTEXT_KEYS <- 64L
MAX_OPEN_SPANS <- 1024L

mon_init <- function(source = NULL, tcp_host = NULL, tcp_port = NULL, ...) {
  client <- tryCatch(suppressWarnings({
    options <- c(list(source = source, tcp_host = tcp_host, tcp_port = tcp_port), list(...))
    key <- paste(deparse(options), Sys.getenv("MONITORING_SOURCE"), collapse = " ")
    .state$clients <- Filter(function(one) !one$closed, .state$clients)
    known <- .state$clients[[key]]
    if (!is.null(known)) known else .state$clients[[key]] <- configure(options)
  }), error = function(e) list(disabled = TRUE, closed = TRUE))
  .state$default <- client
  safely(client, function() if (is.null(client$link$con)) link_connect(client$link))
  invisible(client)
}

# Evaluates arguments before the call begins: what the host computes there may log. What fails is met again in the call.
given <- function(...) tryCatch(invisible(list(...)), error = function(e) invisible())

# Runs `work` so that none of it reaches the host: no error, no warning. An argument that logs while it is read is counted.
safely <- function(client, work, otherwise = FALSE) {
  if (is.null(client) || client$disabled) return(otherwise)
  if (.state$busy) {
    link_drop(client$link, "encode")
    return(otherwise)
  }
  .state$busy <- TRUE
  on.exit(.state$busy <- FALSE)
  invisible(tryCatch(suppressWarnings({
    if (client$pid != Sys.getpid()) own(client)
    result <- work()
    loss <- client$link$loss
    if (!is.null(loss)) {
      client$link$loss <- NULL
      send_record(client, "sdk", list(dropped = loss), "context")
    }
    result
  }), error = function(e) {
    link_drop(client$link, "encode")
    otherwise
  }))
}

# Makes a client this process's. A forked child keeps the context and where it is in the trace, nothing else.
own <- function(client) {
  client$remote <- current_ids(client)
  client$pid <- Sys.getpid()
  client$spans <- list()
  client$unknown_spans <- 0
  link_begin(client$link)
}

mon_event <- function(level = "info", message = "", context = NULL, client = .state$default) {
  given(level, message, context)
  safely(client, function() {
    level <- text_of(level)
    if (!nzchar(level)) level <- "info"
    rank <- rank_of(level)
    if (rank < client$rank) return(TRUE)
    send_record(client, "event", list(level = level, message = text_of(message)), "context", context, rank >= WARN)
  })
}

mon_metric <- function(name, value, unit = NULL, tags = NULL, client = .state$default) {
  given(name, value, unit, tags)
  safely(client, function() {
    number <- as.numeric(number_of(value))[1L]
    if (is.na(number) || !is.finite(number)) return(link_drop(client$link, "encode"))
    if (abs(number) > MAX_INTEGER) number <- structure(list(write_number(client$writer, number, TRUE)), class = "monitoring_kept")
    send_record(client, "metric", list(name = text_of(name), value = number, unit = if (!is.null(unit)) text_of(unit)), "tags", tags)
  })
}

mon_progress <- function(job_id, percent, status = NULL, ..., client = .state$default) {
  given(job_id, percent, status, ...)
  safely(client, function() {
    job <- first_of(job_of(job_id), client$job_id)
    percent <- number_of(percent)
    core <- c(list(job_id = job, percent = percent, status = status), by_name(list(...)))
    final <- isTRUE(percent >= 100) || grepl(FINAL, text_of(status), ignore.case = TRUE)
    send_record(client, "progress", core, "context", NULL, final, ids_of(client, job))
  })
}

mon_resource <- function(cpu = NULL, memory = NULL, disk = NULL, network = NULL, ..., client = .state$default) {
  given(cpu, memory, disk, network, ...)
  safely(client, function() {
    values <- c(list(cpu = cpu, memory = memory, disk = disk, network = network), list(...))
    values <- lapply(values[!vapply(values, is.null, NA)], number_of)
    send_record(client, "resource", by_name(values), "context")
  })
}

mon_set_context <- function(key, value, client = .state$default) {
  given(key, value)
  safely(client, function() {
    key <- text_of(key)
    if (key == "job_id") {
      client$job_id <- first_of(job_of(value), client$env_job)
      client$job_over <- FALSE
    } else if (key == "trace_id") {
      trace <- gsub("-", "", tolower(text_of(value)), fixed = TRUE)
      if (!is.null(value) && !grepl("^(?!0{32})[0-9a-f]{32}$", trace, perl = TRUE)) return(FALSE)
      client$trace_id <- if (is.null(value)) NULL else trace
    } else if (is.null(value)) {
      client$context[[key]] <- NULL
    } else {
      if (!nzchar(key)) return(FALSE) # R's lists know no empty name
      if (is.null(client$context[[key]]) && length(client$context) >= MAX_CONTEXT_KEYS) return(FALSE)
      client$context[[key]] <- kept_value(client$writer, value)
    }
    TRUE
  })
}

mon_flush <- function(timeout_s = 1, client = .state$default) flush_link(client, timeout_s, Inf)

mon_close <- function(timeout_s = 1, client = .state$default) {
  if (is.null(client) || client$disabled || client$closed) return(invisible(TRUE))
  flushed <- finish(client, timeout_s)
  client$closed <- TRUE
  safely(client, function() {
    link <- client$link
    if (!is.null(link$hello) && link$up) {
      # Closed with something unread, the connection would be reset, and what is on its way lost.
      link_write(link, encode_record(client, "bye", list(), list()))
      until_s <- now_s() + LINGER_S
      while (!is.null(link$con) && now_s() < until_s && link_look(link, FALSE)) Sys.sleep(0.01)
    }
    link_end(link)
  })
  invisible(flushed)
}

mon_stats <- function(client = .state$default) {
  link <- client$link
  if (is.null(link)) return(list(accepted = 0, sent = 0, queued = 0, dropped = as.list(stats::setNames(numeric(6), REASONS))))
  list(
    accepted = link$accepted, sent = link$sent, queued = link_queued(link), dropped = as.list(link$dropped),
    queued_bytes = link$bytes, connected = link$up, connects = link$connects, unknown_spans = client$unknown_spans
  )
}

mon_sample_resources <- function(client = .state$default) {
  safely(client, function() {
    times <- proc.time()
    cpu_s <- sum(times[c("user.self", "sys.self")])
    wall_s <- times[["elapsed"]]
    before <- client$sampled
    client$sampled <- list(cpu_s = cpu_s, wall_s = wall_s)
    if (is.null(before) || wall_s <= before$wall_s) return(TRUE)
    status <- readLines("/proc/self/status")
    memory_mb <- as.numeric(gsub("\\D", "", grep("^VmRSS", status, value = TRUE))) / 1024
    cpu <- 100 * (cpu_s - before$cpu_s) / (wall_s - before$wall_s)
    core <- list(cpu = round(cpu, 1), memory = round(memory_mb, 1), per = "process", pid = Sys.getpid())
    send_record(client, "resource", core, "context")
  })
}

by_name <- function(values) if (is.null(names(values))) list() else values[order(names(values), method = "radix")]

# Text of whatever was given; '' for nothing.
text_of <- function(value) {
  text <- if (is.null(value)) "" else clean_text(value)
  if (is.na(text)) "" else text
}

# A number if it reads as one; else what was given.
number_of <- function(value) {
  value <- if (is.factor(value)) as.character(value) else numbers_of(value)
  number <- if (is.numeric(value) || is.character(value)) as.numeric(value)[1L] else NA
  if (is.na(number)) value else number
}

# Ends open spans and empties the queue; gives up early when there is no sidecar.
finish <- function(client, timeout_s) {
  safely(client, function() for (id in rev(names(client$spans))) end_span(client, id, "abandoned"))
  if (flush_link(client, timeout_s, ABSENT_S)) return(TRUE)
  client$link$notice(sprintf("%d records could not be delivered", link_queued(client$link)))
  FALSE
}

flush_link <- function(client, timeout_s, absent_s) {
  if (is.null(client) || client$disabled) return(TRUE)
  if (!is.numeric(timeout_s) || length(timeout_s) != 1L || is.na(timeout_s)) timeout_s <- CLOSE_S
  link <- client$link
  start_s <- now_s()
  if (link$tried_s + 0.1 < start_s) link$next_s <- 0
  asked <- FALSE
  repeat {
    safely(client, function() link_drain(link))
    if (link_queued(link) == 0L) return(TRUE)
    if (!asked && client$ack != "" && link$up && link$unsent > length(link$frames)) {
      asked <- TRUE
      safely(client, function() link_write(link, encode_record(client, "ping", list(), list())))
    }
    passed_s <- now_s() - start_s
    if (passed_s >= timeout_s || !link$up && passed_s >= absent_s) return(FALSE)
    link_rest(link)
  }
}

finish_all <- function() {
  for (client in .state$clients) {
    if (!client$disabled && !client$closed && client$pid == Sys.getpid()) finish(client, CLOSE_S)
  }
}
