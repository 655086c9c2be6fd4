// ramoe: the command line. Every error is one clear line and an exit code other than 0.
#include <exception>
#include <iostream>
#include <new>
#include <optional>

#include "app/command.h"
#include "app/experiment_folder.h"
#include "ch01_tensor/gemm.h"
#include "runs/interrupt.h"
#include "support/error.h"
#include "support/instruction_set.h"
#include "support/platform.h"

namespace {

void print_usage(std::ostream& out) {
  out << "ramoe <command> [config.json] [--key=value ...]\n\n"
         "Routing-aligned fine-tuning of mixture-of-experts models (arXiv 2605.28306), from\n"
         "scratch and in small. Each command writes one run folder, which the next ones read.\n\n";
  for (const ramoe::Command& command : ramoe::commands())
    out << "  " << command.name << std::string(12 - std::string(command.name).size(), ' ')
        << command.summary << "\n";
  out << "\n`ramoe <command> --help` lists every key with its default and meaning.\n"
         "`ramoe --version` says which program this is.\n\n"
         "Environment: RAMOE_MEMORY_GB, the memory (GiB) that may be used, in place of what is\n"
         "free; RAMOE_ARENA_GB, the most addresses (GiB) that one arena reserves; RAMOE_ISA, the\n"
         "instructions that are used in place of the best: avx512, avx2 or baseline on x86-64.\n";
}

void print_version() {
  const ramoe::Json facts = ramoe::build_facts(ramoe::gemm_isa());
  const auto text = [&](const char* key) { return facts.value(key, std::string("unknown")); };
  std::cout << "ramoe, revision " << text("revision") << "\nbuild     " << text("type") << ", "
            << text("compiler") << "\nkernels   " << text("kernels") << "\ncode      "
            << ramoe::code_checksum << " (results of the same code may be mixed)\n";
}

/// The command that is most likely meant by another name; empty if the name says nothing.
std::string nearest_command(const std::string& name) {
  std::vector<std::string> names;
  for (const ramoe::Command& command : ramoe::commands()) names.push_back(command.name);
  for (const auto& [other, ours] : {std::pair{"train", "pretrain or finetune"},
                                    {"sft", "finetune"},
                                    {"test", "evaluate"},
                                    {"sample", "generate"},
                                    {"chat", "generate"},
                                    {"convert", "import"},
                                    {"plot", "report"},
                                    {"benchmark", "bench"}})
    if (ramoe::same_name(name, other)) return ours;
  return ramoe::nearest_word(name, names);
}

int run(const std::string& name, const ramoe::Arguments& arguments) {
  for (const ramoe::Command& command : ramoe::commands())
    if (ramoe::same_name(name, command.name)) {
      std::optional<ramoe::Interrupt> interrupt;
      if (command.looks) interrupt.emplace();
      return command.run(arguments);
    }
  if (name.starts_with("-")) {
    const std::string command = arguments.empty() ? "<command>" : arguments[0];
    ramoe::fail("\"", name, "\" stands before the command; expected `ramoe ", command, " ", name,
                " ...`; `ramoe --help` lists the commands.");
  }
  const std::string nearest = nearest_command(name);
  ramoe::fail("unknown command \"", name, "\"",
              nearest.empty() ? "; `ramoe --help` lists the commands."
                              : "; did you mean " + nearest + "? `ramoe --help` lists all.");
}

}  // namespace

int main(int count, char** values) {
  ramoe::Arguments all(values + 1, values + count);
  if (!all.empty()) all[0] = ramoe::plain_dashes(all[0]);
  const auto first_is = [&](std::initializer_list<const char*> forms) {
    for (const char* form : forms)
      if (!all.empty() && all[0] == form) return true;
    return false;
  };
  const bool help = first_is({"--help", "-help", "-h", "-?", "/?", "help"});
  if (all.empty() || (help && all.size() == 1)) {
    print_usage(all.empty() ? std::cerr : std::cout);
    return all.empty() ? 2 : 0;
  }
  try {
    for (const char* name : {"RAMOE_MEMORY_GB", "RAMOE_ARENA_GB"})
      ramoe::environment_gigabytes(name);
    ramoe::instruction_set();
    if (first_is({"--version", "-version", "-v", "-V", "version"})) {
      print_version();
      return 0;
    }
    return help ? run(all[1], {"--help"}) : run(all[0], {all.begin() + 1, all.end()});
  } catch (const ramoe::Interrupted& interrupted) {
    const std::string text = interrupted.what();
    std::cerr << "ramoe: "
              << (text.empty() ? "interrupted; `ramoe " + all[0] +
                                     "` keeps nothing on its way: the same command begins anew."
                               : text)
              << "\n";
    return ramoe::interrupt_exit_code();
  } catch (const std::bad_alloc&) {
    std::cerr << "ramoe: out of memory; choose a smaller model, batch or sequence length.\n";
  } catch (const std::exception& error) {
    std::cerr << "ramoe: " << error.what() << "\n";
  }
  return 1;
}
