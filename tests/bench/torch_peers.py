"""The peers in PyTorch, on commands; tests/bench/peers.py starts this with its environment.

    torch_peers.py FOLDER THREADS|cuda

Reads FOLDER as our_peer.cpp writes it. Commands from stdin, one a line; the answers are lines of
JSON, {"error": ...} where a peer cannot do it:

    versions                     {name: version}
    make NAME                    {"losses"}             of the first three steps
    step NAME COUNT              {"seconds"}            of one of COUNT training steps
    generate NAME BATCH COUNT    {"seconds", "tokens"}  of one of COUNT generations

Names of steps: hf_loop, hf_eager, hf_grouped_mm, hf_batched_mm, the ways of torch_model.py and
dense, each also with _compiled. Of generation: generate_ and hand_ before a transformers peer, for
its generate() and for a plain loop around the model with its cache, or torch, the compact model.
"""
import json
import os
import pathlib
import sys
import time

import torch
import transformers
from torch_model import TorchModel

# experts, attention
TRANSFORMERS = {"hf_loop": ("eager", "sdpa"), "hf_eager": ("eager", "eager"),
                "hf_grouped_mm": ("grouped_mm", "sdpa"), "hf_batched_mm": ("batched_mm", "sdpa")}


class Peers:
    def __init__(self, folder, threads):
        self.folder, self.device = pathlib.Path(folder), "cuda" if threads == 0 else "cpu"
        self.inputs = json.loads((self.folder / "inputs.json").read_text())
        self.tokens = torch.tensor(self.inputs["tokens"], device=self.device)
        # As our program counts: processor time of one thread, or the wall's clock.
        self.clock = time.process_time if threads == 1 else time.perf_counter
        self.steps, self.models = {}, {}

    def now(self):
        if self.device == "cuda":
            torch.cuda.synchronize()
        return self.clock()

    def versions(self):
        lines = torch.__config__.show().splitlines()
        facts = [line.strip(" -").split(" (Git")[0] for line in lines
                 if any(word in line for word in ("oneAPI", "MKL-DNN", "capability"))]
        return {"torch": torch.__version__, "transformers": transformers.__version__,
                "torch_uses": ", ".join(facts), "python": sys.version.split()[0]}

    def load(self, name):
        """(model, losses) where losses() gives cross-entropy and what is differentiated."""
        balance = self.inputs["balance"]
        if name not in TRANSFORMERS:
            model = TorchModel(self.folder / ("dense" if name == "dense" else "moe"), name)
            model.to(self.device)
            return model, lambda call: call(self.tokens, balance), model.losses
        experts, attention = TRANSFORMERS[name]
        model = transformers.AutoModelForCausalLM.from_pretrained(
            self.folder / "moe", dtype=torch.float32, experts_implementation=experts,
            attn_implementation=attention).to(self.device)
        model.config.router_aux_loss_coef = model.router_aux_loss_coef = balance
        model.config.use_cache = False

        def losses(call):
            out = call(input_ids=self.tokens, labels=self.tokens, output_router_logits=True)
            return out.loss - balance * out.aux_loss, out.loss

        return model, losses, model

    def make(self, name):
        base = name.removesuffix("_compiled")
        model, losses, call = self.load(base)
        model.train()
        if base != name:
            call = torch.compile(call)
        named = list(model.named_parameters())
        decayed = [p for n, p in named if p.dim() > 1 and "embed_tokens" not in n]
        others = [p for n, p in named if p.dim() == 1 or "embed_tokens" in n]
        settings = self.inputs
        optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": settings["weight_decay"]},
             {"params": others, "weight_decay": 0.0}],
            lr=settings["learning_rate"], betas=settings["betas"], eps=settings["eps"], fused=True)
        parameters = [p for _, p in named]

        def step():
            ce, loss = losses(call)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, settings["clip"])
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            return ce

        self.steps[name] = step
        return {"losses": [step().item() for _ in range(3)]}

    def step(self, name, count):
        step = self.steps[name]
        start = self.now()
        for _ in range(int(count)):
            step()
        return {"seconds": (self.now() - start) / int(count)}

    def generator(self, name, prompts):
        new_tokens = self.inputs["new_tokens"]
        way, _, peer = name.partition("_")
        if peer not in self.models:
            if peer:
                model = self.load(peer)[0]
                model.generation_config.eos_token_id = None
                model.generation_config.pad_token_id = 0
                model.config.use_cache = True
            else:
                model = TorchModel(self.folder / "moe", "sorted_slices")
            self.models[peer] = model.eval()
        model = self.models[peer]
        if way == "torch":
            return lambda: model.generate(prompts, new_tokens)
        if way == "generate":
            mask = torch.ones_like(prompts)
            return lambda: model.generate(prompts, attention_mask=mask, do_sample=False,
                                          max_new_tokens=new_tokens)[:, prompts.shape[1]:]

        def by_hand():
            found, tokens, cache = [], prompts, None
            for _ in range(new_tokens):
                out = model(input_ids=tokens, past_key_values=cache, use_cache=True,
                            logits_to_keep=1)
                cache = out.past_key_values
                tokens = out.logits[:, -1].argmax(-1, keepdim=True)
                found.append(tokens)
            return torch.cat(found, 1)

        return by_hand

    @torch.inference_mode()
    def generate(self, name, batch, count):
        run = self.generator(name, torch.tensor(self.inputs["prompts"][batch], device=self.device))
        start = self.now()
        for _ in range(int(count)):
            tokens = run()
        return {"seconds": (self.now() - start) / int(count), "tokens": tokens.tolist()}


def main():
    folder, threads = sys.argv[1], 0 if sys.argv[2] == "cuda" else int(sys.argv[2])
    if threads > 0:
        torch.set_num_threads(threads)
    else:
        torch.set_default_device("cuda")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    transformers.utils.logging.set_verbosity_error()
    peers = Peers(folder, threads)
    for line in sys.stdin:
        what, *words = line.split()
        try:
            answer = getattr(peers, what)(*words)
        except Exception as error:  # a peer that fails is a result
            answer = {"error": f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
