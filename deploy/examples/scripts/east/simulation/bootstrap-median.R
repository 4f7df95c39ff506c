# How sure is a median? A bootstrap interval, percentile and bias-corrected.
# Inputs: repetitions, level, seed.
if (!exists("repetitions")) repetitions <- 10000
if (!exists("level")) level <- 0.95
if (!exists("seed")) seed <- 9
stopifnot("repetitions must be 100 to 1000000" = repetitions >= 100 && repetitions <= 1e6, "level must lie between 0.5 and 0.999" = level >= 0.5 && level <= 0.999)

set.seed(seed)
sample_values <- rlnorm(80, 3, 0.6)
medians <- replicate(repetitions, median(sample(sample_values, replace = TRUE)))
tail <- (1 - level) / 2
percentile <- quantile(medians, c(tail, 1 - tail), names = FALSE)
bias <- qnorm(mean(medians < median(sample_values)))
corrected <- quantile(medians, pnorm(2 * bias + qnorm(c(tail, 1 - tail))), names = FALSE)
print(round(rbind(percentile, corrected), 2))
hist(medians, breaks = 60, col = "#99d5cf", border = NA, main = "Medians of resampled data", xlab = "median")
abline(v = corrected, lwd = 2, col = "#0f766e")
