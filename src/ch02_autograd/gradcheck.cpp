#include "ch02_autograd/gradcheck.h"

#include <cmath>

#include "ch01_tensor/philox.h"
#include "ch02_autograd/basic_ops.h"

namespace ramoe {
namespace {

constexpr double kGradientBefore = 0.25;  // what every gradient holds before backward

/// L = sum_i c[i] f[i] with c uniform in [0.5, 1.5), as a product of a row and a column.
Tensor<double> weighted(Tape<double>& tape, const Tensor<double>& f, unsigned seed) {
  Random random(seed, 77);
  const int n = static_cast<int>(f.count());
  double* c = tape.keep<double>(f.count());
  for (int i = 0; i < n; ++i) c[i] = 0.5 + random.uniform();
  return linear(tape, tape.reshape(f, {1, n}), tape.constant(c, {n, 1}));
}

}  // namespace

CheckedInput random_input(const std::string& name, const Shape& shape, unsigned seed) {
  Random random(seed, 78);
  CheckedInput input{name, shape, std::vector<double>(shape.count())};
  for (double& value : input.values) value = random.normal();
  return input;
}

std::string gradient_error(const CheckedFunction& function, std::vector<CheckedInput> inputs,
                           double rtol, double atol, unsigned seed) {
  Arena arena;
  Tape<double> tape(arena);
  std::vector<std::vector<double>> gradients;
  for (const CheckedInput& input : inputs)
    gradients.emplace_back(input.values.size(), kGradientBefore);

  const auto loss_of = [&](bool with_gradient) {
    tape.reset();
    std::vector<Tensor<double>> tensors;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      tensors.push_back(tape.leaf(inputs[i].values.data(), gradients[i].data(), inputs[i].shape));
    const Tensor<double> loss = weighted(tape, function(tape, tensors), seed);
    if (with_gradient) tape.backward(loss);
    return loss.data[0];
  };
  loss_of(true);

  std::string worst;
  double worst_excess = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    for (std::size_t j = 0; j < inputs[i].values.size(); ++j) {
      double& x = inputs[i].values[j];
      const double before = x, h = 1e-5 * std::max(1.0, std::abs(x));
      x = before + h;
      const double above = loss_of(false);
      x = before - h;
      const double below = loss_of(false);
      x = before;
      const double difference = (above - below) / (2 * h);
      const double gradient = gradients[i][j] - kGradientBefore;
      const double excess = std::abs(gradient - difference) / (atol + rtol * std::abs(difference));
      if (!(excess <= 1) && !(excess <= worst_excess)) {
        worst_excess = excess;
        worst = cat(inputs[i].name, "[", j, "]: the backward gives ", gradient,
                    ", finite differences give ", difference);
      }
    }
  return worst;
}

}  // namespace ramoe
