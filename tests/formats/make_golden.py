"""Golden fixtures: what transformers computes for tiny models of the three families.

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python tests/formats/make_golden.py [name ...]

Each folder of tests/formats/golden is a model as `save_pretrained` writes it, with

    golden.json          token ids (rows padded on the right), greedy continuations, losses, versions
    golden.safetensors   logits (B,T,V); router.<i> (B,T,E) of the i-th MoE layer; for each tensor of
                         the file grad.<name>, the gradient of loss + aux_coef * balance loss, and
                         step3.<name>, its value after three steps of AdamW

Everything is computed in fp32 on the CPU with the eager experts and attention, one thread.
"""
import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent / "golden"
LENGTHS = [9, 5, 1, 7]  # of the four rows
NEW_TOKENS = 8
ADAMW = dict(lr=1e-3, betas=(0.9, 0.95), eps=1e-4)  # large eps: sizes of gradients matter, not signs
DECAY, CLIP, AUX = 0.1, 0.5, 0.02
EAGER = dict(attn_implementation="eager", experts_implementation="eager")

SMALL = dict(vocab_size=37, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=4, num_experts=6, num_experts_per_tok=2, max_position_embeddings=40,
             initializer_range=0.25, bos_token_id=None, eos_token_id=None, pad_token_id=0)


def olmoe(**changes):
    return transformers.OlmoeConfig(**{**SMALL, "intermediate_size": 10, **changes})


def qwen3(**changes):
    return transformers.Qwen3MoeConfig(
        **{**SMALL, "moe_intermediate_size": 10, "intermediate_size": 14, "head_dim": 4, **changes})


def qwen2(**changes):
    return transformers.Qwen2MoeConfig(
        **{**SMALL, "moe_intermediate_size": 10, "intermediate_size": 14,
           "shared_expert_intermediate_size": 12, **changes})


# Each model has several awkward settings at once; between them every one occurs.
MODELS = {
    "olmoe-plain": olmoe(),
    "olmoe-clip": olmoe(clip_qkv=0.3, num_key_value_heads=2, norm_topk_prob=True, num_experts_per_tok=3,
                        rope_theta=500000.0, tie_word_embeddings=True),
    "olmoe-top1": olmoe(num_experts_per_tok=1, num_experts=5, rms_norm_eps=1e-3, num_hidden_layers=3),
    "olmoe-all": olmoe(num_experts_per_tok=4, num_experts=4, num_attention_heads=2,
                       num_key_value_heads=1, bos_token_id=3, eos_token_id=5),
    "qwen3-gqa": qwen3(num_key_value_heads=2, head_dim=6, norm_topk_prob=True, rope_theta=1000000.0),
    "qwen3-top1": qwen3(num_experts_per_tok=1, norm_topk_prob=True, num_key_value_heads=1,
                        tie_word_embeddings=True, head_dim=10),
    "qwen3-sparse": qwen3(num_hidden_layers=4, decoder_sparse_step=2, num_experts_per_tok=3,
                          norm_topk_prob=False, num_experts=7),
    "qwen3-dense-first": qwen3(num_hidden_layers=3, mlp_only_layers=[0], norm_topk_prob=True,
                               num_key_value_heads=2, eos_token_id=5),
    "qwen2-plain": qwen2(),
    "qwen2-gqa": qwen2(num_key_value_heads=2, head_dim=8, norm_topk_prob=True, num_experts_per_tok=4,
                       rope_theta=1234.5),
    "qwen2-dense": qwen2(num_hidden_layers=3, mlp_only_layers=[1], tie_word_embeddings=True,
                         num_experts_per_tok=1, shared_expert_intermediate_size=5),
    "olmoe-fp16-shards": olmoe(num_experts=3),
    "qwen2-bf16-shards": qwen2(num_experts=4, rope_theta=50000.0),
    "qwen2-fused": qwen2(num_experts=3, moe_intermediate_size=8, mlp_only_layers=[0], eos_token_id=[33, 11]),
}
# Stored as half precision in several files; what is computed starts from these weights in fp32.
STORED = {"olmoe-fp16-shards": torch.float16, "qwen2-bf16-shards": torch.bfloat16}
FUSED = {"qwen2-fused"}  # stored as transformers 5 holds them: the experts of a layer in two tensors


def as_stored(tensors):
    """Tensors named like the runtime's parameters, under the names and shapes of the file."""
    out = {}
    for name, tensor in tensors.items():
        if name.endswith("experts.gate_up_proj"):
            base, H = name.removesuffix("gate_up_proj"), tensor.shape[1] // 2
            for e in range(tensor.shape[0]):
                out[f"{base}{e}.gate_proj.weight"] = tensor[e, :H]
                out[f"{base}{e}.up_proj.weight"] = tensor[e, H:]
        elif name.endswith("experts.down_proj"):
            for e in range(tensor.shape[0]):
                out[f"{name.removesuffix('down_proj')}{e}.down_proj.weight"] = tensor[e]
        else:
            out[name] = tensor
    return {name: tensor.detach().clone().contiguous() for name, tensor in out.items()}


def parameters(model):
    return as_stored(dict(model.named_parameters()))


def optimiser(model):
    """Decay for matrices alone: no norms, biases, embedding."""
    decayed = [p for n, p in model.named_parameters() if p.dim() > 1 and "embed_tokens" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() == 1 or "embed_tokens" in n]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY},
                              {"params": others, "weight_decay": 0.0}], **ADAMW)


def stir(model):
    """Norms away from 1, biases away from 0, so that every one of them matters."""
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 1:
                p.add_(0.2 * torch.randn_like(p))


def total_loss(model, ids, mask):
    labels = ids.masked_fill(mask == 0, -100)
    out = model(input_ids=ids, attention_mask=mask, labels=labels, output_router_logits=True)
    return out, out.loss  # with router_aux_loss_coef * aux_loss in it


def make(name, config):
    torch.manual_seed(len(name) * 1000 + sum(map(ord, name)))
    config.router_aux_loss_coef = AUX
    model = AutoModelForCausalLM.from_config(config, **EAGER)
    stir(model)
    model.eval()
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    if name in STORED:
        model.to(STORED[name]).save_pretrained(folder, max_shard_size="6KB")
        assert len(list(folder.glob("*.safetensors"))) > 2
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **EAGER).eval()
        model.config.router_aux_loss_coef = model.router_aux_loss_coef = AUX
    else:
        model.save_pretrained(folder, save_original_format=name not in FUSED)
    (folder / "generation_config.json").unlink(missing_ok=True)
    stored = {}
    for file in folder.glob("model*.safetensors"):
        stored |= load_file(file)

    T, V = max(LENGTHS), config.vocab_size
    ids = torch.zeros(len(LENGTHS), T, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for b, length in enumerate(LENGTHS):
        ids[b, :length] = torch.randint(1, V, (length,))
        mask[b, :length] = 1
    rows = [ids[b, :n].tolist() for b, n in enumerate(LENGTHS)]

    out, loss = total_loss(model, ids, mask)
    aux = out.aux_loss.item()
    golden = {"logits": out.logits}
    for i, z in enumerate(out.router_logits):
        golden[f"router.{i}"] = z.reshape(len(LENGTHS), T, -1)
    loss.backward()
    grads = as_stored({n: p.grad for n, p in model.named_parameters()})
    stored = as_stored(stored)
    assert set(grads) == set(parameters(model)) == set(stored), set(grads) ^ set(stored)
    golden |= {f"grad.{n}": g for n, g in grads.items()}

    steps = []
    adamw = optimiser(model)
    for _ in range(3):
        model.zero_grad()
        step_out, step_loss = total_loss(model, ids, mask)
        step_loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        adamw.step()
        steps.append({"loss": step_loss.item() - AUX * step_out.aux_loss.item(),
                      "balance": step_out.aux_loss.item(), "gradient_norm": norm.item()})
    golden |= {f"step3.{n}": p for n, p in parameters(model).items()}

    fresh = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **EAGER).eval()
    left = torch.zeros_like(ids)
    left_mask = torch.zeros_like(mask)
    for b, row in enumerate(rows):
        left[b, T - len(row):], left_mask[b, T - len(row):] = torch.tensor(row), 1
    made = fresh.generate(left, attention_mask=left_mask, max_new_tokens=NEW_TOKENS, do_sample=False,
                          pad_token_id=0)[:, T:].tolist()
    for b, row in enumerate(rows):  # the same without padding
        alone = fresh.generate(torch.tensor([row]), max_new_tokens=NEW_TOKENS, do_sample=False,
                               pad_token_id=0)[0, len(row):].tolist()
        assert alone == made[b][:len(alone)] and not any(made[b][len(alone):]), (alone, made[b])
        made[b] = alone

    save_file({n: t.detach().float().contiguous() for n, t in golden.items()},
              folder / "golden.safetensors")
    (folder / "golden.json").write_text(json.dumps({
        "made_by": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "input_ids": rows, "generated": made, "loss": loss.item() - AUX * aux, "balance": aux,
        "total": loss.item(), "aux_coef": AUX, "clip": CLIP, "weight_decay": DECAY,
        "learning_rate": ADAMW["lr"], "beta1": ADAMW["betas"][0], "beta2": ADAMW["betas"][1],
        "adam_eps": ADAMW["eps"], "steps": steps}, indent=1) + "\n")
    print(f"{name:18} {sum(t.numel() for t in stored.values()):7} parameters, "
          f"loss {loss.item():.4f}, balance {aux:.4f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, config in MODELS.items():
        if name in sys.argv[1:] or len(sys.argv) == 1:
            make(name, config)
