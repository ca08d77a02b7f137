# The brief's script in R: Rscript db_loader.R FILE. Called by another program, it continues that one's trace and job.
library(monitoring)

file <- c(commandArgs(TRUE), "orders.csv")[1L]
mon_init("db-loader")
with_span("load_data", {
  mon_event("info", "Data loaded", list(file = file))
  mon_metric("rows_loaded", 10000, "rows")
  mon_sample_resources()
  mon_resource(cpu = 42.5, memory = 310)
})
mon_close()
