// ramoe: the command line. One clear line for every error, and an exit code that is not 0.
#include <exception>
#include <iostream>
#include <new>
#include <optional>

#include "app/command.h"
#include "ch05_training/interrupt.h"
#include "support/error.h"

namespace {

void print_usage(std::ostream& out) {
  out << "ramoe <command> [config.json] [--key=value ...]\n\n"
         "Routing-aligned fine-tuning of mixture-of-experts models (arXiv 2605.28306), from\n"
         "scratch and in small. Each command writes one run folder, which the next ones read.\n\n";
  for (const ramoe::Command& command : ramoe::commands())
    out << "  " << command.name << std::string(12 - std::string(command.name).size(), ' ')
        << command.summary << "\n";
  out << "\n`ramoe <command> --help` lists every key with its default and meaning.\n";
}

int run(const std::string& name, const ramoe::Arguments& arguments) {
  std::vector<std::string> names;
  for (const ramoe::Command& command : ramoe::commands()) {
    if (name == command.name) {
      std::optional<ramoe::Interrupt> interrupt;
      if (command.looks) interrupt.emplace();
      return command.run(arguments);
    }
    names.push_back(command.name);
  }
  const std::string nearest = ramoe::nearest_word(name, names);
  ramoe::fail("unknown command \"", name, "\"",
              nearest.empty() ? "; `ramoe --help` lists the commands."
                              : "; did you mean " + nearest + "? `ramoe --help` lists all.");
}

}  // namespace

int main(int count, char** values) {
  const ramoe::Arguments all(values + 1, values + count);
  if (all.empty() || all[0] == "--help" || all[0] == "-h" || all[0] == "help") {
    print_usage(all.empty() ? std::cerr : std::cout);
    return all.empty() ? 2 : 0;
  }
  try {
    return run(all[0], {all.begin() + 1, all.end()});
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
