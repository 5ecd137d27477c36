"""Images: the digits; CIFAR-10's files as they are published and as they should not be. No file may run code."""

from __future__ import annotations

import builtins
import copyreg
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvers.images import cifar10, digits

NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def short_string(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text


def python2_pickle(data: np.ndarray, labels: list[int], title: bytes) -> bytes:
    """A batch as Python 2's cPickle writes it in protocol 2, opcode by opcode: the published files begin like this."""
    count = struct.pack("<H", len(data))
    content = data.tobytes()
    out = [b"\x80\x02}q\x01(", short_string(b"batch_label"), b"q\x02", short_string(title), b"q\x03"]
    out += [short_string(b"labels"), b"q\x04]q\x05(", b"".join(b"K" + bytes([label]) for label in labels), b"e"]
    out += [short_string(b"data"), b"q\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08"]
    out += [b"K\x00\x85", short_string(b"b"), b"\x87Rq\x09(K\x01M", count, b"M\x00\x0c\x86cnumpy\ndtype\nq\x0a"]
    out += [
        short_string(b"u1"),
        b"K\x00K\x01\x87Rq\x0b(K\x03",
        short_string(b"|"),
        b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
    ]
    out += [b"T" + struct.pack("<I", len(content)) + content, b"tb", short_string(b"filenames"), b"q\x0c]q\x0d("]
    out += [b"".join(short_string(b"camion_s_%06d.png" % k) for k in range(len(data))), b"eu."]
    return b"".join(out)


def python2_text_pickle(data: np.ndarray, labels: list[int]) -> bytes:
    """The same in protocol 0, Python 2's default, which writes strings with quotes."""
    text = "".join(f"\\x{byte:02x}" for byte in data.tobytes())
    return (
        f"(dp0\nS'data'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n(I1\n(I{len(data)}\n"
        f"I3072\ntp8\ncnumpy\ndtype\np9\n(S'u1'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'|'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\nS'{text}'\np15\ntp16\n"
        f"bsS'labels'\np17\n(lp18\n{''.join(f'I{label}{chr(10)}a' for label in labels)}s."
    ).encode("latin1")


def python3_pickle(data, labels, protocol: int = 2, keys=lambda key: key.encode()) -> bytes:
    batch = {"batch_label": b"training batch", "labels": labels, "data": data, "filenames": [b"x.png"] * len(labels)}
    return pickle.dumps({keys(key): value for key, value in batch.items()}, protocol)


def sample(count: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 3072), dtype=np.uint8), rng.integers(0, 10, count).tolist()


@pytest.fixture
def folder(tmp_path):
    """A folder of six small batches in the published form."""
    for number, name in enumerate(NAMES):
        (tmp_path / name).write_bytes(python2_pickle(*sample(7 + number, number), title=name.encode()))
    return tmp_path


def test_digits_are_all_there_in_two_parts_of_equal_composition():
    images = digits()
    counts = np.array([178, 182, 177, 183, 181, 182, 181, 179, 174, 180])  # scikit-learn's page of the set
    np.testing.assert_array_equal(np.bincount(images.y) + np.bincount(images.evaluation_y), counts)
    np.testing.assert_array_equal(np.bincount(images.evaluation_y), np.round(counts * 0.2))
    assert images.x.shape[1:] == images.evaluation_x.shape[1:] == (1, 8, 8)
    assert images.x.dtype == images.evaluation_x.dtype == np.float64
    assert images.x.mean() == pytest.approx(0, abs=1e-12)
    assert images.x.std() == pytest.approx(1, rel=1e-12)
    every = np.concatenate([images.x, images.evaluation_x]).reshape(1797, -1)
    assert len(np.unique(np.round(every, 9), axis=0)) == 1797  # no image is in both parts
    assert (np.diff(images.y) < 0).sum() > 400  # shuffled, not by digit


def test_digits_depend_on_the_seed_alone():
    for first, second in zip(digits(seed=3), digits(seed=3), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(digits(seed=3).y, digits(seed=4).y)
    assert len(digits(evaluation=0.5).y) == pytest.approx(899, abs=5)


@pytest.mark.parametrize("share", [0.0, 1.0, 1e-4, -1, np.nan, "half"])
def test_a_share_that_leaves_nothing_is_refused(share):
    with pytest.raises(ValueError, match="evaluation is"):
        digits(evaluation=share)


def test_importing_does_not_load_scikit_learn():
    code = "import solvers.images, sys; assert not {'sklearn', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


def test_published_files_are_read(folder):
    images = cifar10(folder)
    raw = np.concatenate([sample(7 + number, number)[0] for number in range(5)]).reshape(-1, 3, 32, 32).astype(float)
    mean, deviation = raw.mean((0, 2, 3), keepdims=True), raw.std((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(images.x, (raw - mean) / deviation, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(images.y, np.concatenate([sample(7 + number, number)[1] for number in range(5)]))
    data, labels = sample(12, 5)
    np.testing.assert_allclose(
        images.evaluation_x, (data.reshape(-1, 3, 32, 32) - mean) / deviation, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_array_equal(images.evaluation_y, labels)
    assert images.x.dtype == np.float64
    assert images.y.dtype == images.evaluation_y.dtype == np.int64


def test_a_row_is_red_then_green_then_blue_each_line_by_line(folder):
    row = np.zeros((1, 3072), dtype=np.uint8)
    row[0, 1024 + 2 * 32 + 5] = 255  # green, third line, sixth column
    (folder / "test_batch").write_bytes(python2_pickle(row, [3], b"one"))
    image = cifar10(folder).evaluation_x[0]
    assert np.unravel_index(image.argmax(), image.shape) == (1, 2, 5)


def test_the_folder_above_and_single_precision_will_do(folder, tmp_path_factory):
    above = tmp_path_factory.mktemp("above")
    folder.rename(above / "cifar-10-batches-py")
    images = cifar10(str(above), dtype=np.float32)
    assert images.x.dtype == images.evaluation_x.dtype == np.float32
    np.testing.assert_allclose(images.x, cifar10(above / "cifar-10-batches-py").x, atol=1e-5)
    with pytest.raises(ValueError, match="float16"):
        cifar10(above, dtype="float16")


def test_a_file_of_the_published_size_is_read(folder):
    data, labels = sample(10_000)
    (folder / "test_batch").write_bytes(python2_pickle(data, labels, b"testing batch 1 of 1"))
    images = cifar10(folder, dtype="float32")
    assert images.evaluation_x.shape == (10_000, 3, 32, 32)
    np.testing.assert_array_equal(images.evaluation_y, labels)


@pytest.mark.parametrize("form", ["protocol 0", 2, 3, 4, 5, "text keys", "fortran", "array of labels", "constant"])
def test_other_writers_of_the_same_content(form, folder):
    data, labels = sample(9, 42)
    if form == "constant":
        data[:] = 7
    if form == "protocol 0":
        content = python2_text_pickle(data, labels)
    elif form == "text keys":
        content = python3_pickle(data, labels, keys=str)
    elif form == "fortran":
        content = python3_pickle(np.asfortranarray(data), labels)
    elif form == "array of labels":
        content = python3_pickle(data, np.array(labels, dtype=">i4"))
    else:
        content = python3_pickle(data, labels, form if isinstance(form, int) else 2)
    for name in NAMES:
        (folder / name).write_bytes(content)
    images = cifar10(folder)
    np.testing.assert_array_equal(images.evaluation_y, labels)
    flat = images.evaluation_x.reshape(9, 3072)
    if form == "constant":
        assert not flat.any()
    else:
        np.testing.assert_array_equal(
            np.argsort(flat[:, :1024], kind="stable"), np.argsort(data[:, :1024], kind="stable")
        )


def test_all_missing_files_are_named(folder):
    (folder / "data_batch_2").unlink()
    (folder / "test_batch").unlink()
    with pytest.raises(ValueError, match=r"has no data_batch_2, test_batch; pass the folder .*or the one above"):
        cifar10(folder)
    with pytest.raises(
        ValueError, match="data_batch_1, data_batch_2, data_batch_3, data_batch_4, data_batch_5, test_batch"
    ):
        cifar10(folder / "nowhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds no dict"),
        (np.zeros(3, dtype=np.uint8), "holds no dict"),
        ({b"data": np.zeros((1, 3072), dtype=np.uint8)}, r"has the keys \['data'\], no labels"),
        ({b"fine_labels": [1], b"coarse_labels": [1]}, "no data and no labels"),
        ({b"data": [1, 2], b"labels": [1]}, "data that is list"),
        ({b"data": np.zeros((1, 3071), dtype=np.uint8), b"labels": [1]}, r"uint8 of shape \(1, 3071\); expected uint8 of shape \(n, 3072\)"),
        ({b"data": np.zeros(3072, dtype=np.uint8), b"labels": [1]}, r"shape \(3072,\)"),
        ({b"data": np.zeros((0, 3072), dtype=np.uint8), b"labels": []}, r"shape \(0, 3072\)"),
        ({b"data": np.zeros((1, 3072), dtype=np.int16), b"labels": [1]}, "data that is int16"),
        ({b"data": np.zeros((1, 3072)), b"labels": [1]}, "dtype 'f8'"),
        ({b"data": np.zeros((1, 3072), dtype=bool), b"labels": [1]}, "dtype 'b1'"),
        ({b"data": np.zeros((1, 3072), dtype=np.uint8), b"labels": [1, 2]}, "2 labels for 1 images"),
        ({b"data": np.zeros((1, 3072), dtype=np.uint8), b"labels": [10]}, "label 10; expected 0 to 9"),
        ({b"data": np.zeros((1, 3072), dtype=np.uint8), b"labels": [-1]}, "label -1"),
        ({b"data": np.zeros((1, 3072), dtype=np.uint8), b"labels": [2**70]}, "label 1180591620717411303424"),
        ({b"data": np.zeros((1, 3072), dtype=np.uint8), b"labels": [0.5]}, "no list of whole numbers"),
        ({b"data": np.zeros((1, 3072), dtype=np.uint8), b"labels": [True]}, "no list of whole numbers"),
        ({b"data": np.zeros((1, 3072), dtype=np.uint8), b"labels": (1,)}, "no list of whole numbers"),
        ({b"data": np.zeros((1, 3072), dtype=np.uint8), b"labels": np.zeros((1, 1), dtype=int)}, "no list of whole numbers"),
        ({b"data": np.zeros((1, 3072), dtype=np.uint8), b"labels": [np.zeros(1, dtype=int)]}, "no list of whole numbers"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(content, message, folder):
    (folder / "data_batch_4").write_bytes(pickle.dumps(content, 3))
    with pytest.raises(ValueError, match=f"data_batch_4 .*{message}"):
        cifar10(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        b"\x80\x02}q\x01(U\x05",
        b"\x80\x02P7\n.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02(K\x01u.",
        b"\x80\x63.",
    ],
)
def test_damaged_files_are_named(content, folder):
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(ValueError, match="test_batch cannot be read as a pickle"):
        cifar10(folder)


@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(tmp_path_factory, share):
    content = python2_pickle(*sample(2), title=b"t")
    folder = tmp_path_factory.getbasetemp() / "truncated"
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        (folder / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="cannot be read"):
        cifar10(folder)


class Attack:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _fired(path: str) -> None:
    Path(path).touch()


def attacks(marker: str) -> dict[str, tuple[bytes, str]]:
    """Files that would leave a file `marker` behind, and what must be named of each."""
    data, labels = sample(3)
    shell, code = f"touch {marker}", f"open({marker!r}, 'w').close()"
    called = Attack(os.system, shell)
    good = python3_pickle(data, labels)
    system = f"{os.system.__module__}.system"
    array = np.empty(3, dtype=object)
    array[1] = called
    return {
        "system": (pickle.dumps(called, 2), system),
        "system, protocol 0": (pickle.dumps(called, 0), system),
        "system, protocol 4": (pickle.dumps(called, 4), system),
        "eval": (pickle.dumps(Attack(builtins.eval, code), 2), "__builtin__.eval"),
        "eval, protocol 4": (pickle.dumps(Attack(builtins.eval, code), 4), "builtins.eval"),
        "exec in a batch": (pickle.dumps({b"data": data, b"labels": labels, b"filenames": [Attack(exec, code)]}, 2), "__builtin__.exec"),
        "a label": (python3_pickle(data, [1, called, 2]), system),
        "a key": (pickle.dumps({called: 1, b"data": data, b"labels": labels}, 2), system),
        "nested deep": (pickle.dumps({b"data": data, b"labels": labels, b"more": [({"x": [called]},)]}, 2), system),
        "an object array": (python3_pickle(array, labels), "'O8'"),
        "a class of ours": (pickle.dumps(Attack(_fired, marker), 2), "_fired"),
        "a method": (pickle.dumps(Attack(Path.touch, Path(marker)), 4), "pathlib.Path.touch"),
        "an instance": (f"(S'{shell}'\nios\nsystem\n.".encode(), "os.system"),
        "after the good part": (good[:-1] + b"0" + pickle.dumps(called, 0), system),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(attacks("")))
def test_no_code_is_run(name, folder):
    marker = folder / "ran"
    content, named = attacks(str(marker))[name]
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(ValueError, match=r"test_batch (asks for|has an array of).*nothing of it was run") as refusal:
        cifar10(folder)
    assert named in str(refusal.value)
    assert not marker.exists()
    pickle.loads(content, encoding="bytes")  # the attack is a real one
    assert marker.exists()


def test_nothing_is_imported(folder, monkeypatch):
    (folder / "imported_by_a_pickle.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(folder))
    (folder / "test_batch").write_bytes(b"\x80\x02cimported_by_a_pickle\nf\n.")
    with pytest.raises(ValueError, match=r"asks for imported_by_a_pickle\.f, "):
        cifar10(folder)
    assert "imported_by_a_pickle" not in sys.modules


RECONSTRUCT, NDARRAY, DTYPE = b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (RECONSTRUCT + b"(" + DTYPE + b"(I0\ntS'b'\ntR.", "calls reconstruct"),
        (RECONSTRUCT + b"((I0\nt(I0\ntS'b'\ntR.", "calls reconstruct"),
        (NDARRAY + b"((I3\ntS'O'\ntR.", "calls ndarray"),
        (DTYPE + b"(S'O'\nI0\nI1\ntR.", "dtype 'O'"),
        (DTYPE + b"((lI0\nI1\ntR.", r"dtype \[\]"),
        (DTYPE + b"(S'u1'\ntR.", "calls dtype"),
        (DTYPE + b"(S'u1'\nI0\nI1\ntR(I3\nS'|'\nN(S'f'\nt(dI8\nI1\nI63\ntb.", "a dtype of an unknown form"),
        (DTYPE + b"(S'u1'\nI0\nI1\ntRI3\nb.", "a dtype of an unknown form"),
        (DTYPE + b"(dS'flags'\nI0\nsb.", "changes dtype"),
        (RECONSTRUCT + b"(N(dS'__defaults__'\nNst b.".replace(b" ", b""), "changes reconstruct"),
        (RECONSTRUCT + b"(" + NDARRAY + b"(I0\ntS'b'\ntR(I1\n(I1\ntS'u1'\nI00\nS'x'\ntb.", "an array of an unknown form"),
        (RECONSTRUCT + b"(" + NDARRAY + b"(I0\ntS'b'\ntR(I1\n(I1\ntNI00\n(lI1\natb.", "an array of an unknown form"),
        (b"c_codecs\nencode\n(V\nS'rot13'\ntR.", "calls encode"),
        (b"c_codecs\nencode\n(S'bytes'\nS'latin1'\ntR.", "calls encode"),
        (b"cnumpy._core.numeric\n_frombuffer\n(S'x'\nI1\ntR.", "calls frombuffer"),
        (b"\x80\x02" + b")" + b"\x85" * 2000 + b".", "makes more than 1000 containers"),
        (b"\x80\x02Nr\xff\xff\xff\x07.", "numbers an object 134217727"),
        (b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.", "asks for numpy.ndarray.__init__"),
    ],
)  # fmt: skip
def test_what_is_allowed_cannot_be_misused(content, message, folder):
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(ValueError, match=f"test_batch .*{message}"):
        cifar10(folder)


def test_stand_ins_are_no_classes_to_make_objects_of(folder):
    (folder / "test_batch").write_bytes(b"\x80\x02" + NDARRAY + b")\x81.")
    with pytest.raises(ValueError, match="cannot be read"):
        cifar10(folder)
    copyreg.add_extension("os", "system", 0xF0)
    try:
        (folder / "test_batch").write_bytes(b"\x80\x02\x82\xf0.")
        with pytest.raises(ValueError, match=r"asks for os\.system"):
            cifar10(folder)
    finally:
        copyreg.remove_extension("os", "system", 0xF0)
