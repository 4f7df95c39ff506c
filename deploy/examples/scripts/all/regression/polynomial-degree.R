# Chooses the degree of a polynomial by cross-validation instead of by eye.
# Inputs: highest, the highest degree to try; folds; seed.
if (!exists("highest")) highest <- 8
if (!exists("folds")) folds <- 10
if (!exists("seed")) seed <- 7
stopifnot("highest must be 1 to 15" = highest >= 1 && highest <= 15, "folds must be 2 to 50" = folds >= 2 && folds <= 50)

set.seed(seed)
n <- 200
x <- runif(n, -2, 2)
y <- sin(2 * x) + 0.3 * x^2 + rnorm(n, sd = 0.35)
fold <- sample(rep(seq_len(folds), length.out = n))

error_of <- function(degree) {
  errors <- vapply(seq_len(folds), function(k) {
    train <- fold != k
    model <- lm(y ~ poly(x, degree), data = data.frame(x, y)[train, ])
    mean((y[!train] - predict(model, data.frame(x = x[!train])))^2)
  }, numeric(1))
  c(error = mean(errors), se = sd(errors) / sqrt(folds))
}
scores <- data.frame(degree = seq_len(highest), t(sapply(seq_len(highest), error_of)))
print(scores, digits = 3)

best <- which.min(scores$error)
# The simplest model within one standard error of the best one.
chosen <- min(which(scores$error <= scores$error[best] + scores$se[best]))
cat("Lowest error at degree", best, "- chosen by the one-standard-error rule:", chosen, "\n")

plot(scores$degree, scores$error, type = "b", pch = 19, xlab = "degree", ylab = "mean squared error",
     main = "Cross-validated error by degree")
abline(v = chosen, lty = 2, col = "#0f766e")
