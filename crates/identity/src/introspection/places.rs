//! How many calls a provider gets at a time, and how many of them one address may cause (SEC-17).
//!
//! Whoever invents tokens makes each a call. An address waits for its own share first, so that what it has waiting never stands
//! before others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Calls to one provider at a time.
pub(crate) const CALLS: usize = 64;
/// Of these, what one address may have.
pub(crate) const SHARE: usize = CALLS / 4;
/// Calls of one address, those that wait included.
const WAITING: usize = 256;

/// The places of one provider.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    /// Only addresses that have or want a place.
    shares: Mutex<HashMap<IpAddr, Share>>,
}

struct Share {
    places: Arc<Semaphore>,
    users: usize,
}

/// Leave to wait for a place.
pub(crate) struct Turn {
    of: Arc<Places>,
    address: IpAddr,
    share: Arc<Semaphore>,
}

/// A place; it lasts as long as its turn.
pub(crate) struct Place {
    _share: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            all: Arc::new(Semaphore::new(CALLS)),
            shares: Mutex::default(),
        })
    }

    /// `None`: the address has too many waiting.
    pub(crate) fn turn(self: &Arc<Self>, address: IpAddr) -> Option<Turn> {
        let address = net(address);
        let mut shares = self.shares();
        let share = shares.entry(address).or_insert_with(|| Share {
            places: Arc::new(Semaphore::new(SHARE)),
            users: 0,
        });
        if share.users >= WAITING {
            return None;
        }
        share.users += 1;
        let share = Arc::clone(&share.places);
        Some(Turn {
            of: Arc::clone(self),
            address,
            share,
        })
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<IpAddr, Share>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Waits for as long as it takes. An error never comes: nobody closes the places.
    pub(crate) async fn place(&self) -> Result<Place, AcquireError> {
        let share = Arc::clone(&self.share).acquire_owned().await?;
        let all = Arc::clone(&self.of.all).acquire_owned().await?;
        Ok(Place {
            _share: share,
            _all: all,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut shares = self.of.shares();
        if let Some(share) = shares.get_mut(&self.address) {
            share.users -= 1;
            if share.users == 0 {
                shares.remove(&self.address);
            }
        }
    }
}

/// Who has one address of IPv6 has a network of them (/48: a site).
fn net(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    async fn taken(places: &Arc<Places>, address: IpAddr) -> (Turn, Place) {
        let turn = places.turn(address).unwrap();
        let place = turn.place().await.unwrap();
        (turn, place)
    }

    /// Whether a place comes without anybody leaving.
    async fn at_once(turn: &Turn) -> bool {
        let moment = std::time::Duration::from_millis(1);
        tokio::time::timeout(moment, turn.place()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn sec_17_one_address_has_its_share_and_others_theirs() {
        let places = Places::new();
        let mut held = Vec::new();
        for _ in 0..SHARE {
            held.push(taken(&places, address(1)).await);
        }
        let waiting: Vec<_> = (SHARE..WAITING)
            .map(|_| places.turn(address(1)).unwrap())
            .collect();
        assert!(places.turn(address(1)).is_none(), "256 and no more");
        assert!(!at_once(&waiting[0]).await);
        assert!(at_once(&places.turn(address(2)).unwrap()).await);
        held.pop();
        assert!(at_once(&waiting[0]).await);
        drop((held, waiting));
        assert!(places.shares().is_empty(), "nothing stays behind");
    }

    #[tokio::test(start_paused = true)]
    async fn sec_17_all_together_have_sixty_four() {
        let places = Places::new();
        let mut held = Vec::new();
        for number in 0..CALLS {
            let last = u8::try_from(number / SHARE).unwrap();
            held.push(taken(&places, address(last)).await);
        }
        let turn = places.turn(address(200)).unwrap();
        assert!(!at_once(&turn).await);
        held.pop();
        assert!(at_once(&turn).await);
    }

    #[test]
    fn a_site_of_ipv6_counts_as_one() {
        let net = |text: &str| net(text.parse().unwrap());
        assert_eq!(net("2001:db8:1:2::3"), net("2001:db8:1:ffff::4"));
        assert_ne!(net("2001:db8:1::3"), net("2001:db8:2::3"));
        assert_eq!(net("::ffff:192.0.2.1"), address(1));
    }
}
