//! Receivers with certificates of an issuer that nobody knows.

use super::{server::raw, *};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

/// A certificate that vouches for itself, and its key.
pub(super) struct Identity(rcgen::CertifiedKey<rcgen::KeyPair>);

impl Identity {
    pub(super) fn of(name: &str) -> Self {
        Self(rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate"))
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth();
        let config = config.with_single_cert(vec![self.0.cert.der().clone()], key).expect("a key that fits");
        TlsAcceptor::from(Arc::new(config))
    }

    /// The certificate for a text between double quotes.
    pub(super) fn pem_in_yaml(&self) -> String {
        self.0.cert.pem().replace("\r\n", "\n").replace('\n', "\\n")
    }
}

#[tokio::test]
async fn an_issuer_is_trusted_when_it_is_named_and_not_otherwise() {
    let identity = Identity::of("127.0.0.1");
    let acceptor = identity.acceptor();
    let address = raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    let tls = format!(", http_config: {{tls_config: {{ca: \"{}\"}}}}", identity.pem_in_yaml());
    for (more, wanted) in [(tls.as_str(), (Outcome::Delivered, 204)), ("", (Outcome::Failed, 0))] {
        let mut endpoint = endpoint(&format!("webhook_configs: [{{url: 'https://{address}/'{more}}}]"));
        let (outcome, status, detail) = attempt(&mut endpoint, &samples::firing("acme")).await;
        assert_eq!((outcome, status), wanted, "{detail}");
    }
}
