//! All protocols, one line each, in the order of their names.

use crate::core::pia::Pia;
use crate::core::{Analyzer, Tag, Transport};
use crate::*;

/// What the tree needs to know of a protocol.
pub struct Protocol {
    /// The canonical name, as in `Analyzer::ANALYZER_NAME` and in `service`.
    pub name: &'static str,
    /// A fresh analyzer.
    pub make: fn(Tag) -> Box<dyn Analyzer>,
    /// Whether it is enabled unless scripts say otherwise.
    pub enabled: bool,
    /// The transports that it declares; empty for any.
    pub transports: &'static [Transport],
}

const TCP: &[Transport] = &[Transport::Tcp];
const UDP: &[Transport] = &[Transport::Udp];
const ANY: &[Transport] = &[];

macro_rules! protocols {
    ($($name:literal $tr:ident $make:expr;)*) => {
        /// Every protocol, sorted by name.
        pub static PROTOCOLS: &[Protocol] = &[$(Protocol {
            name: $name,
            make: |_tag| Box::new($make),
            enabled: true,
            transports: $tr,
        }),*];
    };
}

protocols! {
    "BITTORRENT" TCP bittorrent::BitTorrent::default();
    "BITTORRENTTRACKER" TCP bittorrent::Tracker::default();
    "DCE_RPC" ANY dce_rpc::DceRpc::default();
    "DHCP" ANY dhcp::Dhcp;
    "DNP3_TCP" TCP dnp3::Dnp3::default();
    "DNP3_UDP" ANY dnp3::Dnp3::default();
    "DNS" ANY dns::Dns::default();
    "DTLS" ANY ssl::Dtls::default();
    "FINGER" ANY finger::Finger::default();
    "FTP" ANY ftp::Ftp::default();
    "FTP_DATA" ANY file::FileData::default();
    "GNUTELLA" TCP gnutella::Gnutella::default();
    "GSSAPI" ANY gssapi::Gssapi;
    "HTTP" ANY http::Http::default();
    "IDENT" ANY ident::Ident::default();
    "IMAP" ANY imap::Imap::default();
    "IRC" ANY irc::Irc::default();
    "IRC_DATA" ANY file::FileData::one_way();
    "KRB" ANY krb::Krb::default();
    "KRB_TCP" ANY krb::KrbTcp::default();
    "LDAP_TCP" TCP ldap::Ldap::default();
    "LDAP_UDP" UDP ldap::Ldap::default();
    "MODBUS" ANY modbus::Modbus::default();
    "MOUNT" ANY rpc::Rpc::new(rpc::Program::Mount);
    "MQTT" ANY mqtt::Mqtt::default();
    "MYSQL" ANY mysql::Mysql::default();
    "NCP" TCP ncp::Ncp::default();
    "NETBIOSSSN" ANY netbios::Session::default();
    "NFS" ANY rpc::Rpc::new(rpc::Program::Nfs);
    "NTLM" ANY ntlm::Ntlm;
    "NTP" ANY ntp::Ntp::default();
    "PIA_TCP" ANY Pia::new(false);
    "PIA_UDP" ANY Pia::new(true);
    "POP3" ANY pop3::Pop3::default();
    "PORTMAPPER" ANY rpc::Rpc::new(rpc::Program::PortMapper);
    "POSTGRESQL" TCP postgresql::PostgreSql::default();
    "QUIC" UDP quic::Quic::default();
    "RADIUS" ANY radius::Radius;
    "RDP" ANY rdp::Rdp::default();
    "RDPEUDP" ANY rdp::RdpUdp::default();
    "REDIS" TCP redis::Redis::default();
    "RFB" ANY rfb::Rfb::default();
    "RLOGIN" TCP login::Rlogin::default();
    "RSH" TCP login::Rsh::default();
    "SIP" ANY sip::Sip::default();
    "SMB" ANY smb::Smb::default();
    "SMTP" ANY smtp::Smtp::default();
    "SNMP" ANY snmp::Snmp;
    "SOCKS" ANY socks::Socks::default();
    "SSH" ANY ssh::Ssh::default();
    "SSL" ANY ssl::Ssl::default();
    "STREAM_EVENT" TCP stream::StreamEvent;
    "SYSLOG" ANY syslog::Syslog;
    "SYSLOG_TCP" ANY syslog::SyslogTcp::default();
    "TELNET" TCP login::Telnet::default();
    "WEBSOCKET" ANY websocket::WebSocket::default();
    "XMPP" ANY xmpp::Xmpp::default();
}

/// The tag of a canonical name.
pub fn tag(name: &str) -> Option<Tag> {
    PROTOCOLS
        .binary_search_by(|p| p.name.cmp(name))
        .ok()
        .map(|i| Tag(i as u16))
}

/// The tag of a name in any case.
pub fn tag_ignore_case(name: &str) -> Option<Tag> {
    tag(&name.to_ascii_uppercase().replace('-', "_"))
}

/// The protocol of a tag.
pub fn get(tag: Tag) -> Option<&'static Protocol> {
    PROTOCOLS.get(tag.0 as usize)
}

/// The name of a tag.
pub fn name(tag: Tag) -> &'static str {
    get(tag).map_or("", |p| p.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(PROTOCOLS.is_sorted_by(|a, b| a.name < b.name));
        assert!(PROTOCOLS.iter().all(|p| tag(p.name).is_some()));
    }
}
