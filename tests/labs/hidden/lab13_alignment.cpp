// Hidden checks of lab 13: every form of the loss and its gradient to the logits. Keys: seed S E T
// (most rows of a sequence) support, M.
#include "ch01_tensor/vector_ops.h"
#include "ch10_alignment/divergences.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  const int S = given.number("S"), E = given.number("E"), T = given.number("T");
  Random draws = given.random(1);
  std::vector<int> rows, begin = {0};
  int N = 0;
  for (int s = 0; s < S; ++s) {
    const int length = 1 + int(draws.below(std::uint32_t(T)));
    for (int t = 0; t < length; ++t) rows.push_back(N++);
    begin.push_back(int(rows.size()));
    ++N;  // a row that belongs to none
  }
  const std::size_t cells = std::size_t(N * E), of_sequences = std::size_t(S * E);
  const auto z = given.normals(cells, 2), z_star = given.normals(of_sequences, 3);
  std::vector<double> p(cells), q_star(of_sequences), q(of_sequences, -1.0);
  softmax_forward(p.data(), z.data(), N, E);
  softmax_forward(q_star.data(), z_star.data(), S, E);
  std::vector<unsigned char> support(of_sequences);
  for (int s = 0; s < S; ++s)
    for (int e = 0; e < given.number("support"); ++e) support[std::size_t(s * E + (e + s) % E)] = 1;
  sequence_mean_forward(q.data(), p.data(), rows.data(), begin.data(), S, E);
  print("q", q);
  for (const AlignmentForm form :
       {AlignmentForm::lumped, AlignmentForm::mass_allocation, AlignmentForm::js,
        AlignmentForm::mse, AlignmentForm::reverse_kl}) {
    const std::string which = "_" + std::to_string(int(form));
    std::vector<double> D(std::size_t(S), -1.0), g(of_sequences, -1.0), dz(cells, 0.5);
    alignment_divergence_forward(D.data(), g.data(), q_star.data(), q.data(), support.data(),
                                 {form, 0.75, 1.5}, S, E);
    print("D" + which, D);
    print("g" + which, g);
    const double dloss = 2;
    sequence_mean_backward(dz.data(), p.data(), g.data(), rows.data(), begin.data(), &dloss, 3, S,
                           E);
    print("dz" + which, dz);
  }
  const int M = given.number("M", 3);
  const auto all = given.normals(std::size_t(M * S), 4);
  double loss = -1;
  alignment_mean_forward<double>(&loss, all.data(), M * S, M, S);
  print("loss", loss);
}
