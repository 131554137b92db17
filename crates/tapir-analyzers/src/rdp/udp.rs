//! The handshake of RDP over UDP (MS-RDPEUDP).

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    #[default]
    Start,
    Syn,
    SynAck,
    Open1,
    Open2,
}

/// The analyzer.
#[derive(Default)]
pub struct RdpUdp {
    state: State,
}

const SYN: u16 = 1;
const ACK: u16 = 4;

impl RdpUdp {
    fn datagram(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Option<()> {
        let mut c = Cursor::new(data);
        match self.state {
            State::Open2 => {
                raise!(cx, rdpeudp_data, is_orig, 2, data);
                return Some(());
            }
            State::Open1 => {
                raise!(cx, rdpeudp_data, is_orig, 1, data);
                return Some(());
            }
            _ => {}
        }
        c.skip(4)?;
        c.u16()?;
        let flags = c.u16()?;
        match self.state {
            State::Start if is_orig && flags & SYN != 0 && flags & ACK == 0 => {
                raise!(cx, rdpeudp_syn);
                self.state = State::Syn;
            }
            State::Syn if !is_orig && flags & SYN != 0 && flags & ACK != 0 => {
                raise!(cx, rdpeudp_synack);
                self.state = State::SynAck;
                cx.confirm();
            }
            State::SynAck => {
                let v2 = flags & (SYN | ACK) == 0;
                self.state = if v2 { State::Open2 } else { State::Open1 };
                raise!(cx, rdpeudp_established, if v2 { 2 } else { 1 });
            }
            _ => {}
        }
        Some(())
    }
}

impl Analyzer for RdpUdp {
    fn packet(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let _ = self.datagram(cx, is_orig, data);
    }
}
