"""python -m tessera worker|scheduler: processes of a cluster, see _worker.py."""
import sys

from ._worker import main

sys.exit(main(sys.argv[1:]))
