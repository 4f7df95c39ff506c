# Chooses an ARIMA model by AIC among a small grid, checks its residuals and forecasts.
# Inputs: highest, the highest order to try; horizon, months ahead.
if (!exists("highest")) highest <- 2
if (!exists("horizon")) horizon <- 12
stopifnot("highest must be 0 to 3" = highest >= 0 && highest <= 3)

series <- log(AirPassengers)
grid <- expand.grid(p = 0:highest, q = 0:highest)
season <- list(order = c(0, 1, 1), period = 12)
grid$aic <- apply(grid, 1, function(row) {
  # An order that cannot be estimated loses, it does not stop the search.
  tryCatch(arima(series, c(row[["p"]], 1, row[["q"]]), seasonal = season)$aic, error = function(e) Inf)
})
grid <- grid[order(grid$aic), ]
print(head(grid, 5), row.names = FALSE)

best <- arima(series, c(grid$p[1], 1, grid$q[1]), seasonal = season)
white <- Box.test(residuals(best), lag = 24, type = "Ljung-Box", fitdf = grid$p[1] + grid$q[1] + 1)
cat(sprintf("Ljung-Box test of the residuals: p = %.3f\n", white$p.value))

ahead <- predict(best, n.ahead = horizon)
upper <- exp(ahead$pred + 1.96 * ahead$se)
lower <- exp(ahead$pred - 1.96 * ahead$se)
ts.plot(AirPassengers, exp(ahead$pred), lower, upper, lty = c(1, 1, 2, 2), col = c("grey40", "#0f766e", "#64748b", "#64748b"),
        main = sprintf("ARIMA(%d,1,%d)(0,1,1): the next %d months", grid$p[1], grid$q[1], horizon))
