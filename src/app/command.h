// App - the command line: ramoe <command> [config.json] [--key=value ...]
//
// Tests: tests/app/cli_test.cpp, cli_forms_test.cpp
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/device.h"
#include "runs/run_folder.h"
#include "support/config.h"
#include "support/parallel.h"

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
  Device device = Device::cpu;
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

/// What a word that belongs to no flag is: `ramoe inspect runs/base`, `ramoe pretrain base.json`.
struct PlainWords {
  std::string key = {};         // of which it is the value; empty: a word is a config file
  bool configs = true;          // one that ends with .json is, unless it is a model's or a run's
  const char* usage = nullptr;  // behind the name of the command, for --help; nullptr: the usual
};

/// Reads the arguments into the fields: first a config file, if one is named, then the flags in
/// their order. A run.json of the same command is a config file too. `--help` prints the keys and
/// ends the command: returns false.
bool read_arguments(FieldList& fields, const Arguments& arguments, const std::string& command,
                    const PlainWords& words = {});

/// What people call a model's folder, where a command has one key for it.
std::vector<std::string> model_aliases();
/// What people call a language or several.
std::vector<std::string> language_aliases();

/// The key of commands that look at one place.
struct PathKey {
  std::string path;
  const char* help;
  void list(FieldList& fields);
};
/// Reads the path, given as a word or as --path=. False after --help. Error: none was given, or
/// nothing is there. `fields` lists the key, and others beside it.
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

/// Says on standard error which of the keys were given although they change nothing, and why.
void note_unused(const FieldList& fields, const std::vector<std::string>& keys,
                 const std::string& why);

/// A command line of this program as a shell takes it: "build/release/ramoe report runs/sw".
std::string command_line(const std::string& command, const Arguments& arguments);
/// The command line that goes on with the run in a folder, by what its run.json says.
std::string resuming(const std::string& command, const std::string& run);
/// The folder `name` beside a run's folder: runs/taxonomy beside runs/divergence.
std::string beside(const std::string& run, const std::string& name);
/// The keys among these that were given, as flags with their values.
Arguments flags_given(const FieldList& fields, const std::vector<std::string>& keys);
/// "12.3 %" of an accuracy of `n` items; "n/a" if there are none.
std::string percent_text(double share, int n);
/// The same of a JSON number, or of the null that stands for none.
std::string percent_text(const Json& share, int n);

/// Prints the two lines that end a stage: where its results are, and what comes next.
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
