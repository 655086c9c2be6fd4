"""A compact PyTorch model of the bench's two configurations, for tests/bench/torch_peers.py.

The mixture is written as one would write it for speed in eager mode: tokens sorted by expert,
experts stacked in one tensor, everything else by PyTorch's fused functions. Weights come from a
folder in Hugging Face's form. Three ways to multiply the sorted rows by their experts' weights:

    sorted_slices       a product per expert, on slices of the sorted rows
    sorted_grouped_mm   torch.nn.functional.grouped_mm
    sorted_padded_bmm   every expert's rows padded to the longest, one batched product
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


def product_slices(x, w, counts):
    """x (slots,in) sorted by expert, w (E,in,out) -> (slots,out)."""
    rows = torch.split(x, counts.tolist())
    return torch.cat([x_e @ w_e for x_e, w_e in zip(rows, w.unbind())])


def product_grouped_mm(x, w, counts):
    return F.grouped_mm(x, w, offs=counts.cumsum(0).to(torch.int32))


class Experts(nn.Module):
    def __init__(self, config, tensors, prefix, way):
        super().__init__()
        self.E, self.K = config["num_experts"], config["num_experts_per_tok"]
        self.way = way
        expert = lambda e, name: tensors[f"{prefix}.experts.{e}.{name}_proj.weight"].T
        self.gate_up = nn.Parameter(torch.stack(
            [torch.cat([expert(e, "gate"), expert(e, "up")], 1) for e in range(self.E)]))
        self.down = nn.Parameter(torch.stack([expert(e, "down") for e in range(self.E)]))
        self.router = nn.Parameter(tensors[f"{prefix}.gate.weight"])

    def chain(self, x, product):
        gate, up = product(x, self.gate_up).chunk(2, -1)
        return product(F.silu(gate) * up, self.down)

    def forward(self, x):
        """x (N,C) -> the same, and the router's probabilities (N,E) and choices (N,K)."""
        p = F.linear(x, self.router).softmax(-1)
        gate, chosen = p.topk(self.K, -1)
        if x.shape[0] * self.K <= self.E:  # few tokens: the weights of each choice, gathered
            index = chosen.flatten()
            rows = x.repeat_interleave(self.K, 0).unsqueeze(1)
            g, u = torch.bmm(rows, self.gate_up[index]).chunk(2, -1)
            y = torch.bmm(F.silu(g) * u, self.down[index]).view(*chosen.shape, -1)
            return (y * gate.unsqueeze(-1)).sum(1), p, chosen
        expert, choice = chosen.flatten().sort(stable=True)
        counts = torch.bincount(expert, minlength=self.E)
        if self.way == "sorted_padded_bmm":
            first = counts.cumsum(0) - counts
            place = torch.arange(expert.numel()) - first[expert]
            most = int(counts.max())
            padded = x.new_zeros(self.E, most, x.shape[1]).index_put((expert, place),
                                                                     x[choice // self.K])
            y = self.chain(padded, torch.bmm)[expert, place]
        else:
            product = product_slices if self.way == "sorted_slices" else product_grouped_mm
            y = self.chain(x[choice // self.K], lambda x, w: product(x, w, counts))
        back = torch.empty_like(choice).index_copy_(0, choice, torch.arange(choice.numel()))
        y = y[back].view(-1, self.K, x.shape[1])
        return (y * gate.unsqueeze(-1)).sum(1), p, chosen


class Dense(nn.Module):
    def __init__(self, config, tensors, prefix, way):
        super().__init__()
        weight = lambda name: tensors[f"{prefix}.{name}_proj.weight"]
        self.gate_up = nn.Parameter(torch.cat([weight("gate"), weight("up")]))
        self.down = nn.Parameter(weight("down"))

    def forward(self, x):
        gate, up = F.linear(x, self.gate_up).chunk(2, -1)
        return F.linear(F.silu(gate) * up, self.down), None, None


class Layer(nn.Module):
    def __init__(self, config, tensors, l, way):
        super().__init__()
        prefix = f"model.layers.{l}"
        weight = lambda name: nn.Parameter(tensors[f"{prefix}.{name}.weight"])
        self.norm1, self.norm2 = weight("input_layernorm"), weight("post_attention_layernorm")
        attention = f"{prefix}.self_attn"
        self.qkv = nn.Parameter(torch.cat([tensors[f"{attention}.{n}_proj.weight"] for n in "qkv"]))
        self.o = weight("self_attn.o_proj")
        self.q_norm, self.k_norm = weight("self_attn.q_norm"), weight("self_attn.k_norm")
        self.heads, self.eps = config["num_attention_heads"], config["rms_norm_eps"]
        self.mlp = (Dense if way == "dense" else Experts)(config, tensors, f"{prefix}.mlp", way)

    def norm(self, x, weight):
        return F.rms_norm(x, weight.shape, weight, self.eps)

    def forward(self, x, cos, sin, cache):
        B, T, C = x.shape
        q, k, v = F.linear(self.norm(x, self.norm1), self.qkv).chunk(3, -1)
        heads = lambda t: t.view(B, T, self.heads, -1)
        if self.q_norm.numel() == C:  # olmoe: over all heads; qwen3: per head
            q, k = heads(self.norm(q, self.q_norm)), heads(self.norm(k, self.k_norm))
        else:
            q, k = self.norm(heads(q), self.q_norm), self.norm(heads(k), self.k_norm)
        q, k, v = (t.transpose(1, 2) for t in (rotate(q, cos, sin), rotate(k, cos, sin), heads(v)))
        if cache is not None:
            k, v = cache.extend(self, k, v)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1)
        x = x + F.linear(y.transpose(1, 2).reshape(B, T, C), self.o)
        y, p, chosen = self.mlp(self.norm(x, self.norm2).view(B * T, C))
        return x + y.view(B, T, C), p, chosen


def rotate(x, cos, sin):
    """x (B,T,NH,HS), halves turned as in transformers."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Cache:
    """Keys and values of B sequences, written in place."""

    def __init__(self, B, capacity, heads, head_size, layers):
        self.length, self.room = 0, {}
        self.make = lambda: torch.empty(2, B, heads, capacity, head_size)

    def extend(self, layer, k, v):
        room = self.room.setdefault(id(layer), None)
        if room is None:
            room = self.room[id(layer)] = self.make()
        end = self.length + k.shape[2]
        room[0, :, :, self.length:end], room[1, :, :, self.length:end] = k, v
        return room[0, :, :, :end], room[1, :, :, :end]


class TorchModel(nn.Module):
    def __init__(self, folder, way):
        super().__init__()
        folder = pathlib.Path(folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "model.safetensors")
        self.config = config
        self.embed_tokens = nn.Parameter(tensors["model.embed_tokens.weight"])
        self.layers = nn.ModuleList(
            Layer(config, tensors, l, way) for l in range(config["num_hidden_layers"]))
        self.final_norm = nn.Parameter(tensors["model.norm.weight"])
        self.lm_head = nn.Parameter(tensors["lm_head.weight"])
        HS = config["hidden_size"] // config["num_attention_heads"]
        rope = config.get("rope_parameters") or config
        turns = rope["rope_theta"] ** (-torch.arange(0, HS, 2) / HS)
        angle = torch.arange(config["max_position_embeddings"])[:, None] * turns
        self.register_buffer("cos", angle.cos().unsqueeze(1), persistent=False)
        self.register_buffer("sin", angle.sin().unsqueeze(1), persistent=False)

    def forward(self, tokens, cache=None):
        """tokens (B,T) -> hidden states after the last norm (B,T,C), routing of each layer."""
        begin = 0 if cache is None else cache.length
        cos, sin = (t[begin:begin + tokens.shape[1]] for t in (self.cos, self.sin))
        x, routing = F.embedding(tokens, self.embed_tokens), []
        for layer in self.layers:
            x, p, chosen = layer(x, cos, sin, cache)
            if p is not None:
                routing.append((p, chosen))
        return F.rms_norm(x, self.final_norm.shape, self.final_norm, self.config["rms_norm_eps"]), routing

    def losses(self, tokens, balance):
        """Cross-entropy, and with the balance loss of transformers, pooled over the layers."""
        x, routing = self(tokens)
        logits = F.linear(x[:, :-1].reshape(-1, x.shape[-1]), self.lm_head)
        ce = F.cross_entropy(logits, tokens[:, 1:].reshape(-1))
        if not routing or not balance:
            return ce, ce
        p = torch.cat([p for p, _ in routing])
        E, chosen = p.shape[1], torch.cat([chosen for _, chosen in routing])
        f = torch.bincount(chosen.flatten(), minlength=E) / p.shape[0]
        return ce, ce + balance * E * (f * p.mean(0)).sum()

    @torch.no_grad()
    def generate(self, prompts, new_tokens):
        """Greedy, with the cache; (B,new_tokens)."""
        B, T = prompts.shape
        heads = self.config["num_attention_heads"]
        cache = Cache(B, T + new_tokens, heads, self.config["hidden_size"] // heads,
                      len(self.layers))
        found, tokens = [], prompts
        for _ in range(new_tokens):
            x, _ = self(tokens, cache)
            cache.length += tokens.shape[1]
            tokens = F.linear(x[:, -1], self.lm_head).argmax(-1, keepdim=True)
            found.append(tokens)
        return torch.cat(found, 1)
