// Times of kernels on a GPU: what the parts of cuda_bench share.
//
//   cuda_bench [--out=FILE.json] [--only=gemm|memory]
//
// A part measures and adds rows to the results; a new one is declared here and listed in
// cuda_bench.cu. Times are the GPU's own: calls are recorded into a graph, which is started again
// and again, so that the host's launching does not count; the median of the repeats is reported.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace ramoe::bench {

/// One line of the table: texts that say what was measured, and its numbers.
struct Row {
  std::vector<std::pair<std::string, std::string>> what;
  std::vector<std::pair<std::string, double>> numbers;
};

class Results {
 public:
  /// Prints the row.
  void add(const std::string& part, Row row);
  void write_json(const std::string& path) const;

 private:
  std::map<std::string, std::vector<Row>> parts_;
};

/// Microseconds of one call(i), the median over repeats. i counts calls: use buffers in turn, so
/// that what a call reads is not left in the L2 cache by the one before, where a program would not
/// find it.
double median_us(const std::function<void(int)>& call);

/// The rungs of the product and the products of the model's sizes, beside cuBLAS.
void bench_gemm(Results& results);
/// Kernels that are bound by memory, beside a copy.
void bench_memory(Results& results);

}  // namespace ramoe::bench
