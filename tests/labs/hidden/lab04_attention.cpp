// Hidden checks of lab 4: causal attention. Keys: seed B T NH NKV HS, full (0: sequences of drawn
// lengths, 0 included).
#include "ch03_transformer/attention.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  const AttentionDims d = {given.number("B"), given.number("T"), given.number("NH"),
                           given.number("NKV"), given.number("HS")};
  const std::size_t queries = std::size_t(d.B * d.T * d.NH * d.HS);
  const std::size_t keys = std::size_t(d.B * d.T * d.NKV * d.HS);
  const auto q = given.normals(queries, 1), k = given.normals(keys, 2), v = given.normals(keys, 3);
  const auto dout = given.normals(queries, 4);
  Random draws = given.random(5);
  std::vector<int> length;
  for (int b = 0; b < d.B; ++b)
    length.push_back(given.number("full", 0) != 0 ? d.T : int(draws.below(std::uint32_t(d.T + 1))));
  std::vector<double> out(queries, 9.0), p(std::size_t(d.B * d.NH * d.T * d.T), 0.0);
  attention_forward(out.data(), p.data(), q.data(), k.data(), v.data(), length.data(), d);
  print("out", out);
  for (const bool accumulate : {true, false}) {
    std::vector<double> dq(queries, 1.0), dk(keys, 2.0), dv(keys, 3.0);
    attention_backward(dq.data(), dk.data(), dv.data(), p.data(), q.data(), k.data(), v.data(),
                       dout.data(), length.data(), d, accumulate);
    const std::string how = accumulate ? "_added" : "_fresh";
    print("dq" + how, dq);
    print("dk" + how, dk);
    print("dv" + how, dv);
  }
}
