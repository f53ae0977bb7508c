from mooring.registry import entries


def test_the_list_has_them_all(mooring):
    shown = mooring("algorithms")
    assert shown.code == 0
    for entry in entries():
        assert entry.name in shown.out


def test_one_algorithm(mooring):
    shown = mooring("algorithms", "iql").out
    for word in ("Kostrikov", "2110.06169", "import IQL", "expectile", "number in [0, 1]", "0.7", "256,256", "eq. 5"):
        assert word in shown


def test_an_unknown_name(mooring):
    assert mooring("algorithms", "td3bc").err.endswith("did you mean td3-bc or td3 or bc?\n")
