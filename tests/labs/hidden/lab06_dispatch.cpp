// Hidden checks of lab 6: the plan, the experts, their combination. Keys: seed N E K C H, padding
// (share of rows), crowded (1: all tokens choose the first experts).
#include "ch04_moe/experts.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  const ExpertDims d = {given.number("N"), given.number("E"), given.number("K"), given.number("C"),
                        given.number("H")};
  const auto cells = [](int rows, int columns) { return std::size_t(rows) * std::size_t(columns); };
  Random draws = given.random(1);
  std::vector<int> chosen, experts;
  std::vector<unsigned char> is_token;
  for (int e = 0; e < d.E; ++e) experts.push_back(e);
  for (int n = 0; n < d.N; ++n) {
    if (given.number("crowded", 0) == 0) draws.shuffle(experts);
    chosen.insert(chosen.end(), experts.begin(), experts.begin() + d.K);
    is_token.push_back(draws.uniform() >= given.real("padding", 0.25));
  }
  std::vector<int> offset(std::size_t(d.E + 1), -9), token(chosen.size(), -9);
  std::vector<int> choice(chosen.size(), -9), slot(chosen.size(), -9);
  const DispatchPlan<double> plan = {offset.data(), token.data(), choice.data(), slot.data()};
  plan_dispatch(plan, chosen.data(), is_token.data(), d.N, d.E, d.K);
  print_all("offset", offset);
  print_all("slot", slot);
  // Beyond the slots that are used nothing is specified.
  const std::size_t used = std::size_t(std::max(0, std::min(offset.back(), d.N * d.K)));
  print_all("token", std::vector<int>(token.begin(), token.begin() + std::ptrdiff_t(used)));
  print_all("choice", std::vector<int>(choice.begin(), choice.begin() + std::ptrdiff_t(used)));

  const auto x = given.normals(cells(d.N, d.C), 2);
  const auto gate_up = given.normals(cells(d.E, 2 * d.H * d.C), 3);
  const auto down = given.normals(cells(d.E, d.C * d.H), 4), gate = given.normals(slot.size(), 5);
  std::vector<double> y(cells(d.N * d.K, d.C)), gu(cells(d.N * d.K, 2 * d.H));
  experts_forward(y.data(), gu.data(), x.data(), gate_up.data(), down.data(), plan, d);
  print("y", std::vector<double>(y.begin(), y.begin() + std::ptrdiff_t(used * std::size_t(d.C))));
  std::vector<double> out(x.size(), 3.0);
  combine<double>(out.data(), y.data(), nullptr, slot.data(), d.N, d.K, d.C, true);
  print("combined_on_top", out);
  combine(out.data(), y.data(), gate.data(), slot.data(), d.N, d.K, d.C);
  print("combined", out);
}
