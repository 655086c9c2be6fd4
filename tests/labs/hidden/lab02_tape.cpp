// Hidden checks of lab 2: gradients through shared variables. Keys: seed n, steps.
#include "ch02_autograd/tape_idea.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  SimpleTape tape;
  const std::size_t n = std::size_t(given.number("n"));
  Random draws = given.random(9);
  std::vector<Variable*> all = {&tape.variable(given.normals(n, 1)),
                                &tape.variable(given.normals(n, 2))};
  for (int step = 0; step < given.number("steps"); ++step) {
    Variable& a = *all[draws.below(std::uint32_t(all.size()))];
    Variable& b = *all[draws.below(std::uint32_t(all.size()))];  // may be the same as a
    all.push_back(draws.below(2) == 0 ? &add(tape, a, b) : &multiply(tape, a, b));
  }
  print_all("value", all.back()->value);
  tape.backward(*all.back());
  for (std::size_t i = 0; i < all.size(); ++i)
    print_all("gradient" + std::to_string(i), all[i]->gradient);
}
