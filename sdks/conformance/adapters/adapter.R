# Calls the R SDK as it is told: a command a line on stdin, an answer a line on stdout; see ../README.md.
library(monitoring)

BURST <- list(a = 1L, b = "two", c = 0.5)
as.character.throwing <- function(x, ...) stop("no text")
as.character.logging <- function(x, ...) {
  mon_event("info", "inner")
  "logged"
}
as.character.empty <- function(x, ...) ""
registerS3method("as.character", "throwing", as.character.throwing)
registerS3method("as.character", "logging", as.character.logging)
registerS3method("as.character", "empty", as.character.empty)

percent <- function(text) {
  bytes <- as.character(charToRaw(enc2utf8(as.character(text))))
  paste0("%", bytes, collapse = "")
}

text_of <- function(token) {
  if (!nzchar(token)) return("")
  if (!grepl("%", token, fixed = TRUE)) return(token)
  parts <- regmatches(token, gregexpr("%..|[^%]+", token))[[1L]]
  bytes <- lapply(parts, function(part) {
    if (startsWith(part, "%")) as.raw(strtoi(substr(part, 2L, 3L), 16L)) else charToRaw(part)
  })
  bytes <- unlist(bytes)
  text <- rawToChar(bytes[bytes != as.raw(0)]) # R's text cannot hold it
  Encoding(text) <- "UTF-8"
  text
}

# A number that R cannot hold stays the text that a program would have of it.
whole <- function(text) {
  number <- as.numeric(text)
  if (sprintf("%.0f", number) != text) text else if (abs(number) < 2^31) as.integer(number) else number
}

# Takes a value off the tokens, which are in `cursor`.
value <- function(cursor) {
  token <- cursor$tokens[[cursor$at]]
  cursor$at <- cursor$at + 1L
  rest <- substring(token, 2L)
  switch(substr(token, 1L, 1L),
    "{" = members(cursor), "[" = items(cursor),
    n = NULL, t = TRUE, f = FALSE, i = whole(rest), d = as.numeric(rest), s = text_of(rest),
    x = as.raw(strtoi(regmatches(rest, gregexpr("..", rest))[[1L]], 16L)),
    T = as.POSIXct(as.numeric(rest), origin = "1970-01-01", tz = "UTC"),
    c = {
      cycle <- new.env()
      cycle$self <- cycle
      cycle
    },
    "*" = Reduce(function(inner, level) rep(list(inner), 100L), 1:4, 1),
    "!" = structure(list(1), class = "throwing"), "@" = structure("x", class = "logging"), e = structure(list(1), class = "empty"),
    "?" = quote(a + b), u = rawToChar(as.raw(c(0x61, 0xed, 0xa0, 0x80, 0x62)))
  )
}

items <- function(cursor) {
  found <- list()
  while (!cursor$tokens[[cursor$at]] %in% c("]", "}")) found[length(found) + 1L] <- list(value(cursor))
  cursor$at <- cursor$at + 1L
  found
}

members <- function(cursor) {
  found <- items(cursor)
  keys <- seq_along(found) %% 2L == 1L
  stats::setNames(found[!keys], vapply(found[keys], identity, ""))
}

before_send <- function(record) {
  message <- record$data$message
  if (identical(message, "secret")) return(NULL)
  if (identical(message, "fault")) stop("before_send")
  record$data$message <- "edited"
  record
}

renamed <- function(options) {
  names(options) <- sub("^(host|port)$", "tcp_\\1", names(options))
  if (!is.null(options$before_send)) options$before_send <- before_send
  options
}

start <- function(options = list()) {
  options <- renamed(options)
  list(same = as.integer(identical(do.call(mon_init, options), do.call(mon_init, options))))
}

scoped <- function(name, how) {
  rethrown <- tryCatch({
    with_span(name, if (how == "throw") stop("it broke"))
    NULL
  }, error = function(e) conditionMessage(e))
  if (is.null(rethrown)) list() else list(rethrown = rethrown)
}

now <- function() as.numeric(Sys.time()) * 1e6

# What a collection takes that happens to come during a call is R's own: no call waits for the sidecar in it.
burst <- function(count, level = "info") {
  times <- numeric(count)
  for (nth in seq_len(count)) {
    collecting <- gc.time()[3]
    begun <- now()
    mon_event(level, "burst", BURST)
    took <- now() - begun
    times[nth] <- max(0, took - 1e6 * (gc.time()[3] - collecting))
  }
  times <- sort(times)
  list(p50 = times[ceiling(count / 2)], p999 = times[ceiling(count * 0.999)], max = times[count])
}

die <- function(message, how) {
  mon_event("info", message)
  if (how == "kill") tools::pskill(Sys.getpid(), tools::SIGKILL)
  if (how == "exit") quit("no")
  stop("uncaught")
}

produce <- function(nth, count, kind) {
  for (n in seq_len(count) - 1L) {
    if (kind == "span") mon_end_span(mon_start_span("s"))
    else mon_event("info", paste0("c", nth), list(n = n))
  }
}

forks <- function(children, count, kind) {
  jobs <- lapply(seq_len(children), function(nth) {
    parallel::mcparallel(if (kind == "idle") TRUE else {
      produce(nth, count, kind)
      mon_flush(10)
    })
  })
  if (kind != "idle") produce(0L, count, kind)
  results <- parallel::mccollect(jobs)
  list(failed = sum(!vapply(results, isTRUE, NA)))
}

state <- function() {
  env <- Sys.getenv()
  parts <- c(getwd(), Sys.getlocale(), Sys.umask(), getOption("timeout"), getOption("warn"), paste(names(env), env, sep = "="))
  seed <- if (exists(".Random.seed", globalenv())) get(".Random.seed", globalenv()) else "none"
  list(state = paste(c(parts, seed), collapse = "|"))
}

mutated <- function(given) {
  before <- deparse(given)
  mon_event("info", "mutated", given)
  mon_set_context("kept", given)
  same <- identical(before, deparse(given))
  given$later <- 1
  mon_event("info", "after")
  list(same = as.integer(same))
}

run_child <- function(program, ...) {
  list(status = with_child_env(system2(program, shQuote(c(...)), stdout = FALSE)))
}

child_env <- function() {
  env <- mon_child_env()
  as.list(env[grepl("^(MONITORING|TRACEPARENT)", names(env))])
}

stats_of <- function() {
  found <- mon_stats()
  dropped <- found$dropped
  found$dropped <- NULL
  lapply(c(found, dropped), as.numeric)
}

kept <- function(result) list(kept = as.integer(isTRUE(result)))
OPERATIONS <- list(
  init = start, scoped = scoped, burst = burst, die = die, fork = forks, state = state, mutated = mutated,
  run_child = run_child, child_env = child_env, stats = stats_of,
  ready = function() list(),
  event = function(...) kept(mon_event(...)),
  metric = function(...) kept(mon_metric(...)),
  progress = function(job = NULL, percent = NULL, status = NULL, more = list()) {
    kept(do.call(mon_progress, c(list(job, percent, status), more), quote = TRUE))
  },
  resource = function(given) kept(do.call(mon_resource, as.list(given), quote = TRUE)),
  set_context = function(key, given) kept(mon_set_context(key, given)),
  start = function(name, parent = NULL, traceparent = NULL) list(id = mon_start_span(name, parent, traceparent)),
  end = function(...) kept(mon_end_span(...)),
  continue_trace = function(given) kept(mon_continue_trace(given)),
  traceparent = function() list(value = paste0(mon_traceparent(), "")),
  flush = function(seconds) list(done = as.integer(mon_flush(seconds))),
  close = function() list(done = as.integer(mon_close())),
  sample = function() kept(mon_sample_resources()),
  bridge = function(message) {
    mon_appender()(message)
    list()
  },
  seed = function(given) {
    set.seed(given)
    list()
  },
  random = function() list(value = format(stats::runif(1), digits = 17)),
  sleep = function(seconds) {
    Sys.sleep(seconds)
    list()
  }
)

input <- file("stdin", "r")
while (length(line <- readLines(input, 1L)) > 0L) {
  cursor <- list2env(list(tokens = strsplit(line, " ", fixed = TRUE)[[1L]], at = 2L))
  given <- list()
  while (cursor$at <= length(cursor$tokens)) given[length(given) + 1L] <- list(value(cursor))
  begun <- now()
  answer <- do.call(OPERATIONS[[cursor$tokens[[1L]]]], given, quote = TRUE)
  answer$ms <- (now() - begun) / 1000
  parts <- vapply(names(answer), function(name) paste0(name, "=", if (nzchar(answer[[name]])) percent(answer[[name]]) else ""), "")
  cat(paste(c("ok", parts), collapse = " "), "\n", sep = "")
  flush(stdout())
}
