# The four classic residual plots for a model of fuel consumption (data set mtcars, shipped with R).
# Input: formula, as text.
if (!exists("formula_text")) formula_text <- "mpg ~ wt + hp"
model <- lm(as.formula(formula_text), mtcars)
print(anova(model))

par(mfrow = c(2, 2), mar = c(4, 4, 2, 1))
plot(model)

worst <- head(sort(abs(rstudent(model)), decreasing = TRUE), 3)
cat("Largest studentised residuals:\n")
print(round(worst, 2))
