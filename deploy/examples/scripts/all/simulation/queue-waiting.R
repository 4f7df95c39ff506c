# How long do people wait? Simulates a queue with several counters and compares it with theory (Erlang C).
# Inputs: arrivals and services per hour, counters, customers to simulate, seed.
if (!exists("arrivals")) arrivals <- 50
if (!exists("services")) services <- 20
if (!exists("counters")) counters <- 3
if (!exists("customers")) customers <- 20000
if (!exists("seed")) seed <- 11
load <- arrivals / services
if (load >= counters) stop(sprintf("the queue grows without end: %d counters serve less than %g arrivals an hour", counters, arrivals))

set.seed(seed)
arrival <- cumsum(rexp(customers, arrivals))
service <- rexp(customers, services)
free <- numeric(counters)
wait <- numeric(customers)
for (i in seq_len(customers)) {
  k <- which.min(free)
  begin <- max(arrival[i], free[k])
  wait[i] <- begin - arrival[i]
  free[k] <- begin + service[i]
}
minutes <- wait * 60

terms <- load^(0:(counters - 1)) / factorial(0:(counters - 1))
last <- load^counters / factorial(counters) * counters / (counters - load)
erlang_c <- last / (sum(terms) + last)
expected <- 60 * erlang_c / (counters * services - arrivals)
cat(sprintf("Mean wait: simulated %.2f min, in theory %.2f min\n", mean(minutes), expected))
print(round(quantile(minutes, c(0.5, 0.9, 0.99)), 1))
hist(minutes, breaks = 60, col = "#99d5cf", border = NA, main = "Waiting time", xlab = "minutes")
