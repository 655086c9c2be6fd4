"""Golden fixtures: gradient accumulation as transformers does it.

    venv/bin/python tests/formats/make_golden_accumulation.py      after make_golden.py

Seven rows with prompts that are no targets, cut into batches of 3, 3 and 1. transformers' Trainer
counts the targets of all batches of a step (num_items_in_batch) and hands the count to the model,
whose loss is then the sum over the batch's targets divided by it; the gradients add up. Each model
named here gets accumulated.json and accumulated.safetensors (values after three steps of AdamW)
into its folder of tests/formats/golden. The balance loss is off: transformers adds one of
each batch, which depends on the cut.
"""
import json

import torch
from make_golden import ADAMW, CLIP, DECAY, EAGER, HERE, optimiser, parameters
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

LENGTHS, PROMPTS, BATCH = [9, 4, 7, 3, 12, 6, 2], [6, 1, 7, 2, 3, 5, 1], 3


def batches(rows):
    for at in range(0, len(rows), BATCH):
        part = rows[at:at + BATCH]
        T = max(len(row) for row, _ in part)
        ids, mask = torch.zeros(len(part), T, dtype=torch.long), torch.zeros(len(part), T, dtype=torch.long)
        labels = torch.full((len(part), T), -100)
        for b, (row, prompt) in enumerate(part):
            ids[b, :len(row)], mask[b, :len(row)] = torch.tensor(row), 1
            labels[b, prompt:len(row)] = torch.tensor(row[prompt:])
        yield {"input_ids": ids, "attention_mask": mask, "labels": labels}


def make(name):
    torch.manual_seed(5)
    folder = HERE / name
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **EAGER).eval()
    rows = [(torch.randint(1, model.config.vocab_size, (n,)).tolist(), p) for n, p in zip(LENGTHS, PROMPTS)]
    items = sum(len(row) - prompt for row, prompt in rows)
    adamw, steps = optimiser(model), []
    for _ in range(3):
        model.zero_grad()
        loss = 0
        for batch in batches(rows):
            part = model(**batch, num_items_in_batch=items).loss
            part.backward()
            loss += part.item()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        adamw.step()
        steps.append({"loss": loss, "gradient_norm": norm.item()})
    save_file(parameters(model), folder / "accumulated.safetensors")
    (folder / "accumulated.json").write_text(json.dumps({
        "input_ids": [row for row, _ in rows], "prompts": PROMPTS, "batch": BATCH, "clip": CLIP,
        "weight_decay": DECAY, "learning_rate": ADAMW["lr"], "steps": steps}, indent=1) + "\n")
    print(name, items, "targets", steps)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in ("olmoe-plain", "qwen3-gqa"):
        make(name)
