#include "ch03_transformer/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>

#include "support/compare.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

struct Case {
  AttentionDims d;
  std::vector<int> length;
  std::size_t query() const { return std::size_t(d.B * d.T * d.NH * d.HS); }
  std::size_t key() const { return std::size_t(d.B * d.T * d.NKV * d.HS); }
  std::size_t square() const { return std::size_t(d.B * d.NH * d.T * d.T); }
  friend std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << "B=" << c.d.B << " T=" << c.d.T << " NH=" << c.d.NH << " NKV=" << c.d.NKV
               << " HS=" << c.d.HS;
  }
};
//                        B  T  NH NKV HS   lengths
const Case kCases[] = {{{1, 1, 1, 1, 2}, {1}},        {{1, 2, 1, 1, 2}, {2}},
                       {{2, 5, 4, 2, 6}, {5, 3}},     {{3, 17, 2, 2, 16}, {1, 17, 9}},
                       {{2, 33, 6, 1, 10}, {33, 20}}, {{4, 7, 3, 3, 2}, {7, 0, 1, 6}},
                       {{1, 65, 8, 4, 64}, {64}}};

/// Sets the padding rows of x to NaN: whoever reads them shows it.
template <class T>
void poison_padding(std::vector<T>& x, const Case& c, int width) {
  for (int b = 0; b < c.d.B; ++b)
    for (int t = c.length[std::size_t(b)]; t < c.d.T; ++t)
      for (int i = 0; i < width; ++i)
        x[std::size_t((b * c.d.T + t) * width + i)] = std::numeric_limits<T>::quiet_NaN();
}

TEST(Attention, OneTokenReadsItself) {
  const float q[] = {5, -3}, k[] = {2, 9}, v[] = {0.25f, -7};
  const int length = 1;
  Fenced<float> out(2), p(1);
  attention_forward(out.data(), p.data(), q, k, v, &length, {1, 1, 1, 1, 2});
  EXPECT_EQ(difference(out, std::vector<float>{0.25f, -7}, 0, 0), "");
  EXPECT_EQ(p[0], 1);
}

TEST(Attention, TwoTokensByHand) {
  // HS = 4, scale 1/2. Row 1: scores (2 ln 3, 0) / 2 = (ln 3, 0), so p = (3/4, 1/4). The second
  // head reads the same keys with scores (0, 0): p = (1/2, 1/2).
  const double s = 2 * std::log(3.0);
  const Case c{{1, 2, 2, 1, 4}, {2}};
  const double q[] = {1, 1, 1, 1, 1, 1, 1, 1, /**/ 1, 0, 0, 0, 0, 0, 0, 0};
  const double k[] = {s, 0, 0, 0, /**/ 0, 9, 0, 0};
  const double v[] = {4, 8, 0, 1, /**/ 0, 4, 2, 1};
  {
    Fenced<double> out(16), p(8);
    for (const int above : {1, 5}) p.data()[above] = 0;  // above the diagonal nothing is written
    attention_forward(out.data(), p.data(), q, k, v, c.length.data(), c.d);
    EXPECT_EQ(difference(out,
                         std::vector<double>{4, 8, 0, 1, 4, 8, 0, 1,  //
                                             3, 7, 0.5, 1, 2, 6, 1, 1},
                         1e-14, 0),
              "");
    EXPECT_EQ(difference(p, std::vector<double>{1, 0, 0.75, 0.25, 1, 0, 0.5, 0.5}, 1e-15, 0), "");
  }
}

TEST(Attention, FastEqualsPlainAndReadsNoPadding) {
  ThreadPool pool(2);
  const PoolScope scope(pool);
  for (const Case& c : kCases) {
    auto q = random_values<float>(c.query(), 1), k = random_values<float>(c.key(), 2);
    auto v = random_values<float>(c.key(), 3);
    poison_padding(q, c, c.d.NH * c.d.HS);
    poison_padding(k, c, c.d.NKV * c.d.HS);
    poison_padding(v, c, c.d.NKV * c.d.HS);
    const std::vector<double> qd(q.begin(), q.end()), kd(k.begin(), k.end()),
        vd(v.begin(), v.end());
    Fenced<float> out(c.query()), p(c.square());
    std::vector<double> wanted(c.query()), wanted_p(c.square());
    attention_forward(out.data(), p.data(), q.data(), k.data(), v.data(), c.length.data(), c.d);
    attention_forward(wanted.data(), wanted_p.data(), qd.data(), kd.data(), vd.data(),
                      c.length.data(), c.d);
    // Scores: HS products of size 1, over sqrt(HS), so a few 1e-7; p and the mean of v inherit it.
    EXPECT_EQ(difference(out, wanted, 3e-6, 0), "") << c;
    EXPECT_TRUE(p.intact()) << c;
    for (int b = 0; b < c.d.B; ++b)
      for (int t = c.length[std::size_t(b)]; t < c.d.T; ++t)
        for (int i = 0; i < c.d.NH * c.d.HS; ++i)
          ASSERT_EQ(out[std::size_t((b * c.d.T + t) * c.d.NH * c.d.HS + i)], 0) << c;
  }
}

TEST(Attention, NothingIsReadFromTheFuture) {
  const Case c{{1, 20, 2, 1, 8}, {20}};
  const auto q = random_values<float>(c.query(), 1);
  auto k = random_values<float>(c.key(), 2), v = random_values<float>(c.key(), 3);
  std::vector<float> out(c.query()), changed(c.query()), p(c.square());
  attention_forward(out.data(), p.data(), q.data(), k.data(), v.data(), c.length.data(), c.d);
  for (std::size_t i = 13 * 8; i < k.size(); ++i) k[i] += 1, v[i] -= 1;
  attention_forward(changed.data(), p.data(), q.data(), k.data(), v.data(), c.length.data(), c.d);
  EXPECT_EQ(difference(changed.data(), out.data(), 13 * 16, 0, 0), "");
  EXPECT_NE(difference(changed.data() + 13 * 16, out.data() + 13 * 16, 16, 0, 0), "");
}

TEST(Attention, BackwardAccumulatesSkipsNullsAndPadding) {
  for (const Case& c : kCases) {
    auto q = random_values<float>(c.query(), 1), k = random_values<float>(c.key(), 2);
    auto v = random_values<float>(c.key(), 3), dout = random_values<float>(c.query(), 4);
    for (auto* x : {&q, &dout}) poison_padding(*x, c, c.d.NH * c.d.HS);
    for (auto* x : {&k, &v}) poison_padding(*x, c, c.d.NKV * c.d.HS);
    std::vector<float> out(c.query()), p(c.square());
    attention_forward(out.data(), p.data(), q.data(), k.data(), v.data(), c.length.data(), c.d);
    std::vector<float> dq(c.query(), 0.0f), dk(c.key(), 0.0f), dv(c.key(), 0.0f);
    const auto backward = [&](float* to_q, float* to_k, float* to_v) {
      attention_backward(to_q, to_k, to_v, p.data(), q.data(), k.data(), v.data(), dout.data(),
                         c.length.data(), c.d);
    };
    backward(dq.data(), dk.data(), dv.data());
    for (const int threads : {1, 2, 3}) {
      ThreadPool pool(threads);
      const PoolScope scope(pool);
      Fenced<float> dq2(c.query(), 0.0f), dk2(c.key(), 0.0f), dv2(c.key(), 0.0f);
      backward(dq2.data(), nullptr, nullptr);
      backward(nullptr, dk2.data(), nullptr);
      backward(nullptr, nullptr, dv2.data());
      EXPECT_EQ(difference(dq2, dq, 0, 0), "") << c;
      EXPECT_EQ(difference(dk2, dk, 0, 0), "") << c;
      EXPECT_EQ(difference(dv2, dv, 0, 0), "") << c;
      // Overwritten: what stood there before does not matter, and padding becomes 0.
      const float nan = std::numeric_limits<float>::quiet_NaN();
      Fenced<float> dq3(c.query(), nan), dk3(c.key(), nan), dv3(c.key(), nan);
      attention_backward(dq3.data(), dk3.data(), dv3.data(), p.data(), q.data(), k.data(), v.data(),
                         dout.data(), c.length.data(), c.d, false);
      EXPECT_EQ(difference(dq3, dq, 0, 0), "") << c;
      EXPECT_EQ(difference(dk3, dk, 0, 0), "") << c;
      EXPECT_EQ(difference(dv3, dv, 0, 0), "") << c;
      backward(dq2.data(), dk2.data(), dv2.data());  // a second time: twice the gradient
      for (auto* x : {&dq, &dk, &dv}) {
        std::vector<float> twice(*x);
        for (float& value : twice) value *= 2;
        const Fenced<float>& got = x == &dq ? dq2 : x == &dk ? dk2 : dv2;
        EXPECT_EQ(difference(got, twice, 1e-5, 1e-5), "") << c;
      }
    }
  }
}

TEST(AttentionCached, EqualsTheLastRow) {
  for (const Case& c : kCases) {
    const int query = c.d.NH * c.d.HS, key = c.d.NKV * c.d.HS, capacity = c.d.T + 3;
    const auto q = random_values<float>(c.query(), 1), k = random_values<float>(c.key(), 2);
    const auto v = random_values<float>(c.key(), 3);
    std::vector<float> out(c.query()), p(c.square());
    attention_forward(out.data(), p.data(), q.data(), k.data(), v.data(), c.length.data(), c.d);
    // The caches hold NaN behind each sequence's length; sequences of length 0 cannot decode.
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> keys, values, last, wanted;
    std::vector<int> length;
    for (int b = 0; b < c.d.B; ++b) {
      const int n = c.length[std::size_t(b)];
      if (n == 0) continue;
      length.push_back(n);
      for (int i = 0; i < capacity * key; ++i) {
        const std::size_t from = std::size_t(b * c.d.T * key + i);
        keys.push_back(i < n * key ? k[from] : nan);
        values.push_back(i < n * key ? v[from] : nan);
      }
      const auto at = std::ptrdiff_t{(b * c.d.T + n - 1) * query};
      last.insert(last.end(), q.begin() + at, q.begin() + at + query);
      wanted.insert(wanted.end(), out.begin() + at, out.begin() + at + query);
    }
    AttentionDims one = c.d;
    one.B = static_cast<int>(length.size());
    one.T = 1;
    Fenced<float> got(wanted.size());
    attention_cached(got.data(), last.data(), keys.data(), values.data(), length.data(), capacity,
                     one);
    EXPECT_EQ(difference(got, wanted, 3e-6, 0), "") << c;  // as for the fast version
  }
}

}  // namespace
}  // namespace ramoe
