"""Collect tokens: from a model's name or folder to its hidden states on disk.

`run.collect` does it. `texts` and `pictures` read what is asked of the model, `models` loads it,
`prefix` turns texts into token ids, `states` takes hidden states, `arrange` finds the patches of a
picture among them, `batches` halves what does not fit; `layers` and `storing` choose what is kept,
`shards` and `folder` keep it. torch and transformers (the extra `[models]`) are imported when used.
"""
