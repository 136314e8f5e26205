"""Arrays in, arrays out: the inner loops, in NumPy and, where it pays, compiled by Numba.

Nothing here knows of tensors or gradients. An op calls a kernel and never asks who computes it:
that is said from outside, by `tg.backend("numpy")`. Import from the modules.

`dispatch`
:   Who computes: `backend`, and how a `kernel` is declared; all are in `KERNELS`.

`elementary`
:   `exp`, `tanh`, `sigmoid`, `erf`: vectorized by LLVM inside compiled loops.

`classification`
:   `softmax_rows(z)`, `log_softmax_rows(z)`, and
    `cross_entropy_rows(z, targets, row_weights, class_weights, smoothing)` with its gradients in
    the logits, `cross_entropy_slopes(…)`.

`blocks`
:   What loops over time do to blocks: `copy`, `sum_rows`, `max_rows`, `cumsum_rows`, `look_up`,
    `multiply_pairs`, `pick_rows`.

`scatter`
:   `scatter_add_rows(out, indices, updates)` and `scatter_add_along_rows(out, indices, updates)`,
    in place, repeated indices accumulating.

`sampling`
:   `alias_table(probabilities)` and `draw_by_alias(uniform, heights, aliases)`.

`convolution`
:   `convolve(x, w, stride, padding, dilation, groups)` with its adjoints
    `convolve_to_input(g, w, extents, …)` and `convolve_to_weight(g, x, window, …)`; and
    `output_extents`, which also refuses a window wider than its input.

`pooling`
:   `max_pool(x, window, stride, padding, dilation)`, which returns `(y, winners)`, with
    `max_pool_adjoint(g, winners, extents)` and `pick_winners(x, winners)`;
    `avg_pool(x, window, stride, padding)` with `avg_pool_adjoint(g, extents, …)`.

`projected`
:   `projected_cross_entropy(p, gradients)`: the cross-entropy of classes that a matrix scores, and
    its gradients, without all the scores.

`optimizer`
:   One step in place: `sgd_step`, `momentum_step`, `adam_step`, `rmsprop_step`, `adagrad_step`; and
    `sum_of_squares`. For many arrays in one pass: `adam_steps`, `sums_of_squares`, `scale_all`.

`many`
:   Going over many arrays as if they were one: `tables(*lists, worth)` and
    `go_over(loop, table, numbers)`.

`packed`, `grams`
:   Products with a matrix that is used at every step: `pack(a)` once, then `product(panels, x, c)`;
    and its gradient, `add_gram(g, a, out, start, stop)`.

`transposed`
:   `to_features(src, dst)` and `to_rows(src, dst)`: from a batch of rows to blocks of features.

`tiles`, `instructions`, `microkernels`
:   What of a product fits into a processor's registers, and the loops made of that.

`memory`
:   Memory that is used again: `take` an array from the pool.

`threads`, `turns`, `atomics`
:   `side_by_side` runs tasks on several threads; how these hand each other work in machine code;
    and the instructions for that.

`folders`
:   Where a user keeps what can be made again.

`compiling`
:   Numba's part: `jit` and `object_code`, and what loops may call.

`machine_code`, `tables`, `ahead`
:   What Numba made, kept on disk and linked without it; tables of where its arrays are; and a
    process that compiles while this one does.
"""
