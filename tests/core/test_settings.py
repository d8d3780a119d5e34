"""Settings as such; how brain-tuning uses them is tested there."""

import copy
import pickle

import pytest

from encodekit.core import Settings, split_nested


class Rate(Settings):
    """A rate, and what it is multiplied by."""

    start: float = 1.0
    factors: tuple[float, ...] | list[float] = ()

    def mistakes(self):
        """Yield what is wrong."""
        if self.start <= 0:
            yield f"start={self.start:g}: expected more than 0"
        if len(self.factors) > 2:
            yield f"factors={self.factors}: expected two at most"


class Plan(Settings):
    """Settings within settings."""

    rate: Rate = Rate()


def test_all_mistakes_come_in_one_message():
    with pytest.raises(ValueError, match=r"^Rate: start=-1: expected more .*; factors=\(1, 2, 3"):
        Rate(-1.0, [1, 2, 3])


def test_lists_become_tuples_so_that_nothing_shared_can_change():
    given = [2.0]
    rate = Rate(factors=given)
    given.append(3.0)
    assert rate.factors == (2.0,)
    assert hash(rate) == hash(Rate(factors=(2.0,)))


def test_replace_reaches_into_settings_within_and_leaves_the_old_as_it_was():
    plan = Plan()
    changed = plan.replace(rate__start=2.0)
    assert (changed.rate.start, plan.rate.start) == (2.0, 1.0)
    assert changed.get_params() == {"rate": Rate(2.0), "rate__start": 2.0, "rate__factors": ()}
    with pytest.raises(TypeError, match="Rate: unknown parameter 'strat': did you mean 'start'"):
        plan.replace(rate__strat=1)


def test_copies_and_pickles_are_equal():
    rate = Rate(3.0, (1.0,))
    assert copy.deepcopy(rate) == rate == pickle.loads(pickle.dumps(rate))


def test_settings_refuse_to_change():
    with pytest.raises(TypeError, match=r"replace\(start=2.0\) returns in its place"):
        Rate().set_params(start=2.0)
    with pytest.raises(AttributeError):
        Rate().start = 2.0


def test_a_parameter_that_would_hide_what_settings_have_is_refused():
    with pytest.raises(TypeError, match="Hiding: a parameter cannot be called replace"):

        class Hiding(Settings):
            replace: int = 1


def test_nested_names_are_split_at_the_first_pair_of_underscores():
    assert split_nested({"a": 1, "b__c__d": 2}) == ({"a": 1}, {"b": {"c__d": 2}})


@pytest.mark.parametrize("start", ["1", None, True, [1.0]])
def test_a_number_of_another_type_is_answered_before_its_value_is_judged(start):
    with pytest.raises(ValueError, match=r"^Rate: start=.*: expected a number$"):
        Rate(start)
