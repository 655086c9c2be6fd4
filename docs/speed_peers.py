"""What docs/speed.md says of other libraries and of another revision; part of make_speed_tables.py."""
from speed_goals import get, number, table, threads_text

# What the peers are called in bench_peers.json, and what they are.
PEERS = {
    "ours": "ours",
    "ours_moe": "ours, MoE",
    "ours_dense": "ours, dense",
    "hf_loop": "transformers' OLMoE, loop over experts",
    "hf_eager": "transformers' OLMoE, loop over experts, eager attention",
    "hf_grouped_mm": "transformers' OLMoE, sorted, grouped product",
    "sorted_slices": "PyTorch, sorted and stacked, a product per expert",
    "sorted_grouped_mm": "PyTorch, sorted and stacked, grouped product",
    "sorted_padded_bmm": "PyTorch, sorted and stacked, padded batched product",
    "dense": "PyTorch, dense",
    "generate_hf_loop": "transformers' generate, loop over experts",
    "generate_hf_grouped_mm": "transformers' generate, grouped product",
    "generate_hf_batched_mm": "transformers' generate, batched product",
    "hand_hf_loop": "plain loop around transformers' OLMoE, loop over experts",
    "hand_hf_grouped_mm": "plain loop around transformers' OLMoE, grouped product",
    "hand_hf_batched_mm": "plain loop around transformers' OLMoE, batched product",
    "torch": "plain loop in PyTorch, cache written in place",
    "openblas": "OpenBLAS",
    "openblas_asked": "OpenBLAS, asked for AVX-512",
    "onednn": "oneDNN",
}


def peer_name(name):
    base = name.removesuffix("_compiled")
    return PEERS.get(base, base) + (", torch.compile" if base != name else "")


def versions_text(versions):
    libraries = (("PyTorch", "torch"), ("transformers", "transformers"), ("oneDNN", "onednn"))
    named = [f"{name} {versions[key]}" for name, key in libraries if key in versions]
    if "openblas" in versions:
        named.append(str(versions["openblas"]).replace("|", "/"))
    if "torch_uses" in versions:
        named.append(f"PyTorch computes with {versions['torch_uses']}")
    return "; ".join(named) + ".\n" if named else ""


def rates_table(title, peers):
    rows = [[peer_name(name), number(p["tokens_per_second"], 0)]
            for name, p in sorted(peers.items(), key=lambda item: -item[1]["tokens_per_second"])]
    return table([title, "tokens/s"], rows) + "\n"


def failed_text(part):
    failed = ", ".join(peer_name(name) for name in part.get("failed", {}))
    return f"Not run: {failed}; bench_peers.json says why.\n\n" if failed else ""


def peers_section(peers):
    if not peers:
        return ""
    most = get(peers, "checked", "tolerance") or 0
    gaps = [gap for gap in (get(peers, "checked", "peers") or {}).values() if gap <= most]
    text = ("## Ours beside others\n\n" + versions_text(peers.get("versions", {})) +
            f"Each peer has our weights and must repeat our first three losses within {most:g} before "
            f"it is timed ({len(gaps)} did, within {max(gaps, default=0):.1g}), and our tokens where "
            "it generates. \"Ours over\" is the median over rounds of the ratio within a round, and its "
            "range; above 1 ours is faster. One process worked at a time on an idle machine: where "
            "others use the cores, the threads of OpenMP wait for each other and such ratios mean "
            "nothing.\n\n")
    for part in peers.get("step", []):
        text += rates_table(f"training step, {threads_text(part)}", part["peers"])
        text += failed_text(part)
    for part in peers.get("generate", []):
        text += rates_table(f"generation, batch {part['batch']}, {threads_text(part)}",
                            part["peers"]) + failed_text(part)
    rows = [[f"{r['name']}, {threads_text(r)}", peer_name(r["peer"]),
             f"{r['median']:.2f}", f"{r['least']:.2f} to {r['most']:.2f}"]
            for r in peers.get("ratios", [])]
    if rows:
        text += table(["ours over the fastest of its kind", "which is", "median", "range"], rows)
        text += "\nOf SGEMM the median is the geometric mean and the range is over its sizes.\n"
    return text


def before_after_section(found):
    """Whole programs of two revisions, from before_after.json."""
    if not found:
        return ""
    rows = []
    for work in found["work"]:
        for kind, name in (("wall", "wall"), ("cpu", "processor")):
            t = work[kind]
            rows.append([work["name"] if kind == "wall" else "", name, number(t["before"], 1),
                         number(t["after"], 1), f"{t['ratio']:.2f}",
                         f"{t['least']:.2f} to {t['most']:.2f}"])
    return (f"## Whole programs before and after\n\nRevision {found['before']['revision']}, before "
            f"the work on speed, and {found['after']['revision']}, in turn "
            f"({found['rounds']} rounds), on {found['machine'].get('cpu') or 'a processor'} with "
            f"{found['machine'].get('cores', '?')} cores (`tests/bench/before_after.py`).\n\n" +
            table(["seconds, medians", "clock", "before", "after", "times as fast", "range"], rows))
