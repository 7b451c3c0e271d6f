"""The compiled core: Cython modules that own the parallel loops, over single-threaded C kernels.

Nothing here checks what a user may get wrong; `fastconv.ops` and `fastconv.plan` do, and they (with
`fastconv.runtime`, which asks for instruction sets) are the only ones to import these modules.
"""
