// What each idea of the fast versions gains: the plain version, then one more idea at a time.

#include "bench/bench.h"
#include "ch01_tensor/gemm_ladder.h"
#include "ch01_tensor/philox.h"
#include "ch02_autograd/basic_ops.h"
#include "ch03_transformer/layer_ops.h"
#include "ch03_transformer/transformer_ops.h"
#include "fast/gemm_bf16.h"
#include "fast/gemm_kernels.h"
#include "support/json.h"

namespace ramoe {
namespace {

/// One version of the same work; each has one idea more than the previous one.
struct Version {
  std::string idea;
  std::function<void()> run;
  double flops = 0;  // if the share of the FMA peak is wanted
};

/// The number of calls that take a few milliseconds together, so that a fast version is not timed
/// on the caches that a slow one has left.
int calls_of(const Version& version) {
  version.run();
  const double start = now_seconds();
  version.run();
  return static_cast<int>(std::clamp(0.005 / (now_seconds() - start), 1.0, 1000.0));
}

/// {"name", "size", "versions": [{"idea", "seconds", "over_plain", "over_last"}]}
Json run_versions(const std::string& name, const std::string& size,
                  const std::vector<Version>& versions, const BenchOptions& o, std::string& text) {
  std::vector<int> calls;
  for (const Version& version : versions) calls.push_back(calls_of(version));
  std::vector<Work> work;
  for (const Version& version : versions) work.push_back({version.flops, 0});
  const auto speeds = measure_parts(work, o.effort(0.5), [&](double* spent) {
    for (std::size_t i = 0; i < versions.size(); ++i) {
      const double start = now_seconds();
      for (int c = 0; c < calls[i]; ++c) versions[i].run();
      spent[i] += (now_seconds() - start) / calls[i];
    }
  });
  Json table = Json::array();
  text += "  " + name + ", " + size + "\n";
  for (std::size_t i = 0; i < versions.size(); ++i) {
    const double seconds = speeds[i].seconds, plain = speeds[0].seconds / seconds;
    const double last = speeds[i > 0 ? i - 1 : 0].seconds / seconds;
    text += text_of("    %-58s %10.1f us  x %5.2f  x %7.2f of plain\n", versions[i].idea.c_str(),
                    1e6 * seconds, last, plain);
    table.push_back({{"idea", versions[i].idea},
                     {"seconds", seconds},
                     {"over_plain", plain},
                     {"over_last", last}});
    if (versions[i].flops > 0) table.back()["fma_share"] = speeds[i].fma_share;
  }
  return {{"name", name}, {"size", size}, {"versions", table}};
}

std::vector<float> random_values(std::size_t count, std::uint64_t seed) {
  Random random(seed, 81);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.uniform() - 0.5);
  return values;
}

Json gemm_ideas(const BenchOptions& o, std::string& text) {
  constexpr int n = 256;
  const std::vector<float> a = random_values(n * n, 1), b = random_values(n * n, 2);
  std::vector<float> c(n * n);
  const Gemm<float> g{GemmForm::NN, n, n, n, a.data(), n, b.data(), n, c.data(), n, false};
  constexpr double flops = 2.0 * n * n * n;
  std::vector<Version> versions;
  for (const GemmRung& rung : gemm_ladder())  // the last is the best of the tables below
    if (&rung != &gemm_ladder().back())
      versions.push_back({rung.idea, [&rung, &g] { rung.multiply(g); }, flops});
  const std::vector<Kernels>& tables = gemm_kernels();
  for (std::size_t i = tables.size(); i-- > 0;) {  // the baseline is the last
    const Kernels& table = tables[i];
    const std::string idea = i + 1 == tables.size()
                                 ? cat("tiles of vectors of ", table.lanes)
                                 : cat("vectors of ", table.lanes, " (", table.name, ")");
    versions.push_back({idea, [&table, &g] { gemm_with(table, g); }, flops});
  }
  Gemm<float> rounded = g;
  rounded.precision = Precision::bf16;
  if (std::string(gemm_bf16_isa()) == "avx512bf16")
    versions.push_back({"pairs of bf16, another rounding", [&] { gemm_serial(rounded); }});
  return run_versions("matrix product", cat(n, " x ", n, " x ", n), versions, o, text);
}

Json experts_ideas(const BenchOptions& o, std::string& text) {
  const ModelConfig& m = o.model;
  const int N = o.sequences * o.tokens, E = m.num_experts, K = m.num_experts_per_tok;
  const int C = m.hidden_size, H = m.moe_intermediate_size;
  const auto size = [](int a, int b, int c = 1) {
    return std::size_t(a) * std::size_t(b) * std::size_t(c);
  };
  const std::vector<float> x = random_values(size(N, C), 3), gate(size(N, K), 0.5f);
  const std::vector<float> up = random_values(size(E, C, 2 * H), 4),
                           down = random_values(size(E, H, C), 5);
  const std::vector<unsigned char> real(std::size_t(N), 1);
  std::vector<int> chosen(size(N, K));
  Random random(o.seed, 82);
  for (std::size_t i = 0; i < chosen.size(); i += std::size_t(K)) {  // K neighbours from anywhere
    const auto first = static_cast<int>(random.below(static_cast<std::uint32_t>(E)));
    for (int k = 0; k < K; ++k) chosen[i + std::size_t(k)] = (first + k) % E;
  }
  std::vector<int> offset(std::size_t(E) + 1), token(size(N, K)), choice(size(N, K)),
      slot(size(N, K));
  const DispatchPlan<float> plan{offset.data(), token.data(), choice.data(), slot.data()};
  std::vector<float> out(size(N, C)), xs(size(N, K, C)), gu(size(N, K, 2 * H)), act(size(N, K, H)),
      y(size(N, K, C));

  // The definition, in double.
  const auto doubles = [](const std::vector<float>& v) {
    return std::vector<double>(v.begin(), v.end());
  };
  const std::vector<double> x_plain = doubles(x), up_plain = doubles(up),
                            down_plain = doubles(down), gate_plain = doubles(gate);
  std::vector<double> out_plain(size(N, C)), gu_plain(size(N, K, 2 * H)), y_plain(size(N, K, C));
  const DispatchPlan<double> plan_plain{offset.data(), token.data(), choice.data(), slot.data()};
  const auto plain = [&] {
    plan_dispatch(plan_plain, chosen.data(), real.data(), N, E, K);
    experts_forward(y_plain.data(), gu_plain.data(), x_plain.data(), up_plain.data(),
                    down_plain.data(), plan_plain, {N, E, K, C, H});
    combine<double>(out_plain.data(), y_plain.data(), gate_plain.data(),
                    plan_plain.slot_from_choice, N, K, C);
  };
  // One product per expert: (its slots, in) (in, out).
  const auto products = [&](float* to, const float* from, const std::vector<float>& w, int in,
                            int width) {
    std::vector<Gemm<float>> all;
    for (int e = 0; e < E; ++e)
      all.push_back({GemmForm::NN, offset[std::size_t(e) + 1] - offset[std::size_t(e)], width, in,
                     from + size(offset[std::size_t(e)], in), in, w.data() + size(e, in, width),
                     width, to + size(offset[std::size_t(e)], width), width, false});
    gemm_grouped(all.data(), E);
  };
  const auto sorted = [&] {
    plan_dispatch(plan, chosen.data(), real.data(), N, E, K);
    gather_rows_forward(xs.data(), x.data(), plan.token_from_slot, offset[std::size_t(E)], C);
    products(gu.data(), xs.data(), up, C, 2 * H);
    swiglu_forward(act.data(), gu.data(), offset[std::size_t(E)], H);
    products(y.data(), act.data(), down, H, C);
    combine<float>(out.data(), y.data(), gate.data(), plan.slot_from_choice, N, K, C);
  };
  const auto blocks = [&] {
    plan_dispatch(plan, chosen.data(), real.data(), N, E, K);
    experts_forward(y.data(), gu.data(), x.data(), up.data(), down.data(), plan, {N, E, K, C, H});
    combine<float>(out.data(), y.data(), gate.data(), plan.slot_from_choice, N, K, C);
  };
  return run_versions("experts, forward", text_of("N=%d C=%d E=%d K=%d H=%d", N, C, E, K, H),
                      {{"token by token, in double", plain},
                       {"sorted by expert, fast products", sorted},
                       {"in blocks of rows that stay in the cache", blocks}},
                      o, text);
}

/// Forward and backward, with new memory from the system, or with memory that is already there.
Json arena_ideas(const BenchOptions& o, std::string& text) {
  Model<float> model(o.model, o.seed);
  const TrainingBatch batch = random_batch(o.model, o.sequences, o.tokens, o.seed);
  const auto pass = [&](Arena& arena) {
    Tape<float> tape(arena);
    tape.reset();
    const auto forward = model.forward(tape, batch.tokens, {.logit_rows = &batch.logit_rows});
    tape.backward(cross_entropy(tape, forward.logits, batch.target.data()));
  };
  Arena kept;
  pass(kept);
  return run_versions("memory of forward and backward", text_of("B=%d T=%d", o.sequences, o.tokens),
                      {{"an arena for each step",
                        [&] {
                          Arena fresh;
                          pass(fresh);
                        }},
                       {"one arena, kept", [&] { pass(kept); }}},
                      o, text);
}

Json adamw_ideas(const BenchOptions& o, std::string& text) {
  constexpr std::size_t n = 1 << 18;
  const auto step = [&]<class T>(std::vector<T>& values) {
    std::vector<AdamWChunk<T>> chunks;
    for (std::size_t at = 0; at < n; at += 1 << 14) {
      T* const w = values.data() + at;
      chunks.push_back({w, w + n, w + 2 * n, w + 3 * n, 1 << 14, true});
    }
    AdamWOutcome outcome{.small = true};
    const AdamWRule rule{1e-4, 0, 10, {}};
    adamw_step<T>(&outcome, chunks.data(), static_cast<int>(chunks.size()), &rule,
                  nullptr, 0);
  };
  std::vector<double> plain(4 * n, 1e-3);
  std::vector<float> fast(4 * n, 1e-3f);
  return run_versions("AdamW", cat(n, " values"),
                      {{"the formula for each value, in double", [&] { step(plain); }},
                       {"factors made once, vectors, clipping on the way", [&] { step(fast); }}},
                      o, text);
}

}  // namespace

Json bench_ideas(const Bench& bench) {
  std::string text = "ideas: how many times as fast as the line before, and as the plain version\n";
  Json table = Json::array();
  for (const auto& group : {gemm_ideas, experts_ideas, arena_ideas, adamw_ideas}) {
    bench.progress(0.25 * double(table.size()));
    table.push_back(group(bench.options, text));
  }
  bench.print(text);
  return table;
}

}  // namespace ramoe
