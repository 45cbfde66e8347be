"""From labels as text to what outputs are held against, and back; and how well that goes, against scikit-learn."""

import math

import pytest
import torch
from sklearn import metrics

from convlens.core.bundle import Scale
from convlens.core.errors import DataError
from convlens.core.kinds.kind import Labels
from convlens.core.kinds.multilabel import MultilabelEvaluation
from convlens.core.kinds.regression import RegressionEvaluation
from convlens.training.classification import Classification
from convlens.training.multilabel import Multilabel
from convlens.training.objective import BinaryCrossEntropy, CategoricalCrossEntropy
from convlens.training.regression import Regression


def test_a_class() -> None:
    target = Classification(("ant", "bee"))
    encoded = target.encoded([("bee",), ("ant",), ("bee",), ("bee",)])
    assert encoded.tolist() == [1, 0, 1, 1]
    weighted = target.objective(encoded)
    assert isinstance(weighted, CategoricalCrossEntropy)
    assert weighted.weights is not None
    assert weighted.weights.tolist() == pytest.approx([2, 2 / 3])
    assert target.labels([0.3, 0.7]) == ("bee",)
    answers = target.answers(torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)], [0.0, 0.0], [0.0, -1.0]]))
    assert answers[0].tolist() == pytest.approx([0.25, 0.75])
    assert target.wrongness(answers, encoded).tolist() == pytest.approx([0, -math.log(0.25), 0, 1.3132616])


def test_labels() -> None:
    target = Multilabel(("cat", "dog", "fox"))
    encoded = target.encoded([("dog",), ("cat", "fox"), (), ("dog",)])
    assert encoded.tolist() == [[0, 1, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0]]
    weighted = target.objective(encoded)
    assert isinstance(weighted, BinaryCrossEntropy)
    assert weighted.positive_weights is not None
    assert weighted.positive_weights.tolist() == [3, 1, 3]
    assert target.labels([0.6, 0.5, 0.9]) == ("cat", "fox")
    answers = torch.tensor([[0.1, 0.9, 0.2], [0.9, 0.1, 0.9], [0.2, 0.25, 0.6], [0.75, 0.25, 0.0]])
    wrong = target.wrongness(answers, encoded)
    assert wrong.tolist() == pytest.approx([0, 0, -math.log(0.4), -2 * math.log(0.25)])


def test_numbers_are_learnt_free_of_their_scale() -> None:
    labels = [("1900.0", "1.5"), ("2000.0", "-1.5"), ("1950.0", "0.0")]
    target = Regression.measured(["year", "height"], labels)
    encoded = target.encoded(labels)
    assert encoded.mean(0).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert encoded.square().mean(0).tolist() == pytest.approx([1, 1])
    answers = target.answers(encoded)
    torch.testing.assert_close(answers, torch.tensor([[1900, 1.5], [2000, -1.5], [1950, 0]], dtype=torch.float64))
    assert target.labels(answers[0].tolist()) == ("1900", "1.5")
    assert target.wrongness(answers + torch.tensor([0, 3.0]), encoded).tolist() == pytest.approx([6, 6, 6])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([("3.0", "1.0"), ("3.0", "2.0")], "the column 'a' has the same number in all 2"),
        ([("1e200", "1.0"), ("1.0", "2.0")], "too large"),
    ],
)
def test_numbers_that_cannot_be_learnt(labels: list[Labels], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Regression.measured(["a", "b"], labels)


def test_numbers_without_a_scale() -> None:
    with pytest.raises(DataError, match="does not hold their scale"):
        Regression.stored(["a"], None)


def test_compared_images_are_right_or_wrong() -> None:
    classes = Classification(("ant", "bee"))
    outputs = torch.tensor([[0.0, 1.0], [0.0, 1.0], [2.0, 1.0]])
    assert classes.scores(outputs, torch.tensor([1, 0, 0]), []).tolist() == [1, 0, 1]
    labels = Multilabel(("cat", "dog"))
    outputs = torch.tensor([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]])
    assert labels.scores(outputs, labels.encoded([("cat",), ("cat",), ()]), []).tolist() == [1, 0, 1]


@pytest.mark.parametrize("task", [Classification(("a", "b", "c")), Multilabel(("a", "b", "c"))])
def test_compared_means_are_those_of_the_evaluation(task: Classification | Multilabel) -> None:
    outputs = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    targets = task.encoded([(name,) for name in "abcab" * 10])
    found = task.evaluate(outputs, targets)
    expected = found.exact_match if isinstance(found, MultilabelEvaluation) else found.accuracy
    assert task.scores(outputs, targets, []).mean().item() == pytest.approx(expected)


def test_compared_numbers_are_in_variances_of_the_validated_images() -> None:
    """So that all columns count alike, whatever their units and the images that were trained on."""
    task = Regression.measured(["year", "height"], [("1900", "1.5"), ("2000", "-1.5"), ("1950", "0")])
    validated: list[Labels] = [("1910", "0.1"), ("1950", "0.3"), ("1990", "0.8"), ("1991", "0.7")]
    targets = task.encoded(validated)
    outputs = targets + torch.randn(4, 2, generator=torch.Generator().manual_seed(1)) / 5
    scores = task.scores(outputs, targets, validated)
    evaluation = task.evaluate(outputs, targets)
    assert evaluation.r2 is not None
    assert scores.shape == (4,)
    assert scores.mean().item() == pytest.approx(1 - evaluation.r2, rel=1e-5)
    part = task.scores(outputs[:2], targets[:2], validated)
    assert part.tolist() == scores[:2].tolist()
    mean = task.encoded([("1960.25", "0.475")]).expand(4, 2)
    assert task.scores(mean, targets, validated).mean().item() == pytest.approx(1)


def test_numbers_that_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="the column 'b' has the same number in all 2 validation images"):
        Regression.refuse_unmeasurable(["a", "b"], [("3.0", "1.0"), ("2.0", "1.0")])


def test_scores_of_labels_are_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(3)
    true = (torch.rand(200, 4, generator=generator) < torch.tensor([0.5, 0.1, 0.9, 0.0])).float()
    # Rounded, so that many scores are equal.
    logits = (true + torch.randn(200, 4, generator=generator)).mul(2).round() / 2 - 0.6
    found = Multilabel(("a", "b", "c", "never")).evaluate(logits, true)
    assert isinstance(found, MultilabelEvaluation)
    said = (logits > 0).numpy()
    assert found.exact_match == metrics.accuracy_score(true.numpy(), said)
    assert found.accuracy == pytest.approx(1 - metrics.hamming_loss(true.numpy(), said))
    average = [metrics.average_precision_score(true[:, n].numpy(), logits[:, n].numpy()) for n in range(3)]
    for n, one in enumerate(found.per_label[:3]):
        column = true[:, n].numpy(), said[:, n]
        assert one.average_precision == pytest.approx(average[n])
        assert one.accuracy == pytest.approx(metrics.accuracy_score(*column))
        assert one.precision == pytest.approx(metrics.precision_score(*column))
        assert one.recall == pytest.approx(metrics.recall_score(*column))
        assert one.f1 == pytest.approx(metrics.f1_score(*column))
        assert one.support == column[0].sum()
    assert found.mean_average_precision == pytest.approx(sum(average) / 3)
    assert found.per_label[3].average_precision is None
    assert found.interval[0] < found.exact_match < found.interval[1]


def test_scores_of_numbers_are_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(4)
    outputs, targets = torch.randn(80, 2, generator=generator), torch.randn(80, 2, generator=generator)
    target = Regression(("a", "b"), Scale(mean=[100, -5], spread=[20, 0.5]))
    found = target.evaluate(outputs, targets)
    assert isinstance(found, RegressionEvaluation)
    true, said = target.answers(targets).numpy(), target.answers(outputs).numpy()
    for n, one in enumerate(found.per_number):
        column = true[:, n], said[:, n]
        assert one.mean_squared_error == pytest.approx(metrics.mean_squared_error(*column))
        assert one.root_mean_squared_error == pytest.approx(metrics.root_mean_squared_error(*column))
        assert one.mean_absolute_error == pytest.approx(metrics.mean_absolute_error(*column))
        assert one.r2 == pytest.approx(metrics.r2_score(*column))
        assert one.interval[0] < one.root_mean_squared_error < one.interval[1]
        assert (one.mean, one.spread) == pytest.approx((column[0].mean(), column[0].std()))
    assert found.r2 == pytest.approx(metrics.r2_score(true, said))
    assert found.loss == pytest.approx((outputs - targets).square().mean().item())


def test_numbers_that_are_all_the_same_have_no_r2() -> None:
    target = Regression(("a",), Scale(mean=[0], spread=[1]))
    found = target.evaluate(torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [1.0]]))
    assert isinstance(found, RegressionEvaluation)
    assert (found.r2, found.per_number[0].mean_absolute_error) == (None, 0.5)
    single = target.evaluate(torch.tensor([[1.0]]), torch.tensor([[2.0]]))
    assert isinstance(single, RegressionEvaluation)
    assert single.per_number[0].interval == (0, math.inf)
