import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm.errors import DataError
from storm.shell_game.scene import Look, World, places, sample_scenes
from storm.shell_game.script import Script, parse_script, script_of, write_script

colors = st.tuples(*[st.integers(0, 255)] * 3)
looks = st.builds(Look, colors, colors, colors)


@st.composite
def scripts(draw):
    cups = draw(st.integers(2, 6))
    pairs = st.lists(st.integers(1, cups), min_size=2, max_size=2, unique=True).map(
        lambda p: tuple(sorted(p))
    )
    beats = draw(st.lists(st.none() | pairs, min_size=1, max_size=12))
    return Script(cups, draw(st.integers(1, cups)), tuple(beats), draw(looks))


@given(scripts())
def test_parsing_is_the_inverse_of_writing(script):
    assert parse_script(write_script(script)) == script


@given(st.text(alphabet="cupsbalrestw 0123456789#;af-", max_size=80))
def test_any_text_is_a_script_or_a_data_error(text):
    try:
        script = parse_script(text)
    except DataError:
        return
    assert parse_script(write_script(script)) == script


def test_the_language():
    text = (
        "cups 4; ball 2; swap 3 1; rest; swap 2 4; "
        "table #203040; cup #e0c090; ball-colour #ff2040;\n"
    )
    script = parse_script(text)
    assert script.beats == ((1, 3), None, (2, 4))
    assert script.places == (2, 2, 4)
    assert script.look == Look((32, 48, 64), (224, 192, 144), (255, 32, 64))


GOOD = "cups 4; ball 2; swap 1 3; table #000000; cup #ffffff; ball-colour #ff0000"


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("cups 4; ", "", "cups"),
        ("ball 2", "ball 5", "self.ball = 5"),
        ("swap 1 3", "swap 1 5", "(1, 5)"),
        ("swap 1 3", "swap 2 2", "(2, 2)"),
        ("swap 1 3; ", "", "`swap` or `rest`"),
        ("swap 1 3", "swop 1 3", "swop 1 3"),
        ("swap 1 3", "swap 1 three", "three"),
        ("ball 2", "ball 2; ball 3", "ball 3"),
        ("#ff0000", "red", "red"),
        ("; ball-colour #ff0000", "", "ball-colour"),
    ],
)
def test_errors_name_what_is_wrong(old, new, names):
    assert old in GOOD
    with pytest.raises(DataError) as error:
        parse_script(GOOD.replace(old, new))
    assert names in str(error.value)


def test_the_truth_as_a_script():
    world = World(swaps=4)
    for scene in sample_scenes(world, "base", 10, seed=0):
        assert script_of(scene, world).places == places(scene)
