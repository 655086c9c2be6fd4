// Lab 4: causal attention, forward and backward.
#include "ch03_transformer/attention.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

struct Attended {
  Doubles out, p;
};
Attended attend_all(const Doubles& q, const Doubles& k, const Doubles& v,
                    const std::vector<int>& length, const AttentionDims& d) {
  Attended a{Doubles(q.size(), std::nan("")), Doubles(std::size_t(d.B * d.NH * d.T * d.T), 0.0)};
  attention_forward(a.out.data(), a.p.data(), q.data(), k.data(), v.data(), length.data(), d);
  return a;
}

TEST(Lab04Attention, ATokenAloneReadsItself) {
  const Attended a = attend_all({5, -3}, {2, 9}, {0.25, -7}, {1}, {1, 1, 1, 1, 2});
  expect_values(a.out, {0.25, -7}, "the softmax over one score is 1");
  expect_values(a.p, {1}, "p is kept for backward");
}

TEST(Lab04Attention, EqualScoresGiveTheMean) {
  const Attended a = attend_all({0, 0, 0, 0}, {1, 2, 3, 4}, {2, 0, 4, 6}, {2}, {1, 2, 1, 1, 2});
  expect_values(a.out, {2, 0, 3, 3}, "row t reads the rows 0 to t, t included, and no later one");
}

TEST(Lab04Attention, ScoresAreDividedByTheRootOfTheHeadSize) {
  // HS = 4, so the scale is 1/2: scores (2 ln 3, 0) / 2 give p = (3/4, 1/4).
  const double s = 2 * std::log(3.0);
  const Attended a = attend_all({0, 0, 0, 0, 1, 0, 0, 0}, {s, 0, 0, 0, 0, 0, 0, 0},
                                {4, 0, 0, 0, 0, 0, 0, 8}, {2}, {1, 2, 1, 1, 4});
  expect_values(Doubles(a.out.begin() + 4, a.out.end()), {3, 0, 0, 2},
                "q . k / sqrt(HS), then the softmax");
}

TEST(Lab04Attention, QueryHeadsShareKeys) {
  // Four query heads of size 1, two key/value heads: heads 0 and 1 read the first.
  const Attended a = attend_all({1, 2, 3, 4}, {1, 1}, {10, 20}, {1}, {1, 1, 4, 2, 1});
  expect_values(a.out, {10, 10, 20, 20}, "query head h reads key/value head h / (NH / NKV)");
}

TEST(Lab04Attention, PaddingIsZeroAndNotRead) {
  const double nan = std::nan("");
  const Attended a =
      attend_all({1, nan, 1, 1}, {1, nan, 1, 1}, {3, nan, 5, 7}, {1, 2}, {2, 2, 1, 1, 1});
  expect_values(a.out, {3, 0, 5, 6},
                "rows from length[b] on are padding: 0, and nobody reads them");
}

/// dq, dk and dv, added to 1.
std::vector<Doubles> gradients(const Doubles& q, const Doubles& k, const Doubles& v,
                               const Doubles& dout, const std::vector<int>& length,
                               const AttentionDims& d, bool accumulate = true) {
  const Attended a = attend_all(q, k, v, length, d);
  std::vector<Doubles> g = {Doubles(q.size(), 1), Doubles(k.size(), 1), Doubles(v.size(), 1)};
  attention_backward(g[0].data(), g[1].data(), g[2].data(), a.p.data(), q.data(), k.data(),
                     v.data(), dout.data(), length.data(), d, accumulate);
  return g;
}

const AttentionDims dims{2, 3, 4, 2, 2};
const std::vector<int> lengths = {3, 2};

/// Compares the gradient of one of q, k, v with finite differences.
void expect_gradient(std::size_t which, const std::string& means) {
  std::vector<Doubles> x = {random_values<double>(48, 1), random_values<double>(24, 2),
                            random_values<double>(24, 3)};
  const Doubles dout = random_values<double>(48, 4);
  const Doubles found = gradients(x[0], x[1], x[2], dout, lengths, dims)[which];
  const Doubles start = x[which];
  Doubles expected = slopes(
      [&](const Doubles& at) {
        x[which] = at;
        return weighed(dout, attend_all(x[0], x[1], x[2], lengths, dims).out);
      },
      start);
  for (double& d : expected) d += 1;
  expect_values(found, expected, means, kSlope);
}

TEST(Lab04Attention, GradientOfTheValues) {
  expect_gradient(2,
                  "dv[j] += sum over the rows t >= j and all heads that read it of p[t,j] dout[t]");
}
TEST(Lab04Attention, GradientOfTheQueries) {
  expect_gradient(0,
                  "through the softmax: ds[j] = p[j] (dp[j] - sum_i p[i] dp[i]); then the scale");
}
TEST(Lab04Attention, GradientOfTheKeys) {
  expect_gradient(1, "dk[j] += ds[t,j] q[t] of every row t that reads j");
}

TEST(Lab04Attention, OverwritesIfAsked) {
  for (const Doubles& g : gradients({1, 1}, {2, 2}, {3, 3}, {0, 0}, {1}, {1, 2, 1, 1, 1}, false))
    expect_values(g, {0, 0}, "accumulate = false: gradients begin at 0, those of padding too");
}

TEST(Lab04Attention, DecodingIsTheLastRow) {
  const Doubles q = random_values<double>(6, 1), k = random_values<double>(6, 2);
  const Doubles v = random_values<double>(6, 3);
  const int length = 3;
  const Attended whole = attend_all(q, k, v, {3}, {1, 3, 1, 1, 2});
  Doubles out(2);
  attention_cached(out.data(), q.data() + 4, k.data(), v.data(), &length, 3, {1, 1, 1, 1, 2});
  expect_values(out, Doubles(whole.out.begin() + 4, whole.out.end()),
                "attend() is used here with all cached rows");
}

}  // namespace
}  // namespace ramoe
