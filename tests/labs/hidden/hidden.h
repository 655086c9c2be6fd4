// What the programs of hidden checks share: a case in, numbers out.
//
// A program makes inputs of a seed and of shapes, calls the functions of its lab and prints what
// they return. It judges nothing: the grader runs it with the student's file and with the
// reference's, and compares the numbers. A process that lies would have to know them. The case
// comes from a JSON file of the teacher (tutorial/grading.md) as lines "key=value".
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ch01_tensor/philox.h"

namespace hidden {

/// The keys of one case. Error: a key that is not there and has no default, no whole number.
class Case {
 public:
  explicit Case(const std::string& lines);
  int number(const std::string& key) const;
  int number(const std::string& key, int otherwise) const;
  double real(const std::string& key, double otherwise) const;
  std::string word(const std::string& key, const std::string& otherwise) const;
  /// Draws of the case's seed; streams are for inputs that must not depend on one another's sizes.
  ramoe::Random random(std::uint64_t stream = 0) const;
  /// n normal draws, times a scale. With key ties=1 they are rounded to halves: many are equal.
  std::vector<double> normals(std::size_t n, std::uint64_t stream = 0, double scale = 1) const;
  std::vector<float> normal_floats(std::size_t n, std::uint64_t stream = 0, double scale = 1) const;

 private:
  std::map<std::string, std::string> values_;
};

/// One line of numbers under a name: "value NAME n v v v".
void print(const std::string& name, const std::vector<double>& values);
void print(const std::string& name, double value);
template <class Values>
void print_all(const std::string& name, const Values& values) {
  std::vector<double> all;
  for (const auto value : values) all.push_back(static_cast<double>(value));
  print(name, all);
}
/// Whether a call throws ramoe::Error, as it must for an input that is refused.
void print_refusal(const std::string& name, const std::function<void()>& call);

/// Defined once in each program.
void check(const Case& given);

}  // namespace hidden
