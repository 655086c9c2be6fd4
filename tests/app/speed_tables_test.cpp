// docs/speed.md is written from recorded numbers: what was reached, what was not, what is missing.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "support/error.h"
#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

/// What `make bench` would record of one thread and of two, without most parts.
Json recorded_bench() {
  Json bench = {{"date", "2026-01-01T00:00:00Z"},
                {"machine", {{"cpu", "A | B"}, {"cores", 2}, {"memory_bytes", 1 << 30}}},
                {"isa", "avx2"},
                {"build", {{"compiler", "g++ 1"}, {"type", "Release"}, {"revision", "abc"}}},
                {"memory",
                 {{"state_bytes_per_parameter", 16.0},
                  {"floats_per_token_and_layer_in_c", {{"moe", 25.5}, {"dense", 20.0}}},
                  {"arena_bytes", 1e8},
                  {"peak_rss_bytes", 2e8},
                  {"tape_operations", 126},
                  {"tape_share", 0.00004},
                  {"arena_allocations_after_first_step", 0},
                  {"page_faults_per_step", 0.0}}}};
  for (const int threads : {1, 2}) {
    const Json step = {{"parameters", 5258368}, {"tokens_per_second", 12345.0},
                       {"ms_per_step", 165.9},  {"mflop_per_token", 6.95},
                       {"gflops", 85.8},        {"share", threads == 1 ? 0.66 : 0.44}};
    Json experts = Json::array(), layers = Json::array();
    for (const auto& [E, relative] : {std::pair{8, 1.0}, {32, threads == 1 ? 1.1 : 1.17}})
      experts.push_back({{"value", E},
                         {"ms_per_step", 100.0},
                         {"relative", relative},
                         {"relative_per_flop", 1.0},
                         {"beside_line", 0.0},
                         {"rows_per_expert", 512}});
    for (const auto& [L, beside] : {std::pair{2, -0.07}, {6, 0.02}})
      layers.push_back({{"value", L},
                        {"ms_per_step", 100.0},
                        {"relative", 1.0},
                        {"relative_per_flop", 1.0},
                        {"beside_line", beside},
                        {"rows_per_expert", 256}});
    bench["runs"].push_back(
        {{"threads", threads},
         {"step", {{"moe", step}, {"dense", step}}},
         {"bf16",
          {{"isa", "fp32"},
           {"peak_gflops", 70.0},
           {"peak_times_fp32", 1.0},
           {"products", {1, 2, 3}},
           {"geomean_times_as_fast", 0.9},
           {"step", {{"tokens_per_second", 11111.0}, {"times_as_fast", 0.95}}}}},
         {"line_round_trip_ns",
          threads == 1 ? Json() : Json{{"peak", {400.4, 90}}, {"step", {100, 101.6}}}},
         {"ops",
          {{{"name", "add"},
            {"dims", "(2,3)"},
            {"forward",
             {{"seconds", 1e-6}, {"gb_per_s", 50.0}, {"share", 0.75}, {"bound", "copy"}}}}}},
         {"scaling",
          {{"experts", {{"base", 8}, {"points", experts}}},
           {"layers", {{"base", 6}, {"points", layers}}}}}});
  }
  const auto version = [](const char* idea, double seconds, double last, double plain) {
    return Json{{"idea", idea}, {"seconds", seconds}, {"over_last", last}, {"over_plain", plain}};
  };
  bench["ideas"] = {{{"name", "work"},
                     {"size", "2 x 3"},
                     {"versions",
                      {version("plain", 8e-6, 1, 1), version("tiles", 2e-6, 4, 4),
                       version("vectors", 1e-6, 2, 8)}}}};
  return bench;
}

Json recorded_before_after() {
  const Json seconds = {
      {"before", 30.0}, {"after", 20.0}, {"ratio", 1.5}, {"least", 1.4}, {"most", 1.6}};
  return {{"machine", {{"cpu", "D"}, {"cores", 2}}},
          {"rounds", 3},
          {"before", {{"revision", "old"}}},
          {"after", {{"revision", "new"}}},
          {"work", {{{"name", "demo"}, {"wall", seconds}, {"cpu", seconds}}}}};
}

Json recorded_peers() {
  const auto ratio = [](const char* part, int threads, const char* name, const char* peer,
                        double median) {
    return Json{{"part", part}, {"threads", threads}, {"name", name},        {"ours", "ours"},
                {"peer", peer}, {"median", median},   {"least", median / 2}, {"most", 2 * median}};
  };
  const char *loop = "MoE step, Hugging Face loop", *mean = "SGEMM, geometric mean of 72 sizes";
  return {{"date", "2026-01-02T00:00:00Z"},
          {"machine", {{"cpu", "C"}, {"cores", 2}}},
          {"versions", {{"torch", "9.9"}}},
          {"checked", {{"tolerance", 1e-4}, {"peers", {{"hf_loop", 1e-7}}}}},
          {"step",
           {{{"threads", 2},
             {"failed", {{"dense", "no <module>"}}},
             {"peers",
              {{"ours_moe", {{"tokens_per_second", 2000.0}}},
               {"hf_loop", {{"tokens_per_second", 500.0}}},
               {"hf_loop_compiled", {{"tokens_per_second", 400.0}}}}}}}},
          {"generate",
           {{{"threads", 1},
             {"batch", 64},
             {"failed", {{"torch", "no"}}},
             {"peers",
              {{"ours", {{"tokens_per_second", 900.0}}},
               {"hand_hf_loop", {{"tokens_per_second", 30.0}}}}}}}},
          {"ratios",
           {ratio("step", 1, loop, "hf_loop", 9.0), ratio("step", 2, loop, "hf_loop", 4.0),
            ratio("sgemm", 1, mean, "openblas", 1.05), ratio("sgemm", 1, mean, "onednn", 1.02)}}};
}

class SpeedTables : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("python3 --version >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "python3 is not installed; only docs need it";
    write_json(scratch_.file("bench.json"), recorded_bench());
  }
  /// Runs the script; its exit code. Both streams go to text().
  int run() {
    const std::string folder = scratch_.path();
    const int status =
        std::system(("python3 " RAMOE_SOURCE_DIR "/docs/make_speed_tables.py --bench=" + folder +
                     "/bench.json --peers=" + folder + "/peers.json --before-after=" + folder +
                     "/before_after.json --out=" + folder + "/out >" + folder + "/text 2>&1")
                        .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string text() const { return read_file(scratch_.file("text")); }
  std::string page() const { return read_file(scratch_.file("out/speed.md")); }
  /// The goal's line must say this at its end.
  void expect_goal(const std::string& goal, const std::string& end) const {
    const std::string all = page();
    const std::size_t at = all.find("| " + goal);
    ASSERT_NE(at, std::string::npos) << goal << "\n" << all;
    const std::string line = all.substr(at, all.find('\n', at) - at);
    EXPECT_TRUE(line.ends_with("| " + end + " |")) << "wanted: " << end << "\n" << line;
  }
  const ScratchFolder scratch_;
};

TEST_F(SpeedTables, GoalsAreReachedByTheNumbersAlone) {
  write_json(scratch_.file("peers.json"), recorded_peers());
  ASSERT_EQ(run(), 0) << text();
  expect_goal("MoE step over transformers' loop, 2 threads", "4.00 x | reached");
  expect_goal("MoE step over the fastest sorted", " | not measured");
  expect_goal("MoE step, share of the FMA peak, 1 thread", "66 % | reached, the further one too");
  expect_goal("MoE step, share of the FMA peak, 2 threads", "44 % | **not reached**");
  expect_goal("SGEMM over OpenBLAS", "1.05 x | **not reached**");
  expect_goal("SGEMM over oneDNN", "1.02 x | reached, the further one too");
  expect_goal("cost of a step with E = 32", "1.10 x / 1.17 x | reached");
  expect_goal("cost against layers", "7.0 % / 7.0 % | reached");
  expect_goal("cost per token against sequences", " | not measured");
  expect_goal("bytes of weight", "16 | reached");
  expect_goal("activations and gradients", "25.5 | **not reached**");
  expect_goal("tape and arena", "0.0040 % | reached");
  expect_goal("times that the arena", "0 | reached");
}

TEST_F(SpeedTables, APeerWithOlderVectorsIsNamed) {
  for (const auto& [kernels, named] : {std::pair{"Haswell", true}, {"SkylakeX", false}}) {
    Json peers = recorded_peers();
    peers["versions"]["openblas"] = cat("OpenBLAS 0.3.21 DYNAMIC_ARCH, kernels ", kernels);
    peers["versions"]["torch_uses"] = "CPU capability usage: AVX512";
    write_json(scratch_.file("peers.json"), peers);
    ASSERT_EQ(run(), 0) << text();
    EXPECT_EQ(page().find("0.3.21 with its Haswell kernels") != std::string::npos, named);
  }
}

TEST_F(SpeedTables, APeerIsAskedForTheVectorsThatItDidNotChoose) {
  Json peers = recorded_peers();
  peers["versions"]["openblas"] = "OpenBLAS 0.3.34 DYNAMIC_ARCH, kernels Haswell";
  peers["versions"]["openblas_asked"] = "OpenBLAS 0.3.34 DYNAMIC_ARCH, kernels SkylakeX";
  peers["versions"]["torch_uses"] = "CPU capability usage: AVX512";
  Json asked = peers["ratios"][2];
  asked["peer"] = "openblas_asked";
  asked["median"] = 1.15;
  peers["ratios"].push_back(asked);
  write_json(scratch_.file("peers.json"), peers);
  ASSERT_EQ(run(), 0) << text();
  expect_contains(page(), "it chooses them by itself");
  expect_contains(page(), "| OpenBLAS, asked for AVX-512 | 1.15 |");
  expect_goal("SGEMM over OpenBLAS", "1.15 x | reached");  // 1.05 with its own choice
}

TEST_F(SpeedTables, WhatIsThereIsShown) {
  write_json(scratch_.file("peers.json"), recorded_peers());
  ASSERT_EQ(run(), 0) << text();
  for (const char* part :
       {"| MoE, 1 thread | 12,345 | 165.9 |",
        "With 2 threads, a cache line went from one to another and back in 90 to 400 ns",
        "; 100 and 102 ns around the step.", "| ours, MoE | 2,000 |",
        "| add (2,3) | forward | 1.0 | 50.0 GB/s | 75 % | copy |",
        "| work, 2 x 3 | plain | 8.0 | 1.00 | 1.00 |", "|  | vectors | 1.0 | 2.00 | 8.00 |",
        "| training step of the mixture | 11,111 tokens/s | 0.95 |",
        "| transformers' OLMoE, loop over experts, torch.compile | 400 |",
        "| generation, batch 64, 1 thread | tokens/s |", "| ours | 900 |",
        "within 0.0001 before it is timed (1 did, within 1e-07)", "Not run: PyTorch, dense;",
        "PyTorch 9.9", "revision abc"})
    expect_contains(page(), part);
  EXPECT_EQ(page().find("<module>"), std::string::npos);
  EXPECT_EQ(page().find("the 72 sizes, share"), std::string::npos);  // that part was left out
  for (const char* name : {"speed_step", "speed_ops"}) {
    expect_contains(page(), std::string("(figures/") + name + ".svg)");
    const std::string svg = read_file(scratch_.file(std::string("out/figures/") + name + ".svg"));
    expect_contains(svg, "</svg>");
  }
  // The bar of a peer with a quarter of our rate is a quarter as long.
  const std::string svg = read_file(scratch_.file("out/figures/speed_step.svg"));
  expect_contains(svg, "width=\"330.0\"");
  expect_contains(svg, "width=\"82.5\"");
}

TEST_F(SpeedTables, ABf16StepIsBoundByWhatIsNotProducts) {
  Json bench = recorded_bench();
  Json& bf16 = bench["runs"][0]["bf16"];
  bf16["peak_times_fp32"] = 2.5;
  bf16["geomean_times_as_fast"] = 2.0;
  bf16["step"]["times_as_fast"] = 1.5;
  write_json(scratch_.file("bench.json"), bench);
  ASSERT_EQ(run(), 0) << text();
  // 1 - p + p / 2 = 1 / 1.5, so p = 2/3; 1 / (1/3 + 2/3 / 2.5) = 1.667.
  expect_contains(page(), "With 1 thread, a step that gains 1.50 from products that gain 2.00");
  expect_contains(page(), "67 % of its time in them: if they gained all of 2.50, it would gain ");
  expect_contains(page(), "it would gain 1.67.");
  EXPECT_EQ(page().find("With 2 threads, a step that gains"), std::string::npos);  // slower in bf16
}

TEST_F(SpeedTables, OlderInstructionsThanTheProcessorsAreNamed) {
  Json bench = recorded_bench();
  bench["isa"] = "avx2";
  write_json(scratch_.file("bench-old.json"), bench);
  bench["isa_of_processor"] = "avx512";
  write_json(scratch_.file("bench-kept.json"), bench);
  ASSERT_EQ(run(), 0) << text();
  expect_contains(page(), "| avx2, on a processor with avx512 (RAMOE_ISA=avx2) | avx2 |");
}

TEST_F(SpeedTables, TheLadderHasEachRungsShareOfThePeak) {
  ASSERT_EQ(run(), 0) << text();
  expect_contains(page(), "This record is older than the ladder");
  Json bench = recorded_bench();
  bench["ideas"][0]["versions"][2]["fma_share"] = 0.25;
  write_json(scratch_.file("bench.json"), bench);
  ASSERT_EQ(run(), 0) << text();
  expect_contains(page(), "| times the plain version | share of FMA |");
  expect_contains(page(), "|  | vectors | 1.0 | 2.00 | 8.00 | 25 % |");
  expect_contains(page(), "|  | tiles | 2.0 | 4.00 | 4.00 |  |");
  EXPECT_EQ(page().find("older than the ladder"), std::string::npos);
}

TEST_F(SpeedTables, WholeProgramsAreShownWhereTheyWereTimed) {
  ASSERT_EQ(run(), 0) << text();
  EXPECT_EQ(page().find("before and after"), std::string::npos);
  write_json(scratch_.file("before_after.json"), recorded_before_after());
  ASSERT_EQ(run(), 0) << text();
  for (const char* part : {"Revision old, before", "new, in turn (3 rounds), on D with 2 cores",
                           "| demo | wall | 30.0 | 20.0 | 1.50 | 1.40 to 1.60 |",
                           "|  | processor | 30.0 | 20.0 | 1.50 |"})
    expect_contains(page(), part);
}

TEST_F(SpeedTables, WithoutPeersTheyAreNotMeasured) {
  ASSERT_EQ(run(), 0) << text();
  expect_goal("MoE step over transformers' loop", " | not measured");
  expect_goal("bytes of weight", "16 | reached");
  EXPECT_FALSE(fs::exists(scratch_.file("out/figures/speed_step.svg")));
}

TEST_F(SpeedTables, OtherMachinesStandBesideTheFirst) {
  Json other = recorded_bench();
  other["isa"] = "avx2";
  other["build"]["revision"] = "newer";
  write_json(scratch_.file("bench-small.json"), other);
  write_json(scratch_.file("bench_peers-small.json"), recorded_peers());
  ASSERT_EQ(run(), 0) << text();
  const std::string page = read_file(scratch_.file("out/speed.md"));
  for (const char* part :
       {"## Kinds of machine", "| small |", " | newer |",
        "| MoE step over transformers' loop, 2 threads | not measured | 4.00 x |"})
    EXPECT_NE(page.find(part), std::string::npos) << part << "\n" << page;
}

TEST_F(SpeedTables, WhatCannotBeReadIsNamedAndNothingIsWritten) {
  const auto refused = [&](const std::string& part) {
    EXPECT_EQ(run(), 1);
    expect_contains(text(), part);
    EXPECT_EQ(text().find("Traceback"), std::string::npos) << text();
    EXPECT_FALSE(fs::exists(scratch_.file("out")));
  };
  write_file(scratch_.file("peers.json"), "{\"ratios\": [{}]}");
  refused("record them anew");
  write_file(scratch_.file("peers.json"), "[1");
  refused("make bench-peers");
  write_file(scratch_.file("bench.json"), "{}");
  refused("bench.json holds no numbers");
  fs::remove(scratch_.file("bench.json"));
  refused("make bench OUT=");
}

}  // namespace
}  // namespace ramoe
