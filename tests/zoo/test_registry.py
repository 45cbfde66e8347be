import pytest

from convlens import zoo
from convlens.core.errors import UsageError
from convlens.core.preprocessing import Preprocessing
from convlens.zoo.registry import NETWORKS
from convlens.zoo.structure import structure


def test_names_come_in_natural_order():
    assert zoo.names() == (
        "alexnet",
        "densenet121",
        "densenet161",
        "densenet169",
        "densenet201",
        "house",
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "vgg11",
        "vgg11_bn",
        "vgg13",
        "vgg13_bn",
        "vgg16",
        "vgg16_bn",
        "vgg19",
        "vgg19_bn",
    )


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        NETWORKS["mine"] = NETWORKS["house"]


@pytest.mark.parametrize("name", zoo.names())
def test_a_card_tells_the_truth_about_its_network(name):
    card = zoo.card(name)
    module = structure(NETWORKS[name].build, 7)
    assert card.name == name
    assert "arXiv:" in card.paper
    assert list(module.named_modules())[-1][0] == card.head
    assert module.get_submodule(card.head).out_features == 7


def test_preprocessing_is_that_of_the_weights():
    assert zoo.card("vgg16_bn").preprocessing == Preprocessing(size=224, resize=256)
    assert zoo.card("house").preprocessing == Preprocessing(size=64, resize=64)
    assert zoo.card("house").package_weights
    assert [name for name in zoo.names() if zoo.card(name).package_weights] == ["house"]


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"unknown network 'resnet-50': did you mean resnet50"):
        zoo.network("resnet-50")
    with pytest.raises(UsageError, match="unknown network 'densnet121': did you mean densenet121"):
        zoo.card("densnet121")
