// The ceilings alone, and the matrix products in fp32 and in bf16.
#include <cmath>

#include "bench/bench.h"
#include "bench/bench_sizes.h"
#include "fast/gemm_bf16.h"
#include "support/json.h"

namespace ramoe {

Json bench_peak(const Bench& bench) {
  const double seconds = bench.options.seconds;
  std::vector<double> peaks, copies;
  CopySample copy(1 << 28);  // 256 MB: larger than the caches
  for (int i = 0; i < 9; ++i) {
    peaks.push_back(fma_peak(seconds / 9));
    copies.push_back(copy.gb_per_s(seconds / 9));
    bench.progress(i / 9.0);
  }
  const double peak = median(peaks), copied = median(copies), triad = triad_bandwidth(seconds);
  bench.print(text_of("FMA peak %8.1f GFLOP/s   memory: copy %6.1f GB/s, triad %6.1f GB/s\n", peak,
                      copied, triad));
  return {{"fma_gflops", peak}, {"copy_gb_per_s", copied}, {"triad_gb_per_s", triad}};
}

namespace {

/// `count` products of one size over operands side by side in memory.
class ProductBench {
 public:
  ProductBench(const GemmSize& size, int count) : size_(size), count_(count) {
    const std::size_t M = std::size_t(size.M()), N = std::size_t(size.N()),
                      K = std::size_t(size.K());
    const std::size_t copies = std::size_t(count);
    fill(a_, copies * M * K);
    fill(b_, copies * K * N);
    c_.resize(copies * M * N);
    const bool tn = size.form == GemmForm::TN, nt = size.form == GemmForm::NT;
    for (std::size_t i = 0; i < copies; ++i)
      products_.push_back({size.form, size.M(), size.N(), size.K(), a_.data() + i * M * K,
                           tn ? size.M() : size.K(), b_.data() + i * K * N,
                           nt ? size.K() : size.N(), c_.data() + i * M * N, size.N(), false});
  }
  Speed measure(Effort effort) {
    return ramoe::measure(work(), effort, [&] { run(Precision::fp32); });
  }
  Work work() const { return {.flops = count_ * size_.flops()}; }
  void run(Precision precision) {
    for (Gemm<float>& product : products_) product.precision = precision;
    if (count_ == 1)
      gemm(products_[0]);
    else
      gemm_grouped(products_.data(), count_);
  }

 private:
  /// Values of either sign, about 0.3 in size. Their exact values do not change the time.
  static void fill(std::vector<float>& values, std::size_t count) {
    values.resize(count);
    std::uint32_t state = 1;
    for (float& value : values) {
      state = state * 1664525u + 1013904223u;
      value = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
    }
  }
  GemmSize size_;
  int count_;
  std::vector<float> a_, b_, c_;
  std::vector<Gemm<float>> products_;
};

constexpr GemmForm kForms[] = {GemmForm::NN, GemmForm::NT, GemmForm::TN};

struct LinearShape {
  const char* name;
  int count, rows, in, out;
};
/// The forward products of a step, from which the other forms follow. Routing is assumed even.
std::vector<LinearShape> linear_shapes(const BenchOptions& o) {
  const ModelConfig& c = o.model;
  const int N = o.sequences * o.tokens, C = c.hidden_size, E = c.num_experts, HS = c.head_size();
  const int H = c.moe_intermediate_size, rows = std::max(1, N * c.num_experts_per_tok / E);
  return {{"q, o", 1, N, C, c.num_attention_heads * HS},
          {"k, v", 1, N, C, c.num_key_value_heads * HS},
          {"router", 1, N, C, E},
          {"experts gate_up", E, rows, C, 2 * H},
          {"experts down", E, rows, H, C},
          {"lm_head", 1, N, C, c.vocab_size},
          {"attention scores", o.sequences * c.num_attention_heads, o.tokens, o.tokens, HS}};
}

/// The geometric mean.
class Mean {
 public:
  void add(double value) { sum_ += std::log(value), ++count_; }
  double value() const { return count_ > 0 ? std::exp(sum_ / count_) : 0; }

 private:
  double sum_ = 0;
  int count_ = 0;
};

/// The same work in fp32 and bf16, in turn: how many times faster bf16 is, and both speeds.
struct Pair {
  double ratio;
  Speed fp32, bf16;
};
template <class Run>
Pair in_turn(const Work& work, Effort effort, const Run& run) {
  const auto speeds = measure_parts({work, work}, effort, [&](double* spent) {
    for (const Precision precision : {Precision::fp32, Precision::bf16}) {
      const double start = now_seconds();
      run(precision);
      spent[precision == Precision::bf16] += now_seconds() - start;
    }
  });
  return {speeds[0].seconds / speeds[1].seconds, speeds[0], speeds[1]};
}

Json to_json(const Pair& pair) {
  return {{"fp32_gflops", pair.fp32.gflops},
          {"bf16_gflops", pair.bf16.gflops},
          {"times_as_fast", pair.ratio}};
}

}  // namespace

Json bench_gemm(const Bench& bench) {
  Json table = Json::array();
  std::string text = text_of("%-18s %5s %5s %5s %5s  %14s %14s %14s\n", "GEMM, rows in out",
                             "count", "rows", "in", "out", "x W (NN)", "dy W' (NT)", "x' dy (TN)");
  const std::vector<LinearShape> shapes = linear_shapes(bench.options);
  for (const LinearShape& s : shapes) {
    bench.progress(double(table.size()) / double(shapes.size()));
    Json line = {
        {"name", s.name}, {"count", s.count}, {"rows", s.rows}, {"in", s.in}, {"out", s.out}};
    text += text_of("%-18s %5d %5d %5d %5d ", s.name, s.count, s.rows, s.in, s.out);
    for (const GemmForm form : kForms) {
      const Speed speed =
          ProductBench({form, s.rows, s.in, s.out}, s.count).measure(bench.options.effort(0.5));
      text += text_of("  %6.1f %4.0f %% ", speed.gflops, 100 * speed.fma_share);
      line[form_name(form)] = {{"gflops", speed.gflops}, {"share", speed.fma_share}};
    }
    text += "\n";
    table.push_back(line);
  }
  bench.print(text);
  return table;
}

Json bench_sgemm(const Bench& bench) {
  const std::vector<GemmSize> sizes = gemm_sizes();
  Json table = Json::array();
  std::string text = "SGEMM, share of the FMA peak\n";
  Mean all_shares, all_rates;
  Json forms;
  for (const GemmForm form : kForms) {
    Mean shares, rates;
    int tokens = 0;
    text += text_of("  %s  in x out  ", form_name(form));
    for (const GemmSize& s : sizes)
      if (s.form == form && s.tokens == sizes[0].tokens)
        text += text_of("%10s", cat(s.in, "x", s.out).c_str());
    for (const GemmSize& s : sizes) {
      if (s.form != form) continue;
      bench.progress(double(table.size()) / double(sizes.size()));
      const Speed speed = ProductBench(s, 1).measure(bench.options.effort(0.25));
      for (Mean* mean : {&shares, &all_shares}) mean->add(speed.fma_share);
      for (Mean* mean : {&rates, &all_rates}) mean->add(speed.gflops);
      if (s.tokens != tokens) text += text_of("\n      %4d rows  ", tokens = s.tokens);
      text += text_of("%8.0f %%", 100 * speed.fma_share);
      table.push_back({{"form", form_name(form)},
                       {"tokens", s.tokens},
                       {"in", s.in},
                       {"out", s.out},
                       {"gflops", speed.gflops},
                       {"share", speed.fma_share}});
    }
    text += text_of("\n      geometric mean %.1f %%\n", 100 * shares.value());
    forms[form_name(form)] = {{"gflops", rates.value()}, {"share", shares.value()}};
  }
  text += text_of("  all %zu: geometric mean %.1f %% of the peak, %.1f GFLOP/s\n", sizes.size(),
                  100 * all_shares.value(), all_rates.value());
  bench.print(text);
  return {{"sizes", table},
          {"forms", forms},
          {"geomean_share", all_shares.value()},
          {"geomean_gflops", all_rates.value()}};
}

// ---- In bf16 ------------------------------------------------------------------------------------

Json bench_bf16(const Bench& bench) {
  const BenchOptions& o = bench.options;
  std::vector<double> peaks, ratios;
  for (int i = 0; i < 9; ++i) {
    const double full = fma_peak(o.seconds / 18);
    peaks.push_back(bf16_peak(o.seconds / 18));
    ratios.push_back(peaks.back() / full);
  }
  std::string text = text_of("bf16 (%s) peak %8.1f GFLOP/s, %.2f times that of fp32\n",
                             gemm_bf16_isa(), median(peaks), median(ratios));
  text += "  tokens    in   out    x W (NN)           dy W' (NT)         x' dy (TN)\n";
  Json table = Json::array();
  Mean all;
  for (const int tokens : {1024, 4096})
    for (const int width : {256, 512, 1024}) {
      text += text_of("  %6d %5d %5d", tokens, width, width);
      for (const GemmForm form : kForms) {
        bench.progress(0.1 + 0.5 * double(table.size()) / 18);
        ProductBench product({form, tokens, width, width}, 1);
        const Pair pair = in_turn(product.work(), o.effort(0.25),
                                  [&](Precision precision) { product.run(precision); });
        all.add(pair.ratio);
        text += text_of("  %6.1f x%5.2f    ", pair.bf16.gflops, pair.ratio);
        Json line = {{"form", form_name(form)}, {"tokens", tokens}, {"in", width}, {"out", width}};
        line.update(to_json(pair));
        table.push_back(line);
      }
      text += "\n";
    }
  BenchModel full(o.model, o.sequences, o.tokens, o.seed);
  TrainConfig train;
  train.precision = Precision::bf16;
  BenchModel rounded(o.model, o.sequences, o.tokens, o.seed, train);
  const Pair step = in_turn({.flops = full.flops()}, o.effort(3), [&](Precision precision) {
    (precision == Precision::bf16 ? rounded : full).step();
  });
  const double rate = rounded.tokens() / step.bf16.seconds;
  text += text_of("  GFLOP/s and times as fast as fp32; geometric mean %.2f\n", all.value());
  text += text_of("step  %8.0f tokens/s, %.2f times as fast as in fp32\n", rate, step.ratio);
  bench.print(text);
  Json result = {{"isa", gemm_bf16_isa()},
                 {"peak_gflops", median(peaks)},
                 {"peak_times_fp32", median(ratios)},
                 {"products", table},
                 {"geomean_times_as_fast", all.value()},
                 {"step", to_json(step)}};
  result["step"]["tokens_per_second"] = rate;
  return result;
}

}  // namespace ramoe
