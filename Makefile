# Short names for what one does here; `make` alone lists them. CMake does the building.
#
# build/release holds the program and, once `make test` has run, its tests; trying the program needs
# no GoogleTest. build/asan holds both under the sanitizers.
#
# For GNU make 3.81 and newer, and bash 3.2 and newer: what macOS has.

SHELL  := bash
JOBS   ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
RAMOE  := build/release/ramoe
FLAGS  ?=
# A folder with nlohmann_json and GoogleTest, for a machine without network (docs/setup.md).
DEPS   ?=
export DEPS
# Ninja where there is one; CMake falls back to make by itself.
GENERATOR := $(if $(shell command -v ninja 2>/dev/null),-G Ninja)

.DEFAULT_GOAL := help
.PHONY: help deps deps-test build demo base-models mixture-models size-models grid reproduce grid-smoke docs-grid results docs-memory bench bench-peers bench-cuda check-cuda docs-speed check test test-asan test-asan-memory test-arm test-clang book fuzz clean tutorial lab check-lab labs labs-check grade docs-headroom docs-ladder bench-fine fresh-models lesion-models docs-lesion

help:                 ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

deps:                 ## check for what the program needs, install what is missing if allowed to
	@./.ci/deps program

deps-test:            ## the same for the tests
	@./.ci/deps program tests

WITH_DEPS = $(if $(DEPS),-DRAMOE_DEPS="$(DEPS)")

# $(1) preset, $(2) options when the folder is new, $(3) options each time, $(4) options of the build.
# A build folder keeps the generator and the compiler that it was first configured with.
define configure_and_build
	@if [ -f build/$(1)/CMakeCache.txt ]; then cmake --preset $(1) $(3) $(WITH_DEPS) >/dev/null; \
	 else CXX=$$(./.ci/deps compiler) cmake --preset $(1) $(GENERATOR) $(2) $(3) $(WITH_DEPS); fi
	@cmake --build --preset $(1) -j $(JOBS) $(4)
endef

# Of one core of a laptop of 2021 with g++ 12, from nothing.
BUILD_SECONDS := 240

build: deps           ## build the program
	@[ -x $(RAMOE) ] || echo "building with $(JOBS) jobs: some $$(($(BUILD_SECONDS) / $(JOBS) / 60 + 1)) minutes"
	$(call configure_and_build,release,-DRAMOE_TESTS=OFF,,--target ramoe)

demo: build           ## the whole method in small, from data to table (FLAGS="--key=value ...")
	$(RAMOE) demo $(FLAGS)

MODELS ?= data/models

# Interrupted: FLAGS=--resume=true goes on; what was finished is kept.
base-models: build    ## pre-train the base model of each router family again, into MODELS=data/models
	@shopt -s nullglob; configs=(data/configs/base-*.json); \
	 [ $${#configs[@]} -gt 0 ] || { echo "data/configs/base-*.json: no configuration is there"; exit 1; }; \
	 for config in "$${configs[@]}"; do \
	   name=$$(basename "$$config" .json); name=$${name#base-}; run=runs/base-$$name; \
	   echo "== $$name"; \
	   $(RAMOE) pretrain "$$config" --run="$$run" $(FLAGS) && \
	   $(RAMOE) evaluate --base="$$run" --run="$$run/test" && \
	   data/publish_model.sh "$$run" "$(MODELS)/$$name" || exit 1; \
	 done

PLAN ?= main

grid: build           ## the runs of data/grids/PLAN.json, PLAN=main; goes on if killed (docs/grid.md)
	$(RAMOE) experiment data/grids/$(PLAN).json --run=runs/$(PLAN) $(FLAGS)

docs-grid: build      ## docs/results/PLAN.json and .jsonl from a finished grid, with a pair traced
	$(RAMOE) report runs/$(PLAN)
	$(RAMOE) experiment data/grids/$(PLAN).json --run=runs/$(PLAN) --collect=docs/results $(FLAGS)

EXPONENTS := 0 1

mixture-models: build ## base models of other exponents of the language mixture, for PLAN=mixture
	@for e in $(EXPONENTS); do \
	   $(RAMOE) pretrain data/configs/base-qwen3_moe.json --mixture_exponent=$$e \
	     --run=runs/mixture-$$e $(FLAGS) || exit 1; \
	 done

SIZES := 32 96

size-models: build    ## base models of other widths C=H, for PLAN=size
	@for c in $(SIZES); do \
	   $(RAMOE) pretrain data/configs/base-qwen3_moe.json --hidden_size=$$c \
	     --moe_intermediate_size=$$c --run=runs/size-$$c $(FLAGS) || exit 1; \
	 done

LESION_LANGUAGES := es zh ar
STRENGTHS := 0 0.5 1 1.5

lesion-models: build  ## base models with damaged routers and their headroom, for PLAN=lesion-es, -zh and -ar
	@for l in $(LESION_LANGUAGES); do for s in $(STRENGTHS); do run=runs/lesion-$$l-$$s; \
	   $(RAMOE) lesion --base=data/models/qwen3_moe --languages=$$l --tasks=follow --strength=$$s \
	     --run=$$run $(FLAGS) || exit 1; \
	   for form in seq-other-both seq-target-both seq-target-prompt last-target-prompt tokens-target-prompt; do \
	     set -- $$(echo $$form | tr - ' '); \
	     $(RAMOE) headroom --base=$$run --languages=$$l --tasks=follow --form=$$1 --control=$$2 --span=$$3 \
	       --zone=depth --zone_begin=0.5 --zone_end=0.85 --switched=false \
	       --run=runs/lesion-headroom/$$l-$$s-$$form $(FLAGS) || exit 1; \
	   done; \
	 done; done

# From runs/lesion-* of lesion-models and docs/results/lesion-*.json of docs-grid.
docs-lesion:           ## docs/lesion.md: what a fault of routing alone costs, and what gets it back
	python3 docs/make_lesion.py runs

# Under ten minutes of two cores: one model, two tasks, all languages, three methods, ten fresh seeds.
reproduce: build      ## a slice of the grid again with fresh seeds, against docs/results
	$(RAMOE) reproduce --run=runs/reproduce --models=qwen3_moe --tasks=facts,follow \
	  --variants=sft,ramoe,rise --seeds=10 $(FLAGS)

grid-smoke: build     ## a grid of seconds on a tiny base model, collected in runs/smoke
	$(RAMOE) pretrain --run=runs/smoke-base --overwrite=true --languages=en,es,sw --tasks=facts \
	  --vocab_size=500 --tokenizer_documents=300 --hidden_size=32 --num_hidden_layers=2 \
	  --num_attention_heads=2 --num_key_value_heads=2 --num_experts=4 --moe_intermediate_size=16 \
	  --batch=16 --steps=400 --learning_rate=0.01
	$(RAMOE) experiment data/grids/smoke.json --run=runs/smoke --overwrite=true $(FLAGS)
	$(RAMOE) experiment data/grids/smoke.json --run=runs/smoke --collect=runs/smoke

results: build        ## docs/results: evidence and report; docs/results.md if there is matplotlib
	$(RAMOE) results docs/results $(FLAGS)
	@if python3 -c 'import matplotlib' 2>/dev/null; then python3 docs/make_results.py; \
	 else echo "docs/results.md and its figures stay as they are; to make them again: sudo apt-get install python3-matplotlib"; fi

HEADROOM := runs/docs-headroom

docs-headroom: build  ## docs/headroom.md: whether routing holds back the shipped models; minutes
	@for model in $(wildcard data/models/*); do for form in last seq; do \
	   $(RAMOE) headroom --base=$$model --form=$$form --run=$(HEADROOM)/$$(basename $$model)-$$form \
	     --overwrite=true $(FLAGS) || exit 1; \
	 done; done
	python3 docs/make_headroom.py $(HEADROOM)

# Hours of one core; JOBS of them are used. FLAGS="--only=E64 --device=cuda --limit=400" and more.
docs-ladder: build    ## docs/ladder.md: headroom by how fine the experts are, and by answers; hours
	python3 docs/make_ladder.py --program=$(RAMOE) --jobs=$(JOBS) $(FLAGS)

# One step of E64 of data/ladder.json: 48 rows of about 24 tokens. On an idle machine.
bench-fine: build     ## the products of small experts, in docs/results/bench_fine.json; seconds
	$(RAMOE) bench --only=peak,gemm --threads=1 --rounds=15 --seconds=0.2 --vocab_size=768 --hidden_size=64 \
	  --num_hidden_layers=5 --num_experts=64 --num_experts_per_tok=8 --moe_intermediate_size=16 \
	  --sequences=48 --tokens=24 --out=docs/results/bench_fine.json $(FLAGS)

fresh-models: build   ## the base models of the plans decide*, and their headroom: half an hour
	python3 docs/make_ladder.py --fresh --program=$(RAMOE) --jobs=$(JOBS) $(FLAGS)

docs-memory: build    ## docs/real_models_memory.md again, from data/configs/real/*.json
	@{ echo "# Memory of real models, computed"; echo; \
	   echo "Made by \`make docs-memory\` from the published config.json files. \"here\": this program does it so; the other rows say what"; \
	   echo "would have to change to fit in less. Half of the tokens are taken to be answers. The second table of a model is for one GPU; one that is"; \
	   echo "sold with 80 GB offers some 79 GiB, less what CUDA takes for itself. See [real_models.md](real_models.md)."; \
	   for config in data/configs/real/*.json; do echo; $(RAMOE) memory "$$config" --format=markdown; echo; \
	     $(RAMOE) memory "$$config" --device=cuda --format=markdown; done; \
	 } > docs/real_models_memory.md

OUT ?= runs/bench.json

bench: build          ## time kernels, operations, steps, generation; numbers in OUT=runs/bench.json
	$(RAMOE) bench --out=$(OUT) $(FLAGS)

PEERS_OUT    ?= runs/bench_peers.json
PEERS_PYTHON ?= build/peers/venv/bin/python

# PyTorch and what it needs, some gigabytes from PyPI, fetched once; and the newest OpenBLAS.
build/peers/venv/bin/python:
	python3 -m venv build/peers/venv || { rm -rf build/peers/venv; exit 1; }
	build/peers/venv/bin/python -m pip install --quiet torch transformers safetensors scipy-openblas32 \
	  || { rm -rf build/peers/venv; exit 1; }

bench-peers:          ## time ours beside OpenBLAS, oneDNN, PyTorch, transformers; in PEERS_OUT
	@./.ci/deps program peers
	@[ -x $(PEERS_PYTHON) ] || $(MAKE) --no-print-directory build/peers/venv/bin/python
	$(call configure_and_build,peers,,,--target our_peer sgemm_peers)
	@python3 tests/bench/peers.py --build=build/peers --python=$(PEERS_PYTHON) --out=$(PEERS_OUT) \
	  $(FLAGS)

CUDA_OUT ?= runs/cuda.json

bench-cuda:           ## on a GPU: kernels beside cuBLAS and a copy, a step beside PyTorch, in CUDA_OUT
	@./.ci/deps program
	$(call configure_and_build,cuda,-DRAMOE_TESTS=OFF,,--target cuda_bench cuda_peer)
	@python3 tests/bench/on_gpu.py --build=build/cuda --out=$(CUDA_OUT) --only=bench,steps $(FLAGS)

check-cuda:           ## on a GPU, in some 8 minutes: tests, sanitizers, times, the smoke demo, in CUDA_OUT
	@./.ci/deps program tests
	$(call configure_and_build,cuda,,-DRAMOE_TESTS=ON,--target ramoe cuda_test cuda_bench cuda_peer)
	@python3 tests/bench/on_gpu.py --build=build/cuda --out=$(CUDA_OUT) $(FLAGS)

docs-speed:           ## docs/speed.md and its figures again, from docs/results/bench*.json
	python3 docs/make_speed_tables.py

tutorial: build       ## listings and outputs of tutorial/ again, from the code and the program
	python3 tutorial/tools/weave.py --program=$(RAMOE) $(FLAGS)

N       ?=
UNDO    ?=
LIBRARY ?=
LAB_TOOL := python3 tutorial/tools/labs.py

lab:                  ## cut lab N=9 out of this tree, to be written again; UNDO=1 puts it back
	@$(LAB_TOOL) $(if $(UNDO),undo,cut) "$(N)"

check-lab: deps-test  ## build the tests of lab N=9 and count its points
	@$(LAB_TOOL) id "$(N)" >/dev/null
	$(call configure_and_build,release,,-DRAMOE_TESTS=ON,--target $(shell $(LAB_TOOL) id "$(N)" 2>&1)_test)
	@$(LAB_TOOL) points "$(N)" build/release/$(shell $(LAB_TOOL) id "$(N)" 2>&1)_test

LIBRARY_TARGETS := --target ramoe_results ramoe_watched

# Needs Python and git. A student's tree is built by itself: nothing in it leads back here.
labs:                 ## a student's tree with all labs cut, OUT=dir; LIBRARY=1: with the library compiled
	@[ "$(origin OUT)" != file ] || { echo "make labs OUT=dir: expected the folder to be made"; exit 1; }
ifneq ($(LIBRARY),)
	@./.ci/deps program tests
	$(call configure_and_build,release,,-DRAMOE_TESTS=ON,$(LIBRARY_TARGETS))
endif
	@$(LAB_TOOL) tree "$(OUT)" $(if $(LIBRARY),--library build/release)

labs-check: deps-test ## prove that each lab's tests fail when it is cut, and pass when it is done
	$(call configure_and_build,release,,-DRAMOE_TESTS=ON,$(LIBRARY_TARGETS))
	@python3 tutorial/tools/labs_check.py --build build/release --jobs $(JOBS)

ROOM ?=
# A number or the beginning of a name will do.
TESTED := $(notdir $(firstword $(wildcard $(addprefix tests/,$(ROOM)* ch$(ROOM)*))))

check: deps-test      ## build and run the tests of one room alone, ROOM=ch10, after each change
	@[ -n "$(ROOM)" ] && [ -n "$(TESTED)" ] || { echo "make check ROOM=...: expected one of" \
	  $(sort $(patsubst tests/%/,%,$(dir $(wildcard tests/*/*_test.cpp)))); exit 1; }
	$(call configure_and_build,release,,-DRAMOE_TESTS=ON,--target $(TESTED)_test)
	@cd build/release && ctest --output-on-failure -j2 -R '^$(TESTED)_test\.'

test: deps-test       ## build and run all tests
	$(call configure_and_build,release,,-DRAMOE_TESTS=ON)
	@cd build/release && ctest --output-on-failure -j2

test-asan: deps-test  ## the same under AddressSanitizer and UndefinedBehaviorSanitizer
	$(call configure_and_build,asan,,-DRAMOE_PAPER=ON)
	@cd build/asan && ctest --output-on-failure -j2

# What the paper's chapters, pages and commands add handles no memory by itself, and emulated kernels
# are watched by the emulation's own check of memory in every `make test`: neither is compiled.
test-asan-memory: deps-test ## the same for the rooms that handle memory by themselves
	$(call configure_and_build,asan,,-DRAMOE_PAPER=OFF,--target memory_tests)
	@cd build/asan && ctest --output-on-failure -j2 \
	   -R '^(support|ch0[1-6]_[a-z]+|fast|formats|runs|fuzz)_test' \
	   -E '\.(Bf16|Memory|avx2|baseline)$$'

ARM_ROOMS := support ch01_tensor ch02_autograd ch03_transformer ch04_moe ch05_training fast

# The tiles of the product must keep their sums in registers; the emulated GPU; then the tests
# (docs/arm.md).
test-arm:             ## tests of chapters 1 to 5 for 64-bit ARM: cross-built, run under qemu
	@./.ci/deps program tests aarch64
	$(call configure_and_build,aarch64,,-DRAMOE_PAPER=OFF,--target $(ARM_ROOMS:%=%_test))
	@! command -v python3 >/dev/null || python3 tests/bench/count_tile_instructions.py \
	   build/aarch64/CMakeFiles/ramoe_core.dir/src/fast/gemm_kernels.cpp.o
	@sh cuda/emulation/aarch64_test.sh build/aarch64/emulation
	@cd build/aarch64 && ctest --output-on-failure -j2 \
	   -R '^(support|ch0[1-5]_[a-z]+|fast)_test' -LE slow_under_qemu

# Chapters 1 to 5 and what is below them: where compilers and instruction sets could differ.
test-clang: deps-test ## the tests of chapters 1 to 5 and of the fast kernels, built by clang++, or CXX=clang++-16
	@./.ci/deps clang
	$(call configure_and_build,clang,,$(if $(findstring clang,$(CXX)),-DCMAKE_CXX_COMPILER="$(CXX)"),--target machine_tests)
	@cd build/clang && ctest --output-on-failure -j2 -R '^(support|fast|ch0[1-5]_[a-z]+)_test'

BOOK ?= build/book

book:                 ## the tutorial, labs and guides as one offline page and a PDF, in BOOK=build/book
	@./.ci/deps book browser
	@python3 tutorial/tools/book.py $(BOOK)

TREE   ?= .
LABS   ?=
HIDDEN ?=

# FLAGS="--course=... --out=..." and more: tutorial/grading.md.
grade: deps-test      ## grade the labs of TREE=., all or LABS=5,9, with hidden cases from HIDDEN=file
	@command -v python3 >/dev/null || { echo "make grade needs python3; install it, and binutils"; exit 1; }
	@python3 tutorial/tools/grade.py --tree="$(TREE)" --labs="$(LABS)" --hidden="$(HIDDEN)" \
	  --cmake="$(if $(DEPS),-DRAMOE_DEPS=$(DEPS))" --jobs=$(JOBS) $(FLAGS)

RUNS    ?= 100000
READERS := safetensors shards config tokenizer

fuzz:                 ## feed the readers with broken files, RUNS=100000 each (docs/fuzzing.md)
	@command -v clang++ >/dev/null || { echo "make fuzz needs clang++; install with: sudo apt-get install clang"; exit 1; }
	$(call configure_and_build,fuzz,,,--target $(READERS:%=%_fuzz))
	@for reader in $(READERS); do \
	   mkdir -p build/fuzz/corpus/$$reader; echo "== $$reader"; \
	   build/fuzz/$${reader}_fuzz build/fuzz/corpus/$$reader tests/fuzz/corpus/$$reader \
	     -dict=tests/fuzz/$$reader.dict -artifact_prefix=build/fuzz/$$reader- -runs=$(RUNS) \
	     -max_len=4096 -malloc_limit_mb=64 -rss_limit_mb=1024 -timeout=5 -print_final_stats=1 || exit 1; \
	 done

clean:                ## remove what was built; runs/ stays
	rm -rf build
