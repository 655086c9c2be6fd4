// The command line: ramoe <command> [config.json] [--key=value ...]
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ch01_tensor/parallel.h"
#include "ch05_training/run_folder.h"
#include "support/config.h"

namespace ramoe {

/// What is typed behind the command's name.
using Arguments = std::vector<std::string>;

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments& arguments);  // the exit code; throws Error
  bool looks = true;  // at stop_point(), so that an interrupt need not end the process at once
};
/// All commands, in the order of the stages.
const std::vector<Command>& commands();

int run_pretrain(const Arguments&);
int run_import(const Arguments&);
int run_divergence(const Arguments&);
int run_taxonomy(const Arguments&);
int run_experts(const Arguments&);
int run_finetune(const Arguments&);
int run_evaluate(const Arguments&);
int run_generate(const Arguments&);
int run_tokenize(const Arguments&);
int run_inspect(const Arguments&);
int run_logits(const Arguments&);
int run_memory(const Arguments&);
int run_experiment(const Arguments&);
int run_reproduce(const Arguments&);
int run_report(const Arguments&);
int run_results(const Arguments&);
int run_demo(const Arguments&);
int run_bench(const Arguments&);

/// Keys that every command which writes a run folder has.
struct RunOptions {
  std::string run;
  int threads = 0;
  bool resume = false, overwrite = false;

  void list(FieldList& fields);
  OnExisting existing() const;
  /// Error, before anything is read or computed, if no run of the command can be put there.
  void check_place(const std::string& command) const;
  /// "The same command goes on.": of those that keep what they have done.
  static std::string how_to_go_on(bool overwrite);
};

/// Throws the interrupt on: with its own text or, if it has none, with this one.
[[noreturn]] void throw_on(const Interrupted& interrupted, const std::string& text);

/// Reads the arguments into the fields: first a config file, if one is named, then the flags in
/// their order. `--help` prints the keys and ends the command: returns false.
bool read_arguments(FieldList& fields, const Arguments& arguments, const std::string& command);

/// The arguments with a first one that is no flag as --key=it: `ramoe inspect runs/base`.
Arguments name_first(Arguments arguments, const std::string& key);

/// The key of commands that look at one place.
struct PathKey {
  std::string path;
  const char* help;
  void list(FieldList& fields);
};
/// Reads the path, given as the first plain argument or as --path=. False after --help. Error:
/// none was given, or nothing is there.
bool read_path(PathKey& key, const Arguments& arguments, const std::string& command);

/// A command that is one stage: reads the options and calls the stage with them.
template <class Options, class Stage>
int run_stage(const Arguments& arguments, const std::string& command, const Stage& stage) {
  Options options;
  FieldList fields = fields_of(options);
  if (!read_arguments(fields, arguments, command)) return 0;
  options.run.check_place(command);
  stage(options);
  return 0;
}

/// The facts of a run for its folder, from its resolved fields. Run options never change a result.
RunFacts run_facts(const std::string& command, const FieldList& fields, std::uint64_t seed,
                   const Json& data);

/// The value behind "key : value" in a file of the system's, such as /proc/cpuinfo; empty if it
/// does not say.
std::string system_fact(const char* file, const std::string& key);

/// A pool of `threads` threads (0: as many as the machine has) in force on this thread.
class Workers {
 public:
  explicit Workers(int threads);
  int threads() const { return pool_.threads(); }

 private:
  ThreadPool pool_;
  PoolScope scope_;
};

}  // namespace ramoe
