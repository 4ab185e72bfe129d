//! Weights that are too small to matter and slow to calculate with.
//!
//! `fr_feature.onnx` was trained until whole channels had died: a sixth of its weights is below 1e-15, many are subnormal,
//! and their products are. Processors calculate with subnormal numbers in microcode: one face took 58 ms of CPU time, 14 with
//! the subnormal weights at zero, and 6 with those at zero whose products are; the vector is the same to the last bit. ONNX
//! Runtime's own switch (`session.set_denormal_as_zero`) works for the thread that makes a process's first session, and so
//! depends on who comes first.

use std::ops::Range;

/// Numbers of the fields, from <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.
const MODEL_GRAPH: u64 = 7;
const GRAPH_INITIALIZER: u64 = 5;
const TENSOR_DATA_TYPE: u64 = 2;
const TENSOR_RAW_DATA: u64 = 9;
/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// A weight below this part of the largest of its tensor. A sum of 32-bit floats keeps 24 bits of the largest of its terms, so it
/// takes activations 2^24 times as large as the others for such a weight to show.
const NEGLIGIBLE: f32 = 1.0 / (1u64 << 48) as f32;

/// Makes the negligible 32-bit weights of an ONNX file zero, in place; no other byte changes. Says how many. What is no such
/// file is left as it is from there on: ONNX Runtime says what is wrong with it.
pub(super) fn flush(model: &mut [u8]) -> usize {
    let mut weights = Vec::new();
    for graph in messages(model, 0..model.len(), MODEL_GRAPH) {
        for tensor in messages(model, graph, GRAPH_INITIALIZER) {
            let is_float = fields(model, tensor.clone())
                .any(|field| field.number == TENSOR_DATA_TYPE && field.value == Value::Number(FLOAT));
            if is_float {
                weights.extend(messages(model, tensor, TENSOR_RAW_DATA));
            }
        }
    }
    let mut flushed = 0;
    for range in weights {
        let (numbers, _) = model[range].as_chunks_mut::<4>();
        let largest = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes).abs()).fold(0.0, f32::max);
        let least = (largest * NEGLIGIBLE).max(f32::MIN_POSITIVE);
        for bytes in numbers {
            let weight = f32::from_le_bytes(*bytes);
            if weight != 0.0 && weight.abs() < least {
                *bytes = [0; 4];
                flushed += 1;
            }
        }
    }
    flushed
}

#[derive(Debug, PartialEq)]
enum Value {
    Number(u64),
    Bytes(Range<usize>),
    /// Four or eight bytes that are not looked at.
    Fixed,
}

struct Field {
    number: u64,
    value: Value,
}

/// Where the embedded messages, or bytes, of that number lie within a message.
fn messages(data: &[u8], message: Range<usize>, number: u64) -> Vec<Range<usize>> {
    let wanted = fields(data, message).filter(|field| field.number == number);
    wanted
        .filter_map(|field| if let Value::Bytes(range) = field.value { Some(range) } else { None })
        .collect()
}

/// The fields of a message of Protocol Buffers, until its end or the first that makes no sense.
fn fields(data: &[u8], message: Range<usize>) -> impl Iterator<Item = Field> {
    let (mut at, end) = (message.start, message.end);
    std::iter::from_fn(move || {
        let data = data.get(..end)?;
        let key = varint(data, &mut at)?;
        let value = match key & 7 {
            0 => Value::Number(varint(data, &mut at)?),
            1 => skip(&mut at, 8, end)?,
            2 => {
                let length = usize::try_from(varint(data, &mut at)?).ok()?;
                let range = at..at.checked_add(length).filter(|last| *last <= end)?;
                at = range.end;
                Value::Bytes(range)
            }
            5 => skip(&mut at, 4, end)?,
            _ => return None,
        };
        Some(Field { number: key >> 3, value })
    })
}

fn skip(at: &mut usize, length: usize, end: usize) -> Option<Value> {
    *at = at.checked_add(length).filter(|last| *last <= end)?;
    Some(Value::Fixed)
}

fn varint(data: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *data.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(number: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(number << 3 | 2).unwrap(), u8::try_from(payload.len()).unwrap()];
        bytes.extend(payload);
        bytes
    }

    /// A model with one tensor of that type.
    fn model(kind: u8, numbers: &[f32]) -> Vec<u8> {
        let raw: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let tensor = [vec![16, kind], message(TENSOR_RAW_DATA, &raw)].concat();
        message(MODEL_GRAPH, &message(GRAPH_INITIALIZER, &tensor))
    }

    #[test]
    fn only_negligible_floats_become_zero() {
        let numbers = [1.0, 1e-40, -1e-42, 1e-15, 0.0, 1e-13, -3.5];
        let mut bytes = model(1, &numbers);
        assert_eq!(flush(&mut bytes), 3);
        assert_eq!(bytes, model(1, &[1.0, 0.0, 0.0, 0.0, 0.0, 1e-13, -3.5]));
        let integers = model(6, &numbers);
        let mut untouched = integers.clone();
        assert_eq!((flush(&mut untouched), untouched), (0, integers));
    }

    #[test]
    fn a_tensor_of_small_numbers_alone_keeps_them() {
        let small = model(1, &[1e-20, -3e-21]);
        let mut bytes = small.clone();
        assert_eq!((flush(&mut bytes), bytes), (0, small));
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_model_do_no_harm(mut bytes: Vec<u8>) {
            let before = bytes.len();
            flush(&mut bytes);
            prop_assert_eq!(bytes.len(), before);
        }
    }
}
