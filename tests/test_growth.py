from benchmarks.growth.plot import IMAGE, PANELS, RESULTS, image, read


def test_the_image_is_what_the_script_draws_of_the_results() -> None:
    assert IMAGE.read_text("utf-8") == image(read(RESULTS.read_text("utf-8")))


def test_every_curve_of_the_results_is_drawn() -> None:
    assert read(RESULTS.read_text("utf-8")).keys() <= {panel.curve for panel in PANELS}


def test_a_curve_has_a_point_for_each_result() -> None:
    drawn = image({"readers": {"polls": [(0, 1), (1_000, 2)], "<streams>": [(0, 1), (1_000, 1.5)]}})

    assert drawn.count("<circle") == 4
    assert "&lt;streams&gt;" in drawn
    assert ">1k<" in drawn
    assert "e+" not in image({"readers": {"polls": [(0, 1500), (1_000, 965)]}})
