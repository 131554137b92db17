//! Thresholds of bytes, packets and duration that scripts set on a connection.

use crate::conn::Conn;
use crate::sink::FlowSink;
use crate::table::FlowTable;

/// What a connection's counters are compared with; 0 means none.
#[derive(Clone, Debug, Default)]
pub struct Thresholds {
    pub orig_bytes: u64,
    pub resp_bytes: u64,
    pub orig_packets: u64,
    pub resp_packets: u64,
    pub duration: f64,
    /// Packets of both directions together, ascending; crossed ones are taken out.
    pub generic_packets: Vec<u64>,
}

impl Thresholds {
    pub(crate) fn swap_roles(&mut self) {
        std::mem::swap(&mut self.orig_bytes, &mut self.resp_bytes);
        std::mem::swap(&mut self.orig_packets, &mut self.resp_packets);
    }
}

impl<X: Default> FlowTable<X> {
    /// Compares the counters of a side with its thresholds; each is reported once and then forgotten.
    ///
    /// To be called after a threshold was set, too: it may have been crossed already.
    pub fn check_thresholds<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, is_orig: bool, sink: &mut S) {
        let (bytes, packets) = {
            let e = c.end(is_orig);
            (e.ip_bytes, e.pkts)
        };
        let duration = c.duration();
        let Some(t) = c.thresholds.as_deref_mut() else {
            return;
        };
        let byte_slot = if is_orig { &mut t.orig_bytes } else { &mut t.resp_bytes };
        let bytes_crossed = (*byte_slot > 0 && bytes > *byte_slot).then(|| std::mem::take(byte_slot));
        let packet_slot = if is_orig {
            &mut t.orig_packets
        } else {
            &mut t.resp_packets
        };
        let packets_crossed = (*packet_slot > 0 && packets == *packet_slot).then(|| std::mem::take(packet_slot));
        let duration_crossed = (t.duration > 0.0 && duration > t.duration).then(|| std::mem::take(&mut t.duration));
        if let Some(threshold) = bytes_crossed {
            sink.on_bytes_threshold(self, c, threshold, is_orig);
        }
        if let Some(threshold) = packets_crossed {
            sink.on_packets_threshold(self, c, threshold, is_orig);
        }
        if let Some(threshold) = duration_crossed {
            sink.on_duration_threshold(self, c, threshold, is_orig);
        }
        self.check_generic(c, sink);
    }

    fn check_generic<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, sink: &mut S) {
        let total = c.orig.pkts + c.resp.pkts;
        loop {
            let Some(t) = c.thresholds.as_deref_mut() else {
                return;
            };
            match t.generic_packets.first() {
                Some(&threshold) if total >= threshold => {
                    t.generic_packets.remove(0);
                    sink.on_generic_packet_threshold(self, c, threshold);
                }
                _ => return,
            }
        }
    }
}
