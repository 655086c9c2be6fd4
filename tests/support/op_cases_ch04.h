// The operations of chapters 3.5 (the key/value cache), 4 and 5.1.
#pragma once

#include "ch01_tensor/vector_ops.h"
#include "ch03_transformer/generate.h"
#include "ch04_moe/experts.h"
#include "ch05_training/adamw.h"
#include "support/op_case.h"

namespace ramoe {

/// Flags of N rows of which every fourth, from the second on, is not set; and how many are. A
/// training step has no padding here: with kAllRows among the dims all are set.
inline constexpr int kAllRows = -1;
inline bool has_all_rows(const Dims& d) {
  return !d.empty() && d.back() == kAllRows;
}
inline std::vector<unsigned char> most_rows(int N, const Dims& d = {}) {
  std::vector<unsigned char> flags(std::size_t(N), 1);
  for (int n = 1; n < N && !has_all_rows(d); n += 4) flags[std::size_t(n)] = 0;
  return flags;
}
inline int most_rows_count(int N, const Dims& d = {}) {
  return has_all_rows(d) ? N : N - (N + 2) / 4;
}

/// A routing with given gates (N,K): neighbours among the experts, from a random one on. Expert
/// E-1 is left out if there is one more than K.
template <class T>
Routing<T> random_routing(Tape<T>& tape, const Tensor<T>& gate, int E) {
  Routing<T> r;
  r.N = gate.rows();
  r.E = E;
  r.K = gate.columns();
  r.gate = gate;
  Random random(5, 84);
  std::vector<int> chosen;
  const int used = std::max(r.K, E - 1);
  for (int n = 0; n < r.N; ++n) {
    const int first = int(random.below(std::uint32_t(used)));
    for (int k = 0; k < r.K; ++k) chosen.push_back((first + k) % used);
  }
  r.chosen.expert = kept_indices(tape, chosen);
  return r;
}

/// The inputs of experts_shared: x, gates, gate_up, down, what is added; gate_up, gate and down of
/// the shared expert of width S; the router, and a matrix that takes its logits to the output.
inline std::vector<Shape> shared_shapes(int N, int C, int K, int E, int H, int S) {
  return {{N, C},     {N, K}, {E, C, 2 * H}, {E, H, C}, {N, C},
          {C, 2 * S}, {C, 1}, {S, C},        {C, E},    {E, C}};
}

/// Three steps of AdamW from w with gradient g, first moments m and second moments v^2: w.
template <class T>
Tensor<T> adamw_steps(Tape<T>& tape, const Inputs<T>& in, bool decays) {
  const int n = int(in[0].count());
  AdamWChunk<T> chunk{tape.template keep<T>(std::size_t(n)),
                      tape.template keep<T>(std::size_t(n)),
                      tape.template keep<T>(std::size_t(n)),
                      in[1].data,
                      n,
                      decays};
  T* const to[] = {chunk.w, chunk.m, chunk.v};
  for (std::size_t i = 0; i < 3; ++i)
    copy_values(to[i], in[i == 0 ? 0 : i + 1].data, std::size_t(n));
  auto* outcome = tape.template keep<Beside<T, AdamWOutcome>>(1);
  const AdamWOutcome before;
  copy_in(outcome, &before, 1);
  const auto place = [&]<class Value>(const Value& value) {
    auto* there = tape.template keep<Beside<T, Value>>(1);
    copy_in(there, &value, 1);
    return there;
  };
  for (int t = 5; t < 8; ++t)
    adamw_step<T>(outcome, place(chunk), 1, place(AdamWRule{0.01, 1, t, {}}), in[0].data, n);
  return tape.constant(chunk.w, in[0].shape);
}

inline std::vector<OpCase> op_cases_ch04() {
  const auto small = [](double x) { return 0.2 * x; };
  return {
      OpCase("append_rows",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const int B = d[0], length = d[1], capacity = d[2], width = in[0].columns();
               const std::size_t count = std::size_t(B * capacity * width);
               T* cache = tape.template keep<T>(count);
               clear(cache, count);
               std::vector<int> cached, lengths;  // ragged
               for (int b = 0; b < B; ++b)
                 cached.push_back(b % 3), lengths.push_back(length - b % 2);
               append_rows<T>(cache, in[0].data, kept_indices(tape, cached),
                              kept_indices(tape, lengths), B, length, capacity, width);
               return tape.constant(cache, {B * capacity, width});
             })
          .constant(0)
          .large({{3 * 4, 5}}, {3, 4, 7})
          .large({{1, 1}}, {1, 1, 1})
          .within(1e-30, "values are copied")
          .covers({"append_rows"}),
      OpCase("route",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               return route<T>(tape, in[0], in[1], d[0], d[1] != 0).gate;
             })
          .size({{5, 3}, {3, 4}}, {2, 0})
          .size({{5, 3}, {3, 4}}, {2, 1})
          .size({{1, 1}, {1, 1}}, {1, 0})
          .size({{3, 2}, {2, 5}}, {5, 1})
          .large({{300, 17}, {17, 33}}, {8, 0})
          .large({{300, 17}, {17, 33}}, {8, 1})
          .within(2e-5, "dw sums 300 products with gradients of size 1")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double nc = 1.0 * s.N * s.C, ne = 1.0 * s.N * s.E, ce = 1.0 * s.C * s.E;
            const double nk = 1.0 * s.N * s.K;
            return {{"route",
                     cat("(", s.N, ",", s.C, ") to ", s.K, " of ", s.E),
                     {{{s.N, s.C}, {s.C, s.E}}, {s.K, 0}},
                     {2 * nc * s.E, nc + ce + 2 * ne + 2 * nk},
                     {4 * nc * s.E, 2 * nc + 3 * ce + ne + 3 * nk},
                     {1}}};
          }),
      OpCase("balance_loss",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const int N = in[0].rows();
               const Count<T> rows = tape.keep_count(most_rows_count(N, d));
               const Flag<T>* scored = kept_flags(tape, most_rows(N, d));
               const Routing<T> routing = route<T>(tape, in[0], in[1], d[0], false);
               return [=, &tape] { return balance_loss<T>(tape, routing, scored, rows); };
             })
          .size({{5, 3}, {3, 4}}, {2})
          .size({{1, 1}, {1, 1}}, {1})
          .size({{4, 17}, {17, 7}}, {3})
          .large({{300, 16}, {16, 8}}, {2})
          .within(1e-5, "sums of 300 floats of size 1/300")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double ne = 1.0 * s.N * s.E, nk = 1.0 * s.N * s.K;
            return {{"balance_loss",
                     cat("(", s.N, ",", s.E, ")"),
                     {{{s.N, s.C}, {s.C, s.E}}, {s.K, kAllRows}},
                     {0, ne + nk},
                     {0, 2 * ne}}};
          })
          .covers({"add_choices", "choice_shares", "add_probabilities", "balance_forward",
                   "balance_backward"}),
      OpCase("pooled_balance_loss",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const int N = in[0].rows();
               return pooled_balance_loss<T>(tape,
                                             {route<T>(tape, in[0], in[1], d[0], false),
                                              route<T>(tape, in[0], in[2], d[0], true)},
                                             kept_flags(tape, most_rows(N)),
                                             tape.keep_count(most_rows_count(N)));
             })
          .size({{5, 3}, {3, 4}, {3, 4}}, {2})
          .large({{300, 16}, {16, 8}, {16, 8}}, {2})
          .within(1e-5, "sums of 300 floats of size 1/300")
          .covers({}),
      OpCase("z_loss",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const int N = in[0].rows();
               const Count<T> rows = tape.keep_count(most_rows_count(N, d));
               const Flag<T>* scored = kept_flags(tape, most_rows(N, d));
               const Routing<T> routing = route<T>(tape, in[0], in[1], 1, false);
               return [=, &tape] { return z_loss<T>(tape, routing, scored, rows); };
             })
          .size({{5, 3}, {3, 4}})
          .size({{1, 1}, {1, 1}})
          .large({{300, 16}, {16, 33}})
          .within(1e-5, "sums of 300 floats of size 1/300")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double ne = 1.0 * s.N * s.E;
            return {{"z_loss",
                     cat("(", s.N, ",", s.E, ")"),
                     {{{s.N, s.C}, {s.C, s.E}}, {kAllRows}},
                     {0, ne},
                     {0, 2 * ne}}};
          }),
      OpCase("experts",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const Flag<T>* is_token = kept_flags(tape, most_rows(in[0].rows(), d));
               const Routing<T> routing = random_routing<T>(tape, in[1], in[2].shape[0]);
               return
                   [=, &tape] { return experts<T>(tape, in[0], routing, in[2], in[3], is_token); };
             })
          .input(2, small)
          .input(3, small)
          .size({{5, 3}, {5, 2}, {4, 3, 4}, {4, 2, 3}})
          .size({{1, 1}, {1, 1}, {1, 1, 2}, {1, 1, 1}})
          .size({{4, 17}, {4, 3}, {3, 17, 2}, {3, 1, 17}})
          .large({{300, 64}, {300, 2}, {5, 64, 64}, {5, 32, 64}})
          // Busy experts: more slots than one sum of a gradient takes.
          .large({{1700, 5}, {1700, 1}, {3, 5, 14}, {3, 7, 5}})
          .within(2e-5, "gradients of weights sum up to 1000 products of size 1")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            // Dispatched rows and intermediate values are internal to the operation.
            const double nk = 1.0 * s.N * s.K, nc = 1.0 * s.N * s.C, w = 3.0 * s.E * s.C * s.H;
            return {{"experts",
                     cat(s.N * s.K, " rows, E=", s.E, " C=", s.C, " H=", s.H),
                     {{{s.N, s.C}, {s.N, s.K}, {s.E, s.C, 2 * s.H}, {s.E, s.H, s.C}}, {kAllRows}},
                     {6 * nk * s.C * s.H, 2 * nc + w + nk},
                     {12 * nk * s.C * s.H, 3 * nc + 3 * w + 2 * nk},
                     {2, 3}}};
          })
          .covers({"plan_dispatch", "experts_forward", "experts_backward", "combine"}),
      OpCase("experts_plus",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const Flag<T>* is_token = kept_flags(tape, most_rows(in[0].rows(), d));
               const Routing<T> routing = random_routing<T>(tape, in[1], in[2].shape[0]);
               return experts<T>(tape, in[0], routing, in[2], in[3], is_token, in[4]);
             })
          .input(2, small)
          .input(3, small)
          .covers({})
          .size({{5, 3}, {5, 2}, {4, 3, 4}, {4, 2, 3}, {5, 3}})
          .size({{6, 8}, {6, 3}, {5, 8, 8}, {5, 4, 8}, {6, 8}})
          .within(2e-5, "as experts"),
      OpCase("experts_shared",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const Flag<T>* is_token = kept_flags(tape, most_rows(in[0].rows(), d));
               SharedExpert<T> shared{in[5], in[6], in[7]};
               const Tensor<T> z = router_logits(tape, in[0], in[8], shared).z;
               Routing<T> routing = random_routing<T>(tape, in[1], in[2].shape[0]);
               const Tensor<T> y =
                   experts<T>(tape, in[0], routing, in[2], in[3], is_token, in[4], shared);
               return linear_plus(tape, y, z, in[9]);
             })
          .input(2, small)
          .input(3, small)
          .input(5, small)
          .input(7, small)
          .covers({})
          .size(shared_shapes(5, 3, 2, 4, 2, 3))
          .size(shared_shapes(1, 1, 1, 1, 1, 1))
          .size(shared_shapes(6, 8, 3, 5, 4, 8))
          .large(shared_shapes(300, 64, 2, 5, 32, 48))
          .within(1e-4, "sums of 300 products of sums of 64"),
      OpCase("sigmoid_gate",
             [](auto& tape, const auto& in) { return sigmoid_gate(tape, in[0], in[1]); })
          .size({{4, 1}, {4, 5}})
          .size({{1, 1}, {1, 1}})
          .large({{300, 1}, {300, 33}})
          .within(5e-6, "ds sums 33 products")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double nc = 1.0 * s.N * s.C;
            const Shape x{s.N, s.C};
            return {{"sigmoid_gate", cat(x), {{{s.N, 1}, x}, {}}, {0, 2 * nc}, {0, 3 * nc}}};
          }),
      OpCase("adamw_step",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               return adamw_steps<T>(tape, in, d[0] != 0);
             })
          .constant(0)
          .constant(1)
          .constant(2)
          .constant(3)
          .input(3, [](double x) { return x * x; })
          .large({{7}, {7}, {7}, {7}}, {0})
          .large({{1000}, {1000}, {1000}, {1000}}, {1})
          .within(5e-6, "a dozen roundings of float")
          .covers({"adamw_step"}),
  };
}

}  // namespace ramoe
