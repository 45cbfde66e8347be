"""Whether everything on the disk is whole: what a kill, a full disk or a second run may never leave torn."""

import hashlib
import json
from pathlib import Path

RUN_FILES = {
    "bad_files.jsonl",
    "metrics.jsonl",
    "model.json",
    "model.safetensors",
    "predictions.csv",
    "split.csv",
    "recipe.toml",
    "report.html",
    "run.json",
    "thumbnails",
}


def check_cache(cache: Path) -> int:
    """The number of shards in the store, once every shard and every captured graph was found whole."""
    shards = [path for path in (cache / "store").rglob("*.safetensors") if path.parent.name != "damaged"]
    for path in shards:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
    for path in (cache / "graphs").glob("*.json"):
        digest, _, text = path.read_text().partition("\n")
        assert hashlib.sha256(text.encode()).hexdigest() == digest
        json.loads(text)
    return len(shards)


def check_files(run: Path) -> None:
    """A run holds all its files and no others; one that was calibrated has a reference, which its bundle names."""
    reference = json.loads((run / "model.json").read_bytes())["reference"]
    expected = RUN_FILES | ({"reference.safetensors"} if reference else set())
    assert {path.name for path in run.iterdir()} == expected
    if reference:
        assert hashlib.sha256((run / "reference.safetensors").read_bytes()).hexdigest() == reference["sha256"]


def check_runs(runs: Path) -> list[Path]:
    """The finished runs in the folder, once each was found to hold all its files."""
    finished = (
        [path for path in runs.glob("*") if not path.name.startswith(".") and path.suffix != ".unfinished"]
        if runs.is_dir()
        else []
    )
    for run in finished:
        check_files(run)
        bundle = json.loads((run / "model.json").read_bytes())
        assert hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest() == bundle["sha256"]
        assert json.loads((run / "run.json").read_bytes())["kind"] == "convlens.run"
        for name in ("metrics.jsonl", "bad_files.jsonl"):
            for line in (run / name).read_text().splitlines():
                json.loads(line)
        assert (run / "report.html").read_text().rstrip().endswith("</html>")
    return finished


def temporaries(*folders: Path) -> list[Path]:
    """What is half-written in these folders."""
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.name.startswith(".tmp-") or path.name.endswith(".unfinished")
    ]
