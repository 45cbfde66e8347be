from convlens.core.seeds import derived_seed


def test_streams_differ_by_seed_and_purpose():
    seeds = {derived_seed(seed, purpose) for seed in range(20) for purpose in ("head", "order", "augment")}
    assert len(seeds) == 60
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_same_on_every_machine():
    assert derived_seed(0, "head") == 6551998802971462994
