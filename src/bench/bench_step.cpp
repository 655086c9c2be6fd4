// The training step of the mixture of experts and of its dense counterpart.
#include "bench/bench.h"
#include "support/json.h"

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

}  // namespace ramoe
