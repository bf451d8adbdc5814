"""The benchmarks, one file each; entry points of the group `storm.benchmarks` name them."""
