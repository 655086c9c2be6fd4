// Hidden checks of lab 9: sampled tokens, and rows appended to a cache. Keys: seed V draws ties,
// B T capacity width.
#include "ch03_transformer/generate.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  const int V = given.number("V");
  const auto logits = given.normal_floats(std::size_t(V), 1, 2);
  Random draws = given.random(2);
  for (const auto& [temperature, top_k, top_p] :
       {std::tuple{0.0, 0, 1.0}, {1.0, 0, 1.0}, {0.5, 3, 1.0}, {2.0, 0, 0.7}, {1.0, V, 0.3}}) {
    GenerateOptions options;
    options.temperature = temperature;
    options.top_k = top_k;
    options.top_p = top_p;
    std::vector<int> tokens;
    for (int i = 0; i < given.number("draws"); ++i)
      tokens.push_back(sample_token(logits.data(), V, options, draws.uniform()));
    print_all("tokens_" + std::to_string(temperature) + "_" + std::to_string(top_k), tokens);
  }
  const int B = given.number("B", 2), T = given.number("T", 3);
  const int capacity = given.number("capacity", 8), width = given.number("width", 4);
  std::vector<double> cache(std::size_t(B * capacity * width), -1.0);
  const auto rows = given.normals(std::size_t(B * T * width), 3);
  std::vector<int> cached, length;
  for (int b = 0; b < B; ++b) {
    cached.push_back(int(draws.below(std::uint32_t(capacity - T + 1))));
    length.push_back(int(draws.below(std::uint32_t(T + 1))));
  }
  append_rows(cache.data(), rows.data(), cached.data(), length.data(), B, T, capacity, width);
  print("cache", cache);
}
