// The bench: the sizes it times, what its numbers say of one another, and how it fails. No test
// asks how long anything takes.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "app/cli.h"
#include "bench/bench_sizes.h"
#include "support/files.h"
#include "support/json.h"
#include "support/platform.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

TEST(BenchSizes, AreTheProductsOfALinearLayer) {
  const std::vector<GemmSize> sizes = gemm_sizes();
  EXPECT_EQ(sizes.size(), 72u);
  std::set<std::tuple<int, int, int, int>> different;
  for (const GemmSize& s : sizes) {
    different.insert({static_cast<int>(s.form), s.tokens, s.in, s.out});
    EXPECT_EQ(2.0 * s.M() * s.N() * s.K(), s.flops());
    EXPECT_TRUE(s.tokens >= 256 && s.tokens <= 4096);
    EXPECT_TRUE(s.in >= 64 && s.in <= 1024 && s.out >= 64 && s.out <= 1024);
  }
  EXPECT_EQ(different.size(), 72u);
  // One layer of small sizes: each form is the product that its name says.
  const int tokens = 2, in = 3, out = 1;
  const std::vector<float> x{1, 2, 3, 4, 5, 6}, w{1, 10, 100}, y{321, 654};
  const auto product = [&](GemmForm form, const float* a, int lda, const float* b, int ldb) {
    const GemmSize s{form, tokens, in, out};
    std::vector<float> c(std::size_t(s.M() * s.N()));
    gemm(Gemm<float>{form, s.M(), s.N(), s.K(), a, lda, b, ldb, c.data(), s.N(), false});
    return c;
  };
  EXPECT_EQ(product(GemmForm::NN, x.data(), in, w.data(), out), y);
  EXPECT_EQ(product(GemmForm::NT, y.data(), out, w.data(), out),
            (std::vector<float>{321, 3210, 32100, 654, 6540, 65400}));
  EXPECT_EQ(product(GemmForm::TN, x.data(), in, y.data(), out),
            (std::vector<float>{321 + 4 * 654, 2 * 321 + 5 * 654, 3 * 321 + 6 * 654}));
}

/// A model small enough for every part to take no time.
const std::string tiny =
    " --seconds=0.001 --rounds=1 --hidden_size=16 --num_hidden_layers=2 --num_attention_heads=2"
    " --num_key_value_heads=1 --vocab_size=50 --num_experts=8 --moe_intermediate_size=8"
    " --sequences=4 --tokens=12 ";

/// All parts but sgemm, whose sizes are no keys, on one and two threads.
class BenchNumbers : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const ScratchFolder scratch;
    const std::string out = scratch.file("new/folder/bench.json");
    outcome_ = run_cli("bench --threads=2 --out=" + out + tiny +
                       "--only=peak,gemm,ideas,ops,step,memory,scaling,generate,start");
    if (outcome_.code == 0) json_ = read_json(out);
    left_over_ = fs::exists(out + temporary_suffix);
  }
  void SetUp() override { ASSERT_EQ(outcome_.code, 0) << outcome_.text; }
  static inline Outcome outcome_;
  static inline Json json_;
  static inline bool left_over_ = false;
};

/// Every number is finite and none is negative, but for places beside a line.
void expect_sane(const Json& json, const std::string& path) {
  if (json.is_structured()) {
    for (const auto& [key, value] : json.items()) expect_sane(value, path + "/" + key);
  } else if (path.find("beside_line") == std::string::npos) {
    EXPECT_TRUE(!json.is_null() && (!json.is_number() || json.get<double>() >= 0)) << path;
  }
}

TEST_F(BenchNumbers, AreAllThereAndFinite) {
  EXPECT_FALSE(left_over_);
  for (const char* key : {"date", "machine", "isa", "build", "config", "ideas", "memory", "start"})
    EXPECT_TRUE(json_.contains(key)) << key;
  EXPECT_EQ(json_["config"]["hidden_size"], 16);
  EXPECT_GE(json_["machine"]["cores"], 1);
  Json machine = json_;
  machine.erase("machine");  // a system may not say what it is
  machine.erase("config");   // keys such as clip_qkv
  expect_sane(machine, "");
  ASSERT_EQ(json_["runs"].size(), 2u);
  for (int i = 0; i < 2; ++i) {
    const Json& run = json_["runs"][std::size_t(i)];
    EXPECT_EQ(run["threads"], i + 1);
    for (const char* part : {"peak", "gemm", "ops", "step", "scaling", "generate"})
      EXPECT_TRUE(run.contains(part)) << part;
    EXPECT_FALSE(run.contains("sgemm"));
    EXPECT_EQ(run.contains("line_round_trip_ns"), i == 1);  // one thread has nobody to send it to
    EXPECT_EQ(run["generate"].size(), 4u);
  }
  const Json trips = json_["runs"][1]["line_round_trip_ns"];
  EXPECT_EQ(trips.size(), 6u);  // the parts that both runs have
  for (const Json& around : trips) {
    ASSERT_EQ(around.size(), 2u);
    for (const Json& ns : around) EXPECT_GT(ns, 0);
  }
}

TEST_F(BenchNumbers, OfOperationsFollowFromTheirSizes) {
  std::set<std::string> names;
  for (const Json& op : json_["runs"][0]["ops"]) {
    names.insert(op["name"]);
    for (const char* way : {"forward", "backward", "update"}) {
      if (!op.contains(way)) continue;
      const Json& speed = op[way];
      const double fma = speed.value("fma_share", 0.0), copy = speed.value("copy_share", 0.0);
      EXPECT_EQ(speed["share"], std::max(fma, copy)) << op.dump();
      EXPECT_EQ(speed["bound"], copy > fma ? "copy" : "fma") << op.dump();
      EXPECT_GT(speed["seconds"], 0) << op.dump();
    }
  }
  for (const char* name :
       {"linear q", "rmsnorm", "rmsnorm_heads", "rope", "attention", "swiglu", "embedding",
        "gather_rows", "softmax", "route", "experts", "balance_loss", "z_loss", "cross_entropy",
        "alignment_loss", "add", "sigmoid_gate", "adamw"})
    EXPECT_TRUE(names.contains(name)) << name;
  // Rates times seconds are what was to be done: N = 48 rows, C = 16, K = 2 experts of H = 8.
  const auto done = [&](const std::string& name, const char* way, const char* rate) {
    for (const Json& op : json_["runs"][0]["ops"])
      if (op["name"] == name)
        return 1e9 * op[way][rate].get<double>() * op[way]["seconds"].get<double>();
    return 0.0;
  };
  EXPECT_NEAR(done("linear q", "forward", "gflops"), 2 * 48 * 16 * 16, 1e-3);
  EXPECT_NEAR(done("linear q", "backward", "gflops"), 4 * 48 * 16 * 16, 1e-3);
  EXPECT_NEAR(done("experts", "forward", "gflops"), 2 * 48 * 2 * 3 * 16 * 8, 1e-3);
  EXPECT_NEAR(done("attention", "forward", "gflops"), 2 * 2 * 4 * 2 * 12 * 12 * 8, 1e-3);
  EXPECT_NEAR(done("rmsnorm", "forward", "gb_per_s"), 4 * 2 * 48 * 16, 1e-3);
  EXPECT_NEAR(done("add", "forward", "gb_per_s"), 4 * 3 * 48 * 16, 1e-3);
}

TEST_F(BenchNumbers, OfTheStepFollowFromTheModel) {
  const Json &moe = json_["runs"][0]["step"]["moe"], &dense = json_["runs"][0]["step"]["dense"];
  // Per token and layer: q and o, k and v, 2 T HS NH of attention, router, K experts.
  const double experts = 2 * 3 * 16 * 8, router = 16 * 8;
  const double layer = 2 * 16 * 16 + 2 * 16 * 8 + 2 * 12 * 16 + router + experts;
  const double head = 16 * 50 * 11.0 / 12;  // the first token of a sequence is no target
  EXPECT_NEAR(moe["mflop_per_token"].get<double>(), 6 * (2 * layer + head) / 1e6, 1e-9);
  EXPECT_NEAR(dense["mflop_per_token"].get<double>(), 6 * (2 * (layer - router) + head) / 1e6,
              1e-9);
  EXPECT_EQ(moe["parameters"].get<int>() - dense["parameters"].get<int>(),
            2 * (16 * 8 + (8 - 2) * 3 * 16 * 8));
  EXPECT_EQ(moe["active_parameters"].get<int>() - dense["parameters"].get<int>(), 2 * 16 * 8);
  for (const Json* step : {&moe, &dense})
    EXPECT_NEAR((*step)["tokens_per_second"].get<double>() * (*step)["ms_per_step"].get<double>(),
                1000.0 * 4 * 12, 1e-6);
}

TEST_F(BenchNumbers, OfMemoryAreThoseOfTheContainers) {
  const Json& memory = json_["memory"];
  EXPECT_EQ(memory["state_bytes_per_parameter"], 16);
  // At least two norms, q, k, v, what attention mixed, and what the experts of a token keep.
  EXPECT_GT(memory["floats_per_token_and_layer_in_c"]["moe"], 8);
  EXPECT_GT(memory["floats_per_token_and_layer_in_c"]["moe"],
            memory["floats_per_token_and_layer_in_c"]["dense"]);
  EXPECT_GT(memory["tape_operations"], 2 * 10);
  EXPECT_GT(memory["peak_rss_bytes"].get<double>(), memory["arena_bytes"].get<double>() / 2);
}

TEST_F(BenchNumbers, OfIdeasCompareWithThePlainVersionAndTheLast) {
  std::set<std::string> names;
  for (const Json& group : json_["ideas"]) {
    names.insert(group["name"]);
    const Json& versions = group["versions"];
    ASSERT_GE(versions.size(), 2u) << group["name"];
    for (std::size_t i = 0; i < versions.size(); ++i) {
      const double seconds = versions[i]["seconds"];
      const auto over = [&](std::size_t other) {
        return versions[other]["seconds"].get<double>() / seconds;
      };
      EXPECT_GT(seconds, 0) << group["name"];
      EXPECT_EQ(versions[i]["over_plain"], over(0)) << group["name"];
      EXPECT_EQ(versions[i]["over_last"], over(i > 0 ? i - 1 : 0)) << group["name"];
    }
  }
  EXPECT_EQ(names, (std::set<std::string>{"AdamW", "experts, forward", "matrix product",
                                          "memory of forward and backward"}));
}

TEST_F(BenchNumbers, OfSweepsAreRelativeToTheirBase) {
  const Json& scaling = json_["runs"][1]["scaling"];
  for (const char* name : {"experts", "layers", "sequences", "tokens"}) {
    int bases = 0;
    for (const Json& point : scaling[name]["points"]) {
      if (point["value"] != scaling[name]["base"]) continue;
      ++bases;
      EXPECT_EQ(point["relative"], 1.0) << name;
      EXPECT_EQ(point["relative_per_flop"], 1.0) << name;
    }
    EXPECT_EQ(bases, 1) << name;
    EXPECT_GE(scaling[name]["points"].size(), 4u);
  }
  EXPECT_EQ(scaling["experts"]["points"][3]["value"], 64);
  EXPECT_EQ(scaling["experts"]["points"][3]["rows_per_expert"], 48.0 * 2 / 64);
  EXPECT_EQ(scaling["tokens"]["points"][3]["value"], 128);
}

TEST(Bench, SgemmTimesAllSizes) {
#ifdef RAMOE_ADDRESS_SANITIZER
  GTEST_SKIP() << "half a minute of matrix products; the sizes are tested above";
#endif
  const ScratchFolder scratch;
  const std::string out = scratch.file("bench.json");
  const Outcome outcome = run_cli("bench --threads=1 --only=sgemm --out=" + out + tiny);
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const Json sgemm = read_json(out)["runs"][0]["sgemm"];
  ASSERT_EQ(sgemm["sizes"].size(), 72u);
  double product = 1;
  for (const Json& size : sgemm["sizes"]) product *= size["share"].get<double>();
  EXPECT_NEAR(sgemm["geomean_share"].get<double>(), std::pow(product, 1.0 / 72), 1e-9);
  double forms = 1;
  for (const char* form : {"NN", "NT", "TN"}) forms *= sgemm["forms"][form]["share"].get<double>();
  EXPECT_NEAR(std::cbrt(forms), sgemm["geomean_share"].get<double>(), 1e-9);
}

TEST(Bench, Bf16IsTimedBesideFp32) {
  const ScratchFolder scratch;
  const std::string out = scratch.file("bench.json");
  const Outcome outcome = run_cli("bench --threads=1 --only=bf16 --out=" + out + tiny);
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const Json bf16 = read_json(out)["runs"][0]["bf16"];
  expect_sane(bf16, "");
  ASSERT_EQ(bf16["products"].size(), 18u);
  double product = 1;
  for (const Json& size : bf16["products"]) {
    const double ratio = size["times_as_fast"];
    EXPECT_NEAR(ratio, size["bf16_gflops"].get<double>() / size["fp32_gflops"].get<double>(),
                1e-9 * ratio);
    product *= ratio;
  }
  EXPECT_NEAR(bf16["geomean_times_as_fast"].get<double>(), std::pow(product, 1.0 / 18), 1e-9);
  EXPECT_GT(bf16["peak_gflops"], 0);
  EXPECT_GT(bf16["step"]["tokens_per_second"], 0);
}

TEST(Bench, WhatCannotBeMeasuredIsNamedBeforeAnythingIs) {
  const ScratchFolder scratch;
  const auto refused = [&](const std::string& keys, const std::vector<std::string>& parts) {
    const Outcome outcome = run_cli("bench " + keys);
    EXPECT_EQ(outcome.code, 1) << keys << "\n" << outcome.text;
    EXPECT_EQ(outcome.text.rfind("ramoe: ", 0), 0u) << keys << "\n" << outcome.text;
    EXPECT_EQ(outcome.text.find('\n'), outcome.text.size() - 1) << outcome.text;
    for (const std::string& part : parts) expect_contains(outcome.text, part);
  };
  refused("--only=stepp", {"stepp", "step"});
  refused("--out=" + scratch.path(), {scratch.path(), "is a folder"});
  refused("--out=/proc/ramoe/bench.json", {"/proc/ramoe"});
  refused("--tokens=200", {"tokens = 200", "max_position_embeddings = 128"});
  refused("--num_experts_per_tok=17", {"num_experts_per_tok = 17", "num_experts = 16"});
  refused("--rounds=0", {"rounds"});
  refused("--seconds=-1", {"seconds"});
}

TEST(Bench, WhatIsRecordedStaysUntilTheNewNumbersAreWhole) {
  const ScratchFolder scratch;
  const std::string out = scratch.file("bench.json"), log = scratch.file("log");
  write_file(out, "recorded");
  EXPECT_EQ(signalled("bench --only=peak --seconds=9 --out=" + out + " > " + log + " 2>&1", "TERM",
                      "-s " + log)
                .code,
            143);
  expect_contains(read_file(log), "interrupted; no numbers were written.");
  fs::remove(log);
  EXPECT_EQ(read_file(out), "recorded");
  for (const auto& entry : fs::directory_iterator(scratch.path()))
    EXPECT_EQ(entry.path().filename(), "bench.json");
}

}  // namespace
}  // namespace ramoe
