#!/usr/bin/env python3
"""Makes CenterFace accept one picture of any size. Usage: patch_centerface.py IN OUT

The published file declares its input as [10, 3, 32, 32] and its outputs as [10, C, 8, 8], although the network is
fully convolutional. This rewrites those declarations to [1, 3, height, width] and [1, C, rows, columns], and drops the
declarations of weights as inputs, which keep ONNX Runtime from folding them. No weight or node changes. Same bytes in,
same bytes out, so the result's sha-256 can be pinned. Standard library only.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

import sys

MODEL_GRAPH, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 7, 5, 11, 12
TENSOR_NAME, VALUE_NAME, VALUE_TYPE, TYPE_TENSOR, TENSOR_SHAPE, SHAPE_DIM = 8, 1, 2, 1, 2, 1
DIM_VALUE, DIM_PARAM = 1, 2
VARINT, BYTES = 0, 2


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(data):
    """Yields (number, wire type, payload, whole field as stored)."""
    at = 0
    while at < len(data):
        start = at
        key, at = read_varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            payload, at = read_varint(data, at)
        elif wire == BYTES:
            size, at = read_varint(data, at)
            payload, at = data[at : at + size], at + size
        else:
            size = {1: 8, 5: 4}[wire]
            payload, at = data[at : at + size], at + size
        yield number, wire, payload, data[start:at]


def message(number, payload):
    return varint(number << 3 | BYTES) + varint(len(payload)) + payload


def replace(data, number, change):
    """The message with `change` applied to every embedded field of that number; all else byte for byte."""
    return b"".join(
        message(number, change(payload)) if n == number else whole for n, _, payload, whole in fields(data)
    )


def first(data, number):
    return next((payload for n, _, payload, _ in fields(data) if n == number), b"")


def dims(shape):
    return [first(payload, DIM_VALUE) for n, _, payload, _ in fields(shape) if n == SHAPE_DIM]


def dim(value):
    if isinstance(value, int):
        return message(SHAPE_DIM, varint(DIM_VALUE << 3 | VARINT) + varint(value))
    return message(SHAPE_DIM, message(DIM_PARAM, value.encode()))


def with_shape(value_info, expected, wanted):
    def change(shape):
        found = dims(shape)
        if found != expected(found):
            sys.exit(f"patch_centerface: unexpected shape {found}")
        return b"".join(dim(d) for d in wanted(found))

    return replace(
        value_info, VALUE_TYPE, lambda t: replace(t, TYPE_TENSOR, lambda s: replace(s, TENSOR_SHAPE, change))
    )


def patch_graph(graph):
    weights = {first(p, TENSOR_NAME) for n, _, p, _ in fields(graph) if n == GRAPH_INITIALIZER}

    graph = b"".join(
        whole for n, _, p, whole in fields(graph) if n != GRAPH_INPUT or first(p, VALUE_NAME) not in weights
    )

    def patch_input(info):
        return with_shape(info, lambda _: [10, 3, 32, 32], lambda _: [1, 3, "height", "width"])

    def patch_output(info):
        return with_shape(info, lambda d: [10, d[1], 8, 8], lambda d: [1, d[1], "rows", "columns"])

    return replace(replace(graph, GRAPH_INPUT, patch_input), GRAPH_OUTPUT, patch_output)


def main():
    source, target = sys.argv[1:]
    with open(source, "rb") as file:
        model = file.read()
    with open(target, "wb") as file:
        file.write(replace(model, MODEL_GRAPH, patch_graph))


main()
