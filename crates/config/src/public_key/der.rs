//! As much of DER as a public key needs: definite lengths in their shortest form, nothing left over.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// What is left to be read.
#[derive(Clone, Copy)]
pub(super) struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    pub(super) fn new(bytes: &'d [u8]) -> Self {
        Self(bytes)
    }

    /// Whether it is one sequence from end to end: so is every key and certificate, and by chance next to nothing else.
    pub(super) fn is_one_sequence(mut self) -> bool {
        self.value(SEQUENCE).is_some_and(|inner| !inner.is_empty()) && self.0.is_empty()
    }

    /// Algorithm, its parameters as they stand there, and the key (RFC 5280 section 4.1).
    pub(super) fn subject_public_key_info(mut self) -> Option<(&'d [u8], &'d [u8], &'d [u8])> {
        let mut info = Self(self.value(SEQUENCE)?);
        let mut algorithm = Self(info.value(SEQUENCE)?);
        let object = algorithm.value(OBJECT)?;
        let (unused_bits, key) = info.value(BIT_STRING)?.split_first()?;
        let whole = self.0.is_empty() && info.0.is_empty() && *unused_bits == 0;
        whole.then_some((object, algorithm.0, key))
    }

    /// A sequence of two positive integers, without their leading zeros (RFC 8017 appendix A.1.1).
    pub(super) fn two_integers(mut self) -> Option<(&'d [u8], &'d [u8])> {
        let mut pair = Self(self.value(SEQUENCE)?);
        let (first, second) = (pair.integer()?, pair.integer()?);
        (self.0.is_empty() && pair.0.is_empty()).then_some((first, second))
    }

    fn integer(&mut self) -> Option<&'d [u8]> {
        match self.value(INTEGER)? {
            [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Some(rest),
            digits
                if digits
                    .first()
                    .is_some_and(|first| (1..0x80).contains(first)) =>
            {
                Some(digits)
            }
            _ => None, // negative, zero, or longer than need be
        }
    }

    /// The contents of the next value, which must have this tag.
    fn value(&mut self, tag: u8) -> Option<&'d [u8]> {
        let (found, rest) = self.0.split_first()?;
        if *found != tag {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ ..=0x7f => (usize::from(short), rest),
            0x81 => {
                let (length, rest) = rest.split_first()?;
                (
                    Some(usize::from(*length)).filter(|length| *length >= 0x80)?,
                    rest,
                )
            }
            0x82 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                let length = usize::from(u16::from_be_bytes(*length));
                (Some(length).filter(|length| *length >= 0x100)?, rest)
            }
            _ => return None, // longer than any key taken here
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(value)
    }
}
