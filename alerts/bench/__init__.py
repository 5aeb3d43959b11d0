"""What Siaga costs and how fast it is, beside the naive design and the limit of the same run on the same machine.

`siaga bench fanout|rows|summary|all`: each path starts what it needs, works in rounds that take turns (ours, the
naive way, the limit), and ends with one JSON line. Absolute figures belong to the machine; the ratios are the point.
"""
