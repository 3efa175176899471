//! A server that does what a script says, on a port of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// Beyond this a test is broken, whatever it is waiting for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// One step of a script, in the notation of [`bytes`].
pub(crate) enum Step {
    /// Exactly these bytes must come.
    Expect(&'static str),
    /// These bytes are sent.
    Send(&'static str),
    /// The client must close.
    End,
}

pub(crate) use Step::{End, Expect, Send};

/// A running script for one connection; afterwards the server closes.
pub(crate) struct Mock {
    pub(crate) port: String,
    script: JoinHandle<()>,
}

impl Mock {
    pub(crate) fn start(script: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let script = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            play(stream, script);
        });
        Self { port, script }
    }

    /// Waits for the end of the script, which must have gone as written.
    pub(crate) fn finish(self) {
        self.script.join().unwrap();
    }
}

fn play(mut stream: TcpStream, script: Vec<Step>) {
    for step in script {
        match step {
            Expect(text) => {
                let expected = bytes(text);
                let mut came = vec![0; expected.len()];
                let length = read_up_to(&mut stream, &mut came);
                assert_eq!(show(&came[..length]), show(&expected), "expected {text}");
            }
            Send(text) => stream.write_all(&bytes(text)).unwrap(),
            End => {
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).unwrap();
                assert_eq!(show(&rest), "", "expected the end");
            }
        }
    }
}

fn read_up_to(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut length = 0;
    while length < buffer.len() {
        match stream.read(&mut buffer[length..]).unwrap() {
            0 => break,
            more => length += more,
        }
    }
    length
}

/// Bytes written as pairs of hexadecimal digits, which may stand together, and as 'text'.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in text.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend(part.bytes());
            continue;
        }
        let digits: String = part.split_whitespace().collect();
        let pairs = (0..digits.len()).step_by(2);
        bytes.extend(pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()));
    }
    bytes
}

fn show(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect()
}
