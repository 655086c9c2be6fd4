// A small grid on a tiny base model: killed, shared out or left alone, it gives the same bits; and
// what must not be mixed is refused.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "app/small_world.h"
#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

/// Records agree in everything; the first difference is named.
void expect_same(const std::vector<Json>& a, const std::vector<Json>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_EQ(a[i].dump(), b[i].dump());
}

void expect_refused(const Outcome& outcome, const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.code, 1) << outcome.text;
  for (const std::string& part : parts)
    EXPECT_NE(outcome.text.find(part), std::string::npos) << part << " in: " << outcome.text;
}

/// What the schema of docs/grid.md promises, and that the numbers say something.
void expect_schema(const std::vector<Json>& records, const Json& facts) {
  std::map<std::string, int> parts;
  std::set<std::string> routings;
  for (const Json& r : records) {
    const std::string part = r["part"];
    ++parts[part];
    EXPECT_EQ(r.contains("test"), part != "search") << r["id"];
    if (part == "main" || part == "base") {
      EXPECT_EQ(r["divergence"].size(), 2u);
      EXPECT_EQ(r["divergence_self"].size(), 2u);
      EXPECT_EQ(r["mass"].size(), 2u);
      EXPECT_EQ(r.contains("q"), part == "base" || r["seed"] == 1) << r["id"];
      EXPECT_GE(r["test"]["n"].get<int>(), r["test"]["n_english"].get<int>());
      routings.insert(r["divergence"].dump());
    }
    if (r["variant"] == "train_pairs=20" && r["task"] == "facts") {
      EXPECT_EQ(r["examples"], 20);
    }
  }
  // 2 cells; 4 main variants at 2 rates and strengths of the base model; sft brings 2 steered
  // records with each of its 2 seeds, and the base model 2.
  EXPECT_EQ(parts["search"], 2 * (4 * 2 + 1));
  EXPECT_EQ(parts["base"], 2);
  EXPECT_EQ(parts["main"], 2 * 5 * 2);
  EXPECT_EQ(parts["steering"], 2 * (2 + 2 * 2));
  // Accuracies of so small a model may agree by chance; how it routes does not.
  EXPECT_GE(routings.size(), 12u);
  EXPECT_TRUE(facts["finished"].get<bool>());
  EXPECT_EQ(facts["chosen"].size(), 2u * 4);
  EXPECT_EQ(facts["chosen_strengths"].size(), 2u * 2);
  EXPECT_EQ(facts["code"].get<std::string>().size(), 16u);
  EXPECT_EQ(facts["cost"]["runs"].get<int>(), 2 * (4 * 2 + 1) + 2 + 2 * 5 * 2);
  EXPECT_EQ(facts["machine"]["threads"], 1);
  for (const char* stage : {"divergence", "taxonomy", "experts"})
    EXPECT_TRUE(facts["stages"]["tiny"].contains(stage)) << stage;
}

/// The grid trains and evaluates as the commands do.
void expect_as_the_commands(const SmallWorld& world, const std::vector<Json>& records) {
  const std::string stages = world.file("whole") + "/stages/tiny/";
  for (const Json& r : records)
    if (r["id"] == "tiny/facts/es/ramoe/2" || r["id"] == "tiny/facts/es/train_pairs=20/1" ||
        r["id"] == "tiny/sums/es/rise/2") {
      const std::string folder = world.file("one");
      const Outcome tuned = run_cli(
          cat("finetune --base=", world.file("base"), " --divergence_run=", stages, "divergence",
              " --taxonomy_run=", stages, "taxonomy --experts_run=", stages, "experts --steps=4",
              " --batch=8 --max_new_tokens=12 --language=", r["lang"].get<std::string>(),
              " --train_tasks=", r["task"].get<std::string>(),
              " --method=", r["method"].get<std::string>(), " --seed=", r["seed"].dump(),
              " --learning_rate=", r["learning_rate"].dump(),
              " --train_pairs=", r["examples"] == 20 ? 20 : 0, " --overwrite=true --run=", folder));
      ASSERT_EQ(tuned.code, 0) << tuned.text;
      const Json results = read_json(folder + "/results.json");
      EXPECT_EQ(results["examples"], r["examples"]);
      EXPECT_EQ(results["valid"][0]["accuracy"], r["valid"]["accuracy"]) << r["id"];
      EXPECT_EQ(results["test"][0]["accuracy"], r["test"]["accuracy"]) << r["id"];
      EXPECT_EQ(results["test"][0]["given_english"], r["test"]["given_english"]);
    }
}

TEST(Experiment, KilledSharedOutOrWholeItGivesTheSameBits) {
  const SmallWorld world;
  const Outcome whole = world.experiment("whole", "--threads=1");
  ASSERT_EQ(whole.code, 0) << whole.text;
  EXPECT_NE(whole.text.find("search: 18 runs, 0 of them done"), std::string::npos) << whole.text;
  EXPECT_NE(whole.text.find("the grid is finished"), std::string::npos) << whole.text;
  const std::vector<Json> records = world.collect("whole");
  expect_schema(records, read_json(world.file("collected-whole") + "/smoke.json"));
  expect_as_the_commands(world, records);

  // Killed at random moments: what was there stays as it is.
  const std::size_t all = world.result_files("whole").size();
  std::random_device random;
  std::size_t begin = 0;
  for (const std::size_t most : {8u, 18u, 30u}) {
    const std::size_t count = begin + 1 + random() % (most - begin);
    SCOPED_TRACE(cat("killed with ", count, " results"));
    const auto before = world.result_files("killed");
    EXPECT_TRUE(WIFSIGNALED(world.interrupt("killed", count, SIGKILL)));
    const auto after = world.result_files("killed");
    EXPECT_LT(after.size(), all);
    for (const auto& [path, time] : before) EXPECT_EQ(after.at(path), time) << path;
    begin = after.size();
  }
  const auto kept = world.result_files("killed");
  // Ctrl-C ends with a message; then to the end.
  const int status = world.interrupt("killed", kept.size() + 1, SIGINT);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 130) << status;
  EXPECT_NE(read_file(world.file("log")).find("The same command goes on."), std::string::npos);
  // What was collected by now is enough to go on from, elsewhere.
  const std::string part = world.file("part");
  EXPECT_EQ(world.experiment("killed", "--partial=true --collect=" + part).code, 0);
  const Outcome rebuilt =
      run_cli("experiment merge --into=" + world.file("rebuilt") + " " + part + "/smoke.json");
  EXPECT_EQ(rebuilt.code, 0) << rebuilt.text;
  EXPECT_EQ(world.result_files("rebuilt").size(), world.result_files("killed").size());
  EXPECT_EQ(world.experiment("rebuilt").code, 0);
  expect_same(world.collect("rebuilt"), records);

  EXPECT_EQ(world.experiment("killed", "--threads=2").code, 0);
  const auto end = world.result_files("killed");
  for (const auto& [path, time] : kept) EXPECT_EQ(end.at(path), time) << path;
  expect_same(world.collect("killed"), records);

  // A finished grid, back from what was collected, with what its stages found.
  EXPECT_EQ(run_cli("experiment merge --into=" + world.file("back") + " " +
                    world.file("collected-whole") + "/smoke.json")
                .code,
            0);
  expect_same(world.collect("back"), records);
  Json back = read_json(world.file("collected-back") + "/smoke.json");
  EXPECT_EQ(back, read_json(world.file("collected-whole") + "/smoke.json"));

  // Shards in folders of their own, merged; then shards in one folder side by side.
  for (const char* i : {"1", "2", "3"})
    EXPECT_EQ(world.experiment(cat("s", i), cat("--part=search --shard=", i, "/3")).code, 0);
  const Outcome early = world.experiment("s2", "--part=main");
  expect_refused(early, {"12 of 18 runs of the search are missing", "--part=search", "merge"});
  const std::string merge = "experiment merge --into=" + world.file("merged");
  const Outcome merged =
      run_cli(merge + " " + world.file("s1") + " " + world.file("s2") + " " + world.file("s3"));
  EXPECT_EQ(merged.code, 0) << merged.text;
  EXPECT_NE(merged.text.find("18 new records"), std::string::npos) << merged.text;
  Outcome second;
  std::thread other([&] { second = world.experiment("merged", "--part=main --shard=2/2"); });
  const Outcome first = world.experiment("merged", "--part=main --shard=1/2");
  other.join();
  EXPECT_EQ(first.code, 0) << first.text;
  EXPECT_EQ(second.code, 0) << second.text;
  expect_same(world.collect("merged"), records);
  EXPECT_TRUE(read_json(world.file("merged") + "/experiment.json")["finished"].get<bool>());
}

TEST(Experiment, RefusesWhatMustNotBeMixed) {
  SmallWorld world;
  const auto limited = [&](const std::string& run) { return world.experiment(run, "--limit=3"); };
  const std::string run = world.file("run"), facts_path = run + "/experiment.json";
  ASSERT_EQ(limited("run").code, 0);
  ASSERT_EQ(world.result_files("run").size(), 3u);
  expect_refused(world.experiment("run", "--collect=" + world.file("c")),
                 {"3 of 52 records", "--partial=true"});
  EXPECT_EQ(world.experiment("run", "--partial=true --collect=" + world.file("c")).code, 0);

  // Other code, build, data or base model.
  const Json facts = read_json(facts_path);
  const auto with = [&](const std::function<void(Json&)>& change) {
    Json changed = facts;
    change(changed);
    write_json(facts_path, changed);
    const Outcome outcome = limited("run");
    write_json(facts_path, facts);
    return outcome;
  };
  const std::string remedy = "--overwrite=true to begin anew";
  expect_refused(with([](Json& f) { f["code"] = "00"; }), {"code: \"00\" there", remedy});
  expect_refused(with([](Json& f) { f["build"]["kernels"] = "mmx"; }), {"build, kernels", remedy});
  expect_refused(with([](Json& f) { f["data"]["tiny"] = "x"; }), {"data of tiny", remedy});
  expect_refused(with([](Json& f) { f["bases"]["tiny"]["base"] = "x"; }),
                 {"base model tiny", remedy});
  const Outcome damaged = with([](Json& f) { f.erase("code"); });
  expect_refused(damaged, {"has no \"code\""});
  EXPECT_EQ(damaged.text.find("--overwrite"), std::string::npos) << damaged.text;
  EXPECT_EQ(with([](Json& f) { f["build"]["revision"] = "old"; }).code, 0);

  // Another plan, but for more seeds.
  const auto with_plan = [&](const std::function<void(Json&)>& change) {
    Json changed = world.plan;
    change(changed);
    write_json(world.plan_path(), changed);
    const Outcome outcome = limited("run");
    write_json(world.plan_path(), world.plan);
    return outcome;
  };
  expect_refused(with_plan([](Json& p) { p["keys"]["steps"] = 5; }), {"plan, keys", remedy});
  expect_refused(with_plan([](Json& p) { p["seeds"] = 1; }), {"seeds: 2 there, 1 here"});
  expect_refused(with_plan([](Json& p) { p["keys"]["seed"] = 5; }), {"set by the grid itself"});
  expect_refused(with_plan([](Json& p) { p["keys"]["stepz"] = 5; }), {"stepz", "steps"});
  expect_refused(with_plan([](Json& p) { p["tasks"] = {"fact"}; }), {"fact"});
  EXPECT_EQ(with_plan([](Json& p) { p["seeds"] = 3; }).code, 0);
  expect_refused(limited("run"), {"seeds: 3 there, 2 here"});
  // Begun anew, what others have put there stays.
  for (const char* name : {"/thesis.tex", "/results/notes.json", "/results/tiny/facts/es/mine.txt",
                           "/stages/tiny/taxonomy/mine.txt", "/stages/plot.svg"})
    write_file(run + name, "mine");
  write_file(run + "/report.html", "<p>arXiv 2605.28306</p>");  // as `ramoe report` writes them
  write_file(run + "/evidence.json", "{\"claims\": []}");
  EXPECT_EQ(world.experiment("run", "--overwrite=true --limit=2").code, 0);
  EXPECT_FALSE(fs::exists(run + "/report.html") || fs::exists(run + "/evidence.json"));
  EXPECT_EQ(world.result_files("run").size(), 3u) << "two and somebody's notes";
  for (const char* name : {"/thesis.tex", "/results/notes.json", "/results/tiny/facts/es/mine.txt",
                           "/stages/tiny/taxonomy/mine.txt", "/stages/plot.svg"})
    EXPECT_EQ(read_file(run + name), "mine") << name;
  fs::remove(run + "/results/notes.json");
  // Nor is the plan written over by what is collected.
  expect_refused(world.experiment("run", "--partial=true --collect=" +
                                             fs::path(world.plan_path()).parent_path().string()),
                 {"smoke.json was not made by --collect"});
  EXPECT_EQ(read_json(world.plan_path()), world.plan);

  // A broken record is named and can be made again.
  const std::string broken = world.result_files("run").begin()->first;
  const std::string text = read_file(broken);
  std::ofstream(broken) << text.substr(0, text.size() / 2);
  expect_refused(limited("run"), {broken, "ends too early", "Remove"});
  fs::remove(broken);
  EXPECT_EQ(limited("run").code, 0);
  fs::copy(world.result_files("run").rbegin()->first, broken, fs::copy_options::overwrite_existing);
  expect_refused(limited("run"), {broken, "is not the record of"});
}

TEST(Experiment, MergesOnlyWhatAgrees) {
  SmallWorld world;
  const std::string a = world.file("a"), b = world.file("b");
  ASSERT_EQ(world.experiment("a", "--limit=4").code, 0);
  ASSERT_EQ(world.experiment("b", "--limit=2").code, 0);
  const auto merge = [&](const std::string& into) {
    return run_cli("experiment merge --into=" + world.file(into) + " " + a + " " + b);
  };
  EXPECT_EQ(merge("m").code, 0);
  EXPECT_EQ(world.result_files("m").size(), 4u);

  const std::string shared = world.result_files("b").begin()->first;
  const Json record = read_json(shared);
  Json changed = record;
  changed["seconds"] = 1e3;  // how long it took is no contradiction
  write_json(shared, changed);
  EXPECT_EQ(merge("m").code, 0);
  changed["valid"]["accuracy"] = 2;
  write_json(shared, changed);
  expect_refused(merge("new"), {"contradict", a, b, "Nothing was merged"});
  EXPECT_FALSE(fs::exists(world.file("new") + "/results"));
  write_json(shared, record);

  // A collected file that was cut off.
  const std::string collected = world.file("collected");
  EXPECT_EQ(world.experiment("b", "--partial=true --collect=" + collected).code, 0);
  const std::string lines = read_file(collected + "/smoke.jsonl");
  std::ofstream(collected + "/smoke.jsonl") << lines.substr(0, lines.size() - 20);
  expect_refused(
      run_cli("experiment merge --into=" + world.file("new") + " " + collected + "/smoke.json"),
      {"smoke.jsonl, line 2", "restore the file"});

  Json facts = read_json(b + "/experiment.json");
  facts["bases"]["tiny"]["corpus"] = "x";
  write_json(b + "/experiment.json", facts);
  expect_refused(merge("new"), {"base model tiny", a, b, "Nothing was merged"});
  EXPECT_FALSE(fs::exists(world.file("new") + "/results"));
  expect_refused(run_cli("experiment merge --into=" + world.file("new") + " " + world.file("none")),
                 {"holds no experiment"});
  expect_refused(run_cli("experiment merge " + a), {"--into=FOLDER A B"});
}

TEST(Experiment, OneProcessForEachShard) {
  SmallWorld world;
  ASSERT_EQ(world.experiment("run", "--limit=1").code, 0);
  // This test holds the lock of a shard as another process would.
  const int lock = ::open((world.file("run") + "/locks/shard-1-of-2").c_str(),
                          O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  ASSERT_EQ(::flock(lock, LOCK_EX | LOCK_NB), 0);
  expect_refused(world.experiment("run", "--limit=1 --shard=1/2"),
                 {"shard 1/2", "another process"});
  expect_refused(world.experiment("run", "--limit=1 --shard=1/3"), {"shard-1-of-2", "same number"});
  expect_refused(world.experiment("run", "--limit=1"), {"shard-1-of-2"});
  EXPECT_EQ(world.experiment("run", "--limit=1 --part=search --shard=2/2").code, 0);
  // To begin anew would take the other's results away: refused before anything is changed.
  const auto before = world.result_files("run");
  for (const char* shard : {"1/1", "1/2", "2/2", "1/3"})
    expect_refused(world.experiment("run", cat("--limit=1 --overwrite=true --shard=", shard)),
                   {"another process is at work there"});
  EXPECT_EQ(world.result_files("run"), before);
  ::close(lock);
  EXPECT_EQ(world.experiment("run", "--limit=1").code, 0);
  expect_refused(world.experiment("run", "--shard=3/2"), {"--shard=3/2"});
}

// This base model knows no answer in Spanish, and of these rates one alone teaches it any.
TEST(Experiment, SaysOrRefusesRatesAtTheEdgeOfTheSearch) {
  SmallWorld world;
  world.plan["search"]["learning_rates"] = {1e-9, 2e-9, 0.01};
  world.plan["keys"]["steps"] = 60;
  world.plan["tasks"] = {"facts"};
  world.plan["variants"] = Json::array({{{"name", "sft"}, {"method", "sft"}}});
  world.plan.erase("steering");
  world.plan["seeds"] = 1;
  write_json(world.plan_path(), world.plan);
  const Outcome warned = world.experiment("run");
  EXPECT_EQ(warned.code, 0) << warned.text;
  EXPECT_NE(warned.text.find("WARNING: 1 of 1 chosen learning rates lie at the edge"),
            std::string::npos)
      << warned.text;
  const Json facts = read_json(world.file("run") + "/experiment.json");
  EXPECT_EQ(facts["chosen"][0]["edge"], "highest");
  EXPECT_NE(facts["warning"].get<std::string>().find("decides nothing"), std::string::npos);

  world.plan["edges"] = "refuse";
  write_json(world.plan_path(), world.plan);
  for (const char* part : {"all", "search", "main"}) {
    const Outcome refused = world.experiment("strict", cat("--part=", part));
    expect_refused(refused, {"tiny/facts/sft: 0.01, the highest rate", "Add a rate above 0.01"});
    EXPECT_EQ(refused.text.find("terminate"), std::string::npos);
  }
  EXPECT_EQ(world.result_files("strict").size(), 3u) << "the search alone was done";
}

/// A run's key makes no sense: said before anything is trained, with the variant's name.
TEST(Experiment, RefusesVariantsWhoseKeysMakeNoSenseTogether) {
  SmallWorld world;
  const auto refused = [&](const Json& variant, const std::vector<std::string>& parts) {
    world.plan["variants"] = Json::array({variant});
    write_json(world.plan_path(), world.plan);
    expect_refused(world.experiment("run"), parts);
  };
  const auto with = [](const char* method, const Json& keys) {
    return Json{{"name", "x"}, {"method", method}, {"keys", keys}};
  };
  refused(with("sft", {{"pool", "all"}}), {"variant x", "pool = all with method = sft"});
  refused(with("ramoe", {{"pool", "all"}, {"span", "both"}}), {"variant x", "no answers"});
  refused(with("ramoe", {{"pool", "many"}}), {"variant x", "pool = \"many\""});
  refused(with("self_training", {{"pool", "all"}}), {"variant x", "train_pairs = 0"});
  EXPECT_TRUE(world.result_files("run").empty());
}

TEST(Experiment, PlansOfTheProjectCanBeRead) {
  const ScratchFolder scratch;
  for (const auto& entry : fs::directory_iterator(RAMOE_SOURCE_DIR "/data/grids")) {
    Json plan = read_json(entry.path().string());
    for (auto& folder : plan["models"]) folder = scratch.file("none");
    const std::string path = scratch.file(entry.path().filename().string());
    write_json(path, plan);
    // All that is wrong is that there is no base model.
    expect_refused(run_cli("experiment " + path + " --run=" + scratch.file("run")),
                   {"there is no folder", "none"});
  }
}

}  // namespace
}  // namespace ramoe
