//! The end of TCP connections: closing, what waits for data, and the timers that remove what is over.

use crate::conn::{Conn, TcpState, Transport, letter};
use crate::sink::FlowSink;
use crate::table::FlowTable;
use crate::timers::TimerKind;

impl<X: Default> FlowTable<X> {
    /// Whether a side must not close yet: not all of its data was delivered, or the peer's waits to be acknowledged.
    fn data_pending(&self, c: &Conn<X>, is_orig: bool) -> bool {
        if c.skip || !c.reassembling {
            return false;
        }
        if c.end(!is_orig)
            .reassembler
            .as_deref()
            .is_some_and(|r| !r.gave_up && r.holds_data())
        {
            return true;
        }
        let e = c.end(is_orig);
        let delivered = match e.reassembler.as_deref() {
            Some(r) if r.gave_up => return false,
            Some(r) => r.delivered,
            None => 1,
        };
        let sent = e.last_rel().saturating_sub(u64::from(e.fin_seen));
        sent > delivered
    }

    /// A side closes. `report`: as finishing rather than by a reset.
    pub(crate) fn close<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, is_orig: bool, report: bool, sink: &mut S) {
        // A reset does not wait.
        if c.end(is_orig).state != TcpState::Reset && self.data_pending(c, is_orig) {
            c.end_mut(is_orig).close_wanted = Some(report);
            return;
        }
        self.end_of_stream(c, is_orig, sink);
        self.close_now(c, is_orig, report, sink);
    }

    /// Carries out what waited for data.
    pub(crate) fn deferred_closes<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, sink: &mut S) {
        for is_orig in [true, false] {
            let Some(report) = c.end(is_orig).close_wanted else {
                continue;
            };
            if self.data_pending(c, is_orig) {
                if c.orig.closed && c.resp.closed && !c.end(is_orig).once(letter::EOF_TOLD) {
                    self.conn_weird(c, "pending_data_when_closed", "", "TCP", sink);
                    c.end_mut(is_orig).letters |= letter::EOF_TOLD;
                }
                continue;
            }
            c.end_mut(is_orig).close_wanted = None;
            self.end_of_stream(c, is_orig, sink);
            self.close_now(c, is_orig, report, sink);
        }
    }

    fn end_of_stream<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, is_orig: bool, sink: &mut S) {
        let e = c.end_mut(is_orig);
        if !e.once(letter::EOF_TOLD) && (e.fin_seen || e.state == TcpState::Reset) {
            e.letters |= letter::EOF_TOLD;
            sink.on_eof(self, c, is_orig);
        }
    }

    fn close_now<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, is_orig: bool, report: bool, sink: &mut S) {
        let first = !c.orig.closed && !c.resp.closed;
        c.end_mut(is_orig).closed = true;
        let peer = c.end(!is_orig);
        let complete = c.end(is_orig).state == TcpState::Reset || peer.closed || peer.state == TcpState::Inactive;
        if !complete {
            if first {
                self.arm(c, self.options.tcp_session_timer, TimerKind::Expire);
            }
            if self.wants.connection_partial_close {
                self.arm(c, self.options.tcp_partial_close_delay, TimerKind::PartialClose);
            }
            return;
        }
        if report && c.seen_packets > 0 && !c.finish_told {
            c.finish_told = true;
            c.outcome_told = true;
            if c.end(!is_orig).state == TcpState::Inactive {
                sink.on_half_finished(self, c);
            } else {
                sink.on_finished(self, c);
            }
        }
        // Pending timers are void from here on.
        c.timer_generation = c.timer_generation.wrapping_add(1);
        self.arm(c, self.options.tcp_close_delay, TimerKind::Close);
    }

    /// The attempt timer: false if the connection goes.
    pub(crate) fn attempt_timer<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, sink: &mut S) -> bool {
        if c.resp.state != TcpState::Inactive {
            return true;
        }
        c.outcome_told = true;
        sink.on_attempt(self, c);
        false
    }

    /// The expiry check: false if the connection goes.
    pub(crate) fn expire_timer<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, sink: &mut S) -> bool {
        if c.transport != Transport::Tcp {
            return true;
        }
        let (o, r) = (&c.orig, &c.resp);
        let both_inactive = o.state == TcpState::Inactive && r.state == TcpState::Inactive;
        if c.last_time + self.options.tcp_connection_linger < self.now {
            let over = if o.closed || r.closed {
                (o.closed && r.closed)
                    || o.state == TcpState::Reset
                    || r.state == TcpState::Reset
                    || o.state == TcpState::Inactive
                    || r.state == TcpState::Inactive
            } else {
                both_inactive
            };
            if over {
                sink.on_timeout(self, c);
                return false;
            }
        }
        if c.orig.closed || c.resp.closed || both_inactive {
            let due = self.now + self.options.tcp_session_timer;
            self.timers.add(due, c.id, c.timer_generation, TimerKind::Expire);
        }
        true
    }

    /// A reset after a FIN had time enough: false, the connection goes.
    pub(crate) fn reset_timer<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, sink: &mut S) -> bool {
        if !(c.orig.state == TcpState::Closed && c.resp.state == TcpState::Closed) {
            c.outcome_told = true;
            sink.on_reset(self, c);
        }
        false
    }

    /// One side is closed for a while: false if the connection goes because the other is not.
    pub(crate) fn partial_close_timer<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, sink: &mut S) -> bool {
        if c.orig.closed && c.resp.closed {
            return true;
        }
        c.outcome_told = true;
        sink.on_partial_close(self, c);
        false
    }

    /// What is left to say about a TCP connection that goes.
    pub(crate) fn end_of_tcp<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, sink: &mut S) {
        if c.transport != Transport::Tcp {
            return;
        }
        if self.options.tcp_match_undelivered {
            self.undelivered(c, sink);
        }
        if self.is_terminating() && !c.outcome_told && !(c.orig.closed && c.resp.closed) {
            sink.on_pending(self, c);
        }
    }
}
