// Each operation of a training step alone, forward and backward, at the sizes of the step: the
// entries of tests/support/op_cases.h that say them.
//
// An operation runs on a tape as in training: the gradient of an activation is written for the
// first time, that of a weight is added to. The time of backward begins when the gradient of the
// output is there, and ends before what was prepared. Operands are small enough to remain in a
// cache, while a step would often find them in memory; the same holds for the copies that they are
// compared with.
#include "bench/bench.h"
#include "support/json.h"
#include "support/op_cases.h"

namespace ramoe {
namespace {

/// The inputs of an operation with their values, and the tape on which it runs repeatedly.
class OpRunner {
 public:
  OpRunner(const OpCase& op, const OpAtStep& at) : op_(op), at_(at), tape_(arena_) {
    for (std::size_t i = 0; i < at.size.in.size(); ++i) {
      const std::vector<double> exact = op.values_of(at.size, i);
      values_.emplace_back(exact.begin(), exact.end());
      gradients_.emplace_back(at.is_weight(i) ? exact.size() : 0);
    }
  }

  /// One forward and one backward; adds their seconds to spent[0] and spent[1].
  void lap(double* spent) {
    tape_.reset();
    Inputs<float> in;
    for (std::size_t i = 0; i < values_.size(); ++i) in.push_back(input(i));
    const std::function<Tensor<float>()> run = op_.function<float>()(tape_, in, at_.size.dims);
    tape_.record(tape_.leaf(&unused_, &unused_, Shape{}), [&end = end_] { end = now_seconds(); });
    const double start = now_seconds();
    const Tensor<float> y = run();
    spent[0] += now_seconds() - start;
    if (dy_.size() < y.count()) dy_.assign(y.count(), 0.01f);
    // A loss whose gradient with respect to y is dy; it records the time at which dy is written.
    const Tensor<float> loss = tape_.output(Shape{}, y);
    loss.data[0] = 0;
    tape_.record(loss, [&tape = tape_, y, &dy = dy_, &begin = begin_] {
      bool fresh;
      copy_values(tape.grad(y, fresh), dy.data(), y.count());
      begin = now_seconds();
    });
    tape_.backward(loss);
    spent[1] += end_ - begin_;
  }

 private:
  Tensor<float> input(std::size_t i) {
    const Shape& shape = at_.size.in[i];
    if (at_.is_weight(i)) return tape_.leaf(values_[i].data(), gradients_[i].data(), shape);
    // As in the middle of a tape: a place there, without a gradient yet.
    const Tensor<float> place = tape_.output(shape, tape_.leaf(&unused_, &unused_, Shape{}));
    return {values_[i].data(), shape, place.node};
  }

  const OpCase& op_;
  const OpAtStep& at_;
  Arena arena_;
  Tape<float> tape_;
  std::vector<std::vector<float>> values_, gradients_;
  std::vector<float> dy_;
  float unused_ = 0;
  double begin_ = 0, end_ = 0;
};

StepSizes sizes_of(const BenchOptions& o) {
  const ModelConfig& c = o.model;
  const TrainingBatch batch = random_batch(c, o.sequences, o.tokens, o.seed);
  return {.B = o.sequences,
          .T = o.tokens,
          .N = o.sequences * o.tokens,
          .C = c.hidden_size,
          .V = c.vocab_size,
          .NH = c.num_attention_heads,
          .NKV = c.num_key_value_heads,
          .HS = c.head_size(),
          .E = c.num_experts,
          .K = c.num_experts_per_tok,
          .H = c.moe_intermediate_size,
          .R = static_cast<int>(batch.target.size())};
}

Work work_of(const OpWork& work) {
  return {work.flops, sizeof(float) * work.floats};
}

/// The optimiser on all weights of the configuration: norm of the gradients, then the update.
Speed measure_adamw(const BenchOptions& o, double& parameters) {
  Model<float> model(o.model, o.seed);
  AdamW<float> optimiser(model.parameters(), {});
  parameters = static_cast<double>(count_parameters(o.model).total);
  // The norm reads g; the update reads g and reads and writes w, m, v.
  return measure_parts({work_of({0, 8 * parameters})}, o.effort(), [&](double* spent) {
    for (const auto& p : model.parameters())
      std::fill_n(p->want_gradient(), p->value.size(), 1e-3f);
    const double start = now_seconds();
    optimiser.prepare(1e-4, 1.0);
    optimiser.update();
    *spent += now_seconds() - start;
  })[0];
}

std::string direction_text(const char* direction, const Speed& s) {
  const double rate = s.copy_binds() ? s.gb_per_s : s.gflops;
  return text_of("  %-8s %9.1f us %7.1f %-7s %4.0f %% of %s", direction, 1e6 * s.seconds, rate,
                 s.copy_binds() ? "GB/s" : "GFLOP/s", 100 * s.share(),
                 s.copy_binds() ? "copy" : "FMA ");
}

}  // namespace

Json bench_ops(const Bench& bench) {
  const BenchOptions& o = bench.options;
  const StepSizes sizes = sizes_of(o);
  Json table = Json::array();
  std::string text = "operations\n";
  double entries = 0;
  for (const OpCase& op : op_cases()) {
    bench.progress(entries++ / double(op_cases().size() + 1));
    for (const OpAtStep& at : op.steps ? op.steps(sizes) : std::vector<OpAtStep>{}) {
      OpRunner runner(op, at);
      const std::vector<Speed> speeds =
          measure_parts({work_of(at.forward), work_of(at.backward)}, o.effort(),
                        [&](double* spent) { runner.lap(spent); });
      text += text_of("  %-17s %-28s", at.name.c_str(), at.dims.c_str()) +
              direction_text("forward", speeds[0]) + direction_text("  backward", speeds[1]) + "\n";
      table.push_back({{"name", at.name},
                       {"dims", at.dims},
                       {"forward", to_json(speeds[0])},
                       {"backward", to_json(speeds[1])}});
    }
  }
  double parameters = 0;
  const Speed adamw = measure_adamw(o, parameters);
  const std::string dims = text_of("%.2f M parameters", parameters / 1e6);
  text += text_of("  %-17s %-28s", "adamw", dims.c_str()) + direction_text("update", adamw) + "\n";
  table.push_back({{"name", "adamw"}, {"dims", dims}, {"update", to_json(adamw)}});
  bench.print(text);
  return table;
}

}  // namespace ramoe
