//! Messages of DCE/RPC (C706, section 12.6), as several tests say them.

/// A PDU around a body of less than 240 bytes, in little-endian order.
pub fn rpc(kind: u8, call: u8, body: &[u8]) -> Vec<u8> {
    let len = 16 + body.len() as u8;
    let mut p = vec![5, 0, kind, 3, 0x10, 0, 0, 0, len, 0, 0, 0, call, 0, 0, 0];
    p.extend(body);
    p
}
