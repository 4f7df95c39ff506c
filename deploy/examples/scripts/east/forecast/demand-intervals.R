# How much to keep in stock: a bootstrap forecast of daily demand with its interval.
# Inputs: days ahead, level of service, repetitions, seed.
if (!exists("days")) days <- 14
if (!exists("service")) service <- 0.95
if (!exists("repetitions")) repetitions <- 5000
if (!exists("seed")) seed <- 21
stopifnot("service must lie between 0.5 and 0.999" = service >= 0.5 && service <= 0.999, "days must be 1 to 90" = days >= 1 && days <= 90)

set.seed(seed)
past <- 365
weekday <- rep_len(c(1, 0.9, 0.95, 1.05, 1.4, 1.6, 0.7), past)
demand <- rpois(past, 40 * weekday * (1 + seq_len(past) / 1500))

day <- factor(rep_len(1:7, past))
model <- glm(demand ~ day + seq_along(demand), poisson)
expected <- exp(cbind(1, model.matrix(~day - 1)[seq_len(days), -1], past + seq_len(days)) %*% coef(model))
residual <- demand / fitted(model)
totals <- replicate(repetitions, sum(expected * sample(residual, days, TRUE)))
stock <- quantile(totals, service)
cat(sprintf("Keep %.0f pieces for %d days to serve %.1f %% of the time (expected demand %.0f)\n", stock, days, 100 * service, sum(expected)))
hist(totals, breaks = 50, col = "#99d5cf", border = NA, main = "Demand over the period", xlab = "pieces")
abline(v = stock, lwd = 2, col = "#0f766e")
