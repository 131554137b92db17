//! The TCP state machine: what a segment makes of the state of its sender, and the reuse of a connection's key.

use crate::conn::{Conn, TcpState};
use crate::sink::{FlowSink, flag};
use crate::table::FlowTable;
use crate::tcp::{Segment, TcpFirst};
use crate::timers::TimerKind;

/// What follows from a transition.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The sender closes; whether that is to be reported as finishing.
    pub close: Option<bool>,
    pub flipped: bool,
}

impl<X: Default> FlowTable<X> {
    /// Sets an endpoint's state; the first to leave the handshake gives the connection its longer timeout.
    pub(crate) fn set_state(&mut self, c: &mut Conn<X>, is_orig: bool, state: TcpState) {
        let e = c.end_mut(is_orig);
        if e.state == state {
            return;
        }
        e.prev_state = e.state;
        e.state = state;
        if state == TcpState::Partial {
            c.is_partial = true;
        }
        let was_short = c.end(is_orig).prev_state.is_handshake() && !state.is_handshake();
        if was_short && c.end(!is_orig).state.is_handshake() {
            let timeout = self.options.tcp_inactivity_timeout;
            self.set_inactivity_timeout(c, timeout);
        }
    }

    /// Lets a segment change the state of its sender. `before` is the highest number sent so far, `end` the segment's.
    pub(crate) fn transition<S: FlowSink<X>>(
        &mut self,
        c: &mut Conn<X>,
        s: &Segment<'_>,
        before: u64,
        end: u64,
        sink: &mut S,
    ) -> Outcome {
        let mut out = Outcome::default();
        match c.end(s.is_orig).state {
            TcpState::Inactive => self.in_inactive(c, s, &mut out, sink),
            TcpState::SynSent | TcpState::SynAckSent => self.in_syn_sent(c, s, &mut out, sink),
            TcpState::Established | TcpState::Partial => self.in_established(c, s, &mut out, sink),
            TcpState::Closed => self.in_closed(c, s, before, end, &mut out, sink),
            TcpState::Reset => self.in_reset(c, s, sink),
        }
        if s.has(flag::FIN) {
            c.end_mut(s.is_orig).fin_seen = true;
        }
        out
    }

    fn in_inactive<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, s: &Segment<'_>, out: &mut Outcome, sink: &mut S) {
        let o = s.is_orig;
        let (syn, fin, rst, ack) = (s.has(flag::SYN), s.has(flag::FIN), s.has(flag::RST), s.has(flag::ACK));
        let peer = c.end(!o).state;
        if syn {
            if o {
                if ack {
                    self.conn_weird(c, "connection_originator_SYN_ack", "", "TCP", sink);
                    self.set_state(c, true, TcpState::SynAckSent);
                } else {
                    self.set_state(c, true, TcpState::SynSent);
                }
                self.arm(c, self.options.tcp_attempt_delay, TimerKind::Attempt);
                // Anything else that a SYN carries is not worth following.
                if !fin && !rst {
                    return;
                }
            } else {
                self.syn_of_responder(c, s, out, sink);
                if !fin && !rst {
                    return;
                }
            }
        }
        let o = if out.flipped { !o } else { o };
        if rst {
            self.set_state(c, o, TcpState::Reset);
            let rejected = if o {
                peer == TcpState::Established
            } else {
                matches!(peer, TcpState::SynSent | TcpState::SynAckSent)
            };
            if rejected {
                c.outcome_told = true;
                sink.on_rejected(self, c);
            } else if peer == TcpState::Inactive {
                self.conn_weird(c, "spontaneous_RST", "", "TCP", sink);
            }
            out.close = Some(!rejected);
        } else if fin {
            if peer != TcpState::Partial && !syn {
                self.conn_weird(c, "spontaneous_FIN", "", "TCP", sink);
            }
            self.set_state(c, o, TcpState::Closed);
            out.close = Some(true);
        } else if !syn {
            if !o && peer == TcpState::SynSent && s.len == 0 && ack {
                // Answers a SYN with a bare ACK: a challenge, or a stray.
                return;
            }
            // After a flip the peer's SYN-ACK is known and only the SYN was missed.
            if ack && (peer == TcpState::Established || (o && peer == TcpState::SynAckSent)) {
                self.set_state(c, o, TcpState::Established);
                return;
            }
            self.set_state(c, o, TcpState::Partial);
            if peer == TcpState::Partial {
                sink.on_partial(self, c);
            }
        }
    }

    fn syn_of_responder<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, s: &Segment<'_>, out: &mut Outcome, sink: &mut S) {
        let ack = s.has(flag::ACK);
        let peer = c.orig.state;
        if ack {
            if peer != TcpState::Inactive && peer != TcpState::Partial {
                let a = c.orig.relative_ack(s.ack);
                let last = c.orig.last_rel().max(c.orig.ack_rel()) as i64;
                if a < 0 || a > last {
                    self.conn_weird(c, "bad_SYN_ack", "", "TCP", sink);
                }
            }
        } else if peer == TcpState::SynAckSent && c.resp.start_seq == s.seq && c.orig_expected(s.seq) {
            self.flip(c, sink);
            out.flipped = true;
        } else {
            self.conn_weird(c, "simultaneous_open", "", "TCP", sink);
        }
        let me = out.flipped;
        match c.end(!me).state {
            TcpState::SynSent | TcpState::SynAckSent => self.set_state(c, !me, TcpState::Established),
            TcpState::Inactive => self.conn_weird(c, "unsolicited_SYN_response", "", "TCP", sink),
            _ => {}
        }
        self.set_state(c, me, TcpState::Established);
        if peer != TcpState::Partial {
            sink.on_established(self, c);
        }
    }

    fn in_syn_sent<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, s: &Segment<'_>, out: &mut Outcome, sink: &mut S) {
        let o = s.is_orig;
        let (syn, fin, rst, ack) = (s.has(flag::SYN), s.has(flag::FIN), s.has(flag::RST), s.has(flag::ACK));
        let (state, peer) = (c.end(o).state, c.end(!o).state);
        if syn {
            if o {
                if ack && !fin && !rst && state != TcpState::SynAckSent {
                    self.conn_weird(c, "repeated_SYN_with_ack", "", "TCP", sink);
                }
            } else if !ack && state != TcpState::SynSent {
                self.conn_weird(c, "repeated_SYN_reply_wo_ack", "", "TCP", sink);
            }
        }
        if fin && !rst {
            if matches!(peer, TcpState::Inactive | TcpState::SynSent) {
                self.conn_weird(c, "inappropriate_FIN", "", "TCP", sink);
            }
            self.set_state(c, o, TcpState::Closed);
            out.close = Some(true);
        }
        if rst {
            self.set_state(c, o, TcpState::Reset);
            c.outcome_told = true;
            sink.on_reset(self, c);
            out.close = Some(false);
        } else if s.len > 0 && !syn {
            self.conn_weird(c, "data_before_established", "", "TCP", sink);
        }
    }

    fn in_established<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, s: &Segment<'_>, out: &mut Outcome, sink: &mut S) {
        let o = s.is_orig;
        let (syn, fin, rst, ack) = (s.has(flag::SYN), s.has(flag::FIN), s.has(flag::RST), s.has(flag::ACK));
        if syn && c.end(o).state == TcpState::Partial && c.end(!o).state == TcpState::Inactive && !ack {
            self.conn_weird(c, "SYN_after_partial", "", "TCP", sink);
            self.set_state(c, o, TcpState::SynSent);
        }
        if fin && !rst {
            self.set_state(c, o, TcpState::Closed);
            out.close = Some(true);
            let peer = c.end(!o);
            if peer.state == TcpState::Reset && peer.prev_state == TcpState::Closed {
                self.set_state(c, !o, TcpState::Closed);
            }
        }
        if rst {
            self.set_state(c, o, TcpState::Reset);
            out.close = Some(false);
            let peer = c.end(!o);
            if !(peer.state == TcpState::Reset && peer.prev_state == TcpState::Established) {
                c.outcome_told = true;
                sink.on_reset(self, c);
            }
        }
    }

    fn in_closed<S: FlowSink<X>>(
        &mut self,
        c: &mut Conn<X>,
        s: &Segment<'_>,
        before: u64,
        end: u64,
        out: &mut Outcome,
        sink: &mut S,
    ) {
        let o = s.is_orig;
        if s.has(flag::SYN) {
            self.conn_weird(c, "SYN_after_close", "", "TCP", sink);
        }
        if s.has(flag::FIN) && end > before {
            self.conn_weird(c, "FIN_advanced_last_seq", "", "TCP", sink);
        }
        if s.has(flag::RST) && c.end(!o).state != TcpState::Closed {
            self.set_state(c, o, TcpState::Reset);
            sink.on_late_reset(self, c);
            if !c.end(o).closed {
                out.close = Some(false);
            }
            if self.wants.connection_reset_timer {
                self.arm(c, self.options.tcp_reset_delay, TimerKind::Reset);
            }
        }
    }

    fn in_reset<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, s: &Segment<'_>, sink: &mut S) {
        if s.has(flag::SYN) {
            self.conn_weird(c, "SYN_after_reset", "", "TCP", sink);
        }
        if s.has(flag::FIN) {
            self.conn_weird(c, "FIN_after_reset", "", "TCP", sink);
        }
        if s.len > 0 && !s.has(flag::RST) && !s.has(flag::SYN) {
            self.conn_weird(c, "data_after_reset", "", "TCP", sink);
        }
    }

    /// Whether a SYN for an existing key opens another connection; raises the weirds of reuse.
    pub(crate) fn is_reuse<S: FlowSink<X>>(
        &mut self,
        c: &mut Conn<X>,
        is_orig: bool,
        tcp: &TcpFirst,
        ts: f64,
        sink: &mut S,
    ) -> bool {
        if tcp.is_ack() && c.orig.state != TcpState::Inactive {
            return false;
        }
        if tcp.flags & flag::RST != 0 {
            return false;
        }
        let e = c.end(is_orig);
        let reset = c.orig.state == TcpState::Reset || c.resp.state == TcpState::Reset;
        let active = |s: TcpState| !matches!(s, TcpState::Inactive | TcpState::Closed | TcpState::Reset);
        if !c.orig.closed && !c.resp.closed {
            if e.state != TcpState::Inactive && e.start_seq == tcp.seq {
                return false;
            }
            if e.state == TcpState::Inactive && c.end(!is_orig).state != TcpState::Inactive {
                // The answer to what the other side began, or its beginning seen late.
                return false;
            }
            let (name, source) = if e.state == TcpState::SynSent {
                ("SYN_seq_jump", "TCP")
            } else {
                ("active_connection_reuse", "TCP")
            };
            self.conn_weird(c, name, "", source, sink);
            return true;
        }
        if (active(c.orig.state) || active(c.resp.state)) && !reset {
            self.conn_weird(c, "active_connection_reuse", "", "TCP", sink);
        } else if ts - c.last_time < self.options.tcp_connection_linger && !reset {
            self.conn_weird(c, "premature_connection_reuse", "", "TCP", sink);
        }
        true
    }

    pub(crate) fn arm(&mut self, c: &Conn<X>, delay: f64, kind: TimerKind) {
        self.timers.add(c.last_time + delay, c.id, c.timer_generation, kind);
    }
}

impl<X> Conn<X> {
    /// Whether a SYN with this number is the one that the originator's SYN-ACK answered.
    fn orig_expected(&self, seq: u32) -> bool {
        // The SYN-ACK acknowledged the number after the SYN.
        self.resp.ack_seq == seq.wrapping_add(1) || self.resp.start_seq == seq
    }
}
