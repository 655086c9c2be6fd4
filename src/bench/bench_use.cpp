// What a user waits for: generation, the start of the program, loading a model.
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>

#include "bench/bench.h"
#include "formats/model_files.h"
#include "support/passing_folder.h"
#include "support/platform.h"

extern char** environ;

namespace ramoe {

Json bench_generate(const Bench& bench) {
  const BenchOptions& o = bench.options;
  Model<float> model(o.model, o.seed);
  CachedMoe<float> cached(model);
  GenerateOptions generation;
  constexpr int kPrompt = 8, kNew = 48;
  generation.max_new_tokens = std::min(kNew, o.model.max_position_embeddings - kPrompt);
  check(generation.max_new_tokens > 0,
        "max_position_embeddings = ", o.model.max_position_embeddings,
        "; generation wants more than ", kPrompt, ".");
  Json table = Json::array();
  std::string text = "generation with the cache, tokens/s\n ";
  for (const int B : {1, 16, 64, 256}) {
    bench.progress(0.25 * double(table.size()));
    generation.batch = B;
    const auto prompts = random_tokens(o.seed, B, kPrompt, o.model.vocab_size);
    const Speed speed = measure({}, o.effort(), [&] { generate(cached, prompts, generation); });
    const double rate = B * generation.max_new_tokens / speed.seconds;
    text += text_of("  batch %d: %.0f", B, rate);
    table.push_back({{"batch", B}, {"tokens_per_second", rate}});
  }
  bench.print(text + "\n");
  return table;
}

namespace {

/// Wall time and processor time, in seconds.
struct BothTimes {
  double wall, cpu;
};

double wall_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_of(const rusage& usage) {
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + 1e-6 * double(t.tv_usec); };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Runs this program again, as `ramoe help`, from start to end.
BothTimes start_and_end() {
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO})
    ::posix_spawn_file_actions_addopen(&files, stream, "/dev/null", O_WRONLY, 0);
  char name[] = "ramoe", help[] = "help";
  char* arguments[] = {name, help, nullptr};
  const double start = wall_now();
  pid_t child = 0;
  const std::string program = program_file();
  const int error = ::posix_spawn(&child, program.c_str(), &files, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&files);
  check(error == 0, program, " cannot be started: ", std::strerror(error),
        "; leave the part out with --only.");
  int status = 0;
  rusage usage{};
  check(
      ::wait4(child, &status, 0, &usage) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
      "`ramoe help` failed when it was timed.");
  return {wall_now() - start, cpu_of(usage)};
}

BothTimes load(const std::string& folder) {
  rusage before{}, after{};
  ::getrusage(RUSAGE_SELF, &before);
  const double start = wall_now();
  load_model(folder);
  const double wall = wall_now() - start;
  ::getrusage(RUSAGE_SELF, &after);
  return {wall, cpu_of(after) - cpu_of(before)};
}

Json medians(int times, const std::function<BothTimes()>& act) {
  std::vector<double> wall, cpu;
  act();  // brings the files into the system's cache
  for (int i = 0; i < times; ++i) {
    const BothTimes t = act();
    wall.push_back(t.wall), cpu.push_back(t.cpu);
  }
  return {{"wall_ms", 1e3 * median(wall)}, {"cpu_ms", 1e3 * median(cpu)}, {"times", times}};
}

}  // namespace

Json bench_start(const Bench& bench) {
  const BenchOptions& o = bench.options;
  Json help = medians(21, start_and_end);
  bench.progress(0.5);
  const PassingFolder folder;
  double bytes = 0;
  {
    const Model<float> model(o.model, o.seed);
    save_model(model, folder.path());
    bytes = double(std::filesystem::file_size(folder.path() + "/model.safetensors"));
  }
  Json loading = medians(9, [&] { return load(folder.path()); });
  loading["bytes"] = bytes;
  bench.print(
      text_of("start   `ramoe help` %.1f ms (%.1f ms of processor time), loading a model of "
              "%.1f MB %.1f ms (%.1f ms)\n",
              help["wall_ms"].get<double>(), help["cpu_ms"].get<double>(), bytes / 1e6,
              loading["wall_ms"].get<double>(), loading["cpu_ms"].get<double>()));
  return {{"help", help}, {"load_model", loading}};
}

}  // namespace ramoe
