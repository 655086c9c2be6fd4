// Lab 6: tokens sorted by expert, through their experts, and combined again.
#include "ch04_moe/experts.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

struct Plan {
  std::vector<int> offset, token, choice, slot;
};
Plan planned(const std::vector<int>& chosen, const std::vector<unsigned char>& is_token, int E,
             int K) {
  const int N = int(is_token.size());
  Plan p{std::vector<int>(std::size_t(E + 1), -9), std::vector<int>(chosen.size(), -9),
         std::vector<int>(chosen.size(), -9), std::vector<int>(chosen.size(), -9)};
  plan_dispatch<double>({p.offset.data(), p.token.data(), p.choice.data(), p.slot.data()},
                        chosen.data(), is_token.data(), N, E, K);
  return p;
}

TEST(Lab06Dispatch, CountsTheRowsOfEachExpert) {
  const Plan p = planned({2, 0, 2, 2}, {1, 1, 1, 1}, 4, 1);
  expect_numbers(
      p.offset, {0, 1, 1, 4, 4},
      "expert e has the slots from offset[e] to offset[e+1]: running sums of the counts");
}

TEST(Lab06Dispatch, SlotsAreInTokenOrderWithinAnExpert) {
  const Plan p = planned({2, 0, 2, 2}, {1, 1, 1, 1}, 4, 1);
  expect_numbers(p.token, {1, 0, 2, 3}, "expert 0 has token 1; expert 2 has 0, 2 and 3, in order");
}

TEST(Lab06Dispatch, EveryChoiceOfATokenHasItsSlot) {
  // Token 0 visits 1 and 0, token 1 visits 1 and 2.
  const Plan p = planned({1, 0, 1, 2}, {1, 1}, 3, 2);
  expect_numbers(p.choice, {1, 0, 2, 3}, "choice_from_slot is n K + k");
  expect_numbers(p.slot, {1, 0, 2, 3}, "slot_from_choice leads back: slot of (n,k)");
  for (std::size_t s = 0; s < 4; ++s)
    EXPECT_EQ(p.slot[std::size_t(p.choice[s])], int(s)) << "the two are inverse to each other";
}

TEST(Lab06Dispatch, PaddingVisitsNobody) {
  const Plan p = planned({0, 1, 0, 1, 0, 1}, {1, 0, 1}, 2, 2);
  expect_numbers(p.offset, {0, 2, 4}, "rows with is_token[n] == 0 are not counted");
  expect_numbers(p.slot, {0, 2, -1, -1, 1, 3}, "choices of padding have slot -1");
}

TEST(Lab06Dispatch, CombineWeighsTheSlots) {
  const Doubles y = {1, 10, 2, 20, 3, 30, 4, 40}, gate = {0.5, 0.25, 2, 1};
  const std::vector<int> slot = {3, 0, 1, 2};
  Fenced<double> out(4);
  combine<double>(out.data(), y.data(), gate.data(), slot.data(), 2, 2, 2);
  expect_values(out, {2.25, 22.5, 7, 70}, "out[n] = sum over k of gate[n,k] y[slot of (n,k)]");
}

TEST(Lab06Dispatch, CombineLeavesPaddingZero) {
  const Doubles y = {std::nan(""), 5, 7}, gate = {1, 1};  // what slot -1 would read is no number
  const std::vector<int> slot = {-1, 1};
  Fenced<double> out(2);
  combine<double>(out.data(), y.data() + 1, gate.data(), slot.data(), 2, 1, 1);
  expect_values(out, {0, 7}, "slot -1: nothing is added, and out begins at 0");
}

TEST(Lab06Dispatch, CombineWithoutGatesAndOntoOldValues) {
  const Doubles y = {5, 7};
  const std::vector<int> slot = {1, 0};
  Doubles out = {100};
  combine<double>(out.data(), y.data(), nullptr, slot.data(), 1, 2, 1, true);
  expect_values(out, {112}, "gate null: all 1; accumulate: added to what is there");
}

TEST(Lab06Dispatch, AnExpertByHand) {
  // One token, one expert, C = H = 1: gate = 2 x, up = 3 x, y = 5 silu(gate) up.
  const Plan p = planned({0}, {1}, 1, 1);
  const DispatchPlan<double> plan{
      const_cast<int*>(p.offset.data()), const_cast<int*>(p.token.data()),
      const_cast<int*>(p.choice.data()), const_cast<int*>(p.slot.data())};
  const double x = 1, gate_up[] = {2, 3}, down = 5;
  Fenced<double> y(1), gu(2);
  experts_forward(y.data(), gu.data(), &x, gate_up, &down, plan, {1, 1, 1, 1, 1});
  expect_values(gu, {2, 3}, "gu is x gate_up: the gate first, then up");
  expect_values(y, {5 * 3 * 2 / (1 + std::exp(-2.0))}, "y = down( silu(gate) * up )");
}

TEST(Lab06Dispatch, EverySlotUsesTheWeightsOfItsExpert) {
  // Two experts whose down is 1 and 100; gate and up are x. Tokens 1, 2, 3.
  Plan p = planned({1, 0, 1}, {1, 1, 1}, 2, 1);
  const DispatchPlan<double> plan{p.offset.data(), p.token.data(), p.choice.data(), p.slot.data()};
  const Doubles x = {1, 2, 3}, gate_up = {1, 1, 1, 1}, down = {1, 100};
  Fenced<double> y(3), gu(6);
  experts_forward(y.data(), gu.data(), x.data(), gate_up.data(), down.data(), plan,
                  {3, 2, 1, 1, 1});
  const auto out = [](double v) { return v * v / (1 + std::exp(-v)); };
  expect_values(y, {out(2), 100 * out(1), 100 * out(3)},
                "slot s holds the row token_from_slot[s]; its expert is the e with offset[e] <= s");
}

}  // namespace
}  // namespace ramoe
