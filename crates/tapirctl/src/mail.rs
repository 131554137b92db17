//! Mail to the operator, through the system's `sendmail`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::config::Options;

/// Header lines must not be made of text with ends of lines.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A mail as `sendmail -t` takes it.
fn message(options: &Options, subject: &str, body: &str) -> String {
    let prefix = options.get("MailSubjectPrefix");
    let mut out = format!(
        "From: {}\nSubject: {}\nTo: {}\n",
        line(&options.get("MailFrom")),
        line(format!("{prefix} {subject}").trim()),
        line(&options.get("MailTo")),
    );
    let reply = options.get("MailReplyTo");
    if !reply.is_empty() {
        out.push_str(&format!("Reply-To: {}\n", line(&reply)));
    }
    out.push_str(&format!("\n{}\n", body.trim_end()));
    out
}

/// Sends a mail. Gives false where mail is switched off: without `SendMail` or `MailTo`.
///
/// # Errors
/// Why it was not sent.
pub fn send(options: &Options, subject: &str, body: &str) -> Result<bool, String> {
    let program = options.get("SendMail");
    if program.is_empty() || options.get("MailTo").is_empty() {
        return Ok(false);
    }
    let fail = |e: std::io::Error| format!("cannot send mail with {program}: {e}");
    let mut child = Command::new(&program)
        .args(["-t", "-oi"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(fail)?;
    if let Some(mut to) = child.stdin.take() {
        to.write_all(message(options, subject, body).as_bytes()).map_err(fail)?;
    }
    let status = child.wait().map_err(fail)?;
    match status.success() {
        true => Ok(true),
        false => Err(format!("cannot send mail: {program} ended with {status}")),
    }
}

/// Sends a mail as far as that is possible; says when it is not.
pub fn try_send(options: &Options, subject: &str, body: &str) {
    if let Err(e) = send(options, subject, body) {
        eprintln!("warning: {e}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn subjects_stay_on_their_line() {
        let mut o = Options::new(Path::new("/t"), Path::new("tapir"));
        o.read("MailTo = a@b\nMailReplyTo = c@d\n", "f").unwrap();
        let m = message(&o, "cron: x\nBcc: evil", "text\n\n");
        assert_eq!(
            m,
            "From: Zeek <zeek@localhost>\nSubject: [Zeek] cron: x Bcc: evil\nTo: a@b\nReply-To: c@d\n\ntext\n"
        );
    }
}
