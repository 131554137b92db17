//! Certificates: parsing, verification, hashes, names, signed timestamps and OCSP replies.

use std::rc::Rc;

use tapir_data::value::{Table, Value};
use tapir_files::cert::{Cert, Name};
use tapir_files::verify::{self, Outcome, Roots};
use tapir_files::x509::{X509Value, certificate_record};
use tapir_interface::{records, types};
use tapir_vm::{CallCtx, RtError};

use crate::util::*;

pub const FAMILY: Family = &[
    ("x509_parse", parse),
    ("x509_from_der", from_der),
    ("x509_get_certificate_string", certificate_string),
    ("x509_verify", |ctx, a| verify_with(ctx, a, None)),
    ("x509_ocsp_verify", |ctx, a| {
        let reply = a.str(1)?.clone();
        verify_with(ctx, a, Some(&reply))
    }),
    ("sct_verify", sct_verify),
    ("x509_subject_name_hash", |ctx, a| {
        hash(ctx, a, |c, n| verify::name_hash(&c.subject, n))
    }),
    ("x509_issuer_name_hash", |ctx, a| {
        hash(ctx, a, |c, n| verify::name_hash(&c.issuer, n))
    }),
    ("x509_spki_hash", |ctx, a| hash(ctx, a, verify::key_hash)),
    ("x509_check_hostname", |_, a| {
        Ok(Value::Bool(verify::check_hostname(a.str(0)?, a.str(1)?)))
    }),
    ("x509_check_cert_hostname", |_, a| {
        let c = cert(a, 0)?;
        Ok(string(verify::check_cert_hostname(&c, a.str(1)?)))
    }),
    ("x509_set_certificate_cache", |ctx, a| {
        ctx.vm.state::<CertificateCache>().table = Some(a.table(0)?.clone());
        Ok(Value::Bool(true))
    }),
    ("x509_set_certificate_cache_hit_callback", |ctx, a| {
        ctx.vm.state::<CertificateCache>().hook = Some(a.any(0)?.clone());
        Ok(Value::Bool(true))
    }),
    ("parse_distinguished_name", |_, a| {
        let text = tapir_files::der::Der::new(a.str(0)?)
            .next()
            .map(|t| Name(t.whole).rfc2253());
        Ok(string(text.unwrap_or_default()))
    }),
];

/// The scripts' table of known certificates by SHA-256, and the hook that is called for one of them. File analysis
/// looks here before it parses a certificate.
#[derive(Default)]
pub struct CertificateCache {
    pub table: Option<Rc<Table>>,
    pub hook: Option<Value>,
}

impl CertificateCache {
    /// What the table holds for a fingerprint, with the hook to call.
    pub fn lookup(&self, sha256: &str) -> Option<(Value, Value)> {
        let entry = self.table.as_ref()?.get(&[string(sha256)])?;
        Some((self.hook.clone()?, entry))
    }
}

fn value(a: &[Value], i: usize) -> Result<&X509Value, RtError> {
    X509Value::of(a.any(i)?).ok_or_else(|| RtError::new("argument is no certificate"))
}

fn cert(a: &[Value], i: usize) -> Result<Cert<'_>, RtError> {
    Cert::parse(value(a, i)?.der()).ok_or_else(|| RtError::new("certificate cannot be parsed"))
}

fn parse(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let c = cert(a, 0)?;
    Ok(certificate_record(&c, ctx.queue().bindings()))
}

fn from_der(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    match X509Value::new(a.str(0)?) {
        Some(v) => Ok(Value::Opaque(v)),
        None => {
            ctx.error("data is no certificate");
            Ok(Value::Unset)
        }
    }
}

fn certificate_string(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let der = value(a, 0)?.der();
    let pem = matches!(a.get(1), Some(Value::Bool(true)));
    Ok(if pem { string(verify::pem(der)) } else { string(der) })
}

/// The roots in a script's table. The monitor's own store stands behind the table that a site can extend.
fn roots(ctx: &CallCtx<'_>, table: &Rc<Table>) -> Roots {
    let own = ctx.vm.global_value("SSL::root_certs");
    let mozilla = matches!(own, Some(Value::Table(t)) if Rc::ptr_eq(&t, table));
    let certs = table
        .entries()
        .into_iter()
        .filter_map(|(_, v)| match v {
            Value::Str(s) => Some(s.to_vec()),
            _ => None,
        })
        .collect();
    Roots { certs, mozilla }
}

/// Verifies a chain, or with `reply` what an OCSP responder says of it.
fn verify_with(ctx: &mut CallCtx<'_>, a: &[Value], reply: Option<&[u8]>) -> Res {
    let chain = a.vector(0)?.to_vec();
    let first = usize::from(reply.is_some()) + 1;
    let roots = roots(ctx, a.table(first)?);
    let at = a.double(first + 1)?;
    let mut ders: Vec<&[u8]> = Vec::new();
    let mut broken = false;
    for v in &chain {
        match X509Value::of(v) {
            Some(c) => ders.push(c.der()),
            None => broken = true,
        }
    }
    let outcome = if broken && ders.len() < chain.len() && matches!(chain.first(), Some(Value::Unset)) {
        Outcome {
            code: -1,
            text: "undefined certificate in chain".to_string(),
            chain: Vec::new(),
        }
    } else {
        match reply {
            Some(reply) => verify::verify_ocsp(&ders, reply, &roots, at),
            None => verify::verify_chain(&ders, &roots, at),
        }
    };
    let b = ctx.vm.queue().shared_bindings();
    let chain_certs = if outcome.chain.is_empty() {
        Value::Unset
    } else {
        let certs = outcome
            .chain
            .iter()
            .filter_map(|d| X509Value::new(d))
            .map(|v| Value::Opaque(v))
            .collect();
        b.vector(types::VECTOR_OF_OPAQUE_X509, certs)
    };
    let record = records::X509Result {
        result: outcome.code,
        result_string: outcome.text.into_bytes().into(),
        chain_certs,
    };
    Ok(record.build(&b))
}

fn sct_verify(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let c = cert(a, 0)?;
    let issuer: &[u8] = match a.get(6) {
        Some(Value::Str(s)) => s,
        _ => b"",
    };
    let (key, signature) = (a.str(2)?, a.str(3)?);
    Ok(Value::Bool(verify::verify_sct(
        &c,
        key,
        signature,
        a.count(4)?,
        a.count(5)?,
        issuer,
    )))
}

fn hash(ctx: &mut CallCtx<'_>, a: &[Value], digest: fn(&Cert, u64) -> Option<Vec<u8>>) -> Res {
    let c = cert(a, 0)?;
    let number = a.count(1)?;
    match digest(&c, number) {
        Some(d) => Ok(string(d)),
        None => {
            ctx.error(format!("unsupported hash algorithm {number}"));
            Ok(Value::Unset)
        }
    }
}
