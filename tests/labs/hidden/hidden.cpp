// Cases, numbers and main() of the hidden checks (hidden.h).
#include "labs/hidden/hidden.h"

#include <cmath>
#include <cstdio>
#include <sstream>

#include "labs/trusted.h"
#include "support/error.h"

namespace hidden {

Case::Case(const std::string& lines) {
  std::istringstream text(lines);
  for (std::string line; std::getline(text, line);)
    if (const std::size_t at = line.find('='); at != std::string::npos)
      values_[line.substr(0, at)] = line.substr(at + 1);
}

int Case::number(const std::string& key) const {
  const auto found = values_.find(key);
  ramoe::check(found != values_.end(), "hidden case: \"", key, "\" is missing");
  return std::stoi(found->second);
}

int Case::number(const std::string& key, int otherwise) const {
  return values_.contains(key) ? number(key) : otherwise;
}

double Case::real(const std::string& key, double otherwise) const {
  const auto found = values_.find(key);
  return found == values_.end() ? otherwise : std::stod(found->second);
}

std::string Case::word(const std::string& key, const std::string& otherwise) const {
  const auto found = values_.find(key);
  return found == values_.end() ? otherwise : found->second;
}

ramoe::Random Case::random(std::uint64_t stream) const {
  return ramoe::Random(std::stoull(word("seed", "1")), stream);
}

std::vector<double> Case::normals(std::size_t n, std::uint64_t stream, double scale) const {
  ramoe::Random draws = random(stream);
  const bool ties = number("ties", 0) != 0;
  std::vector<double> values(n);
  for (double& value : values) {
    value = scale * draws.normal();
    if (ties) value = std::round(2 * value) / 2;
  }
  return values;
}

std::vector<float> Case::normal_floats(std::size_t n, std::uint64_t stream, double scale) const {
  std::vector<float> values;
  for (const double value : normals(n, stream, scale)) values.push_back(static_cast<float>(value));
  return values;
}

void print(const std::string& name, const std::vector<double>& values) {
  std::string line = "value " + name + " " + std::to_string(values.size());
  char number[40];
  for (const double value : values) {
    std::snprintf(number, sizeof number, " %.17g", value);
    line += number;
  }
  trusted::report(line);
}

void print(const std::string& name, double value) {
  print(name, std::vector<double>{value});
}

void print_refusal(const std::string& name, const std::function<void()>& call) {
  double refused = 0;
  try {
    call();
  } catch (const ramoe::Error&) {
    refused = 1;
  }
  print(name, refused);
}

}  // namespace hidden

int main() {
  try {
    hidden::check(hidden::Case(trusted::given()));
  } catch (const std::exception& error) {
    trusted::report(std::string("error ") + error.what());
    return 1;
  }
  trusted::report("end");
}
