// How the cost of a step grows with experts, layers, sequences and tokens.
#include <memory>

#include "bench/bench.h"
#include "support/json.h"

namespace ramoe {
namespace {

/// One size of the model or of its batch, with several values; the other sizes do not change.
struct Sweep {
  const char *name, *title;
  std::vector<int> values;
  int base;  // the value that the others are compared with
  void (*set)(BenchOptions& options, int value);
  /// What the cost is divided by before it is compared: the tokens or layers of a step, or 1.
  double (*unit)(const BenchOptions& options);
};

double one(const BenchOptions&) {
  return 1;
}
double layers_of(const BenchOptions& o) {
  return o.model.num_hidden_layers;
}
double tokens_of(const BenchOptions& o) {
  return double(o.sequences) * o.tokens;
}

std::vector<Sweep> sweeps() {
  return {{"experts",
           "experts E, cost of a step",
           {8, 16, 32, 64},
           8,
           [](BenchOptions& p, int E) { p.model.num_experts = E; },
           one},
          {"layers",
           "layers L, cost per layer",
           {2, 4, 6, 8, 12},
           6,
           [](BenchOptions& p, int L) { p.model.num_hidden_layers = L; },
           layers_of},
          {"sequences",
           "sequences B, cost per token",
           {8, 16, 32, 64},
           32,
           [](BenchOptions& p, int B) { p.sequences = B; },
           tokens_of},
          {"tokens",
           "tokens T of a sequence, cost per token",
           {16, 32, 64, 128},
           64,
           [](BenchOptions& p, int T) {
             p.tokens = T;
             p.model.max_position_embeddings = std::max(T, p.model.max_position_embeddings);
           },
           tokens_of}};
}

/// Fits a straight line to the points by least squares of the relative distance. Returns the
/// distance of each point from it, y / (a + b x) - 1.
std::vector<double> beside_line(const std::vector<double>& x, const std::vector<double>& y) {
  double s0 = 0, s1 = 0, s2 = 0, t0 = 0, t1 = 0;  // sums with weights 1 / y^2
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double w = 1 / (y[i] * y[i]);
    s0 += w, s1 += w * x[i], s2 += w * x[i] * x[i], t0 += w * y[i], t1 += w * x[i] * y[i];
  }
  const double b = (s0 * t1 - s1 * t0) / (s0 * s2 - s1 * s1), a = (t0 - b * s1) / s0;
  std::vector<double> beside;
  for (std::size_t i = 0; i < x.size(); ++i) beside.push_back(y[i] / (a + b * x[i]) - 1);
  return beside;
}

struct ScalingPoint {
  std::unique_ptr<BenchModel> model;
  double unit, rows_per_expert;
  std::vector<double> seconds, relative;  // by round
};

/// Runs all points of a sweep in turn, repeatedly, so that each ratio is from one moment.
Json run_sweep(const Sweep& sweep, const Bench& bench, std::string& text, double done) {
  std::vector<ScalingPoint> points;
  std::size_t base = 0;
  for (const int value : sweep.values) {
    BenchOptions o = bench.options;
    sweep.set(o, value);
    if (value == sweep.base) base = points.size();
    points.push_back({std::make_unique<BenchModel>(o.model, o.sequences, o.tokens, o.seed),
                      sweep.unit(o),
                      tokens_of(o) * o.model.num_experts_per_tok / o.model.num_experts,
                      {},
                      {}});
    for (int warm = 0; warm < 2; ++warm) points.back().model->step();
  }
  const int rounds = bench.options.rounds;
  for (int round = 0; round < rounds; ++round) {
    for (ScalingPoint& p : points) {
      const double start = now_seconds();
      p.model->step();
      p.seconds.push_back(now_seconds() - start);
    }
    const double per_unit = points[base].seconds.back() / points[base].unit;
    for (ScalingPoint& p : points) p.relative.push_back(p.seconds.back() / p.unit / per_unit);
    bench.progress(done + 0.25 * (round + 1) / rounds);
  }
  // Medians of ratios within rounds, as costs of whole steps: do these lie on a line?
  std::vector<double> x, y, flops;
  for (std::size_t i = 0; i < points.size(); ++i) {
    x.push_back(sweep.values[i]);
    y.push_back(median(points[i].relative) * points[i].unit / points[base].unit);
    flops.push_back(points[i].model->flops() / points[base].model->flops());
  }
  const std::vector<double> beside = beside_line(x, y);
  Json table = Json::array();
  text += text_of("  %-40s", sweep.title);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double relative = median(points[i].relative);
    table.push_back({{"value", sweep.values[i]},
                     {"ms_per_step", 1e3 * median(points[i].seconds)},
                     {"relative", relative},
                     {"relative_per_flop", y[i] / flops[i]},
                     {"beside_line", beside[i]},
                     {"rows_per_expert", points[i].rows_per_expert}});
    text += text_of("  %3d: %.3f", sweep.values[i], relative);
  }
  text += "\n";
  return {{"base", sweep.base}, {"points", table}};
}

}  // namespace

Json bench_scaling(const Bench& bench) {
  Json result;
  std::string text = "scaling, relative to the size whose cost is 1.000\n";
  double done = 0;
  for (const Sweep& sweep : sweeps()) {
    result[sweep.name] = run_sweep(sweep, bench, text, done);
    done += 0.25;
  }
  bench.print(text);
  return result;
}

}  // namespace ramoe
