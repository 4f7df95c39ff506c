# Draws many random walks and the envelope that contains 95 % of them.
# Inputs: walks, steps, seed.
if (!exists("walks")) walks <- 200
if (!exists("steps")) steps <- 500
if (!exists("seed")) seed <- 3
stopifnot("walks must be 2 to 5000" = walks >= 2 && walks <= 5000, "steps must be 2 to 20000" = steps >= 2 && steps <= 20000)

set.seed(seed)
paths <- apply(matrix(rnorm(walks * steps), steps), 2, cumsum)
envelope <- 1.96 * sqrt(seq_len(steps))
outside <- mean(abs(paths[steps, ]) > envelope[steps])
cat(sprintf("%.1f %% of the walks end outside the 95 %% envelope\n", 100 * outside))

matplot(paths, type = "l", lty = 1, col = "#33415522", xlab = "step", ylab = "position", main = "Random walks")
lines(envelope, col = "#0f766e", lwd = 2)
lines(-envelope, col = "#0f766e", lwd = 2)
