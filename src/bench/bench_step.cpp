// The training step: its speed beside that of a dense counterpart, the memory that it takes from
// the system, and the cost of the tape itself.
#include <sys/resource.h>

#include "bench/bench.h"
#include "support/json.h"
#include "support/platform.h"

namespace ramoe {
namespace {

Json step_numbers(const char* name, BenchModel& bench, const Speed& speed, std::string& text) {
  const ParameterCount count = count_parameters(bench.model().config());
  const double tokens = bench.tokens(), rate = tokens / speed.seconds;
  const double mflop = bench.flops() / tokens / 1e6, total = static_cast<double>(count.total);
  text += text_of(
      "%-5s %8.0f tokens/s %7.1f ms %7.1f GFLOP/s %5.1f %% of the peak  (%.2f M parameters, %.2f "
      "MFLOP/token)\n",
      name, rate, 1e3 * speed.seconds, speed.gflops, 100 * speed.fma_share, total / 1e6, mflop);
  return {{"parameters", count.total}, {"active_parameters", count.active},
          {"tokens_per_second", rate}, {"ms_per_step", 1e3 * speed.seconds},
          {"mflop_per_token", mflop},  {"gflops", speed.gflops},
          {"share", speed.fma_share}};
}

}  // namespace

Json bench_step(const Bench& bench) {
  const BenchOptions& o = bench.options;
  BenchModel moe(o.model, o.sequences, o.tokens, o.seed);
  BenchModel dense(dense_counterpart(o.model), o.sequences, o.tokens, o.seed);
  for (BenchModel* model : {&moe, &dense}) model->step();
  bench.progress(0.1);
  const auto timed = [](BenchModel& model, double& spent) {
    const double start = now_seconds();
    model.step();
    spent += now_seconds() - start;
  };
  // The two in turn, so that their ratio is from one moment.
  const std::vector<Speed> speeds =
      measure_parts({{.flops = moe.flops()}, {.flops = dense.flops()}}, o.effort(8),
                    [&](double* spent) { timed(moe, spent[0]), timed(dense, spent[1]); });
  std::string text;
  Json result = {{"moe", step_numbers("MoE", moe, speeds[0], text)},
                 {"dense", step_numbers("dense", dense, speeds[1], text)}};
  bench.print(text);
  return result;
}

// ---- Memory -------------------------------------------------------------------------------------

namespace {

/// How many pages of memory the system has given to this process so far.
long page_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

/// Bytes of the arena that a step uses: activations and gradients, without memory that is returned
/// within the step.
double arena_bytes_used(ModelConfig config, int layers, const BenchOptions& o) {
  config.num_hidden_layers = layers;
  BenchModel bench(config, o.sequences, o.tokens, o.seed);
  for (int step = 0; step < 2; ++step) bench.step();
  return static_cast<double>(bench.trainer().arena().mark().used);
}

/// How many times C floats one more layer keeps per token: activations and their gradients.
double floats_per_token_and_layer(const ModelConfig& config, const BenchOptions& o) {
  const int L = config.num_hidden_layers;
  const double layer = arena_bytes_used(config, L + 1, o) - arena_bytes_used(config, L, o);
  return layer / sizeof(float) / (double(o.sequences) * o.tokens) / config.hidden_size;
}

/// Bytes of all values, gradients and both moments, from the containers that hold them.
double state_bytes(Model<float>& model) {
  AdamW<float> optimiser(model.parameters(), {});
  std::size_t floats = 0;
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const Parameter<float>& p = *model.parameters()[i];
    floats += p.value.capacity() + p.gradient.capacity();
    floats += optimiser.m(i).capacity() + optimiser.v(i).capacity();
  }
  return static_cast<double>(sizeof(float) * floats);
}

/// A tape with the shape of a training step but nothing to compute. It has as many leaves and
/// operations. Each operation takes one output, two kept arrays, a closure of `Closure` and, in
/// backward, the gradient of its input, so that the arena hands out as much memory as a step uses.
/// No array is touched. Its time is that of recording, playing and handing out memory in a step.
class EmptyStep {
 public:
  EmptyStep(Model<float>& model, const TrainingBatch& batch, double arena_bytes) : tape_(arena_) {
    leaves_ = static_cast<int>(model.parameters().size());
    operations_ = count_operations(model, batch);
    const double floats = arena_bytes / sizeof(float) / operations_;
    count_ = std::max(1, static_cast<int>(floats / 3));
  }
  void run() {
    tape_.reset();
    Tensor<float> x;
    for (int l = 0; l < leaves_; ++l) x = tape_.leaf(nothing_, nothing_, Shape{1});
    for (int i = 0; i < operations_; ++i) {
      const bool last = i + 1 == operations_;
      const Tensor<float> y = tape_.output(last ? Shape{} : Shape{count_}, x);
      Closure closure{&tape_, x, y, {}};
      for (float*& kept : closure.kept) kept = tape_.keep<float>(std::size_t(count_));
      tape_.record(y, closure);
      x = y;
    }
    tape_.backward(x);
  }
  int operations() const { return operations_; }

 private:
  struct Closure {
    Tape<float>* tape;
    Tensor<float> in, out;
    float* kept[2];
    void operator()() const {
      bool fresh;
      tape->grad(out);
      tape->grad(in, fresh);
    }
  };
  /// Operations on the tape of a step: the forward pass, its loss and, for each layer with experts,
  /// the two router losses, each with a sum.
  static int count_operations(Model<float>& model, const TrainingBatch& batch) {
    Arena arena;
    Tape<float> tape(arena);
    const auto forward = model.forward(tape, batch.tokens, {.logit_rows = &batch.logit_rows});
    return static_cast<int>(tape.operations() + 4 * forward.routing.size()) + 2;
  }
  Arena arena_;
  Tape<float> tape_;
  float nothing_[1] = {};
  int leaves_, operations_, count_;
};

}  // namespace

Json bench_memory(const Bench& bench) {
  const BenchOptions& o = bench.options;
  forget_peak_memory();
  BenchModel moe(o.model, o.sequences, o.tokens, o.seed);
  moe.step();
  const int first = moe.trainer().arena().allocations();
  for (int step = 0; step < 3; ++step) moe.step();
  const long faults = page_faults();
  constexpr int kSteps = 3;
  const Speed step = measure({}, {0, kSteps}, [&] { moe.step(); });
  const double faults_per_step = double(page_faults() - faults) / kSteps;
  const int later = moe.trainer().arena().allocations() - first;
  const double peak = peak_memory();
  bench.progress(0.5);

  EmptyStep empty(moe.model(), moe.batch(), double(moe.trainer().arena().mark().used));
  for (int i = 0; i < 3; ++i) empty.run();  // allocates its arena and pages, which a step has too
  const Speed overhead = measure({}, o.effort(0.25), [&] { empty.run(); });
  const ParameterCount count = count_parameters(o.model);
  const double state = state_bytes(moe.model()) / double(count.total);
  const double floats = floats_per_token_and_layer(o.model, o);
  const double dense = floats_per_token_and_layer(dense_counterpart(o.model), o);
  const double share = overhead.seconds / step.seconds;
  const std::size_t arena = moe.trainer().arena().most_bytes();

  bench.print(
      text_of("memory  %.1f bytes of state per parameter, %.1f C floats per token and layer (dense "
              "%.1f), arena %.1f MB, process %.1f MB\n",
              state, floats, dense, double(arena) / 1e6, peak / 1e6) +
      text_of(
          "tape    %d operations, %.4f %% of the step; after the first step the arena asked for "
          "memory %d times; %.1f page faults a step\n",
          empty.operations(), 100 * share, later, faults_per_step));
  return {{"state_bytes_per_parameter", state},
          {"floats_per_token_and_layer_in_c", {{"moe", floats}, {"dense", dense}}},
          {"arena_bytes", arena},
          {"peak_rss_bytes", peak},
          {"tape_operations", empty.operations()},
          {"tape_share", share},
          {"arena_allocations_after_first_step", later},
          {"page_faults_per_step", faults_per_step}};
}

}  // namespace ramoe
