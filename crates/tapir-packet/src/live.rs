//! Packets from a network interface of Linux: a packet socket with a ring of blocks that the kernel fills
//! (TPACKET_V3, packet(7) and Documentation/networking/packet_mmap.rst).
//!
//! The only module of this crate with unsafe code: system calls, and reading what the kernel wrote into the ring.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::source::{RawPacket, Source, SourceError, SourceStats};
use crate::types::Weirds;

/// How to watch an interface.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    pub promiscuous: bool,
    /// Bytes of the ring; rounded to whole blocks.
    pub buffer_len: usize,
    /// Longer packets are cut (`Pcap::snaplen`).
    pub snaplen: u32,
    /// Share the traffic with other sockets of this group, by flow.
    pub fanout_group: Option<u16>,
    pub fanout_mode: Fanout,
    /// Put datagrams together before they are shared out. Sharing by flow always does, so that fragments follow theirs.
    pub defragment: bool,
    /// Bytes that the kernel hands over at once; rounded up to a power of two, and at least 64 KiB.
    pub block_len: usize,
    /// How long the kernel keeps a block that is not full.
    pub block_timeout: Duration,
    /// What the packets begin with, where the hardware type of the interface does not tell.
    pub link_type: Option<u32>,
}

/// By what the packets of one interface are shared out among a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fanout {
    /// Flows, in either direction.
    #[default]
    Hash,
    /// The processor that took a packet in.
    Cpu,
    /// The queue of the network card that it came through.
    Queue,
}

impl Default for LiveOptions {
    fn default() -> Self {
        LiveOptions {
            promiscuous: true,
            buffer_len: 128 << 20,
            snaplen: 9216,
            fanout_group: None,
            fanout_mode: Fanout::default(),
            defragment: false,
            block_len: 1 << 20,
            block_timeout: Duration::from_millis(10),
            link_type: None,
        }
    }
}

/// Bytes of a block, at least and at most: whole pages, whatever their size is.
const BLOCK_LEN: std::ops::RangeInclusive<usize> = 64 << 10..=64 << 20;

/// A ring of blocks shared with the kernel.
struct Ring {
    base: NonNull<u8>,
    n_blocks: usize,
    block_len: usize,
}

impl Ring {
    fn len(&self) -> usize {
        self.n_blocks * self.block_len
    }

    /// The status word of a block, which says who owns it.
    fn status(&self, block: usize) -> &AtomicU32 {
        debug_assert!(block < self.n_blocks);
        let at = block * self.block_len
            + offset_of!(libc::tpacket_block_desc, hdr)
            + offset_of!(libc::tpacket_hdr_v1, block_status);
        // SAFETY: the offset lies within the mapping, which lives as long as `self`, and is aligned for a u32. The
        // kernel writes it concurrently, therefore it is only accessed as an atomic.
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(at).cast()) }
    }

    /// The bytes of a block that the caller owns.
    fn bytes(&self, block: usize) -> &[u8] {
        debug_assert!(block < self.n_blocks);
        // SAFETY: the block lies within the mapping. Its status said that it is ours, and the kernel does not write
        // to it until it is given back, which needs `&mut` access of the source that this borrow keeps away.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(block * self.block_len), self.block_len) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: base and length are those of the mapping that `mmap` gave, and nothing refers to it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len()) };
    }
}

// SAFETY: the mapping belongs to the process, not to a thread; all access goes through the one owner of the ring.
unsafe impl Send for Ring {}

/// A network interface being watched.
pub struct LiveSource {
    // Dropped first: unmapping needs no socket, but the order is the reverse of how they were made.
    ring: Ring,
    socket: OwnedFd,
    name: String,
    link_type: u32,
    snaplen: u32,
    /// The block being read, how many of its packets are left, and where the next one is.
    block: usize,
    left: u32,
    next_at: usize,
    owned: bool,
    stats: SourceStats,
    /// A packet whose VLAN tag had to be put back.
    scratch: Vec<u8>,
}

fn failed(what: &str, name: &str) -> SourceError {
    SourceError::Io {
        what: format!("interface {name} ({what})"),
        error: io::Error::last_os_error(),
    }
}

/// Sets a socket option.
fn set_option<T>(fd: &OwnedFd, level: i32, option: i32, value: &T) -> io::Result<()> {
    // SAFETY: pointer and length describe `value`, which lives through the call.
    let r = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if r == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The link type of an interface, by its hardware type.
fn link_type(fd: &OwnedFd, name: &str) -> Result<u32, SourceError> {
    // SAFETY: an all-zero ifreq is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    // SAFETY: the request is a valid ifreq with a terminated name; the kernel fills in the address.
    if unsafe { libc::ioctl(fd.as_raw_fd(), libc::SIOCGIFHWADDR, &mut request) } != 0 {
        return Err(failed("reading its hardware type", name));
    }
    // SAFETY: after a successful SIOCGIFHWADDR the union holds the hardware address.
    let hardware = unsafe { request.ifr_ifru.ifru_hwaddr.sa_family };
    match hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Ok(1),
        libc::ARPHRD_NONE | libc::ARPHRD_PPP | libc::ARPHRD_TUNNEL | libc::ARPHRD_TUNNEL6 | libc::ARPHRD_SIT => Ok(101),
        801 => Ok(105),
        803 => Ok(127),
        other => Err(SourceError::Format {
            what: format!("interface {name}"),
            detail: format!("its hardware type {other} is not supported"),
        }),
    }
}

impl LiveSource {
    /// Starts watching an interface. Needs the capability `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// When the interface does not exist or may not be watched.
    pub fn open(name: &str, options: &LiveOptions) -> Result<Self, SourceError> {
        let all = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: a plain system call.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(failed("opening a packet socket; this needs CAP_NET_RAW", name));
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let c_name = CString::new(name).map_err(|_| SourceError::Format {
            what: "interface".into(),
            detail: "its name contains a zero byte".into(),
        })?;
        // SAFETY: the name is a valid C string.
        let index = unsafe { libc::if_nametoindex(c_name.as_ptr()) };
        if index == 0 {
            return Err(failed("looking it up", name));
        }
        let link_type = match options.link_type {
            Some(link_type) => link_type,
            None => link_type(&socket, name)?,
        };

        let version = libc::tpacket_versions::TPACKET_V3 as libc::c_int;
        set_option(&socket, libc::SOL_PACKET, libc::PACKET_VERSION, &version).map_err(|error| SourceError::Io {
            what: format!("interface {name} (ring version)"),
            error,
        })?;
        let block_len = options
            .block_len
            .clamp(*BLOCK_LEN.start(), *BLOCK_LEN.end())
            .next_power_of_two();
        let n_blocks = (options.buffer_len / block_len).max(2);
        let request = libc::tpacket_req3 {
            tp_block_size: block_len as u32,
            tp_block_nr: n_blocks as u32,
            tp_frame_size: 2048,
            tp_frame_nr: (n_blocks * block_len / 2048) as u32,
            tp_retire_blk_tov: options.block_timeout.as_millis().clamp(1, 60_000) as u32,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set_option(&socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request).map_err(|error| SourceError::Io {
            what: format!("interface {name} (making a ring)"),
            error,
        })?;
        // SAFETY: maps the ring that was just made, whole and at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                n_blocks * block_len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        let base = if base == libc::MAP_FAILED {
            None
        } else {
            NonNull::new(base.cast())
        };
        let Some(base) = base else {
            return Err(failed("mapping the ring", name));
        };
        let ring = Ring {
            base,
            n_blocks,
            block_len,
        };

        // SAFETY: an all-zero sockaddr_ll is a valid one.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = all;
        address.sll_ifindex = index as i32;
        // SAFETY: address and length describe a sockaddr_ll.
        let bound = unsafe {
            libc::bind(
                socket.as_raw_fd(),
                std::ptr::from_ref(&address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if bound != 0 {
            return Err(failed("binding to it", name));
        }
        if options.promiscuous {
            // SAFETY: an all-zero packet_mreq is a valid one.
            let mut membership: libc::packet_mreq = unsafe { std::mem::zeroed() };
            membership.mr_ifindex = index as i32;
            membership.mr_type = libc::PACKET_MR_PROMISC as u16;
            set_option(&socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership).map_err(|error| {
                SourceError::Io {
                    what: format!("interface {name} (promiscuous mode)"),
                    error,
                }
            })?;
        }
        if let Some(group) = options.fanout_group {
            const DEFRAGMENT: u32 = 0x8000;
            let mode = match options.fanout_mode {
                Fanout::Hash => libc::PACKET_FANOUT_HASH | DEFRAGMENT,
                Fanout::Cpu => libc::PACKET_FANOUT_CPU,
                Fanout::Queue => libc::PACKET_FANOUT_QM,
            };
            let flags = if options.defragment { DEFRAGMENT } else { 0 };
            let value = u32::from(group) | (mode | flags) << 16;
            set_option(&socket, libc::SOL_PACKET, libc::PACKET_FANOUT, &value).map_err(|error| SourceError::Io {
                what: format!("interface {name} (fanout)"),
                error,
            })?;
        }
        Ok(LiveSource {
            ring,
            socket,
            name: name.to_owned(),
            link_type,
            snaplen: options.snaplen,
            block: 0,
            left: 0,
            next_at: 0,
            owned: false,
            stats: SourceStats::default(),
            scratch: Vec::new(),
        })
    }

    /// Gives the block that was read back and takes the next one, if the kernel has filled it.
    fn next_block(&mut self) -> bool {
        loop {
            if self.owned {
                self.ring
                    .status(self.block)
                    .store(libc::TP_STATUS_KERNEL, Ordering::Release);
                self.owned = false;
                self.block = (self.block + 1) % self.ring.n_blocks;
            }
            if self.ring.status(self.block).load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
                return false;
            }
            self.owned = true;
            let bytes = self.ring.bytes(self.block);
            let header = offset_of!(libc::tpacket_block_desc, hdr);
            self.left = native_u32(bytes, header + offset_of!(libc::tpacket_hdr_v1, num_pkts)).unwrap_or(0);
            let first = header + offset_of!(libc::tpacket_hdr_v1, offset_to_first_pkt);
            self.next_at = native_u32(bytes, first).unwrap_or(0) as usize;
            if self.left > 0 {
                return true;
            }
        }
    }
}

fn native_u32(b: &[u8], at: usize) -> Option<u32> {
    let s = b.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes([s[0], s[1], s[2], s[3]]))
}

fn native_u16(b: &[u8], at: usize) -> Option<u16> {
    let s = b.get(at..at.checked_add(2)?)?;
    Some(u16::from_ne_bytes([s[0], s[1]]))
}

/// Where a packet lies in its block, and what the kernel says about it.
struct Entry {
    sec: u32,
    nanos: u32,
    len: u32,
    start: usize,
    captured: usize,
    /// The VLAN tag that the network card took out: protocol and tag.
    tag: Option<(u16, u16)>,
    next: usize,
}

fn entry(b: &[u8], at: usize) -> Option<Entry> {
    use libc::tpacket3_hdr as h;
    let status = native_u32(b, at + offset_of!(h, tp_status))?;
    let captured = native_u32(b, at + offset_of!(h, tp_snaplen))? as usize;
    let start = at + usize::from(native_u16(b, at + offset_of!(h, tp_mac))?);
    let variant = at + offset_of!(h, hv1);
    let tci = native_u32(b, variant + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tci))? as u16;
    let tpid = native_u16(b, variant + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tpid))?;
    let tagged = status & libc::TP_STATUS_VLAN_VALID != 0;
    let tpid = if status & libc::TP_STATUS_VLAN_TPID_VALID != 0 {
        tpid
    } else {
        0x8100
    };
    b.get(start..start + captured)?;
    Some(Entry {
        sec: native_u32(b, at + offset_of!(h, tp_sec))?,
        nanos: native_u32(b, at + offset_of!(h, tp_nsec))?,
        len: native_u32(b, at + offset_of!(h, tp_len))?,
        start,
        captured,
        tag: tagged.then_some((tpid, tci)),
        next: native_u32(b, at + offset_of!(h, tp_next_offset))? as usize,
    })
}

impl Source for LiveSource {
    fn next_packet(&mut self, _: &mut Weirds) -> Result<Option<RawPacket<'_>>, SourceError> {
        if self.left == 0 && !self.next_block() {
            return Ok(None);
        }
        let Some(e) = entry(self.ring.bytes(self.block), self.next_at) else {
            // The kernel wrote nonsense, or this program reads it wrongly; the rest of the block is lost.
            self.left = 0;
            return Ok(None);
        };
        self.left -= 1;
        self.next_at += e.next;
        let snaplen = self.snaplen as usize;
        let frame = &self.ring.bytes(self.block)[e.start..e.start + e.captured];
        let (data, len) = match e.tag {
            Some((tpid, tci)) if frame.len() >= 12 => {
                self.scratch.clear();
                self.scratch.extend_from_slice(&frame[..12]);
                self.scratch.extend(tpid.to_be_bytes());
                self.scratch.extend(tci.to_be_bytes());
                self.scratch.extend_from_slice(&frame[12..]);
                (&self.scratch[..], e.len + 4)
            }
            _ => (frame, e.len),
        };
        let data = &data[..data.len().min(snaplen)];
        Ok(Some(RawPacket {
            ts_sec: i64::from(e.sec),
            ts_usec: e.nanos / 1000,
            len,
            data,
            link_type: self.link_type,
        }))
    }

    fn is_live(&self) -> bool {
        true
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn wait(&mut self, timeout: Duration) {
        let mut poll = libc::pollfd {
            fd: self.socket.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let ms = timeout.as_millis().min(i32::MAX as u128) as i32;
        // SAFETY: the pointer is to one valid pollfd. Being interrupted is as good as a timeout.
        unsafe { libc::poll(&mut poll, 1, ms) };
    }

    fn statistics(&mut self) -> SourceStats {
        // SAFETY: an all-zero tpacket_stats_v3 is a valid one.
        let mut stats: libc::tpacket_stats_v3 = unsafe { std::mem::zeroed() };
        let mut len = size_of::<libc::tpacket_stats_v3>() as libc::socklen_t;
        // SAFETY: pointer and length describe `stats`. The kernel resets its counters on each call.
        let r = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                std::ptr::from_mut(&mut stats).cast(),
                &mut len,
            )
        };
        if r == 0 {
            self.stats.received += u64::from(stats.tp_packets);
            self.stats.dropped += u64::from(stats.tp_drops);
        }
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    /// Needs the right to open packet sockets; without it, the message has to say so.
    #[test]
    fn sees_packets_of_the_loopback_interface() {
        let options = LiveOptions {
            promiscuous: false,
            buffer_len: 4 << 20,
            ..LiveOptions::default()
        };
        let mut source = match LiveSource::open("lo", &options) {
            Ok(s) => s,
            Err(e) => {
                assert!(e.to_string().contains("interface lo"), "{e}");
                return;
            }
        };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        socket.send_to(b"seen by tapir", ("127.0.0.1", port)).unwrap();
        let mut weirds = Weirds::default();
        for _ in 0..50 {
            source.wait(Duration::from_millis(50));
            while let Ok(Some(p)) = source.next_packet(&mut weirds) {
                if p.data.ends_with(b"seen by tapir") {
                    assert_eq!(p.link_type, 1);
                    assert!(p.ts_sec > 1_700_000_000);
                    assert!(source.statistics().received > 0);
                    return;
                }
            }
        }
        panic!("the packet was not seen");
    }

    #[test]
    fn an_unknown_interface_is_an_error() {
        let e = LiveSource::open("no-such-if0", &LiveOptions::default())
            .err()
            .map(|e| e.to_string());
        assert!(e.is_some_and(|e| e.contains("no-such-if0")));
    }
}
