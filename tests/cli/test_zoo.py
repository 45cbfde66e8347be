"""`convlens zoo` and `convlens zoo show`."""

import json

from convlens.zoo import names


def test_the_list_has_every_network(convlens):
    outcome = convlens("zoo", "--json")
    assert outcome.code == 0
    lines = {line["name"]: line for line in json.loads(outcome.out)["networks"]}
    assert tuple(lines) == names()
    assert lines["vgg16"]["multiply_adds"] == 15470264320
    assert lines["vgg16"]["receptive_field"] == 212
    assert lines["vgg16"]["weights"] == ["imagenet"]
    assert lines["house"]["weights"] == ["package"]
    assert lines["resnet56"]["top1"] == 93.39


def test_the_list_for_a_person(convlens):
    outcome = convlens("zoo")
    assert outcome.code == 0
    (line,) = [line for line in outcome.out.splitlines() if line.split()[:1] == ["resnet50"]]
    for told in ("2015", " 224 ", "25.6 M", "4.09 G", "427", "76.13", "92.86", "imagenet, imagenet_v2"):
        assert told in line


def test_one_network(convlens):
    outcome = convlens("zoo", "show", "squeezenet1_1")
    assert outcome.code == 0
    for told in (
        "arXiv:1602.07360",
        "features.3",
        "1,235,496 parameters",
        "--weights imagenet",
        "squeezenet1_1-b8a52dc0.pth",
    ):
        assert told in outcome.out
    assert json.loads(convlens("zoo", "show", "squeezenet1_1", "--json").out)["year"] == 2016


def test_without_weights_that_is_said(convlens):
    assert "No trained weights are published for it" in convlens("zoo", "show", "small_convnet").out


def test_an_unknown_network(convlens):
    outcome = convlens("zoo", "show", "resnet51")
    assert outcome.code == 2
    assert "did you mean resnet" in outcome.err
