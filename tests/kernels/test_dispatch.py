"""Who does the arithmetic is chosen per context, and asked of Numba only when it pays."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from tinygrad_rnn.kernels import dispatch
from tinygrad_rnn.kernels.compiling import jit
from tinygrad_rnn.kernels.dispatch import KERNELS, backend, current_backend, kernel
from tinygrad_rnn.kernels.elementary import sigmoid
from tinygrad_rnn.kernels.scatter import scatter_add_rows

LARGE = 1 << 16


@pytest.fixture
def without_numba(monkeypatch):
    monkeypatch.setattr(dispatch, "numba_is_installed", lambda: False)


@pytest.fixture
def traced():
    """A kernel that says which side computed it."""

    @kernel(pays=lambda x: x.size > 4, within=0, writes=())
    def traced(x, /):
        return "reference"

    traced.compiled = lambda x: "loop"
    yield traced
    del KERNELS["traced"]


def test_numba_is_the_default_where_it_is_installed():
    assert current_backend() == "numba"


def test_numpy_is_the_default_where_numba_is_missing(without_numba):
    assert current_backend() == "numpy"
    assert sigmoid(np.zeros(LARGE)).shape == (LARGE,)


def test_the_innermost_block_decides_and_gives_back_what_was():
    with backend("numpy"):
        with backend("numba"):
            assert current_backend() == "numba"
        assert current_backend() == "numpy"
    assert current_backend() == "numba"


def test_a_choice_ends_with_its_block_also_when_the_block_raises():
    with pytest.raises(ZeroDivisionError), backend("numpy"):
        raise ZeroDivisionError
    assert current_backend() == "numba"


def test_it_decorates_a_function():
    @backend("numpy")
    def inside():
        return current_backend()

    assert inside() == "numpy"


def test_another_thread_keeps_its_own_choice():
    seen = []
    with backend("numpy"):
        thread = threading.Thread(target=lambda: seen.append(current_backend()))
        thread.start()
        thread.join()
    assert seen == ["numba"]


def test_an_unknown_backend_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"backend\('cuda'\): there is 'numpy' and there is"):
        backend("cuda").__enter__()


def test_asking_for_a_missing_numba_says_how_to_get_it(without_numba):
    with pytest.raises(ImportError, match=r'pip install "tinygrad-rnn\[compiled\]"'):
        backend("numba").__enter__()


def test_large_problems_go_to_the_loop_and_small_ones_stay(traced):
    assert traced(np.zeros(5)) == "loop"
    assert traced(np.zeros(4)) == "reference"


def test_numpy_backend_keeps_large_problems_too(traced):
    with backend("numpy"):
        assert traced(np.zeros(5)) == "reference"


@pytest.mark.parametrize("dtype", ["float16", ">f8", "complex128", "object"])
def test_arrays_that_no_loop_is_made_for_stay_in_numpy(traced, dtype):
    assert traced(np.zeros(5, dtype)) == "reference"


def test_what_cannot_be_written_by_a_loop_is_written_by_numpy():
    out = np.zeros((2048, 2, 2))[:, :, 0]
    scatter_add_rows(out, np.arange(2048), np.ones((2048, 2)))
    assert (out == 1).all()


def test_a_short_script_never_imports_numba():
    script = (
        "import sys, numpy as np\n"
        "from tinygrad_rnn.kernels.elementary import sigmoid, erf\n"
        "from tinygrad_rnn.kernels.optimizer import sgd_step\n"
        "sigmoid(np.zeros(9)); erf(np.zeros(9)); sgd_step(np.zeros(9), np.zeros(9), 0.1, 0.0)\n"
        "sys.exit('numba' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_everything_works_where_numba_is_missing():
    script = (
        "import sys; sys.modules['numba'] = None\n"
        "import numpy as np, tinygrad_rnn as tg\n"
        "from tinygrad_rnn.optim import Adam\n"
        "w = tg.tensor(np.ones((100, 300)), requires_grad=True)\n"
        "adam = Adam([w], lr=0.5)\n"
        "tg.cross_entropy(w * 2, np.arange(100)).backward()\n"
        "adam.step()\n"
        "assert abs(w.data[0, 0] - 1.5) < 1e-3, w.data\n"
        "try:\n"
        "    tg.backend('numba').__enter__()\n"
        "except ImportError as error:\n"
        "    sys.exit('pip install' not in str(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_numba_is_looked_up_without_importing_it():
    dispatch.numba_is_installed.cache_clear()
    assert dispatch.numba_is_installed()


def test_a_loop_that_cannot_be_kept_on_disk_still_runs_with_a_warning():
    namespace = {}
    exec("def double(x):\n    return x + x", namespace)  # Numba has no file to cache it beside
    with pytest.warns(RuntimeWarning, match="every new process will compile them again"):
        double = jit(namespace["double"])
    assert double(3) == 6


def test_a_kernel_keeps_the_name_and_the_documentation_of_its_reference():
    assert repr(sigmoid) == "<kernel sigmoid>"
    assert sigmoid.__name__ == "sigmoid"
    assert "logistic" in sigmoid.__doc__
