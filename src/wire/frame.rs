//! Framing: a length of four bytes, big-endian, then that many bytes of JSON.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes before the payload: its length.
pub const HEADER: usize = 4;
/// The largest request, in bytes: a working folder, the environment, and what editors have not saved.
pub const MAX_REQUEST: u32 = 1 << 20;
/// The largest reply, in bytes: a report on thousands of migrations.
pub const MAX_REPLY: u32 = 64 << 20;

/// `message` as it goes over the wire, length first. An error when it is larger than a frame can say.
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER];
    serde_json::to_writer(&mut bytes, message)?;
    let length = u32::try_from(bytes.len() - HEADER).ok().filter(|length| *length <= MAX_REPLY);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "message too large"))?;
    bytes[..HEADER].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// The message in a frame's payload.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> io::Result<T> {
    serde_json::from_slice(payload).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The payload length that a frame's first four bytes announce, refused above `max`.
pub fn length(header: [u8; HEADER], max: u32) -> io::Result<usize> {
    let length = u32::from_be_bytes(header);
    if length > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("frame of {length} bytes, at most {max}")));
    }
    Ok(length as usize)
}

/// Writes one frame.
pub fn write(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?)
}

/// Reads one frame.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read, max: u32) -> io::Result<T> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header)?;
    let mut payload = Vec::new();
    let length = length(header, max)?;
    // Grows with what arrives, not with what is announced.
    stream.take(length as u64).read_to_end(&mut payload)?;
    if payload.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    decode(&payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Envelope, Reply, Request};

    #[test]
    fn what_is_written_is_read_back() {
        let sent = Envelope { build: "b".into(), request: Request::Status };
        let mut bytes = Vec::new();
        write(&mut bytes, &sent).unwrap();
        assert_eq!(read::<Envelope>(&mut bytes.as_slice(), MAX_REQUEST).unwrap(), sent);
    }

    #[test]
    fn a_frame_above_the_limit_is_refused_before_it_is_read() {
        let error = read::<Reply>(&mut [0xff; 8].as_slice(), MAX_REPLY).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_frame_that_ends_early_is_an_error() {
        let mut bytes = encode(&Reply::Done { exit: 0 }).unwrap();
        bytes.pop();
        assert_eq!(read::<Reply>(&mut bytes.as_slice(), MAX_REPLY).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = read::<Envelope>(&mut bytes.as_slice(), MAX_REQUEST);
            let _ = read::<Reply>(&mut bytes.as_slice(), MAX_REPLY);
        }
    }
}
