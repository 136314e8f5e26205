"""Lists of integers are read out of NumPy's archives; nothing else is, and nothing is run."""

import pickle
import zipfile

import numpy as np
import pytest

from tinygrad_rnn.data.sources import SourceError, integer_lists
from tinygrad_rnn.data.sources.integers import stack_of

LISTS = [[1, 300, 70_000], [], [-5, 2**31 - 1], [7] * 2000]


def ragged(lists):
    array = np.empty(len(lists), object)
    array[:] = lists
    return array


def archived(path, pickled, shape="(1,)"):
    """An `.npz` file whose array "x" has a pickle of our choice."""
    header = f"{{'descr': '|O', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = header.ljust(117) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + pickled
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", npy)
    return path


@pytest.fixture
def npz(tmp_path):
    return tmp_path / "a.npz"


def test_what_numpy_saves_is_read(npz):
    np.savez(npz, x=ragged(LISTS))
    found = integer_lists(npz, "x")
    assert [each.tolist() for each in found] == LISTS
    assert {each.dtype for each in found} == {np.dtype(np.int32)}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_in_use_is_read(npz, protocol):
    archived(npz, pickle.dumps(ragged(LISTS), protocol), "(4,)")
    assert [each.tolist() for each in integer_lists(npz, "x")] == LISTS


def test_a_pickle_of_python_2_is_read(npz):
    # Bytes where Python 3 writes text, and a list that stands twice by reference.
    pickled = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85"
        b"U\x01b\x87Rq\x03(K\x01K\x02\x85cnumpy\ndtype\nq\x04U\x02O8K\x00K\x01\x87R(K\x03U\x01|"
        b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]q\x05(]q\x06(K\x01M,\x01eh\x06etb."
    )
    archived(npz, pickled, "(2,)")
    assert [each.tolist() for each in integer_lists(npz, "x")] == [[1, 300], [1, 300]]


class Evil:
    """Unpickled, it would write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_that_would_call_something_is_refused_and_calls_nothing(npz, tmp_path, protocol):
    trace = tmp_path / "trace"
    for array in (ragged([[1], Evil(trace)]), ragged([[1, Evil(trace)], [2]])):
        archived(npz, pickle.dumps(array, protocol), "(2,)")
        with pytest.raises(SourceError, match=r"something else than lists|not just data"):
            integer_lists(npz, "x")
    assert not trace.exists()


PAYLOADS = {
    "a call of the system": b"cos\nsystem\n(S'touch trace'\ntR.",
    "the same in protocol 4": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x05touch\x85R.",
    "an instance": b"(ios\nsystem\n.",
    "a new object": b"\x80\x02cbuiltins\nobject\n)\x81.",
    "a persistent name": b"Pos.system\n.",
    "an extension code": b"\x82\x01.",
    "a dictionary": b"}.",
    "a set": b"\x8f.",
    "a float": b"G" + bytes(8) + b".",
    "a state for a list": b"]K\x01b.",
    "items for a number": b"K\x01(K\x02e.",
    "no mark": b"K\x01t.",
    "nothing on the stack": b".",
    "two values": b"K\x01K\x02.",
    "no end": b"K\x01",
    "nothing": b"",
    "an empty memo": b"h\x05.",
    "a text longer than the file": b"X\xff\xff\xff\x7fabc.",
    "a text of negative length": b"T\xff\xff\xff\xffabc.",
    "a name without an end": b"cos",
    "text that is none": b"X\x01\x00\x00\x00\xff.",
    "a list in itself": b"]q\x00(h\x00e.",
    "only a number": b"K\x01.",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_any_other_pickle_is_refused(npz, payload, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError):
        integer_lists(archived(npz, payload), "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_list_that_holds_itself_is_refused(npz):
    lists = [[1]]
    lists.append(lists)
    archived(npz, pickle.dumps(ragged(lists)), "(2,)")
    with pytest.raises(SourceError, match="something else than lists"):
        integer_lists(npz, "x")


def test_a_short_pickle_of_many_references_takes_little_memory(npz):
    inner = b"](" + b"K\x01" * 1000 + b"eq\x05"
    head = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x00\x85N\x89](" + inner + b"h\x05" * 99_999 + b"etb."
    )
    found = integer_lists(archived(npz, head, "(100000,)"), "x")
    assert len(found) == 100_000
    assert len({id(each) for each in found}) == 1


@pytest.mark.parametrize("lists", [[[1.5]], [["a"]], [[True]], [[[1]]], [None], [(1, 2)]], ids=str)
def test_lists_of_anything_else_are_refused(npz, lists):
    archived(npz, pickle.dumps(ragged(lists), 4))
    with pytest.raises(SourceError):
        integer_lists(npz, "x")


def test_integers_that_do_not_fit_are_refused(npz):
    archived(npz, pickle.dumps(ragged([[2**40]])))
    with pytest.raises(SourceError, match="more than 32 bits"):
        integer_lists(npz, "x")


def test_a_number_of_lists_that_is_not_the_announced_one_is_refused(npz):
    archived(npz, pickle.dumps(ragged([[1]])), "(2,)")
    with pytest.raises(SourceError, match="not an array of lists"):
        integer_lists(npz, "x")


def test_an_array_of_numbers_is_not_one_of_lists(npz):
    np.savez(npz, x=np.arange(3))
    with pytest.raises(SourceError, match="not an array of lists"):
        integer_lists(npz, "x")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\3\4"])
def test_a_damaged_file_is_called_so(npz, content):
    npz.write_bytes(content)
    with pytest.raises(SourceError, match="holds no array 'x' that can be read"):
        integer_lists(npz, "x")


def test_an_array_that_is_missing_is_named(npz):
    np.savez(npz, y=ragged(LISTS))
    with pytest.raises(SourceError, match="no array 'x'"):
        integer_lists(npz, "x")


def test_the_machine_agrees_with_pickle_on_plain_data():
    values = [1, 255, 256, 65_535, 65_536, -1, 2**100, -(2**100), True, False, None, "é", b"\0"]
    nested = [values, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[]], values]
    for protocol in (2, 3, 4, 5):
        if protocol == 2:  # writes bytes as a call
            nested[0][-1] = "no bytes"
        assert stack_of(pickle.dumps(nested, protocol)) == nested
        nested[0][-1] = b"\0"
