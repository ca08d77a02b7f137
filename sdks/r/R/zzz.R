.onLoad <- function(libname, pkgname) {
  # At the end of R; a forked child of `parallel` ends without it.
  reg.finalizer(.state, function(state) finish_all(), onexit = TRUE)
}

.onUnload <- function(libpath) {
  for (client in .state$clients) mon_close(client = client)
  library.dynam.unload("monitoring", libpath)
}
