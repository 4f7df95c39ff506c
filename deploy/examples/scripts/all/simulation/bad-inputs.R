# Fails on purpose: shows how a clear error looks, with its call and its line.
# Input: rate, which must be positive; the default is not.
if (!exists("rate")) rate <- -1

half_life <- function(rate) {
  if (rate <= 0) {
    stop(sprintf("rate must be positive, but it is %g: a half-life exists only for a decay", rate))
  }
  log(2) / rate
}

cat("Computing the half-life for rate", rate, "\n")
print(half_life(rate))
