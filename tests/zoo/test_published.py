import re

import pytest

from convlens import zoo
from convlens.core.errors import UsageError
from convlens.zoo import published


def cards() -> list[zoo.WeightCard]:
    return [card for name in zoo.names() for card in zoo.weight_cards(name).values()]


def test_every_set_and_every_accuracy_is_of_a_network_that_we_have():
    table = published._table()
    named = {entry["network"] for kind in ("set", "paper") for entry in table[kind]}
    assert named <= set(zoo.names())
    assert len(cards()) == len(table["set"])


@pytest.mark.parametrize("card", cards(), ids=lambda card: f"{card.network}-{card.name}")
def test_a_card_is_whole(card):
    assert (card.url is None) != (card.package is None)
    assert card.url is None or card.url.startswith("https://")
    assert re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", card.sha256)
    assert card.sha256[:8] in card.file
    assert 50 < card.top1 < 100
    assert card.top5 is None or card.top1 < card.top5 < 100
    assert len(zoo.class_names(card.data)) == zoo.card(card.network).classes


def test_a_card_of_before_says_licence():
    card = zoo.weight_card("vgg16", "imagenet")
    former = card.to_json().replace('"license"', '"licence"')
    assert former != card.to_json()
    assert zoo.WeightCard.from_json(former, "card.json") == card


def test_numbers_of_the_oracles():
    accuracy = {
        name: (known.top1, known.top5) for name in zoo.names() if (known := zoo.published_accuracy(name)) is not None
    }
    assert accuracy["vgg16"] == (71.592, 90.382)
    assert accuracy["densenet201"] == (76.896, 93.370)
    assert accuracy["inception_v3"] == (77.294, 93.450)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("alexnet_2012", "ten crops"),
        ("zfnet", "ten crops"),
        ("inception_v4", "not on ImageNet's list"),
        ("vgg16", None),
    ],
)
def test_accuracies_that_were_not_measured_on_one_centre_crop_say_so(name, note):
    told = zoo.published_accuracy(name).note
    assert told is None if note is None else note in told


def test_the_second_version_has_a_crop_of_its_own():
    assert zoo.weight_card("resnet50", "imagenet").preprocessing.resize == 256
    assert zoo.weight_card("resnet50", "imagenet_v2").preprocessing.resize == 232


def test_class_names():
    names = zoo.class_names("imagenet")
    assert names[0] == ("n01440764", ("tench", "Tinca tinca"))
    assert names[282].names == ("tiger cat",)
    assert [name.key for name in names] == sorted(name.key for name in names)
    assert zoo.class_names("cifar10")[3].key == "cat"


@pytest.mark.parametrize(
    ("network", "name", "told"),
    [("resnet50", "imagnet", "imagenet, imagenet_v2"), ("house", "imagenet", "none is published for it")],
)
def test_an_unknown_set_is_refused_with_those_there_are(network, name, told):
    with pytest.raises(UsageError, match=told):
        zoo.weight_card(network, name)


def test_unknown_class_names():
    with pytest.raises(UsageError, match="known: cifar10, imagenet"):
        zoo.class_names("imagenet21k")
