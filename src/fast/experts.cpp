// The experts of chapter 4.2 for float, on blocks of rows that stay in the cache.
//
// The chain of an expert is gather, product, SwiGLU, product. Done for all slots at once, each step
// would read from memory what the step before has just written. Here a block of about kRows slots
// of one expert passes through the whole chain while it is in the L2 cache, and threads share the
// blocks. What a block reads from memory, weights and in backward gate and up, is prefetched during
// the product before it: the processor cannot foresee it.
#include "ch04_moe/experts.h"

#include <algorithm>
#include <vector>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/vector_ops.h"
#include "ch03_transformer/layer_ops.h"
#include "fast/simd.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

constexpr int kRows = 128;                    // of a block, about
constexpr int kMostRows = kRows + kRows / 2;  // rows are cut into the nearest number of blocks

int blocks_of(int rows) {
  return rows > 0 ? std::max(1, (rows + kRows / 2) / kRows) : 0;
}

/// Slots [begin, begin + rows) of expert e. In backward, where the weights' gradient goes:
/// partial < 0: into the gradient itself, otherwise into that place of the partial sums.
struct Piece {
  int e, begin, rows, partial;
};

/// Every expert's slots in pieces(rows) pieces as even as can be; in backward the longest come
/// first, so that no thread is left alone with one at the end.
template <class Pieces>
std::vector<Piece>& pieces_of(const DispatchPlan<float>& plan, int E,
                              const Pieces& pieces_of_rows) {
  thread_local std::vector<Piece> pieces;
  pieces.clear();
  for (int e = 0; e < E; ++e) {
    const int begin = plan.offset[e], rows = plan.offset[e + 1] - begin;
    const int count = pieces_of_rows(rows);
    for (int i = 0; i < count; ++i) {
      const int from = static_cast<int>(std::int64_t{rows} * i / count);
      const int to = static_cast<int>(std::int64_t{rows} * (i + 1) / count);
      pieces.push_back({e, begin + from, to - from, i - 1});
    }
  }
  return pieces;
}

/// Rows of width C and H that one thread works on; grows to the largest asked for.
struct BlockScratch {
  float *x, *act, *dact, *dgu, *dout;
};
BlockScratch block_scratch(int C, int H) {
  thread_local std::vector<float> values;
  const std::size_t c = std::size_t(kMostRows) * std::size_t(C);
  const std::size_t h = std::size_t(kMostRows) * std::size_t(H);
  values.resize(std::max(values.size(), 2 * c + 4 * h));
  float* const at = values.data();
  return {at, at + c, at + c + h, at + c + 2 * h, at + c + 4 * h};
}

/// One row of d SwiGLU, where y = act down and out gets w y. Given gu and da = dout down^T:
///   act = silu(gate) up;  dw = act . da;  with da scaled by w:  dgate, dup;  act scaled by w
RAMOE_INLINE float swiglu_chain_row(float* dgu, float* act, const float* gu, const float* da,
                                    float w, int H) {
  RAMOE_INDEPENDENT
  for (int h = 0; h < H; ++h) {
    const float gate = gu[h], up = gu[H + h], s = sigmoid(gate), silu = gate * s;
    const float da_h = w * da[h];
    dgu[h] = da_h * up * (s + silu * (1.0f - s));
    dgu[H + h] = da_h * silu;
    act[h] = silu * up;
  }
  const float dw = dot(act, da, H);
  for (int h = 0; h < H; ++h) act[h] *= w;
  return dw;
}

/// What each expert's weights take, and where expert e's begin.
struct WeightSizes {
  std::size_t up, down;
  explicit WeightSizes(const ExpertDims& d)
      : up(std::size_t(d.C) * 2 * std::size_t(d.H)), down(std::size_t(d.H) * std::size_t(d.C)) {}
};

/// The expert that the thread of piece i will most likely go on with.
std::size_t expert_after(const std::vector<Piece>& pieces, int i, int threads) {
  const std::size_t next = static_cast<std::size_t>(i) + static_cast<std::size_t>(threads);
  return static_cast<std::size_t>(pieces[std::min(next, pieces.size() - 1)].e);
}

Soon soon_of(const float* from, std::size_t count) {
  return {from, count * sizeof(float)};
}
}  // namespace

template <>
void experts_forward(float* y, float* gu, const float* x, const float* gate_up, const float* down,
                     const DispatchPlan<float>& plan, const ExpertDims& d) {
  const int C = d.C, H = d.H;
  const WeightSizes size(d);
  const std::vector<Piece>& pieces = pieces_of(plan, d.E, blocks_of);
  const int threads = threads_in_force();
  parallel_for(static_cast<int>(pieces.size()), 1, [&](int i, int) {
    const Piece p = pieces[std::size_t(i)];
    const std::size_t e = std::size_t(p.e);
    const std::size_t next = expert_after(pieces, i, threads);
    const BlockScratch mine = block_scratch(C, H);
    float* gu_p = row(gu, p.begin, 2 * H);
    gather_rows_forward(mine.x, x, plan.token_from_slot + p.begin, p.rows, C);
    gemm_serial(Gemm<float>{GemmForm::NN, p.rows, 2 * H, C, mine.x, C, gate_up + e * size.up, 2 * H,
                            gu_p, 2 * H, false, d.precision,
                            soon_of(down + e * size.down, size.down)});
    swiglu_forward(mine.act, gu_p, p.rows, H);
    gemm_serial(Gemm<float>{GemmForm::NN, p.rows, C, H, mine.act, H, down + e * size.down, C,
                            row(y, p.begin, C), C, false, d.precision,
                            soon_of(gate_up + next * size.up, size.up)});
  });
}

namespace {

/// experts_backward for at most kMostRows slots of one expert.
void backward_block(float* dxs, float* dgate, const ExpertsGradient<float>& dw,
                    const ExpertsInput<float>& in, const float* gu, const float* dout,
                    const DispatchPlan<float>& plan, const ExpertDims& d, const Piece& p,
                    const Soon& next_down) {
  const int C = d.C, H = d.H;
  const WeightSizes size(d);
  const std::size_t e = std::size_t(p.e);
  const BlockScratch mine = block_scratch(C, H);
  const int* token = plan.token_from_slot + p.begin;
  // out = combine(y, gate), y = act down:  dact = dout down^T, not yet times gate
  gather_rows_forward(mine.dout, dout, token, p.rows, C);
  gemm_serial(Gemm<float>{
      GemmForm::NT, p.rows, H, C, mine.dout, C, in.down + e * size.down, C, mine.dact, H, false,
      d.precision, soon_of(row(gu, p.begin, 2 * H), std::size_t(p.rows) * 2 * std::size_t(H))});
  // act = swiglu(gu), computed again;  dgate = dact . act
  for (int r = 0; r < p.rows; ++r) {
    const int choice = plan.choice_from_slot[p.begin + r];
    const float dweight = simd<swiglu_chain_row>(row(mine.dgu, r, 2 * H), row(mine.act, r, H),
                                                 row(gu, p.begin + r, 2 * H), row(mine.dact, r, H),
                                                 in.gate[choice], H);
    if (dgate) dgate[choice] += dweight;
  }
  // ddown += (gate act)^T dout
  if (dw.down)
    gemm_serial(Gemm<float>{GemmForm::TN, H, C, p.rows, mine.act, H, mine.dout, C, dw.down, C,
                            !dw.down_fresh, d.precision,
                            soon_of(in.gate_up + e * size.up, size.up)});
  // gu = x gate_up:  dgate_up += x^T dgu,  dxs = dgu gate_up^T
  if (dw.gate_up) {
    gather_rows_forward(mine.x, in.x, token, p.rows, C);
    gemm_serial(Gemm<float>{GemmForm::TN, C, 2 * H, p.rows, mine.x, C, mine.dgu, 2 * H, dw.gate_up,
                            2 * H, !dw.gate_up_fresh, d.precision, next_down});
  }
  if (dxs)
    gemm_serial(Gemm<float>{GemmForm::NT, p.rows, C, 2 * H, mine.dgu, 2 * H,
                            in.gate_up + e * size.up, 2 * H, row(dxs, p.begin, C), C, false,
                            d.precision});
}

/// Slots after which an expert's gradient goes on in a partial sum of its own, so that several
/// threads can work on one busy expert. Whole blocks, and enough of them that a partial sum is
/// smaller than the rows that went into it. Depends on the sizes alone, as the bits do.
int rows_per_sum(const ExpertDims& d) {
  const std::int64_t weights = std::int64_t{3} * d.C * d.H, row = 2 * d.C + 4 * d.H;
  const std::int64_t blocks = (weights / row + kRows - 1) / kRows;
  return static_cast<int>(std::max<std::int64_t>(4, blocks)) * kRows;
}
int sums_of(int rows, const ExpertDims& d) {
  const int most = rows_per_sum(d);
  return (rows + most - 1) / most;
}

}  // namespace

template <>
std::size_t experts_scratch<float>(const ExpertDims& d) {
  // An expert of r rows has less than r / rows_per_sum partial sums of its 3 C H weights.
  const std::int64_t sums = std::int64_t{d.N} * d.K / rows_per_sum(d);
  return std::size_t(sums) * 3 * std::size_t(d.C) * std::size_t(d.H);
}

template <>
void experts_backward(float* dxs, float* dgate, const ExpertsGradient<float>& all, float* scratch,
                      const ExpertsInput<float>& in, const float* gu, const float* dout,
                      const DispatchPlan<float>& plan, const ExpertDims& d) {
  if (dgate && all.dgate_fresh) clear(dgate, std::size_t(d.N) * std::size_t(d.K));
  const WeightSizes size(d);
  const std::size_t each = size.up + size.down;
  std::vector<Piece>& pieces = pieces_of(plan, d.E, [&](int rows) { return sums_of(rows, d); });
  const int threads = threads_in_force();
  int count = 0;
  for (Piece& p : pieces)
    if (p.partial >= 0) p.partial = count++;
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece& a, const Piece& b) { return a.rows > b.rows; });
  parallel_for(static_cast<int>(pieces.size()), 1, [&](int i, int) {
    const Piece p = pieces[std::size_t(i)];
    const std::size_t e = std::size_t(p.e);
    ExpertsGradient<float> dw = all;
    if (p.partial >= 0) {
      float* const mine = scratch + std::size_t(p.partial) * each;
      dw = {all.gate_up ? mine : nullptr, all.down ? mine + size.up : nullptr, true, true};
    } else {
      if (dw.gate_up) dw.gate_up += e * size.up;
      if (dw.down) dw.down += e * size.down;
    }
    const int blocks = blocks_of(p.rows);
    const Soon next_down =
        soon_of(in.down + expert_after(pieces, i, threads) * size.down, size.down);
    for (int b = 0; b < blocks; ++b) {
      const int from = static_cast<int>(std::int64_t{p.rows} * b / blocks);
      const int to = static_cast<int>(std::int64_t{p.rows} * (b + 1) / blocks);
      backward_block(dxs, dgate, dw, in, gu, dout, plan, d, {p.e, p.begin + from, to - from, 0},
                     b + 1 < blocks ? Soon{} : next_down);
      dw.gate_up_fresh = dw.down_fresh = false;
    }
  });
  // The partial sums, in the order of the slots.
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
  for (const Piece& p : pieces) {
    if (p.partial < 0) continue;
    const std::size_t e = std::size_t(p.e);
    const float* const theirs = scratch + std::size_t(p.partial) * each;
    if (all.gate_up) axpy(all.gate_up + e * size.up, 1.0f, theirs, size.up);
    if (all.down) axpy(all.down + e * size.down, 1.0f, theirs + size.up, size.down);
  }
  // Experts that nobody visited.
  for (int e = 0; e < d.E; ++e) {
    if (plan.offset[e + 1] > plan.offset[e]) continue;
    const std::size_t at = static_cast<std::size_t>(e);
    if (all.gate_up && all.gate_up_fresh) std::fill_n(all.gate_up + at * size.up, size.up, 0.0f);
    if (all.down && all.down_fresh) std::fill_n(all.down + at * size.down, size.down, 0.0f);
  }
}

template <>
void plan_dispatch(const DispatchPlan<float>& plan, const int* chosen,
                   const unsigned char* is_token, int N, int E, int K) {
  const DispatchPlan<double> same{plan.offset, plan.token_from_slot, plan.choice_from_slot,
                                  plan.slot_from_choice};
  plan_dispatch(same, chosen, is_token, N, E, K);
}

namespace {
RAMOE_INLINE void combine_rows(float* out, const float* y, const float* gate, const int* slot,
                               int rows, int K, int C, bool add) {
  for (int n = 0; n < rows; ++n, out += C, slot += K) {
    if (!add)
      for (int c = 0; c < C; ++c) out[c] = 0;
    for (int k = 0; k < K; ++k) {
      if (slot[k] < 0) continue;
      const float* y_k = y + std::size_t(slot[k]) * std::size_t(C);
      const float weight = gate ? gate[n * K + k] : 1.0f;
      for (int c = 0; c < C; ++c) out[c] += weight * y_k[c];
    }
  }
}
}  // namespace

template <>
void combine(float* out, const float* y, const float* gate, const int* slot_from_choice, int N,
             int K, int C, bool accumulate) {
  parallel_for(N, rows_per_block(C), [&](int begin, int end) {
    simd<combine_rows>(row(out, begin, C), y, gate ? row(gate, begin, K) : nullptr,
                       row(slot_from_choice, begin, K), end - begin, K, C, accumulate);
  });
}

template <>
void sigmoid_gate_forward(float* out, const float* s, const float* y, int N, int C) {
  for (int n = 0; n < N; ++n)
    for (int c = 0; c < C; ++c) row(out, n, C)[c] = sigmoid(s[n]) * row(y, n, C)[c];
}

template <>
void sigmoid_gate_backward(float* ds, float* dy, const float* s, const float* y, const float* dout,
                           int N, int C) {
  for (int n = 0; n < N; ++n) {
    const float g = sigmoid(s[n]), *dout_n = row(dout, n, C);
    float product = 0;
    for (int c = 0; c < C; ++c) {
      product += dout_n[c] * row(y, n, C)[c];
      if (dy) row(dy, n, C)[c] += g * dout_n[c];
    }
    if (ds) ds[n] += g * (1.0f - g) * product;
  }
}

}  // namespace ramoe
