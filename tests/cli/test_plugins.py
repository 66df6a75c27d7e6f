"""Classes of one's own from the command line."""

import json

from commands import CONFIG, call


def test_own_class_from_the_command_line(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import numpy as np, tokenspace as ts\n"
        "@ts.register\n"
        "@ts.model\n"
        "class Triangle(ts.Stationary):\n"
        "    width: float = ts.parameter('width in tokens', above=0)\n"
        "    def at_lag(self, lag):\n"
        "        return np.maximum(1 - lag / self.width, 0.0)\n"
    )
    own = 'model = "branches"\nwithin = { model = "triangle", width = 5.0 }\n[run]'
    start = CONFIG[: CONFIG.index('model = "equicorrelated"')]
    text = start + own + CONFIG[CONFIG.index("[run]") + 5 :]
    (tmp_path / "own.toml").write_text(text)
    status, out, _ = call(capfd, "run", "own.toml", "--plugin", "mine")
    assert status == 0 and "PASS" in out
    (tmp_path / "bad.toml").write_text(text.replace("5.0", "-5.0"))
    status, _, err = call(capfd, "run", "bad.toml", "--plugin", "mine")
    assert status == 2 and "branches.within.width: -5.0 is not allowed" in err


def test_a_plugin_neither_ends_the_command_nor_spoils_its_json(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    status, out, err = call(capfd, "models", "--plugin", "leaves")
    assert status == 2 and out == "" and "'leaves' cannot be imported: it raised SystemExit" in err
    (tmp_path / "talks.py").write_text("print('hello')\n")
    status, out, err = call(capfd, "models", "--json", "--plugin", "talks")
    assert status == 0 and "hello" in err and json.loads(out)["samplers"][0] == "auto"
