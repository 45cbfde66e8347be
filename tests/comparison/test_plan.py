"""Plans: which backbones are contestants, and under which names."""

from convlens.comparison.plan import Plan
from convlens.pipeline.resolve import changed_recipe
from convlens.training.recipe import Recipe

BASE = changed_recipe(Recipe(), backbone="house")


def plan(*backbones: str, tricks: tuple[str, ...] = (), base: Recipe = BASE) -> Plan:
    return Plan(base=base, backbones=backbones, tricks=tricks, seeds=1)


def names(asked: Plan) -> list[str]:
    return [one.name for one in asked.contestants]


def test_each_backbone_is_tried_once_and_the_bases_own_is_not_tried_again():
    assert names(plan("resnet18=random", "house", "resnet18=random")) == ["base", "resnet18"]


def test_the_same_network_with_other_weights_is_named_by_them():
    asked = plan("resnet18=random", "resnet18=/somewhere/own.pth", "house=random")
    assert names(asked) == ["base", "resnet18=random", "resnet18=own.pth", "house=random"]
    assert [one.recipe.weights for one in asked.contestants[1:3]] == ["random", "/somewhere/own.pth"]


def test_the_bases_network_at_its_usual_size_is_another():
    assert names(plan("house", base=BASE.model_copy(update={"size": 32}))) == ["base", "house=package"]


def test_base_and_backbones_tell_their_cost_and_tricks_do_not():
    assert plan("resnet18=random", tricks=("adam",)).with_cost == {"base", "resnet18"}
    assert plan(tricks=("adam",)).with_cost == set()
