//! Frames of DNP3 (IEEE 1815) made by hand.

/// A frame of DNP3 around an application fragment.
pub fn dnp3(app: &[u8]) -> Vec<u8> {
    let with_crc = |b: &[u8]| {
        let one = |c: u16, _| if c & 1 != 0 { c >> 1 ^ 0xa6bc } else { c >> 1 };
        let sum = b.iter().fold(0, |c: u16, x| (0..8).fold(c ^ u16::from(*x), one));
        [b, &(!sum).to_le_bytes()].concat()
    };
    let data = [&[0xc0], app].concat();
    let mut frame = with_crc(&[5, 0x64, 5 + data.len() as u8, 0x44, 3, 0, 4, 0]);
    frame.extend(data.chunks(16).flat_map(with_crc));
    frame
}
