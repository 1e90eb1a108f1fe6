//! Messages over standard input and output: a header with the length, then JSON.
//!
//! Unlike `lsp-server`'s own reader, this one outlives a message that cannot be understood: it is answered with an error,
//! and the next one is read.

use std::io::{self, BufRead, Read, Write};

use lsp_server::{ErrorCode, Message, RequestId};
use serde_json::{Value, json};

/// The longest message that is read, in bytes.
const MAX_MESSAGE: u64 = 64 << 20;
/// The longest line of a header.
const MAX_LINE: u64 = 4096;

/// What came in.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A message.
    Message(Message),
    /// Something else, and the answer to it.
    Malformed(Value),
    /// The client has gone.
    End,
}

/// The next message.
pub(super) fn read(input: &mut impl BufRead) -> Incoming {
    match payload(input) {
        Ok(Some(Ok(bytes))) => understand(&bytes),
        Ok(Some(Err(why))) => Incoming::Malformed(refusal(None, ErrorCode::ParseError, why)),
        Ok(None) | Err(_) => Incoming::End,
    }
}

/// Writes one message.
pub(super) fn write(output: &mut impl Write, message: &impl serde::Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    write!(output, "Content-Length: {}\r\n\r\n", text.len())?;
    output.write_all(&text)?;
    output.flush()
}

/// A message with the mark that JSON-RPC wants.
pub(super) fn marked(message: Message) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(message)?;
    if let Value::Object(fields) = &mut value {
        fields.insert("jsonrpc".to_owned(), "2.0".into());
    }
    Ok(value)
}

/// The bytes of the next message, or what is wrong with its header; none at the end of the input.
fn payload(input: &mut impl BufRead) -> io::Result<Option<Result<Vec<u8>, &'static str>>> {
    let mut length: Option<u64> = None;
    let mut wrong = None;
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            break;
        }
        match text.split_once(':') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok();
            }
            Some(_) => {}
            None => wrong = Some("a line of the header has no colon"),
        }
    }
    let Some(length) = length else {
        return Ok(Some(Err(wrong.unwrap_or("the header has no Content-Length"))));
    };
    let mut rest = input.by_ref().take(length);
    if length > MAX_MESSAGE {
        io::copy(&mut rest, &mut io::sink())?;
        return Ok(Some(Err("the message is too long")));
    }
    let mut bytes = Vec::new();
    rest.read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < length { Ok(None) } else { Ok(Some(Ok(bytes))) }
}

fn understand(bytes: &[u8]) -> Incoming {
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(_) => return Incoming::Malformed(refusal(None, ErrorCode::ParseError, "this is not JSON")),
    };
    let id = value.get("id").cloned().and_then(|id| serde_json::from_value(id).ok());
    match serde_json::from_value(value) {
        Ok(message) => Incoming::Message(message),
        Err(_) => Incoming::Malformed(refusal(id, ErrorCode::InvalidRequest, "this is no message of JSON-RPC")),
    }
}

/// The answer to what cannot be understood; `id` is null where it is not known.
fn refusal(id: Option<RequestId>, code: ErrorCode, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code as i32, "message": message } })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that is read from `input`: methods, ids of malformed ones.
    fn all(input: &[u8]) -> Vec<String> {
        let mut input = io::BufReader::new(input);
        let mut found = Vec::new();
        loop {
            match read(&mut input) {
                Incoming::Message(Message::Request(request)) => found.push(request.method),
                Incoming::Message(Message::Notification(note)) => found.push(note.method),
                Incoming::Message(Message::Response(response)) => found.push(response.id.to_string()),
                Incoming::Malformed(answer) => found.push(format!("{} {}", answer["id"], answer["error"]["code"])),
                Incoming::End => return found,
            }
        }
    }

    fn framed(text: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{text}", text.len())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut bytes = Vec::new();
        let note = lsp_server::Notification::new("é/😀".to_owned(), json!({ "a": "ü" }));
        write(&mut bytes, &marked(note.into()).unwrap()).unwrap();
        assert_eq!(all(&bytes), ["é/😀"]);
    }

    #[test]
    fn a_message_that_is_none_is_answered_and_the_next_one_is_read() {
        let good = framed(r#"{"jsonrpc":"2.0","id":1,"method":"good"}"#);
        for (bad, answer) in [
            (framed("{nonsense"), "null -32700"),
            (framed("[]"), "null -32600"),
            (framed(r#"{"id":7,"nothing":1}"#), "7 -32600"),
            (framed(r#"{"id":"x","method":5}"#), "\"x\" -32600"),
            ("Content-Type: x\r\n\r\n".to_owned(), "null -32700"),
            ("Content-Length: many\r\n\r\n".to_owned(), "null -32700"),
            ("no header at all\r\n\r\n".to_owned(), "null -32700"),
        ] {
            assert_eq!(all(format!("{bad}{good}").as_bytes()), [answer, "good"], "{bad}");
        }
    }

    #[test]
    fn a_message_that_ends_early_is_the_end() {
        let text = framed(r#"{"jsonrpc":"2.0","method":"a"}"#);
        assert_eq!(all(&text.as_bytes()[..text.len() - 1]), [""; 0]);
        assert_eq!(all(b"Content-Length: 1"), [""; 0]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            all(&bytes);
            let framed = [format!("Content-Length: {}\r\n\r\n", bytes.len()).as_bytes(), &bytes].concat();
            all(&framed);
        }
    }
}
