import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from convlens.core.intervals import newcombe_interval, wilson_interval
from convlens.training.metrics import confusion_matrix, evaluate


def random_case(classes: int, images: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(classes)
    labels = torch.randint(classes, (images,), generator=generator)
    logits = torch.randn(images, classes, generator=generator) + 1.5 * torch.nn.functional.one_hot(labels, classes)
    return logits.round(decimals=1), labels  # rounding makes ties


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_confusion_and_scores_are_scikit_learns(classes: int) -> None:
    logits, labels = random_case(classes)
    predicted = logits.argmax(1)
    evaluation = evaluate(logits, labels, tuple(f"class {i}" for i in range(classes)))
    assert evaluation.confusion == reference.confusion_matrix(labels, predicted).tolist()
    assert evaluation.accuracy == pytest.approx(reference.accuracy_score(labels, predicted))
    assert evaluation.loss == pytest.approx(reference.log_loss(labels, logits.double().softmax(1)), rel=1e-5)
    expected = np.array(reference.precision_recall_fscore_support(labels, predicted))
    ours = np.array([[s.precision, s.recall, s.f1, s.support] for s in evaluation.per_class]).T
    np.testing.assert_allclose(ours, expected)


def test_roc_is_scikit_learns() -> None:
    logits, labels = random_case(2)
    roc = evaluate(logits, labels, ("ants", "bees")).roc
    assert roc is not None
    assert roc.positive == "bees"
    score = logits[:, 1] - logits[:, 0]
    false_positive, true_positive, _ = reference.roc_curve(labels, score, drop_intermediate=False)
    np.testing.assert_allclose(roc.false_positive_rate, false_positive)
    np.testing.assert_allclose(roc.true_positive_rate, true_positive)
    assert roc.area == pytest.approx(reference.roc_auc_score(labels, score))


def test_a_class_that_is_absent_or_never_predicted_scores_zero() -> None:
    evaluation = evaluate(torch.tensor([[2.0, 1.0, 0.0]] * 3), torch.tensor([0, 0, 1]), ("a", "b", "c"))
    assert [(s.precision, s.recall, s.f1, s.support) for s in evaluation.per_class] == [
        (pytest.approx(2 / 3), 1.0, pytest.approx(0.8), 2),
        (0.0, 0.0, 0.0, 1),
        (0.0, 0.0, 0.0, 0),
    ]
    assert evaluation.roc is None


def test_no_roc_where_only_one_class_was_judged() -> None:
    assert evaluate(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), ("a", "b")).roc is None


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (10, 10, 0.7225, 1.0)],
)
def test_wilson_interval(correct: int, total: int, low: float, high: float) -> None:
    """The first two rows are those of Newcombe 1998, table I, method 3."""
    assert wilson_interval(correct, total) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_newcombe_interval_is_that_of_his_paper() -> None:
    assert newcombe_interval((56, 70), (48, 80)) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))
    assert newcombe_interval((0, 10), (0, 20)) == (pytest.approx(-0.1611, abs=5e-5), pytest.approx(0.2775, abs=5e-5))


def test_confusion_rows_are_the_true_classes() -> None:
    assert confusion_matrix(torch.tensor([0, 0, 1]), torch.tensor([1, 1, 1]), 2).tolist() == [[0, 2], [0, 1]]
