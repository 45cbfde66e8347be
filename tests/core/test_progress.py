from convlens.core.progress import noted


def test_work_within_a_step_is_noted_there():
    told = []
    inside = noted(lambda steps, note="": told.append((steps, note)), "augment")
    with inside("fit", 20) as advance:
        advance(10, "epoch 1 of 2")
        advance(10)
    assert told == [(0, "augment: epoch 1 of 2"), (0, "augment: 20 of 20")]
