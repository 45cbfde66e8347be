from convlens.report.confusion import ConfusedPair, classes_per_block, most_confused, pooled, row_shares

CONFUSION = [[6, 2, 0], [0, 0, 0], [2, 1, 1]]


def test_shares_are_of_the_row() -> None:
    assert row_shares(CONFUSION) == [[0.75, 0.25, 0.0], [0.0, 0.0, 0.0], [0.5, 0.25, 0.25]]


def test_most_confused_pairs_come_by_images_then_share() -> None:
    assert most_confused(CONFUSION, ["a", "b", "c"], limit=2) == [
        ConfusedPair(true="c", predicted="a", images=2, share=0.5),
        ConfusedPair(true="a", predicted="b", images=2, share=0.25),
    ]


def test_right_answers_are_no_confusion() -> None:
    assert most_confused([[3, 0], [0, 4]], ["a", "b"], limit=5) == []


def test_blocks_add_up() -> None:
    assert pooled(CONFUSION, 2) == [[8, 0], [3, 1]]
    assert pooled(CONFUSION, 1) == CONFUSION


def test_blocks_are_as_small_as_the_limit_allows() -> None:
    assert [classes_per_block(n, 100) for n in (30, 100, 101, 1000)] == [1, 1, 2, 10]
