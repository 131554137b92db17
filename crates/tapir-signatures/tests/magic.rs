//! The file magic signatures as shipped: they load, and well-known beginnings are told apart.

use tapir_signatures::RuleSet;
use tapir_signatures::rules::NoNames;

fn load() -> RuleSet {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/base/frameworks/files/magic");
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(dir)
        .expect("the folder of magic signatures")
        .map(|e| e.expect("a directory entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "sig"))
        .map(|p| (p.display().to_string(), std::fs::read(&p).expect("a readable file")))
        .collect();
    files.sort();
    match RuleSet::load(&files, &mut NoNames) {
        Ok((set, _)) => set,
        Err(errors) => panic!("{}", errors.iter().map(|e| format!("{e}\n")).collect::<String>()),
    }
}

#[test]
fn well_known_beginnings() {
    let set = load();
    let cases: &[(&[u8], &str)] = &[
        (b"GIF89a\x01\x00\x01\x00\x80\x00\x00", "image/gif:70"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png:110"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "image/jpeg:52"),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "application/pdf:80 text/plain:-20"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "application/x-gzip:100"),
        (b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "application/zip:10"),
        (
            b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff",
            "application/x-dosexec:51",
        ),
        (
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\x00\x3e\x00",
            "application/x-executable:50",
        ),
        (
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<root/>",
            "application/xml:10 text/plain:-20",
        ),
        (
            b"<!DOCTYPE html>\n<html><head>",
            "text/html:100 text/html:49 text/plain:-20",
        ),
        (b"<html>root\n</html>\n", "text/html:100 text/html:20 text/plain:-20"),
        (
            b"<head><title>Document Moved</title></head>",
            "text/html:20 text/plain:-20",
        ),
        (b"#!/bin/sh\necho hi\n", "text/x-shellscript:250 text/plain:-20"),
        (b"Just some plain English text.\n", "text/plain:-20"),
        (b"{\"key\": \"value\"}", "text/json:1 text/plain:-20"),
        (b"ustar\x0000", ""),
        (b"", ""),
        (b"\x00\x01\x02\x03\xfe\xff", ""),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/x-wav:70"),
        (b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed:110"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "application/vnd.tcpdump.pcap:70"),
        (b"document.write('x')", "application/javascript:60 text/plain:-20"),
        (
            b"0Q0O0M0K0I0\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00",
            "application/ocsp-request:71 text/plain:-20",
        ),
        (
            b"-----BEGIN PGP SIGNATURE-----\n",
            "application/pgp-signature:280 text/plain:-20",
        ),
        (b"short", ""),
    ];
    for (data, want) in cases {
        let got: Vec<String> = set.file_magic(data).iter().map(|(s, m)| format!("{m}:{s}")).collect();
        assert_eq!(got.join(" "), *want, "{}", String::from_utf8_lossy(data));
    }
}
