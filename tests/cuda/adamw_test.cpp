// AdamW on the GPU, or emulated, over several chunks: against the definition in double, and steps
// that must change nothing.
#include "ch05_training/adamw.h"

#include <gtest/gtest.h>

#include "placed.h"

namespace ramoe {
namespace {

using Floats = std::vector<float>;
constexpr float kMax = std::numeric_limits<float>::max();

/// w, m, v and g of one chunk, on the host.
struct Values {
  Floats w, m, v, g;
  bool decays;
};
std::vector<Values> random_chunks() {
  std::vector<Values> chunks;
  unsigned seed = 1;
  for (const std::size_t count : {1u, 3u, 64u, 1031u, 2048u}) {
    chunks.push_back({random_values<float>(count, seed), random_values<float>(count, seed + 1),
                      random_values<float>(count, seed + 2), random_values<float>(count, seed + 3),
                      count % 2 == 0});
    for (float& v : chunks.back().v) v *= v;
    seed += 4;
  }
  return chunks;
}

struct Result {
  AdamWOutcome outcome;
  std::vector<Values> chunks;
};

/// The chunks on the GPU, every other one off the alignment of vectors.
class GpuChunks {
 public:
  explicit GpuChunks(const std::vector<Values>& chunks) : host_(chunks), outcome_(1) {
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      const std::size_t fence = i % 2 == 0 ? 64 : 17;
      const Values& c = chunks[i];
      for (const Floats* values : {&c.w, &c.m, &c.v, &c.g}) placed_.emplace_back(*values, fence);
    }
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      Placed<float>* at = &placed_[4 * i];
      list_.push_back({at[0].data(), at[1].data(), at[2].data(), at[3].data(),
                       int(chunks[i].w.size()), chunks[i].decays});
    }
    knows_small(false);
  }
  void knows_small(bool small) {
    const AdamWOutcome before{.norm = -1, .spoilt = 77, .done = true, .small = small};
    copy_in(outcome_.data(), &before, 1);
  }
  Result step(const AdamWRule& rule, const Floats& losses) {
    Placed<float> there(losses);
    GpuVector<Gpu<AdamWChunk<GpuFloat>>> list(list_.size());
    GpuVector<Gpu<AdamWRule>> rule_there(1);
    copy_in(list.data(), list_.data(), list_.size());
    copy_in(rule_there.data(), &rule, 1);
    adamw_step<GpuFloat>(outcome_.data(), list.data(), int(list.size()), rule_there.data(),
                         there.data(), int(losses.size()));
    Result result;
    copy_out(&result.outcome, outcome_.data(), 1);
    for (std::size_t i = 0; i < host_.size(); ++i) {
      const Placed<float>* at = &placed_[4 * i];
      result.chunks.push_back(
          {at[0].host(), at[1].host(), at[2].host(), at[3].host(), host_[i].decays});
      for (int j = 0; j < 4; ++j) EXPECT_TRUE(at[j].intact()) << i;
    }
    return result;
  }

 private:
  std::vector<Values> host_;
  GpuVector<Gpu<AdamWOutcome>> outcome_;
  std::vector<Placed<float>> placed_;
  std::vector<AdamWChunk<GpuFloat>> list_;
};

/// The same in T.
template <class T>
AdamWOutcome step_in(std::vector<Values>& chunks, const AdamWRule& rule, const Floats& losses) {
  std::vector<std::vector<T>> values;
  for (const Values& c : chunks)
    for (const Floats* from : {&c.w, &c.m, &c.v, &c.g}) values.push_back(values_as<T>(*from));
  std::vector<AdamWChunk<T>> list;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    std::vector<T>* at = &values[4 * i];
    list.push_back({at[0].data(), at[1].data(), at[2].data(), at[3].data(), int(at[0].size()),
                    chunks[i].decays});
  }
  AdamWOutcome outcome;
  const std::vector<T> losses_ = values_as<T>(losses);
  adamw_step<T>(&outcome, list.data(), int(list.size()), &rule, losses_.data(),
                int(losses.size()));
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    chunks[i].w = values_as<float>(values[4 * i]);
    chunks[i].m = values_as<float>(values[4 * i + 1]);
    chunks[i].v = values_as<float>(values[4 * i + 2]);
  }
  return outcome;
}

/// NaN is equal to NaN here.
bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
bool same_bits(const std::vector<Values>& a, const std::vector<Values>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same_bits(a[i].w, b[i].w) || !same_bits(a[i].m, b[i].m) || !same_bits(a[i].v, b[i].v) ||
        !same_bits(a[i].g, b[i].g))
      return false;
  return true;
}

TEST(AdamWOnGpu, StepsAreTheDefinitions) {
  for (const double clip : {0.0, 1.0, 1e6}) {
    std::vector<Values> wanted = random_chunks();
    GpuChunks gpu(wanted);
    for (const int t : {1, 2, 3}) {
      const AdamWRule rule{0.01, clip, t, {}};
      const AdamWOutcome outcome = step_in<double>(wanted, rule, {1, 2});
      const Result got = gpu.step(rule, {1, 2});
      EXPECT_NEAR(got.outcome.norm, outcome.norm, 1e-9 * outcome.norm);
      EXPECT_TRUE(got.outcome.done && got.outcome.small);
      EXPECT_EQ(got.outcome.spoilt, -1);
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const Values &a = got.chunks[i], &b = wanted[i];
        EXPECT_EQ(difference(a.w, b.w, 5e-6, 5e-6), "") << i << " clip " << clip;
        EXPECT_EQ(difference(a.m, b.m, 1e-6, 1e-6), "") << i;
        EXPECT_EQ(difference(a.v, b.v, 1e-6, 1e-6), "") << i;
        EXPECT_TRUE(same_bits(a.g, b.g));
      }
    }
  }
}

TEST(AdamWOnGpu, NothingIsAskedWhereItIsCertain) {
  const AdamWRule rule{0.01, 1, 7, {}};
  GpuChunks asks(random_chunks()), knows(random_chunks());
  knows.knows_small(true);
  const Result a = asks.step(rule, {1}), b = knows.step(rule, {1});
  EXPECT_TRUE(same_bits(a.chunks, b.chunks));
  EXPECT_TRUE(b.outcome.done && b.outcome.small);
}

/// A step over these chunks writes nothing, and says the same as the definition in float.
AdamWOutcome expect_nothing_done(std::vector<Values> chunks, const AdamWRule& rule,
                                 const Floats& losses, bool small = false) {
  GpuChunks gpu(chunks);
  gpu.knows_small(small);
  const Result got = gpu.step(rule, losses);
  EXPECT_TRUE(same_bits(got.chunks, chunks));
  EXPECT_FALSE(got.outcome.done);
  const AdamWOutcome wanted = step_in<float>(chunks, rule, losses);
  EXPECT_FALSE(wanted.done);
  EXPECT_EQ(got.outcome.spoilt, wanted.spoilt);
  EXPECT_TRUE(std::isnan(wanted.norm) ? std::isnan(got.outcome.norm)
                                      : got.outcome.norm == wanted.norm || losses[0] == 3)
      << got.outcome.norm << " " << wanted.norm;
  return got.outcome;
}

TEST(AdamWOnGpu, BadLossesAndGradientsChangeNothing) {
  const AdamWRule rule{0.01, 1, 1, {}};
  for (const bool small : {false, true})
    for (const float bad : {kNan, kInf, -kInf}) {
      EXPECT_EQ(expect_nothing_done(random_chunks(), rule, {1, bad, 1}, small).spoilt, -1);
      std::vector<Values> chunks = random_chunks();
      chunks[3].g[1030] = bad;
      EXPECT_EQ(expect_nothing_done(chunks, rule, {1}, small).spoilt, -1);
      chunks = random_chunks();
      chunks[4].g[5] = bad;
      EXPECT_EQ(expect_nothing_done(chunks, rule, {1}, small).spoilt, -1);
    }
}

TEST(AdamWOnGpu, TheFirstSpoiltChunkIsNamed) {
  const AdamWRule rule{1, 0, 1, {}};
  const auto spoilt = [&](const auto& spoil) {
    std::vector<Values> chunks = random_chunks();
    spoil(chunks);
    return expect_nothing_done(chunks, rule, {3}).spoilt;
  };
  EXPECT_EQ(spoilt([](auto& c) { c[2].w[9] = kNan; }), 2);
  EXPECT_EQ(spoilt([](auto& c) { c[3].m[1030] = kInf; }), 3);
  EXPECT_EQ(spoilt([](auto& c) { c[4].v[2047] = kInf, c[1].v[2] = -kMax; }), 1);
  EXPECT_EQ(spoilt([](auto& c) { c[4].w[1024] = kMax, c[4].m[1024] = -kMax; }), 4);  // too large
  EXPECT_EQ(spoilt([](auto& c) { c[0].m[0] = kNan, c[4].m[0] = kNan; }), 0);
  EXPECT_EQ(spoilt([](auto& c) { c[3].g[17] = 1e25f; }), 3);  // its square is beyond float
}

TEST(AdamWOnGpu, ValuesThatAreNotSmallAreNoticed) {
  const AdamWRule rule{0.01, 1, 3, {}};
  std::vector<Values> chunks = random_chunks();
  chunks[3].w[500] = 2e30f;
  for (const bool small : {false, true}) {  // asked beforehand, and seen in the update
    GpuChunks gpu(chunks);
    gpu.knows_small(small);
    const Result got = gpu.step(rule, {1});
    EXPECT_TRUE(got.outcome.done);
    EXPECT_FALSE(got.outcome.small);
  }
}

TEST(AdamWOnGpu, NoChunks) {
  GpuChunks gpu({});
  const Result got = gpu.step({0.01, 1, 1, {}}, {1});
  EXPECT_TRUE(got.outcome.done);
  EXPECT_EQ(got.outcome.norm, 0);
  EXPECT_FALSE(gpu.step({0.01, 1, 1, {}}, {kNan}).outcome.done);
}

}  // namespace
}  // namespace ramoe
