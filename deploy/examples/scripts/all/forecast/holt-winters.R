# Forecasts a monthly series with Holt-Winters and says how far off it was on the last year.
# Inputs: horizon, months ahead.
if (!exists("horizon")) horizon <- 24
stopifnot("horizon must be 1 to 60" = horizon >= 1 && horizon <= 60)

series <- AirPassengers
train <- window(series, end = c(1959, 12))
test <- window(series, start = c(1960, 1))
model <- HoltWinters(train, seasonal = "multiplicative")
forecast <- predict(model, n.ahead = horizon, prediction.interval = TRUE)

shared <- seq_len(min(length(test), horizon))
mape <- mean(abs(test[shared] - forecast[shared, "fit"]) / test[shared]) * 100
cat(sprintf("Mean absolute error on %d held-out months: %.1f %%\n", length(shared), mape))
print(round(c(alpha = unname(model$alpha), beta = unname(model$beta), gamma = unname(model$gamma)), 3))

plot(model, forecast, main = "Passengers a month: fit and forecast")
lines(test, col = "#0f766e", lwd = 2)
