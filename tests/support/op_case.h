// One entry for one operation: gradient check, plain against fast, odd shapes, threads, speed.
//
//   OpCase("rmsnorm", [](auto& tape, const auto& in) { return rmsnorm(tape, in[0], in[1], 1e-5); })
//       .size({{5, 8}, {8}})                 // shapes of the inputs: x (5,8), w (8)
//       .size({{1, 1}, {1}})                 // odd ones
//       .large({{300, 129}, {129}})          // too large for differences, enough for threads
//       .within(1e-6, "sums of up to 129 floats")
//
// The function is written once, on the tape, for every T. Inputs are standard normal from a seed.
// What it needs besides stands in the second list of a size, and is its third argument:
//
//   OpCase("embedding", []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
//     return embedding(tape, in[0], random_indices(tape, d[0], in[0].rows(), 1), d[0]);
//   }).size({{7, 3}}, {9})
//
// What is to be done before the operation, and is not timed, stands before a function that is
// returned:
//
//     const Index<T>* token = random_indices(tape, d[0], in[0].rows(), 1);
//     return [=, &tape] { return embedding(tape, in[0], token, d[0]); };
//
// `ramoe bench` times the entries that say how large they are in a training step:
//
//   .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
//     const double nc = 1.0 * s.N * s.C;
//     return {{"rmsnorm", cat("(", s.N, ",", s.C, ")"), {{{s.N, s.C}, {s.C}}, {}},
//              {0, 2 * nc}, {0, 3 * nc}, {1}}};   // multiply-adds and floats; input 1 is a weight
//   })
//
// An entry covers NAME_forward and NAME_backward; `covers` names other operations that it reaches.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "ch01_tensor/philox.h"
#include "ch01_tensor/storage.h"
#include "ch02_autograd/basic_ops.h"
#include "ch02_autograd/gradcheck.h"

namespace ramoe {

template <class T>
using Inputs = std::vector<Tensor<T>>;
using Dims = std::vector<int>;

/// Shapes of the inputs, and whatever else the entry's function needs.
struct OpSize {
  std::vector<Shape> in;
  Dims dims;
};

/// The sizes of a training step, by the letters of the chapters; R rows have a target.
struct StepSizes {
  int B, T, N, C, V, NH, NKV, HS, E, K, H, R;
};
/// What a direction of an operation does at least: operations of its matrix products, two for each
/// multiply-add, and floats, each input and output once.
struct OpWork {
  double flops = 0, floats = 0;
};
/// An operation as a training step has it.
struct OpAtStep {
  std::string name, dims;
  OpSize size;
  OpWork forward, backward;
  std::vector<std::size_t> weights = {};  // inputs whose gradients are added to

  bool is_weight(std::size_t i) const {
    return std::find(weights.begin(), weights.end(), i) != weights.end();
  }
};

class OpCase {
 public:
  /// Prepares what is not timed, and returns the operation itself.
  template <class T>
  using Function =
      std::function<std::function<Tensor<T>()>(Tape<T>&, const Inputs<T>&, const Dims&)>;

  template <class Op>
  OpCase(std::string name_, const Op& op)
      : name(std::move(name_)),
        operations{name + "_forward", name + "_backward"},
        in_double_(function_of<double>(op)),
        in_float_(function_of<float>(op)) {
#ifdef RAMOE_GPU_CASES
    on_gpu_ = function_of<GpuFloat>(op);
#endif
  }

  /// A size for everything; the first is the usual one, the others are odd.
  OpCase& size(std::vector<Shape> in, Dims dims = {}) {
    sizes.push_back({std::move(in), std::move(dims)});
    return *this;
  }
  /// A size that is left out of the gradient check.
  OpCase& large(std::vector<Shape> in, Dims dims = {}) {
    large_sizes.push_back({std::move(in), std::move(dims)});
    return *this;
  }
  /// float may be off double by tolerance * (1 + |value|), for this reason.
  OpCase& within(double tolerance_, std::string reason_) {
    tolerance = tolerance_, reason = std::move(reason_);
    return *this;
  }
  /// Input i becomes map(standard normal value).
  OpCase& input(std::size_t i, double (*map)(double)) {
    maps.resize(std::max(maps.size(), i + 1));
    maps[i] = map;
    return *this;
  }
  /// Input i has no gradient.
  OpCase& constant(std::size_t i) {
    constants.push_back(i);
    return *this;
  }
  /// How it is timed (`ramoe bench --only=ops`).
  OpCase& at_step(std::function<std::vector<OpAtStep>(const StepSizes&)> steps_) {
    steps = std::move(steps_);
    return *this;
  }
  /// The operations that this entry tests, in place of NAME_forward and NAME_backward.
  OpCase& covers(std::vector<std::string> operations_) {
    operations = std::move(operations_);
    return *this;
  }

  template <class T>
  const Function<T>& function() const {
    if constexpr (std::is_same_v<T, double>) return in_double_;
    if constexpr (std::is_same_v<T, float>) return in_float_;
    if constexpr (std::is_same_v<T, GpuFloat>) return on_gpu_;
  }
  bool is_constant(std::size_t i) const {
    return std::find(constants.begin(), constants.end(), i) != constants.end();
  }
  /// The values of input i, rounded to float, so that every type computes with the same.
  std::vector<double> values_of(const OpSize& at, std::size_t i) const {
    Random random(static_cast<unsigned>(i) + 1, 78);
    std::vector<double> values(at.in[i].count());
    for (double& value : values) {
      value = random.normal();
      if (i < maps.size() && maps[i]) value = maps[i](value);
      value = double(float(value));
    }
    return values;
  }

  std::string name;
  std::vector<std::string> operations;
  std::vector<OpSize> sizes, large_sizes;
  double tolerance = 0;
  std::string reason;
  std::vector<double (*)(double)> maps;
  std::vector<std::size_t> constants;
  std::function<std::vector<OpAtStep>(const StepSizes&)> steps;

 private:
  template <class T, class Op>
  static Function<T> function_of(const Op& op) {
    const auto call = [op](Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
      if constexpr (std::is_invocable_v<const Op&, Tape<T>&, const Inputs<T>&>)
        return op(tape, in);
      else
        return op(tape, in, d);
    };
    return [call](Tape<T>& tape, const Inputs<T>& in, const Dims& d) -> std::function<Tensor<T>()> {
      if constexpr (std::is_same_v<decltype(call(tape, in, d)), Tensor<T>>)
        return [=, &tape] { return call(tape, in, d); };
      else
        return call(tape, in, d);
    };
  }
  Function<double> in_double_;
  Function<float> in_float_;
  Function<GpuFloat> on_gpu_;  // only where RAMOE_GPU_CASES is defined (tests/cuda)
};

inline void PrintTo(const OpCase& op, std::ostream* out) {
  *out << op.name;
}
/// A size, for messages.
inline std::string text_of(const OpSize& at) {
  std::string text;
  for (const Shape& shape : at.in) text += cat(shape, " ");
  for (const int d : at.dims) text += cat(d, " ");
  return text;
}

/// `count` indices below `below` from a seed, where the tape's values live, until its reset.
template <class T>
const Index<T>* random_indices(Tape<T>& tape, int count, int below, unsigned seed) {
  Random random(seed, 83);
  std::vector<int> host(static_cast<std::size_t>(count));
  for (int& index : host) index = int(random.below(static_cast<std::uint32_t>(below)));
  Index<T>* const kept = tape.template keep<Index<T>>(host.size());
  copy_in(kept, host.data(), host.size());
  return kept;
}

/// Given indices or flags, likewise.
template <class T>
const Index<T>* kept_indices(Tape<T>& tape, const std::vector<int>& host) {
  Index<T>* const kept = tape.template keep<Index<T>>(host.size());
  copy_in(kept, host.data(), host.size());
  return kept;
}
template <class T>
const Flag<T>* kept_flags(Tape<T>& tape, const std::vector<unsigned char>& host) {
  Flag<T>* const kept = tape.template keep<Flag<T>>(host.size());
  copy_in(kept, host.data(), host.size());
  return kept;
}

/// What an operation gives: its output, then the gradient of each input, on the host.
template <class T>
using OpResult = std::vector<std::vector<Number<T>>>;

/// Forward, and backward from a gradient of the output that is random in [0.5, 1.5). Gradients
/// start from 0.25, to which backward must add; the tape's memory holds NaN before.
template <class T>
OpResult<T> run_op(const OpCase& op, const OpSize& at) {
  using Host = std::vector<Number<T>>;
  ArenaOf<T> arena;
  const Host nan(std::size_t{1} << 18, std::numeric_limits<Number<T>>::quiet_NaN());
  copy_in(arena.template take<T>(nan.size()), nan.data(), nan.size());
  arena.reset();
  Tape<T> tape(arena);

  std::vector<Storage<T>> values, gradients;
  const auto placed = [](const Host& host) {
    Storage<T> there(host.size());
    copy_in(there.data(), host.data(), host.size());
    return there;
  };
  Inputs<T> in;
  for (std::size_t i = 0; i < at.in.size(); ++i) {
    const std::vector<double> exact = op.values_of(at, i);
    values.push_back(placed(Host(exact.begin(), exact.end())));
    gradients.push_back(placed(Host(exact.size(), Number<T>(0.25))));
    in.push_back(op.is_constant(i) ? tape.constant(values[i].data(), at.in[i])
                                   : tape.leaf(values[i].data(), gradients[i].data(), at.in[i]));
  }
  const Tensor<T> out = op.function<T>()(tape, in, at.dims)();
  OpResult<T> result;
  const auto fetch = [&](const T* from, std::size_t count) {
    result.emplace_back(count);
    copy_out(result.back().data(), from, count);
  };
  fetch(out.data, out.count());

  Random random(1, 77);
  Host dout(out.count());
  for (Number<T>& value : dout) value = Number<T>(float(0.5 + random.uniform()));
  Storage<T> weights = placed(dout);
  const int n = static_cast<int>(out.count());
  if (out.node >= 0)
    tape.backward(linear(tape, tape.reshape(out, {1, n}), tape.constant(weights.data(), {n, 1})));
  for (std::size_t i = 0; i < gradients.size(); ++i)
    if (!op.is_constant(i)) fetch(gradients[i].data(), gradients[i].size());
  return result;
}

/// "" if the tape's gradients agree with finite differences in double.
inline std::string op_gradient_error(const OpCase& op, const OpSize& at) {
  std::vector<CheckedInput> inputs;
  Inputs<double> constants(at.in.size());
  std::vector<std::vector<double>> fixed;
  for (std::size_t i = 0; i < at.in.size(); ++i) {
    fixed.push_back(op.values_of(at, i));
    if (op.is_constant(i))
      constants[i] = {fixed[i].data(), at.in[i], -1};
    else
      inputs.push_back({cat("input ", i), at.in[i], fixed[i]});
  }
  return gradient_error(
      [&](Tape<double>& tape, const Inputs<double>& checked) {
        Inputs<double> in = constants;
        std::size_t next = 0;
        for (std::size_t i = 0; i < in.size(); ++i)
          if (!op.is_constant(i)) in[i] = checked[next++];
        return op.function<double>()(tape, in, at.dims)();
      },
      inputs);
}

}  // namespace ramoe
