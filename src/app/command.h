// App - the command line: ramoe <command> [config.json] [--key=value ...]
//
// Tests: tests/app/cli_test.cpp, cli_forms_test.cpp
#pragma once

#include <string>
#include <vector>

#include "app/device.h"
#include "runs/run_folder.h"
#include "support/config.h"
#include "support/parallel.h"

namespace ramoe {

/// The words after the name of the command.
using Arguments = std::vector<std::string>;

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments& arguments);  // the exit code; throws Error
  bool looks = true;  // whether it calls stop_point(), so that an interrupt can wait for that
};
/// All commands, in the order of the stages.
const std::vector<Command>& commands();

int run_pretrain(const Arguments&);
int run_import(const Arguments&);
int run_divergence(const Arguments&);
int run_headroom(const Arguments&);
int run_lesion(const Arguments&);
int run_taxonomy(const Arguments&);
int run_experts(const Arguments&);
int run_finetune(const Arguments&);
int run_evaluate(const Arguments&);
int run_generate(const Arguments&);
int run_tokenize(const Arguments&);
int run_inspect(const Arguments&);
int run_logits(const Arguments&);
int run_explain(const Arguments&);
int run_memory(const Arguments&);
int run_experiment(const Arguments&);
int run_reproduce(const Arguments&);
int run_report(const Arguments&);
int run_results(const Arguments&);
int run_demo(const Arguments&);
int run_bench(const Arguments&);

/// Keys of every command that writes a run folder.
struct RunOptions {
  std::string run;
  int threads = 0;
  Device device = Device::cpu;
  GemmEngine gemm = GemmEngine::own;
  bool resume = false, overwrite = false;

  void list(FieldList& fields);
  OnExisting existing() const;
  /// Error, before anything is read or computed, if the folder cannot take a run of the command.
  void check_place(const std::string& command) const;
  /// How to continue a command that keeps finished work, such as "The same command goes on."
  static std::string how_to_go_on(bool overwrite);
};

/// The same for commands that only compute with a model.
struct ReadingOptions : RunOptions {
  Precision weights = Precision::fp32;
  void list(FieldList& fields);
};

/// Rethrows the interrupt, with its own text or, if it has none, with this one.
[[noreturn]] void throw_on(const Interrupted& interrupted, const std::string& text);

/// What a word without a flag means: `ramoe inspect runs/base`, `ramoe pretrain base.json`.
struct PlainWords {
  std::string key = {};         // the word is the value of this key; empty: it is a config file
  bool configs = true;          // whether a .json file is one, unless it is a model's or a run's
  const char* usage = nullptr;  // what --help shows after the command's name; nullptr: the default
};

/// Reads the arguments into the fields: first a config file, if one is named, then the flags in
/// their order. A run.json of the same command is a config file too. Returns false after `--help`,
/// which prints the keys and ends the command.
bool read_arguments(FieldList& fields, const Arguments& arguments, const std::string& command,
                    const PlainWords& words = {});

/// Other names for the key of a model folder, for commands with one such key.
std::vector<std::string> model_aliases();
/// Other names for the key of one or several languages.
std::vector<std::string> language_aliases();

/// The key of commands that read one path.
struct PathKey {
  std::string path;
  const char* help;
  void list(FieldList& fields);
};
/// Reads the path, given as a word or as --path=. `fields` lists the key, and perhaps others.
/// Returns false after --help. Error: no path was given, or nothing is there.
bool read_path(PathKey& key, FieldList& fields, const Arguments& arguments,
               const std::string& command);

/// The keys that a config struct lists.
template <class Config>
std::vector<std::string> keys_of() {
  Config config;
  const FieldList list = fields_of(config);
  std::vector<std::string> keys;
  for (const Field& field : list.fields()) keys.push_back(field.key);
  return keys;
}

/// Reports on standard error which of the keys were given although they have no effect, and why.
void note_unused(const FieldList& fields, const std::vector<std::string>& keys,
                 const std::string& why);

/// A command line of this program, quoted for a shell: "build/release/ramoe report runs/sw".
std::string command_line(const std::string& command, const Arguments& arguments);
/// The command line that resumes the run in a folder, by its run.json.
std::string resuming(const std::string& command, const std::string& run);
/// The folder `name` beside a run folder: runs/taxonomy beside runs/divergence.
std::string beside(const std::string& run, const std::string& name);
/// Those of the keys that were given, as flags with their values.
Arguments flags_given(const FieldList& fields, const std::vector<std::string>& keys);
/// "12.3 %" for an accuracy over `n` items; "n/a" if there are none.
std::string percent_text(double share, int n);
/// The same for a JSON number, or for null, which means none.
std::string percent_text(const Json& share, int n);

/// Prints the two last lines of a stage: where its results are, and the next command.
void say_end(const std::string& where, const std::string& next_command);

/// A command that is one stage: reads the options and calls stage(options, fields).
template <class Options, class Stage>
int run_stage(const Arguments& arguments, const std::string& command, const Stage& stage) {
  Options options;
  FieldList fields = fields_of(options);
  if (!read_arguments(fields, arguments, command, {fields.find("base") ? "base" : ""})) return 0;
  options.run.check_place(command);
  stage(options, fields);
  return 0;
}

/// The facts that a run folder records, from the resolved fields, without run options: those never
/// change a result.
RunFacts run_facts(const std::string& command, const FieldList& fields, std::uint64_t seed,
                   const Json& data);

/// A pool of `threads` threads (0: as many as the machine has) that this thread uses.
class Workers {
 public:
  explicit Workers(int threads);
  /// Also chooses who computes products on a GPU.
  Workers(int threads, Device device, GemmEngine gemm) : Workers(threads) {
    choose_gemm(device, gemm);
  }
  explicit Workers(const RunOptions& run) : Workers(run.threads, run.device, run.gemm) {}
  int threads() const { return pool_.threads(); }

 private:
  ThreadPool pool_;
  PoolScope scope_;
};

}  // namespace ramoe
