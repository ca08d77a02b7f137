# A sidecar's end of the socket, in this process: the SDK never waits for it.

port_of_free <- function() {
  for (port in sample(20000:60000, 50)) {
    socket <- tryCatch(serverSocket(port), error = function(e) NULL, warning = function(w) NULL)
    if (!is.null(socket)) return(list(socket = socket, port = port))
  }
  stop("no free port")
}

accept_on <- function(server) socketAccept(server$socket, blocking = FALSE, open = "r+b", timeout = 5)

# Reads until `count` lines came, or ten seconds passed.
read_lines <- function(con, count, text = "") {
  until <- Sys.time() + 10
  while (lengths(regmatches(text, gregexpr("\n", text, fixed = TRUE))) < count && Sys.time() < until) {
    if (!socketSelect(list(con), FALSE, 0.1)) next
    bytes <- readBin(con, raw(), 65536L)
    if (length(bytes) == 0L) break
    text <- paste0(text, rawToChar(bytes))
  }
  strsplit(text, "\n", fixed = TRUE)[[1L]]
}

has <- function(line, part) stopifnot(grepl(part, line, fixed = TRUE, useBytes = TRUE))
