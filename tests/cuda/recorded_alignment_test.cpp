// Steps with the alignment loss: replayed for any number of examples of a bucket, with the bits of
// steps that are not.
#include "ch10_alignment/world3.h"
#include "cuda/unrecorded.h"

namespace ramoe {
namespace {

/// Ten steps of the alignment: batches of one to four of the four examples, in any order.
void expect_alignment_replayed(const AlignmentConfig& alignment, int replayed) {
  World3Of<GpuFloat> a, b;
  AlignmentTerm<GpuFloat> term = a.term(alignment), other = b.term(alignment);
  Unrecorded never(&other);
  Trainer<GpuFloat> recorded(a.model, read_each_step(10)), plain(b.model, read_each_step(10));
  const std::vector<std::vector<int>> members = {
      {0, 1, 2}, {3, 1, 0}, {0, 1, 1}, {2, 3, 1, 0}, {1, 1, 1}};
  for (int step = 0; step < 10; ++step) {
    const auto next = [&](int) { return a.batch_of(members[std::size_t(step) % members.size()]); };
    const StepReport report = recorded.step(next, &term);
    expect_same(report, plain.step(next, &never));
    EXPECT_EQ(report.extra > 0, lambda_at(alignment, step, 10) > 0) << step;
  }
  EXPECT_EQ(recorded.replay().replayed(), replayed);
  EXPECT_EQ(weights_of(a.model), weights_of(b.model));
}

TEST(GpuRecordedSteps, TheAlignmentIsReplayedForAnyNumberOfExamples) {
  for (const AlignedTokens span : {AlignedTokens::both, AlignedTokens::last, AlignedTokens::tokens})
    for (const GradientScope scope : every<GradientScope>()) {
      AlignmentConfig alignment;
      alignment.span = span;
      alignment.gradient_scope = scope;
      SCOPED_TRACE(cat(name_of(span), " ", name_of(scope)));
      // Single tokens are more than the rows, and need two buckets.
      expect_alignment_replayed(alignment, span == AlignedTokens::tokens ? 8 : 9);
    }
}

TEST(GpuRecordedSteps, TheCurrentEnglishSideIsReadBeforeEachReplay) {
  AlignmentConfig alignment;
  alignment.english_side = EnglishSide::current;
  alignment.examples = AlignedExamples::all;
  expect_alignment_replayed(alignment, 9);
}

TEST(GpuRecordedSteps, HiddenStatesAndAScheduleOfLambdaAreNotReplayed) {
  AlignmentConfig alignment;
  alignment.signal = AlignedSignal::hidden;
  expect_alignment_replayed(alignment, 0);
  alignment.signal = AlignedSignal::routing;
  alignment.lambda_schedule = LambdaSchedule::warmup;  // constant from the middle on: five steps
  expect_alignment_replayed(alignment, 4);
}

}  // namespace
}  // namespace ramoe
