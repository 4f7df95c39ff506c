# A long calculation that tells how far it is: estimates pi by throwing darts, for as long as asked.
# Inputs: duration in seconds, seed.
if (!exists("duration")) duration <- 30
if (!exists("seed")) seed <- 1
stopifnot("duration must be 1 to 3600 seconds" = duration >= 1 && duration <= 3600)

set.seed(seed)
begun <- Sys.time()
thrown <- 0
inside <- 0
estimates <- numeric(0)
# One round a second: half of it throwing, the rest asleep, so that a busy slot does not heat the machine.
for (round in seq_len(duration)) {
  until <- begun + round
  while (Sys.time() < until - 0.5) {
    x <- runif(50000)
    y <- runif(50000)
    inside <- inside + sum(x * x + y * y <= 1)
    thrown <- thrown + 50000
  }
  estimates[round] <- 4 * inside / max(thrown, 1)
  message(sprintf("%3d of %d s: pi is about %.6f after %s darts", round, duration, estimates[round], format(thrown, big.mark = ",", scientific = FALSE)))
  Sys.sleep(max(0, as.numeric(until - Sys.time(), units = "secs")))
}
plot(estimates, type = "l", lwd = 2, col = "#0f766e", xlab = "second", ylab = "estimate", main = "Pi by darts")
abline(h = pi, lty = 2)
estimate <- estimates[duration]
