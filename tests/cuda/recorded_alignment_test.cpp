// Steps with the alignment loss: replayed for any number of examples of a bucket, with the bits of
// steps that are not.
#include <array>
#include <set>

#include "ch10_alignment/world3.h"
#include "cuda/unrecorded.h"

namespace ramoe {
namespace {

/// What a recording holds for: the bucket of the batch, the sequences there is room for, lambda.
std::array<double, 5> bucket_of(const TrainingBatch& batch, int aligned, double lambda) {
  const TrainingBatch padded = padded_to_common_sizes(batch, TrainConfig{}.batch, 0);
  const int S = common_size(std::max(aligned, padded.tokens.B));
  return {double(padded.tokens.B), double(padded.tokens.T), double(padded.target.size()), double(S),
          lambda};
}

/// Ten steps of the alignment, with batches of three or four of the four examples in any order:
/// their bits, and how many were replayed, of how many buckets.
struct Steps {
  int replayed = 0;
  std::set<std::array<double, 5>> buckets;

  explicit Steps(const AlignmentConfig& alignment) {
    World3Of<GpuFloat> a, b;
    AlignmentTerm<GpuFloat> term = a.term(alignment), other = b.term(alignment);
    Unrecorded never(&other);
    Trainer<GpuFloat> recorded(a.model, read_each_step(10)), plain(b.model, read_each_step(10));
    const std::vector<std::vector<int>> members = {
        {0, 1, 2}, {3, 1, 0, 1}, {1, 0, 1}, {2, 3, 1, 0}, {1, 1, 1}};
    for (int step = 0; step < 10; ++step) {
      const TrainingBatch batch = a.batch_of(members[std::size_t(step) % members.size()]);
      const double lambda = lambda_at(alignment, step, 10);
      buckets.insert(bucket_of(batch, lambda > 0 ? term.count(batch) : 0, lambda));
      const StepReport report = recorded.step([&](int) { return batch; }, &term);
      expect_same(report, plain.step([&](int) { return batch; }, &never));
      EXPECT_EQ(report.extra > 0, lambda > 0) << step;
    }
    EXPECT_EQ(values_of(a.model), values_of(b.model));
    replayed = recorded.replay().replayed();
  }
};

TEST(GpuRecordedAlignment, IsReplayedForAnyNumberOfExamples) {
  for (const AlignedTokens span : {AlignedTokens::both, AlignedTokens::last, AlignedTokens::tokens})
    for (const GradientScope scope : every<GradientScope>()) {
      if (span != AlignedTokens::both && scope != GradientScope{}) continue;
      AlignmentConfig alignment;
      alignment.span = span;
      alignment.gradient_scope = scope;
      SCOPED_TRACE(cat(name_of(span), " ", name_of(scope)));
      const Steps steps(alignment);
      EXPECT_EQ(steps.replayed, 10 - int(steps.buckets.size()));
      if (span != AlignedTokens::tokens) {
        EXPECT_LE(steps.buckets.size(), 2u);
      }
    }
}

TEST(GpuRecordedAlignment, TheCurrentEnglishSideIsReadBeforeEachReplay) {
  AlignmentConfig alignment;
  alignment.english_side = EnglishSide::current;
  alignment.examples = AlignedExamples::all;
  const Steps steps(alignment);
  EXPECT_EQ(steps.replayed, 10 - int(steps.buckets.size()));
}

TEST(GpuRecordedAlignment, HiddenStatesAndAScheduleOfLambdaAreNotReplayed) {
  AlignmentConfig alignment;
  alignment.signal = AlignedSignal::hidden;
  EXPECT_EQ(Steps(alignment).replayed, 0);
  alignment.signal = AlignedSignal::routing;
  alignment.lambda_schedule = LambdaSchedule::warmup;  // until the middle
  const Steps steps(alignment);
  EXPECT_EQ(steps.replayed, 10 - int(steps.buckets.size()));
  EXPECT_GE(steps.buckets.size(), 6u);
}

}  // namespace
}  // namespace ramoe
