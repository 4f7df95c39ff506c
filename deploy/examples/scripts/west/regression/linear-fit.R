# Fits a straight line to noisy measurements.
# Inputs: n, the number of measurements; noise, their standard deviation; seed.
if (!exists("n")) n <- 60
if (!exists("noise")) noise <- 1.5
if (!exists("seed")) seed <- 1

set.seed(seed)
x <- sort(runif(n, 0, 10))
y <- 2 + 0.7 * x + rnorm(n, sd = noise)
model <- lm(y ~ x)
print(summary(model))

band <- predict(model, interval = "confidence")
plot(x, y, pch = 19, col = "grey60", main = "A line with its 95 % confidence band")
matlines(x, band, lty = c(1, 2, 2), col = c("#0f766e", "#64748b", "#64748b"), lwd = 2)

coefficients <- as.list(coef(model))
r_squared <- summary(model)$r.squared
