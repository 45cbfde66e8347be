"""`convlens export` and `convlens verify`."""

import json

from tests.images import TINY_OPTIONS, draw_images


def test_a_run_leaves_and_is_verified(convlens, tmp_path):
    images, run, file = draw_images(tmp_path / "images"), tmp_path / "run", tmp_path / "model.onnx"
    assert convlens("train", images, *TINY_OPTIONS, "--out", run).code == 0
    outcome = convlens("export", run, "--out", file)
    assert outcome.code == 0
    assert outcome.out.startswith(f"{file}  ")
    assert "  4 golden images: largest difference" in outcome.out
    assert "all predicted alike" in outcome.out
    assert convlens("verify", file).out.splitlines()[0].startswith(f"{file}  house, by onnxruntime ")
    record = json.loads(convlens("verify", file, "--json").out)
    assert (record["kind"], record["golden"]["images"]) == ("convlens.verification", 4)


def test_a_file_that_answers_otherwise_ends_in_exit_code_6(convlens, tmp_path):
    import onnx
    from onnx import numpy_helper

    file = tmp_path / "house.onnx"
    assert convlens("export", "house", "--out", file).code == 0
    model = onnx.load(file)
    weight = next(one for one in model.graph.initializer if len(one.dims) == 4)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.01, weight.name))
    onnx.save(model, file)
    outcome = convlens("verify", file)
    assert outcome.code == 6
    assert "does not answer as its run does" in outcome.err
