"""One scalar kernel per feature, one file per family, and each file's `fill` that loops over rows.

`fill` writes rows `first` … of its family's columns; a row that lacks its past is NaN. Live asks
for one row, batch for all: the arithmetic is the same scalar code, so the bits are the same.
Nothing here is `fastmath` or parallel, keeps a running sum, or takes a logarithm outside
`math.log`.
"""
