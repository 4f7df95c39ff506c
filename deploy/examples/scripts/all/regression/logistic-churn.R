# Which customers leave? A logistic regression with its odds ratios and a ROC curve.
# Inputs: n, the number of customers; seed.
if (!exists("n")) n <- 2000
if (!exists("seed")) seed <- 42
stopifnot("n must be at least 100" = n >= 100)

set.seed(seed)
customers <- data.frame(
  months = rexp(n, 1 / 24),
  tickets = rpois(n, 1.4),
  plan = factor(sample(c("basic", "plus", "pro"), n, TRUE, c(0.5, 0.3, 0.2)))
)
linear <- -0.6 - 0.04 * customers$months + 0.45 * customers$tickets - 0.8 * (customers$plan == "pro")
customers$left <- rbinom(n, 1, plogis(linear))

train <- seq_len(n) <= 0.7 * n
model <- glm(left ~ months + tickets + plan, binomial, customers[train, ])
odds <- exp(cbind(odds_ratio = coef(model), suppressMessages(confint.default(model))))
print(round(odds, 3))

score <- predict(model, customers[!train, ], type = "response")
left <- customers$left[!train]
ordered <- left[order(score, decreasing = TRUE)]
hits <- cumsum(ordered) / sum(ordered)
alarms <- cumsum(1 - ordered) / sum(1 - ordered)
auc <- sum(diff(c(0, alarms)) * hits)
cat(sprintf("Area under the ROC curve on %d unseen customers: %.3f\n", length(left), auc))

plot(alarms, hits, type = "l", lwd = 2, col = "#0f766e", xlab = "false alarms", ylab = "found",
     main = sprintf("ROC curve, area %.3f", auc))
abline(0, 1, lty = 3)
