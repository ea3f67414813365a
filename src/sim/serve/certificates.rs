//! The certificates of a served cluster: its authority, its own, and those of its users. All are made at start and end with the process, or go on with a saved cluster.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};

use crate::error::{Error, Result};
use crate::sim::identity::Identity;

/// How long a certificate is good; a cluster of tests does not live longer, and Go accepts no server certificate of more than 825 days on some systems.
const LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);

/// What the Service `kubernetes` is called inside of a cluster, and its address.
const NAMES: [&str; 5] = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
const SERVICE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1));

/// So long before its end an authority is replaced by a new one when its cluster goes on.
const LAST_DAYS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A certificate authority and the time at which it signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    kept: KeptAuthority,
}

/// An authority as it is kept with a saved cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptAuthority {
    made: Timestamp,
    certificate: String,
    key: String,
}

/// A user's certificate and key as PEM.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    pub certificate_pem: String,
    pub key_pem: String,
}

impl Credentials {
    /// The certificate as it is shown in a handshake.
    ///
    /// # Errors
    /// `script` when it is none.
    pub fn der(&self) -> Result<Vec<u8>> {
        CertificateDer::from_pem_slice(self.certificate_pem.as_bytes()).map(|it| it.to_vec()).map_err(|error| failed(&error))
    }
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::script(format!("cannot make a certificate: {error}"))
}

fn params(common_name: &str, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    let day = |time: Timestamp| {
        let date = time.to_zoned(TimeZone::UTC).date();
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    // Clocks of clients may be late, and the times here are whole days.
    params.not_before = day(now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(now));
    params.not_after = day(now.saturating_add(LIFETIME).unwrap_or(now));
    params
}

impl Authority {
    /// # Errors
    /// `script` when the system has no randomness.
    pub fn new(now: Timestamp) -> Result<Self> {
        let mut params = params("kubernetes", now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
        let kept = KeptAuthority { made: now, certificate: certificate.pem(), key: key.serialize_pem() };
        Ok(Self { kept, certificate: certificate.der().clone(), issuer: Issuer::new(params, key) })
    }

    /// An authority that goes on; `None` when its time is nearly over.
    ///
    /// # Errors
    /// `script` when its certificate or its key cannot be read.
    pub fn again(kept: KeptAuthority, now: Timestamp) -> Result<Option<Self>> {
        if now.duration_since(kept.made) > LIFETIME - LAST_DAYS {
            return Ok(None);
        }
        let mut params = params("kubernetes", kept.made);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::from_pem(&kept.key).map_err(|error| failed(&error))?;
        let certificate = CertificateDer::from_pem_slice(kept.certificate.as_bytes()).map_err(|error| failed(&error))?;
        Ok(Some(Self { kept, certificate, issuer: Issuer::new(params, key) }))
    }

    pub fn kept(&self) -> &KeptAuthority {
        &self.kept
    }

    pub fn pem(&self) -> &str {
        &self.kept.certificate
    }

    /// A certificate for a user: its name is the common name, its groups are the organisations.
    ///
    /// # Errors
    /// `script`.
    pub fn client(&self, identity: &Identity) -> Result<Credentials> {
        let mut params = params(&identity.user, self.kept.made);
        for group in identity.groups.iter().filter(|it| *it != "system:authenticated") {
            params.distinguished_name.push(DnType::OrganizationName, group.as_str());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| failed(&error))?;
        Ok(Credentials { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// What the server shows, and which clients' certificates it takes: those of this authority; none is taken too.
    ///
    /// # Errors
    /// `script`.
    pub fn server(&self) -> Result<Arc<ServerConfig>> {
        let mut params = params("kube-apiserver", self.kept.made);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST), SERVICE_ADDRESS];
        params.subject_alt_names = addresses.into_iter().map(SanType::IpAddress).collect();
        for name in NAMES {
            params.subject_alt_names.push(SanType::DnsName(name.try_into().map_err(|error| failed(&error))?));
        }
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| failed(&error))?;
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).map_err(|error| failed(&error))?;
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).allow_unauthenticated().build();
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| failed(&error))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_client_cert_verifier(verifier.map_err(|error| failed(&error))?)
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(|error| failed(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
