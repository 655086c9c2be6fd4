// Lab 12: the experts that a task uses more than other text does.
#include "ch09_task_experts/task_experts.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

TEST(Lab12TaskExperts, ScoresAreDifferences) {
  ExpertConfig config;
  config.tau = 0.1;
  const TaskExperts found = select_experts("t", config, {{0.75, 0.5}}, {{0.25, 0.5}});
  expect_values(found.score.at(0), {0.5, 0}, "usage: score = usage of the task - usage in general");
  expect_numbers(found.experts.at(0), {0}, "selected: score > tau");
}

TEST(Lab12TaskExperts, ExpertsAreAscending) {
  ExpertConfig config;
  config.tau = 0;
  const TaskExperts found = select_experts("t", config, {{0.1, 0, 0.3, 0.2}}, {{0, 0.5, 0, 0}});
  expect_numbers(found.experts.at(0), {0, 2, 3}, "chosen by falling score, listed by number");
}

TEST(Lab12TaskExperts, MassOfTheExperts) {
  expect_values(mass_of({{0.5, 0.25, 0.25}, {0.125, 0.375, 0.5}}, {{0, 2}, {1}}), {0.75, 0.375},
                "for each layer the sum of q over its task experts");
}

TEST(Lab12TaskExperts, EachLayerByItself) {
  ExpertConfig config;
  config.rule = ExpertRule::esft;
  config.cumulative = 0.6;
  const TaskExperts found = select_experts("t", config, {{1, 1, 0, 0}, {0, 0, 0.5, 1.5}}, {});
  expect_numbers(found.experts.at(0), {0, 1}, "esft: the fewest whose usage sums to 0.6 of 2");
  expect_numbers(found.experts.at(1), {3}, "esft: here one expert is enough");
}

}  // namespace
}  // namespace ramoe
