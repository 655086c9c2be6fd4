// Hidden checks of lab 7: steps of AdamW and learning rates. Keys: seed n steps clip decay, spoilt
// (a step whose gradient is infinite).
#include <limits>

#include "ch05_training/adamw.h"
#include "ch05_training/schedule.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  const std::size_t n = std::size_t(given.number("n"));
  std::vector<double> w = given.normals(2 * n, 1), m(2 * n), v(2 * n);
  for (int t = 1; t <= given.number("steps"); ++t) {
    auto g = given.normals(2 * n, 10 + std::uint64_t(t), 1.0 / t);
    if (t == given.number("spoilt", 0)) g[n] = std::numeric_limits<double>::infinity();
    const AdamWChunk<double> chunks[] = {
        {w.data(), m.data(), v.data(), g.data(), int(n), true},
        {w.data() + n, m.data() + n, v.data() + n, g.data() + n, int(n), false}};
    const AdamWRule rule = {
        0.01 * t, given.real("clip", 0), t, {0.8, 0.9, 1e-6, given.real("decay", 0.1)}};
    AdamWOutcome outcome;
    const double loss = 1;
    adamw_step(&outcome, chunks, 2, &rule, &loss, 1);
    print("norm" + std::to_string(t), outcome.norm);
    print("done" + std::to_string(t), outcome.done ? 1 : 0);
  }
  print("w", w);
  print("m", m);
  print("v", v);
  for (const Decay decay : {Decay::cosine, Decay::constant}) {
    std::vector<double> rates;
    const Schedule schedule = {0.02, 20, given.number("warmup", 5), 0.2, decay};
    for (int step = 0; step < 25; ++step) rates.push_back(learning_rate(schedule, step));
    print(decay == Decay::cosine ? "rates" : "rates_constant", rates);
  }
  print_refusal("no_step_before_0", [] { learning_rate({}, -1); });
}
