"""Loggers, read back by what people read them with."""

import json
import sys
import time

import numpy as np
import pytest

from mooring.errors import BadInput
from mooring.hooks.log import check_loggers, make_loggers
from mooring.runs import RunFolder

CONFIG = {
    "algorithm": {"reference": "iql"},
    "members": [{"seed": 0, "settings": {}}, {"seed": 1, "settings": {"expectile": 0.9}}],
}
ROWS = [
    {"stage": "vae", "step": 10, "kind": "train", "loss": [0.5, 0.25]},
    {"stage": "main", "step": 10, "kind": "train", "loss": [3.0, 4.0], "q": [1.0, float("nan")]},
    {"stage": "main", "step": 20, "kind": "train", "loss": [2.0, 3.0], "q": [1.5, -1.0]},
    {"stage": "main", "step": 10, "kind": "evaluate", "return": [100.0, 300.0]},
]
LATER = {"stage": "main", "step": 30, "kind": "train", "loss": [1.0, 2.0], "q": [2.5, -2.0]}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


def write(names, folder, rows):
    loggers = make_loggers(names, folder, CONFIG)
    for row in rows:
        for logger in loggers:
            logger.write(row)
    for logger in loggers:
        logger.close()


def test_files_are_always_written_and_appended_to(folder):
    write([], folder, ROWS)
    write([], folder, [LATER])
    np.testing.assert_equal(folder.rows(), [*ROWS, LATER])


def test_each_line_is_there_before_close(folder):
    (logger,) = make_loggers([], folder, CONFIG)
    logger.write(ROWS[0])
    assert json.loads(folder.metrics_file.read_text()) == ROWS[0]
    logger.close()


def scalars(folder, member, stage):
    """{tag: {step: value}} of one member's stage as TensorBoard shows it: a START takes back later steps."""
    from tensorboardX.proto import event_pb2

    shown = {}
    files = sorted((folder.path / "tensorboard" / member / stage).iterdir())
    for record in (record for file in files for record in records(file.read_bytes())):
        event = event_pb2.Event.FromString(record)
        if event.session_log.status == event_pb2.SessionLog.START:
            shown = {tag: {s: v for s, v in curve.items() if s < event.step} for tag, curve in shown.items()}
        for value in event.summary.value:
            shown.setdefault(value.tag, {})[event.step] = value.simple_value
    return {tag: curve for tag, curve in shown.items() if curve}


def records(data):
    """The payloads of a TFRecord file: length (8 bytes), its checksum (4), payload, its checksum (4)."""
    while data:
        end = 12 + int.from_bytes(data[:8], "little")
        yield data[12:end]
        data = data[end + 4 :]


def test_tensorboard_has_a_curve_for_each_member(folder):
    pytest.importorskip("tensorboardX")
    write(["tensorboard"], folder, ROWS)
    assert scalars(folder, "seed-0", "vae") == {"train/loss": {10: 0.5}}
    assert scalars(folder, "expectile-0.9,seed-1", "vae") == {"train/loss": {10: 0.25}}
    assert scalars(folder, "seed-0", "main") == {
        "train/loss": {10: 3.0, 20: 2.0},
        "train/q": {10: 1.0, 20: 1.5},
        "evaluate/return": {10: 100.0},
    }
    second = scalars(folder, "expectile-0.9,seed-1", "main")
    assert second["evaluate/return"] == {10: 300.0}
    assert np.isnan(second["train/q"][10])


def test_tensorboard_forgets_what_came_after_the_checkpoint(folder):
    pytest.importorskip("tensorboardX")
    write(["tensorboard"], folder, [*ROWS, LATER])
    folder.metrics_file.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:2]))  # saved at step 10 of main
    write(["tensorboard"], folder, [{**ROWS[2], "loss": [2.25, 3.25]}])
    assert scalars(folder, "seed-0", "vae") == {"train/loss": {10: 0.5}}
    assert scalars(folder, "seed-0", "main")["train/loss"] == {10: 3.0, 20: 2.25}


def test_tensorboard_begins_a_stage_again_that_was_not_saved(folder):
    pytest.importorskip("tensorboardX")
    write(["tensorboard"], folder, ROWS)
    folder.metrics_file.write_text(json.dumps(ROWS[0]) + "\n")
    write(["tensorboard"], folder, [{**LATER, "step": 15}])
    assert scalars(folder, "seed-0", "main") == {"train/loss": {15: 1.0}, "train/q": {15: 2.5}}


@pytest.fixture
def offline(monkeypatch, tmp_path):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "home"))


def history(file):
    """The rows that an offline run of Weights & Biases keeps, without its own columns."""
    from wandb.proto import wandb_internal_pb2

    for data in wandb_records(file.read_bytes()):
        record = wandb_internal_pb2.Record.FromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            yield {name: value for name, value in items.items() if not name.startswith("_")}


def wandb_records(data):
    """The payloads of LevelDB's log format: 7 bytes of header; blocks of 32 KiB; checksum (4), length (2), type (1)."""
    full, last, position, parts = 1, 4, 7, []
    while position + 7 <= len(data):
        if -position % 32768 < 7 and position % 32768:
            position += -position % 32768  # too short for a header: padding
            continue
        length, kind = int.from_bytes(data[position + 4 : position + 6], "little"), data[position + 6]
        parts.append(data[position + 7 : position + 7 + length])
        position += 7 + length
        if kind in (full, last):
            yield b"".join(parts)
            parts = []


def test_wandb_offline(folder, offline):
    import wandb

    write(["wandb"], folder, ROWS[2:])
    time.sleep(1)  # its folders are named by the second
    write(["wandb"], folder, [LATER])  # resumed
    wandb.teardown()  # its service writes the last file's end after `finish` has returned
    files = sorted(folder.path.glob("wandb/offline-run-*/*.wandb"))
    name = (folder.path / "wandb" / "id").read_text()
    assert [file.name for file in files] == [f"run-{name}.wandb"] * 2
    first, last = (list(history(file)) for file in files)
    assert first == [
        {
            "main/step": 20,
            "main/train/loss": 2.5,
            "main/train/loss/seed-0": 2.0,
            "main/train/loss/expectile-0.9,seed-1": 3.0,
            "main/train/q": 0.25,
            "main/train/q/seed-0": 1.5,
            "main/train/q/expectile-0.9,seed-1": -1.0,
        },
        {
            "main/step": 10,
            "main/evaluate/return": 200.0,
            "main/evaluate/return/seed-0": 100.0,
            "main/evaluate/return/expectile-0.9,seed-1": 300.0,
        },
    ]
    assert last[0]["main/step"] == 30


def test_without_a_folder_there_is_no_logger():
    assert make_loggers([], None, CONFIG) == []


@pytest.mark.parametrize(("name", "package"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_missing_package(name, package, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BadInput, match=rf"logger '{name}': needs the package {package}; pip install 'mooring\[log\]'"):
        make_loggers([name], folder, CONFIG)
    assert not folder.metrics_file.exists()


def test_unknown_logger(folder):
    with pytest.raises(BadInput, match="logger 'tensorbord': does not exist; did you mean tensorboard"):
        check_loggers(["tensorbord"], folder)


def test_loggers_need_a_folder():
    with pytest.raises(BadInput, match="logger 'wandb': writes into the run's folder, and there is none"):
        check_loggers(["wandb"], None)
