# A program that R starts has R's other sockets, as ever, and not the SDK's.
library(monitoring)
source("server.R")

if (dir.exists("/proc/self/fd")) {
  server <- port_of_free()
  sockets <- function(pid) grep("^socket:", Sys.readlink(list.files(sprintf("/proc/%s/fd", pid), full.names = TRUE)), value = TRUE)
  none <- sockets(Sys.getpid())
  own <- socketConnection("127.0.0.1", server$port, open = "r+b")
  before <- sockets(Sys.getpid())
  client <- mon_init("inherit", "127.0.0.1", server$port, quiet = TRUE)
  mon_event("info", "here")
  connection <- setdiff(sockets(Sys.getpid()), before)
  stopifnot(length(connection) == 1)
  inherited <- system("ls -l /proc/$$/fd 2>&1 | sed -n 's/.*-> //p'", intern = TRUE)
  stopifnot(!connection %in% inherited, setdiff(before, none) %in% inherited)
  accepted <- list(accept_on(server), accept_on(server))
  has(read_lines(accepted[[2]], 1), "\"here\"")
  mon_close(client = client)
  for (con in c(accepted, list(own))) close(con)
}
