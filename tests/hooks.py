"""What is stored in a folder, and what forward hooks see of a model."""

import numpy as np
import torch

CLOSE = {"rtol": 2e-5, "atol": 2e-6}  # float32, sums of 48 terms in another order


def everything(collected, dtype=np.float32):
    """{(group, id): tokens} of a folder."""
    found = {}
    for group in collected.groups:
        with collected.open(group.name) as shard:
            for branch in collected.sequences:
                found[group.name, branch.id] = shard.tokens(branch.id).astype(dtype)
    return found


def hooked(run, modules):
    """What each of some modules gives while `run` runs, without the axis of batches."""
    seen = {}

    def keeper(k):
        def keep(module, arguments, output):
            first = output[0] if isinstance(output, tuple) else output
            seen[k] = first.detach().float().numpy()

        return keep

    hooks = [module.register_forward_hook(keeper(k)) for k, module in enumerate(modules)]
    with torch.inference_mode():
        run()
    for hook in hooks:
        hook.remove()
    return [seen[k] for k in range(len(modules))]


def by_language(model):
    """Modules whose outputs are hidden states 0 .. L of a language model."""
    return [model.embed_tokens, *model.layers[:-1], model.norm]
