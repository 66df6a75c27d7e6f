"""Collect tokens: from a model's name or folder to its hidden states on disk.

`run.collect` does it. `texts` and `pictures` read what is asked of the model, `prefix` turns texts
into token ids, `models` loads, `language` and `encoder` take hidden states, `arrange` finds the
tokens of a picture among them, `batches` halves what does not fit, `shards` and `folder` keep what
was collected. torch and transformers (the extra `[models]`) are imported when they are used.
"""
