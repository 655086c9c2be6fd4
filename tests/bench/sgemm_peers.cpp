// Our matrix product beside OpenBLAS and oneDNN, over the 72 sizes of src/bench/bench_sizes.h
//
//   sgemm_peers THREADS SECONDS     SECONDS of each library at each size, in 5 rounds
//
// Prints JSON. All are given the same operands; each must agree with ours before it is timed. Then
// they run in turn, size by size and round by round. Threads of OpenMP go on spinning for some
// milliseconds after a product, so a pause comes before anyone else is timed. OpenBLAS is the
// newest one, from PyPI, with the kernels that it picks by itself; its names begin with scipy_
// there. oneDNN is asked in its two ways, as dnnl_sgemm and as a matmul primitive made beforehand.
#include <cblas.h>
#include <omp.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <dnnl.hpp>
#include <functional>
#include <iostream>
#include <thread>

#include "bench/bench_measure.h"
#include "bench/bench_sizes.h"
#include "support/error.h"
#include "support/json.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

using Call = std::function<void(float* c)>;

constexpr int kRounds = 5;

/// Operands of one product, densely packed, and how each library computes it.
struct Product {
  GemmSize size;
  std::vector<float> a, b;
  int M = size.M(), N = size.N(), K = size.K();
  bool a_turned = size.form == GemmForm::TN, b_turned = size.form == GemmForm::NT;
  int lda = a_turned ? M : K, ldb = b_turned ? K : N;

  explicit Product(const GemmSize& s) : size(s) {
    a = values(std::size_t(M) * std::size_t(K), 1);
    b = values(std::size_t(K) * std::size_t(N), 2);
  }
  /// Between -0.5 and 0.5.
  static std::vector<float> values(std::size_t count, std::uint32_t state) {
    std::vector<float> out(count);
    for (float& value : out) {
      state = state * 1664525u + 1013904223u;
      value = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
    }
    return out;
  }

  Call ours() const {
    return [this](float* c) {
      gemm(Gemm<float>{size.form, M, N, K, a.data(), lda, b.data(), ldb, c, N, false});
    };
  }
  Call openblas() const {
    const auto turned = [](bool yes) { return yes ? CblasTrans : CblasNoTrans; };
    return [this, turned](float* c) {
      scipy_cblas_sgemm(CblasRowMajor, turned(a_turned), turned(b_turned), M, N, K, 1, a.data(),
                        lda, b.data(), ldb, 0, c, N);
    };
  }
  Call onednn_sgemm() const {
    return [this](float* c) {
      const dnnl_status_t status = dnnl_sgemm(a_turned ? 'T' : 'N', b_turned ? 'T' : 'N', M, N, K,
                                              1, a.data(), lda, b.data(), ldb, 0, c, N);
      check(status == dnnl_success, "dnnl_sgemm failed with ", int(status));
    };
  }
  Call onednn_matmul(const dnnl::engine& engine, dnnl::stream& stream) const {
    using Memory = dnnl::memory;
    const auto layout = [](int rows, int columns, bool turned) {
      return Memory::desc({rows, columns}, Memory::data_type::f32,
                          turned ? Memory::dims{1, rows} : Memory::dims{columns, 1});
    };
    const Memory::desc of_a = layout(M, K, a_turned), of_b = layout(K, N, b_turned),
                       of_c = layout(M, N, false);
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::matmul product(dnnl::matmul::primitive_desc(engine, of_a, of_b, of_c));
#else
    const dnnl::matmul product(
        dnnl::matmul::primitive_desc(dnnl::matmul::desc(of_a, of_b, of_c), engine));
#endif
    const Memory in_a(of_a, engine, const_cast<float*>(a.data()));
    const Memory in_b(of_b, engine, const_cast<float*>(b.data()));
    Memory out(of_c, engine, nullptr);
    return [product, in_a, in_b, out, &stream](float* c) mutable {
      out.set_data_handle(c);
      product.execute(stream,
                      {{DNNL_ARG_SRC, in_a}, {DNNL_ARG_WEIGHTS, in_b}, {DNNL_ARG_DST, out}});
      stream.wait();
    };
  }
};

struct Contestant {
  const char* name;
  Call call;
  std::vector<double> seconds = {};  // of one product, by round
};

/// Error if c is farther from ours than rounding can bring it: K additions of numbers below
/// K / 12, each rounded.
void compare(const char* name, const Product& p, const std::vector<float>& ours,
             const std::vector<float>& c) {
  const double most = p.K * 0x1p-24 * std::max(1.0, std::sqrt(p.K) / 12);
  for (std::size_t i = 0; i < c.size(); ++i) {
    const double gap = std::abs(double(c[i]) - double(ours[i]));
    check(gap <= most, name, " differs from ours by ", gap, " at ", i, " of ",
          form_name(p.size.form), " ", p.M, "x", p.N, "x", p.K, "; at most ", most,
          " is rounding.");
  }
}

void pause_between() {
  std::this_thread::sleep_for(std::chrono::milliseconds(8));
}

Json run_size(const GemmSize& size, double seconds, const dnnl::engine& engine,
              dnnl::stream& stream) {
  const Product p(size);
  std::vector<Contestant> all{{"ours", p.ours()},
                              {"openblas", p.openblas()},
                              {"onednn_sgemm", p.onednn_sgemm()},
                              {"onednn_matmul", p.onednn_matmul(engine, stream)}};
  std::vector<float> ours(std::size_t(p.M) * std::size_t(p.N));
  p.ours()(ours.data());
  for (Contestant& one : all) {
    std::vector<float> c(ours.size(), NAN);
    one.call(c.data());
    compare(one.name, p, ours, c);
  }
  std::vector<float> c(ours.size());
  for (int round = 0; round < kRounds; ++round)
    for (Contestant& one : all) {
      pause_between();
      one.call(c.data());  // wakes its threads and brings the operands near
      const double start = now_seconds();
      int calls = 0;
      double spent = 0;
      do {
        one.call(c.data());
        ++calls;
        spent = now_seconds() - start;
      } while (spent < seconds / kRounds);
      one.seconds.push_back(spent / calls);
    }
  Json json = {
      {"form", form_name(size.form)}, {"tokens", size.tokens}, {"in", size.in}, {"out", size.out}};
  for (const Contestant& one : all) json["seconds"][one.name] = one.seconds;
  return json;
}

Json run(int threads, double seconds) {
  ThreadPool pool(threads);
  const PoolScope scope(pool);
  omp_set_num_threads(threads);
  scipy_openblas_set_num_threads(threads);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  Json sizes = Json::array();
  for (const GemmSize& size : gemm_sizes()) {
    std::cerr << "\rsgemm, " << threads << (threads > 1 ? " threads, " : " thread, ")
              << sizes.size() << " of 72" << std::flush;
    sizes.push_back(run_size(size, seconds, engine, stream));
  }
  std::cerr << "\n";
  const dnnl_version_t* v = dnnl_version();
  return {{"threads", threads},
          {"openblas",
           std::string(scipy_openblas_get_config()) + ", kernels " + scipy_openblas_get_corename()},
          {"onednn", cat(v->major, ".", v->minor, ".", v->patch)},
          {"isa", gemm_isa()},
          {"sizes", sizes}};
}

}  // namespace
}  // namespace ramoe

int main(int count, char** values) {
  try {
    ramoe::check(count == 3, "usage: sgemm_peers THREADS SECONDS");
    std::cout << ramoe::run(std::stoi(values[1]), std::stod(values[2])).dump() << "\n";
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "sgemm_peers: " << error.what() << "\n";
    return 1;
  }
}
