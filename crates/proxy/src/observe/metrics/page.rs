//! The page that a scraper gets.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use identity::Authenticators;

use super::Metrics;
use super::labels::{AuthenticatorLabels, CertificateLabels, MemberLabels};
use crate::plan::Site;
use crate::server::slots::Slots;
use crate::server::tls::Tls;
use crate::upstream::Standing;

impl Metrics {
    /// Everything in the `OpenMetrics` text format.
    pub(crate) fn text(
        &self,
        authenticators: &Authenticators,
        slots: &Slots,
        tls: Option<&Tls>,
        sites: &[Arc<Site>],
    ) -> Result<String, std::fmt::Error> {
        let _page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        self.open_streams_gauge
            .set(self.open_streams.load(Ordering::Relaxed));
        let handshakes = tls.map_or(0, |tls| tls.handshakes.taken());
        self.count_connections("handshake", handshakes);
        self.count_connections("open", slots.taken().saturating_sub(handshakes));
        self.key_ages.clear(); // an authenticator that was removed has no keys to tell of
        for (name, age) in authenticators.key_ages() {
            let Some(age) = age else { continue };
            let labels = AuthenticatorLabels {
                authenticator: name.into(),
            };
            self.key_ages
                .get_or_create(&labels)
                .set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        }
        self.certificates.clear();
        if let Some(tls) = tls {
            for (place, expires) in tls.set().expiries() {
                let labels = CertificateLabels {
                    certificate: place.to_owned(),
                };
                self.certificates
                    .get_or_create(&labels)
                    .set(tls.seconds_left(expires));
            }
        }
        self.upstream_members.clear(); // a route may be gone since
        for site in sites {
            self.count_members(site);
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn count_members(&self, site: &Site) {
        let (mut serving, mut returning, mut ejected) = (0, 0, 0);
        for (_, standing, _) in site.upstream.members() {
            match standing {
                Standing::Serving => serving += 1,
                Standing::Returning(_) => returning += 1,
                Standing::Ejected => ejected += 1,
            }
        }
        for (state, count) in [
            ("serving", serving),
            ("returning", returning),
            ("ejected", ejected),
        ] {
            let route = site.name.to_string();
            self.upstream_members
                .get_or_create(&MemberLabels { route, state })
                .set(count);
        }
    }
}
