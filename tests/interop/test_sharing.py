"""DLPack: one memory for several libraries."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.interop import InteropError, aligned, from_dlpack


def address(x):
    return x.data.ctypes.data


def test_numpy_shares_its_memory():
    array = np.zeros((2, 3), "float32")[:, ::2]
    x = from_dlpack(array)
    assert address(x) == array.ctypes.data
    assert x.shape == (2, 2)
    array[1, 1] = 5
    assert x[1, 1].item() == 5


def test_a_write_to_what_is_shared_is_seen_by_backward_if_it_is_told():
    array = np.ones(2)
    x, w = from_dlpack(array), tg.tensor([1.0, 2.0], dtype="float64", requires_grad=True)
    y = (w * x).sum()
    array[0] = 7
    x.mark_written()
    with pytest.raises(tg.GraphError, match="mul"):
        y.backward()


def test_pytorch_shares_its_memory_in_both_directions():
    torch = pytest.importorskip("torch")
    theirs = torch.zeros(3)
    ours = from_dlpack(theirs)
    assert address(ours) == theirs.data_ptr()
    theirs[0] = 1
    ours[1] = 2
    assert ours.tolist() == theirs.tolist() == [1, 2, 0]
    back = torch.from_dlpack(ours)
    assert back.data_ptr() == theirs.data_ptr()
    assert back.dtype == torch.float32


def test_jax_shares_its_memory_and_it_cannot_be_written():
    jax = pytest.importorskip("jax")
    theirs = jax.numpy.arange(3.0)
    ours = from_dlpack(theirs)
    assert address(ours) == theirs.unsafe_buffer_pointer()
    with pytest.raises(ValueError, match="read-only"):
        ours[0] = 1
    assert (ours * 2).tolist() == [0, 2, 4]


def test_jax_shares_ours_where_it_is_aligned():
    jax = pytest.importorskip("jax")
    ours = aligned(np.arange(6, dtype="float32").reshape(2, 3))
    theirs = jax.dlpack.from_dlpack(ours, copy=False)
    assert theirs.unsafe_buffer_pointer() == address(ours)
    assert theirs.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("data", [[1.0], np.ones((3, 5), "float64"), np.int64(3)])
def test_an_aligned_copy_has_the_same_values_and_dtype(data):
    x = aligned(data)
    assert address(x) % 64 == 0
    assert x.dtype == tg.tensor(data).dtype
    assert x.tolist() == tg.tensor(data).tolist()
    x.data[...] = 0


def test_a_tensor_of_ours_comes_back_on_the_same_memory():
    x = tg.tensor([1.0, 2.0])
    assert address(from_dlpack(x)) == address(x)
    with pytest.raises(tg.GraphError, match=r"export x\.detach\(\)"):
        from_dlpack(nn.Linear(1, 1).weight)


def test_what_does_not_speak_dlpack_is_refused():
    with pytest.raises(TypeError, match=r"got list, which has no __dlpack__; use tg\.tensor"):
        from_dlpack([1.0])


class Elsewhere:
    def __dlpack__(self, **kwargs):
        raise AssertionError("not to be asked")

    def __dlpack_device__(self):
        return 2, 1


def test_another_device_is_refused():
    with pytest.raises(InteropError, match=r"got Elsewhere on device 2:1 .* expected the CPU, 1"):
        from_dlpack(Elsewhere())


def test_a_dtype_that_numpy_or_we_lack_is_refused():
    with pytest.raises(tg.DtypeError, match="got complex64; expected real numbers or booleans"):
        from_dlpack(np.ones(2, "complex64"))
    torch = pytest.importorskip("torch")
    with pytest.raises(tg.DtypeError, match=r"got torch\.bfloat16, which NumPy does not have"):
        from_dlpack(torch.ones(2, dtype=torch.bfloat16))


def test_a_tensor_of_pytorch_that_requires_grad_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(InteropError, match=r"Tensor is not given away: .*detach"):
        from_dlpack(torch.ones(2, requires_grad=True))
