// Every declared operation has its definition (double), its fast version (float), its kernels
// (GpuFloat) and an entry in op_cases.h, or a stated reason; what is fast is compiled to be fast.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "support/compare.h"
#include "support/files.h"
#include "support/json.h"
#include "support/op_cases.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;
const std::string source_root = RAMOE_SOURCE_DIR;

/// The chapters whose operations are counted.
const std::vector<std::string> chapters = {"ch01_tensor",   "ch02_autograd", "ch03_transformer",
                                           "ch04_moe",      "ch05_training", "ch10_alignment",
                                           "ch11_baselines"};

/// Operations without an entry in op_cases.h, and why.
const std::map<std::string, std::string> without_case = {
    {"gemm_plain", "the definition for both types; gemm_ladder_test compares it with the formula"},
    {"gemm_serial", "gemm_test compares it with gemm, bit by bit"},
    {"gemm_grouped", "gemm_test compares it with gemm, bit by bit"},
    {"add_value", "one addition; every backward starts with it"},
    {"widen", "no gradient; vector_ops_test has every BF16, GpuMemoryPlan a model's answers"},
    {"steer_soft", "inference alone, no gradient; steering_test has it by hand"},
    {"steer_hard", "inference alone, no gradient; steering_test has it by hand"},
    {"sum_of_squares", "no tape function; vector_ops_test compares it with its formula"},
    {"attention_cached", "no gradient; attention_test compares it with attention's last row"},
};
/// Operations without a version for a GPU, and why.
const std::map<std::string, std::string> without_kernels = {
    {"gemm_plain", "a rung of the processor's ladder; a GPU has its own"},
    {"gemm_serial", "for callers inside a parallel loop of the processor"},
    {"gemm_grouped", "a list on the host; experts have cuda/ch01_tensor/gemm_grouped.h"},
    {"sum_of_squares", "gives its result to the host; AdamW's norm stays on the GPU"},
};
/// Operations whose definition is one template, instantiated for both types.
const std::set<std::string> templates = {"gemm_plain"};

std::string text_of(const std::string& folder, const std::string& extension,
                    const std::string& top = "/src/") {
  std::string all;
  for (const auto& entry : fs::directory_iterator(source_root + top + folder))
    if (entry.path().extension() == extension) all += read_file(entry.path().string());
  return all;
}

/// Names of the operations, templates that a header declares and does not define; what is given a
/// whole model or its trainer is none.
std::set<std::string> declared(const std::string& headers) {
  static const std::regex pattern("template <class T_?>\\n[a-z]+ (\\w+)\\(([^;{]*)\\);");
  std::set<std::string> names;
  for (std::sregex_iterator at(headers.begin(), headers.end(), pattern), end; at != end; ++at)
    if (!mentions((*at)[2], "Model<T>&") && !mentions((*at)[2], "Trainer<T>&"))
      names.insert((*at)[1]);
  return names;
}

/// Names of the specialisations for a type.
std::set<std::string> defined(const std::string& sources, const std::string& type) {
  static const std::regex pattern("template <>\\n[a-z]+ (\\w+)((?:<\\w+>)?\\([^{]*)\\) \\{");
  std::set<std::string> names;
  for (std::sregex_iterator at(sources.begin(), sources.end(), pattern), end; at != end; ++at)
    if (mentions((*at)[2], type + "*") || mentions((*at)[2], "<" + type + ">"))
      names.insert((*at)[1]);
  return names;
}

/// One line for each operation of `headers` that lacks something.
std::string lacking(const std::string& headers, const std::string& definitions,
                    const std::string& fast, const std::string& kernels,
                    const std::set<std::string>& covered) {
  const auto of_double = defined(definitions, "double"), of_float = defined(fast, "float");
  const auto of_gpu = defined(kernels, "GpuFloat");
  std::string lines;
  for (const std::string& name : declared(headers)) {
    if (!templates.contains(name)) {
      if (!of_double.contains(name)) lines += name + ": no definition for double\n";
      if (!of_float.contains(name)) lines += name + ": no fast version for float\n";
    }
    if (!of_gpu.contains(name) && !without_kernels.contains(name))
      lines += name + ": no kernels for GpuFloat\n";
    if (!covered.contains(name) && !without_case.contains(name))
      lines += name + ": no entry in op_cases.h covers it\n";
  }
  return lines;
}

std::set<std::string> covered_operations() {
  std::set<std::string> names;
  for (const OpCase& op : op_cases()) names.insert(op.operations.begin(), op.operations.end());
  return names;
}

TEST(OpCount, EveryOperationHasItsParts) {
  const std::string fast = text_of("fast", ".cpp");
  for (const std::string& chapter : chapters)
    EXPECT_EQ(lacking(text_of(chapter, ".h"), text_of(chapter, ".cpp"), fast,
                      text_of(chapter, ".cu", "/cuda/"), covered_operations()),
              "")
        << chapter;
}

TEST(OpCount, TablesNameWhatExists) {
  std::set<std::string> all;
  for (const std::string& chapter : chapters) all.merge(declared(text_of(chapter, ".h")));
  EXPECT_GT(all.size(), 20u);
  for (const auto& [name, why] : without_kernels) EXPECT_TRUE(all.contains(name)) << name;
  for (const auto& [name, why] : without_case) {
    EXPECT_TRUE(all.contains(name)) << name;
    EXPECT_FALSE(covered_operations().contains(name)) << name;
  }
  for (const OpCase& op : op_cases())
    for (const std::string& name : op.operations) EXPECT_TRUE(all.contains(name)) << name;
}

TEST(OpCount, AMissingPartIsNamed) {
  const std::string header =
      "template <class T>\nvoid a(T* x);\ntemplate <class T>\nvoid b(T* x, double eps);\n"
      "template <class T>\nvoid c(T* x) {\n}\n";
  const std::string plain = "template <>\nvoid a(double* x) {\n", fast = "template <>\nvoid ";
  const std::string both = fast + "a(float* x) {\n" + fast + "b(float* x, double eps) {\n";
  const std::string kernels = fast + "a(GpuFloat* x) {\n" + fast + "b(GpuFloat* x, double eps) {\n";
  EXPECT_EQ(lacking(header, plain, both, kernels, {"b"}),
            "a: no entry in op_cases.h covers it\nb: no definition for double\n");
  const std::string all = plain + "template <>\nvoid b(double* x, double e) {\n";
  EXPECT_EQ(lacking(header, all, "", kernels, {"a", "b"}),
            "a: no fast version for float\nb: no fast version for float\n");
  EXPECT_EQ(lacking(header, all, both, fast + "b(GpuFloat* x, double eps) {\n", {"a", "b"}),
            "a: no kernels for GpuFloat\n");
}

/// Files of src/fast that a release build compiles without -O3; `commands` is what CMake writes.
std::string slow_files(const Json& commands) {
  std::string lines;
  for (const Json& entry : commands) {
    const std::string file = entry.at("file"), command = entry.at("command");
    if (mentions(file, "/src/fast/") && mentions(command, "-DNDEBUG") && !mentions(command, "-O3"))
      lines += file + "\n";
  }
  return lines;
}

TEST(OpCount, WhatIsFastIsCompiledWithO3) {
  ASSERT_TRUE(fs::exists("compile_commands.json")) << "run this from the build folder";
  const Json commands = read_json("compile_commands.json");
  std::set<std::string> listed;
  for (const Json& entry : commands)
    listed.insert(fs::path(entry.at("file").get<std::string>()).filename().string());
  for (const auto& entry : fs::directory_iterator(source_root + "/src/fast")) {
    const fs::path& path = entry.path();
    if (path.extension() != ".cpp") continue;
    EXPECT_TRUE(listed.contains(path.filename().string())) << path << " is compiled in a group";
  }
  EXPECT_EQ(slow_files(commands), "");
  EXPECT_EQ(slow_files(parse_json(R"([{"file":"/x/src/fast/a.cpp","command":"c++ -O1 -DNDEBUG"},
      {"file":"/x/src/fast/b.cpp","command":"c++ -O1 -DNDEBUG -O3"},
      {"file":"/x/src/ch01_tensor/a.cpp","command":"c++ -O1 -DNDEBUG"}])")),
            "/x/src/fast/a.cpp\n");
}

}  // namespace
}  // namespace ramoe
