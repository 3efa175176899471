//! Where the lines come from: a script on standard input, or a person with a line editor.

use std::io::BufRead;
use std::sync::mpsc::{Sender, SyncSender, channel};

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Context, Editor, ExternalPrinter, Helper};

use super::complete;
use super::session::Event;

/// What came of asking for a line.
#[derive(Debug)]
pub(super) enum Input {
    /// A line, without its line feed.
    Line(String),
    /// Ctrl-C: the line is given up.
    Interrupted,
    /// There are no more lines.
    End,
}

/// Asks a thread for lines; each answer comes as an event.
pub(super) struct Prompter {
    prompts: Sender<String>,
    /// Whether there is a person to ask.
    pub(super) interactive: bool,
}

impl Prompter {
    /// Asks for the next line.
    pub(super) fn ask(&self, prompt: &str) -> bool {
        self.prompts.send(prompt.to_owned()).is_ok()
    }
}

/// Reads lines from standard input, one whenever one is asked for.
pub(super) fn script(events: SyncSender<Event>) -> Prompter {
    let (prompts, asked) = channel::<String>();
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lock();
        for _ in asked {
            let mut line = Vec::new();
            let input = match lines.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => Input::End,
                Ok(_) => {
                    Input::Line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
                }
            };
            if events.send(Event::Input(input)).is_err() {
                return;
            }
        }
    });
    Prompter { prompts, interactive: false }
}

/// Reads lines with a line editor; the printer prints above the line that is being edited.
pub(super) fn terminal(
    events: SyncSender<Event>,
) -> Result<(Prompter, Box<dyn ExternalPrinter + Send>), ReadlineError> {
    // The history stays in memory: the lines hold passwords.
    let config = Config::builder().completion_type(rustyline::CompletionType::List).build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::<Completion, MemHistory>::with_history(config, history)?;
    editor.set_helper(Some(Completion));
    let printer = editor.create_external_printer()?;
    let (prompts, asked) = channel::<String>();
    std::thread::spawn(move || {
        for prompt in asked {
            let input = match editor.readline(&prompt) {
                Ok(line) => {
                    // A line that cannot be remembered is still a line.
                    drop(editor.add_history_entry(&line));
                    Input::Line(line)
                }
                Err(ReadlineError::Interrupted) => Input::Interrupted,
                Err(_) => Input::End,
            };
            if events.send(Event::Input(input)).is_err() {
                return;
            }
        }
    });
    Ok((Prompter { prompts, interactive: true }, Box::new(printer)))
}

/// Completes commands and options.
struct Completion;

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, words) = complete::complete(line.get(..pos).unwrap_or(line));
        let pairs = words.into_iter().map(|word| Pair { display: word.clone(), replacement: word });
        Ok((start, pairs.collect()))
    }
}

impl rustyline::hint::Hinter for Completion {
    type Hint = String;
}

impl rustyline::highlight::Highlighter for Completion {}

impl rustyline::validate::Validator for Completion {}

impl Helper for Completion {}
