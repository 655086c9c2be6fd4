// Alignment, steering and the gate of the shared expert on the GPU, or emulated: sequences of all
// lengths, distributions at their ends, logits of NaN.
#include <gtest/gtest.h>

#include "ch04_moe/experts.h"
#include "ch10_alignment/divergences.h"
#include "ch11_baselines/steering.h"
#include "placed.h"

namespace ramoe {
namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Ints = std::vector<int>;
using Bytes = std::vector<unsigned char>;

bool same(double a, double b, double within) {
  return (std::isnan(a) && std::isnan(b)) || a == b || std::abs(a - b) <= within;
}
template <class A, class B>
bool all_same(const std::vector<A>& a, const std::vector<B>& b, double within) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](A x, B y) { return same(double(x), double(y), within); });
}

TEST(AlignmentOnGpu, MeansOfSequences) {
  const Ints begin = {0, 1, 10, 10, 43};
  const int S = 4, N = 50, parts = 3;
  Ints rows;
  for (int i = 0; i < 43; ++i) rows.push_back((i * 7 + 3) % N);
  for (const int E : {1, 40}) {
    const std::size_t width = std::size_t(E);
    const Floats p = random_values<float>(N * width, 1), g = random_values<float>(S * width, 2);
    const Doubles p_ = values_as<double>(p), g_ = values_as<double>(g), dloss = {0.7};
    Doubles q(S * width), dz(N * width, 0.5);
    sequence_mean_forward(q.data(), p_.data(), rows.data(), begin.data(), S, E);
    sequence_mean_backward(dz.data(), p_.data(), g_.data(), rows.data(), begin.data(),
                           dloss.data(), parts, S, E);
    Placed<float> p_gpu(p), g_gpu(g), dz_gpu(Floats(dz.size(), 0.5f)), dloss_gpu({0.7f});
    Placed<double> q_gpu = Placed<double>::poisoned(q.size());
    Placed<int> rows_gpu(rows), begin_gpu(begin), parts_gpu(Ints{parts});
    sequence_mean_forward(q_gpu.data(), p_gpu.data(), rows_gpu.data(), begin_gpu.data(), S, E);
    sequence_mean_backward(dz_gpu.data(), p_gpu.data(), g_gpu.data(), rows_gpu.data(),
                           begin_gpu.data(), dloss_gpu.data(), parts_gpu.data(), S, E);
    EXPECT_TRUE(all_same(q_gpu.host(), q, 1e-14)) << E;
    EXPECT_TRUE(all_same(dz_gpu.host(), dz, 1e-5)) << E;
    EXPECT_TRUE(q_gpu.intact() && dz_gpu.intact());
  }
}

/// Rows of probabilities; in the first of them one expert has all.
Doubles distributions(int S, int E, unsigned seed) {
  Doubles q = random_values<double>(std::size_t(S * E), seed);
  for (int s = 0; s < S; ++s) {
    double sum = 0;
    for (int e = 0; e < E; ++e) {
      double& value = q[std::size_t(s * E + e)];
      value = s == 0 ? double(e == int(seed) % E) : std::abs(value);
      sum += value;
    }
    for (int e = 0; e < E; ++e) q[std::size_t(s * E + e)] /= sum;
  }
  return q;
}

TEST(AlignmentOnGpu, DivergencesOfAllForms) {
  const int S = 11;
  for (const AlignmentForm form : every<AlignmentForm>())
    for (const int E : {2, 8, 70})
      for (const bool all : {false, true}) {  // the support: all experts, or every third
        const std::size_t count = std::size_t(S * E);
        const Doubles q_star = distributions(S, E, 3);
        Doubles q = distributions(S, E, 4);
        for (double& value : q) value *= all ? 0.9 : 1;  // what lacks is not an outcome then
        Bytes support(count, 1);
        for (std::size_t i = 0; !all && i < count; ++i) support[i] = int(i) % E % 3 == 0;
        const AlignmentMeasure measure{form, 0.6, 1.7};
        Doubles D(S), g(count), loss(1);
        alignment_divergence_forward(D.data(), g.data(), q_star.data(), q.data(), support.data(),
                                     measure, S, E);
        Placed<double> D_gpu = Placed<double>::poisoned(S), q_star_gpu(q_star), q_gpu(q);
        Placed<float> g_gpu = Placed<float>::poisoned(count);
        Placed<unsigned char> support_gpu(support);
        alignment_divergence_forward<GpuFloat>(D_gpu.data(), g_gpu.data(), q_star_gpu.data(),
                                               q_gpu.data(), support_gpu.data(), measure, S, E);
        const auto where = cat(name_of(form), " ", E, " ", all);
        EXPECT_EQ(difference(D_gpu.host(), D, 1e-13, 1e-13), "") << where;
        EXPECT_EQ(difference(g_gpu.host(), g, 1e-7, 1e-7), "") << where;
        EXPECT_TRUE(D_gpu.intact() && g_gpu.intact());
        alignment_mean_forward(loss.data(), D.data(), 7, 1, S);
        Placed<float> loss_gpu = Placed<float>::poisoned(1);
        Placed<int> parts(Ints{7});
        alignment_mean_forward(loss_gpu.data(), D_gpu.data(), parts.data(), 1, S);
        EXPECT_TRUE(same(double(loss_gpu.host()[0]), loss[0], 1e-7 * (1 + std::abs(loss[0]))));
      }
}

TEST(SteeringOnGpu, IsTheDefinitions) {
  const int N = 9;
  for (const int E : {1, 6, 33, 100})
    for (int count = 1; count <= std::min(E, 40); count += 13) {
      Ints experts;
      for (int j = 0; j < count; ++j) experts.push_back(E - 1 - j * (E / count));
      Floats z = random_values<float>(std::size_t(N * E), unsigned(E)), noise;
      for (int j = 0; j < count; ++j) noise.push_back(float(j + 1) / 50);
      for (int e = 0; e < E; ++e) z[std::size_t(E + e)] *= 1e6f;  // 1e-6 is lost
      z[std::size_t(2 * E)] = kNan, z[std::size_t(4 * E - 1)] = kNan;
      std::fill_n(z.begin() + 4 * E, E, -kInf);
      for (const bool hard : {false, true}) {
        Doubles exact = values_as<double>(z);
        Placed<float> z_gpu(z), noise_gpu(noise);
        Placed<int> experts_gpu(experts);
        if (hard) {
          const Doubles noise_ = values_as<double>(noise);
          steer_hard(exact.data(), experts.data(), noise_.data(), count, N, E);
          steer_hard(z_gpu.data(), experts_gpu.data(), noise_gpu.data(), count, N, E);
        } else {
          steer_soft(exact.data(), experts.data(), count, 0.7, N, E);
          steer_soft(z_gpu.data(), experts_gpu.data(), count, 0.7, N, E);
        }
        const Floats got = z_gpu.host();
        for (std::size_t i = 0; i < got.size(); ++i)
          EXPECT_TRUE(same(double(got[i]), exact[i], 2e-7 * (1 + std::abs(exact[i]))) ||
                      (hard && exact[i] < -1e300 && got[i] < -3e38f))  // above -infinity
              << hard << " E " << E << " at " << i << ": " << got[i] << " " << exact[i];
        EXPECT_TRUE(z_gpu.intact());
        if (!hard) continue;
        for (int j = 0; j < count && E > count; ++j) {  // above all others
          const std::size_t first = std::size_t(E);
          const float most = *std::max_element(z.begin() + E, z.begin() + 2 * E);
          EXPECT_GT(got[first + std::size_t(experts[std::size_t(j)])], most);
        }
      }
    }
}

TEST(SharedExpertOnGpu, NullGradientsAreSkipped) {
  const int N = 3, C = 5;
  const Floats s = random_values<float>(N, 1), y = random_values<float>(N * C, 2);
  const Floats dout = random_values<float>(N * C, 3);
  Placed<float> s_gpu(s), y_gpu(y), dout_gpu(dout), ds(Floats(N, 0.5f)), dy(Floats(N * C, 0.5f));
  sigmoid_gate_backward<GpuFloat>(ds.data(), nullptr, s_gpu.data(), y_gpu.data(), dout_gpu.data(),
                                  N, C);
  sigmoid_gate_backward<GpuFloat>(nullptr, dy.data(), s_gpu.data(), y_gpu.data(), dout_gpu.data(),
                                  N, C);
  Doubles ds_(N, 0.5), dy_(N * C, 0.5);
  sigmoid_gate_backward<double>(ds_.data(), dy_.data(), values_as<double>(s).data(),
                                values_as<double>(y).data(), values_as<double>(dout).data(), N, C);
  EXPECT_TRUE(all_same(ds.host(), ds_, 1e-6) && all_same(dy.host(), dy_, 1e-6));
  EXPECT_TRUE(ds.intact() && dy.intact());
}

}  // namespace
}  // namespace ramoe
