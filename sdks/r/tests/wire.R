# What goes over the socket.
library(monitoring)
source("server.R")

server <- port_of_free()
client <- mon_init("wire", "127.0.0.1", server$port, quiet = TRUE)
con <- accept_on(server)

mon_set_context("region", "eu")
mon_event("warning", "a \"text\"\n", list(a = 1L, b = 2.5, c = TRUE, d = NA, e = NULL, f = c(1, 2), g = as.raw(1:3)))
line <- read_lines(con, 1)
has(line, "\"source\":\"wire\",\"timestamp\":\"")
has(line, "\"type\":\"event\",\"data\":{\"level\":\"warning\",\"message\":\"a \\\"text\\\"\\n\"")
has(line, "\"context\":{\"a\":1,\"b\":2.5,\"c\":true,\"d\":null,\"e\":null,\"f\":[1,2],\"g\":\"base64:AQID\",\"region\":\"eu\"}")

mon_metric("rows", 3, "count", list(table = "t"))
mon_progress("job-1", 101, "completed", total = 5, current = 5)
mon_resource(1.5, 200, network = 3)
lines <- read_lines(con, 3)
has(lines[1], "\"data\":{\"name\":\"rows\",\"value\":3,\"unit\":\"count\",\"tags\":{\"region\":\"eu\",\"table\":\"t\"}}")
has(lines[2], "\"job_id\":\"job-1\",\"data\":{\"job_id\":\"job-1\",\"percent\":101,\"status\":\"completed\",\"current\":5,\"total\":5,")
has(lines[3], "\"data\":{\"cpu\":1.5,\"memory\":200,\"network\":3,")

# What is no job leaves the job out, or to what it was.
for (job in list(NA, character(), list())) mon_set_context("job_id", job)
mon_event("info", "no job", list(job_id = NA))
mon_progress(NA, 1, "running")
mon_set_context("job_id", 7)
mon_progress(NA_character_, 2, "running")
mon_set_context("job_id", NULL)
lines <- read_lines(con, 3)
stopifnot(!grepl("job_id\":(null|\"\"),\"data", lines))
has(lines[1], "\"type\":\"event\",\"data\"")
has(lines[2], "\"type\":\"progress\",\"data\":{\"job_id\":null,")
has(lines[3], "\"job_id\":\"7\",\"data\":{\"job_id\":\"7\",")

# A metric is a number, however large.
mon_metric("large", "-9223372036854775807")
has(read_lines(con, 1), "\"value\":-9.223372036854776e+18,")

# Numbers of bit64, of differences of times and of factors are what they read as, where there are several, too.
int64 <- function(...) structure(readBin(as.raw(c(...)), "double", length(c(...)) / 8, endian = "big"), class = "integer64")
minutes <- as.difftime(c(1, 2), units = "mins")
mon_metric("count", int64(0, 0, 0, 0, 0, 0, 0, 42))
mon_metric("took", minutes[2])
mon_metric("large", int64(64, rep(0, 7)))
mon_metric("factor", factor("7"))
mon_progress("job-1", factor("50"))
mon_event("info", "several", list(
  counts = int64(0, 0, 0, 1, 128, 0, 0, 0, rep(255, 8), 128, rep(0, 7), 127, rep(255, 7), 128, rep(0, 6), 1),
  edge = int64(0, 32, rep(0, 7), 32, rep(0, 5), 1), took = minutes, table = data.frame(took = minutes)
))
lines <- read_lines(con, 6)
has(lines[1], "\"value\":42,")
has(lines[2], "\"value\":120,")
has(lines[3], "\"value\":4.611686018427388e+18,")
has(lines[4], "\"value\":7,")
has(lines[5], "\"percent\":50,")
has(lines[6], "\"context\":{\"counts\":[6442450944,-1,null,\"9223372036854775807\",\"-9223372036854775807\"],\"edge\":[9007199254740992,\"9007199254740993\"],\"region\":\"eu\",\"table\":{\"took\":[60,120]},\"took\":[60,120]}")

# A member without a name has its position; times have milliseconds, and differences of them are seconds.
mon_event("info", "some names", list(a = 1, "b", list(x = 2, 3)))
moment <- function(seconds) as.POSIXct(seconds, origin = "1970-01-01")
mon_event("info", "times", list(
  at = moment(1760956245.123), rounded = moment(1760956245.9999), whole = moment(1760956245),
  none = moment(NA_real_), took = as.difftime(1.5, units = "mins")
))
lines <- read_lines(con, 2)
has(lines[1], "\"context\":{\"2\":\"b\",\"3\":{\"2\":3,\"x\":2},\"a\":1,")
has(lines[2], "\"at\":\"2025-10-20T10:30:45.123Z\",\"none\":null,\"region\":\"eu\",\"rounded\":\"2025-10-20T10:30:46Z\",\"took\":90,\"whole\":\"2025-10-20T10:30:45Z\"}")

# A version is its text; a list without members is no context.
mon_event("info", "versions", list(one = numeric_version("1.2.3"), two = numeric_version(c("1.0", "2.10")), r = packageVersion("base")))
mon_event("info", "empty", list())
lines <- read_lines(con, 2)
has(lines[1], sprintf("\"context\":{\"one\":\"1.2.3\",\"r\":\"%s\",\"region\":\"eu\",\"two\":[\"1.0\",\"2.10\"]}", as.character(packageVersion("base"))))
has(lines[2], "\"message\":\"empty\",\"context\":{\"region\":\"eu\"}}")

# Limits.
deep <- list(); for (level in 1:12) deep <- list(x = deep)
cycle <- new.env(); assign("self", cycle, cycle)
mon_event("info", strrep("\u00e9", 9000), list(deep = deep, cycle = cycle, nan = NaN, inf = -Inf, big = 2^60, bad = "a\xff"))
mon_event("info", "large", as.list(stats::setNames(rep(strrep("x", 8000), 20), paste0("k", 1:20))))
lines <- read_lines(con, 2)
stopifnot(nchar(sub(".*\"message\":\"([^\"]*)\".*", "\\1", lines[1]), "bytes") == 8192)
has(lines[1], "\"<depth>\""); has(lines[1], "\"self\":\"<cyclic>\""); has(lines[1], "\"nan\":\"NaN\"")
has(lines[1], "\"inf\":\"-Infinity\""); has(lines[1], "\"big\":\"1152921504606846976\""); has(lines[1], paste0("\"bad\":\"a", rawToChar(as.raw(c(0xef, 0xbf, 0xbd)))))
has(lines[2], "\"context\":{\"_truncated\":true}")
stopifnot(!mon_metric("m", Inf), !mon_metric("m", NA), mon_stats()$dropped$encode == 2)

# Spans.
id <- mon_start_span("outer")
stopifnot(identical(names(mon_child_env())[names(mon_child_env()) == "TRACEPARENT"], "TRACEPARENT"))
failed <- tryCatch(with_span("inner", stop("boom")), error = conditionMessage)
stopifnot(identical(failed, "boom"), identical(with_span("fine", 7), 7), mon_end_span(id), !mon_end_span(id))
stopifnot(mon_stats()$unknown_spans == 1)
lines <- read_lines(con, 6)
trace <- sub(".*\"trace_id\":\"([0-9a-f]{32})\".*", "\\1", lines[1])
for (line in lines) has(line, trace)
has(lines[2], sprintf("\"parent_span_id\":\"%s\"", id))
has(lines[3], "\"status\":\"error\",\"status_message\":\"boom\"")
has(lines[5], "\"status\":\"success\"")

# It succeeds by return(), too, and is abandoned when the user interrupts it.
early <- function() {
  with_span("early", return("left"))
  stop("not reached")
}
stopifnot(early() == "left")
interrupt <- structure(list(message = "", call = NULL), class = c("interrupt", "condition"))
tryCatch(with_span("interrupted", signalCondition(interrupt)), interrupt = identity)
lines <- read_lines(con, 4)
has(lines[2], "\"status\":\"success\"")
has(lines[4], "\"status\":\"abandoned\"")

# A child process continues the trace.
id <- mon_start_span("parent")
said <- with_child_env(system("echo $TRACEPARENT", intern = TRUE))
stopifnot(grepl(paste0("-", id, "-01$"), said), Sys.getenv("TRACEPARENT") == "")
mon_end_span(id)

# A client that went to another process, as to a cluster's worker, has a connection of its own there, and closes none of the host's.
far <- unserialize(serialize(client, NULL))
far$pid <- -1L
mon_event("info", "from afar", client = far)
afar <- accept_on(server)
has(read_lines(afar, 1), "\"message\":\"from afar\"")
mon_event("info", "from here")
has(read_lines(con, 3)[3], "\"message\":\"from here\"")
stopifnot(mon_stats()$connects == 1, mon_close(client = far))

edited <- mon_init("edited", "127.0.0.1", server$port, quiet = TRUE, before_send = function(record) {
  if (identical(record$data$message, "secret")) return(NULL)
  record$data$message <- "changed"
  record
})
other <- accept_on(server)
mon_event("info", "secret")
mon_event("info", "plain", list(k = 1))
has(read_lines(other, 1), "\"message\":\"changed\",\"context\":{\"k\":1}")
stopifnot(mon_close(client = edited), mon_close(client = client), mon_close(client = client))

# Lines of the package logger, and events of lgr.
logged <- mon_init("logged", "127.0.0.1", server$port, quiet = TRUE)
con <- accept_on(server)
appender <- mon_appender()
appender(c("WARN [2026-01-02 03:04:05] first", "SUCCESS [2026-01-02 03:04:05] second"))
event <- list2env(list(level = 200, msg = "third", values = list(level = 200, msg = "third", rows = 3)))
appender(event)
lines <- read_lines(con, 3)
has(lines[1], "\"level\":\"warn\"")
has(lines[2], "\"level\":\"info\"")
has(lines[3], "\"level\":\"error\",\"message\":\"third\",\"context\":{\"rows\":3}")
mon_close()
