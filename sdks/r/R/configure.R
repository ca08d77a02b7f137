# Options: what is given, else the environment, else the default.

setting <- function(name) {
  value <- Sys.getenv(name)
  if (nzchar(value)) value else NULL
}

is_on <- function(value) !grepl("^(0|false|no|off|)$", text_of(value), ignore.case = TRUE)

whole_or <- function(value, otherwise) {
  number <- suppressWarnings(as.numeric(text_of(value)))
  if (!is.na(number) && number >= 1 && number < 1e9 && number == floor(number)) number else otherwise
}

first_of <- function(...) {
  for (value in list(...)) if (!is.null(value)) return(value)
  NULL
}

configure <- function(options) {
  options <- options[!vapply(options, is.null, NA)]
  chosen <- lapply(stats::setNames(names(DEFAULTS), names(DEFAULTS)), function(name) {
    first_of(options[[name]], setting(paste0("MONITORING_", toupper(sub("^tcp_", "", name)))), DEFAULTS[[name]])
  })
  client <- new.env(parent = emptyenv())
  program <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1L])
  name <- text_of(first_of(chosen$source, setting("OTEL_SERVICE_NAME"), if (!is.na(program)) basename(program), "R"))
  client$source <- substr(gsub("[^[:print:]]", "?", if (nzchar(name)) name else "R"), 1L, 128L)
  client$disabled <- is_on(chosen$disabled) || is_on(setting("OTEL_SDK_DISABLED"))
  client$closed <- FALSE
  client$pid <- Sys.getpid()
  client$rank <- rank_of(text_of(chosen$level))
  client$writer <- if (identical(tolower(text_of(chosen$protocol)), "msgpack")) msgpack_writer else json_writer
  client$before_send <- if (is.function(chosen$before_send)) chosen$before_send
  client$ack <- if (tolower(text_of(chosen$ack)) %in% c("memory", "disk")) tolower(text_of(chosen$ack)) else ""
  client$job_id <- client$env_job <- job_of(chosen$job_id)
  client$remote <- client$inherited <- parse_traceparent(setting("TRACEPARENT"))
  client$spans <- list()
  client$unknown_spans <- 0
  client$context <- lapply(tags_of(chosen$tags), kept_value, writer = client$writer)
  client$host <- text_of(chosen$tcp_host)
  client$port <- whole_or(chosen$tcp_port, DEFAULTS$tcp_port)
  quiet <- is_on(chosen$quiet)
  notice <- function(text) if (!quiet) cat("monitoring-sdk[", client$source, "]: ", text, "\n", sep = "", file = stderr())
  unknown <- setdiff(names(options), names(DEFAULTS))
  if (length(unknown) > 0L) notice(paste0("unknown option ", unknown, collapse = ", "))
  if (client$disabled) return(client)
  token <- text_of(chosen$token)
  says_hello <- client$ack != "" || nzchar(token)
  hello <- if (says_hello) function(link) encode_record(client, "hello", list(), hello_of(client, link, token))
  client$link <- new_link(client$host, client$port, whole_or(chosen$buffer_bytes, DEFAULTS$buffer_bytes), notice, hello, client$ack)
  client$link$debug <- is_on(chosen$debug)
  client
}

# What a connection begins with whose client has a token to show, or wants to hear of its records.
hello_of <- function(client, link, token) {
  data <- list(v = 1, sdk = "r/0.1.0", pid = Sys.getpid())
  if (client$ack != "") {
    if (is.null(link$session)) link$session <- new_id(16L)
    data <- c(data, session = link$session, ack = client$ack)
  }
  if (nzchar(token)) data$token <- token
  data
}

tags_of <- function(tags) {
  if (is.list(tags)) return(tags)
  pairs <- regmatches(text_of(tags), gregexpr("[^,=]+=[^,]*", text_of(tags)))[[1L]]
  stats::setNames(as.list(sub("^[^=]*=", "", pairs)), sub("=.*", "", pairs))
}
