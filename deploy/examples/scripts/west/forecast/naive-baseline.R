# The forecast that every other must beat: next year's month is like this year's.
series <- AirPassengers
last <- window(series, start = c(1959, 1), end = c(1959, 12))
test <- window(series, start = c(1960, 1))
error <- mean(abs(as.numeric(test) - as.numeric(last)) / as.numeric(test)) * 100
cat(sprintf("Mean absolute error of the seasonal naive forecast: %.1f %%\n", error))
ts.plot(window(series, start = c(1957, 1)), ts(as.numeric(last), start = c(1960, 1), frequency = 12), lty = 1:2, col = c("grey40", "#0f766e"),
        main = "Seasonal naive forecast")
