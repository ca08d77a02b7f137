# forecast: fits a line to some numbers.
library(monitoring)
mon_init("forecast")
with_span("fit", {
  x <- runif(200)
  fit <- lm(x ~ seq_along(x))
  mon_metric("residual", summary(fit)$sigma)
  mon_event("info", "Forecast ready", list(points = length(x)))
})
mon_close()
