#include "app/command.h"

#include <algorithm>

#include "ch01_tensor/gemm.h"
#include "support/error.h"

namespace ramoe {

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      {"demo", "the whole paper in small: pre-train, stages 1 to 3, comparison, report", run_demo},
      {"pretrain", "pre-train a base model on the language mixture", run_pretrain},
      {"import", "a model from elsewhere and one's own data as the base of the stages", run_import},
      {"divergence", "routing divergence by layer and language, and the alignment zone",
       run_divergence},
      {"headroom", "whether routing holds a language back: English routing forced, and a control",
       run_headroom},
      {"lesion", "a copy of a base model with damaged routers: a positive control", run_lesion},
      {"taxonomy", "stage 1: sort training pairs into cc / ci / ic / ii", run_taxonomy},
      {"experts", "stage 2: the task experts of each layer", run_experts},
      {"finetune", "stage 3: SFT with or without the alignment loss", run_finetune},
      {"experiment", "a grid of runs over models, tasks, languages, methods and seeds",
       run_experiment},
      {"reproduce", "a slice of a finished grid again with fresh seeds, held against its intervals",
       run_reproduce},
      {"evaluate", "accuracy of a model on a split", run_evaluate},
      {"generate", "continue a prompt", run_generate},
      {"tokenize", "text to token ids and back", run_tokenize, false},
      {"logits", "logits and router logits of given token ids, for comparing with others",
       run_logits},
      {"explain", "one example number by number: router, attention, alignment or taxonomy",
       run_explain},
      {"memory", "the memory that a model needs, by method", run_memory, false},
      {"inspect", "what is in a run folder, a model folder or a language pack", run_inspect, false},
      {"report", "report.html of a demo, a fine-tuning run, a headroom or a grid", run_report},
      {"results", "verdicts, evidence and report from collected grids: docs/results", run_results},
      {"bench", "speed of the kernels and of a training step against the machine's peak",
       run_bench},
  };
  return all;
}

void RunOptions::list(FieldList& f) {
  f.add("run", &run, "folder of this run");
  f.add("threads", &threads, "threads; 0: as many as the machine has. Changes no result",
        {0, 1024});
  f.add("device", &device, device_help);
  f.add("gemm", &gemm, gemm_help);
  f.add("resume", &resume, "go on with the run that the folder holds");
  f.add("overwrite", &overwrite, "begin anew: remove what the command's run in the folder wrote");
}

void ReadingOptions::list(FieldList& f) {
  RunOptions::list(f);
  f.add("weights", &weights, weights_help);
}

OnExisting RunOptions::existing() const {
  check(!run.empty(), "--run is empty; expected the folder of this run, such as --run=runs/base.");
  check(!(resume && overwrite), "--resume=true and --overwrite=true exclude one another.");
  return resume ? OnExisting::resume : overwrite ? OnExisting::overwrite : OnExisting::refuse;
}

void RunOptions::check_place(const std::string& command) const {
  existing();
  check_run_place(run, command);
}

std::string RunOptions::how_to_go_on(bool overwrite) {
  return cat("The same command", overwrite ? " without --overwrite=true" : "", " goes on.");
}

void throw_on(const Interrupted& interrupted, const std::string& text) {
  throw Interrupted(*interrupted.what() != '\0' ? interrupted.what() : text);
}

RunFacts run_facts(const std::string& command, const FieldList& fields, std::uint64_t seed,
                   const Json& data) {
  RunFacts facts;
  facts.command = command;
  facts.config = fields.to_json();
  facts.seed = seed;
  facts.build = build_facts(gemm_isa());
  facts.data = data;
  facts.free_keys = {"run", "threads", "resume", "overwrite", "log_every", "save_every"};
  facts.trains = command == "pretrain" || command == "finetune";
  return facts;
}

Workers::Workers(int threads)
    : pool_(threads > 0 ? threads
                        : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))),
      scope_(pool_) {}

}  // namespace ramoe
