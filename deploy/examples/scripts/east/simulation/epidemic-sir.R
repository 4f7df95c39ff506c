# An epidemic in three compartments (susceptible, infected, recovered), by Runge-Kutta of fourth order.
# Inputs: r0, the basic reproduction number; days to recover; population.
if (!exists("r0")) r0 <- 2.4
if (!exists("recovery")) recovery <- 8
if (!exists("population")) population <- 1e6
stopifnot("r0 must be positive" = r0 > 0, "recovery must be positive" = recovery > 0)

gamma <- 1 / recovery
beta <- r0 * gamma
slope <- function(state) {
  infections <- beta * state[["s"]] * state[["i"]] / population
  c(s = -infections, i = infections - gamma * state[["i"]], r = gamma * state[["i"]])
}
step <- 0.25
times <- seq(0, 200, by = step)
course <- matrix(0, length(times), 3, dimnames = list(NULL, c("s", "i", "r")))
state <- c(s = population - 10, i = 10, r = 0)
for (k in seq_along(times)) {
  course[k, ] <- state
  k1 <- slope(state)
  k2 <- slope(state + step / 2 * k1)
  k3 <- slope(state + step / 2 * k2)
  k4 <- slope(state + step * k3)
  state <- state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
}
peak <- which.max(course[, "i"])
cat(sprintf("Peak on day %.0f with %s infected; %.0f %% are infected in the end\n", times[peak],
            format(round(course[peak, "i"]), big.mark = ","), 100 * course[length(times), "r"] / population))
matplot(times, course / population, type = "l", lty = 1, lwd = 2, col = c("#64748b", "#b45309", "#0f766e"),
        xlab = "day", ylab = "share", main = sprintf("Course of an epidemic, R0 = %g", r0))
legend("right", c("susceptible", "infected", "recovered"), lwd = 2, col = c("#64748b", "#b45309", "#0f766e"), bty = "n")
