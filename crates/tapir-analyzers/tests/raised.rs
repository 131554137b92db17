//! Events that captures seldom hold: messages made by hand after the specifications raise each of them, with what it tells.

#[allow(dead_code)]
mod bench;

use bench::{Told, talk, tells};
use tapir_analyzers::core::Transport;
use tapir_interface::events;

/// An element of the basic encoding rules.
fn tlv(id: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut t = vec![id];
    match body.len() {
        n @ 0..128 => t.push(n as u8),
        n => t.extend([0x82, (n >> 8) as u8, n as u8]),
    }
    t.extend(body);
    t
}

#[test]
fn files_and_queues_of_modbus() {
    let adu = |pdu: &[u8]| {
        let mut a = vec![0, 1, 0, 0, 0, 1 + pdu.len() as u8, 9];
        a.extend(pdu);
        a
    };
    let turns: Vec<(bool, Vec<u8>)> = vec![
        (true, adu(&[20, 7, 6, 0, 4, 0, 1, 0, 2])),
        (false, adu(&[20, 6, 5, 6, 1, 2, 3, 4])),
        (true, adu(&[21, 9, 6, 0, 4, 0, 7, 0, 1, 0xaa, 0xbb])),
        (false, adu(&[21, 9, 6, 0, 4, 0, 7, 0, 1, 0xaa, 0xbb])),
        (true, adu(&[24, 4, 0xde])),
        (false, adu(&[24, 0, 6, 0, 2, 1, 0xb8, 0x12, 0x84])),
        (true, adu(&[8, 0, 1, 0xff, 0])),
        (false, adu(&[8, 0, 1, 0xff, 0])),
        (true, adu(&[0x2b, 0x0e, 1, 0])),
        (false, adu(&[0x2b, 0x0e, 1, 1, 0, 0, 0])),
        (false, adu(&[0x94, 2])),
    ];
    let turns: Vec<(bool, &[u8])> = turns.iter().map(|(o, d)| (*o, &d[..])).collect();
    tells(
        "MODBUS",
        Transport::Tcp,
        &turns,
        &[
            (events::MODBUS_READ_FILE_RECORD_REQUEST, "? 7 [?]"),
            (events::MODBUS_READ_FILE_RECORD_RESPONSE, "? 6 [?]"),
            (events::MODBUS_WRITE_FILE_RECORD_REQUEST, "? 9 [?]"),
            (events::MODBUS_WRITE_FILE_RECORD_RESPONSE, "? 9 [?]"),
            (events::MODBUS_READ_FIFO_QUEUE_REQUEST, "? 1246"),
            (events::MODBUS_READ_FIFO_QUEUE_RESPONSE, "? [440, 4740]"),
            (events::MODBUS_DIAGNOSTICS_REQUEST, "? 1 \u{fffd}\0"),
            (events::MODBUS_ENCAP_INTERFACE_TRANSPORT_REQUEST, "? 14 \u{1}\0"),
            (events::MODBUS_EXCEPTION, "? 2"),
        ],
    );
}

#[test]
fn deliveries_of_mqtt() {
    tells(
        "MQTT",
        Transport::Tcp,
        &[
            (true, b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"),
            (false, b"\x20\x02\x01\0"),
            (true, b"\x34\x09\0\x03a/b\0\x07hi"),
            (false, b"\x50\x02\0\x07"),
            (true, b"\x62\x02\0\x07"),
            (false, b"\x70\x02\0\x07"),
            (true, b"\x32\x09\0\x03a/b\0\x08hi"),
            (false, b"\x40\x02\0\x08"),
            (true, b"\x82\x0d\0\x09\0\x01x\x01\0\x04a/#b\x02"),
            (false, b"\x90\x03\0\x09\x01"),
            (true, b"\xa2\x08\0\x0a\0\x01x\0\x01y"),
            (false, b"\xb0\x02\0\x0a"),
            (true, b"\xc0\0"),
            (false, b"\xd0\0"),
            (true, b"\xe0\0"),
        ],
        &[
            (events::MQTT_CONNECT, "?"),
            (events::MQTT_CONNACK, "?"),
            (events::MQTT_PUBLISH, "true 7 ?"),
            (events::MQTT_PUBREC, "false 7"),
            (events::MQTT_PUBREL, "true 7"),
            (events::MQTT_PUBCOMP, "false 7"),
            (events::MQTT_PUBACK, "false 8"),
            (events::MQTT_SUBSCRIBE, "9 [x, a/#b] [1, 2]"),
            (events::MQTT_SUBACK, "9 1"),
            (events::MQTT_UNSUBSCRIBE, "10 [x, y]"),
            (events::MQTT_UNSUBACK, "10"),
            (events::MQTT_PINGREQ, ""),
            (events::MQTT_PINGRESP, ""),
            (events::MQTT_DISCONNECT, ""),
        ],
    );
}

#[test]
fn messages_of_kerberos_that_applications_exchange() {
    let int = |n: u8| tlv(2, &[&[n]]);
    let name = tlv(
        0x30,
        &[
            &tlv(0xa0, &[&int(2)]),
            &tlv(0xa1, &[&tlv(0x30, &[&tlv(0x1b, &[b"host"])])]),
        ],
    );
    let enc = tlv(0x30, &[&tlv(0xa0, &[&int(18)]), &tlv(0xa2, &[&tlv(4, &[b"sealed"])])]);
    let ticket = tlv(
        0x61,
        &[&tlv(
            0x30,
            &[
                &tlv(0xa0, &[&int(5)]),
                &tlv(0xa1, &[&tlv(0x1b, &[b"REALM"])]),
                &tlv(0xa2, &[&name]),
                &tlv(0xa3, &[&enc]),
            ],
        )],
    );
    let cred = tlv(
        0x76,
        &[&tlv(
            0x30,
            &[
                &tlv(0xa0, &[&int(5)]),
                &tlv(0xa1, &[&int(22)]),
                &tlv(0xa2, &[&tlv(0x30, &[&ticket, &ticket])]),
                &tlv(0xa3, &[&enc]),
            ],
        )],
    );
    let private = tlv(
        0x75,
        &[&tlv(
            0x30,
            &[&tlv(0xa0, &[&int(5)]), &tlv(0xa1, &[&int(21)]), &tlv(0xa3, &[&enc])],
        )],
    );
    let address = tlv(
        0x30,
        &[&tlv(0xa0, &[&int(2)]), &tlv(0xa1, &[&tlv(4, &[&[10, 0, 0, 1]])])],
    );
    let body = tlv(
        0x30,
        &[
            &tlv(0xa0, &[&tlv(4, &[b"words"])]),
            &tlv(0xa1, &[&tlv(0x18, &[b"20260101000000Z"])]),
            &tlv(0xa3, &[&int(7)]),
            &tlv(0xa4, &[&address]),
        ],
    );
    let sum = tlv(0x30, &[&tlv(0xa0, &[&int(7)]), &tlv(0xa1, &[&tlv(4, &[b"sum"])])]);
    let safe = tlv(
        0x74,
        &[&tlv(
            0x30,
            &[
                &tlv(0xa0, &[&int(5)]),
                &tlv(0xa1, &[&int(20)]),
                &tlv(0xa2, &[&body]),
                &tlv(0xa3, &[&sum]),
            ],
        )],
    );
    let told = [
        (events::KRB_CRED, "true [?, ?]"),
        (events::KRB_PRIV, "true"),
        (events::KRB_SAFE, "true ?"),
    ];
    for (message, told) in [&cred, &private, &safe].into_iter().zip(told) {
        tells("KRB", Transport::Udp, &[(true, message)], &[told]);
        let framed = [&(message.len() as u32).to_be_bytes()[..], message].concat();
        tells("KRB_TCP", Transport::Tcp, &[(true, &framed)], &[told]);
    }
}

#[test]
fn messages_of_snmp_that_are_seldom() {
    let int = |n: u8| tlv(2, &[&[n]]);
    let binding = tlv(0x30, &[&tlv(0x30, &[&tlv(6, &[&[0x2b, 6]]), &tlv(0x46, &[&[1, 0]])])]);
    let v2 = |id: u8| {
        tlv(
            0x30,
            &[
                &int(1),
                &tlv(4, &[b"public"]),
                &tlv(id, &[&int(9), &int(0), &int(0), &binding]),
            ],
        )
    };
    for (id, told) in [
        (0xa6, (events::SNMP_INFORM_REQUEST, "true ? ?")),
        (0xa7, (events::SNMP_TRAPV2, "true ? ?")),
        (0xa8, (events::SNMP_REPORT, "true ? ?")),
        (0xaa, (events::SNMP_UNKNOWN_PDU, "true ? 170")),
    ] {
        tells("SNMP", Transport::Udp, &[(true, &v2(id))], &[told]);
    }
    let other = tlv(0x30, &[&int(2), &tlv(4, &[b"public"])]);
    tells(
        "SNMP",
        Transport::Udp,
        &[(true, &other)],
        &[(events::SNMP_UNKNOWN_HEADER_VERSION, "true 2")],
    );
    let global = tlv(0x30, &[&int(1), &tlv(2, &[&[5, 0xdc]]), &tlv(4, &[&[4]]), &int(3)]);
    let user = tlv(
        0x30,
        &[
            &tlv(4, &[b"e"]),
            &int(1),
            &int(2),
            &tlv(4, &[b"me"]),
            &tlv(4, &[]),
            &tlv(4, &[]),
        ],
    );
    let v3 = |data: &[u8]| tlv(0x30, &[&int(3), &global, &tlv(4, &[&user]), data]);
    let odd = v3(&tlv(0x31, &[]));
    tells(
        "SNMP",
        Transport::Udp,
        &[(true, &odd)],
        &[(events::SNMP_UNKNOWN_SCOPED_PDU, "true ? 49")],
    );
    let sealed = v3(&tlv(4, &[b"sealed"]));
    tells(
        "SNMP",
        Transport::Udp,
        &[(true, &sealed)],
        &[(events::SNMP_ENCRYPTED_PDU, "true ?")],
    );
}

/// A binary packet of SSH 2 before encryption.
fn ssh(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut p = ((6 + body.len()) as u32).to_be_bytes().to_vec();
    p.extend([4, kind]);
    p.extend(body);
    p.extend([0; 4]);
    p
}

fn ssh_string(s: &[u8]) -> Vec<u8> {
    [&(s.len() as u32).to_be_bytes()[..], s].concat()
}

/// A conversation up to the key exchange by one method, and what the sides say then.
fn key_exchange(method: &str, turns: &[(bool, Vec<u8>)], told: &[Told]) {
    let mut init = vec![7; 16];
    init.extend(ssh_string(method.as_bytes()));
    for list in [
        "ssh-rsa",
        "aes128-ctr",
        "aes128-ctr",
        "hmac-sha1",
        "hmac-sha1",
        "none",
        "none",
        "",
        "",
    ] {
        init.extend(ssh_string(list.as_bytes()));
    }
    init.extend([0; 5]);
    let init = ssh(20, &init);
    let mut all: Vec<(bool, &[u8])> = vec![
        (false, b"SSH-2.0-server\r\n"),
        (true, b"SSH-2.0-client\r\n"),
        (true, &init),
        (false, &init),
    ];
    all.extend(turns.iter().map(|(o, d)| (*o, &d[..])));
    tells("SSH", Transport::Tcp, &all, told);
}

#[test]
fn key_exchanges_of_ssh() {
    let key = ssh_string(b"host key");
    let two = [ssh_string(b"pp"), ssh_string(b"qq")].concat();
    key_exchange(
        "diffie-hellman-group-exchange-sha256",
        &[
            (false, ssh(31, &two)),
            (true, ssh(32, &ssh_string(b"e"))),
            (false, ssh(33, &key)),
        ],
        &[
            (events::SSH2_DH_SERVER_PARAMS, "pp qq"),
            (events::SSH2_DH_GEX_INIT, "true"),
            (events::SSH2_SERVER_HOST_KEY, "host key"),
        ],
    );
    key_exchange(
        "rsa2048-sha256",
        &[
            (false, ssh(30, &[key.clone(), ssh_string(b"transient")].concat())),
            (true, ssh(31, &ssh_string(b"secret"))),
        ],
        &[
            (events::SSH2_SERVER_HOST_KEY, "host key"),
            (events::SSH2_RSA_SECRET, "true"),
        ],
    );
    let error = [
        &[0, 0, 0, 5, 0, 0, 0, 6][..],
        &ssh_string(b"no ticket"),
        &ssh_string(b"en"),
    ]
    .concat();
    key_exchange(
        "gss-group14-sha256-toWM5Slw5Ew8Mqkay+al2g==",
        &[(true, ssh(30, &two)), (false, ssh(33, &key)), (false, ssh(34, &error))],
        &[
            (events::SSH2_GSS_INIT, "true"),
            (events::SSH2_SERVER_HOST_KEY, "host key"),
            (events::SSH2_GSS_ERROR, "5 6 no ticket"),
        ],
    );
    key_exchange(
        "ecdh-sha2-nistp256",
        &[
            (true, ssh(30, &ssh_string(b"qc"))),
            (false, ssh(31, &[key, ssh_string(b"qs")].concat())),
        ],
        &[
            (events::SSH2_ECC_INIT, "true"),
            (events::SSH2_ECC_KEY, "true qc"),
            (events::SSH2_ECC_KEY, "false qs"),
        ],
    );
}

/// A call and its reply over UDP; the reply is accepted with a status.
fn rpc(name: &str, program: u32, version: u32, proc: u32, args: &[u8], status: u32, result: &[u8]) -> Vec<String> {
    let words = |w: &[u32], body: &[u8]| -> Vec<u8> {
        w.iter()
            .flat_map(|n| n.to_be_bytes())
            .chain(body.iter().copied())
            .collect()
    };
    let call = words(&[1, 0, 2, program, version, proc, 0, 0, 0, 0], args);
    let reply = words(&[1, 1, 0, 0, 0, status], result);
    talk(name, Transport::Udp, &[(true, &call), (false, &reply)])
}

#[test]
fn calls_of_the_port_mapper_and_of_mount() {
    let mapping = b"\0\x01\x86\xa3\0\0\0\x03\0\0\0\x06\0\0\x08\x01";
    let ask = b"\0\x01\x86\xa3\0\0\0\x03\0\0\0\x01\0\0\0\x04argu";
    let answer = b"\0\0\x08\x01\0\0\0\x04back";
    // Procedure, arguments, result, what is told of success and what of a procedure that is not there (3).
    let cases: &[(u32, &[u8], &[u8], Told, Told)] = &[
        (
            0,
            b"",
            b"",
            (events::PM_REQUEST_NULL, ""),
            (events::PM_ATTEMPT_NULL, "3"),
        ),
        (
            1,
            mapping,
            b"\0\0\0\x01",
            (events::PM_REQUEST_SET, "? true"),
            (events::PM_ATTEMPT_SET, "3 ?"),
        ),
        (
            2,
            mapping,
            b"\0\0\0\0",
            (events::PM_REQUEST_UNSET, "? false"),
            (events::PM_ATTEMPT_UNSET, "3 ?"),
        ),
        (
            3,
            mapping,
            b"\0\0\x08\x01",
            (events::PM_REQUEST_GETPORT, "? ?"),
            (events::PM_ATTEMPT_GETPORT, "3 ?"),
        ),
        (
            4,
            b"",
            b"\0\0\0\0",
            (events::PM_REQUEST_DUMP, "?"),
            (events::PM_ATTEMPT_DUMP, "3"),
        ),
        (
            5,
            ask,
            answer,
            (events::PM_REQUEST_CALLIT, "? ?"),
            (events::PM_ATTEMPT_CALLIT, "3 ?"),
        ),
    ];
    let has = |got: &[String], told: &Told| {
        let whole = format!("{:?} ? {}", told.0, told.1);
        assert!(
            got.iter().any(|e| e.trim_end() == whole.trim_end()),
            "no {whole} in {got:#?}"
        );
    };
    for (proc, args, result, success, failure) in cases {
        has(&rpc("PORTMAPPER", 100_000, 2, *proc, args, 0, result), success);
        has(&rpc("PORTMAPPER", 100_000, 2, *proc, args, 3, b""), failure);
    }
    has(
        &rpc("PORTMAPPER", 100_000, 2, 3, mapping, 0, b"\0\x01\0\0"),
        &(events::PM_BAD_PORT, "65536"),
    );
    for (proc, told) in [
        (4, (events::MOUNT_PROC_UMNT_ALL, "? ?")),
        (5, (events::MOUNT_PROC_NOT_IMPLEMENTED, "? 5")),
        (0, (events::MOUNT_PROC_NULL, "?")),
    ] {
        has(&rpc("MOUNT", 100_005, 3, proc, b"", 0, b""), &told);
    }
    let got = rpc(
        "NFS",
        100_003,
        3,
        6,
        b"\0\0\0\x04hndl\0\0\0\0\0\0\0\0\0\0\0\x04",
        0,
        b"\0\0\0\0\0\0\0\0\0\0\0\x04\0\0\0\x01\0\0\0\x04data",
    );
    has(&got, &(events::NFS_PROC_READ, "? ? ?"));
}

#[test]
fn a_success_for_a_call_that_is_none_is_odd() {
    let weird = |got: &[String]| {
        got.iter()
            .any(|e| e.contains("successful_RPC_reply_to_invalid_request"))
    };
    for (name, program, version, proc) in [
        ("PORTMAPPER", 100_000, 2, 3),
        ("MOUNT", 100_005, 3, 1),
        ("NFS", 100_003, 3, 1),
    ] {
        assert!(
            weird(&rpc(name, program, version, proc, b"\0\0", 0, b"\0\0\0\0")),
            "{name}"
        );
        assert!(!weird(&rpc(name, program, version, proc, b"\0\0", 4, b"")), "{name}");
    }
    let mapping = b"\0\x01\x86\xa3\0\0\0\x03\0\0\0\x06\0\0\0\0";
    assert!(!weird(&rpc("PORTMAPPER", 100_000, 2, 3, mapping, 0, b"\0\0\x08\x01")));
}

/// An SMB 1 message with its NetBIOS header.
fn smb1(command: u8, response: bool, words: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut m = b"\xffSMB".to_vec();
    m.extend([command, 0, 0, 0, 0, if response { 0x80 } else { 0 }, 0, 0]);
    m.extend([0; 12]);
    m.extend([1, 0, 2, 0, 3, 0, 4, 0]);
    m.push((words.len() / 2) as u8);
    m.extend(words);
    m.extend((bytes.len() as u16).to_le_bytes());
    m.extend(bytes);
    [&[0, 0, 0, m.len() as u8][..], &m].concat()
}

#[test]
fn seldom_commands_of_smb_1() {
    tells(
        "SMB",
        Transport::Tcp,
        &[
            (true, &smb1(0x72, false, &[], b"\x02NT LM 0.12\0")),
            (true, &smb1(0x2b, false, &[1, 0], b"hello")),
            (false, &smb1(0x2b, true, &[1, 0], b"hello")),
            (true, &smb1(0x10, false, &[], b"\x04\\dir\0")),
            (false, &smb1(0x10, true, &[], b"")),
            (true, &smb1(0xa4, false, &[], b"")),
        ],
        &[
            (events::SMB1_ECHO_REQUEST, "1 hello"),
            (events::SMB1_ECHO_RESPONSE, "1 hello"),
            (events::SMB1_CHECK_DIRECTORY_REQUEST, "? \\dir"),
            (events::SMB1_CHECK_DIRECTORY_RESPONSE, "?"),
            (events::SMB1_NT_CANCEL_REQUEST, "?"),
        ],
    );
}

/// A request of SMB 2 that sets information of a file.
fn set_info(class: u8, level: u8, data: &[u8]) -> Vec<u8> {
    let mut m = b"\xfeSMB\x40\0\0\0\0\0\0\0\x11\0".to_vec();
    m.resize(64, 0);
    m.extend([33, 0, class, level]);
    m.extend((data.len() as u32).to_le_bytes());
    m.extend([96, 0, 0, 0, 0, 0, 0, 0]);
    m.extend([5; 16]);
    m.extend(data);
    [&[0, 0, 0, m.len() as u8][..], &m].concat()
}

#[test]
fn what_smb_2_sets() {
    let name = b"\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x02\0\0\0x\0";
    let ea = b"\x10\0\0\0\0\x02\x03\0ab\0val\0\0\0\0\0\0\0\x01\x01\0c\0d";
    let eight = [8, 0, 0, 0, 0, 0, 0, 0];
    let fs = [[1u8, 0, 0, 0, 0, 0, 0, 0]; 6].concat();
    let id = [[9u8; 16].to_vec(), b"extended".to_vec()].concat();
    let cases: &[(u8, u8, &[u8], Told)] = &[
        (1, 10, name, (events::SMB2_FILE_RENAME, "? ? x")),
        (1, 11, name, (events::SMB2_FILE_LINK, "? ? 7 x")),
        (1, 13, b"\x01", (events::SMB2_FILE_DELETE, "? ? true")),
        (1, 14, &eight, (events::SMB2_FILE_POSITION, "? ? 8")),
        (1, 15, ea, (events::SMB2_FILE_FULLEA, "? ? [?, ?]")),
        (1, 16, b"\x02\0\0\0", (events::SMB2_FILE_MODE, "? ? 2")),
        (1, 19, &eight, (events::SMB2_FILE_ALLOCATION, "? ? 8")),
        (1, 20, &eight, (events::SMB2_FILE_ENDOFFILE, "? ? 8")),
        (1, 23, b"\x01\0\0\0\x02\0\0\0", (events::SMB2_FILE_PIPE, "? ? 1 2")),
        (1, 39, &eight, (events::SMB2_FILE_VALIDDATALENGTH, "? ? 8")),
        (1, 40, b"\x02\0\0\0s\0", (events::SMB2_FILE_SHORTNAME, "? ? s")),
        (2, 6, &fs, (events::SMB2_FILE_FSCONTROL, "? ? ?")),
        (2, 8, &id, (events::SMB2_FILE_FSOBJECTID, "? ? ? extended")),
    ];
    for (class, level, data, told) in cases {
        tells(
            "SMB",
            Transport::Tcp,
            &[(true, &set_info(*class, *level, data))],
            &[*told],
        );
    }
}

#[test]
fn idents_and_their_errors() {
    tells(
        "IDENT",
        Transport::Tcp,
        &[
            (true, b"6193, 23\r\n6195 , 23\r\n"),
            (
                false,
                b"6193, 23 : USERID : UNIX :stjohns\r\n6195, 23 : ERROR : NO-USER\r\n",
            ),
        ],
        &[
            (events::IDENT_REQUEST, "? ?"),
            (events::IDENT_REPLY, "? ? stjohns UNIX"),
            (events::IDENT_ERROR, "? ? NO-USER"),
        ],
    );
}

#[test]
fn services_are_asked_over_irc() {
    tells(
        "IRC",
        Transport::Tcp,
        &[
            (true, b"NICK n\r\nUSER u h s :real\r\n"),
            (true, b":n SQUERY irchelp :HELP privmsg\r\n"),
        ],
        &[(events::IRC_SQUERY_MESSAGE, "true n irchelp HELP privmsg")],
    );
}

#[test]
fn sessions_of_netbios() {
    let names = b"\x20CKFDENECFDEFFCFGEFFCCACACACACACA\0\x20CKFDENECFDEFFCFGEFFCCACACACACACA\0";
    let request = [&b"\x81\0\0\x44"[..], names].concat();
    let shown = String::from_utf8_lossy(names).into_owned();
    let shown: &'static str = shown.leak();
    tells(
        "NETBIOSSSN",
        Transport::Tcp,
        &[
            (true, &request),
            (false, b"\x84\0\0\x06\x0a\0\0\x02\0\x8b"),
            (false, b"\x83\0\0\x01\x80"),
            (true, &request),
            (false, b"\x82\0\0\0"),
            (true, b"\0\0\0\x05hello"),
            (true, b"\x85\0\0\0"),
        ],
        &[
            (events::NETBIOS_SESSION_REQUEST, shown),
            (events::NETBIOS_SESSION_REJECTED, "\u{fffd}"),
            (events::NETBIOS_SESSION_ACCEPTED, ""),
            (events::NETBIOS_SESSION_RAW_MESSAGE, "true hello"),
            (events::NETBIOS_SESSION_KEEPALIVE, ""),
            (events::NETBIOS_SESSION_RET_ARG_RESP, "\n\0\0\u{2}\0\u{fffd}"),
        ],
    );
}

#[test]
fn trackers_may_pack_their_answers() {
    let body = b"d8:intervali60e5:peers6:\x0a\0\0\x01\x1a\xe1e";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, body).unwrap();
    let gz = packed.finish().unwrap();
    let mut reply = format!(
        "HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        gz.len()
    )
    .into_bytes();
    reply.extend(gz);
    tells(
        "BITTORRENTTRACKER",
        Transport::Tcp,
        &[
            (true, b"GET /announce?info_hash=x HTTP/1.1\r\nHost: t\r\n\r\n"),
            (false, &reply),
        ],
        &[(events::BT_TRACKER_RESPONSE, "200 ? ? ?")],
    );
}

/// As recorded for a client's hello that could not be read: what the server says is told, and the service stays open.
#[test]
fn a_hello_of_a_tls_server_alone_is_told_but_not_certain() {
    let body = [&[3, 3][..], &[7; 32], &[0, 0x13, 1, 0]].concat();
    let server = [&[22, 3, 3, 0, 42, 2, 0, 0, 38][..], &body].concat();
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0]].concat();
    let client = [&[22, 3, 3, 0, 45, 1, 0, 0, 41][..], &body].concat();
    let certain = |got: &[String]| {
        let head = format!("{:?} ", events::ANALYZER_CONFIRMATION_INFO);
        got.iter().filter(|e| e.starts_with(&head)).count()
    };
    let got = talk("SSL", Transport::Tcp, &[(false, &server)]);
    let hello = format!("{:?} ", events::SSL_SERVER_HELLO);
    assert!(got.iter().any(|e| e.starts_with(&hello)), "{got:#?}");
    assert_eq!(certain(&got), 0, "{got:#?}");
    let got = talk("SSL", Transport::Tcp, &[(true, &client), (false, &server)]);
    assert_eq!(certain(&got), 1, "{got:#?}");
}
