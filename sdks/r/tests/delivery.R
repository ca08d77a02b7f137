# Nothing is lost when the sidecar comes late, goes, or acknowledges.
library(monitoring)
source("server.R")

late <- port_of_free()
close(late$socket)
client <- mon_init("late", "127.0.0.1", late$port, quiet = TRUE)
for (n in 1:5) mon_event("info", paste0("n", n))
stopifnot(mon_stats()$queued == 5)
late$socket <- serverSocket(late$port)
for (n in 1:50) if (mon_flush(0.2)) break
con <- accept_on(late)
lines <- read_lines(con, 5)
stopifnot(length(lines) == 5)
for (n in 1:5) has(lines[n], paste0("\"n", n, "\""))

# The sidecar closes; the next record goes to the next connection.
close(con)
Sys.sleep(0.1)
mon_event("info", "after")
for (n in 1:50) if (mon_flush(0.2)) break
con <- accept_on(late)
has(read_lines(con, 1), "\"after\"")
mon_close(client = client)

# With acknowledgements, what was not acknowledged is sent again.
client <- mon_init("acked", "127.0.0.1", late$port, quiet = TRUE, ack = "memory")
con <- accept_on(late)
for (n in 1:3) mon_event("info", paste0("n", n))
lines <- read_lines(con, 4)
has(lines[1], "\"type\":\"hello\""); has(lines[1], "\"ack\":\"memory\""); has(lines[4], "\"seq\":3}")
writeBin(charToRaw("{\"type\":\"welcome\",\"data\":{\"v\":1,\"last_seq\":0,\"window\":1000}}\n{\"type\":\"ack\",\"data\":{\"seq\":2}}\n"), con)
Sys.sleep(0.1)
stopifnot(!mon_flush(0.2), mon_stats()$sent == 2, mon_stats()$queued == 1)
close(con)
Sys.sleep(0.1)
mon_event("info", "n4")
for (n in 1:20) { mon_flush(0.05); if (socketSelect(list(late$socket), FALSE, 0.05)) break }
con <- accept_on(late)
lines <- read_lines(con, 3)
has(lines[2], "\"n3\""); has(lines[3], "\"n4\"")
writeBin(charToRaw("{\"type\":\"welcome\",\"data\":{\"v\":1,\"last_seq\":4}}\n"), con)
Sys.sleep(0.1)
stopifnot(mon_flush(1), mon_stats()$sent == 4, mon_close(client = client))

# What a connection had that is refused is counted; what comes then waits for a welcome, where there is a hello to welcome.
for (token in c("", "old")) {
  client <- mon_init(paste0("refused", token), "127.0.0.1", late$port, quiet = TRUE, token = token)
  con <- accept_on(late)
  mon_event("info", "refused")
  stopifnot(length(read_lines(con, if (token == "") 1 else 2)) > 0, mon_stats()$sent == 1)
  writeBin(charToRaw("{\"type\":\"error\",\"data\":{\"code\":\"auth\",\"message\":\"no\"}}\n"), con)
  close(con)
  Sys.sleep(0.1)
  mon_event("info", "next")
  stopifnot(mon_flush(1) == (token == ""), mon_stats()$dropped$refused == 1, mon_stats()$sent == as.numeric(token == ""))
  con <- accept_on(late)
  if (token != "") {
    writeBin(charToRaw("{\"type\":\"welcome\",\"data\":{\"v\":1,\"max_frame\":1048576}}\n"), con)
    stopifnot(mon_flush(20), mon_stats()$sent == 1)
  }
  close(con)
  mon_close(client = client)
}

# A forked child has a connection and a session of its own.
if (.Platform$OS.type == "unix") {
  client <- mon_init("forks", "127.0.0.1", late$port, quiet = TRUE)
  con <- accept_on(late)
  mon_event("info", "parent 1")
  children <- lapply(1:3, function(child) parallel::mcparallel({
    for (n in 1:100) mon_event("info", sprintf("child %d %d", child, n))
    mon_flush(5)
  }))
  cons <- lapply(children, function(child) accept_on(late))
  counts <- vapply(cons, function(each) length(unique(read_lines(each, 100))), 0L)
  stopifnot(all(counts == 100), all(unlist(parallel::mccollect(children))))
  mon_event("info", "parent 2")
  stopifnot(length(read_lines(con, 2)) == 2, mon_close(client = client))
}

# What a program logs last arrives, although it does not close.
script <- tempfile(fileext = ".R")
writeLines(sprintf("library(monitoring); mon_init('short', '127.0.0.1', %d); mon_event('info', 'last'); %s", late$port, c("", "stop('x')", "quit(status = 3)")), script)
for (line in readLines(script)) {
  writeLines(line, script)
  suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), script, stdout = FALSE, stderr = FALSE))
  con <- accept_on(late)
  has(read_lines(con, 1), "\"last\"")
  close(con)
}

# Unloaded, it sends what it has and ends its connections.
client <- mon_init("unloaded", "127.0.0.1", late$port, quiet = TRUE)
con <- accept_on(late)
mon_event("info", "last")
rm(client)
unloadNamespace("monitoring")
lines <- read_lines(con, 2) # to its end
stopifnot(length(lines) == 1, length(readBin(con, raw(), 1L)) == 0, !isIncomplete(con))
