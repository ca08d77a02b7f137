# Records: the envelope, the members of a type, and the context merged with what the call gave.

MAX_RECORD_BYTES <- 65536L
RANKS <- c(
  trace = 1, verbose = 1, debug = 2, info = 3, notice = 3, warn = 4, warning = 4, error = 5, err = 5,
  fatal = 6, critical = 6, crit = 6, alert = 6, emerg = 6, emergency = 6, panic = 6
)
WARN <- 4
CONTROL <- c("hello", "ping", "bye")
FINAL <- "^(completed?|done|finished|success|succeeded|fail(ed|ure)?|error|cancell?ed|aborted)$"

rank_of <- function(level) {
  rank <- RANKS[tolower(level)]
  if (is.na(rank)) RANKS[["info"]] else rank[[1L]]
}

# The moment as RFC 3339 to the millisecond, and in epoch microseconds.
timestamps <- function() {
  us <- floor(as.numeric(Sys.time()) * 1e6)
  second <- us %/% 1e6
  if (!identical(.state$second, second)) {
    .state$second <- second
    .state$stamp <- format(structure(second, class = c("POSIXct", "POSIXt")), "%Y-%m-%dT%H:%M:%S", tz = "UTC")
  }
  list(timestamp = sprintf("%s.%03dZ", .state$stamp, as.integer((us %% 1e6) %/% 1e3)), ts_us = us)
}

# The job that a value names; NULL if it names none.
job_of <- function(value) {
  job <- if (is.null(value)) NA else clean_text(value)
  if (is.na(job)) NULL else job
}

# What says which trace, span and job a record belongs to; those that are not known are left out.
ids_of <- function(client, job, current = current_ids(client)) {
  ids <- list(trace_id = current$trace, span_id = current$span, job_id = job)
  ids[!vapply(ids, is.null, NA)]
}

# Sends one record; `given` is merged over the context in the member `slot`. FALSE if it was dropped.
send_record <- function(client, type, core, slot, given = NULL, important = FALSE, ids = NULL) {
  if (client$closed) return(link_drop(client$link, "closed"))
  extra <- client$context
  if (!is.null(given) && !identical(given, list())) {
    if (!is.list(given) || is.null(names(given))) given <- list(value = given)
    extra[names_of(given)] <- given
    job <- job_of(given[["job_id"]])
    if (is.null(ids) && !is.null(job)) ids <- ids_of(client, job)
  }
  if (is.null(ids)) ids <- ids_of(client, client$job_id)
  if (!is.null(client$before_send)) {
    edited <- client$before_send(list(type = type, data = c(core, stats::setNames(list(extra), slot))))
    if (is.null(edited)) return(TRUE)
    core <- edited$data[names(edited$data) != slot]
    extra <- as.list(edited$data[[slot]])
  }
  frame <- encode_record(client, type, ids, core, slot, extra)
  if (length(frame) > MAX_RECORD_BYTES) {
    frame <- encode_record(client, type, ids, core, slot, list("_truncated" = TRUE))
  }
  if (length(frame) > MAX_RECORD_BYTES) return(link_drop(client$link, "oversize"))
  link_offer(client$link, frame, important)
}

# The frame as bytes. What is empty is left out; the data of a client's own control messages has no context.
encode_record <- function(client, type, ids, core, slot = "", extra = list()) {
  writer <- client$writer
  .state$room <- MAX_RECORD_BYTES
  data <- core
  if (length(extra) > 0L) {
    extra <- extra[order(names(extra), method = "radix")]
    keys <- utils::head(names(extra), MAX_KEYS)
    data[[slot]] <- structure(list(write_members(writer, extra[keys], 1L)), class = "monitoring_kept")
  }
  envelope <- c(list(source = client$source), timestamps(), list(type = type), ids)
  envelope$data <- if (length(data) == 0L) new.env() else structure(list(write_members(writer, data)), class = "monitoring_kept")
  if (client$ack != "" && !type %in% CONTROL) envelope$seq <- client$link$seq + 1
  writer$frame(write_members(writer, envelope))
}
