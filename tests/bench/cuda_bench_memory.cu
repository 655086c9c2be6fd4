// Kernels that do little arithmetic, beside a copy: their share of what memory gives.
//
// The bytes are the least possible: each input read once, each output written once. All inputs are
// larger than the L2 cache.
#include "bench/cuda_bench.h"
#include "ch01_tensor/philox.h"
#include "ch01_tensor/vector_ops.h"
#include "ch03_transformer/layer_ops.h"
#include "ch04_moe/experts.h"
#include "ch05_training/adamw.h"

namespace ramoe::bench {
namespace {

constexpr int N = 32768, C = 1024, V = 8192, E = 64, K = 2;
constexpr std::size_t kCount = std::size_t(N) * C;

using Floats = GpuVector<GpuFloat>;

/// Normal values; they repeat, so that making them takes no time.
Floats normal(std::size_t count) {
  Random random(1, 7);
  std::vector<float> some(1 << 16);
  for (float& x : some) x = float(random.normal());
  Floats values(count);
  for (std::size_t at = 0; at < count; at += some.size())
    copy_in(values.data() + at, some.data(), std::min(some.size(), count - at));
  return values;
}

template <class Value>
GpuVector<Gpu<Value>> placed(const std::vector<Value>& host) {
  GpuVector<Gpu<Value>> there(host.size());
  copy_in(there.data(), host.data(), host.size());
  return there;
}

class Table {
 public:
  explicit Table(Results& results) : results_(results) {}
  /// `floats`: read and written, the least possible.
  void add(const char* name, double floats, const std::function<void()>& call) {
    const double us = median_us([&](int) { call(); });
    const double rate = 4 * floats / us / 1e3;  // GB/s
    if (copy_ == 0) copy_ = rate;
    results_.add("memory", {{{"kernel", name}},
                            {{"us", us}, {"GB/s", rate}, {"% of copy", 100 * rate / copy_}}});
  }

 private:
  Results& results_;
  double copy_ = 0;
};

void rows(Table& table) {
  const Floats x = normal(kCount), w = normal(C), rstd = normal(N);
  Floats y(kCount), z(kCount), dw(C), r(N);
  table.add("copy", 2.0 * kCount, [&] { gpu_copy(y.data(), x.data(), 4 * kCount); });
  table.add("add", 3.0 * kCount, [&] { add_forward(y.data(), x.data(), z.data(), kCount); });
  table.add("axpy", 3.0 * kCount, [&] { axpy(y.data(), 0.5, x.data(), kCount); });
  table.add("softmax", 2.0 * kCount, [&] { softmax_forward(y.data(), x.data(), N, C); });
  table.add("rmsnorm", 2.0 * kCount,
            [&] { rmsnorm_forward(y.data(), r.data(), x.data(), w.data(), N, C, 1e-5); });
  table.add("rmsnorm backward", 3.0 * kCount, [&] {
    rmsnorm_backward<GpuFloat>(z.data(), dw.data(), x.data(), w.data(), rstd.data(), y.data(), N, C,
                               false);
  });
  table.add("swiglu", 1.5 * kCount, [&] { swiglu_forward(y.data(), x.data(), N, C / 2); });
  table.add("swiglu backward", 2.5 * kCount,
            [&] { swiglu_backward<GpuFloat>(z.data(), x.data(), y.data(), N, C / 2, false); });
  std::vector<int> places(N);
  for (int n = 0; n < N; ++n) places[std::size_t(n)] = n % 512;
  const auto position = placed(places);
  table.add("rope", 2.0 * kCount,
            [&] { rope_forward(y.data(), position.data(), N, C / 64, 64, 1e4); });
}

void loss(Table& table) {
  constexpr int kRows = 8192;
  const Floats z = normal(std::size_t(kRows) * V);
  Floats dz(std::size_t(kRows) * V), lse(kRows), mean(1), dloss = normal(1);
  std::vector<int> targets(kRows);
  for (int n = 0; n < kRows; ++n) targets[std::size_t(n)] = n % V;
  const auto target = placed(targets), scored = placed(std::vector<int>{kRows});
  table.add("cross-entropy", double(kRows) * V, [&] {
    cross_entropy_forward(mean.data(), lse.data(), z.data(), target.data(), scored.data(), kRows,
                          V);
  });
  table.add("cross-entropy backward", 2.0 * kRows * V, [&] {
    cross_entropy_backward<GpuFloat>(dz.data(), z.data(), lse.data(), target.data(), dloss.data(),
                                     scored.data(), kRows, V, false);
  });
  std::vector<int> tokens(N);
  Random random(2, 7);
  for (int& token : tokens) token = int(random.below(V));
  const auto token = placed(tokens);
  const Floats rows = normal(std::size_t(N) * 512);
  Floats table_(std::size_t(V) * 512), out(std::size_t(N) * 512);
  table.add("embedding", 2.0 * N * 512, [&] {
    embedding_forward(out.data(), table_.data(), token.data(), N, 512);
  });
  table.add("embedding backward", (1.0 * N + 2.0 * V) * 512, [&] {
    embedding_backward<GpuFloat>(table_.data(), token.data(), rows.data(), N, 512);
  });
}

void mixture(Table& table) {
  const Floats y = normal(std::size_t(N) * K * 512), gate = normal(std::size_t(N) * K);
  Floats out(std::size_t(N) * 512);
  Random random(3, 7);
  std::vector<int> choices(std::size_t(N) * K);
  for (std::size_t i = 0; i < choices.size(); ++i)
    choices[i] = int((random.below(E / K)) * K + i % K);
  const auto chosen = placed(choices);
  const auto is_token = placed(std::vector<unsigned char>(N, 1));
  GpuVector<GpuInt> offset(E + 1), token_of(std::size_t(N) * K), choice_of(std::size_t(N) * K),
      slot_of(std::size_t(N) * K);
  const DispatchPlan<GpuFloat> plan{offset.data(), token_of.data(), choice_of.data(),
                                    slot_of.data()};
  table.add("dispatch plan", 4.0 * N * K, [&] {
    plan_dispatch(plan, chosen.data(), is_token.data(), N, E, K);
  });
  table.add("combine", (K + 1.0) * N * 512, [&] {
    combine<GpuFloat>(out.data(), y.data(), gate.data(), slot_of.data(), N, K, 512, false);
  });
}

void optimiser(Table& table) {
  constexpr int kChunk = 16384;
  constexpr std::size_t kValues = std::size_t{1} << 26;
  Floats w = normal(kValues), m(kValues), v(kValues), g = normal(kValues);
  std::vector<AdamWChunk<GpuFloat>> list;
  for (std::size_t at = 0; at < kValues; at += kChunk)
    list.push_back({w.data() + at, m.data() + at, v.data() + at, g.data() + at, kChunk, true});
  GpuVector<Gpu<AdamWChunk<GpuFloat>>> chunks(list.size());
  copy_in(chunks.data(), list.data(), list.size());
  const auto rule = placed(std::vector<AdamWRule>{{1e-4, 1, 10, {}}});
  const auto outcome = placed(std::vector<AdamWOutcome>{{.small = true}});
  auto* const there = const_cast<Gpu<AdamWOutcome>*>(outcome.data());
  // The norm reads g; the update reads w, m, v, g and writes three.
  table.add("AdamW", 8.0 * kValues, [&] {
    adamw_step<GpuFloat>(there, chunks.data(), int(list.size()), rule.data(), nullptr, 0);
  });
}

}  // namespace

void bench_memory(Results& results) {
  Table table(results);
  rows(table);
  loss(table);
  mixture(table);
  optimiser(table);
}

}  // namespace ramoe::bench
