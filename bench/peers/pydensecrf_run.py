"""The other side of crf: the same problem through pydensecrf, from the arrays in a folder to labels."""

import json
import os
import sys
import time

try:
    import numpy as np
    import pydensecrf.densecrf as dcrf

    MISSING = None
except ImportError as error:
    MISSING = str(error)

PRESET = {"w1": 4.0, "sa": 121.0, "sb": 5.0, "w2": 3.0, "sg": 3.0}


def memory(name):
    """VmRSS or VmHWM of this process in bytes, as Linux counts them."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(name + ":"))


def run(job):
    width, height, classes = job["width"], job["height"], job["classes"]
    unary = np.fromfile(os.path.join(job["folder"], "unary.f32"), np.float32).reshape(classes, -1)
    image = np.fromfile(os.path.join(job["folder"], "image.u8"), np.uint8).reshape(height, width, 3)
    at = {**PRESET, **job.get("values", {})}
    before = memory("VmRSS")
    began, cpu = time.perf_counter(), time.process_time()
    crf = dcrf.DenseCRF2D(width, height, classes)
    crf.setUnaryEnergy(unary)
    crf.addPairwiseGaussian(sxy=at["sg"], compat=at["w2"])
    crf.addPairwiseBilateral(sxy=at["sa"], srgb=at["sb"], rgbim=image, compat=at["w1"])
    q = crf.inference(10)
    wall, processor = time.perf_counter() - began, time.process_time() - cpu
    peak = memory("VmHWM") - before
    np.asarray(q).argmax(axis=0).astype(np.uint8).tofile(os.path.join(job["folder"], "peer.u8"))
    return {"milliseconds": 1000 * wall, "processor": 1000 * processor, "memory": peak}


def main():
    for line in sys.stdin:
        message = json.loads(line)
        answer = {"ready": MISSING or True} if message.get("hello") else run(message)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
