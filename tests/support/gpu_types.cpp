// Everything that trains, compiled for the values of a GPU where the program itself is not: what a
// GPU holds can be pointed to but not read, so this file compiles only while no chapter reads it in
// a host loop. The operations themselves are declared alone; cuda/ defines them.
#include "ch01_tensor/storage.h"

#undef RAMOE_FOR_EACH_TYPE
#define RAMOE_FOR_EACH_TYPE(of) of(ramoe::GpuFloat)

#include "ch02_autograd/tape.cpp"
#include "ch04_moe/cached_moe.cpp"
#include "ch04_moe/experts.cpp"
#include "ch04_moe/model.cpp"
#include "ch04_moe/router.cpp"
#include "ch05_training/adamw.cpp"
#include "ch05_training/trainer.cpp"
#include "ch07_divergence/answers.cpp"
#include "ch07_divergence/forced_routing.cpp"
#include "ch07_divergence/headroom.cpp"
#include "ch07_divergence/routing_stats.cpp"
#include "ch10_alignment/alignment_loss.cpp"
#include "ch10_alignment/alignment_term.cpp"
#include "ch10_alignment/followed_side.cpp"
#include "ch11_baselines/steering.cpp"
#include "formats/model_files.cpp"
#include "runs/checkpoint.cpp"
