// Attention on the GPU, or emulated, beyond op_cases.h: one tile and several, every head size,
// padding that holds NaN, null gradients, the cache.
#include "ch03_transformer/attention.h"

#include <gtest/gtest.h>

#include "cuda/gpu_fenced.h"

namespace ramoe {
namespace {

struct Case {
  AttentionDims d;
  std::vector<int> length;
  std::size_t query() const { return std::size_t(d.B * d.T * d.NH * d.HS); }
  std::size_t key() const { return std::size_t(d.B * d.T * d.NKV * d.HS); }
  std::size_t square() const { return std::size_t(d.B * d.NH) * std::size_t(d.T * d.T); }
  friend std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << "B=" << c.d.B << " T=" << c.d.T << " NH=" << c.d.NH << " NKV=" << c.d.NKV
               << " HS=" << c.d.HS;
  }
};
//                         B  T   NH NKV HS   lengths
const Case kCases[] = {{{1, 1, 1, 1, 2}, {1}},      {{1, 2, 2, 1, 6}, {2}},
                       {{3, 5, 4, 2, 6}, {5, 0, 3}}, {{1, 33, 2, 2, 16}, {33}},
                       {{2, 64, 2, 1, 20}, {64, 1}}, {{1, 65, 2, 1, 32}, {65}},
                       {{2, 128, 1, 1, 8}, {128, 63}}, {{1, 129, 2, 1, 12}, {129}},
                       {{3, 200, 1, 1, 2}, {200, 0, 70}}, {{1, 7, 1, 1, 40}, {7}},
                       {{1, 66, 1, 1, 64}, {65}},   {{1, 5, 1, 1, 128}, {4}},
                       {{1, 65, 1, 1, 100}, {65}},  {{1, 32, 2, 2, 256}, {31}},
                       {{1, 34, 2, 1, 200}, {34}}};

std::vector<double> doubles(const std::vector<float>& from) {
  return values_as<double>(from);
}

/// Random values; NaN in the rows of padding, whose readers show it.
std::vector<float> poisoned(const Case& c, int heads, unsigned seed) {
  const int width = heads * c.d.HS;
  auto x = random_values<float>(std::size_t(c.d.B * c.d.T * width), seed);
  for (int b = 0; b < c.d.B; ++b)
    for (int i = c.length[std::size_t(b)] * width; i < c.d.T * width; ++i)
      x[std::size_t(b * c.d.T * width + i)] = kNan;
  return x;
}

struct Example {
  std::vector<float> q, k, v, dout;
  std::vector<double> out, p, dq, dk, dv;
  explicit Example(const Case& c)
      : q(poisoned(c, c.d.NH, 1)),
        k(poisoned(c, c.d.NKV, 2)),
        v(poisoned(c, c.d.NKV, 3)),
        dout(poisoned(c, c.d.NH, 4)),
        out(c.query()),
        p(c.square()),
        dq(c.query()),
        dk(c.key()),
        dv(c.key()) {
    const auto qd = doubles(q), kd = doubles(k), vd = doubles(v);
    attention_forward(out.data(), p.data(), qd.data(), kd.data(), vd.data(), c.length.data(), c.d);
    attention_backward(dq.data(), dk.data(), dv.data(), p.data(), qd.data(), kd.data(), vd.data(),
                       doubles(dout).data(), c.length.data(), c.d);
  }
};

TEST(GpuAttention, AgreesWithPlainAndReadsNoPadding) {
  for (const Case& c : kCases)
    for (const std::size_t fence : {kAligned, kUnaligned}) {
      if (fence == kUnaligned && c.d.T * c.d.HS > 2000) continue;  // emulated, they take long
      const Example wanted(c);
      const GpuVector<GpuInt> length = gpu_indices(c.length);
      GpuFenced q(wanted.q, fence), k(wanted.k, fence), v(wanted.v, fence),
          dout(wanted.dout, fence), out(c.query(), fence), p(c.square(), fence);
      attention_forward(out.data(), p.data(), q.data(), k.data(), v.data(), length.data(), c.d);
      // Scores: HS products of size 1, over sqrt(HS), so a few 1e-7; p and the mean of v inherit
      // it.
      EXPECT_EQ(difference(out.host(), wanted.out, 4e-6, 0), "") << c;
      EXPECT_EQ(p.host().size(), c.square()) << c << ": written outside of p";

      GpuFenced dq(c.query(), fence, 0.f), dk(c.key(), fence, 0.f), dv(c.key(), fence, 0.f);
      const auto backward = [&](GpuFloat* to_q, GpuFloat* to_k, GpuFloat* to_v, bool accumulate) {
        attention_backward(to_q, to_k, to_v, p.data(), q.data(), k.data(), v.data(), dout.data(),
                           length.data(), c.d, accumulate);
      };
      backward(dq.data(), dk.data(), dv.data(), true);
      EXPECT_EQ(difference(dq.host(), wanted.dq, 1e-5, 1e-5), "") << c;
      EXPECT_EQ(difference(dk.host(), wanted.dk, 1e-5, 1e-5), "") << c;
      EXPECT_EQ(difference(dv.host(), wanted.dv, 1e-5, 1e-5), "") << c;

      // One at a time, the others null; over NaN, with padding 0: the same bits.
      GpuFenced dq2(c.query(), fence), dk2(c.key(), fence), dv2(c.key(), fence);
      backward(dq2.data(), nullptr, nullptr, false);
      backward(nullptr, dk2.data(), nullptr, false);
      backward(nullptr, nullptr, dv2.data(), false);
      EXPECT_EQ(difference(dq2.host(), dq.host(), 0, 0), "") << c;
      EXPECT_EQ(difference(dk2.host(), dk.host(), 0, 0), "") << c;
      EXPECT_EQ(difference(dv2.host(), dv.host(), 0, 0), "") << c;

      backward(dq2.data(), dk2.data(), dv2.data(), true);  // a second time: twice the gradient
      for (auto [twice, once] : {std::pair(&dq2, &dq), {&dk2, &dk}, {&dv2, &dv}}) {
        std::vector<float> doubled = once->host();
        for (float& value : doubled) value *= 2;
        EXPECT_EQ(difference(twice->host(), doubled, 0, 0), "") << c;
      }
    }
}

TEST(GpuAttention, LargeScoresStayFinite) {
  const Case c{{1, 70, 1, 1, 4}, {70}};
  Example e(c);
  for (float& value : e.q) value *= 60;  // scores of some hundred, in rising and falling order
  std::vector<double> out(c.query()), p(c.square());
  attention_forward(out.data(), p.data(), doubles(e.q).data(), doubles(e.k).data(),
                    doubles(e.v).data(), c.length.data(), c.d);
  const GpuVector<GpuInt> length = gpu_indices(c.length);
  GpuFenced q(e.q, kAligned), k(e.k, kAligned), v(e.v, kAligned), got(c.query(), kAligned),
      kept(c.square(), kAligned);
  attention_forward(got.data(), kept.data(), q.data(), k.data(), v.data(), length.data(), c.d);
  EXPECT_EQ(difference(got.host(), out, 2e-4, 0), "");  // scores of 300 are rounded to 3e-5
}

TEST(GpuAttention, CachedEqualsTheLastRow) {
  for (const Case& c : kCases)
    for (const std::size_t fence : {kAligned, kUnaligned}) {
      const int query = c.d.NH * c.d.HS, key = c.d.NKV * c.d.HS, capacity = c.d.T + 3;
      const Example example(c);
      // The caches hold NaN behind each sequence's length; sequences of length 0 cannot decode.
      std::vector<float> keys, values, last;
      std::vector<double> wanted;
      std::vector<int> length;
      for (int b = 0; b < c.d.B; ++b) {
        const int n = c.length[std::size_t(b)];
        if (n == 0) continue;
        length.push_back(n);
        for (int i = 0; i < capacity * key; ++i) {
          const std::size_t from = std::size_t(b * c.d.T * key + i);
          keys.push_back(i < n * key ? example.k[from] : kNan);
          values.push_back(i < n * key ? example.v[from] : kNan);
        }
        const auto at = std::ptrdiff_t{(b * c.d.T + n - 1) * query};
        last.insert(last.end(), example.q.begin() + at, example.q.begin() + at + query);
        wanted.insert(wanted.end(), example.out.begin() + at, example.out.begin() + at + query);
      }
      AttentionDims one = c.d;
      one.B = static_cast<int>(length.size());
      one.T = 1;
      GpuFenced q(last, fence), k(keys, fence), v(values, fence), out(wanted.size(), fence);
      const GpuVector<GpuInt> lengths = gpu_indices(length);
      attention_cached(out.data(), q.data(), k.data(), v.data(), lengths.data(), capacity, one);
      EXPECT_EQ(difference(out.host(), wanted, 4e-6, 0), "") << c;
    }
}

}  // namespace
}  // namespace ramoe
