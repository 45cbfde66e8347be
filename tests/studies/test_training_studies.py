"""Each study that trains, at toy size, through the same code as its quick form."""

import contextlib
import itertools

import pytest
import torch

from convlens.core.errors import DataError, UsageError
from convlens.core.study import Measured
from convlens.gradient.backpropagate import backpropagate
from convlens.graph.capture import capture
from convlens.layers.dense import DenseBlock
from convlens.studies.bench import Bench
from convlens.studies.chosen_images import chosen_images
from convlens.studies.dense import Dense, _rows, read_strengths
from convlens.studies.depth import Depth
from convlens.studies.features import Features
from convlens.studies.measurements import Measurements
from convlens.studies.study import run_study
from convlens.studies.training import GradientProbe, Loss
from convlens.studies.transfer import Transfer, _with_new_layers_above, cuts_of
from convlens.studies.tricks import ColorConvNet, Tricks
from convlens.zoo import network
from convlens.zoo.densenet_cifar import CifarDenseNet
from convlens.zoo.resnet_cifar import CifarResNet
from tests.images import draw_images

TINY_DEPTH = {"depths": (8, 14), "size": 16, "classes": 3, "images": 6, "validation": 2, "epochs": 1, "seeds": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("drawn"), 12, classes=3)


def measured(cases):
    return Measurements([Measured(case=case, values=values, seconds=1) for case, values in cases])


def test_depth(folder, tmp_path):
    record, page = run_study(Depth(folders=(folder,), **TINY_DEPTH), tmp_path)
    assert record.finished
    assert len(record.measured) == 4
    deepest = next(one.values for one in record.measured if one.case["depth"] == 14)
    assert 0 <= deepest["training error"] <= 1
    assert len(deepest["gradients before"]) == len(deepest["gradients after"]) == 13
    assert deepest["gradients before"] != deepest["gradients after"]
    assert {chart.name for chart in record.conclusion.charts} >= {"training-error", "losses", "gradients-after"}
    assert "3 classes, 18 images to train on and 6 to validate on" in record.data[0]
    assert page.is_file()


def test_depth_goes_on_with_other_images_only_from_the_start(folder, tmp_path):
    study = Depth(folders=(folder,), **{**TINY_DEPTH, "depths": (8,), "seeds": 1})
    first, _ = run_study(study, tmp_path / "study")
    other = draw_images(tmp_path / "other", 12, first=50, classes=3)
    second, _ = run_study(Depth(folders=(other,), **{**TINY_DEPTH, "depths": (8,), "seeds": 1}), tmp_path / "study")
    assert first.fingerprint != second.fingerprint
    assert first.measured[0].values != second.measured[0].values


@pytest.mark.parametrize(("deep", "verdict"), [(0.5, "agrees"), (0.1, "disagrees")])
def test_depth_concludes_by_the_numbers(deep, verdict):
    errors = {("plain", 20): 0.3, ("plain", 56): deep, ("residual", 20): 0.25, ("residual", 56): 0.05}
    cases = [
        (
            {"family": family, "depth": depth, "seed": seed},
            {
                "training error": error + 0.001 * seed * depth,
                "validation error": error,
                "training losses": [1.0],
                "gradients before": [1.0],
                "gradients after": [1.0],
            },
        )
        for (family, depth), error in errors.items()
        for seed in range(3)
    ]
    conclusion = Depth(depths=(20, 56)).conclude(measured(cases))
    assert [finding.verdict for finding in conclusion.findings][:2] == [verdict] * 2
    assert bool(conclusion.caveat) == (verdict != "agrees")


def test_the_loss_gradient_is_autograds():
    scores, labels = torch.randn(5, 4, dtype=torch.float64, requires_grad=True), torch.tensor([0, 3, 1, 1, 2])
    (expected,) = torch.autograd.grad(torch.nn.functional.cross_entropy(scores, labels), scores)
    graph = capture(Loss(torch.nn.Identity()), scores.detach(), labels)
    torch.testing.assert_close(backpropagate(graph, scores.detach(), labels).inputs[0], expected)


def test_gradient_sizes_are_autograds():
    torch.manual_seed(0)
    net = CifarResNet(3, depth=8).double()
    images, labels = torch.randn(4, 3, 8, 8, dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    found = GradientProbe(net, (images, labels)).sizes()
    outputs = []
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda *of: outputs.append(of[2]))
    loss = torch.nn.functional.cross_entropy(net.train()(images), labels)
    expected = [float(g.square().mean().sqrt()) for g in torch.autograd.grad(loss, outputs)]
    assert found == pytest.approx(expected, rel=1e-8)


def test_dense(folder, tmp_path):
    study = Dense(
        folders=(folder,), seeds=2, dense_depths=(10, 16), residual_depths=(8, 20), size=16, classes=3, images=6,
        validation=2, epochs=1, growth_rate=6,
    )  # fmt: skip
    record, _ = run_study(study, tmp_path)
    costs = {(one.case["family"], one.case["depth"]): one.values["parameters"] for one in record.measured}
    assert costs["ResNet", 20] > costs["ResNet", 8]
    assert [heat.name for heat in record.conclusion.heat_maps] == ["block-1", "block-2", "block-3"]
    assert record.conclusion.heat_maps[0].cells[0][1:] == [None]
    assert len(record.conclusion.tables[0].rows) == 4


def test_dense_compares_at_equal_cost():
    """ResNets' error falls by 10 points with each tenfold cost; a DenseNet of 10,000 parameters is read off there."""
    cases = [
        *(
            ({"family": "ResNet", "depth": depth, "seed": seed},
             {"parameters": cost, "multiply-adds": cost, "validation error": error, "training error": 0.0})
            for seed in range(3)
            for depth, cost, error in ((8, 1_000, 0.5 + 0.01 * seed), (14, 100_000, 0.3 + 0.01 * seed))
        ),
        *(
            ({"family": "DenseNet", "depth": 16, "seed": seed},
             {"parameters": 10_000, "multiply-adds": 1_000_000, "validation error": 0.35 + 0.012 * seed,
              "training error": 0.0})
            for seed in range(3)
        ),
    ]  # fmt: skip
    conclusion = Dense(dense_depths=(16,), residual_depths=(8, 14)).conclude(measured(cases))
    (finding,) = conclusion.findings
    assert "At equal parameters, DenseNets have a lower validation error than ResNets: -4.8 points" in finding.sentence


def test_what_layers_read_is_their_weights_by_source():
    net = CifarDenseNet(16, 4, 3, bottleneck=True)
    block = next(module for module in net.modules() if isinstance(module, DenseBlock))
    with torch.no_grad():
        weight = block[1].conv1.weight  # the second layer reads 8 channels of the input, and 4 of the first layer
        weight[:, :8], weight[:, 8:] = 0.5, -2.0
    rows = _rows(read_strengths(net)["block 1"])
    assert [len(row) for row in rows] == [1, 2]
    assert rows[1] == pytest.approx([0.25, 1.0])


def test_transfer(folder, tmp_path):
    study = Transfer(
        folders=(folder,), seeds=1, backbone="house", size=32, classes=3, validation=2, counts=(2, 4), cut_count=4,
        cuts=2, epochs=1, steps=1,
    )  # fmt: skip
    record, _ = run_study(study, tmp_path)
    assert record.finished
    assert len(record.measured) == 2 * 4 + 2
    assert {one.values["images per class"] for one in record.measured if one.case["images"] == 4} == {4}
    assert [row[0] for row in record.conclusion.tables[0].rows] == ["2", "4"]
    assert record.conclusion.charts[1].x.names == ["layer2.1", "layer4.1"]


@pytest.mark.parametrize(("gap", "said"), [(0.2, "no crossing up to the 100 images"), (-0.01, "They cross")])
def test_transfer_says_where_the_curves_cross(gap, said):
    accuracies = {
        "frozen": (0.8, 0.85),
        "last blocks": (0.7, 0.9),
        "all layers": (0.7, 0.9),
        "scratch": (0.3, 0.9 - gap),
    }
    cases = [
        ({"mode": mode, "images": count, "seed": seed},
         {"accuracy": accuracy + 0.001 * seed, "guessing": 0.1})
        for mode, of in accuracies.items()
        for count, accuracy in zip((5, 100), of, strict=True)
        for seed in range(3)
    ]  # fmt: skip
    conclusion = Transfer(counts=(5, 100), backbone="house", cuts=2).conclude(measured(cases))
    assert any(said in finding.sentence for finding in conclusion.findings)


def test_layers_above_a_cut_are_new_and_those_below_are_not():
    cut = cuts_of("house", 64, 4)[1]
    trained, new = network("house", weights="package").state_dict(), _with_new_layers_above("house", 64, cut, 0)
    state = new.state_dict()
    assert cut.startswith("layer2")
    for name in ("conv1.weight", "bn1.running_mean"):
        if name in trained:
            assert torch.equal(state[name], trained[name])
    below = [name for name in trained if name.startswith("layer2") and name.endswith("weight")]
    above = [name for name in trained if name.startswith("layer4") and name.endswith("weight")]
    assert all(torch.equal(state[name], trained[name]) for name in below)
    assert not any(torch.equal(state[name], trained[name]) for name in above)


def test_features(folder, tmp_path):
    study = Features(
        folders=(folder, draw_images(tmp_path / "two", 12, first=30)), seeds=2, backbone="house", size=32, sets=2,
        classes=3, images=4, validation=2, cuts=3, epochs=1, scratch_size=16,
    )  # fmt: skip
    record, _ = run_study(study, tmp_path / "study")
    assert record.finished
    values = record.measured[0].values
    assert len(values["accuracies"]) == 3
    assert values["pixels"] == 1  # the classes are colors
    assert [row[0] for row in record.conclusion.tables[0].rows] == ["set 1", "set 2"]
    assert any("The best cut" in finding.sentence for finding in record.conclusion.findings)


def test_tricks(folder, tmp_path):
    study = Tricks(folders=(folder,), seeds=2, classes=3, images=6, validation=2, epochs=1)
    record, _ = run_study(study, tmp_path)
    assert {one.case["trick"] for one in record.measured} == {
        *("baseline", "batch norm", "dropout", "augmentation", "all three")
    }
    losses = [one.values["training losses"] for one in record.measured if one.case["seed"] == 0]
    assert all(one != other for one, other in itertools.combinations(losses, 2))
    assert len(record.conclusion.findings) == 5


def test_the_color_network_is_small_convnet_with_what_is_asked():
    plain, normalized = ColorConvNet(4, batch_norm=False), ColorConvNet(4, batch_norm=True)
    assert plain(torch.zeros(2, 3, 28, 28)).shape == (2, 4)
    assert sum(isinstance(module, torch.nn.BatchNorm2d) for module in normalized.modules()) == 2
    assert len(plain.features) == len(network("small_convnet").features)


def test_chosen_images_have_no_image_on_both_sides_and_take_the_folders_own_sides(tmp_path):
    draw_images(tmp_path / "sided" / "train", 6)
    draw_images(tmp_path / "sided" / "val", 3, first=40)
    chosen = chosen_images(tmp_path / "sided", tmp_path / "digits", classes=2, train=4, val=9)
    assert [len(chosen.train[name]) for name in chosen.classes] == [4, 4]
    assert {image.side for name in chosen.classes for image in chosen.val[name]} == {"val"}
    assert [len(chosen.val[name]) for name in chosen.classes] == [3, 3]
    laid = chosen.laid_out(tmp_path / "laid", 2)
    assert len([*laid.glob("train/*/*.png")]) == 4
    assert len([*laid.glob("val/*/*.png")]) == 6


def test_draws_differ_by_seed_and_parts_share_no_class(folder, tmp_path):
    draw_images(tmp_path / "more", 6, classes=3)
    for name in ("x", "y", "z"):
        (tmp_path / "more" / {"x": "blue", "y": "green", "z": "red"}[name]).rename(tmp_path / "more" / name)
    whole = chosen_images(folder, tmp_path / "digits", classes=None, train=9, val=2)
    assert whole.drawn(0, 3).described() != whole.drawn(1, 3).described()
    assert whole.drawn(0, 3).described() == whole.drawn(0, 3).described()
    assert [part.classes for part in whole.parts(5, 10)] == [("blue", "green", "red")]


def test_digits_are_the_images_where_none_are_given(tmp_path):
    study = Depth(**{**TINY_DEPTH, "depths": (8,), "seeds": 1})
    (line,) = study.prepare(Bench(folder=tmp_path))
    assert line.startswith("scikit-learn's handwritten digits: 3 classes")


def test_a_folder_that_is_too_small_is_refused(tmp_path):
    draw_images(tmp_path / "one", 1)
    with pytest.raises(DataError, match="two classes with two images each"):
        chosen_images(tmp_path / "one", tmp_path / "digits", classes=2, train=4, val=9)


def test_a_folder_with_fewer_classes_than_the_study_takes_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"has 3\sclasses .* takes 10\. .*classes=3"):
        Depth(folders=(folder,)).prepare(Bench(folder=tmp_path))
    with pytest.raises(UsageError, match="one folder"):
        Depth(folders=(folder, folder)).prepare(Bench(folder=tmp_path))


class BrokenOffError(Exception):
    """A study that is broken off."""


def test_a_training_that_was_broken_off_goes_on_from_its_checkpoint(folder, tmp_path, monkeypatch):
    study = Depth(folders=(folder,), **{**TINY_DEPTH, "depths": (8,), "epochs": 4})
    whole, _ = run_study(study, tmp_path / "whole")
    told = []

    @contextlib.contextmanager
    def until_the_last_epoch(stage, total):
        def advance(steps, note=""):
            told.append(note)
            if "epoch 4 of 4" in note:
                raise BrokenOffError

        yield advance

    with monkeypatch.context() as patch:
        patch.setattr("convlens.studies.study._SECONDS_BETWEEN_PAGES", 0.0)
        with pytest.raises(BrokenOffError):
            run_study(study, tmp_path / "study", progress=until_the_last_epoch)
    assert [path.suffix for path in (tmp_path / "study").glob("work-*/runs/*")] == [".unfinished"]
    page = (tmp_path / "study" / "study.html").read_text()
    assert "Under way: family=plain, depth=8, seed=0" in page
    assert "training, 2:" in page
    told.clear()

    @contextlib.contextmanager
    def listening(stage, total):
        yield lambda steps, note="": told.append(note)

    again, _ = run_study(study, tmp_path / "study", progress=listening)
    first = [note for note in told if note.startswith("plain, depth 8") and "epoch" in note]
    assert first
    assert not any("epoch 1 of 4" in note for note in first)
    assert [one.values for one in again.measured] == [one.values for one in whole.measured]
    assert sorted(path.name for path in (tmp_path / "study").iterdir()) == ["study.html", "study.json"]


def test_transfer_on_fewer_images_than_it_counts_is_refused(folder, tmp_path):
    study = Transfer(folders=(folder,), classes=3, counts=(2, 40), cut_count=2)
    with pytest.raises(DataError, match=r"has 10\simages of 'blue' .* takes up to 40 of each"):
        study.prepare(Bench(folder=tmp_path))


def test_more_seeds_of_features_add_to_what_is_there(folder, tmp_path):
    one, more = (
        Features(folders=(folder,), seeds=seeds, images=2, classes=3).prepare(Bench(folder=tmp_path))
        for seeds in (1, 3)
    )
    assert one == more
