"""What is said of values that run away."""

from mooring.cli.alarms import write_alarms

CALM = {"seem": 0.0, "q": 10.0, "bound": 100.0, "implied": 0.5, "gap": 0.1, "dead": 0.0}
MEMBERS = [{"seed": seed, "settings": {"alpha": 2.5}} for seed in range(3)]


def rows(*members):
    look = {"stage": "main", "step": 100, "kind": "watch"}
    return [look | {name: [(CALM | member)[name] for member in members] for name in CALM}] * 2


def test_who_has_which_light_why_and_what_to_do(capsys):
    bad = {"seem": 0.4, "implied": 2.5}
    write_alarms(MEMBERS, rows(bad, {}, bad))
    said = capsys.readouterr().out
    assert "values red: alpha-2.5,seed-0; alpha-2.5,seed-2. values rise as if" in said
    assert "what to do: keep the policy nearer to the data" in said
    assert "yellow" not in said


def test_green_is_said_and_what_was_not_watched_is_not(capsys):
    write_alarms(MEMBERS, rows({}, {}, {}))
    assert capsys.readouterr().out == "values green: nothing points to their running away.\n"
    write_alarms(MEMBERS, [{"stage": "main", "step": 5, "kind": "train"}])
    assert capsys.readouterr().out == ""
