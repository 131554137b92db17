//! Logins that can be read: telnet (RFC 854), rlogin (RFC 1282) and rsh.
//!
//! What the texts of a dialogue mean is known to scripts only (`login_prompts`, `login_failure_msgs` and their likes);
//! without them the lines of the dialogue are collected and nothing is concluded.

mod remote;
mod telnet;

pub use remote::{Rlogin, Rsh};
pub use telnet::Telnet;

use std::collections::VecDeque;

use crate::core::Cx;
use crate::raise;

/// Lines of an unfinished login that are remembered; somebody who types more is not logging in.
const MAX_TYPED: usize = 32;

/// How far a login has come, as `LOGIN_STATE_…` numbers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Authenticate = 0,
    LoggedIn = 1,
    Skip = 2,
    Confused = 3,
}

/// A login dialogue, of whatever protocol.
#[derive(Default)]
struct Dialogue {
    state: State,
    client_user: Vec<u8>,
    typed: VecDeque<Vec<u8>>,
}

impl Dialogue {
    /// The client sent a line, when the server's last line was `prompt`.
    fn input(&mut self, cx: &mut Cx, line: &[u8], prompt: &[u8]) {
        match self.state {
            State::LoggedIn => {
                raise!(cx, login_input_line, line);
            }
            State::Confused => {
                raise!(cx, login_confused_text, line);
            }
            State::Skip => {}
            State::Authenticate => {
                if cx.sh.opts.login.direct_prompts.has(prompt) {
                    // A shell already asks.
                    self.verdict(cx, true, prompt);
                    raise!(cx, login_input_line, line);
                    return;
                }
                if self.typed.len() >= MAX_TYPED {
                    self.state = State::Confused;
                    raise!(cx, login_confused, "excessive_typeahead", line);
                    return;
                }
                self.typed.push_back(line.to_vec());
            }
        }
    }

    /// The server sent a line.
    fn output(&mut self, cx: &mut Cx, line: &[u8]) {
        match self.state {
            State::LoggedIn => {
                raise!(cx, login_output_line, line);
                return;
            }
            // Of a dialogue that is not understood only the typed lines are told.
            State::Confused | State::Skip => return,
            State::Authenticate => {}
        }
        let texts = &cx.sh.opts.login;
        if texts.skip_authentication.has(line) {
            self.state = State::Skip;
            raise!(cx, authentication_skipped);
        } else if texts.failures.has(line) && !texts.non_failures.has(line) {
            self.verdict(cx, false, line);
        } else if texts.timeouts.has(line) {
            self.typed.clear();
        } else if texts.successes.has(line) {
            self.verdict(cx, true, line);
        }
    }

    fn verdict(&mut self, cx: &mut Cx, success: bool, line: &[u8]) {
        let none = || b"<none>".to_vec();
        let user = self.typed.pop_front().unwrap_or_else(none);
        let password = self.typed.pop_front().unwrap_or_else(none);
        self.typed.clear();
        let client = match &self.client_user[..] {
            b"" => none(),
            c => c.to_vec(),
        };
        cx.confirm();
        if success {
            self.state = State::LoggedIn;
            raise!(cx, login_success, user, client, password, line);
        } else {
            raise!(cx, login_failure, user, client, password, line);
        }
    }
}
