// Hidden checks of lab 5: choices, gates and their gradient. Keys: seed N E K ties.
#include "ch01_tensor/vector_ops.h"
#include "ch04_moe/router.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  const int N = given.number("N"), E = given.number("E"), K = given.number("K");
  const std::size_t choices = std::size_t(N * K);
  const auto z = given.normals(std::size_t(N * E), 1), dgate = given.normals(choices, 2);
  std::vector<double> p(z.size());
  softmax_forward(p.data(), z.data(), N, E);
  for (const bool renormalise : {false, true}) {
    const std::string how = renormalise ? "_renormalised" : "";
    std::vector<int> chosen(choices, -1);
    std::vector<double> gate(choices, -1.0), dz(z.size(), 0.125);
    route_forward(chosen.data(), gate.data(), p.data(), renormalise, N, E, K);
    print_all("chosen" + how, chosen);
    print("gate" + how, gate);
    route_backward(dz.data(), p.data(), chosen.data(), gate.data(), dgate.data(), renormalise, N, E,
                   K);
    print("dz" + how, dz);
  }
}
