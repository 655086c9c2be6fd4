// Lab 16: the product with coalesced loads, with tiles in shared memory, and with sums in the
// registers of a thread.
// Emulated, every access watched and counted: sectors of 32 bytes that a warp's request takes, and
// turns of the banks.
#include "cuda/ch01_tensor/gemm_ladder.h"
#include "cuda/emulation/traffic.h"
#include "cuda/orders.h"
#include "cuda/watched.h"
#include "labs/lab.h"
#include "support/texts.h"

namespace ramoe {
namespace {

using Multiply = void (*)(const Gemm<GpuFloat>&);

Multiply rung(const std::string& name) {
  for (const GpuGemmRung& r : gpu_gemm_ladder())
    if (r.name == name) return r.multiply;
  ADD_FAILURE() << "the ladder has no rung " << name;
  return nullptr;
}

struct Size {
  int M, N, K;
};

/// What a rung makes of random matrices, and what it should; or the error of its kernel.
struct Multiplied {
  std::string error;
  Doubles found, expected;
};
Multiplied multiplied(const std::string& name, GemmForm form, const Size& s, bool accumulate) {
  const auto cells = [](int rows, int columns) { return std::size_t(rows * columns); };
  const auto A = random_values<float>(cells(s.M, s.K), 1),
             B = random_values<float>(cells(s.K, s.N), 2);
  const auto C = random_values<float>(cells(s.M, s.N), 3);
  GpuVector<GpuFloat> a(A.size()), b(B.size()), c(C.size());
  copy_in(a.data(), A.data(), A.size());
  copy_in(b.data(), B.data(), B.size());
  copy_in(c.data(), C.data(), C.size());
  const int lda = form == GemmForm::TN ? s.M : s.K, ldb = form == GemmForm::NT ? s.K : s.N;
  Multiplied m;
  m.error = error_of([&] {
    rung(name)({form, s.M, s.N, s.K, a.data(), lda, b.data(), ldb, c.data(), s.N, accumulate});
  });
  std::vector<float> found(C.size());
  copy_out(found.data(), c.data(), found.size());
  m.found.assign(found.begin(), found.end());
  const Gemm<float> g{form, s.M, s.N, s.K, A.data(), lda, B.data(), ldb, nullptr, s.N, accumulate};
  const Operand<float> at_a = operand_a(g), at_b = operand_b(g);
  for (int i = 0; i < s.M; ++i)
    for (int j = 0; j < s.N; ++j) {
      double sum = accumulate ? double(C[std::size_t(i * s.N + j)]) : 0;
      for (int k = 0; k < s.K; ++k) sum += double(at_a(i, k)) * double(at_b(k, j));
      m.expected.push_back(sum);
    }
  return m;
}

/// What an error of the emulation usually means; of any other, what a wrong result would.
std::string usually(const std::string& error, const std::string& means) {
  const auto says = [&](const char* words) { return mentions(error, words); };
  if (says("that no thread of the block has written"))
    return "a barrier is missing between bringing the tiles and reading them, or not all was "
           "brought";
  if (says("nothing says which comes first"))
    return "a barrier is missing between reading the tiles and bringing the next ones";
  if (says("waits for ever"))
    return "a thread returns, or leaves the loop, before a barrier that the others reach";
  if (says("behind an allocation")) return "what lies beyond M, N or K is not to be read";
  return means;
}

class Lab16Product : public Watched {
 protected:
  void TearDown() override { emulation::count_traffic(false); }
  void expect_product(const std::string& name, GemmForm form, const Size& size, bool accumulate,
                      const std::string& means) {
    const Multiplied m = multiplied(name, form, size, accumulate);
    ASSERT_EQ(m.error, "no error") << "  usually: " << usually(m.error, means);
    expect_values(m.found, m.expected, means, 1e-5);
  }
  /// The traffic of a product in gemm_ladder.cu, of device or of shared memory.
  emulation::Traffic traffic_of(const std::string& name, const Size& size, bool shared) {
    emulation::count_traffic(true);
    const Multiplied m = multiplied(name, GemmForm::NN, size, false);
    EXPECT_EQ(m.error, "no error") << "  usually: " << usually(m.error, "the kernel is not done");
    emulation::Traffic all;
    for (const emulation::Traffic& t : emulation::traffic()) {
      if (t.shared != shared) continue;
      all.requests += t.requests;
      all.sectors += t.sectors, all.fewest_sectors += t.fewest_sectors;
      all.turns += t.turns, all.fewest_turns += t.fewest_turns;
    }
    return all;
  }
};

TEST_F(Lab16Product, CoalescedIsTheProduct) {
  expect_product("coalesced", GemmForm::NN, {16, 64, 5}, false,
                 "x of the thread counts columns of C, y its rows");
}
TEST_F(Lab16Product, CoalescedOfAnySizeAndForm) {
  for (const GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN})
    if (!HasFailure())
      expect_product("coalesced", form, {9, 33, 3}, true,
                     "threads beyond M and N must read nothing; p.A, p.B and p.put know the rest");
}
TEST_F(Lab16Product, CoalescedReadsWholeSectors) {
  const emulation::Traffic naive = traffic_of("naive", {32, 32, 16}, false);
  const emulation::Traffic t = traffic_of("coalesced", {32, 32, 16}, false);
  EXPECT_EQ(t.sectors, t.fewest_sectors)
      << "  usually: the 32 threads of a warp (neighbours in x) must read neighbours of B and "
         "write "
         "neighbours of C; then 32 floats are 4 sectors of 32 bytes";
  EXPECT_LT(t.sectors * 3, naive.sectors) << "  the naive kernel takes " << naive.sectors;
}

TEST_F(Lab16Product, SharedOfOneTile) {
  expect_product("shared", GemmForm::NN, {32, 32, 32}, false,
                 "fetch the tiles, barrier, 32 products, barrier");
}
TEST_F(Lab16Product, SharedOfSeveralTiles) {
  expect_product("shared", GemmForm::NN, {32, 64, 96}, false,
                 "the sum goes on from tile to tile: it is set to 0 once");
}
TEST_F(Lab16Product, SharedOfAnySizeAndForm) {
  for (const GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN})
    if (!HasFailure())
      expect_product(
          "shared", form, {33, 5, 35}, true,
          "what lies beyond M, N or K is 0 in the tile; p.put adds if the product accumulates");
}
TEST_F(Lab16Product, SharedInAnyOrderOfThreads) {
  in_each_order([&] {
    expect_product("shared", GemmForm::NN, {32, 32, 64}, false,
                   "the result depends on which thread comes first");
  });
}
TEST_F(Lab16Product, SharedReadsMemoryThirtyTwoTimesLess) {
  const long coalesced = traffic_of("coalesced", {32, 32, 64}, false).sectors;
  const emulation::Traffic t = traffic_of("shared", {32, 32, 64}, false);
  EXPECT_EQ(t.sectors, t.fewest_sectors) << "  usually: neighbours in x fetch neighbours in a row";
  EXPECT_LT(t.sectors * 5, coalesced)
      << "  usually: each value of A and B is fetched once for a tile, not once for each product";
}
TEST_F(Lab16Product, SharedHasNoBankConflicts) {
  const emulation::Traffic t = traffic_of("shared", {32, 32, 32}, true);
  EXPECT_GT(t.requests, 0) << "  usually: the tiles must lie in __shared__ memory";
  EXPECT_EQ(t.turns, t.fewest_turns)
      << "  usually: the lanes of a warp must read one word, or 32 neighbours, of a tile";
}

TEST_F(Lab16Product, RegistersOfAnySizeAndForm) {
  for (const GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN})
    if (!HasFailure())
      expect_product("registers", form, {131, 70, 11}, true,
                     "every value of the block's 128 x 128 has one thread; p.put knows M and N");
}
TEST_F(Lab16Product, RegistersReadSharedMemorySixTimesLess) {
  const Size size = {128, 128, 32};
  const long two_for_each = 2L * size.M * size.N * size.K / 32;  // requests of warps
  const long registers = traffic_of("registers", size, true).requests;
  EXPECT_GT(registers, 0) << "  usually: the tiles must lie in __shared__ memory";
  EXPECT_LT(registers * 6, two_for_each)
      << "  usually: for each k a thread reads 8 values of A and 8 of B once, and makes 64 "
         "multiply-adds of them";
}

}  // namespace
}  // namespace ramoe
