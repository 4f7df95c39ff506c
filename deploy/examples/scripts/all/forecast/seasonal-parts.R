# Takes a series apart into trend, season and remainder (STL), and measures how strong each is.
series <- log(co2)
parts <- stl(series, s.window = "periodic", robust = TRUE)
component <- parts$time.series
strength <- function(part) max(0, 1 - var(component[, "remainder"]) / var(component[, part] + component[, "remainder"]))
cat(sprintf("Strength of the trend: %.3f, of the season: %.3f\n", strength("trend"), strength("seasonal")))

yearly <- aggregate(component[, "trend"], FUN = mean)
growth <- diff(as.numeric(yearly)) * 100
cat(sprintf("Growth: %.2f %% a year at first, %.2f %% lately\n", mean(head(growth, 5)), mean(tail(growth, 5))))
plot(parts, main = "Carbon dioxide over Mauna Loa, logarithm")
