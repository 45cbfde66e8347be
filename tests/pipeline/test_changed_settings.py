from convlens.pipeline.resolve import changed_settings, resolved_recipe


def test_what_differs_from_the_defaults():
    assert changed_settings(resolved_recipe(None)) == []
    assert changed_settings(resolved_recipe(None, device="cpu", precision="fp32")) == []
    changed = resolved_recipe(None, backbone="house", freeze="none", epochs=3, seed=1, size=64)
    assert changed_settings(changed) == ["backbone", "freeze", "epochs", "seed"]
    assert changed_settings(resolved_recipe(None, size=96, fit="squash")) == ["size", "fit"]
    assert changed_settings(resolved_recipe(None, weights="random")) == ["weights"]
