//! Compressed bodies: gzip bytes enter, plain bytes leave.
//!
//! Promise: streaming; the output never grows beyond its bound, nor beyond [`RATIO`] times the input,
//! nor beyond what `reserve` grants.

use flate2::bufread::MultiGzDecoder;
use std::io::Read;

/// Largest ratio of output to input. Event batches reach 10 to 50; gzip itself could reach 1,030.
pub const RATIO: usize = 250;

/// Output below which the ratio does not matter, bytes.
const SMALL: usize = 64 * 1024;

/// Bytes that are inflated in one step.
const STEP: usize = 16 * 1024;

/// Why a body cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// Not gzip, or cut off.
    #[error("the body is not gzip or is cut off")]
    Malformed,
    /// Beyond the bound.
    #[error("the body is larger than {0} bytes once it is decompressed")]
    TooLarge(usize),
    /// Beyond the ratio.
    #[error("the body grows more than {RATIO} times when it is decompressed")]
    Ratio,
    /// No memory was granted.
    #[error("too many request bodies are in memory")]
    Busy,
}

/// Inflates a gzip body to at most `most` bytes; `reserve` is asked before the output grows.
pub fn gzip(
    body: &[u8],
    most: usize,
    reserve: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<u8>, InflateError> {
    let mut source = MultiGzDecoder::new(body);
    let (mut plain, mut step) = (Vec::new(), [0; STEP]);
    loop {
        let read = source.read(&mut step).map_err(|_| InflateError::Malformed)?;
        if read == 0 {
            return Ok(plain);
        }
        let grown = plain.len() + read;
        if grown > most {
            return Err(InflateError::TooLarge(most));
        }
        if grown > SMALL && grown > body.len().saturating_mul(RATIO) {
            return Err(InflateError::Ratio);
        }
        if !reserve(read) {
            return Err(InflateError::Busy);
        }
        plain.extend_from_slice(&step[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).expect("writing to memory works");
        encoder.finish().expect("writing to memory works")
    }

    #[test]
    fn a_body_is_inflated_up_to_its_bounds() {
        let body = packed(b"{\"customer\":\"acme\"}");
        let granted = &mut |_| true;
        assert_eq!(gzip(&body, 100, granted), Ok(b"{\"customer\":\"acme\"}".to_vec()));
        assert_eq!(gzip(&body, 5, granted), Err(InflateError::TooLarge(5)));
        assert_eq!(gzip(&body[..body.len() - 9], 100, granted), Err(InflateError::Malformed));
        assert_eq!(gzip(b"{}", 100, granted), Err(InflateError::Malformed));
        assert_eq!(gzip(&packed(&[b'a'; 4_000_000]), 8_000_000, granted), Err(InflateError::Ratio));
        assert_eq!(gzip(&body, 100, &mut |_| false), Err(InflateError::Busy));
    }
}
