//! Where the output goes: standard output or the terminal, and a log file.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustyline::ExternalPrinter;

use crate::anatomy::{Paint, Plain, Shade};

/// How long a prompt waits for the output before it to be shown; it comes behind the prompt otherwise.
const FLUSH_PATIENCE: Duration = Duration::from_millis(200);

/// Prints without garbling a line that is being edited.
pub(super) struct Screen {
    out: Out,
    colours: bool,
    log: Option<(String, File)>,
    started: Instant,
}

enum Out {
    /// Standard output.
    Plain,
    /// A thread that owns the line editor's printer, since that may block while no line is edited.
    Printer(Sender<Print>),
}

/// What the printing thread is to do.
enum Print {
    Text(String),
    /// Answer when everything before this has been printed.
    Flush(Sender<()>),
}

impl Screen {
    /// For a script: standard output, without colours.
    pub(super) fn plain(started: Instant) -> Self {
        Self { out: Out::Plain, colours: false, log: None, started }
    }

    /// For a person: the line editor's printer, with colours unless `NO_COLOR` is set.
    pub(super) fn terminal(mut printer: Box<dyn ExternalPrinter + Send>, started: Instant) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let colours = !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let (sender, receiver): (Sender<Print>, Receiver<Print>) = channel();
        std::thread::spawn(move || {
            for print in receiver {
                match print {
                    Print::Text(text) => {
                        if printer.print(text).is_err() {
                            break;
                        }
                    }
                    // The one who asked has perhaps stopped waiting, which is as well.
                    Print::Flush(answer) => drop(answer.send(())),
                }
            }
        });
        Self { out: Out::Printer(sender), colours, log: None, started }
    }

    /// The time since the start, as it stands in every heading.
    pub(super) fn clock(&self) -> String {
        format!("{:.3} s", self.started.elapsed().as_secs_f64())
    }

    /// Prints what `make` makes, once for the screen and once for the log.
    pub(super) fn show(&mut self, make: impl Fn(&dyn Paint) -> String) -> io::Result<()> {
        let text = if self.colours { make(&Colours) } else { make(&Plain) };
        match &self.out {
            Out::Plain => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes())?;
                stdout.flush()?;
            }
            Out::Printer(sender) => {
                sender.send(Print::Text(text)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            }
        }
        if let Some((path, file)) = &mut self.log
            && let Err(error) = file.write_all(make(&Plain).as_bytes())
        {
            let path = path.clone();
            self.log = None;
            return self.say(&format!("The log ends here, {path} cannot be written: {error}."));
        }
        Ok(())
    }

    /// Prints a sentence with the time.
    pub(super) fn say(&mut self, sentence: &str) -> io::Result<()> {
        let clock = self.clock();
        self.show(|_| format!("-- {clock}  {sentence}\n"))
    }

    /// Prints a sentence about something that went wrong.
    pub(super) fn complain(&mut self, sentence: &str) -> io::Result<()> {
        self.show(|paint| format!("{}\n", paint.paint(Shade::Wrong, &format!("Error: {sentence}."))))
    }

    /// Waits until everything is printed, before a prompt is.
    pub(super) fn flush(&self) {
        if let Out::Printer(sender) = &self.out {
            let (done, wait) = channel();
            if sender.send(Print::Flush(done)).is_ok() {
                match wait.recv_timeout(FLUSH_PATIENCE) {
                    // Late output is still printed, above the prompt.
                    Ok(()) | Err(_) => {}
                }
            }
        }
    }

    /// Copies the output to this file from now on, or no longer.
    pub(super) fn log(&mut self, path: Option<&str>) -> io::Result<()> {
        self.log = match path {
            Some(path) => Some((path.to_owned(), File::create(path)?)),
            None => None,
        };
        Ok(())
    }
}

/// The colours of a terminal.
struct Colours;

impl Paint for Colours {
    fn paint(&self, shade: Shade, text: &str) -> String {
        let code = match shade {
            Shade::Sent => "1;36",
            Shade::Received => "1;32",
            Shade::Faint => "2",
            Shade::Wrong => "31",
        };
        // The line feed stays outside, so that the colour ends with its line.
        let line = text.trim_end_matches('\n');
        let end = text.get(line.len()..).unwrap_or_default();
        format!("\x1b[{code}m{line}\x1b[0m{end}")
    }
}
