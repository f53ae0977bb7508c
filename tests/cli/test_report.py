"""`mooring report`, on folders of runs."""

from run_folders import write_run


def test_a_page_of_two_runs(mooring, tmp_path):
    for name in ("iql", "bc"):
        write_run(tmp_path / "runs" / name, name)
    outcome = mooring("report", "runs", "runs/bc", "--films", 0, "--no-audit", "-o", "pages/mine.html")
    assert outcome.code == 0
    size = (tmp_path / "pages" / "mine.html").stat().st_size
    assert outcome.out == f"the page: pages/mine.html ({size:,} bytes)\n"
    assert "2 runs" in (tmp_path / "pages" / "mine.html").read_text(encoding="utf-8")


def test_bad_words(mooring, tmp_path):
    assert mooring("report").code == 2
    assert mooring("report", tmp_path).err.startswith(f"mooring: error: {tmp_path}: holds no run")
    run = write_run(tmp_path / "a")
    assert "--films" in mooring("report", run, "--films", "many").err
    assert "found -1" in mooring("report", run, "--films", -1, "--no-audit").err
    assert "is a folder" in mooring("report", run, "--no-audit", "-o", tmp_path).err
    assert "did you mean --figures" in mooring("report", run, "--figure", "x").err
