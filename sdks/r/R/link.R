# One connection to the sidecar and the bounded backlog in front of it. Nothing waits: a socket of timeout 0 writes
# without. Only a handshake that nothing answers takes a second, twice a minute at most. With a session (ack), what was sent stays in the backlog until it is acknowledged, and
# is sent again on the next connection; the sidecar knows by its number what it has.

BACKOFF_S <- 0.1
BACKOFF_MAX_S <- 5
CONNECT_S <- 5
SILENT_S <- 0.5
SILENT_BACKOFF_S <- 30
DRAIN_S <- 0.02
READ_BYTES <- 4096L
READS <- 4L
HEARD_BYTES <- 65536L
# Frames that are done with and still in the list.
COMPACT_AT <- 1000L
REASONS <- c("full", "encode", "oversize", "refused", "closed", "forked")

now_s <- function() proc.time()[["elapsed"]]

# `notice` is told in words when records begin to be lost and when that ends; `hello` gives the bytes that a
# connection begins with, or NULL.
new_link <- function(host, port, limit_bytes, notice, hello, ack) {
  link <- new.env(parent = emptyenv())
  link$host <- if (identical(tolower(host), "localhost")) "127.0.0.1" else host
  link$port <- port
  link$limit_bytes <- limit_bytes
  link$notice <- notice
  link$hello <- hello
  link$ack <- ack
  link$closed <- FALSE
  link_begin(link)
  link
}

# Starts afresh. In a forked child what is queued is the parent's to send, and so is the connection.
link_begin <- function(link) {
  forked <- if (is.null(link$frames)) 0L else link_queued(link)
  link_shut(link)
  link$frames <- list()
  link$head <- 1L
  link$unsent <- 1L
  link$bytes <- 0
  link$dropped <- stats::setNames(numeric(length(REASONS)), REASONS)
  link$dropped[["forked"]] <- forked
  link$accepted <- forked
  link$sent <- 0
  link$connects <- 0L
  link$step <- 0L
  link$next_s <- 0
  link$seq <- 0
  link$session <- NULL
  link$losing <- NULL
  link$loss <- NULL
  link$refused <- FALSE # and not welcomed since
  link$control <- raw()
  link$window <- 1000
  link$window_bytes <- 2^20
}

link_queued <- function(link) length(link$frames) - link$head + 1L

# By its number alone the connection of a client that another process made, as one given to a cluster's workers, is the host's.
is_ours <- function(con) identical(attr(con, "conn_id"), attr(getConnection(as.integer(con)), "conn_id"))

link_shut <- function(link) {
  if (!is.null(link$con)) try(if (is_ours(link$con)) close(link$con), silent = TRUE)
  link$con <- NULL
  link$up <- FALSE
  link$heard <- ""
}

# Counts a record that will not be sent; FALSE.
link_drop <- function(link, why) {
  if (why == "full" && is.null(link$losing)) {
    link$losing <- link$dropped
    link$notice(sprintf("no sidecar at %s:%d takes records and the buffer is full: dropping", link$host, link$port))
  }
  link$accepted <- link$accepted + 1
  link$dropped[[why]] <- link$dropped[[why]] + 1
  FALSE
}

# Sends the frame or queues it; FALSE if it was dropped. The last fifth of the backlog is for what is important.
link_offer <- function(link, frame, important) {
  if (link_queued(link) > 0L) link_drain(link)
  room <- link$limit_bytes * (if (important) 1 else 0.8) - link$bytes
  if (link_queued(link) > 0L && length(frame) > room) return(link_drop(link, "full"))
  link$accepted <- link$accepted + 1
  link$seq <- link$seq + 1
  link$frames[[length(link$frames) + 1L]] <- frame
  link$bytes <- link$bytes + length(frame)
  link_drain(link)
  TRUE
}

# Says that the first `count` frames are done with.
link_advance <- function(link, count) {
  done <- link$head + seq_len(count) - 1L
  link$bytes <- link$bytes - sum(lengths(link$frames[done]))
  link$head <- link$head + count
  link$unsent <- max(link$unsent, link$head)
  if (link_queued(link) == 0L) {
    link$frames <- list()
    link$head <- link$unsent <- 1L
  } else if (link$head > COMPACT_AT) {
    link$frames <- link$frames[-seq_len(link$head - 1L)]
    link$unsent <- link$unsent - link$head + 1L
    link$head <- 1L
  } else {
    link$frames[done] <- list(NULL)
  }
}

# How many frames are sent and not acknowledged.
link_out <- function(link) link$unsent - link$head

link_may_send <- function(link) {
  if (length(link$control) > 0L) return(TRUE)
  if (link$unsent > length(link$frames)) return(FALSE)
  # Whoever has no hello to say cannot be welcomed, only let in.
  if (link$refused && !is.null(link$hello)) return(is.null(link$con))
  if (link$ack == "") return(TRUE)
  out <- link$head + seq_len(link_out(link)) - 1L
  link_out(link) < link$window && (length(out) == 0L || sum(lengths(link$frames[out])) < link$window_bytes)
}

# Sends what the kernel takes now, in order. A frame that a lost connection cut starts again on the next one.
link_drain <- function(link) {
  until_s <- now_s() + DRAIN_S
  if ((link$ack != "" || link$refused) && !is.null(link$con)) link_look(link, FALSE)
  while (link_may_send(link)) {
    if (is.null(link$con) && !link_connect(link)) return(invisible())
    if (!link_look(link, TRUE)) return(invisible())
    if (!link_may_send(link)) break
    is_control <- length(link$control) > 0L
    bytes <- if (is_control) link$control else link$frames[[link$unsent]]
    if (!link_write(link, bytes)) next
    if (!link$up) {
      link$connects <- link$connects + 1L
      link_tell(link, "connected to")
    }
    link$up <- TRUE
    if (is_control) {
      link$control <- raw()
    } else {
      link$unsent <- link$unsent + 1L
      if (link$ack == "") {
        link$sent <- link$sent + 1
        if (!link$welcome) link$unsure <- link$unsure + 1
        link_advance(link, 1L)
      }
    }
    if (now_s() > until_s) break
  }
  if (is.null(link$losing) || link_queued(link) > 0L) return(invisible())
  link$loss <- as.list(link$dropped - link$losing)
  link$losing <- NULL
  link$notice(sprintf("delivering again; %d records were dropped", as.integer(link$loss$full)))
}

link_tell <- function(link, what) if (isTRUE(link$debug)) link$notice(sprintf("%s %s:%d", what, link$host, as.integer(link$port)))

link_write <- function(link, bytes) {
  wrote <- tryCatch({
    writeBin(bytes, link$con)
    TRUE
  }, error = function(e) FALSE, warning = function(w) FALSE)
  if (!wrote) link_lose(link)
  wrote
}

# Reads what the sidecar says, if anything, and notices its end; whether the socket takes more. Who talks without end is no
# sidecar, and does not keep the host.
link_look <- function(link, to_write) {
  for (reads in seq_len(READS)) {
    ready <- tryCatch(socketSelect(list(link$con, link$con), c(FALSE, TRUE), 0), error = function(e) c(TRUE, FALSE))
    if (!ready[1L]) break
    heard <- tryCatch(readBin(link$con, raw(), READ_BYTES), error = function(e) raw())
    if (length(heard) == 0L) {
      link_lose(link)
      return(to_write && link_connect(link) && link_look(link, TRUE))
    }
    # Whoever else it is may say anything.
    heard[heard == as.raw(0) | heard > as.raw(127)] <- charToRaw("?")
    link_hear(link, rawToChar(heard))
  }
  if (!ready[2L] && !link$up && now_s() > link$tried_s + CONNECT_S) link_lose(link)
  ready[2L]
}

# Its messages are lines of compact JSON. What comes with a line that is none of them is not looked at.
link_hear <- function(link, text) {
  lines <- strsplit(paste0(link$heard, text, "."), "\n", fixed = TRUE)[[1L]]
  rest <- lines[length(lines)]
  # A longer line is no sidecar's.
  link$heard <- if (nchar(rest) > HEARD_BYTES) "" else sub(".$", "", rest)
  for (line in lines[-length(lines)]) {
    if (!grepl("\"type\":\"", line, fixed = TRUE)) {
      link$heard <- ""
      break
    }
    type <- sub(".*\"type\":\"(\\w+)\".*", "\\1", line)
    seq <- if (grepl("\"(last_)?seq\":\\d+", line)) as.numeric(sub(".*?\"(?:last_)?seq\":(\\d+).*", "\\1", line, perl = TRUE)) else 0
    if (type == "welcome") {
      link$welcome <- TRUE
      link$refused <- FALSE
      for (key in c("window", "window_bytes")) {
        pattern <- sprintf(".*\"%s\":(\\d+).*", key)
        if (grepl(pattern, line)) link[[key]] <- as.numeric(sub(pattern, "\\1", line))
      }
    }
    if (type == "error") link_refused(link, line)
    if (link$ack != "" && type %in% c("welcome", "ack", "nack")) link_acked(link, seq, type == "nack")
  }
}

# Told once. What was sent is not taken; what comes waits for a welcome.
link_refused <- function(link, line) {
  if (!link$refused) link$notice(paste("the sidecar refuses:", line))
  link$refused <- TRUE
  link$sent <- link$sent - link$unsure
  link$dropped[["refused"]] <- link$dropped[["refused"]] + link$unsure
  link$unsure <- 0
}

# Records up to `seq` are taken, or that one is refused: they leave the backlog.
link_acked <- function(link, seq, is_refused) {
  first <- link$seq - link_queued(link) + 1
  count <- min(seq - first + 1, link_queued(link))
  if (count <= 0) return()
  if (is_refused) link$dropped[["refused"]] <- link$dropped[["refused"]] + 1
  link$sent <- link$sent + count - is_refused
  link_advance(link, count)
}

# One attempt a backoff step, with full jitter of the system's random source: R's own is the host's.
link_connect <- function(link) {
  now <- now_s()
  if (link$closed || now < link$next_s) return(FALSE)
  limit_s <- min(BACKOFF_S * 2^link$step, BACKOFF_MAX_S)
  link$step <- link$step + 1L
  link$tried_s <- now
  link$next_s <- now + limit_s * random_share()
  others <- .Call(C_sockets_to, as.integer(link$port))
  # R waits for the handshake, in whole seconds; with 0 it would be a minute. Where nothing answers, once is enough for long.
  link$con <- tryCatch(
    socketConnection(link$host, link$port, open = "r+b", blocking = FALSE, timeout = 1L),
    error = function(e) NULL, warning = function(w) NULL
  )
  if (is.null(link$con)) {
    if (now_s() - now > SILENT_S) link$next_s <- now_s() + SILENT_BACKOFF_S
    return(FALSE)
  }
  # Programs that R starts would inherit it, and keep the connection when this one has ended.
  .Call(C_close_on_exec, setdiff(.Call(C_sockets_to, as.integer(link$port)), others))
  socketTimeout(link$con, 0L)
  link$up <- FALSE
  link$heard <- ""
  link$welcome <- FALSE
  link$unsure <- 0 # sent on this connection before it was welcomed: none is taken if it is refused
  link$control <- if (is.null(link$hello)) raw() else link$hello(link)
  link$unsent <- link$head
  TRUE
}

# A connection that lived for a second has earned an attempt at once.
link_lose <- function(link) {
  if (link$up) link_tell(link, "lost the connection to")
  if (link$up && now_s() > link$tried_s + 1) {
    link$step <- 0L
    link$next_s <- 0
  }
  link_shut(link)
  link$control <- raw()
  link$unsent <- link$head
}

# Waits until the socket takes more, or says something where nothing is left to send; 20 ms at most.
link_rest <- function(link) {
  if (is.null(link$con)) Sys.sleep(DRAIN_S)
  else try(socketSelect(list(link$con), link_may_send(link), DRAIN_S), silent = TRUE)
}

# Closes for good; what is queued counts as dropped.
link_end <- function(link) {
  link$dropped[["closed"]] <- link$dropped[["closed"]] + link_queued(link)
  link$frames <- list()
  link$head <- link$unsent <- 1L
  link$bytes <- 0
  link$closed <- TRUE
  link_shut(link)
}
