// The program as a user calls it: a command line in, exit code and both streams out.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <string>

namespace ramoe {

struct Outcome {
  int code = -1;
  std::string text;  // standard output and error together
};

/// Runs `ramoe <arguments>`, quoted as for a shell, in the root of the repository; under `watcher`,
/// such as timeout, if one is given.
inline Outcome run_cli(const std::string& arguments, const std::string& watcher = "") {
  Outcome outcome;
  FILE* pipe = ::popen(
      ("exec 2>&1; cd " RAMOE_SOURCE_DIR "; " + watcher + " " + RAMOE_BINARY + " " + arguments)
          .c_str(),
      "r");
  if (pipe == nullptr) return outcome;
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe))
    outcome.text.append(buffer, n);
  const int status = ::pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

/// Runs a command in the background, sends the signal once test(1) says so, and waits for the end.
/// A shell's background commands ignore SIGINT.
inline Outcome signalled(const std::string& arguments, const std::string& signal,
                         const std::string& test, const std::string& watcher = "") {
  return run_cli(arguments + " & pid=$!; for i in $(seq 1200); do [ " + test +
                     " ] && break; sleep 0.05; done; kill -" + signal + " $pid; wait $pid",
                 watcher);
}

/// Keys of a pre-training run that takes a second or two.
inline std::string tiny_pretrain(const std::string& folder, const std::string& more = "") {
  return "pretrain --data=data --run=" + folder +
         " --languages=en,es,sw --tasks=facts --tokenizer_documents=300 --vocab_size=500"
         " --hidden_size=16 --num_hidden_layers=2 --num_attention_heads=2 --num_key_value_heads=2"
         " --num_experts=4 --moe_intermediate_size=8 --batch=8 --steps=12 --save_every=4 " +
         more;
}

}  // namespace ramoe
